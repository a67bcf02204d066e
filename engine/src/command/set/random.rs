//! `SRANDMEMBER key [count]`: members chosen at random.
//!
//! Reply: a member or null; with a count an array: of as many different members, or, where the count is negative, of exactly
//! as many members, one of which may come more than once. Records nothing.

use super::{copied, set_of};
use crate::command::choice::{BEYOND_RANGE, DRAWN_BYTES_MAX, Pool, choose, draw_many};
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::StrRef;
use crate::value::set::SetRef;
use bytes::Bytes;

pub(super) const SRANDMEMBER: Row = Row::new("srandmember", -2, Run::Turn(srandmember))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Get one or multiple random members from a set")
    .docs(
        Group::Set,
        "1.0.0",
        "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
    )
    .history(&[("2.6.0", "Added the optional `count` argument.")])
    .args("key:key#0 count:integer@2.6.0?");

fn srandmember(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let count = match args[2..] {
        [] => None,
        [count] => match parse_i64(count).ok_or(CommandError::NotInteger)? {
            i64::MIN => return Err(CommandError::text(BEYOND_RANGE)),
            count => Some(count),
        },
        _ => return Err(CommandError::Syntax),
    };
    let key = turn.key(args[1])?;
    let core = turn.core();
    let entry = turn.read(&key);
    let set = set_of(entry.as_deref())?;
    let pick = |below: usize| core.random_below(below);
    match (set, count) {
        (None, None) => reply.null(),
        (None, Some(_)) => reply.array(0),
        (Some(set), None) => match set.random(pick) {
            Some(member) => member.with_bytes(|member| reply.bulk(member)),
            None => reply.null(),
        },
        (Some(set), Some(count @ 0..)) => {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            reply.array(count.min(set.len()));
            choose(set, count, pick, |member| member.with_bytes(|member| reply.bulk(member)));
        }
        (Some(set), Some(count)) => {
            let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            let start = reply.len();
            reply.array(count);
            draw_many(set, count, pick, |member| {
                member.with_bytes(|member| reply.bulk(member));
                reply.len() - start <= DRAWN_BYTES_MAX
            })?;
        }
    }
    Ok(())
}

impl<'a> Pool for SetRef<'a> {
    type Element = StrRef<'a>;

    fn count(self) -> usize {
        self.len()
    }

    fn elements(self) -> impl Iterator<Item = StrRef<'a>> {
        self.iter()
    }

    fn draw(self, pick: &mut impl FnMut(usize) -> usize) -> Option<StrRef<'a>> {
        match self {
            SetRef::Table(_) => self.random(pick),
            SetRef::Integers(_) | SetRef::Packed(_) => None,
        }
    }

    fn address(member: StrRef<'a>) -> *const u8 {
        match member {
            StrRef::Bytes(bytes) => bytes.as_ptr(),
            StrRef::Int(_) => std::ptr::null(),
        }
    }
}

impl Turn<'_> {
    /// A member of the set at `key`, chosen at random. O(1).
    pub fn srandmember(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        let core = self.core();
        let entry = self.read(&key);
        let set = set_of(entry.as_deref())?;
        Ok(set.and_then(|set| set.random(|below| core.random_below(below))).map(copied))
    }

    /// Up to `count` different members of the set at `key`; for a negative `count` as many draws. O(count).
    pub fn srandmember_multiple(&mut self, key: impl AsRef<[u8]>, count: i64) -> Result<Vec<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        let core = self.core();
        let entry = self.read(&key);
        let Some(set) = set_of(entry.as_deref())? else { return Ok(Vec::new()) };
        let pick = |below: usize| core.random_below(below);
        let mut members = Vec::new();
        let number = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count >= 0 {
            choose(set, number, pick, |member| members.push(copied(member)));
        } else {
            let mut bytes = 0;
            draw_many(set, number, pick, |member| {
                bytes += member.byte_len() + size_of::<Bytes>();
                members.push(copied(member));
                bytes <= DRAWN_BYTES_MAX
            })?;
        }
        Ok(members)
    }
}

impl Engine {
    /// A member of the set at `key`, each with the same chance; `None` if there is no such key. Fails with WRONGTYPE on
    /// other types. O(1), O(n) while the set is small. Follows SRANDMEMBER of Redis 7.2.
    pub fn srandmember(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.srandmember(key))
    }

    /// Up to `count` different members of the set at `key`, every choice with the same chance; for a negative `count` as
    /// many draws, each among all members. As [`Engine::srandmember`] otherwise. O(count), O(n) where that is a large part of
    /// the set.
    pub fn srandmember_multiple(&self, key: impl AsRef<[u8]>, count: i64) -> Result<Vec<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.srandmember_multiple(key, count))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use std::collections::{BTreeMap, BTreeSet};

    fn filled(size: usize) -> Bench {
        let bench = Bench::new();
        let members: Vec<String> = (0..size).map(|n| format!("m{n}")).collect();
        bench.db.sadd_many("k", &members).unwrap();
        bench
    }

    #[test]
    fn as_many_different_members_as_asked_or_there() {
        for size in [3, 200, 2_000] {
            let bench = filled(size);
            for count in [0, 1, 2, size / 10, size / 3, size - 1, size, size * 2] {
                let members = bench.db.srandmember_multiple("k", count as i64).unwrap();
                let different: BTreeSet<_> = members.iter().collect();
                assert_eq!((members.len(), different.len()), (count.min(size), count.min(size)));
            }
            let drawn = bench.db.srandmember_multiple("k", -(3 * size as i64)).unwrap();
            assert_eq!(drawn.len(), 3 * size);
            assert!(drawn.iter().collect::<BTreeSet<_>>().len() > size / 2);
        }
    }

    /// The chance of each member, as the statistic of Pearson: about as many as there are members less one.
    fn chi_square(bench: &Bench, size: usize, count: i64, rounds: usize) -> f64 {
        let mut seen: BTreeMap<_, usize> = BTreeMap::new();
        for _ in 0..rounds {
            for member in bench.db.srandmember_multiple("k", count).unwrap() {
                *seen.entry(member).or_default() += 1;
            }
        }
        assert_eq!(seen.len(), size, "every member comes");
        let expected = (rounds * count.unsigned_abs() as usize) as f64 / size as f64;
        seen.values().map(|n| (*n as f64 - expected).powi(2) / expected).sum()
    }

    #[test]
    fn every_member_has_the_same_chance() {
        for (size, count) in [(20, 5i64), (20, -5), (1_500, 40), (1_500, 1_000), (1_500, -40)] {
            let bench = filled(size);
            let rounds = size * 20 / count.unsigned_abs() as usize;
            let statistic = chi_square(&bench, size, count, rounds);
            let degrees = (size - 1) as f64;
            // Five standard deviations.
            assert!(statistic < degrees + 5.0 * (2.0 * degrees).sqrt(), "{size} {count}: {statistic}");
        }
    }

    #[test]
    fn a_table_that_was_much_larger_is_still_fair() {
        let bench = filled(12_000);
        let members = bench.db.smembers("k").unwrap();
        bench.db.srem_many("k", &members[..11_700]).unwrap();
        let statistic = chi_square(&bench, 300, -10, 900);
        assert!(statistic < 299.0 + 5.0 * (2.0f64 * 299.0).sqrt(), "{statistic}");
    }

    #[test]
    fn replies_and_errors_are_those_of_redis() {
        let bench = Bench::new();
        assert_eq!(bench.ask("SRANDMEMBER none"), "$-1\r\n");
        assert_eq!(bench.ask("SRANDMEMBER none 3"), "*0\r\n");
        bench.run("SADD k 1");
        assert_eq!(bench.ask("SRANDMEMBER k"), "$1\r\n1\r\n");
        assert_eq!(bench.ask("SRANDMEMBER k -2"), "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
        assert_eq!(bench.ask("SRANDMEMBER k 0"), "*0\r\n");
        assert_eq!(bench.error("SRANDMEMBER k 1 2"), "ERR syntax error");
        assert_eq!(bench.error("SRANDMEMBER k x"), "ERR value is not an integer or out of range");
        assert_eq!(bench.error("SRANDMEMBER k -9223372036854775808"), super::BEYOND_RANGE);
    }
}
