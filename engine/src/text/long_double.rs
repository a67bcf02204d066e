//! Sums of decimal fractions as Redis computes and prints them: in the 80-bit format of x86, with 17 decimals.
//!
//! INCRBYFLOAT and its kin read both numbers as C's `long double`, add, print `%.17Lf` and cut the zeros at the end. That
//! gives 10.6 for 10.5 + 0.1, where a plain double would show 10.59999999999999964. The format is computed here in
//! integers, so that results are the same bytes on any machine: 64 bits of significand, rounding to nearest, ties to even.
//!
//! ```text
//!   value = significand * 2^exponent        -16445 <= exponent <= 16320
//!   the top bit of the significand is set unless the exponent is the smallest
//! ```

use super::float_text::{self, Decimal, Magnitude, Scaled};
use super::natural::Natural;

/// A number in the 80-bit extended format: finite or infinite, never a NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Finite { significand: u64, exponent: i32 },
    Infinite,
}

impl LongDouble {
    /// Reads a number as Redis does for INCRBYFLOAT. Decimal, hexadecimal (`0x1.8p3`), `inf` and `infinity` are numbers;
    /// `nan`, blanks, trailing bytes, more than 5119 bytes, and what is too large or too small (but not zero) are not.
    /// Rounds to nearest; O(n) for numbers of everyday size, O(n^2) within the length limit.
    ///
    /// ```
    /// use keyslot_engine::text::LongDouble;
    /// let sum = LongDouble::parse(b"10.5").unwrap().checked_add(LongDouble::parse(b"0.1").unwrap()).unwrap();
    /// assert_eq!(sum.to_text(), b"10.6");
    /// ```
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, magnitude) = float_text::read(text)?;
        let size = match magnitude {
            Magnitude::Infinity => Size::Infinite,
            Magnitude::Decimal(decimal) => from_decimal(&decimal)?,
            Magnitude::Hexadecimal(Scaled { significand: 0, .. }) => ZERO,
            Magnitude::Hexadecimal(scaled) => round(scaled).filter(|&size| size != ZERO)?,
        };
        Some(Self { negative, size })
    }

    /// True for both infinities.
    pub fn is_infinite(self) -> bool {
        self.size == Size::Infinite
    }

    /// The sum, rounded to nearest; `None` if it is infinite or not a number.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (
            Size::Finite { significand, exponent },
            Size::Finite { significand: other_significand, exponent: other_exponent },
        ) = (self.size, other.size)
        else {
            return None;
        };
        let (mut large, mut small) =
            ((exponent, significand, self.negative), (other_exponent, other_significand, other.negative));
        // By size: with equal exponents the larger significand; with different ones, a set top bit decides.
        if (small.0, small.1) > (large.0, large.1) {
            std::mem::swap(&mut large, &mut small);
        }
        let sum_exponent = i64::from(large.0) - i64::from(GUARD_BITS);
        let augend = u128::from(large.1) << GUARD_BITS;
        let addend = shift_right_jamming(u128::from(small.1) << GUARD_BITS, large.0.abs_diff(small.0));
        let sum = if large.2 == small.2 { augend + addend } else { augend - addend };
        let negative = if sum == 0 { large.2 && small.2 } else { large.2 };
        let size = round(Scaled { significand: sum, inexact: false, exponent: sum_exponent })?;
        Some(Self { negative, size })
    }

    /// A thousand times the number, rounded up to an integer: seconds to milliseconds, as Redis reads timeouts. `None` if that is
    /// above `i64::MAX`; what is below `i64::MIN` is held there.
    pub fn ceil_of_thousandfold(self) -> Option<i64> {
        let product = match self.size {
            Size::Infinite => None,
            Size::Finite { significand, exponent } => {
                let product = u128::from(significand) * 1000;
                round(Scaled { significand: product, inexact: false, exponent: exponent.into() })
            }
        };
        let whole = match product {
            None | Some(Size::Infinite) => None,
            Some(Size::Finite { significand, exponent }) if exponent >= 0 => {
                let places = exponent.unsigned_abs();
                (places <= significand.leading_zeros()).then(|| significand.checked_shl(places).unwrap_or(0))
            }
            Some(Size::Finite { significand, exponent }) => {
                let places = exponent.unsigned_abs();
                let floor = significand.checked_shr(places).unwrap_or(0);
                let is_cut = significand != 0 && significand.trailing_zeros() < places;
                Some(floor + u64::from(is_cut && !self.negative))
            }
        };
        match (self.negative, whole) {
            (false, whole) => i64::try_from(whole?).ok(),
            (true, whole) => Some(whole.and_then(|whole| 0i64.checked_sub_unsigned(whole)).unwrap_or(i64::MIN)),
        }
    }

    /// The number with at most 17 decimals, without zeros at the end and without exponent; `inf` or `-inf`. What rounds
    /// to zero is `0`.
    pub fn to_text(self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.negative {
            out.push(b'-');
        }
        match self.size {
            Size::Infinite => out.extend_from_slice(b"inf"),
            Size::Finite { significand, exponent } if exponent >= 0 => {
                let mut whole = Natural::new(significand);
                whole.shift_left(exponent.unsigned_abs());
                whole.print(&mut out);
            }
            Size::Finite { significand, exponent } => print_fraction(significand, exponent.unsigned_abs(), &mut out),
        }
        if out == b"-0" {
            out.remove(0);
        }
        out
    }
}

/// Prints `significand / 2^places`, rounded to 17 decimals.
fn print_fraction(significand: u64, places: u32, out: &mut Vec<u8>) {
    // Below 2^121: 10^17 has 57 bits.
    let scaled = u128::from(significand) * DECIMALS_SCALE;
    let rounded = if places >= u128::BITS { 0 } else { float_text::round_shift_right(scaled, places, false) };
    out.extend_from_slice((rounded / DECIMALS_SCALE).to_string().as_bytes());
    let fraction = rounded % DECIMALS_SCALE;
    if fraction != 0 {
        let digits = format!(".{fraction:0width$}", width = DECIMALS);
        out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
}

fn from_decimal(decimal: &Decimal<'_>) -> Option<Size> {
    let digits = || decimal.whole.iter().chain(decimal.fraction);
    let leading = digits().take_while(|&&digit| digit == b'0').count();
    let trailing = digits().rev().take_while(|&&digit| digit == b'0').count();
    let all = decimal.whole.len() + decimal.fraction.len();
    if leading == all {
        return Some(ZERO);
    }
    let count = all - leading - trailing;
    let exponent = decimal.exponent - decimal.fraction.len() as i64 + trailing as i64;
    let digits = digits().skip(leading).take(count);
    if !(TENS_MIN..=TENS_MAX).contains(&(exponent + count as i64)) {
        return None;
    }
    let size = if count <= SHORT_DIGITS && exponent.unsigned_abs() <= u64::from(SHORT_TENS) {
        let whole = digits.fold(0, |sum: u64, digit| sum * 10 + u64::from(digit - b'0'));
        from_short_decimal(whole, exponent as i32)
    } else {
        from_long_decimal(Natural::from_digits(digits), exponent)
    };
    size.filter(|&size| size != ZERO)
}

/// `whole * 10^exponent` for a power of ten of at most [`SHORT_TENS`]: one product or one quotient of machine numbers.
fn from_short_decimal(whole: u64, exponent: i32) -> Option<Size> {
    let power = 5u128.pow(exponent.unsigned_abs());
    if exponent >= 0 {
        return round(Scaled { significand: u128::from(whole) * power, inexact: false, exponent: exponent.into() });
    }
    // The divisor has at most 63 bits, so that the quotient keeps the 64 of the result and more.
    let shift = u128::from(whole).leading_zeros();
    let dividend = u128::from(whole) << shift;
    round(Scaled {
        significand: dividend / power,
        inexact: dividend % power != 0,
        exponent: i64::from(exponent) - i64::from(shift),
    })
}

fn from_long_decimal(mut whole: Natural, exponent: i64) -> Option<Size> {
    // Bounded by the length of the text and the range of the format.
    let power = Natural::power_of_ten(u32::try_from(exponent.unsigned_abs()).ok()?);
    let mut divisor = Natural::new(1);
    if exponent >= 0 {
        whole.multiply(&power);
    } else {
        divisor = power;
    }
    let shift = i64::from(QUOTIENT_BITS) - (i64::from(whole.bits()) - i64::from(divisor.bits()));
    if shift >= 0 {
        whole.shift_left(u32::try_from(shift).ok()?);
    } else {
        divisor.shift_left(u32::try_from(-shift).ok()?);
    }
    let significand = whole.divide(divisor);
    round(Scaled { significand, inexact: !whole.is_zero(), exponent: -shift })
}

/// Rounds to a significand of 64 bits; `None` if the result is too large. The result is zero if it is too small.
fn round(scaled: Scaled) -> Option<Size> {
    if scaled.significand == 0 {
        return Some(ZERO);
    }
    let bits = i64::from(u128::BITS - scaled.significand.leading_zeros());
    let excess = (bits - SIGNIFICAND_BITS).max(EXPONENT_MIN - scaled.exponent);
    let mut exponent = scaled.exponent + excess;
    let mut significand = if excess <= 0 {
        scaled.significand << -excess
    } else {
        float_text::round_shift_right(scaled.significand, u32::try_from(excess).unwrap_or(u32::MAX), scaled.inexact)
    };
    if significand >> SIGNIFICAND_BITS != 0 {
        significand >>= 1;
        exponent += 1;
    }
    if exponent > EXPONENT_MAX {
        return None;
    }
    match significand {
        0 => Some(ZERO),
        _ => Some(Size::Finite { significand: significand as u64, exponent: exponent as i32 }),
    }
}

/// `value / 2^bits` with the lowest bit set if any bit was lost: rounding it later gives what rounding the exact value
/// would have given.
fn shift_right_jamming(value: u128, bits: u32) -> u128 {
    match value.checked_shr(bits) {
        Some(quotient) => quotient | u128::from(quotient << bits != value),
        None => u128::from(value != 0),
    }
}

const ZERO: Size = Size::Finite { significand: 0, exponent: EXPONENT_MIN as i32 };
const SIGNIFICAND_BITS: i64 = 64;
const EXPONENT_MIN: i64 = -16445;
const EXPONENT_MAX: i64 = 16383 - 63;
/// Bits below the significands of a sum: one bit of 128 is left for its carry.
const GUARD_BITS: u32 = 63;
/// Quotients get two or three bits more than the significand.
const QUOTIENT_BITS: u32 = 66;
/// Bounds of the power of ten of a number's first digit, a little wider than the format.
const TENS_MIN: i64 = -4960;
const TENS_MAX: i64 = 4940;
/// Digits that surely fit 64 bits.
const SHORT_DIGITS: usize = 19;
/// 5^27 has 63 bits.
const SHORT_TENS: u32 = 27;
const DECIMALS: usize = 17;
const DECIMALS_SCALE: u128 = 10u128.pow(DECIMALS as u32);
/// Redis reads numbers through a buffer of 5 KiB.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

#[cfg(test)]
#[path = "long_double_tests.rs"]
mod tests;
