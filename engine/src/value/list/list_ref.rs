//! A list to look at, whatever it is kept as.

use super::{End, List, compact};
use crate::text::StrRef;

/// A list, lent.
#[derive(Clone, Copy)]
pub(crate) enum ListRef<'a> {
    /// Inside its entry's block.
    Compact(&'a [u8]),
    /// In chunks.
    Chunks(&'a List),
}

impl<'a> ListRef<'a> {
    /// How many elements there are. O(1).
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Compact(bytes) => compact::len(bytes),
            Self::Chunks(list) => list.len(),
        }
    }

    /// Whether Redis would call it a quicklist.
    pub(crate) fn is_quick(self) -> bool {
        matches!(self, Self::Chunks(list) if list.is_quick())
    }

    /// The element at an end. O(1).
    pub(crate) fn peek(self, end: End) -> Option<StrRef<'a>> {
        match self {
            Self::Compact(bytes) => compact::peek(bytes, end),
            Self::Chunks(list) => list.peek(end),
        }
        .map(|(element, _)| element)
    }

    /// The element of a place. O(chunks + a chunk).
    pub(crate) fn get(self, index: usize) -> Option<StrRef<'a>> {
        match self {
            Self::Compact(bytes) => compact::iter(bytes).nth(index),
            Self::Chunks(list) => list.get(index),
        }
    }

    /// How many nodes of a list Redis would have. O(1).
    pub(crate) fn node_count(self) -> usize {
        match self {
            Self::Compact(_) => 1,
            Self::Chunks(list) => list.chunks().len(),
        }
    }

    /// Shows `f` the nodes: their encoded elements and how many these are.
    pub(crate) fn for_each_node(self, mut f: impl FnMut(Node<'a>)) {
        match self {
            Self::Compact(bytes) => f(Node::Packed { bytes: compact::elements(bytes), count: compact::len(bytes) }),
            Self::Chunks(list) => list.chunks().for_each(|chunk| {
                f(match chunk.peek(End::Left) {
                    Some((element, _)) if chunk.is_plain => Node::Plain(element),
                    _ => Node::Packed { bytes: chunk.bytes(), count: chunk.count() },
                });
            }),
        }
    }

    /// Shows `f` the elements from a place on, until it has enough.
    pub(crate) fn walk_from(self, index: usize, mut f: impl FnMut(StrRef<'a>) -> Walk) {
        let is_last = |element| f(element) == Walk::Enough;
        let _ = match self {
            Self::Compact(bytes) => compact::iter(bytes).skip(index).any(is_last),
            Self::Chunks(list) => list.iter_from(index).any(is_last),
        };
    }

    /// Shows `f` the elements from the tail to the head, until it has enough.
    pub(crate) fn walk_back(self, mut f: impl FnMut(StrRef<'a>) -> Walk) {
        let is_last = |element| f(element) == Walk::Enough;
        let _ = match self {
            Self::Compact(bytes) => compact::iter(bytes).rev().any(is_last),
            Self::Chunks(list) => list.iter_back().any(is_last),
        };
    }
}

/// A node of a list.
pub(crate) enum Node<'a> {
    /// Elements, encoded.
    Packed { bytes: &'a [u8], count: usize },
    /// One element that is too large to be among others.
    Plain(StrRef<'a>),
}

/// Whether a walk goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Walk {
    /// It does.
    On,
    /// It does not.
    Enough,
}
