//! Commands: the table's rows and what is derived from them.

pub mod docs;
pub mod introspection;
mod key_spec;
pub mod keys;
pub mod row;
pub mod table;

use row::Row;

/// How a command runs.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// Handed to the host.
    Host,
}

/// The rows of every family.
const FAMILIES: &[&[Row]] = &[introspection::ROWS];
