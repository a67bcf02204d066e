//! Integers as Redis reads and writes them.

/// Parses a signed 64-bit integer with the strictness Redis applies to lengths, counters and options: an optional `-`,
/// then digits without leading zeros; no `+`, no blanks, no `-0`, no overflow.
///
/// ```
/// use keyslot_engine::text::parse_i64;
/// assert_eq!(parse_i64(b"-17"), Some(-17));
/// assert_eq!(parse_i64(b"017"), None);
/// ```
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match *text {
        [b'0'] => Some(0),
        [b'-', ref digits @ ..] => match parse_magnitude(digits)? {
            magnitude if magnitude <= i64::MIN.unsigned_abs() => Some((magnitude as i64).wrapping_neg()),
            _ => None,
        },
        _ => i64::try_from(parse_magnitude(text)?).ok(),
    }
}

/// Parses digits that do not start with a zero.
#[inline]
fn parse_magnitude(digits: &[u8]) -> Option<u64> {
    let first @ b'1'..=b'9' = *digits.first()? else { return None };
    if digits.len() > I64_DIGITS_MAX {
        return None;
    }
    let mut magnitude = u64::from(first - b'0');
    for &byte in &digits[1..] {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    Some(magnitude)
}

/// Room for the decimal form of any `i64`, to be kept on the stack.
#[derive(Clone, Copy, Debug)]
pub struct DecimalBuffer([u8; I64_TEXT_MAX]);

impl DecimalBuffer {
    /// An empty buffer.
    #[inline]
    pub const fn new() -> Self {
        Self([0; I64_TEXT_MAX])
    }
}

impl Default for DecimalBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes `value` in decimal into `buffer` and returns the text. No allocation.
///
/// ```
/// use keyslot_engine::text::{DecimalBuffer, format_i64};
/// assert_eq!(format_i64(i64::MIN, &mut DecimalBuffer::new()), b"-9223372036854775808");
/// ```
#[inline]
pub fn format_i64(value: i64, buffer: &mut DecimalBuffer) -> &[u8] {
    let bytes = &mut buffer.0;
    let mut start = bytes.len();
    let mut rest = value.unsigned_abs();
    while rest >= 100 {
        let pair = (rest % 100) as usize * 2;
        rest /= 100;
        start -= 2;
        bytes[start..start + 2].copy_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
    }
    if rest >= 10 {
        let pair = rest as usize * 2;
        start -= 2;
        bytes[start..start + 2].copy_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
    } else {
        start -= 1;
        bytes[start] = b'0' + rest as u8;
    }
    if value < 0 {
        start -= 1;
        bytes[start] = b'-';
    }
    &bytes[start..]
}

/// `i64::MIN` has 19 digits and a sign.
const I64_TEXT_MAX: usize = 20;
const I64_DIGITS_MAX: usize = 19;

static DIGIT_PAIRS: [u8; 200] = digit_pairs();

const fn digit_pairs() -> [u8; 200] {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[number * 2] = b'0' + (number / 10) as u8;
        pairs[number * 2 + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_a_number() {
        for (text, number) in [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("1234567890", 1_234_567_890),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(number), "{text}");
        }
        for text in [
            "",
            "-",
            "-0",
            "+1",
            "01",
            "-01",
            "00",
            " 1",
            "1 ",
            "1a",
            "a",
            "--1",
            "1.0",
            "1e3",
            "0x10",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "-99999999999999999999",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_number_parses_to_itself(number: i64, shift in 0u32..64) {
            let number = number >> shift;
            let mut buffer = DecimalBuffer::new();
            let text = format_i64(number, &mut buffer);
            prop_assert_eq!(text.to_vec(), number.to_string().into_bytes());
            prop_assert_eq!(parse_i64(text), Some(number));
        }

        #[test]
        fn whatever_parses_is_canonical(text in "[-+ ]?[0-9]{0,21}") {
            if let Some(number) = parse_i64(text.as_bytes()) {
                prop_assert_eq!(number.to_string(), text);
            }
        }
    }
}
