//! Threads that serve connections: one single-threaded runtime each, so that a connection never changes its thread.

use super::Node;
use super::connection::{Arrival, Connection};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::runtime::{Builder, Handle};

/// All worker threads. They run until the process ends.
pub(super) struct Workers {
    handles: Vec<Handle>,
    next: usize,
}

impl Workers {
    /// Starts `count` threads.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let mut handles = Vec::with_capacity(count);
        for index in 0..count {
            let runtime = Builder::new_current_thread().enable_io().event_interval(EVENT_INTERVAL).build()?;
            handles.push(runtime.handle().clone());
            let thread = std::thread::Builder::new().name(format!("clients-{index}"));
            thread.spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        }
        Ok(Self { handles, next: 0 })
    }

    /// Hands a client to the next worker in turn, so that all have the same number of them.
    pub(super) fn serve(&mut self, node: &Arc<Node>, arrival: Arrival) {
        let worker = self.next;
        self.next = (self.next + 1) % self.handles.len();
        node.clients_connected.fetch_add(1, Relaxed);
        self.handles[worker].spawn(Connection::new(Arc::clone(node), worker, arrival));
    }
}

/// How many connections run before the system is asked for new events.
const EVENT_INTERVAL: u32 = 61;
