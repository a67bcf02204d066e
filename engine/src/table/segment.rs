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

use super::block::{Block, Boxed};
use crate::sync::{AtomicU32, Ordering, fence};
use crate::text::StrRef;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::AtomicPtr;

/// More elements than this and the table above splits the segment.
pub(crate) const SEGMENT_ELEMENTS_MAX: usize = 1024;

/// Words in a line.
pub(crate) const LINE_WORDS: usize = 8;

const ADDRESS_BITS: u32 = 48;
const ADDRESS_MASK: u64 = (1 << ADDRESS_BITS) - 1;

/// A cache line of words.
#[repr(C, align(64))]
pub(crate) struct Line([u64; LINE_WORDS]);

/// An owning thin pointer that a segment can keep in a word.
///
/// # Safety
/// `into_address` and `from_address` are inverse, and the address identifies the element while the word is kept.
pub(crate) unsafe trait Thin: Sized {
    /// Gives up ownership as an address.
    fn into_address(self) -> NonNull<u8>;
    /// Takes ownership back.
    ///
    /// # Safety
    /// The address came from `into_address` and is taken back once.
    unsafe fn from_address(address: NonNull<u8>) -> Self;
}

// SAFETY: a `Block` is one pointer, and its two functions are inverse.
unsafe impl<O: Boxed> Thin for Block<O> {
    #[inline]
    fn into_address(self) -> NonNull<u8> {
        self.into_address()
    }

    #[inline]
    unsafe fn from_address(address: NonNull<u8>) -> Self {
        // SAFETY: passed on to the caller.
        unsafe { Self::from_address(address) }
    }
}

/// Where an element lies until the segment changes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: u32,
    word: u32,
}

/// A lent element. It reads like a reference; the word in the table keeps the ownership.
pub(crate) struct Lent<'a, T: Thin> {
    element: ManuallyDrop<T>,
    table: PhantomData<&'a T>,
}

impl<T: Thin> Deref for Lent<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.element
    }
}

impl<'a, O: Boxed> Lent<'a, Block<O>> {
    /// The key, for as long as the table is borrowed.
    #[inline]
    pub(crate) fn into_key(self) -> &'a [u8] {
        let key: *const [u8] = self.element.key();
        // SAFETY: the key lies in the element's block, which a word of the table owns; the table is borrowed for `'a`.
        unsafe { &*key }
    }

    /// The key and the bytes or number that the value is kept as, for as long as the table is borrowed. No bytes if the
    /// value is boxed as something else.
    #[inline]
    pub(crate) fn into_pair(self) -> (&'a [u8], StrRef<'a>) {
        let value = match self.element.as_bytes() {
            Some(StrRef::Int(n)) => StrRef::Int(n),
            Some(StrRef::Bytes(bytes)) => {
                let bytes: *const [u8] = bytes;
                // SAFETY: the bytes lie in the element's block or belong to it; see `into_key`.
                StrRef::Bytes(unsafe { &*bytes })
            }
            None => StrRef::Bytes(b""),
        };
        (self.into_key(), value)
    }
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
        self.lines().iter().flat_map(|line| &line.0).filter(|word| **word != 0).map(|word| {
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

/// Puts the element of a word back when an update ends, however it ends.
struct WordGuard<'a, T: Thin> {
    word: &'a mut u64,
    tag: u64,
    element: Option<T>,
}

impl<T: Thin> WordGuard<'_, T> {
    fn take(&mut self) {
        // SAFETY: the word owns an element; until `drop` puts one back the word is not read, being borrowed uniquely.
        self.element = Some(unsafe { from_word(*self.word) });
    }
}

impl<T: Thin> Drop for WordGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(element) = self.element.take() {
            *self.word = to_word(self.tag >> ADDRESS_BITS, element);
        }
    }
}

/// A line's used words whose tag is `tag`: bit 4i + 3 for word i.
#[inline]
fn matching(words: &[u64; LINE_WORDS], tag: u64) -> u32 {
    let matches = tags_equal(words, tag as u16);
    if tag != 0 {
        return matches;
    }
    // An empty word has tag 0 too.
    words.iter().enumerate().filter(|(_, word)| **word == 0).fold(matches, |bits, (i, _)| bits & !(1 << (i * 4 + 3)))
}

/// Words whose upper 16 bits are `tag`, bit 4i + 3 for word i: four comparisons of 16 bytes.
#[cfg(target_arch = "x86_64")]
#[inline]
fn tags_equal(words: &[u64; LINE_WORDS], tag: u16) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi16, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16, _mm_set1_epi16,
    };
    let at = words.as_ptr().cast::<__m128i>();
    // SAFETY: SSE2 is part of the x86_64 baseline; the loads read the line's 64 bytes.
    let (low, high) = unsafe {
        let tags = _mm_set1_epi16(tag as i16);
        let equal = |pair: usize| _mm_cmpeq_epi16(_mm_loadu_si128(at.add(pair)), tags);
        let (low, high) = (_mm_packs_epi16(equal(0), equal(1)), _mm_packs_epi16(equal(2), equal(3)));
        (_mm_movemask_epi8(low), _mm_movemask_epi8(high))
    };
    (low as u32 | (high as u32) << 16) & 0x8888_8888
}

/// Words whose upper 16 bits are `tag`, bit 4i + 3 for word i.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn tags_equal(words: &[u64; LINE_WORDS], tag: u16) -> u32 {
    words
        .iter()
        .enumerate()
        .fold(0, |bits, (i, word)| bits | u32::from((word >> ADDRESS_BITS) as u16 == tag) << (i * 4 + 3))
}

#[inline]
pub(crate) fn home(tag: u64, line_count: u32) -> usize {
    ((tag * u64::from(line_count)) >> 16) as usize
}

/// Steps from line `from` forward to line `to`.
#[inline]
fn cyclic(from: usize, to: usize, line_count: u32) -> usize {
    if to >= from { to - from } else { to + line_count as usize - from }
}

fn put(lines: &mut [Line], word: u64) {
    let mut at = home(word >> ADDRESS_BITS, lines.len() as u32);
    while lines[at].0[LINE_WORDS - 1] != 0 {
        at = if at + 1 == lines.len() { 0 } else { at + 1 };
    }
    push(&mut lines[at].0, word);
}

fn push(words: &mut [u64; LINE_WORDS], word: u64) {
    let free = words.iter().position(|w| *w == 0).expect("the last word of the line is 0");
    words[free] = word;
}

fn close_gap(words: &mut [u64; LINE_WORDS], gap: usize) {
    let last = words.iter().rposition(|w| *w != 0).expect("the gap holds a word");
    words[gap] = words[last];
    words[last] = 0;
}

fn to_word<T: Thin>(tag: u64, element: T) -> u64 {
    let address = element.into_address().as_ptr().expose_provenance() as u64;
    assert_eq!(address & !ADDRESS_MASK, 0, "user addresses have 48 bits on every supported target");
    tag << ADDRESS_BITS | address
}

/// # Safety
/// The word owns an element, and goes on owning it for all of `'a`.
#[inline]
unsafe fn lend<'a, T: Thin>(word: u64) -> Lent<'a, T> {
    // SAFETY: the copy of the pointer is never dropped, so the ownership stays in the word.
    Lent { element: ManuallyDrop::new(unsafe { from_word(word) }), table: PhantomData }
}

/// # Safety
/// The word holds an element, which is taken out once.
unsafe fn from_word<T: Thin>(word: u64) -> T {
    let address = std::ptr::with_exposed_provenance_mut((word & ADDRESS_MASK) as usize);
    // SAFETY: addresses of elements are not null; the rest is the caller's promise.
    unsafe { T::from_address(NonNull::new_unchecked(address)) }
}

/// How many elements so many lines take before they grow.
const fn room(line_count: u32) -> usize {
    let words = line_count as usize * LINE_WORDS;
    if line_count <= 1 { words } else { words - words / 8 }
}

/// Line counts go up by about a quarter, along the sizes that allocators have.
const fn larger(line_count: u32) -> u32 {
    match line_count {
        0..8 => line_count + 1,
        _ => line_count + (1 << (line_count.ilog2() - 2)),
    }
}

/// The smallest line count with room for `count` elements and one more step.
const fn fitting(count: usize) -> u32 {
    let mut lines = 0;
    while room(lines) < count {
        lines = larger(lines);
    }
    if lines <= 2 { lines } else { larger(lines) }
}

/// Words of a segment of `count` elements, at most.
pub(crate) const fn word_count_for(count: usize) -> usize {
    fitting(count) as usize * LINE_WORDS
}

fn layout(line_count: u32) -> Layout {
    Layout::array::<Line>(line_count as usize).expect("a segment is bounded far below isize::MAX")
}

fn allocate(line_count: u32) -> NonNull<Line> {
    if line_count == 0 {
        return NonNull::dangling();
    }
    let layout = layout(line_count);
    // SAFETY: the layout is not empty. Zero bytes are valid lines of empty words.
    NonNull::new(unsafe { alloc_zeroed(layout) }.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

fn release(lines: NonNull<Line>, line_count: u32) {
    if line_count != 0 {
        // SAFETY: the lines came from `allocate` with the same count; their elements were moved or dropped before.
        unsafe { dealloc(lines.as_ptr().cast(), layout(line_count)) }
    }
}

/// Run with `RUSTFLAGS="--cfg loom" cargo test -p keyslot-engine --lib --release loom_`.
#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use crate::table::block::Plain;

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
