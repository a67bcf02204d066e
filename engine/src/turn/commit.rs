//! What a turn records, and how it ends: its effects become one batch of the journal while its slots are still held.

use super::{Origin, Turn, Verbatim, expire_cycle};
use crate::effect::{Batch, BatchKind, Offset, Recorder, encode_effect};
use crate::keyspace::slots::SlotGuard;
use crate::pubsub::{Woken, wake};
use crate::slot::{SLOT_COUNT, Slot};
use smallvec::SmallVec;

/// What a turn leaves behind.
pub(crate) struct Committed {
    /// The newest journal offset of the slots it touched.
    pub(crate) offset: Offset,
    /// Its effect buffer, empty, for the next turn.
    pub(crate) buffer: Vec<u8>,
}

impl Recorder for Turn<'_> {
    #[inline]
    fn record(&mut self, args: &[&[u8]]) {
        Turn::record(self, args);
    }

    fn is_recording(&self) -> bool {
        Turn::is_recording(self)
    }
}

impl<'e> Turn<'e> {
    /// Records an effect: a command that reproduces what was changed. O(bytes), and one branch without a journal.
    #[inline]
    pub(crate) fn record(&mut self, args: &[&[u8]]) {
        self.effect_count += 1;
        if self.encoding {
            if self.effect_db != self.db {
                self.record_select(self.db);
            }
            encode_effect(&mut self.effects, args);
        }
    }

    /// A batch begins and ends in its own database; in between its effects say when they mean another.
    #[cold]
    fn record_select(&mut self, db: u16) {
        self.effect_db = db;
        self.select_count += 1;
        encode_effect(&mut self.effects, &[b"SELECT", itoa::Buffer::new().format(db).as_bytes()]);
    }

    /// Says that the effects of this turn concern every slot.
    pub(crate) fn make_global(&mut self) {
        self.kind = BatchKind::Global;
    }

    /// Says that the effects of this turn concern no key.
    pub(crate) fn make_keyless(&mut self) {
        self.kind = BatchKind::Keyless;
    }

    /// Counts what is recorded from here on, and encodes nothing: [`keep_verbatim`](Self::keep_verbatim) will say it.
    pub(crate) fn only_count(&mut self) {
        self.encoding = false;
    }

    /// Has this stand for whatever the turn records.
    pub(crate) fn keep_verbatim(&mut self, verbatim: &'e Verbatim<'e>) {
        if self.recording {
            self.verbatim = Some(verbatim);
        }
    }

    /// Whether what is recorded goes anywhere: else its words need not be made.
    pub(crate) fn is_recording(&self) -> bool {
        self.encoding
    }

    /// How many effects were recorded so far.
    pub(crate) fn effect_count(&self) -> u32 {
        self.effect_count
    }

    /// Ends the turn: its effects go to the journal, its slots are released.
    #[inline]
    pub(crate) fn commit(mut self) -> Committed {
        if self.attendance.is_some() {
            self.serve();
        }
        let effect_count = self.effect_count;
        let offset = match effect_count {
            0 if self.verbatim.is_none() => {
                self.guards.iter().map(|g| g.state.last_offset).max().unwrap_or_default().max(self.seen.get())
            }
            _ => self.append_batch(),
        };
        self.undo = None;
        self.leave_era();
        let mut woken = match self.notices.is_empty() {
            true => Woken::new(),
            false => self.announce(offset),
        };
        let share = effect_count > 0 && self.take_share();
        self.guards.clear();
        if (effect_count > 0 || self.verbatim.is_some())
            && self.recording
            && let Some(sink) = self.core.sink()
        {
            sink.wake_followers();
        }
        if !woken.is_empty() {
            wake(&mut woken);
        }
        if let Some(mut attendance) = self.attendance.take() {
            attendance.deliver(offset);
        }
        if let Some(discarded) = self.discarded.take() {
            discarded.free(self.core);
        }
        if share {
            expire_cycle::run_share(self.core);
        }
        let mut buffer = std::mem::take(&mut self.effects);
        buffer.clear();
        Committed { offset, buffer }
    }

    /// Hands the effects to the journal, if there is one; returns the newest offset of the turn's slots.
    fn append_batch(&mut self) -> Offset {
        if self.origin != Origin::Replay && self.kind != BatchKind::Keyless {
            self.core.stats.add_changes(self.guards.first().map(SlotGuard::slot), u64::from(self.effect_count));
        }
        let (true, Some(sink)) = (self.recording, self.core.sink()) else { return Offset(0) };
        if self.effect_db != self.home_db && self.verbatim.is_none() {
            self.record_select(self.home_db);
        }
        self.enter();
        self.core.eras.wait_open(self.era);
        let slots: SmallVec<[Slot; 4]> = match self.kind {
            BatchKind::Slots => self.guards.iter().map(SlotGuard::slot).collect(),
            BatchKind::Global | BatchKind::Keyless => SmallVec::new(),
        };
        let offset = sink.append(&Batch {
            kind: self.kind,
            db: self.home_db,
            slots: &slots,
            era: self.era,
            now: self.now(),
            count: (self.effect_count + self.select_count).max(1),
            bytes: self.verbatim.map_or(&self.effects, |verbatim| verbatim.bytes),
            verbatim: self.verbatim.map(|verbatim| verbatim.selected),
        });
        for guard in &mut self.guards {
            guard.state.last_offset = offset;
        }
        offset
    }

    /// Counts the write in the slots that it may have changed. Whether it is this turn's turn to do a share of the housekeeping.
    fn take_share(&mut self) -> bool {
        // A turn that holds all of them seldom changes many.
        let counted = if self.guards.len() == SLOT_COUNT { 1 } else { self.guards.len() };
        let is_share = self.guards[..counted].iter_mut().fold(false, |share, guard| guard.state.count_write() | share);
        is_share && self.origin == Origin::Client
    }
}
