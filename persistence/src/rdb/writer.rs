//! The writer: entries in, bytes out, in the form drawn in [`rdb`](super). Whoever has the bytes writes or sends them.

use keyslot_engine::payload::{Checksum, Style, VERSION_MIN, push_number, push_text, version_of};
use keyslot_engine::{StrRef, UnixMillis, ViewEntry};

/// How an RDB is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RdbOptions {
    /// How values are written. Its version is that of the header, too, unless the data needs a newer one.
    pub style: Style,
    /// Whether the file ends with the checksum of its bytes; without it with zeros, which readers take as "not checked".
    pub checksum: bool,
    /// Whether it is the base of a log.
    pub is_log_base: bool,
}

impl Default for RdbOptions {
    /// What Redis 7.0 reads, uncompressed, with its checksum.
    fn default() -> Self {
        Self { style: Style::default(), checksum: true, is_log_base: false }
    }
}

impl RdbOptions {
    /// The options for data that may have fields with expiries, which version 12 is the first to carry.
    #[must_use]
    pub fn carrying(mut self, has_field_expiries: bool) -> Self {
        if has_field_expiries {
            self.style.version = self.style.version.max(FIELD_EXPIRY_VERSION);
        }
        self
    }
}

/// Writes an RDB: [`begin`](Self::begin), libraries, then for each database [`select`](Self::select) and its entries,
/// [`end`](Self::end). The bytes gather here until they are [taken](Self::take).
#[derive(Debug)]
pub struct RdbWriter {
    options: RdbOptions,
    checksum: Checksum,
    out: Vec<u8>,
    /// So many bytes of `out` are in the checksum.
    covered: usize,
    value: Vec<u8>,
}

impl RdbWriter {
    /// A writer at the beginning.
    pub fn new(options: RdbOptions) -> Self {
        Self { options, checksum: Checksum::default(), out: Vec::new(), covered: 0, value: Vec::new() }
    }

    /// How many bytes have gathered.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether none have.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Hands the bytes that have gathered to `sink`; they are gone then, whatever it says.
    pub fn take<R>(&mut self, sink: impl FnOnce(&[u8]) -> R) -> R {
        self.cover();
        let result = sink(&self.out);
        self.out.clear();
        self.covered = 0;
        result
    }

    /// The header and the notes about the writer. `now` is when the data was as it is written.
    pub fn begin(&mut self, now: UnixMillis) {
        self.out.extend_from_slice(format!("REDIS{:04}", self.options.style.version.max(VERSION_MIN)).as_bytes());
        self.note("redis-ver", StrRef::Bytes(REDIS_VERSION));
        self.note("redis-bits", StrRef::Int(64));
        self.note("ctime", StrRef::Int(now.0 / 1000));
        self.note("keyslot-ver", StrRef::Bytes(env!("CARGO_PKG_VERSION").as_bytes()));
        self.note("aof-base", StrRef::Int(i64::from(self.options.is_log_base)));
    }

    fn note(&mut self, key: &str, value: StrRef<'_>) {
        self.out.push(NOTE);
        push_text(&mut self.out, StrRef::Bytes(key.as_bytes()), false);
        push_text(&mut self.out, value, false);
    }

    /// A library of functions.
    pub fn library(&mut self, text: &[u8]) {
        self.out.push(FUNCTION);
        push_text(&mut self.out, StrRef::Bytes(text), self.options.style.compress);
    }

    /// Says that the entries that follow are of this database, and how many there are.
    pub fn select(&mut self, db: u16, keys: u64, expires: u64) {
        self.out.push(DATABASE);
        push_number(&mut self.out, u64::from(db));
        self.out.push(SIZES);
        push_number(&mut self.out, keys);
        push_number(&mut self.out, expires);
    }

    /// A key with its expiry and its value. O(value).
    pub fn entry(&mut self, entry: &ViewEntry<'_>) {
        if let Some(expiry) = entry.expiry() {
            self.out.push(EXPIRY_MILLIS);
            self.out.extend_from_slice(&expiry.0.to_le_bytes());
        }
        // The type stands before the key, and is known when the value is written.
        self.value.clear();
        let number = entry.encode(self.options.style, &mut self.value);
        debug_assert!(version_of(number) <= self.options.style.version, "the caller said what the data carries");
        self.out.push(number);
        push_text(&mut self.out, StrRef::of(entry.key()), self.options.style.compress);
        self.out.extend_from_slice(&self.value);
    }

    /// The end. Nothing may follow.
    pub fn end(&mut self) {
        self.out.push(END);
        self.cover();
        let sum = if self.options.checksum { self.checksum.value() } else { 0 };
        self.out.extend_from_slice(&sum.to_le_bytes());
        self.covered = self.out.len();
    }

    fn cover(&mut self) {
        if self.options.checksum {
            self.checksum.update(&self.out[self.covered..]);
        }
        self.covered = self.out.len();
    }
}

/// The version that the files name: that of the server whose commands are served.
const REDIS_VERSION: &[u8] = b"7.2.4";

const FIELD_EXPIRY_VERSION: u16 = 12;

const FUNCTION: u8 = 0xf5;
const NOTE: u8 = 0xfa;
const SIZES: u8 = 0xfb;
const EXPIRY_MILLIS: u8 = 0xfc;
const DATABASE: u8 = 0xfe;
const END: u8 = 0xff;
