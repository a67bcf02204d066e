//! Which members a compact collection in the making has already.

use super::StrRef;
use crate::table::KeyHasher;

/// Hashes of strings that were noted.
#[derive(Default)]
pub(crate) struct Seen {
    /// Open addressing; 0 is an empty place. Twice as many places as hashes at least.
    places: Vec<u64>,
    count: usize,
}

impl Seen {
    /// Notes a string in its canonical form; false if it, or one of the same hash, was noted before. O(string), amortised.
    pub(crate) fn note(&mut self, hasher: &KeyHasher, string: StrRef<'_>) -> bool {
        let hash = match string {
            StrRef::Bytes(bytes) => hasher.hash(bytes),
            // As eight bytes; a string of the same bytes is told apart by whoever looks closer.
            StrRef::Int(n) => hasher.hash(&n.to_le_bytes()),
        };
        if self.count * 2 >= self.places.len() {
            self.grow();
        }
        let is_new = self.put(hash | 1);
        self.count += usize::from(is_new);
        is_new
    }

    fn put(&mut self, hash: u64) -> bool {
        let mask = self.places.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        while self.places[at] != 0 {
            if self.places[at] == hash {
                return false;
            }
            at = (at + 1) & mask;
        }
        self.places[at] = hash;
        true
    }

    fn grow(&mut self) {
        let places = vec![0; (self.places.len() * 2).max(PLACES_MIN)];
        for hash in std::mem::replace(&mut self.places, places).into_iter().filter(|hash| *hash != 0) {
            self.put(hash);
        }
    }
}

const PLACES_MIN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_of_equal_strings_is_new() {
        let (hasher, mut seen) = (KeyHasher::new(1), Seen::default());
        let texts: Vec<String> = (0..2_000).map(|n| format!("m{n}")).collect();
        for round in [true, false] {
            for (n, text) in texts.iter().enumerate() {
                assert_eq!(seen.note(&hasher, StrRef::Bytes(text.as_bytes())), round);
                assert_eq!(seen.note(&hasher, StrRef::Int(n as i64 - 1000)), round);
            }
        }
    }
}
