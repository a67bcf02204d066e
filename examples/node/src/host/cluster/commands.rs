//! CLUSTER: its words are read, views are shown, the rest is the member's.

use super::Cluster;
use crate::host::Node;
use keyslot::engine::resp::ReplyWriter;
use keyslot::replication::cluster::control::{change, show};
use keyslot::replication::cluster::view::{ClusterCommand, Viewer};
use keyslot::replication::node::control_transfers;

/// Does CLUSTER with these words after it. False if there is no such sub-command here.
pub(in crate::host) fn control(
    node: &Node,
    cluster: &Cluster,
    (client, words): (u64, &[&[u8]]),
    reply: &mut ReplyWriter<'_>,
) -> bool {
    let command = match ClusterCommand::parse(words) {
        Ok(command) => command,
        Err(text) => {
            reply.error(&text);
            return true;
        }
    };
    if let ClusterCommand::SyncSlots(request) = &command {
        let said = node.answer_transfer(client, request);
        match said.strip_prefix('-') {
            Some(error) => reply.error(error),
            None => reply.simple(said.trim_start_matches('+')),
        }
        return true;
    }
    let is_done =
        node.with_transfers(|transfers, member, now| control_transfers(transfers, member, &command, reply, now));
    if is_done == Some(true) {
        return true;
    }
    let own_offset = node.facts().offset;
    let is_shown = {
        let state = cluster.state.lock();
        show(&state.member, &Viewer { own_offset, ..state.view }, &command, reply)
    };
    if is_shown {
        return true;
    }
    match node.command_member(|member, now| change(member, &command, &node.engine, now)) {
        Some(Ok(Ok(answer))) => {
            // What a replica had goes with its primary, before anybody is told that it leads.
            let emptied = match command {
                ClusterCommand::Reset(_) if node.engine.db_size() > 0 => node.engine.flushall(),
                _ => Ok(()),
            };
            match emptied {
                Ok(()) => answer.write(reply),
                Err(error) => reply.error(&error.to_string()),
            }
        }
        Some(Ok(Err(refusal))) => reply.error(&refusal.to_string()),
        Some(Err(reason)) => reply.error(&reason),
        None => return false,
    }
    true
}
