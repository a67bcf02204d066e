//! Reigns as nodes begin them, and whether what nodes hold and clients saw is what the [ledger](super::ledger) says.

use super::super::history::{Ask, is_linearizable};
use super::super::machine::Disk;
use super::Simulation;
use super::ledger::{Known, Origin, Place, ReignNumber};
use super::request;
use crate::link::History;
use keyslot_engine::resp::{Value, parse_reply};
use keyslot_engine::{EffectSink, Offset, PeerInfo, Slot};
use keyslot_persistence::storage::Loss;
use std::fmt::Write;
use std::task::Waker;

/// What the disk of a node that is off holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Left {
    #[default]
    Nothing,
    /// What was there at a place, or less, but not less than up to here.
    Log {
        reign: ReignNumber,
        from: Offset,
        to: Offset,
    },
    Unknown,
}

impl Simulation {
    /// The reign that a node's history names.
    pub(super) fn reign_of(&mut self, history: History) -> ReignNumber {
        if let Some(reign) = self.ledger.find(history.id()) {
            return reign;
        }
        let before = history.previous().and_then(|(id, at)| Some(Place { reign: self.ledger.find(id)?, at }));
        self.ledger.begin(history.id(), before.map_or(Origin::Unknown, Origin::Place))
    }

    /// What the disk of a node that is about to be killed will hold.
    pub(super) fn left_by(&mut self, node: usize, loss: Loss) -> Left {
        let place = self.place(node);
        match (self.nodes[node].machine.kept(loss), place) {
            (Some(from), Some(Place { reign, at: to })) => Left::Log { reign, from, to },
            (None, _) if self.nodes[node].machine.options.disk == Disk::None => Left::Nothing,
            _ => Left::Unknown,
        }
    }

    /// A node was started: its reign begins with what its disk held.
    pub(super) fn begin_reign(&mut self, node: usize) {
        let Some(process) = &self.nodes[node].machine.process else { return };
        let (id, end) = (process.node.standing().history().id(), process.journal.end());
        let origin = match std::mem::take(&mut self.nodes[node].left) {
            Left::Nothing => Origin::Nothing,
            Left::Unknown => Origin::Unknown,
            Left::Log { reign, from, to } => {
                if end < from || end > to {
                    self.fail(format!("{node} starts at {end}, and its log was durable to {from} and written to {to}"));
                }
                Origin::Place(Place { reign, at: end })
            }
        };
        self.ledger.begin(id, origin);
        self.check_data(node);
    }

    /// A node holds what it must, of all keys that it lets anybody read.
    pub(super) fn check_data(&mut self, node: usize) {
        let Some(place) = self.place(node) else { return };
        let keys = self.ledger.all_keys();
        let known: Vec<(&str, Option<u64>)> = keys
            .iter()
            .filter(|key| !self.moved.contains(Slot::of(key.as_bytes())))
            .filter_map(|key| match self.ledger.known(place, key) {
                Known::Value(known) => Some((key.as_str(), known)),
                Known::Unknown => None,
            })
            .collect();
        let keys: Vec<&str> = known.iter().map(|(key, _)| *key).collect();
        for ((key, known), held) in known.iter().zip(self.held(node, &keys)) {
            if let Some(held) = held.filter(|held| held != known) {
                let [known, held] = [*known, held].map(|it| self.ledger.show(it));
                let at = place.at;
                self.fail(format!("{node} holds {held} as {key} at {at}, where {known} was written"));
            }
        }
    }

    /// What a node's engine holds, where it lets anybody read that.
    pub(super) fn held(&mut self, node: usize, keys: &[&str]) -> Vec<Option<Option<u64>>> {
        let Some(process) = self.nodes[node].machine.process.as_ref().filter(|_| !keys.is_empty()) else {
            return vec![None; keys.len()];
        };
        let mut session = process.engine.session(Waker::noop().clone(), PeerInfo::default());
        let mut requests = b"*1\r\n$8\r\nREADONLY\r\n".to_vec();
        for key in keys {
            requests.extend_from_slice(&request::encode(&[b"GET".to_vec(), key.as_bytes().to_vec()], false));
        }
        session.feed(&requests);
        let mut said = Vec::new();
        session.poll_output(&mut said);
        let mut rest = &said[..];
        let mut replies = std::iter::from_fn(|| {
            let (reply, size) = parse_reply(rest).ok()??;
            rest = &rest[size..];
            Some(reply)
        });
        // That to READONLY.
        replies.next();
        let mut held = |reply: Option<Value>| request::said(Ask::Get, &reply?, &mut self.ledger);
        keys.iter().map(|_| held(replies.next())).collect()
    }

    /// Every key was one register as long as one node led.
    pub(super) fn check_histories(&mut self) {
        for ((key, reign), operations) in self.clients.whole_history() {
            let Known::Value(initial) = self.ledger.known_before(reign, &key) else { continue };
            if self.ledger.follows(&key) && !is_linearizable(&operations, initial) {
                let mut shown = String::new();
                for it in &operations {
                    let _ = write!(shown, "; {:?} at {} ", it.ask, it.from);
                    match it.reply {
                        Some((until, said)) => drop(write!(shown, "to {until}: {}", self.ledger.show(said))),
                        None => shown.push_str("and no reply"),
                    }
                }
                let initial = self.ledger.show(initial);
                self.fail(format!("{key} was no register while one node led, from {initial} on{shown}"));
            }
        }
    }

    /// Acknowledged writes that whoever serves their keys does not hold, nor a later one of their reign that replaced them. Asynchronous
    /// replication allows that where the primary was replaced, or its process ended, before they got to who leads now. Of nodes that an
    /// operator had take over without their primary's data nothing is told.
    pub fn lost_writes(&mut self) -> Vec<String> {
        let mut lost = Vec::new();
        for node in 0..self.nodes.len() {
            let slots = self.roster(node).filter(|it| it.me().is_primary()).map(|it| it.me().slots.clone());
            let (Some(slots), Some(place)) = (slots, self.place(node)) else { continue };
            lost.extend(self.ledger.lost(place, |key| slots.contains(Slot::of(key.as_bytes()))));
        }
        lost
    }
}
