//! Listening from inside the program: messages of channels and patterns as values, without a connection.

use crate::client::{Client, Kind};
use crate::command::pubsub::leave_all;
use crate::core::Core;
use crate::engine::{Engine, thread_waker};
use crate::resp::{Value, parse_reply};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

/// A message that a [`Subscription`] got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The channel that it was published on.
    pub channel: Bytes,
    /// The pattern that matched the channel, if it was that which brought the message.
    pub pattern: Option<Bytes>,
    /// What was published.
    pub payload: Bytes,
}

/// More messages waited than [`Options::subscriber_bytes_max`](crate::Options::subscriber_bytes_max) allows: some are lost,
/// and no more will come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the subscriber did not keep up, and messages are lost")]
pub struct TooSlow;

/// Messages of channels and patterns, in the order in which they were published. Ends its subscriptions when it is dropped.
///
/// ```
/// use keyslot_engine::Engine;
/// use std::time::Duration;
/// let db = Engine::in_memory();
/// let mut news = db.subscribe(["news"]);
/// assert_eq!(db.publish("news", "hello"), 1);
/// let message = news.next_timeout(Duration::from_secs(1))?.expect("it was published");
/// assert_eq!(message.payload, "hello");
/// assert_eq!(news.try_next()?, None);
/// # Ok::<(), keyslot_engine::TooSlow>(())
/// ```
pub struct Subscription {
    core: Arc<Core>,
    client: Arc<Client>,
    relay: Arc<Relay>,
    /// Messages taken out of the mailbox, from `at` on not yet given out.
    taken: Vec<u8>,
    at: usize,
}

/// Wakes whoever waits for the subscription just now.
#[derive(Default)]
struct Relay(Mutex<Option<Waker>>);

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waker = self.0.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Engine {
    /// Listens to channels.
    pub fn subscribe<N: AsRef<[u8]>>(&self, channels: impl IntoIterator<Item = N>) -> Subscription {
        let mut subscription = self.subscription();
        channels.into_iter().for_each(|channel| subscription.subscribe(channel));
        subscription
    }

    /// Listens to every channel that one of the patterns matches, as PSUBSCRIBE does: `news.*`.
    pub fn psubscribe<N: AsRef<[u8]>>(&self, patterns: impl IntoIterator<Item = N>) -> Subscription {
        let mut subscription = self.subscription();
        patterns.into_iter().for_each(|pattern| subscription.psubscribe(pattern));
        subscription
    }

    fn subscription(&self) -> Subscription {
        let relay = Arc::new(Relay::default());
        let client = self.core.clients.listener(Arc::clone(&relay).into());
        Subscription { core: Arc::clone(&self.core), client, relay, taken: Vec::new(), at: 0 }
    }
}

impl Subscription {
    /// Listens to one more channel.
    pub fn subscribe(&mut self, channel: impl AsRef<[u8]>) {
        self.add(Kind::Channel, channel.as_ref());
    }

    /// Listens to one more pattern of channels.
    pub fn psubscribe(&mut self, pattern: impl AsRef<[u8]>) {
        self.add(Kind::Pattern, pattern.as_ref());
    }

    /// Listens to one more shard channel.
    pub fn ssubscribe(&mut self, channel: impl AsRef<[u8]>) {
        self.add(Kind::Shard, channel.as_ref());
    }

    /// Listens to a channel no longer. Messages that wait stay.
    pub fn unsubscribe(&mut self, channel: impl AsRef<[u8]>) {
        self.remove(Kind::Channel, channel.as_ref());
    }

    /// Listens to a pattern no longer. Messages that wait stay.
    pub fn punsubscribe(&mut self, pattern: impl AsRef<[u8]>) {
        self.remove(Kind::Pattern, pattern.as_ref());
    }

    fn add(&mut self, kind: Kind, name: &[u8]) {
        let name = Bytes::copy_from_slice(name);
        if self.client.subscriptions.add(kind, &name) {
            self.core.pubsub.subscribe(kind, &name, &self.client);
        }
    }

    fn remove(&mut self, kind: Kind, name: &[u8]) {
        if self.client.subscriptions.remove(kind, name) {
            self.core.pubsub.unsubscribe(kind, name, &self.client);
        }
    }

    /// The next message that is there already.
    pub fn try_next(&mut self) -> Result<Option<Message>, TooSlow> {
        loop {
            if self.at == self.taken.len() {
                self.taken.clear();
                self.at = 0;
                self.client.mailbox.take(&mut self.taken);
            }
            if self.client.killed.load(Ordering::Acquire) {
                return Err(TooSlow);
            }
            let Ok(Some((frame, len))) = parse_reply(&self.taken[self.at..]) else { return Ok(None) };
            self.at += len;
            if let Some(message) = message_of(&frame) {
                return Ok(Some(message));
            }
        }
    }

    /// The next message, or `Pending`: then `waker` is woken when there is one.
    pub fn poll_next(&mut self, waker: &Waker) -> Poll<Result<Message, TooSlow>> {
        *self.relay.0.lock() = Some(waker.clone());
        match self.try_next() {
            Ok(Some(message)) => Poll::Ready(Ok(message)),
            Ok(None) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// The next message, waiting for it at most so long by the engine's clock; `None` if there was none.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, TooSlow> {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        let deadline = self.core.monotonic_ns().saturating_add(nanos);
        loop {
            if let Poll::Ready(message) = self.poll_next(&thread_waker()) {
                return message.map(Some);
            }
            match deadline.saturating_sub(self.core.monotonic_ns()) {
                0 => return Ok(None),
                left => std::thread::park_timeout(Duration::from_nanos(left)),
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        leave_all(&self.core, &self.client);
    }
}

/// The message in a push; `None` for a push that is none.
fn message_of(frame: &Value) -> Option<Message> {
    let word = |value: &Value| value.as_bytes().map(Bytes::copy_from_slice);
    match frame.as_slice()? {
        [kind, channel, payload] if matches!(kind.as_bytes()?, b"message" | b"smessage") => {
            Some(Message { channel: word(channel)?, pattern: None, payload: word(payload)? })
        }
        [_, pattern, channel, payload] => {
            Some(Message { channel: word(channel)?, pattern: Some(word(pattern)?), payload: word(payload)? })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_channels_and_patterns_come_in_order() {
        let db = Engine::in_memory();
        let mut s = db.subscribe(["a", "b"]);
        s.psubscribe("a*");
        assert_eq!(db.publish("a", "1"), 2);
        assert_eq!(db.publish("b", [0, 255]), 1);
        assert_eq!(db.publish("ab", "3"), 1);
        assert_eq!(db.publish("c", "4"), 0);
        for (channel, pattern, payload) in
            [("a", None, b"1".as_slice()), ("a", Some("a*"), b"1"), ("b", None, &[0, 255]), ("ab", Some("a*"), b"3")]
        {
            let message = s.try_next().unwrap().unwrap();
            assert_eq!((message.channel, message.pattern), (channel.into(), pattern.map(Bytes::from)));
            assert_eq!(message.payload, payload);
        }
        assert_eq!(s.try_next(), Ok(None));
        s.unsubscribe("a");
        s.punsubscribe("a*");
        assert_eq!(db.publish("a", "5"), 0);
        drop(s);
        assert_eq!(db.publish("b", "6"), 0);
    }

    #[test]
    fn a_slow_subscriber_is_told_and_nobody_else_is_hurt() {
        let db = Engine::in_memory();
        db.options().subscriber_bytes_max.store(1000, Ordering::Relaxed);
        let (mut slow, mut quick) = (db.subscribe(["c"]), db.subscribe(["c"]));
        for _ in 0..50 {
            db.publish("c", "0123456789");
            assert!(quick.try_next().unwrap().is_some());
        }
        assert_eq!(slow.try_next(), Err(TooSlow));
        assert_eq!(quick.try_next(), Ok(None));
    }

    #[test]
    fn a_thread_that_waits_is_woken() {
        let db = Engine::in_memory();
        let mut s = db.subscribe(["c"]);
        assert_eq!(s.next_timeout(Duration::from_millis(1)), Ok(None));
        std::thread::scope(|scope| {
            scope.spawn(|| db.publish("c", "x".repeat(10_000)));
            let message = s.next_timeout(Duration::from_secs(60)).unwrap().unwrap();
            assert_eq!(message.payload.len(), 10_000);
        });
    }
}
