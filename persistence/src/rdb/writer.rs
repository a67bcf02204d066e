//! The writer: entries in, bytes out, of the lowest version that carries them.
//!
//! ```text
//! begin   "REDIS0010", notes
//! library 0xf5, text                       for each
//! select  0xfe, database, 0xfb, keys, expires
//! entry   [0xfc, expiry] [0xf8, idle | 0xf9, frequency] type, key, value
//! end     0xff, CRC-64
//! ```
//!
//! Invariant: everything that is appended goes into the checksum, in order.

use keyslot_engine::payload::{Checksum, Style, VERSION_MIN, push_number, push_text, version_of};
use keyslot_engine::{Sizes, StrRef, UnixMillis, ViewEntry};

/// How an RDB is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RdbOptions {
    /// The version that the header names, 10 to 12: what the reader has to know. Expiries of fields of hashes need 12, which
    /// Redis reads from 7.4 on; 10 does for everything else.
    pub version: u16,
    /// Whether long strings are compressed where that makes them shorter (`rdbcompression`).
    pub compress: bool,
    /// Whether a checksum ends it (`rdbchecksum`).
    pub checksum: bool,
    /// Whether expiries of fields of hashes are written; without them 10 does for everything.
    pub field_expiry: bool,
    /// What is told of the use of keys.
    pub usage: KeyUsage,
    /// How many threads make the bytes of a large view beside the one that [writes](super::write_view) it; with none, that one
    /// does it all.
    pub threads: usize,
}

/// What an RDB tells of how keys were used, for the reader's eviction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyUsage {
    /// Nothing.
    #[default]
    Untold,
    /// How long they were not used.
    Idle,
    /// Their access frequency counters.
    Frequency,
}

impl Default for RdbOptions {
    fn default() -> Self {
        Self {
            version: VERSION_MIN,
            compress: true,
            checksum: true,
            field_expiry: true,
            usage: KeyUsage::Untold,
            threads: 1,
        }
    }
}

/// A value that a version of RDB cannot hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("key {key:?} has fields that expire, which need RDB version {needed}; the header says {version}")]
pub struct NeedsVersion {
    /// The key, as far as it is text.
    pub key: String,
    /// The version that holds it.
    pub needed: u16,
    /// The version of this RDB.
    pub version: u16,
}

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RdbWritten {
    /// The version in the header.
    pub version: u16,
    /// Keys.
    pub keys: u64,
    /// Of which so many expire.
    pub expires: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Writes an RDB piece by piece into buffers of the caller, who takes them away when he likes.
#[derive(Debug)]
pub struct RdbWriter {
    options: RdbOptions,
    checksum: Checksum,
    written: RdbWritten,
}

impl RdbWriter {
    /// A writer.
    pub fn new(options: RdbOptions) -> Self {
        let options = RdbOptions { version: options.version.max(VERSION_MIN), ..options };
        let written = RdbWritten { version: options.version, ..RdbWritten::default() };
        Self { options, checksum: Checksum::default(), written }
    }

    /// How it writes.
    pub(super) fn options(&self) -> RdbOptions {
        self.options
    }

    /// Appends the header, and notes of name and text. Redis shows `redis-ver`, `ctime`, `used-mem`; it passes over others.
    pub fn begin(&mut self, out: &mut Vec<u8>, notes: &[(&str, &str)]) {
        let start = out.len();
        out.extend_from_slice(format!("REDIS{:04}", self.options.version).as_bytes());
        for (name, text) in notes {
            out.push(NOTE);
            push_text(out, StrRef::Bytes(name.as_bytes()), false);
            push_text(out, StrRef::Bytes(text.as_bytes()), false);
        }
        self.sum(out, start);
    }

    /// Appends a library of functions.
    pub fn library(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        let start = out.len();
        out.push(FUNCTION);
        push_text(out, StrRef::Bytes(text), self.options.compress);
        self.sum(out, start);
    }

    /// Says that the entries that follow are in this database. `sizes`: how many keys it has; said once for each.
    pub fn select(&mut self, out: &mut Vec<u8>, db: u16, sizes: Option<Sizes>) {
        let start = out.len();
        push_database(out, db, sizes);
        self.sum(out, start);
    }

    /// Appends a key with its value, which is in the database that was [selected](Self::select). Appends nothing if the value
    /// needs a version that the header does not name. O(value).
    pub fn entry(&mut self, out: &mut Vec<u8>, entry: &ViewEntry<'_>) -> Result<(), NeedsVersion> {
        let start = out.len();
        push_entry(&self.options, out, entry)?;
        self.written.expires += u64::from(entry.expiry().is_some());
        self.written.keys += 1;
        self.sum(out, start);
        Ok(())
    }

    /// Appends what was made elsewhere: the bytes with their checksum, and how many keys they hold.
    pub(super) fn append(&mut self, bytes: &[u8], checksum: &Checksum, keys: u64, expires: u64) {
        if self.options.checksum {
            self.checksum.append(checksum);
        }
        self.written.bytes += bytes.len() as u64;
        self.written.keys += keys;
        self.written.expires += expires;
    }

    /// What was written so far.
    pub(super) fn written(&self) -> RdbWritten {
        self.written
    }

    /// Appends the end.
    pub fn end(mut self, out: &mut Vec<u8>) -> RdbWritten {
        let start = out.len();
        out.push(END);
        self.sum(out, start);
        let sum = if self.options.checksum { self.checksum.value() } else { 0 };
        out.extend_from_slice(&sum.to_le_bytes());
        self.written.bytes += 8;
        self.written
    }

    fn sum(&mut self, out: &[u8], start: usize) {
        if self.options.checksum {
            self.checksum.update(&out[start..]);
        }
        self.written.bytes += (out.len() - start) as u64;
    }
}

/// Appends a key with its value, and nothing if the value needs a version that the header does not name.
pub(super) fn push_entry(options: &RdbOptions, out: &mut Vec<u8>, entry: &ViewEntry<'_>) -> Result<(), NeedsVersion> {
    let start = out.len();
    if let Some(UnixMillis(ms)) = entry.expiry() {
        out.push(EXPIRY_MILLIS);
        out.extend_from_slice(&ms.to_le_bytes());
    }
    match options.usage {
        KeyUsage::Untold => {}
        KeyUsage::Idle => {
            out.push(IDLE);
            push_number(out, entry.idle_seconds());
        }
        KeyUsage::Frequency => out.extend_from_slice(&[FREQUENCY, entry.frequency()]),
    }
    let number_at = out.len();
    out.push(0);
    push_text(out, StrRef::Bytes(entry.key()), options.compress);
    let RdbOptions { version, compress, field_expiry, .. } = *options;
    let style = Style { version, compress, field_expiry };
    out[number_at] = entry.encode(style, out);
    let needed = version_of(out[number_at]);
    if needed > options.version {
        out.truncate(start);
        let key = String::from_utf8_lossy(entry.key()).into_owned();
        return Err(NeedsVersion { key, needed, version: options.version });
    }
    Ok(())
}

/// Appends that what follows is in this database, and how many keys it has.
pub(super) fn push_database(out: &mut Vec<u8>, db: u16, sizes: Option<Sizes>) {
    out.push(DATABASE);
    push_number(out, db.into());
    if let Some(Sizes { keys, expires, .. }) = sizes {
        out.push(SIZES);
        push_number(out, keys);
        push_number(out, expires);
    }
}

/// Expiries of fields of hashes came with it.
pub(super) const FIELD_EXPIRY_VERSION: u16 = 12;

const FUNCTION: u8 = 0xf5;
const IDLE: u8 = 0xf8;
const FREQUENCY: u8 = 0xf9;
const NOTE: u8 = 0xfa;
const SIZES: u8 = 0xfb;
const EXPIRY_MILLIS: u8 = 0xfc;
const DATABASE: u8 = 0xfe;
const END: u8 = 0xff;
