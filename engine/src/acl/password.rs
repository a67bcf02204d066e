//! Passwords: kept as their SHA-256, compared in a time that does not tell how much of a guess was right.

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// The SHA-256 of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PasswordHash([u8; 32]);

impl PasswordHash {
    /// That of a password. O(n).
    pub(crate) fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// Reads 64 digits, letters in lower case.
    pub(crate) fn parse(digits: &[u8]) -> Option<Self> {
        let digits: &[u8; 64] = digits.try_into().ok()?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Whether it is the same, without telling where they differ.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// No log shall tell a password, not even so.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_sha_256_and_reads_back() {
        let hash = PasswordHash::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(PasswordHash::parse(text.as_bytes()), Some(hash));
        assert!(hash.matches(&hash) && !hash.matches(&PasswordHash::of(b"abd")));
        for wrong in [&text[1..], &text.to_uppercase(), &text.replace('f', "g"), ""] {
            assert_eq!(PasswordHash::parse(wrong.as_bytes()), None);
        }
    }

    #[test]
    fn a_hash_does_not_show_itself_in_logs() {
        assert_eq!(format!("{:?}", PasswordHash::of(b"abc")), "PasswordHash(..)");
    }
}
