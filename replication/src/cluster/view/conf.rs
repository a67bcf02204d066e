//! Redis's `nodes.conf`: what a node keeps of the cluster over a restart.
//!
//! ```text
//! <name> <ip>:<port>@<bus port>,[<hostname>],<other>-port=<n>[,nodename=<n>],shard-id=<id> <flags> <primary or ->
//!     <ping sent> <pong received> <epoch> <link> [<slots>]
//! vars currentEpoch <n> lastVoteEpoch <n> [under strict failover: see its words] [keyslot-voters <name>+..]
//!     [keyslot-transfer: see its words]
//! ```
//!
//! - Nodes in handshake are not kept.
//! - The address holds the port that the bus's kind of connection has: `tls-port=` holds the other one, and in a cluster
//!   with TLS `tcp-port=`.
//! - What people and programs do to the file is understood: other addresses, other orders, blank lines, what Redis 7.0
//!   and older leave out (shards, the other port, the port of the bus).
//! - A file that was not written to its end is refused: it lacks the `vars` line, a part of it, or its last line's end.
//! - Read and printed again, a file of Redis 7.2 is the same but for the order of its lines (there by chance, here by
//!   name) and links (nobody is connected before the node runs).

use super::lines::{FLAG_WORDS, node_line};
use super::words::BUS_PORT_DISTANCE;
use crate::cluster::message::NodeFlags;
use crate::cluster::name::NodeName;
use crate::cluster::roster::{KnownNode, NodeAddress, Roster};
use crate::cluster::strict::{AckGroup, AckGroups, Pledge};
use crate::cluster::transfer::{Transfer, TransferStage};
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Slot, UnixMillis};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What is wrong with a `nodes.conf`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: expected {expected}, found {found}; {advice}")]
pub struct ConfError {
    /// The line, from 1.
    pub line: usize,
    /// What belongs there.
    pub expected: String,
    /// What is there, cut to its first characters.
    pub found: String,
    /// What to do.
    pub advice: &'static str,
}

/// The file's text. `is_tls_cluster`: the nodes speak TLS with each other. O(nodes * slots).
pub fn print(roster: &Roster, is_tls_cluster: bool) -> String {
    let mut text = String::new();
    let other = if is_tls_cluster { "tcp-port" } else { "tls-port" };
    for node in roster.nodes().filter(|node| !node.is_in_handshake()) {
        let address = &node.address;
        let mut aux = format!(",{},{other}={}", address.hostname, address.plain_port);
        if !address.human_name.is_empty() {
            let _ = write!(aux, ",nodename={}", address.human_name);
        }
        let _ = write!(aux, ",shard-id={}", node.shard);
        node_line(&mut text, roster, node, address.port, &aux);
        text.push('\n');
    }
    let _ = write!(text, "vars currentEpoch {} lastVoteEpoch {}", roster.current_epoch, roster.last_vote_epoch);
    if let Some(pledge) = &roster.pledge {
        let _ = write!(text, " {PLEDGE} {pledge}");
    }
    for (name, group) in [(GROUP, &roster.groups.settled), (NEXT_GROUP, &roster.groups.next)] {
        if let Some(group) = group {
            let _ = write!(text, " {name} {group}");
        }
    }
    let voters: Vec<&str> =
        roster.nodes().filter(|node| node.flags.has(NodeFlags::VOTER)).map(|node| node.name.as_str()).collect();
    if !voters.is_empty() {
        let _ = write!(text, " {VOTERS} {}", voters.join("+"));
    }
    for transfer in roster.transfers.values() {
        let _ = write!(text, " {TRANSFER} {transfer}");
    }
    text.push('\n');
    text
}

/// Reads the file; `chance` makes names for shards that the file does not name. Times are as the file has them: they
/// are of the run before. O(length of the text).
pub fn parse(text: &str, is_tls_cluster: bool, chance: &mut dyn FnMut() -> NodeName) -> Result<Roster, ConfError> {
    let mut file = File { is_tls_cluster, ..File::default() };
    let mut last = 0;
    for (at, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some(first) = words.first() else { continue };
        last = at + 1;
        if first.eq_ignore_ascii_case("vars") {
            file.read_vars(&words[1..], last)?;
        } else {
            file.read_node(&words, last)?;
        }
    }
    if last > 0 && !text.ends_with('\n') {
        return Err(wrong(last, "the end of the line", text.lines().last().unwrap_or_default(), TORN));
    }
    if file.current_epoch.is_none() || file.last_vote_epoch.is_none() {
        return Err(wrong(last + 1, "\"vars currentEpoch <n> lastVoteEpoch <n>\"", "the end of the file", TORN));
    }
    file.finish(last, chance)
}

const PLEDGE: &str = "keyslot-pledge";
const GROUP: &str = "keyslot-group";
const NEXT_GROUP: &str = "keyslot-next-group";
const VOTERS: &str = "keyslot-voters";
const TRANSFER: &str = "keyslot-transfer";

const TORN: &str = "the file was not written to its end or was cut: restore a whole copy, or remove it and let the node \
                    join again";
const EDIT: &str = "correct the line, restore a whole copy, or remove the file and let the node join again";

fn wrong(line: usize, expected: &str, found: &str, advice: &'static str) -> ConfError {
    let cut: String = found.chars().take(80).collect();
    let found = if found == "the end of the file" { cut } else { format!("{cut:?}") };
    ConfError { line, expected: expected.into(), found, advice }
}

/// What was read so far.
#[derive(Default)]
struct File {
    is_tls_cluster: bool,
    current_epoch: Option<u64>,
    last_vote_epoch: Option<u64>,
    me: Option<NodeName>,
    nodes: BTreeMap<NodeName, Line>,
    /// Whose slots were named, and by which line.
    owned: Vec<(usize, NodeName)>,
    migrating: BTreeMap<Slot, NodeName>,
    importing: BTreeMap<Slot, NodeName>,
    pledge: Option<Pledge>,
    groups: AckGroups,
    transfers: Vec<Transfer>,
    /// Who votes without slots.
    voters: Vec<NodeName>,
}

/// A node, and whether its line named its shard.
struct Line {
    node: KnownNode,
    has_shard: bool,
}

impl File {
    fn read_vars(&mut self, words: &[&str], line: usize) -> Result<(), ConfError> {
        let (pairs, rest) = words.as_chunks::<2>();
        if let [name] = rest {
            return Err(wrong(line, "a number after each name of the vars line", name, TORN));
        }
        // Variables of versions to come are read over.
        for [name, value] in pairs {
            if self.read_strict(name, value, line)? {
                continue;
            }
            if *name == VOTERS {
                self.voters = value.split('+').map(|name| name_of(name, line)).collect::<Result<_, _>>()?;
                continue;
            }
            if *name == TRANSFER {
                let transfer = Transfer::parse(value);
                let expected = "<name>:<name>:<stage>:<epoch>:<slots>";
                self.transfers.push(transfer.ok_or_else(|| wrong(line, expected, value, EDIT))?);
                continue;
            }
            let place = match () {
                () if name.eq_ignore_ascii_case("currentEpoch") => &mut self.current_epoch,
                () if name.eq_ignore_ascii_case("lastVoteEpoch") => &mut self.last_vote_epoch,
                () => continue,
            };
            *place = Some(number(value, line, "an epoch")?);
        }
        Ok(())
    }

    /// What strict failover keeps; false for another variable.
    fn read_strict(&mut self, name: &str, value: &str, line: usize) -> Result<bool, ConfError> {
        match name {
            PLEDGE => {
                let pledge = Pledge::parse(value);
                self.pledge = Some(pledge.ok_or_else(|| wrong(line, "<epoch>:<epoch>:<name>", value, EDIT))?);
            }
            GROUP | NEXT_GROUP => {
                let group = AckGroup::parse(value);
                let group = group.ok_or_else(|| wrong(line, "<epoch>:<number>:<count>:<name>+..", value, EDIT))?;
                let place = if name == GROUP { &mut self.groups.settled } else { &mut self.groups.next };
                *place = Some(group);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read_node(&mut self, words: &[&str], line: usize) -> Result<(), ConfError> {
        let [name, address, flags, primary, ping, pong, epoch, _link, slots @ ..] = words else {
            let found = words.join(" ");
            return Err(wrong(line, "a node's line of eight words or more, or \"vars\"", &found, EDIT));
        };
        let name = name_of(name, line)?;
        let mut node = KnownNode::new(name, NodeAddress::default(), flags_of(flags, line)?);
        let shard = self.read_address(address, line, &mut node.address)?;
        node.shard = shard.unwrap_or(name);
        node.primary = if *primary == "-" { None } else { Some(name_of(primary, line)?) };
        node.ping_sent = time(ping, line)?;
        node.pong_received = time(pong, line)?;
        let epoch = number(epoch, line, "an epoch")?;
        // A replica's is its primary's, and stands in the primary's line.
        node.config_epoch = if node.is_replica() && node.primary.is_some() { 0 } else { epoch };
        for word in slots {
            match word.strip_prefix('[') {
                Some(word) => self.read_move(word, line)?,
                None => self.read_slots(word, line, &mut node)?,
            }
        }
        if node.flags.has(NodeFlags::MYSELF) && self.me.replace(name).is_some() {
            return Err(wrong(line, "one node that is myself", "a second one", EDIT));
        }
        if !node.slots.is_empty() {
            self.owned.push((line, name));
        }
        match self.nodes.insert(name, Line { node, has_shard: shard.is_some() }) {
            None => Ok(()),
            Some(_) => Err(wrong(line, "one line for each node", name.as_str(), EDIT)),
        }
    }

    /// `ip:port[@bus port][,hostname][,name=value...]`; returns the shard, if it is named.
    fn read_address(&self, word: &str, line: usize, to: &mut NodeAddress) -> Result<Option<NodeName>, ConfError> {
        let mut parts = word.split(',');
        let place = parts.next().unwrap_or_default();
        let Some((ip, ports)) = place.rsplit_once(':') else {
            return Err(wrong(line, "<ip>:<port>@<bus port>", place, EDIT));
        };
        to.ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip).to_owned();
        let (port, bus_port) = match ports.split_once('@') {
            Some((port, bus_port)) => (port, Some(bus_port)),
            None => (ports, None),
        };
        to.port = number(port, line, "a port")?;
        to.hostname = parts.next().unwrap_or_default().to_owned();
        let (mut shard, mut plain, mut tls) = (None, None, None);
        for part in parts.filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("shard-id", value)) => shard = Some(name_of(value, line)?),
                Some(("nodename", value)) => to.human_name = value.to_owned(),
                Some(("tcp-port", value)) => plain = Some(number(value, line, "a port")?),
                Some(("tls-port", value)) => tls = Some(number(value, line, "a port")?),
                // Of versions to come.
                Some(_) => {}
                None => return Err(wrong(line, "<name>=<value>", part, EDIT)),
            }
        }
        // The port of the address is of the kind that is not named otherwise.
        let (plain, tls) = match (plain, tls, self.is_tls_cluster) {
            (None, None, false) => (to.port, 0),
            (None, None, true) => (0, to.port),
            (plain, tls, _) => (plain.unwrap_or(to.port), tls.unwrap_or(to.port)),
        };
        (to.port, to.plain_port) = if self.is_tls_cluster { (tls, plain) } else { (plain, tls) };
        to.bus_port = match bus_port {
            Some(bus_port) => number(bus_port, line, "a port of the bus")?,
            None => {
                to.port.checked_add(BUS_PORT_DISTANCE).ok_or_else(|| wrong(line, "a port of the bus", place, EDIT))?
            }
        };
        Ok(shard)
    }

    fn read_slots(&self, word: &str, line: usize, node: &mut KnownNode) -> Result<(), ConfError> {
        let slots: SlotSet = word.parse().map_err(|_| wrong(line, "a slot or a range such as 0-5460", word, EDIT))?;
        if !node.is_primary() {
            return Err(wrong(line, "slots at a master only", word, EDIT));
        }
        let taken = |name: &NodeName| !self.nodes[name].node.slots.is_disjoint(&slots);
        if let Some((before, owner)) = self.owned.iter().find(|(_, name)| taken(name)) {
            let found = format!("{word} at {}, some of which line {before} gives to {owner}", node.name);
            return Err(ConfError { line, expected: "each slot at one node".into(), found, advice: EDIT });
        }
        node.slots = node.slots.union(&slots);
        Ok(())
    }

    /// `77->-<name>]` or `77-<-<name>]`.
    fn read_move(&mut self, word: &str, line: usize) -> Result<(), ConfError> {
        let expected = || wrong(line, "[<slot>->-<name>] or [<slot>-<-<name>]", word, EDIT);
        let inner = word.strip_suffix(']').ok_or_else(expected)?;
        let (moves, (slot, name)) = match inner.split_once("->-") {
            Some(parts) => (&mut self.migrating, parts),
            None => (&mut self.importing, inner.split_once("-<-").ok_or_else(expected)?),
        };
        let slot = slot.parse().ok().and_then(Slot::new).ok_or_else(expected)?;
        moves.insert(slot, NodeName::parse(name.as_bytes()).ok_or_else(expected)?);
        Ok(())
    }

    fn finish(mut self, last: usize, chance: &mut dyn FnMut() -> NodeName) -> Result<Roster, ConfError> {
        let me = self.me.ok_or_else(|| wrong(last, "a node that is myself", "the end of the file", EDIT))?;
        // Nodes that others name but that have no line are known by name only.
        let primaries = self.nodes.values().filter_map(|line| line.node.primary);
        let named: Vec<_> = primaries.chain(self.migrating.values().chain(self.importing.values()).copied()).collect();
        for name in named {
            let unknown = || KnownNode::new(name, NodeAddress::default(), NodeFlags::default());
            self.nodes.entry(name).or_insert_with(|| Line { node: unknown(), has_shard: false });
        }
        for name in &self.voters {
            if let Some(Line { node, .. }) = self.nodes.get_mut(name) {
                node.flags = node.flags.with(NodeFlags::VOTER);
            }
        }
        self.name_shards(chance);
        let highest = self.nodes.values().map(|line| line.node.config_epoch).max().unwrap_or(0);
        let my_line = self.nodes.remove(&me).expect("its line was read");
        let mut roster = Roster::new(my_line.node);
        self.nodes.into_values().for_each(|line| roster.insert(line.node));
        roster.current_epoch = self.current_epoch.unwrap_or(0).max(highest);
        roster.last_vote_epoch = self.last_vote_epoch.unwrap_or(0);
        (roster.migrating, roster.importing) = (self.migrating, self.importing);
        (roster.pledge, roster.groups) = (self.pledge, self.groups);
        // Whether what may be claimed was claimed is not known yet.
        let leaves = |transfer: &&Transfer| matches!(transfer.stage, TransferStage::Leaving(_));
        roster.paused =
            self.transfers.iter().filter(leaves).map(|transfer| (transfer.name, transfer.slots.clone())).collect();
        roster.transfers = self.transfers.into_iter().map(|transfer| (transfer.name, transfer)).collect();
        Ok(roster)
    }

    /// Who follows a node is of that node's shard; a node that follows nobody gets one of its own.
    fn name_shards(&mut self, chance: &mut dyn FnMut() -> NodeName) {
        let is_leader = |line: &Line| line.node.primary.is_none();
        for line in self.nodes.values_mut().filter(|line| is_leader(line) && !line.has_shard) {
            line.node.shard = chance();
        }
        let leaders: BTreeMap<NodeName, NodeName> =
            self.nodes.values().filter(|line| is_leader(line)).map(|line| (line.node.name, line.node.shard)).collect();
        for line in self.nodes.values_mut() {
            match line.node.primary {
                Some(primary) if leaders.contains_key(&primary) => line.node.shard = leaders[&primary],
                // Its primary follows another: which shard it is of shows once it is heard of.
                Some(_) if !line.has_shard => line.node.shard = chance(),
                _ => {}
            }
        }
    }
}

fn flags_of(word: &str, line: usize) -> Result<NodeFlags, ConfError> {
    word.split(',').filter(|word| *word != "noflags").try_fold(NodeFlags::default(), |flags, word| {
        let flag = FLAG_WORDS.iter().find(|(_, name)| word.eq_ignore_ascii_case(name));
        flag.map(|(flag, _)| flags.with(*flag)).ok_or_else(|| wrong(line, "flags such as myself,master", word, EDIT))
    })
}

fn name_of(word: &str, line: usize) -> Result<NodeName, ConfError> {
    NodeName::parse(word.as_bytes()).ok_or_else(|| wrong(line, "a name of forty hexadecimal digits", word, EDIT))
}

fn number<N: std::str::FromStr>(word: &str, line: usize, expected: &str) -> Result<N, ConfError> {
    word.parse().map_err(|_| wrong(line, expected, word, EDIT))
}

fn time(word: &str, line: usize) -> Result<Option<UnixMillis>, ConfError> {
    let time: i64 = number(word, line, "a time in milliseconds")?;
    Ok((time != 0).then_some(UnixMillis(time)))
}

#[cfg(test)]
#[path = "conf_tests.rs"]
mod tests;
