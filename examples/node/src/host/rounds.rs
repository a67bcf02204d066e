//! Background rounds: `hz` times a second the engine does what is due by time, once a second the connections are
//! looked after. Requests that wait for keys give up in between, to the millisecond.

use super::Node;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Wake, Waker};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Rings when a request waits that gives up earlier than all others.
struct Alarm(Notify);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Runs until it is dropped.
pub(super) async fn run(node: Arc<Node>) {
    let alarm = Arc::new(Alarm(Notify::new()));
    let waker = Waker::from(Arc::clone(&alarm));
    loop {
        let hz = node.live.hz.load(Relaxed).max(1);
        let round = Instant::now() + Duration::from_secs(1) / hz;
        while Instant::now() < round {
            let deadline = node.engine.next_deadline(&waker).map(|at| {
                let ms = at.0.saturating_sub(node.engine.now().0);
                Instant::now() + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
            });
            let until = deadline.map_or(round, |at| at.min(round));
            tokio::select! {
                () = tokio::time::sleep_until(until) => node.engine.end_waits(node.engine.now()),
                () = alarm.0.notified() => {}
            }
        }
        for _ in 0..EXTRA_TICKS_MAX / hz {
            if !node.engine.tick(node.engine.now(), TICK_BUDGET).more {
                break;
            }
            // Keys that are due wait for nobody, but clients that arrive come first.
            tokio::task::yield_now().await;
        }
        node.save_what_is_due();
        node.replication.tick(&node);
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
