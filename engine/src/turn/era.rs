//! Which era a turn is in: see [`eras`](crate::keyspace::eras).

use super::Turn;
use crate::core::Core;
use crate::keyspace::slots::SlotGuard;
use crate::library::Libraries;
use parking_lot::RwLockWriteGuard;

impl Turn<'_> {
    /// Enters the current era, once, before the first change. Without a journal nobody has to wait for the turn.
    #[inline]
    pub(crate) fn enter(&mut self) {
        if self.era == 0 {
            let eras = &self.core.eras;
            self.era = if self.recording { eras.enter() } else { eras.current() };
            for guard in &mut self.guards {
                bring(self.core, guard, self.era);
            }
        }
    }

    /// Leaves the era: nothing more is appended.
    #[inline]
    pub(super) fn leave_era(&mut self) {
        if self.era != 0 && self.recording {
            self.core.eras.leave(self.era);
        }
        self.era = 0;
    }

    /// The libraries of functions, for changing them: the turn holds every slot.
    pub(crate) fn libraries_mut(&mut self) -> RwLockWriteGuard<'_, Libraries> {
        self.enter();
        self.core.libraries.write()
    }
}

/// Brings a slot to an era: its keys, and the libraries with the first slot, go to the view that is being taken.
#[inline]
pub(crate) fn bring(core: &Core, guard: &mut SlotGuard<'_>, era: u64) {
    core.eras.bring(guard, era, || core.libraries.read().iter().map(|(_, library)| library.code.clone()).collect());
}
