//! Elements as words keep them: owned by a word, lent to readers, taken out for a change.

use super::block::{Block, Boxed};
use super::line::{ADDRESS_BITS, ADDRESS_MASK};
use crate::text::StrRef;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;

/// An owning thin pointer that a segment can keep in a word.
///
/// # Safety
/// `into_address` and `from_address` are inverse, and the address identifies the element while the word is kept.
pub(crate) unsafe trait Thin: Sized {
    /// Gives up ownership as an address.
    fn into_address(self) -> NonNull<u8>;
    /// Takes ownership back.
    ///
    /// # Safety
    /// The address came from `into_address` and is taken back once.
    unsafe fn from_address(address: NonNull<u8>) -> Self;
}

// SAFETY: a `Block` is one pointer, and its two functions are inverse.
unsafe impl<O: Boxed> Thin for Block<O> {
    #[inline]
    fn into_address(self) -> NonNull<u8> {
        self.into_address()
    }

    #[inline]
    unsafe fn from_address(address: NonNull<u8>) -> Self {
        // SAFETY: passed on to the caller.
        unsafe { Self::from_address(address) }
    }
}

/// A lent element. It reads like a reference; the word in the table keeps the ownership.
pub(crate) struct Lent<'a, T: Thin> {
    element: ManuallyDrop<T>,
    table: PhantomData<&'a T>,
}

impl<T: Thin> Deref for Lent<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.element
    }
}

impl<'a, O: Boxed> Lent<'a, Block<O>> {
    /// The key, for as long as the table is borrowed.
    #[inline]
    pub(crate) fn into_key(self) -> &'a [u8] {
        let key: *const [u8] = self.element.key();
        // SAFETY: the key lies in the element's block, which a word of the table owns; the table is borrowed for `'a`.
        unsafe { &*key }
    }

    /// The key and the bytes or number that the value is kept as, for as long as the table is borrowed. No bytes if the
    /// value is boxed as something else.
    #[inline]
    pub(crate) fn into_pair(self) -> (&'a [u8], StrRef<'a>) {
        let value = match self.element.as_bytes() {
            Some(StrRef::Int(n)) => StrRef::Int(n),
            Some(StrRef::Bytes(bytes)) => {
                let bytes: *const [u8] = bytes;
                // SAFETY: the bytes lie in the element's block or belong to it; see `into_key`.
                StrRef::Bytes(unsafe { &*bytes })
            }
            None => StrRef::Bytes(b""),
        };
        (self.into_key(), value)
    }
}

/// Puts the element of a word back when an update ends, however it ends.
pub(super) struct WordGuard<'a, T: Thin> {
    pub(super) word: &'a mut u64,
    pub(super) tag: u64,
    pub(super) element: Option<T>,
}

impl<T: Thin> WordGuard<'_, T> {
    pub(super) fn take(&mut self) {
        // SAFETY: the word owns an element; until `drop` puts one back the word is not read, being borrowed uniquely.
        self.element = Some(unsafe { from_word(*self.word) });
    }
}

impl<T: Thin> Drop for WordGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(element) = self.element.take() {
            *self.word = to_word(self.tag >> ADDRESS_BITS, element);
        }
    }
}

/// A word that owns an element.
pub(super) fn to_word<T: Thin>(tag: u64, element: T) -> u64 {
    let address = element.into_address().as_ptr().expose_provenance() as u64;
    assert_eq!(address & !ADDRESS_MASK, 0, "user addresses have 48 bits on every supported target");
    tag << ADDRESS_BITS | address
}

/// The element of a word.
///
/// # Safety
/// The word owns an element, and goes on owning it for all of `'a`.
#[inline]
pub(super) unsafe fn lend<'a, T: Thin>(word: u64) -> Lent<'a, T> {
    // SAFETY: the copy of the pointer is never dropped, so the ownership stays in the word.
    Lent { element: ManuallyDrop::new(unsafe { from_word(word) }), table: PhantomData }
}

/// Takes the element of a word out.
///
/// # Safety
/// The word holds an element, which is taken out once.
pub(super) unsafe fn from_word<T: Thin>(word: u64) -> T {
    let address = std::ptr::with_exposed_provenance_mut((word & ADDRESS_MASK) as usize);
    // SAFETY: addresses of elements are not null; the rest is the caller's promise.
    unsafe { T::from_address(NonNull::new_unchecked(address)) }
}
