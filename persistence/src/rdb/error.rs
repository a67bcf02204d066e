//! Why an RDB cannot be read.

use keyslot_engine::payload::PayloadError;

/// What is wrong with an RDB file or stream, and at which byte of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdbError {
    /// It is something else.
    #[error("byte 0: this is no RDB: it begins with {found:?}, not with \"REDIS\" or \"VALKEY\"")]
    NotRdb {
        /// How it begins.
        found: String,
    },
    /// It is of a version that is not known here.
    #[error("byte {at}: RDB version {found} is newer than {newest}, the newest that can be read; use a newer program")]
    TooNew {
        /// Where the version stands.
        at: u64,
        /// The version.
        found: u32,
        /// The newest that is read.
        newest: u32,
    },
    /// A value cannot be read.
    #[error("key {key:?}, value from byte {at} on: {source}")]
    Value {
        /// The key, as far as it is text.
        key: String,
        /// Where its value begins.
        at: u64,
        /// What is wrong.
        source: PayloadError,
    },
    /// Something besides values cannot be read.
    #[error("byte {at}: expected {expected}")]
    Corrupt {
        /// Where.
        at: u64,
        /// What should stand there.
        expected: &'static str,
    },
    /// The bytes are not those that were written.
    #[error(
        "the checksum at byte {at} is {found:016x}, that of the bytes before it is {expected:016x}: the file is damaged"
    )]
    Checksum {
        /// Where the checksum stands.
        at: u64,
        /// That of the bytes.
        expected: u64,
        /// The one that stands there.
        found: u64,
    },
    /// The bytes end too early.
    #[error("the RDB ends at byte {at}, in the middle: {expected} should follow")]
    Cut {
        /// Where it ends.
        at: u64,
        /// What is missing.
        expected: &'static str,
    },
}
