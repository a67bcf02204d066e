//! The dense form: 6 bits for each register, the lowest bits of a byte first.
//!
//! ```text
//! byte     0         1         2
//! bits     11000000  22221111  33333322        four registers in three bytes
//! ```

use super::{REGISTERS, Sighting};

pub(super) const DENSE_BYTES: usize = REGISTERS * 6 / 8;

/// The number of a register. O(1).
pub(crate) fn get(registers: &[u8], register: usize) -> u8 {
    let (byte, shift) = place(register);
    let pair = u16::from(registers[byte]) | u16::from(registers.get(byte + 1).copied().unwrap_or(0)) << 8;
    (pair >> shift) as u8 & 63
}

pub(super) fn set(registers: &mut [u8], register: usize, rank: u8) {
    let (byte, shift) = place(register);
    let (mask, bits) = (63u16 << shift, u16::from(rank) << shift);
    registers[byte] = registers[byte] & !(mask as u8) | bits as u8;
    if mask > 0xff {
        registers[byte + 1] = registers[byte + 1] & !((mask >> 8) as u8) | (bits >> 8) as u8;
    }
}

/// Raises a register; says whether that changed it.
pub(super) fn raise(registers: &mut [u8], Sighting { register, rank }: Sighting) -> bool {
    let is_higher = rank > get(registers, register);
    if is_higher {
        set(registers, register, rank);
    }
    is_higher
}

/// Raises each of `ranks` to the register's number. O(registers).
pub(super) fn merge_into(ranks: &mut [u8; REGISTERS], registers: &[u8]) {
    let mut spread = [0; BLOCK_REGISTERS];
    for (ranks, packed) in ranks.chunks_exact_mut(BLOCK_REGISTERS).zip(registers.chunks_exact(BLOCK_REGISTERS * 6 / 8))
    {
        for (spread, packed) in spread.as_chunks_mut::<8>().0.iter_mut().zip(packed.as_chunks::<6>().0) {
            let [a, b, c, d, e, f] = *packed;
            *spread = spread_eight(u64::from_le_bytes([a, b, c, d, e, f, 0, 0])).to_le_bytes();
        }
        for (rank, other) in ranks.iter_mut().zip(spread) {
            *rank = (*rank).max(other);
        }
    }
}

/// Spreads eight numbers of 6 bits to a byte each.
#[inline(always)]
fn spread_eight(packed: u64) -> u64 {
    let halves = packed & 0xff_ffff | (packed & 0xffff_ff00_0000) << 8;
    let quarters = halves & 0x0000_0fff_0000_0fff | (halves & 0x00ff_f000_00ff_f000) << 4;
    quarters & 0x003f_003f_003f_003f | (quarters & 0x0fc0_0fc0_0fc0_0fc0) << 2
}

const BLOCK_REGISTERS: usize = 64;

fn place(register: usize) -> (usize, u32) {
    (register * 6 / 8, (register * 6 % 8) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn registers_do_not_touch_each_other(writes in proptest::collection::vec((0..REGISTERS, 0u8..64), 0..300)) {
            let mut registers = vec![0; DENSE_BYTES];
            let mut plain = [0; REGISTERS];
            for (register, rank) in writes {
                set(&mut registers, register, rank);
                plain[register] = rank;
            }
            let mut merged = [0; REGISTERS];
            merge_into(&mut merged, &registers);
            prop_assert!(merged == plain);
            prop_assert!((0..REGISTERS).all(|register| get(&registers, register) == plain[register]));
        }
    }
}
