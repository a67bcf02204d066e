//! Strict failover, as a member does it: see [`strict`](super::super::strict) for what is done and why.
//!
//! Here are promises: asked for by candidates, and by a primary that renews its epoch; given, kept, and stood by. The groups are
//! [`ack_group`](super::ack_group)'s.

use super::super::message::{Body, Header};
use super::super::name::NodeName;
use super::super::strict::{AckGroup, Pledge, StrictWord};
use super::election::Candidacy;
use super::output::{AckQuorum, MemberEvent, MemberOutput, Upstream};
use super::{KnownNode, Member};
use keyslot_engine::UnixMillis;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What is not kept over a restart.
#[derive(Debug, Default)]
pub(super) struct Strict {
    /// This primary started without what it acknowledged.
    pub(super) is_bereft: bool,
    /// The primary of this replica says so of itself.
    bereft_primary: Option<NodeName>,
    /// Replicas that follow this node's stream, and how far they are.
    pub(super) followers: BTreeMap<NodeName, u64>,
    pub(super) preparing: Option<super::ack_group::Preparing>,
    /// Replicas that have this primary's epoch on their disks, and how old the groups are that they have there. Nobody else confirms
    /// anything.
    pub(super) kept: BTreeMap<NodeName, [Option<(u64, u64)>; 2]>,
    renewal: Option<Renewal>,
    /// When this node promised something last.
    pledged_at: Option<UnixMillis>,
    /// Whom this node told last that it promises nothing, and in which epoch.
    refused: Option<(NodeName, u64)>,
    /// What the host does about the link to the primary.
    pub(super) is_detached: bool,
    /// What the host was told of who confirms.
    said: Option<Vec<AckQuorum>>,
}

/// A primary that needs a newer epoch.
#[derive(Debug)]
struct Renewal {
    epoch: u64,
    begun: UnixMillis,
    promised: BTreeSet<NodeName>,
}

impl Member {
    pub(super) fn is_strict(&self) -> bool {
        self.options.strict.is_some()
    }

    /// Whether this primary started without what it acknowledged under strict failover: it serves nobody, and no replica, until one
    /// of those has taken its place.
    pub fn is_bereft(&self) -> bool {
        let is_bereft = self.strict.is_bereft;
        #[cfg(test)]
        let is_bereft = is_bereft && self.flaw != Some(super::Flaw::BereftServes);
        is_bereft && self.is_strict() && self.roster.me().is_primary()
    }

    /// Says that this node has all that it ever acknowledged, after all: its data was not loaded when it [began](Self::new).
    pub fn note_whole(&mut self, now: UnixMillis) {
        self.strict.is_bereft = false;
        self.review_health(now);
    }

    /// Says which replicas follow this node's stream by the names that they gave, and how far they are by their own account. Before
    /// [`handle_timeout`](Self::handle_timeout) under strict failover; nobody asks for it else.
    pub fn set_followers(&mut self, followers: impl IntoIterator<Item = (NodeName, u64)>) {
        self.strict.followers = followers.into_iter().collect();
    }

    /// Whether this replica's primary waits to be replaced, although it is there.
    pub(super) fn has_bereft_primary(&self) -> bool {
        let primary = self.roster.me().primary;
        self.is_strict() && primary.is_some() && primary == self.strict.bereft_primary
    }

    /// What this node has to say to another of its shard.
    pub(super) fn strict_word(&self, to: NodeName) -> Option<Box<StrictWord>> {
        self.options.strict?;
        let shard = self.roster.me().shard;
        self.roster.node(&to).filter(|node| node.shard == shard)?;
        let (asks, is_forced) = match &self.candidacy {
            Candidacy::Canvassing { epoch, is_manual, .. } => (*epoch, *is_manual || self.has_bereft_primary()),
            _ => (self.strict.renewal.as_ref().map_or(0, |renewal| renewal.epoch), false),
        };
        let pledge = self.roster.pledge;
        Some(Box::new(StrictWord {
            is_bereft: self.is_bereft(),
            is_forced,
            asks,
            promises: pledge.filter(|pledge| pledge.to == to).map_or(0, |pledge| pledge.epoch),
            floor: self.floor(),
            history: self.facts.history,
            groups: self.roster.groups.clone(),
        }))
    }

    /// Takes what another node of the shard says.
    pub(super) fn take_strict_word(&mut self, from: NodeName, header: &Header, word: &StrictWord, now: UnixMillis) {
        if !self.is_strict() {
            return;
        }
        let (is_primary, primary) = (self.roster.me().is_primary(), self.roster.me().primary);
        if is_primary && header.primary == Some(self.roster.me().name) {
            self.hear_follower(from, header, word, now);
        }
        let is_mine = !is_primary && primary == Some(from);
        if is_mine {
            self.strict.bereft_primary = word.is_bereft.then_some(from);
        }
        // Who promised itself away learns of no group of the primary that it left.
        let is_sibling = !is_primary && primary.is_some() && header.primary == primary;
        if ((is_mine && !self.is_pledged_away()) || is_sibling) && word.groups.age() > self.roster.groups.age() {
            self.roster.groups = word.groups.clone();
            self.is_unsaved = true;
            if let Some(primary) = primary {
                self.tell_pulse(|node| node.name == primary, now);
            }
        }
        if word.promises > 0 {
            self.take_promise(from, word.promises, now);
        }
        if word.asks > 0 && (is_mine || is_sibling) {
            self.consider_ask(from, header, word, now);
        }
    }

    fn hear_follower(&mut self, from: NodeName, header: &Header, word: &StrictWord, now: UnixMillis) {
        let epoch = self.roster.me().config_epoch;
        if word.floor > epoch {
            // It has promised itself to another, who did not come to lead.
            self.renew(word.floor, now);
        } else if header.config_epoch == epoch {
            self.strict.kept.insert(from, word.groups.age());
        }
    }

    /// Gives a promise, or not.
    fn consider_ask(&mut self, from: NodeName, header: &Header, word: &StrictWord, now: UnixMillis) {
        let epoch = word.asks;
        match self.may_promise(from, header, word, now) {
            Ok(()) => {
                if !self.has_promised(from, epoch) {
                    // What a primary is promised is not kept from it until it has that epoch, where nobody else was promised it.
                    let is_primary = self.roster.me().primary == Some(from);
                    let floor = self.roster.pledge.filter(|_| is_primary).map_or(0, |pledge| pledge.floor);
                    let floor = if is_primary { floor } else { epoch };
                    self.roster.pledge = Some(Pledge { epoch, floor, to: from });
                    self.is_unsaved = true;
                    self.tell(MemberEvent::Promised { candidate: from, epoch });
                    self.strict.pledged_at = Some(now);
                    // It stands no more: what it was promised itself is for an epoch before.
                    self.candidacy = match is_primary {
                        true => Candidacy::None,
                        false => Candidacy::Waiting { until: now.saturating_add(self.options.vote_timeout_ms()) },
                    };
                }
                self.tell_pulse(|node| node.name == from, now);
            }
            Err(why) => {
                if self.strict.refused.replace((from, epoch)) != Some((from, epoch)) {
                    self.tell(MemberEvent::NotPromised { candidate: from, epoch, why });
                }
            }
        }
    }

    fn has_promised(&self, to: NodeName, epoch: u64) -> bool {
        self.roster.pledge.is_some_and(|pledge| (pledge.to, pledge.epoch) == (to, epoch))
    }

    /// An error tells why not.
    fn may_promise(
        &self,
        from: NodeName,
        header: &Header,
        word: &StrictWord,
        now: UnixMillis,
    ) -> Result<(), &'static str> {
        let epoch = word.asks;
        let me = self.roster.me();
        let pledge = self.roster.pledge;
        if self.has_promised(from, epoch) {
            return Ok(());
        }
        if pledge.is_some_and(|pledge| pledge.epoch >= epoch) {
            return Err("this replica has promised itself in that epoch, or a later one");
        }
        // Who asks for a later epoch than the one that it was promised gets that at once: it does not come to lead in the other.
        let is_elsewhere = pledge.is_some_and(|pledge| pledge.to != from);
        let is_held =
            is_elsewhere && self.strict.pledged_at.is_some_and(|at| now.0 - at.0 < self.options.vote_timeout_ms());
        if matches!(self.candidacy, Candidacy::Asking { .. }) || is_held {
            return Err("this replica promised itself to another lately");
        }
        if me.primary == Some(from) {
            return Ok(());
        }
        let primary = me.primary.and_then(|name| self.roster.node(&name)).ok_or("its primary is not known")?;
        if !primary.is_failed() && !word.is_forced {
            return Err("its primary is not down");
        }
        if epoch <= primary.config_epoch {
            return Err("its epoch is not newer than that of its primary");
        }
        if self.facts.upstream == Upstream::None {
            return Err("this replica has no data of its primary, and cannot tell who has all");
        }
        if word.history != self.facts.history {
            return Err("its data is of another history");
        }
        if self.facts.offset > header.offset {
            return Err("this replica has more than it");
        }
        let is_better = (self.facts.offset, Reverse(me.name)) > (header.offset, Reverse(from));
        if matches!(self.candidacy, Candidacy::Canvassing { .. }) && is_better {
            return Err("this replica stands itself, and comes before it");
        }
        Ok(())
    }

    /// Asks the others of the shard for promises, in a new epoch.
    pub(super) fn canvass(&mut self, is_manual: bool, begun: UnixMillis, now: UnixMillis) {
        self.roster.current_epoch += 1;
        self.is_unsaved = true;
        let epoch = self.roster.current_epoch;
        let from = (self.facts.history, self.facts.offset);
        self.candidacy = Candidacy::Canvassing { epoch, begun, is_manual, from, promises: BTreeSet::new() };
        self.tell(MemberEvent::AsksForPromises(epoch));
        if let Some(primary) = self.roster.me().primary.filter(|_| !is_manual && !self.has_bereft_primary()) {
            let fail = self.message(Body::Fail(primary));
            self.broadcast(&fail);
        }
        self.ask_for_promises(now);
        self.count_promises(now);
    }

    /// Asks those that have not answered.
    pub(super) fn ask_for_promises(&mut self, now: UnixMillis) {
        let primary = self.roster.me().primary;
        let promised = match &self.candidacy {
            Candidacy::Canvassing { promises, .. } => promises.clone(),
            _ => return,
        };
        self.tell_pulse(|node| node.primary == primary && !promised.contains(&node.name), now);
    }

    fn take_promise(&mut self, from: NodeName, promised: u64, now: UnixMillis) {
        if let Candidacy::Canvassing { epoch, promises, .. } = &mut self.candidacy
            && *epoch == promised
        {
            promises.insert(from);
            self.count_promises(now);
        }
        if let Some(renewal) = &mut self.strict.renewal
            && renewal.epoch == promised
        {
            renewal.promised.insert(from);
            self.finish_renewal(now);
        }
    }

    /// With enough of them votes are asked for.
    fn count_promises(&mut self, now: UnixMillis) {
        let Candidacy::Canvassing { epoch, is_manual, from, promises, begun } = &self.candidacy else { return };
        let me = self.roster.me().name;
        let mut promised = promises.clone();
        promised.insert(me);
        let (epoch, is_manual, begun, (history, offset)) = (*epoch, *is_manual, *begun, *from);
        if !self.has_enough(&promised, AckGroup::electing) {
            return;
        }
        // What was promised was promised to who has at least that.
        let has_less = self.facts.history != history || self.facts.offset < offset;
        if has_less || self.may_stand(self.is_wanted(now), now).is_err() {
            self.candidacy = Candidacy::None;
            return;
        }
        if self.roster.current_epoch > epoch {
            // Nobody votes in an epoch that is over, and in another one promises are to be given anew.
            return self.canvass(is_manual, begun, now);
        }
        self.roster.pledge = Some(Pledge { epoch, floor: epoch, to: me });
        self.stand(epoch, is_manual, now);
    }

    fn has_enough(&self, promised: &BTreeSet<NodeName>, needed: impl Fn(&AckGroup) -> usize) -> bool {
        #[cfg(test)]
        let fewer = usize::from(self.flaw == Some(super::Flaw::CountsTooFew));
        #[cfg(not(test))]
        let fewer = 0;
        let mut groups = self.roster.groups.all().peekable();
        groups.peek().is_some() && groups.all(|group| group.elects(promised, needed(group).saturating_sub(fewer)))
    }

    /// Whether this node may take no epoch but one that its replicas promised.
    pub(super) fn needs_promises(&self) -> bool {
        self.is_strict() && self.roster.groups.all().next().is_some()
    }

    /// This primary is to have an epoch above that one.
    pub(super) fn renew(&mut self, above: u64, now: UnixMillis) {
        if !self.roster.me().is_primary() || self.is_bereft() || !self.needs_promises() {
            return;
        }
        let is_under_way = self
            .strict
            .renewal
            .as_ref()
            .is_some_and(|it| it.epoch > above && now.0 - it.begun.0 < self.options.vote_timeout_ms());
        if is_under_way {
            return;
        }
        self.roster.current_epoch = self.roster.current_epoch.max(above) + 1;
        self.is_unsaved = true;
        let epoch = self.roster.current_epoch;
        self.strict.renewal = Some(Renewal { epoch, begun: now, promised: BTreeSet::new() });
        self.ask_followers(now);
        self.finish_renewal(now);
    }

    fn ask_followers(&mut self, now: UnixMillis) {
        let me = self.roster.me().name;
        self.tell_pulse(|node| node.primary == Some(me), now);
    }

    fn finish_renewal(&mut self, now: UnixMillis) {
        let Some(renewal) = &self.strict.renewal else { return };
        let epoch = renewal.epoch;
        // So many that no candidate has enough for the same epoch, of those who are left. Where there are no replicas nobody stands.
        let needed = |group: &AckGroup| match group.members.is_empty() {
            true => 0,
            false => group.electing().max(group.blocking()),
        };
        if !self.has_enough(&renewal.promised, needed) {
            return;
        }
        self.strict.renewal = None;
        let me = self.roster.me_mut();
        me.config_epoch = me.config_epoch.max(epoch);
        // Who led in an epoch between made groups that were never of use: those of before are newer from here on. And who does not know
        // the epoch might yet follow an earlier one, and confirms nothing.
        self.roster.groups = self.roster.groups.renewed(epoch);
        self.strict.kept.clear();
        self.keep_imported();
        (self.is_unsaved, self.is_unserved) = (true, true);
        self.tell(MemberEvent::Renewed(epoch));
        self.tell_pulse(|_| true, now);
    }

    /// Goes on with what a primary has to do.
    pub(super) fn tend_strict(&mut self, now: UnixMillis) {
        if !self.is_strict() {
            return;
        }
        if !self.roster.me().is_primary() {
            return;
        }
        match &self.strict.renewal {
            Some(_) => self.ask_followers(now),
            // Slots whose claim is not good yet, by a command of before this node was started, too.
            None if self.roster.importing.keys().any(|slot| self.roster.me().slots.contains(*slot)) => {
                self.renew(self.roster.current_epoch, now);
            }
            None => {}
        }
        self.tend_groups(now);
    }

    /// What was agreed on with others is not this node's any more.
    pub(super) fn leave_shard(&mut self) {
        (self.roster.groups, self.roster.pledge) = (Default::default(), None);
    }

    /// Nothing is under way that only a primary does.
    pub(super) fn end_reign(&mut self) {
        self.strict.is_bereft = false;
        (self.strict.preparing, self.strict.renewal) = (None, None);
        self.strict.kept.clear();
    }

    /// Whether this replica has promised not to acknowledge what its primary writes.
    fn is_pledged_away(&self) -> bool {
        let Some(primary) = self.roster.me().primary.filter(|_| self.is_strict()) else { return false };
        let epoch = self.roster.node(&primary).map_or(0, |node| node.config_epoch);
        self.floor() > epoch
    }

    /// The epoch below which this replica acknowledges nothing to its primary. What it promised to another primary than that which it
    /// follows now counts in full.
    fn floor(&self) -> u64 {
        match self.roster.pledge {
            Some(pledge) if Some(pledge.to) == self.roster.me().primary => pledge.floor,
            Some(pledge) => pledge.epoch,
            None => 0,
        }
    }

    /// What the host is to do so that promises are kept.
    pub(super) fn strict_output(&mut self) -> Option<MemberOutput> {
        let is_away = self.is_pledged_away();
        #[cfg(test)]
        let is_away = is_away && self.flaw != Some(super::Flaw::AcknowledgesAll);
        if std::mem::replace(&mut self.strict.is_detached, is_away) != is_away {
            match self.roster.me().primary.and_then(|primary| self.roster.node(&primary)) {
                Some(_) if is_away => return Some(MemberOutput::Detach),
                Some(KnownNode { name, address, .. }) => return Some(MemberOutput::Follow(*name, address.clone())),
                None => {}
            }
        }
        let quorums = self.is_strict().then(|| self.ack_quorums());
        if self.strict.said == quorums {
            return None;
        }
        self.strict.said.clone_from(&quorums);
        Some(MemberOutput::Confirm(quorums))
    }
}

#[cfg(test)]
#[path = "strict_tests.rs"]
mod tests;
