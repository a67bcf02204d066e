//! Entries of a section: one key with its value after another, as bytes. Drawn in the folder's documentation.
//!
//! Pure functions: bytes in, entries out, and nothing is copied.

use super::cursor::{Cursor, push_number, push_text};
use keyslot_engine::{StrRef, UnixMillis};

/// A key with its value, as a section holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// The database.
    pub db: u16,
    /// The key.
    pub key: &'a [u8],
    /// When it expires.
    pub expiry: Option<UnixMillis>,
    /// How it was used, if that was written.
    pub access: Access,
    /// Its value.
    pub value: Value<'a>,
}

/// What a section says of a key's use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Access {
    /// Nothing.
    #[default]
    Unknown,
    /// So many seconds before the view it was used last.
    IdleSeconds(u64),
    /// Its counter of use.
    Frequency(u8),
}

/// A value, as a section holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// A string.
    String(StrRef<'a>),
    /// Anything else, in a form of RDB.
    Payload {
        /// Which form.
        number: u8,
        /// The value's bytes.
        bytes: &'a [u8],
    },
}

/// Bytes that are no entry.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("entry at byte {at}: expected {expected}, found {found}")]
pub struct EntryFault {
    /// Where the entry begins.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

/// The entries of a section's payload: bytes in, entries out, nothing is copied. Any bytes will do.
///
/// ```
/// use keyslot_persistence::snapshot::Entries;
/// let mut entries = Entries::new(b"\x20\x03foo\x03bar");
/// assert_eq!(entries.next()?.map(|entry| entry.key), Some(&b"foo"[..]));
/// assert_eq!(entries.next()?, None);
/// # Ok::<(), keyslot_persistence::snapshot::EntryFault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    cursor: Cursor<'a>,
    db: u16,
}

impl<'a> Entries<'a> {
    /// The entries of a payload, decompressed.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(payload), db: 0 }
    }

    /// Whether the next entry is of database 0, if that is where the entries are so far.
    pub(crate) fn begins_in_database_0(&self) -> bool {
        self.db == 0 && self.cursor.rest().first() != Some(&DATABASE)
    }

    /// Where the next entry begins.
    pub fn position(&self) -> usize {
        self.cursor.position()
    }

    /// The next entry, none at the end. After a fault nothing that follows means anything.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "it is fallible, and its callers want `?`")]
    pub fn next(&mut self) -> Result<Option<Entry<'a>>, EntryFault> {
        let start = self.cursor.position();
        loop {
            let Some([lead]) = self.cursor.array() else { return Ok(None) };
            if lead == DATABASE {
                let db = self.cursor.number().and_then(|db| u16::try_from(db).ok());
                let Some(db) = db else { return Err(self.fault(start, "the number of a database")) };
                self.db = db;
                continue;
            }
            return match self.entry(lead) {
                Ok(entry) => Ok(Some(entry)),
                Err(expected) => Err(self.fault(start, expected)),
            };
        }
    }

    #[inline]
    fn entry(&mut self, lead: u8) -> Result<Entry<'a>, &'static str> {
        let cursor = &mut self.cursor;
        let expiry = match lead & WITH_EXPIRY {
            0 => None,
            _ => Some(UnixMillis(cursor.array().map(i64::from_le_bytes).ok_or("an expiry of 8 bytes")?)),
        };
        let access = match lead & WITH_ACCESS {
            0 => Access::Unknown,
            _ => access(cursor).ok_or("an access note of form 1 or 2")?,
        };
        let key = cursor.text().ok_or("a key as long as it says")?;
        let value = match lead & KIND_MASK {
            STRING => Value::String(StrRef::Bytes(cursor.text().ok_or("a string as long as it says")?)),
            kind @ INT_8..=INT_64 => Value::String(StrRef::Int(integer(cursor, kind).ok_or("an integer")?)),
            number @ 0..=PAYLOAD_MAX => {
                Value::Payload { number, bytes: cursor.text().ok_or("a value as long as it says")? }
            }
            _ => return Err("a kind of value up to 36, or 63"),
        };
        Ok(Entry { db: self.db, key, expiry, access, value })
    }

    #[cold]
    fn fault(&mut self, at: usize, expected: &'static str) -> EntryFault {
        let rest = self.cursor.rest();
        let shown = &rest[..rest.len().min(8)];
        let found = match shown {
            [] => "the end of the section".to_owned(),
            shown => format!("{shown:02x?} at {}", self.cursor.position()),
        };
        // Nothing that follows means anything.
        self.cursor.take(rest.len());
        EntryFault { at, expected, found }
    }
}

#[cold]
fn access(cursor: &mut Cursor<'_>) -> Option<Access> {
    match cursor.array()? {
        [ACCESS_IDLE] => cursor.number().map(Access::IdleSeconds),
        [ACCESS_FREQUENCY] => cursor.array().map(|[count]| Access::Frequency(count)),
        _ => None,
    }
}

#[inline]
fn integer(cursor: &mut Cursor<'_>, kind: u8) -> Option<i64> {
    Some(match kind {
        INT_8 => i64::from(i8::from_le_bytes(cursor.array()?)),
        INT_16 => i64::from(i16::from_le_bytes(cursor.array()?)),
        INT_32 => i64::from(i32::from_le_bytes(cursor.array()?)),
        _ => i64::from_le_bytes(cursor.array()?),
    })
}

/// What stands before the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryHead<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) expiry: Option<UnixMillis>,
    pub(crate) access: Access,
}

/// Appends that what follows is in this database.
pub(crate) fn push_database(out: &mut Vec<u8>, db: u16) {
    out.push(DATABASE);
    push_number(out, u64::from(db));
}

/// Appends a key with a string.
#[inline]
pub(crate) fn push_string(out: &mut Vec<u8>, head: &EntryHead<'_>, value: StrRef<'_>) {
    match value {
        StrRef::Bytes(bytes) => {
            // One growth for all of the entry.
            out.reserve(head.key.len() + bytes.len() + ENTRY_OVERHEAD_MAX);
            push_head(out, STRING, head);
            push_text(out, bytes);
        }
        StrRef::Int(n) => push_integer(out, head, n),
    }
}

fn push_integer(out: &mut Vec<u8>, head: &EntryHead<'_>, n: i64) {
    let bytes = n.to_le_bytes();
    let (kind, width) = match n {
        _ if i8::try_from(n).is_ok() => (INT_8, 1),
        _ if i16::try_from(n).is_ok() => (INT_16, 2),
        _ if i32::try_from(n).is_ok() => (INT_32, 4),
        _ => (INT_64, 8),
    };
    push_head(out, kind, head);
    out.extend_from_slice(&bytes[..width]);
}

/// Appends a key with a value in the form that RDB gives `number`, below 32.
pub(crate) fn push_payload(out: &mut Vec<u8>, head: &EntryHead<'_>, number: u8, bytes: &[u8]) {
    debug_assert!(number <= PAYLOAD_MAX, "RDB's own types are all below");
    push_head(out, number, head);
    push_text(out, bytes);
}

#[inline]
fn push_head(out: &mut Vec<u8>, kind: u8, head: &EntryHead<'_>) {
    let lead_at = out.len();
    out.push(kind);
    if let Some(expiry) = head.expiry {
        out[lead_at] |= WITH_EXPIRY;
        out.extend_from_slice(&expiry.0.to_le_bytes());
    }
    match head.access {
        Access::Unknown => {}
        Access::IdleSeconds(seconds) => {
            out[lead_at] |= WITH_ACCESS;
            out.push(ACCESS_IDLE);
            push_number(out, seconds);
        }
        Access::Frequency(count) => {
            out[lead_at] |= WITH_ACCESS;
            out.extend_from_slice(&[ACCESS_FREQUENCY, count]);
        }
    }
    push_text(out, head.key);
}

/// No entry has fewer bytes: kind, key and value, both empty.
pub(crate) const ENTRY_BYTES_MIN: usize = 3;
const KIND_MASK: u8 = 0x3f;
const WITH_ACCESS: u8 = 0x40;
const WITH_EXPIRY: u8 = 0x80;
const PAYLOAD_MAX: u8 = 31;
const STRING: u8 = 32;
const INT_8: u8 = 33;
const INT_16: u8 = 34;
const INT_32: u8 = 35;
const INT_64: u8 = 36;
const DATABASE: u8 = 63;
const ACCESS_IDLE: u8 = 1;
const ACCESS_FREQUENCY: u8 = 2;
const ENTRY_OVERHEAD_MAX: usize = 1 + 8 + 10 + 9 + 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn head(key: &[u8], expiry: Option<i64>, access: Access) -> EntryHead<'_> {
        EntryHead { key, expiry: expiry.map(UnixMillis), access }
    }

    #[test]
    fn entries_come_back() {
        let long = vec![7; 70_000];
        let texts: [&[u8]; 5] = [b"", b"a", &long[..250], &long[..251], &long];
        let numbers = [0, -1, 127, -128, 128, 32_767, -32_769, 1 << 31, i64::MIN, i64::MAX];
        let values = texts.map(|t| Value::String(StrRef::Bytes(t))).into_iter();
        let values = values.chain(numbers.map(|n| Value::String(StrRef::Int(n))));
        let values: Vec<_> = values.chain(texts.map(|bytes| Value::Payload { number: 17, bytes })).collect();
        let accesses = [Access::Unknown, Access::IdleSeconds(3), Access::IdleSeconds(1 << 40), Access::Frequency(200)];
        let mut expected = Vec::new();
        for (number, value) in values.iter().enumerate() {
            for (db, key) in [(0, &b"key"[..]), (3, b""), (300, &long)] {
                let expiry = (number % 2 == 0).then_some(UnixMillis(number as i64 - 4));
                expected.push(Entry { db, key, expiry, access: accesses[number % 4], value: *value });
            }
        }
        expected.sort_by_key(|entry| entry.db);
        let (mut out, mut db) = (Vec::new(), 0);
        for entry in &expected {
            if db != entry.db {
                db = entry.db;
                push_database(&mut out, db);
            }
            let head = EntryHead { key: entry.key, expiry: entry.expiry, access: entry.access };
            match entry.value {
                Value::String(value) => push_string(&mut out, &head, value),
                Value::Payload { number, bytes } => push_payload(&mut out, &head, number, bytes),
            }
        }
        let mut entries = Entries::new(&out);
        for entry in expected {
            assert_eq!(entries.next(), Ok(Some(entry)));
        }
        assert_eq!((entries.next(), entries.position()), (Ok(None), out.len()));
    }

    #[test]
    fn the_example_is_as_drawn() {
        let mut out = Vec::new();
        push_string(&mut out, &head(b"n", Some(1_700_000_000_000), Access::Unknown), StrRef::Int(7));
        assert_eq!(out, [0xa1, 0, 0x68, 0xe5, 0xcf, 0x8b, 1, 0, 0, 1, b'n', 7]);
        out.clear();
        push_string(&mut out, &head(b"foo", None, Access::Unknown), StrRef::Bytes(b"bar"));
        assert_eq!(out, *b"\x20\x03foo\x03bar");
    }

    #[test]
    fn no_bytes_panic_and_a_fault_ends_the_entries() {
        let mut out = Vec::new();
        push_string(&mut out, &head(b"key", Some(5), Access::IdleSeconds(300)), StrRef::Bytes(b"value"));
        push_payload(&mut out, &head(b"key", None, Access::Frequency(1)), 4, b"\x01\x01f\x01v");
        push_database(&mut out, 400);
        push_string(&mut out, &head(b"key", Some(5), Access::Unknown), StrRef::Int(1 << 33));
        for at in 0..out.len() {
            for byte in 0..=255 {
                let mut bent = out.clone();
                bent[at] = byte;
                let mut entries = Entries::new(&bent);
                while let Ok(Some(_)) = entries.next() {}
                assert_eq!(entries.next(), Ok(None));
            }
            let mut entries = Entries::new(&out[..at]);
            while let Ok(Some(_)) = entries.next() {}
        }
        let fault = Entries::new(&[37, 0]).next().unwrap_err();
        assert_eq!((fault.at, fault.expected), (0, "a kind of value up to 36, or 63"));
    }
}
