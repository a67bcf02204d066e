//! What the engine's gate is told: which slots it serves, where the others are, and whether the cluster serves at all.

use super::member::Member;
use super::roster::{NodeAddress, Roster};
use super::view::PreferredEndpoint;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Endpoint, Engine, GateState, Redirects, Slot};

/// Keeps an engine's gate as a member's roster has it. Remembers what it said, and says what is new.
#[derive(Debug)]
pub struct Gates {
    said: Said,
    is_up: bool,
}

/// Slots by what the gate says of them; the others are nobody's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Said {
    open: SlotSet,
    migrating: SlotSet,
    importing: SlotSet,
    replicated: SlotSet,
    paused: SlotSet,
    staged: SlotSet,
    elsewhere: SlotSet,
}

impl Said {
    fn of(roster: &Roster) -> Self {
        let me = roster.me();
        let of = |slots: &mut dyn Iterator<Item = Slot>| slots.collect::<SlotSet>();
        let migrating = of(&mut roster.migrating.keys().copied().filter(|slot| me.slots.contains(*slot)));
        let importing = of(&mut roster.importing.keys().copied().filter(|slot| !me.slots.contains(*slot)));
        let followed = me.primary.and_then(|primary| roster.node(&primary)).map(|primary| primary.slots.clone());
        let replicated = followed.unwrap_or_default();
        let paused = roster.paused.values().fold(SlotSet::new(), |all, slots| all.union(slots)).intersection(&me.slots);
        let migrating = migrating.difference(&paused);
        let staged = match me.is_primary() {
            true => roster.arriving().difference(&me.slots),
            false => SlotSet::new(),
        };
        let importing = importing.difference(&staged);
        let mine = me.slots.union(&importing).union(&replicated).union(&staged);
        Self {
            open: me.slots.difference(&migrating).difference(&paused),
            elsewhere: roster.assigned().difference(&mine),
            paused,
            staged,
            migrating,
            importing,
            replicated,
        }
    }

    fn parts(&self) -> [(&SlotSet, GateState); 7] {
        [
            (&self.open, GateState::Open),
            (&self.migrating, GateState::Migrating),
            (&self.importing, GateState::Importing),
            (&self.replicated, GateState::Replicated),
            (&self.paused, GateState::Paused),
            (&self.staged, GateState::Staged),
            (&self.elsewhere, GateState::Elsewhere),
        ]
    }

    fn all(&self) -> SlotSet {
        self.parts().into_iter().fold(SlotSet::new(), |all, (slots, _)| all.union(slots))
    }
}

impl Gates {
    /// Makes an engine follow the rules of a cluster, with all slots nobody's.
    pub fn new(engine: &Engine) -> Self {
        engine.set_cluster(true);
        engine.set_gate(Slot::all(), GateState::Unassigned);
        engine.set_cluster_down(true);
        Self { said: Said::default(), is_up: false }
    }

    /// Has the gate follow. Clients are sent to what they prefer.
    pub fn settle(&mut self, engine: &Engine, member: &Member, preferred: PreferredEndpoint) {
        let roster = member.roster();
        engine.set_redirects(redirects(roster, preferred));
        let said = Said::of(roster);
        engine.set_gate(self.said.all().difference(&said.all()).iter(), GateState::Unassigned);
        for ((slots, state), (before, _)) in said.parts().into_iter().zip(self.said.parts()) {
            let news = slots.difference(before);
            if !news.is_empty() {
                engine.set_gate(news.iter(), state);
            }
        }
        self.said = said;
        if self.is_up != member.is_up() {
            self.is_up = member.is_up();
            engine.set_cluster_down(!self.is_up);
        }
    }
}

/// Where clients are sent for each slot.
fn redirects(roster: &Roster, preferred: PreferredEndpoint) -> Redirects {
    let mut redirects = Redirects::default();
    for node in roster.nodes().filter(|node| !node.slots.is_empty()) {
        redirects.serve(&node.slots, &endpoint(&node.address, preferred));
    }
    for (slot, to) in &roster.migrating {
        if let Some(node) = roster.node(to) {
            redirects.migrate(*slot, &endpoint(&node.address, preferred));
        }
    }
    redirects
}

fn endpoint(address: &NodeAddress, preferred: PreferredEndpoint) -> Endpoint {
    let host = match preferred {
        PreferredEndpoint::Ip => address.ip.as_str(),
        PreferredEndpoint::Hostname if address.hostname.is_empty() => "?",
        PreferredEndpoint::Hostname => address.hostname.as_str(),
        PreferredEndpoint::Unknown => "",
    };
    Endpoint::new(format!("{host}:{}", address.port))
}
