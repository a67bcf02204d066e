//! What COMMAND DOCS says of a command, and the short notation of its arguments.
//!
//! A row carries its argument tree as one line of text, parsed only when a client asks:
//!
//! ```text
//! arguments = argument *(" " argument)
//! argument  = name ["<" display ">"] [":" type] ["#" key spec] ["@" since] ["~" deprecated since] ["?"] ["*"] ["+"]
//!             ["=" token] ["{" arguments "}"]
//! ```
//!
//! Without a type the argument is a pure token. `?` is optional, `*` may be repeated, `+` repeats its token too. A
//! token is any run of characters but blanks and braces. SET begins so:
//!
//! ```text
//! key:key#0 value:string condition:oneof@2.6.12?{nx=NX xx=XX} get@6.2.0?=GET
//! ```
//!
//! Invariant: every row of the table parses; a test says so. A text that does not parse yields the arguments before
//! the fault.

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

/// One argument of a command's documentation, read from the notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument<'a> {
    /// What documentation calls it.
    pub name: &'a str,
    /// What a prompt shows for it; empty: the name.
    pub display: &'a str,
    /// Its type's name, as replies have it.
    pub kind: &'a str,
    /// The key spec that finds it.
    pub key_spec: Option<i64>,
    /// First version that had it, or empty.
    pub since: &'a str,
    /// Version that deprecated it, or empty.
    pub deprecated_since: &'a str,
    /// It may be left out.
    pub is_optional: bool,
    /// It may be repeated.
    pub is_multiple: bool,
    /// Each repetition has the token again.
    pub repeats_token: bool,
    /// The word that stands before it, or is it.
    pub token: Option<&'a str>,
    /// Its own arguments, if it is a `oneof` or a `block`.
    pub arguments: Arguments<'a>,
}

impl Argument<'_> {
    /// Tells whether it only holds other arguments.
    pub fn is_container(&self) -> bool {
        matches!(self.kind, "oneof" | "block")
    }
}

/// The arguments in a text of the notation, one after the other. Linear, no allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments<'a> {
    rest: &'a str,
}

impl<'a> Arguments<'a> {
    /// Returns the arguments of `text`.
    pub const fn new(text: &'a str) -> Arguments<'a> {
        Arguments { rest: text }
    }

    /// Tells whether the whole text follows the notation, nested arguments included.
    pub fn is_well_formed(mut self) -> bool {
        for argument in self.by_ref() {
            if argument.is_container() != (argument.arguments.count() >= 2) || !argument.arguments.is_well_formed() {
                return false;
            }
        }
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Arguments<'a> {
    type Item = Argument<'a>;

    fn next(&mut self) -> Option<Argument<'a>> {
        let mut text = Scanner { rest: self.rest };
        let name = text.word();
        let display = if text.eat('<') { text.until('>')? } else { "" };
        let kind = if text.eat(':') { known_kind(text.word())? } else { PURE_TOKEN };
        let key_spec = if text.eat('#') { Some(text.word().parse().ok()?) } else { None };
        let since = if text.eat('@') { text.word() } else { "" };
        let deprecated_since = if text.eat('~') { text.word() } else { "" };
        let (is_optional, is_multiple, repeats_token) = (text.eat('?'), text.eat('*'), text.eat('+'));
        let token = text.eat('=').then(|| text.token());
        let inner = if text.eat('{') { text.block()? } else { "" };
        let is_end = text.eat(' ') || text.rest.is_empty();
        if name.is_empty() || !is_end {
            return None;
        }
        self.rest = text.rest;
        let arguments = Arguments { rest: inner };
        Some(Argument {
            name,
            display,
            kind,
            key_spec,
            since,
            deprecated_since,
            is_optional,
            is_multiple,
            repeats_token,
            token,
            arguments,
        })
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn eat(&mut self, mark: char) -> bool {
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes what comes before the first character that `is_end`.
    fn take(&mut self, is_end: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.rest.split_at(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn word(&mut self) -> &'a str {
        self.take(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')))
    }

    fn token(&mut self) -> &'a str {
        self.take(|c| matches!(c, ' ' | '{' | '}'))
    }

    fn until(&mut self, end: char) -> Option<&'a str> {
        let taken = self.take(|c| c == end);
        self.eat(end).then_some(taken)
    }

    /// Takes what comes before the brace that closes the block just opened.
    fn block(&mut self) -> Option<&'a str> {
        let mut depth = 1;
        for (at, c) in self.rest.char_indices() {
            depth += match c {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            if depth == 0 {
                let inner = &self.rest[..at];
                self.rest = &self.rest[at + 1..];
                return Some(inner);
            }
        }
        None
    }
}

fn known_kind(name: &str) -> Option<&'static str> {
    const KINDS: [&str; 8] = ["string", "integer", "double", "key", "pattern", "unix-time", "oneof", "block"];
    KINDS.into_iter().find(|kind| *kind == name)
}

const PURE_TOKEN: &str = "pure-token";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_read() {
        let text = "a<x:y>:key#2@1.0.0~2.0.0?*+=TOK b:oneof={c==} d";
        let first = Arguments::new(text).next().unwrap();
        assert_eq!((first.name, first.display, first.kind, first.key_spec), ("a", "x:y", "key", Some(2)));
        assert_eq!((first.since, first.deprecated_since, first.token), ("1.0.0", "2.0.0", Some("TOK")));
        assert!(first.is_optional && first.is_multiple && first.repeats_token);
        assert_eq!(Arguments::new(text).map(|a| a.name).collect::<Vec<_>>(), ["a", "b", "d"]);
        let nested = Arguments::new(text).nth(1).unwrap().arguments.next().unwrap();
        assert_eq!((nested.name, nested.kind, nested.token), ("c", "pure-token", Some("=")));
    }

    #[test]
    fn a_fault_ends_the_arguments() {
        for text in ["a:nothing", "a:oneof{b", "a<b", "a}", "a#x", ":key", "a  b", "a:oneof{b}", "a:key{b c}"] {
            assert!(!Arguments::new(text).is_well_formed(), "{text}");
        }
        assert!(Arguments::new("").is_well_formed());
        assert!(Arguments::new("a:block{b c:oneof{d e}}").is_well_formed());
    }
}
