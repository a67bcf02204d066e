//! Threads that work beside their owner until it lets them go.

use std::sync::Arc;
use std::thread::JoinHandle;

/// Threads that do one piece of work. Whoever drops them waits for their end: the work must know when it is over.
#[derive(Debug, Default)]
pub(crate) struct Staff {
    threads: Vec<JoinHandle<()>>,
}

impl Staff {
    /// Starts `count` threads; fewer, or none, where the system refuses.
    pub(crate) fn start(count: usize, work: impl Fn() + Send + Sync + 'static) -> Self {
        let work = Arc::new(work);
        let start = |number: usize| {
            let work = Arc::clone(&work);
            std::thread::Builder::new().name(format!("keyslot-staff-{number}")).spawn(move || work()).ok()
        };
        Self { threads: (0..count).map_while(start).collect() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.threads.len()
    }

    /// Waits for the end of all. A panic of one goes on here.
    pub(crate) fn join(&mut self) {
        let ends: Vec<_> = self.threads.drain(..).map(JoinHandle::join).collect();
        for end in ends {
            if let Err(panic) = end
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for Staff {
    fn drop(&mut self) {
        self.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_have_ended_when_they_are_let_go() {
        let sum = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&sum);
        let staff = Staff::start(3, move || _ = shared.fetch_add(1, Ordering::Relaxed));
        let count = staff.count();
        drop(staff);
        assert_eq!((count, sum.load(Ordering::Relaxed)), (3, 3));
    }
}
