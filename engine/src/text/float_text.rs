//! The spelling of floating point numbers, as C's `strtod` reads them and Redis accepts them: the whole text or nothing.
//!
//! ```text
//!   [+-] digits [. digits] [e [+-] digits]           at least one digit before the exponent
//!   [+-] 0x hexdigits [. hexdigits] [p [+-] digits]  exponent of two
//!   [+-] inf | infinity                              in any case
//! ```
//!
//! `nan` is a number to C, and refused here as Redis refuses it everywhere. So are blanks.

/// A spelled number without its sign.
pub(super) enum Magnitude<'a> {
    Infinity,
    Decimal(Decimal<'a>),
    Hexadecimal(Scaled),
}

/// `whole . fraction * 10^exponent`.
pub(super) struct Decimal<'a> {
    pub(super) whole: &'a [u8],
    pub(super) fraction: &'a [u8],
    pub(super) exponent: i64,
}

/// `significand * 2^exponent`, and a bit more if `inexact`.
#[derive(Clone, Copy)]
pub(super) struct Scaled {
    pub(super) significand: u128,
    pub(super) inexact: bool,
    pub(super) exponent: i64,
}

/// Takes a spelled number apart; true if it is negative.
pub(super) fn read(text: &[u8]) -> Option<(bool, Magnitude<'_>)> {
    let (negative, text) = sign(text);
    let magnitude = if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
        Magnitude::Infinity
    } else if let [b'0', b'x' | b'X', hex @ ..] = text {
        Magnitude::Hexadecimal(hexadecimal(hex)?)
    } else {
        Magnitude::Decimal(decimal(text)?)
    };
    Some((negative, magnitude))
}

fn decimal(text: &[u8]) -> Option<Decimal<'_>> {
    let (whole, rest) = digits(text, u8::is_ascii_digit);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => digits(rest, u8::is_ascii_digit),
        _ => (&rest[..0], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    Some(Decimal { whole, fraction, exponent: exponent(rest, b'e')? })
}

fn hexadecimal(text: &[u8]) -> Option<Scaled> {
    let (whole, rest) = digits(text, u8::is_ascii_hexdigit);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => digits(rest, u8::is_ascii_hexdigit),
        _ => (&rest[..0], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut scaled = Scaled { significand: 0, inexact: false, exponent: exponent(rest, b'p')? };
    scaled.exponent -= 4 * fraction.len() as i64;
    for &digit in whole.iter().chain(fraction) {
        let value = char::from(digit).to_digit(16)?;
        if scaled.significand >> 124 == 0 {
            scaled.significand = scaled.significand << 4 | u128::from(value);
        } else {
            scaled.inexact |= value != 0;
            scaled.exponent += 4;
        }
    }
    Some(scaled)
}

/// Reads what follows the digits: nothing, or an exponent, held at a size no number in use has.
fn exponent(text: &[u8], letter: u8) -> Option<i64> {
    let Some((first, text)) = text.split_first() else { return Some(0) };
    let (negative, text) = sign(text);
    if !first.eq_ignore_ascii_case(&letter) || text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = text.iter().fold(0, |sum: i64, digit| (sum * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX));
    Some(if negative { -size } else { size })
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn digits(text: &[u8], is_digit: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len()))
}

/// `value / 2^bits` rounded to nearest, ties to even; `inexact` says that the value was a bit more.
pub(super) fn round_shift_right(value: u128, bits: u32, inexact: bool) -> u128 {
    if bits == 0 {
        return value;
    }
    if bits > u128::BITS {
        return 0;
    }
    let half = 1 << (bits - 1);
    let rest = value & (half | (half - 1));
    let quotient = value.checked_shr(bits).unwrap_or(0);
    let up = rest > half || rest == half && (inexact || quotient & 1 == 1);
    quotient + u128::from(up)
}

const EXPONENT_MAX: i64 = 1_000_000_000_000;
