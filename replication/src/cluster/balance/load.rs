//! What is measured: how much each slot bears, and which node has it.

use super::super::name::NodeName;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{SLOT_COUNT, Slot};

/// What one slot bears.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SlotLoad {
    /// Keys in it.
    pub keys: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Lookups and writes while it was watched.
    pub operations: u64,
}

/// By what shares are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// The number of slots.
    Slots,
    /// The number of keys.
    Keys,
    /// The bytes that they take.
    Bytes,
    /// How much is asked of them.
    Operations,
}

impl Measure {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slots => "slots",
            Self::Keys => "keys",
            Self::Bytes => "bytes",
            Self::Operations => "operations",
        }
    }

    /// The measure of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Slots, Self::Keys, Self::Bytes, Self::Operations].into_iter().find(|measure| measure.name() == name)
    }

    /// What a slot bears by this measure.
    pub fn of(self, load: &SlotLoad) -> u64 {
        match self {
            Self::Slots => 1,
            Self::Keys => load.keys,
            Self::Bytes => load.bytes,
            Self::Operations => load.operations,
        }
    }
}

/// What a node has to do with the balance.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Part {
    /// It bears a share by its weight, which is above 0.
    Shares(f64),
    /// It is to have no slot.
    Drains,
    /// It keeps what it has.
    Keeps,
}

/// A node and its slots.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeLoad {
    /// Who it is.
    pub name: NodeName,
    /// What it has.
    pub slots: SlotSet,
    /// What it has to do with the balance.
    pub part: Part,
}

/// The loads of a cluster.
#[derive(Clone, PartialEq, Debug)]
pub struct Loads {
    slots: Box<[SlotLoad]>,
    /// The nodes, each slot at one of them at most.
    pub nodes: Vec<NodeLoad>,
    /// Slots that stay where they are, unless their node is to have none: they moved not long ago, or are on their way.
    pub pinned: SlotSet,
}

impl Loads {
    /// Nodes of whose slots nothing is known yet.
    pub fn new(nodes: Vec<NodeLoad>) -> Self {
        Self { slots: vec![SlotLoad::default(); SLOT_COUNT].into(), nodes, pinned: SlotSet::new() }
    }

    /// What a slot bears.
    pub fn of(&self, slot: Slot) -> &SlotLoad {
        &self.slots[slot.index()]
    }

    /// Says what a slot bears.
    pub fn set(&mut self, slot: Slot, load: SlotLoad) {
        self.slots[slot.index()] = load;
    }

    /// What a node bears.
    pub fn of_node(&self, node: &NodeLoad, measure: Measure) -> u64 {
        node.slots.iter().map(|slot| measure.of(self.of(slot))).sum()
    }

    /// What some slots bear together.
    pub fn sum(&self, slots: &SlotSet) -> SlotLoad {
        slots.iter().map(|slot| self.of(slot)).fold(SlotLoad::default(), |sum, load| SlotLoad {
            keys: sum.keys + load.keys,
            bytes: sum.bytes + load.bytes,
            operations: sum.operations + load.operations,
        })
    }
}
