//! Channels by name, each with its subscribers.
//!
//! The names are spread over stripes with a lock each. A stripe is held while a message goes to the subscribers of one of
//! its channels, also of a channel that nobody listens to by name: that is what keeps the messages of a channel in order.

use crate::client::Client;
use bytes::Bytes;
use foldhash::fast::FixedState;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Clients by their number.
pub(super) type Subscribers = HashMap<u64, Arc<Client>, FixedState>;

type Stripe = HashMap<Bytes, Subscribers, FixedState>;

/// All channels of one kind.
pub(super) struct Directory {
    stripes: Box<[Mutex<Stripe>]>,
    len: AtomicUsize,
}

impl Default for Directory {
    fn default() -> Self {
        Self { stripes: (0..STRIPE_COUNT).map(|_| Mutex::default()).collect(), len: AtomicUsize::new(0) }
    }
}

impl Directory {
    /// How many channels have subscribers.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn add(&self, name: &Bytes, client: &Arc<Client>) {
        let mut stripe = self.stripe(name).lock();
        let subscribers = stripe.entry(name.clone()).or_insert_with(|| {
            self.len.fetch_add(1, Ordering::AcqRel);
            Subscribers::default()
        });
        subscribers.insert(client.id, Arc::clone(client));
    }

    pub(super) fn remove(&self, name: &[u8], client: &Client) {
        let mut stripe = self.stripe(name).lock();
        let Some(subscribers) = stripe.get_mut(name) else { return };
        subscribers.remove(&client.id);
        if subscribers.is_empty() {
            stripe.remove(name);
            self.len.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Takes a channel out with all its subscribers.
    pub(super) fn clear(&self, name: &[u8]) -> Vec<Arc<Client>> {
        let removed = self.stripe(name).lock().remove(name);
        let Some(subscribers) = removed else { return Vec::new() };
        self.len.fetch_sub(1, Ordering::AcqRel);
        subscribers.into_values().collect()
    }

    /// Holds a channel's stripe while `f` looks at its subscribers; `None` if there are none.
    pub(super) fn with<R>(
        &self,
        name: &[u8],
        f: impl FnOnce(Option<std::collections::hash_map::Values<'_, u64, Arc<Client>>>) -> R,
    ) -> R {
        let stripe = self.stripe(name).lock();
        f(stripe.get(name).map(HashMap::values))
    }

    /// Names that `matches` wants. Each stripe is held for a moment.
    pub(super) fn names(&self, mut matches: impl FnMut(&[u8]) -> bool) -> Vec<Bytes> {
        let mut names = Vec::new();
        for stripe in &self.stripes {
            names.extend(stripe.lock().keys().filter(|name| matches(name)).cloned());
        }
        names
    }

    fn stripe(&self, name: &[u8]) -> &Mutex<Stripe> {
        // Other bits than those by which the stripe's own table sorts.
        let hash = FixedState::with_seed(STRIPE_SEED).hash_one(name);
        &self.stripes[hash as usize % STRIPE_COUNT]
    }
}

const STRIPE_COUNT: usize = 16;
const STRIPE_SEED: u64 = 0x5ca1_ab1e;
