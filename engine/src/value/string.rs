//! Strings: bytes, or a number that prints as those bytes.

/// A borrowed string value. A string that is the canonical decimal form of an `i64` is kept as the number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StrRef<'a> {
    /// The number whose decimal form is the string.
    Int(i64),
    /// The bytes.
    Bytes(&'a [u8]),
}

impl<'a> StrRef<'a> {
    /// Calls `f` with the string's bytes; a number is printed into a buffer on the stack. O(1) besides `f`.
    #[inline]
    pub fn with_bytes<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            StrRef::Int(n) => f(itoa::Buffer::new().format(n).as_bytes()),
            StrRef::Bytes(b) => f(b),
        }
    }

    /// How many bytes the string has. O(1).
    pub fn byte_len(self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// The string as an owned vector.
    pub fn to_vec(self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }
}
