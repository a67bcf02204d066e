//! The server itself: what it tells about its state, and switches for operators and tests.
//!
//! What concerns the process, its files and its settings is done by the host: those rows say so.

mod info;

use super::row::Row;

/// Rows of the family.
pub(super) const ROWS: &[Row] = &[info::INFO];
