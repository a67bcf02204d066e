//! `LSET key index element`: replaces an element.
//!
//! Reply: OK. Effect: `LSET`.

use super::edit::{change, find_list, len_at};
use super::place_of;
use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::{AsValue, StrRef};

pub(super) const LSET: Row = Row::new("lset", 4, Run::Turn(lset))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Sets the value of an element in a list by its index.")
    .docs(
        Group::List,
        "1.0.0",
        "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).",
    )
    .args("key:key#0 index:integer element:string");

fn lset(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    replace(turn, args[1], || parse_i64(args[2]).ok_or(CommandError::NotInteger), StrRef::of(args[3]))?;
    reply.ok();
    Ok(())
}

fn replace(
    turn: &mut Turn<'_>,
    key: &[u8],
    index: impl FnOnce() -> Result<i64, CommandError>,
    element: StrRef<'_>,
) -> Result<(), CommandError> {
    let key = turn.key(key)?;
    let spot = find_list(turn, &key)?.ok_or(CommandError::NoSuchKey)?;
    let index = index()?;
    let place = place_of(index, len_at(turn, &key, spot)).ok_or(CommandError::IndexOutOfRange)?;
    change(turn, &key, spot, Some(element.byte_len()), |list, limits| list.set(place, element, limits));
    turn.notify(EventClass::List, "lset", key.bytes);
    element.with_bytes(|bytes| turn.record(&[b"LSET", key.bytes, itoa::Buffer::new().format(index).as_bytes(), bytes]));
    Ok(())
}

impl Turn<'_> {
    /// Replaces the element at an index, which counts from the tail if negative. O(distance / a chunk).
    pub fn lset(&mut self, key: impl AsRef<[u8]>, index: i64, element: impl AsValue) -> Result<(), CommandError> {
        element.with_value(|element| replace(self, key.as_ref(), || Ok(index), element))
    }
}

impl Engine {
    /// Replaces the element at an index, which counts from the tail if negative. Fails if there is no list or no such place,
    /// and with WRONGTYPE on other types. O(distance / a chunk). Follows LSET of Redis 7.2; records `LSET`.
    pub fn lset(&self, key: impl AsRef<[u8]>, index: i64, element: impl AsValue) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.lset(key, index, element))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn an_element_is_replaced_where_there_is_one() {
        let bench = Bench::new();
        assert_eq!(bench.error("LSET l 0 x"), "ERR no such key");
        assert_eq!(bench.error("LSET l x x"), "ERR no such key");
        bench.run("RPUSH l a b c");
        bench.effects();
        assert_eq!(bench.run("LSET l 1 bb"), Value::Ok);
        bench.db.lset("l", -1, 3).unwrap();
        assert_eq!(bench.db.lrange("l", 0, -1).unwrap(), ["a", "bb", "3"]);
        for index in ["3", "-4", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(bench.error(&format!("LSET l {index} x")), "ERR index out of range");
        }
        assert_eq!(bench.error("LSET l x x"), "ERR value is not an integer or out of range");
        assert_eq!(bench.effects(), ["LSET l 1 bb", "LSET l -1 3"]);
        bench.run(&format!("LSET l 0 {}", "x".repeat(600)));
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
