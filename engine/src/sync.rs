//! The atomics of files whose correctness is checked by loom: std's, or loom's models of them under `--cfg loom`.
//! And the pause of those who wait for a moment.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::thread::yield_now;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::thread::yield_now;

/// Between two `SeqCst` operations that are to be seen in one order by all. They are by themselves; loom knows fences only.
#[inline]
pub(crate) fn one_order() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}
