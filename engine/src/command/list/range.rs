//! `LLEN key`, `LINDEX key index`, `LRANGE key start stop`: reading a list by place.
//!
//! Replies: the length; the element or null; an array. Negative indices count from the tail, -1 being the last.

use super::{list_of, place_of, places_of, write_element};
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::{ListRef, StrRef, Walk};
use bytes::Bytes;

pub(super) const LLEN: Row = Row::new("llen", 2, Run::Look(llen))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Returns the length of a list.")
    .docs(Group::List, "1.0.0", "O(1)")
    .args("key:key#0");

pub(super) const LINDEX: Row = Row::new("lindex", 3, Run::Look(lindex))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns an element from a list by its index.")
    .docs(
        Group::List,
        "1.0.0",
        "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the \
         first or the last element of the list O(1).",
    )
    .args("key:key#0 index:integer");

pub(super) const LRANGE: Row = Row::new("lrange", 4, Run::Look(lrange))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns a range of elements from a list.")
    .docs(
        Group::List,
        "1.0.0",
        "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for \
         large lists; and N is the number of elements in the specified range.",
    )
    .args("key:key#0 start:integer stop:integer");

fn llen(entry: Option<&EntryRef>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let list = entry.map(list_of).transpose()?;
    reply.integer(list.map_or(0, ListRef::len) as i64);
    Ok(())
}

fn lindex(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    // An index is looked at only where there is a list.
    let element = match entry.map(list_of).transpose()? {
        None => None,
        Some(list) => at(list, parse_i64(args[2]).ok_or(CommandError::NotInteger)?),
    };
    match element {
        None => reply.null(),
        Some(element) => write_element(reply, element),
    }
    Ok(())
}

fn lrange(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let [start, stop] = [args[2], args[3]].map(|word| parse_i64(word).ok_or(CommandError::NotInteger));
    let (start, stop) = (start?, stop?);
    let Some(list) = entry.map(list_of).transpose()? else {
        reply.array(0);
        return Ok(());
    };
    let places = places_of(start, stop, list.len());
    reply.array(places.len());
    walk(list, places, |element| write_element(reply, element));
    Ok(())
}

fn at(list: ListRef<'_>, index: i64) -> Option<StrRef<'_>> {
    list.get(place_of(index, list.len())?)
}

/// Shows `f` the elements of some places.
fn walk(list: ListRef<'_>, places: std::ops::Range<usize>, mut f: impl FnMut(StrRef<'_>)) {
    let mut left = places.len();
    if left == 0 {
        return;
    }
    list.walk_from(places.start, |element| {
        f(element);
        left -= 1;
        if left > 0 { Walk::On } else { Walk::Enough }
    });
}

fn collect(entry: Option<&EntryRef>, start: i64, stop: i64) -> Result<Vec<Bytes>, CommandError> {
    let Some(list) = entry.map(list_of).transpose()? else { return Ok(Vec::new()) };
    let places = places_of(start, stop, list.len());
    let mut elements = Vec::with_capacity(places.len());
    walk(list, places, |element| elements.push(element.with_bytes(Bytes::copy_from_slice)));
    Ok(elements)
}

fn copy_at(entry: Option<&EntryRef>, index: i64) -> Result<Option<Bytes>, CommandError> {
    let list = entry.map(list_of).transpose()?;
    let element = list.and_then(|list| at(list, index));
    Ok(element.map(|element| element.with_bytes(Bytes::copy_from_slice)))
}

impl Turn<'_> {
    /// How many elements the list at `key` has; 0 if there is none. O(1).
    pub fn llen(&mut self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        self.read(&key).map_or(Ok(0), |entry| list_of(&entry).map(ListRef::len))
    }

    /// The element at an index, which counts from the tail if negative. O(distance / a chunk).
    pub fn lindex(&mut self, key: impl AsRef<[u8]>, index: i64) -> Result<Option<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        copy_at(self.read(&key).as_deref(), index)
    }

    /// The elements from `start` to `stop`, both included; negative ones count from the tail. O(elements).
    pub fn lrange(&mut self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<Vec<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        collect(self.read(&key).as_deref(), start, stop)
    }
}

impl Engine {
    /// How many elements the list at `key` has; 0 if there is none. Fails with WRONGTYPE on other types. O(1). Follows
    /// LLEN of Redis 7.2; records nothing.
    pub fn llen(&self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(entry.map(list_of).transpose()?.map_or(0, ListRef::len)))
    }

    /// The element at an index, which counts from the tail if negative; `None` where there is none. O(distance / a chunk).
    /// Follows LINDEX of Redis 7.2; records nothing.
    pub fn lindex(&self, key: impl AsRef<[u8]>, index: i64) -> Result<Option<Bytes>, CommandError> {
        self.on_entry(key.as_ref(), |entry| copy_at(entry, index))
    }

    /// The elements from `start` to `stop`, both included; negative ones count from the tail. O(elements). Follows LRANGE
    /// of Redis 7.2; records nothing.
    pub fn lrange(&self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<Vec<Bytes>, CommandError> {
        self.on_entry(key.as_ref(), |entry| collect(entry, start, stop))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn places_count_from_either_end() {
        let bench = Bench::new();
        bench.run("RPUSH l a b c");
        assert_eq!(bench.run("LLEN l"), Value::Integer(3));
        assert_eq!(bench.run("LLEN none"), Value::Integer(0));
        for (index, expected) in [("0", "a"), ("2", "c"), ("-1", "c"), ("-3", "a")] {
            assert_eq!(bench.run(&format!("LINDEX l {index}")), Value::bulk(expected));
        }
        for request in ["LINDEX l 3", "LINDEX l -4", "LINDEX none 0", "LINDEX none x"] {
            assert_eq!(bench.run(request), Value::Nil, "{request}");
        }
        assert_eq!(bench.db.lrange("l", 1, 100).unwrap(), ["b", "c"]);
        assert_eq!(bench.ask("LRANGE l -2 -2"), "*1\r\n$1\r\nb\r\n");
        assert_eq!((bench.ask("LRANGE l 2 1"), bench.ask("LRANGE none 0 -1")), ("*0\r\n".into(), "*0\r\n".into()));
        assert_eq!(bench.error("LINDEX l x"), "ERR value is not an integer or out of range");
        assert_eq!(bench.error("LRANGE none 0 x"), "ERR value is not an integer or out of range");
        bench.run("SET s v");
        for request in ["LLEN s", "LINDEX s 0", "LRANGE s 0 -1"] {
            assert!(bench.error(request).starts_with("WRONGTYPE"), "{request}");
        }
    }
}
