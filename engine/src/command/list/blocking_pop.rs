//! `BLPOP key [key ...] timeout`, `BRPOP key [key ...] timeout`: takes an element from the first list that has any, or waits
//! for one.
//!
//! Reply: an array of the key and the element; a null array when the time is over. Effect: `LPOP` or `RPOP`.

use super::edit::{find_list, pop};
use super::pop::record_pop;
use super::write_element;
use crate::command::row::flag::{BLOCKING, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::timeout::deadline_of_seconds;
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::resp::{ReplyWriter, Value};
use crate::turn::Turn;
use crate::turn::waiting::{Unserved, Wait};
use crate::value::{End, ValueType};
use bytes::Bytes;

pub(super) const BLPOP: Row = Row::new("blpop", -3, Run::Turn(blpop))
    .flags(WRITE | BLOCKING)
    .keys(&[KeySpec::index(1).range(-2, 1).rw().access().delete()])
    .summary(
        "Removes and returns the first element in a list. Blocks until an element is available otherwise. Deletes the \
         list if the last element was popped.",
    )
    .docs(Group::List, "2.0.0", "O(N) where N is the number of provided keys.")
    .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
    .args("key:key#0* timeout:double");

pub(super) const BRPOP: Row = Row::new("brpop", -3, Run::Turn(brpop))
    .flags(WRITE | BLOCKING)
    .keys(&[KeySpec::index(1).range(-2, 1).rw().access().delete()])
    .summary(
        "Removes and returns the last element in a list. Blocks until an element is available otherwise. Deletes the \
         list if the last element was popped.",
    )
    .docs(Group::List, "2.0.0", "O(N) where N is the number of provided keys.")
    .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
    .args("key:key#0* timeout:double");

fn blpop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    take_or_wait(turn, args, End::Left, reply)
}

fn brpop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    take_or_wait(turn, args, End::Right, reply)
}

fn take_or_wait(turn: &mut Turn<'_>, args: &[&[u8]], end: End, reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (keys, timeout) = (&args[1..args.len() - 1], args[args.len() - 1]);
    let deadline = deadline_of_seconds(turn, timeout)?;
    for key in keys {
        let key = turn.key(key)?;
        let Some(spot) = find_list(turn, &key)? else { continue };
        reply.array(2);
        reply.bulk(key.bytes);
        let emptied = pop(turn, &key, spot, end, 1, |element| write_element(reply, element));
        record_pop(turn, &key, end, None, emptied);
        return Ok(());
    }
    turn.block(Wait::new(ValueType::List, keys, Unserved::NullArray).until(deadline), reply)
}

fn wait_for(
    db: &Engine,
    name: &str,
    keys: &[impl AsRef<[u8]>],
    timeout: f64,
) -> Result<Option<(Bytes, Bytes)>, CommandError> {
    let timeout = timeout.to_string();
    let mut args: Vec<&[u8]> = vec![name.as_bytes()];
    args.extend(keys.iter().map(AsRef::as_ref));
    args.push(timeout.as_bytes());
    let value = db.ask_blocking(&args)?;
    let Some([key, element]) = value.as_slice() else { return Ok(None) };
    let copy = |value: &Value| value.as_bytes().map(Bytes::copy_from_slice);
    Ok(copy(key).zip(copy(element)))
}

impl Engine {
    /// Takes the first element of the first list that has any, and returns it with its key. Blocks this thread until there is
    /// one or `timeout` seconds are over (`None`); 0 is for ever. Those who wait for a list are served in the order in which
    /// they came. No lock is held meanwhile; a [session](Engine::session) waits without a thread. Follows BLPOP of Redis
    /// 7.2; records `LPOP`.
    pub fn blpop(&self, keys: &[impl AsRef<[u8]>], timeout: f64) -> Result<Option<(Bytes, Bytes)>, CommandError> {
        wait_for(self, "BLPOP", keys, timeout)
    }

    /// Takes the last element; as [`Engine::blpop`] otherwise.
    pub fn brpop(&self, keys: &[impl AsRef<[u8]>], timeout: f64) -> Result<Option<(Bytes, Bytes)>, CommandError> {
        wait_for(self, "BRPOP", keys, timeout)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn an_element_that_is_there_is_taken_at_once() {
        let bench = Bench::new();
        bench.run("RPUSH b 1 2 3");
        bench.effects();
        assert_eq!(bench.ask("BLPOP a b 0"), "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
        assert_eq!(bench.db.brpop(&["a", "b"], 0.5).unwrap(), Some(("b".into(), "3".into())));
        assert_eq!(bench.effects(), ["LPOP b", "RPOP b"]);
        bench.run("SET s v");
        assert!(bench.error("BLPOP a s b 0").starts_with("WRONGTYPE"));
        for (timeout, text) in [
            ("x", "ERR timeout is not a float or out of range"),
            ("nan", "ERR timeout is not a float or out of range"),
            ("-1", "ERR timeout is negative"),
            ("1e30", "ERR timeout is out of range"),
            ("9223372036854775", "ERR timeout is out of range"),
        ] {
            assert_eq!(bench.error(&format!("BLPOP b {timeout}")), text);
        }
        bench.assert_replays();
    }
}
