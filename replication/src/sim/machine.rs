//! A machine: a disk, and what runs on it while it is on.

use crate::link::{LagLimits, PrimaryOptions, ReplicaOptions};
use crate::node::{Node, NodeOptions};
use keyslot_engine::{Clock, Engine, ManualClock, Offset, SystemClock, UnixMillis};
use keyslot_persistence::storage::{Fault, Loss};
use keyslot_persistence::{Durability, Journal, JournalOptions, MemoryStorage, Saver, Store, StoreBuilder};
use std::sync::Arc;

/// What a node keeps of its data when it is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disk {
    /// Nothing: the data is in memory.
    None,
    /// A log, which is fsynced as this says.
    Log(Durability),
}

/// How a node is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MachineOptions {
    /// What it keeps.
    pub disk: Disk,
    /// How much of the stream it keeps in memory.
    pub backlog_size_bytes_max: usize,
    /// Whether it sends snapshots without telling their length.
    pub sends_marked: bool,
    /// Whether it sends and asks for snapshots in Keyslot's own form.
    pub native: bool,
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self { disk: Disk::None, backlog_size_bytes_max: 1 << 20, sends_marked: true, native: true }
    }
}

/// What time it is at a node.
#[derive(Clone)]
pub(super) enum NodeClock {
    Virtual(ManualClock),
    System(Arc<SystemClock>),
}

impl Clock for NodeClock {
    fn now(&self) -> UnixMillis {
        match self {
            Self::Virtual(clock) => clock.now(),
            Self::System(clock) => clock.now(),
        }
    }

    fn monotonic_ns(&self) -> u64 {
        match self {
            Self::Virtual(clock) => clock.monotonic_ns(),
            Self::System(clock) => clock.monotonic_ns(),
        }
    }
}

pub(super) struct Machine {
    pub(super) options: MachineOptions,
    storage: MemoryStorage,
    /// How often it was started.
    pub(super) run: u64,
    pub(super) process: Option<Process>,
}

pub(super) struct Process {
    pub(super) engine: Engine,
    pub(super) node: Node,
    pub(super) journal: Arc<Journal>,
    saver: Saver,
    pub(super) store: Option<Store>,
    pub(super) next_step_ns: Option<u64>,
}

impl Machine {
    pub(super) fn new(options: MachineOptions, seed: u64) -> Self {
        Self { options, storage: MemoryStorage::new(seed), run: 0, process: None }
    }

    /// Starts it, with what its disk holds. An error says why it does not start.
    pub(super) fn start(&mut self, address: &str, clock: &NodeClock, seed: u64) -> Result<(), String> {
        self.run += 1;
        let engine = Engine::builder().clock(clock.clone()).seed(seed).in_memory();
        let saver = Saver::new(engine.clone(), self.storage.clone());
        let (journal, store) = match self.options.disk {
            Disk::None => {
                let journal = Arc::new(Journal::in_memory(Offset(0), self.journal_options()));
                engine.attach_sink(journal.clone());
                (journal, None)
            }
            Disk::Log(durability) => {
                let store = self.describe(durability).saver(saver.clone()).open(DIRECTORY);
                let store = store.map_err(|error| error.to_string())?;
                // Nobody in here waits for a disk; what is durable is asked of the journal.
                engine.options().set_ack(keyslot_engine::Ack::Memory);
                (store.journal().clone(), Some(store))
            }
        };
        let options = NodeOptions {
            primary: PrimaryOptions {
                ping_interval_ms: 2000,
                timeout_ms: 6000,
                sends_marked: self.options.sends_marked,
                sends_native: self.options.native,
                lag_limits: LagLimits { hard_size_bytes: self.held_size_bytes_max(), ..LagLimits::default() },
            },
            replica: ReplicaOptions {
                ip_address: Some(address.to_owned()),
                timeout_ms: 6000,
                ack_interval_ms: 500,
                reads_native: self.options.native,
                ..ReplicaOptions::default()
            },
            retry_interval_ms: 100,
            password: None,
        };
        let node = Node::new(engine.clone(), journal.clone(), None, options, seed);
        self.process = Some(Process { engine, node, journal, saver, store, next_step_ns: Some(0) });
        Ok(())
    }

    /// Where the backlog is shortest, replicas that are slow lose their place; elsewhere it is kept for them.
    fn held_size_bytes_max(&self) -> u64 {
        if self.options.backlog_size_bytes_max <= 2048 { 4096 } else { 1 << 28 }
    }

    fn journal_options(&self) -> JournalOptions {
        let backlog_size_bytes_max = self.options.backlog_size_bytes_max;
        JournalOptions { chunk_size_bytes: 512, backlog_size_bytes_max, ..JournalOptions::default() }
    }

    fn describe(&self, durability: Durability) -> StoreBuilder {
        Store::builder().without_thread().recovery_threads(1).durability(durability).journal(self.journal_options())
    }

    /// Ends the process, at once.
    pub(super) fn kill(&mut self, loss: Loss) {
        let Some(process) = self.process.take() else { return };
        let next = self.storage.calls();
        self.storage.plan(Fault::PowerFails(next));
        drop(process);
        self.storage.crash(loss);
    }

    /// Gives it an empty disk.
    pub(super) fn wipe(&mut self, seed: u64) {
        self.storage = MemoryStorage::new(seed);
    }

    /// From here on its disk holds no more.
    pub(super) fn fill_disk(&self) {
        let size: usize =
            self.storage.files().iter().filter_map(|path| self.storage.contents(path)).map(|it| it.len()).sum();
        self.storage.plan(Fault::DiskHolds(size as u64 + 64));
    }

    /// The log is left, as the data is about to be replaced.
    pub(super) fn leave_log(&mut self) {
        if let Some(process) = &mut self.process
            && let Some(store) = process.store.take()
        {
            let _ = store.detach();
            process.journal.keep_in_memory();
            process.engine.attach_sink(process.journal.clone());
        }
    }

    /// The log begins again, with what there is now. An error says why there is none.
    pub(super) fn begin_log(&mut self) -> Result<(), String> {
        let Disk::Log(durability) = self.options.disk else { return Ok(()) };
        let builder = self.describe(durability);
        let Some(process) = &mut self.process else { return Ok(()) };
        let attached = builder.attach(&process.saver, Some(process.journal.clone()), DIRECTORY);
        let begun = attached.map_err(|error| error.to_string()).and_then(|store| {
            process.engine.options().set_ack(keyslot_engine::Ack::Memory);
            let compacted = store.compact().map_err(|error| error.to_string());
            if compacted.is_err() {
                let _ = store.detach();
            } else {
                process.store = Some(store);
                process.next_step_ns = Some(0);
            }
            compacted
        });
        if begun.is_err() {
            process.journal.keep_in_memory();
            process.engine.attach_sink(process.journal.clone());
        }
        begun
    }

    /// Up to where a crash of this kind keeps the stream; `None` if it keeps nothing.
    pub(super) fn kept(&self, loss: Loss) -> Option<Offset> {
        let process = self.process.as_ref()?;
        process.store.as_ref()?;
        match loss {
            Loss::Nothing => Some(process.journal.written()),
            Loss::All | Loss::Random | Loss::Tail => Some(process.journal.durable()),
        }
    }

    /// Does what is due on the disk.
    pub(super) fn step(&mut self, now: UnixMillis) {
        if let Some(process) = &mut self.process
            && let Some(store) = &process.store
        {
            process.next_step_ns = store.step(ns(now));
        }
    }

    /// Whether the log takes no more.
    pub(super) fn has_failed(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.store.is_some() && process.journal.failure().is_some())
    }
}

impl Process {
    pub(super) fn next_timeout_ms(&self) -> Option<i64> {
        let step =
            self.next_step_ns.filter(|_| self.store.is_some()).map(|ns| START_MS + ns.div_ceil(1_000_000) as i64);
        [step, self.node.next_timeout().map(|at| at.0)].into_iter().flatten().min()
    }
}

fn ns(now: UnixMillis) -> u64 {
    (now.0 - START_MS) as u64 * 1_000_000
}

/// When simulations begin.
pub(super) const START_MS: i64 = 1_700_000_000_000;

const DIRECTORY: &str = "/data";
