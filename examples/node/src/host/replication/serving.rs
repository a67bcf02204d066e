//! A connection that serves a replica.

use super::{LinkResult, Replication};
use crate::host::Node;
use keyslot::replication::link::{LinkError, LinkId, SyncScope};
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, Waker};

impl Replication {
    /// Whether some client asked for the stream whose connection does not know yet.
    #[inline]
    pub(in crate::host) fn has_arrivals(&self) -> bool {
        self.arrival_count.load(Relaxed) > 0
    }

    /// Makes a link of a client's connection, if the client asked for the stream.
    pub(in crate::host) fn arrive(&self, node: &Node, client: u64) -> Option<LinkResult<LinkId>> {
        let request = self.arrivals.lock().remove(&client)?;
        self.arrival_count.fetch_sub(1, Relaxed);
        let profile = self.profiles.lock().get(&client).cloned().unwrap_or_default();
        let mut state = self.state.lock();
        let stream = state.stream(node);
        stream.primary_mut().set_options(super::primary_options(node));
        if profile.scope == SyncScope::Stream {
            node.mark_replicated();
        }
        let link = stream.serve(profile, request, node.engine.now());
        tracing::info!("A replica asks for {request:?}; resyncs so far: {:?}", stream.primary().counts());
        drop(state);
        node.say_transfers();
        Some(link)
    }

    /// Takes what a replica sent.
    pub(in crate::host) fn hear(&self, node: &Node, link: LinkId, bytes: &[u8]) -> LinkResult<()> {
        let heard = match &mut self.state.lock().stream {
            Some(stream) => stream.primary_mut().handle_input(link, bytes, node.engine.now()),
            None => Err(LinkError::Unknown),
        };
        self.serve_waits(node.engine.now());
        node.move_failover();
        heard
    }

    /// How many bytes of the stream wait, where nothing else is to be sent.
    pub(in crate::host) fn unsent_bytes(&self, link: LinkId) -> Option<u64> {
        self.state.lock().stream.as_ref()?.primary().unsent_bytes(link)
    }

    /// Appends what is to be sent to a replica.
    pub(in crate::host) fn say(&self, link: LinkId, out: &mut Vec<u8>) -> LinkResult<()> {
        match &mut self.state.lock().stream {
            Some(stream) => stream.primary_mut().poll_output(link, out, OUTPUT_BYTES),
            None => Err(LinkError::Unknown),
        }
    }

    /// Whether there is more to send; `waker` is woken when there is.
    pub(in crate::host) fn poll_more(&self, link: LinkId, waker: &Waker) -> Poll<()> {
        match &self.state.lock().stream {
            Some(stream) => stream.primary().poll_more(link, waker),
            None => Poll::Ready(()),
        }
    }

    /// The connection of a replica has ended.
    pub(in crate::host) fn leave(&self, link: LinkId) {
        if let Some(stream) = &mut self.state.lock().stream {
            stream.primary_mut().detach(link);
        }
    }
}

/// Bytes that are taken for one replica at once.
const OUTPUT_BYTES: usize = 256 << 10;
