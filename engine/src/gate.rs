//! The gate: whether a slot takes requests of clients. Written by whoever owns the cluster's configuration, read by turns.
//!
//! The decision alone lives here; which node serves a slot instead is asked of the host only when a request is refused.

use crate::error::CommandError;
use crate::keyspace::GateState;
use crate::slot::Slot;
use parking_lot::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

type Route = Box<dyn Fn(Slot) -> Option<String> + Send + Sync>;

/// The engine's gate: cluster-wide switches; the state of each slot lies in the slot.
#[derive(Default)]
pub(crate) struct Gate {
    cluster: AtomicBool,
    down: AtomicBool,
    route: RwLock<Option<Route>>,
}

impl Gate {
    /// Whether requests follow the rules of a cluster: one slot each, database 0 only.
    #[inline]
    pub(crate) fn is_cluster(&self) -> bool {
        self.cluster.load(Ordering::Relaxed)
    }

    /// Refuses what is only offered in a cluster.
    pub(crate) fn require_cluster(&self) -> Result<(), CommandError> {
        match self.is_cluster() {
            true => Ok(()),
            false => Err(CommandError::text("ERR This instance has cluster support disabled")),
        }
    }

    pub(crate) fn set_cluster(&self, on: bool) {
        self.cluster.store(on, Ordering::Relaxed);
    }

    /// Whether the cluster as a whole is not serving.
    #[inline]
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    pub(crate) fn set_route(&self, route: Route) {
        *self.route.write() = Some(route);
    }

    /// What to tell a client whose slot is not open.
    #[cold]
    pub(crate) fn refusal(&self, slot: Slot, state: GateState) -> CommandError {
        match state {
            GateState::Down => CommandError::ClusterDown,
            GateState::Elsewhere if self.is_down() => CommandError::ClusterDown,
            GateState::Elsewhere => match self.route.read().as_ref().and_then(|route| route(slot)) {
                Some(endpoint) => CommandError::Moved { slot, endpoint },
                None => CommandError::SlotNotServed,
            },
            GateState::Open | GateState::Unassigned => CommandError::SlotNotServed,
        }
    }
}
