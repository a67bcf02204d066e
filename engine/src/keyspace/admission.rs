//! Whether a slot takes requests, in one byte: its gate, and whether its keys are here and stay.
//!
//! ```text
//! bit  6        5 4   3 2 1 0
//!      leaving  keys  gate       0 where the slot is open and its keys are here and stay: one comparison tells
//!
//! keys   Here <- Arriving <- Cold        a slot whose keys stand in a file still is Cold; who touches it first brings them
//!        Unreadable <-'
//! leaving   some of them are [on their way](super::leaving) to another server
//! ```

/// Whether a slot takes requests of clients. Decided by whoever owns the cluster's configuration, read by turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum GateState {
    /// Requests are served here.
    #[default]
    Open,
    /// Nobody serves the slot.
    Unassigned,
    /// Another node serves the slot.
    Elsewhere,
    /// The slot belongs here, but the cluster as a whole is not serving.
    Down,
    /// The slot belongs here and is on its way to another node: keys that are still here are served, for the others a client
    /// is to ask there.
    Migrating,
    /// The slot belongs to another node and is on its way here: served to who was told to ask here.
    Importing,
    /// The slot is the primary's, whom this node follows: served to clients that only read and said READONLY.
    Replicated,
    /// The slot belongs here and is about to be another node's: who asks waits until that is decided.
    Paused,
    /// The slot belongs to another node, and its keys are being copied here: clients are sent to that one, commands over the whole
    /// store pass over it, and nothing in it expires.
    Staged,
}

impl GateState {
    /// All there are, by their numbers.
    const ALL: [Self; 9] = [
        Self::Open,
        Self::Unassigned,
        Self::Elsewhere,
        Self::Down,
        Self::Migrating,
        Self::Importing,
        Self::Replicated,
        Self::Paused,
        Self::Staged,
    ];

    /// Whether the slot belongs to this node, served at the moment or not.
    pub const fn is_own(self) -> bool {
        matches!(self, Self::Open | Self::Down | Self::Migrating | Self::Paused)
    }

    /// Whether who listens to shard channels of the slot goes on listening when the state changes: its owner stays the same.
    pub(crate) const fn keeps_owner(self, next: Self) -> bool {
        self.is_own() == next.is_own() && matches!(self, Self::Replicated) == matches!(next, Self::Replicated)
    }
}

/// What a client is to the gate, whatever it asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Standing {
    /// It only reads, and what this node has from its primary will do.
    pub(crate) reads_replica: bool,
    /// It came over TLS, and so is told of ports that speak it.
    pub(crate) tls: bool,
}

/// Where the keys of a slot are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Keys {
    /// In memory.
    Here,
    /// Where a source can bring them from.
    Cold,
    /// Being brought, by whoever holds the slot.
    Arriving,
    /// They could not be brought, and nobody knows them.
    Unreadable,
}

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Admission(u8);

impl Admission {
    /// Whether the slot takes requests of clients, with its keys at hand and none on its way elsewhere.
    #[inline]
    pub(crate) fn is_open(self) -> bool {
        self.0 == 0
    }

    /// Whether the slot is the primary's, with its keys at hand.
    #[inline]
    pub(crate) fn is_replicated(self) -> bool {
        self.0 == GateState::Replicated as u8
    }

    #[inline]
    pub(crate) fn is_cold(self) -> bool {
        self.0 & KEYS_MASK == (Keys::Cold as u8) << KEYS_SHIFT
    }

    /// Whether keys of the slot are on their way to another server.
    #[inline]
    pub(crate) fn has_leaving(self) -> bool {
        self.0 & LEAVING != 0
    }

    pub(crate) fn set_leaving(&mut self, leaving: bool) {
        self.0 = self.0 & !LEAVING | if leaving { LEAVING } else { 0 };
    }

    pub(crate) fn gate(self) -> GateState {
        GateState::ALL.get(usize::from(self.0 & GATE_MASK)).copied().unwrap_or(GateState::Unassigned)
    }

    pub(crate) fn set_gate(&mut self, gate: GateState) {
        self.0 = self.0 & !GATE_MASK | gate as u8;
    }

    pub(crate) fn keys(self) -> Keys {
        match (self.0 & KEYS_MASK) >> KEYS_SHIFT {
            0 => Keys::Here,
            1 => Keys::Cold,
            2 => Keys::Arriving,
            _ => Keys::Unreadable,
        }
    }

    pub(crate) fn set_keys(&mut self, keys: Keys) {
        self.0 = self.0 & !KEYS_MASK | (keys as u8) << KEYS_SHIFT;
    }
}

const GATE_MASK: u8 = 0b00_1111;
const KEYS_MASK: u8 = 0b11_0000;
const KEYS_SHIFT: u32 = 4;
const LEAVING: u8 = 0b100_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_and_keys_do_not_touch_each_other() {
        for (number, gate) in GateState::ALL.into_iter().enumerate() {
            assert_eq!(gate as usize, number);
            for keys in [Keys::Here, Keys::Cold, Keys::Arriving, Keys::Unreadable] {
                let mut admission = Admission::default();
                admission.set_keys(Keys::Unreadable);
                admission.set_gate(GateState::Down);
                admission.set_keys(keys);
                admission.set_gate(gate);
                assert_eq!((admission.gate(), admission.keys()), (gate, keys));
                assert_eq!(admission.is_open(), (gate, keys) == (GateState::Open, Keys::Here));
                assert_eq!(admission.is_cold(), keys == Keys::Cold);
                assert_eq!(admission.is_replicated(), (gate, keys) == (GateState::Replicated, Keys::Here));
                admission.set_leaving(true);
                assert_eq!((admission.gate(), admission.keys()), (gate, keys));
                assert!(admission.has_leaving() && !admission.is_open() && !admission.is_replicated());
                admission.set_leaving(false);
                assert_eq!(admission.is_open(), (gate, keys) == (GateState::Open, Keys::Here));
            }
        }
    }

    #[test]
    fn the_owner_stays_while_a_slot_is_on_its_way() {
        use GateState::{Down, Elsewhere, Importing, Migrating, Open, Paused, Replicated, Staged};
        assert!(Open.keeps_owner(Migrating) && Migrating.keeps_owner(Down) && Elsewhere.keeps_owner(Importing));
        assert!(Open.keeps_owner(Paused) && Elsewhere.keeps_owner(Staged));
        assert!(!Paused.keeps_owner(Elsewhere) && !Staged.keeps_owner(Open));
        assert!(!Migrating.keeps_owner(Elsewhere) && !Importing.keeps_owner(Open));
        assert!(!Open.keeps_owner(Replicated) && !Replicated.keeps_owner(Elsewhere) && !Replicated.keeps_owner(Open));
    }
}
