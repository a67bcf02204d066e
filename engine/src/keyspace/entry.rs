//! One key with its value: one heap block behind one thin pointer.
//!
//! ```text
//! offset  size  field
//!      0     4  refs      how many pointers lead here; above one the block is read-only
//!      4     3  access    24 bits for LRU or LFU, written while shared too
//!      7     1  kind      value type (low 4 bits), RAW bit
//!      8     1  flags     EXPIRY, WIDE, representation
//!      9     1  key_len   when not WIDE
//!     10     2  val_len   bytes of an inline value
//!     12     4  key_len   only when WIDE
//!      +     8  expiry    only with EXPIRY, Unix milliseconds
//!      +     8  number    only for an integer      (a number is printed on demand)
//!      +    16  object    only for a boxed value   (then WIDE is set, so that it is aligned)
//!      +     k  key
//!      +     v  value     only for an inline value
//! ```
//!
//! Invariants
//! - `refs` is at least one while an [`EntryRef`] exists; nothing but `access` is written while it is above one.
//! - The length fields describe the block exactly: [`Layout`](std::alloc::Layout) for freeing is computed from them.
//! - `WIDE` is set when the key is longer than 255 bytes or the value is boxed.
//! - A view may read an entry on another thread while its slot changes: every shared read is of bytes that only a unique
//!   owner writes, or of the atomic fields.

use crate::sync::{AtomicU32, Ordering, fence};
use crate::time::UnixMillis;
use crate::value::{Object, StrRef, ValueType};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// Strings up to this many bytes are kept inside the entry's block.
pub(crate) const INLINE_VALUE_BYTES_MAX: usize = 1024;

/// The longest key: its length is kept in 32 bits.
pub(crate) const KEY_BYTES_MAX: usize = u32::MAX as usize;

const EXPIRY: u8 = 1;
const WIDE: u8 = 2;
const REPR_MASK: u8 = 0b1100;
const REPR_INLINE: u8 = 0;
const REPR_INT: u8 = 0b0100;
const REPR_OBJECT: u8 = 0b1000;

const TYPE_MASK: u8 = 0x0f;
const RAW: u8 = 0x10;
const ACCESS_MASK: u32 = 0x00ff_ffff;

#[repr(C)]
struct Head {
    refs: AtomicU32,
    access_and_kind: AtomicU32,
    flags: u8,
    key_len: u8,
    val_len: u16,
}

const HEAD_BYTES: usize = size_of::<Head>();
const BLOCK_ALIGN: usize = 8;

/// An owning pointer to an entry's block. Cloning shares the block; a shared block is read-only.
pub(crate) struct EntryRef(NonNull<Head>);

// SAFETY: the block is plain bytes plus an `Object`, which is Send + Sync; the reference count is atomic, and a shared
// block is not written except for its atomic access field.
unsafe impl Send for EntryRef {}
// SAFETY: as above; `&EntryRef` gives shared reads only.
unsafe impl Sync for EntryRef {}

/// What goes into a new block.
enum Payload<'a> {
    Int(i64),
    Inline(&'a [u8]),
    Boxed(Object),
}

/// Where the parts of a block lie.
#[derive(Clone, Copy)]
struct Shape {
    flags: u8,
    key_len: usize,
    val_len: usize,
}

impl Shape {
    fn base(self) -> usize {
        if self.flags & WIDE != 0 { HEAD_BYTES + 4 } else { HEAD_BYTES }
    }

    /// Offset of the number, the object or, for inline values, the key.
    fn middle(self) -> usize {
        self.base() + if self.flags & EXPIRY != 0 { 8 } else { 0 }
    }

    fn key(self) -> usize {
        self.middle()
            + match self.flags & REPR_MASK {
                REPR_INT => 8,
                REPR_OBJECT => size_of::<Object>(),
                _ => 0,
            }
    }

    fn value(self) -> usize {
        self.key() + self.key_len
    }

    fn size(self) -> usize {
        self.value() + self.val_len
    }

    fn layout(self) -> Layout {
        Layout::from_size_align(self.size(), BLOCK_ALIGN).expect("a key and an inline value are far below isize::MAX")
    }
}

impl EntryRef {
    /// A string entry. Numbers in their canonical form should come as [`StrRef::Int`]; `raw` marks a value that Redis
    /// would report as `raw` whatever its length. O(key + value); one allocation, two for long values.
    pub(crate) fn string(key: &[u8], value: StrRef<'_>, raw: bool, expiry: Option<UnixMillis>) -> Self {
        let payload = match value {
            StrRef::Int(n) => Payload::Int(n),
            StrRef::Bytes(b) if b.len() <= INLINE_VALUE_BYTES_MAX => Payload::Inline(b),
            StrRef::Bytes(b) => Payload::Boxed(Object::Bytes(Arc::new(b.to_vec()))),
        };
        Self::build(key, payload, ValueType::String as u8 | if raw { RAW } else { 0 }, expiry, 0)
    }

    /// An entry whose value has a block of its own.
    pub(crate) fn object(key: &[u8], object: Object, raw: bool, expiry: Option<UnixMillis>) -> Self {
        let kind = object.value_type() as u8 | if raw { RAW } else { 0 };
        Self::build(key, Payload::Boxed(object), kind, expiry, 0)
    }

    fn build(key: &[u8], payload: Payload<'_>, kind: u8, expiry: Option<UnixMillis>, access: u32) -> Self {
        assert!(key.len() <= KEY_BYTES_MAX, "the request decoder bounds keys");
        let (repr, val_len) = match &payload {
            Payload::Int(_) => (REPR_INT, 0),
            Payload::Inline(b) => (REPR_INLINE, b.len()),
            Payload::Boxed(_) => (REPR_OBJECT | WIDE, 0),
        };
        let wide = if key.len() > usize::from(u8::MAX) { WIDE } else { 0 };
        let flags = repr | wide | if expiry.is_some() { EXPIRY } else { 0 };
        let shape = Shape { flags, key_len: key.len(), val_len };
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
                Payload::Boxed(object) => at.add(shape.middle()).cast::<Object>().write(object),
            }
        }
        Self(block.cast())
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
        Shape { flags: head.flags, key_len, val_len: usize::from(head.val_len) }
    }

    /// The key. O(1).
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: the shape describes the block, and its key bytes were initialised by `build`.
        unsafe { std::slice::from_raw_parts(self.at(shape.key()), shape.key_len) }
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

    /// The type of the value. O(1).
    #[inline]
    pub(crate) fn value_type(&self) -> ValueType {
        ValueType::from_bits(self.kind() & TYPE_MASK)
    }

    /// Whether the value was made by an operation after which Redis reports `raw`.
    pub(crate) fn is_raw(&self) -> bool {
        self.kind() & RAW != 0
    }

    #[inline]
    fn kind(&self) -> u8 {
        (self.head().access_and_kind.load(Ordering::Relaxed) >> 24) as u8
    }

    /// The string value; `None` for other types. O(1).
    #[inline]
    pub(crate) fn as_string(&self) -> Option<StrRef<'_>> {
        if self.value_type() != ValueType::String {
            return None;
        }
        let shape = self.shape();
        Some(match shape.flags & REPR_MASK {
            // SAFETY: the representation says that `build` wrote a number there.
            REPR_INT => StrRef::Int(unsafe { self.at(shape.middle()).cast::<i64>().read_unaligned() }),
            // SAFETY: an inline value of `val_len` initialised bytes follows the key.
            REPR_INLINE => StrRef::Bytes(unsafe { std::slice::from_raw_parts(self.at(shape.value()), shape.val_len) }),
            _ => match self.as_object() {
                Some(Object::Bytes(b)) => StrRef::Bytes(b),
                None => return None,
            },
        })
    }

    /// The boxed value, if the value is boxed.
    #[inline]
    pub(crate) fn as_object(&self) -> Option<&Object> {
        let shape = self.shape();
        // SAFETY: the representation says that `build` wrote an object there, aligned because WIDE is set too.
        (shape.flags & REPR_MASK == REPR_OBJECT).then(|| unsafe { &*self.at(shape.middle()).cast::<Object>() })
    }

    /// The boxed value for changing, if the value is boxed. A shared block is copied first, and then so is what the
    /// object shares, piece by piece, by whoever changes it.
    pub(crate) fn object_mut(&mut self) -> Option<&mut Object> {
        self.as_object()?;
        self.make_unique();
        let shape = self.shape();
        // SAFETY: as in `as_object`; `make_unique` made this the only pointer to the block.
        Some(unsafe { &mut *self.at(shape.middle()).cast::<Object>() })
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
        self.shape().size().next_multiple_of(16) + self.as_object().map_or(0, Object::heap_bytes)
    }

    /// Replaces the value, keeping the key. In place when the block is unique and the new value has the same shape.
    pub(crate) fn set_string(&mut self, value: StrRef<'_>, raw: bool, expiry: Option<UnixMillis>) {
        if !self.overwrite(value, raw, expiry) {
            let new = Self::string(self.key(), value, raw, expiry);
            new.set_access(self.access());
            *self = new;
        }
    }

    /// Changes the bytes of a string, which Redis then reports as `raw`. A long string that nobody shares is changed in
    /// place, so that appending costs amortised O(appended); a short one is written anew.
    pub(crate) fn edit_string<R>(&mut self, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        if let Some(Object::Bytes(bytes)) = self.object_mut() {
            return f(Arc::make_mut(bytes));
        }
        let mut bytes = self.as_string().map_or_else(Vec::new, StrRef::to_vec);
        let result = f(&mut bytes);
        if bytes.len() <= INLINE_VALUE_BYTES_MAX {
            self.set_string(StrRef::Bytes(&bytes), true, self.expiry());
        } else {
            let new = Self::object(self.key(), Object::Bytes(Arc::new(bytes)), true, self.expiry());
            new.set_access(self.access());
            *self = new;
        }
        result
    }

    fn overwrite(&mut self, value: StrRef<'_>, raw: bool, expiry: Option<UnixMillis>) -> bool {
        let shape = self.shape();
        let fits = match (shape.flags & REPR_MASK, value) {
            (REPR_INT, StrRef::Int(_)) => true,
            (REPR_INLINE, StrRef::Bytes(b)) => b.len() == shape.val_len && self.value_type() == ValueType::String,
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
        self.set_kind(ValueType::String as u8 | if raw { RAW } else { 0 });
        true
    }

    fn set_kind(&self, kind: u8) {
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
        let payload = match (self.as_object(), self.as_string()) {
            (Some(object), _) => Payload::Boxed(object.clone()),
            (None, Some(StrRef::Int(n))) => Payload::Int(n),
            (None, Some(StrRef::Bytes(b))) => Payload::Inline(b),
            (None, None) => unreachable!("only strings are kept without an object"),
        };
        Self::build(key.unwrap_or(self.key()), payload, self.kind(), expiry, self.access())
    }

    fn is_unique(&self) -> bool {
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
        Self(address.cast())
    }
}

impl Clone for EntryRef {
    fn clone(&self) -> Self {
        let before = self.head().refs.fetch_add(1, Ordering::Relaxed);
        assert!(before < u32::MAX / 2, "one reference per live view");
        Self(self.0)
    }
}

impl Drop for EntryRef {
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
                ptr::drop_in_place(self.at(shape.middle()).cast::<Object>());
            }
            dealloc(self.0.as_ptr().cast(), shape.layout());
        }
    }
}

/// Run with `RUSTFLAGS="--cfg loom" cargo test -p keyslot-engine --lib --release loom_`.
#[cfg(all(test, loom))]
mod loom_models {
    use super::*;

    #[test]
    fn loom_the_last_of_two_owners_frees_and_the_survivor_sees_its_own_value() {
        loom::model(|| {
            let mut entry = EntryRef::string(b"k", StrRef::Bytes(b"old"), false, None);
            let view = entry.clone();
            let reader = loom::thread::spawn(move || assert_eq!(view.as_string(), Some(StrRef::Bytes(b"old"))));
            entry.set_string(StrRef::Bytes(b"new"), false, None);
            assert_eq!(entry.as_string(), Some(StrRef::Bytes(b"new")));
            entry.set_access(7);
            reader.join().expect("the reader saw the old value");
        });
    }

    #[test]
    fn loom_owners_on_three_threads_drop_in_any_order() {
        loom::model(|| {
            let entry = EntryRef::string(b"k", StrRef::Bytes(&[1; INLINE_VALUE_BYTES_MAX + 1]), false, None);
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let entry = entry.clone();
                    loom::thread::spawn(move || drop(entry))
                })
                .collect();
            drop(entry);
            for other in others {
                other.join().expect("dropping does not panic");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_string_takes_one_block_of_92_bytes() {
        let e = EntryRef::string(&[b'k'; 16], StrRef::Bytes(&[b'v'; 64]), false, None);
        assert_eq!(e.shape().size(), 92);
        assert_eq!(e.heap_bytes(), 96);
    }

    #[test]
    fn parts_survive_every_shape() {
        for key_len in [0, 1, 255, 256, 70_000] {
            for expiry in [None, Some(UnixMillis(-5)), Some(UnixMillis(i64::MAX))] {
                let key: Vec<u8> = (0..key_len).map(|i| i as u8).collect();
                let long = vec![7u8; INLINE_VALUE_BYTES_MAX + 1];
                for value in [StrRef::Int(-42), StrRef::Bytes(b""), StrRef::Bytes(b"abc"), StrRef::Bytes(&long)] {
                    let mut e = EntryRef::string(&key, value, false, expiry);
                    e.set_access(0x12_3456);
                    assert_eq!((e.key(), e.expiry(), e.as_string()), (&key[..], expiry, Some(value)));
                    e.set_expiry(Some(UnixMillis(9)));
                    assert_eq!((e.key(), e.expiry(), e.as_string()), (&key[..], Some(UnixMillis(9)), Some(value)));
                    e.set_expiry(None);
                    assert_eq!((e.key(), e.expiry(), e.as_string()), (&key[..], None, Some(value)));
                    assert_eq!(e.access(), 0x12_3456);
                    let other = e.renamed(b"other");
                    assert_eq!((other.key(), other.as_string()), (&b"other"[..], Some(value)));
                }
            }
        }
    }

    #[test]
    fn a_shared_entry_is_copied_before_it_changes() {
        let mut e = EntryRef::string(b"k", StrRef::Bytes(b"old"), false, None);
        let view = e.clone();
        e.set_string(StrRef::Bytes(b"new"), false, None);
        assert_eq!(view.as_string(), Some(StrRef::Bytes(b"old")));
        assert_eq!(e.as_string(), Some(StrRef::Bytes(b"new")));
        let before = e.0;
        e.set_string(StrRef::Bytes(b"ned"), true, None);
        assert_eq!(e.0, before, "a unique block is changed in place");
        assert!(e.is_raw());
    }

    #[test]
    fn a_shared_long_value_is_copied_before_it_changes() {
        let long = vec![1u8; 5000];
        let mut e = EntryRef::string(b"k", StrRef::Bytes(&long), true, None);
        let view = e.clone();
        let Some(Object::Bytes(b)) = e.object_mut() else { panic!("a long value is boxed") };
        std::sync::Arc::make_mut(b).push(2);
        assert_eq!(view.as_string(), Some(StrRef::Bytes(&long)));
        assert_eq!(e.as_string().map(|s| s.byte_len()), Some(5001));
    }

    #[test]
    fn editing_moves_a_string_out_of_its_block_when_it_grows_and_then_changes_it_in_place() {
        let mut e = EntryRef::string(b"k", StrRef::Int(12), false, Some(UnixMillis(5)));
        e.set_access(7);
        e.edit_string(|bytes| bytes.extend_from_slice(b"3"));
        assert_eq!((e.as_string(), e.is_raw()), (Some(StrRef::Bytes(b"123")), true));
        e.edit_string(|bytes| bytes.resize(INLINE_VALUE_BYTES_MAX + 1, b'x'));
        assert_eq!((e.expiry(), e.access(), e.key()), (Some(UnixMillis(5)), 7, &b"k"[..]));
        e.edit_string(|bytes| bytes.reserve(100));
        let before = e.as_string().map(|s| s.with_bytes(<[u8]>::as_ptr));
        e.edit_string(|bytes| bytes.extend_from_slice(b"more"));
        assert_eq!(e.as_string().map(|s| s.with_bytes(<[u8]>::as_ptr)), before);
        let view = e.clone();
        e.edit_string(|bytes| bytes.clear());
        assert_eq!(view.as_string().map(StrRef::byte_len), Some(INLINE_VALUE_BYTES_MAX + 5));
    }

    #[test]
    fn dropping_on_many_threads_frees_once() {
        let e = EntryRef::string(b"k", StrRef::Bytes(&[1; 4000]), false, None);
        std::thread::scope(|s| {
            for _ in 0..4 {
                let e = e.clone();
                s.spawn(move || assert_eq!(e.key(), b"k"));
            }
        });
        assert_eq!(e.key(), b"k");
    }
}
