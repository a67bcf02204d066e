//! The connections of one worker, for work that concerns them all: idle clients, slow readers.
//!
//! Locked when a client comes or goes and once a second, never for a request.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::Waker;

/// What others may know of a connection, and do to it.
pub(super) struct Watched {
    waker: Waker,
    /// Uptime of its last request.
    active_at: AtomicU32,
    /// Whether its output passed the soft limit, so that the time must be looked at.
    is_over_soft: AtomicBool,
    is_doomed: AtomicBool,
}

impl Watched {
    pub(super) fn new(waker: Waker, uptime_seconds: u32) -> Self {
        Self {
            waker,
            active_at: AtomicU32::new(uptime_seconds),
            is_over_soft: AtomicBool::new(false),
            is_doomed: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(super) fn mark_active(&self, uptime_seconds: u32) {
        if self.active_at.load(Relaxed) != uptime_seconds {
            self.active_at.store(uptime_seconds, Relaxed);
        }
    }

    pub(super) fn set_over_soft(&self, is_over: bool) {
        self.is_over_soft.store(is_over, Relaxed);
    }

    /// Whether the connection must end now.
    pub(super) fn is_doomed(&self) -> bool {
        self.is_doomed.load(Relaxed)
    }

    fn doom(&self) {
        self.is_doomed.store(true, Relaxed);
        self.waker.wake_by_ref();
    }
}

/// All connections of a worker.
#[derive(Default)]
pub(super) struct Roster {
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    taken: Vec<Option<Arc<Watched>>>,
    free: Vec<usize>,
}

impl Roster {
    /// Enters a connection and returns its place.
    pub(super) fn enter(&self, watched: Arc<Watched>) -> usize {
        let mut places = self.places.lock();
        match places.free.pop() {
            Some(place) => {
                places.taken[place] = Some(watched);
                place
            }
            None => {
                places.taken.push(Some(watched));
                places.taken.len() - 1
            }
        }
    }

    /// Gives a place back.
    pub(super) fn leave(&self, place: usize) {
        let mut places = self.places.lock();
        if places.taken[place].take().is_some() {
            places.free.push(place);
        }
    }

    /// Ends all connections.
    pub(super) fn end_all(&self) {
        self.places.lock().taken.iter().flatten().for_each(|watched| watched.doom());
    }

    /// Ends connections that were idle for longer than `idle_seconds_max` (0: none), and wakes those whose waiting
    /// output must be looked at.
    pub(super) fn look_after(&self, uptime_seconds: u32, idle_seconds_max: u32) {
        for watched in self.places.lock().taken.iter().flatten() {
            let idle = uptime_seconds.saturating_sub(watched.active_at.load(Relaxed));
            if idle_seconds_max > 0 && idle > idle_seconds_max {
                watched.doom();
            } else if watched.is_over_soft.load(Relaxed) {
                watched.waker.wake_by_ref();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(active_at: u32) -> Arc<Watched> {
        Arc::new(Watched::new(Waker::noop().clone(), active_at))
    }

    #[test]
    fn idle_connections_end_and_busy_ones_stay() {
        let roster = Roster::default();
        let (idle, busy) = (watched(0), watched(0));
        roster.enter(Arc::clone(&idle));
        roster.enter(Arc::clone(&busy));
        busy.mark_active(9);
        roster.look_after(10, 0);
        assert!(!idle.is_doomed());
        roster.look_after(10, 5);
        assert!(idle.is_doomed() && !busy.is_doomed());
    }

    #[test]
    fn places_are_used_again() {
        let roster = Roster::default();
        let first = roster.enter(watched(0));
        let second = roster.enter(watched(0));
        roster.leave(first);
        roster.leave(first);
        assert_eq!(roster.enter(watched(0)), first);
        assert_eq!(roster.enter(watched(0)), second + 1);
    }
}
