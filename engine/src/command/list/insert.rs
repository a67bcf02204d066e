//! `LINSERT key BEFORE | AFTER pivot element`: puts an element beside another.
//!
//! Reply: the length afterwards; 0 where there is no list, -1 where the pivot is not in it. Effect: `LINSERT`.

use super::edit::{change, find_list};
use super::list_of;
use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::{AsValue, StrRef, Walk};

pub(super) const LINSERT: Row = Row::new("linsert", 5, Run::Turn(linsert))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).rw().insert()])
    .summary("Inserts an element before or after another element in a list.")
    .docs(
        Group::List,
        "2.2.0",
        "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting \
         somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end \
         (tail) is O(N).",
    )
    .args("key:key#0 where:oneof{before=BEFORE after=AFTER} pivot:string element:string");

/// On which side of the pivot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

fn linsert(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let side = match args[2] {
        word if word.eq_ignore_ascii_case(b"AFTER") => Side::After,
        word if word.eq_ignore_ascii_case(b"BEFORE") => Side::Before,
        _ => return Err(CommandError::Syntax),
    };
    reply.integer(insert(turn, args[1], side, StrRef::of(args[3]), StrRef::of(args[4]))?);
    Ok(())
}

fn insert(
    turn: &mut Turn<'_>,
    key: &[u8],
    side: Side,
    pivot: StrRef<'_>,
    element: StrRef<'_>,
) -> Result<i64, CommandError> {
    let key = turn.key(key)?;
    let Some(spot) = find_list(turn, &key)? else { return Ok(0) };
    let mut place = None;
    {
        let entry = turn.entry(&key, spot);
        let mut at = 0;
        list_of(&entry)?.walk_from(0, |other| {
            if other == pivot {
                place = Some(at);
                return Walk::Enough;
            }
            at += 1;
            Walk::On
        });
    }
    let Some(place) = place else { return Ok(-1) };
    let place = place + usize::from(side == Side::After);
    let (len, _) = change(turn, &key, spot, Some(element.byte_len()), |list, limits| {
        list.insert(place, element, limits);
        list.len()
    });
    turn.notify(EventClass::List, "linsert", key.bytes);
    let side: &[u8] = if side == Side::After { b"AFTER" } else { b"BEFORE" };
    pivot.with_bytes(|pivot| {
        element.with_bytes(|element| turn.record(&[b"LINSERT", key.bytes, side, pivot, element]));
    });
    Ok(len as i64)
}

impl Turn<'_> {
    /// Puts an element before the first one equal to `pivot`: see [`Engine::linsert_before`].
    pub fn linsert_before(
        &mut self,
        key: impl AsRef<[u8]>,
        pivot: impl AsValue,
        element: impl AsValue,
    ) -> Result<i64, CommandError> {
        pivot.with_value(|pivot| element.with_value(|new| insert(self, key.as_ref(), Side::Before, pivot, new)))
    }

    /// Puts an element after the first one equal to `pivot`: see [`Engine::linsert_before`].
    pub fn linsert_after(
        &mut self,
        key: impl AsRef<[u8]>,
        pivot: impl AsValue,
        element: impl AsValue,
    ) -> Result<i64, CommandError> {
        pivot.with_value(|pivot| element.with_value(|new| insert(self, key.as_ref(), Side::After, pivot, new)))
    }
}

impl Engine {
    /// Puts an element before the first one that is equal to `pivot`. Returns the length afterwards, 0 if there is no list,
    /// -1 if `pivot` is not in it. O(distance of the pivot). Follows LINSERT of Redis 7.2; records `LINSERT`.
    pub fn linsert_before(
        &self,
        key: impl AsRef<[u8]>,
        pivot: impl AsValue,
        element: impl AsValue,
    ) -> Result<i64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.linsert_before(key, pivot, element))
    }

    /// Puts an element after the first one that is equal to `pivot`; as [`Engine::linsert_before`] otherwise.
    pub fn linsert_after(
        &self,
        key: impl AsRef<[u8]>,
        pivot: impl AsValue,
        element: impl AsValue,
    ) -> Result<i64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.linsert_after(key, pivot, element))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn an_element_is_put_beside_the_first_pivot() {
        let bench = Bench::new();
        assert_eq!(bench.run("LINSERT l BEFORE a x"), Value::Integer(0));
        bench.run("RPUSH l a b a");
        bench.effects();
        assert_eq!(bench.run("LINSERT l before a x"), Value::Integer(4));
        assert_eq!(bench.run("LINSERT l AFTER a 7"), Value::Integer(5));
        assert_eq!(bench.run("LINSERT l AFTER none x"), Value::Integer(-1));
        assert_eq!(bench.error("LINSERT l BESIDE a x"), "ERR syntax error");
        assert_eq!(bench.db.lrange("l", 0, -1).unwrap(), ["x", "a", "7", "b", "a"]);
        assert_eq!(bench.effects(), ["LINSERT l BEFORE a x", "LINSERT l AFTER a 7"]);
        assert_eq!(bench.db.linsert_after("l", 7, "y").unwrap(), 6);
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
