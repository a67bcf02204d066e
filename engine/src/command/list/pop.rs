//! `LPOP key [count]`, `RPOP key [count]`: takes elements from the head or from the tail.
//!
//! Reply: the element, or null; with a count an array of at most so many, or a null array. Effect: the command, with the
//! count where one was given.

use super::edit::{Emptied, find_list, len_at, pop};
use super::write_element;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::{End, StrRef};
use bytes::Bytes;
use std::borrow::Cow;

const COMPLEXITY: &str = "O(N) where N is the number of elements returned";

pub(super) const LPOP: Row = Row::new("lpop", -2, Run::Turn(lpop))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().delete()])
    .summary("Returns the first elements in a list after removing it. Deletes the list if the last element was popped.")
    .docs(Group::List, "1.0.0", COMPLEXITY)
    .history(&[("6.2.0", "Added the `count` argument.")])
    .args("key:key#0 count:integer@6.2.0?");

pub(super) const RPOP: Row = Row::new("rpop", -2, Run::Turn(rpop))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().delete()])
    .summary("Returns and removes the last elements of a list. Deletes the list if the last element was popped.")
    .docs(Group::List, "1.0.0", COMPLEXITY)
    .history(&[("6.2.0", "Added the `count` argument.")])
    .args("key:key#0 count:integer@6.2.0?");

fn lpop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    take(turn, args, reply, End::Left)
}

fn rpop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    take(turn, args, reply, End::Right)
}

#[inline]
fn take(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>, end: End) -> CommandResult {
    let count = match args {
        [_, _] => None,
        [_, _, count] => {
            let count = parse_i64(count).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::MustBePositive)?)
        }
        _ => return Err(CommandError::WrongArity(Cow::Borrowed(if end == End::Left { "lpop" } else { "rpop" }))),
    };
    let key = turn.key(args[1])?;
    let Some(spot) = find_list(turn, &key)? else {
        match count {
            None => reply.null(),
            Some(_) => reply.null_array(),
        }
        return Ok(());
    };
    if let Some(count) = count {
        reply.array(count.min(len_at(turn, &key, spot)));
        if count == 0 {
            return Ok(());
        }
    }
    let emptied = pop(turn, &key, spot, end, count.unwrap_or(1), |element| write_element(reply, element));
    record_pop(turn, &key, end, count, emptied);
    Ok(())
}

/// Announces and records what was popped.
#[inline]
pub(super) fn record_pop(turn: &mut Turn<'_>, key: &Key<'_>, end: End, count: Option<usize>, emptied: Emptied) {
    let (event, name): (_, &[u8]) = match end {
        End::Left => ("lpop", b"LPOP"),
        End::Right => ("rpop", b"RPOP"),
    };
    turn.notify(EventClass::List, event, key.bytes);
    emptied.notify(turn, key);
    match count {
        None => turn.record(&[name, key.bytes]),
        Some(count) => turn.record(&[name, key.bytes, itoa::Buffer::new().format(count).as_bytes()]),
    }
}

fn copy(element: StrRef<'_>) -> Bytes {
    element.with_bytes(Bytes::copy_from_slice)
}

impl Turn<'_> {
    /// Takes the first element of the list at `key`. O(1).
    pub fn lpop(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        Ok(self.pop_many(key, End::Left, 1)?.pop())
    }

    /// Takes the last element of the list at `key`. O(1).
    pub fn rpop(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        Ok(self.pop_many(key, End::Right, 1)?.pop())
    }

    /// Takes up to `count` elements from the head of the list at `key`. O(elements).
    pub fn lpop_count(&mut self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<Bytes>, CommandError> {
        self.pop_many(key, End::Left, count)
    }

    /// Takes up to `count` elements from the tail of the list at `key`, the last first. O(elements).
    pub fn rpop_count(&mut self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<Bytes>, CommandError> {
        self.pop_many(key, End::Right, count)
    }

    /// Takes up to `count` elements from an end of the list at `key`, the outermost first. O(elements).
    pub fn pop_many(&mut self, key: impl AsRef<[u8]>, end: End, count: usize) -> Result<Vec<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        let Some(spot) = find_list(self, &key)?.filter(|_| count > 0) else { return Ok(Vec::new()) };
        let mut elements = Vec::new();
        let emptied = pop(self, &key, spot, end, count, |element| elements.push(copy(element)));
        record_pop(self, &key, end, (count > 1).then_some(count), emptied);
        Ok(elements)
    }
}

impl Engine {
    /// Takes the first element of the list at `key`; `None` if there is no list. The key goes with its last element. Fails
    /// with WRONGTYPE on other types. O(1). Follows LPOP of Redis 7.2; records `LPOP`.
    pub fn lpop(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.lpop(key))
    }

    /// Takes the last element; as [`Engine::lpop`] otherwise.
    pub fn rpop(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.rpop(key))
    }

    /// Takes up to `count` elements from the head of the list at `key`; as [`Engine::pop_many`] otherwise.
    pub fn lpop_count(&self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<Bytes>, CommandError> {
        self.pop_many(key, End::Left, count)
    }

    /// Takes up to `count` elements from the tail of the list at `key`, the last first; as [`Engine::pop_many`] otherwise.
    pub fn rpop_count(&self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<Bytes>, CommandError> {
        self.pop_many(key, End::Right, count)
    }

    /// Takes up to `count` elements from an end of the list at `key`, the outermost first. O(elements). Follows LPOP and
    /// RPOP of Redis 7.2; records the command with its count.
    pub fn pop_many(&self, key: impl AsRef<[u8]>, end: End, count: usize) -> Result<Vec<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.pop_many(key, end, count))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn elements_are_taken_from_either_end_and_the_last_takes_the_key() {
        let bench = Bench::new();
        bench.run("RPUSH l a b c d e");
        bench.effects();
        assert_eq!(bench.run("LPOP l"), Value::bulk("a"));
        assert_eq!(bench.run("RPOP l"), Value::bulk("e"));
        assert_eq!(bench.ask("RPOP l 2"), "*2\r\n$1\r\nd\r\n$1\r\nc\r\n");
        assert_eq!(bench.ask("LPOP l 0"), "*0\r\n");
        assert_eq!(bench.ask("LPOP l 7"), "*1\r\n$1\r\nb\r\n");
        assert_eq!(bench.run("EXISTS l"), Value::Integer(0));
        assert_eq!((bench.ask("LPOP l"), bench.ask("LPOP l 0")), ("$-1\r\n".into(), "*-1\r\n".into()));
        assert_eq!(bench.effects(), ["LPOP l", "RPOP l", "RPOP l 2", "LPOP l 7"]);
        assert_eq!(bench.error("LPOP l -1"), "ERR value is out of range, must be positive");
        assert_eq!(bench.error("LPOP l x"), "ERR value is out of range, must be positive");
        assert_eq!(bench.error("RPOP l 1 2"), "ERR wrong number of arguments for 'rpop' command");
        bench.run("SET s v");
        assert!(bench.error("LPOP s").starts_with("WRONGTYPE"));
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn a_long_list_is_taken_apart_in_order() {
        let bench = Bench::new();
        for n in 0..5000 {
            bench.db.rpush("l", n).unwrap();
        }
        for n in 0..2000 {
            assert_eq!(bench.db.lpop("l").unwrap(), Some(n.to_string().into()));
            assert_eq!(bench.db.rpop("l").unwrap(), Some((4999 - n).to_string().into()));
        }
        assert_totals(&bench.db);
        assert_eq!(bench.db.lpop_count("l", 2).unwrap(), ["2000", "2001"]);
        assert_eq!(bench.db.rpop_count("l", 2).unwrap(), ["2999", "2998"]);
        assert_eq!(bench.db.pop_many("l", crate::value::End::Right, 2000).unwrap().len(), 996);
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
