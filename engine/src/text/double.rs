//! Doubles as Redis reads and writes them.
//!
//! Two printed forms exist. [`format_f64`] is Redis 7.2's: the shortest digits that read back as the same number, and
//! plain digits for whole numbers up to 2^62. [`format_f64_g17`] is that of 7.0 and before: C's `%.17g`. 7.2 itself now
//! and then prints a digit more than the shortest; both spellings read back as the same number.

use std::fmt::{self, Write};

use super::float_text::{self, Magnitude, Scaled};
use super::number::{DecimalBuffer, format_i64};

/// Reads a double as Redis does for scores, increments and timeouts: decimal, hexadecimal (`0x1.8p3`), `inf` and
/// `infinity`, with an optional sign. `nan`, blanks, trailing bytes, and what is too large or too small (but not zero)
/// are no numbers. Callers that want a finite number must look for the infinities.
///
/// ```
/// use keyslot_engine::text::parse_f64;
/// assert_eq!(parse_f64(b"+1.5e3"), Some(1500.0));
/// assert_eq!(parse_f64(b"1.5 "), None);
/// ```
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, magnitude) = float_text::read(text)?;
    let size = match magnitude {
        Magnitude::Infinity => return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        Magnitude::Decimal(decimal) => {
            let unsigned = text.strip_prefix(b"-").unwrap_or(text);
            let size: f64 = std::str::from_utf8(unsigned).ok()?.parse().ok()?;
            let zero = decimal.whole.iter().chain(decimal.fraction).all(|&digit| digit == b'0');
            (zero || size != 0.0).then_some(size)?
        }
        Magnitude::Hexadecimal(Scaled { significand: 0, .. }) => 0.0,
        Magnitude::Hexadecimal(scaled) => Some(round(scaled)).filter(|&size| size != 0.0)?,
    };
    size.is_finite().then_some(if negative { -size } else { size })
}

/// The nearest double, ties to even.
fn round(scaled: Scaled) -> f64 {
    let bits = i64::from(u128::BITS - scaled.significand.leading_zeros());
    let excess = (bits - SIGNIFICAND_BITS).max(EXPONENT_MIN - scaled.exponent).max(0);
    let excess_bits = u32::try_from(excess).unwrap_or(u32::MAX);
    let significand = float_text::round_shift_right(scaled.significand, excess_bits, scaled.inexact) as f64;
    // Exact from here on, unless it leaves the format: at most 53 bits, times a power of two in two halves.
    let exponent = (scaled.exponent + excess).clamp(-2 * NORMAL_EXPONENT_MAX, 2 * NORMAL_EXPONENT_MAX);
    significand * power_of_two(exponent / 2) * power_of_two(exponent - exponent / 2)
}

fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// Room for the printed form of any double, to be kept on the stack.
#[derive(Clone, Copy, Debug)]
pub struct DoubleBuffer {
    bytes: [u8; DOUBLE_TEXT_MAX],
    len: usize,
}

impl DoubleBuffer {
    /// An empty buffer.
    pub const fn new() -> Self {
        Self { bytes: [0; DOUBLE_TEXT_MAX], len: 0 }
    }

    fn put(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    fn zeros(&mut self, count: usize) {
        self.bytes[self.len..self.len + count].fill(b'0');
        self.len += count;
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Default for DoubleBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// The form of scores and doubles in replies: `inf`, `-inf`, `nan`, `3`, `-0`, `3.15`, `1e-7`, `1.5e+300`.
///
/// ```
/// use keyslot_engine::text::{DoubleBuffer, format_f64};
/// assert_eq!(format_f64(0.1 + 0.2, &mut DoubleBuffer::new()), b"0.30000000000000004");
/// ```
pub fn format_f64(value: f64, buffer: &mut DoubleBuffer) -> &[u8] {
    buffer.len = 0;
    if let Some(name) = special(value) {
        buffer.put(name);
    } else if value.abs() <= WHOLE_MAX && value == value.trunc() {
        buffer.put(format_i64(value as i64, &mut DecimalBuffer::new()));
    } else {
        let decimal = Decimal::shortest(value);
        if value < 0.0 {
            buffer.put(b"-");
        }
        layout_shortest(&decimal, buffer);
    }
    buffer.as_bytes()
}

/// The form of C's `%.17g`, which Redis 7.0 uses where 7.2 uses [`format_f64`].
pub fn format_f64_g17(value: f64, buffer: &mut DoubleBuffer) -> &[u8] {
    buffer.len = 0;
    if let Some(name) = special(value) {
        buffer.put(name);
        return buffer.as_bytes();
    }
    if value < 0.0 {
        buffer.put(b"-");
    }
    let decimal = Decimal::seventeen(value);
    if (-4..17).contains(&decimal.exponent) {
        layout_plain(&decimal, buffer);
    } else {
        layout_scientific(&decimal, 2, buffer);
    }
    buffer.as_bytes()
}

fn special(value: f64) -> Option<&'static [u8]> {
    if value.is_nan() {
        return Some(b"nan");
    }
    if value.is_infinite() {
        return Some(if value > 0.0 { b"inf" } else { b"-inf" });
    }
    (value == 0.0).then_some(if value.is_sign_negative() { b"-0" } else { b"0" })
}

/// The digits of a finite number, without trailing zeros: `d.ddd * 10^exponent`.
struct Decimal {
    digits: [u8; SIGNIFICANT_MAX],
    len: usize,
    exponent: i32,
}

impl Decimal {
    fn shortest(value: f64) -> Self {
        Self::read(format_args!("{:e}", value.abs()))
    }

    fn seventeen(value: f64) -> Self {
        Self::read(format_args!("{:.16e}", value.abs()))
    }

    fn read(scientific: fmt::Arguments<'_>) -> Self {
        let mut text = StackText { bytes: [0; DOUBLE_TEXT_MAX], len: 0 };
        text.write_fmt(scientific).expect("a double has at most 17 digits, a point and a four-letter exponent");
        let mut decimal = Self { digits: [0; SIGNIFICANT_MAX], len: 0, exponent: 0 };
        let mut bytes = text.bytes[..text.len].iter();
        for &byte in bytes.by_ref().take_while(|&&byte| byte != b'e') {
            if byte != b'.' {
                decimal.digits[decimal.len] = byte;
                decimal.len += 1;
            }
        }
        let exponent = bytes.as_slice();
        let (sign, digits) = exponent.strip_prefix(b"-").map_or((1, exponent), |digits| (-1, digits));
        decimal.exponent = sign * digits.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
        while decimal.len > 1 && decimal.digits[decimal.len - 1] == b'0' {
            decimal.len -= 1;
        }
        decimal
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.len]
    }
}

struct StackText {
    bytes: [u8; DOUBLE_TEXT_MAX],
    len: usize,
}

impl Write for StackText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// Chooses between the plain and the scientific form as Redis 7.2 does: `scale` is the power of ten of the last digit.
fn layout_shortest(decimal: &Decimal, buffer: &mut DoubleBuffer) {
    let scale = decimal.exponent - (decimal.len as i32 - 1);
    let magnitude = decimal.exponent.abs();
    let plain = if scale >= 0 { magnitude < decimal.len as i32 + 7 } else { scale > -7 || magnitude < 4 };
    if plain { layout_plain(decimal, buffer) } else { layout_scientific(decimal, 1, buffer) }
}

fn layout_plain(decimal: &Decimal, buffer: &mut DoubleBuffer) {
    let digits = decimal.digits();
    if decimal.exponent < 0 {
        buffer.put(b"0.");
        buffer.zeros(decimal.exponent.unsigned_abs() as usize - 1);
        buffer.put(digits);
        return;
    }
    let whole = decimal.exponent as usize + 1;
    if whole >= digits.len() {
        buffer.put(digits);
        buffer.zeros(whole - digits.len());
    } else {
        buffer.put(&digits[..whole]);
        buffer.put(b".");
        buffer.put(&digits[whole..]);
    }
}

fn layout_scientific(decimal: &Decimal, exponent_digits_min: usize, buffer: &mut DoubleBuffer) {
    let digits = decimal.digits();
    buffer.put(&digits[..1]);
    if digits.len() > 1 {
        buffer.put(b".");
        buffer.put(&digits[1..]);
    }
    buffer.put(if decimal.exponent < 0 { b"e-" } else { b"e+" });
    let mut number = DecimalBuffer::new();
    let exponent = format_i64(i64::from(decimal.exponent.abs()), &mut number);
    buffer.zeros(exponent_digits_min.saturating_sub(exponent.len()));
    buffer.put(exponent);
}

/// Whole numbers up to here are printed as integers.
const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;
/// Digits that tell any two doubles apart.
const SIGNIFICANT_MAX: usize = 17;
/// A sign, 17 digits, a point and `e-324`, or a sign and 24 digits, with room to spare.
const DOUBLE_TEXT_MAX: usize = 32;
const SIGNIFICAND_BITS: i64 = 53;
/// Of the lowest bit of a double.
const EXPONENT_MIN: i64 = -1074;
/// Powers of two that are normal in both directions.
const NORMAL_EXPONENT_MAX: i64 = 1022;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shortest(value: f64) -> String {
        String::from_utf8(format_f64(value, &mut DoubleBuffer::new()).to_vec()).unwrap()
    }

    fn g17(value: f64) -> String {
        String::from_utf8(format_f64_g17(value, &mut DoubleBuffer::new()).to_vec()).unwrap()
    }

    #[test]
    fn printed_forms() {
        for (value, short, long) in [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (1.0, "1", "1"),
            (-3.0, "-3", "-3"),
            (0.1, "0.1", "0.10000000000000001"),
            (-0.1, "-0.1", "-0.10000000000000001"),
            (3.15, "3.15", "3.1499999999999999"),
            (0.30000000000000004, "0.30000000000000004", "0.30000000000000004"),
            (1e5, "100000", "100000"),
            (1e17, "100000000000000000", "1e+17"),
            (4e18, "4000000000000000000", "4e+18"),
            (1e19, "1e+19", "1e+19"),
            (1e21, "1e+21", "1e+21"),
            (123456789012345680000.0, "123456789012345680000", "1.2345678901234568e+20"),
            (1e300, "1e+300", "1.0000000000000001e+300"),
            (0.000001, "0.000001", "9.9999999999999995e-07"),
            (0.0001, "0.0001", "0.0001"),
            (0.0000001, "1e-7", "9.9999999999999995e-08"),
            (0.00012345678901234567, "1.2345678901234567e-4", "0.00012345678901234567"),
            (0.0012345678901234567, "0.0012345678901234567", "0.0012345678901234567"),
            (1234.5678, "1234.5678", "1234.5678"),
            (5e-324, "5e-324", "4.9406564584124654e-324"),
            (-f64::MAX, "-1.7976931348623157e+308", "-1.7976931348623157e+308"),
            (f64::INFINITY, "inf", "inf"),
            (f64::NEG_INFINITY, "-inf", "-inf"),
            (f64::NAN, "nan", "nan"),
        ] {
            assert_eq!(shortest(value), short);
            assert_eq!(g17(value), long);
        }
    }

    #[test]
    fn numbers_as_redis_reads_them() {
        for (text, number) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("1.5", 1.5),
            ("+1", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("007", 7.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            ("0e99999", 0.0),
            ("5e-324", 5e-324),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("-0X1.8p3", -12.0),
            ("0x.8", 0.5),
            ("0x1p-1074", 5e-324),
            ("0x1.8p-1074", 1e-323),
            ("0x1fffffffffffff8p0", 144_115_188_075_855_872.0),
            ("0x1.00000000000008", 1.0),
            ("0x1.000000000000080000000000000000000000000000001", 1.0 + f64::EPSILON),
            ("0x1.fffffffffffff7p1023", f64::MAX),
        ] {
            let parsed = parse_f64(text.as_bytes()).unwrap_or(f64::NAN);
            assert_eq!(parsed.to_bits(), number.to_bits(), "{text}: {parsed}");
        }
        for text in [
            "",
            " 1",
            "1 ",
            "nan",
            "NaN",
            "-nan",
            ".",
            "e5",
            "1e",
            "1e+",
            "--1",
            "+-1",
            "1.2.3",
            "1_0",
            "0x",
            "0x.",
            "0xg",
            "0x1p",
            "in",
            "infin",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p1024",
            "0x1p-1080",
            "1,5",
            "\u{0661}",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn hexadecimal_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i64, bits & ((1 << 52) - 1));
            let lead = u64::from(exponent != 0);
            let sign = if value.is_sign_negative() { "-" } else { "" };
            let text = format!("{sign}0x{lead}.{fraction:013x}p{}", exponent.max(1) - 1023);
            prop_assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), Some(bits), "{}", text);
        }

        #[test]
        fn any_text_is_a_number_or_not(text in "[-+]?[0-9a-fx.ep-]{0,12}") {
            let rust = text.parse::<f64>().ok().filter(|number| number.is_finite());
            if !text.contains('x') && rust.is_none_or(|number| number != 0.0) {
                prop_assert_eq!(parse_f64(text.as_bytes()), rust);
            }
        }

        #[test]
        fn any_double_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(shortest(value).parse::<f64>().unwrap().to_bits(), bits);
            prop_assert_eq!(g17(value).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn decimals_print_as_typed(whole in 0u32..100_000, cents in 1u32..100) {
            let text = format!("{whole}.{cents:02}");
            prop_assert_eq!(shortest(text.parse().unwrap()), text.trim_end_matches('0'));
        }
    }
}
