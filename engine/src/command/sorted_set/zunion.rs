//! `ZUNION numkeys key ... [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]` and `ZUNIONSTORE destination numkeys key
//! ...`: the members that any of several sorted sets has.
//!
//! Reply: the members in the order of their scores; of the store form how many they are. Effect of the store form: `DEL
//! destination` where something was there, and `ZADD destination score member ...`.

use super::algebra::Fold;
use super::combination::{Operation, by_weight, list, plain, store};
use super::members;
use crate::command::row::flag::{DENYOOM, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
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

fn zunion(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    list(turn, args, reply, Operation::Union, "zunion")
}

fn zunion_store(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    store(turn, args, reply, Operation::Union)
}

impl Turn<'_> {
    /// Stores the union of `keys` at `destination`: see [`Engine::zunionstore`].
    pub fn zunionstore(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Union, Fold::Sum)
    }

    /// Stores the union of `keys` at `destination`: see [`Engine::zunionstore_min`].
    pub fn zunionstore_min(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Union, Fold::Min)
    }

    /// Stores the union of `keys` at `destination`: see [`Engine::zunionstore_max`].
    pub fn zunionstore_max(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Union, Fold::Max)
    }
}

impl Engine {
    /// The members that any of `keys` has, those with the lowest sums of scores first. Fails with WRONGTYPE on other types
    /// than sorted sets and sets. O(n log n). Follows ZUNION of Redis 7.2.
    pub fn zunion(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.combine(keys, Operation::Union)?))
    }

    /// As [`Engine::zunion`], with the sums of the scores.
    pub fn zunion_withscores(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.combine(keys, Operation::Union)
    }

    /// Stores the union of `keys` at `destination`, whatever was there, a member's scores being added; returns how many
    /// members it has. Fails as [`Engine::zunion`]. O(n log n). Follows ZUNIONSTORE of Redis 7.2; records `DEL` and `ZADD`.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.zadd("{week}:mon", "ada", 3.0)?;
    /// db.zadd("{week}:tue", "ada", 4.0)?;
    /// db.zunionstore("{week}", &["{week}:mon", "{week}:tue"])?;
    /// assert_eq!(db.zscore("{week}", "ada")?, Some(7.0));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn zunionstore(&self, destination: impl AsRef<[u8]>, keys: &[impl AsRef<[u8]>]) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Union, Fold::Sum)
    }

    /// As [`Engine::zunionstore`]; the lowest of a member's scores counts.
    pub fn zunionstore_min(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Union, Fold::Min)
    }

    /// As [`Engine::zunionstore`]; the highest of a member's scores counts.
    pub fn zunionstore_max(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Union, Fold::Max)
    }

    /// As [`Engine::zunionstore`], scores being multiplied by the weight of their key. Fails if one is NaN.
    pub fn zunionstore_weights(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[(impl AsRef<[u8]>, f64)],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &by_weight(keys), Operation::Union, Fold::Sum)
    }

    /// As [`Engine::zunionstore_min`], scores being multiplied by the weight of their key. Fails if one is NaN.
    pub fn zunionstore_min_weights(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[(impl AsRef<[u8]>, f64)],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &by_weight(keys), Operation::Union, Fold::Min)
    }

    /// As [`Engine::zunionstore_max`], scores being multiplied by the weight of their key. Fails if one is NaN.
    pub fn zunionstore_max_weights(
        &self,
        destination: impl AsRef<[u8]>,
        keys: &[(impl AsRef<[u8]>, f64)],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &by_weight(keys), Operation::Union, Fold::Max)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    #[test]
    fn typed_verbs_add_or_choose_scores_and_weigh_them() {
        let bench = Bench::new();
        let db = &bench.db;
        bench.ask("ZADD {k}a 1 x 2 y");
        bench.ask("ZADD {k}b 10 y 20 z");
        let (keys, weighted) = (["{k}a", "{k}b"], [("{k}a", 10.0), ("{k}b", 0.5)]);
        assert_eq!(db.zunion(&keys).unwrap(), ["x", "y", "z"]);
        let stored = |made: Result<usize, crate::CommandError>| (made.unwrap(), db.zscore("{k}d", "y").unwrap());
        assert_eq!(stored(db.zunionstore("{k}d", &keys)), (3, Some(12.0)));
        assert_eq!(stored(db.zunionstore_min("{k}d", &keys)), (3, Some(2.0)));
        assert_eq!(stored(db.zunionstore_max("{k}d", &keys)), (3, Some(10.0)));
        assert_eq!(stored(db.zunionstore_weights("{k}d", &weighted)), (3, Some(25.0)));
        assert_eq!(stored(db.zunionstore_min_weights("{k}d", &weighted)), (3, Some(5.0)));
        assert_eq!(stored(db.zunionstore_max_weights("{k}d", &weighted)), (3, Some(20.0)));
        assert_eq!(stored(db.zinterstore("{k}d", &keys)), (1, Some(12.0)));
        assert_eq!(stored(db.zinterstore_min("{k}d", &keys)), (1, Some(2.0)));
        assert_eq!(stored(db.zinterstore_max_weights("{k}d", &weighted)), (1, Some(20.0)));
        assert!(db.zunionstore_weights("{k}d", &[("{k}a", f64::NAN)]).is_err());
        assert_eq!(db.zinter(&keys).unwrap(), ["y"]);
        assert_eq!(db.zdiff(&keys).unwrap(), ["x"]);
        bench.assert_replays();
        assert_totals(db);
    }
}
