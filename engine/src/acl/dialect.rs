//! What the words of rules are read with.

use super::catalog::Catalog;

/// Which channels a user has that no rule gave or took any (`acl-pubsub-default`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChannelDefault {
    /// None.
    Nothing,
    /// All.
    All,
}

/// What the words of rules mean.
#[derive(Clone, Copy)]
pub(crate) struct Dialect<'a> {
    pub(crate) catalog: &'a dyn Catalog,
    pub(crate) channels: ChannelDefault,
}
