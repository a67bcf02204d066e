//! What the cluster has to know of this node's data.

use crate::host::Node;
use keyslot::engine::{Offset, UnixMillis};
use keyslot::persistence::Journal;
use keyslot::replication::cluster::NodeName;
use keyslot::replication::cluster::member::{Facts, Upstream};
use keyslot::replication::link::ReplicaPhase;
use keyslot::replication::node::Standing;
use std::sync::Arc;
use std::time::Instant;

impl Node {
    /// What the member has to know of the data.
    pub(in crate::host) fn facts(&self) -> Facts {
        let state = self.replication.state.lock();
        let now = self.engine.now();
        let ago = |instant: Instant| UnixMillis(now.0 - instant.elapsed().as_millis() as i64);
        let is_known = state.stream.as_ref().is_none_or(Standing::is_known) && !self.data.is_loading();
        let upstream = match &state.upstream {
            Some(upstream) if is_known && upstream.has_streamed => match (upstream.phase, upstream.heard) {
                (Some(ReplicaPhase::Streaming), Some(heard)) => Upstream::Streaming { heard: ago(heard) },
                _ => Upstream::Down { since: ago(upstream.down_since) },
            },
            _ => Upstream::None,
        };
        let offset = if is_known { self.engine.position().0 } else { 0 };
        let history = state.history().id().number();
        Facts { offset, upstream, is_still: self.engine.is_still(), history }
    }

    /// Which members of the cluster follow the stream, by the names that they gave, and how far they are.
    pub(in crate::host) fn followers(&self) -> Vec<(NodeName, u64)> {
        let state = self.replication.state.lock();
        state.stream.iter().flat_map(Standing::followers).collect()
    }

    /// Whether all replicas that follow have the stream up to an offset; those that have not are asked.
    pub(in crate::host) fn replicas_reached(&self, offset: Offset) -> bool {
        let state = self.replication.state.lock();
        let Some(primary) = state.stream.as_ref().map(Standing::primary) else { return true };
        let is_reached = primary.count_reached(offset) >= primary.replicas().count();
        if !is_reached {
            primary.ask_acks();
        }
        is_reached
    }

    /// The journal, which is begun if there is none.
    pub(in crate::host) fn journal(&self) -> Arc<Journal> {
        Arc::clone(self.replication.state.lock().stream(self).journal())
    }

    /// The name under which this node takes part in strict failover, if it does.
    pub(super) fn strict_name(&self) -> Option<String> {
        self.cluster.as_ref().filter(|_| self.settings.values().switch("cluster-strict-failover"))?.name()
    }

    /// Says that the data is all that this node ever acknowledged, once it is loaded, if that is so.
    pub(super) fn note_whole(&self, has_log: bool) {
        let is_always = self.settings.values().choice("appendfsync") == "always";
        if has_log && (is_always || self.data.was_stopped_cleanly()) {
            let _ = self.command_member(|member, now| member.note_whole(now));
        }
    }
}
