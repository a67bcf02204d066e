//! Ids as arguments: one, the ends of a range, and several.

use crate::error::CommandError;
use crate::value::StreamId;
use smallvec::SmallVec;
use std::ops::{Bound, RangeBounds};

/// Ids of one request; few in most.
pub(super) type Ids = SmallVec<[StreamId; 8]>;

pub(super) const INVALID_ID: CommandError =
    CommandError::text("ERR Invalid stream ID specified as stream command argument");

/// An id; without a number after its time it gets `missing_seq`.
pub(super) fn id(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    StreamId::parse(text, missing_seq).ok_or(INVALID_ID)
}

/// An id, or `-` or `+` for the first and the last one there is.
pub(super) fn id_or_end(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text.split(|byte| *byte == 0).next() {
        Some(b"-") => Ok(StreamId::MIN),
        Some(b"+") => Ok(StreamId::MAX),
        _ => id(text, missing_seq),
    }
}

/// Where a range starts: after the id if a `(` stands before it.
pub(super) fn range_start(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => id(rest, 0)?.next().ok_or(INVALID_START),
        text => id_or_end(text, 0),
    }
}

/// Where a range ends: before the id if a `(` stands before it.
pub(super) fn range_end(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', rest @ ..] if !rest.is_empty() => id(rest, u64::MAX)?.previous().ok_or(INVALID_END),
        text => id_or_end(text, u64::MAX),
    }
}

/// All of `args` as ids.
pub(super) fn ids(args: &[&[u8]]) -> Result<Ids, CommandError> {
    args.iter().map(|text| id(text, 0)).collect()
}

/// The first and the last id of a range; `None` if none can be in it.
pub(super) fn ends(range: impl RangeBounds<StreamId>) -> Option<(StreamId, StreamId)> {
    let start = match range.start_bound() {
        Bound::Included(id) => *id,
        Bound::Excluded(id) => id.next()?,
        Bound::Unbounded => StreamId::MIN,
    };
    let end = match range.end_bound() {
        Bound::Included(id) => *id,
        Bound::Excluded(id) => id.previous()?,
        Bound::Unbounded => StreamId::MAX,
    };
    Some((start, end))
}

const INVALID_START: CommandError = CommandError::text("ERR invalid start ID for the interval");
const INVALID_END: CommandError = CommandError::text("ERR invalid end ID for the interval");
