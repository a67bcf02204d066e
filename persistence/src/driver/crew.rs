//! Several threads on one piece of work, while the caller waits or leads them.

/// Calls `work` on `threads` threads, each with its number, and `lead`, with how many threads there are, on this one; returns
/// when all are done. Fewer threads are started where the system refuses; with none, `lead` has to do the work itself.
/// A panic of a thread goes on in the caller, once all are done.
pub(crate) fn with_crew<R>(threads: usize, work: impl Fn(usize) + Sync, lead: impl FnOnce(usize) -> R) -> R {
    std::thread::scope(|scope| {
        let work = &work;
        let start = |number: &usize| {
            let number = *number;
            let name = format!("keyslot-crew-{number}");
            std::thread::Builder::new().name(name).spawn_scoped(scope, move || work(number)).is_ok()
        };
        let started = (0..threads).take_while(start).count();
        lead(started)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_work_is_done_when_it_returns() {
        let sum = AtomicUsize::new(0);
        let started = with_crew(
            3,
            |number| {
                sum.fetch_add(number + 1, Ordering::Relaxed);
            },
            |started| started,
        );
        assert_eq!((started, sum.into_inner()), (3, 6));
    }
}
