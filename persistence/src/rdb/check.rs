//! Checking an RDB without an engine: for tools, and for fuzzing.

use super::error::RdbError;
use super::reader::{RdbEvent, RdbReader};

/// What an RDB holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RdbCheck {
    /// The version that its header names.
    pub version: u32,
    /// How many bytes it takes: fewer than there are where something follows.
    pub size_bytes: u64,
    /// Keys.
    pub keys: u64,
    /// Of which so many have an expiry.
    pub expires: u64,
    /// Libraries of functions.
    pub libraries: u64,
}

/// Reads an RDB to its end: every value and the checksum. Any bytes will do. O(bytes); memory as [`RdbReader`] takes it.
///
/// ```
/// use keyslot_persistence::rdb::check_rdb;
/// let check = check_rdb(b"REDIS0004\xfe\x00\x00\x01k\x01v\xff")?;
/// assert_eq!((check.version, check.keys), (4, 1));
/// assert!(check_rdb(b"REDIS0004\xfe\x00\x00\x01k").is_err());
/// # Ok::<(), keyslot_persistence::rdb::RdbError>(())
/// ```
pub fn check_rdb(bytes: &[u8]) -> Result<RdbCheck, RdbError> {
    let mut check = RdbCheck::default();
    let mut reader = RdbReader::new();
    reader.feed(bytes, &mut |event| {
        match event {
            RdbEvent::Key { expiry, .. } => {
                check.keys += 1;
                check.expires += u64::from(expiry.is_some());
            }
            RdbEvent::Function(_) => check.libraries += 1,
            _ => {}
        }
        Ok::<_, RdbError>(())
    })?;
    reader.finish()?;
    Ok(RdbCheck { version: reader.version(), size_bytes: reader.position(), ..check })
}
