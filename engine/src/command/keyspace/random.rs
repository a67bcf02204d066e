//! `RANDOMKEY`: a key chosen at random, or null.
//!
//! An occupied slot is drawn and accepted in proportion to the number of its keys, until one is; then a key of that slot. So
//! every key has nearly the same chance, also where hash tags crowd one slot. Where too few slots are accepted, all are
//! counted. Due keys that are drawn are deleted where that is allowed.

use crate::command::row::flag::{READONLY, TOUCHES_ARBITRARY_KEYS};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::slot::Slot;
use crate::turn::Turn;
use bytes::Bytes;

pub(super) const RANDOMKEY: Row = Row::new("randomkey", 1, Run::Visit(random_key))
    .flags(READONLY | TOUCHES_ARBITRARY_KEYS)
    .tips("request_policy:all_shards response_policy:special nondeterministic_output")
    .summary("Returns a random key name from the database.")
    .docs(Group::Generic, "1.0.0", "O(1)");

fn random_key(turn: &mut Turn<'_>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match choose(turn) {
        Some(key) => reply.bulk(&key),
        None => reply.null(),
    }
    Ok(())
}

fn choose(turn: &Turn<'_>) -> Option<Bytes> {
    turn.core().slots.warm_all();
    for _ in 0..TRIES_MAX {
        let slot = choose_slot(turn)?;
        let met = turn.visit(slot, |shard| {
            let entry = shard?.random(|below| turn.core().random_below(below))?;
            Some((Bytes::copy_from_slice(entry.key()), turn.is_hidden(&entry)))
        });
        match met {
            Some((key, false)) => return Some(key),
            Some((key, true)) => turn.delete_met(slot, &[key.to_vec()]),
            None => {}
        }
    }
    // Nearly all that is there is due: the first key that is not, from a random slot on.
    let start = turn.core().random_below(crate::slot::SLOT_COUNT);
    first_visible(turn, start).or_else(|| first_visible(turn, 0))
}

/// A slot, chosen by the number of its keys. None when no slot has a key.
fn choose_slot(turn: &Turn<'_>) -> Option<Slot> {
    let (core, db) = (turn.core(), turn.db());
    let (occupied, largest) = (core.totals.occupied(db), core.totals.largest(db).max(1));
    let slot_count = occupied.count();
    if slot_count == 0 {
        return None;
    }
    for _ in 0..DRAWS_MAX {
        let slot = occupied.nth(core.random_below(slot_count))?;
        if core.random_below(largest) < count_keys(turn, slot) {
            return Some(slot);
        }
    }
    weigh_all(turn)
}

/// As [`choose_slot`], by counting every slot.
fn weigh_all(turn: &Turn<'_>) -> Option<Slot> {
    let (core, db) = (turn.core(), turn.db());
    let mut counts: Vec<(Slot, usize)> = Vec::new();
    let mut from = 0;
    while let Some(slot) = core.totals.next_occupied(db, from) {
        counts.push((slot, count_keys(turn, slot)));
        from = slot.index() + 1;
    }
    core.totals.set_largest(db, counts.iter().map(|(_, count)| *count).max().unwrap_or(0));
    let key_count: usize = counts.iter().map(|(_, count)| count).sum();
    let mut n = if key_count == 0 { 0 } else { core.random_below(key_count) };
    for (slot, count) in counts {
        if n < count {
            return Some(slot);
        }
        n -= count;
    }
    None
}

/// The number of a slot's keys. Where there is none, says so to whom it concerns, so that the slot is not drawn again.
fn count_keys(turn: &Turn<'_>, slot: Slot) -> usize {
    turn.visit(slot, |shard| {
        let count = shard.map_or(0, |shard| shard.len());
        if count == 0 {
            turn.core().totals.clear_occupied(slot, turn.db());
        }
        count
    })
}

fn first_visible(turn: &Turn<'_>, mut from: usize) -> Option<Bytes> {
    while let Some(slot) = turn.core().totals.next_occupied(turn.db(), from) {
        let key = turn.visit(slot, |shard| {
            let entry = shard?.iter().find(|entry| !turn.is_hidden(entry))?;
            Some(Bytes::copy_from_slice(entry.key()))
        });
        if key.is_some() {
            return key;
        }
        from = slot.index() + 1;
    }
    None
}

impl Engine {
    /// A key of database 0 chosen at random, every key with nearly the same chance; `None` if there is none. O(1) unless
    /// most keys are due. Follows RANDOMKEY of Redis 7.2.
    pub fn random_key(&self) -> Result<Option<Bytes>, CommandError> {
        self.in_turn(&[], Access::Read, |turn| Ok(choose(turn)))
    }
}

/// Slots drawn before all are counted.
const DRAWS_MAX: usize = 64;

/// Due keys met before the keyspace is searched instead.
const TRIES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use crate::DueKeys;
    use crate::command::testing::Bench;
    use std::collections::BTreeMap;

    #[test]
    fn nothing_there_or_only_due_keys_give_null() {
        let bench = Bench::new();
        assert_eq!(bench.ask("RANDOMKEY"), "$-1\r\n");
        for n in 0..300 {
            bench.ask(&format!("SET {n} v PX 10"));
        }
        bench.advance_ms(11);
        bench.effects();
        bench.db.set_due_keys(DueKeys::Hide);
        assert_eq!(bench.ask("RANDOMKEY"), "$-1\r\n");
        assert!(bench.effects().is_empty());
        bench.db.set_due_keys(DueKeys::Delete);
        assert_eq!(bench.ask("RANDOMKEY"), "$-1\r\n");
        assert_eq!(bench.effects().len(), 100, "those that were drawn are deleted");
        bench.db.set("alive", "v").unwrap();
        assert_eq!(bench.ask("RANDOMKEY"), "$5\r\nalive\r\n");
    }

    #[test]
    fn slots_that_became_empty_are_not_drawn_for_ever() {
        let bench = Bench::new();
        for n in 0..300 {
            bench.db.set(n.to_string(), n).unwrap();
        }
        for n in 1..300 {
            bench.db.del(n.to_string()).unwrap();
        }
        for _ in 0..200 {
            assert_eq!(bench.ask("RANDOMKEY"), "$1\r\n0\r\n");
        }
        assert_eq!(bench.db.core.totals.occupied(0).count(), 1);
    }

    /// 100 keys in one slot and 100 in slots of their own: each should come about as often as any other.
    #[test]
    fn crowded_slots_are_drawn_more_often() {
        let bench = Bench::new();
        for n in 0..100 {
            bench.db.set(format!("{{crowd}}{n}"), n).unwrap();
            bench.db.set(format!("lone:{n}"), n).unwrap();
        }
        let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for _ in 0..20_000 {
            *seen.entry(bench.db.random_key().unwrap().unwrap().to_vec()).or_default() += 1;
        }
        assert_eq!(seen.len(), 200, "every key comes");
        let crowd: usize = seen.iter().filter(|(key, _)| key.starts_with(b"{crowd}")).map(|(_, n)| n).sum();
        assert!((9_500..10_500).contains(&crowd), "half of the keys, half of the draws: {crowd}");
    }
}
