//! Strings as rows of bits: bit 0 is the highest bit of the first byte.
//!
//! Pure functions over bytes; hot loops go by words of 64 bits and are written so that the compiler can widen them.

use std::ops::Range;

/// How several strings are made into one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BitOperation {
    /// A bit is set where all have it.
    And,
    /// A bit is set where any has it.
    Or,
    /// A bit is set where an odd number of them has it.
    Xor,
    /// The bits of the one string, turned over.
    Not,
}

/// The byte that holds a bit, and the bit's mask in it.
#[inline]
pub(crate) fn place(bit: u64) -> (usize, u8) {
    ((bit >> 3) as usize, 0x80 >> (bit & 7))
}

/// Whether a bit is set; bits beyond the end are not. O(1).
#[inline]
pub(crate) fn is_set(bytes: &[u8], bit: u64) -> bool {
    let (byte, mask) = place(bit);
    bytes.get(byte).is_some_and(|byte| byte & mask != 0)
}

/// Lengthens a string to at least `len` bytes with zeros.
pub(crate) fn lengthen(bytes: &mut Vec<u8>, len: usize) {
    if bytes.is_empty() && bytes.capacity() < len {
        // Zeroed memory is cheaper to get than to write.
        *bytes = vec![0; len];
    } else if bytes.len() < len {
        bytes.resize(len, 0);
    }
}

/// How many bits of `range` are set; the range lies within the string. O(range).
pub(crate) fn count_range(bytes: &[u8], range: Range<u64>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let (first, last) = ((range.start >> 3) as usize, ((range.end - 1) >> 3) as usize);
    let before = bytes[first] & !(0xff >> (range.start & 7));
    let after = bytes[last] & (0x7fu8 >> ((range.end - 1) & 7));
    count_ones(&bytes[first..=last]) - u64::from(before.count_ones()) - u64::from(after.count_ones())
}

/// How many bits are set. O(length).
///
/// Sixteen words are added up by carry-save adders before their bits are counted, so that counting, which takes a dozen
/// operations without an instruction of the processor's own, is done once for sixteen words:
///
/// ```text
/// ones, twos, fours, eights      sums so far, bit by bit: together up to 15
/// sixteens                       what is carried out of a block: counted at once, in sums of bytes
/// ```
pub(crate) fn count_ones(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
    let mut sums = Sums::default();
    let mut sixteens = 0;
    for part in blocks.chunks(BLOCKS_SUMMED) {
        let mut byte_sums = [0; LANES];
        for block in part {
            let first = sums.add_eight(block, 0);
            let second = sums.add_eight(block, 8);
            let carried = add(&mut sums.eights, first, second);
            for (sum, word) in byte_sums.iter_mut().zip(carried) {
                *sum += count_in_bytes(word);
            }
        }
        sixteens += byte_sums.iter().map(|sum| add_bytes(*sum)).sum::<u64>();
    }
    let total = |lanes: Lanes| lanes.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
    let Sums { ones, twos, fours, eights } = sums;
    let (words, tail) = rest.as_chunks::<8>();
    16 * sixteens
        + 8 * total(eights)
        + 4 * total(fours)
        + 2 * total(twos)
        + total(ones)
        + words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum::<u64>()
        + tail.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// Words side by side: what every processor of 64 bits takes in one step.
type Lanes = [u64; LANES];
const LANES: usize = 2;
const LANES_BYTES: usize = LANES * 8;
const BLOCK_BYTES: usize = 16 * LANES_BYTES;

/// A byte counts up to 8 of each block, so so many blocks fit a sum of bytes.
const BLOCKS_SUMMED: usize = 255 / 8;

#[derive(Default)]
struct Sums {
    ones: Lanes,
    twos: Lanes,
    fours: Lanes,
    eights: Lanes,
}

impl Sums {
    /// Adds eight steps of a block and returns what is carried to the eights.
    #[inline(always)]
    fn add_eight(&mut self, block: &[u8; BLOCK_BYTES], at: usize) -> Lanes {
        let first = self.add_four(block, at);
        let second = self.add_four(block, at + 4);
        add(&mut self.fours, first, second)
    }

    #[inline(always)]
    fn add_four(&mut self, block: &[u8; BLOCK_BYTES], at: usize) -> Lanes {
        let first = add(&mut self.ones, lanes(block, at), lanes(block, at + 1));
        let second = add(&mut self.ones, lanes(block, at + 2), lanes(block, at + 3));
        add(&mut self.twos, first, second)
    }
}

#[inline(always)]
fn lanes(block: &[u8; BLOCK_BYTES], at: usize) -> Lanes {
    let (steps, _) = block.as_chunks::<LANES_BYTES>();
    let (words, _) = steps[at].as_chunks::<8>();
    std::array::from_fn(|lane| u64::from_ne_bytes(words[lane]))
}

/// Adds two words of bits to the sums, bit by bit, and returns the carries.
#[inline(always)]
fn add(sums: &mut Lanes, a: Lanes, b: Lanes) -> Lanes {
    let mut carries = [0; LANES];
    for lane in 0..LANES {
        let half = sums[lane] ^ a[lane];
        carries[lane] = sums[lane] & a[lane] | half & b[lane];
        sums[lane] = half ^ b[lane];
    }
    carries
}

/// How many bits each byte of a word has set, in that byte.
#[inline(always)]
fn count_in_bytes(word: u64) -> u64 {
    let pairs = word - (word >> 1 & 0x5555_5555_5555_5555);
    let nibbles = (pairs & 0x3333_3333_3333_3333) + (pairs >> 2 & 0x3333_3333_3333_3333);
    (nibbles + (nibbles >> 4)) & 0x0f0f_0f0f_0f0f_0f0f
}

fn add_bytes(word: u64) -> u64 {
    word.to_ne_bytes().iter().map(|byte| u64::from(*byte)).sum()
}

/// The first bit of `range` that is `wanted`; the range lies within the string. O(range).
pub(crate) fn find(bytes: &[u8], wanted: bool, range: Range<u64>) -> Option<u64> {
    if range.is_empty() {
        return None;
    }
    let (first, last) = ((range.start >> 3) as usize, ((range.end - 1) >> 3) as usize);
    let turned = if wanted { 0 } else { 0xff };
    let head = (bytes[first] ^ turned) & (0xff >> (range.start & 7));
    let found = match head {
        0 => find_whole(&bytes[first + 1..=last], turned).map(|bit| (first as u64 + 1) * 8 + bit),
        head => Some(first as u64 * 8 + u64::from(head.leading_zeros())),
    };
    found.filter(|bit| *bit < range.end)
}

/// The first set bit of the string, each byte of which is turned over by `turned`.
fn find_whole(bytes: &[u8], turned: u8) -> Option<u64> {
    let (blocks, _) = bytes.as_chunks::<64>();
    let is_plain = |block: &&[u8; 64]| block.iter().fold(0, |any, byte| any | byte ^ turned) == 0;
    let skipped = blocks.iter().take_while(is_plain).count() * 64;
    let at = skipped + bytes[skipped..].iter().position(|byte| *byte != turned)?;
    Some(at as u64 * 8 + u64::from((bytes[at] ^ turned).leading_zeros()))
}

/// What is combined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BitSource<'a> {
    /// Another string.
    Other(&'a [u8]),
    /// What the result takes the place of.
    Own,
}

/// Makes `sources` into one string in the place of `out`, as long as the longest of them; the shorter ones end in zeros.
/// O(all lengths).
pub(crate) fn combine(operation: BitOperation, sources: &[BitSource<'_>], out: &mut Vec<u8>) {
    let own_len = out.len();
    let lens = sources.iter().map(|source| match source {
        BitSource::Other(bytes) => bytes.len(),
        BitSource::Own => own_len,
    });
    let len = lens.max().unwrap_or(0);
    if sources.contains(&BitSource::Own) {
        return combine_over(operation, sources, out, len);
    }
    out.clear();
    out.reserve_exact(len);
    let mut start = 0;
    // Pieces that stay in the nearest cache while every source goes over them.
    while start < len {
        let end = len.min(start + PIECE_BYTES);
        out.extend_from_slice(part(sources[0], b"", start..end));
        out.resize(end, 0);
        fold_rest(operation, &mut out[start..], &sources[1..], b"", start..end);
        start = end;
    }
}

/// As [`combine`], where a source is what is written over: each piece is put together beside it.
fn combine_over(operation: BitOperation, sources: &[BitSource<'_>], out: &mut Vec<u8>, len: usize) {
    out.resize(len, 0);
    let mut piece = Vec::with_capacity(len.min(PIECE_BYTES));
    let mut start = 0;
    while start < len {
        let end = len.min(start + PIECE_BYTES);
        piece.clear();
        piece.extend_from_slice(part(sources[0], out, start..end));
        piece.resize(end - start, 0);
        fold_rest(operation, &mut piece, &sources[1..], out, start..end);
        out[start..end].copy_from_slice(&piece);
        start = end;
    }
}

/// What a source has of a range.
fn part<'a>(source: BitSource<'a>, own: &'a [u8], range: Range<usize>) -> &'a [u8] {
    let bytes = match source {
        BitSource::Other(bytes) => bytes,
        BitSource::Own => own,
    };
    &bytes[range.start.min(bytes.len())..range.end.min(bytes.len())]
}

fn fold_rest(operation: BitOperation, piece: &mut [u8], rest: &[BitSource<'_>], own: &[u8], range: Range<usize>) {
    if operation == BitOperation::Not {
        piece.iter_mut().for_each(|byte| *byte = !*byte);
    }
    for source in rest {
        fold(operation, piece, part(*source, own, range.clone()));
    }
}

fn fold(operation: BitOperation, piece: &mut [u8], other: &[u8]) {
    let pairs = piece.iter_mut().zip(other);
    match operation {
        BitOperation::And => pairs.for_each(|(byte, other)| *byte &= other),
        BitOperation::Or => pairs.for_each(|(byte, other)| *byte |= other),
        BitOperation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
        BitOperation::Not => {}
    }
    if operation == BitOperation::And {
        piece[other.len()..].fill(0);
    }
}

const PIECE_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(bytes: &[u8]) -> Vec<bool> {
        (0..bytes.len() as u64 * 8).map(|bit| is_set(bytes, bit)).collect()
    }

    fn sparse() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..1600),
            (0usize..1600, any::<bool>(), proptest::collection::vec((any::<usize>(), any::<u8>()), 0..3)).prop_map(
                |(len, full, marks)| {
                    let mut bytes = vec![if full { 0xff } else { 0 }; len];
                    marks.into_iter().filter(|_| len > 0).for_each(|(at, byte)| bytes[at % len] = byte);
                    bytes
                }
            )
        ]
    }

    proptest! {
        #[test]
        fn counting_and_finding_agree_with_looking_at_each_bit(bytes in sparse(), a: u64, b: u64, wanted: bool) {
            let bits = plain(&bytes);
            let len = bits.len() as u64;
            let (a, b) = (a % (len + 1), b % (len + 1));
            let range = a.min(b)..a.max(b);
            let part = &bits[range.start as usize..range.end as usize];
            prop_assert_eq!(count_range(&bytes, range.clone()), part.iter().filter(|bit| **bit).count() as u64);
            let first = part.iter().position(|bit| *bit == wanted).map(|at| at as u64 + range.start);
            prop_assert_eq!(find(&bytes, wanted, range), first);
            prop_assert_eq!(count_ones(&bytes), bits.iter().filter(|bit| **bit).count() as u64);
        }

        #[test]
        fn combining_agrees_with_each_byte(sources in proptest::collection::vec(sparse(), 1..5), which in 0..4, own: usize) {
            let operation = [BitOperation::And, BitOperation::Or, BitOperation::Xor, BitOperation::Not][which as usize];
            let sources: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let sources = if operation == BitOperation::Not { &sources[..1] } else { &sources[..] };
            let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
            let expected: Vec<u8> = (0..len)
                .map(|at| {
                    let bytes = sources.iter().map(|source| source.get(at).copied().unwrap_or(0));
                    match operation {
                        BitOperation::And => bytes.fold(0xff, |sum, byte| sum & byte),
                        BitOperation::Or => bytes.fold(0, |sum, byte| sum | byte),
                        BitOperation::Xor => bytes.fold(0, |sum, byte| sum ^ byte),
                        BitOperation::Not => !sources[0][at],
                    }
                })
                .collect();
            let others: Vec<_> = sources.iter().map(|source| BitSource::Other(source)).collect();
            let mut out = vec![7; 5];
            combine(operation, &others, &mut out);
            prop_assert_eq!(&out, &expected);
            let at = own % sources.len();
            let (mut mixed, mut out) = (others, sources[at].to_vec());
            mixed[at] = BitSource::Own;
            combine(operation, &mixed, &mut out);
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn long_strings_are_combined_piece_by_piece() {
        let (long, short) = (vec![0x0f; 3 * PIECE_BYTES + 5], vec![0xff; PIECE_BYTES + 1]);
        let mut out = Vec::new();
        let (long_one, short_one) = (BitSource::Other(&long), BitSource::Other(&short));
        combine(BitOperation::And, &[long_one, short_one], &mut out);
        assert_eq!(count_ones(&out), 4 * short.len() as u64);
        assert_eq!(out.len(), long.len());
        combine(BitOperation::Xor, &[short_one, long_one, long_one], &mut out);
        assert_eq!((count_ones(&out), out.len()), (8 * short.len() as u64, long.len()));
    }
}
