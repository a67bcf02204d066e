//! The segmented table: extendible hashing over bounded segments.
//!
//! A table starts with one segment. When a segment passes [`SEGMENT_ELEMENTS_MAX`] elements it is split by the next bit of
//! the hash, and a directory of 2^depth entries leads to the segments. No step ever works on more than one segment, so no
//! insertion pauses for longer than that, however many elements there are.
//!
//! Elements are visited in the order of their hashes, which no growing, shrinking or splitting changes: a scan that
//! remembers the hash it stopped at returns every element that stayed exactly once.
//!
//! A clone shares the segments; whoever changes a shared segment copies that one first.
//!
//! Invariants
//! - A directory counts the elements and the lines of all its segments.
//! - Directory entry `i` leads to the segment whose prefix is the first `depth` bits of every hash that starts with `i`.
//! - A segment of depth `d` below a directory of depth `D` is led to by `2^(D - d)` neighbouring entries.

use super::lent::{Lent, Thin};
use super::line::{Line, word_count_for};
use super::segment::{Place, SEGMENT_ELEMENTS_MAX, Segment};

/// Splitting stops here: elements that agree in so many bits stay together (and make that one segment larger).
const DEPTH_MAX: u8 = 30;

/// A growing table of thin pointers, found by 64-bit hashes.
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Table<T: Thin> {
    /// The only segment, while there is no directory.
    only: Segment<T>,
    directory: Option<Box<Directory<T>>>,
}

#[derive(Clone)]
struct Directory<T: Thin> {
    depth: u8,
    index: Vec<u32>,
    segments: Vec<Segment<T>>,
    count: usize,
    line_count: usize,
}

impl<T: Thin> Directory<T> {
    fn number(&self, hash: u64) -> usize {
        self.index[(hash >> (64 - u32::from(self.depth))) as usize] as usize
    }
}

/// Where an element lies until the table changes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    segment: u32,
    place: Place,
}

impl<T: Thin + Clone> Table<T> {
    /// A lookup reads so many of a table's bytes, where there is one segment.
    #[cfg(test)]
    pub(crate) const LOOKUP_BYTES: usize = size_of::<Self>();

    /// An empty table. No allocation.
    pub(crate) const fn new() -> Self {
        Self { only: Segment::new(0), directory: None }
    }

    /// How many elements there are. O(1).
    pub(crate) fn len(&self) -> usize {
        self.directory.as_ref().map_or(self.only.count(), |d| d.count)
    }

    /// The lines of the only segment, for prefetching; `(_, 0)` when there are several or none.
    #[inline]
    pub(crate) fn line_hint(&self) -> (*mut Line, u32) {
        self.only.line_hint()
    }

    /// Bytes of lines and directory. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        let Some(directory) = &self.directory else { return self.only.heap_bytes() };
        directory.line_count * size_of::<Line>()
            + directory.index.capacity() * size_of::<u32>()
            + directory.segments.capacity() * size_of::<Segment<T>>()
    }

    fn segments(&self) -> impl Iterator<Item = &Segment<T>> {
        std::iter::once(&self.only).chain(self.directory.iter().flat_map(|d| &d.segments))
    }

    #[inline]
    fn number(&self, hash: u64) -> u32 {
        self.directory.as_ref().map_or(0, |d| d.number(hash) as u32)
    }

    #[inline]
    fn segment(&self, number: u32) -> &Segment<T> {
        self.directory.as_ref().map_or(&self.only, |d| &d.segments[number as usize])
    }

    #[inline]
    fn segment_mut(&mut self, number: u32) -> &mut Segment<T> {
        match &mut self.directory {
            None => &mut self.only,
            Some(d) => &mut d.segments[number as usize],
        }
    }

    /// Finds the element of this hash for which `is_it` holds. O(1).
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<Spot> {
        let segment = self.number(hash);
        Some(Spot { segment, place: self.segment(segment).find(hash, is_it)? })
    }

    /// As [`find`](Self::find), with the element.
    #[inline]
    pub(crate) fn seek(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<(Spot, Lent<'_, T>)> {
        let segment = self.number(hash);
        let (place, element) = self.segment(segment).seek(hash, is_it)?;
        Some((Spot { segment, place }, element))
    }

    /// Where the element of this hash lies if its tag does not deceive, found without reading it; and its address.
    #[inline]
    pub(crate) fn candidate(&self, hash: u64) -> Option<(Spot, *const u8)> {
        let number = self.number(hash);
        let segment = self.segment(number);
        let place = segment.candidate(hash)?;
        Some((Spot { segment: number, place }, segment.address(place)))
    }

    /// The element at a spot.
    #[inline]
    pub(crate) fn get(&self, spot: Spot) -> Lent<'_, T> {
        self.segment(spot.segment).get(spot.place)
    }

    /// Changes the element at a spot; `f` may replace it by another of the same hash.
    #[inline]
    pub(crate) fn update<R>(&mut self, spot: Spot, f: impl FnOnce(&mut T) -> R) -> R {
        self.segment_mut(spot.segment).update(spot.place, f)
    }

    /// Makes room for `count` elements in all, or for one segment's. Does nothing where there are several segments.
    pub(crate) fn reserve(&mut self, count: usize) {
        if self.directory.is_none() {
            self.only.reserve(count.min(SEGMENT_ELEMENTS_MAX));
        }
    }

    /// Adds an element that is not there yet. Amortised O(1), at worst one segment's work.
    pub(crate) fn insert(&mut self, hash: u64, element: T, hash_of: impl Fn(&T) -> u64) {
        loop {
            let number = self.number(hash);
            let segment = self.segment(number);
            if segment.count() < SEGMENT_ELEMENTS_MAX || segment.depth() >= DEPTH_MAX {
                break;
            }
            self.split(number, hash, &hash_of);
        }
        let number = self.number(hash);
        let Some(directory) = &mut self.directory else { return self.only.insert(hash, element) };
        let segment = &mut directory.segments[number as usize];
        directory.line_count -= segment.line_count();
        segment.insert(hash, element);
        directory.line_count += segment.line_count();
        directory.count += 1;
    }

    /// Takes an element out. A table that became small gives its directory back.
    pub(crate) fn remove(&mut self, spot: Spot, hash_of: impl Fn(&T) -> u64) -> T {
        let Some(directory) = &mut self.directory else { return self.only.remove(spot.place) };
        let segment = &mut directory.segments[spot.segment as usize];
        directory.line_count -= segment.line_count();
        let taken = segment.remove(spot.place);
        directory.line_count += segment.line_count();
        directory.count -= 1;
        if directory.count <= SEGMENT_ELEMENTS_MAX / 4 {
            self.gather(hash_of);
        }
        taken
    }

    fn split(&mut self, number: u32, hash: u64, hash_of: impl Fn(&T) -> u64) {
        let directory = self.directory.get_or_insert_with(|| {
            let only = std::mem::replace(&mut self.only, Segment::new(0));
            let (count, line_count) = (only.count(), only.line_count());
            Box::new(Directory { depth: 0, index: vec![0], segments: vec![only], count, line_count })
        });
        let depth = directory.segments[number as usize].depth();
        if depth == directory.depth {
            directory.index = directory.index.iter().flat_map(|&n| [n, n]).collect();
            directory.depth += 1;
        }
        let whole = std::mem::replace(&mut directory.segments[number as usize], Segment::new(depth));
        directory.line_count -= whole.line_count();
        let (low, high) = whole.split(hash_of);
        directory.line_count += low.line_count() + high.line_count();
        let new = directory.segments.len() as u32;
        directory.segments[number as usize] = low;
        directory.segments.push(high);
        // The entries that led to the whole are neighbours; the later half of them now leads to the high part.
        let span = 1usize << (directory.depth - depth);
        let entry = if directory.depth == 0 { 0 } else { (hash >> (64 - u32::from(directory.depth))) as usize };
        let first = entry & !(span - 1);
        directory.index[first + span / 2..first + span].fill(new);
    }

    /// Moves the few elements that are left into one segment.
    fn gather(&mut self, hash_of: impl Fn(&T) -> u64) {
        let Some(mut directory) = self.directory.take() else { return };
        for segment in &mut directory.segments {
            segment.drain(|element| self.only.insert(hash_of(&element), element));
        }
    }

    /// All elements, roughly in hash order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Lent<'_, T>> {
        self.segments().flat_map(Segment::iter)
    }

    /// The elements of the `n`-th segment; `None` behind the last. O(n).
    pub(crate) fn part(&self, n: usize) -> Option<impl Iterator<Item = Lent<'_, T>>> {
        self.segments().nth(n).map(Segment::iter)
    }

    /// Visits elements in hash order from `from` on: at least `count` of them if there are so many, and all that share the
    /// first 39 bits of hash with one that is visited. Returns where to go on, `None` at the end.
    ///
    /// Bits below the first 39 of `from` are not used, so a position fits a cursor beside a slot number. O(segment).
    pub(crate) fn scan(
        &self,
        from: u64,
        count: usize,
        hash_of: impl Fn(&T) -> u64,
        mut f: impl FnMut(&T),
    ) -> Option<u64> {
        let mut position = from & POSITION_MASK;
        let mut visited = 0;
        loop {
            let segment = self.segment(self.number(position));
            let mut found = Vec::new();
            segment.for_each_from(position, |tag, element| found.push((tag, element)));
            found.sort_unstable_by_key(|(tag, _)| *tag);
            // Hashes are read only as far as the tags say that they may be among the first.
            let mut at = 0;
            while at < found.len() && visited < count {
                let tag_end = at + found[at..].iter().take_while(|(tag, _)| *tag == found[at].0).count();
                let mut group: Vec<(u64, &T)> =
                    found[at..tag_end].iter().map(|(_, e)| (hash_of(e) & POSITION_MASK, &**e)).collect();
                group.retain(|(hash, _)| *hash >= position);
                group.sort_unstable_by_key(|(hash, _)| *hash);
                let mut last = None;
                for (hash, element) in group {
                    if visited >= count && last != Some(hash) {
                        return Some(hash);
                    }
                    f(element);
                    visited += 1;
                    last = Some(hash);
                }
                at = tag_end;
            }
            if at < found.len() {
                // The first of the next group, found without sorting it: the smallest hash is where to go on.
                let tag = found[at].0;
                return found[at..]
                    .iter()
                    .take_while(|(t, _)| *t == tag)
                    .map(|(_, e)| hash_of(e) & POSITION_MASK)
                    .min();
            }
            let depth = u32::from(segment.depth());
            if depth == 0 {
                return None;
            }
            let step = 1u64 << (64 - depth);
            position = (position & !(step - 1)).checked_add(step)?;
            if visited >= count {
                return Some(position);
            }
        }
    }

    /// An element chosen by `pick`, which gives a random number below its argument; every element has the same chance.
    /// `None` when there is none.
    ///
    /// A segment is drawn, then a word as if all segments were as large as the largest; an empty draw is drawn again. So
    /// every used word has the same chance. Where draws come out empty too often (a table that was much larger), the
    /// segments are counted instead. O(1), at worst O(segments).
    pub(crate) fn random(&self, mut pick: impl FnMut(usize) -> usize) -> Option<Lent<'_, T>> {
        if self.len() == 0 {
            return None;
        }
        let Some(directory) = &self.directory else { return Some(draw(&self.only, &mut pick)) };
        for _ in 0..DRAWS_MAX {
            let segment = &directory.segments[pick(directory.segments.len())];
            // A segment that grew beyond what segments have has few like it: its chance is a little smaller.
            if let Some(element) = segment.at_word(pick(SEGMENT_WORDS_MAX.max(segment.word_count()))) {
                return Some(element);
            }
        }
        let mut n = pick(directory.count);
        for segment in &directory.segments {
            if n < segment.count() {
                return Some(draw(segment, &mut pick));
            }
            n -= segment.count();
        }
        None
    }

    /// Frees one segment of a table that is being freed, calling `f` with its elements: nothing can be looked up in it any
    /// more. Frees none when none is left.
    pub(crate) fn drain_part(&mut self, mut f: impl FnMut(&T)) {
        let mut segment = std::mem::replace(&mut self.only, Segment::new(0));
        while let (0, Some(directory)) = (segment.count(), &mut self.directory) {
            match directory.segments.pop() {
                Some(next) => {
                    directory.count -= next.count();
                    directory.line_count -= next.line_count();
                    segment = next;
                }
                None => self.directory = None,
            }
        }
        segment.iter().for_each(|element| f(&element));
    }
}

/// An element of a segment that is not empty.
fn draw<'a, T: Thin + Clone>(segment: &'a Segment<T>, pick: &mut impl FnMut(usize) -> usize) -> Lent<'a, T> {
    for _ in 0..DRAWS_MAX {
        if let Some(element) = segment.at_word(pick(segment.word_count())) {
            return element;
        }
    }
    segment.iter().nth(pick(segment.count())).expect("the segment is not empty")
}

/// Draws that may come out empty before the elements are counted instead.
const DRAWS_MAX: usize = 256;

/// Words of the largest segment that is not split.
const SEGMENT_WORDS_MAX: usize = word_count_for(SEGMENT_ELEMENTS_MAX);

/// The bits of a hash that a scan's position keeps: the first 39.
pub(crate) const POSITION_MASK: u64 = !0 << (64 - POSITION_BITS);

/// How many bits of hash a scan's position has; with 14 bits of slot a cursor stays below 2^53.
pub(crate) const POSITION_BITS: u32 = 39;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::block::Plain;
    use crate::text::StrRef;
    use std::collections::BTreeSet;

    fn hash(key: &[u8]) -> u64 {
        key.iter()
            .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
            .rotate_left(29)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn hash_of(e: &Plain) -> u64 {
        hash(e.key())
    }

    fn add(table: &mut Table<Plain>, n: usize) {
        let key = n.to_string();
        table.insert(hash(key.as_bytes()), Plain::string(key.as_bytes(), StrRef::Int(0), false, None), hash_of);
    }

    fn take(table: &mut Table<Plain>, n: usize) {
        let key = n.to_string();
        let spot = table.find(hash(key.as_bytes()), |e| e.key() == key.as_bytes()).expect("still there");
        assert_eq!(table.remove(spot, hash_of).key(), key.as_bytes());
    }

    #[test]
    fn finds_everything_across_many_segments() {
        let mut table = Table::new();
        for n in 0..50_000 {
            add(&mut table, n);
        }
        assert_eq!(table.len(), 50_000);
        assert!(table.directory.as_ref().is_some_and(|d| d.segments.len() > 40));
        for n in (0..50_000).filter(|n| n % 100 != 0) {
            take(&mut table, n);
        }
        assert_eq!(table.len(), 500);
        for n in (0..50_000).step_by(100) {
            take(&mut table, n);
        }
        assert!(table.directory.is_none(), "an empty table is small again");
    }

    #[test]
    fn a_scan_returns_what_stayed_exactly_once_while_the_table_changes() {
        for (count, churn) in [(1, 30), (10, 200), (100, 2_000)] {
            let mut table = Table::new();
            let stay = 3_000;
            for n in 0..stay {
                add(&mut table, n);
            }
            let (mut seen, mut position, mut next, mut oldest) = (Vec::new(), Some(0), stay, stay);
            let mut step = 0;
            while let Some(from) = position {
                position = table.scan(from, count, hash_of, |e| seen.push(e.key().to_vec()));
                step += 1;
                // Grow for a while, then shrink back, so that segments split and merge under the scan.
                if step % 40 < 20 {
                    for _ in 0..churn {
                        add(&mut table, next);
                        next += 1;
                    }
                } else {
                    while oldest < next {
                        take(&mut table, oldest);
                        oldest += 1;
                    }
                }
            }
            let stayed: Vec<_> = seen
                .iter()
                .filter_map(|key| std::str::from_utf8(key).ok()?.parse::<usize>().ok())
                .filter(|n| *n < stay)
                .collect();
            assert_eq!(stayed.len(), stay, "once each, count {count}");
            assert_eq!(stayed.into_iter().collect::<BTreeSet<_>>().len(), stay);
        }
    }

    #[test]
    fn a_clone_keeps_what_was_there_while_the_other_changes() {
        let mut table = Table::new();
        for n in 0..5_000 {
            add(&mut table, n);
        }
        let view = table.clone();
        for n in 0..4_900 {
            take(&mut table, n);
        }
        for n in 5_000..9_000 {
            add(&mut table, n);
        }
        let count = |table: &Table<Plain>| table.iter().count();
        assert_eq!((view.len(), count(&view), table.len(), count(&table)), (5_000, 5_000, 4_100, 4_100));
        for n in (0..5_000).map(|n: usize| n.to_string()) {
            assert!(view.find(hash(n.as_bytes()), |e| e.key() == n.as_bytes()).is_some());
        }
        for table in [&view, &table] {
            let directory = table.directory.as_ref().expect("there are many segments");
            assert_eq!(directory.line_count, table.segments().map(Segment::line_count).sum::<usize>());
        }
    }

    #[test]
    fn a_scan_visits_about_as_many_as_asked() {
        let mut table = Table::new();
        for n in 0..10_000 {
            add(&mut table, n);
        }
        let mut visited = 0;
        table.scan(0, 10, hash_of, |_| visited += 1);
        assert_eq!(visited, 10);
    }

    #[test]
    fn random_choice_reaches_every_element() {
        let mut table = Table::new();
        for n in 0..50 {
            add(&mut table, n);
        }
        let mut state = 1u64;
        let mut seen = BTreeSet::new();
        for _ in 0..5_000 {
            let pick = |below: usize| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ((state >> 33) % below as u64) as usize
            };
            seen.insert(table.random(pick).expect("not empty").key().to_vec());
        }
        assert_eq!(seen.len(), 50);
    }
}
