//! `ZINTER numkeys key ... [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]`, `ZINTERSTORE destination numkeys key ...`
//! and `ZINTERCARD numkeys key ... [LIMIT limit]`: the members that all of several sorted sets have.
//!
//! Reply: the members in the order of their scores; of the others how many they are. Effect of the store form: `DEL
//! destination` where something was there, and `ZADD destination score member ...`.

use super::algebra::{Fold, intersection_size};
use super::combination::{Operation, Purpose, Words, by_weight, entries, inputs, list, plain, store};
use super::members;
use crate::command::row::flag::{DENYOOM, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use bytes::Bytes;

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

fn zinter(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    list(turn, args, reply, Operation::Intersection, "zinter")
}

fn zinter_store(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    store(turn, args, reply, Operation::Intersection)
}

fn zinter_card(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (words, keys) = (Words::split(&args[1..], "zintercard")?, &mut Vec::new());
    let entries = entries(turn, words.keys, keys)?;
    let inputs = inputs(&entries)?;
    let options = words.options(Operation::Intersection, Purpose::Counted)?;
    reply.integer(intersection_size(inputs, options.limit) as i64);
    Ok(())
}

impl Turn<'_> {
    /// Stores the intersection of `keys` at `destination`: see [`Engine::zinterstore`].
    pub fn zinterstore(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Intersection, Fold::Sum)
    }

    /// Stores the intersection of `keys` at `destination`: see [`Engine::zinterstore_min`].
    pub fn zinterstore_min(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Intersection, Fold::Min)
    }

    /// Stores the intersection of `keys` at `destination`: see [`Engine::zinterstore_max`].
    pub fn zinterstore_max(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Intersection, Fold::Max)
    }
}

impl Engine {
    /// The members that all of `keys` have, those with the lowest sums of scores first. Follows ZINTER; as
    /// [`Engine::zunion`] otherwise.
    pub fn zinter(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.combine(keys, Operation::Intersection)?))
    }

    /// As [`Engine::zinter`], with the sums of the scores.
    pub fn zinter_withscores(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.combine(keys, Operation::Intersection)
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

    /// Stores the intersection of `keys` at `destination`. Follows ZINTERSTORE; as [`Engine::zunionstore`] otherwise.
    pub fn zinterstore(&self, destination: impl AsRef<[u8]>, keys: &[impl AsRef<[u8]>]) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Intersection, Fold::Sum)
    }

    /// As [`Engine::zinterstore`]; the lowest of a member's scores counts.
    pub fn zinterstore_min(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Intersection, Fold::Min)
    }

    /// As [`Engine::zinterstore`]; the highest of a member's scores counts.
    pub fn zinterstore_max(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Intersection, Fold::Max)
    }

    /// As [`Engine::zinterstore`], scores being multiplied by the weight of their key. Fails if one is NaN.
    pub fn zinterstore_weights(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[(impl AsRef<[u8]>, f64)],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &by_weight(keys), Operation::Intersection, Fold::Sum)
    }

    /// As [`Engine::zinterstore_min`], scores being multiplied by the weight of their key. Fails if one is NaN.
    pub fn zinterstore_min_weights(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[(impl AsRef<[u8]>, f64)],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &by_weight(keys), Operation::Intersection, Fold::Min)
    }

    /// As [`Engine::zinterstore_max`], scores being multiplied by the weight of their key. Fails if one is NaN.
    pub fn zinterstore_max_weights(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[(impl AsRef<[u8]>, f64)],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &by_weight(keys), Operation::Intersection, Fold::Max)
    }
}
