//! The nodes of a cluster that are on, as those who talk to them find them.

use super::rules::Book;
use crate::cluster::NodeAddress;
use keyslot_engine::Engine;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::Thread;

/// Which nodes are on, and who moves them.
#[derive(Default)]
pub(super) struct Residents {
    live: RwLock<Vec<Option<Live>>>,
    addresses: RwLock<Vec<NodeAddress>>,
    pub(super) driver: OnceLock<Thread>,
    pub(super) faults: Book,
}

/// A node that is on.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) engine: Engine,
    /// Cleared when it is killed.
    is_on: Arc<AtomicBool>,
}

impl Live {
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }
}

impl Residents {
    pub(super) fn new(addresses: Vec<NodeAddress>) -> Self {
        Self { live: RwLock::new(vec![None; addresses.len()]), addresses: RwLock::new(addresses), ..Self::default() }
    }

    /// Where nodes are, those included that are off.
    pub(super) fn addresses(&self) -> Vec<NodeAddress> {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many nodes there are.
    pub(super) fn count(&self) -> usize {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The node whose port it is.
    pub(super) fn node_at(&self, port: u16) -> Option<usize> {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).iter().position(|it| it.port == port)
    }

    /// There is a place for one more, which is off.
    pub(super) fn add(&self, address: NodeAddress) {
        self.live.write().unwrap_or_else(PoisonError::into_inner).push(None);
        self.addresses.write().unwrap_or_else(PoisonError::into_inner).push(address);
    }

    /// A node, if it is on.
    pub(super) fn live(&self, node: usize) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(node)?.clone()
    }

    /// A node is on from here on.
    pub(super) fn arrive(&self, node: usize, engine: Engine) {
        let live = Live { engine, is_on: Arc::new(AtomicBool::new(true)) };
        if let Some(place) = self.live.write().unwrap_or_else(PoisonError::into_inner).get_mut(node) {
            *place = Some(live);
        }
    }

    /// It is off; what it answers from here on nobody believes, and no fault holds it any more.
    pub(super) fn leave(&self, node: usize) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = live.get_mut(node).and_then(Option::take) {
            live.is_on.store(false, Ordering::Release);
        }
        drop(live);
        self.faults.release(node);
    }

    /// There is something to be moved.
    pub(super) fn wake(&self) {
        if let Some(driver) = self.driver.get() {
            driver.unpark();
        }
    }
}
