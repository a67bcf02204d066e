//! Pub/sub: who listens to which channel, and how a message gets to all of them.
//!
//! ```text
//! publish(channel, message) -> encode once -> lock the channel's stripe -> mailbox of each subscriber
//!                                                                       -> patterns that match: theirs too
//!                           -> unlock -> wake those whose mailbox was empty
//! ```
//!
//! Three kinds of subscription are apart: to a channel, to a pattern of channels, and to a shard channel, which in a
//! cluster belongs to a slot as a key does. Nothing here knows a session or a command.
//!
//! Invariants
//! - Subscribers of one channel get its messages in one order, whoever publishes: the stripe is held meanwhile.
//! - No lock is held while anybody is woken: the publisher wakes the [`Woken`] when it holds none any more.
//! - Locks order: stripe, patterns, mailbox. All are leaves to the rest of the engine.

mod directory;
mod message;
mod monitors;
mod patterns;

use crate::client::{Bundle, Client, Delivery, Frame, Kind};
use crate::effect::Offset;
use crate::slot::{Slot, SlotSet};
use bytes::Bytes;
use directory::Directory;
use message::Encoded;
pub(crate) use monitors::Monitors;
use parking_lot::RwLock;
use patterns::Patterns;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Clients to be woken once no lock is held.
pub(crate) type Woken = Vec<Arc<Client>>;

/// All subscriptions of an engine.
#[derive(Default)]
pub(crate) struct PubSub {
    channels: Directory,
    shard_channels: Directory,
    patterns: RwLock<Patterns>,
    pattern_count: AtomicUsize,
}

/// What goes with a message.
pub(crate) struct Post<'w> {
    /// The journal's end after what the message tells of.
    pub(crate) offset: Offset,
    /// Bytes that may wait for a subscriber who does not take them; 0 for no limit.
    pub(crate) waiting_bytes_max: u64,
    /// Takes who is to be woken.
    pub(crate) woken: &'w mut Woken,
}

impl PubSub {
    /// Adds a subscription that is not there yet.
    pub(crate) fn subscribe(&self, kind: Kind, name: &Bytes, client: &Arc<Client>) {
        match kind {
            Kind::Channel => self.channels.add(name, client),
            Kind::Shard => self.shard_channels.add(name, client),
            Kind::Pattern => {
                let mut patterns = self.patterns.write();
                patterns.add(name, client);
                self.pattern_count.store(patterns.len(), Ordering::Release);
            }
        }
    }

    /// Takes a subscription away.
    pub(crate) fn unsubscribe(&self, kind: Kind, name: &[u8], client: &Client) {
        match kind {
            Kind::Channel => self.channels.remove(name, client),
            Kind::Shard => self.shard_channels.remove(name, client),
            Kind::Pattern => {
                let mut patterns = self.patterns.write();
                patterns.remove(name, client);
                self.pattern_count.store(patterns.len(), Ordering::Release);
            }
        }
    }

    /// Whether nobody could hear a message on a channel.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.channels.is_empty() && self.pattern_count.load(Ordering::Acquire) == 0
    }

    /// Gives a message to all who listen to a channel, by its name or by a pattern; says to how many.
    /// O(subscribers + patterns).
    pub(crate) fn publish(&self, channel: &[u8], message: &[u8], post: &mut Post<'_>) -> usize {
        if self.is_silent() {
            return 0;
        }
        let mut count = 0;
        self.channels.with(channel, |subscribers| {
            if let Some(subscribers) = subscribers {
                let encoded = Encoded::new(&[b"message", channel, message]);
                count += deliver(subscribers, &encoded, post);
            }
            if self.pattern_count.load(Ordering::Acquire) > 0 {
                for (pattern, subscribers) in self.patterns.read().matching(channel) {
                    let encoded = Encoded::new(&[b"pmessage", pattern, channel, message]);
                    count += deliver(subscribers, &encoded, post);
                }
            }
        });
        count
    }

    /// As [`publish`](Self::publish), but the message may wait in `bundle` for others on its channel, until
    /// [`give_out`](Self::give_out).
    pub(crate) fn publish_bundled(
        &self,
        channel: &[u8],
        message: &[u8],
        bundle: &mut Bundle,
        post: &mut Post<'_>,
    ) -> usize {
        let is_simple = self.pattern_count.load(Ordering::Acquire) == 0 && message.len() <= BUNDLED_BYTES_MAX;
        if !is_simple || bundle.channel != channel {
            self.give_out(bundle, post);
        }
        if !is_simple {
            return self.publish(channel, message, post);
        }
        let count = if self.is_silent() { 0 } else { self.subscriber_count(Kind::Channel, channel) };
        if count > 0 {
            if bundle.channel != channel {
                bundle.channel = channel.to_vec();
            }
            if let Encoded::Short(rest) = Encoded::new(&[b"message", channel, message]) {
                bundle.add(&rest);
            }
            if bundle.is_full() {
                self.give_out(bundle, post);
            }
        }
        count
    }

    /// Gives out what waits in a bundle.
    pub(crate) fn give_out(&self, bundle: &mut Bundle, post: &mut Post<'_>) {
        if bundle.is_empty() {
            return;
        }
        let (frames, starts) = bundle.take();
        self.channels.with(&bundle.channel, |subscribers| match (subscribers, &starts[..]) {
            (None, _) => {}
            (Some(subscribers), [_]) => drop(deliver(subscribers, &Encoded::Short(frames[1..].to_vec()), post)),
            (Some(subscribers), _) => {
                let mut marked = None;
                for client in subscribers {
                    let frames = match client.resp.load(Ordering::Relaxed) {
                        3 => marked.get_or_insert_with(|| Bundle::mark(&frames, &starts)),
                        _ => &frames,
                    };
                    settle(client, client.mailbox.put_shared(frames, post.waiting_bytes_max), post);
                }
            }
        });
    }

    /// Gives a message to all who listen to a shard channel; says to how many.
    pub(crate) fn publish_to_shard(&self, channel: &[u8], message: &[u8], post: &mut Post<'_>) -> usize {
        if self.shard_channels.is_empty() {
            return 0;
        }
        self.shard_channels.with(channel, |subscribers| {
            let Some(subscribers) = subscribers else { return 0 };
            deliver(subscribers, &Encoded::new(&[b"smessage", channel, message]), post)
        })
    }

    /// Announces a keyspace event on the channels that were chosen.
    pub(crate) fn announce(&self, event: Event<'_>, post: &mut Post<'_>) {
        if self.is_silent() {
            return;
        }
        let channel = |kind: &str, name: &[u8]| [format!("__{kind}@{}__:", event.db).as_bytes(), name].concat();
        if event.by_key {
            self.publish(&channel("keyspace", event.key), event.name.as_bytes(), post);
        }
        if event.by_event {
            self.publish(&channel("keyevent", event.name.as_bytes()), event.key, post);
        }
    }

    /// Names of channels, or of shard channels, that anybody listens to and that a pattern matches.
    pub(crate) fn active(&self, kind: Kind, matches: impl FnMut(&[u8]) -> bool) -> Vec<Bytes> {
        self.directory(kind).names(matches)
    }

    /// How many channels or shard channels anybody listens to, or how many patterns there are.
    pub(crate) fn active_count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Pattern => self.pattern_count.load(Ordering::Acquire),
            kind => self.directory(kind).len(),
        }
    }

    /// How many clients listen to a channel or a shard channel by its name.
    pub(crate) fn subscriber_count(&self, kind: Kind, name: &[u8]) -> usize {
        self.directory(kind).with(name, |subscribers| subscribers.map_or(0, |subscribers| subscribers.len()))
    }

    /// Takes away all subscriptions to shard channels of slots that have another owner now, and tells their clients. O(channels).
    pub(crate) fn leave_slots(&self, slots: &SlotSet, post: &mut Post<'_>) {
        if self.shard_channels.is_empty() || slots.is_empty() {
            return;
        }
        for name in self.shard_channels.names(|name| slots.contains(Slot::of(name))) {
            for client in self.shard_channels.clear(&name) {
                client.subscriptions.remove(Kind::Shard, &name);
                let left = client.subscriptions.count(Kind::Shard);
                let encoded = Encoded::of_count(b"sunsubscribe", &name, left);
                deliver(std::iter::once(&client), &encoded, post);
            }
        }
    }

    fn directory(&self, kind: Kind) -> &Directory {
        match kind {
            Kind::Shard => &self.shard_channels,
            Kind::Channel | Kind::Pattern => &self.channels,
        }
    }
}

/// A keyspace event, and where it is to be announced.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) db: u16,
    pub(crate) name: &'static str,
    pub(crate) key: &'a [u8],
    pub(crate) by_key: bool,
    pub(crate) by_event: bool,
}

/// Wakes clients. No lock may be held.
pub(crate) fn wake(woken: &mut Woken) {
    woken.drain(..).for_each(|client| client.waker.wake_by_ref());
}

/// Puts a message into the mailboxes of subscribers; says how many they are.
fn deliver<'a>(subscribers: impl Iterator<Item = &'a Arc<Client>>, encoded: &Encoded, post: &mut Post<'_>) -> usize {
    let frame = Frame { offset: post.offset, ..encoded.frame() };
    let mut count = 0;
    for client in subscribers {
        let first = if client.resp.load(Ordering::Relaxed) == 3 { b'>' } else { b'*' };
        settle(client, client.mailbox.put(first, frame, post.waiting_bytes_max), post);
        count += 1;
    }
    count
}

/// Notes what follows from a delivery.
#[inline]
fn settle(client: &Arc<Client>, delivery: Delivery, post: &mut Post<'_>) {
    match delivery {
        Delivery::First => post.woken.push(Arc::clone(client)),
        Delivery::Queued | Delivery::Refused => {}
        Delivery::Overflowed => {
            client.killed.store(true, Ordering::Release);
            post.woken.push(Arc::clone(client));
        }
    }
}

/// Longer messages are shared one by one.
const BUNDLED_BYTES_MAX: usize = 1024;
