//! A bounded piece of a list: elements in one buffer, with room at either end.
//!
//! ```text
//! buffer   | room | element element element | room |
//!                 ^start                    ^end
//! ```

use crate::text::StrRef;
use crate::value::listpack;
use std::ops::Range;

/// Elements in one buffer. Pushing and popping at both ends is O(element), amortised.
#[derive(Clone)]
pub(super) struct Chunk {
    buffer: Box<[u8]>,
    start: u32,
    end: u32,
    count: u32,
    /// Whether it holds one element that is too large to share a chunk.
    pub(super) is_plain: bool,
}

/// Which end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The head, index 0.
    Left,
    /// The tail, index -1.
    Right,
}

impl Chunk {
    /// An empty one that will take about `bytes`, added at an end.
    pub(super) fn with_room(bytes: usize, end: End) -> Self {
        let at = match end {
            End::Left => bytes as u32,
            End::Right => 0,
        };
        Self { buffer: vec![0; bytes].into(), start: at, end: at, count: 0, is_plain: false }
    }

    /// One of elements that are encoded already.
    pub(super) fn of(bytes: &[u8], count: usize) -> Self {
        Self { buffer: bytes.into(), start: 0, end: bytes.len() as u32, count: count as u32, is_plain: false }
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// The elements' bytes.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.range()]
    }

    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Bytes of all elements.
    pub(super) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Bytes of heap. O(1).
    pub(super) fn heap_bytes(&self) -> usize {
        CHUNK_BYTES + self.buffer.len().next_multiple_of(16)
    }

    /// Adds an element at an end.
    #[inline]
    pub(super) fn push(&mut self, end: End, element: StrRef<'_>) {
        let size = listpack::encoded_len(element);
        match end {
            End::Right => {
                if self.buffer.len() - (self.end as usize) < size {
                    self.make_room(End::Right, size);
                }
                let at = self.end as usize;
                listpack::write(&mut self.buffer[at..at + size], element);
                self.end += size as u32;
            }
            End::Left => {
                if (self.start as usize) < size {
                    self.make_room(End::Left, size);
                }
                self.start -= size as u32;
                let at = self.start as usize;
                listpack::write(&mut self.buffer[at..at + size], element);
            }
        }
        self.count += 1;
    }

    /// The element at an end and its size.
    #[inline]
    pub(super) fn peek(&self, end: End) -> Option<(StrRef<'_>, usize)> {
        match end {
            End::Left => listpack::first(self.bytes()),
            End::Right => listpack::last(self.bytes()),
        }
    }

    /// Forgets the element of that size at an end.
    #[inline]
    pub(super) fn pop(&mut self, end: End, size: usize) {
        match end {
            End::Left => self.start += size as u32,
            End::Right => self.end -= size as u32,
        }
        self.count -= 1;
    }

    /// The element of a place. O(its distance from the nearer end).
    pub(super) fn get(&self, index: usize) -> Option<StrRef<'_>> {
        let at = listpack::locate(self.bytes(), self.count(), index);
        listpack::first(&self.bytes()[at..]).map(|(element, _)| element)
    }

    /// Replaces `removed` elements from `index` on by `new`, if given. O(bytes).
    pub(super) fn splice(&mut self, index: usize, removed: usize, new: Option<StrRef<'_>>) {
        let at = listpack::locate(self.bytes(), self.count(), index);
        let mut until = at;
        for _ in 0..removed {
            until += listpack::first(&self.bytes()[until..]).map_or(0, |(_, size)| size);
        }
        let size = new.map_or(0, listpack::encoded_len);
        let mut bytes = Vec::with_capacity(self.len() + size - (until - at));
        bytes.extend_from_slice(&self.bytes()[..at]);
        if let Some(new) = new {
            listpack::push(&mut bytes, new);
        }
        bytes.extend_from_slice(&self.bytes()[until..]);
        let count = self.count() - removed + usize::from(new.is_some());
        *self = Self { is_plain: self.is_plain, ..Self::of(&bytes, count) };
    }

    /// Takes away what stands before, or behind, a place. O(bytes kept).
    pub(super) fn keep(&mut self, places: Range<usize>) {
        let start = listpack::locate(self.bytes(), self.count(), places.start);
        let end = listpack::locate(self.bytes(), self.count(), places.end);
        self.end = self.start + end as u32;
        self.start += start as u32;
        self.count = places.len() as u32;
    }

    /// Gives room back that is larger than an eighth of the elements.
    pub(super) fn fit(&mut self) {
        if self.buffer.len() - self.len() > self.len() / 8 {
            self.buffer = self.bytes().into();
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Makes room for `size` bytes at an end: moves the elements, or takes a buffer of twice the size.
    #[cold]
    fn make_room(&mut self, end: End, size: usize) {
        let len = self.len();
        let wanted = len + size;
        let room = match wanted * 4 <= self.buffer.len() * 3 {
            true => self.buffer.len(),
            false => wanted.max((len * 2).min(len + GROWTH_BYTES_MAX)),
        };
        let mut buffer = vec![0; room].into_boxed_slice();
        let start = match end {
            End::Right => 0,
            End::Left => room - len,
        };
        buffer[start..start + len].copy_from_slice(self.bytes());
        self.buffer = buffer;
        self.start = start as u32;
        self.end = (start + len) as u32;
    }
}

/// The chunk itself behind its pointer, with its reference counts.
const CHUNK_BYTES: usize = 64;

/// A chunk grows by so much at most.
const GROWTH_BYTES_MAX: usize = 16 * 1024;
