//! How often a key is used, in the 24 access bits of its entry: what LFU policies go by.
//!
//! ```text
//!   16 bits                8 bits
//!   minutes, wrapping      counter, logarithmic
//! ```
//!
//! The counter grows with a probability that falls as it grows, so that 255 stands for about a million uses; it loses one for
//! each period in which the key was not used. Both as in Redis.

use crate::options::Pace;

/// The access bits of a new key. It starts above those that are hardly used, or it would go at once.
pub(crate) fn fresh(minutes: u32) -> u32 {
    (minutes & MINUTES_MASK) << 8 | FRESH
}

/// The counter as it is by now.
pub(crate) fn counter(access: u32, minutes: u32, pace: Pace) -> u32 {
    let elapsed = minutes.wrapping_sub(access >> 8) & MINUTES_MASK;
    let periods = elapsed.checked_div(pace.decay_minutes).unwrap_or(0);
    (access & COUNTER_MAX).saturating_sub(periods)
}

/// The access bits after one more use; `random` is asked for a number.
pub(crate) fn used(access: u32, minutes: u32, pace: Pace, random: impl FnOnce() -> u64) -> u32 {
    let mut counter = counter(access, minutes, pace);
    if counter < COUNTER_MAX {
        let uses = u64::from(counter.saturating_sub(FRESH)) * u64::from(pace.log_factor) + 1;
        // One time in so many.
        counter += u32::from((u128::from(random()) * u128::from(uses)) >> 64 == 0);
    }
    (minutes & MINUTES_MASK) << 8 | counter
}

const FRESH: u32 = 5;
const COUNTER_MAX: u32 = 255;
const MINUTES_MASK: u32 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { log_factor: 10, decay_minutes: 1 };

    #[test]
    fn a_counter_grows_more_and_more_slowly() {
        let mut seed = 1u64;
        let mut random = || {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            seed ^ (seed >> 31)
        };
        let mut access = fresh(7);
        let mut after = [0; 3];
        for n in 0..100_000 {
            access = used(access, 7, PACE, &mut random);
            match n {
                99 => after[0] = access & 255,
                999 => after[1] = access & 255,
                99_999 => after[2] = access & 255,
                _ => {}
            }
        }
        // Redis's table for the factor 10 tells 10, 18 and 142.
        assert!((8..=13).contains(&after[0]), "{after:?}");
        assert!((14..=24).contains(&after[1]), "{after:?}");
        assert!((125..=160).contains(&after[2]), "{after:?}");
    }

    #[test]
    fn it_falls_with_time_and_time_wraps() {
        let access = 0xfffe << 8 | 10;
        assert_eq!(counter(access, 0xfffe, PACE), 10);
        assert_eq!(counter(access, 0x1_0002, PACE), 6);
        assert_eq!(counter(access, 0x1_0002, Pace { decay_minutes: 2, ..PACE }), 8);
        assert_eq!(counter(access, 0x1_0002, Pace { decay_minutes: 0, ..PACE }), 10);
        assert_eq!(counter(access, 0x1_0040, PACE), 0);
        assert_eq!(used(access, 0x1_0002, PACE, || u64::MAX), 2 << 8 | 6);
        assert_eq!(used(access, 0x1_0002, PACE, || 0), 2 << 8 | 7);
        assert_eq!(fresh(0x1_0002), 2 << 8 | 5);
    }
}
