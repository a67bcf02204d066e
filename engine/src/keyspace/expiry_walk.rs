//! How far the walk for due keys has come: see [`expire_cycle`](crate::turn::expire_cycle).

use crate::slot::Slot;
use parking_lot::{Mutex, MutexGuard};

/// Where the cycle is. Who walks holds its lock, and tries slots only; who holds slots may wait for it.
#[derive(Default)]
pub(crate) struct ExpireCycle(Mutex<Progress>);

/// The slot that is next, or in work.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) slot: u16,
    pub(crate) walk: Option<Walk>,
}

/// A walk over the keys of one database of the slot, in hash order.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) db: u16,
    /// Where it goes on.
    pub(crate) from: u64,
    /// The slot's hint when the walk began.
    pub(crate) before: i64,
    /// The earliest expiry met so far that is not due.
    pub(crate) earliest: i64,
}

impl ExpireCycle {
    /// Takes the cycle over, unless somebody is at it.
    pub(crate) fn try_begin(&self) -> Option<MutexGuard<'_, Progress>> {
        self.0.try_lock()
    }

    /// Gives up a walk: tells which database of which slot gets which hint back. For who moves tables while every slot is
    /// held.
    pub(crate) fn abandon(&self) -> Option<(Slot, u16, i64)> {
        let mut progress = self.0.lock();
        let walk = progress.walk.take()?;
        Some((Slot::new(progress.slot)?, walk.db, walk.before))
    }
}
