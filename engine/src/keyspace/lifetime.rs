//! How long keys with an expiry have to live, on average: an estimate for each database, from samples.
//!
//! Each sample moves the estimate a fiftieth of the way, as in Redis; the first sets it.

use super::slots::SlotArray;
use super::totals::Totals;
use crate::table::KeyHasher;
use crate::time::UnixMillis;

/// Looks at some keys of a database that have an expiry, and corrects [`Totals::mean_ttl_ms`] by what they have to live.
/// Looks at no more than about [`SLOTS_MAX`] slots and [`ENTRIES_MAX`] entries; busy slots are passed over.
pub(crate) fn sample(
    (slots, totals, hasher): (&SlotArray, &Totals, &KeyHasher),
    db: u16,
    now: UnixMillis,
    random: impl Fn() -> u64,
) {
    if totals.expires(db) == 0 {
        return;
    }
    let occupied = totals.occupied(db);
    let count = occupied.count();
    let (mut sum_ms, mut found, mut looked) = (0i128, 0, 0);
    for _ in 0..SLOTS_MAX.min(count) {
        let Some(slot) = occupied.nth((random() % count as u64) as usize) else { break };
        let Some(guard) = slots.try_lock_warm(slot) else { continue };
        let Some(shard) = guard.state.shard(db).filter(|shard| shard.next_expiry().0 < i64::MAX) else { continue };
        let from = if shard.len() > SHARE { random() } else { 0 };
        shard.scan(from, SHARE, hasher, |entry| {
            looked += 1;
            if let Some(expiry) = entry.expiry().filter(|expiry| *expiry > now) {
                sum_ms += i128::from(expiry.0) - i128::from(now.0);
                found += 1;
            }
        });
        if found >= KEYS_WANTED || looked >= ENTRIES_MAX {
            break;
        }
    }
    if found > 0 {
        totals.note_mean_ttl(db, (sum_ms / found as i128) as i64);
    }
}

/// Keys with an expiry that make a sample.
const KEYS_WANTED: usize = 20;

/// Entries looked at in one slot.
const SHARE: usize = 16;

const SLOTS_MAX: usize = 64;

const ENTRIES_MAX: usize = 256;
