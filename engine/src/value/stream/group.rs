//! A consumer group: how far it has read, who reads, and which entries were handed out and not yet acknowledged.
//!
//! ```text
//! group.pending      id -> who has it, since when, how often it was handed out
//! consumer.pending   id                     the same ids, those of one consumer
//! ```
//!
//! Invariants
//! - An id is pending in the group if and only if it is pending in exactly one consumer, the one that the group names.
//! - `bytes` is what lies behind the group on the heap.

use super::id::StreamId;
use super::tree::{Ascending, Tree};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The name of a group or a consumer, shared by all that name it.
pub(crate) type Name = Arc<[u8]>;

/// A consumer group. See the module.
#[derive(Clone)]
pub(crate) struct Group {
    /// The last entry that was handed out.
    pub(crate) last_id: StreamId,
    /// How many entries of the stream, counted from its very first one, were read up to `last_id`; `None` if unknown.
    pub(crate) entries_read: Option<u64>,
    pending: Tree<StreamId, Pending>,
    consumers: Tree<Name, Arc<Consumer>>,
    consumer_bytes: usize,
}

/// An entry that was handed out and not yet acknowledged.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) consumer: Name,
    /// When it was handed out last, in milliseconds of Unix time.
    pub(crate) delivered_ms: i64,
    pub(crate) delivery_count: u64,
}

/// Somebody who reads for a group.
pub(crate) struct Consumer {
    /// When it last asked for something. Changed while others share the consumer, like an entry's access bits.
    seen_ms: AtomicI64,
    /// When it last got something; `None` if never.
    pub(crate) active_ms: Option<i64>,
    pending: Tree<StreamId, ()>,
}

impl Clone for Consumer {
    fn clone(&self) -> Self {
        Self { seen_ms: AtomicI64::new(self.seen_ms()), active_ms: self.active_ms, pending: self.pending.clone() }
    }
}

impl Consumer {
    fn new(now_ms: i64) -> Self {
        Self { seen_ms: AtomicI64::new(now_ms), active_ms: None, pending: Tree::new() }
    }

    /// When it last asked for something.
    pub(crate) fn seen_ms(&self) -> i64 {
        self.seen_ms.load(Relaxed)
    }

    /// Notes that it asks for something.
    pub(crate) fn see(&self, now_ms: i64) {
        self.seen_ms.store(now_ms, Relaxed);
    }

    /// How many entries it was handed out and has not acknowledged.
    pub(crate) fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// The ids of those entries from `start` on.
    pub(crate) fn pending_from(&self, start: StreamId) -> impl Iterator<Item = StreamId> {
        self.pending.iter_from(&start).map(|(id, ())| *id)
    }

    fn heap_bytes(&self, name: &[u8]) -> usize {
        let name_bytes = (name.len() + 16).next_multiple_of(16);
        name_bytes + 16 + size_of::<Self>() + self.pending.heap_bytes()
    }
}

impl Group {
    pub(crate) fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Self { last_id, entries_read, pending: Tree::new(), consumers: Tree::new(), consumer_bytes: 0 }
    }

    /// Bytes of heap behind the group. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        16 + size_of::<Self>() + self.pending.heap_bytes() + self.consumers.heap_bytes() + self.consumer_bytes
    }

    /// How many entries are pending. O(1).
    pub(crate) fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// The first and the last pending id.
    pub(crate) fn pending_ends(&self) -> Option<(StreamId, StreamId)> {
        Some((*self.pending.first()?.0, *self.pending.last()?.0))
    }

    pub(crate) fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// Pending entries from `start` on.
    pub(crate) fn pending_from(&self, start: StreamId) -> Ascending<'_, StreamId, Pending> {
        self.pending.iter_from(&start)
    }

    pub(crate) fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    pub(crate) fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.consumers.get(name).map(|consumer| &**consumer)
    }

    /// Consumers in the order of their names.
    pub(crate) fn consumers(&self) -> impl Iterator<Item = (&Name, &Consumer)> {
        self.consumers.iter().map(|(name, consumer)| (name, &**consumer))
    }

    /// Adds a consumer; false if there is one of that name.
    pub(crate) fn create_consumer(&mut self, name: &[u8], now_ms: i64) -> bool {
        if self.consumers.get(name).is_some() {
            return false;
        }
        let consumer = Consumer::new(now_ms);
        self.consumer_bytes += consumer.heap_bytes(name);
        self.consumers.insert(name.into(), Arc::new(consumer));
        true
    }

    /// Takes a consumer out with all that is pending for it; returns how much that was. O(pending of the consumer).
    pub(crate) fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        self.consumer_bytes -= consumer.heap_bytes(name);
        for (id, ()) in consumer.pending.iter() {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Notes that a consumer got something.
    pub(crate) fn activate(&mut self, name: &[u8], now_ms: i64) {
        self.edit_consumer(name, |consumer| consumer.active_ms = Some(now_ms));
    }

    /// Hands an entry to a consumer, whoever had it before. The consumer must exist.
    pub(crate) fn assign(&mut self, id: StreamId, consumer: &[u8], delivered_ms: i64, delivery_count: u64) {
        let Some((name, _)) = self.consumers.get_key_value(consumer) else { return };
        let pending = Pending { consumer: Arc::clone(name), delivered_ms, delivery_count };
        let before = self.pending.insert(id, pending);
        match before {
            Some(before) if *before.consumer == *consumer => return,
            Some(before) => self.edit_consumer(&before.consumer, |old| {
                old.pending.remove(&id);
            }),
            None => {}
        }
        self.edit_consumer(consumer, |new| {
            new.pending.insert(id, ());
        });
    }

    /// Takes a pending entry out: it is acknowledged, or gone from the stream.
    pub(crate) fn settle(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.edit_consumer(&pending.consumer, |consumer| {
            consumer.pending.remove(&id);
        });
        Some(pending)
    }

    fn edit_consumer(&mut self, name: &[u8], f: impl FnOnce(&mut Consumer)) {
        if let Some(consumer) = self.consumers.get_mut(name) {
            let before = consumer.heap_bytes(name);
            let consumer = Arc::make_mut(consumer);
            f(consumer);
            self.consumer_bytes = self.consumer_bytes + consumer.heap_bytes(name) - before;
        }
    }
}
