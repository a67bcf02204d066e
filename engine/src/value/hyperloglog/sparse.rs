//! The sparse form: runs of equal registers, one or two bytes each.
//!
//! ```text
//! 00llllll                 ZERO    l + 1 zeros        1 ..    64
//! 01llllll llllllll        XZERO   l + 1 zeros        1 .. 16384, the high bits first
//! 1vvvvvll                 VAL     l + 1 times v + 1  1 ..     4 times a number 1 .. 32
//! ```
//!
//! Invariant: which runs stand for given registers depends on the order in which they were raised, and is the same as in
//! Redis: runs are split where a register is raised, and only values next to it are joined again.

use super::{Corrupt, REGISTERS, Sighting};
use std::fmt::Write;

/// What became of a register to be raised.
pub(super) enum Raised {
    /// It was as high.
    Not,
    Yes,
    /// The sparse form cannot hold it.
    NoRoom,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    Zero(usize),
    LongZero(usize),
    Value(u8, usize),
}

impl Run {
    /// Reads the run at `at`, which is within the bytes. A second byte that is missing reads as zero.
    #[inline]
    fn read(runs: &[u8], at: usize) -> Self {
        let byte = runs[at];
        match byte >> 6 {
            0 => Self::Zero(usize::from(byte & 0x3f) + 1),
            1 => {
                let low = runs.get(at + 1).copied().unwrap_or(0);
                Self::LongZero((usize::from(byte & 0x3f) << 8 | usize::from(low)) + 1)
            }
            _ => Self::Value((byte >> 2 & 0x1f) + 1, usize::from(byte & 3) + 1),
        }
    }

    #[inline]
    fn bytes(self) -> usize {
        if matches!(self, Self::LongZero(_)) { 2 } else { 1 }
    }

    #[inline]
    fn len(self) -> usize {
        match self {
            Self::Zero(len) | Self::LongZero(len) | Self::Value(_, len) => len,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Zero(_) | Self::LongZero(_) => 0,
            Self::Value(rank, _) => rank,
        }
    }
}

fn value(rank: u8, len: usize) -> u8 {
    0x80 | (rank - 1) << 2 | (len as u8 - 1)
}

/// Appends a run of zeros.
pub(super) fn push_zeros(out: &mut Vec<u8>, len: usize) {
    let encoded = len - 1;
    match len {
        ..=ZERO_LEN_MAX => out.push(encoded as u8),
        _ => out.extend_from_slice(&[0x40 | (encoded >> 8) as u8, encoded as u8]),
    }
}

const ZERO_LEN_MAX: usize = 64;
const VALUE_LEN_MAX: usize = 4;
const RANK_MAX: u8 = 32;

/// The runs one after another.
fn each(runs: &[u8]) -> impl Iterator<Item = Run> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let run = (at < runs.len()).then(|| Run::read(runs, at))?;
        at += run.bytes();
        Some(run)
    })
}

/// Shows `f` every register that is not zero. Fails, perhaps after it showed some, if the runs are not as long as all
/// registers.
pub(super) fn each_value(runs: &[u8], mut f: impl FnMut(usize, u8)) -> Result<(), Corrupt> {
    let (mut register, mut at) = (0, 0);
    while let Some(&byte) = runs.get(at) {
        at += 1;
        if byte >= 0x80 {
            let (rank, end) = ((byte >> 2 & 0x1f) + 1, register + usize::from(byte & 3) + 1);
            if end > REGISTERS {
                return Err(Corrupt);
            }
            (register..end).for_each(|register| f(register, rank));
            register = end;
        } else {
            let run = Run::read(runs, at - 1);
            at += run.bytes() - 1;
            register += run.len();
            if register > REGISTERS {
                return Err(Corrupt);
            }
        }
    }
    if register == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Counts how often each number occurs.
pub(super) fn count(runs: &[u8], histogram: &mut [u32; 64]) -> Result<(), Corrupt> {
    let mut total = 0;
    for run in each(runs) {
        total += run.len();
        if total > REGISTERS {
            return Err(Corrupt);
        }
        histogram[usize::from(run.rank())] += run.len() as u32;
    }
    if total == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Where a register's run is.
struct Found {
    /// Of the run, and of the one before it.
    at: usize,
    before: Option<usize>,
    run: Run,
    /// Its first register.
    first: usize,
}

/// Every PFADD to a sparse string walks here, so runs of one byte, which are most, are only looked up in a table.
fn find(runs: &[u8], register: usize) -> Result<Found, Corrupt> {
    let (mut at, mut before, mut first) = (0, None, 0);
    while let Some(&byte) = runs.get(at) {
        let (len, bytes) = match SHORT_LENS[usize::from(byte)] {
            0 => (Run::read(runs, at).len(), 2),
            len => (usize::from(len), 1),
        };
        if register < first + len {
            return Ok(Found { at, before, run: Run::read(runs, at), first });
        }
        before = Some(at);
        at += bytes;
        first += len;
    }
    Err(Corrupt)
}

/// How long the run of a first byte is; 0 if its second byte tells.
static SHORT_LENS: [u8; 256] = short_lens();

const fn short_lens() -> [u8; 256] {
    let mut lens = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        lens[byte] = match byte {
            0..0x40 => byte as u8 + 1,
            0x40..0x80 => 0,
            _ => (byte as u8 & 3) + 1,
        };
        byte += 1;
    }
    lens
}

/// The number of a register. O(runs).
pub(super) fn get(runs: &[u8], register: usize) -> Result<u8, Corrupt> {
    find(runs, register).map(|found| found.run.rank())
}

/// Raises a register of a string whose runs begin at `start`. O(length).
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    start: usize,
    Sighting { register, rank }: Sighting,
    bytes_max: usize,
) -> Result<Raised, Corrupt> {
    if rank > RANK_MAX {
        return Ok(Raised::NoRoom);
    }
    let Found { at, before, run, first } = find(&bytes[start..], register)?;
    if run.rank() >= rank {
        return Ok(Raised::Not);
    }
    let (at, before) = (start + at, before.map(|before| start + before));
    match run {
        Run::Zero(1) | Run::Value(_, 1) => bytes[at] = value(rank, 1),
        _ => {
            let pieces = split(run, register - first, rank);
            if pieces.len() > run.bytes() && bytes.len() + pieces.len() - run.bytes() > bytes_max {
                return Ok(Raised::NoRoom);
            }
            let end = bytes.len().min(at + run.bytes());
            bytes.splice(at..end, pieces);
        }
    }
    join(bytes, before.unwrap_or(start));
    Ok(Raised::Yes)
}

/// The runs that take the place of `run` when its register at `offset` gets a value.
fn split(run: Run, offset: usize, rank: u8) -> Vec<u8> {
    let mut pieces = Vec::with_capacity(5);
    let rest = |len: usize, pieces: &mut Vec<u8>| match run {
        _ if len == 0 => {}
        Run::Value(old, _) => pieces.push(value(old, len)),
        Run::Zero(_) | Run::LongZero(_) => push_zeros(pieces, len),
    };
    rest(offset, &mut pieces);
    pieces.push(value(rank, 1));
    rest(run.len() - 1 - offset, &mut pieces);
    pieces
}

/// Joins equal values among the next few runs from `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_RUNS_MAX {
        if at >= bytes.len() {
            return;
        }
        match (Run::read(bytes, at), bytes.get(at + 1).map(|_| Run::read(bytes, at + 1))) {
            (Run::Value(rank, len), Some(Run::Value(next, next_len)))
                if rank == next && len + next_len <= VALUE_LEN_MAX =>
            {
                bytes[at + 1] = value(rank, len + next_len);
                bytes.remove(at);
            }
            (run, _) => at += run.bytes(),
        }
    }
}

const JOINED_RUNS_MAX: usize = 5;

/// The runs in words.
pub(super) fn describe(runs: &[u8]) -> String {
    let mut words = String::new();
    for run in each(runs) {
        let separator = if words.is_empty() { "" } else { " " };
        let written = match run {
            Run::Zero(len) => write!(words, "{separator}z:{len}"),
            Run::LongZero(len) => write!(words, "{separator}Z:{len}"),
            Run::Value(rank, len) => write!(words, "{separator}v:{rank},{len}"),
        };
        written.expect("writing into a string does not fail");
    }
    words
}
