//! Compressed payloads: 8 bytes of size and one LZ4 block.

use std::borrow::Cow;

/// Replaces the payload by its compressed form, if that is shorter. `scratch` is used and left empty or not.
pub(crate) fn compress(payload: &[u8], scratch: &mut Vec<u8>) -> bool {
    scratch.clear();
    scratch.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    let room = lz4_flex::block::get_maximum_output_size(payload.len());
    scratch.resize(SIZE_BYTES + room, 0);
    match lz4_flex::block::compress_into(payload, &mut scratch[SIZE_BYTES..]) {
        Ok(size) if SIZE_BYTES + size < payload.len() => {
            scratch.truncate(SIZE_BYTES + size);
            true
        }
        _ => false,
    }
}

/// What was compressed. The size that it claims is held against what a block can hold before anything is allocated, and
/// against what this one does hold if it is more than blocks usually hold. The error says what was expected and what was
/// found.
pub(crate) fn decompress(compressed: &[u8]) -> Result<Cow<'_, [u8]>, (&'static str, String)> {
    let Some((size, block)) = compressed.split_first_chunk::<SIZE_BYTES>() else {
        return Err(("8 bytes of size and an LZ4 block", format!("{} bytes", compressed.len())));
    };
    let size = u64::from_le_bytes(*size);
    let fits = usize::try_from(size).ok().filter(|size| *size <= block.len().saturating_mul(EXPANSION_MAX));
    let Some(fits) = fits else {
        return Err(("a size of at most 255 times the LZ4 block", format!("{size} for {} bytes", block.len())));
    };
    if fits > block.len() * EXPANSION_USUAL && fits != held(block) {
        return Err(("the size of what the LZ4 block holds", format!("{size}, and it holds {}", held(block))));
    }
    let mut out = vec![0; fits];
    match lz4_flex::block::decompress_into(block, &mut out) {
        Ok(filled) if filled == fits => Ok(Cow::Owned(out)),
        Ok(filled) => Err(("an LZ4 block of the size that stands before it", format!("{filled} bytes"))),
        Err(error) => Err(("an LZ4 block", error.to_string())),
    }
}

/// How many bytes the block decompresses to, by its tokens alone. O(block).
fn held(block: &[u8]) -> usize {
    let (mut at, mut len) = (0, 0);
    // A length of 15 goes on in the bytes that follow, up to the first that is not 255.
    let length = |nibble: usize, at: &mut usize| {
        let mut length = nibble;
        let mut goes_on = nibble == 15;
        while let Some(more) = block.get(*at).filter(|_| goes_on) {
            length += usize::from(*more);
            goes_on = *more == 255;
            *at += 1;
        }
        length
    };
    while let Some(token) = block.get(at).map(|token| usize::from(*token)) {
        at += 1;
        let literals = length(token >> 4, &mut at);
        at += literals;
        len += literals;
        // The last token has literals only.
        if at < block.len() {
            at += OFFSET_BYTES;
            len += length(token & 15, &mut at) + MATCH_BYTES_MIN;
        }
    }
    len
}

const SIZE_BYTES: usize = 8;
/// Where a match is.
const OFFSET_BYTES: usize = 2;
const MATCH_BYTES_MIN: usize = 4;
/// What more than this claims is looked at more closely.
const EXPANSION_USUAL: usize = 8;
/// One byte of a block adds at most 255 bytes to a run.
const EXPANSION_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shrinks_comes_back_and_what_does_not_is_left() {
        let mut scratch = Vec::new();
        for payload in [b"abcd".repeat(1000), vec![0; 1 << 20], b"x".repeat(100)] {
            assert!(compress(&payload, &mut scratch));
            assert_eq!(held(&scratch[SIZE_BYTES..]), payload.len());
            assert_eq!(decompress(&scratch).unwrap(), payload);
        }
        assert!(!compress(b"abcdefg", &mut scratch));
        assert!(!compress(b"", &mut scratch));
    }

    #[test]
    fn claims_are_refused_before_they_are_believed() {
        let mut claim = u64::MAX.to_le_bytes().to_vec();
        claim.extend_from_slice(&[0x1f, b'a', 1, 0, 255, 255]);
        assert_eq!(decompress(&claim).unwrap_err().0, "a size of at most 255 times the LZ4 block");
        claim[..8].copy_from_slice(&1530u64.to_le_bytes());
        assert_eq!(decompress(&claim).unwrap_err().0, "the size of what the LZ4 block holds");
        assert!(decompress(b"short").is_err());
        let mut scratch = Vec::new();
        assert!(compress(&b"abcd".repeat(100), &mut scratch));
        for at in 0..scratch.len() {
            for bit in 0..8 {
                let mut bent = scratch.clone();
                bent[at] ^= 1 << bit;
                let _ = decompress(&bent);
            }
        }
    }
}
