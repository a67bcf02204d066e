//! Elections: a replica takes the place of a primary that is down, if a majority of the primaries votes for it.
//!
//! ```text
//!        its primary is FAIL, or a manual failover is ready      the delay is over: a new epoch, votes are asked for
//! None --------------------------------------------> Planned ------------------------------------------------> Asking
//!  ^                                                    |                                                        |
//!  |<---- its primary is back, or it follows another ---'                                                        |
//!  |<---- a majority voted: it leads ----------------------------------------------------------------------------|
//!  '<---- no majority in time: it waits as long again before the next -- Waiting --------------------------------'
//! ```
//!
//! Under [strict failover](super::super::strict) there is a state between Planned and Asking: Canvassing, until enough of the shard
//! promised.
//!
//! The replica with the most of the stream is to win: each waits half a second for every one of its shard that has more than it, or
//! as much and a lower name.
//!
//! # Small clusters
//!
//! The primaries vote, as in Redis, and so a cluster of one or two of them elects nobody: without the one that died there is no
//! majority. A node with [`votes_always`](super::MemberOptions::votes_always) votes whatever it is, is counted where a majority is
//! counted, and says that a node is down with the others:
//!
//! ```text
//!                 voters                          majority    lives through the loss of
//! one shard       primary, 2 witnesses            2 of 3      any one of them
//! one shard       primary, its 2 replicas         2 of 3      any one of them
//! two shards      2 primaries, a witness          2 of 3      any one of them
//! two shards      2 primaries, their 2 replicas   3 of 4      any one of them
//! ```
//!
//! A witness is a node without slots, or a [`Member`] that a host runs without any data. Owners stay apart for the reason that they do
//! in Redis: two majorities of the same voters share one, which votes once in an epoch. So all voters are to be known before slots are
//! given out, and one joins or leaves at a time. Who votes is kept in `nodes.conf`. Not for clusters with members of another kind: they
//! count primaries only.
//!
//! Who votes does so once in an epoch, once in two node timeouts for replicas of one primary (but for manual failovers), and only for a
//! candidate whose claims are newer than what it knows.

use super::super::message::{Body, Header};
use super::super::name::NodeName;
use super::Member;
use super::output::{MemberEvent, MemberOutput, Upstream};
use keyslot_engine::UnixMillis;
use std::collections::BTreeSet;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Candidacy {
    None,
    /// Votes are asked for then. The plan is made anew when a replica that is ahead shows up.
    Planned {
        begun: UnixMillis,
        at: UnixMillis,
        rank: usize,
    },
    /// Under strict failover: the others of the shard are asked to acknowledge nothing more to the primary.
    Canvassing {
        epoch: u64,
        begun: UnixMillis,
        is_manual: bool,
        /// What this node had when it asked: of which history, and how much.
        from: (u64, u64),
        promises: BTreeSet<NodeName>,
    },
    /// Votes are counted.
    Asking {
        epoch: u64,
        begun: UnixMillis,
        is_manual: bool,
        votes: BTreeSet<NodeName>,
    },
    /// There was no majority; not before then again.
    Waiting {
        until: UnixMillis,
    },
}

impl Member {
    /// Goes on with an election, if there is a reason for one.
    pub(super) fn tend_election(&mut self, now: UnixMillis) {
        let is_manual = self.is_hand_over_ready(now);
        if let Err(why) = self.may_stand(self.is_wanted(now), now) {
            if self.candidacy != Candidacy::None {
                self.candidacy = Candidacy::None;
                if !why.is_empty() {
                    self.tell(MemberEvent::NoElection(why.to_owned()));
                }
            }
            return;
        }
        match &self.candidacy {
            Candidacy::None => self.plan(is_manual, now),
            Candidacy::Waiting { until } if *until <= now || is_manual => self.plan(is_manual, now),
            Candidacy::Waiting { .. } => {}
            Candidacy::Planned { begun, rank, .. } => {
                let (begun, before, rank) = (*begun, *rank, self.rank());
                if rank > before && !is_manual {
                    let at = begun.saturating_add(ELECTION_DELAY_MS + rank as i64 * RANK_DELAY_MS);
                    self.candidacy = Candidacy::Planned { begun, at, rank };
                }
            }
            Candidacy::Canvassing { epoch, begun, .. } => {
                let (epoch, begun) = (*epoch, *begun);
                if now.0 - begun.0 > self.options.vote_timeout_ms() {
                    self.tell(MemberEvent::NoElection("too few of its shard promised in time".to_owned()));
                    let until = now.saturating_add(self.options.vote_timeout_ms() / 2);
                    self.candidacy = Candidacy::Waiting { until };
                } else if self.roster.current_epoch > epoch {
                    self.canvass(is_manual, begun, now);
                } else {
                    self.ask_for_promises(now);
                }
            }
            Candidacy::Asking { begun, .. } => {
                if now.0 - begun.0 > self.options.vote_timeout_ms() {
                    self.tell(MemberEvent::NoElection("a majority did not vote in time".to_owned()));
                    let until = now.saturating_add(self.options.vote_timeout_ms());
                    self.candidacy = Candidacy::Waiting { until };
                }
            }
        }
        if matches!(&self.candidacy, Candidacy::Planned { at, .. } if *at <= now) {
            match self.is_strict() {
                true => self.canvass(is_manual, now, now),
                false => {
                    self.roster.current_epoch += 1;
                    self.stand(self.roster.current_epoch, is_manual, now);
                }
            }
        }
    }

    /// Whether this node is to stand although its primary is there.
    pub(super) fn is_wanted(&self, now: UnixMillis) -> bool {
        self.is_hand_over_ready(now) || self.has_bereft_primary()
    }

    /// Whether this node may stand for election; an error tells why not, nothing where there is nothing to tell.
    pub(super) fn may_stand(&self, is_forced: bool, now: UnixMillis) -> Result<(), &'static str> {
        let me = self.roster.me();
        let primary = me.primary.and_then(|name| self.roster.node(&name)).ok_or("")?;
        if !me.is_replica() || primary.slots.is_empty() || !(primary.is_failed() || is_forced) {
            return Err("");
        }
        if self.is_strict() && !self.roster.groups.hold(&me.name) {
            return Err("it does not belong to those who have what was acknowledged, see cluster-strict-failover");
        }
        if self.is_strict() && self.facts.upstream == Upstream::None {
            return Err("this replica has no data of its primary");
        }
        if is_forced {
            return Ok(());
        }
        if self.options.never_fails_over {
            return Err("cluster-replica-no-failover says so");
        }
        let age_ms = match self.facts.upstream {
            Upstream::None => return Err("this replica has no data of its primary"),
            Upstream::Streaming { heard } => now.0 - heard.0,
            Upstream::Down { since } => now.0 - since.0,
        };
        let age_ms = if age_ms > self.options.node_timeout_ms { age_ms - self.options.node_timeout_ms } else { age_ms };
        let factor = self.options.replica_validity_factor;
        let limit_ms =
            self.options.replication_ping_ms.saturating_add(self.options.node_timeout_ms.saturating_mul(factor));
        match factor > 0 && age_ms > limit_ms {
            true => Err("its data is too old, see cluster-replica-validity-factor"),
            false => Ok(()),
        }
    }

    fn plan(&mut self, is_manual: bool, now: UnixMillis) {
        let rank = if is_manual { 0 } else { self.rank() };
        let delay_ms = match is_manual {
            true => 0,
            false => ELECTION_DELAY_MS + (self.chance.next() % ELECTION_JITTER_MS) as i64 + rank as i64 * RANK_DELAY_MS,
        };
        self.candidacy = Candidacy::Planned { begun: now, at: now.saturating_add(delay_ms), rank };
        self.tell(MemberEvent::ElectionPlanned { delay_ms, rank, offset: self.facts.offset });
        // The others of the shard learn how far this one is.
        let primary = self.roster.me().primary;
        self.tell_pulse(|node| node.primary == primary && primary.is_some(), now);
        // No sooner than it has to be, and no later.
        self.next_tick = self.next_tick.min(now.saturating_add(delay_ms.max(1)));
    }

    /// How many of this node's shard come before it.
    fn rank(&self) -> usize {
        let me = self.roster.me();
        let Some(primary) = me.primary else { return 0 };
        let mine = (self.facts.offset, std::cmp::Reverse(me.name));
        let stands = |node: &&super::KnownNode| {
            node.name != me.name && Self::is_there(node) && !node.flags.has(super::NodeFlags::NO_FAILOVER)
        };
        self.roster
            .replicas_of(primary)
            .filter(stands)
            .filter(|node| (node.offset, std::cmp::Reverse(node.name)) > mine)
            .count()
    }

    /// Asks for votes in the current epoch.
    pub(super) fn stand(&mut self, epoch: u64, is_manual: bool, now: UnixMillis) {
        let me = self.roster.me();
        // Its own vote is its own, unless it was given away.
        let has_vote = me.votes() && self.roster.last_vote_epoch < epoch;
        let votes = has_vote.then_some(me.name).into_iter().collect();
        if let Some(peer) = me.primary.filter(|_| has_vote).and_then(|primary| self.peers.get_mut(&primary)) {
            peer.voted = Some(now);
        }
        // It has no vote for another in this epoch: were it to win it would come to vote in the place of one that has voted.
        self.roster.last_vote_epoch = epoch;
        self.is_unsaved = true;
        self.candidacy = Candidacy::Asking { epoch, begun: now, is_manual, votes };
        self.tell(MemberEvent::ElectionBegun(epoch));
        // Who votes has to know that the primary is down: what it is told first it knows first.
        if let Some(primary) = self.roster.me().primary.filter(|_| !is_manual && !self.has_bereft_primary()) {
            let fail = self.message(Body::Fail(primary));
            self.broadcast(&fail);
        }
        let mut request = self.message(Body::VoteRequest);
        request.header.is_forced = is_manual || self.has_bereft_primary();
        self.broadcast(&request);
        self.next_tick = self.next_tick.min(now.saturating_add(self.options.vote_timeout_ms()));
    }

    /// Counts a vote.
    pub(super) fn take_vote(&mut self, voter: NodeName, header: &Header, now: UnixMillis) {
        let is_voter = self.roster.node(&voter).is_some_and(super::KnownNode::votes);
        let quorum = self.quorum();
        #[cfg(test)]
        let quorum = if self.flaw == Some(super::Flaw::TwoOwners) { 1 } else { quorum };
        let Candidacy::Asking { epoch, votes, .. } = &mut self.candidacy else { return };
        if !is_voter || header.current_epoch < *epoch {
            return;
        }
        votes.insert(voter);
        if votes.len() < quorum {
            return;
        }
        let epoch = *epoch;
        // Votes may come after the time of a manual failover, or when the primary is back: writes go on there.
        match self.may_stand(self.is_wanted(now), now) {
            Ok(()) => self.take_over(epoch, now),
            Err(why) => {
                self.candidacy = Candidacy::None;
                let why = if why.is_empty() { "there is no reason for it any more" } else { why };
                self.tell(MemberEvent::NoElection(why.to_owned()));
            }
        }
    }

    /// Takes the place of the primary, in this epoch.
    pub(super) fn take_over(&mut self, epoch: u64, now: UnixMillis) {
        let Some(old) = self.roster.me().primary else { return };
        self.lead();
        self.end_reign();
        if self.is_strict() {
            let me = self.roster.me().name;
            self.roster.groups = self.roster.groups.succeeded(epoch, me, old);
        }
        let slots = self.roster.node_mut(&old).map(|node| std::mem::take(&mut node.slots)).unwrap_or_default();
        let me = self.roster.me_mut();
        me.slots = slots;
        me.config_epoch = me.config_epoch.max(epoch);
        let departed = std::mem::take(&mut self.departed).difference(&self.roster.me().slots);
        if !departed.is_empty() {
            self.outputs.push_back(MemberOutput::DropKeys(Box::new(departed)));
        }
        (self.is_unsaved, self.is_unserved) = (true, true);
        self.end_hand_over();
        self.tell(MemberEvent::Elected(epoch));
        self.review_health(now);
        self.tell_pulse(|_| true, now);
    }

    /// Votes for who asks, or not.
    pub(super) fn consider_vote(&mut self, candidate: NodeName, header: &Header, now: UnixMillis) {
        let epoch = header.current_epoch;
        match self.may_vote(candidate, header, now) {
            Ok(primary) => {
                if let Some(peer) = self.peers.get_mut(&primary) {
                    peer.voted = Some(now);
                }
                self.roster.last_vote_epoch = self.roster.current_epoch;
                self.is_unsaved = true;
                self.tell(MemberEvent::Voted { candidate, epoch });
                let vote = self.message(Body::Vote);
                self.send_to(&candidate, &vote);
            }
            Err("") => {}
            Err(why) => self.tell(MemberEvent::NotVoted { candidate, epoch, why }),
        }
    }

    /// Whose place the candidate is to take; an error tells why it gets no vote, nothing where there is nothing to tell.
    fn may_vote(&self, candidate: NodeName, header: &Header, now: UnixMillis) -> Result<NodeName, &'static str> {
        if !self.roster.me().votes() {
            return Err("");
        }
        if header.current_epoch < self.roster.current_epoch {
            return Err("its epoch is over");
        }
        let has_voted = self.roster.last_vote_epoch == self.roster.current_epoch;
        #[cfg(test)]
        let has_voted = has_voted && self.flaw != Some(super::Flaw::VotesTwice);
        if has_voted {
            return Err("this node voted in this epoch");
        }
        let node = self.roster.node(&candidate).ok_or("")?;
        let primary = node.primary.and_then(|name| self.roster.node(&name));
        let primary = primary.filter(|_| node.is_replica()).ok_or("it follows nobody that is known")?;
        if !primary.is_failed() && !header.is_forced {
            return Err("its primary is not down");
        }
        let voted = self.peers.get(&primary.name).and_then(|peer| peer.voted);
        // An operator's word is not held up by an election of before: one vote in an epoch is what keeps owners apart.
        if !header.is_forced && voted.is_some_and(|at| now.0 - at.0 < self.options.node_timeout_ms * VOTE_TIMEOUTS) {
            return Err("this node voted for a replica of the same primary lately");
        }
        let is_stale = |owner: &super::KnownNode| {
            owner.config_epoch > header.config_epoch && !owner.slots.is_disjoint(&header.slots)
        };
        match self.roster.nodes().any(is_stale) {
            true => Err("slots that it claims belong to a newer epoch"),
            false => Ok(primary.name),
        }
    }
}

/// How long a replica waits at least before it asks for votes: others of its shard tell how far they are.
const ELECTION_DELAY_MS: i64 = 20;
/// And by chance up to so much longer, so that two seldom ask at once.
const ELECTION_JITTER_MS: u64 = 30;
/// And so long for every replica that comes before it.
const RANK_DELAY_MS: i64 = 500;
/// So many node timeouts a voter votes for no other replica of the same primary.
const VOTE_TIMEOUTS: i64 = 2;
