//! Natural numbers of any size, as far as reading and printing floating point numbers needs them.
//!
//! Limbs of 32 bits, the lowest first, without zeros at the top. Sizes are bounded by the callers, who know the range of
//! the floating point format.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Natural(Vec<u32>);

impl Natural {
    pub(super) fn new(value: u64) -> Self {
        let mut natural = Self(vec![value as u32, (value >> 32) as u32]);
        natural.trim();
        natural
    }

    /// The number with these decimal digits.
    pub(super) fn from_digits<'a>(digits: impl IntoIterator<Item = &'a u8>) -> Self {
        let mut natural = Self(Vec::new());
        let (mut chunk, mut power) = (0, 1);
        for digit in digits {
            chunk = chunk * 10 + u32::from(digit - b'0');
            power *= 10;
            if power == CHUNK {
                natural.multiply_add(power, chunk);
                (chunk, power) = (0, 1);
            }
        }
        natural.multiply_add(power, chunk);
        natural
    }

    /// Ten to this power.
    pub(super) fn power_of_ten(exponent: u32) -> Self {
        let mut power = Self::new(1);
        for _ in 0..exponent / CHUNK_DIGITS {
            power.multiply_add(CHUNK, 0);
        }
        power.multiply_add(10u32.pow(exponent % CHUNK_DIGITS), 0);
        power
    }

    pub(super) fn bits(&self) -> u32 {
        self.0.last().map_or(0, |top| self.0.len() as u32 * 32 - top.leading_zeros())
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn multiply(&mut self, factor: &Self) {
        let mut product = vec![0u32; self.0.len() + factor.0.len()];
        for (place, &limb) in self.0.iter().enumerate() {
            let mut carry = 0;
            for (low, &other) in product[place..].iter_mut().zip(&factor.0) {
                let sum = u64::from(limb) * u64::from(other) + u64::from(*low) + carry;
                *low = sum as u32;
                carry = sum >> 32;
            }
            product[place + factor.0.len()] = carry as u32;
        }
        self.0 = product;
        self.trim();
    }

    pub(super) fn shift_left(&mut self, bits: u32) {
        let mut limbs = vec![0; (bits / 32) as usize];
        let bits = bits % 32;
        let mut carry = 0;
        for &limb in &self.0 {
            let wide = u64::from(limb) << bits | carry;
            limbs.push(wide as u32);
            carry = wide >> 32;
        }
        limbs.push(carry as u32);
        self.0 = limbs;
        self.trim();
    }

    /// Divides by `divisor`, which must not be zero and of which the quotient must fit. Leaves the remainder.
    pub(super) fn divide(&mut self, mut divisor: Self) -> u128 {
        let steps = self.bits().saturating_sub(divisor.bits()) + 1;
        divisor.shift_left(steps);
        let mut quotient = 0;
        for _ in 0..steps {
            divisor.halve();
            quotient <<= 1;
            if self.at_least(&divisor) {
                self.subtract(&divisor);
                quotient |= 1;
            }
        }
        quotient
    }

    /// Appends the decimal digits.
    pub(super) fn print(mut self, out: &mut Vec<u8>) {
        let mut chunks = Vec::new();
        while !self.is_zero() {
            chunks.push(self.divide_by_chunk());
        }
        let mut chunks = chunks.iter().rev();
        out.extend_from_slice(chunks.next().unwrap_or(&0).to_string().as_bytes());
        chunks.for_each(|chunk| out.extend_from_slice(format!("{chunk:09}").as_bytes()));
    }

    fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for limb in &mut self.0 {
            let sum = u64::from(*limb) * u64::from(factor) + carry;
            *limb = sum as u32;
            carry = sum >> 32;
        }
        self.0.push(carry as u32);
        self.trim();
    }

    fn divide_by_chunk(&mut self) -> u32 {
        let mut rest = 0u64;
        for limb in self.0.iter_mut().rev() {
            let part = rest << 32 | u64::from(*limb);
            *limb = (part / u64::from(CHUNK)) as u32;
            rest = part % u64::from(CHUNK);
        }
        self.trim();
        rest as u32
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for limb in self.0.iter_mut().rev() {
            (*limb, carry) = (*limb >> 1 | carry << 31, *limb & 1);
        }
        self.trim();
    }

    fn at_least(&self, other: &Self) -> bool {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())).is_ge()
    }

    /// Subtracts `other`, which must not be larger.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (place, limb) in self.0.iter_mut().enumerate() {
            let (rest, first) = limb.overflowing_sub(other.0.get(place).copied().unwrap_or(0));
            let (rest, second) = rest.overflowing_sub(u32::from(borrow));
            (*limb, borrow) = (rest, first | second);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

/// The largest power of ten in a limb.
const CHUNK: u32 = 10u32.pow(CHUNK_DIGITS);
const CHUNK_DIGITS: u32 = 9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(natural: Natural) -> String {
        let mut out = Vec::new();
        natural.print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn powers() {
        assert_eq!(text(Natural::power_of_ten(40)), format!("1{}", "0".repeat(40)));
        let mut power = Natural::new(1);
        power.shift_left(100);
        assert_eq!((power.bits(), text(power)), (101, (1u128 << 100).to_string()));
        assert_eq!(text(Natural::new(0)), "0");
    }

    proptest! {
        #[test]
        fn digits_come_back(digits in "[1-9][0-9]{0,80}") {
            prop_assert_eq!(text(Natural::from_digits(digits.as_bytes())), digits);
        }

        #[test]
        fn division_undoes_multiplication(quotient: u64, divisor in "[1-9][0-9]{0,60}", remainder: u32) {
            let divisor = Natural::from_digits(divisor.as_bytes());
            let mut product = Natural::new(quotient);
            product.multiply(&divisor);
            let mut whole = product.clone();
            prop_assert_eq!(whole.divide(divisor.clone()), u128::from(quotient));
            prop_assert!(whole.is_zero());
            let remainder = Natural::new(u64::from(remainder));
            prop_assume!(!remainder.at_least(&divisor));
            // product + remainder, as 1 * product + remainder limb.
            product.multiply_add(1, remainder.0.first().copied().unwrap_or(0));
            prop_assert_eq!(product.divide(divisor), u128::from(quotient));
            prop_assert_eq!(product, remainder);
        }

        #[test]
        fn products_agree_with_the_machine(a: u64, b: u64, shift in 0u32..64) {
            let mut product = Natural::new(a);
            product.multiply(&Natural::new(b));
            prop_assert_eq!(text(product), (u128::from(a) * u128::from(b)).to_string());
            let mut shifted = Natural::new(a);
            shifted.shift_left(shift);
            prop_assert_eq!(text(shifted), (u128::from(a) << shift).to_string());
        }
    }
}
