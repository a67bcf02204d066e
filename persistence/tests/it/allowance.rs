//! How much memory something takes at most.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts for each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(address, layout) }
    }
}

fn count(bytes: isize) {
    // A thread that ends may free when its counters are gone.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

/// The most bytes that `f` held at once, of what it asked for on this thread.
pub(crate) fn peak_of(f: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    f();
    usize::try_from(PEAK.get() - before).unwrap_or(0)
}

#[test]
fn what_is_held_at_once_is_counted() {
    let peak = peak_of(|| {
        drop(vec![0u8; 1000]);
        drop(vec![0u8; 5000]);
    });
    assert_eq!(peak, 5000);
}
