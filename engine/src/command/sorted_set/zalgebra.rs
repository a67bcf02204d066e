//! `ZUNION`, `ZINTER` and `ZDIFF`: `numkeys key ... [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]`, their store
//! forms with a destination before the number of keys, and `ZINTERCARD numkeys key ... [LIMIT limit]`.
//!
//! Reply: the members in the order of their scores; of the store forms and of ZINTERCARD how many they are. Effect of the store
//! forms: `DEL destination` where something was there, and `ZADD destination score member ...`.

use super::algebra::{Fold, Found, Input, difference, intersection, intersection_size, union};
use super::arguments::{count, integer, score};
use super::change::{store_whole, whole};
use super::listing::{self, Scores};
use crate::command::row::flag::{DENYOOM, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::table::Lent;
use crate::text::StrRef;
use crate::turn::{Key, Turn};
use crate::value::sorted_set::tree::order;
use bytes::Bytes;

pub(super) const ZUNION: Row = Row::new("zunion", -3, Run::Turn(zunion))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).counted().ro().access()])
    .summary("Returns the union of multiple sorted sets.")
    .docs(
        Group::SortedSet,
        "6.2.0",
        "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of \
     elements in the resulting sorted set.",
    )
    .args(
        "numkeys:integer key:key#0* weight:integer?*=WEIGHTS aggregate:oneof?=AGGREGATE{sum=SUM min=MIN max=MAX} \
         withscores?=WITHSCORES",
    );

pub(super) const ZINTER: Row = Row::new("zinter", -3, Run::Turn(zinter))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).counted().ro().access()])
    .summary("Returns the intersect of multiple sorted sets.")
    .docs(
        Group::SortedSet,
        "6.2.0",
        "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted \
     sets and M being the number of elements in the resulting sorted set.",
    )
    .args(
        "numkeys:integer key:key#0* weight:integer?*=WEIGHTS aggregate:oneof?=AGGREGATE{sum=SUM min=MIN max=MAX} \
         withscores?=WITHSCORES",
    );

pub(super) const ZDIFF: Row = Row::new("zdiff", -3, Run::Turn(zdiff))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).counted().ro().access()])
    .summary("Returns the difference between multiple sorted sets.")
    .docs(
        Group::SortedSet,
        "6.2.0",
        "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the \
     first set, and K is the size of the result set.",
    )
    .args("numkeys:integer key:key#0* withscores?=WITHSCORES");

pub(super) const ZUNIONSTORE: Row = Row::new("zunionstore", -4, Run::Turn(zunion_store))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ow().update(), KeySpec::index(2).counted().ro().access()])
    .summary("Stores the union of multiple sorted sets in a key.")
    .docs(
        Group::SortedSet,
        "2.0.0",
        "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of \
     elements in the resulting sorted set.",
    )
    .args(
        "destination:key#0 numkeys:integer key:key#1* weight:integer?*=WEIGHTS aggregate:oneof?=AGGREGATE{sum=SUM \
         min=MIN max=MAX}",
    );

pub(super) const ZINTERSTORE: Row = Row::new("zinterstore", -4, Run::Turn(zinter_store))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ow().update(), KeySpec::index(2).counted().ro().access()])
    .summary("Stores the intersect of multiple sorted sets in a key.")
    .docs(
        Group::SortedSet,
        "2.0.0",
        "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted \
     sets and M being the number of elements in the resulting sorted set.",
    )
    .args(
        "destination:key#0 numkeys:integer key:key#1* weight:integer?*=WEIGHTS aggregate:oneof?=AGGREGATE{sum=SUM \
         min=MIN max=MAX}",
    );

pub(super) const ZDIFFSTORE: Row = Row::new("zdiffstore", -4, Run::Turn(zdiff_store))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ow().update(), KeySpec::index(2).counted().ro().access()])
    .summary("Stores the difference of multiple sorted sets in a key.")
    .docs(
        Group::SortedSet,
        "6.2.0",
        "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the \
     first set, and K is the size of the result set.",
    )
    .args("destination:key#0 numkeys:integer key:key#1*");

pub(super) const ZINTERCARD: Row = Row::new("zintercard", -3, Run::Turn(zinter_card))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).counted().ro().access()])
    .summary("Returns the number of members of the intersect of multiple sorted sets.")
    .docs(
        Group::SortedSet,
        "7.0.0",
        "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
    )
    .args("numkeys:integer key:key#0* limit:integer?=LIMIT");

/// How the scores that a member has in several sets become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Aggregate {
    /// They are added.
    #[default]
    Sum,
    /// The lowest counts.
    Min,
    /// The highest counts.
    Max,
}

impl Aggregate {
    fn fold(self) -> Fold {
        match self {
            Self::Sum => Fold::Sum,
            Self::Min => Fold::Min,
            Self::Max => Fold::Max,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the members that were found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Listed,
    Stored,
    Counted,
}

impl Operation {
    fn find<'a>(self, inputs: Vec<Input<'a>>, fold: Fold) -> Found<'a> {
        match self {
            Self::Union => union(inputs, fold),
            Self::Intersection => intersection(inputs, fold),
            Self::Difference => difference(&inputs),
        }
    }

    /// The event of the store form.
    fn event(self) -> &'static str {
        match self {
            Self::Union => "zunionstore",
            Self::Intersection => "zinterstore",
            Self::Difference => "zdiffstore",
        }
    }
}

fn zunion(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    list(turn, args, reply, Operation::Union, "zunion")
}

fn zinter(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    list(turn, args, reply, Operation::Intersection, "zinter")
}

fn zdiff(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    list(turn, args, reply, Operation::Difference, "zdiff")
}

fn zunion_store(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    store(turn, args, reply, Operation::Union)
}

fn zinter_store(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    store(turn, args, reply, Operation::Intersection)
}

fn zdiff_store(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    store(turn, args, reply, Operation::Difference)
}

fn zinter_card(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (words, keys) = (Words::split(&args[1..], "zintercard")?, &mut Vec::new());
    let entries = entries(turn, words.keys, keys)?;
    let inputs = inputs(&entries)?;
    let options = words.options(Operation::Intersection, Purpose::Counted)?;
    reply.integer(intersection_size(inputs, options.limit) as i64);
    Ok(())
}

fn list(
    turn: &mut Turn<'_>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
    operation: Operation,
    name: &'static str,
) -> CommandResult {
    let (words, keys) = (Words::split(&args[1..], name)?, &mut Vec::new());
    let entries = entries(turn, words.keys, keys)?;
    let inputs = inputs(&entries)?;
    let options = words.options(operation, Purpose::Listed)?;
    let found = in_order(operation.find(weighted(inputs, &options.weights), options.fold));
    listing::begin(reply, found.len(), options.scores);
    for (member, score) in &found {
        listing::write(reply, StrRef::Bytes(member), *score, options.scores);
    }
    Ok(())
}

fn store(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>, operation: Operation) -> CommandResult {
    let words = Words::split(&args[2..], operation.event())?;
    let (core, mut keys) = (turn.core(), Vec::new());
    let destination = turn.key(args[1])?;
    let entry = {
        let entries = entries(turn, words.keys, &mut keys)?;
        let inputs = inputs(&entries)?;
        let options = words.options(operation, Purpose::Stored)?;
        let found = operation.find(weighted(inputs, &options.weights), options.fold);
        whole(core, destination.bytes, found.iter().map(|(member, score)| (&**member, *score)).collect())
    };
    reply.integer(store_whole(turn, &destination, entry, operation.event())? as i64);
    Ok(())
}

/// The arguments from the number of keys on.
struct Words<'a, 'b> {
    keys: &'b [&'a [u8]],
    rest: &'b [&'a [u8]],
}

struct Options {
    weights: Vec<f64>,
    fold: Fold,
    scores: Scores,
    limit: usize,
}

impl<'a, 'b> Words<'a, 'b> {
    fn split(args: &'b [&'a [u8]], name: &'static str) -> Result<Self, CommandError> {
        let number = integer(args[0])?;
        if number < 1 {
            return Err(CommandError::quoting(
                "ERR at least 1 input key is needed for '",
                name.as_bytes(),
                "' command",
            ));
        }
        let number = usize::try_from(number).ok().filter(|number| *number < args.len()).ok_or(CommandError::Syntax)?;
        Ok(Self { keys: &args[1..=number], rest: &args[number + 1..] })
    }

    fn options(&self, operation: Operation, purpose: Purpose) -> Result<Options, CommandError> {
        let mut options = Options { weights: Vec::new(), fold: Fold::Sum, scores: Scores::Hidden, limit: 0 };
        let has_weights = operation != Operation::Difference && purpose != Purpose::Counted;
        let mut words = self.rest.iter();
        while let Some(word) = words.next() {
            match word.to_ascii_uppercase().as_slice() {
                b"WEIGHTS" if has_weights && words.len() >= self.keys.len() => {
                    let numbers = words.by_ref().take(self.keys.len());
                    let weights: Result<_, _> = numbers.map(|number| score(number)).collect();
                    options.weights = weights.map_err(|_| CommandError::text("ERR weight value is not a float"))?;
                }
                b"AGGREGATE" if has_weights && words.len() >= 1 => {
                    options.fold = match words.next().map(|word| word.to_ascii_uppercase()).as_deref() {
                        Some(b"SUM") => Fold::Sum,
                        Some(b"MIN") => Fold::Min,
                        Some(b"MAX") => Fold::Max,
                        _ => return Err(CommandError::Syntax),
                    };
                }
                b"WITHSCORES" if purpose == Purpose::Listed => options.scores = Scores::Shown,
                b"LIMIT" if purpose == Purpose::Counted && words.len() >= 1 => {
                    let word = words.next().ok_or(CommandError::Syntax)?;
                    options.limit = count(word, "ERR LIMIT can't be negative")?;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }
}

/// Looks keys up, counting hits and misses, and lends what is there.
fn entries<'t, 'k>(
    turn: &'t mut Turn<'_>,
    names: &[&'k [u8]],
    keys: &'t mut Vec<Key<'k>>,
) -> Result<Vec<Option<Lent<'t, EntryRef>>>, CommandError> {
    for name in names {
        let key = turn.key(name)?;
        if let Some(entry) = turn.read(&key) {
            Input::of(Some(&entry))?;
        }
        keys.push(key);
    }
    // All that is due is gone by now, so the places stay.
    let spots: Vec<_> = keys.iter().map(|key| turn.find(key)).collect();
    let (turn, keys) = (&*turn, &*keys);
    Ok(keys.iter().zip(spots).map(|(key, spot)| Some(turn.entry(key, spot?))).collect())
}

fn inputs<'a>(entries: &'a [Option<Lent<'_, EntryRef>>]) -> Result<Vec<Input<'a>>, CommandError> {
    entries.iter().map(|entry| Input::of(entry.as_deref())).collect()
}

/// Gives inputs weights, as far as there are any.
fn weighted<'a>(mut inputs: Vec<Input<'a>>, weights: &[f64]) -> Vec<Input<'a>> {
    inputs.iter_mut().zip(weights).for_each(|(input, weight)| input.weight = *weight);
    inputs
}

fn in_order(mut found: Found<'_>) -> Found<'_> {
    found.sort_unstable_by(|a, b| order((a.1, &a.0), (b.1, &b.0)));
    found
}

impl Turn<'_> {
    fn find_of(
        &mut self,
        keys: &[&[u8]],
        weights: &[f64],
        operation: Operation,
        aggregate: Aggregate,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let entries_keys = &mut Vec::new();
        let entries = entries(self, keys, entries_keys)?;
        let found = operation.find(weighted(inputs(&entries)?, weights), aggregate.fold());
        let copied = |(member, score): (std::borrow::Cow<'_, [u8]>, f64)| (Bytes::copy_from_slice(&member), score);
        Ok(in_order(found).into_iter().map(copied).collect())
    }

    fn store_of(
        &mut self,
        destination: &[u8],
        keys: &[&[u8]],
        weights: &[f64],
        operation: Operation,
        aggregate: Aggregate,
    ) -> Result<usize, CommandError> {
        if weights.iter().any(|weight| weight.is_nan()) {
            return Err(CommandError::text("ERR weight value is not a float"));
        }
        let (core, destination) = (self.core(), self.key(destination)?);
        let found = self.find_of(keys, weights, operation, aggregate)?;
        let entry = whole(core, destination.bytes, found.iter().map(|(m, score)| (&m[..], *score)).collect());
        store_whole(self, &destination, entry, operation.event())
    }

    /// Stores the union of `keys` at `destination`: see [`Engine::zunionstore`].
    pub fn zunionstore(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
        aggregate: Aggregate,
    ) -> Result<usize, CommandError> {
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.store_of(destination.as_ref(), &keys, &[], Operation::Union, aggregate)
    }

    /// Stores the intersection of `keys` at `destination`: see [`Engine::zinterstore`].
    pub fn zinterstore(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
        aggregate: Aggregate,
    ) -> Result<usize, CommandError> {
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.store_of(destination.as_ref(), &keys, &[], Operation::Intersection, aggregate)
    }

    /// Stores the members of the first of `keys` that no other has: see [`Engine::zdiffstore`].
    pub fn zdiffstore(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.store_of(destination.as_ref(), &keys, &[], Operation::Difference, Aggregate::Sum)
    }
}

impl Engine {
    fn find_of(&self, keys: &[impl AsRef<[u8]>], operation: Operation) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&keys, Access::Read, |turn| turn.find_of(&keys, &[], operation, Aggregate::Sum))
    }

    fn store_of(
        &self,
        destination: &[u8],
        keys: &[&[u8]],
        weights: &[f64],
        operation: Operation,
        aggregate: Aggregate,
    ) -> Result<usize, CommandError> {
        let all: Vec<&[u8]> = keys.iter().copied().chain([destination]).collect();
        self.on_keys(&all, Access::Write, |turn| turn.store_of(destination, keys, weights, operation, aggregate))
    }

    /// The members that any of `keys` has, with the sums of their scores, lowest first. Fails with WRONGTYPE on other types than
    /// sorted sets and sets. O(n log n). Follows ZUNION of Redis 7.2.
    pub fn zunion_withscores(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.find_of(keys, Operation::Union)
    }

    /// The members that all of `keys` have, with the sums of their scores. Follows ZINTER; as
    /// [`Engine::zunion_withscores`] otherwise.
    pub fn zinter_withscores(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.find_of(keys, Operation::Intersection)
    }

    /// The members of the first of `keys` that no other has, with their scores. Follows ZDIFF; as
    /// [`Engine::zunion_withscores`] otherwise.
    pub fn zdiff_withscores(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.find_of(keys, Operation::Difference)
    }

    /// How many members all of `keys` have, counted up to `limit`. Follows ZINTERCARD.
    pub fn zintercard_limit(&self, keys: &[impl AsRef<[u8]>], limit: usize) -> Result<usize, CommandError> {
        let names: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&names, Access::Read, |turn| {
            let keys = &mut Vec::new();
            let entries = entries(turn, &names, keys)?;
            Ok(if limit == 0 { 0 } else { intersection_size(inputs(&entries)?, limit) })
        })
    }

    /// Stores the union of `keys` at `destination`, whatever was there; returns how many members it has. Fails as
    /// [`Engine::zunion_withscores`]. O(n log n). Follows ZUNIONSTORE of Redis 7.2; records `DEL` and `ZADD`.
    ///
    /// ```
    /// use keyslot_engine::{Aggregate, Engine};
    /// let db = Engine::in_memory();
    /// db.zadd("{week}:mon", "ada", 3.0)?;
    /// db.zadd("{week}:tue", "ada", 4.0)?;
    /// db.zunionstore("{week}", &["{week}:mon", "{week}:tue"], Aggregate::Sum)?;
    /// assert_eq!(db.zscore("{week}", "ada")?, Some(7.0));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn zunionstore(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
        aggregate: Aggregate,
    ) -> Result<usize, CommandError> {
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.store_of(destination.as_ref(), &keys, &[], Operation::Union, aggregate)
    }

    /// As [`Engine::zunionstore`], scores being multiplied by the weight of their key.
    pub fn zunionstore_weights(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[(impl AsRef<[u8]>, f64)],
        aggregate: Aggregate,
    ) -> Result<usize, CommandError> {
        let (keys, weights): (Vec<&[u8]>, Vec<f64>) = keys.iter().map(|(key, weight)| (key.as_ref(), *weight)).unzip();
        self.store_of(destination.as_ref(), &keys, &weights, Operation::Union, aggregate)
    }

    /// Stores the intersection of `keys` at `destination`. Follows ZINTERSTORE; as [`Engine::zunionstore`] otherwise.
    pub fn zinterstore(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
        aggregate: Aggregate,
    ) -> Result<usize, CommandError> {
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.store_of(destination.as_ref(), &keys, &[], Operation::Intersection, aggregate)
    }

    /// As [`Engine::zinterstore`], scores being multiplied by the weight of their key.
    pub fn zinterstore_weights(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[(impl AsRef<[u8]>, f64)],
        aggregate: Aggregate,
    ) -> Result<usize, CommandError> {
        let (keys, weights): (Vec<&[u8]>, Vec<f64>) = keys.iter().map(|(key, weight)| (key.as_ref(), *weight)).unzip();
        self.store_of(destination.as_ref(), &keys, &weights, Operation::Intersection, aggregate)
    }

    /// Stores the members of the first of `keys` that no other has at `destination`. Follows ZDIFFSTORE; as
    /// [`Engine::zunionstore`] otherwise.
    pub fn zdiffstore(&self, destination: impl AsRef<[u8]>, keys: &[impl AsRef<[u8]>]) -> Result<usize, CommandError> {
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.store_of(destination.as_ref(), &keys, &[], Operation::Difference, Aggregate::Sum)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.ask("ZADD {k}a 1 x 2 y 3 z");
        bench.ask("ZADD {k}b 10 y 20 z 30 7");
        bench.effects();
        bench
    }

    fn flat(reply: &str) -> String {
        reply
            .split("\r\n")
            .filter(|line| !line.starts_with(['$', '*']) && !line.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn members_and_scores_are_combined() {
        let bench = bench();
        for (request, expected) in [
            ("ZUNION 2 {k}a {k}b WITHSCORES", "x 1 y 12 z 23 7 30"),
            ("ZUNION 2 {k}a {k}b", "x y z 7"),
            ("ZUNION 3 {k}a {k}none {k}b WEIGHTS 2 1 0.5 AGGREGATE MAX WITHSCORES", "x 2 y 5 z 10 7 15"),
            ("ZINTER 2 {k}a {k}b WITHSCORES", "y 12 z 23"),
            ("ZINTER 2 {k}a {k}b AGGREGATE MIN WITHSCORES", "y 2 z 3"),
            ("ZINTER 2 {k}a {k}none WITHSCORES", ""),
            ("ZINTER 2 {k}a {k}a WEIGHTS 1 2 WITHSCORES", "x 3 y 6 z 9"),
            ("ZDIFF 2 {k}a {k}b WITHSCORES", "x 1"),
            ("ZDIFF 2 {k}none {k}b", ""),
            ("ZDIFF 1 {k}b", "y z 7"),
        ] {
            assert_eq!(flat(&bench.ask(request)), expected, "{request}");
        }
        let pair = Value::Array(vec![Value::bulk("x"), Value::Double(1.0)]);
        assert_eq!(bench.run("ZDIFF 2 {k}a {k}b WITHSCORES"), Value::Array(vec![pair]));
        assert_eq!(bench.ask("ZINTERCARD 2 {k}a {k}b"), ":2\r\n");
        assert_eq!(bench.ask("ZINTERCARD 2 {k}a {k}b LIMIT 1"), ":1\r\n");
        assert!(bench.effects().is_empty());
    }

    #[test]
    fn members_of_plain_sets_have_score_one() {
        let bench = bench();
        bench.ask("SADD {k}set y 7 new");
        bench.ask("SADD {k}numbers 7 8");
        for (request, expected) in [
            ("ZUNION 2 {k}a {k}set WITHSCORES", "new 1 x 1 7 1 y 3 z 3"),
            ("ZINTER 2 {k}set {k}b WEIGHTS 3 1 WITHSCORES", "y 13 7 33"),
            ("ZDIFF 2 {k}set {k}numbers WITHSCORES", "new 1 y 1"),
            ("ZINTER 2 {k}set {k}numbers WITHSCORES", "7 2"),
        ] {
            let mut words: Vec<_> = expected.split(' ').collect();
            let reply = flat(&bench.ask(request));
            let mut found: Vec<_> = reply.split(' ').collect();
            words.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, words, "{request}");
        }
        bench.assert_replays();
    }

    #[test]
    fn results_are_stored_as_members_and_an_empty_one_removes() {
        let bench = bench();
        assert_eq!(bench.ask("ZUNIONSTORE {k}d 2 {k}a {k}b"), ":4\r\n");
        assert_eq!(bench.ask("ZINTERSTORE {k}d 2 {k}a {k}b WEIGHTS 0 inf"), ":2\r\n");
        assert_eq!(bench.ask("ZDIFFSTORE {k}a 2 {k}a {k}b"), ":1\r\n");
        assert_eq!(bench.ask("ZDIFFSTORE {k}a 2 {k}none {k}b"), ":0\r\n");
        let expected = [
            "ZADD {k}d 1 x 12 y 23 z 30 7",
            "DEL {k}d",
            "ZADD {k}d inf y inf z",
            "DEL {k}a",
            "ZADD {k}a 1 x",
            "DEL {k}a",
        ];
        assert_eq!(bench.effects(), expected);
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn large_results_are_what_single_changes_would_make() {
        let bench = Bench::new();
        for (key, step) in [("{k}a", 2), ("{k}b", 3)] {
            let pairs: Vec<_> = (0..3_000).step_by(step).map(|n| (f64::from(n), format!("m{n}"))).collect();
            bench.db.zadd_multiple(key, &pairs).unwrap();
        }
        assert_eq!(bench.db.zunionstore("{k}u", &["{k}a", "{k}b"], Default::default()).unwrap(), 2_000);
        assert_eq!(bench.db.zinterstore("{k}i", &["{k}a", "{k}b"], Default::default()).unwrap(), 500);
        assert_eq!(bench.db.zscore("{k}i", "m6").unwrap(), Some(12.0));
        assert_eq!(bench.db.zrank("{k}u", "m3").unwrap(), Some(2));
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = bench();
        bench.ask("SET {k}s x");
        for (request, error) in [
            ("ZUNION 0 {k}a", "ERR at least 1 input key is needed for 'zunion' command"),
            ("ZUNIONSTORE {k}d 0 {k}a", "ERR at least 1 input key is needed for 'zunionstore' command"),
            ("ZINTERCARD 0 {k}a", "ERR at least 1 input key is needed for 'zintercard' command"),
            ("ZUNION x {k}a", "ERR value is not an integer or out of range"),
            ("ZUNION 2 {k}a", "ERR syntax error"),
            ("ZUNION 1 {k}a WEIGHTS", "ERR syntax error"),
            ("ZUNION 1 {k}a WEIGHTS x", "ERR weight value is not a float"),
            ("ZUNION 1 {k}a AGGREGATE avg", "ERR syntax error"),
            ("ZDIFF 1 {k}a WEIGHTS 1", "ERR syntax error"),
            ("ZUNIONSTORE {k}d 1 {k}a WITHSCORES", "ERR syntax error"),
            ("ZINTERCARD 1 {k}a LIMIT -1", "ERR LIMIT can't be negative"),
            ("ZINTERCARD 1 {k}a LIMIT", "ERR syntax error"),
            ("ZINTER 1 {k}s FOO", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
    }
}
