//! A few commands for the tests of this room.

use super::catalog::Catalog;
use std::ops::Range;

/// Names, categories (1: hash, 2: slow) and containers.
pub(super) struct Names;

const COMMANDS: [(&str, u32); 11] = [
    ("get", 0),
    ("set", 0),
    ("hget", 1),
    ("hset", 1),
    ("select", 0),
    ("client", 2),
    ("config", 2),
    ("client|id", 2),
    ("client|list", 2),
    ("config|get", 2),
    ("config|set", 2),
];

impl Catalog for Names {
    fn count(&self) -> usize {
        COMMANDS.len()
    }

    fn find(&self, name: &[u8]) -> Option<u16> {
        COMMANDS.iter().position(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)).map(|at| at as u16)
    }

    fn name(&self, id: u16) -> &'static str {
        COMMANDS[usize::from(id)].0
    }

    fn subcommands(&self, id: u16) -> Range<u16> {
        match self.name(id) {
            "client" => 7..9,
            "config" => 9..11,
            _ => 0..0,
        }
    }

    fn categories(&self, id: u16) -> u32 {
        COMMANDS[usize::from(id)].1
    }

    fn category(&self, name: &[u8]) -> Option<u32> {
        match name.to_ascii_lowercase().as_slice() {
            b"hash" => Some(1),
            b"slow" => Some(2),
            _ => None,
        }
    }
}
