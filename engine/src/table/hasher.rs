//! The hash function of keys and members.

use std::hash::{BuildHasher, Hasher};

/// The hash function of an engine's keys: seeded, so that clients cannot aim at one bucket, and the same for a simulation
/// that gives the same seed. Cheap to copy.
#[derive(Clone)]
pub(crate) struct KeyHasher(foldhash::quality::SeedableRandomState);

impl KeyHasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self(foldhash::quality::SeedableRandomState::with_seed(seed, foldhash::SharedSeed::global_fixed()))
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}
