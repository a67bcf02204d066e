//! Tables of blocks: what slots and large collections are made of.
//!
//! From the bottom: [`block`] is one key with what belongs to it, in one piece of memory behind one thin pointer;
//! [`segment`] a bounded hash table of such pointers; [`segmented`] grows by splitting segments. Nothing here knows a type
//! of value.

pub(crate) mod block;
mod hasher;
mod prefetch;
pub(crate) mod segment;
pub(crate) mod segmented;

pub(crate) use block::{Block, Boxed, Kind};
pub(crate) use hasher::KeyHasher;
pub(crate) use prefetch::prefetch;
pub(crate) use segment::Lent;
pub(crate) use segmented::{POSITION_BITS, Spot, Table};
