//! Clusters whose nodes know each other from the start.

use super::message::NodeFlags;
use super::name::NodeName;
use super::roster::{KnownNode, NodeAddress, Roster};
use crate::chance::Chance;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{SLOT_COUNT, Slot};

/// The rosters of nodes that are a cluster already: `shards` are the addresses of primaries, each followed by those of its replicas.
/// Slots are shared out evenly, in order. The seed decides the names. One roster for each address, in their order.
pub fn agreed_rosters(shards: &[Vec<NodeAddress>], seed: u64) -> Vec<Roster> {
    let mut chance = Chance::new(seed);
    let mut nodes = Vec::new();
    for (at, addresses) in shards.iter().enumerate() {
        let shard = NodeName::from_chance(chance.triple());
        let mut primary = None;
        for address in addresses {
            let role = if primary.is_none() { NodeFlags::PRIMARY } else { NodeFlags::REPLICA };
            let mut node = KnownNode::new(NodeName::from_chance(chance.triple()), address.clone(), role);
            node.shard = shard;
            match primary {
                None => {
                    node.slots = share(at, shards.len());
                    node.config_epoch = at as u64 + 1;
                    if addresses.len() > 1 {
                        node.flags = node.flags.with(NodeFlags::MIGRATE_TO);
                    }
                    primary = Some(node.name);
                }
                Some(_) => node.primary = primary,
            }
            nodes.push(node);
        }
    }
    let roster_of = |me: &KnownNode| {
        let mut own = me.clone();
        own.flags = own.flags.with(NodeFlags::MYSELF);
        let mut roster = Roster::new(own);
        nodes.iter().filter(|node| node.name != me.name).for_each(|node| roster.insert(node.clone()));
        roster.current_epoch = shards.len() as u64;
        roster
    };
    nodes.iter().map(roster_of).collect()
}

/// The slots of one of `count` shards.
fn share(at: usize, count: usize) -> SlotSet {
    let edge = |at: usize| at * SLOT_COUNT / count;
    Slot::all().skip(edge(at)).take(edge(at + 1) - edge(at)).collect()
}
