//! What becomes of a message.

use super::super::message::{Body, Header, Message, NodeFlags, Pulse};
use super::super::name::NodeName;
use super::super::roster::{KnownNode, NodeAddress};
use super::links::Side;
use super::output::{BusLink, MemberEvent, MemberOutput, Reach};
use super::{Member, Peer};
use keyslot_engine::UnixMillis;

/// Which of the three messages a pulse came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Ping,
    Pong,
    Meet,
}

impl Member {
    /// Takes a message.
    pub(super) fn take(&mut self, link: BusLink, message: &Message, now: UnixMillis) {
        let Message { header, body } = message;
        self.count_received(body);
        let known = self.known_sender(header);
        if let Some(name) = known {
            self.hear(name, link, header, now);
        }
        match (body, known) {
            (Body::Ping(pulse), _) => self.take_pulse(link, known, header, pulse, Kind::Ping, now),
            (Body::Pong(pulse), _) => self.take_pulse(link, known, header, pulse, Kind::Pong, now),
            (Body::Meet(pulse), _) => self.take_pulse(link, known, header, pulse, Kind::Meet, now),
            (Body::Fail(failed), Some(_)) => self.take_failure(*failed, now),
            (Body::Publish(_) | Body::PublishShard(_), Some(_)) => self.take_publication(body.clone()),
            (Body::VoteRequest, Some(name)) => {
                // It may follow its primary since a moment ago.
                self.take_role(name, header, now);
                self.consider_vote(name, header, now);
            }
            (Body::Vote, Some(name)) => self.take_vote(name, header, now),
            (Body::Update { owner, config_epoch, slots }, Some(_)) => {
                self.take_update(*owner, *config_epoch, slots, now);
            }
            (Body::ManualFailover, Some(name)) => self.hold_for(name, now),
            // Nothing is believed of who is not known.
            (_, None) | (Body::Unknown(_), _) => {}
        }
    }

    pub(super) fn count_received(&mut self, body: &Body) {
        if let Some(count) = self.counts.received.get_mut(usize::from(body.kind())) {
            *count += 1;
        }
    }

    /// Takes what a client of a member published.
    pub(super) fn take_publication(&mut self, body: Body) {
        match body {
            Body::Publish(publication) => self.outputs.push_back(MemberOutput::Deliver(publication, Reach::Cluster)),
            Body::PublishShard(publication) => self.outputs.push_back(MemberOutput::Deliver(publication, Reach::Shard)),
            _ => {}
        }
    }

    /// Who says it, if it is a member under that name.
    fn known_sender(&self, header: &Header) -> Option<NodeName> {
        let node = self.roster.node(&header.sender)?;
        (node.name != self.roster.me().name && !node.is_in_handshake()).then_some(node.name)
    }

    /// Takes what every message says of its sender.
    fn hear(&mut self, name: NodeName, link: BusLink, header: &Header, now: UnixMillis) {
        if let Some(peer) = self.peers.get_mut(&name) {
            peer.heard = now;
            peer.takes_light = header.flags.has(NodeFlags::LIGHT);
        }
        if let Some(Side::Inbound { name: said, .. }) = self.links.get_mut(&link).map(|link| &mut link.side) {
            *said = Some(name);
        }
        self.note_epoch(&name, header);
        if header.current_epoch > self.roster.current_epoch {
            self.roster.current_epoch = header.current_epoch;
        }
        let Some(node) = self.roster.node_mut(&name) else { return };
        if header.config_epoch > node.config_epoch && header.primary.is_none() {
            node.config_epoch = header.config_epoch;
            self.is_unsaved = true;
        }
        let Some(node) = self.roster.node_mut(&name) else { return };
        node.offset = header.offset;
        self.hear_of_hold(name, header);
    }

    fn take_pulse(
        &mut self,
        link: BusLink,
        mut known: Option<NodeName>,
        header: &Header,
        pulse: &Pulse,
        kind: Kind,
        now: UnixMillis,
    ) {
        let side = self.links.get(&link).map(|link| link.side.clone());
        if kind != Kind::Pong {
            self.learn_own_address(&side, kind);
            if known.is_none() && kind == Kind::Meet {
                self.welcome(&side, header, now);
            }
            let pong = self.pulse_message(Body::Pong, known, now);
            self.send_over(link, &pong);
        }
        let from = match &side {
            Some(Side::Inbound { from, .. }) => from.clone(),
            Some(Side::Outbound(_)) | None => String::new(),
        };
        if let Some(Side::Outbound(asked)) = &side {
            match self.settle_name(link, *asked, known, header, now) {
                Some(name) => known = Some(name),
                None => return,
            }
        }
        let Some(name) = known else { return };
        self.take_marks(name, header);
        if kind != Kind::Pong {
            self.follow_address(name, &from, header, now);
        }
        if kind == Kind::Pong && matches!(side, Some(Side::Outbound(_))) {
            self.take_answer(name, now);
        }
        self.take_role(name, header, now);
        self.take_claim(name, header, now);
        self.settle_collision(name, header, now);
        self.take_gossip(name, pulse, now);
        self.take_extensions(name, &pulse.extensions, now);
        if let Some(word) = &pulse.extensions.strict {
            self.take_strict_word(name, header, word, now);
        }
    }

    /// A node learns where it is from who reaches it: from who meets it, and where members are looked for, from the first since it
    /// started.
    fn learn_own_address(&mut self, side: &Option<Side>, kind: Kind) {
        let Some(Side::Inbound { at, .. }) = side else { return };
        let is_first = !std::mem::replace(&mut self.was_reached, true) && self.options.has_seed;
        let me = self.roster.me_mut();
        let is_told = !self.options.announced.ip.is_empty() || at.is_empty();
        if !is_told && (kind == Kind::Meet || is_first || me.address.ip.is_empty()) && me.address.ip != *at {
            me.address.ip = at.clone();
            (self.is_unsaved, self.is_unserved) = (true, true);
        }
    }

    /// Somebody wants this node to know it: it is asked for its name where it says that it is.
    fn welcome(&mut self, side: &Option<Side>, header: &Header, now: UnixMillis) {
        let Some(Side::Inbound { from, .. }) = side else { return };
        if header.sender == self.roster.me().name {
            return;
        }
        let address = address_in(header, from);
        self.begin_handshake(address, NodeFlags::HANDSHAKE, now);
    }

    /// Adds a node of which only the place is known, under a name of chance. `None` if one is there already.
    pub(super) fn begin_handshake(
        &mut self,
        address: NodeAddress,
        flags: NodeFlags,
        now: UnixMillis,
    ) -> Option<NodeName> {
        let in_handshake = self.roster.nodes().filter(|node| node.is_in_handshake());
        let place = (&address.ip, address.bus_port);
        let (mut count, mut is_there) = (0, false);
        for node in in_handshake {
            count += 1;
            is_there |= (&node.address.ip, node.address.bus_port) == place;
        }
        if is_there || count >= HANDSHAKES_MAX {
            return None;
        }
        let name = NodeName::from_chance(self.chance.triple());
        self.roster.insert(KnownNode::new(name, address, flags));
        self.peers.insert(name, Peer::new(now));
        Some(name)
    }

    /// Whether who answers is who was asked; the name from here on. `None` where there is nothing more to hear.
    fn settle_name(
        &mut self,
        link: BusLink,
        asked: NodeName,
        known: Option<NodeName>,
        header: &Header,
        now: UnixMillis,
    ) -> Option<NodeName> {
        let node = self.roster.node(&asked)?;
        if !node.is_in_handshake() {
            if asked == header.sender {
                self.settle_place(link, asked);
                return Some(asked);
            }
            // Another node took its place: where this one is now is not known.
            let node = self.roster.node_mut(&asked)?;
            node.flags = node.flags.with(NodeFlags::NO_ADDRESS);
            node.address.ip.clear();
            (self.is_unsaved, self.is_unserved) = (true, true);
            self.close(link, &format!("{} answers in the place of {asked}", header.sender), now);
            return None;
        }
        let is_sought = self.peers.get(&asked).is_some_and(|peer| peer.is_sought);
        if header.sender == self.roster.me().name || known.is_some() || is_sought {
            let address = match is_sought {
                true => NodeAddress { ip: node.address.ip.clone(), ..address_in(header, "") },
                false => node.address.clone(),
            };
            // Where a member is reached it stays, whatever other way leads to it.
            let is_reached = |name: &NodeName| self.roster.node(name).is_some_and(|node| node.is_linked);
            if let Some(name) = known.filter(|name| !is_sought || !is_reached(name)) {
                self.move_node(name, address, now);
            }
            self.remove_node(&asked, now);
            return None;
        }
        let mut node = self.roster.remove(&asked)?;
        let role = if header.primary.is_some() { NodeFlags::REPLICA } else { NodeFlags::PRIMARY };
        node.name = header.sender;
        node.shard = header.sender;
        node.flags = node.flags.without(NodeFlags::HANDSHAKE.with(NodeFlags::MEET)).with(role);
        self.roster.insert(node);
        let peer = self.peers.remove(&asked)?;
        self.peers.insert(header.sender, peer);
        if let Some(link) = self.links.get_mut(&link) {
            link.side = Side::Outbound(header.sender);
        }
        self.tell(MemberEvent::Joined(header.sender));
        (self.is_unsaved, self.is_unserved) = (true, true);
        Some(header.sender)
    }

    /// A node that answered where its host name led is there.
    fn settle_place(&mut self, link: BusLink, name: NodeName) {
        let reached_at = self.links.get_mut(&link).and_then(|link| link.reached_at.take());
        let Some(node) = self.roster.node(&name) else { return };
        if let Some(ip) = reached_at.filter(|ip| *ip != node.address.ip) {
            let address = NodeAddress { ip, ..node.address.clone() };
            self.take_place(name, address);
        }
    }

    /// Takes what a node says it does and knows.
    fn take_marks(&mut self, name: NodeName, header: &Header) {
        let Some(node) = self.roster.node_mut(&name) else { return };
        let marks = NodeFlags::NO_FAILOVER.with(NodeFlags::VOTER);
        let voted = node.flags.has(NodeFlags::VOTER);
        node.flags = node.flags.without(marks).with(NodeFlags(header.flags.0 & marks.0));
        // Who votes is known before anybody is elected by fewer.
        self.is_unsaved |= voted != node.flags.has(NodeFlags::VOTER);
    }

    /// A node that speaks from elsewhere has moved.
    fn follow_address(&mut self, name: NodeName, from: &str, header: &Header, now: UnixMillis) {
        let Some(node) = self.roster.node(&name) else { return };
        let said = address_in(header, from);
        if said.ip.is_empty() {
            return;
        }
        let address = NodeAddress {
            hostname: node.address.hostname.clone(),
            human_name: node.address.human_name.clone(),
            ..said
        };
        if node.address != address {
            self.move_node(name, address, now);
        }
    }

    /// A node is elsewhere: it is connected to anew.
    pub(super) fn move_node(&mut self, name: NodeName, address: NodeAddress, now: UnixMillis) {
        let Some(node) = self.roster.node_mut(&name) else { return };
        let is_place = (&node.address.ip, node.address.bus_port) == (&address.ip, address.bus_port);
        let is_same = node.address == address && !node.flags.has(NodeFlags::NO_ADDRESS);
        if is_same {
            return;
        }
        let reached_at =
            self.peers.get(&name).and_then(|peer| self.links.get(&peer.link?)).and_then(|link| link.reached_at.clone());
        if !is_place
            && reached_at.as_ref() != Some(&address.ip)
            && let Some(link) = self.peers.get(&name).and_then(|peer| peer.link)
        {
            self.close(link, "the node is elsewhere", now);
        }
        self.take_place(name, address);
    }

    /// A node is at this address.
    fn take_place(&mut self, name: NodeName, address: NodeAddress) {
        let Some(node) = self.roster.node_mut(&name) else { return };
        let kept = std::mem::take(&mut node.address);
        node.address = NodeAddress { hostname: kept.hostname, human_name: kept.human_name, ..address };
        node.flags = node.flags.without(NodeFlags::NO_ADDRESS);
        let address = node.address.clone();
        if self.roster.me().primary == Some(name) {
            self.push_follow(name, address);
        }
        (self.is_unsaved, self.is_unserved) = (true, true);
    }

    /// Forgets another node.
    pub(super) fn remove_node(&mut self, name: &NodeName, now: UnixMillis) {
        if let Some(link) = self.peers.remove(name).and_then(|peer| peer.link) {
            self.close(link, "the node is forgotten", now);
        }
        let Some(node) = self.roster.remove(name) else { return };
        self.peers.values_mut().for_each(|peer| {
            peer.reports.remove(name);
        });
        if !node.is_in_handshake() {
            (self.is_unsaved, self.is_unserved) = (true, true);
            self.tell(MemberEvent::Forgotten(*name));
        }
    }

    /// Forgets those who did not say their names in time.
    pub(super) fn end_handshakes(&mut self, now: UnixMillis) {
        let timeout_ms = self.options.handshake_timeout_ms();
        let late = |node: &&KnownNode| {
            let since = self.peers.get(&node.name).map_or(now, |peer| peer.since);
            node.is_in_handshake() && now.0 - since.0 > timeout_ms
        };
        let late: Vec<NodeName> = self.roster.nodes().filter(late).map(|node| node.name).collect();
        late.iter().for_each(|name| self.remove_node(name, now));
    }

    /// Takes whether a node leads or follows, and whom.
    fn take_role(&mut self, name: NodeName, header: &Header, now: UnixMillis) {
        let Some(node) = self.roster.node_mut(&name) else { return };
        match header.primary {
            None if node.is_primary() => {}
            None => self.set_primary(name),
            Some(primary) => {
                if node.is_primary() {
                    node.flags = node.flags.without(NodeFlags::PRIMARY.with(NodeFlags::MIGRATE_TO));
                    node.flags = node.flags.with(NodeFlags::REPLICA);
                    node.slots.clear();
                    (self.is_unsaved, self.is_unserved) = (true, true);
                    self.review_health(now);
                }
                let shard = self.roster.node(&primary).map(|primary| primary.shard);
                let Some(node) = self.roster.node_mut(&name) else { return };
                if let Some(shard) = shard
                    && node.primary != Some(primary)
                {
                    (node.primary, node.shard) = (Some(primary), shard);
                    (self.is_unsaved, self.is_unserved) = (true, true);
                }
            }
        }
    }

    /// A node leads.
    pub(super) fn set_primary(&mut self, name: NodeName) {
        let Some(node) = self.roster.node_mut(&name) else { return };
        if node.is_primary() {
            return;
        }
        node.flags = node.flags.without(NodeFlags::REPLICA).with(NodeFlags::PRIMARY);
        node.primary = None;
        (self.is_unsaved, self.is_unserved) = (true, true);
    }
}

/// Where a node says it is; `from` where it does not say so.
fn address_in(header: &Header, from: &str) -> NodeAddress {
    NodeAddress {
        ip: header.ip.clone().unwrap_or_else(|| from.to_owned()),
        port: header.port,
        plain_port: header.plain_port,
        bus_port: header.bus_port,
        hostname: String::new(),
        human_name: String::new(),
    }
}

/// So many nodes may be asked for their names at a time.
const HANDSHAKES_MAX: usize = 1024;
