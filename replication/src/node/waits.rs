//! Who waits until replicas have the stream up to an offset (`WAIT`).

use keyslot_engine::{Offset, UnixMillis};

/// All that wait at one node. `T` is how each is told.
#[derive(Debug)]
pub struct Waits<T> {
    waiting: Vec<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    offset: Offset,
    count: usize,
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

    /// Waits for `count` replicas to have `offset`, for ever if there is no `until`.
    pub fn push(&mut self, offset: Offset, count: usize, until: Option<UnixMillis>, told: T) {
        self.waiting.push(Waiting { offset, count, until, told });
    }

    /// Takes out, in the order in which they came, those whose replicas are there or who waited for long enough: whom to tell, the
    /// offset, and how many replicas have it.
    pub fn take_over(&mut self, now: UnixMillis, reached: impl Fn(Offset) -> usize) -> Vec<(T, Offset, usize)> {
        let mut over = Vec::new();
        let mut at = 0;
        while at < self.waiting.len() {
            let wait = &self.waiting[at];
            let count = reached(wait.offset);
            if count >= wait.count || wait.until.is_some_and(|until| until <= now) {
                let wait = self.waiting.remove(at);
                over.push((wait.told, wait.offset, count));
            } else {
                at += 1;
            }
        }
        over
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
