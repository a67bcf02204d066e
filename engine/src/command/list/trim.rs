//! `LTRIM key start stop`: keeps a range of elements and removes all others.
//!
//! Reply: OK. Effect: `LTRIM`, if anything was removed.

use super::edit::{change, find_list, len_at};
use super::places_of;
use crate::command::row::flag::WRITE;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;

pub(super) const LTRIM: Row = Row::new("ltrim", 4, Run::Turn(ltrim))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).rw().delete()])
    .summary("Removes elements from both ends a list. Deletes the list if all elements were trimmed.")
    .docs(Group::List, "1.0.0", "O(N) where N is the number of elements to be removed by the operation.")
    .args("key:key#0 start:integer stop:integer");

fn ltrim(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let [start, stop] = [args[2], args[3]].map(|word| parse_i64(word).ok_or(CommandError::NotInteger));
    turn.ltrim(args[1], start?, stop?)?;
    reply.ok();
    Ok(())
}

impl Turn<'_> {
    /// Keeps the elements from `start` to `stop`, both included, and removes the others: see [`Engine::ltrim`].
    pub fn ltrim(&mut self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<(), CommandError> {
        let key = self.key(key.as_ref())?;
        let Some(spot) = find_list(self, &key)? else { return Ok(()) };
        let len = len_at(self, &key, spot);
        let places = places_of(start, stop, len);
        if places.len() == len {
            // Redis announces it all the same.
            self.announce_change(&key);
            self.notify(EventClass::List, "ltrim", key.bytes);
            return Ok(());
        }
        let emptied = match places.is_empty() {
            true => {
                self.discard(&key, spot);
                super::edit::Emptied::Yes
            }
            false => {
                change(self, &key, spot, None, |list, _| {
                    list.remove(places.end..len);
                    list.remove(0..places.start);
                })
                .1
            }
        };
        self.notify(EventClass::List, "ltrim", key.bytes);
        emptied.notify(self, &key);
        let (mut from, mut to) = (itoa::Buffer::new(), itoa::Buffer::new());
        self.record(&[b"LTRIM", key.bytes, from.format(start).as_bytes(), to.format(stop).as_bytes()]);
        Ok(())
    }
}

impl Engine {
    /// Keeps the elements from `start` to `stop`, both included, negative ones counting from the tail, and removes the
    /// others; the key goes with its last element. Fails with WRONGTYPE on other types. O(chunks removed). Follows LTRIM of
    /// Redis 7.2; records `LTRIM`.
    pub fn ltrim(&self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.ltrim(key, start, stop))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn what_is_outside_goes() {
        let bench = Bench::new();
        assert_eq!(bench.run("LTRIM none 0 1"), Value::Ok);
        bench.run("RPUSH l a b c d e");
        bench.effects();
        bench.run("LTRIM l 0 -1");
        assert!(bench.effects().is_empty());
        bench.run("LTRIM l 1 -2");
        assert_eq!(bench.db.lrange("l", 0, -1).unwrap(), ["b", "c", "d"]);
        bench.run("LTRIM l -1 100");
        assert_eq!(bench.db.lrange("l", 0, -1).unwrap(), ["d"]);
        bench.run("LTRIM l 5 1");
        assert_eq!(bench.run("EXISTS l"), Value::Integer(0));
        assert_eq!(bench.effects(), ["LTRIM l 1 -2", "LTRIM l -1 100", "LTRIM l 5 1"]);
        assert_eq!(bench.error("LTRIM l 0 x"), "ERR value is not an integer or out of range");
        for n in 0..5000 {
            bench.db.rpush("l", n).unwrap();
        }
        bench.db.ltrim("l", 1234, 3210).unwrap();
        assert_eq!(bench.db.lindex("l", 0).unwrap(), Some("1234".into()));
        assert_eq!(bench.db.lindex("l", -1).unwrap(), Some("3210".into()));
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
