//! LZF, the compression of long strings.
//!
//! ```text
//! 000lllll                      l + 1 literal bytes follow
//! lllooooo oooooooo             copy l + 2 bytes (l = 1..6) from o + 1 bytes back
//! 111ooooo llllllll oooooooo    copy l + 9 bytes from o + 1 bytes back
//! ```

use super::error::PayloadError;

/// Decompresses `input` to exactly `len` bytes. A claim beyond what so much input can hold is refused before anything is
/// allocated for it; one beyond what it usually holds is first held against what it does hold. O(len).
pub(super) fn decompress(input: &[u8], len: usize) -> Result<Vec<u8>, PayloadError> {
    let is_unusual = len > input.len().saturating_mul(EXPANSION_USUAL);
    if is_unusual && (len > input.len().saturating_mul(EXPANSION_MAX) || len != held(input)) {
        return Err(PayloadError::corrupt(0, "a compressed string claims more than it can hold"));
    }
    let mut out = Vec::with_capacity(len);
    let mut at = 0;
    while at < input.len() {
        let control = usize::from(input[at]);
        at += 1;
        if control < LITERAL_MAX {
            let literal = input.get(at..at + control + 1).ok_or_else(|| cut(at))?;
            out.extend_from_slice(literal);
            at += control + 1;
        } else {
            let mut count = control >> 5;
            if count == 7 {
                count += usize::from(*input.get(at).ok_or_else(|| cut(at))?);
                at += 1;
            }
            let low = usize::from(*input.get(at).ok_or_else(|| cut(at))?);
            at += 1;
            let back = ((control & 0x1f) << 8 | low) + 1;
            let from = out.len().checked_sub(back);
            let from = from.ok_or_else(|| PayloadError::corrupt(at, "a reference to before the beginning"))?;
            copy_back(&mut out, from, count + 2);
        }
        if out.len() > len {
            return Err(PayloadError::corrupt(at, "a compressed string holds more than it says"));
        }
    }
    if out.len() == len {
        Ok(out)
    } else {
        Err(PayloadError::corrupt(at, "a compressed string holds less than it says"))
    }
}

/// How many bytes the input decompresses to, by its control bytes alone. O(input).
fn held(input: &[u8]) -> usize {
    let (mut at, mut len) = (0, 0);
    while let Some(control) = input.get(at).map(|control| usize::from(*control)) {
        let (size, count) = match control >> 5 {
            0 => (control + 2, control + 1),
            7 => (3, usize::from(input.get(at + 1).copied().unwrap_or(0)) + 9),
            count => (2, count + 2),
        };
        at += size;
        len += count;
    }
    len
}

/// The source may reach into what is being written: then it repeats.
fn copy_back(out: &mut Vec<u8>, from: usize, count: usize) {
    if from + count <= out.len() {
        return out.extend_from_within(from..from + count);
    }
    for at in from..from + count {
        let byte = out[at];
        out.push(byte);
    }
}

#[cold]
fn cut(at: usize) -> PayloadError {
    PayloadError::corrupt(at, "a compressed string is cut")
}

/// Compresses, if that saves at least four bytes. O(input).
pub(super) fn compress(input: &[u8]) -> Option<Vec<u8>> {
    let room = input.len().checked_sub(4)?;
    let mut out = Vec::with_capacity(room);
    // A place for each position of a short input: most inputs are short, and clearing more would take longer than the rest.
    let bits = (usize::BITS - input.len().leading_zeros()).min(HASH_BITS_MAX);
    let mut seen = vec![0u32; 1 << bits];
    let (mut at, mut literals) = (0, 0);
    while at + REFERENCE_MIN <= input.len() {
        let place = &mut seen[hash(&input[at..], bits)];
        // Positions are kept plus one, so that 0 says none.
        let candidate = std::mem::replace(place, at as u32 + 1) as usize;
        let found = candidate.checked_sub(1).filter(|from| {
            at - from <= DISTANCE_MAX && input[*from..*from + REFERENCE_MIN] == input[at..at + REFERENCE_MIN]
        });
        let Some(from) = found else {
            at += 1;
            continue;
        };
        flush(&mut out, &input[literals..at]);
        let longest = (input.len() - at).min(REFERENCE_MAX);
        let count = (REFERENCE_MIN..longest).take_while(|n| input[from + n] == input[at + n]).count() + REFERENCE_MIN;
        let (back, len) = (at - from - 1, count - 2);
        if len < 7 {
            out.push((len << 5 | back >> 8) as u8);
        } else {
            out.extend_from_slice(&[(7 << 5 | back >> 8) as u8, (len - 7) as u8]);
        }
        out.push(back as u8);
        at += count;
        literals = at;
        if out.len() >= room {
            return None;
        }
    }
    flush(&mut out, &input[literals..]);
    (out.len() <= room).then_some(out)
}

fn flush(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERAL_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn hash(bytes: &[u8], bits: u32) -> usize {
    let three = u32::from(bytes[0]) | u32::from(bytes[1]) << 8 | u32::from(bytes[2]) << 16;
    (three.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize
}

const HASH_BITS_MAX: u32 = 13;
const LITERAL_MAX: usize = 32;
const REFERENCE_MIN: usize = 3;
const REFERENCE_MAX: usize = 264;
const DISTANCE_MAX: usize = 8192;

/// Three bytes of a reference stand for at most 264.
const EXPANSION_MAX: usize = 88;
/// What more than this claims is looked at more closely.
const EXPANSION_USUAL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back() {
        let mut state = 1u64;
        for round in 0..200usize {
            let input: Vec<u8> = (0..round * 37)
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    b'a' + ((state >> 33) % (1 + round as u64 % 9)) as u8
                })
                .collect();
            if let Some(small) = compress(&input) {
                assert!(small.len() + 4 <= input.len());
                assert_eq!(held(&small), input.len());
                assert_eq!(decompress(&small, input.len()), Ok(input));
            }
        }
        let zeros = vec![0; 100_000];
        let small = compress(&zeros).expect("zeros compress");
        assert!(small.len() < 1300);
        assert_eq!(decompress(&small, zeros.len()), Ok(zeros));
    }

    #[test]
    fn damage_is_told_and_never_panics() {
        let small = compress(&[b"abcabcabcabd".repeat(50), b"xyz".repeat(9)].concat()).expect("it repeats");
        for len in 0..small.len() {
            assert!(decompress(&small[..len], 627).is_err());
        }
        for bit in 0..small.len() * 8 {
            let mut bent = small.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            let _ = decompress(&bent, 627);
        }
        assert!(decompress(&[1, 2], 1 << 40).is_err());
        let more = "a compressed string claims more than it can hold";
        assert_eq!(decompress(&[0, b'x', 0xe0, 255, 0], 266), Err(PayloadError::corrupt(0, more)));
        assert_eq!(decompress(&[0, b'x', 0xe0, 255, 0], 265), Ok(vec![b'x'; 265]));
        assert!(decompress(&[0x20, 0xff], 3).is_err());
    }
}
