//! What was written where, and what must therefore be read: the contract of asynchronous replication, to the offset.
//!
//! A *reign* is the time in which one node leads under one name of its history: from when it is elected or starts, until it follows
//! another or its process ends. A reign begins with what the stream of the reign before had brought to its node, and nothing else:
//!
//! ```text
//! reign a (node 0)  --w1--w2--w3--w4                       0 is killed; w1 to w3 had come to 1
//!                             '-------- reign b (node 1)  --w5--w6           w4 is lost, though it was acknowledged
//! ```
//!
//! - What a node holds at an offset of a reign is what that reign and those that it came from wrote up to there: every read says that,
//!   every replica holds it, and who is elected begins with it. So what had come to who is elected is not lost, and what is lost is the
//!   end of a reign, with nothing behind it kept.
//! - As long as a reign lasts none of its writes is lost, and each key is one register.
//! - A node that starts with its log begins with what the log held, and that is all that was durable; one without begins with nothing.
//! - A reign that a node without its primary's data begins (an operator had it take over) begins with what nobody knows. Only what it
//!   writes itself is checked.
//!
//! Offsets and names of histories are those that the nodes have; what is read under them is not.

use super::super::history::Ask;
use crate::cluster::NodeName;
use crate::link::ReplicationId;
use keyslot_engine::{Offset, Slot, SlotSet};
use std::collections::{BTreeMap, BTreeSet};

/// Which reign.
pub(super) type ReignNumber = usize;

/// Where in which reign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) reign: ReignNumber,
    pub(super) at: Offset,
}

#[derive(Debug)]
struct Reign {
    origin: Origin,
    /// What became of each key, in the order in which it did.
    keys: BTreeMap<String, Vec<Change>>,
    /// Slots that came from another node: from where to where in the stream what is there of them is nobody's to read.
    moves: Vec<Move>,
}

#[derive(Debug)]
struct Move {
    /// Where they came from, once they are here.
    source: Option<Place>,
    name: NodeName,
    from: Offset,
    to: Offset,
    slots: SlotSet,
}

/// What a reign began with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    Nothing,
    /// What was there at a place.
    Place(Place),
    Unknown,
}

/// What leads to a place.
#[derive(Default)]
struct Led {
    reigns: Vec<(ReignNumber, SlotSet, Offset)>,
    /// Where nobody knows what a reign began with.
    is_broken: bool,
}

#[derive(Debug)]
struct Change {
    at: Offset,
    value: Option<u64>,
    is_acknowledged: bool,
}

/// What is known of a key at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    Value(Option<u64>),
    Unknown,
}

/// A write, to be found again when it is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct WriteMark {
    reign: ReignNumber,
    index: usize,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    reigns: Vec<Reign>,
    numbers: BTreeMap<ReplicationId, ReignNumber>,
    /// Texts that are no numbers, as numbers.
    texts: BTreeMap<Vec<u8>, u64>,
    /// What the sources of moves had when they were paused.
    sources: BTreeMap<NodeName, Place>,
    /// Keys that something was done to that is not followed.
    strange: BTreeSet<String>,
    is_all_strange: bool,
}

impl Ledger {
    /// The number that stands for a value.
    pub(super) fn number(&mut self, text: &[u8]) -> u64 {
        let plain = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
        if let Some(number) = plain.filter(|number| *number < TEXTS_FROM && number.to_string().as_bytes() == text) {
            return number;
        }
        let next = TEXTS_FROM + self.texts.len() as u64;
        *self.texts.entry(text.to_owned()).or_insert(next)
    }

    /// A value as people write it.
    pub(super) fn show(&self, value: Option<u64>) -> String {
        match value {
            None => "nothing".to_owned(),
            Some(number) if number < TEXTS_FROM => number.to_string(),
            Some(number) => {
                let text = self.texts.iter().find(|(_, it)| **it == number).map(|(text, _)| text.as_slice());
                format!("{:?}", String::from_utf8_lossy(text.unwrap_or_default()))
            }
        }
    }

    /// The reign of this name, if it is known.
    pub(super) fn find(&self, id: ReplicationId) -> Option<ReignNumber> {
        self.numbers.get(&id).copied()
    }

    /// A reign begins.
    pub(super) fn begin(&mut self, id: ReplicationId, origin: Origin) -> ReignNumber {
        let number = self.reigns.len();
        self.reigns.push(Reign { origin, keys: BTreeMap::new(), moves: Vec::new() });
        self.numbers.insert(id, number);
        number
    }

    /// A key is another from here on.
    pub(super) fn note(&mut self, place: Place, key: &str, value: Option<u64>) -> WriteMark {
        let changes = self.reigns[place.reign].keys.entry(key.to_owned()).or_default();
        changes.push(Change { at: place.at, value, is_acknowledged: false });
        WriteMark { reign: place.reign, index: changes.len() - 1 }
    }

    /// A client was told of a write.
    pub(super) fn acknowledge(&mut self, key: &str, mark: WriteMark) {
        if let Some(change) = self.reigns[mark.reign].keys.get_mut(key).and_then(|it| it.get_mut(mark.index)) {
            change.is_acknowledged = true;
        }
    }

    /// The keys of these slots are gone.
    pub(super) fn drop_keys(&mut self, place: Place, is_dropped: impl Fn(&str) -> bool) {
        let keys: Vec<String> = self.keys().filter(|key| is_dropped(key)).map(str::to_owned).collect();
        for key in keys {
            if self.known(place, &key) != Known::Value(None) {
                self.note(place, &key, None);
            }
        }
    }

    /// Slots begin to arrive at a node.
    pub(super) fn begin_move(&mut self, place: Place, name: NodeName, slots: SlotSet) {
        let moves = Move { source: None, name, from: place.at, to: Offset(u64::MAX), slots };
        self.reigns[place.reign].moves.push(moves);
    }

    /// What arrives is what is at this place.
    pub(super) fn note_source(&mut self, name: NodeName, place: Place) {
        self.sources.insert(name, place);
    }

    /// They are here, or what was of them is not.
    pub(super) fn end_move(&mut self, place: Place, name: NodeName, slots: &SlotSet, is_here: bool) {
        let source = self.sources.get(&name).copied().filter(|_| is_here);
        for it in self.reigns[place.reign].moves.iter_mut().filter(|it| it.name == name) {
            (it.to, it.source) = (it.to.min(place.at), source);
        }
        let keys = self.all_keys().into_iter().filter(|key| slots.contains(Slot::of(key.as_bytes())));
        for key in keys.collect::<Vec<_>>() {
            match source.map(|source| self.known(source, &key)) {
                Some(Known::Value(value)) => drop(self.note(place, &key, value)),
                Some(Known::Unknown) => self.leave(&key),
                None => drop(self.note(place, &key, None)),
            }
        }
    }

    /// Something was done to a key that is not followed: what it holds is not checked from here on.
    pub(super) fn leave(&mut self, key: &str) {
        self.strange.insert(key.to_owned());
    }

    /// The same for all keys.
    pub(super) fn leave_all(&mut self) {
        self.is_all_strange = true;
    }

    /// Whether a key is followed.
    pub(super) fn follows(&self, key: &str) -> bool {
        !self.is_all_strange && !self.strange.contains(key)
    }

    /// Keys that were written and are followed, in their order, each as often as reigns wrote it.
    fn keys(&self) -> impl Iterator<Item = &str> {
        self.reigns.iter().flat_map(|reign| reign.keys.keys()).map(String::as_str).filter(|key| self.follows(key))
    }

    /// Keys that were written and are followed, once each.
    pub(super) fn all_keys(&self) -> BTreeSet<String> {
        self.keys().map(str::to_owned).collect()
    }

    /// What a key holds at a place.
    pub(super) fn known(&self, place: Place, key: &str) -> Known {
        let mut place = place;
        loop {
            let reign = &self.reigns[place.reign];
            let slot = Slot::of(key.as_bytes());
            let moves = |it: &Move| it.slots.contains(slot) && it.from <= place.at && place.at < it.to;
            if reign.moves.iter().any(moves) {
                return Known::Unknown;
            }
            let changes = reign.keys.get(key).map(Vec::as_slice).unwrap_or_default();
            let count = changes.partition_point(|change| change.at <= place.at);
            if let Some(change) = changes[..count].last() {
                return Known::Value(change.value);
            }
            match reign.origin {
                Origin::Nothing => return Known::Value(None),
                Origin::Unknown => return Known::Unknown,
                Origin::Place(before) => place = Place { reign: before.reign, at: before.at.min(place.at) },
            }
        }
    }

    /// What a key held when a reign began.
    pub(super) fn known_before(&self, reign: ReignNumber, key: &str) -> Known {
        match self.reigns[reign].origin {
            Origin::Nothing => Known::Value(None),
            Origin::Unknown => Known::Unknown,
            Origin::Place(place) => self.known(place, key),
        }
    }

    /// Acknowledged writes of keys that are not in what leads to a place, `is_its` says whose keys; newest first of each key.
    pub(super) fn lost(&self, place: Place, is_its: impl Fn(&str) -> bool) -> Vec<String> {
        let mut led = Led::default();
        self.lead_to(place, &SlotSet::full(), &mut led);
        let mut lost = Vec::new();
        for (number, reign) in self.reigns.iter().enumerate() {
            for (key, changes) in reign.keys.iter().filter(|(key, _)| self.follows(key) && is_its(key)) {
                let slot = Slot::of(key.as_bytes());
                let leads = |(of, slots, _): &&(ReignNumber, SlotSet, Offset)| *of == number && slots.contains(slot);
                let reached = led.reigns.iter().filter(leads).map(|(.., at)| *at).max();
                let gone = changes.iter().filter(|it| it.is_acknowledged && reached.is_none_or(|at| at < it.at));
                // What nobody knows may hold it.
                let is_whole = !led.is_broken;
                lost.extend(gone.filter(|_| is_whole).map(|it| format!("{key} = {}", self.show(it.value))));
            }
        }
        lost
    }

    /// Up to where reigns lead to a place, for keys of these slots: what it came from, and what moved there.
    fn lead_to(&self, place: Place, slots: &SlotSet, led: &mut Led) {
        let mut next = Some(place);
        while let Some(place) = next {
            led.reigns.push((place.reign, slots.clone(), place.at));
            let reign = &self.reigns[place.reign];
            for it in reign.moves.iter().filter(|it| it.to <= place.at) {
                let moved = it.slots.intersection(slots);
                if let Some(source) = it.source.filter(|_| !moved.is_empty()) {
                    self.lead_to(source, &moved, led);
                }
            }
            next = match reign.origin {
                Origin::Place(before) => Some(Place { at: before.at.min(place.at), ..before }),
                Origin::Nothing => None,
                Origin::Unknown => {
                    led.is_broken = true;
                    None
                }
            };
        }
    }

    /// What is wrong with a reply that was given at a place, if anything.
    pub(super) fn judge(&self, place: Place, key: &str, ask: Ask, said: Option<u64>) -> Option<String> {
        let Known::Value(held) = self.known(place, key) else { return None };
        let (_, says) = ask.run(held);
        (self.follows(key) && says != said)
            .then(|| format!("{key} holds {}, and the answer to {ask:?} is {}", self.show(held), self.show(said)))
    }
}

/// Values of more are texts.
const TEXTS_FROM: u64 = 1 << 62;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> ReplicationId {
        ReplicationId::from_chance([n, n << 40, 7])
    }

    fn place(reign: ReignNumber, at: u64) -> Place {
        Place { reign, at: Offset(at) }
    }

    #[test]
    fn a_reign_begins_with_what_had_come_to_its_node() {
        let mut ledger = Ledger::default();
        let a = ledger.begin(id(1), Origin::Nothing);
        let marks = [10, 20, 30].map(|at| ledger.note(place(a, at), "k", Some(at)));
        marks.into_iter().for_each(|mark| ledger.acknowledge("k", mark));
        let b = ledger.begin(id(2), Origin::Place(place(a, 20)));
        assert_eq!(ledger.find(id(2)), Some(b));
        assert_eq!(ledger.known(place(b, 25), "k"), Known::Value(Some(20)));
        assert_eq!(ledger.known(place(b, 15), "k"), Known::Value(Some(10)), "a replica that is behind");
        assert_eq!(ledger.known(place(a, 25), "k"), Known::Value(Some(20)));
        assert_eq!(ledger.known_before(b, "k"), Known::Value(Some(20)));
        assert_eq!(ledger.lost(place(b, 25), |_| true), ["k = 30"]);
        assert!(ledger.lost(place(a, 30), |_| true).is_empty());
        assert!(ledger.judge(place(b, 25), "k", Ask::Get, Some(30)).is_some(), "what was lost does not come back");
        assert_eq!(ledger.judge(place(b, 25), "k", Ask::Get, Some(20)), None);
        ledger.drop_keys(place(b, 26), |_| true);
        assert_eq!(ledger.known(place(b, 26), "k"), Known::Value(None));
    }

    #[test]
    fn what_nobody_knows_is_not_judged() {
        let mut ledger = Ledger::default();
        let a = ledger.begin(id(1), Origin::Unknown);
        assert_eq!(ledger.judge(place(a, 5), "k", Ask::Get, Some(1)), None);
        ledger.note(place(a, 6), "k", Some(2));
        assert!(ledger.judge(place(a, 6), "k", Ask::Get, Some(1)).is_some());
        ledger.leave("k");
        assert_eq!(ledger.judge(place(a, 6), "k", Ask::Get, Some(1)), None);
    }

    #[test]
    fn values_that_are_no_numbers_have_numbers() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.number(b"17"), 17);
        let [a, b] = [&b"017"[..], b"x"].map(|text| ledger.number(text));
        assert!(a != b && a != 17 && ledger.number(b"x") == b);
        assert_eq!(ledger.show(Some(b)), "\"x\"");
    }
}
