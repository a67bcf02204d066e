//! One bounded hash table of thin pointers, in lines of one cache line each.
//!
//! ```text
//! hash   [ depth bits: which segment | 16 bits: tag | the rest ]
//! line   8 words of 64 bits          word = tag << 48 | address, 0 = empty
//! home   line number = tag * lines >> 16       (so lines are in hash order)
//! ```
//!
//! An element lies in its home line or, where that is full, in the first later line with room (cyclic). A lookup reads one
//! line, compares eight tags, and follows a pointer only where a tag agrees. Tag and line follow from the same 16 bits, so
//! growing, shrinking and closing gaps never read the elements.
//!
//! A clone shares lines and elements. Whoever changes a shared segment first makes lines of its own and clones the elements
//! into them, so a view of a table costs nothing until its segments change.
//!
//! ```text
//! owners null       the lines are this segment's alone
//! owners -> count   so many segments hold these lines; each element is owned once by all of them together
//! ```
//!
//! Invariants
//! - Lines with a count above one are read only, and so are their elements, except for what elements allow.
//! - Words of a line are packed to its front: a line is full when its last word is not 0.
//! - Every line between an element's home and the line it lies in is full.
//! - `count` is the number of words that are not 0; each owns one element.
//! - Addresses fit in 48 bits (checked when an element comes in).

use super::lent::{Lent, Thin, WordGuard, from_word, lend, to_word};
use super::line::{
    ADDRESS_BITS, ADDRESS_MASK, LINE_WORDS, Line, allocate, close_gap, cyclic, fitting, home, larger, matching, push,
    put, release, room,
};
use super::prefetch::prefetch;
use crate::sync::{AtomicU32, Ordering, fence};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::AtomicPtr;

/// More elements than this and the table above splits the segment.
pub(crate) const SEGMENT_ELEMENTS_MAX: usize = 1024;

/// Where an element lies until the segment changes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: u32,
    word: u32,
}

/// A bounded table. The elements know their hashes; the segment is told them.
pub(crate) struct Segment<T: Thin> {
    lines: NonNull<Line>,
    /// How many segments hold these lines; null if only this one does.
    owners: AtomicPtr<AtomicU32>,
    line_count: u32,
    count: u32,
    depth: u8,
    owns: PhantomData<T>,
}

// SAFETY: a segment owns its lines and elements, alone or with others that only read them; elements that others may read
// and drop on their threads are both Send and Sync. The count of owners is atomic.
unsafe impl<T: Thin + Send + Sync> Send for Segment<T> {}
// SAFETY: as above.
unsafe impl<T: Thin + Send + Sync> Sync for Segment<T> {}

impl<T: Thin + Clone> Segment<T> {
    /// An empty segment for hashes whose first `depth` bits are used up above. No allocation.
    pub(crate) const fn new(depth: u8) -> Self {
        Self {
            lines: NonNull::dangling(),
            owners: AtomicPtr::new(std::ptr::null_mut()),
            line_count: 0,
            count: 0,
            depth,
            owns: PhantomData,
        }
    }

    /// Makes the lines this segment's alone. Every change begins with it.
    #[inline]
    fn own(&mut self) {
        if !self.owners.get_mut().is_null() {
            self.detach();
        }
    }

    /// Copies lines that others hold too. O(elements).
    #[cold]
    fn detach(&mut self) {
        let owners = *self.owners.get_mut();
        // SAFETY: a count that is led to lives until the last of its owners leaves it, and this one has not.
        if unsafe { (*owners).load(Ordering::Acquire) } == 1 {
            // SAFETY: this is the last owner; the count came from a box.
            drop(unsafe { Box::from_raw(owners) });
            *self.owners.get_mut() = std::ptr::null_mut();
            return;
        }
        let mut copy = Self::new(self.depth);
        (copy.lines, copy.line_count, copy.count) = (allocate(self.line_count), self.line_count, self.count);
        for (line, own) in self.lines().iter().zip(copy.lines_mut()) {
            for (word, own) in line.0.iter().zip(&mut own.0).filter(|(word, _)| **word != 0) {
                // SAFETY: the word is not 0, so it owns an element; the segment stays borrowed.
                let element: Lent<'_, T> = unsafe { lend(*word) };
                *own = to_word(*word >> ADDRESS_BITS, T::clone(&element));
            }
        }
        *self = copy;
    }

    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }

    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// How many lines there are.
    pub(crate) fn line_count(&self) -> usize {
        self.line_count as usize
    }

    /// Bytes of the lines.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.line_count as usize * size_of::<Line>()
    }

    /// Address and number of the lines: a hint for prefetching.
    #[inline]
    pub(crate) fn line_hint(&self) -> (*mut Line, u32) {
        (self.lines.as_ptr(), self.line_count)
    }

    #[inline]
    fn tag(&self, hash: u64) -> u64 {
        (hash << self.depth) >> ADDRESS_BITS
    }

    /// Finds the element for which `is_it` holds among those whose tag agrees with `hash`. One line in most cases.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<Place> {
        self.seek(hash, is_it).map(|(place, _)| place)
    }

    /// As [`find`](Self::find), with the element.
    #[inline]
    pub(crate) fn seek(&self, hash: u64, mut is_it: impl FnMut(&T) -> bool) -> Option<(Place, Lent<'_, T>)> {
        let tag = self.tag(hash);
        let lines = self.lines();
        let mut at = home(tag, self.line_count);
        for _ in 0..lines.len() {
            let Line(words) = &lines[at];
            let mut matches = matching(words, tag);
            while matches != 0 {
                let word = matches.trailing_zeros() / 4;
                let place = Place { line: at as u32, word };
                // SAFETY: a word that matches is not 0, so it owns an element; the segment stays borrowed.
                let element: Lent<'_, T> = unsafe { lend(words[word as usize]) };
                if is_it(&element) {
                    return Some((place, element));
                }
                matches &= matches - 1;
            }
            if words[LINE_WORDS - 1] == 0 {
                return None;
            }
            at = if at + 1 == lines.len() { 0 } else { at + 1 };
        }
        None
    }

    /// The first element whose tag agrees with `hash`, unread: the one that is meant in almost all cases.
    #[inline]
    pub(crate) fn candidate(&self, hash: u64) -> Option<Place> {
        let tag = self.tag(hash);
        let lines = self.lines();
        let mut at = home(tag, self.line_count);
        for _ in 0..lines.len() {
            let Line(words) = &lines[at];
            let matches = matching(words, tag);
            if matches != 0 {
                return Some(Place { line: at as u32, word: matches.trailing_zeros() / 4 });
            }
            if words[LINE_WORDS - 1] == 0 {
                return None;
            }
            at = if at + 1 == lines.len() { 0 } else { at + 1 };
        }
        None
    }

    /// Where an element lies in memory.
    #[inline]
    pub(crate) fn address(&self, place: Place) -> *const u8 {
        (self.lines()[place.line as usize].0[place.word as usize] & ADDRESS_MASK) as *const u8
    }

    #[inline]
    pub(crate) fn get(&self, place: Place) -> Lent<'_, T> {
        let word = self.lines()[place.line as usize].0[place.word as usize % LINE_WORDS];
        assert_ne!(word, 0, "a place names an element");
        // SAFETY: a word that is not 0 owns an element, and the segment is borrowed for as long as it is lent.
        unsafe { lend(word) }
    }

    /// Changes the element in place; `f` may replace it by another with the same hash.
    #[inline]
    pub(crate) fn update<R>(&mut self, place: Place, f: impl FnOnce(&mut T) -> R) -> R {
        self.own();
        let word = &mut self.lines_mut()[place.line as usize].0[place.word as usize];
        debug_assert_ne!(*word, 0);
        let tag = *word & !ADDRESS_MASK;
        let mut guard = WordGuard::<T> { word, tag, element: None };
        guard.take();
        f(guard.element.as_mut().expect("taken above"))
    }

    /// Makes room for `count` elements in all: the lines that they would have grown to. O(lines).
    pub(crate) fn reserve(&mut self, count: usize) {
        let mut line_count = self.line_count;
        while room(line_count) < count {
            line_count = larger(line_count);
        }
        if line_count > self.line_count {
            self.own();
            self.resize(line_count);
        }
    }

    /// Adds an element that is not there yet. Amortised O(1); at worst one pass over the segment's lines.
    pub(crate) fn insert(&mut self, hash: u64, element: T) {
        self.own();
        if self.count as usize >= room(self.line_count) {
            self.resize(larger(self.line_count));
        }
        let word = to_word(self.tag(hash), element);
        put(self.lines_mut(), word);
        self.count += 1;
    }

    /// Takes the element at `place` out and closes the gap.
    pub(crate) fn remove(&mut self, place: Place) -> T {
        self.own();
        let (mut line, word) = (place.line as usize, place.word as usize);
        let line_count = self.line_count;
        let lines = self.lines_mut();
        let taken = lines[line].0[word];
        assert_ne!(taken, 0, "a place names an element");
        let mut was_full = lines[line].0[LINE_WORDS - 1] != 0;
        close_gap(&mut lines[line].0, word);
        // Elements that overflowed past the line that was full may now be too far from home: pull them back.
        let mut probe = line;
        while was_full {
            probe = if probe + 1 == lines.len() { 0 } else { probe + 1 };
            if probe == line {
                break;
            }
            let full = lines[probe].0[LINE_WORDS - 1] != 0;
            let distance = cyclic(line, probe, line_count);
            let stray = lines[probe]
                .0
                .iter()
                .position(|&w| w != 0 && cyclic(home(w >> ADDRESS_BITS, line_count), probe, line_count) >= distance);
            if let Some(stray) = stray {
                let moved = lines[probe].0[stray];
                close_gap(&mut lines[probe].0, stray);
                push(&mut lines[line].0, moved);
                line = probe;
            }
            was_full = full;
        }
        self.count -= 1;
        if (self.count as usize) < room(self.line_count) / 3 {
            self.resize(fitting(self.count as usize).min(self.line_count));
        }
        // SAFETY: the word held an element and is no longer in the table.
        unsafe { from_word(taken) }
    }

    /// All elements, roughly in hash order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Lent<'_, T>> {
        let lines = self.lines();
        let ahead = |at: usize| lines.get(at + 1).into_iter().flat_map(|line| &line.0).filter(|word| **word != 0);
        let words = lines.iter().enumerate().flat_map(move |(at, line)| {
            // While one line's elements are looked at, those of the next are on their way.
            for word in ahead(at) {
                // An element of the usual size lies in two lines of the cache.
                let address = (word & ADDRESS_MASK) as *const u8;
                prefetch(address);
                prefetch(address.wrapping_add(64));
            }
            &line.0
        });
        words.filter(|word| **word != 0).map(|word| {
            // SAFETY: the word is not 0, so it owns an element; the segment stays borrowed.
            unsafe { lend(*word) }
        })
    }

    /// Calls `f` with every element whose tag is at least that of `hash` (all of the same hash among them), in no order.
    pub(crate) fn for_each_from<'a>(&'a self, hash: u64, mut f: impl FnMut(u16, Lent<'a, T>)) {
        let from = self.tag(hash);
        for &word in self.lines().iter().flat_map(|line| &line.0) {
            if word != 0 && word >> ADDRESS_BITS >= from {
                // SAFETY: the word is not 0, so it owns an element; the segment stays borrowed.
                f((word >> ADDRESS_BITS) as u16, unsafe { lend(word) });
            }
        }
    }

    /// The element in the `n`-th word counted over all lines, if that word is used: for random choice.
    pub(crate) fn at_word(&self, n: usize) -> Option<Lent<'_, T>> {
        let word = self.lines().get(n / LINE_WORDS)?.0[n % LINE_WORDS];
        // SAFETY: only a word that is not 0 is lent; the segment stays borrowed.
        (word != 0).then(|| unsafe { lend(word) })
    }

    /// How many words there are.
    pub(crate) fn word_count(&self) -> usize {
        self.line_count as usize * LINE_WORDS
    }

    /// Takes all elements out, in no order.
    pub(crate) fn drain(&mut self, f: impl FnMut(T)) {
        self.own();
        self.drain_own(f);
    }

    /// Divides the elements by the next bit of their hashes. Reads every element's hash.
    pub(crate) fn split(mut self, hash_of: impl Fn(&T) -> u64) -> (Self, Self) {
        let depth = self.depth;
        let (mut low, mut high) = (Self::new(depth + 1), Self::new(depth + 1));
        let expected = fitting(self.count as usize / 2 + self.count as usize / 16);
        low.resize(expected);
        high.resize(expected);
        self.drain(|element| {
            let hash = hash_of(&element);
            if (hash << depth) >> 63 == 0 { low.insert(hash, element) } else { high.insert(hash, element) }
        });
        (low, high)
    }
}

impl<T: Thin> Segment<T> {
    #[inline]
    fn lines(&self) -> &[Line] {
        // SAFETY: `lines` points to `line_count` initialised lines that `self` owns (dangling when there are none).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr(), self.line_count as usize) }
    }

    #[inline]
    fn lines_mut(&mut self) -> &mut [Line] {
        // SAFETY: as in `lines`, and `self` is borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_ptr(), self.line_count as usize) }
    }

    /// Takes all elements out of lines that are this segment's alone.
    fn drain_own(&mut self, mut f: impl FnMut(T)) {
        for line in 0..self.line_count as usize {
            for word in 0..LINE_WORDS {
                let taken = std::mem::take(&mut self.lines_mut()[line].0[word]);
                if taken != 0 {
                    self.count -= 1;
                    // SAFETY: the word held an element and was just cleared.
                    f(unsafe { from_word(taken) });
                }
            }
        }
        self.resize(0);
    }

    fn resize(&mut self, line_count: u32) {
        if line_count == self.line_count {
            return;
        }
        let old = (self.lines, self.line_count);
        (self.lines, self.line_count) = (allocate(line_count), line_count);
        // SAFETY: `old` are the lines this segment owned until now, initialised, and no longer reachable from it.
        let old_lines = unsafe { std::slice::from_raw_parts(old.0.as_ptr(), old.1 as usize) };
        for &word in old_lines.iter().flat_map(|line| &line.0).filter(|word| **word != 0) {
            put(self.lines_mut(), word);
        }
        release(old.0, old.1);
    }
}

/// A clone holds the same lines. O(1).
impl<T: Thin + Clone> Clone for Segment<T> {
    fn clone(&self) -> Self {
        if self.line_count == 0 {
            return Self::new(self.depth);
        }
        let mut owners = self.owners.load(Ordering::Acquire);
        if owners.is_null() {
            let new = Box::into_raw(Box::new(AtomicU32::new(1)));
            let set = self.owners.compare_exchange(owners, new, Ordering::AcqRel, Ordering::Acquire);
            owners = set.map_or_else(
                |other| {
                    // SAFETY: another thread was faster, and nobody has seen this box.
                    drop(unsafe { Box::from_raw(new) });
                    other
                },
                |_| new,
            );
        }
        // SAFETY: `self` is one of the owners and stays borrowed, so the count lives.
        let before = unsafe { (*owners).fetch_add(1, Ordering::Relaxed) };
        assert!(before < u32::MAX / 2, "one owner per live view");
        Self { owners: AtomicPtr::new(owners), owns: PhantomData, ..*self }
    }
}

impl<T: Thin> Drop for Segment<T> {
    fn drop(&mut self) {
        let owners = *self.owners.get_mut();
        if !owners.is_null() {
            // SAFETY: this is one of the owners, so the count lives; it is left exactly once.
            if unsafe { (*owners).fetch_sub(1, Ordering::Release) } != 1 {
                return;
            }
            // What the others read is read before it is freed.
            fence(Ordering::Acquire);
            // SAFETY: the last owner frees the count, which came from a box.
            drop(unsafe { Box::from_raw(owners) });
        }
        self.drain_own(drop);
    }
}

/// Run with `RUSTFLAGS="--cfg loom" cargo test -p keyslot-engine --lib --release loom_`.
#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::table::block::Plain;
    use crate::text::StrRef;

    fn element(value: &[u8]) -> Plain {
        Plain::string(b"k", StrRef::Bytes(value), false, None)
    }

    #[test]
    fn loom_a_clone_read_elsewhere_keeps_its_elements_while_the_other_changes() {
        loom::model(|| {
            let mut segment = Segment::new(0);
            segment.insert(5, element(b"old"));
            let clone = segment.clone();
            let reader = loom::thread::spawn(move || {
                let place = clone.find(5, |_| true).expect("inserted");
                assert_eq!(clone.get(place).as_string(), Some(StrRef::Bytes(b"old")));
            });
            let place = segment.find(5, |_| true).expect("inserted");
            segment.update(place, |element| element.set_string(StrRef::Bytes(b"new"), false, None));
            assert_eq!(segment.get(place).as_string(), Some(StrRef::Bytes(b"new")));
            reader.join().expect("the reader saw the old value");
        });
    }

    #[test]
    fn loom_owners_of_lines_drop_in_any_order() {
        loom::model(|| {
            let mut segment = Segment::new(0);
            segment.insert(5, element(b"v"));
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let clone = segment.clone();
                    loom::thread::spawn(move || drop(clone))
                })
                .collect();
            drop(segment);
            for other in others {
                other.join().expect("dropping does not panic");
            }
        });
    }
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
