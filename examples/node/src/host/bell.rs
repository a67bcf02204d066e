//! Wakes from other threads, gathered: the log's thread has news for many connections of a worker at once, and a wake of a
//! task from outside its runtime costs a system call.
//!
//! ```text
//! log thread   wake a, wake b, wake c     -> tasks [a b c], the ringer woken once
//! worker       ringer runs: wakes a, b, c    without leaving the thread
//! ```
//!
//! Invariant: whenever `tasks` is not empty, the ringer was woken and has not run since.

use parking_lot::Mutex;
use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// A worker's bell.
#[derive(Default)]
pub(super) struct Bell {
    rung: Mutex<Rung>,
}

#[derive(Default)]
struct Rung {
    tasks: Vec<Waker>,
    ringer: Option<Waker>,
}

impl Bell {
    /// A waker for a task of this worker that may be used from anywhere, often.
    pub(super) fn waker(self: &Arc<Self>, task: Waker) -> Waker {
        Waker::from(Arc::new(Rope { bell: Arc::clone(self), task }))
    }

    /// The task that wakes those who were rung for; it runs on the worker until the worker ends.
    pub(super) fn ringer(self: &Arc<Self>) -> Ringer {
        Ringer { bell: Arc::clone(self), tasks: Vec::new() }
    }

    fn ring(&self, task: &Waker) {
        let mut rung = self.rung.lock();
        rung.tasks.push(task.clone());
        if rung.tasks.len() > 1 {
            return;
        }
        let ringer = rung.ringer.clone();
        drop(rung);
        if let Some(ringer) = ringer {
            ringer.wake();
        }
    }
}

/// Leads from one task to its worker's bell.
struct Rope {
    bell: Arc<Bell>,
    task: Waker,
}

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // On the worker itself a wake is a place in its queue.
        if OWN_BELL.get() == Arc::as_ptr(&self.bell) {
            self.task.wake_by_ref();
        } else {
            self.bell.ring(&self.task);
        }
    }
}

/// See [`Bell::ringer`].
pub(super) struct Ringer {
    bell: Arc<Bell>,
    /// Empty between polls: its memory is kept.
    tasks: Vec<Waker>,
}

impl Future for Ringer {
    type Output = std::convert::Infallible;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        OWN_BELL.set(Arc::as_ptr(&this.bell));
        {
            let mut rung = this.bell.rung.lock();
            std::mem::swap(&mut rung.tasks, &mut this.tasks);
            match &mut rung.ringer {
                Some(ringer) => ringer.clone_from(context.waker()),
                None => rung.ringer = Some(context.waker().clone()),
            }
        }
        this.tasks.drain(..).for_each(Waker::wake);
        Poll::Pending
    }
}

thread_local! {
    /// The bell of the worker that this thread is; compared, never followed.
    static OWN_BELL: Cell<*const Bell> = const { Cell::new(std::ptr::null()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn many_wakes_from_outside_wake_the_ringer_once() {
        let bell = Arc::<Bell>::default();
        let (ringer_woken, task_woken) = (Arc::<Count>::default(), Arc::<Count>::default());
        let task = bell.waker(Waker::from(task_woken.clone()));
        task.wake_by_ref();
        let mut ringer = bell.ringer();
        let run = |ringer: &mut Ringer| {
            let waker = Waker::from(ringer_woken.clone());
            assert!(Pin::new(ringer).poll(&mut Context::from_waker(&waker)).is_pending());
        };
        let count = |count: &Count| count.0.load(Relaxed);
        run(&mut ringer);
        assert_eq!(count(&task_woken), 1, "who rang before the ringer ran is not forgotten");
        for round in 1..=3 {
            std::thread::scope(|scope| {
                scope.spawn(|| (0..5).for_each(|_| task.wake_by_ref()));
            });
            assert_eq!((count(&ringer_woken), count(&task_woken)), (round, 1 + (round - 1) * 5));
            run(&mut ringer);
            assert_eq!(count(&task_woken), 1 + round * 5);
        }
    }

    #[test]
    fn on_the_worker_itself_a_wake_is_direct() {
        let bell = Arc::<Bell>::default();
        let woken = Arc::<Count>::default();
        let task = bell.waker(Waker::from(woken.clone()));
        let mut ringer = bell.ringer();
        assert!(Pin::new(&mut ringer).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        task.wake_by_ref();
        assert_eq!(woken.0.load(Relaxed), 1);
    }
}
