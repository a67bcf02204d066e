//! When waits of requests end by time, and whose queues are still to be tidied.

use crate::keyspace::waiting::{Outcome, Waiter};
use crate::time::UnixMillis;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

/// The waits of an engine that end by time. Its locks are leaves.
#[derive(Default)]
pub(crate) struct Deadlines {
    waits: Mutex<Waits>,
    /// Waiters that are done, but could not be taken out of a queue because its slot was busy.
    stale: Mutex<Vec<Arc<Waiter>>>,
}

#[derive(Default)]
struct Waits {
    /// By time, then by address.
    by_time: BTreeMap<(i64, usize), Arc<Waiter>>,
    alarm: Option<Waker>,
}

impl Deadlines {
    /// Ends the wait when its time has come.
    pub(crate) fn add(&self, waiter: &Arc<Waiter>) {
        let Some(place) = place(waiter) else { return };
        let alarm = {
            let mut waits = self.waits.lock();
            waits.by_time.insert(place, Arc::clone(waiter));
            let is_first = waits.by_time.first_key_value().is_some_and(|(first, _)| *first == place);
            if is_first { waits.alarm.take() } else { None }
        };
        if let Some(alarm) = alarm {
            alarm.wake();
        }
    }

    /// Forgets a wait that ended otherwise.
    pub(crate) fn remove(&self, waiter: &Arc<Waiter>) {
        if let Some(place) = place(waiter) {
            self.waits.lock().by_time.remove(&place);
        }
    }

    /// Ends the waits whose time is over. One that is being served at this moment is left for the next call.
    pub(crate) fn run(&self, now: UnixMillis) {
        let due: Vec<Arc<Waiter>> = {
            let waits = self.waits.lock();
            waits.by_time.range(..=(now.0, usize::MAX)).map(|(_, waiter)| Arc::clone(waiter)).collect()
        };
        for waiter in due {
            if waiter.end(Outcome::TimedOut) || waiter.is_done() {
                self.remove(&waiter);
            }
        }
    }

    /// When the next wait ends by time. `alarm` is woken when an earlier one comes in.
    pub(crate) fn next(&self, alarm: &Waker) -> Option<UnixMillis> {
        let mut waits = self.waits.lock();
        waits.alarm = Some(alarm.clone());
        waits.by_time.first_key_value().map(|((at, _), _)| UnixMillis(*at))
    }

    /// Remembers a waiter that still stands in a queue.
    pub(crate) fn add_stale(&self, waiter: &Arc<Waiter>) {
        self.stale.lock().push(Arc::clone(waiter));
    }

    /// Those that still stand in a queue.
    pub(crate) fn take_stale(&self) -> Vec<Arc<Waiter>> {
        std::mem::take(&mut self.stale.lock())
    }
}

fn place(waiter: &Arc<Waiter>) -> Option<(i64, usize)> {
    Some((waiter.deadline?.0, Arc::as_ptr(waiter) as usize))
}
