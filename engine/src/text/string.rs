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

    /// The number that the string is the canonical form of. O(1).
    #[inline]
    pub fn as_i64(self) -> Option<i64> {
        match self {
            StrRef::Int(n) => Some(n),
            StrRef::Bytes(bytes) => crate::text::parse_i64(bytes),
        }
    }

    /// The string as an owned vector.
    pub fn to_vec(self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }
}

impl<'a> StrRef<'a> {
    /// The string `bytes`, as a number where it is the canonical form of one.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Self {
        match bytes.first() {
            Some(b'-' | b'0'..=b'9') if bytes.len() <= INT_BYTES_MAX => {
                crate::text::parse_i64(bytes).map_or(StrRef::Bytes(bytes), StrRef::Int)
            }
            _ => StrRef::Bytes(bytes),
        }
    }
}

/// The longest decimal form of an `i64`.
const INT_BYTES_MAX: usize = 20;

/// What can be stored as a string: bytes, text and integers.
pub trait AsValue {
    /// Lends the string to `f`.
    fn with_value<R>(self, f: impl FnOnce(StrRef<'_>) -> R) -> R;
}

macro_rules! as_bytes {
    ($($kind:ty),*) => {$(
        impl AsValue for $kind {
            #[inline]
            fn with_value<R>(self, f: impl FnOnce(StrRef<'_>) -> R) -> R {
                f(StrRef::of(self.as_ref()))
            }
        }
    )*};
}

as_bytes!(&str, String, &String, &[u8], Vec<u8>, &Vec<u8>, bytes::Bytes, &bytes::Bytes);

impl<const N: usize> AsValue for &[u8; N] {
    fn with_value<R>(self, f: impl FnOnce(StrRef<'_>) -> R) -> R {
        f(StrRef::of(self))
    }
}

macro_rules! as_int {
    ($($kind:ty),*) => {$(
        impl AsValue for $kind {
            fn with_value<R>(self, f: impl FnOnce(StrRef<'_>) -> R) -> R {
                f(StrRef::Int(self.into()))
            }
        }
    )*};
}

as_int!(i8, i16, i32, i64, u8, u16, u32);
