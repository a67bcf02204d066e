//! How much memory something takes at most, and a bound beyond which it gets none.

use keyslot_engine::payload::Input;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;

/// The system's allocator, which counts for each thread and refuses what passes its bound.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    /// What `LIVE` may come to.
    static MOST: Cell<isize> = const { Cell::new(isize::MAX) };
}

// SAFETY: everything is passed on to the system's allocator, or refused.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size() as isize) {
            return std::ptr::null_mut();
        }
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        take(-(layout.size() as isize));
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(address, layout) }
    }
}

/// Counts; false if that is more than is allowed. A thread that ends may free when its counters are gone.
fn take(bytes: isize) -> bool {
    let taken = LIVE.try_with(|live| {
        let now = live.get() + bytes;
        let most = MOST.try_with(Cell::get).unwrap_or(isize::MAX);
        if bytes > 0 && now > most {
            // Unbuffered, and seen even where a test's output is kept: what follows is an abort.
            let _ = MOST.try_with(|most| most.set(isize::MAX));
            let _ = writeln!(std::io::stderr(), "{bytes} bytes more are {} bytes beyond the bound", now - most);
            return false;
        }
        live.set(now);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
        true
    });
    taken.unwrap_or(true)
}

/// The most bytes that `f` held at once, of what it asked for on this thread.
pub(crate) fn peak_of(f: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    f();
    usize::try_from(PEAK.get() - before).unwrap_or(0)
}

/// Does `f`, which may hold so many bytes at once, of what it asks for on this thread. Past that the allocator fails, which
/// ends the process.
pub(crate) fn within<R>(bytes: usize, f: impl FnOnce() -> R) -> R {
    /// The bound ends with `f`, also if that panics.
    struct Bound(isize);
    impl Drop for Bound {
        fn drop(&mut self) {
            MOST.set(self.0);
        }
    }
    let _bound = Bound(MOST.replace(LIVE.get().saturating_add_unsigned(bytes)));
    f()
}

/// What reading so many bytes may hold, if nothing is made of them and none are compressed.
pub(crate) fn of_reading(size: usize) -> usize {
    8 * size + (1 << 20)
}

/// What reading `input` and making something of it may hold: `times` its size, and 24 times what it decompresses to.
pub(crate) fn of_making(input: &[u8], times: usize) -> usize {
    of_reading(0) + times * input.len() + 24 * decompressed(input)
}

/// At least how many bytes the LZF strings of `input` decompress to: whatever looks like the head of one counts.
pub(crate) fn decompressed(input: &[u8]) -> usize {
    let heads = (0..input.len()).filter(|at| input[*at] == LZF);
    let sizes = heads.filter_map(|at| {
        let mut rest = Input::new(&input[at + 1..]);
        let (packed, size) = (rest.number().ok()??, rest.number().ok()??);
        let is_there = packed <= rest.rest().len() as u64 && size <= packed * LZF_MAX;
        is_there.then_some(size as usize)
    });
    sizes.sum()
}

/// How a compressed string begins.
const LZF: u8 = 0xc3;
/// No string decompresses to more than so many times its size.
const LZF_MAX: u64 = 88;

#[test]
fn what_is_held_at_once_is_counted() {
    let peak = peak_of(|| {
        drop(vec![0u8; 1000]);
        drop(vec![0u8; 5000]);
    });
    assert_eq!(peak, 5000);
}

#[test]
fn what_passes_the_bound_is_refused() {
    let refused = within(10_000, || Vec::<u8>::new().try_reserve_exact(10_001).is_err());
    let fits = within(10_000, || Vec::<u8>::new().try_reserve_exact(10_000).is_ok());
    assert_eq!((decompressed(b"\x05ab\xc3\x03\x07abc\xc3"), decompressed(b"\xc3\x04\x07abc")), (7, 0));
    assert!(refused && fits && Vec::<u8>::new().try_reserve_exact(1 << 20).is_ok());
}
