//! Lines of one cache line each, of which a [segment](super::segment) consists, and how words lie in them.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Words in a line.
pub(crate) const LINE_WORDS: usize = 8;

/// Bits of a word that are the address; above them stands the tag.
pub(super) const ADDRESS_BITS: u32 = 48;
pub(super) const ADDRESS_MASK: u64 = (1 << ADDRESS_BITS) - 1;

/// A cache line of words.
#[repr(C, align(64))]
pub(crate) struct Line(pub(super) [u64; LINE_WORDS]);

/// A line's used words whose tag is `tag`: bit 4i + 3 for word i.
#[inline]
pub(super) fn matching(words: &[u64; LINE_WORDS], tag: u64) -> u32 {
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

/// The line in which elements with this tag lie, where it has room.
#[inline]
pub(crate) fn home(tag: u64, line_count: u32) -> usize {
    ((tag * u64::from(line_count)) >> 16) as usize
}

/// Steps from line `from` forward to line `to`.
#[inline]
pub(super) fn cyclic(from: usize, to: usize, line_count: u32) -> usize {
    if to >= from { to - from } else { to + line_count as usize - from }
}

/// Puts a word into its home line, or the first with room behind it.
pub(super) fn put(lines: &mut [Line], word: u64) {
    let mut at = home(word >> ADDRESS_BITS, lines.len() as u32);
    while lines[at].0[LINE_WORDS - 1] != 0 {
        at = if at + 1 == lines.len() { 0 } else { at + 1 };
    }
    push(&mut lines[at].0, word);
}

/// Puts a word into a line that has room.
pub(super) fn push(words: &mut [u64; LINE_WORDS], word: u64) {
    let free = words.iter().position(|w| *w == 0).expect("the last word of the line is 0");
    words[free] = word;
}

/// Takes a word out of a line.
pub(super) fn close_gap(words: &mut [u64; LINE_WORDS], gap: usize) {
    let last = words.iter().rposition(|w| *w != 0).expect("the gap holds a word");
    words[gap] = words[last];
    words[last] = 0;
}

/// How many elements so many lines take before they grow.
pub(super) const fn room(line_count: u32) -> usize {
    let words = line_count as usize * LINE_WORDS;
    if line_count <= 1 { words } else { words - words / 8 }
}

/// Line counts go up by about a quarter, along the sizes that allocators have.
pub(super) const fn larger(line_count: u32) -> u32 {
    match line_count {
        0..8 => line_count + 1,
        _ => line_count + (1 << (line_count.ilog2() - 2)),
    }
}

/// The smallest line count with room for `count` elements and one more step.
pub(super) const fn fitting(count: usize) -> u32 {
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

/// Empty lines.
pub(super) fn allocate(line_count: u32) -> NonNull<Line> {
    if line_count == 0 {
        return NonNull::dangling();
    }
    let layout = layout(line_count);
    // SAFETY: the layout is not empty. Zero bytes are valid lines of empty words.
    NonNull::new(unsafe { alloc_zeroed(layout) }.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Frees lines.
pub(super) fn release(lines: NonNull<Line>, line_count: u32) {
    if line_count != 0 {
        // SAFETY: the lines came from `allocate` with the same count; their elements were moved or dropped before.
        unsafe { dealloc(lines.as_ptr().cast(), layout(line_count)) }
    }
}
