//! The lines that stand between the groups of batches in a log file.
//!
//! An annotation is one text line. Redis skips lines that begin with `#` when it reads an append-only file, if they are
//! shorter than 1024 bytes; these are at most [`LINE_SIZE_MAX`].
//!
//! ```text
//! #keyslot:1 slots id=00c0ffee00c0ffee offset=120 length=64 durable=93 era=1 db=0 time=1700000000000 crc=0cd3a1f9 sum=5f2d01aa\r\n
//!          | |     |                   |          |         |          |     |    |                  |            |
//!          | |     |                   |          |         |          |     |    |                  |            CRC-32 of this line up to,
//!          | |     |                   |          |         |          |     |    |                  |            not including, " sum="
//!          | |     |                   |          |         |          |     |    |                  CRC-32 of the `length` bytes that follow
//!          | |     |                   |          |         |          |     |    the first batch's time, Unix milliseconds
//!          | |     |                   |          |         |          |     the database that is selected before the first byte
//!          | |     |                   |          |         |          the era that all batches of the group carry
//!          | |     |                   |          |         journal offset known to be durable when the line was made
//!          | |     |                   |          how many bytes of the journal follow the line
//!          | |     |                   the journal offset of the first of them
//!          | |     the file's own number: a line in a value, or of another file, is not taken for one of this file
//!          | open | slots | global | stop
//!          format version
//! ```
//!
//! Invariants
//! - The fields are covered by `sum`, the following bytes by `crc`, and `crc` by `sum`: no bit is uncovered except those of
//!   `sum` itself and of the line's end, which must match exactly.
//! - `open` and `stop` have `length=0`. `open` is a file's first line and is written again by every later opening of it;
//!   `stop` is the last line after a clean stop.
//! - `durable <= offset`.

/// One line's fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Annotation {
    pub(crate) kind: Kind,
    pub(crate) file_id: u64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) durable: u64,
    pub(crate) era: u64,
    pub(crate) db: u16,
    pub(crate) time_ms: i64,
    pub(crate) crc: u32,
}

/// What follows a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Nothing: the file begins here, or was opened again.
    Open,
    /// Batches that each touch the slots they name, or none.
    Slots,
    /// Batches that may touch everything.
    Global,
    /// Nothing: the log was stopped in good order.
    Stop,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Slots => "slots",
            Self::Global => "global",
            Self::Stop => "stop",
        }
    }
}

/// Why bytes that should be an annotation are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotAnnotation {
    /// It begins like one but has no end within the limit or the bytes at hand.
    Unfinished,
    /// Another format version than ours; the line's sum is right.
    Version(u32),
    /// Anything else.
    Damaged,
}

impl Annotation {
    /// Appends the line. At most [`LINE_SIZE_MAX`] bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        use std::io::Write as _;
        let start = out.len();
        write!(
            out,
            "{MAGIC}{VERSION} {} id={:016x} offset={} length={} durable={} era={} db={} time={} crc={:08x}",
            self.kind.word(),
            self.file_id,
            self.offset,
            self.length,
            self.durable,
            self.era,
            self.db,
            self.time_ms,
            self.crc,
        )
        .expect("writing to a vector never fails");
        let sum = crc32fast::hash(&out[start..]);
        write!(out, "{SUM_KEY}{sum:08x}\r\n").expect("writing to a vector never fails");
    }

    /// Reads the line at the start of `bytes` and says how long it is, its end included.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, usize), NotAnnotation> {
        let magic = &bytes[..bytes.len().min(MAGIC.len())];
        if magic != &MAGIC.as_bytes()[..magic.len()] {
            return Err(NotAnnotation::Damaged);
        }
        let window = &bytes[..bytes.len().min(LINE_SIZE_MAX)];
        let Some(end) = window.iter().position(|b| *b == b'\n') else {
            let cut_off = bytes.len() < LINE_SIZE_MAX;
            return Err(if cut_off { NotAnnotation::Unfinished } else { NotAnnotation::Damaged });
        };
        let line = bytes[..end].strip_suffix(b"\r").ok_or(NotAnnotation::Damaged)?;
        let line = std::str::from_utf8(line).map_err(|_| NotAnnotation::Damaged)?;
        let (covered, sum) = line.rsplit_once(SUM_KEY).ok_or(NotAnnotation::Damaged)?;
        if parse_hex(sum, 8) != Some(u64::from(crc32fast::hash(covered.as_bytes()))) {
            return Err(NotAnnotation::Damaged);
        }
        let fields = covered.strip_prefix(MAGIC).ok_or(NotAnnotation::Damaged)?;
        let (version, fields) = fields.split_once(' ').ok_or(NotAnnotation::Damaged)?;
        let version: u32 = version.parse().map_err(|_| NotAnnotation::Damaged)?;
        if version != VERSION {
            return Err(NotAnnotation::Version(version));
        }
        let annotation = Self::from_fields(fields).ok_or(NotAnnotation::Damaged)?;
        Ok((annotation, end + 1))
    }

    fn from_fields(fields: &str) -> Option<Self> {
        let mut words = fields.split(' ');
        let kind = match words.next()? {
            "open" => Kind::Open,
            "slots" => Kind::Slots,
            "global" => Kind::Global,
            "stop" => Kind::Stop,
            _ => return None,
        };
        let annotation = Self {
            kind,
            file_id: parse_hex(words.next()?.strip_prefix("id=")?, 16)?,
            offset: words.next()?.strip_prefix("offset=")?.parse().ok()?,
            length: words.next()?.strip_prefix("length=")?.parse().ok()?,
            durable: words.next()?.strip_prefix("durable=")?.parse().ok()?,
            era: words.next()?.strip_prefix("era=")?.parse().ok()?,
            db: words.next()?.strip_prefix("db=")?.parse().ok()?,
            time_ms: words.next()?.strip_prefix("time=")?.parse().ok()?,
            crc: u32::try_from(parse_hex(words.next()?.strip_prefix("crc=")?, 8)?).ok()?,
        };
        let empty = matches!(kind, Kind::Open | Kind::Stop);
        let sound = words.next().is_none()
            && annotation.durable <= annotation.offset
            && annotation.offset.checked_add(annotation.length).is_some()
            && empty == (annotation.length == 0);
        sound.then_some(annotation)
    }
}

fn parse_hex(text: &str, digits: usize) -> Option<u64> {
    let lower = text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if lower { u64::from_str_radix(text, 16).ok() } else { None }
}

/// What every annotation begins with; the format version follows.
pub(crate) const MAGIC: &str = "#keyslot:";

/// The version that is written and read.
pub(crate) const VERSION: u32 = 1;

/// The longest line, its end included: the fixed text and every number at its widest.
pub(crate) const LINE_SIZE_MAX: usize = 256;

const SUM_KEY: &str = " sum=";

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Annotation {
        Annotation {
            kind: Kind::Slots,
            file_id: 0xc0ff_ee00_c0ff_ee00,
            offset: 120,
            length: 64,
            durable: 93,
            era: 1,
            db: 0,
            time_ms: 1_700_000_000_000,
            crc: 0x0cd3_a1f9,
        }
    }

    #[test]
    fn a_line_reads_back_and_says_its_length() {
        let mut line = Vec::new();
        sample().encode(&mut line);
        let size = line.len();
        line.extend_from_slice(b"*1\r\n");
        assert_eq!(Annotation::decode(&line), Ok((sample(), size)));
    }

    #[test]
    fn the_widest_line_fits() {
        let widest = Annotation {
            kind: Kind::Global,
            file_id: u64::MAX,
            offset: u64::MAX / 2,
            length: u64::MAX / 2,
            durable: u64::MAX / 2,
            era: u64::MAX,
            db: u16::MAX,
            time_ms: i64::MIN,
            crc: u32::MAX,
        };
        let mut line = Vec::new();
        widest.encode(&mut line);
        assert!(line.len() <= LINE_SIZE_MAX, "{}", line.len());
        assert_eq!(Annotation::decode(&line).unwrap().0, widest);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut line = Vec::new();
        sample().encode(&mut line);
        for bit in 0..line.len() * 8 {
            let mut bad = line.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            bad.extend_from_slice(&[b'x'; LINE_SIZE_MAX]);
            assert_eq!(Annotation::decode(&bad), Err(NotAnnotation::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_unfinished() {
        let mut line = Vec::new();
        sample().encode(&mut line);
        for size in 0..line.len() {
            assert_eq!(Annotation::decode(&line[..size]), Err(NotAnnotation::Unfinished), "{size} bytes");
        }
    }

    #[test]
    fn another_version_is_named() {
        let covered = "#keyslot:2 whatever=comes";
        let line = format!("{covered} sum={:08x}\r\n", crc32fast::hash(covered.as_bytes()));
        assert_eq!(Annotation::decode(line.as_bytes()), Err(NotAnnotation::Version(2)));
    }
}
