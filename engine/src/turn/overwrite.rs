//! An overwrite: a new string in the place of one of the same length, without the machinery of a turn.
//!
//! For a plain SET of a key that is there and changes nothing but bytes: no count moves, nobody waits for a key of the slot or
//! watches one, and no event is announced. Whatever needs more is left to a turn. Where there is a journal, the effect is
//! appended while the slot is held, in the era of the slot, as a turn would.

use super::Touch;
use super::look::Looked;
use crate::core::Core;
use crate::effect::{Batch, BatchKind, Offset, encode_effect};
use crate::event::EventClass;
use crate::keyspace::slots::SlotGuard;
use crate::text::StrRef;
use crate::time::UnixMillis;

/// Stores `value` at a key in the slot that is held. False, and nothing is changed, if this takes a turn, or there is a
/// journal.
#[inline]
pub(crate) fn overwrite(core: &Core, guard: &mut SlotGuard<'_>, looked: Looked<'_>, value: StrRef<'_>) -> bool {
    // Who attaches a journal passes by every slot: whoever holds one after that sees it.
    core.sink().is_none() && replace(core, guard, looked, value, core.eras.current())
}

/// Stores `value` at a key in the slot that is held, and appends that to the journal: its end. `None`, and nothing is changed,
/// if this takes a turn. `buffer` is used for the effect. Once the slot is released, followers are to be woken.
#[inline]
pub(crate) fn overwrite_recorded(
    core: &Core,
    guard: &mut SlotGuard<'_>,
    looked: Looked<'_>,
    value: &[u8],
    now: UnixMillis,
    buffer: &mut Vec<u8>,
) -> Option<Offset> {
    // What clients do to a node that follows another is no part of the stream.
    let sink = core.sink().filter(|_| !core.options.follows())?;
    let (key, db, slots) = (looked.key, looked.db, [guard.slot()]);
    let era = core.eras.enter();
    let end = replace(core, guard, looked, StrRef::of(value), era).then(|| {
        buffer.clear();
        encode_effect(buffer, &[b"SET", key, value]);
        core.eras.wait_open(era);
        let (kind, bytes) = (BatchKind::Slots, &buffer[..]);
        let end = sink.append(&Batch { kind, db, slots: &slots, era, now, count: 1, bytes, verbatim: None });
        guard.state.last_offset = end;
        // What is left in it the next turn would record again.
        buffer.clear();
        end
    });
    core.eras.leave(era);
    end
}

#[inline]
fn replace(core: &Core, guard: &mut SlotGuard<'_>, looked: Looked<'_>, value: StrRef<'_>, era: u64) -> bool {
    let slot = guard.slot();
    let state = &mut *guard.state;
    // A turn that does a share of the housekeeping is a whole one.
    if !state.admission.is_open() || state.has_audience() || state.is_share_next() {
        return false;
    }
    // A view that is being taken wants the slot first.
    if state.era != era as u16 {
        return false;
    }
    let Some((spot, entry)) = state.shard(looked.db).and_then(|shard| shard.seek(looked.hash, looked.key)) else {
        return false;
    };
    if entry.has_expiry() || entry.as_string().is_none() || core.options.keyspace_events().announces(EventClass::String)
    {
        return false;
    }
    let is_done = state.shard_mut(looked.db).overwrite(spot, value, |entry| {
        if looked.touch == Touch::Mark {
            core.touch(entry);
        }
    });
    if is_done {
        state.count_write();
        core.stats.add_changes(Some(slot), 1);
    }
    is_done
}

#[cfg(test)]
mod tests {
    use crate::{Engine, GateState, Slot};

    #[test]
    fn a_string_is_replaced_whatever_stood_there_before() {
        let db = Engine::builder().seed(1).in_memory();
        for round in 0..300u32 {
            for value in ["12345", "abcde", "fghij", "1", "2", "a longer one than before", "", "-7"] {
                db.set("k", value).unwrap();
                assert_eq!(db.get("k").unwrap().as_deref(), Some(value.as_bytes()), "round {round}");
            }
        }
        assert_eq!(db.call(&["DBSIZE"]), crate::resp::Value::Integer(1));
    }

    #[test]
    fn a_session_stores_as_the_verb_does() {
        let db = Engine::in_memory();
        let mut session = db.session(std::task::Waker::noop().clone(), crate::PeerInfo::default());
        let mut out = Vec::new();
        for db in [0, 3] {
            session.feed(
                format!("SELECT {db}\r\nSET k abc\r\nSET k def\r\nGET k\r\nSET k ghi XX\r\nGET k\r\n").as_bytes(),
            );
            out.clear();
            session.poll_output(&mut out);
            assert_eq!(out, b"+OK\r\n+OK\r\n+OK\r\n$3\r\ndef\r\n+OK\r\n$3\r\nghi\r\n");
        }
    }

    #[test]
    fn a_session_records_each_change_once_and_in_order() {
        let bench = crate::command::testing::Bench::new();
        let mut session = bench.db.session(std::task::Waker::noop().clone(), crate::PeerInfo::default());
        session.feed(b"SET k abc\r\nSET k def\r\nINCR n\r\nSET k ghi\r\nSET k jkl GET\r\nSET k mno\r\nRPUSH l x\r\n");
        session.poll_output(&mut Vec::new());
        let recorded = ["SET k abc", "SET k def", "SET n 1", "SET k ghi", "SET k jkl", "SET k mno", "RPUSH l x"]
            .map(str::to_owned);
        let effects = bench.effects();
        assert_eq!(effects.len(), recorded.len(), "{effects:?}");
        for (effect, expected) in effects.iter().zip(&recorded) {
            let is_count = expected.starts_with("SET n") && effect.starts_with("INCR");
            assert!(effect == expected || is_count, "{effects:?}");
        }
        bench.assert_replays();
    }

    #[test]
    fn an_expiry_is_cleared_and_another_type_is_replaced() {
        let db = Engine::in_memory();
        db.call(&["SET", "k", "abc", "EX", "100"]);
        db.set("k", "def").unwrap();
        assert_eq!(db.call(&["TTL", "k"]), crate::resp::Value::Integer(-1));
        db.call(&["RPUSH", "l", "x"]);
        db.set("l", "x").unwrap();
        assert_eq!(db.get("l").unwrap().as_deref(), Some(&b"x"[..]));
    }

    #[test]
    fn the_changes_are_counted_and_a_closed_slot_refuses() {
        let db = Engine::in_memory();
        let changes = |db: &Engine| db.core.stats.changes();
        for n in 1..=200 {
            db.set("k", "abc").unwrap();
            assert_eq!(changes(&db), n);
        }
        db.set_gate([Slot::of(b"k")], GateState::Unassigned);
        assert!(db.set("k", "def").is_err());
        db.set_gate([Slot::of(b"k")], GateState::Open);
        assert_eq!(db.get("k").unwrap().as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn a_watched_key_is_seen_to_change() {
        let db = Engine::in_memory();
        let mut session = db.session(std::task::Waker::noop().clone(), crate::PeerInfo::default());
        let mut out = Vec::new();
        db.set("k", "abc").unwrap();
        session.feed(b"WATCH k\r\n");
        db.set("k", "def").unwrap();
        session.feed(b"MULTI\r\nGET k\r\nEXEC\r\n");
        session.poll_output(&mut out);
        assert!(out.ends_with(b"+QUEUED\r\n*-1\r\n"), "{}", out.escape_ascii());
    }
}
