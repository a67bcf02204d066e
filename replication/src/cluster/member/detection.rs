//! Who is down.
//!
//! ```text
//!          asked, and silent for a node timeout            a majority of the primaries says so
//! (there) --------------------------------------> PFAIL --------------------------------------> FAIL
//!    ^------------ it answers ----------------------'                                            |
//!    '------------ it answers: a replica, or one without slots, at once; else after two node timeouts, if nobody took its slots
//! ```
//!
//! With `cluster-fast-detection` a node that was there and refuses a connection is PFAIL at once. A partition refuses nothing, and a
//! node that starts again in its place answers; who is elected meanwhile is elected as ever.
//!
//! PFAIL is what this node sees. It is told in gossip, and who is suspected by a majority of those that vote, this node counted, is
//! FAIL for everybody: whoever finds that out first says so to all.

use super::super::message::{Body, NodeFlags};
use super::super::name::NodeName;
use super::super::roster::KnownNode;
use super::Member;
use super::output::MemberEvent;
use keyslot_engine::UnixMillis;

impl Member {
    /// Once a second asks one of five nodes: the one that was not heard of for the longest.
    pub(super) fn ping_by_chance(&mut self, now: UnixMillis) {
        let ticks = (1000 / self.options.tick_ms()).max(1) as u64;
        if !self.ticks.is_multiple_of(ticks) || self.peers.is_empty() {
            return;
        }
        let names: Vec<NodeName> = self.peers.keys().copied().collect();
        let mut oldest: Option<(Option<UnixMillis>, NodeName)> = None;
        for _ in 0..CANDIDATES {
            let name = names[(self.chance.next() % names.len() as u64) as usize];
            let Some(node) = self.roster.node(&name) else { continue };
            if !node.is_linked || node.ping_sent.is_some() || node.is_in_handshake() {
                continue;
            }
            if oldest.is_none_or(|(at, _)| node.pong_received < at) {
                oldest = Some((node.pong_received, name));
            }
        }
        if let Some((_, name)) = oldest {
            self.ping(name, now);
        }
    }

    /// Asks who was not heard of for half of the node timeout, and suspects who does not answer.
    pub(super) fn look_for_silence(&mut self, now: UnixMillis) {
        let timeout_ms = self.options.node_timeout_ms;
        let names: Vec<NodeName> = self.peers.keys().copied().collect();
        let mut is_new = false;
        for name in names {
            let (Some(node), Some(peer)) = (self.roster.node(&name), self.peers.get(&name)) else { continue };
            if node.is_in_handshake() || node.flags.has(NodeFlags::NO_ADDRESS) {
                continue;
            }
            let heard = peer.heard;
            let silent_ms = node.ping_sent.map_or(0, |sent| (now.0 - sent.0).min(now.0 - heard.0));
            // A connection may be dead without an end: a new one tells.
            if let (Some(link), Some(sent)) = (peer.link, node.ping_sent)
                && self.links.get(&link).is_some_and(|link| now.0 - link.since.0 > timeout_ms)
                && now.0 - sent.0 > timeout_ms / 2
                && now.0 - heard.0 > timeout_ms / 2
            {
                self.close(link, "no answer for half of cluster-node-timeout", now);
            }
            let Some(node) = self.roster.node(&name) else { continue };
            let is_due = node.pong_received.is_none_or(|at| now.0 - at.0 > timeout_ms / 2);
            if node.is_linked && node.ping_sent.is_none() && (is_due || self.is_held_for(&name)) {
                self.ping(name, now);
                continue;
            }
            if silent_ms > timeout_ms && !node.is_suspected() && !node.is_failed() {
                self.suspect(name, now);
                is_new = true;
            }
        }
        if is_new {
            self.tell_suspicion(now);
        }
    }

    /// Nobody listens where a node was: it has died, and is suspected without waiting for its silence.
    pub(super) fn suspect_dead(&mut self, name: NodeName, now: UnixMillis) {
        let was_there = self
            .roster
            .node(&name)
            .is_some_and(|node| node.pong_received.is_some() && Self::is_there(node) && !node.is_in_handshake());
        if was_there {
            self.suspect(name, now);
            self.tell_suspicion(now);
        }
    }

    fn suspect(&mut self, name: NodeName, now: UnixMillis) {
        if let Some(node) = self.roster.node_mut(&name) {
            node.flags = node.flags.with(NodeFlags::PFAIL);
            self.tell(MemberEvent::Suspected(name));
            self.fail_if_majority(name, now);
            self.is_unserved = true;
        }
    }

    /// Tells those who vote at once whom this node suspects: they need not find it out from gossip.
    fn tell_suspicion(&mut self, now: UnixMillis) {
        if self.roster.me().votes() {
            self.tell_pulse(|node| node.votes() && !node.is_suspected(), now);
        }
    }

    /// Takes whether a primary says that a node is down.
    pub(super) fn take_report(&mut self, reporter: NodeName, name: NodeName, is_down: bool, now: UnixMillis) {
        let Some(peer) = self.peers.get_mut(&name) else { return };
        match is_down {
            true => {
                peer.reports.insert(reporter, now);
                self.fail_if_majority(name, now);
            }
            false => {
                peer.reports.remove(&reporter);
            }
        }
    }

    /// How many primaries say that a node is down, of late.
    pub(super) fn count_reports(&mut self, name: &NodeName, now: UnixMillis) -> usize {
        let lasts_ms = self.options.node_timeout_ms * REPORT_TIMEOUTS;
        let Some(peer) = self.peers.get_mut(name) else { return 0 };
        peer.reports.retain(|_, at| now.0 - at.0 <= lasts_ms);
        peer.reports.len()
    }

    fn fail_if_majority(&mut self, name: NodeName, now: UnixMillis) {
        let is_open = self.roster.node(&name).is_some_and(|node| node.is_suspected() && !node.is_failed());
        if !is_open {
            return;
        }
        let votes = self.roster.me().votes();
        if self.count_reports(&name, now) + usize::from(votes) < self.quorum() {
            return;
        }
        self.set_failed(name, now);
        if votes {
            let message = self.message(Body::Fail(name));
            self.broadcast(&message);
        }
    }

    /// Takes that a node is down for everybody.
    pub(super) fn take_failure(&mut self, name: NodeName, now: UnixMillis) {
        let is_news = self.roster.node(&name).is_some_and(|node| !node.is_failed());
        if is_news && name != self.roster.me().name {
            self.set_failed(name, now);
        }
    }

    fn set_failed(&mut self, name: NodeName, now: UnixMillis) {
        let Some(node) = self.roster.node_mut(&name) else { return };
        node.flags = node.flags.without(NodeFlags::PFAIL).with(NodeFlags::FAIL);
        if let Some(peer) = self.peers.get_mut(&name) {
            peer.failed_since = now;
        }
        (self.is_unsaved, self.is_unserved) = (true, true);
        self.tell(MemberEvent::Failed(name));
        self.review_health(now);
        self.tend_election(now);
    }

    /// A node answered.
    pub(super) fn take_answer(&mut self, name: NodeName, now: UnixMillis) {
        let Some(node) = self.roster.node_mut(&name) else { return };
        (node.pong_received, node.ping_sent) = (Some(now), None);
        if node.is_suspected() {
            node.flags = node.flags.without(NodeFlags::PFAIL);
            self.is_unserved = true;
            self.tell(MemberEvent::Recovered(name));
            self.review_health(now);
        } else if node.is_failed() {
            self.recover(name, now);
        }
    }

    fn recover(&mut self, name: NodeName, now: UnixMillis) {
        let (Some(node), Some(peer)) = (self.roster.node(&name), self.peers.get(&name)) else { return };
        let owns = node.owns_slots();
        // Who has slots may have been replaced, and not know it yet.
        if owns && now.0 - peer.failed_since.0 <= self.options.node_timeout_ms * FAIL_UNDO_TIMEOUTS {
            return;
        }
        if let Some(node) = self.roster.node_mut(&name) {
            node.flags = node.flags.without(NodeFlags::FAIL);
        }
        (self.is_unsaved, self.is_unserved) = (true, true);
        self.tell(MemberEvent::Recovered(name));
        self.review_health(now);
    }

    /// Whether a node is there, as far as this one knows.
    pub(super) fn is_there(node: &KnownNode) -> bool {
        !node.is_suspected() && !node.is_failed()
    }
}

/// Of so many nodes one is asked.
const CANDIDATES: usize = 5;

/// A report counts for so many node timeouts.
const REPORT_TIMEOUTS: i64 = 2;

/// A primary with slots that was down is down for so many node timeouts.
const FAIL_UNDO_TIMEOUTS: i64 = 2;
