//! What ROLE and INFO tell of links.

use super::{Replication, Upstream};
use crate::host::Node;
use keyslot::engine::resp::ReplyWriter;
use keyslot::replication::link::{ReplicaPhase, ReplicaState, ReplicaStatus};
use std::fmt::Write;

/// The reply of ROLE.
pub(super) fn role(replication: &Replication, node: &Node, reply: &mut ReplyWriter<'_>) {
    let state = replication.state.lock();
    if let Some(upstream) = &state.upstream {
        reply.array(5);
        reply.bulk(b"slave");
        reply.bulk(upstream.target.host.as_bytes());
        reply.integer(upstream.target.port.into());
        reply.bulk(match upstream.phase {
            None => b"connect",
            Some(ReplicaPhase::Handshake | ReplicaPhase::Asking) => b"handshake",
            Some(ReplicaPhase::Receiving) => b"sync",
            Some(ReplicaPhase::Streaming) => b"connected",
            Some(ReplicaPhase::Failed) => b"connect",
        });
        // Where the stream is, while there is one.
        let is_up = upstream.phase == Some(ReplicaPhase::Streaming);
        reply.integer(if is_up { node.engine.position().0 as i64 } else { -1 });
        return;
    }
    let online = |status: &ReplicaStatus| status.state == ReplicaState::Stream;
    let replicas: Vec<_> = state.stream.iter().flat_map(|stream| stream.primary().replicas()).filter(online).collect();
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(node.engine.position().0 as i64);
    reply.array(replicas.len());
    for replica in &replicas {
        reply.array(3);
        reply.bulk(replica.profile.ip_address.as_deref().unwrap_or(LOCAL).as_bytes());
        reply.bulk(replica.profile.listening_port.to_string().as_bytes());
        reply.bulk(replica.acked.to_string().as_bytes());
    }
}

impl Replication {
    /// Appends the lines of INFO replication.
    pub(in crate::host) fn append_info(&self, node: &Node, out: &mut String) {
        let state = self.state.lock();
        let offset = node.engine.position();
        match &state.upstream {
            None => line(out, "role", "master"),
            Some(upstream) => append_upstream(node, upstream, out),
        }
        let replicas: Vec<_> = state.stream.iter().flat_map(|stream| stream.primary().replicas()).collect();
        line(out, "connected_slaves", replicas.len());
        if let Some(good) = state.count_good(node, &node.settings.values()) {
            line(out, "min_slaves_good_slaves", good);
        }
        let now = node.engine.now();
        for (number, replica) in replicas.iter().enumerate() {
            let state = match replica.state {
                ReplicaState::Snapshot => "send_bulk",
                ReplicaState::Waiting => "wait_bgsave",
                ReplicaState::Stream => "online",
            };
            let _ = write!(
                out,
                "slave{number}:ip={},port={},state={state},offset={},lag={}\r\n",
                replica.profile.ip_address.as_deref().unwrap_or(LOCAL),
                replica.profile.listening_port,
                replica.acked,
                (now.0 - replica.heard.0).max(0) / 1000,
            );
        }
        if node.is_guarding(&state) {
            line(out, "empty_primary_guard", "refusing");
        }
        line(out, "master_failover_state", state.failover.state().as_str());
        line(out, "master_replid", state.history().id());
        match state.history().previous() {
            Some((id, end)) => {
                line(out, "master_replid2", id);
                line(out, "master_repl_offset", offset);
                line(out, "second_repl_offset", end.0 + 1);
            }
            None => {
                line(out, "master_replid2", "0".repeat(40));
                line(out, "master_repl_offset", offset);
                line(out, "second_repl_offset", -1);
            }
        }
        let oldest = state.stream.as_ref().map(|stream| stream.journal().oldest());
        line(out, "repl_backlog_active", u8::from(oldest.is_some()));
        line(out, "repl_backlog_size", node.settings.values().number("repl-backlog-size"));
        line(out, "repl_backlog_first_byte_offset", oldest.map_or(0, |oldest| oldest.0 + 1));
        line(out, "repl_backlog_histlen", oldest.map_or(0, |oldest| offset.0.saturating_sub(oldest.0)));
    }

    /// Appends what INFO stats counts.
    pub(in crate::host) fn append_counts(&self, out: &mut String) {
        let counts = self.state.lock().stream.as_ref().map(|stream| stream.primary().counts()).unwrap_or_default();
        line(out, "sync_full", counts.full);
        line(out, "sync_full_native", counts.native);
        line(out, "sync_partial_ok", counts.partial);
        line(out, "sync_partial_err", counts.refused);
    }
}

fn append_upstream(node: &Node, upstream: &Upstream, out: &mut String) {
    let values = node.settings.values();
    let is_up = upstream.phase == Some(ReplicaPhase::Streaming);
    let is_syncing = matches!(upstream.phase, Some(ReplicaPhase::Asking | ReplicaPhase::Receiving));
    let offset = node.engine.position();
    line(out, "role", "slave");
    line(out, "master_host", &upstream.target.host);
    line(out, "master_port", upstream.target.port);
    line(out, "master_link_status", if is_up { "up" } else { "down" });
    let heard = upstream.heard.map_or(-1, |heard| heard.elapsed().as_secs() as i64);
    line(out, "master_last_io_seconds_ago", if is_up { heard } else { -1 });
    line(out, "master_sync_in_progress", u8::from(is_syncing));
    line(out, "slave_read_repl_offset", offset);
    line(out, "slave_repl_offset", offset);
    if is_syncing {
        line(out, "master_sync_total_bytes", -1);
        line(out, "master_sync_read_bytes", upstream.received_bytes);
        line(out, "master_sync_left_bytes", -1);
        line(out, "master_sync_perc", "-0.00");
        line(out, "master_sync_last_io_seconds_ago", heard);
    }
    if !is_up {
        line(out, "master_link_down_since_seconds", upstream.down_since.elapsed().as_secs());
    }
    line(out, "slave_priority", values.number("replica-priority"));
    line(out, "slave_read_only", u8::from(values.switch("replica-read-only")));
    line(out, "replica_announced", u8::from(values.switch("replica-announced")));
}

fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(out, "{name}:{value}\r\n");
}

/// What is said of a replica that did not say where it is, and of whom the address is not noted.
const LOCAL: &str = "127.0.0.1";
