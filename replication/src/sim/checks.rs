//! What is noted of what happens, and what must hold of it: see the module above for the list.

use super::{Process, Simulation, scenario, truth};
use crate::link::{ReplicaEvent, ReplicaPhase};
use crate::node::{ConnectionId, FailoverEvent, FailoverState, WaitId, WaitOutcome};
use keyslot_engine::{EffectSink, Offset};
use std::fmt::Write;

impl Simulation {
    pub(super) fn link_event(&mut self, node: usize, event: &ReplicaEvent) {
        self.note(format_args!("{node}: {event:?}"));
        let (now, run) = (self.now, self.machines[node].run);
        let number = self.network.numbers().into_iter().rev().find(|number| {
            let wire = self.network.wire(*number);
            wire.is_some_and(|wire| wire.client.node == node && wire.client.run == run && wire.client.is_open)
        });
        let (view, at) = number.and_then(|number| self.truth.views.get(&number).cloned()).unwrap_or_default();
        match event {
            // It had the old name up to where it asked for more: it may have gone on since.
            ReplicaEvent::Note(_) => {}
            ReplicaEvent::Continued(id) => self.truth.nodes[node].continued(*id, at, number),
            ReplicaEvent::Replacing(id) => {
                self.truth.nodes[node].started(*id);
                self.truth.nodes[node].replacing();
                self.promises.forget_log(node);
                self.machines[node].leave_log();
                if let Some(process) = &mut self.machines[node].process {
                    process.node.proceed(now);
                }
            }
            ReplicaEvent::Replaced(_) => {
                self.truth.nodes[node].replaced(view, number);
                if let Err(error) = self.machines[node].begin_log() {
                    self.note(format_args!("{node} has no log: {error}"));
                    if !self.truth.nodes[node].is_disk_full {
                        self.fail(format!("{node} cannot begin its log: {error}"));
                    }
                }
            }
        }
    }

    /// A failover changed who leads, or did not.
    pub(super) fn failed_over(&mut self, node: usize, event: &FailoverEvent) {
        self.note(format_args!("{node}: {event:?}"));
        match event {
            // Whom a node is to follow changes once it is over.
            FailoverEvent::Follows(_) => {}
            FailoverEvent::HandedOver => {
                let process = self.machines[node].process.as_ref();
                let target = process.and_then(|process| process.node.target()?.host.parse().ok());
                self.truth.nodes[node].follows = target;
                // Who leads now may have been told otherwise since, and follow this node.
                if target.is_some_and(|target| scenario::is_below(self, target, node)) {
                    self.promote(node);
                }
            }
            FailoverEvent::GaveUp(_) => self.take_name(node),
            FailoverEvent::TookOver(connection) => {
                self.truth.nodes[node].follows = None;
                self.take_name(node);
                self.check_hand_over(node, *connection);
            }
        }
    }

    /// A node's stream has the name that the node says.
    fn take_name(&mut self, node: usize) {
        let Some(process) = &self.machines[node].process else { return };
        let (id, end) = (process.node.standing().history().id(), process.journal.end());
        self.truth.nodes[node].renamed(id, end);
    }

    /// Who leads by a failover that was not forced has everything that the primary before it had.
    fn check_hand_over(&mut self, node: usize, connection: ConnectionId) {
        let run = self.machines[node].run;
        let Some((number, _)) = self.network.find(node, run, connection) else { return };
        let Some(old) = self.network.wire(number).map(|wire| wire.client) else { return };
        let Some(process) = self.machines[old.node].process.as_ref() else { return };
        let is_over = process.node.failover_state() != FailoverState::InProgress;
        if self.machines[old.node].run != old.run || is_over || self.truth.nodes[old.node].is_forced {
            return;
        }
        let ends = [old.node, node].map(|at| self.machines[at].process.as_ref().map(|process| process.journal.end()));
        if ends[0] != ends[1] {
            self.fail(format!("{node} leads at {:?}, and {} was at {:?}", ends[1], old.node, ends[0]));
        }
        let holds = self.truth.nodes[old.node].holds.clone();
        self.truth.nodes[node].holds.extend(holds);
        self.check_writes(node);
    }

    /// What replicas confirm they hold from here on.
    pub(super) fn waited(&mut self, node: usize, wait: WaitId, offset: Offset, outcome: WaitOutcome) {
        let run = self.machines[node].run;
        let Some(write) = self.waits.remove(&(node, run, wait)) else { return };
        let WaitOutcome::Reached(reached) = outcome else { return };
        self.note(format_args!("{node}: write {write} at {offset} is confirmed by {reached}"));
        if let Some((_, count)) = self.truth.nodes[node].must_confirm.take_if(|(awaited, _)| *awaited == write)
            && reached < count
        {
            self.fail(format!("{node}: {reached} of {count} replicas confirm a write when all is quiet"));
        }
        self.confirmed(node, write, offset, reached);
    }

    /// Replicas of a node say that they have a write: they hold it from here on.
    pub(super) fn confirmed(&mut self, node: usize, write: u64, offset: Offset, count: usize) {
        if !self.truth.is_alive(write) {
            return;
        }
        let Some(process) = &self.machines[node].process else { return };
        let run = self.machines[node].run;
        let reached = process.node.reached(offset);
        if reached.len() < count {
            return self
                .fail(format!("{node}: {count} replicas are said to have write {write}, {} have it", reached.len()));
        }
        for connection in reached {
            let Some((number, _)) = self.network.find(node, run, connection) else { continue };
            let Some(client) = self.network.wire(number).map(|wire| wire.client) else { continue };
            // It may have lost it since: then it confirmed it before.
            if self.machines[client.node].run == client.run && self.truth.nodes[client.node].has_come_over(number) {
                self.truth.nodes[client.node].holds.insert(write, offset);
                self.check_writes(client.node);
            }
        }
    }

    /// Every write that a node is known to hold is there.
    pub(super) fn check_writes(&mut self, node: usize) {
        let Some(process) = &self.machines[node].process else { return };
        let holds = self.truth.nodes[node].holds.keys();
        let is_there = |write: u64| process.engine.get_int(truth::key(write)).ok().flatten() == Some(write as i64);
        let lost: Vec<u64> = holds.copied().filter(|write| !is_there(*write)).collect();
        if !lost.is_empty() {
            self.fail(format!("{node} lost writes that it held: {lost:?}"));
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        let name = |process: &Process| process.node.standing().history().id();
        (0..self.machines.len()).all(|node| {
            let Some(process) = &self.machines[node].process else { return false };
            if self.is_failing_over(node) {
                return false;
            }
            let Some(primary) = self.primary_of(node) else { return true };
            let primary = self.machines[primary].process.as_ref();
            process.node.phase() == Some(ReplicaPhase::Streaming)
                && primary.is_some_and(|primary| primary.journal.end() == process.journal.end())
                && primary.is_some_and(|primary| name(primary) == name(process))
        })
    }

    pub(super) fn check_quiet(&mut self) {
        let digest = |sim: &Self, node: usize| {
            sim.machines[node].process.as_ref().map(|process| process.engine.call(&["DEBUG", "DIGEST"]))
        };
        for node in 0..self.machines.len() {
            self.check_writes(node);
            let Some(primary) = self.primary_of(node) else { continue };
            if digest(self, node) != digest(self, primary) {
                self.fail(format!("{node} is not what {primary} is: {}", self.picture()));
            }
        }
    }

    pub(super) fn picture(&self) -> String {
        let mut picture = String::new();
        for (node, machine) in self.machines.iter().enumerate() {
            let Some(process) = &machine.process else {
                let _ = write!(picture, "{node} off; ");
                continue;
            };
            let (end, id) = (process.journal.end(), process.node.standing().history().id());
            let (phase, follows) = (process.node.phase(), self.primary_of(node));
            let _ = write!(picture, "{node} at {end} of {} follows {follows:?} {phase:?}; ", &id.as_str()[..6]);
        }
        picture
    }
}
