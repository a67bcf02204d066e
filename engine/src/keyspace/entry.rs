//! One key of the keyspace with its value: a [`Block`] whose boxed values are [`Object`]s.

use crate::table::{Block, Boxed, Kind};
use crate::text::StrRef;
use crate::time::UnixMillis;
use crate::value::stream::Stream;
use crate::value::{ListRef, Object, ValueType};
use std::sync::Arc;

/// An owning pointer to an entry. Cloning shares the block; a shared block is read-only.
pub(crate) type EntryRef = Block<Object>;

impl Block<Object> {
    /// A value that has a block of its own.
    pub(crate) fn object(key: &[u8], object: Object, value_type: ValueType, expiry: Option<UnixMillis>) -> Self {
        Self::boxed(key, object, value_type.kind(), expiry)
    }

    /// A collection in its compact form: inside the block while it is short.
    pub(crate) fn compact(
        key: &[u8],
        value_type: ValueType,
        form: u8,
        bytes: &[u8],
        expiry: Option<UnixMillis>,
    ) -> Self {
        Self::of_kind(key, StrRef::Bytes(bytes), value_type.kind().form(form), expiry)
    }

    /// The type of the value. O(1).
    #[inline]
    pub(crate) fn value_type(&self) -> ValueType {
        ValueType::from_number(self.type_number())
    }

    /// Whether freeing the value takes long enough to be done in parts. O(1).
    #[inline]
    pub(crate) fn is_long_to_free(&self) -> bool {
        self.as_object().is_some_and(|object| match object {
            Object::Stream(stream) if stream.node_count() > LARGE_NODES_MIN => true,
            object => object.is_collection() && object.heap_bytes() >= LARGE_BYTES_MIN,
        })
    }

    /// When the first of what is here is due: the key, or a field of a hash. O(1).
    #[inline]
    pub(crate) fn next_due(&self) -> Option<UnixMillis> {
        match (self.expiry(), self.next_field_expiry()) {
            (Some(key), Some(field)) => Some(key.min(field)),
            (key, field) => key.or(field),
        }
    }

    /// The bytes of a collection in its compact form; `None` for strings and for collections that have outgrown it. O(1).
    #[inline]
    pub(crate) fn packed(&self) -> Option<&[u8]> {
        match self.as_bytes() {
            Some(StrRef::Bytes(bytes)) if self.value_type() != ValueType::String => Some(bytes),
            _ => None,
        }
    }

    /// The list, whatever it is kept as; `None` for other types. O(1).
    #[inline]
    pub(crate) fn as_list(&self) -> Option<ListRef<'_>> {
        match (self.value_type(), self.as_object()) {
            (_, Some(Object::List(list))) => Some(ListRef::Chunks(list)),
            (ValueType::List, _) => self.packed().map(ListRef::Compact),
            _ => None,
        }
    }

    /// Changes the bytes of a collection in its compact form; its type and form stay.
    pub(crate) fn edit_packed<R>(&mut self, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        debug_assert!(self.packed().is_some(), "the collection is in its compact form");
        self.edit_bytes(self.kind(), f)
    }

    /// Changes the bytes of a collection in its compact form, and the form.
    pub(crate) fn edit_packed_form<R>(&mut self, form: u8, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        debug_assert!(self.packed().is_some(), "the collection is in its compact form");
        self.edit_bytes(self.kind().form(form), f)
    }

    /// The stream that the value is; `None` for other types. O(1).
    pub(crate) fn as_stream(&self) -> Option<&Stream> {
        match self.as_object()? {
            Object::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// The stream for changing. A shared one is copied first, at the cost of a few pointers.
    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        match self.object_mut()? {
            Object::Stream(stream) => Some(Arc::make_mut(stream)),
            _ => None,
        }
    }

    /// Replaces a compact collection by the form that it grows into, keeping key, type, expiry and access bits.
    pub(crate) fn outgrow(&mut self, object: Object) {
        self.set_boxed(object, self.value_type().kind());
    }
}

/// A value of fewer bytes is freed at once.
const LARGE_BYTES_MIN: usize = 64 << 10;

/// A stream of more nodes is not, however small they are; the number is that of Redis, and shows in INFO.
const LARGE_NODES_MIN: usize = 64;

impl ValueType {
    fn kind(self) -> Kind {
        Kind::of(self as u8)
    }
}
