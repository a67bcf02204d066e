//! `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`: where an element is.
//!
//! Reply: the first index, or null; with COUNT an array of indices. A negative rank searches from the tail; MAXLEN bounds
//! how many elements are looked at.

use super::list_of;
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::{AsValue, ListRef, StrRef, Walk};

pub(super) const LPOS: Row = Row::new("lpos", -3, Run::Look(lpos))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the index of matching elements in a list.")
    .docs(
        Group::List,
        "6.0.6",
        "O(N) where N is the number of elements in the list, for the average case. When searching for elements near the \
         head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.",
    )
    .args("key:key#0 element:string rank:integer?=RANK num-matches:integer?=COUNT len:integer?=MAXLEN");

/// Which of the equal elements LPOS looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionOptions {
    /// The how manieth match is the first to be told: 1, 2 ... from the head, -1, -2 ... from the tail. Not 0.
    pub rank: i64,
    /// How many matches are told; 0: all.
    pub count: usize,
    /// How many elements are looked at; 0: all.
    pub maxlen: usize,
}

impl Default for PositionOptions {
    fn default() -> Self {
        Self { rank: 1, count: 1, maxlen: 0 }
    }
}

fn lpos(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut options = PositionOptions::default();
    let mut has_count = false;
    let (pairs, rest) = args[3..].as_chunks::<2>();
    for [word, value] in pairs {
        let amount = |text| parse_i64(value).and_then(|n| usize::try_from(n).ok()).ok_or(CommandError::text(text));
        match word.to_ascii_uppercase().as_slice() {
            b"RANK" => options.rank = parse_rank(value)?,
            b"COUNT" => {
                options.count = amount("ERR COUNT can't be negative")?;
                has_count = true;
            }
            b"MAXLEN" => options.maxlen = amount("ERR MAXLEN can't be negative")?,
            _ => return Err(CommandError::Syntax),
        }
    }
    if !rest.is_empty() {
        return Err(CommandError::Syntax);
    }
    let list = entry.map(list_of).transpose()?;
    let places = list.map_or(Vec::new(), |list| find(list, StrRef::of(args[2]), options));
    if has_count {
        reply.array(places.len());
        places.iter().for_each(|place| reply.integer(*place as i64));
        return Ok(());
    }
    match places.first() {
        None => reply.null(),
        Some(place) => reply.integer(*place as i64),
    }
    Ok(())
}

fn parse_rank(text: &[u8]) -> Result<i64, CommandError> {
    match parse_i64(text).ok_or(CommandError::NotInteger)? {
        0 => Err(CommandError::text(ZERO_RANK)),
        i64::MIN => Err(CommandError::text(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        rank => Ok(rank),
    }
}

fn find(list: ListRef<'_>, element: StrRef<'_>, options: PositionOptions) -> Vec<usize> {
    let (mut places, mut looked, mut skipped) = (Vec::new(), 0, options.rank.unsigned_abs().saturating_sub(1));
    let count_max = if options.count == 0 { usize::MAX } else { options.count };
    let looked_max = if options.maxlen == 0 { usize::MAX } else { options.maxlen };
    let len = list.len();
    let see = |other: StrRef<'_>| {
        if other == element {
            match skipped.checked_sub(1) {
                Some(left) => skipped = left,
                None if options.rank < 0 => places.push(len - 1 - looked),
                None => places.push(looked),
            }
        }
        looked += 1;
        if places.len() == count_max || looked == looked_max { Walk::Enough } else { Walk::On }
    };
    match options.rank < 0 {
        true => list.walk_back(see),
        false => list.walk_from(0, see),
    }
    places
}

fn find_in(
    entry: Option<&EntryRef>,
    element: StrRef<'_>,
    options: PositionOptions,
) -> Result<Vec<usize>, CommandError> {
    if options.rank == 0 {
        return Err(CommandError::text(ZERO_RANK));
    }
    let list = entry.map(list_of).transpose()?;
    Ok(list.map_or(Vec::new(), |list| find(list, element, options)))
}

impl Turn<'_> {
    /// Where the list at `key` has elements equal to `element`: see [`Engine::lpos`].
    pub fn lpos(
        &mut self,
        key: impl AsRef<[u8]>,
        element: impl AsValue,
        options: PositionOptions,
    ) -> Result<Vec<usize>, CommandError> {
        let key = self.key(key.as_ref())?;
        let entry = self.read(&key);
        element.with_value(|element| find_in(entry.as_deref(), element, options))
    }
}

impl Engine {
    /// Where the list at `key` has elements equal to `element`, as indices from the head, in the order in which they were
    /// found. Fails with WRONGTYPE on other types. O(elements looked at). Follows LPOS of Redis 7.2; records nothing.
    pub fn lpos(
        &self,
        key: impl AsRef<[u8]>,
        element: impl AsValue,
        options: PositionOptions,
    ) -> Result<Vec<usize>, CommandError> {
        element.with_value(|element| self.on_entry(key.as_ref(), |entry| find_in(entry, element, options)))
    }
}

const ZERO_RANK: &str = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative \
                         to start from the end of the list";

#[cfg(test)]
mod tests {
    use super::PositionOptions;
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn matches_are_counted_from_either_end() {
        let bench = Bench::new();
        bench.run("RPUSH l a b c 1 2 3 c c");
        let places = |request: &str| match bench.run(request) {
            Value::Array(places) => places.iter().map(|place| place.as_i64().unwrap()).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(bench.run("LPOS l c"), Value::Integer(2));
        assert_eq!(bench.run("LPOS l c RANK -1"), Value::Integer(7));
        assert_eq!(bench.run("LPOS l c RANK 4"), Value::Nil);
        assert_eq!(bench.run("LPOS none c"), Value::Nil);
        assert_eq!(places("LPOS l c COUNT 0"), [2, 6, 7]);
        assert_eq!(places("LPOS l c COUNT 2 RANK -1"), [7, 6]);
        assert_eq!(places("LPOS l c COUNT 0 RANK 2"), [6, 7]);
        assert_eq!(places("LPOS l c COUNT 0 MAXLEN 7"), [2, 6]);
        assert_eq!(places("LPOS l c COUNT 0 MAXLEN 1 RANK -1"), [7]);
        assert_eq!(places("LPOS none c COUNT 3"), [0i64; 0]);
        assert_eq!(bench.db.lpos("l", 2, PositionOptions::default()).unwrap(), [4]);
        for (request, text) in [
            ("LPOS l c RANK 0", super::ZERO_RANK),
            ("LPOS l c RANK x", "ERR value is not an integer or out of range"),
            ("LPOS l c COUNT -1", "ERR COUNT can't be negative"),
            ("LPOS l c MAXLEN -1", "ERR MAXLEN can't be negative"),
            ("LPOS l c COUNT", "ERR syntax error"),
            ("LPOS l c FOO 1", "ERR syntax error"),
        ] {
            assert_eq!(bench.error(request), text, "{request}");
        }
    }
}
