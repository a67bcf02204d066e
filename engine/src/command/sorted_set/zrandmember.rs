//! `ZRANDMEMBER key [count [WITHSCORES]]`: members chosen at random.
//!
//! Reply: a member, or null; with a count an array: so many different ones, or as many as there are; with a negative count
//! so many, each chosen anew. Every member has the same chance.

use super::arguments::integer;
use super::listing::{self, Scores, write_member};
use super::look;
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::StrRef;
use crate::turn::Turn;
use crate::value::sorted_set::{Direction, SortedSetRef};
use bytes::Bytes;
use std::collections::BTreeSet;

pub(super) const ZRANDMEMBER: Row = Row::new("zrandmember", -2, Run::Turn(zrand_member))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Returns one or more random members from a sorted set.")
    .docs(Group::SortedSet, "6.2.0", "O(N) where N is the number of members returned")
    .args("key:key#0 options:block?{count:integer withscores?=WITHSCORES}");

fn zrand_member(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let core = turn.core();
    let Some(count) = args.get(2) else {
        let key = turn.key(args[1])?;
        return look(turn, &key, |set| match random_rank(core, set).and_then(|rank| at(set, rank)) {
            None => reply.null(),
            Some((member, _)) => write_member(reply, member),
        });
    };
    let count = integer(count)?;
    if count == i64::MIN {
        return Err(CommandError::text(BEYOND_LONG));
    }
    let scores = match &args[3..] {
        [] => Scores::Hidden,
        [word] if word.eq_ignore_ascii_case(b"WITHSCORES") => Scores::Shown,
        _ => return Err(CommandError::Syntax),
    };
    let is_too_large = scores == Scores::Shown && count.unsigned_abs() > i64::MAX as u64 / 2;
    if is_too_large || count < -REPEATED_MAX {
        return Err(CommandError::OutOfRange);
    }
    let key = turn.key(args[1])?;
    look(turn, &key, |set| {
        let ranks = random_ranks(core, set, count);
        listing::begin(reply, ranks.len(), scores);
        each(set, &ranks, |member, score| listing::write(reply, member, score, scores));
    })
}

fn random_rank(core: &Core, set: SortedSetRef<'_>) -> Option<usize> {
    Some(set.len()).filter(|len| *len > 0).map(|len| core.random_below(len))
}

fn at(set: SortedSetRef<'_>, rank: usize) -> Option<(StrRef<'_>, f64)> {
    set.walk(rank, 1, Direction::Up).next()
}

/// Ranks for a count: different ones, ascending; with a negative count any, in the order in which they were drawn.
fn random_ranks(core: &Core, set: SortedSetRef<'_>, count: i64) -> Vec<usize> {
    let len = set.len();
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if len == 0 {
        return Vec::new();
    }
    if count < 0 {
        return (0..wanted).map(|_| core.random_below(len)).collect();
    }
    if wanted >= len {
        return (0..len).collect();
    }
    // Each step widens the range by one rank and draws from it; who was drawn before gives way to the newest. So every
    // subset has the same chance. Where most are wanted, those that are left out are drawn.
    let drawn = wanted.min(len - wanted);
    let mut chosen = BTreeSet::new();
    for newest in len - drawn..len {
        let rank = core.random_below(newest + 1);
        if !chosen.insert(rank) {
            chosen.insert(newest);
        }
    }
    match drawn == wanted {
        true => chosen.into_iter().collect(),
        false => (0..len).filter(|rank| !chosen.contains(rank)).collect(),
    }
}

/// Shows `f` the members of ranks.
fn each<'a>(set: SortedSetRef<'a>, ranks: &[usize], mut f: impl FnMut(StrRef<'a>, f64)) {
    match set {
        SortedSetRef::Compact(_) => {
            let all: Vec<_> = set.iter().collect();
            ranks.iter().filter_map(|rank| all.get(*rank)).for_each(|(member, score)| f(*member, *score));
        }
        SortedSetRef::Large(_) if ranks.len() == set.len() && ranks.is_sorted() => {
            set.iter().for_each(|(m, s)| f(m, s))
        }
        SortedSetRef::Large(_) => ranks.iter().filter_map(|rank| at(set, *rank)).for_each(|(m, s)| f(m, s)),
    }
}

impl Engine {
    /// Members of the sorted set at `key`, chosen at random: up to `count` different ones, or with a negative count so many,
    /// each chosen anew. Fails with WRONGTYPE on other types. O(count log n). Follows ZRANDMEMBER of Redis 7.2.
    pub fn zrandmember(&self, key: impl AsRef<[u8]>, count: i64) -> Result<Vec<Bytes>, CommandError> {
        Ok(self.zrandmember_withscores(key, count)?.into_iter().map(|(member, _)| member).collect())
    }

    /// As [`Engine::zrandmember`], with the scores.
    pub fn zrandmember_withscores(&self, key: impl AsRef<[u8]>, count: i64) -> Result<Vec<(Bytes, f64)>, CommandError> {
        if count < -REPEATED_MAX {
            return Err(CommandError::OutOfRange);
        }
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| {
            let (core, key) = (turn.core(), turn.key(key)?);
            look(turn, &key, |set| {
                let mut members = Vec::new();
                each(set, &random_ranks(core, set, count), |member, score| {
                    members.push((member.with_bytes(Bytes::copy_from_slice), score));
                });
                members
            })
        })
    }
}

const BEYOND_LONG: &str = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";

/// Members that may repeat are not drawn more often in one request.
const REPEATED_MAX: i64 = 1 << 24;

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn counts_choose_different_members_or_any() {
        let bench = Bench::new();
        for (key, len) in [("small", 20), ("large", 1000)] {
            let pairs: Vec<_> = (0..len).map(|n| (f64::from(n), n.to_string())).collect();
            bench.db.zadd_multiple(key, &pairs).unwrap();
            for count in [0, 1, 5, len - 1, len, len + 5] {
                let members = bench.db.zrandmember(key, count.into()).unwrap();
                let different: BTreeSet<_> = members.iter().collect();
                assert_eq!((members.len(), different.len()), (count.min(len) as usize, count.min(len) as usize));
            }
            assert_eq!(bench.db.zrandmember(key, -50).unwrap().len(), 50);
        }
        assert_eq!(bench.run("ZRANDMEMBER none"), Value::Nil);
        assert_eq!(bench.run("ZRANDMEMBER none 5"), Value::Array(vec![]));
        assert_eq!(bench.run("ZRANDMEMBER small").as_bytes().map(|b| b.is_empty()), Some(false));
        bench.ask("ZADD one 1 a");
        assert_eq!(bench.ask("ZRANDMEMBER one -2 WITHSCORES"), "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n");
        let pair = Value::Array(vec![Value::bulk("a"), Value::Double(1.0)]);
        assert_eq!(bench.run("ZRANDMEMBER one 3 WITHSCORES"), Value::Array(vec![pair]));
        for (request, error) in [
            ("ZRANDMEMBER one x", "ERR value is not an integer or out of range"),
            ("ZRANDMEMBER one 1 FOO", "ERR syntax error"),
            ("ZRANDMEMBER one 1 WITHSCORES x", "ERR syntax error"),
            ("ZRANDMEMBER one -9223372036854775807 WITHSCORES", "ERR value is out of range"),
            ("ZRANDMEMBER one -9223372036854775808", super::BEYOND_LONG),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
    }

    #[test]
    fn every_member_has_about_the_same_chance() {
        let bench = Bench::new();
        let pairs: Vec<_> = (0..200).map(|n| (f64::from(n), n.to_string())).collect();
        bench.db.zadd_multiple("z", &pairs).unwrap();
        let mut hits: BTreeMap<_, u32> = BTreeMap::new();
        for _ in 0..200 {
            bench.db.zrandmember("z", 50).unwrap().into_iter().for_each(|member| *hits.entry(member).or_default() += 1);
        }
        assert_eq!(hits.len(), 200);
        assert!(hits.values().all(|hits| (20..90).contains(hits)), "{hits:?}");
    }
}
