//! What CLUSTER INFO, NODES, SLOTS and SHARDS answer.

use super::{State, is_up};
use crate::settings::Values;
use keyslot::engine::resp::ReplyWriter;
use std::fmt::Write;

/// The addresses that others are told of.
struct Addresses {
    ip: String,
    hostname: String,
    port: u64,
    bus_port: u64,
}

impl Addresses {
    fn of(values: &Values) -> Self {
        let text = |name| String::from_utf8_lossy(values.text(name)).into_owned();
        let or = |first: u64, second: u64| if first == 0 { second } else { first };
        let port = values.number("port");
        let bus_port = or(values.number("cluster-port"), port + BUS_PORT_DISTANCE);
        Self {
            ip: text("cluster-announce-ip"),
            hostname: text("cluster-announce-hostname"),
            port: or(values.number("cluster-announce-port"), port),
            bus_port: or(values.number("cluster-announce-bus-port"), bus_port),
        }
    }

    /// `ip:port@bus-port`, with the host name if there is one.
    fn line(&self) -> String {
        let mut line = format!("{}:{}@{}", self.ip, self.port, self.bus_port);
        if !self.hostname.is_empty() {
            let _ = write!(line, ",{}", self.hostname);
        }
        line
    }
}

pub(super) fn info(state: &State, values: &Values, reply: &mut ReplyWriter<'_>) {
    let assigned = state.slots.len();
    let cluster_state = if is_up(state, values) { "ok" } else { "fail" };
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

/// The line of this node, as CLUSTER NODES shows it; `aux` is what only the file holds.
pub(super) fn node_line(state: &State, values: &Values, aux: &str) -> String {
    let address = Addresses::of(values).line();
    let mut line = format!("{} {address}{aux} myself,master - 0 0 {} connected", state.id, state.config_epoch);
    for range in state.slots.ranges() {
        let (first, last) = (range.start(), range.end());
        let _ = if first == last { write!(line, " {first}") } else { write!(line, " {first}-{last}") };
    }
    line.push('\n');
    line
}

pub(super) fn nodes(state: &State, values: &Values, reply: &mut ReplyWriter<'_>) {
    reply.verbatim("txt", node_line(state, values, "").as_bytes());
}

pub(super) fn slots(state: &State, values: &Values, reply: &mut ReplyWriter<'_>) {
    let addresses = Addresses::of(values);
    let preferred = values.choice("cluster-preferred-endpoint-type");
    reply.array(state.slots.ranges().count());
    for range in state.slots.ranges() {
        reply.array(3);
        reply.integer(range.start().index() as i64);
        reply.integer(range.end().index() as i64);
        reply.array(4);
        match preferred {
            "hostname" if addresses.hostname.is_empty() => reply.bulk(b"?"),
            "hostname" => reply.bulk(addresses.hostname.as_bytes()),
            "ip" => reply.bulk(addresses.ip.as_bytes()),
            _ => reply.null(),
        }
        reply.integer(addresses.port as i64);
        reply.bulk(state.id.as_bytes());
        let ip = (preferred != "ip" && !addresses.ip.is_empty()).then_some(("ip", &addresses.ip));
        let hostname =
            (preferred != "hostname" && !addresses.hostname.is_empty()).then_some(("hostname", &addresses.hostname));
        let others: Vec<_> = ip.into_iter().chain(hostname).collect();
        reply.map(others.len());
        for (name, value) in others {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    }
}

pub(super) fn shards(state: &State, values: &Values, reply: &mut ReplyWriter<'_>) {
    let addresses = Addresses::of(values);
    let endpoint = match values.choice("cluster-preferred-endpoint-type") {
        "hostname" if addresses.hostname.is_empty() => "?",
        "hostname" => &addresses.hostname,
        "ip" => &addresses.ip,
        _ => "",
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
    reply.integer(addresses.port as i64);
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

/// How far the bus port is from the port of the clients, unless a setting says otherwise.
const BUS_PORT_DISTANCE: u64 = 10_000;
