//! Strings and counters.

mod expiration;
mod get;
mod set;

pub use expiration::Expiration;
pub use set::{SetExpiry, SetIf, SetOptions};

use super::row::Row;

pub(super) const ROWS: &[Row] = &[get::GET, set::SET];
