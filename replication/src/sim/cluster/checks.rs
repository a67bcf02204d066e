//! What must hold, and what is noted to know it.

use super::Simulation;
use crate::cluster::NodeName;
use crate::cluster::member::MemberEvent;
use crate::link::ReplicaPhase;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Ack, EffectSink, SLOT_COUNT};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Who won an epoch, and which slots with it. Two may, of different shards, while others see different primaries: one of them takes
    /// another epoch once they meet.
    won: BTreeMap<u64, Vec<(usize, SlotSet)>>,
    /// Whom a node voted for in an epoch.
    votes: BTreeMap<(usize, u64), NodeName>,
    next_value: u64,
    /// How many elections were won.
    pub(super) elections: usize,
    /// How often a node did not start for its nodes.conf.
    pub(super) torn: usize,
    /// Owners were looked at when these were what nodes served.
    served: Vec<u64>,
    /// In which epoch each serves slots.
    epochs: Vec<Option<u64>>,
}

impl Checks {
    pub(super) fn add_node(&mut self) {
        self.served.push(0);
        self.epochs.push(None);
    }

    pub(super) fn next_value(&mut self) -> String {
        self.next_value += 1;
        self.next_value.to_string()
    }

    pub(super) fn votes_cast(&self) -> usize {
        self.votes.len()
    }

    /// What is wrong with what happened, if anything.
    pub(super) fn hear(&mut self, node: usize, event: &MemberEvent, slots: &SlotSet) -> Option<String> {
        match event {
            MemberEvent::Elected(epoch) => {
                self.elections += 1;
                let won = self.won.entry(*epoch).or_default();
                let other = won.iter().find(|(other, its)| *other != node && !its.is_disjoint(slots)).map(|it| it.0);
                won.push((node, slots.clone()));
                other.map(|other| format!("epoch {epoch} was won by {other} and by {node} for the same slots"))
            }
            MemberEvent::Voted { candidate, epoch } => {
                let other = self.votes.insert((node, *epoch), *candidate);
                other.map(|other| format!("{node} votes for {candidate} in epoch {epoch}, and did for {other}"))
            }
            _ => None,
        }
    }
}

impl Simulation {
    /// No two nodes serve a slot in one epoch.
    pub(super) fn check_owners(&mut self) {
        let mut is_changed = false;
        for node in 0..self.nodes.len() {
            let revision = self.member(node).map_or(0, |member| member.revision() + 1);
            if std::mem::replace(&mut self.checks.served[node], revision) != revision {
                is_changed = true;
                let serves = self.member(node).filter(|member| member.is_up() && member.roster().me().owns_slots());
                self.checks.epochs[node] = serves.map(|member| member.roster().me().config_epoch);
            }
        }
        if !is_changed {
            return;
        }
        let mut by_epoch: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (node, epoch) in self.checks.epochs.iter().enumerate() {
            if let Some(epoch) = epoch {
                by_epoch.entry(*epoch).or_default().push(node);
            }
        }
        for (epoch, nodes) in by_epoch.into_iter().filter(|(_, nodes)| nodes.len() > 1) {
            let mut served = SlotSet::new();
            for node in nodes {
                let Some(slots) = self.roster(node).map(|roster| roster.me().slots.clone()) else { continue };
                if let Some(slot) = served.intersection(&slots).iter().next() {
                    return self.fail(format!("slot {slot} is served by {node} and by another in epoch {epoch}"));
                }
                served = served.union(&slots);
            }
        }
    }

    /// Whether everybody sees the same and every slot is served; an error tells what is not so.
    pub(crate) fn stability(&self) -> Result<(), String> {
        let on: Vec<usize> = (0..self.nodes.len()).filter(|node| self.is_on(*node)).collect();
        let names: BTreeSet<NodeName> = on.iter().filter_map(|node| Some(self.roster(*node)?.me().name)).collect();
        let view = |node: usize| {
            let roster = self.roster(node)?;
            let known = roster.nodes().filter(|known| names.contains(&known.name));
            let seen = known.map(|it| {
                (it.name, it.primary, it.is_primary(), it.slots.clone(), it.is_failed() || it.is_suspected())
            });
            Some(seen.collect::<Vec<_>>())
        };
        let first = on.first().and_then(|node| view(*node)).ok_or("nobody is on")?;
        if first.len() != names.len() {
            return Err("not all know all".to_owned());
        }
        if first.iter().any(|(.., is_lost)| *is_lost) {
            return Err("somebody who is on is said to be down".to_owned());
        }
        for node in &on {
            let member = self.member(*node).ok_or("it is off")?;
            if !member.is_up() {
                return Err(format!("{node} says that the cluster does not serve"));
            }
            if let Some(lost) = member
                .roster()
                .nodes()
                .find(|it| names.contains(&it.name) && !it.is_linked && it.name != member.roster().me().name)
            {
                return Err(format!("{node} has no connection to {}", lost.name));
            }
            if view(*node).as_ref() != Some(&first) {
                return Err(format!("{node} sees something else than {}", on[0]));
            }
            let epochs = self
                .roster(*node)
                .map(|it| it.nodes().filter(|n| n.owns_slots()).map(|n| n.config_epoch).collect::<Vec<_>>());
            let distinct: BTreeSet<u64> = epochs.iter().flatten().copied().collect();
            if Some(distinct.len()) != epochs.map(|epochs| epochs.len()) {
                return Err(format!("{node} knows two primaries of one epoch"));
            }
        }
        let assigned = first.iter().fold(SlotSet::new(), |all, (_, _, _, slots, _)| all.union(slots));
        if assigned.len() != SLOT_COUNT {
            return Err(format!("{} slots are served", assigned.len()));
        }
        self.replicas_follow(&on)
    }

    /// Whether replicas have their primary's data.
    fn replicas_follow(&self, on: &[usize]) -> Result<(), String> {
        let number =
            |name: NodeName| on.iter().copied().find(|node| self.roster(*node).is_some_and(|it| it.me().name == name));
        for node in on {
            let Some(primary) = self.roster(*node).and_then(|roster| roster.me().primary) else { continue };
            let primary = number(primary).ok_or_else(|| format!("{node} follows a node that is off"))?;
            let (Some(replica), Some(primary)) =
                (&self.nodes[*node].machine.process, &self.nodes[primary].machine.process)
            else {
                return Err("it is off".to_owned());
            };
            let is_there = replica.node.phase() == Some(ReplicaPhase::Streaming)
                && replica.journal.end() == primary.journal.end()
                && replica.node.standing().history().id() == primary.node.standing().history().id();
            if !is_there {
                return Err(format!(
                    "{node} does not have all that its primary has: {:?} {} of {}",
                    replica.node.phase(),
                    replica.journal.end(),
                    primary.journal.end()
                ));
            }
        }
        Ok(())
    }

    /// All that must hold when it is stable.
    pub(super) fn check_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.check_data(node);
            if !self.roster(node).is_some_and(|roster| roster.me().is_primary()) {
                continue;
            }
            let digest = |node: usize| {
                self.nodes[node]
                    .machine
                    .process
                    .as_ref()
                    .map(|it| it.engine.with_ack(Ack::Memory).call(&["DEBUG", "DIGEST"]))
            };
            let (name, its) = (self.roster(node).map(|roster| roster.me().name), digest(node));
            let replica = (0..self.nodes.len())
                .find(|other| self.roster(*other).is_some_and(|it| it.me().primary == name) && digest(*other) != its);
            if let Some(replica) = replica {
                self.fail(format!("{replica} does not have the data of {node}"));
            }
        }
        self.check_histories();
    }

    pub(super) fn picture(&self) -> String {
        let mut picture = String::new();
        for node in 0..self.nodes.len() {
            match self.member(node) {
                None => picture.push_str(&format!("{node} off; ")),
                Some(member) => {
                    let me = member.roster().me();
                    let role =
                        me.primary.map_or_else(|| "leads".to_owned(), |it| format!("follows {}", &it.as_str()[..6]));
                    picture.push_str(&format!(
                        "{node} {} {role} {} slots epoch {} up {}; ",
                        &me.name.as_str()[..6],
                        me.slots.len(),
                        me.config_epoch,
                        member.is_up()
                    ));
                }
            }
        }
        picture
    }
}
