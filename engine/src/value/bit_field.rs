//! Integers of any width inside a row of bits.
//!
//! ```text
//! bit      0               8               16
//!          a b c d e f g h i j k l m n o p          u5 at 6: g h i j k, the first bit is the highest
//! ```

/// Width and sign of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldType {
    signed: bool,
    bits: u8,
}

/// What happens to a number that does not fit its field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overflow {
    /// Its low bits are kept.
    #[default]
    Wrap,
    /// The nearest limit is stored.
    Saturate,
    /// Nothing is stored.
    Fail,
}

impl FieldType {
    /// A signed field of 1 to 64 bits.
    pub const fn signed(bits: u8) -> Option<Self> {
        if bits >= 1 && bits <= 64 { Some(Self { signed: true, bits }) } else { None }
    }

    /// An unsigned field of 1 to 63 bits: replies are signed numbers of 64 bits.
    pub const fn unsigned(bits: u8) -> Option<Self> {
        if bits >= 1 && bits <= 63 { Some(Self { signed: false, bits }) } else { None }
    }

    /// How many bits it has.
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// Whether it holds numbers below zero.
    pub const fn is_signed(self) -> bool {
        self.signed
    }

    /// The number at bit `at`; bits beyond the end are zeros. O(1).
    pub(crate) fn read(self, bytes: &[u8], at: u64) -> i64 {
        let (window, _) = window(bytes, at);
        let top = window << (at & 7);
        let shift = 128 - u32::from(self.bits);
        if self.signed { (top as i128 >> shift) as i64 } else { (top >> shift) as i64 }
    }

    /// Writes the low bits of `number` at bit `at`, which the string reaches beyond. O(1).
    pub(crate) fn write(self, bytes: &mut [u8], at: u64, number: i64) {
        let (window, byte) = window(bytes, at);
        let shift = 128 - u32::from(self.bits) - (at & 7) as u32;
        let mask = (u128::MAX >> (128 - u32::from(self.bits))) << shift;
        let window = window & !mask | (number as u128) << shift & mask;
        let count = ((at & 7) as usize + usize::from(self.bits)).div_ceil(8);
        bytes[byte..byte + count].copy_from_slice(&window.to_be_bytes()[..count]);
    }

    /// `number + increment` as the field can hold it; `None` if it cannot and `overflow` says to fail.
    pub(crate) fn add(self, number: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        let sum = number.wrapping_add(increment);
        match (self.excess(number, increment), overflow) {
            (Excess::None, _) => Some(sum),
            (_, Overflow::Fail) => None,
            (_, Overflow::Wrap) => Some(self.wrap(sum)),
            (Excess::Above, Overflow::Saturate) => Some(self.max()),
            (Excess::Below, Overflow::Saturate) => Some(self.min()),
        }
    }

    fn max(self) -> i64 {
        ((1u128 << (self.bits - u8::from(self.signed))) - 1) as i64
    }

    fn min(self) -> i64 {
        if self.signed { -self.max() - 1 } else { 0 }
    }

    fn wrap(self, number: i64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed { number << unused >> unused } else { ((number as u64) << unused >> unused) as i64 }
    }

    /// On which side a sum leaves the field. `number` is any number (SET adds nothing to the new one), and room that
    /// does not fit 64 bits wraps: so numbers next to `i64::MIN` count as above, as Redis has it.
    fn excess(self, number: i64, increment: i64) -> Excess {
        let (max, min) = (self.max(), self.min());
        let (room_above, room_below) = (max.wrapping_sub(number), min.wrapping_sub(number));
        if !self.signed {
            // A negative number is a large one.
            return match () {
                () if number < 0 || number > max || increment > room_above => Excess::Above,
                () if increment < 0 && increment < room_below => Excess::Below,
                () => Excess::None,
            };
        }
        let is_full = self.bits == 64;
        if number > max || increment > room_above && (!is_full || number >= 0 && increment > 0) {
            Excess::Above
        } else if number < min || increment < room_below && (!is_full || number < 0 && increment < 0) {
            Excess::Below
        } else {
            Excess::None
        }
    }
}

enum Excess {
    None,
    Above,
    Below,
}

/// Sixteen bytes from the one that holds bit `at`, with zeros after the end; and which byte that is.
fn window(bytes: &[u8], at: u64) -> (u128, usize) {
    let byte = (at >> 3) as usize;
    let rest = bytes.get(byte..).unwrap_or_default();
    let mut window = [0; 16];
    let count = rest.len().min(FIELD_BYTES_MAX);
    window[..count].copy_from_slice(&rest[..count]);
    (u128::from_be_bytes(window), byte)
}

/// 64 bits that do not start with a byte.
const FIELD_BYTES_MAX: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_type() -> impl Strategy<Value = FieldType> {
        prop_oneof![
            (1u8..=64).prop_map(|bits| FieldType::signed(bits).unwrap()),
            (1u8..=63).prop_map(|bits| FieldType::unsigned(bits).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn a_field_holds_what_was_written_and_leaves_its_neighbours(
            field in any_type(), at in 0u64..200, number: i64, fill: u8
        ) {
            let mut bytes = vec![fill; 40];
            field.write(&mut bytes, at, number);
            prop_assert_eq!(field.read(&bytes, at), field.wrap(number));
            for bit in (0..at).chain(at + u64::from(field.bits)..320) {
                prop_assert_eq!(crate::value::bits::is_set(&bytes, bit), fill & 0x80 >> (bit & 7) != 0);
            }
        }

        #[test]
        fn sums_that_fit_are_sums_and_others_are_not(field in any_type(), number: i64, increment: i64, shift in 0u32..64) {
            let (number, increment) = (field.wrap(number), increment >> shift);
            let sum = i128::from(number) + i128::from(increment);
            let fits = (i128::from(field.min())..=i128::from(field.max())).contains(&sum);
            prop_assert_eq!(field.add(number, increment, Overflow::Fail), fits.then_some(sum as i64));
            prop_assert_eq!(field.add(number, increment, Overflow::Wrap), Some(field.wrap(sum as i64)));
            let nearest = sum.clamp(field.min().into(), field.max().into()) as i64;
            prop_assert_eq!(field.add(number, increment, Overflow::Saturate), Some(nearest));
        }
    }

    #[test]
    fn limits() {
        let (i8, u8) = (FieldType::signed(8).unwrap(), FieldType::unsigned(8).unwrap());
        assert_eq!((i8.min(), i8.max(), u8.min(), u8.max()), (-128, 127, 0, 255));
        assert_eq!(FieldType::signed(64).unwrap().max(), i64::MAX);
        assert_eq!(FieldType::signed(1).unwrap().max(), 0);
        assert_eq!((FieldType::signed(0), FieldType::signed(65), FieldType::unsigned(64)), (None, None, None));
        // Stored anew, not added to.
        assert_eq!(u8.add(-1, 0, Overflow::Saturate), Some(255));
        assert_eq!(i8.add(-500, 0, Overflow::Saturate), Some(-128));
        assert_eq!(i8.add(i64::MIN, 0, Overflow::Saturate), Some(127));
    }

    #[test]
    fn bits_beyond_the_end_are_zeros() {
        assert_eq!(FieldType::unsigned(12).unwrap().read(b"\xff", 0), 0xff0);
        assert_eq!(FieldType::signed(64).unwrap().read(b"\xff", 7), i64::MIN);
        assert_eq!(FieldType::signed(64).unwrap().read(b"", u64::MAX), 0);
    }
}
