//! Who waits until replicas, and logs, have everything up to an offset: WAIT and WAITAOF.

use crate::link::Primary;
use keyslot_engine::{Offset, UnixMillis};
use keyslot_persistence::Journal;
use std::sync::Arc;

/// What somebody waits for.
#[derive(Clone)]
pub struct Goal {
    /// Up to where.
    pub offset: Offset,
    /// How many replicas.
    pub replicas: usize,
    /// For WAITAOF: replicas count once their logs are fsynced.
    pub logs: Option<LogGoal>,
}

/// What WAITAOF waits for besides.
#[derive(Clone)]
pub struct LogGoal {
    /// This node's log, if it has one.
    pub own: Option<Arc<Journal>>,
    /// Whether to wait for that too.
    pub is_own_wanted: bool,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Whether this node's log is fsynced that far; false where nobody asks.
    pub is_own_durable: bool,
    /// How many replicas are there, by their own account.
    pub replicas: usize,
}

impl Goal {
    /// How far it is, at a node that these replicas follow. O(replicas).
    pub fn progress(&self, primary: Option<&Primary>) -> Progress {
        let count = |primary: &Primary| match &self.logs {
            Some(_) => primary.count_fsynced(self.offset),
            None => primary.count_reached(self.offset),
        };
        let own = self.logs.as_ref().and_then(|logs| logs.own.as_ref());
        Progress {
            is_own_durable: own.and_then(|journal| journal.durable_log()) >= Some(self.offset),
            replicas: primary.map_or(0, count),
        }
    }

    /// Whether that is enough.
    pub fn is_met(&self, progress: Progress) -> bool {
        let is_own_wanted = self.logs.as_ref().is_some_and(|logs| logs.is_own_wanted);
        progress.replicas >= self.replicas && (progress.is_own_durable || !is_own_wanted)
    }
}

/// All that wait at one node. `T` is how each is told.
pub struct Waits<T> {
    waiting: Vec<Waiting<T>>,
}

struct Waiting<T> {
    goal: Goal,
    until: Option<UnixMillis>,
    told: T,
}

impl<T> Waits<T> {
    /// Nobody.
    pub const fn new() -> Self {
        Self { waiting: Vec::new() }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits for this, for ever if there is no `until`.
    pub fn push(&mut self, goal: Goal, until: Option<UnixMillis>, told: T) {
        self.waiting.push(Waiting { goal, until, told });
    }

    /// Takes out, in the order in which they came, those who have what they wait for, or who waited for long enough.
    pub fn take_over(&mut self, now: UnixMillis, primary: Option<&Primary>) -> Vec<(T, Goal, Progress)> {
        let mut over = Vec::new();
        for wait in std::mem::take(&mut self.waiting) {
            let progress = wait.goal.progress(primary);
            if wait.goal.is_met(progress) || wait.until.is_some_and(|until| until <= now) {
                over.push((wait.told, wait.goal, progress));
            } else {
                self.waiting.push(wait);
            }
        }
        over
    }

    /// Takes out those who wait for this node's own log: there is none any more.
    pub fn take_own_log(&mut self) -> Vec<T> {
        let is_lost = |wait: &mut Waiting<T>| wait.goal.logs.as_ref().is_some_and(|logs| logs.is_own_wanted);
        self.waiting.extract_if(.., is_lost).map(|wait| wait.told).collect()
    }

    /// Takes out all: nobody can wait at a node that follows another.
    pub fn take_all(&mut self) -> impl Iterator<Item = T> {
        self.waiting.drain(..).map(|wait| wait.told)
    }

    /// When the first of them has waited for long enough.
    pub fn next_timeout(&self) -> Option<UnixMillis> {
        self.waiting.iter().filter_map(|wait| wait.until).min()
    }
}

impl<T> Default for Waits<T> {
    fn default() -> Self {
        Self::new()
    }
}
