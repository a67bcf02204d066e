//! Whether a slot takes requests, in one byte: its gate, and whether its keys are here.
//!
//! ```text
//! bit  3 2   1 0
//!      keys  gate       0 where the slot is open and its keys are here: one comparison tells
//!
//! keys   Here <- Arriving <- Cold        a slot whose keys stand in a file still is Cold; who touches it first brings them
//!        Unreadable <-'
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
    /// Whether the slot takes requests of clients, with its keys at hand.
    #[inline]
    pub(crate) fn is_open(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) fn is_cold(self) -> bool {
        self.0 & KEYS_MASK == (Keys::Cold as u8) << KEYS_SHIFT
    }

    pub(crate) fn gate(self) -> GateState {
        match self.0 & GATE_MASK {
            0 => GateState::Open,
            1 => GateState::Unassigned,
            2 => GateState::Elsewhere,
            _ => GateState::Down,
        }
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

const GATE_MASK: u8 = 0b0011;
const KEYS_MASK: u8 = 0b1100;
const KEYS_SHIFT: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_and_keys_do_not_touch_each_other() {
        for gate in [GateState::Open, GateState::Unassigned, GateState::Elsewhere, GateState::Down] {
            for keys in [Keys::Here, Keys::Cold, Keys::Arriving, Keys::Unreadable] {
                let mut admission = Admission::default();
                admission.set_keys(Keys::Unreadable);
                admission.set_gate(GateState::Down);
                admission.set_keys(keys);
                admission.set_gate(gate);
                assert_eq!((admission.gate(), admission.keys()), (gate, keys));
                assert_eq!(admission.is_open(), (gate, keys) == (GateState::Open, Keys::Here));
                assert_eq!(admission.is_cold(), keys == Keys::Cold);
            }
        }
    }
}
