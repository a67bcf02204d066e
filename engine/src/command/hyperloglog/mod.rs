//! HyperLogLogs: counting different elements in strings of at most 12 KiB. The strings are Redis's own, to the byte.

mod pfadd;
mod pfcount;
mod pfdebug;
mod pfmerge;
mod pfselftest;

use super::row::Row;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::turn::Turn;
use crate::value::StrRef;
use crate::value::hyperloglog::{Corrupt, Form, form};
use std::sync::atomic::Ordering;

pub(super) const ROWS: &[Row] =
    &[pfadd::PFADD, pfcount::PFCOUNT, pfdebug::PFDEBUG, pfmerge::PFMERGE, pfselftest::PFSELFTEST];

/// The bytes of an entry that holds a HyperLogLog, and how they keep the registers.
fn counter_of(entry: &EntryRef) -> Result<(&[u8], Form), CommandError> {
    match entry.as_string() {
        None => Err(CommandError::WrongType),
        Some(StrRef::Bytes(bytes)) => form(bytes).map(|form| (bytes, form)).ok_or(NO_COUNTER),
        Some(StrRef::Int(_)) => Err(NO_COUNTER),
    }
}

fn sparse_bytes_max(turn: &Turn<'_>) -> usize {
    turn.core().options.hll_sparse_bytes_max.load(Ordering::Relaxed)
}

const NO_COUNTER: CommandError = CommandError::text("WRONGTYPE Key is not a valid HyperLogLog string value.");

impl From<Corrupt> for CommandError {
    fn from(_: Corrupt) -> Self {
        Self::text("INVALIDOBJ Corrupted HLL object detected")
    }
}
