//! Counters of an engine: what INFO, SLOWLOG and LATENCY report.

use crate::slot::Slot;
use crate::time::UnixMillis;
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Calls of one command. Sessions add to it once per group of requests.
#[derive(Default, Debug)]
pub(crate) struct CommandCounters {
    /// Calls that ran.
    pub(crate) calls: AtomicU64,
    /// Nanoseconds that they took together.
    pub(crate) nanos: AtomicU64,
    /// Requests refused before they ran.
    pub(crate) rejected: AtomicU64,
    /// Calls that answered an error.
    pub(crate) failed: AtomicU64,
    /// Calls by time taken: see [`histogram_bucket`].
    pub(crate) histogram: [AtomicU64; HISTOGRAM_BUCKETS],
}

/// The bucket of a call of so many nanoseconds: bucket `i` counts those up to [`histogram_limit_ns`]`(i)`, the last one
/// all others.
#[inline]
pub(crate) fn histogram_bucket(nanos: u64) -> usize {
    let doublings = 64 - (nanos.saturating_sub(1) >> 10).leading_zeros();
    (doublings as usize).min(HISTOGRAM_BUCKETS - 1)
}

/// The longest call that a bucket counts, nanoseconds: 1024, doubled for each bucket.
pub(crate) fn histogram_limit_ns(bucket: usize) -> u64 {
    1024 << bucket
}

/// Buckets of a latency histogram.
pub(crate) const HISTOGRAM_BUCKETS: usize = 22;

/// One slow command.
#[derive(Clone, Debug)]
pub(crate) struct SlowEntry {
    /// Number since start.
    pub(crate) id: u64,
    /// When it ran.
    pub(crate) at: UnixMillis,
    /// How long it took.
    pub(crate) micros: u64,
    /// Its arguments, shortened as Redis does.
    pub(crate) args: Vec<Vec<u8>>,
    /// The client's address.
    pub(crate) peer: String,
    /// The client's name.
    pub(crate) name: Vec<u8>,
}

/// Commands that took longer than the threshold, newest first.
#[derive(Default, Debug)]
pub(crate) struct Slowlog {
    pub(crate) entries: VecDeque<SlowEntry>,
    pub(crate) next_id: u64,
}

/// Spikes of one kind of event, as LATENCY reports them.
#[derive(Default, Debug, Clone)]
pub(crate) struct LatencyEvent {
    /// Seconds since the epoch and milliseconds taken; at most 160, oldest first.
    pub(crate) samples: VecDeque<(i64, u64)>,
    pub(crate) worst_ms: u64,
}

const STRIPE_COUNT: usize = 16;

/// Counters of an engine.
#[derive(Default)]
pub(crate) struct Stats {
    changes: [CachePadded<AtomicU64>; STRIPE_COUNT],
    pub(crate) commands: Box<[CommandCounters]>,
    pub(crate) input_bytes: AtomicU64,
    pub(crate) output_bytes: AtomicU64,
    pub(crate) expired_keys: AtomicU64,
    pub(crate) evicted_keys: AtomicU64,
    /// Since when the data has been above `maxmemory`, by the steady clock; 0: it is not.
    over_since_ns: AtomicU64,
    /// How long it was before.
    over_ns: AtomicU64,
    /// Bytes that wait in buffers of clients, as they were when somebody added them up last.
    pub(crate) buffer_bytes: AtomicU64,
    pub(crate) connections_received: AtomicU64,
    pub(crate) connections_rejected: AtomicU64,
    pub(crate) error_replies: AtomicU64,
    pub(crate) errors: Mutex<BTreeMap<String, u64>>,
    pub(crate) slowlog: Mutex<Slowlog>,
    pub(crate) latency: Mutex<BTreeMap<&'static str, LatencyEvent>>,
    pub(crate) started_ms: AtomicI64,
    pub(crate) rates: Mutex<Rates>,
    /// The most memory in use that was ever reported.
    pub(crate) memory_peak: AtomicU64,
}

/// What happens in a second, averaged over the last samples. Sampled by `tick`.
#[derive(Default, Debug)]
pub(crate) struct Rates {
    last: Option<(UnixMillis, [u64; RATE_COUNT])>,
    samples: [[u64; RATE_COUNT]; RATE_SAMPLES],
    next: usize,
}

impl Rates {
    /// Takes a sample of the counters, unless the last one is younger than [`RATE_INTERVAL_MS`].
    pub(crate) fn sample(&mut self, now: UnixMillis, counters: impl FnOnce() -> [u64; RATE_COUNT]) {
        let Some((then, before)) = self.last else {
            self.last = Some((now, counters()));
            return;
        };
        let Ok(elapsed_ms @ RATE_INTERVAL_MS..) = u64::try_from(now.0 - then.0) else { return };
        let counters = counters();
        let sample = &mut self.samples[self.next % RATE_SAMPLES];
        for ((rate, new), old) in sample.iter_mut().zip(counters).zip(before) {
            *rate = new.saturating_sub(old).saturating_mul(1000) / elapsed_ms;
        }
        self.next += 1;
        self.last = Some((now, counters));
    }

    /// Commands, bytes in and bytes out for each second.
    pub(crate) fn averages(&self) -> [u64; RATE_COUNT] {
        std::array::from_fn(|of| self.samples.iter().map(|sample| sample[of]).sum::<u64>() / RATE_SAMPLES as u64)
    }
}

const RATE_COUNT: usize = 3;
const RATE_SAMPLES: usize = 16;
const RATE_INTERVAL_MS: u64 = 100;

/// Error codes counted apart; more than that and they are summed up no further.
const ERROR_CODES_MAX: usize = 128;

impl Stats {
    pub(crate) fn new(command_count: usize) -> Self {
        Self { commands: (0..command_count).map(|_| CommandCounters::default()).collect(), ..Self::default() }
    }

    /// Counts effects.
    #[inline]
    pub(crate) fn add_changes(&self, slot: Option<Slot>, count: u64) {
        let stripe = slot.map_or(0, Slot::index) % STRIPE_COUNT;
        self.changes[stripe].fetch_add(count, Ordering::Relaxed);
    }

    /// Effects since the start: what `rdb_changes_since_last_save` counts.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.iter().map(|c| c.load(Ordering::Relaxed)).sum()
    }

    /// Calls of all commands.
    pub(crate) fn commands_processed(&self) -> u64 {
        self.commands.iter().map(|command| command.calls.load(Ordering::Relaxed)).sum()
    }

    /// Counts an error reply by its first word.
    #[cold]
    pub(crate) fn count_error(&self, text: &str) {
        self.error_replies.fetch_add(1, Ordering::Relaxed);
        let code = text.split(' ').next().unwrap_or("ERR");
        let mut errors = self.errors.lock();
        if errors.len() < ERROR_CODES_MAX || errors.contains_key(code) {
            *errors.entry(code.to_owned()).or_default() += 1;
        }
    }

    /// Keeps a slow command, at most `count_max` of them.
    #[cold]
    pub(crate) fn add_slow(&self, mut entry: SlowEntry, count_max: usize) {
        let mut log = self.slowlog.lock();
        entry.id = log.next_id;
        log.next_id += 1;
        log.entries.push_front(entry);
        log.entries.truncate(count_max);
    }

    /// Keeps a latency spike.
    #[cold]
    pub(crate) fn add_latency(&self, event: &'static str, now: UnixMillis, ms: u64) {
        let mut events = self.latency.lock();
        let event = events.entry(event).or_default();
        event.worst_ms = event.worst_ms.max(ms);
        match event.samples.back_mut() {
            Some((second, worst)) if *second == now.seconds() => *worst = (*worst).max(ms),
            _ => event.samples.push_back((now.seconds(), ms)),
        }
        if event.samples.len() > LATENCY_SAMPLES_MAX {
            event.samples.pop_front();
        }
    }

    /// What CONFIG RESETSTAT sets to zero.
    pub(crate) fn reset(&self) {
        for counter in [
            &self.input_bytes,
            &self.output_bytes,
            &self.expired_keys,
            &self.evicted_keys,
            &self.over_ns,
            &self.connections_received,
            &self.connections_rejected,
            &self.error_replies,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        for command in &self.commands {
            for counter in [&command.calls, &command.nanos, &command.rejected, &command.failed]
                .into_iter()
                .chain(&command.histogram)
            {
                counter.store(0, Ordering::Relaxed);
            }
        }
        self.errors.lock().clear();
        *self.rates.lock() = Rates::default();
    }

    /// Counts evicted keys, and how long the data is above `maxmemory`.
    pub(crate) fn note_eviction(&self, is_over: bool, evicted: u64, now_ns: u64) {
        self.evicted_keys.fetch_add(evicted, Ordering::Relaxed);
        if is_over {
            let _ = self.over_since_ns.compare_exchange(0, now_ns.max(1), Ordering::Relaxed, Ordering::Relaxed);
            return;
        }
        let since = self.over_since_ns.swap(0, Ordering::Relaxed);
        if since > 0 {
            self.over_ns.fetch_add(now_ns.saturating_sub(since), Ordering::Relaxed);
        }
    }

    /// How long the data was above `maxmemory` in all, and has been this time, milliseconds.
    pub(crate) fn over_maxmemory_ms(&self, now_ns: u64) -> (u64, u64) {
        let current = match self.over_since_ns.load(Ordering::Relaxed) {
            0 => 0,
            since => now_ns.saturating_sub(since) / 1_000_000,
        };
        (self.over_ns.load(Ordering::Relaxed) / 1_000_000 + current, current)
    }

    /// Samples the counters whose rates are shown.
    pub(crate) fn sample_rates(&self, now: UnixMillis) {
        self.rates.lock().sample(now, || {
            [
                self.commands_processed(),
                self.input_bytes.load(Ordering::Relaxed),
                self.output_bytes.load(Ordering::Relaxed),
            ]
        });
    }
}

const LATENCY_SAMPLES_MAX: usize = 160;
