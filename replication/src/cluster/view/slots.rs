//! CLUSTER SLOTS: which slots are whose.
//!
//! ```text
//! [first, last, node of the primary, nodes of its replicas...] for each run of slots of one node
//! node: [endpoint, port, name, {what is not the endpoint: ip, hostname}]
//! ```
//!
//! Replicas that failed or have nothing yet (offset 0) are left out.

use super::{PreferredEndpoint, Viewer};
use crate::cluster::message::NodeFlags;
use crate::cluster::roster::{KnownNode, Roster};
use keyslot_engine::Slot;
use keyslot_engine::resp::ReplyWriter;

/// CLUSTER SLOTS. O(nodes * nodes + slots).
pub fn slots(roster: &Roster, viewer: &Viewer, reply: &mut ReplyWriter<'_>) {
    let mut runs: Vec<(Slot, Slot, &KnownNode)> = roster
        .nodes()
        .flat_map(|node| node.slots.ranges().map(move |range| (*range.start(), *range.end(), node)))
        .collect();
    runs.sort_unstable_by_key(|(first, ..)| *first);
    reply.array(runs.len());
    for (first, last, owner) in runs {
        let replicas: Vec<_> = roster.replicas_of(owner.name).filter(|node| is_available(node, viewer)).collect();
        reply.array(3 + replicas.len());
        reply.integer(first.number().into());
        reply.integer(last.number().into());
        push_node(owner, viewer, reply);
        replicas.into_iter().for_each(|node| push_node(node, viewer, reply));
    }
}

fn is_available(node: &KnownNode, viewer: &Viewer) -> bool {
    !node.is_failed() && viewer.offset(node, node.flags.has(NodeFlags::MYSELF)) != 0
}

fn push_node(node: &KnownNode, viewer: &Viewer, reply: &mut ReplyWriter<'_>) {
    let address = &node.address;
    reply.array(4);
    match viewer.preferred {
        PreferredEndpoint::Ip => reply.bulk(address.ip.as_bytes()),
        PreferredEndpoint::Hostname if address.hostname.is_empty() => reply.bulk(b"?"),
        PreferredEndpoint::Hostname => reply.bulk(address.hostname.as_bytes()),
        PreferredEndpoint::Unknown => reply.null(),
    }
    reply.integer(viewer.port(address).into());
    reply.bulk(node.name.as_bytes());
    let ip = (viewer.preferred != PreferredEndpoint::Ip).then_some(("ip", &address.ip));
    let shows_hostname = viewer.preferred != PreferredEndpoint::Hostname && !address.hostname.is_empty();
    let hostname = shows_hostname.then_some(("hostname", &address.hostname));
    reply.map(usize::from(ip.is_some()) + usize::from(hostname.is_some()));
    for (name, value) in ip.into_iter().chain(hostname) {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{captured_roster, escaped, reply_of};
    use super::*;
    use keyslot_engine::resp::RespVersion;

    #[test]
    fn slots_are_shown_as_redis_shows_them() {
        let roster = captured_roster();
        let mut captured = include_str!("captured/slots.txt").lines();
        for preferred in [PreferredEndpoint::Ip, PreferredEndpoint::Hostname, PreferredEndpoint::Unknown] {
            let viewer = Viewer { preferred, own_offset: 9, ..Viewer::default() };
            for version in [RespVersion::V2, RespVersion::V3] {
                let shown = reply_of(version, |reply| slots(&roster, &viewer, reply));
                assert_eq!(escaped(&shown), captured.next().unwrap(), "{preferred:?} {version:?}");
            }
        }
    }

    #[test]
    fn a_replica_without_data_is_left_out() {
        let mut roster = captured_roster();
        roster.nodes_mut().for_each(|node| node.offset = 0);
        let shown = reply_of(RespVersion::V2, |reply| slots(&roster, &Viewer::default(), reply));
        assert_eq!(shown.matches("*3\r\n:").count(), 3, "{shown}");
    }
}
