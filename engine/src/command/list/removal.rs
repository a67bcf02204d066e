//! `LREM key count element`: removes elements that are equal to one.
//!
//! Above zero `count` is how many at most, from the head; below zero, from the tail; zero means all. Reply: how many were
//! removed. Effect: `LREM`, if any were.

use super::edit::{change, find_list};
use super::list_of;
use crate::command::row::flag::WRITE;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::{AsValue, End, StrRef, Walk};

pub(super) const LREM: Row = Row::new("lrem", 4, Run::Turn(lrem))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).rw().delete()])
    .summary("Removes elements from a list. Deletes the list if the last element was removed.")
    .docs(Group::List, "1.0.0", "O(N+M) where N is the length of the list and M is the number of elements removed.")
    .args("key:key#0 count:integer element:string");

fn lrem(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let count = parse_i64(args[2]).filter(|count| *count > i64::MIN);
    let count = count.ok_or_else(|| match parse_i64(args[2]) {
        None => CommandError::NotInteger,
        Some(_) => CommandError::text(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
    })?;
    reply.integer(remove(turn, args[1], count, StrRef::of(args[3]))? as i64);
    Ok(())
}

fn remove(turn: &mut Turn<'_>, key: &[u8], count: i64, element: StrRef<'_>) -> Result<usize, CommandError> {
    let key = turn.key(key)?;
    let Some(spot) = find_list(turn, &key)? else { return Ok(0) };
    let mut is_there = false;
    list_of(&turn.entry(&key, spot))?.walk_from(0, |other| {
        is_there = other == element;
        if is_there { Walk::Enough } else { Walk::On }
    });
    if !is_there {
        return Ok(0);
    }
    let from = if count < 0 { End::Right } else { End::Left };
    let most = match count {
        0 => usize::MAX,
        count => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
    };
    let (removed, emptied) = change(turn, &key, spot, None, |list, _| list.remove_equal(element, most, from));
    turn.notify(EventClass::List, "lrem", key.bytes);
    emptied.notify(turn, &key);
    element.with_bytes(|bytes| turn.record(&[b"LREM", key.bytes, itoa::Buffer::new().format(count).as_bytes(), bytes]));
    Ok(removed)
}

impl Turn<'_> {
    /// Removes elements equal to one from the list at `key`: see [`Engine::lrem`].
    pub fn lrem(&mut self, key: impl AsRef<[u8]>, count: i64, element: impl AsValue) -> Result<usize, CommandError> {
        element.with_value(|element| remove(self, key.as_ref(), count, element))
    }
}

impl Engine {
    /// Removes elements that are equal to `element`: up to `count` from the head, up to `-count` from the tail if negative,
    /// all if zero. Returns how many. The key goes with its last element. O(elements). Follows LREM of Redis 7.2; records
    /// `LREM`.
    pub fn lrem(&self, key: impl AsRef<[u8]>, count: i64, element: impl AsValue) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.lrem(key, count, element))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn equal_elements_go_from_either_end() {
        let bench = Bench::new();
        bench.run("RPUSH l a 1 a 1 a b a");
        bench.effects();
        assert_eq!(bench.run("LREM l 1 a"), Value::Integer(1));
        assert_eq!(bench.run("LREM l -2 a"), Value::Integer(2));
        assert_eq!(bench.db.lrange("l", 0, -1).unwrap(), ["1", "a", "1", "b"]);
        assert_eq!(bench.run("LREM l 0 1"), Value::Integer(2));
        assert_eq!(bench.run("LREM l 0 none"), Value::Integer(0));
        assert_eq!(bench.run("LREM l 9 b"), Value::Integer(1));
        assert_eq!(bench.run("LREM l 0 a"), Value::Integer(1));
        assert_eq!(bench.run("EXISTS l"), Value::Integer(0));
        assert_eq!(bench.effects(), ["LREM l 1 a", "LREM l -2 a", "LREM l 0 1", "LREM l 9 b", "LREM l 0 a"]);
        assert_eq!(bench.error("LREM l x a"), "ERR value is not an integer or out of range");
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
