//! PING, PONG and MEET: what a node says of itself and of others, and how it takes that.
//!
//! A pulse speaks of a tenth of the nodes, three at least, chosen by chance, and of all that do not answer.

use super::super::message::{Body, Extensions, Gossip, Header, Message, NodeFlags, Pulse};
use super::super::name::NodeName;
use super::super::roster::{KnownNode, NodeAddress};
use super::output::MemberEvent;
use super::{Member, Peer};
use keyslot_engine::UnixMillis;

impl Member {
    /// What every message says of this node.
    pub(super) fn header(&self) -> Header {
        let me = self.roster.me();
        let shard = self.my_primary();
        Header {
            sender: me.name,
            ip: Some(self.options.announced.ip.clone()).filter(|ip| !ip.is_empty()),
            port: me.address.port,
            plain_port: me.address.plain_port,
            bus_port: me.address.bus_port,
            current_epoch: self.roster.current_epoch,
            config_epoch: shard.map_or(0, |node| node.config_epoch),
            offset: self.facts.offset,
            slots: shard.map_or_else(Default::default, |node| node.slots.clone()),
            primary: me.primary,
            flags: me.flags.with(NodeFlags::LIGHT),
            is_up: self.health.is_up(),
            is_paused: self.holds_writes(),
            is_forced: false,
        }
    }

    /// Of this node, with this to say.
    pub(super) fn message(&self, body: Body) -> Message {
        Message { header: self.header(), body }
    }

    /// A pulse for a node; `None` for one whose name is not known.
    pub(super) fn pulse_message(&mut self, body: fn(Pulse) -> Body, to: Option<NodeName>, now: UnixMillis) -> Message {
        let gossip = self.choose_gossip(to);
        let me = self.roster.me();
        let left = |until: &UnixMillis| u64::try_from((until.0 - now.0) / 1000).unwrap_or(0);
        // Who does not know one reads over it.
        let extensions = Extensions {
            hostname: Some(me.address.hostname.clone()).filter(|name| !name.is_empty()),
            human_name: Some(me.address.human_name.clone()).filter(|name| !name.is_empty()),
            forgotten: self.forgotten.iter().map(|(name, until)| (*name, left(until))).take(FORGOTTEN_MAX).collect(),
            shard: Some(me.shard),
            strict: to.and_then(|to| self.strict_word(to)),
        };
        self.message(body(Pulse { gossip, extensions }))
    }

    fn choose_gossip(&mut self, to: Option<NodeName>) -> Vec<Gossip> {
        let me = self.roster.me().name;
        let is_told = |node: &&KnownNode| {
            node.name != me
                && Some(node.name) != to
                && !node.flags.has(NodeFlags::HANDSHAKE)
                && !node.flags.has(NodeFlags::NO_ADDRESS)
        };
        let mut chosen: Vec<&KnownNode> = self.roster.nodes().filter(is_told).collect();
        let suspected: Vec<Gossip> =
            chosen.iter().filter(|node| node.is_suspected()).map(|node| rumour(node)).collect();
        // Who is not reached and owns nothing is of no interest.
        chosen.retain(|node| !node.is_suspected() && (node.is_linked || !node.slots.is_empty()));
        let wanted = (self.roster.len() / GOSSIP_SHARE).max(GOSSIP_COUNT_MIN).min(chosen.len());
        for at in 0..wanted {
            let left = (chosen.len() - at) as u64;
            chosen.swap(at, at + (self.chance.next() % left) as usize);
        }
        let mut gossip: Vec<Gossip> = chosen[..wanted].iter().map(|node| rumour(node)).collect();
        gossip.extend(suspected);
        gossip
    }

    /// Asks a node whether it is there.
    pub(super) fn ping(&mut self, name: NodeName, now: UnixMillis) {
        let ping = self.pulse_message(Body::Ping, Some(name), now);
        if let Some(node) = self.roster.node_mut(&name) {
            node.ping_sent.get_or_insert(now);
        }
        self.send_to(&name, &ping);
    }

    /// Says what is to be said first over a connection that was made.
    pub(super) fn greet(&mut self, name: NodeName, now: UnixMillis) {
        let Some(node) = self.roster.node_mut(&name) else { return };
        node.is_linked = true;
        let is_meet = node.flags.has(NodeFlags::MEET);
        // The answer to a MEET says who is there: it is said once.
        node.flags = node.flags.without(NodeFlags::MEET);
        match is_meet {
            true => {
                let meet = self.pulse_message(Body::Meet, None, now);
                self.send_to(&name, &meet);
                if let Some(node) = self.roster.node_mut(&name) {
                    node.ping_sent.get_or_insert(now);
                }
            }
            false => self.ping(name, now),
        }
    }

    /// Tells all of this node's shard, or all, how things are.
    pub(super) fn tell_pulse(&mut self, whom: impl Fn(&KnownNode) -> bool, now: UnixMillis) {
        let me = self.roster.me().name;
        let is_meant = |node: &&KnownNode| node.name != me && !node.is_in_handshake() && whom(node);
        let names: Vec<NodeName> = self.roster.nodes().filter(is_meant).map(|node| node.name).collect();
        for name in names {
            let pong = self.pulse_message(Body::Pong, Some(name), now);
            self.send_to(&name, &pong);
        }
    }

    /// Takes what a node says of others.
    pub(super) fn take_gossip(&mut self, sender: NodeName, pulse: &Pulse, now: UnixMillis) {
        let me = self.roster.me().name;
        let speaks = self.roster.node(&sender).is_some_and(KnownNode::votes);
        for gossip in pulse.gossip.iter().filter(|gossip| gossip.name != me) {
            match self.roster.node(&gossip.name) {
                Some(_) => self.take_rumour(sender, speaks, gossip, now),
                None => self.take_in(gossip, now),
            }
        }
    }

    fn take_rumour(&mut self, sender: NodeName, speaks: bool, gossip: &Gossip, now: UnixMillis) {
        let is_down = gossip.flags.has(NodeFlags::PFAIL) || gossip.flags.has(NodeFlags::FAIL);
        if speaks && gossip.name != sender {
            self.take_report(sender, gossip.name, is_down, now);
        }
        let has_reports = self.peers.get(&gossip.name).is_some_and(|peer| !peer.reports.is_empty());
        let Some(node) = self.roster.node_mut(&gossip.name) else { return };
        if !is_down && node.ping_sent.is_none() && !has_reports {
            // Whoever answered another lives: it need not be asked so soon.
            let pong = UnixMillis(i64::from(gossip.pong_received_s) * 1000);
            if pong.0 <= now.0 + CLOCK_SKEW_MS_MAX && Some(pong) > node.pong_received {
                node.pong_received = Some(pong);
            }
        }
        let is_elsewhere = node.address.ip != gossip.ip || node.address.bus_port != gossip.bus_port;
        let is_lost = node.is_suspected() || node.is_failed() || node.flags.has(NodeFlags::NO_ADDRESS);
        let has_place = !gossip.flags.has(NodeFlags::NO_ADDRESS) && !gossip.ip.is_empty();
        if is_lost && !is_down && is_elsewhere && has_place {
            self.move_node(gossip.name, place_of(gossip), now);
        }
    }

    /// A member says that there is another.
    fn take_in(&mut self, gossip: &Gossip, now: UnixMillis) {
        let has_place = !gossip.flags.has(NodeFlags::NO_ADDRESS) && !gossip.ip.is_empty();
        if !has_place || self.forgotten.contains_key(&gossip.name) || self.roster.len() >= NODES_MAX {
            return;
        }
        let role = match gossip.flags.has(NodeFlags::REPLICA) {
            true => NodeFlags::REPLICA,
            false => NodeFlags::PRIMARY,
        };
        // Who votes is counted before it is heard.
        let flags = NodeFlags(role.0 | gossip.flags.0 & NodeFlags::VOTER.0);
        self.roster.insert(KnownNode::new(gossip.name, place_of(gossip), flags));
        self.peers.insert(gossip.name, Peer::new(now));
        self.is_unsaved = true;
        self.tell(MemberEvent::Joined(gossip.name));
    }

    /// Takes what a node says of itself in words that older ones do not know.
    pub(super) fn take_extensions(&mut self, sender: NodeName, extensions: &Extensions, now: UnixMillis) {
        let Some(node) = self.roster.node_mut(&sender) else { return };
        let before = (node.address.clone(), node.shard);
        // Who says none has none.
        node.address.hostname = extensions.hostname.clone().unwrap_or_default();
        node.address.human_name = extensions.human_name.clone().unwrap_or_default();
        match extensions.shard {
            Some(shard) => node.shard = shard,
            None => {
                let primary = node.primary;
                let shard = primary.and_then(|primary| self.roster.node(&primary)).map(|primary| primary.shard);
                if let (Some(shard), Some(node)) = (shard, self.roster.node_mut(&sender)) {
                    node.shard = shard;
                }
            }
        }
        if self.roster.node(&sender).is_some_and(|node| before != (node.address.clone(), node.shard)) {
            (self.is_unsaved, self.is_unserved) = (true, true);
        }
        let (me, primary) = (self.roster.me().name, self.roster.me().primary);
        for (name, seconds) in &extensions.forgotten {
            if *name == me || Some(*name) == primary || *seconds == 0 || self.roster.node(name).is_none() {
                continue;
            }
            let left_ms = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(FORGET_MS).min(FORGET_MS);
            self.forgotten.insert(*name, now.saturating_add(left_ms));
            self.remove_node(name, now);
        }
    }
}

fn rumour(node: &KnownNode) -> Gossip {
    let seconds = |at: Option<UnixMillis>| at.map_or(0, |at| u32::try_from(at.seconds()).unwrap_or(0));
    Gossip {
        name: node.name,
        ping_sent_s: seconds(node.ping_sent),
        pong_received_s: seconds(node.pong_received),
        ip: node.address.ip.clone(),
        port: node.address.port,
        plain_port: node.address.plain_port,
        bus_port: node.address.bus_port,
        flags: node.flags,
    }
}

fn place_of(gossip: &Gossip) -> NodeAddress {
    NodeAddress {
        ip: gossip.ip.clone(),
        port: gossip.port,
        plain_port: gossip.plain_port,
        bus_port: gossip.bus_port,
        hostname: String::new(),
        human_name: String::new(),
    }
}

/// How long a node that was forgotten is not taken in.
pub(super) const FORGET_MS: i64 = 60_000;

/// A pulse speaks of one node in so many.
const GOSSIP_SHARE: usize = 10;
const GOSSIP_COUNT_MIN: usize = 3;

/// So much another clock may be ahead.
const CLOCK_SKEW_MS_MAX: i64 = 500;

/// Of so many forgotten nodes a pulse tells at most.
const FORGOTTEN_MAX: usize = 256;

/// So many nodes are known at most: what others say is bounded.
const NODES_MAX: usize = 4096;
