//! `ZDIFF numkeys key ... [WITHSCORES]` and `ZDIFFSTORE destination numkeys key ...`: the members of a sorted set that no other
//! of several has.
//!
//! Reply: the members in the order of their scores; of the store form how many they are. Effect of the store form: `DEL
//! destination` where something was there, and `ZADD destination score member ...`.

use super::algebra::Fold;
use super::combination::{Operation, list, plain, store};
use super::members;
use crate::command::row::flag::{DENYOOM, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use bytes::Bytes;

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

fn zdiff(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    list(turn, args, reply, Operation::Difference, "zdiff")
}

fn zdiff_store(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    store(turn, args, reply, Operation::Difference)
}

impl Turn<'_> {
    /// Stores the members of the first of `keys` that no other has: see [`Engine::zdiffstore`].
    pub fn zdiffstore(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Difference, Fold::Sum)
    }
}

impl Engine {
    /// The members of the first of `keys` that no other has, lowest score first. Follows ZDIFF; as [`Engine::zunion`]
    /// otherwise.
    pub fn zdiff(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.combine(keys, Operation::Difference)?))
    }

    /// As [`Engine::zdiff`], with the scores.
    pub fn zdiff_withscores(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.combine(keys, Operation::Difference)
    }

    /// Stores the members of the first of `keys` that no other has at `destination`. Follows ZDIFFSTORE; as
    /// [`Engine::zunionstore`] otherwise.
    pub fn zdiffstore(&self, destination: impl AsRef<[u8]>, keys: &[impl AsRef<[u8]>]) -> Result<usize, CommandError> {
        self.store_combination(destination.as_ref(), &plain(keys), Operation::Difference, Fold::Sum)
    }
}
