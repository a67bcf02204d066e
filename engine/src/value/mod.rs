//! Values: one data structure per file. Knows no command, no RESP, no slot.

pub(crate) mod sorted_set;
mod string;

pub use string::{AsValue, StrRef};

use std::sync::Arc;

/// The type of a value, as TYPE names it. The numbers are kept in four bits of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ValueType {
    /// Bytes, or an integer kept as a number.
    String = 0,
}

impl ValueType {
    pub(crate) fn from_bits(bits: u8) -> Self {
        debug_assert_eq!(bits, Self::String as u8, "entries hold only known types");
        Self::String
    }

    /// The word that TYPE answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
        }
    }
}

/// A value with a block of its own. Cloning shares it; changing a shared one copies what is changed.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    /// A string too long for its entry's block.
    Bytes(Arc<Vec<u8>>),
}

impl Object {
    pub(crate) fn value_type(&self) -> ValueType {
        match self {
            Self::Bytes(_) => ValueType::String,
        }
    }

    /// Bytes of heap behind the object, spare capacity included.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Bytes(b) => 48 + b.capacity().next_multiple_of(16),
        }
    }
}
