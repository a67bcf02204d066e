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
pub(crate) mod recording;
mod recreate;
mod rename;
mod restore;
mod restore_parts;
#[cfg(test)]
mod revocation_tests;
mod scan;
#[cfg(test)]
mod scan_tests;
mod size;
mod swap;

pub use copy::CopyOptions;
pub(crate) use dump::dump_entry;
pub use flush::FlushMode;
pub(crate) use recreate::recreate;
pub use restore::RestoreOptions;
pub use scan::{Scan, ScanCursor, ScanOptions};

use super::row::Row;
use crate::error::CommandError;
use crate::keyspace::DATABASE_COUNT;
use crate::text::parse_i64;

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
    restore_parts::RESTORE_BEGIN,
    restore_parts::RESTORE_END,
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

const BEYOND_32_BITS: &str = "ERR value is out of range, value must between -2147483648 and 2147483647";
