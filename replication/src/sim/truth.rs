//! What must be so, kept beside the nodes: which writes each holds, and what each calls its history. Names and offsets are noted
//! when a node takes them, and not asked for again.

use crate::link::{ReplicationId, SyncRequest};
use keyslot_engine::Offset;
use std::collections::BTreeMap;

/// Marked writes, by number, and where each ends in the stream.
pub(super) type Writes = BTreeMap<u64, Offset>;

#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) nodes: Vec<NodeTruth>,
    pub(super) next_write: u64,
    /// Writes before this one may be gone: all data was flushed.
    alive_from: u64,
    /// What a primary held when it began to serve over a wire, and from where on it was asked.
    pub(super) views: BTreeMap<u64, (Writes, Offset)>,
}

#[derive(Debug, Default)]
pub(super) struct NodeTruth {
    pub(super) follows: Option<usize>,
    /// What it holds for certain.
    pub(super) holds: Writes,
    id: Option<ReplicationId>,
    previous: Option<(ReplicationId, Offset)>,
    pub(super) is_disk_full: bool,
    /// Whether its newest failover goes on without everything.
    pub(super) is_forced: bool,
    /// A write, and how many replicas are to confirm it.
    pub(super) must_confirm: Option<(u64, usize)>,
    /// The first wire over which its data came as it is, or went on.
    came_over: Option<u64>,
}

impl Truth {
    pub(super) fn add_node(&mut self) {
        self.nodes.push(NodeTruth::default());
    }

    /// All data is flushed somewhere: what was written before need not be anywhere.
    pub(super) fn flush(&mut self) {
        self.alive_from = self.next_write;
        self.views.values_mut().for_each(|(writes, _)| writes.clear());
        self.nodes.iter_mut().for_each(|node| node.holds.clear());
    }

    pub(super) fn is_alive(&self, write: u64) -> bool {
        write >= self.alive_from
    }

    /// What is wrong with how a request was served, if anything.
    pub(super) fn judge(
        &self,
        node: usize,
        request: SyncRequest,
        goes_on: bool,
        (oldest, oldest_logged, end): (Offset, Option<Offset>, Offset),
    ) -> Option<String> {
        let truth = &self.nodes[node];
        let Some((id, at)) = request.wanted() else {
            return goes_on.then(|| "it goes on with nothing".to_owned());
        };
        let is_held = truth.id == Some(id) || truth.previous.is_some_and(|(old, until)| old == id && at <= until);
        let is_there = at <= end && oldest_logged.unwrap_or(oldest).min(oldest) <= at;
        (goes_on != (is_held && is_there))
            .then(|| format!("it goes on: {goes_on}, history known: {is_held}, bytes there: {is_there}"))
    }
}

impl NodeTruth {
    /// It has this name now, and no other.
    pub(super) fn started(&mut self, id: ReplicationId) {
        (self.id, self.previous) = (Some(id), None);
    }

    pub(super) fn renamed(&mut self, id: ReplicationId, end: Offset) {
        if self.id != Some(id) {
            (self.previous, self.id) = (self.id.map(|old| (old, end)), Some(id));
        }
    }

    /// It goes on where it was, under this name; over a wire.
    pub(super) fn continued(&mut self, id: ReplicationId, end: Offset, wire: Option<u64>) {
        self.renamed(id, end);
        self.came_over = self.came_over.or(wire);
    }

    pub(super) fn promoted(&mut self, id: ReplicationId, end: Offset, is_known: bool) {
        match is_known {
            true => self.renamed(id, end),
            false => self.started(id),
        }
    }

    pub(super) fn replacing(&mut self) {
        self.holds.clear();
        self.came_over = None;
    }

    pub(super) fn replaced(&mut self, holds: Writes, wire: Option<u64>) {
        self.holds = holds;
        self.came_over = wire;
    }

    /// Whether what was confirmed over this wire is still a part of the data: nothing replaced it later.
    pub(super) fn has_come_over(&self, wire: u64) -> bool {
        self.came_over.is_some_and(|came_over| wire >= came_over)
    }

    pub(super) fn killed(&mut self, kept: Option<Offset>) {
        self.holds.retain(|_, offset| kept.is_some_and(|kept| *offset <= kept));
        self.is_disk_full = false;
        self.must_confirm = None;
        self.came_over = None;
    }
}

pub(super) fn key(write: u64) -> String {
    format!("marked:{write}")
}
