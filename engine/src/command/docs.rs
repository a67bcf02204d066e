//! What COMMAND DOCS says of a command, and the short notation of its arguments.
//!
//! A row carries its argument tree as one line of text, parsed only when a client asks:
//!
//! ```text
//! arguments = argument *(" " argument)
//! argument  = name ["/" display] [":" type] ["#" key spec] ["@" since] ["~" deprecated since] ["?"] ["*"] ["+"] ["=" token] ["{" arguments "}"]
//! type      = "string" | "integer" | "double" | "key" | "pattern" | "unix-time" | "oneof" | "block"; none: a pure token
//! ```
//!
//! `?` is optional, `*` may be repeated, `+` repeats its token too. A name, display text or token ends at the next mark that may follow it;
//! a token is any run of characters but blanks and braces. Example, of SET's first options:
//!
//! ```text
//! key:key#0 value:string condition:oneof@2.6.12?{nx=NX xx=XX} get@6.2.0?=GET
//! ```
//!
//! Invariant: every row of the table parses; a test says so. A text that does not parse yields the arguments before the fault.

use super::row::Group;

/// Documentation of one row. Empty texts mean absent.
#[derive(Debug, Clone, Copy)]
pub struct Docs {
    /// One sentence.
    pub summary: &'static str,
    /// First Redis version that had the command.
    pub since: &'static str,
    /// Part of the documentation.
    pub group: Group,
    /// Cost, in words.
    pub complexity: &'static str,
    /// Only servers use it among themselves.
    pub is_system: bool,
    /// Version that deprecated it.
    pub deprecated_since: &'static str,
    /// What to use instead.
    pub replaced_by: &'static str,
    /// Version and change.
    pub history: &'static [(&'static str, &'static str)],
    /// The arguments in the notation of this module.
    pub arguments: &'static str,
}

impl Docs {
    /// Documentation that says nothing.
    pub const EMPTY: Docs = Docs {
        summary: "",
        since: "",
        group: Group::Server,
        complexity: "",
        is_system: false,
        deprecated_since: "",
        replaced_by: "",
        history: &[],
        arguments: "",
    };
}
