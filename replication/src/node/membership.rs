//! The node as a member of a cluster: its bus, and what the cluster decides about its data.
//!
//! The member decides; this carries it out: whom the node follows, when writes are held, what the engine's gate lets in.

use super::output::{CloseReason, ConnectionId, Output};
use super::target::Target;
use super::transfers::Transfers;
use super::{Connection, Node};
use crate::cluster::Gates;
use crate::cluster::NodeName;
use crate::cluster::member::{AckQuorum, BusLink, Facts, Member, MemberOutput, Upstream};
use crate::cluster::view::PreferredEndpoint;
use crate::link::{Quorum, ReplicaPhase, ReplicaProfile, SyncScope};
use keyslot_engine::{EffectSink, UnixMillis};
use std::collections::BTreeMap;

/// What a node keeps of its membership.
pub(super) struct Membership {
    pub(super) member: Member,
    pub(super) transfers: Transfers,
    gates: Gates,
    connections: BTreeMap<BusLink, ConnectionId>,
    /// Writes are held until then at the latest.
    held_until: Option<UnixMillis>,
    /// When the primary was heard of last.
    heard: Option<UnixMillis>,
    /// Whom the data was to be that of last.
    followed: Option<NodeName>,
}

impl Node {
    /// Makes the node a member of a cluster.
    pub fn join(&mut self, member: Member, now: UnixMillis) {
        let gates = Gates::new(&self.engine);
        let connections = BTreeMap::new();
        let transfers = Transfers::new(self.engine.clone(), &member, self.chance.next(), now);
        let (held_until, heard, followed) = (None, None, None);
        self.membership = Some(Membership { member, transfers, gates, connections, held_until, heard, followed });
        self.settle_member(now);
    }

    /// The node as a member of a cluster, if it is one.
    pub fn member(&self) -> Option<&Member> {
        self.membership.as_ref().map(|membership| &membership.member)
    }

    /// Has the member do something, and carries out what follows of it; `None` at a node that is no member.
    pub fn with_member<R>(&mut self, now: UnixMillis, work: impl FnOnce(&mut Member) -> R) -> Option<R> {
        let facts = self.facts();
        let followers = self.followers();
        let membership = self.membership.as_mut()?;
        membership.member.set_facts(facts);
        membership.member.set_followers(followers);
        let done = work(&mut membership.member);
        self.settle_member(now);
        Some(done)
    }

    /// Somebody made a connection to this node's bus: from this address, to that one. `None` at a node that is no member.
    pub fn accept_bus(&mut self, from: &str, at: &str, now: UnixMillis) -> Option<ConnectionId> {
        let link = self.with_member(now, |member| member.accept(from.to_owned(), at.to_owned(), now))?;
        let connection = self.take_connection_id();
        self.connections.insert(connection, Connection::Bus(link));
        self.membership.as_mut()?.connections.insert(link, connection);
        Some(connection)
    }

    /// Which connections of the bus have something to be sent over them.
    pub fn sending_bus(&self) -> impl Iterator<Item = ConnectionId> {
        let membership = self.membership.iter();
        membership.flat_map(|it| it.member.sending_links().filter_map(|link| it.connections.get(&link).copied()))
    }

    pub(super) fn handle_bus(&mut self, link: BusLink, bytes: &[u8], now: UnixMillis) {
        self.with_member(now, |member| member.handle_link(link, bytes, now));
    }

    pub(super) fn open_bus(&mut self, link: BusLink, now: UnixMillis) {
        self.with_member(now, |member| member.link_opened(link, now));
    }

    /// A connection to the bus of a node is there, at another address than that which was given: its host name led there.
    pub fn bus_opened_at(&mut self, connection: ConnectionId, ip: &str, now: UnixMillis) {
        if let Some(Connection::Bus(link)) = self.connections.get(&connection) {
            let link = *link;
            self.with_member(now, |member| member.link_opened_at(link, ip, now));
        }
    }

    /// A connection to the bus of a node is refused: nobody listens there.
    pub fn bus_refused(&mut self, connection: ConnectionId, now: UnixMillis) {
        if let Some(Connection::Bus(link)) = self.connections.remove(&connection) {
            if let Some(membership) = &mut self.membership {
                membership.connections.remove(&link);
            }
            self.with_member(now, |member| member.link_refused(link, now));
        }
    }

    pub(super) fn end_bus(&mut self, link: BusLink, now: UnixMillis) {
        if let Some(membership) = &mut self.membership {
            membership.connections.remove(&link);
        }
        self.with_member(now, |member| member.link_closed(link, now));
    }

    pub(super) fn poll_bus(&mut self, link: BusLink, out: &mut Vec<u8>) {
        if let Some(membership) = &mut self.membership {
            membership.member.poll_link(link, out);
        }
    }

    pub(super) fn next_member_timeout(&self) -> Option<UnixMillis> {
        let membership = self.membership.as_ref()?;
        [Some(membership.member.next_timeout()), membership.held_until].into_iter().flatten().min()
    }

    pub(super) fn tend_member(&mut self, now: UnixMillis) {
        if self.membership.as_ref().is_some_and(|it| it.held_until.is_some_and(|until| until <= now)) {
            self.release_held();
        }
        self.with_member(now, |member| member.handle_timeout(now));
    }

    fn release_held(&mut self) {
        if let Some(membership) = &mut self.membership
            && membership.held_until.take().is_some()
        {
            self.engine.release_writes();
        }
    }

    /// Notes when the primary was heard of, once its stream comes.
    pub(super) fn note_heard(&mut self) {
        let heard = self.followed().filter(|link| link.phase() == ReplicaPhase::Streaming).map(|link| link.heard());
        if let (Some(membership), Some(heard)) = (&mut self.membership, heard) {
            membership.heard = Some(heard);
        }
    }

    /// What the member has to know of the data.
    fn facts(&self) -> Facts {
        let is_streaming = self.phase() == Some(ReplicaPhase::Streaming);
        let is_known = self.standing.is_known();
        let Some(membership) = &self.membership else { return Facts::default() };
        let upstream = match membership.heard {
            // Data that is being replaced is nobody's.
            _ if !is_known => Upstream::None,
            None => Upstream::None,
            Some(heard) if is_streaming => Upstream::Streaming { heard },
            Some(since) => Upstream::Down { since },
        };
        let offset = if is_known { self.standing.journal().end().0 } else { 0 };
        let is_still = membership.held_until.is_some() && self.engine.is_still();
        let history = self.standing.history().id().number();
        Facts { offset, upstream, is_still, history }
    }

    /// Which members of the cluster follow the stream, and how far they are; nobody is looked for but under strict failover.
    fn followers(&self) -> Vec<(NodeName, u64)> {
        let is_strict = self.member().is_some_and(|member| member.options().strict.is_some());
        if !is_strict { Vec::new() } else { self.standing.followers().collect() }
    }

    /// The name under which this node takes part in strict failover, if it does.
    pub(super) fn strict_name(&self) -> Option<String> {
        let member = self.member().filter(|member| member.options().strict.is_some())?;
        Some(member.roster().me().name.to_string())
    }

    /// Why a replica is not served although the node leads: an error is what to answer.
    pub(super) fn admit_to_shard(&self, profile: &ReplicaProfile) -> Result<(), &'static str> {
        self.member().map_or(Ok(()), |member| admit_to_shard(member, profile))
    }

    /// Carries out what the member decided.
    pub(super) fn settle_member(&mut self, now: UnixMillis) {
        while let Some(output) = self.membership.as_mut().and_then(|it| it.member.poll_output()) {
            match output {
                MemberOutput::Save | MemberOutput::Note => self.outputs.push_back(Output::KeepRoster),
                MemberOutput::Serve => {
                    if let Some(membership) = &mut self.membership {
                        membership.gates.settle(&self.engine, &membership.member, PreferredEndpoint::Ip);
                    }
                }
                MemberOutput::Connect { link, address } => {
                    let connection = self.take_connection_id();
                    self.connections.insert(connection, Connection::Bus(link));
                    if let Some(membership) = &mut self.membership {
                        membership.connections.insert(link, connection);
                    }
                    self.outputs.push_back(Output::ConnectBus { connection, address });
                }
                MemberOutput::Seek => self.outputs.push_back(Output::Seek),
                MemberOutput::Close(link, why) => {
                    let connection = self.membership.as_mut().and_then(|it| it.connections.remove(&link));
                    if let Some(connection) = connection {
                        self.close(connection, CloseReason::Bus(why));
                    }
                }
                MemberOutput::Follow(name, address) => {
                    if let Some(membership) = &mut self.membership
                        && membership.followed.replace(name) != Some(name)
                    {
                        membership.heard = None;
                    }
                    self.follow(Target { host: address.ip, port: address.port }, now);
                }
                MemberOutput::Lead => {
                    if let Some(membership) = &mut self.membership {
                        (membership.followed, membership.heard) = (None, None);
                    }
                    self.lead();
                }
                MemberOutput::Detach => self.detach(),
                MemberOutput::Confirm(quorums) => {
                    let quorums = quorums.map(|quorums| quorums.into_iter().map(Quorum::from).collect());
                    self.standing.primary_mut().set_quorums(quorums);
                }
                MemberOutput::HoldWrites(until) => {
                    self.engine.hold_writes();
                    if let Some(membership) = &mut self.membership {
                        membership.held_until = Some(until);
                    }
                }
                MemberOutput::ReleaseWrites => self.release_held(),
                MemberOutput::DropKeys(slots) => self.outputs.push_back(Output::DropKeys(slots)),
                MemberOutput::Deliver(publication, reach) => {
                    self.outputs.push_back(Output::Publication(publication, reach));
                }
                MemberOutput::Event(event) => self.outputs.push_back(Output::Member(event)),
            }
        }
    }
}

impl From<AckQuorum> for Quorum {
    fn from(quorum: AckQuorum) -> Self {
        Self { members: quorum.members.iter().map(NodeName::to_string).collect(), count: quorum.count }
    }
}

/// Whether a node of a cluster serves a replica, as far as strict failover is concerned. An error is what to answer; replicas of all
/// kinds try again later.
pub fn admit_to_shard(member: &Member, profile: &ReplicaProfile) -> Result<(), &'static str> {
    if member.options().strict.is_none() || profile.scope != SyncScope::Stream {
        return Ok(());
    }
    match (member.is_bereft(), &profile.node) {
        (true, _) => Err(BEREFT_TEXT),
        (false, None) => Err(STRANGER_TEXT),
        (false, Some(_)) => Ok(()),
    }
}

const BEREFT_TEXT: &str = "NOMASTERLINK This node started without what it acknowledged, and does not replace the data of a replica by \
                           that. One of its replicas is to take its place";
const STRANGER_TEXT: &str = "NOMASTERLINK This node has replicas with cluster-strict-failover only: others could lose what it \
                             acknowledged";
