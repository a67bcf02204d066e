//! `LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count]` and `BLMPOP timeout numkeys ...`: takes elements from the first
//! list that has any.
//!
//! Reply: an array of the key and an array of the elements; a null array if there is none. Effect: `LPOP key count` or
//! `RPOP key count`.

use super::edit::{find_list, len_at, pop};
use super::pop::record_pop;
use super::{name_of, parse_end, write_element};
use crate::command::row::flag::{BLOCKING, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::timeout::deadline_of_seconds;
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::{ReplyWriter, Value};
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::turn::waiting::{Unserved, Wait};
use crate::value::{End, ValueType};
use bytes::Bytes;

pub(super) const LMPOP: Row = Row::new("lmpop", -4, Run::Turn(lmpop))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).counted().rw().access().delete()])
    .summary(
        "Returns multiple elements from a list after removing them. Deletes the list if the last element was popped.",
    )
    .docs(
        Group::List,
        "7.0.0",
        "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    )
    .args("numkeys:integer key:key#0* where:oneof{left=LEFT right=RIGHT} count:integer?=COUNT");

pub(super) const BLMPOP: Row = Row::new("blmpop", -5, Run::Turn(blmpop))
    .flags(WRITE | BLOCKING)
    .keys(&[KeySpec::index(2).counted().rw().access().delete()])
    .summary(
        "Pops the first element from one of multiple lists. Blocks until an element is available otherwise. Deletes the \
         list if the last element was popped.",
    )
    .docs(
        Group::List,
        "7.0.0",
        "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    )
    .args("timeout:double numkeys:integer key:key#0* where:oneof{left=LEFT right=RIGHT} count:integer?=COUNT");

/// What is to be taken from where.
struct Request<'a> {
    keys: &'a [&'a [u8]],
    end: End,
    count: usize,
}

impl<'a> Request<'a> {
    /// Reads `numkeys key [key ...] LEFT | RIGHT [COUNT count]`.
    fn parse(words: &'a [&'a [u8]]) -> Result<Self, CommandError> {
        let above_zero = |word: &[u8]| parse_i64(word).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let key_count = above_zero(words[0]).ok_or(CommandError::text("ERR numkeys should be greater than 0"))?;
        let rest = words.get(key_count.saturating_add(1)..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(CommandError::Syntax)?;
        let end = parse_end(rest[0])?;
        let count = match &rest[1..] {
            [] => 1,
            [word, count] if word.eq_ignore_ascii_case(b"COUNT") => {
                above_zero(count).ok_or(CommandError::text("ERR count should be greater than 0"))?
            }
            [word, count, ..] if word.eq_ignore_ascii_case(b"COUNT") => {
                above_zero(count).ok_or(CommandError::text("ERR count should be greater than 0"))?;
                return Err(CommandError::Syntax);
            }
            _ => return Err(CommandError::Syntax),
        };
        Ok(Self { keys: &words[1..=key_count], end, count })
    }

    /// Takes the elements and answers. False if there are none, and nothing was written.
    fn take(&self, turn: &mut Turn<'_>, reply: &mut ReplyWriter<'_>) -> Result<bool, CommandError> {
        for key in self.keys {
            let key = turn.key(key)?;
            let Some(spot) = find_list(turn, &key)? else { continue };
            let count = self.count.min(len_at(turn, &key, spot));
            reply.array(2);
            reply.bulk(key.bytes);
            reply.array(count);
            let emptied = pop(turn, &key, spot, self.end, count, |element| write_element(reply, element));
            record_pop(turn, &key, self.end, Some(count), emptied);
            return Ok(true);
        }
        Ok(false)
    }
}

fn lmpop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    if !Request::parse(&args[1..])?.take(turn, reply)? {
        reply.null_array();
    }
    Ok(())
}

fn blmpop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let request = Request::parse(&args[2..])?;
    let deadline = deadline_of_seconds(turn, args[1])?;
    match request.take(turn, reply)? {
        true => Ok(()),
        false => turn.block(Wait::new(ValueType::List, request.keys, Unserved::NullArray).until(deadline), reply),
    }
}

/// A key and what was taken from it.
type Taken = Option<(Bytes, Vec<Bytes>)>;

fn taken(value: &Value) -> Taken {
    let [key, elements] = value.as_slice()? else { return None };
    let copy = |value: &Value| value.as_bytes().map(Bytes::copy_from_slice);
    Some((copy(key)?, elements.as_slice()?.iter().filter_map(copy).collect()))
}

impl Turn<'_> {
    /// Takes up to `count` elements from an end of the first of the lists that has any: see [`Engine::lmpop`].
    pub fn lmpop(&mut self, keys: &[impl AsRef<[u8]>], end: End, count: usize) -> Result<Taken, CommandError> {
        for key in keys {
            let key = key.as_ref();
            let elements = self.pop_many(key, end, count)?;
            if !elements.is_empty() {
                return Ok(Some((Bytes::copy_from_slice(key), elements)));
            }
        }
        Ok(None)
    }
}

impl Engine {
    /// Takes up to `count` elements from an end of the first list that has any; `None` if none has. O(keys + elements).
    /// Follows LMPOP of Redis 7.2; records `LPOP` or `RPOP`.
    pub fn lmpop(&self, keys: &[impl AsRef<[u8]>], end: End, count: usize) -> Result<Taken, CommandError> {
        let all: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&all, Access::Write, |turn| turn.lmpop(keys, end, count))
    }

    /// As [`Engine::lmpop`], but blocks this thread until there is an element or `timeout` seconds are over; 0 is for ever.
    /// Follows BLMPOP of Redis 7.2.
    pub fn blmpop(
        &self,
        timeout: f64,
        keys: &[impl AsRef<[u8]>],
        end: End,
        count: usize,
    ) -> Result<Taken, CommandError> {
        let (timeout, key_count, count) = (timeout.to_string(), keys.len().to_string(), count.to_string());
        let mut args: Vec<&[u8]> = vec![b"BLMPOP", timeout.as_bytes(), key_count.as_bytes()];
        args.extend(keys.iter().map(AsRef::as_ref));
        args.extend([name_of(end), b"COUNT", count.as_bytes()]);
        Ok(taken(&self.ask_blocking(&args)?))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::value::End;

    #[test]
    fn the_first_list_that_has_elements_gives_them() {
        let bench = Bench::new();
        bench.run("RPUSH b 1 2 3");
        bench.effects();
        assert_eq!(bench.ask("LMPOP 2 a b RIGHT"), "*2\r\n$1\r\nb\r\n*1\r\n$1\r\n3\r\n");
        assert_eq!(bench.ask("BLMPOP 0 2 a b left count 7"), "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
        assert_eq!(bench.ask("LMPOP 1 a LEFT"), "*-1\r\n");
        assert_eq!(bench.effects(), ["RPOP b 1", "LPOP b 2"]);
        assert_eq!(bench.db.lmpop(&["a", "b"], End::Left, 2).unwrap(), None);
        for (request, text) in [
            ("LMPOP 0 a LEFT", "ERR numkeys should be greater than 0"),
            ("LMPOP x a LEFT", "ERR numkeys should be greater than 0"),
            ("LMPOP 9223372036854775807 a LEFT", "ERR syntax error"),
            ("LMPOP 2 a LEFT", "ERR syntax error"),
            ("LMPOP 1 a UP", "ERR syntax error"),
            ("LMPOP 1 a LEFT COUNT", "ERR syntax error"),
            ("LMPOP 1 a LEFT COUNT 0", "ERR count should be greater than 0"),
            ("LMPOP 1 a LEFT COUNT 1 COUNT 1", "ERR syntax error"),
            ("BLMPOP -1 1 a LEFT", "ERR timeout is negative"),
            ("BLMPOP -1 0 a LEFT", "ERR numkeys should be greater than 0"),
        ] {
            assert_eq!(bench.error(request), text, "{request}");
        }
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
