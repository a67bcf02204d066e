//! The keys of one database in one slot.
//!
//! Invariants
//! - `expires` is the number of entries with an expiry, `timed` of those with fields that have one; `next_expiry` is not later
//!   than the earliest of all those.
//! - Every change of an entry goes through here, so that [`Totals`] of the engine stay exact.

use super::entry::EntryRef;
use super::oversized::OVERSIZED_BYTES_MIN;
use super::totals::Totals;
use crate::slot::Slot;
use crate::table::line::{Line, home};
use crate::table::{KeyHasher, Lent, Spot, Table, prefetch};
use crate::text::StrRef;
use crate::time::UnixMillis;
use crate::value::Object;

/// Keys of one database in one slot. The table comes first: a lookup reads nothing else. A clone shares the segments. O(segments).
#[derive(Clone)]
#[repr(C)]
pub(crate) struct Shard {
    table: Table<EntryRef>,
    next_expiry: i64,
    expires: u32,
    timed: u32,
    /// Bytes of heap behind the entries and the lines of the table.
    bytes: u64,
}

impl Default for Shard {
    fn default() -> Self {
        Self { table: Table::new(), next_expiry: i64::MAX, expires: 0, timed: 0, bytes: 0 }
    }
}

/// What a shard's operations need to know of their surroundings.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) hasher: &'a KeyHasher,
    pub(crate) totals: &'a Totals,
    pub(crate) slot: Slot,
    pub(crate) db: u16,
}

impl Shard {
    /// A lookup reads so many of a shard's first bytes, where there is one segment.
    #[cfg(test)]
    pub(crate) const LOOKUP_BYTES: usize = Table::<EntryRef>::LOOKUP_BYTES;

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many hashes have fields with an expiry.
    pub(crate) fn timed_hashes(&self) -> usize {
        self.timed as usize
    }

    /// How many of them have an expiry.
    pub(crate) fn expires(&self) -> usize {
        self.expires as usize
    }

    /// Bytes of heap behind the entries and the lines of the table. O(1).
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// No entry is due before this time.
    pub(crate) fn next_expiry(&self) -> UnixMillis {
        UnixMillis(self.next_expiry)
    }

    #[inline]
    pub(crate) fn line_hint(&self) -> (*mut Line, u32) {
        self.table.line_hint()
    }

    /// Bytes of the lines that are counted in [`Totals`].
    #[cfg(test)]
    pub(crate) fn line_bytes(&self) -> usize {
        self.line_hint().1 as usize * size_of::<Line>()
    }

    /// Bytes of the table's own memory.
    pub(crate) fn table_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<Spot> {
        self.table.find(hash, |entry| entry.has_key(key))
    }

    /// As [`find`](Self::find), with the entry.
    #[inline]
    pub(crate) fn seek(&self, hash: u64, key: &[u8]) -> Option<(Spot, Lent<'_, EntryRef>)> {
        self.table.seek(hash, |entry| entry.has_key(key))
    }

    #[inline]
    pub(crate) fn get(&self, spot: Spot) -> Lent<'_, EntryRef> {
        self.table.get(spot)
    }

    /// Where the key of this hash lies if its tag does not deceive, and the address of its entry. Reads one line.
    #[inline]
    pub(crate) fn candidate(&self, hash: u64) -> Option<(Spot, *const u8)> {
        self.table.candidate(hash)
    }

    /// The entry at a key of which [`candidate`](Self::candidate) was asked before, if nothing changed since.
    #[inline]
    pub(crate) fn find_from(&self, candidate: Option<Spot>, hash: u64, key: &[u8]) -> Option<Lent<'_, EntryRef>> {
        if let Some(spot) = candidate {
            let entry = self.table.get(spot);
            if entry.has_key(key) {
                return Some(entry);
            }
        }
        self.find(hash, key).map(|spot| self.table.get(spot))
    }

    /// Asks for the line in which a key with this hash is likely to be.
    #[inline]
    pub(crate) fn prefetch_line(&self, hash: u64) {
        let (lines, count) = self.line_hint();
        prefetch(lines.wrapping_add(home(hash >> 48, count)).cast());
    }

    /// Asks for the entry that a lookup of this hash will read. Reads a line.
    #[inline]
    pub(crate) fn prefetch_entry(&self, hash: u64) {
        if let Some((_, address)) = self.candidate(hash) {
            prefetch(address);
            prefetch(address.wrapping_add(64));
        }
    }

    /// Changes an entry; `f` keeps its key.
    #[inline]
    pub(crate) fn update<R>(&mut self, spot: Spot, around: Surroundings<'_>, f: impl FnOnce(&mut EntryRef) -> R) -> R {
        let (before, after, result) = self.table.update(spot, |entry| {
            let before = Weight::of(entry);
            let result = f(entry);
            (before, Weight::of(entry), result)
        });
        if before.bytes != after.bytes || before.expiry.is_some() != after.expiry.is_some() {
            let expires = i64::from(after.expiry.is_some()) - i64::from(before.expiry.is_some());
            self.expires = self.expires.wrapping_add_signed(expires as i32);
            let more = after.bytes as i64 - before.bytes as i64;
            self.bytes = self.bytes.wrapping_add_signed(more);
            around.totals.add(around.slot, around.db, 0, expires, more);
            if after.bytes.max(before.bytes) >= OVERSIZED_BYTES_MIN {
                self.note_size(spot, around, (before.bytes, after.bytes));
            }
        }
        if before.fields.is_some() != after.fields.is_some() {
            self.count_timed(&after, &before, around);
        }
        self.note_due(&after);
        result
    }

    #[cold]
    fn note_size(&self, spot: Spot, around: Surroundings<'_>, (before, after): (usize, usize)) {
        let (entry, oversized) = (self.get(spot), &around.totals.oversized);
        match after >= OVERSIZED_BYTES_MIN {
            true => oversized.note_growth(around.slot, around.db, entry.key(), (before, after)),
            false => oversized.note_end(around.db, entry.key(), before),
        }
    }

    #[inline]
    fn note_due(&mut self, weight: &Weight) {
        for UnixMillis(ms) in weight.expiry.into_iter().chain(weight.fields) {
            self.next_expiry = self.next_expiry.min(ms);
        }
    }

    #[cold]
    fn count_timed(&mut self, come: &Weight, gone: &Weight, around: Surroundings<'_>) {
        let more = i64::from(come.fields.is_some()) - i64::from(gone.fields.is_some());
        self.timed = self.timed.wrapping_add_signed(more as i32);
        around.totals.add_timed(around.db, more);
    }

    /// Replaces the string at a spot, which has no expiry, by one that fits into the same block; `f` sees the entry then.
    /// False, and nothing is changed, if it does not fit or the block is shared.
    #[inline]
    pub(crate) fn overwrite(&mut self, spot: Spot, value: StrRef<'_>, f: impl FnOnce(&EntryRef)) -> bool {
        self.table.update(spot, |entry| {
            let is_done = entry.overwrite_string(value);
            if is_done {
                f(entry);
            }
            is_done
        })
    }

    /// Adds an entry whose key is not there.
    pub(crate) fn insert(&mut self, hash: u64, entry: EntryRef, around: Surroundings<'_>) {
        let mut filled = Filled::default();
        self.fill(hash, entry, around, &mut filled);
        filled.settle(around.totals);
    }

    /// Makes room for so many entries in all, or for as many as one segment takes.
    pub(crate) fn reserve(&mut self, count: usize, around: Surroundings<'_>) {
        let before = self.line_hint().1;
        self.table.reserve(count);
        let grown = i64::from(self.line_hint().1) - i64::from(before);
        if grown > 0 {
            self.note_lines(around);
            let more = grown * size_of::<Line>() as i64;
            self.bytes = self.bytes.wrapping_add_signed(more);
            around.totals.add(around.slot, around.db, 0, 0, more);
        }
    }

    /// As [`insert`](Self::insert); what is counted is gathered in `filled`.
    #[inline]
    pub(crate) fn fill(&mut self, hash: u64, entry: EntryRef, around: Surroundings<'_>, filled: &mut Filled) {
        let weight = Weight::of(&entry);
        let expires = i64::from(weight.expiry.is_some());
        self.expires += expires as u32;
        if weight.fields.is_some() {
            self.count_timed(&weight, &Weight::default(), around);
        }
        self.note_due(&weight);
        if weight.bytes >= OVERSIZED_BYTES_MIN {
            around.totals.oversized.note_growth(around.slot, around.db, entry.key(), (0, weight.bytes));
        }
        if self.table.len() == 0 {
            around.totals.set_occupied(around.slot, around.db);
        }
        let before = self.line_hint();
        self.table.insert(hash, entry, |e| around.hasher.hash(e.key()));
        around.totals.note_len(around.db, self.table.len());
        let after = self.line_hint();
        if before != after {
            self.note_lines(around);
        }
        let grown = i64::from(after.1) - i64::from(before.1);
        let bytes = weight.bytes as i64 + grown * size_of::<Line>() as i64;
        self.bytes = self.bytes.wrapping_add_signed(bytes);
        filled.add(around, expires, bytes);
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, spot: Spot, around: Surroundings<'_>) -> EntryRef {
        let lines = self.line_hint().1;
        let entry = self.table.remove(spot, |e| around.hasher.hash(e.key()));
        self.note_lines(around);
        let shrunk = i64::from(lines) - i64::from(self.line_hint().1);
        let weight = Weight::of(&entry);
        let expires = i64::from(weight.expiry.is_some());
        self.expires -= expires as u32;
        if weight.fields.is_some() {
            self.count_timed(&Weight::default(), &weight, around);
        }
        if self.expires == 0 && self.timed == 0 {
            self.next_expiry = i64::MAX;
        }
        let bytes = weight.bytes as i64 + shrunk * size_of::<Line>() as i64;
        self.bytes = self.bytes.wrapping_add_signed(-bytes);
        around.totals.oversized.note_end(around.db, entry.key(), weight.bytes);
        around.totals.add(around.slot, around.db, -1, -expires, -bytes);
        entry
    }

    /// Takes everything out. O(1): bytes are counted until [`free`](Self::free) gives them back.
    pub(crate) fn take(&mut self, around: Surroundings<'_>) -> Self {
        let taken = std::mem::take(self);
        self.note_lines(around);
        around.totals.add(around.slot, around.db, -(taken.len() as i64), -i64::from(taken.expires), 0);
        if taken.timed > 0 {
            around.totals.add_timed(around.db, -i64::from(taken.timed));
        }
        around.totals.clear_occupied(around.slot, around.db);
        around.totals.oversized.note_emptied(around.slot, around.db);
        taken
    }

    #[inline]
    fn note_lines(&self, around: Surroundings<'_>) {
        if around.db == 0 {
            around.totals.hints.set(around.slot, self.line_hint());
        }
    }

    /// Frees a part, at most about one segment, of what was taken out of a slot. Returns how many entries; 0 when none is
    /// left. Values that are long to free are handed to `large` instead.
    pub(crate) fn free_part(&mut self, slot: Slot, totals: &Totals, large: &mut Vec<Object>) -> usize {
        let mut bytes = self.line_hint().1 as usize * size_of::<Line>();
        let mut count = 0;
        self.table.drain_part(|entry| {
            bytes += entry.heap_bytes();
            count += 1;
            if entry.is_long_to_free() {
                large.extend(entry.as_object().cloned());
            }
        });
        totals.add(slot, 0, 0, 0, -(bytes as i64));
        count
    }

    /// Entries in hash order from `from` on; see [`Table::scan`].
    pub(crate) fn scan(&self, from: u64, count: usize, hasher: &KeyHasher, f: impl FnMut(&EntryRef)) -> Option<u64> {
        self.table.scan(from, count, |e| hasher.hash(e.key()), f)
    }

    /// All entries, roughly in hash order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Lent<'_, EntryRef>> {
        self.table.iter()
    }

    /// The entries of the `n`-th part, about a thousand at most; `None` behind the last. O(n).
    pub(crate) fn part(&self, n: usize) -> Option<impl Iterator<Item = Lent<'_, EntryRef>>> {
        self.table.part(n)
    }

    /// An entry chosen at random.
    pub(crate) fn random(&self, pick: impl FnMut(usize) -> usize) -> Option<Lent<'_, EntryRef>> {
        self.table.random(pick)
    }

    /// Keys that are due at `now`, or have fields that are, found among about `look_max` entries from `from` on in hash order.
    pub(crate) fn due(&self, now: UnixMillis, from: u64, look_max: usize, hasher: &KeyHasher) -> Due {
        let mut due = Due { keys: Vec::new(), earliest: i64::MAX, looked: 0, next: None };
        due.next = self.table.scan(
            from,
            look_max,
            |e| hasher.hash(e.key()),
            |entry| {
                due.looked += 1;
                match entry.next_due() {
                    Some(expiry) if expiry < now => due.keys.push(entry.key().to_vec()),
                    Some(expiry) => due.earliest = due.earliest.min(expiry.0),
                    None => {}
                }
            },
        );
        due
    }

    /// Begins to look for the earliest expiry anew: until [`tighten`](Self::tighten), `next_expiry` tells of what comes in
    /// meanwhile only. Returns what it was.
    pub(crate) fn loosen(&mut self) -> i64 {
        std::mem::replace(&mut self.next_expiry, i64::MAX)
    }

    /// Says that nothing that was there when [`loosen`](Self::loosen) was called is due before `earliest`.
    pub(crate) fn tighten(&mut self, earliest: i64) {
        self.next_expiry = self.next_expiry.min(earliest);
    }
}

/// What of an entry is counted.
#[derive(Clone, Copy, Default)]
struct Weight {
    bytes: usize,
    expiry: Option<UnixMillis>,
    /// The first expiry of its fields.
    fields: Option<UnixMillis>,
}

impl Weight {
    #[inline]
    fn of(entry: &EntryRef) -> Self {
        Self { bytes: entry.heap_bytes(), expiry: entry.expiry(), fields: entry.next_field_expiry() }
    }
}

/// What was filled in and is not yet in the totals.
#[derive(Default)]
pub(crate) struct Filled {
    slot: Option<Slot>,
    db: u16,
    keys: i64,
    expires: i64,
    bytes: i64,
}

impl Filled {
    #[inline]
    fn add(&mut self, around: Surroundings<'_>, expires: i64, bytes: i64) {
        if self.db != around.db {
            self.settle(around.totals);
        }
        // Any stripe will do: only their sums are told.
        (self.slot, self.db) = (Some(around.slot), around.db);
        self.keys += 1;
        self.expires += expires;
        self.bytes += bytes;
    }

    /// Adds what was gathered to the totals.
    pub(crate) fn settle(&mut self, totals: &Totals) {
        let Self { slot, db, keys, expires, bytes } = std::mem::take(self);
        if let Some(slot) = slot {
            totals.add(slot, db, keys, expires, bytes);
        }
    }
}

/// What [`Shard::due`] found.
pub(crate) struct Due {
    pub(crate) keys: Vec<Vec<u8>>,
    /// The earliest expiry among those that are not due.
    pub(crate) earliest: i64,
    /// How many entries were looked at.
    pub(crate) looked: usize,
    /// Where to go on.
    pub(crate) next: Option<u64>,
}
