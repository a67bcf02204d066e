//! CLUSTER INFO: the state of the cluster as this node sees it, and how many messages went over the bus.

use super::lines::epoch_of;
use crate::cluster::roster::Roster;
use keyslot_engine::resp::ReplyWriter;
use std::fmt::Write;

/// How many kinds of messages there are.
pub const KINDS: usize = 11;

/// What Redis calls them, in the order of their numbers on the bus.
const KIND_NAMES: [&str; KINDS] =
    ["ping", "pong", "meet", "fail", "publish", "auth-req", "auth-ack", "update", "mfstart", "module", "publishshard"];

/// Messages of each kind, by the kind's number on the bus.
pub type Counts = [u64; KINDS];

/// Messages that went over the bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MessageCounts {
    /// From here.
    pub sent: Counts,
    /// To here.
    pub received: Counts,
    /// Links that were closed since too much waited to be sent on them.
    pub links_over_limit: u64,
}

/// CLUSTER INFO. `is_up` says whether the cluster serves. O(nodes).
pub fn info(roster: &Roster, is_up: bool, counts: &MessageCounts, reply: &mut ReplyWriter<'_>) {
    let (mut ok, mut suspected, mut failed, mut size) = (0, 0, 0, 0);
    for node in roster.nodes().filter(|node| !node.slots.is_empty()) {
        size += usize::from(node.is_primary());
        let place = match () {
            () if node.is_failed() => &mut failed,
            () if node.is_suspected() => &mut suspected,
            () => &mut ok,
        };
        *place += node.slots.len();
    }
    let mut text = format!(
        "cluster_state:{}\r\ncluster_slots_assigned:{}\r\ncluster_slots_ok:{ok}\r\ncluster_slots_pfail:{suspected}\r\n\
         cluster_slots_fail:{failed}\r\ncluster_known_nodes:{}\r\ncluster_size:{size}\r\n\
         cluster_current_epoch:{}\r\ncluster_my_epoch:{}\r\n",
        if is_up { "ok" } else { "fail" },
        ok + suspected + failed,
        roster.len(),
        roster.current_epoch,
        epoch_of(roster, roster.me()),
    );
    for (direction, counts) in [("sent", &counts.sent), ("received", &counts.received)] {
        for (name, count) in KIND_NAMES.iter().zip(counts).filter(|(_, count)| **count > 0) {
            let _ = write!(text, "cluster_stats_messages_{name}_{direction}:{count}\r\n");
        }
        let _ = write!(text, "cluster_stats_messages_{direction}:{}\r\n", counts.iter().sum::<u64>());
    }
    let _ = write!(text, "total_cluster_links_buffer_limit_exceeded:{}\r\n", counts.links_over_limit);
    reply.verbatim("txt", text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::testing::{captured_roster, reply_of};
    use super::*;
    use crate::cluster::message::NodeFlags;
    use keyslot_engine::resp::RespVersion;

    #[test]
    fn info_has_redis_s_lines() {
        let mut counts = MessageCounts::default();
        (counts.sent[0], counts.sent[1]) = (72, 79);
        (counts.received[0], counts.received[1], counts.received[2], counts.received[10]) = (74, 72, 5, 1);
        let shown = reply_of(RespVersion::V2, |reply| info(&captured_roster(), true, &counts, reply));
        let text = "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
                    cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:6\r\ncluster_size:3\r\n\
                    cluster_current_epoch:6\r\ncluster_my_epoch:1\r\ncluster_stats_messages_ping_sent:72\r\n\
                    cluster_stats_messages_pong_sent:79\r\ncluster_stats_messages_sent:151\r\n\
                    cluster_stats_messages_ping_received:74\r\ncluster_stats_messages_pong_received:72\r\n\
                    cluster_stats_messages_meet_received:5\r\ncluster_stats_messages_publishshard_received:1\r\n\
                    cluster_stats_messages_received:152\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n";
        assert_eq!(shown, format!("${}\r\n{text}\r\n", text.len()));
    }

    #[test]
    fn slots_count_by_how_their_node_is() {
        let mut roster = captured_roster();
        for node in roster.nodes_mut().filter(|node| node.is_primary()) {
            let flag = if node.config_epoch == 2 { NodeFlags::FAIL } else { NodeFlags::PFAIL };
            node.flags = if node.config_epoch == 1 { node.flags } else { node.flags.with(flag) };
        }
        let shown = reply_of(RespVersion::V3, |reply| info(&roster, false, &MessageCounts::default(), reply));
        for line in ["cluster_state:fail", "_ok:5461", "_pfail:5461", "_fail:5462", "_sent:0", "_received:0"] {
            assert!(shown.contains(&format!("{line}\r\n")), "{line} in {shown}");
        }
    }
}
