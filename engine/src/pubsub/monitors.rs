//! Clients that are shown every request (MONITOR).

use super::{Post, settle};
use crate::client::{Client, Frame};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All who watch. While there are none, a request costs one load.
#[derive(Default)]
pub(crate) struct Monitors {
    count: AtomicUsize,
    clients: RwLock<Vec<Arc<Client>>>,
}

impl Monitors {
    /// Whether anybody watches.
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Adds a client; nothing changes if it watches already.
    pub(crate) fn add(&self, client: &Arc<Client>) {
        let mut clients = self.clients.write();
        if !client.monitors.swap(true, Ordering::Relaxed) {
            clients.push(Arc::clone(client));
            self.count.store(clients.len(), Ordering::Relaxed);
        }
    }

    /// Takes a client away, if it watches.
    pub(crate) fn remove(&self, client: &Client) {
        if client.monitors.load(Ordering::Relaxed) {
            let mut clients = self.clients.write();
            client.monitors.store(false, Ordering::Relaxed);
            clients.retain(|other| other.id != client.id);
            self.count.store(clients.len(), Ordering::Relaxed);
        }
    }

    /// Puts a line, given with its end, into the mailbox of everyone who watches.
    pub(crate) fn show(&self, line: &[u8], post: &mut Post<'_>) {
        for client in self.clients.read().iter() {
            let frame = Frame { rest: line, shared: None, offset: post.offset };
            settle(client, client.mailbox.put(b'+', frame, post.waiting_bytes_max), post);
        }
    }
}
