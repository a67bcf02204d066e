//! What CLUSTER INFO, NODES, SLOTS and SHARDS answer.

use super::addresses::{Addresses, PreferredEndpoint};
use super::nodes_conf::node_line;
use super::state::State;
use keyslot_engine::resp::ReplyWriter;

pub(super) fn info(state: &State, is_up: bool, reply: &mut ReplyWriter<'_>) {
    let assigned = state.slots.len();
    let cluster_state = if is_up { "ok" } else { "fail" };
    let text = format!(
        "cluster_state:{cluster_state}\r\ncluster_slots_assigned:{assigned}\r\ncluster_slots_ok:{assigned}\r\n\
         cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:1\r\ncluster_size:{}\r\n\
         cluster_current_epoch:{}\r\ncluster_my_epoch:{}\r\ncluster_stats_messages_sent:0\r\n\
         cluster_stats_messages_received:0\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n",
        u8::from(assigned > 0),
        state.current_epoch,
        state.config_epoch,
    );
    reply.verbatim("txt", text.as_bytes());
}

pub(super) fn nodes(state: &State, addresses: &Addresses, reply: &mut ReplyWriter<'_>) {
    reply.verbatim("txt", node_line(state, addresses, "").as_bytes());
}

pub(super) fn slots(state: &State, addresses: &Addresses, preferred: PreferredEndpoint, reply: &mut ReplyWriter<'_>) {
    reply.array(state.slots.ranges().count());
    for range in state.slots.ranges() {
        reply.array(3);
        reply.integer(range.start().index() as i64);
        reply.integer(range.end().index() as i64);
        reply.array(4);
        match preferred {
            PreferredEndpoint::Hostname if addresses.hostname.is_empty() => reply.bulk(b"?"),
            PreferredEndpoint::Hostname => reply.bulk(addresses.hostname.as_bytes()),
            PreferredEndpoint::Ip => reply.bulk(addresses.ip.as_bytes()),
            PreferredEndpoint::Unknown => reply.null(),
        }
        reply.integer(addresses.port.into());
        reply.bulk(state.id.as_bytes());
        let ip = (preferred != PreferredEndpoint::Ip && !addresses.ip.is_empty()).then_some(("ip", &addresses.ip));
        let hostname = (preferred != PreferredEndpoint::Hostname && !addresses.hostname.is_empty())
            .then_some(("hostname", &addresses.hostname));
        let others: Vec<_> = ip.into_iter().chain(hostname).collect();
        reply.map(others.len());
        for (name, value) in others {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    }
}

pub(super) fn shards(state: &State, addresses: &Addresses, preferred: PreferredEndpoint, reply: &mut ReplyWriter<'_>) {
    let endpoint = match preferred {
        PreferredEndpoint::Hostname if addresses.hostname.is_empty() => "?",
        PreferredEndpoint::Hostname => &addresses.hostname,
        PreferredEndpoint::Ip => &addresses.ip,
        PreferredEndpoint::Unknown => "",
    };
    reply.array(1);
    reply.map(2);
    reply.bulk(b"slots");
    reply.array(state.slots.ranges().count() * 2);
    for range in state.slots.ranges() {
        reply.integer(range.start().index() as i64);
        reply.integer(range.end().index() as i64);
    }
    reply.bulk(b"nodes");
    reply.array(1);
    reply.map(7 + usize::from(!addresses.hostname.is_empty()));
    pair(reply, "id", &state.id);
    reply.bulk(b"port");
    reply.integer(addresses.port.into());
    pair(reply, "ip", &addresses.ip);
    pair(reply, "endpoint", endpoint);
    if !addresses.hostname.is_empty() {
        pair(reply, "hostname", &addresses.hostname);
    }
    pair(reply, "role", "master");
    reply.bulk(b"replication-offset");
    reply.integer(0);
    reply.bulk(b"health");
    reply.bulk(b"online");
}

fn pair(reply: &mut ReplyWriter<'_>, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}
