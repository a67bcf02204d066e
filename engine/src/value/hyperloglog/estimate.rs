//! From registers to a number of elements: the improved estimator of Otmar Ertl, "New cardinality estimation algorithms for
//! HyperLogLog sketches" (2017), without tables or thresholds.

use super::{Corrupt, RANK_MAX, REGISTERS, sparse};

/// How many registers hold each number.
pub(super) struct Histogram(pub(super) [u32; 64]);

impl Histogram {
    pub(super) fn of_ranks(ranks: &[u8; REGISTERS]) -> Self {
        // Several counters, so that equal neighbours do not wait for each other.
        let mut parts = [[0u32; 64]; 4];
        for four in ranks.as_chunks::<4>().0 {
            for (part, rank) in parts.iter_mut().zip(four) {
                part[usize::from(rank & 63)] += 1;
            }
        }
        Self(std::array::from_fn(|rank| parts.iter().map(|part| part[rank]).sum()))
    }

    pub(super) fn of_sparse(runs: &[u8]) -> Result<Self, Corrupt> {
        let mut histogram = Self([0; 64]);
        sparse::count(runs, &mut histogram.0)?;
        Ok(histogram)
    }

    /// The number of elements.
    pub(super) fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let share = |count: f64| count / registers;
        let mut sum = registers * tau(share(registers - f64::from(self.0[RANK_MAX])));
        for rank in (1..RANK_MAX).rev() {
            sum = (sum + f64::from(self.0[rank])) * 0.5;
        }
        sum += registers * sigma(share(f64::from(self.0[0])));
        (ALPHA * registers * registers / sum).round() as u64
    }
}

/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        let before = z;
        x = x.sqrt();
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        let before = z;
        x *= x;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}
