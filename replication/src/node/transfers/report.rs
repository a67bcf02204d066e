//! What is known of a transfer, and what a host does for transfers.

use crate::cluster::{NodeAddress, NodeName};
use keyslot_engine::UnixMillis;
use keyslot_engine::slot::SlotSet;
use std::fmt;

/// Which end of a transfer this node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The slots leave.
    Export,
    /// They arrive.
    Import,
}

/// What is known of a transfer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransferReport {
    /// Its name, at both nodes.
    pub name: NodeName,
    /// Which end this node is.
    pub direction: Direction,
    /// The slots.
    pub slots: SlotSet,
    /// From where.
    pub source: NodeName,
    /// To where.
    pub target: NodeName,
    /// When it began here.
    pub begun: UnixMillis,
    /// When it got where it is.
    pub changed: UnixMillis,
    /// When the other side was heard of last.
    pub heard: UnixMillis,
    /// Where it is.
    pub state: TransferState,
    /// Why it failed; empty otherwise.
    pub message: String,
    /// For how long the slots were served by nobody, milliseconds.
    pub paused_ms: i64,
    /// Bytes of the journal that are still to be sent.
    pub remaining_bytes: u64,
}

/// Where a transfer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum TransferState {
    Connecting,
    Copying,
    Agreeing,
    Paused,
    Unclear,
    Receiving,
    Claiming,
    CleaningUp,
    Success,
    Failed,
    Cancelled,
}

impl TransferState {
    /// As CLUSTER GETSLOTMIGRATIONS says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Copying => "snapshotting",
            Self::Agreeing => "waiting-to-pause",
            Self::Paused => "failover-paused",
            Self::Unclear => "failover-unclear",
            Self::Receiving => "receiving",
            Self::Claiming => "claiming",
            Self::CleaningUp => "cleaning-up",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it has ended.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }
}

/// What a host does for transfers, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransferOutput {
    /// Connect to the port for clients, send [`establish`](super::Transfers::establish), and tell what is answered.
    Connect {
        /// Which transfer.
        name: NodeName,
        /// Where to.
        address: NodeAddress,
    },
    /// Connect to the port for clients, send [`question`](super::Transfers::question), and tell what is answered to [`told`](super::Transfers::told).
    Ask {
        /// Which transfer.
        name: NodeName,
        /// Where to.
        address: NodeAddress,
    },
    /// End the connection of a transfer, behind what was said on it.
    Close(NodeName),
    /// [End](crate::migration::Export::end) the export: its slots are paused.
    End {
        /// Which transfer.
        name: NodeName,
        /// The epoch to claim them in.
        epoch: u64,
    },
    /// [Say](crate::migration::Import::say_claimed) that the slots are claimed.
    Claimed {
        /// Which transfer.
        name: NodeName,
        /// In which epoch.
        epoch: u64,
    },
    /// Say that this node gave up: [at the target](crate::migration::Import::refuse) or [the source](crate::migration::Export::say_given_up).
    Refuse {
        /// Which transfer.
        name: NodeName,
        /// Why.
        why: String,
    },
    /// Something to tell people.
    Event(TransferEvent),
}

/// What became of a transfer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransferEvent {
    /// Slots arrive here.
    Arrives(Box<TransferReport>),
    /// Slots of this node are served by nobody.
    Paused(Box<TransferReport>),
    /// It has ended.
    Ended(Box<TransferReport>),
}

impl fmt::Display for TransferEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Arrives(report) | Self::Paused(report) | Self::Ended(report)) = self;
        report.fmt(f)
    }
}

impl fmt::Display for TransferReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.slots.len();
        let (way, other) = match self.direction {
            Direction::Export => ("to", self.target),
            Direction::Import => ("from", self.source),
        };
        let because = if self.message.is_empty() { String::new() } else { format!(": {}", self.message) };
        let paused = match (self.direction, self.state) {
            (Direction::Export, TransferState::Success) => format!(", paused for {} ms", self.paused_ms),
            _ => String::new(),
        };
        write!(f, "transfer {} of {count} slots {way} {other}: {}{paused}{because}", self.name, self.state.word())
    }
}
