//! What can be written.

/// What is being written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaveKind {
    /// A file of the data (BGSAVE).
    Snapshot,
    /// A new base of the log (BGREWRITEAOF).
    Rewrite,
}

impl SaveKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "a file of the data",
            Self::Rewrite => "a new base of the log",
        }
    }
}
