//! Replica migration: a primary without a working replica gets one of a primary that has more than it needs.

use super::super::name::NodeName;
use super::super::roster::KnownNode;
use super::Member;
use keyslot_engine::UnixMillis;

impl Member {
    /// Looks which primaries have no replica, and goes there if this node is the one that can.
    pub(super) fn tend_migration(&mut self, now: UnixMillis) {
        let mut orphan = None;
        let mut most = 0;
        let names: Vec<NodeName> = self.roster.nodes().filter(|node| node.owns_slots()).map(|node| node.name).collect();
        for name in &names {
            let working = self.working_replicas(*name);
            most = most.max(working);
            let Some(node) = self.roster.node(name) else { continue };
            let is_orphaned = working == 0 && !node.is_failed() && node.flags.has(super::NodeFlags::MIGRATE_TO);
            let Some(peer) = self.peers.get_mut(name) else { continue };
            match is_orphaned {
                true => {
                    let since = *peer.orphaned_since.get_or_insert(now);
                    if now.0 - since.0 > ORPHAN_DELAY_MS {
                        orphan.get_or_insert(*name);
                    }
                }
                false => peer.orphaned_since = None,
            }
        }
        self.note_replicas();
        let me = self.roster.me();
        let (Some(orphan), Some(primary)) = (orphan, me.primary) else { return };
        let mine = self.working_replicas(primary);
        // Under strict failover somebody may count on what a replica has.
        let may_go =
            self.options.allows_replica_migration && !self.is_strict() && me.is_replica() && self.health.is_up();
        if !may_go || most < 2 || mine != most || mine <= self.options.migration_barrier {
            return;
        }
        // Of all that can go the one with the lowest name goes.
        let can_go = |node: &&KnownNode| {
            Self::is_there(node) && node.primary.is_some_and(|primary| self.working_replicas(primary) == most)
        };
        let first = self.roster.nodes().filter(|node| node.is_replica()).find(can_go).map(|node| node.name);
        if first == Some(me.name) {
            self.follow(orphan);
        }
    }

    fn working_replicas(&self, primary: NodeName) -> usize {
        self.roster.replicas_of(primary).filter(|node| Self::is_there(node)).count()
    }

    /// A node gets slots: if it has none yet, and others have replicas, it is to have one, too.
    pub(super) fn note_first_slots(&mut self, name: NodeName) {
        let others_have = self.roster.nodes().any(|node| node.primary.is_some());
        if let Some(node) = self.roster.node_mut(&name).filter(|node| others_have && node.slots.is_empty()) {
            node.flags = node.flags.with(super::NodeFlags::MIGRATE_TO);
        }
    }

    /// Marks primaries that have, or had, replicas: only to those others go.
    fn note_replicas(&mut self) {
        let led: Vec<NodeName> = self.roster.nodes().filter_map(|node| node.primary).collect();
        for name in led {
            if let Some(node) = self.roster.node_mut(&name).filter(|node| node.is_primary()) {
                node.flags = node.flags.with(super::NodeFlags::MIGRATE_TO);
            }
        }
    }
}

/// A primary is without replicas for so long before one of another goes to it.
const ORPHAN_DELAY_MS: i64 = 5000;
