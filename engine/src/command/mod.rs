//! Commands: the table's rows and what is derived from them.

pub mod docs;
mod key_spec;
pub mod row;

/// How a command runs.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// Handed to the host.
    Host,
}
