//! An integer set as Redis keeps it: 4 bytes of width (2, 4 or 8), 4 bytes of count, then the integers in ascending order, all
//! little-endian.

use super::error::PayloadError;

/// The integers, ascending. The bytes must be exactly those of the set.
pub(super) fn integers(bytes: &[u8]) -> Result<impl Iterator<Item = i64> + '_, PayloadError> {
    let (Some(width), Some(count)) = (bytes.first_chunk::<4>(), bytes.get(4..8)) else {
        return Err(PayloadError::corrupt(0, "the head of an integer set"));
    };
    let width = match u32::from_le_bytes(*width) {
        width @ (2 | 4 | 8) => width as usize,
        _ => return Err(PayloadError::corrupt(0, "integers of 2, 4 or 8 bytes")),
    };
    let count = u32::from_le_bytes([count[0], count[1], count[2], count[3]]) as usize;
    if count == 0 || count.checked_mul(width) != Some(bytes.len() - 8) {
        return Err(PayloadError::corrupt(4, "as many integers as the set says"));
    }
    let integer = move |bytes: &[u8]| {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(bytes);
        let unused = 64 - 8 * width as u32;
        i64::from_le_bytes(wide) << unused >> unused
    };
    let all = bytes[8..].chunks_exact(width).map(integer);
    if !all.clone().is_sorted_by(|a, b| a < b) {
        return Err(PayloadError::corrupt(8, "integers in ascending order"));
    }
    Ok(all)
}

#[cfg(test)]
/// The set of some ascending integers, in the narrowest width.
pub(super) fn encode(integers: &[i64]) -> Vec<u8> {
    let fits = |narrow: fn(i64) -> bool| integers.iter().all(|n| narrow(*n));
    let width = match () {
        () if fits(|n| i16::try_from(n).is_ok()) => 2,
        () if fits(|n| i32::try_from(n).is_ok()) => 4,
        () => 8,
    };
    let mut out = Vec::with_capacity(8 + integers.len() * width);
    out.extend_from_slice(&(width as u32).to_le_bytes());
    out.extend_from_slice(&(integers.len() as u32).to_le_bytes());
    for n in integers {
        out.extend_from_slice(&n.to_le_bytes()[..width]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_comes_back() {
        for set in [&[-3i64, 0, 7][..], &[1, 70_000], &[i64::MIN, -1, i64::MAX]] {
            let bytes = encode(set);
            assert_eq!(integers(&bytes).expect("sound").collect::<Vec<_>>(), set);
            for len in 0..bytes.len() {
                assert!(integers(&bytes[..len]).is_err());
            }
        }
        assert!(integers(&encode(&[2, 1])).is_err());
        assert!(integers(&encode(&[])).is_err());
    }
}
