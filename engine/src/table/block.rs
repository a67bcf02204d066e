//! One key with its value: one heap block behind one thin pointer.
//!
//! Keys of the keyspace, members of sets and sorted sets and fields of hashes are all kept in such blocks; they differ in
//! what may be boxed, the type `O`. What the type numbers and forms mean is up to those who use the block.
//!
//! ```text
//! offset  size  field
//!      0     4  refs      how many pointers lead here; above one the block is read-only
//!      4     3  access    24 bits for LRU or LFU, written while shared too
//!      7     1  kind      type number (low 4 bits), RAW bit, form (2 bits)
//!      8     1  flags     EXPIRY, WIDE, representation
//!      9     1  key_len   when not WIDE
//!     10     2  val_len   bytes of an inline value
//!     12     4  key_len   only when WIDE
//!      +     8  expiry    only with EXPIRY, Unix milliseconds
//!      +     8  number    only for an integer      (a number is printed on demand)
//!      +     o  object    only for a boxed value   (then WIDE is set, so that it is aligned)
//!      +     k  key
//!      +     v  value     only for an inline value
//! ```
//!
//! Invariants
//! - `refs` is at least one while an [`Block`] exists; nothing but `access` is written while it is above one.
//! - The length fields describe the block exactly: [`Layout`](std::alloc::Layout) for freeing is computed from them.
//! - `WIDE` is set when the key is longer than 255 bytes or the value is boxed.
//! - A view may read an entry on another thread while its slot changes: every shared read is of bytes that only a unique
//!   owner writes, or of the atomic fields.

use super::shape::{
    ACCESS_MASK, BLOCK_ALIGN, EXPIRY, FORM_MASK, FORM_SHIFT, HEAD_BYTES, Head, Kind, RAW, REPR_INLINE, REPR_INT,
    REPR_MASK, REPR_OBJECT, Shape, TYPE_MASK, WIDE,
};
use crate::sync::{AtomicU32, Ordering, fence};
use crate::text::StrRef;
use crate::time::UnixMillis;
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// Bytes up to this many are kept inside the block.
pub(crate) const INLINE_VALUE_BYTES_MAX: usize = 1024;

/// The longest key: its length is kept in 32 bits.
pub(crate) const KEY_BYTES_MAX: usize = u32::MAX as usize;

thread_local! {
    /// Where short bytes are edited, so that an edit allocates only the new block.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A thread keeps no larger scratch than this.
const SCRATCH_BYTES_MAX: usize = 16 * 1024;

/// What a block may hold outside itself: at least bytes that are too many for it.
pub(crate) trait Boxed: Clone + Send + Sync {
    /// The bytes, boxed.
    fn from_bytes(bytes: Vec<u8>) -> Self;
    /// The boxed bytes; `None` if it is something else.
    fn as_bytes(&self) -> Option<&Vec<u8>>;
    /// The boxed bytes for changing. Bytes that others share are copied first.
    fn bytes_mut(&mut self) -> Option<&mut Vec<u8>>;
    /// Bytes of heap behind it, spare capacity included. O(1).
    fn heap_bytes(&self) -> usize;
}

/// An owning pointer to a block. Cloning shares it; a shared block is read-only.
pub(crate) struct Block<O: Boxed>(NonNull<Head>, PhantomData<O>);

// SAFETY: the block is plain bytes plus an `O`, which is Send + Sync; the reference count is atomic, and a shared block is
// not written except for its atomic access field.
unsafe impl<O: Boxed> Send for Block<O> {}
// SAFETY: as above; `&Block` gives shared reads only.
unsafe impl<O: Boxed> Sync for Block<O> {}

/// What goes into a new block.
enum Payload<'a, O> {
    Int(i64),
    Inline(&'a [u8]),
    Boxed(O),
}

impl<O: Boxed> Block<O> {
    /// A string. Numbers in their canonical form should come as [`StrRef::Int`]; `raw` marks a value that Redis would
    /// report as `raw` whatever its length. O(key + value); one allocation, two for long values.
    pub(crate) fn string(key: &[u8], value: StrRef<'_>, raw: bool, expiry: Option<UnixMillis>) -> Self {
        Self::of_kind(key, value, Kind::default().raw(raw), expiry)
    }

    /// Bytes, or a number, of any kind. O(key + value); one allocation, two for long values.
    pub(crate) fn of_kind(key: &[u8], value: StrRef<'_>, kind: Kind, expiry: Option<UnixMillis>) -> Self {
        let payload = match value {
            StrRef::Int(n) => Payload::Int(n),
            StrRef::Bytes(b) if b.len() <= INLINE_VALUE_BYTES_MAX => Payload::Inline(b),
            StrRef::Bytes(b) => Payload::Boxed(O::from_bytes(b.to_vec())),
        };
        Self::build(key, payload, kind.0, expiry, 0)
    }

    /// A value that has a block of its own.
    pub(crate) fn boxed(key: &[u8], object: O, kind: Kind, expiry: Option<UnixMillis>) -> Self {
        Self::build(key, Payload::Boxed(object), kind.0, expiry, 0)
    }

    fn build(key: &[u8], payload: Payload<'_, O>, kind: u8, expiry: Option<UnixMillis>, access: u32) -> Self {
        assert!(key.len() <= KEY_BYTES_MAX, "the request decoder bounds keys");
        let (repr, val_len) = match &payload {
            Payload::Int(_) => (REPR_INT, 0),
            Payload::Inline(b) => (REPR_INLINE, b.len()),
            Payload::Boxed(_) => (REPR_OBJECT | WIDE, 0),
        };
        let wide = if key.len() > usize::from(u8::MAX) { WIDE } else { 0 };
        let flags = repr | wide | if expiry.is_some() { EXPIRY } else { 0 };
        let shape = Shape { flags, key_len: key.len(), val_len, object_bytes: size_of::<O>() };
        const { assert!(align_of::<O>() <= BLOCK_ALIGN, "an object lies 8-aligned in its block") };
        let layout = shape.layout();
        // SAFETY: the layout has a size of at least HEAD_BYTES.
        let Some(block) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let at = block.as_ptr();
        // SAFETY: every offset below lies within the `shape.size()` bytes just allocated, which nobody else knows; the
        // head is 8-aligned, the object lies at offset 16 or 24, the rest is written byte-wise.
        unsafe {
            at.cast::<Head>().write(Head {
                refs: AtomicU32::new(1),
                access_and_kind: AtomicU32::new(access | u32::from(kind) << 24),
                flags,
                key_len: if flags & WIDE == 0 { key.len() as u8 } else { 0 },
                val_len: val_len as u16,
            });
            if flags & WIDE != 0 {
                at.add(HEAD_BYTES).cast::<u32>().write(key.len() as u32);
            }
            if let Some(UnixMillis(ms)) = expiry {
                at.add(shape.base()).cast::<i64>().write_unaligned(ms);
            }
            ptr::copy_nonoverlapping(key.as_ptr(), at.add(shape.key()), key.len());
            match payload {
                Payload::Int(n) => at.add(shape.middle()).cast::<i64>().write_unaligned(n),
                Payload::Inline(b) => ptr::copy_nonoverlapping(b.as_ptr(), at.add(shape.value()), b.len()),
                Payload::Boxed(object) => at.add(shape.middle()).cast::<O>().write(object),
            }
        }
        Self(block.cast(), PhantomData)
    }

    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: the block lives while `self` does, and `Head` is only written through a unique owner or atomically.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: callers pass offsets from `shape()`, which lie within the block.
        unsafe { self.0.as_ptr().cast::<u8>().add(offset) }
    }

    #[inline]
    fn shape(&self) -> Shape {
        let head = self.head();
        let key_len = if head.flags & WIDE == 0 {
            usize::from(head.key_len)
        } else {
            // SAFETY: with WIDE the block holds an aligned u32 right after its head.
            unsafe { self.at(HEAD_BYTES).cast::<u32>().read() as usize }
        };
        Shape { flags: head.flags, key_len, val_len: usize::from(head.val_len), object_bytes: size_of::<O>() }
    }

    /// The key. O(1).
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: the shape describes the block, and its key bytes were initialised by `build`.
        unsafe { std::slice::from_raw_parts(self.at(shape.key()), shape.key_len) }
    }

    /// Whether this is the key. O(key).
    #[inline]
    pub(crate) fn has_key(&self, wanted: &[u8]) -> bool {
        let key = self.key();
        key.len() == wanted.len() && same_bytes(key, wanted)
    }

    /// When the key is due to vanish. O(1).
    #[inline]
    pub(crate) fn expiry(&self) -> Option<UnixMillis> {
        let shape = self.shape();
        if shape.flags & EXPIRY == 0 {
            return None;
        }
        // SAFETY: with EXPIRY eight bytes at `base` were written by `build`.
        Some(UnixMillis(unsafe { self.at(shape.base()).cast::<i64>().read_unaligned() }))
    }

    /// Whether the key is due at `now`. A key expires when its time has passed, as in Redis: strictly after.
    #[inline]
    pub(crate) fn is_due(&self, now: UnixMillis) -> bool {
        self.expiry().is_some_and(|expiry| expiry < now)
    }

    /// Whether the key has an expiry. O(1).
    #[inline]
    pub(crate) fn has_expiry(&self) -> bool {
        self.head().flags & EXPIRY != 0
    }

    /// The number of the value's type. O(1).
    #[inline]
    pub(crate) fn type_number(&self) -> u8 {
        self.kind().0 & TYPE_MASK
    }

    /// The two bits that the type uses as it likes.
    pub(crate) fn form(&self) -> u8 {
        (self.kind().0 & FORM_MASK) >> FORM_SHIFT
    }

    /// Whether the value was made by an operation after which Redis reports `raw`.
    pub(crate) fn is_raw(&self) -> bool {
        self.kind().0 & RAW != 0
    }

    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        Kind((self.head().access_and_kind.load(Ordering::Relaxed) >> 24) as u8)
    }

    /// The string value; `None` for other types. O(1).
    #[inline]
    pub(crate) fn as_string(&self) -> Option<StrRef<'_>> {
        if self.type_number() != 0 {
            return None;
        }
        self.as_bytes()
    }

    /// The bytes, or the number, that the value of any type is kept as; `None` if it is boxed as something else. O(1).
    #[inline]
    pub(crate) fn as_bytes(&self) -> Option<StrRef<'_>> {
        let shape = self.shape();
        Some(match shape.flags & REPR_MASK {
            // SAFETY: the representation says that `build` wrote a number there.
            REPR_INT => StrRef::Int(unsafe { self.at(shape.middle()).cast::<i64>().read_unaligned() }),
            // SAFETY: an inline value of `val_len` initialised bytes follows the key.
            REPR_INLINE => StrRef::Bytes(unsafe { std::slice::from_raw_parts(self.at(shape.value()), shape.val_len) }),
            _ => StrRef::Bytes(self.as_object()?.as_bytes()?),
        })
    }

    /// The boxed value, if the value is boxed.
    #[inline]
    pub(crate) fn as_object(&self) -> Option<&O> {
        let shape = self.shape();
        // SAFETY: the representation says that `build` wrote an object there, aligned because WIDE is set too.
        (shape.flags & REPR_MASK == REPR_OBJECT).then(|| unsafe { &*self.at(shape.middle()).cast::<O>() })
    }

    /// The boxed value for changing, if the value is boxed. A shared block is copied first, and then so is what the
    /// object shares, piece by piece, by whoever changes it.
    pub(crate) fn object_mut(&mut self) -> Option<&mut O> {
        self.as_object()?;
        self.make_unique();
        let shape = self.shape();
        // SAFETY: as in `as_object`; `make_unique` made this the only pointer to the block.
        Some(unsafe { &mut *self.at(shape.middle()).cast::<O>() })
    }

    /// The 24 access bits.
    #[inline]
    pub(crate) fn access(&self) -> u32 {
        self.head().access_and_kind.load(Ordering::Relaxed) & ACCESS_MASK
    }

    /// Stores the 24 access bits, also in a shared block. The slot's lock makes this the only writer.
    #[inline]
    pub(crate) fn set_access(&self, access: u32) {
        let word = &self.head().access_and_kind;
        let kind = word.load(Ordering::Relaxed) & !ACCESS_MASK;
        word.store(kind | access & ACCESS_MASK, Ordering::Relaxed);
    }

    /// Bytes of heap this entry takes, its boxed value included. O(1) for strings.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.shape().size().next_multiple_of(16) + self.as_object().map_or(0, O::heap_bytes)
    }

    /// Replaces the value, keeping the key. In place when the block is unique and the new value has the same shape.
    pub(crate) fn set_string(&mut self, value: StrRef<'_>, raw: bool, expiry: Option<UnixMillis>) {
        self.set_bytes(value, Kind::default().raw(raw), expiry);
    }

    /// Replaces the value by bytes or a number of any kind, keeping the key. In place when the block is unique and the new
    /// value has the same shape.
    pub(crate) fn set_bytes(&mut self, value: StrRef<'_>, kind: Kind, expiry: Option<UnixMillis>) {
        if !self.overwrite(value, kind, expiry) {
            let new = Self::of_kind(self.key(), value, kind, expiry);
            new.set_access(self.access());
            *self = new;
        }
    }

    /// Replaces the value by a boxed one, keeping the key and the expiry.
    pub(crate) fn set_boxed(&mut self, object: O, kind: Kind) {
        let new = Self::boxed(self.key(), object, kind, self.expiry());
        new.set_access(self.access());
        *self = new;
    }

    /// Changes the bytes of a string, which Redis then reports as `raw`: see [`edit_bytes`](Self::edit_bytes).
    pub(crate) fn edit_string<R>(&mut self, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.edit_bytes(Kind::default().raw(true), f)
    }

    /// Changes the bytes that a value is kept as. Long ones that nobody shares are changed in place, so that appending costs
    /// amortised O(appended); short ones are written anew.
    pub(crate) fn edit_bytes<R>(&mut self, kind: Kind, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        if self.as_object().is_some_and(|object| object.as_bytes().is_some())
            && let Some(bytes) = self.object_mut().and_then(O::bytes_mut)
        {
            let result = f(bytes);
            self.set_kind(kind);
            return result;
        }
        let mut bytes = SCRATCH.take();
        bytes.clear();
        if let Some(old) = self.as_bytes() {
            old.with_bytes(|old| bytes.extend_from_slice(old));
        }
        let result = f(&mut bytes);
        if bytes.len() <= INLINE_VALUE_BYTES_MAX {
            self.set_bytes(StrRef::Bytes(&bytes), kind, self.expiry());
            if bytes.capacity() <= SCRATCH_BYTES_MAX {
                SCRATCH.set(bytes);
            }
        } else {
            self.set_boxed(O::from_bytes(bytes), kind);
        }
        result
    }

    /// Replaces a string without an expiry by one of the same shape, in place. False, and nothing is changed, where that
    /// does not go.
    #[inline]
    pub(crate) fn overwrite_string(&mut self, value: StrRef<'_>) -> bool {
        self.overwrite(value, Kind::default(), None)
    }

    #[inline]
    fn overwrite(&mut self, value: StrRef<'_>, kind: Kind, expiry: Option<UnixMillis>) -> bool {
        let shape = self.shape();
        let fits = match (shape.flags & REPR_MASK, value) {
            (REPR_INT, StrRef::Int(_)) => true,
            (REPR_INLINE, StrRef::Bytes(b)) => b.len() == shape.val_len,
            _ => false,
        };
        if !fits || expiry.is_some() != (shape.flags & EXPIRY != 0) || !self.is_unique() {
            return false;
        }
        // SAFETY: the block is unique and the shape, which fits, says where the expiry, number and bytes lie.
        unsafe {
            if let Some(UnixMillis(ms)) = expiry {
                self.at(shape.base()).cast::<i64>().write_unaligned(ms);
            }
            match value {
                StrRef::Int(n) => self.at(shape.middle()).cast::<i64>().write_unaligned(n),
                StrRef::Bytes(b) => ptr::copy(b.as_ptr(), self.at(shape.value()), b.len()),
            }
        }
        self.set_kind(kind);
        true
    }

    fn set_kind(&self, Kind(kind): Kind) {
        let word = &self.head().access_and_kind;
        word.store(word.load(Ordering::Relaxed) & ACCESS_MASK | u32::from(kind) << 24, Ordering::Relaxed);
    }

    /// Sets or clears the expiry. In place when only the time changes; else one allocation of the block's size.
    pub(crate) fn set_expiry(&mut self, expiry: Option<UnixMillis>) {
        let shape = self.shape();
        match expiry {
            Some(UnixMillis(ms)) if shape.flags & EXPIRY != 0 && self.is_unique() => {
                // SAFETY: the block is unique and has eight bytes of expiry at `base`.
                unsafe { self.at(shape.base()).cast::<i64>().write_unaligned(ms) }
            }
            None if shape.flags & EXPIRY == 0 => {}
            _ => *self = self.rebuilt(None, expiry),
        }
    }

    /// The same entry under another key.
    pub(crate) fn renamed(&self, key: &[u8]) -> Self {
        self.rebuilt(Some(key), self.expiry())
    }

    /// A deep enough copy: the block is new, a boxed value is shared piece by piece.
    fn rebuilt(&self, key: Option<&[u8]>, expiry: Option<UnixMillis>) -> Self {
        let payload = match (self.as_object(), self.as_bytes()) {
            (Some(object), _) => Payload::Boxed(object.clone()),
            (None, Some(StrRef::Int(n))) => Payload::Int(n),
            (None, Some(StrRef::Bytes(b))) => Payload::Inline(b),
            (None, None) => unreachable!("what is not boxed is bytes or a number"),
        };
        Self::build(key.unwrap_or(self.key()), payload, self.kind().0, expiry, self.access())
    }

    /// Whether this is the same block: nothing of it was changed since it was shared.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    pub(crate) fn is_unique(&self) -> bool {
        // Acquire pairs with the release in `drop`: what a former owner read is read before this owner writes.
        self.head().refs.load(Ordering::Acquire) == 1
    }

    fn make_unique(&mut self) {
        if !self.is_unique() {
            *self = self.rebuilt(None, self.expiry());
        }
    }

    /// Gives up ownership as a bare address, for a table word.
    #[inline]
    pub(crate) fn into_address(self) -> NonNull<u8> {
        let address = self.0.cast();
        std::mem::forget(self);
        address
    }

    /// Takes back what [`into_address`](Self::into_address) gave up.
    ///
    /// # Safety
    /// `address` came from `into_address`, and its ownership is not taken twice.
    #[inline]
    pub(crate) unsafe fn from_address(address: NonNull<u8>) -> Self {
        Self(address.cast(), PhantomData)
    }
}

impl<O: Boxed> Clone for Block<O> {
    fn clone(&self) -> Self {
        let before = self.head().refs.fetch_add(1, Ordering::Relaxed);
        assert!(before < u32::MAX / 2, "one reference per live view");
        Self(self.0, PhantomData)
    }
}

impl<O: Boxed> Drop for Block<O> {
    #[inline]
    fn drop(&mut self) {
        if self.head().refs.load(Ordering::Acquire) != 1 {
            if self.head().refs.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            fence(Ordering::Acquire);
        }
        let shape = self.shape();
        // SAFETY: the count says that this was the last pointer; the shape is the one the block was allocated with.
        unsafe {
            if shape.flags & REPR_MASK == REPR_OBJECT {
                ptr::drop_in_place(self.at(shape.middle()).cast::<O>());
            }
            dealloc(self.0.as_ptr().cast(), shape.layout());
        }
    }
}

/// Whether two keys of one length are equal. Most keys are short: their bytes are compared here, eight at a time.
#[inline]
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 8).map_or(0, |b| u64::from_le_bytes(b.try_into().unwrap_or_default()))
    };
    match a.len() {
        8..=16 => word(a, 0) == word(b, 0) && word(a, a.len() - 8) == word(b, b.len() - 8),
        17..=32 => {
            let last = a.len() - 16;
            (word(a, 0) ^ word(b, 0))
                | (word(a, 8) ^ word(b, 8))
                | (word(a, last) ^ word(b, last))
                | (word(a, last + 8) ^ word(b, last + 8))
                == 0
        }
        _ => a == b,
    }
}

/// Blocks for tests: what is boxed is a vector.
#[cfg(test)]
pub(crate) type Plain = Block<Vec<u8>>;

#[cfg(test)]
impl Boxed for Vec<u8> {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        bytes
    }

    fn as_bytes(&self) -> Option<&Vec<u8>> {
        Some(self)
    }

    fn bytes_mut(&mut self) -> Option<&mut Vec<u8>> {
        Some(self)
    }

    fn heap_bytes(&self) -> usize {
        self.capacity()
    }
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
