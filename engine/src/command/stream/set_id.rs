//! `XSETID key id [ENTRIESADDED count] [MAXDELETEDID id]`: sets what a stream keeps besides its entries: the last id, how
//! many were ever added, the highest one that was deleted.
//!
//! Reply: OK. Effect: the request, its ids in full.

use super::arguments::id;
use super::lookup::{edit_beside, find_stream};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::StreamId;
use crate::value::stream::Stream;

pub(super) const XSETID: Row = Row::new("xsetid", -3, Run::Turn(xsetid))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("An internal command for replicating stream values.")
    .docs(Group::Stream, "5.0.0", "O(1)")
    .history(&[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")])
    .args(
        "key:key#0 last-id:string entries-added:integer@7.0.0?=ENTRIESADDED max-deleted-id:string@7.0.0?=MAXDELETEDID",
    );

/// What XSETID sets.
struct Marks {
    last_id: StreamId,
    entries_added: Option<u64>,
    max_deleted_id: Option<StreamId>,
}

fn xsetid(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut marks = Marks { last_id: id(args[2], 0)?, entries_added: None, max_deleted_id: None };
    for pair in args[3..].chunks(2) {
        let [word, value] = pair else { return Err(CommandError::Syntax) };
        if word.eq_ignore_ascii_case(b"ENTRIESADDED") {
            let count = parse_i64(value).ok_or(CommandError::NotInteger)?;
            let refused = CommandError::text("ERR entries_added must be positive");
            marks.entries_added = Some(u64::try_from(count).map_err(|_| refused)?);
        } else if word.eq_ignore_ascii_case(b"MAXDELETEDID") {
            let deleted = id(value, 0)?;
            if marks.last_id < deleted {
                return Err(CommandError::text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            marks.max_deleted_id = Some(deleted).filter(|id| *id != StreamId::MIN);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let key = turn.key(args[1])?;
    set_marks(turn, &key, &marks)?;
    reply.ok();
    Ok(())
}

fn set_marks(turn: &mut Turn<'_>, key: &Key<'_>, marks: &Marks) -> CommandResult {
    let spot = find_stream(turn, key)?.ok_or(CommandError::NoSuchKey)?;
    if let Some(stream) = turn.entry(key, spot).as_stream() {
        check(stream, marks)?;
    }
    let Marks { last_id, entries_added, max_deleted_id } = *marks;
    edit_beside(turn, key, spot, |stream| stream.set_last_id(last_id, entries_added, max_deleted_id));
    let texts = [
        last_id.to_string(),
        entries_added.unwrap_or_default().to_string(),
        max_deleted_id.unwrap_or_default().to_string(),
    ];
    let mut effect: Vec<&[u8]> = vec![b"XSETID", key.bytes, texts[0].as_bytes()];
    if entries_added.is_some() {
        effect.extend([b"ENTRIESADDED", texts[1].as_bytes()]);
    }
    if max_deleted_id.is_some() {
        effect.extend([b"MAXDELETEDID", texts[2].as_bytes()]);
    }
    turn.record(&effect);
    turn.notify(EventClass::Stream, "xsetid", key.bytes);
    Ok(())
}

fn check(stream: &Stream, marks: &Marks) -> CommandResult {
    if marks.last_id < stream.max_deleted_id() {
        return Err(CommandError::text("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"));
    }
    let Some(top) = stream.top_id() else { return Ok(()) };
    if marks.last_id < top {
        return Err(CommandError::text("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if marks.entries_added.is_some_and(|added| added < stream.len()) {
        return Err(CommandError::text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    Ok(())
}

impl Turn<'_> {
    /// Sets the last id of the stream at `key`.
    pub fn xsetid(&mut self, key: impl AsRef<[u8]>, id: StreamId) -> Result<(), CommandError> {
        let key = self.key(key.as_ref())?;
        set_marks(self, &key, &Marks { last_id: id, entries_added: None, max_deleted_id: None })
    }
}

impl Engine {
    /// Sets the last id of the stream at `key`: entries added by `*` come after it. An error below an entry that is there.
    /// O(log entries). Follows XSETID of Redis 7.2; records itself.
    pub fn xsetid(&self, key: impl AsRef<[u8]>, id: StreamId) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.xsetid(key, id))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn marks_are_set_and_checked() {
        let bench = Bench::new();
        bench.run("XADD s 5 f v");
        bench.run("XADD s 6 f v");
        bench.run("XADD s 7 f v");
        bench.run("XDEL s 6");
        bench.effects();
        assert_eq!(bench.run("XSETID s 9 ENTRIESADDED 100 MAXDELETEDID 8-3"), Value::Ok);
        assert_eq!(bench.run("XSETID s 9-1 MAXDELETEDID 0"), Value::Ok);
        for (line, text) in [
            ("XSETID s 8-2", "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"),
            (
                "XSETID s 9 ENTRIESADDED 1",
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ),
            ("XSETID s 9 ENTRIESADDED -1", "ERR entries_added must be positive"),
            (
                "XSETID s 9 MAXDELETEDID 9-1",
                "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
            ),
            ("XSETID s 9 MAXDELETEDID", "ERR syntax error"),
            ("XSETID s 9 FOO 1", "ERR syntax error"),
            ("XSETID s x", "ERR Invalid stream ID specified as stream command argument"),
            ("XSETID nokey 1", "ERR no such key"),
        ] {
            assert_eq!(bench.error(line), text, "{line}");
        }
        bench.run("XADD t 5 f v");
        let top = "ERR The ID specified in XSETID is smaller than the target stream top item";
        assert_eq!(bench.error("XSETID t 4"), top);
        assert_eq!(
            bench.effects(),
            ["XSETID s 9-0 ENTRIESADDED 100 MAXDELETEDID 8-3", "XSETID s 9-1", "XADD t 5-0 f v"]
        );
        bench.assert_replays();
    }
}
