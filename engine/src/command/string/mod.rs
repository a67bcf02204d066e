//! Strings and counters.

mod append;
mod batch;
mod counter;
mod expiration;
mod float_counter;
mod get;
mod getdel;
mod getex;
mod getset;
mod lcs;
mod many;
mod range;
mod set;
mod setex;

pub use expiration::Expiration;
pub use getex::GetExpiry;
pub use lcs::{CommonRun, CommonSubsequence};
pub use set::{SetExpiry, SetIf, SetOptions};

use super::row::Row;
use crate::error::CommandError;
use crate::turn::Turn;
use std::sync::atomic::Ordering;

pub(super) const ROWS: &[Row] = &[
    append::APPEND,
    counter::DECR,
    counter::DECRBY,
    counter::INCR,
    counter::INCRBY,
    float_counter::INCRBYFLOAT,
    get::GET,
    getdel::GETDEL,
    getex::GETEX,
    getset::GETSET,
    lcs::LCS,
    many::MGET,
    many::MSET,
    many::MSETNX,
    range::GETRANGE,
    range::SETRANGE,
    range::STRLEN,
    range::SUBSTR,
    set::SET,
    setex::PSETEX,
    setex::SETEX,
    setex::SETNX,
];

/// Refuses to make a string of `len + more` bytes where that is longer than the longest argument. What was decided
/// elsewhere is followed further, but not without end.
fn check_length(turn: &Turn<'_>, len: usize, more: usize) -> Result<(), CommandError> {
    let bytes_max = match turn.follows() {
        true => FOLLOWED_BYTES_MAX,
        false => turn.core().options.bulk_bytes_max.load(Ordering::Relaxed),
    };
    match len.checked_add(more) {
        Some(sum) if sum <= bytes_max => Ok(()),
        _ => Err(CommandError::StringTooLong),
    }
}

/// The longest string that a primary, a log or an import can make by APPEND or SETRANGE.
const FOLLOWED_BYTES_MAX: usize = 4 << 30;
