//! A node as a line: CLUSTER NODES, CLUSTER REPLICAS, and the lines of `nodes.conf`.
//!
//! ```text
//! <name> <ip>:<port>@<bus port>[,<hostname>] <flags> <primary or -> <ping sent> <pong received> <epoch> <link> [<slots>]
//! ```
//!
//! A replica shows its primary's epoch. Only this node shows slots on the move: `[77->-<to>]`, `[93-<-<from>]`.

use super::Viewer;
use crate::cluster::message::NodeFlags;
use crate::cluster::name::NodeName;
use crate::cluster::roster::{KnownNode, Roster};
use keyslot_engine::UnixMillis;
use keyslot_engine::resp::ReplyWriter;
use std::fmt::Write;

/// Flags that have a word, in the order in which they are written.
pub(super) const FLAG_WORDS: [(NodeFlags, &str); 8] = [
    (NodeFlags::MYSELF, "myself"),
    (NodeFlags::PRIMARY, "master"),
    (NodeFlags::REPLICA, "slave"),
    (NodeFlags::PFAIL, "fail?"),
    (NodeFlags::FAIL, "fail"),
    (NodeFlags::HANDSHAKE, "handshake"),
    (NodeFlags::NO_ADDRESS, "noaddr"),
    (NodeFlags::NO_FAILOVER, "nofailover"),
];

/// CLUSTER NODES: a text with one line for each node. O(nodes * slots).
pub fn nodes(roster: &Roster, viewer: &Viewer, reply: &mut ReplyWriter<'_>) {
    let mut text = String::new();
    for node in roster.nodes() {
        shown_line(&mut text, roster, node, viewer);
        text.push('\n');
    }
    reply.verbatim("txt", text.as_bytes());
}

/// CLUSTER REPLICAS: an array with one line for each replica of a node.
pub fn replicas(roster: &Roster, of: NodeName, viewer: &Viewer, reply: &mut ReplyWriter<'_>) {
    reply.array(roster.replicas_of(of).count());
    for node in roster.replicas_of(of) {
        let mut line = String::new();
        shown_line(&mut line, roster, node, viewer);
        reply.bulk(line.as_bytes());
    }
}

fn shown_line(text: &mut String, roster: &Roster, node: &KnownNode, viewer: &Viewer) {
    let mut aux = String::new();
    if !node.address.hostname.is_empty() {
        aux = format!(",{}", node.address.hostname);
    }
    node_line(text, roster, node, viewer.port(&node.address), &aux);
}

/// Appends a node's line without its end; `aux` is what follows the port of the bus, with its comma.
pub(super) fn node_line(text: &mut String, roster: &Roster, node: &KnownNode, port: u16, aux: &str) {
    let is_me = node.flags.has(NodeFlags::MYSELF);
    let _ = write!(text, "{} {}:{port}@{}{aux} ", node.name, node.address.ip, node.address.bus_port);
    push_flags(text, node.flags);
    let _ = match &node.primary {
        Some(primary) => write!(text, " {primary}"),
        None => write!(text, " -"),
    };
    let link = if node.is_linked || is_me { "connected" } else { "disconnected" };
    let time = |time: Option<UnixMillis>| time.map_or(0, |time| time.0);
    let (ping, pong) = (time(node.ping_sent), time(node.pong_received));
    let _ = write!(text, " {ping} {pong} {} {link}", epoch_of(roster, node));
    if !node.slots.is_empty() {
        let _ = write!(text, " {}", node.slots);
    }
    if is_me {
        push_moves(text, roster);
    }
}

/// The epoch that a node is shown with: a replica's is its primary's.
pub(super) fn epoch_of(roster: &Roster, node: &KnownNode) -> u64 {
    let primary = node.primary.filter(|_| node.is_replica()).and_then(|name| roster.node(&name));
    primary.unwrap_or(node).config_epoch
}

fn push_flags(text: &mut String, flags: NodeFlags) {
    let before = text.len();
    for (flag, word) in FLAG_WORDS {
        if flags.has(flag) {
            text.push_str(if text.len() == before { "" } else { "," });
            text.push_str(word);
        }
    }
    if text.len() == before {
        text.push_str("noflags");
    }
}

/// Slots on the move, in the order of their numbers; one that goes is not shown as coming, too.
fn push_moves(text: &mut String, roster: &Roster) {
    let leaving = roster.migrating.iter().map(|(slot, name)| (*slot, "->-", name));
    let coming = roster.importing.iter().filter(|(slot, _)| !roster.migrating.contains_key(slot));
    let mut moves: Vec<_> = leaving.chain(coming.map(|(slot, name)| (*slot, "-<-", name))).collect();
    moves.sort_unstable_by_key(|(slot, ..)| *slot);
    for (slot, arrow, name) in moves {
        let _ = write!(text, " [{slot}{arrow}{name}]");
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{captured_roster, reply_of, sorted};
    use super::*;
    use keyslot_engine::resp::RespVersion;

    #[test]
    fn nodes_are_shown_as_redis_shows_them() {
        let roster = captured_roster();
        let shown = reply_of(RespVersion::V3, |reply| nodes(&roster, &Viewer::default(), reply));
        let (head, text) = shown.split_once("\r\n").unwrap();
        let text = text.strip_prefix("txt:").unwrap().strip_suffix("\r\n").unwrap();
        assert_eq!(head, format!("={}", text.len() + 4));
        assert_eq!(sorted(&without_pongs(text)), sorted(&without_pongs(include_str!("captured/nodes.txt"))));
    }

    #[test]
    fn replicas_are_lines() {
        let roster = captured_roster();
        let primary = roster.me().name;
        let shown = reply_of(RespVersion::V2, |reply| replicas(&roster, primary, &Viewer::default(), reply));
        let begin = "*1\r\n$137\r\n80b256f3a1cfd00c8884c934e2d70c92c8880667 127.0.0.1:21104@31104 slave ";
        assert!(shown.starts_with(begin), "{shown}");
    }

    #[test]
    fn a_client_with_tls_is_told_ports_with_tls() {
        let mut roster = captured_roster();
        roster.me_mut().address.plain_port = 7;
        let viewer = Viewer { is_over_tls: true, ..Viewer::default() };
        let shown = reply_of(RespVersion::V2, |reply| nodes(&roster, &viewer, reply));
        assert!(shown.contains(" 127.0.0.1:7@31100 myself,master "), "{shown}");
    }

    /// Times of answers go on between two looks at a cluster.
    fn without_pongs(text: &str) -> String {
        text.lines().fold(String::new(), |mut all, line| {
            let words: Vec<_> =
                line.split(' ').enumerate().map(|(place, word)| if place == 5 { "_" } else { word }).collect();
            let _ = writeln!(all, "{}", words.join(" "));
            all
        })
    }
}
