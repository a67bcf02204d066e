//! A cluster of six nodes, captured from Redis 7.2.4: one replica failed, one primary with names, slots on the move.

use super::parse;
use crate::cluster::name::NodeName;
use crate::cluster::roster::Roster;
use keyslot_engine::resp::{ReplyWriter, RespVersion};

/// What that node kept.
pub(super) const CAPTURED: &str = include_str!("captured/nodes-7.2.4.conf");

/// The cluster as that node knew it while it ran.
pub(super) fn captured_roster() -> Roster {
    let mut roster = parse(CAPTURED, false, &mut no_chance).expect("the captured file is whole");
    for node in roster.nodes_mut() {
        node.is_linked = !node.is_failed();
        node.offset = 9;
    }
    roster
}

pub(super) fn no_chance() -> NodeName {
    panic!("no name is to be made")
}

pub(super) fn reply_of(version: RespVersion, write: impl FnOnce(&mut ReplyWriter<'_>)) -> String {
    let mut out = Vec::new();
    write(&mut ReplyWriter::new(&mut out, version));
    String::from_utf8(out).expect("the reply is text")
}

/// A reply on one line, as it was captured.
pub(super) fn escaped(reply: &str) -> String {
    reply.replace('\r', "\\r").replace('\n', "\\n")
}

pub(super) fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}
