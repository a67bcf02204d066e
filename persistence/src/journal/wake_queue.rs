//! Tasks that wait for the journal to get somewhere, in the order of the offset that they wait for.

use std::collections::VecDeque;
use std::task::Waker;

/// Waiting tasks, lowest offset first.
#[derive(Default, Debug)]
pub(crate) struct WakeQueue {
    queue: VecDeque<(u64, Waker)>,
}

impl WakeQueue {
    /// Has `waker` woken once `offset` is reached. Asking again for the same offset and task changes nothing. O(1) when
    /// offsets come in rising order, else O(log n) to find the place.
    pub(crate) fn insert(&mut self, offset: u64, waker: &Waker) {
        let mut at = self.queue.len();
        if self.queue.back().is_some_and(|(last, _)| *last > offset) {
            at = self.queue.partition_point(|(other, _)| *other <= offset);
        }
        let same =
            self.queue.range(..at).rev().take_while(|(other, _)| *other == offset).take(SAME_OFFSET_LOOKED_AT_MAX);
        if same.into_iter().any(|(_, other)| other.will_wake(waker)) {
            return;
        }
        self.queue.insert(at, (offset, waker.clone()));
    }

    /// Takes out all that wait for `offset` or less.
    pub(crate) fn take_reached(&mut self, offset: u64, out: &mut Vec<Waker>) {
        let count = self.queue.partition_point(|(other, _)| *other <= offset);
        out.extend(self.queue.drain(..count).map(|(_, waker)| waker));
    }

    /// Takes out all.
    pub(crate) fn take_all(&mut self, out: &mut Vec<Waker>) {
        out.extend(self.queue.drain(..).map(|(_, waker)| waker));
    }
}

/// More tasks than this at one offset are not compared with: a repeated question may then be stored twice, and its task
/// woken twice.
const SAME_OFFSET_LOOKED_AT_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn those_who_wait_for_less_are_taken() {
        let counts: Vec<Arc<Count>> = (0..4).map(|_| Arc::default()).collect();
        let wakers: Vec<Waker> = counts.iter().map(|c| Waker::from(c.clone())).collect();
        let mut waiters = WakeQueue::default();
        for (offset, waker) in [30, 10, 20, 40].into_iter().zip(&wakers) {
            waiters.insert(offset, waker);
        }
        let mut taken = Vec::new();
        waiters.take_reached(20, &mut taken);
        taken.drain(..).for_each(Waker::wake);
        let woken: Vec<usize> = counts.iter().map(|c| c.0.load(Ordering::Relaxed)).collect();
        assert_eq!(woken, [0, 1, 1, 0]);
        waiters.take_all(&mut taken);
        assert_eq!(taken.len(), 2);
    }

    #[test]
    fn a_repeated_question_is_stored_once() {
        let waker = Waker::from(Arc::new(Count::default()));
        let other = Waker::from(Arc::new(Count::default()));
        let mut waiters = WakeQueue::default();
        for _ in 0..3 {
            waiters.insert(5, &waker);
            waiters.insert(5, &other);
        }
        assert_eq!(waiters.queue.len(), 2);
    }
}
