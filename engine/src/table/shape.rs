//! Where the parts of a [block](super::block) lie, and what its flags and its kind mean.

use crate::sync::AtomicU32;
use std::alloc::Layout;

pub(super) const EXPIRY: u8 = 1;
pub(super) const WIDE: u8 = 2;
pub(super) const REPR_MASK: u8 = 0b1100;
pub(super) const REPR_INLINE: u8 = 0;
pub(super) const REPR_INT: u8 = 0b0100;
pub(super) const REPR_OBJECT: u8 = 0b1000;

pub(super) const TYPE_MASK: u8 = 0x0f;
pub(super) const RAW: u8 = 0x10;
pub(super) const FORM_SHIFT: u32 = 5;
pub(super) const FORM_MASK: u8 = 0x60;
pub(super) const ACCESS_MASK: u32 = 0x00ff_ffff;

/// The fixed part of a block.
#[repr(C)]
pub(super) struct Head {
    pub(super) refs: AtomicU32,
    pub(super) access_and_kind: AtomicU32,
    pub(super) flags: u8,
    pub(super) key_len: u8,
    pub(super) val_len: u16,
}

pub(super) const HEAD_BYTES: usize = size_of::<Head>();
pub(super) const BLOCK_ALIGN: usize = 8;

/// What the bytes of a value are: the type's number, whether Redis reports them as `raw`, and two bits whose meaning is
/// the type's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Kind(pub(super) u8);

impl Kind {
    /// A value of the type with this number, below 16.
    pub(crate) const fn of(type_number: u8) -> Self {
        Self(type_number & TYPE_MASK)
    }

    /// Marked as made by an operation after which Redis reports `raw`.
    pub(crate) const fn raw(self, raw: bool) -> Self {
        Self(if raw { self.0 | RAW } else { self.0 & !RAW })
    }

    /// In one of the type's four forms.
    pub(crate) const fn form(self, form: u8) -> Self {
        Self(self.0 & !FORM_MASK | (form << FORM_SHIFT) & FORM_MASK)
    }
}

/// Where the parts of a block lie.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) flags: u8,
    pub(super) key_len: usize,
    pub(super) val_len: usize,
    pub(super) object_bytes: usize,
}

impl Shape {
    pub(super) fn base(self) -> usize {
        if self.flags & WIDE != 0 { HEAD_BYTES + 4 } else { HEAD_BYTES }
    }

    /// Offset of the number, the object or, for inline values, the key.
    pub(super) fn middle(self) -> usize {
        self.base() + if self.flags & EXPIRY != 0 { 8 } else { 0 }
    }

    pub(super) fn key(self) -> usize {
        self.middle()
            + match self.flags & REPR_MASK {
                REPR_INT => 8,
                REPR_OBJECT => self.object_bytes,
                _ => 0,
            }
    }

    pub(super) fn value(self) -> usize {
        self.key() + self.key_len
    }

    pub(super) fn size(self) -> usize {
        self.value() + self.val_len
    }

    pub(super) fn layout(self) -> Layout {
        Layout::from_size_align(self.size(), BLOCK_ALIGN).expect("a key and an inline value are far below isize::MAX")
    }
}
