//! The commands that rules name, by number.

use std::ops::Range;

/// Names of commands, sub-commands (`client|list`) and categories. Numbers are dense.
pub(crate) trait Catalog: Sync {
    /// How many commands and sub-commands there are: every number is below.
    fn count(&self) -> usize;
    /// The number of a full name in any case.
    fn find(&self, name: &[u8]) -> Option<u16>;
    /// The full name of a number, in lower case.
    fn name(&self, id: u16) -> &'static str;
    /// The sub-commands of a container; empty for all others.
    fn subcommands(&self, id: u16) -> Range<u16>;
    /// The categories of a command, as bits.
    fn categories(&self, id: u16) -> u32;
    /// The bit of a category's name in any case.
    fn category(&self, name: &[u8]) -> Option<u32>;
}
