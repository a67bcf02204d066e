//! Sorted sets: members with scores, in the order of the scores, those of one score in the order of their bytes.
//!
//! A small one is [`compact`], inside its entry's block. A large one ([`SortedSet`]) is a table of members, each with its
//! score, and a [`tree`] over the same blocks in the order of the scores. [`SortedSetRef`] reads either.
//!
//! Invariants
//! - No score is NaN. A member is there once.

mod building;
pub(crate) mod compact;
mod large;
mod range;
mod read;
pub(crate) mod tree;

pub(crate) use building::{CompactMax, NewSortedSet};
pub(crate) use large::{Placed, SortedSet};
pub(crate) use range::{LexBound, LexRange, ScoreRange};
pub(crate) use read::SortedSetRef;
pub(crate) use tree::Direction;
