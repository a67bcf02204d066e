//! Background rounds: `hz` times a second the engine does what is due by time, once a second the connections are
//! looked after.

use super::Node;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Runs until it is dropped.
pub(super) async fn run(node: Arc<Node>) {
    loop {
        let hz = node.live.hz.load(Relaxed).max(1);
        tokio::time::sleep(Duration::from_secs(1) / hz).await;
        for _ in 0..EXTRA_TICKS_MAX / hz {
            if !node.engine.tick(node.engine.now(), TICK_BUDGET).more {
                break;
            }
            // Keys that are due wait for nobody, but clients that arrive come first.
            tokio::task::yield_now().await;
        }
        node.look_after_clients();
    }
}

impl Node {
    fn look_after_clients(&self) {
        let uptime = u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX);
        if self.live.uptime_seconds.swap(uptime, Relaxed) == uptime {
            return;
        }
        let idle_seconds_max = self.live.idle_seconds_max.load(Relaxed);
        for roster in &self.rosters {
            roster.look_after(uptime, idle_seconds_max);
        }
    }
}

/// Entries that one tick may look at: about a millisecond.
const TICK_BUDGET: usize = 20_000;

/// Ticks in a second when many keys are due: a quarter of one core.
const EXTRA_TICKS_MAX: u32 = 250;
