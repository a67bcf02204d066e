//! `keyslot-node cluster hot`: the slots of a cluster that are asked most just now, and its largest keys.

use super::rebalance::place;
use crate::balancing::asked::{AskError, Credentials, request};
use crate::balancing::survey::{Primary, Reading, SurveyError, primaries, read};
use keyslot::engine::Slot;
use keyslot::replication::cluster::balance::{Measure, SlotLoad};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Where to look, and for how long.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct HotOptions {
    host: String,
    port: u16,
    user: Option<String>,
    password: Option<String>,
    /// How long operations are watched.
    window: Duration,
    /// How many slots and keys are shown.
    count: usize,
}

impl HotOptions {
    /// Reads the words behind `hot`. An error names the word that is not understood.
    pub(crate) fn read(words: &[Vec<u8>]) -> Result<Self, String> {
        let window = Duration::from_secs(2);
        let mut options = Self { host: String::new(), port: 0, user: None, password: None, window, count: 10 };
        let mut words = words.iter().map(|word| String::from_utf8_lossy(word).into_owned());
        while let Some(word) = words.next() {
            if !word.starts_with('-') {
                (options.host, options.port) = place(&word).filter(|_| options.host.is_empty()).ok_or(word)?;
                continue;
            }
            let value = words.next().ok_or_else(|| word.clone())?;
            let wrong = || format!("{word} {value}");
            match word.as_str() {
                "--user" => options.user = Some(value),
                "-a" => options.password = Some(value),
                "--count" => options.count = value.parse().map_err(|_| wrong())?,
                "--window" => {
                    let seconds = value.parse::<f64>().ok().filter(|seconds| (0.01..=3600.0).contains(seconds));
                    options.window = Duration::from_secs_f64(seconds.ok_or_else(wrong)?);
                }
                _ => return Err(wrong()),
            }
        }
        if options.host.is_empty() { Err("nothing".to_owned()) } else { Ok(options) }
    }
}

/// Looks. The text is for people. The password may also stand in `REDISCLI_AUTH`.
pub(crate) fn run(options: &HotOptions, password_of_environment: Option<String>) -> Result<String, SurveyError> {
    let password = options.password.clone().or(password_of_environment);
    let credentials = password.map(|password| Credentials { user: options.user.clone(), password });
    let mut primaries = primaries(&options.host, options.port, credentials.as_ref())?;
    let before = readings(&mut primaries)?;
    std::thread::sleep(options.window);
    let after = readings(&mut primaries)?;
    let mut text = String::new();
    for (primary, _) in primaries.iter().zip(&after).filter(|(_, of)| !of.knows.contains(&Measure::Operations)) {
        let _ = writeln!(text, "{} does not tell how much its slots are asked.", primary.place());
    }
    let _ = writeln!(text, "{:>5} {:<21} {:>12} {:>10} {:>14}", "slot", "node", "operations/s", "keys", "bytes");
    let mut slots = grown(&before, &after);
    slots.truncate(options.count);
    for (slot, at, load) in slots {
        let rate = load.operations as f64 / options.window.as_secs_f64();
        let (node, keys, bytes) = (primaries[at].place(), load.keys, load.bytes);
        let _ = writeln!(text, "{:>5} {node:<21} {rate:>12.0} {keys:>10} {bytes:>14}", slot.number());
    }
    let _ = writeln!(text, "\n{:>14} {:<21} key", "bytes", "node");
    let mut keys = Vec::new();
    for primary in &mut primaries {
        let told = primary.asked.ask_text(&request("INFO hotspots"))?;
        keys.extend(large_keys(&told).map(|(bytes, name)| (bytes, primary.place(), name)));
    }
    keys.sort_by_key(|(bytes, ..)| Reverse(*bytes));
    keys.truncate(options.count);
    for (bytes, node, name) in keys {
        let _ = writeln!(text, "{bytes:>14} {node:<21} {name}");
    }
    Ok(text)
}

fn readings(primaries: &mut [Primary]) -> Result<Vec<Reading>, AskError> {
    primaries.iter_mut().map(read).collect()
}

/// The slots that were asked between two readings of each primary, those that were asked most first.
fn grown(before: &[Reading], after: &[Reading]) -> Vec<(Slot, usize, SlotLoad)> {
    let earlier: BTreeMap<Slot, u64> =
        before.iter().flat_map(|of| &of.slots).map(|(slot, load)| (*slot, load.operations)).collect();
    let mut slots = Vec::new();
    for (at, reading) in after.iter().enumerate() {
        for (slot, load) in &reading.slots {
            let operations = load.operations.saturating_sub(earlier.get(slot).copied().unwrap_or(0));
            if operations > 0 {
                slots.push((*slot, at, SlotLoad { operations, ..*load }));
            }
        }
    }
    slots.sort_by_key(|(slot, _, load)| (Reverse(load.operations), *slot));
    slots
}

/// The large keys that INFO tells of, with their sizes.
fn large_keys(info: &str) -> impl Iterator<Item = (u64, String)> {
    let of_line = |line: &str| {
        let (_, fields) = line.strip_prefix("oversized_key_")?.split_once(':')?;
        let (head, name) = fields.split_once(",key=")?;
        let bytes = head.split(',').find_map(|field| field.strip_prefix("bytes="))?;
        Some((bytes.parse().ok()?, name.to_owned()))
    };
    info.lines().filter_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_named() {
        let read = |text: &str| {
            let words: Vec<Vec<u8>> = text.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect();
            HotOptions::read(&words)
        };
        let options = read("--window 0.5 --count 3 -a x h:1").unwrap();
        assert_eq!((options.window, options.count), (Duration::from_millis(500), 3));
        for (text, word) in
            [("", "nothing"), ("h", "h"), ("--count x h:1", "--count x"), ("--by keys h:1", "--by keys")]
        {
            assert_eq!(read(text), Err(word.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_grew_most_between_two_readings_comes_first() {
        let reading = |operations: &[u64]| {
            let slot = |(at, operations): (usize, &u64)| {
                (Slot::new(at as u16).unwrap(), SlotLoad { operations: *operations, ..SlotLoad::default() })
            };
            Reading { slots: operations.iter().enumerate().map(slot).collect(), knows: Vec::new() }
        };
        let grown = grown(&[reading(&[5, 1, 9])], &[reading(&[6, 11, 9])]);
        let told: Vec<(u16, u64)> = grown.iter().map(|(slot, _, load)| (slot.number(), load.operations)).collect();
        assert_eq!(told, [(1, 10), (0, 1)]);
    }

    #[test]
    fn large_keys_are_read_whatever_their_names() {
        let info =
            "# Hotspots\r\nhot_slot_0:slot=1,reads=1\r\noversized_key_0:slot=1,db=0,type=hash,bytes=77,key=a,key=b\r\n";
        assert_eq!(large_keys(info).collect::<Vec<_>>(), [(77, "a,key=b".to_owned())]);
    }
}
