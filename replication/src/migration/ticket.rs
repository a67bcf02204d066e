//! A transfer between two engines of one process, as a ticket: for hosts that decide by themselves who owns what.

use super::{Export, ExportError, Import, ImportError, ImportEvent};
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Engine, GateState, Slot};
use keyslot_persistence::Journal;
use std::sync::Arc;
use std::time::Duration;

/// Slots on their way from one engine to another. While it is there the source goes on as before; dropped, nothing has happened.
///
/// ```
/// use keyslot_replication::migration::SlotTicket;
/// use keyslot_persistence::Store;
/// let dir = tempfile::tempdir()?;
/// let (a, b) = (Store::builder().open(dir.path().join("a"))?, Store::builder().open(dir.path().join("b"))?);
/// a.set("user:1", "ada")?;
/// let slots = "0-16383".parse()?;
/// let mut ticket = SlotTicket::new(&a, a.journal(), &b, slots)?;
/// ticket.copy()?;                                  // the keys; writers go on
/// a.set("user:2", "grace")?;
/// let report = ticket.commit(|_| true)?;           // what changed since; then they change hands
/// assert_eq!(report.keys, 1);
/// assert_eq!(b.get("user:2")?.as_deref(), Some(&b"grace"[..]));
/// assert_eq!(a.get("user:1").is_err(), true, "nobody serves it here");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropped, it gives everything up"]
pub struct SlotTicket {
    source: Engine,
    target: Engine,
    slots: SlotSet,
    export: Export,
    import: Import,
    /// The gates as they were.
    before: Vec<(Slot, GateState, GateState)>,
    is_committed: bool,
}

/// How a transfer went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TicketReport {
    /// How many slots.
    pub slots: usize,
    /// Keys that were there when it began.
    pub keys: u64,
    /// Effects behind those.
    pub effects: u64,
    /// For how long the slots were served by nobody, by the source's clock.
    pub paused: Duration,
}

/// Why slots do not move. The source serves them as before.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The target has keys in these slots.
    #[error("the target has keys in the slots that are to move in")]
    NotEmpty,
    /// The source cannot go on.
    #[error("the source: {0}")]
    Export(#[from] ExportError),
    /// The target cannot go on.
    #[error("the target: {0}")]
    Import(#[from] ImportError),
    /// The host decided so.
    #[error("the hand-over was declined")]
    Declined,
}

impl SlotTicket {
    /// Begins: takes a view of the source, whose journal this is, and closes the slots at the target. O(slots).
    pub fn new(source: &Engine, journal: &Arc<Journal>, target: &Engine, slots: SlotSet) -> Result<Self, TicketError> {
        if target.has_keys(&slots) {
            return Err(TicketError::NotEmpty);
        }
        let before = slots.iter().map(|slot| (slot, source.gate(slot), target.gate(slot))).collect();
        target.set_gate(slots.iter(), GateState::Staged);
        Ok(Self {
            source: source.clone(),
            target: target.clone(),
            export: Export::new(source.clone(), Arc::clone(journal), slots.clone()),
            import: Import::new(target.clone(), slots.clone()),
            slots,
            before,
            is_committed: false,
        })
    }

    /// Copies what is there, and what changed since, until little is left. Writers at the source go on. To be called again as long as
    /// that pays; [`commit`](Self::commit) copies the rest while nobody is served.
    pub fn copy(&mut self) -> Result<(), TicketError> {
        while self.export.lag().is_none_or(|(bytes, _)| bytes > REST_BYTES) {
            self.step()?;
        }
        Ok(())
    }

    /// Moves a piece; what the source said.
    fn step(&mut self) -> Result<Option<ImportEvent>, TicketError> {
        let (mut bytes, mut said) = (Vec::new(), Vec::new());
        self.export.poll_output(&mut bytes, PIECE_BYTES)?;
        let event = self.import.handle_input(&bytes, &mut said)?;
        self.export.handle_input(&said)?;
        Ok(event)
    }

    /// Pauses the slots at the source, moves what is left, and asks `hands_over`, which is where a host makes it known who owns them.
    /// True: the target serves them from then on, and the source deletes their keys. False, or an error: nothing has happened.
    pub fn commit(mut self, hands_over: impl FnOnce(&TicketReport) -> bool) -> Result<TicketReport, TicketError> {
        self.copy()?;
        let start = self.source.now();
        self.source.set_gate(self.slots.iter(), GateState::Paused);
        self.export.end(0);
        while !matches!(self.step()?, Some(ImportEvent::Complete { .. })) {}
        if !self.import.is_sound() {
            return Err(ImportError::Cleared.into());
        }
        let progress = self.import.progress();
        let mut report = TicketReport {
            slots: self.slots.len(),
            keys: progress.keys,
            effects: progress.effects,
            paused: Duration::ZERO,
        };
        if !hands_over(&report) {
            return Err(TicketError::Declined);
        }
        self.is_committed = true;
        self.target.set_gate(self.slots.iter(), GateState::Open);
        self.source.set_gate(self.slots.iter(), GateState::Unassigned);
        let paused_ms = self.source.now().0 - start.0;
        report.paused = Duration::from_millis(u64::try_from(paused_ms).unwrap_or(0));
        while self.source.drop_slots(&self.slots, DROP_KEYS).more {}
        Ok(report)
    }
}

impl Drop for SlotTicket {
    fn drop(&mut self) {
        if self.is_committed {
            return;
        }
        for (slot, source, _) in &self.before {
            self.source.set_gate([*slot], *source);
        }
        while self.target.drop_slots(&self.slots, DROP_KEYS).more {}
        for (slot, _, target) in &self.before {
            self.target.set_gate([*slot], *target);
        }
    }
}

const PIECE_BYTES: usize = 256 << 10;
/// With so much of the journal left the slots may be paused.
const REST_BYTES: u64 = 64 << 10;
const DROP_KEYS: usize = 1000;
