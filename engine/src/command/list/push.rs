//! `LPUSH key element [element ...]`, `RPUSH`, `LPUSHX`, `RPUSHX`: adds elements at the head or at the tail.
//!
//! Reply: the length afterwards; 0 from LPUSHX and RPUSHX where there is no list. Effect: `LPUSH` or `RPUSH` with the
//! elements.

use super::edit::{find_list, push};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::{Key, Turn};
use crate::value::{AsValue, End, StrRef};
use smallvec::SmallVec;

const COMPLEXITY: &str = "O(1) for each element added, so O(N) to add N elements when the command is called with multiple \
                          arguments.";

pub(super) const LPUSH: Row = Row::new("lpush", -3, Run::Turn(lpush))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().insert()])
    .summary("Prepends one or more elements to a list. Creates the key if it doesn't exist.")
    .docs(Group::List, "1.0.0", COMPLEXITY)
    .history(&[("2.4.0", "Accepts multiple `element` arguments.")])
    .args("key:key#0 element:string*");

pub(super) const RPUSH: Row = Row::new("rpush", -3, Run::Turn(rpush))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().insert()])
    .summary("Appends one or more elements to a list. Creates the key if it doesn't exist.")
    .docs(Group::List, "1.0.0", COMPLEXITY)
    .history(&[("2.4.0", "Accepts multiple `element` arguments.")])
    .args("key:key#0 element:string*");

pub(super) const LPUSHX: Row = Row::new("lpushx", -3, Run::Turn(lpushx))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().insert()])
    .summary("Prepends one or more elements to a list only when the list exists.")
    .docs(Group::List, "2.2.0", COMPLEXITY)
    .history(&[("4.0.0", "Accepts multiple `element` arguments.")])
    .args("key:key#0 element:string*");

pub(super) const RPUSHX: Row = Row::new("rpushx", -3, Run::Turn(rpushx))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().insert()])
    .summary("Appends an element to a list only when the list exists.")
    .docs(Group::List, "2.2.0", COMPLEXITY)
    .history(&[("4.0.0", "Accepts multiple `element` arguments.")])
    .args("key:key#0 element:string*");

fn lpush(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(add(turn, args[1], End::Left, Missing::Make, &args[2..])?);
    Ok(())
}

fn rpush(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(add(turn, args[1], End::Right, Missing::Make, &args[2..])?);
    Ok(())
}

fn lpushx(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(add(turn, args[1], End::Left, Missing::Leave, &args[2..])?);
    Ok(())
}

fn rpushx(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(add(turn, args[1], End::Right, Missing::Leave, &args[2..])?);
    Ok(())
}

/// What becomes of a list that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Leave,
}

#[inline]
fn add(turn: &mut Turn<'_>, key: &[u8], end: End, missing: Missing, elements: &[&[u8]]) -> Result<i64, CommandError> {
    let key = turn.key(key)?;
    let spot = find_list(turn, &key)?;
    if elements.is_empty() || spot.is_none() && missing == Missing::Leave {
        return Ok(spot.map_or(0, |spot| super::edit::len_at(turn, &key, spot) as i64));
    }
    let values: SmallVec<[StrRef<'_>; 4]> = elements.iter().map(|element| StrRef::of(element)).collect();
    let len = push(turn, &key, spot, end, &values);
    record_push(turn, &key, end, elements);
    Ok(len as i64)
}

/// Announces and records what was pushed.
pub(super) fn record_push(turn: &mut Turn<'_>, key: &Key<'_>, end: End, elements: &[&[u8]]) {
    let (event, name): (_, &[u8]) = match end {
        End::Left => ("lpush", b"LPUSH"),
        End::Right => ("rpush", b"RPUSH"),
    };
    turn.notify(EventClass::List, event, key.bytes);
    let mut args: SmallVec<[&[u8]; 6]> = SmallVec::from_slice(&[name, key.bytes]);
    args.extend_from_slice(elements);
    turn.record(&args);
}

impl Turn<'_> {
    /// Adds an element at the head of the list at `key`; returns how many there are then. O(element).
    pub fn lpush(&mut self, key: impl AsRef<[u8]>, element: impl AsValue) -> Result<usize, CommandError> {
        self.push_value(key.as_ref(), End::Left, Missing::Make, element)
    }

    /// Adds an element at the tail of the list at `key`; returns how many there are then. O(element).
    pub fn rpush(&mut self, key: impl AsRef<[u8]>, element: impl AsValue) -> Result<usize, CommandError> {
        self.push_value(key.as_ref(), End::Right, Missing::Make, element)
    }

    /// As [`lpush`](Self::lpush), but only if there is a list at `key`.
    pub fn lpush_exists(&mut self, key: impl AsRef<[u8]>, element: impl AsValue) -> Result<usize, CommandError> {
        self.push_value(key.as_ref(), End::Left, Missing::Leave, element)
    }

    /// As [`rpush`](Self::rpush), but only if there is a list at `key`.
    pub fn rpush_exists(&mut self, key: impl AsRef<[u8]>, element: impl AsValue) -> Result<usize, CommandError> {
        self.push_value(key.as_ref(), End::Right, Missing::Leave, element)
    }

    /// Adds elements at an end of the list at `key`, one after another; returns how many there are then.
    pub fn push_many(
        &mut self,
        key: impl AsRef<[u8]>,
        end: End,
        elements: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        let elements: Vec<&[u8]> = elements.iter().map(AsRef::as_ref).collect();
        add(self, key.as_ref(), end, Missing::Make, &elements).map(|len| len as usize)
    }

    fn push_value(
        &mut self,
        key: &[u8],
        end: End,
        missing: Missing,
        element: impl AsValue,
    ) -> Result<usize, CommandError> {
        element.with_value(|element| {
            element.with_bytes(|bytes| add(self, key, end, missing, &[bytes]).map(|len| len as usize))
        })
    }
}

impl Engine {
    /// Adds an element at the head of the list at `key`, which is made if it is not there; returns how many there are
    /// then. Fails with WRONGTYPE on other types. O(element). Follows LPUSH of Redis 7.2; records `LPUSH`.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.rpush("jobs", "a")?;
    /// assert_eq!(db.lpush("jobs", "first")?, 2);
    /// assert_eq!(db.lrange("jobs", 0, -1)?, ["first", "a"]);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn lpush(&self, key: impl AsRef<[u8]>, element: impl AsValue) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.lpush(key, element))
    }

    /// Adds an element at the tail; as [`Engine::lpush`] otherwise.
    pub fn rpush(&self, key: impl AsRef<[u8]>, element: impl AsValue) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.rpush(key, element))
    }

    /// Adds an element at the head of a list that is there; returns how many there are then, 0 if there is no list.
    /// Follows LPUSHX of Redis 7.2; records `LPUSH`.
    pub fn lpush_exists(&self, key: impl AsRef<[u8]>, element: impl AsValue) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.lpush_exists(key, element))
    }

    /// Adds an element at the tail of a list that is there; as [`Engine::lpush_exists`] otherwise.
    pub fn rpush_exists(&self, key: impl AsRef<[u8]>, element: impl AsValue) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.rpush_exists(key, element))
    }

    /// Adds elements at an end, one after another, in one turn: the last one ends up outermost. Returns how many there are
    /// then. O(elements). Follows LPUSH and RPUSH of Redis 7.2.
    pub fn push_many(
        &self,
        key: impl AsRef<[u8]>,
        end: End,
        elements: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.push_many(key, end, elements))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;
    use crate::value::End;

    #[test]
    fn elements_are_added_one_after_another() {
        let bench = Bench::new();
        assert_eq!(bench.run("LPUSHX l x"), Value::Integer(0));
        assert_eq!(bench.run("LPUSH l a b"), Value::Integer(2));
        assert_eq!(bench.run("RPUSH l c 1 \"\""), Value::Integer(5));
        assert_eq!(bench.run("RPUSHX l z"), Value::Integer(6));
        assert_eq!(bench.run("lpushx l y"), Value::Integer(7));
        assert_eq!(
            bench.ask("LRANGE l 0 -1"),
            "*7\r\n$1\r\ny\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\n1\r\n$0\r\n\r\n$1\r\nz\r\n"
        );
        assert_eq!(bench.effects(), ["LPUSH l a b", "RPUSH l c 1 ", "RPUSH l z", "LPUSH l y"]);
        bench.run("SET s v");
        bench.effects();
        for command in ["LPUSH", "RPUSH", "LPUSHX", "RPUSHX"] {
            assert!(bench.error(&format!("{command} s a")).starts_with("WRONGTYPE"));
            assert!(bench.error(&format!("{command} l")).starts_with("ERR wrong number"));
        }
        assert!(bench.effects().is_empty());
        assert_eq!(bench.db.push_many("l", End::Right, &["p", "q"]).unwrap(), 9);
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn a_list_outgrows_its_entry_and_then_one_node() {
        let bench = Bench::new();
        let word = "x".repeat(50);
        for n in 1..=200 {
            assert_eq!(bench.run(&format!("RPUSH l {word}{n}")), Value::Integer(n));
            let name = bench.db.object_encoding("l").unwrap();
            assert_eq!(name, Some(if n < 150 { "listpack" } else { "quicklist" }), "{n}");
            if n == 148 {
                break;
            }
        }
        assert_totals(&bench.db);
        bench.run(&format!("LPUSH l {}", "y".repeat(9000)));
        assert_eq!(bench.db.object_encoding("l").unwrap(), Some("quicklist"));
        bench.run("LPOP l");
        bench.run("LTRIM l 0 50");
        assert_eq!(bench.db.object_encoding("l").unwrap(), Some("listpack"));
        bench.run("DEL l");
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
