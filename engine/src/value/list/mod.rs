//! The list: a sequence of strings, fast at both ends.
//!
//! ```text
//! small    in its entry's block: see [`compact`]
//! large    List -> deque of links { count, chunk } -> chunk of about 8 KiB of elements
//! ```
//!
//! - A chunk is bounded by `list-max-listpack-size`; an element that is larger has a chunk of its own.
//! - A place is found by adding up the counts of the links, which lie side by side, and then inside of one chunk.
//! - Chunks are shared by clones: changing a shared list copies its deque of links, and a chunk when that is changed.
//!
//! What OBJECT ENCODING tells follows Redis: a list is a `listpack` until it passes the limit of one node, and becomes one
//! again when it has shrunk to one node of half of it.
//!
//! Invariants
//! - No chunk is empty; `len` is the sum of the counts; `heap` the sum of the chunks' bytes.
//! - A list that is a `listpack` has one chunk at most.

mod building;
mod chunk;
pub(crate) mod compact;
mod list_ref;

pub(crate) use building::NewList;
pub use chunk::End;
pub(crate) use list_ref::{ListRef, Node, Walk};

use crate::options::Options;
use crate::text::StrRef;
use crate::value::listpack::{self, Elements, FRAME_BYTES};
use chunk::Chunk;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A list that is not small. See the module.
#[derive(Clone, Default)]
pub(crate) struct List {
    links: VecDeque<Link>,
    len: usize,
    heap: usize,
    is_quick: bool,
}

#[derive(Clone)]
struct Link {
    chunk: Arc<Chunk>,
    count: u32,
}

/// How large a chunk may become: what the options say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `list-max-listpack-size`: above zero a number of elements, below zero one of five sizes.
    pub(crate) fill: i64,
    /// Elements of so many bytes have a chunk of their own.
    pub(crate) packed_threshold: usize,
}

impl Limits {
    /// What the options say now.
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            fill: options.list_max_listpack_size.load(Relaxed),
            packed_threshold: options.quicklist_packed_threshold.load(Relaxed),
        }
    }

    fn bytes_and_count(self) -> (usize, usize) {
        match self.fill {
            1.. => (SAFE_BYTES_MAX, usize::try_from(self.fill).unwrap_or(usize::MAX)),
            // Zero is one element, as in Redis.
            0 => (SAFE_BYTES_MAX, 1),
            -1 => (4096, usize::MAX),
            -2 => (8192, usize::MAX),
            -3 => (16_384, usize::MAX),
            -4 => (32_768, usize::MAX),
            _ => (65_536, usize::MAX),
        }
    }

    /// Whether so much is too much for one chunk.
    pub(crate) fn exceeds(self, bytes: usize, count: usize) -> bool {
        let (bytes_max, count_max) = self.bytes_and_count();
        bytes > bytes_max || count > count_max
    }

    fn allows(self, chunk: &Chunk, element: StrRef<'_>) -> bool {
        let size = element.byte_len();
        !chunk.is_plain
            && !self.is_plain(size)
            && !self.exceeds(FRAME_BYTES + chunk.len() + size + ELEMENT_OVERHEAD, chunk.count() + 1)
    }

    fn is_plain(self, size: usize) -> bool {
        size >= self.packed_threshold
    }
}

impl List {
    /// A list of elements that are encoded already.
    pub(crate) fn of_elements(bytes: &[u8], count: usize) -> Self {
        let mut list = Self::default();
        if count > 0 {
            list.link(0, Chunk::of(bytes, count));
            list.len = count;
        }
        list
    }

    /// How many elements there are. O(1).
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether Redis would call it a quicklist.
    pub(crate) fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// Bytes of heap. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        LIST_BYTES + self.heap + self.links.capacity() * size_of::<Link>()
    }

    /// The elements' bytes if they lie in one piece.
    pub(crate) fn as_one_piece(&self) -> Option<&[u8]> {
        match self.links.front() {
            _ if self.is_quick => None,
            None => Some(&[]),
            Some(link) => Some(link.chunk.bytes()),
        }
    }

    /// Says how much is about to be added, so that a list that passes the limit of one node is a quicklist from here on.
    pub(crate) fn prepare(&mut self, bytes: usize, count: usize, limits: Limits) {
        let own = self.links.front().map_or(0, |link| link.chunk.len());
        self.is_quick |= limits.exceeds(FRAME_BYTES + own + bytes, self.len + count);
    }

    /// Says that elements were taken away, so that a quicklist of one small node is none any more.
    pub(crate) fn relax(&mut self, limits: Limits) {
        let (bytes_max, count_max) = limits.bytes_and_count();
        if let (true, 1, Some(Link { chunk, .. })) = (self.is_quick, self.links.len(), self.links.front()) {
            let is_small = FRAME_BYTES + chunk.len() <= bytes_max / 2 && chunk.count() <= count_max / 2;
            self.is_quick = chunk.is_plain || !is_small;
        }
    }

    /// Adds an element at an end. O(element), amortised.
    #[inline]
    pub(crate) fn push(&mut self, end: End, element: StrRef<'_>, limits: Limits) {
        let (at, next) = match end {
            End::Left => (0, 0),
            End::Right => (self.links.len().wrapping_sub(1), self.links.len()),
        };
        match self.links.get(at) {
            Some(link) if !self.is_quick || limits.allows(&link.chunk, element) => {
                self.change(at, |chunk| chunk.push(end, element));
            }
            link => {
                let room = if link.is_some() && self.is_quick { FULL_ROOM_BYTES } else { FIRST_ROOM_BYTES };
                if link.is_some() {
                    self.change(at, Chunk::fit);
                }
                let size = listpack::encoded_len(element);
                let mut chunk = Chunk::with_room(size.max(room), end);
                chunk.is_plain = self.is_quick && limits.is_plain(element.byte_len());
                chunk.push(end, element);
                self.link(next, chunk);
            }
        }
        self.len += 1;
    }

    /// The element at an end and its size. O(1).
    #[inline]
    pub(crate) fn peek(&self, end: End) -> Option<(StrRef<'_>, usize)> {
        match end {
            End::Left => self.links.front()?.chunk.peek(end),
            End::Right => self.links.back()?.chunk.peek(end),
        }
    }

    /// Takes away the element of that size at an end. O(1).
    #[inline]
    pub(crate) fn pop(&mut self, end: End, size: usize) {
        let at = match end {
            End::Left => 0,
            End::Right => self.links.len() - 1,
        };
        self.len -= 1;
        if self.links[at].count == 1 {
            self.unlink(at..at + 1);
        } else {
            self.change(at, |chunk| chunk.pop(end, size));
        }
    }

    /// The element of a place. O(chunks), each a few instructions, and O(a chunk).
    pub(crate) fn get(&self, index: usize) -> Option<StrRef<'_>> {
        let (at, offset) = self.place(index)?;
        self.links[at].chunk.get(offset)
    }

    /// The elements from a place on.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = StrRef<'_>> {
        let (at, offset) = self.place(index).unwrap_or((self.links.len(), 0));
        let first = self.links.get(at).map(|link| {
            let bytes = link.chunk.bytes();
            Elements::new(&bytes[listpack::locate(bytes, link.chunk.count(), offset)..])
        });
        let rest =
            self.links.range((at + 1).min(self.links.len())..).flat_map(|link| Elements::new(link.chunk.bytes()));
        first.into_iter().flatten().chain(rest)
    }

    fn chunks(&self) -> impl ExactSizeIterator<Item = &Chunk> {
        self.links.iter().map(|link| &*link.chunk)
    }

    /// The elements from the tail to the head.
    pub(crate) fn iter_back(&self) -> impl Iterator<Item = StrRef<'_>> {
        self.links.iter().rev().flat_map(|link| Elements::new(link.chunk.bytes()).rev())
    }

    /// Replaces the element of a place. O(chunks), each a few instructions, and O(a chunk).
    pub(crate) fn set(&mut self, index: usize, element: StrRef<'_>, limits: Limits) {
        let Some((at, offset)) = self.place(index) else { return };
        let chunk = &self.links[at].chunk;
        let is_plain = chunk.is_plain || self.is_quick && limits.is_plain(element.byte_len());
        if !self.is_quick || !is_plain && limits.allows(chunk, element) {
            self.change(at, |chunk| chunk.splice(offset, 1, Some(element)));
        } else {
            self.remove(index..index + 1);
            self.insert(index, element, limits);
        }
    }

    /// Puts an element before a place, `0..=len`. O(chunks), each a few instructions, and O(a chunk).
    pub(crate) fn insert(&mut self, index: usize, element: StrRef<'_>, limits: Limits) {
        if index == 0 {
            return self.push(End::Left, element, limits);
        }
        let Some((at, offset)) = self.place(index) else { return self.push(End::Right, element, limits) };
        let allows =
            |list: &Self, at: usize| list.links.get(at).is_some_and(|link| limits.allows(&link.chunk, element));
        if !self.is_quick || allows(self, at) {
            self.change(at, |chunk| chunk.splice(offset, 0, Some(element)));
        } else if offset == 0 && allows(self, at - 1) {
            self.change(at - 1, |chunk| chunk.push(End::Right, element));
        } else {
            let next = self.split(at, offset);
            if next > 0 && allows(self, next - 1) {
                self.change(next - 1, |chunk| chunk.push(End::Right, element));
            } else if allows(self, next) {
                self.change(next, |chunk| chunk.push(End::Left, element));
            } else {
                let mut chunk = Chunk::with_room(listpack::encoded_len(element), End::Right);
                chunk.is_plain = limits.is_plain(element.byte_len());
                chunk.push(End::Right, element);
                self.link(next, chunk);
            }
        }
        self.len += 1;
    }

    /// Takes the elements of some places away. O(chunks) and O(two chunks).
    pub(crate) fn remove(&mut self, places: Range<usize>) {
        let Some((mut at, offset)) = self.place(places.start) else { return };
        let mut left = places.len().min(self.len - places.start);
        self.len -= left;
        let count = self.links[at].count as usize;
        if offset > 0 {
            let taken = left.min(count - offset);
            match offset + taken == count {
                true => self.change(at, |chunk| chunk.keep(0..offset)),
                false => self.change(at, |chunk| chunk.splice(offset, taken, None)),
            }
            left -= taken;
            at += 1;
        }
        let first = at;
        while let Some(link) = self.links.get(at).filter(|link| link.count as usize <= left && left > 0) {
            left -= link.count as usize;
            at += 1;
        }
        self.unlink(first..at);
        if left > 0 {
            self.change(first, |chunk| chunk.keep(left..chunk.count()));
        }
    }

    /// Takes away up to `count_max` elements that are equal to `element`, those nearest to `from` first. Returns how many
    /// they were. O(elements).
    pub(crate) fn remove_equal(&mut self, element: StrRef<'_>, count_max: usize, from: End) -> usize {
        let mut left = count_max;
        let mut nth = 0;
        while nth < self.links.len() && left > 0 {
            let at = match from {
                End::Left => nth,
                End::Right => self.links.len() - 1 - nth,
            };
            let chunk = &self.links[at].chunk;
            let matches = Elements::new(chunk.bytes()).filter(|other| *other == element).count();
            let gone = matches.min(left);
            left -= gone;
            if gone == chunk.count() {
                self.len -= gone;
                self.unlink(at..at + 1);
                continue;
            }
            nth += 1;
            if gone == 0 {
                continue;
            }
            let spared = if from == End::Right { matches - gone } else { 0 };
            let (mut bytes, mut seen) = (Vec::with_capacity(chunk.len()), 0);
            for other in Elements::new(chunk.bytes()) {
                let is_match = other == element;
                seen += usize::from(is_match);
                if !is_match || !(spared + 1..=spared + gone).contains(&seen) {
                    listpack::push(&mut bytes, other);
                }
            }
            let count = chunk.count() - gone;
            self.change(at, |chunk| *chunk = Chunk::of(&bytes, count));
            self.len -= gone;
        }
        count_max - left
    }

    /// Frees some chunks from the tail; returns how many.
    pub(crate) fn drain_part(&mut self) -> usize {
        let part = self.links.len().min(PART_CHUNKS);
        let start = self.links.len() - part;
        self.len -= self.links.range(start..).map(|link| link.count as usize).sum::<usize>();
        self.unlink(start..start + part);
        part
    }

    /// The chunk of a place, and where in it.
    fn place(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut left = index;
            for (at, link) in self.links.iter().enumerate() {
                match left.checked_sub(link.count as usize) {
                    Some(rest) => left = rest,
                    None => return Some((at, left)),
                }
            }
            return None;
        }
        let mut left = self.len - index;
        for (at, link) in self.links.iter().enumerate().rev() {
            match (link.count as usize).checked_sub(left) {
                Some(offset) => return Some((at, offset)),
                None => left -= link.count as usize,
            }
        }
        None
    }

    /// Cuts a chunk in two before a place in it; returns where the second half lies.
    fn split(&mut self, at: usize, offset: usize) -> usize {
        if offset == 0 {
            return at;
        }
        let mut second = Chunk::clone(&self.links[at].chunk);
        second.keep(offset..second.count());
        second.fit();
        self.change(at, |chunk| {
            chunk.keep(0..offset);
            chunk.fit();
        });
        self.link(at + 1, second);
        at + 1
    }

    #[inline]
    fn change<R>(&mut self, at: usize, f: impl FnOnce(&mut Chunk) -> R) -> R {
        let link = &mut self.links[at];
        let before = link.chunk.heap_bytes();
        let chunk = Arc::make_mut(&mut link.chunk);
        let result = f(chunk);
        link.count = chunk.count() as u32;
        self.heap = self.heap + chunk.heap_bytes() - before;
        result
    }

    fn link(&mut self, at: usize, chunk: Chunk) {
        self.heap += chunk.heap_bytes();
        let link = Link { count: chunk.count() as u32, chunk: Arc::new(chunk) };
        match at {
            0 => self.links.push_front(link),
            at => self.links.insert(at, link),
        }
    }

    fn unlink(&mut self, range: Range<usize>) {
        if range.len() == 1 {
            let link = self.links.remove(range.start);
            self.heap -= link.map_or(0, |link| link.chunk.heap_bytes());
        } else {
            self.heap -= self.links.drain(range).map(|link| link.chunk.heap_bytes()).sum::<usize>();
        }
        if self.links.capacity() > LINKS_KEPT_MIN && self.links.len() < self.links.capacity() / 4 {
            self.links.shrink_to(self.links.len() * 2);
        }
    }
}

/// The list itself behind its pointer, with its reference counts.
const LIST_BYTES: usize = 80;

/// A chunk whose limit is a number of elements may have so many bytes.
const SAFE_BYTES_MAX: usize = 8192;

/// What Redis adds to the size of an element before it looks at the limit.
const ELEMENT_OVERHEAD: usize = 8;

/// Room of the first chunk, and of one of many.
const FIRST_ROOM_BYTES: usize = 96;
const FULL_ROOM_BYTES: usize = 8192 - FRAME_BYTES - 1;

/// Chunks that are freed at once.
const PART_CHUNKS: usize = 64;

/// A deque of fewer links is not worth shrinking.
const LINKS_KEPT_MIN: usize = 64;

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
