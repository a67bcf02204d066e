//! A run of journal bytes in memory: appended to by one, read by many.
//!
//! ```text
//!   start                       start + filled          start + capacity
//!     | published, never changed again |  the writer's alone  |
//! ```
//!
//! Invariants
//! - Bytes below `filled` never change and are initialised; any number of threads may read them.
//! - Bytes at and above `filled` belong to the one [`ChunkWriter`] of the chunk.
//! - `filled` only grows, and only after the bytes below it are written (release; readers acquire).

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Journal bytes from one offset on.
pub(crate) struct Chunk {
    start: u64,
    filled: AtomicUsize,
    capacity: usize,
    /// Points to `capacity` bytes that came from a `Box<[MaybeUninit<u8>]>` and are freed as such by `drop`.
    bytes: NonNull<u8>,
}

// SAFETY: the memory behind `bytes` is owned by the chunk; shared access is to the published part, which nobody writes.
unsafe impl Send for Chunk {}
// SAFETY: as above; the unpublished part is reached only through the one `ChunkWriter`, by `&mut`.
unsafe impl Sync for Chunk {}

impl Chunk {
    fn new(start: u64, capacity: usize) -> Self {
        let boxed: Box<[MaybeUninit<u8>]> = Box::new_uninit_slice(capacity);
        let bytes = NonNull::from(Box::leak(boxed)).cast::<u8>();
        Self { start, filled: AtomicUsize::new(0), capacity, bytes }
    }

    /// The journal offset of the first byte.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// The journal offset after the last published byte.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.filled.load(Ordering::Acquire) as u64
    }

    /// What was published so far.
    pub(crate) fn published(&self) -> &[u8] {
        let filled = self.filled.load(Ordering::Acquire);
        // SAFETY: the first `filled` bytes were written before `filled` was stored (release/acquire) and are never
        // written again while a reference to the chunk exists: a writer only writes above `filled`.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), filled) }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let slice = NonNull::slice_from_raw_parts(self.bytes.cast::<MaybeUninit<u8>>(), self.capacity);
        // SAFETY: `bytes` and `capacity` are those of the box that `new` leaked; this is the only place that frees it.
        drop(unsafe { Box::from_raw(slice.as_ptr()) });
    }
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chunk({}..{})", self.start, self.end())
    }
}

/// The right to append to one chunk. There is one per chunk, and it cannot be cloned.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    chunk: Arc<Chunk>,
    /// Equal to the chunk's `filled`.
    filled: usize,
}

impl ChunkWriter {
    /// A new, empty chunk.
    pub(crate) fn new(start: u64, capacity: usize) -> Self {
        Self { chunk: Arc::new(Chunk::new(start, capacity)), filled: 0 }
    }

    /// Uses the memory of a chunk that nobody else holds any more. Gives it back when somebody does.
    pub(crate) fn reuse(mut chunk: Arc<Chunk>, start: u64) -> Result<Self, Arc<Chunk>> {
        match Arc::get_mut(&mut chunk) {
            Some(owned) => {
                owned.start = start;
                *owned.filled.get_mut() = 0;
                Ok(Self { chunk, filled: 0 })
            }
            None => Err(chunk),
        }
    }

    pub(crate) fn chunk(&self) -> &Arc<Chunk> {
        &self.chunk
    }

    /// How many bytes still fit.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.chunk.capacity - self.filled
    }

    /// How many bytes are in the chunk.
    #[inline]
    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    /// Copies `bytes` behind those already there, without publishing them. They must fit.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room(), "the caller made room");
        // SAFETY: `filled + len <= capacity`, so the target lies within the allocation. It lies above the published
        // part, so no reader looks at it, and `self` is the only writer (`&mut`, one per chunk). `bytes` cannot overlap
        // it: no shared slice of the unpublished part exists.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.chunk.bytes.as_ptr().add(self.filled), bytes.len());
        }
        self.filled += bytes.len();
    }

    /// Shows everything pushed to the readers.
    #[inline]
    pub(crate) fn publish(&mut self) {
        self.chunk.filled.store(self.filled, Ordering::Release);
    }

    /// Gives up the right to append.
    pub(crate) fn seal(self) -> Arc<Chunk> {
        self.chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_what_was_published() {
        let mut writer = ChunkWriter::new(100, 16);
        let reader = writer.chunk().clone();
        writer.push(b"abc");
        assert_eq!(reader.published(), b"");
        writer.publish();
        assert_eq!(reader.published(), b"abc");
        assert_eq!((reader.start(), reader.end(), writer.room()), (100, 103, 13));
    }

    #[test]
    #[should_panic(expected = "made room")]
    fn a_push_beyond_the_capacity_is_caught() {
        ChunkWriter::new(0, 2).push(b"abc");
    }

    #[test]
    fn memory_is_reused_only_when_nobody_reads_it() {
        let mut writer = ChunkWriter::new(0, 8);
        writer.push(b"12345678");
        writer.publish();
        let chunk = writer.seal();
        let reader = chunk.clone();
        let chunk = ChunkWriter::reuse(chunk, 8).unwrap_err();
        assert_eq!(reader.published(), b"12345678");
        drop(reader);
        let writer = ChunkWriter::reuse(chunk, 8).unwrap();
        assert_eq!((writer.chunk().start(), writer.chunk().published()), (8, &b""[..]));
    }

    #[test]
    fn a_reader_in_another_thread_sees_only_whole_pushes() {
        let mut writer = ChunkWriter::new(0, 4 * 10_000);
        let reader = writer.chunk().clone();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while reader.published().len() < reader.capacity() {
                    let seen = reader.published();
                    assert_eq!(seen.len() % 4, 0);
                    if let Some(last) = seen.chunks(4).next_back() {
                        assert_eq!(u32::from_le_bytes(last.try_into().unwrap()) as usize, seen.len() / 4);
                    }
                }
            });
            for i in 1..=10_000u32 {
                writer.push(&i.to_le_bytes());
                writer.publish();
            }
        });
    }
}
