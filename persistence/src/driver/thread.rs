//! The one background thread of an embedded store.
//!
//! The thread parks until it is woken or until the time that the last step gave. A wake while it works is remembered, so
//! none is lost.

use super::{Driver, Next};
use crate::journal::Journal;
use crate::storage::FileError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// Runs a [`Driver`] until it is stopped.
#[derive(Debug)]
pub(crate) struct DriverThread {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), FileError>>,
}

impl DriverThread {
    /// Starts the thread. The journal wakes it from now on. After each step it calls `look`, and
    /// soon again if that says so.
    pub(crate) fn start(driver: Driver, look: impl Fn() -> bool + Send + 'static) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let journal: Arc<Journal> = driver.journal().clone();
        let seen = stop.clone();
        let thread =
            std::thread::Builder::new().name("keyslot-journal".into()).spawn(move || run(driver, &seen, &look))?;
        journal.set_driver(Waker::from(Arc::new(Unpark(thread.thread().clone()))));
        // What was appended before there was somebody to wake.
        thread.thread().unpark();
        Ok(Self { stop, thread })
    }

    /// Has the log written, fsynced and ended in good order, and waits for that.
    pub(crate) fn stop(self) -> Result<(), FileError> {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        match self.thread.join() {
            Ok(stopped) => stopped,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn run(mut driver: Driver, stop: &AtomicBool, look: &dyn Fn() -> bool) -> Result<(), FileError> {
    let _closes = CloseOnEnd(driver.journal().clone());
    let start = Instant::now();
    let now_ns = || start.elapsed().as_nanos() as u64;
    while !stop.load(Ordering::Acquire) {
        let next = driver.step(now_ns());
        let is_watching = look();
        match next {
            Next::Idle if is_watching => std::thread::park_timeout(WATCH_INTERVAL),
            Next::Idle => std::thread::park(),
            Next::At(at_ns) => {
                let wait_ns = at_ns.saturating_sub(now_ns());
                if wait_ns > 0 {
                    std::thread::park_timeout(Duration::from_nanos(wait_ns));
                }
            }
        }
    }
    driver.stop()
}

/// How soon an idle driver looks again.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// Nobody waits for a thread that is gone, not even if it panicked.
struct CloseOnEnd(Arc<Journal>);

impl Drop for CloseOnEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Debug)]
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
