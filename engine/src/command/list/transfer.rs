//! `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`, `RPOPLPUSH source destination`, and their forms that wait, `BLMOVE
//! ... timeout` and `BRPOPLPUSH ... timeout`: takes an element from a list and adds it to another, or to the same one.
//!
//! Reply: the element; null if there is none. Effect: `LMOVE` where both lists lie in one slot, else the pop and the push.

use super::edit::{change, find_list, pop, push};
use super::pop::record_pop;
use super::push::record_push;
use super::{list_of, name_of, parse_end};
use crate::command::row::flag::{BLOCKING, DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::timeout::deadline_of_seconds;
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::turn::waiting::{Unserved, Wait};
use crate::value::{End, StrRef, ValueType};
use bytes::Bytes;

const KEYS: &[KeySpec] = &[KeySpec::index(1).rw().access().delete(), KeySpec::index(2).rw().insert()];

pub(super) const LMOVE: Row = Row::new("lmove", 5, Run::Turn(lmove))
    .flags(WRITE | DENYOOM)
    .keys(KEYS)
    .summary(
        "Returns an element after popping it from one list and pushing it to another. Deletes the list if the last \
         element was moved.",
    )
    .docs(Group::List, "6.2.0", "O(1)")
    .args("source:key#0 destination:key#1 wherefrom:oneof{left=LEFT right=RIGHT} whereto:oneof{left=LEFT right=RIGHT}");

pub(super) const RPOPLPUSH: Row = Row::new("rpoplpush", 3, Run::Turn(rpoplpush))
    .flags(WRITE | DENYOOM)
    .keys(KEYS)
    .summary(
        "Returns the last element of a list after removing and pushing it to another list. Deletes the list if the last \
         element was popped.",
    )
    .docs(Group::List, "1.2.0", "O(1)")
    .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")
    .args("source:key#0 destination:key#1");

pub(super) const BLMOVE: Row = Row::new("blmove", 6, Run::Turn(blmove))
    .flags(WRITE | DENYOOM | BLOCKING)
    .keys(KEYS)
    .summary(
        "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is available \
         otherwise. Deletes the list if the last element was moved.",
    )
    .docs(Group::List, "6.2.0", "O(1)")
    .args(
        "source:key#0 destination:key#1 wherefrom:oneof{left=LEFT right=RIGHT} whereto:oneof{left=LEFT right=RIGHT} \
         timeout:double",
    );

pub(super) const BRPOPLPUSH: Row = Row::new("brpoplpush", 4, Run::Turn(brpoplpush))
    .flags(WRITE | DENYOOM | BLOCKING)
    .keys(KEYS)
    .summary(
        "Pops an element from a list, pushes it to another list and returns it. Block until an element is available \
         otherwise. Deletes the list if the last element was popped.",
    )
    .docs(Group::List, "2.2.0", "O(1)")
    .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")
    .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
    .args("source:key#0 destination:key#1 timeout:double");

/// From which end to which.
#[derive(Clone, Copy)]
struct Way {
    from: End,
    to: End,
}

const TAIL_TO_HEAD: Way = Way { from: End::Right, to: End::Left };

fn lmove(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let way = Way { from: parse_end(args[3])?, to: parse_end(args[4])? };
    answer(transfer(turn, args[1], args[2], way)?, reply);
    Ok(())
}

fn rpoplpush(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    answer(transfer(turn, args[1], args[2], TAIL_TO_HEAD)?, reply);
    Ok(())
}

fn answer(moved: Option<Vec<u8>>, reply: &mut ReplyWriter<'_>) {
    match moved {
        None => reply.null(),
        Some(element) => reply.bulk(&element),
    }
}

fn blmove(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let way = Way { from: parse_end(args[3])?, to: parse_end(args[4])? };
    transfer_or_wait(turn, args, way, args[5], reply)
}

fn brpoplpush(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    transfer_or_wait(turn, args, TAIL_TO_HEAD, args[3], reply)
}

fn transfer_or_wait(
    turn: &mut Turn<'_>,
    args: &[&[u8]],
    way: Way,
    timeout: &[u8],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let deadline = deadline_of_seconds(turn, timeout)?;
    match transfer(turn, args[1], args[2], way)? {
        Some(element) => reply.bulk(&element),
        None => turn.block(Wait::new(ValueType::List, &args[1..2], Unserved::Null).until(deadline), reply)?,
    }
    Ok(())
}

/// Moves an element; `None` if there is none.
fn transfer(turn: &mut Turn<'_>, source: &[u8], target: &[u8], way: Way) -> Result<Option<Vec<u8>>, CommandError> {
    let (from, to) = (turn.key(source)?, turn.key(target)?);
    let Some(spot) = find_list(turn, &from)? else { return Ok(None) };
    if source == target {
        let (element, _) = change(turn, &from, spot, Some(0), |list, limits| {
            let (element, size) = list.peek(way.from).map(|(element, size)| (element.to_vec(), size))?;
            list.pop(way.from, size);
            list.push(way.to, StrRef::of(&element), limits);
            Some(element)
        });
        let Some(element) = element else { return Ok(None) };
        turn.notify(EventClass::List, push_event(way.to), to.bytes);
        turn.notify(EventClass::List, pop_event(way.from), from.bytes);
        turn.record(&[b"LMOVE", source, target, name_of(way.from), name_of(way.to)]);
        return Ok(Some(element));
    }
    let target_spot = find_list(turn, &to)?;
    // Looking for the target may have deleted it, which moves entries.
    let Some(spot) = find_list(turn, &from)? else { return Ok(None) };
    let Some(element) = list_of(&turn.entry(&from, spot))?.peek(way.from).map(StrRef::to_vec) else { return Ok(None) };
    push(turn, &to, target_spot, way.to, &[StrRef::of(&element)]);
    let Some(spot) = find_list(turn, &from)? else { return Ok(None) };
    let emptied = pop(turn, &from, spot, way.from, 1, |_| {});
    if turn.share_slot(&from, &to) {
        turn.notify(EventClass::List, push_event(way.to), to.bytes);
        turn.notify(EventClass::List, pop_event(way.from), from.bytes);
        emptied.notify(turn, &from);
        turn.record(&[b"LMOVE", source, target, name_of(way.from), name_of(way.to)]);
    } else {
        record_push(turn, &to, way.to, &[&element]);
        record_pop(turn, &from, way.from, None, emptied);
    }
    Ok(Some(element))
}

fn push_event(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}

fn pop_event(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

impl Turn<'_> {
    /// Takes an element from an end of one list and adds it at an end of another or of the same: see [`Engine::lmove`].
    pub fn lmove(
        &mut self,
        source: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
        from: End,
        to: End,
    ) -> Result<Option<Bytes>, CommandError> {
        Ok(transfer(self, source.as_ref(), target.as_ref(), Way { from, to })?.map(Bytes::from))
    }

    /// Takes the last element of one list and adds it at the head of another or of the same: see [`Engine::lmove`].
    pub fn rpoplpush(
        &mut self,
        source: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
    ) -> Result<Option<Bytes>, CommandError> {
        self.lmove(source, target, End::Right, End::Left)
    }
}

impl Engine {
    /// Takes an element from an end of the list at `source` and adds it at an end of the list at `target`, which may be the
    /// same and is made if it is not there. Returns the element; `None` if there is no list at `source`. O(1). Follows LMOVE
    /// of Redis 7.2; records `LMOVE`, or the push and the pop where the keys lie in two slots.
    pub fn lmove(
        &self,
        source: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
        from: End,
        to: End,
    ) -> Result<Option<Bytes>, CommandError> {
        let (source, target) = (source.as_ref(), target.as_ref());
        self.on_keys(&[source, target], Access::Grow, |turn| turn.lmove(source, target, from, to))
    }

    /// Takes the last element of one list and adds it at the head of another; as [`Engine::lmove`] otherwise.
    pub fn rpoplpush(&self, source: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        self.lmove(source, target, End::Right, End::Left)
    }

    /// As [`Engine::lmove`], but blocks this thread until there is an element or `timeout` seconds are over; 0 is for ever.
    /// Follows BLMOVE of Redis 7.2.
    pub fn blmove(
        &self,
        source: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
        from: End,
        to: End,
        timeout: f64,
    ) -> Result<Option<Bytes>, CommandError> {
        let timeout = timeout.to_string();
        let args: [&[u8]; 6] =
            [b"BLMOVE", source.as_ref(), target.as_ref(), name_of(from), name_of(to), timeout.as_bytes()];
        Ok(self.ask_blocking(&args)?.as_bytes().map(Bytes::copy_from_slice))
    }

    /// As [`Engine::rpoplpush`], but blocks this thread as [`Engine::blmove`] does. Follows BRPOPLPUSH of Redis 7.2.
    pub fn brpoplpush(
        &self,
        source: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
        timeout: f64,
    ) -> Result<Option<Bytes>, CommandError> {
        self.blmove(source, target, End::Right, End::Left, timeout)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn an_element_moves_between_lists_and_within_one() {
        let bench = Bench::new();
        bench.run("RPUSH {t}a 1 2 3");
        bench.effects();
        assert_eq!(bench.run("LMOVE {t}a {t}b LEFT RIGHT"), Value::bulk("1"));
        assert_eq!(bench.run("LMOVE {t}a c right left"), Value::bulk("3"));
        assert_eq!(bench.run("RPOPLPUSH {t}a {t}b"), Value::bulk("2"));
        assert_eq!(bench.run("LMOVE {t}a {t}b LEFT LEFT"), Value::Nil);
        assert_eq!(bench.db.lrange("{t}b", 0, -1).unwrap(), ["2", "1"]);
        assert_eq!(bench.run("EXISTS {t}a"), Value::Integer(0));
        assert_eq!(bench.run("LMOVE {t}b {t}b LEFT RIGHT"), Value::bulk("2"));
        assert_eq!(bench.db.brpoplpush("c", "c", 0.5).unwrap(), Some("3".into()));
        let expected = [
            "LMOVE {t}a {t}b LEFT RIGHT",
            "LPUSH c 3",
            "RPOP {t}a",
            "LMOVE {t}a {t}b RIGHT LEFT",
            "LMOVE {t}b {t}b LEFT RIGHT",
            "LMOVE c c RIGHT LEFT",
        ];
        assert_eq!(bench.effects(), expected);
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn what_cannot_move_stays() {
        let bench = Bench::new();
        bench.run("SET s v");
        bench.run("RPUSH l a");
        bench.effects();
        assert!(bench.error("LMOVE l s LEFT LEFT").starts_with("WRONGTYPE"));
        assert!(bench.error("LMOVE s l LEFT LEFT").starts_with("WRONGTYPE"));
        assert!(bench.error("BRPOPLPUSH l s 0").starts_with("WRONGTYPE"));
        assert_eq!(bench.run("LMOVE none s LEFT LEFT"), Value::Nil);
        assert_eq!(bench.error("LMOVE l l LEFT UP"), "ERR syntax error");
        assert_eq!(bench.error("BLMOVE l l UP LEFT x"), "ERR syntax error");
        assert_eq!(bench.error("BLMOVE l l LEFT LEFT x"), "ERR timeout is not a float or out of range");
        assert!(bench.effects().is_empty());
        assert_eq!(bench.run("LLEN l"), Value::Integer(1));
    }
}
