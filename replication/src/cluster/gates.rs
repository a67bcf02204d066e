//! What the engine's gate is told: which slots it serves, which others do, and whether the cluster serves at all.

use super::member::Member;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Engine, GateState, Slot};
use std::sync::Arc;
use std::sync::RwLock;

/// Keeps an engine's gate as a member's roster has it. Remembers what it said, and says what is new.
#[derive(Debug)]
pub struct Gates {
    open: SlotSet,
    elsewhere: SlotSet,
    is_up: bool,
    routes: Routes,
}

/// Where clients are sent for slots of others: shared with the engine.
type Routes = Arc<RwLock<Vec<(SlotSet, String)>>>;

impl Gates {
    /// Makes an engine follow the rules of a cluster, with all slots nobody's.
    pub fn new(engine: &Engine) -> Self {
        engine.set_cluster(true);
        engine.set_gate(Slot::all(), GateState::Unassigned);
        engine.set_cluster_down(true);
        let routes = Routes::default();
        let shared = routes.clone();
        engine.set_route(move |slot| {
            shared.read().ok()?.iter().find(|(slots, _)| slots.contains(slot)).map(|(_, endpoint)| endpoint.clone())
        });
        Self { open: SlotSet::new(), elsewhere: SlotSet::new(), is_up: false, routes }
    }

    /// Has the gate follow.
    pub fn settle(&mut self, engine: &Engine, member: &Member) {
        let roster = member.roster();
        let me = roster.me();
        let others: Vec<_> = roster.nodes().filter(|node| node.name != me.name && !node.slots.is_empty()).collect();
        let endpoint =
            |node: &&super::KnownNode| (node.slots.clone(), format!("{}:{}", node.address.ip, node.address.port));
        if let Ok(mut routes) = self.routes.write() {
            *routes = others.iter().map(endpoint).collect();
        }
        let open = me.slots.clone();
        let elsewhere = others.iter().fold(SlotSet::new(), |all, node| all.union(&node.slots));
        let before = self.open.union(&self.elsewhere);
        let gone = before.difference(&open.union(&elsewhere));
        engine.set_gate(gone.iter(), GateState::Unassigned);
        engine.set_gate(elsewhere.difference(&self.elsewhere).iter(), GateState::Elsewhere);
        engine.set_gate(open.difference(&self.open).iter(), GateState::Open);
        (self.open, self.elsewhere) = (open, elsewhere);
        if self.is_up != member.is_up() {
            self.is_up = member.is_up();
            engine.set_cluster_down(!self.is_up);
        }
    }
}
