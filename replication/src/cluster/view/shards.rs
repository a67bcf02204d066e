//! CLUSTER SHARDS: the shards, their slots and their nodes, failed ones too.
//!
//! ```text
//! {slots: [first, last, ...], nodes: [{id, port?, tls-port?, ip, endpoint, hostname?, role, replication-offset, health}]}
//! ```

use super::{PreferredEndpoint, Viewer};
use crate::cluster::message::NodeFlags;
use crate::cluster::name::NodeName;
use crate::cluster::roster::{KnownNode, Roster};
use keyslot_engine::resp::ReplyWriter;
use std::collections::BTreeMap;

/// CLUSTER SHARDS: in the order of the shards' names, in each the primary first. Nodes in handshake have no shard yet.
pub fn shards(roster: &Roster, viewer: &Viewer, reply: &mut ReplyWriter<'_>) {
    let mut shards: BTreeMap<NodeName, Vec<&KnownNode>> = BTreeMap::new();
    for node in roster.nodes().filter(|node| !node.is_in_handshake()) {
        shards.entry(node.shard).or_default().push(node);
    }
    reply.array(shards.len());
    for mut nodes in shards.into_values() {
        nodes.sort_by_key(|node| (node.is_replica(), node.slots.is_empty()));
        reply.map(2);
        reply.bulk(b"slots");
        let first = nodes[0];
        let owner = first.primary.and_then(|name| roster.node(&name)).unwrap_or(first);
        reply.array(owner.slots.ranges().count() * 2);
        for range in owner.slots.ranges() {
            reply.integer(range.start().number().into());
            reply.integer(range.end().number().into());
        }
        reply.bulk(b"nodes");
        reply.array(nodes.len());
        nodes.into_iter().for_each(|node| push_node(node, viewer, reply));
    }
}

fn push_node(node: &KnownNode, viewer: &Viewer, reply: &mut ReplyWriter<'_>) {
    let address = &node.address;
    let (port, tls_port) = viewer.ports(address);
    let ports = [("port", port), ("tls-port", tls_port)];
    let ports = ports.into_iter().filter(|(_, port)| *port != 0);
    reply.map(6 + ports.clone().count() + usize::from(!address.hostname.is_empty()));
    pair(reply, "id", node.name.as_str());
    for (name, port) in ports {
        reply.bulk(name.as_bytes());
        reply.integer(port.into());
    }
    pair(reply, "ip", &address.ip);
    let endpoint = match viewer.preferred {
        PreferredEndpoint::Ip => &address.ip,
        PreferredEndpoint::Hostname if address.hostname.is_empty() => "?",
        PreferredEndpoint::Hostname => &address.hostname,
        PreferredEndpoint::Unknown => "",
    };
    pair(reply, "endpoint", endpoint);
    if !address.hostname.is_empty() {
        pair(reply, "hostname", &address.hostname);
    }
    let offset = viewer.offset(node, node.flags.has(NodeFlags::MYSELF));
    pair(reply, "role", if node.is_replica() { "replica" } else { "master" });
    reply.bulk(b"replication-offset");
    reply.integer(i64::try_from(offset).unwrap_or(i64::MAX));
    let health = match () {
        () if node.is_failed() => "fail",
        () if node.is_replica() && offset == 0 => "loading",
        () => "online",
    };
    pair(reply, "health", health);
}

fn pair(reply: &mut ReplyWriter<'_>, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::testing::{captured_roster, escaped, reply_of};
    use super::*;
    use keyslot_engine::resp::RespVersion;

    #[test]
    fn shards_are_shown_as_redis_shows_them() {
        let roster = captured_roster();
        let viewer = Viewer { own_offset: 9, ..Viewer::default() };
        let captured = include_str!("captured/shards.txt").lines();
        for (version, captured) in [RespVersion::V2, RespVersion::V3].into_iter().zip(captured) {
            let shown = escaped(&reply_of(version, |reply| shards(&roster, &viewer, reply)));
            assert_eq!(parts(&shown), parts(captured), "{version:?}");
        }
    }

    #[test]
    fn a_replica_without_data_is_loading() {
        let mut roster = captured_roster();
        roster.nodes_mut().for_each(|node| node.offset = 0);
        let shown = reply_of(RespVersion::V3, |reply| shards(&roster, &Viewer::default(), reply));
        assert_eq!(shown.matches("$7\r\nloading").count(), 2, "{shown}");
        assert_eq!(shown.matches("$4\r\nfail").count(), 1, "{shown}");
    }

    /// Each shard, in the order of their texts, without offsets: those go on between two looks at a cluster.
    fn parts(reply: &str) -> Vec<String> {
        let without_offset = |node: &str| match node.split_once("$18\\r\\nreplication-offset\\r\\n:") {
            Some((before, after)) => format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit())),
            None => node.to_owned(),
        };
        let shard = |shard: &str| shard.split("$2\\r\\nid").map(without_offset).collect::<Vec<_>>().join("id");
        // What introduces the next shard stands at the end of the one before.
        let mut parts: Vec<_> = reply
            .split("$5\\r\\nslots")
            .skip(1)
            .map(|text| shard(text.strip_suffix("*4\\r\\n").or(text.strip_suffix("%2\\r\\n")).unwrap_or(text)))
            .collect();
        parts.sort();
        parts
    }
}
