//! The words of CLUSTER, and what can be refused from them alone.
//!
//! Whatever depends on the cluster (whether a node is known, a slot busy) is for the decider to refuse. A name that is no
//! name is of no node: that is refused here, with the text for nodes that are not known.

use crate::cluster::name::NodeName;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Slot, text};
use std::net::IpAddr;

/// What a CLUSTER command asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClusterCommand {
    /// MEET: take this node in.
    Meet {
        /// Its address.
        ip: IpAddr,
        /// Its port for clients.
        port: u16,
        /// The port of its bus.
        bus_port: u16,
    },
    /// FORGET.
    Forget(NodeName),
    /// REPLICATE.
    Replicate(NodeName),
    /// ADDSLOTS and ADDSLOTSRANGE.
    AddSlots(SlotSet),
    /// DELSLOTS and DELSLOTSRANGE.
    DelSlots(SlotSet),
    /// FLUSHSLOTS.
    FlushSlots,
    /// SETSLOT.
    SetSlot(Slot, SetSlot),
    /// BUMPEPOCH.
    BumpEpoch,
    /// SET-CONFIG-EPOCH.
    SetConfigEpoch(u64),
    /// FAILOVER.
    Failover(FailoverMode),
    /// RESET.
    Reset(ResetMode),
    /// SAVECONFIG.
    SaveConfig,
    /// INFO.
    Info,
    /// NODES.
    Nodes,
    /// SLOTS.
    Slots,
    /// SHARDS.
    Shards,
    /// LINKS.
    Links,
    /// MYID.
    MyId,
    /// MYSHARDID.
    MyShardId,
    /// REPLICAS and SLAVES.
    Replicas(NodeName),
    /// COUNT-FAILURE-REPORTS.
    CountFailureReports(NodeName),
    /// MIGRATESLOTS: slots are to go to other nodes at once.
    MigrateSlots(Vec<(SlotSet, NodeName)>),
    /// GETSLOTMIGRATIONS: how that goes.
    GetSlotMigrations,
    /// CANCELSLOTMIGRATIONS: they are to stay.
    CancelSlotMigrations,
    /// SYNCSLOTS: what nodes ask each other about it.
    SyncSlots(TransferRequest),
}

/// What a node is asked about a transfer, by another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransferRequest {
    /// To take slots.
    Establish {
        /// The transfer.
        name: NodeName,
        /// From this node.
        source: NodeName,
        /// Which slots.
        slots: SlotSet,
    },
    /// What became of one.
    State {
        /// The transfer.
        name: NodeName,
        /// Its slots.
        slots: SlotSet,
    },
}

/// What becomes of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetSlot {
    /// This node gives it to another.
    Migrating(NodeName),
    /// This node takes it from another.
    Importing(NodeName),
    /// It stays.
    Stable,
    /// It is this node's now.
    Node(NodeName),
}

/// How a replica takes over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailoverMode {
    /// Its primary holds writes until it has everything.
    Normal,
    /// Its primary is not asked; the others vote.
    Force,
    /// Nobody is asked.
    TakeOver,
}

/// What is forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetMode {
    /// The cluster.
    Soft,
    /// The cluster, the epochs and the node's own name.
    Hard,
}

impl ClusterCommand {
    /// From the words after CLUSTER. The error is the text on the wire. O(slots named).
    pub fn parse(words: &[&[u8]]) -> Result<Self, String> {
        let Some((name, args)) = words.split_first() else {
            return Err("ERR wrong number of arguments for 'cluster' command".into());
        };
        Ok(match (name.to_ascii_lowercase().as_slice(), args) {
            (b"meet", [ip, port]) => meet(ip, port, None)?,
            (b"meet", [ip, port, bus_port]) => meet(ip, port, Some(bus_port))?,
            (b"forget", [node]) => Self::Forget(known(node)?),
            (b"replicate", [node]) => Self::Replicate(known(node)?),
            (b"addslots", [_, ..]) => Self::AddSlots(slots_of(args)?),
            (b"delslots", [_, ..]) => Self::DelSlots(slots_of(args)?),
            (b"addslotsrange", [_, _, ..]) => Self::AddSlots(ranges_of("addslotsrange", args)?),
            (b"delslotsrange", [_, _, ..]) => Self::DelSlots(ranges_of("delslotsrange", args)?),
            (b"flushslots", []) => Self::FlushSlots,
            (b"setslot", [slot, action @ ..]) if !action.is_empty() => {
                Self::SetSlot(slot_of(slot)?, SetSlot::parse(action)?)
            }
            (b"bumpepoch", []) => Self::BumpEpoch,
            (b"set-config-epoch", [epoch]) => Self::SetConfigEpoch(epoch_of(epoch)?),
            (b"failover", []) => Self::Failover(FailoverMode::Normal),
            (b"failover", [mode]) if is(mode, "force") => Self::Failover(FailoverMode::Force),
            (b"failover", [mode]) if is(mode, "takeover") => Self::Failover(FailoverMode::TakeOver),
            (b"reset", []) => Self::Reset(ResetMode::Soft),
            (b"reset", [mode]) if is(mode, "soft") => Self::Reset(ResetMode::Soft),
            (b"reset", [mode]) if is(mode, "hard") => Self::Reset(ResetMode::Hard),
            (b"failover" | b"reset", [_]) => return Err("ERR syntax error".into()),
            (b"saveconfig", []) => Self::SaveConfig,
            (b"info", []) => Self::Info,
            (b"nodes", []) => Self::Nodes,
            (b"slots", []) => Self::Slots,
            (b"shards", []) => Self::Shards,
            (b"links", []) => Self::Links,
            (b"myid", []) => Self::MyId,
            (b"myshardid", []) => Self::MyShardId,
            (b"replicas" | b"slaves", [node]) => Self::Replicas(known(node)?),
            (b"migrateslots", [_, ..]) => Self::MigrateSlots(moves_of(args)?),
            (b"getslotmigrations", []) => Self::GetSlotMigrations,
            (b"cancelslotmigrations", []) => Self::CancelSlotMigrations,
            (b"syncslots", [_, ..]) => Self::SyncSlots(TransferRequest::parse(args)?),
            (b"count-failure-reports", [node]) => Self::CountFailureReports(known(node)?),
            _ => {
                let name: String = String::from_utf8_lossy(name).chars().take(128).collect();
                return Err(format!(
                    "ERR unknown subcommand or wrong number of arguments for '{name}'. Try CLUSTER HELP."
                ));
            }
        })
    }
}

impl TransferRequest {
    fn parse(words: &[&[u8]]) -> Result<Self, String> {
        let syntax = || "ERR syntax error".to_owned();
        let [what, form, rest @ ..] = words else { return Err(syntax()) };
        if !is(form, TRANSFER_FORM) {
            return Err(format!("ERR transfers of the form {} are not known here", lossy(form)));
        }
        match rest {
            [source, by, name, of, word, ranges @ ..]
                if is(what, "establish") && is(source, "source") && is(name, "name") && is(word, "slotsrange") =>
            {
                Ok(Self::Establish { name: known(of)?, source: known(by)?, slots: ranges_of("syncslots", ranges)? })
            }
            [name, of, word, ranges @ ..] if is(what, "state") && is(name, "name") && is(word, "slotsrange") => {
                Ok(Self::State { name: known(of)?, slots: ranges_of("syncslots", ranges)? })
            }
            _ => Err(syntax()),
        }
    }
}

/// `SLOTSRANGE first last ... NODE id ...`
fn moves_of(words: &[&[u8]]) -> Result<Vec<(SlotSet, NodeName)>, String> {
    let (mut moves, mut all, mut rest) = (Vec::new(), SlotSet::new(), words);
    while let [word, after @ ..] = rest {
        if !is(word, "slotsrange") {
            return Err("ERR syntax error".into());
        }
        let end = after.iter().position(|word| is(word, "node")).ok_or("ERR syntax error")?;
        let slots = ranges_of("migrateslots", &after[..end])?;
        if let Some(slot) = slots.intersection(&all).iter().next() {
            return Err(format!("ERR Slot {slot} specified multiple times"));
        }
        let node = after.get(end + 1).ok_or("ERR syntax error")?;
        if slots.is_empty() {
            return Err("ERR syntax error".into());
        }
        all = all.union(&slots);
        moves.push((slots, known(node)?));
        rest = &after[end + 2..];
    }
    Ok(moves)
}

impl SetSlot {
    fn parse(words: &[&[u8]]) -> Result<Self, String> {
        let other = |node| name_of(node).ok_or_else(|| format!("ERR I don't know about node {}", lossy(node)));
        match words {
            [word, node] if is(word, "migrating") => Ok(Self::Migrating(other(node)?)),
            [word, node] if is(word, "importing") => Ok(Self::Importing(other(node)?)),
            [word] if is(word, "stable") => Ok(Self::Stable),
            [word, node] if is(word, "node") => Ok(Self::Node(known(node)?)),
            _ => Err("ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP".into()),
        }
    }
}

/// Names are resolved by whoever asks: only addresses are taken.
fn meet(ip: &[u8], port: &[u8], bus_port: Option<&[u8]>) -> Result<ClusterCommand, String> {
    let base = text::parse_i64(port).ok_or_else(|| format!("ERR Invalid base port specified: {}", lossy(port)))?;
    let bus = match bus_port {
        Some(word) => {
            text::parse_i64(word).ok_or_else(|| format!("ERR Invalid bus port specified: {}", lossy(word)))?
        }
        None => base.saturating_add(i64::from(BUS_PORT_DISTANCE)),
    };
    let address = std::str::from_utf8(ip).ok().and_then(|ip| ip.parse().ok());
    match (address, valid_port(base), valid_port(bus)) {
        (Some(ip), Some(port), Some(bus_port)) => Ok(ClusterCommand::Meet { ip, port, bus_port }),
        _ => Err(format!("ERR Invalid node address specified: {}:{}", lossy(ip), lossy(port))),
    }
}

/// The form of transfers of slots that is spoken here.
pub(crate) const TRANSFER_FORM: &str = "keyslot-1";

/// How far the port of the bus lies above the one for clients, unless it is said.
pub(super) const BUS_PORT_DISTANCE: u16 = 10_000;

fn valid_port(port: i64) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0)
}

fn epoch_of(word: &[u8]) -> Result<u64, String> {
    let epoch = text::parse_i64(word).ok_or("ERR value is not an integer or out of range")?;
    u64::try_from(epoch).map_err(|_| format!("ERR Invalid config epoch specified: {epoch}"))
}

/// Redis's names are in lower case.
fn name_of(word: &[u8]) -> Option<NodeName> {
    NodeName::parse(word).filter(|name| name.as_bytes() == word)
}

fn known(word: &[u8]) -> Result<NodeName, String> {
    name_of(word).ok_or_else(|| format!("ERR Unknown node {}", lossy(word)))
}

fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

fn lossy(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

fn slot_of(word: &[u8]) -> Result<Slot, String> {
    let slot = text::parse_i64(word).and_then(|number| u16::try_from(number).ok()).and_then(Slot::new);
    slot.ok_or_else(|| "ERR Invalid or out of range slot".into())
}

fn slots_of(words: &[&[u8]]) -> Result<SlotSet, String> {
    let named = words.iter().map(|word| slot_of(word)).collect::<Result<Vec<_>, _>>()?;
    let mut slots = SlotSet::new();
    named.into_iter().try_for_each(|slot| insert_once(&mut slots, slot))?;
    Ok(slots)
}

fn ranges_of(name: &str, words: &[&[u8]]) -> Result<SlotSet, String> {
    let (pairs, []) = words.as_chunks::<2>() else {
        return Err(format!("ERR wrong number of arguments for 'cluster|{name}' command"));
    };
    let mut slots = SlotSet::new();
    for [first, last] in pairs {
        let (first, last) = (slot_of(first)?, slot_of(last)?);
        if first > last {
            return Err(format!("ERR start slot number {first} is greater than end slot number {last}"));
        }
        let mut range = Slot::all().skip(first.index()).take(last.index() - first.index() + 1);
        range.try_for_each(|slot| insert_once(&mut slots, slot))?;
    }
    Ok(slots)
}

fn insert_once(slots: &mut SlotSet, slot: Slot) -> Result<(), String> {
    match slots.insert(slot) {
        true => Ok(()),
        false => Err(format!("ERR Slot {slot} specified multiple times")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "021b26aa986a2392af4b81d6d7a385818ad410f7";

    fn parse(line: &str) -> Result<ClusterCommand, String> {
        ClusterCommand::parse(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn commands_are_understood() {
        let name = NodeName::parse(ID.as_bytes()).unwrap();
        let slot = Slot::new(7).unwrap();
        let meet = |ip: &str, port, bus_port| ClusterCommand::Meet { ip: ip.parse().unwrap(), port, bus_port };
        for (line, command) in [
            ("meet 127.0.0.1 7000", meet("127.0.0.1", 7000, 17000)),
            ("MEET ::1 7000 5", meet("::1", 7000, 5)),
            (&format!("forget {ID}"), ClusterCommand::Forget(name)),
            (&format!("slaves {ID}"), ClusterCommand::Replicas(name)),
            ("addslotsrange 1 3 7 7", ClusterCommand::AddSlots("1-3 7".parse().unwrap())),
            ("delslots 7 1 2 3", ClusterCommand::DelSlots("1-3 7".parse().unwrap())),
            (&format!("setslot 7 migrating {ID}"), ClusterCommand::SetSlot(slot, SetSlot::Migrating(name))),
            (&format!("setslot 7 IMPORTING {ID}"), ClusterCommand::SetSlot(slot, SetSlot::Importing(name))),
            (&format!("setslot 7 node {ID}"), ClusterCommand::SetSlot(slot, SetSlot::Node(name))),
            ("setslot 7 stable", ClusterCommand::SetSlot(slot, SetSlot::Stable)),
            ("set-config-epoch 5", ClusterCommand::SetConfigEpoch(5)),
            ("failover", ClusterCommand::Failover(FailoverMode::Normal)),
            ("failover TAKEOVER", ClusterCommand::Failover(FailoverMode::TakeOver)),
            ("reset hard", ClusterCommand::Reset(ResetMode::Hard)),
            ("myshardid", ClusterCommand::MyShardId),
        ] {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn refusals_have_redis_s_texts() {
        let wrong = |name| format!("unknown subcommand or wrong number of arguments for '{name}'. Try CLUSTER HELP.");
        for (line, text) in [
            ("meet x 1", "Invalid node address specified: x:1"),
            ("meet 127.0.0.1 x", "Invalid base port specified: x"),
            ("meet 127.0.0.1 0", "Invalid node address specified: 127.0.0.1:0"),
            ("meet 127.0.0.1 60000", "Invalid node address specified: 127.0.0.1:60000"),
            ("meet 127.0.0.1 1 y", "Invalid bus port specified: y"),
            ("MEET 127.0.0.1 1 2 3", &wrong("MEET")),
            ("setslot 1 bla", "Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"),
            ("setslot x stable", "Invalid or out of range slot"),
            ("setslot 16384 stable", "Invalid or out of range slot"),
            ("setslot 1 stable 2", "Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"),
            ("setslot 1 node zz", "Unknown node zz"),
            ("setslot 1 migrating zz", "I don't know about node zz"),
            ("failover a", "syntax error"),
            ("failover a b", &wrong("failover")),
            ("reset x", "syntax error"),
            ("reset soft x", &wrong("reset")),
            ("addslots 1 1 x", "Invalid or out of range slot"),
            ("addslots 1 1", "Slot 1 specified multiple times"),
            ("addslotsrange 1 5 4 9", "Slot 4 specified multiple times"),
            ("addslotsrange 1 2 3", "wrong number of arguments for 'cluster|addslotsrange' command"),
            ("delslotsrange 3 1", "start slot number 3 is greater than end slot number 1"),
            ("set-config-epoch x", "value is not an integer or out of range"),
            ("set-config-epoch -1", "Invalid config epoch specified: -1"),
            ("forget zz", "Unknown node zz"),
            (&format!("forget {}", ID.to_uppercase()), &format!("Unknown node {}", ID.to_uppercase())),
            ("nodes x", &wrong("nodes")),
        ] {
            assert_eq!(parse(line), Err(format!("ERR {text}")), "{line}");
        }
    }
}
