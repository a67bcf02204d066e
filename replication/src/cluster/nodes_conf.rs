//! Redis's `nodes.conf`, as far as a cluster of one needs it.
//!
//! ```text
//! <id> <ip>:<port>@<bus port>[,<hostname>],shard-id=<id> myself,master - 0 0 <epoch> connected <slots...>
//! vars currentEpoch <n> lastVoteEpoch <n>
//! ```
//!
//! The addresses are written for people and programs that edit the file; they are not read back.

use super::addresses::Addresses;
use super::state::State;
use keyslot_engine::Slot;
use keyslot_engine::slot::SlotSet;
use std::fmt::Write;

/// The file's text.
pub(super) fn print(state: &State, addresses: &Addresses) -> String {
    let mut text = node_line(state, addresses, &format!(",shard-id={}", state.shard_id));
    let _ = writeln!(text, "vars currentEpoch {} lastVoteEpoch 0", state.current_epoch);
    text
}

/// The line of this node, as CLUSTER NODES shows it; `aux` is what only the file holds.
pub(super) fn node_line(state: &State, addresses: &Addresses, aux: &str) -> String {
    let address = addresses.line();
    let mut line = format!("{} {address}{aux} myself,master - 0 0 {} connected", state.id, state.config_epoch);
    for range in state.slots.ranges() {
        let (first, last) = (range.start(), range.end());
        let _ = if first == last { write!(line, " {first}") } else { write!(line, " {first}-{last}") };
    }
    line.push('\n');
    line
}

/// Reads the file; `name` makes the name of the shard where the file gives none.
pub(super) fn parse(text: &str, name: &mut dyn FnMut() -> String) -> Result<State, String> {
    let mut state = None;
    let mut current_epoch = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["vars", rest @ ..] => {
                let epoch = rest.iter().position(|word| *word == "currentEpoch").and_then(|at| rest.get(at + 1));
                current_epoch = epoch.and_then(|epoch| epoch.parse().ok()).ok_or("no currentEpoch in the vars line")?;
            }
            [id, address, flags, _, _, _, epoch, _, slots @ ..] if flags.split(',').any(|flag| flag == "myself") => {
                state = Some(State {
                    id: checked_id(id)?,
                    shard_id: match address.split(',').find_map(|part| part.strip_prefix("shard-id=")) {
                        Some(id) => checked_id(id)?,
                        None => name(),
                    },
                    config_epoch: epoch.parse().map_err(|_| format!("{epoch} is no epoch"))?,
                    current_epoch: 0,
                    slots: parse_slots(slots)?,
                });
            }
            [_, _, _, _, _, _, _, _, ..] => return Err("it names other nodes, which this node cannot join yet".into()),
            _ => return Err(format!("{line:?} is no line of a node")),
        }
    }
    let mut state = state.ok_or("no line is marked myself")?;
    state.current_epoch = current_epoch.max(state.config_epoch);
    Ok(state)
}

fn checked_id(id: &str) -> Result<String, String> {
    let is_id = id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(id.to_owned()) } else { Err(format!("{id:?} is no node id")) }
}

fn parse_slots(words: &[&str]) -> Result<SlotSet, String> {
    let slot = |word: &str| word.parse().ok().and_then(Slot::new).ok_or_else(|| format!("{word:?} is no slot"));
    let mut slots = SlotSet::default();
    // Migrations that were under way stand in brackets; with one node there is nobody to go on with.
    for word in words.iter().filter(|word| !word.starts_with('[')) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last) = (slot(first)?, slot(last)?);
        if first > last {
            return Err(format!("{word:?} is no range of slots"));
        }
        slots.insert_range(first..=last);
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4aa469d5f5452fbe49b9197e4c6e6cd235d2d787";

    #[test]
    fn a_file_of_redis_is_understood() {
        let text = format!(
            "{ID} 10.1.2.3:21230@31230,h.example myself,master - 0 0 3 connected 1-3 7 10-11 [5->-{ID}]\n\
             vars currentEpoch 4 lastVoteEpoch 0\n"
        );
        let state = parse(&text, &mut String::new).unwrap();
        assert_eq!((state.id.as_str(), state.config_epoch, state.current_epoch, state.slots.len()), (ID, 3, 4, 6));
    }

    #[test]
    fn what_was_printed_is_read_back() {
        let mut state = State::fresh(&mut || ID.to_owned());
        (state.config_epoch, state.current_epoch) = (2, 5);
        state.slots.insert_range(Slot::of(b"a").min(Slot::of(b"b"))..=Slot::of(b"a").max(Slot::of(b"b")));
        let text = print(&state, &Addresses { hostname: "h.example".into(), ..Addresses::default() });
        assert_eq!(parse(&text, &mut String::new).unwrap(), state);
    }

    #[test]
    fn broken_files_are_refused_with_a_reason() {
        for (text, reason) in [
            ("", "no line is marked myself"),
            ("x", "is no line of a node"),
            ("x :1@2 myself,master - 0 0 0 connected", "is no node id"),
            (&format!("{ID} :1@2 myself,master - 0 0 x connected"), "is no epoch"),
            (&format!("{ID} :1@2 myself,master - 0 0 0 connected 16384"), "is no slot"),
            (&format!("{ID} :1@2 myself,master - 0 0 0 connected 5-3"), "is no range of slots"),
            (&format!("{ID} :1@2 master - 0 0 0 connected"), "other nodes"),
        ] {
            let error = parse(text, &mut String::new).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
