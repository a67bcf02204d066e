//! `ZREM key member ...`: takes members out.
//!
//! Reply: how many were there. Effect: `ZREM key member ...` with those; `DEL key` if none is left.

use super::change::{find, remove_emptied};
use super::read;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::{Pieces, Turn};
use crate::value::Object;
use crate::value::sorted_set::{SortedSetRef, compact};
use std::sync::Arc;

pub(super) const ZREM: Row = Row::new("zrem", -3, Run::Turn(zrem))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().delete()])
    .summary("Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.")
    .docs(
        Group::SortedSet,
        "1.2.0",
        "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be \
     removed.",
    )
    .history(&[("2.4.0", "Accepts multiple elements.")])
    .args("key:key#0 member:string*");

fn zrem(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.zrem(args[1], &args[2..])? as i64);
    Ok(())
}

impl Turn<'_> {
    /// Takes members out of the sorted set at `key`; returns how many were there. O(log n) for each.
    pub fn zrem(&mut self, key: impl AsRef<[u8]>, members: &[impl AsRef<[u8]>]) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        let Some(spot) = find(self, &key)? else { return Ok(0) };
        {
            let entry = self.entry(&key, spot);
            let set = read(&entry)?;
            if !members.iter().any(|member| set.score(member.as_ref()).is_some()) {
                return Ok(0);
            }
        }
        let (mut gone, mut count) = (Pieces::default(), 0);
        let mut see = |member: &[u8]| {
            gone.push(member);
            count += 1;
        };
        self.update(&key, spot, |entry| {
            if entry.packed().is_some() {
                entry.edit_packed(|bytes| {
                    for member in members.iter().map(AsRef::as_ref) {
                        if let Some((_, pair)) = compact::find(bytes, member) {
                            bytes.drain(pair.place);
                            see(member);
                        }
                    }
                });
            } else if let Some(Object::SortedSet(set)) = entry.object_mut() {
                let set = Arc::make_mut(set);
                members.iter().map(AsRef::as_ref).filter(|member| set.remove(member)).for_each(see);
            }
        });
        let left = read(&self.entry(&key, spot)).map_or(0, SortedSetRef::len);
        self.notify(EventClass::SortedSet, "zrem", key.bytes);
        if left == 0 {
            remove_emptied(self, &key, spot);
        } else {
            gone.record(self, &[b"ZREM", key.bytes]);
        }
        Ok(count)
    }
}

impl Engine {
    /// Takes members out of the sorted set at `key`; returns how many were there. A set that is left empty is gone. Fails with
    /// WRONGTYPE on other types. O(log n) for each. Follows ZREM of Redis 7.2; records `ZREM` or `DEL`.
    pub fn zrem(&self, key: impl AsRef<[u8]>, members: &[impl AsRef<[u8]>]) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.zrem(key, members))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    #[test]
    fn members_go_and_with_the_last_the_key() {
        let bench = Bench::new();
        bench.ask("ZADD z 1 a 2 b 3 c");
        bench.effects();
        assert_eq!(bench.ask("ZREM z b x b"), ":1\r\n");
        assert_eq!(bench.ask("ZREM z x"), ":0\r\n");
        assert_eq!(bench.ask("ZREM none x"), ":0\r\n");
        assert_eq!(bench.ask("ZREM z a c"), ":2\r\n");
        assert_eq!(bench.ask("EXISTS z"), ":0\r\n");
        assert_eq!(bench.effects(), ["ZREM z b", "DEL z"]);
        bench.ask("SET s x");
        assert!(bench.error("ZREM s a").starts_with("WRONGTYPE"));
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn a_large_set_loses_members_too() {
        let bench = Bench::new();
        let pairs: Vec<_> = (0..500).map(|n| (f64::from(n), n.to_string())).collect();
        bench.db.zadd_multiple("z", &pairs).unwrap();
        let names: Vec<_> = (100..490).map(|n| n.to_string()).collect();
        assert_eq!(bench.db.zrem("z", &names).unwrap(), 390);
        assert_eq!(bench.db.zcard("z").unwrap(), 110);
        bench.assert_replays();
        assert_totals(&bench.db);
    }
}
