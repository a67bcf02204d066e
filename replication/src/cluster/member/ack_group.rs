//! Who has to have what this primary acknowledges, under strict failover, and how that changes.
//!
//! ```text
//!                another is wanted                 enough of it have what is there by now          enough of the old one have it on
//! (settled) -----------------------> Preparing --------------------------------------> Proposed -----------------------------------.
//!     ^             both count                     on this disk, and told: both count               their disks                    |
//!     '-----------------------------------------------------------------------------------------------------------------------------'
//! ```
//!
//! - It is safe to elect by either group once it is proposed: what was acknowledged before has reached enough of the new one, and what
//!   is acknowledged since reaches enough of both.
//! - It is safe to forget the old one once so many of it know the new one that without them nobody is elected.
//! - Where there was none before, nothing is acknowledged until all of the first one know it.
//! - Who is down stays in it. Who is forgotten by CLUSTER FORGET, or follows another, goes.

use super::super::name::NodeName;
use super::super::strict::{AckGroup, MEMBERS_MAX};
use super::Member;
use super::output::{AckQuorum, MemberEvent};
use keyslot_engine::UnixMillis;
use std::collections::BTreeSet;

/// A group that is wanted, and up to where enough of it are to be before it is proposed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Preparing {
    members: BTreeSet<NodeName>,
    count: u8,
    goal: u64,
}

impl Member {
    /// Goes on with a change of the group.
    pub(super) fn tend_groups(&mut self, now: UnixMillis) {
        if self.is_bereft() || self.roster.me().slots.is_empty() {
            self.strict.preparing = None;
            return;
        }
        let wanted = self.wanted_group();
        if let Some(next) = self.roster.groups.next.clone() {
            if self.is_settled(&next) {
                self.roster.groups.settled = Some(next);
                self.roster.groups.next = None;
                self.groups_changed(now);
            } else if self.roster.groups.settled.is_none() && wanted.as_ref().is_some_and(|it| it.0 != next.members) {
                // Nothing was acknowledged yet: another first one may be proposed.
                self.propose(wanted, now);
            }
            return;
        }
        let Some((members, count)) = wanted else { return };
        let is_same =
            self.roster.groups.settled.as_ref().is_some_and(|group| group.members == members && group.count == count);
        if is_same {
            self.strict.preparing = None;
            return;
        }
        let goal = match &self.strict.preparing {
            Some(preparing) if preparing.members == members && preparing.count == count => preparing.goal,
            _ => self.facts.offset,
        };
        let has_goal = |name: &&NodeName| {
            self.strict.kept.contains_key(*name)
                && self.strict.followers.get(*name).is_some_and(|offset| *offset >= goal)
        };
        let is_ready = members.iter().filter(has_goal).count() >= usize::from(count);
        self.strict.preparing = Some(Preparing { members: members.clone(), count, goal });
        if is_ready {
            self.strict.preparing = None;
            self.propose(Some((members, count)), now);
        }
    }

    fn propose(&mut self, wanted: Option<(BTreeSet<NodeName>, u8)>, now: UnixMillis) {
        let Some((members, count)) = wanted else { return };
        let epoch = self.roster.me().config_epoch;
        let last = self.roster.groups.all().map(AckGroup::id).max();
        // Every one has a number of its own, also where two are made in one epoch.
        let (epoch, number) = match last {
            Some((of, number)) if of >= epoch => (of, number + 1),
            _ => (epoch, 0),
        };
        self.roster.groups.next = Some(AckGroup { epoch, number, count, members });
        self.groups_changed(now);
    }

    fn groups_changed(&mut self, now: UnixMillis) {
        self.is_unsaved = true;
        if let Some(group) = self.roster.groups.all().last() {
            let (size, count) = (group.members.len(), group.count);
            self.tell(MemberEvent::Group { size, count, is_settled: self.roster.groups.next.is_none() });
        }
        let me = self.roster.me().name;
        self.tell_pulse(|node| node.primary == Some(me), now);
    }

    /// Whether enough replicas have the groups as they are now on their disks.
    fn is_settled(&self, next: &AckGroup) -> bool {
        let age = self.roster.groups.age();
        // Who was forgotten is gone for ever, by an operator's word.
        let knows = |name: &&NodeName| {
            self.strict.kept.get(*name).is_some_and(|kept| *kept >= age) || self.roster.node(name).is_none()
        };
        match &self.roster.groups.settled {
            Some(old) => old.members.iter().filter(knows).count() >= old.blocking(),
            None => next.members.iter().all(|name| knows(&name)),
        }
    }

    /// Who should be in the group, and how many of them should have what is acknowledged. `None` where that is not known yet.
    fn wanted_group(&self) -> Option<(BTreeSet<NodeName>, u8)> {
        let (me, count) = (self.roster.me().name, self.options.strict?.count);
        let follows = |name: &NodeName| self.roster.node(name).is_some_and(|node| node.primary == Some(me));
        // A primary whose place this node took belongs to it before it knows.
        let is_replaced =
            |name: &NodeName| self.roster.node(name).is_some_and(|node| node.is_primary() && node.slots.is_empty());
        let latest = self.roster.groups.all().last();
        let kept = latest.into_iter().flat_map(|group| &group.members);
        let kept = kept.filter(|name| follows(name) || is_replaced(name)).copied();
        let followers = self.strict.followers.keys().filter(|name| follows(name)).copied();
        let members: BTreeSet<NodeName> = kept.chain(followers).take(MEMBERS_MAX).collect();
        // The first one waits for all that are there.
        let is_missing = |node: &super::KnownNode| Self::is_there(node) && !members.contains(&node.name);
        let is_early =
            self.roster.groups.settled.is_none() && (members.is_empty() || self.roster.replicas_of(me).any(is_missing));
        (!is_early).then_some((members, count))
    }

    /// Of whom how many have to have a write before it is acknowledged, of each: of those who know this primary's epoch, as others might
    /// yet follow an earlier one. Nobody is ever enough where there is no group.
    pub(super) fn ack_quorums(&self) -> Vec<AckQuorum> {
        let nobody = || vec![AckQuorum { members: BTreeSet::new(), count: 1 }];
        let groups = &self.roster.groups;
        if !self.roster.me().is_primary() || self.is_bereft() || groups.settled.is_none() {
            return nobody();
        }
        let settled = groups.all().map(|group| (&group.members, group.count));
        let preparing = self.strict.preparing.iter().map(|it| (&it.members, it.count));
        let confirms = |name: &&NodeName| self.strict.kept.contains_key(*name);
        let quorum = |(members, count): (&BTreeSet<NodeName>, u8)| AckQuorum {
            members: members.iter().filter(confirms).copied().collect(),
            count: usize::from(count.max(1)),
        };
        settled.chain(preparing).map(quorum).collect()
    }
}
