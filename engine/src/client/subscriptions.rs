//! What one client listens to. Its session changes it; only a slot that moves away may take shard channels from it.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

/// Names by kind, and their counts for everybody to read.
#[derive(Default, Debug)]
pub(crate) struct Subscriptions {
    names: Mutex<Names>,
    pub(crate) channels: AtomicU32,
    pub(crate) patterns: AtomicU32,
    pub(crate) shard_channels: AtomicU32,
}

#[derive(Default, Debug)]
struct Names {
    channels: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
    shard_channels: BTreeSet<Bytes>,
}

/// What a client can subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A channel.
    Channel,
    /// Every channel that a pattern matches.
    Pattern,
    /// A channel that belongs to a slot.
    Shard,
}

impl Subscriptions {
    /// Adds a name; false if it is there already.
    pub(crate) fn add(&self, kind: Kind, name: &Bytes) -> bool {
        self.change(kind, |names| names.insert(name.clone()))
    }

    /// Takes a name out; false if it is not there.
    pub(crate) fn remove(&self, kind: Kind, name: &[u8]) -> bool {
        self.change(kind, |names| names.remove(name))
    }

    /// All names of a kind.
    pub(crate) fn names(&self, kind: Kind) -> Vec<Bytes> {
        let names = self.names.lock();
        let names = match kind {
            Kind::Channel => &names.channels,
            Kind::Pattern => &names.patterns,
            Kind::Shard => &names.shard_channels,
        };
        names.iter().cloned().collect()
    }

    /// Takes all names of a kind out.
    pub(crate) fn take(&self, kind: Kind) -> Vec<Bytes> {
        self.change(kind, std::mem::take).into_iter().collect()
    }

    /// How many there are: channels and patterns count together, shard channels by themselves.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        let load = Ordering::Relaxed;
        let count = match kind {
            Kind::Channel | Kind::Pattern => self.channels.load(load) + self.patterns.load(load),
            Kind::Shard => self.shard_channels.load(load),
        };
        count as usize
    }

    /// Whether there is any subscription.
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        let load = Ordering::Relaxed;
        self.channels.load(load) | self.patterns.load(load) | self.shard_channels.load(load) != 0
    }

    fn change<R>(&self, kind: Kind, f: impl FnOnce(&mut BTreeSet<Bytes>) -> R) -> R {
        let mut names = self.names.lock();
        let (names, count) = match kind {
            Kind::Channel => (&mut names.channels, &self.channels),
            Kind::Pattern => (&mut names.patterns, &self.patterns),
            Kind::Shard => (&mut names.shard_channels, &self.shard_channels),
        };
        let result = f(names);
        count.store(names.len() as u32, Ordering::Relaxed);
        result
    }
}
