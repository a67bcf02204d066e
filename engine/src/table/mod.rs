//! Tables of blocks: what slots and large collections are made of.
//!
//! From the bottom: [`block`] is one key with what belongs to it, in one piece of memory behind one thin pointer; [`line`] a
//! cache line of such pointers, and [`lent`] how they are borrowed from it; [`segment`] a bounded hash table of lines;
//! [`segmented`] grows by splitting segments. Nothing here knows a type of value.

pub(crate) mod block;
mod hasher;
pub(crate) mod lent;
pub(crate) mod line;
mod prefetch;
pub(crate) mod segment;
pub(crate) mod segmented;
mod shape;

pub(crate) use block::{Block, Boxed};
pub(crate) use hasher::KeyHasher;
pub(crate) use lent::Lent;
pub(crate) use prefetch::prefetch;
pub(crate) use segmented::{POSITION_BITS, Spot, Table};
pub(crate) use shape::Kind;
