//! The gate: whether a slot takes requests of clients. Written by whoever owns the cluster's configuration, read by turns.
//!
//! ```text
//! state of the slot      who is served                                  who is not
//! Open                   all
//! Down                   reads, if that is allowed                      CLUSTERDOWN
//! Unassigned                                                            CLUSTERDOWN
//! Elsewhere                                                             MOVED to the owner
//! Replicated             reads after READONLY, shard channels           MOVED to the owner
//! Migrating              whose keys are all here, MIGRATE               no key here: ASK; some: TRYAGAIN
//! Importing              after ASKING; MIGRATE                          MOVED to the owner; several keys, not all here: TRYAGAIN
//! Paused                                                                waits for what the slot becomes
//! Staged                                                                MOVED to the owner
//! ```
//!
//! The decision alone lives here, by the rules of Redis 7.2. The state of a slot lies in the slot, so an open one costs a turn one
//! comparison. Which node serves a slot instead is looked up in the published [`Redirects`] only when a request is refused.

use crate::error::CommandError;
use crate::keyspace::GateState;
use crate::keyspace::admission::Standing;
use crate::options::Options;
use crate::slot::{Slot, SlotSet};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a client is sent, as it is written: `host:port`, `:port` where the client is to use the host it knows, `?:port` where the
/// host is not known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    plain: Arc<str>,
    tls: Arc<str>,
}

impl Endpoint {
    /// The same for all clients.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let plain = text.into();
        Self { tls: Arc::clone(&plain), plain }
    }

    /// Tells clients that came over TLS this instead.
    #[must_use]
    pub fn with_tls(self, text: impl Into<Arc<str>>) -> Self {
        Self { tls: text.into(), ..self }
    }

    fn text(&self, standing: Standing) -> String {
        if standing.tls { &self.tls } else { &self.plain }.to_string()
    }
}

/// Who serves which slot, and where slots that leave go to. Made anew and [published](crate::Engine::set_redirects) as a whole at each
/// change. A lookup takes O(log ranges).
///
/// ```
/// use keyslot_engine::{Endpoint, Redirects, Slot, SlotSet};
/// let mut redirects = Redirects::default();
/// let slots: SlotSet = Slot::all().take(100).collect();
/// redirects.serve(&slots, &Endpoint::new("10.0.0.9:7000"));
/// ```
#[derive(Clone, Default, Debug)]
pub struct Redirects {
    /// First slot, last slot, endpoint; ascending once published.
    ranges: Vec<(Slot, Slot, u32)>,
    /// Slot, endpoint; ascending once published.
    targets: Vec<(Slot, u32)>,
    endpoints: Vec<Endpoint>,
}

impl Redirects {
    /// Says where the node is that serves `slots`. Slots of this node itself may be said, too: who asks while the gate changes is sent
    /// there then. No slot may be said twice. O(ranges).
    pub fn serve(&mut self, slots: &SlotSet, endpoint: &Endpoint) {
        let at = self.add(endpoint);
        self.ranges.extend(slots.ranges().map(|range| (*range.start(), *range.end(), at)));
    }

    /// Says where the node is to which a slot of this node [leaves](GateState::Migrating). O(1).
    pub fn migrate(&mut self, slot: Slot, endpoint: &Endpoint) {
        let at = self.add(endpoint);
        self.targets.push((slot, at));
    }

    fn add(&mut self, endpoint: &Endpoint) -> u32 {
        if self.endpoints.last() != Some(endpoint) {
            self.endpoints.push(endpoint.clone());
        }
        self.endpoints.len() as u32 - 1
    }

    fn sorted(mut self) -> Self {
        self.ranges.sort_unstable();
        self.targets.sort_unstable();
        self
    }

    fn owner(&self, slot: Slot) -> Option<&Endpoint> {
        let at = self.ranges.partition_point(|(first, ..)| *first <= slot).checked_sub(1)?;
        let (_, last, endpoint) = self.ranges[at];
        (slot <= last).then(|| &self.endpoints[endpoint as usize])
    }

    fn target(&self, slot: Slot) -> Option<&Endpoint> {
        let at = self.targets.binary_search_by_key(&slot, |(of, _)| *of).ok()?;
        Some(&self.endpoints[self.targets[at].1 as usize])
    }
}

/// What a request is, as far as the gate asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) standing: Standing,
    /// It may change data.
    pub(crate) writes: bool,
    /// Its words are shard channels, not keys.
    pub(crate) on_channels: bool,
    /// It was sent here by ASK.
    pub(crate) asks: bool,
    /// It is MIGRATE, which works on what is here.
    pub(crate) moves_keys: bool,
}

/// Which keys of a request are here, in a slot that is on its way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Presence {
    pub(crate) here: usize,
    pub(crate) missing: usize,
    /// Whether it names more than one key.
    pub(crate) several: bool,
}

/// The engine's gate: cluster-wide switches; the state of each slot lies in the slot.
#[derive(Default)]
pub(crate) struct Gate {
    cluster: AtomicBool,
    down: AtomicBool,
    redirects: RwLock<Arc<Redirects>>,
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

    pub(crate) fn set_redirects(&self, redirects: Redirects) {
        let redirects = Arc::new(redirects.sorted());
        *self.redirects.write() = redirects;
    }

    /// Decides about a request for a slot, which is held. `presence` is asked for where the slot is on its way.
    #[cold]
    pub(crate) fn decide(
        &self,
        options: &Options,
        slot: Slot,
        state: GateState,
        caller: Caller,
        presence: impl FnOnce() -> Presence,
    ) -> Result<(), CommandError> {
        if state == GateState::Unassigned {
            return Err(CommandError::SlotNotServed);
        }
        if self.is_down() || state == GateState::Down {
            decide_down(options, caller)?;
        }
        match state {
            GateState::Open | GateState::Down => Ok(()),
            GateState::Paused => Err(CommandError::SlotPaused),
            GateState::Migrating | GateState::Importing if caller.moves_keys => Ok(()),
            GateState::Migrating if caller.on_channels => Ok(()),
            GateState::Migrating => match presence() {
                Presence { missing: 0, here: 1.., .. } => Ok(()),
                // Who cannot say which keys it is about cannot be sent to where they are.
                Presence { here: 1.., .. } | Presence { missing: 0, .. } => Err(CommandError::TryAgain),
                Presence { .. } => Err(self.ask(slot, caller.standing)),
            },
            GateState::Importing if caller.asks && caller.on_channels => Ok(()),
            GateState::Importing if caller.asks => match presence() {
                Presence { several: true, missing: 1.., .. } => Err(CommandError::TryAgain),
                _ => Ok(()),
            },
            GateState::Replicated if !caller.writes && (caller.standing.reads_replica || caller.on_channels) => Ok(()),
            GateState::Elsewhere | GateState::Importing | GateState::Replicated | GateState::Staged => {
                Err(self.moved(slot, caller.standing))
            }
            GateState::Unassigned => Err(CommandError::SlotNotServed),
        }
    }

    /// What to tell a request that waits for a key of a slot whose state changed to this; `None` if it may go on waiting.
    #[cold]
    pub(crate) fn send_away(&self, slot: Slot, state: GateState, standing: Standing) -> Option<CommandError> {
        match state {
            GateState::Unassigned => Some(CommandError::SlotNotServed),
            // Reads may be served, but what it waits for is a write.
            _ if self.is_down() || state == GateState::Down => Some(CommandError::ClusterDown),
            GateState::Elsewhere | GateState::Staged => Some(self.moved(slot, standing)),
            GateState::Replicated => (!standing.reads_replica).then(|| self.moved(slot, standing)),
            GateState::Open | GateState::Down | GateState::Migrating | GateState::Importing | GateState::Paused => None,
        }
    }

    fn moved(&self, slot: Slot, standing: Standing) -> CommandError {
        match self.redirects.read().owner(slot) {
            Some(endpoint) => CommandError::Moved { slot, endpoint: endpoint.text(standing) },
            None => CommandError::SlotNotServed,
        }
    }

    fn ask(&self, slot: Slot, standing: Standing) -> CommandError {
        match self.redirects.read().target(slot) {
            Some(endpoint) => CommandError::Ask { slot, endpoint: endpoint.text(standing) },
            None => CommandError::TryAgain,
        }
    }
}

fn decide_down(options: &Options, caller: Caller) -> Result<(), CommandError> {
    match (caller.on_channels, caller.writes) {
        (true, _) if options.cluster_channels_when_down.load(Ordering::Relaxed) => Ok(()),
        (true, _) => Err(CommandError::ClusterDown),
        (false, _) if !options.cluster_reads_when_down.load(Ordering::Relaxed) => Err(CommandError::ClusterDown),
        (false, true) => Err(CommandError::ClusterReadOnly),
        (false, false) => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Sends everybody there, whose slot is not served here or leaves.
    pub(crate) fn all_to(text: &str) -> Redirects {
        let mut redirects = Redirects::default();
        redirects.serve(&Slot::all().collect(), &Endpoint::new(text));
        Slot::all().for_each(|slot| redirects.migrate(slot, &Endpoint::new(text)));
        redirects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(range: std::ops::Range<u16>) -> SlotSet {
        range.filter_map(Slot::new).collect()
    }

    fn slot(number: u16) -> Slot {
        Slot::new(number).expect("it is a slot")
    }

    #[test]
    fn a_route_knows_the_owner_of_each_range_and_nobody_in_the_gaps() {
        let (a, b) = (Endpoint::new("a:1"), Endpoint::new(":2").with_tls(":3"));
        let mut route = Redirects::default();
        let mut scattered = slots(100..200);
        scattered.insert(slot(5));
        route.serve(&slots(200..300), &b);
        route.serve(&scattered, &a);
        route.migrate(slot(9), &b);
        route.migrate(slot(3), &a);
        let route = route.sorted();
        let owner = |number| route.owner(slot(number)).map(|endpoint| endpoint.text(Standing::default()));
        for (number, expected) in [(0, None), (5, Some("a:1")), (6, None), (100, Some("a:1")), (199, Some("a:1"))] {
            assert_eq!(owner(number).as_deref(), expected, "{number}");
        }
        for (number, expected) in [(200, Some(":2")), (299, Some(":2")), (300, None), (16383, None)] {
            assert_eq!(owner(number).as_deref(), expected, "{number}");
        }
        assert_eq!(route.target(slot(3)), Some(&a));
        assert_eq!(route.target(slot(4)), None);
        let tls = Standing { tls: true, ..Standing::default() };
        assert_eq!(route.target(slot(9)).map(|endpoint| endpoint.text(tls)).as_deref(), Some(":3"));
    }
}
