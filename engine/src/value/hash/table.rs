//! Large hashes: a table of blocks, a field each, with its value and perhaps an expiry.
//!
//! Invariants
//! - `timed` is the number of fields with an expiry; `next_expiry` is not later than the earliest of them.
//! - What [`due_part`](FieldTable::due_part) has passed since it began anew is in `walk_earliest`.

use crate::table::KeyHasher;
use crate::time::UnixMillis;
use crate::value::{FieldExpiry, Member, MemberTable, StrRef};

/// Fields by their bytes. Cloning shares the parts.
#[derive(Clone)]
pub(crate) struct FieldTable {
    fields: MemberTable,
    timed: usize,
    next_expiry: i64,
    /// Where the walk for due fields goes on; 0 when none is under way.
    walk: u64,
    /// The earliest expiry met in the walk that is not due.
    walk_earliest: i64,
}

impl FieldTable {
    pub(crate) fn new(hasher: KeyHasher) -> Self {
        let fields = MemberTable::new(hasher);
        Self { fields, timed: 0, next_expiry: i64::MAX, walk: 0, walk_earliest: i64::MAX }
    }

    pub(crate) fn fields(&self) -> &MemberTable {
        &self.fields
    }

    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// No field is due before this time.
    pub(crate) fn next_expiry(&self) -> Option<UnixMillis> {
        (self.timed > 0).then_some(UnixMillis(self.next_expiry))
    }

    /// Sets a field; says whether it is new. O(1).
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8], expiry: FieldExpiry) -> bool {
        let value = StrRef::Bytes(value);
        let hash = self.fields.hash(field);
        let Some(spot) = self.fields.find_hashed(hash, field) else {
            let expiry = if let FieldExpiry::At(at) = expiry { Some(at) } else { None };
            self.note(None, expiry);
            self.fields.insert_hashed(hash, Member::string(field, value, false, expiry));
            return true;
        };
        let (old, new) = self.fields.update(spot, |member| {
            let old = member.expiry();
            let new = match expiry {
                FieldExpiry::Clear => None,
                FieldExpiry::Keep => old,
                FieldExpiry::At(at) => Some(at),
            };
            member.set_string(value, false, new);
            (old, new)
        });
        self.note(old, new);
        false
    }

    /// Sets or clears the expiry of a field. O(1).
    pub(crate) fn set_expiry(&mut self, field: &[u8], expiry: Option<UnixMillis>) {
        let Some(spot) = self.fields.find(field) else { return };
        let old = self.fields.update(spot, |member| {
            let old = member.expiry();
            member.set_expiry(expiry);
            old
        });
        self.note(old, expiry);
    }

    /// Takes a field out; says whether it was there. O(1).
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        let Some(spot) = self.fields.find(field) else { return false };
        let old = self.fields.remove(spot).expiry();
        self.note(old, None);
        true
    }

    fn note(&mut self, old: Option<UnixMillis>, new: Option<UnixMillis>) {
        self.timed = self.timed + usize::from(new.is_some()) - usize::from(old.is_some());
        if let Some(UnixMillis(ms)) = new {
            self.next_expiry = self.next_expiry.min(ms);
            self.walk_earliest = self.walk_earliest.min(ms);
        }
        if self.timed == 0 {
            (self.next_expiry, self.walk, self.walk_earliest) = (i64::MAX, 0, i64::MAX);
        }
    }

    /// Looks at about `count` fields, from where the last call ended, and returns those that are due at `now`. When it has
    /// been through all of them, `next_expiry` is renewed. The caller takes them out. O(count).
    pub(crate) fn due_part(&mut self, now: UnixMillis, count: usize) -> Vec<Vec<u8>> {
        let mut due = Vec::new();
        let mut earliest = if self.walk == 0 { i64::MAX } else { self.walk_earliest };
        self.walk = self.fields.scan(self.walk, count, |member| match member.expiry() {
            Some(expiry) if expiry < now => due.push(member.key().to_vec()),
            Some(expiry) => earliest = earliest.min(expiry.0),
            None => {}
        });
        self.walk_earliest = earliest;
        if self.walk == 0 {
            self.next_expiry = earliest;
        }
        due
    }

    /// Frees the fields of one segment: nothing can be looked up any more. Returns how many; 0 when none is left.
    pub(crate) fn drain_part(&mut self) -> usize {
        self.fields.drain_part()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_fields_are_found_in_parts_and_the_hint_is_renewed() {
        let mut table = FieldTable::new(KeyHasher::new(1));
        for n in 0..3_000 {
            let expiry = if n % 3 == 0 { FieldExpiry::At(UnixMillis(1_000 + n)) } else { FieldExpiry::Clear };
            assert!(table.set(n.to_string().as_bytes(), b"v", expiry));
        }
        assert_eq!((table.len(), table.timed, table.next_expiry()), (3_000, 1_000, Some(UnixMillis(1_000))));
        let mut parts = 0;
        while table.next_expiry().is_some_and(|next| next < UnixMillis(2_500)) {
            let due = table.due_part(UnixMillis(2_500), 100);
            assert!(due.len() <= 150, "a part is bounded");
            due.iter().for_each(|field| assert!(table.remove(field)));
            parts += 1;
            if parts == 5 {
                // What comes in during a walk is in the new hint, wherever it lies.
                table.set(b"late", b"v", FieldExpiry::At(UnixMillis(2_501)));
                table.set_expiry(b"2998", Some(UnixMillis(2_502)));
            }
        }
        assert!(parts > 10);
        assert_eq!((table.len(), table.timed, table.next_expiry()), (2_501, 502, Some(UnixMillis(2_500))));
        table.set_expiry(b"1500", Some(UnixMillis(9_000)));
        assert!(!table.set(b"1503", b"w", FieldExpiry::Keep));
        assert!(!table.set(b"1506", b"w", FieldExpiry::Clear));
        assert_eq!(table.timed, 501);
    }
}
