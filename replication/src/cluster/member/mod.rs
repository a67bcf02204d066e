//! This node as a member of its cluster: the bus as bytes in and bytes out, and what is decided of it.
//!
//! ```text
//!                   accept, link_opened, link_closed, handle_link, handle_timeout, set_facts, commands
//!   sockets, clock  ---------------------------------------------------------------------------------->  Member
//!   of the host     <----------------------------------------------------------------------------------    |
//!                   poll_output: what to do; poll_link: bytes; next_timeout                                '--- Roster
//! ```
//!
//! What a host does:
//! - After every call it does all that [`poll_output`](Member::poll_output) says, in order; only then it sends what
//!   [`poll_link`](Member::poll_link) gives. So a vote is on the disk before it is sent.
//! - It calls [`handle_timeout`](Member::handle_timeout) when [`next_timeout`](Member::next_timeout) says.
//! - It says what the data is [by then](Member::set_facts) before it gives bytes or time.
//!
//! Two connections join two nodes: each asks on the one that it made, and is answered there.
//!
//! Decided in one file each: who is down (`detection`), who owns which slot (`ownership`), whether the cluster serves (`health`),
//! slots that change hands at once (`transfer`), who is elected (`election`, and [strictly](super::strict) `strict` and `ack_group`), how a replica takes over in peace (`hand_over`), where replicas are needed (`migration`).
//!
//! Invariants
//! - The epoch that a node votes or stands in is on its disk before others hear of it, and it votes once in an epoch.
//! - A slot changes its owner for a higher epoch only, or because an operator says so.

mod ack_group;
mod commands;
mod detection;
mod election;
mod hand_over;
mod health;
mod inbox;
mod links;
mod migration;
mod options;
mod output;
mod ownership;
mod pulse;
mod seeds;
mod strict;
mod transfer;

pub use commands::{ClusterRefusal, Contents};
pub use options::{MemberOptions, StrictFailover};
pub use output::{AckQuorum, BusLink, Facts, MemberEvent, MemberOutput, Reach, Upstream};

use super::message::NodeFlags;
use super::name::NodeName;
use super::roster::{KnownNode, NodeAddress, Roster};
use super::view::MessageCounts;
use crate::chance::Chance;
use election::Candidacy;
use hand_over::HandOver;
use health::Health;
use keyslot_engine::UnixMillis;
use keyslot_engine::slot::SlotSet;
use links::Link;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use strict::Strict;

/// See the module.
pub struct Member {
    options: MemberOptions,
    roster: Roster,
    /// What is known of other nodes as long as this one runs.
    peers: BTreeMap<NodeName, Peer>,
    links: BTreeMap<BusLink, Link>,
    /// Those of them over which something is to be sent.
    sending: BTreeSet<BusLink>,
    next_link: u64,
    facts: Facts,
    health: Health,
    candidacy: Candidacy,
    hand_over: HandOver,
    strict: Strict,
    /// Slots that went from its primary to another while this node followed it: their keys may be here still.
    departed: SlotSet,
    /// Nodes that are not taken in, and until when.
    forgotten: BTreeMap<NodeName, UnixMillis>,
    outputs: VecDeque<MemberOutput>,
    /// The roster is another than the one that was kept.
    is_unsaved: bool,
    /// And what is another may reach the disk a little later.
    is_unnoted: bool,
    /// The gate is to follow.
    is_unserved: bool,
    /// How often the gate was to follow.
    revision: u64,
    next_tick: UnixMillis,
    /// When members that are missing are looked for.
    next_seek: UnixMillis,
    ticks: u64,
    /// Somebody asked this node something since it started.
    was_reached: bool,
    counts: MessageCounts,
    chance: Chance,
    #[cfg(test)]
    flaw: Option<Flaw>,
}

/// A bug that is planted, to see whether it is found.
#[cfg(test)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    /// A replica takes over with one vote.
    TwoOwners,
    /// Epochs and votes are not kept.
    LostEpoch,
    /// A node votes as often as it is asked.
    VotesTwice,
    /// An UPDATE is taken whatever its epoch.
    StaleUpdate,
    /// What a replica promised is not kept.
    ForgetsPledge,
    /// A replica stands with one promise too few.
    CountsTooFew,
    /// A replica that promised itself to another goes on to acknowledge its primary.
    AcknowledgesAll,
    /// A primary that lost its data serves.
    BereftServes,
    /// A source serves its slots while it hands them over.
    ServesLeaving,
}

/// What is known of another node as long as this one runs.
#[derive(Debug)]
struct Peer {
    /// Since when it is known.
    since: UnixMillis,
    /// The connection that this node made to it.
    link: Option<BusLink>,
    /// When anything came from it last.
    heard: UnixMillis,
    /// Who says that it is down, and when.
    reports: BTreeMap<NodeName, UnixMillis>,
    /// Since when a majority says so.
    failed_since: UnixMillis,
    /// When this node voted for one of its replicas last.
    voted: Option<UnixMillis>,
    /// Since when it has slots and no replica that works.
    orphaned_since: Option<UnixMillis>,
    /// It is asked for its name because the seed name led there: it is a member, or nobody.
    is_sought: bool,
    /// It takes publications with a short head.
    takes_light: bool,
    /// The highest epoch that it said it knows.
    current_epoch: u64,
}

impl Peer {
    fn new(now: UnixMillis) -> Self {
        Self {
            since: now,
            link: None,
            heard: now,
            reports: BTreeMap::new(),
            failed_since: now,
            voted: None,
            orphaned_since: None,
            is_sought: false,
            takes_light: false,
            current_epoch: 0,
        }
    }
}

impl Member {
    /// The member that this roster describes. `chance` seeds what is left to chance.
    pub fn new(roster: Roster, options: MemberOptions, chance: u64, now: UnixMillis) -> Self {
        let me = roster.me().name;
        let mut roster = roster;
        // What was asked in another life is not waited for.
        for node in roster.nodes_mut() {
            (node.ping_sent, node.pong_received, node.is_linked) = (None, None, false);
        }
        let peers = roster.nodes().filter(|node| node.name != me).map(|node| (node.name, Peer::new(now))).collect();
        let mut member = Self {
            health: Health::at_start(now, options.writable_delay_ms),
            roster,
            peers,
            links: BTreeMap::new(),
            sending: BTreeSet::new(),
            next_link: 0,
            facts: Facts::default(),
            candidacy: Candidacy::None,
            hand_over: HandOver::None,
            strict: Strict::default(),
            departed: SlotSet::new(),
            forgotten: BTreeMap::new(),
            outputs: VecDeque::new(),
            is_unsaved: true,
            is_unnoted: false,
            is_unserved: true,
            revision: 0,
            next_tick: now,
            next_seek: now,
            ticks: 0,
            was_reached: false,
            counts: MessageCounts::default(),
            chance: Chance::new(chance),
            #[cfg(test)]
            flaw: None,
            options,
        };
        member.announce();
        let me = member.roster.me();
        let had_group = member.roster.groups.all().next().is_some() && me.owns_slots();
        member.strict.is_bereft = had_group && member.options.strict.is_some_and(|strict| !strict.is_whole);
        if let Some(primary) = member.roster.me().primary {
            member.follow(primary);
        }
        member.review_health(now);
        member
    }

    #[cfg(test)]
    pub(crate) fn with_flaw(mut self, flaw: Option<Flaw>) -> Self {
        self.flaw = flaw;
        self
    }

    #[cfg(test)]
    pub(crate) fn has_flaw(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// A roster of a node that knows nobody, with names of chance.
    pub fn fresh_roster(seed: u64) -> Roster {
        let mut chance = Chance::new(seed);
        let mut name = || NodeName::from_chance(chance.triple());
        let flags = NodeFlags::MYSELF.with(NodeFlags::PRIMARY);
        let mut me = KnownNode::new(name(), Default::default(), flags);
        me.shard = name();
        Roster::new(me)
    }

    /// What this node knows of the cluster.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// How it behaves.
    pub fn options(&self) -> &MemberOptions {
        &self.options
    }

    /// Changes how it behaves.
    pub fn set_options(&mut self, options: MemberOptions, now: UnixMillis) {
        self.options = options;
        self.announce();
        self.review_health(now);
    }

    /// Has the roster say what others are told of this node.
    fn announce(&mut self) {
        let options = &self.options;
        let mut address = options.announced.clone();
        let me = self.roster.me_mut();
        if address.ip.is_empty() {
            address.ip = std::mem::take(&mut me.address.ip);
        }
        let set = |flags: NodeFlags, flag, is_set| if is_set { flags.with(flag) } else { flags.without(flag) };
        let flags = set(me.flags, NodeFlags::NO_FAILOVER, options.never_fails_over);
        let flags = set(flags, NodeFlags::VOTER, options.votes_always);
        if me.address != address || me.flags != flags {
            (me.address, me.flags) = (address, flags);
            self.is_unsaved = true;
            self.is_unserved = true;
        }
    }

    /// Says what this node's data is now.
    pub fn set_facts(&mut self, facts: Facts) {
        self.facts = facts;
        self.roster.me_mut().offset = facts.offset;
    }

    /// Another number whenever who serves what may have changed.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether the cluster serves, as this node sees it.
    pub fn is_up(&self) -> bool {
        self.health.is_up()
    }

    /// What went over the bus.
    pub fn counts(&self) -> &MessageCounts {
        &self.counts
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn next_timeout(&self) -> UnixMillis {
        self.next_tick
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now.saturating_add(self.options.tick_ms());
        self.ticks += 1;
        self.forgotten.retain(|_, until| *until > now);
        self.end_handshakes(now);
        self.tend_links(now);
        self.tend_seeds(now);
        self.ping_by_chance(now);
        self.look_for_silence(now);
        self.leave_replica();
        self.tend_hand_over(now);
        self.tend_strict(now);
        self.tend_election(now);
        self.tend_migration(now);
        self.review_health(now);
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<MemberOutput> {
        let is_unnoted = std::mem::take(&mut self.is_unnoted);
        if std::mem::take(&mut self.is_unsaved) {
            return Some(MemberOutput::Save);
        }
        if is_unnoted {
            return Some(MemberOutput::Note);
        }
        if std::mem::take(&mut self.is_unserved) {
            self.revision += 1;
            return Some(MemberOutput::Serve);
        }
        self.outputs.pop_front().or_else(|| self.strict_output())
    }

    fn tell(&mut self, event: MemberEvent) {
        self.outputs.push_back(MemberOutput::Event(event));
    }

    /// Who the slots are that this node answers for: it, or its primary.
    fn my_primary(&self) -> Option<&KnownNode> {
        let me = self.roster.me();
        match me.is_primary() {
            true => Some(me),
            false => self.roster.node(&me.primary?),
        }
    }

    /// Follows a primary of the roster from here on.
    fn follow(&mut self, primary: NodeName) {
        let me = self.roster.me_mut();
        let (was_replica, followed) = (me.is_replica(), me.primary);
        me.flags = me.flags.without(NodeFlags::PRIMARY.with(NodeFlags::MIGRATE_TO)).with(NodeFlags::REPLICA);
        me.primary = Some(primary);
        me.slots.clear();
        self.roster.migrating.clear();
        self.roster.importing.clear();
        // What is known of those of its primary stays.
        if !was_replica || followed != Some(primary) {
            self.roster.forget_transfers();
            self.departed.clear();
        }
        let Some(node) = self.roster.node(&primary) else { return };
        let (shard, address) = (node.shard, node.address.clone());
        if std::mem::replace(&mut self.roster.me_mut().shard, shard) != shard {
            // What another shard agreed on is of no interest here.
            self.leave_shard();
        }
        self.end_hand_over();
        self.candidacy = Candidacy::None;
        self.end_reign();
        self.roster.groups.next = self.roster.groups.next.take().filter(|_| was_replica);
        self.push_follow(primary, address);
        (self.is_unsaved, self.is_unserved) = (true, true);
    }

    pub(super) fn push_follow(&mut self, primary: NodeName, address: NodeAddress) {
        self.outputs.push_back(MemberOutput::Follow(primary, address));
        self.strict.is_detached = false;
    }

    /// Leads from here on. Its slots are another matter.
    fn lead(&mut self) {
        let me = self.roster.me_mut();
        if me.is_primary() {
            return;
        }
        me.flags = me.flags.without(NodeFlags::REPLICA).with(NodeFlags::PRIMARY);
        me.primary = None;
        self.candidacy = Candidacy::None;
        self.outputs.push_back(MemberOutput::Lead);
        (self.is_unsaved, self.is_unserved) = (true, true);
    }

    /// How many primaries have slots.
    fn size(&self) -> usize {
        self.voters().count()
    }

    /// Those who vote.
    fn voters(&self) -> impl Iterator<Item = &KnownNode> {
        self.roster.nodes().filter(|node| node.votes())
    }

    /// How many of them decide.
    fn quorum(&self) -> usize {
        self.size() / 2 + 1
    }
}
