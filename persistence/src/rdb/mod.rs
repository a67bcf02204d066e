//! RDB, the snapshot file of Redis: read in every version, bytes in and events out, and written in the lowest that will do.
//!
//! ```text
//! "REDIS" or "VALKEY", version in 4 or 3 digits
//! 0xfa  key, value                      a note of the writer (redis-ver, ctime, used-mem, ...)
//! 0xf5  text                            a library of functions
//! 0xf7  module id, opcodes              a note of a module, skipped
//! 0xfe  number                          the database of what follows
//! 0xfb  keys, expires                   how many keys to expect
//! 0xf4  slot, keys, expires             how many keys of a slot to expect
//! 0xfd  4 bytes of seconds              when the next key expires
//! 0xfc  8 bytes of milliseconds         when the next key expires
//! 0xf8  seconds                         how long the next key was not used
//! 0xf9  1 byte                          how often the next key is used
//! type  key, value                      a key; the forms of values are drawn in the engine's `payload`
//! 0xff  8 bytes of CRC-64               the end; no checksum before version 5, and 0 where it was turned off
//! ```
//!
//! Numbers and strings are those of `payload`. What is not read: values of modules and versions above 12.

mod check;
mod error;
mod export;
pub(crate) mod lanes;
mod load;
mod reader;
mod view;
mod writer;

pub use check::{RdbCheck, check_rdb};
pub use error::RdbError;
pub use export::RdbExport;
pub use load::{RdbLoadError, RdbLoaded, RdbLoader};
pub use reader::{RdbEvent, RdbReader};
pub use view::{Take, write_view};
pub use writer::{KeyUsage, NeedsVersion, RdbOptions, RdbWriter, RdbWritten};
