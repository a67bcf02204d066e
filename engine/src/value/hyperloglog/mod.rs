//! HyperLogLog: how many different elements were seen, in at most 12 KiB, about 0.8 % off. Kept in a string whose bytes are
//! Redis's own.
//!
//! ```text
//! 0       4      5         8                    16
//! "HYLL"  form   3 unused  cardinality, LE      registers: 16384 numbers of 6 bits
//!         0 dense          highest bit: stale   dense:  12288 bytes, see `dense`
//!         1 sparse                              sparse: runs, see `sparse`
//! ```
//!
//! An element's hash chooses a register (low 14 bits) and a number (place of the lowest set bit of the rest); a register
//! keeps the largest. Sparse strings become dense, never back: when they grow too long, or a number is above 32.
//!
//! Invariant: bytes that anybody may have written are never trusted: a string that contradicts itself gives [`Corrupt`].

pub(crate) mod dense;
mod estimate;
mod hash;
pub(crate) mod sparse;

use dense::DENSE_BYTES;
use estimate::Histogram;

/// How many registers there are.
pub(crate) const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;

/// The largest number of a register: the hash has 50 bits left.
const RANK_MAX: usize = 64 - INDEX_BITS as usize + 1;

const HEADER_BYTES: usize = 16;
const MAGIC: &[u8] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;

/// The registers of a sparse string contradict their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Corrupt;

/// How the registers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Dense,
    Sparse,
}

/// A register and the number that an element gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sighting {
    pub(crate) register: usize,
    pub(crate) rank: u8,
}

impl Sighting {
    /// Where an element is seen. O(element).
    pub(crate) fn of(element: &[u8]) -> Self {
        let hash = hash::murmur64a(element, HASH_SEED);
        let rest = hash >> INDEX_BITS | 1 << (64 - INDEX_BITS);
        Self { register: hash as usize & (REGISTERS - 1), rank: rest.trailing_zeros() as u8 + 1 }
    }
}

const HASH_SEED: u64 = 0xadc8_3b19;

/// The bytes of a counter that has seen nothing.
pub(crate) fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..4].copy_from_slice(MAGIC);
    bytes[4] = SPARSE;
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// How a string keeps its registers; `None` if it is no HyperLogLog.
pub(crate) fn form(bytes: &[u8]) -> Option<Form> {
    if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
        return None;
    }
    match bytes[4] {
        DENSE if bytes.len() == HEADER_BYTES + DENSE_BYTES => Some(Form::Dense),
        SPARSE => Some(Form::Sparse),
        _ => None,
    }
}

/// Whether an element would change a register. O(1) dense, O(length) sparse.
pub(crate) fn would_change(bytes: &[u8], form: Form, sighting: Sighting) -> Result<bool, Corrupt> {
    let registers = &bytes[HEADER_BYTES..];
    let old = match form {
        Form::Dense => dense::get(registers, sighting.register),
        Form::Sparse => sparse::get(registers, sighting.register)?,
    };
    Ok(old < sighting.rank)
}

/// Raises a register; says whether that changed it. A sparse string longer than `sparse_bytes_max` becomes dense. O(1)
/// dense, O(length) sparse.
pub(crate) fn raise(bytes: &mut Vec<u8>, sighting: Sighting, sparse_bytes_max: usize) -> Result<bool, Corrupt> {
    if bytes[4] == DENSE {
        return Ok(dense::raise(&mut bytes[HEADER_BYTES..], sighting));
    }
    match sparse::raise(bytes, HEADER_BYTES, sighting, sparse_bytes_max)? {
        sparse::Raised::Not => Ok(false),
        sparse::Raised::Yes => Ok(true),
        sparse::Raised::NoRoom => {
            make_dense(bytes)?;
            Ok(dense::raise(&mut bytes[HEADER_BYTES..], sighting))
        }
    }
}

/// Turns a sparse string into a dense one. O(registers).
pub(crate) fn make_dense(bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
    if bytes[4] == DENSE {
        return Ok(());
    }
    let mut whole = vec![0; HEADER_BYTES + DENSE_BYTES];
    whole[..HEADER_BYTES].copy_from_slice(&bytes[..HEADER_BYTES]);
    whole[4] = DENSE;
    sparse::each_value(&bytes[HEADER_BYTES..], |register, rank| {
        dense::set(&mut whole[HEADER_BYTES..], register, rank)
    })?;
    *bytes = whole;
    Ok(())
}

/// Raises each of `ranks` to what a string has. O(registers).
pub(crate) fn merge_into(ranks: &mut [u8; REGISTERS], bytes: &[u8], form: Form) -> Result<(), Corrupt> {
    let registers = &bytes[HEADER_BYTES..];
    match form {
        Form::Dense => {
            dense::merge_into(ranks, registers);
            Ok(())
        }
        Form::Sparse => sparse::each_value(registers, |register, rank| ranks[register] = ranks[register].max(rank)),
    }
}

/// The registers of a sparse string in words: `z:n` and `Z:n` zeros, `v:value,n` values.
pub(crate) fn describe_runs(bytes: &[u8]) -> String {
    sparse::describe(&bytes[HEADER_BYTES..])
}

/// The number of different elements that these registers stand for. O(registers).
pub(crate) fn estimate_ranks(ranks: &[u8; REGISTERS]) -> u64 {
    Histogram::of_ranks(ranks).estimate()
}

/// The number of different elements that a string stands for. O(registers) dense, O(length) sparse.
pub(crate) fn estimate(bytes: &[u8], form: Form) -> Result<u64, Corrupt> {
    let registers = &bytes[HEADER_BYTES..];
    match form {
        Form::Sparse => Ok(Histogram::of_sparse(registers)?.estimate()),
        Form::Dense => {
            let mut ranks = [0; REGISTERS];
            dense::merge_into(&mut ranks, registers);
            Ok(estimate_ranks(&ranks))
        }
    }
}

/// The estimate that a string keeps, unless it is stale. O(1).
pub(crate) fn cached(bytes: &[u8]) -> Option<u64> {
    let word = bytes[8..HEADER_BYTES].first_chunk::<8>().map_or(STALE, |word| u64::from_le_bytes(*word));
    (word & STALE == 0).then_some(word)
}

/// Keeps an estimate.
pub(crate) fn cache(bytes: &mut [u8], cardinality: u64) {
    bytes[8..HEADER_BYTES].copy_from_slice(&cardinality.to_le_bytes());
}

/// Marks the estimate that is kept as stale.
pub(crate) fn invalidate(bytes: &mut [u8]) {
    bytes[HEADER_BYTES - 1] |= 0x80;
}

const STALE: u64 = 1 << 63;

#[cfg(test)]
mod tests;
