//! Serving before everything is loaded: slots come from the base and the sorted log when they are touched, and the others one
//! after the other in the background.

use crate::driver::spawn;
use crate::recovery::Sorted;
use crate::snapshot::LoadOptions;
use keyslot_engine::{ApplyChange, Engine, Loader, SLOT_COUNT, Slot, SlotSet, SlotSource};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What was sorted of a log, and its base.
struct LogSource {
    sorted: Sorted,
    options: LoadOptions,
}

impl SlotSource for LogSource {
    fn keys(&self, slot: Slot, into: &mut Loader) -> Result<(), String> {
        let Some(snapshot) = self.sorted.snapshot() else { return Ok(()) };
        let report = snapshot.fill_slot(into, slot, &self.options).map_err(|error| error.to_string())?;
        for broken in report.broken {
            tracing::warn!(%slot, damage = %broken.damage, "a part of a slot was left out");
        }
        Ok(())
    }

    fn changes(&self, slot: Slot, apply: &mut ApplyChange<'_>) -> Result<(), String> {
        self.sorted.replay(slot, apply)
    }
}

/// Loads what nobody has touched.
#[derive(Debug, Default)]
pub(super) struct Background {
    /// The next slot.
    next: AtomicUsize,
    is_stopped: AtomicBool,
}

impl Background {
    /// Makes the slots of what was sorted cold, and returns who loads them by and by.
    pub(super) fn begin(engine: &Engine, sorted: Sorted, options: LoadOptions) -> Arc<Self> {
        let slots: SlotSet = sorted.slots().collect();
        let is_set = engine.set_source(&slots, Arc::new(LogSource { sorted, options }));
        debug_assert!(is_set, "the engine is new");
        Arc::new(Self::default())
    }

    /// Starts threads that load until all is loaded or somebody wants them to [stop](Self::stop). Without any, slots are
    /// loaded when they are touched.
    pub(super) fn start(self: &Arc<Self>, engine: &Engine, threads: usize) {
        for _ in 0..threads {
            let (background, engine) = (self.clone(), engine.clone());
            let work = move || {
                while background.load(&engine, 1) {}
                if engine.cold_slots() == 0 {
                    tracing::info!("all slots are loaded");
                }
            };
            if let Err(error) = spawn("keyslot-load", work) {
                tracing::warn!(%error, "no thread to load in the background: slots are loaded when they are touched");
            }
        }
    }

    /// Loads so many slots. False when there are none left, or it was stopped.
    pub(super) fn load(&self, engine: &Engine, count: usize) -> bool {
        for _ in 0..count {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            if next >= SLOT_COUNT || self.is_stopped.load(Ordering::Relaxed) {
                return false;
            }
            engine.load_slot(Slot::new(next as u16).expect("below the slot count"));
        }
        true
    }

    /// Ends it.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}
