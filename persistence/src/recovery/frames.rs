//! Cuts journal bytes into commands and batches, without copying them.
//!
//! ```text
//! *2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n        framing: the database from here on
//! *3\r\n$3\r\nSET\r\n..                    a batch of one command
//! *1\r\n$4\r\nPING\r\n                        a message for replicas: passed over
//! *1\r\n$5\r\nMULTI\r\n .. *1\r\n$4\r\nEXEC\r\n   a batch of all commands between; a SELECT may stand among them
//! ```
//!
//! Invariants
//! - A batch is handed on after its last byte was seen, never in part.
//! - Nothing is allocated for a length that the bytes at hand do not have.

use super::receiver::{Receiver, Refused, ReplayBatch};
use keyslot_engine::effect::Framing;

/// Where reading stopped, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stopped {
    /// All bytes before this one belong to batches that were handed on.
    pub(crate) whole_to: usize,
    pub(crate) why: Why,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// The bytes end here, between batches.
    End,
    /// The bytes end within a batch; at least this many, counted from `whole_to`, are needed to see more of it.
    Incomplete { needed: usize },
    /// The byte at `at` is not what it has to be.
    Malformed { at: usize, expected: &'static str },
    /// A line of Keyslot's begins at `at`.
    Annotation { at: usize },
    /// The receiver refused a batch that begins at `whole_to`.
    Refused(Refused),
}

/// What carries over from one run of bytes to the next.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Reader {
    /// The selected database.
    pub(crate) db: u16,
    /// Where the bytes stand in their file.
    pub(crate) place: u64,
    pub(crate) batches: u64,
    pub(crate) commands: u64,
}

/// Whether lines that begin with `#` may stand between commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comments {
    Skipped,
    Malformed,
}

impl Reader {
    /// Hands on every whole batch of `bytes`.
    pub(crate) fn read(&mut self, bytes: &[u8], comments: Comments, receiver: &mut dyn Receiver) -> Stopped {
        let mut at = 0;
        let mut args = Vec::new();
        loop {
            let whole_to = at;
            let stop = |why| Stopped { whole_to, why };
            match bytes.get(at) {
                None => return stop(Why::End),
                Some(b'#') if comments == Comments::Skipped => match comment_end(&bytes[at..]) {
                    Ok(size) => {
                        at += size;
                        continue;
                    }
                    Err(why) => return stop(why.moved(at)),
                },
                Some(_) => {}
            }
            let size = match command(&bytes[at..], &mut args) {
                Ok(size) => size,
                Err(fault) => return stop(Why::from(fault).moved(at)),
            };
            match Framing::of(&args) {
                Framing::Select(Some(db)) => self.db = db,
                Framing::Message => {}
                Framing::Select(None) => {
                    return stop(Why::Malformed { at, expected: "SELECT and a database number" });
                }
                Framing::Exec => return stop(Why::Malformed { at, expected: "MULTI before EXEC" }),
                Framing::Multi => match self.transaction(&bytes[at + size..], at, comments, receiver) {
                    Ok(more) => at += more,
                    Err(why) => return stop(why.moved_within(at + size, whole_to)),
                },
                Framing::Effect => {
                    let (db, at) = (self.db, self.place + at as u64);
                    if let Err(refused) = receiver.batch(&ReplayBatch { db, commands: &[&args], at }) {
                        return stop(Why::Refused(refused));
                    }
                    self.batches += 1;
                    self.commands += 1;
                }
            }
            at += size;
        }
    }

    /// Reads up to and including `EXEC`, then hands the batch on. Returns its size.
    /// `start` is where its `MULTI` stands.
    fn transaction(
        &mut self,
        bytes: &[u8],
        start: usize,
        comments: Comments,
        receiver: &mut dyn Receiver,
    ) -> Result<usize, Why> {
        let mut db = self.db;
        let mut flat: Vec<&[u8]> = Vec::new();
        let mut ends: Vec<(u16, usize)> = Vec::new();
        let mut args = Vec::new();
        let mut at = 0;
        loop {
            if bytes.get(at) == Some(&b'#') && comments == Comments::Skipped {
                at += comment_end(&bytes[at..]).map_err(|why| why.moved_within(at, 0))?;
                continue;
            }
            let size = command(&bytes[at..], &mut args).map_err(|fault| Why::from(fault).moved_within(at, 0))?;
            match Framing::of(&args) {
                Framing::Multi => return Err(Why::Malformed { at, expected: "EXEC before another MULTI" }),
                Framing::Select(selected) => {
                    db = selected.ok_or(Why::Malformed { at, expected: "SELECT and a database number" })?;
                }
                Framing::Message => {}
                Framing::Effect => {
                    flat.extend_from_slice(&args);
                    ends.push((db, flat.len()));
                }
                Framing::Exec => {
                    self.db = db;
                    let place = self.place + start as u64;
                    hand_on(&flat, &ends, place, receiver)?;
                    self.batches += 1;
                    self.commands += ends.len() as u64;
                    return Ok(at + size);
                }
            }
            at += size;
        }
    }
}

/// Hands on the commands that end at `ends`, in runs of one database.
fn hand_on(flat: &[&[u8]], ends: &[(u16, usize)], at: u64, receiver: &mut dyn Receiver) -> Result<(), Why> {
    let mut commands: Vec<&[&[u8]]> = Vec::with_capacity(ends.len());
    let mut start = 0;
    for run in ends.chunk_by(|a, b| a.0 == b.0) {
        commands.clear();
        for (_, end) in run {
            commands.push(&flat[start..*end]);
            start = *end;
        }
        let batch = ReplayBatch { db: run[0].0, commands: &commands, at };
        receiver.batch(&batch).map_err(Why::Refused)?;
    }
    Ok(())
}

/// The size of the line that `bytes` begin with.
fn comment_end(bytes: &[u8]) -> Result<usize, Why> {
    let ours = crate::log::annotation::MAGIC.as_bytes();
    if bytes.starts_with(ours) {
        return Err(Why::Annotation { at: 0 });
    }
    match bytes[..bytes.len().min(COMMENT_SIZE_MAX)].iter().position(|b| *b == b'\n') {
        Some(end) => Ok(end + 1),
        None if bytes.len() < COMMENT_SIZE_MAX => Err(Why::Incomplete { needed: bytes.len() + 1 }),
        None => Err(Why::Malformed { at: 0, expected: "a comment line shorter than 1024 bytes" }),
    }
}

enum Fault {
    Incomplete { needed: usize },
    Malformed { at: usize, expected: &'static str },
}

impl From<Fault> for Why {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Incomplete { needed } => Self::Incomplete { needed },
            Fault::Malformed { at, expected } => Self::Malformed { at, expected },
        }
    }
}

impl Why {
    /// The same for bytes that begin `by` later; what is needed still counts from where the batch begins.
    fn moved(self, by: usize) -> Self {
        match self {
            Self::Malformed { at, expected } => Self::Malformed { at: at + by, expected },
            Self::Annotation { at } => Self::Annotation { at: at + by },
            other => other,
        }
    }

    fn moved_within(self, by: usize, batch: usize) -> Self {
        match self {
            Self::Incomplete { needed } => Self::Incomplete { needed: needed + by - batch },
            other => other.moved(by),
        }
    }
}

/// Reads the command that `bytes` begin with into `args` and returns its size.
#[inline]
fn command<'a>(bytes: &'a [u8], args: &mut Vec<&'a [u8]>) -> Result<usize, Fault> {
    args.clear();
    let (count, mut at) = header(bytes, 0, b'*', "`*` and the number of arguments")?;
    if count == 0 || count > ARGUMENT_COUNT_MAX {
        return Err(Fault::Malformed { at: 1, expected: "a number of arguments from 1 to 1048576" });
    }
    // As many as there are bytes for: growing step by step would hold three times as much.
    args.reserve(count.min((bytes.len() - at) / ARGUMENT_SIZE_MIN));
    for _ in 0..count {
        let (size, start) = header(bytes, at, b'$', "`$` and the size of an argument")?;
        let end = start.saturating_add(size);
        match bytes.get(end..end.saturating_add(2)) {
            Some(b"\r\n") => {}
            Some(_) => return Err(Fault::Malformed { at: end, expected: "the end of an argument" }),
            None if bytes.get(end).is_some_and(|b| *b != b'\r') => {
                return Err(Fault::Malformed { at: end, expected: "the end of an argument" });
            }
            None => return Err(Fault::Incomplete { needed: end.saturating_add(2) }),
        }
        args.push(&bytes[start..end]);
        at = end + 2;
    }
    Ok(at)
}

/// Reads `kind`, a number and a line end at `at`. Returns the number and where the line ends.
#[inline]
fn header(bytes: &[u8], at: usize, kind: u8, expected: &'static str) -> Result<(usize, usize), Fault> {
    let malformed = |at| Err(Fault::Malformed { at, expected });
    match bytes.get(at) {
        Some(first) if *first == kind => {}
        Some(_) => return malformed(at),
        None => return Err(Fault::Incomplete { needed: at + 4 }),
    }
    let mut number = 0;
    let mut next = at + 1;
    loop {
        match bytes.get(next) {
            Some(digit @ b'0'..=b'9') if next - at <= DIGITS_MAX => number = number * 10 + usize::from(digit - b'0'),
            Some(b'\r') if next > at + 1 => break,
            Some(_) => return malformed(next),
            None => return Err(Fault::Incomplete { needed: next + 1 }),
        }
        next += 1;
    }
    match bytes.get(next + 1) {
        Some(b'\n') => Ok((number, next + 2)),
        Some(_) => malformed(next + 1),
        None => Err(Fault::Incomplete { needed: next + 2 }),
    }
}

const ARGUMENT_COUNT_MAX: usize = 1 << 20;
/// An argument without bytes.
const ARGUMENT_SIZE_MIN: usize = b"$0\r\n\r\n".len();
const DIGITS_MAX: usize = 12;
/// Redis's limit for lines that it skips.
const COMMENT_SIZE_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(args: &[&str]) -> Vec<u8> {
        let args: Vec<&[u8]> = args.iter().map(|a| a.as_bytes()).collect();
        let mut out = Vec::new();
        keyslot_engine::effect::encode_effect(&mut out, &args);
        out
    }

    fn read(bytes: &[u8]) -> (Vec<String>, Stopped) {
        let mut seen = Vec::new();
        let mut apply = |batch: &ReplayBatch<'_>| {
            let commands: Vec<String> = batch
                .commands
                .iter()
                .map(|args| args.iter().map(|a| String::from_utf8_lossy(a)).collect::<Vec<_>>().join(" "))
                .collect();
            seen.push(format!("{}: {}", batch.db, commands.join("; ")));
            Ok(())
        };
        let stopped = Reader::default().read(bytes, Comments::Skipped, &mut apply);
        (seen, stopped)
    }

    fn sample() -> Vec<u8> {
        [
            encode(&["SELECT", "3"]),
            encode(&["SET", "k", ""]),
            b"#TS:1628217470\r\n".to_vec(),
            encode(&["MULTI"]),
            encode(&["INCR", "n"]),
            encode(&["select", "4"]),
            encode(&["DEL", "a", "b"]),
            encode(&["EXEC"]),
            encode(&["PING"]),
        ]
        .concat()
    }

    #[test]
    fn batches_come_whole_and_in_their_database() {
        let bytes = sample();
        let (seen, stopped) = read(&bytes);
        assert_eq!(seen, ["3: SET k ", "3: INCR n", "4: DEL a b"]);
        assert_eq!(stopped, Stopped { whole_to: bytes.len(), why: Why::End });
    }

    #[test]
    fn every_cut_stops_before_the_batch_it_cuts() {
        let bytes = sample();
        let whole: Vec<usize> = (0..=bytes.len()).filter(|end| read(&bytes[..*end]).1.why == Why::End).collect();
        assert_eq!(whole.len(), 6, "the start, SELECT, SET, the comment, EXEC, PING: {whole:?}");
        for end in 0..bytes.len() {
            let (_, stopped) = read(&bytes[..end]);
            let expected = *whole.iter().filter(|w| **w <= end).max().unwrap();
            assert_eq!(stopped.whole_to, expected, "cut at {end}");
            match stopped.why {
                Why::End => {}
                Why::Incomplete { needed } => assert!(stopped.whole_to + needed > end, "cut at {end}"),
                other => panic!("cut at {end}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_command_is_named_with_its_place() {
        for (bytes, at) in [
            (&b"\0\0\0"[..], 0),
            (b"*0\r\n", 1),
            (b"*-1\r\n", 1),
            (b"*1\n", 2),
            (b"*\r\n", 1),
            (b"*1\r\n*1\r\n", 4),
            (b"*1\r\n$3\r\nabcd\r\n", 11),
            (b"*9999999999999\r\n", 13),
            (b"*1048577\r\n", 1),
            (b"*1\r\n$4\r\nEXEC\r\n", 0),
            (b"*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n", 15),
            (b"*2\r\n$6\r\nSELECT\r\n$1\r\nx\r\n", 0),
        ] {
            match read(bytes).1.why {
                Why::Malformed { at: found, .. } => assert_eq!(found, at, "{}", bytes.escape_ascii()),
                other => panic!("{}: {other:?}", bytes.escape_ascii()),
            }
        }
    }

    #[test]
    fn lengths_that_are_not_there_allocate_nothing() {
        let (_, stopped) = read(b"*1048576\r\n$999999999999\r\n");
        assert!(matches!(stopped.why, Why::Incomplete { needed } if needed > 999_999_999_999));
    }

    #[test]
    fn a_refusal_names_the_command() {
        let bytes = encode(&["NOSUCH", "x"]);
        let mut refuse = |batch: &ReplayBatch<'_>| Err(Refused::new(batch.commands[0], "unknown"));
        let stopped = Reader::default().read(&bytes, Comments::Malformed, &mut refuse);
        assert_eq!(stopped.why, Why::Refused(Refused { what: "NOSUCH".into(), reason: "unknown".into() }));
    }
}
