//! Keys of 16 bytes and the orders in which they are asked for.

use std::sync::Arc;

/// Bytes of a value.
pub(crate) const VALUE_BYTES: usize = 64;

/// The key of a number: the 16 hexadecimal digits of its scrambled bits, so that neighbours have nothing in common.
#[inline]
pub(crate) fn key(number: u32) -> [u8; 16] {
    let scrambled = scramble(u64::from(number));
    let mut text = [0; 16];
    text[..8].copy_from_slice(&digits((scrambled >> 32) as u32).to_be_bytes());
    text[8..].copy_from_slice(&digits(scrambled as u32).to_be_bytes());
    text
}

/// The value first stored for a number.
pub(crate) fn value(number: u32) -> [u8; VALUE_BYTES] {
    let mut bytes = [b'v'; VALUE_BYTES];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Eight hexadecimal digits, the first in the highest byte.
#[inline]
fn digits(bits: u32) -> u64 {
    let mut x = u64::from(bits);
    x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let above_nine = (x + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    x + 0x3030_3030_3030_3030 + above_nine * 39
}

/// A bijection of 64-bit numbers whose results look random.
#[inline]
fn scramble(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A stream of random numbers.
#[derive(Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(scramble(seed))
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 32) as u32
    }

    #[inline]
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (u64::from(self.next()) * u64::from(bound) >> 32) as u32
    }
}

/// Numbers below a count, drawn from a Zipf distribution beforehand, so that drawing costs nothing while measuring.
#[derive(Clone)]
pub(crate) struct Zipf(Arc<[u32]>);

impl Zipf {
    /// Draws the sample. The popular numbers are spread over the whole range, as popular keys are. O(count).
    pub(crate) fn new(count: u32, exponent: f64) -> Self {
        let n = f64::from(count);
        let zeta: f64 = (1..=count).map(|i| f64::from(i).powf(-exponent)).sum();
        let zeta2 = 1.0 + 2f64.powf(-exponent);
        let alpha = 1.0 / (1.0 - exponent);
        let eta = (1.0 - (2.0 / n).powf(1.0 - exponent)) / (1.0 - zeta2 / zeta);
        let mut chance = Chance::new(7);
        let draw = |_| {
            let u = f64::from(chance.next()) / 4_294_967_296.0;
            let rank = match u * zeta {
                uz if uz < 1.0 => 0,
                uz if uz < zeta2 => 1,
                _ => (n * (eta * u - eta + 1.0).powf(alpha)) as u32,
            };
            (u128::from(scramble(u64::from(rank.min(count - 1)))) * u128::from(count) >> 64) as u32
        };
        Self((0..SAMPLE_COUNT).map(draw).collect())
    }

    #[inline]
    pub(crate) fn at(&self, step: usize) -> u32 {
        self.0[step % SAMPLE_COUNT]
    }
}

const SAMPLE_COUNT: usize = 1 << 22;
