//! Commands on keys of any type, and on the keyspace as a whole.

#[cfg(test)]
mod concurrency_tests;
mod copy;
mod del;
mod dump;
mod exists;
mod flush;
mod keys;
mod kind;
mod migrate;
mod move_key;
mod object;
mod random;
mod rename;
mod restore;
#[cfg(test)]
mod revocation_tests;
mod scan;
#[cfg(test)]
mod scan_tests;
mod size;
mod swap;

pub use copy::CopyOptions;
pub use flush::FlushMode;
pub use restore::RestoreOptions;
pub use scan::{Scan, ScanCursor, ScanOptions};

use super::hash::record_hash;
use super::list::record_list;
use super::row::Row;
use super::set::record_set;
use super::sorted_set;
use super::stream::record_stream;
use crate::error::CommandError;
use crate::keyspace::{DATABASE_COUNT, EntryRef};
use crate::text::parse_i64;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};

pub(super) const ROWS: &[Row] = &[
    copy::COPY,
    del::DEL,
    dump::DUMP,
    exists::EXISTS,
    keys::KEYS,
    migrate::MIGRATE,
    move_key::MOVE,
    object::OBJECT,
    random::RANDOMKEY,
    rename::RENAME,
    rename::RENAMENX,
    restore::RESTORE,
    restore::RESTORE_ASKING,
    scan::SCAN,
    exists::TOUCH,
    kind::TYPE,
    del::UNLINK,
    size::DBSIZE,
    flush::FLUSHALL,
    flush::FLUSHDB,
    swap::SWAPDB,
];

/// Reads a number that must fit 32 bits, as database numbers must before they are looked at.
fn small_integer(text: &[u8]) -> Result<i32, CommandError> {
    let number = parse_i64(text).ok_or(CommandError::NotInteger)?;
    i32::try_from(number).map_err(|_| CommandError::text(BEYOND_32_BITS))
}

/// Reads the number of a database.
fn database(text: &[u8]) -> Result<u16, CommandError> {
    let number = u16::try_from(small_integer(text)?).ok().filter(|db| *db < DATABASE_COUNT);
    number.ok_or(CommandError::DatabaseOutOfRange)
}

/// Records that `key` holds what `entry` holds, with its expiry: the effect of commands that bring a whole value from
/// elsewhere.
fn record_value(turn: &mut Turn<'_>, key: &Key<'_>, entry: &EntryRef) {
    let Some(value) = entry.as_string() else { return record_collection(turn, key, entry) };
    value.with_bytes(|value| match entry.expiry() {
        None => turn.record(&[b"SET", key.bytes, value]),
        Some(UnixMillis(ms)) => {
            turn.record(&[b"SET", key.bytes, value, b"PXAT", itoa::Buffer::new().format(ms).as_bytes()]);
        }
    });
}

fn record_collection(turn: &mut Turn<'_>, key: &Key<'_>, entry: &EntryRef) {
    if let Some(hash) = entry.as_hash() {
        record_hash(turn, key, hash);
    }
    if let Some(list) = entry.as_list() {
        record_list(turn, key, list);
    }
    if let Some(set) = entry.as_set() {
        record_set(turn, key, set);
    }
    if let Some(stream) = entry.as_stream() {
        record_stream(turn, key, stream);
    }
    if let Ok(set) = sorted_set::read(entry) {
        sorted_set::record_members(turn, key, set);
    }
    if let Some(UnixMillis(ms)) = entry.expiry() {
        turn.record(&[b"PEXPIREAT", key.bytes, itoa::Buffer::new().format(ms).as_bytes()]);
    }
}

const BEYOND_32_BITS: &str = "ERR value is out of range, value must between -2147483648 and 2147483647";
