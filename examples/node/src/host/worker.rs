//! Threads that serve connections: one single-threaded runtime each, so that a connection never changes its thread.

use super::Node;
use super::bell::Bell;
use super::connection::{Arrival, Connection};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::runtime::{Builder, Handle};

/// All worker threads. They run until the process ends.
pub(super) struct Workers {
    workers: Vec<Worker>,
    next: usize,
}

struct Worker {
    runtime: Handle,
    bell: Arc<Bell>,
}

impl Workers {
    /// Starts `count` threads. Those of a cluster's node keep time: their clients may wait for other nodes.
    pub(super) fn start(count: usize, keep_time: bool) -> io::Result<Self> {
        let mut workers = Vec::with_capacity(count);
        for index in 0..count {
            let mut builder = Builder::new_current_thread();
            builder.enable_io().event_interval(EVENT_INTERVAL);
            if keep_time {
                builder.enable_time();
            }
            let runtime = builder.build()?;
            let bell = Arc::<Bell>::default();
            let ringer = bell.ringer();
            workers.push(Worker { runtime: runtime.handle().clone(), bell });
            let thread = std::thread::Builder::new().name(format!("clients-{index}"));
            thread.spawn(move || runtime.block_on(ringer))?;
        }
        Ok(Self { workers, next: 0 })
    }

    /// Hands a client to the next worker in turn, so that all have the same number of them.
    pub(super) fn serve(&mut self, node: &Arc<Node>, arrival: Arrival) {
        let number = self.next;
        self.next = (self.next + 1) % self.workers.len();
        node.clients_connected.fetch_add(1, Relaxed);
        let Worker { runtime, bell } = &self.workers[number];
        runtime.spawn(Connection::new(Arc::clone(node), number, Arc::clone(bell), arrival));
    }
}

/// How many connections run before the system is asked for new events.
const EVENT_INTERVAL: u32 = 61;
