//! Writes whose replies wait for a level, and what is checked of each level's sentence.
//!
//! - `Logged`: the write outlives the process, if the disk keeps what was written. `Durable`: whatever the disk loses. Both as
//!   long as the node has its log.
//! - `Replicas(n)`: at the reply n replicas have it; each that is promoted holds it, as long as its data is not replaced.

use super::{Simulation, truth};
use keyslot_engine::{Ack, EffectSink, Offset, PeerInfo, Session};
use keyslot_persistence::storage::Loss;
use std::collections::BTreeMap;
use std::task::Waker;

/// Whom replies are owed, and what was promised by those that came.
#[derive(Default)]
pub(super) struct Promises {
    owed: Vec<Owed>,
    /// Writes that a node's log holds by its own word, and at which level.
    logged: BTreeMap<(usize, u64), Ack>,
}

struct Owed {
    node: usize,
    run: u64,
    write: u64,
    offset: Offset,
    level: Ack,
    has_log: bool,
    session: Session,
}

impl Promises {
    /// Writes that a node must still hold after this, of those that it holds.
    pub(super) fn kept(&self, node: usize, writes: &truth::Writes, loss: Loss) -> truth::Writes {
        let is_kept = |write: u64| match self.logged.get(&(node, write)) {
            Some(Ack::Durable) => true,
            Some(Ack::Logged) => loss == Loss::Nothing,
            _ => false,
        };
        writes.iter().filter(|(write, _)| is_kept(**write)).map(|(write, offset)| (*write, *offset)).collect()
    }

    /// A node's log is another from here on, or none.
    pub(super) fn forget_log(&mut self, node: usize) {
        self.logged.retain(|(at, _), _| *at != node);
    }
}

impl Simulation {
    /// Writes a key that nothing else changes, as a client whose reply waits for `level`. What the reply promises is checked from
    /// then on.
    pub fn write_acked(&mut self, node: usize, level: Ack) {
        let run = self.machines[node].run;
        let Some(process) = &mut self.machines[node].process else { return };
        let write = self.truth.next_write;
        process.engine.options().set_ack(level);
        let mut session = process.engine.session(Waker::noop().clone(), PeerInfo::default());
        session.feed(format!("SET {} {write}\r\n", truth::key(write)).as_bytes());
        process.engine.options().set_ack(Ack::Memory);
        if process.engine.get_int(truth::key(write)).ok().flatten() != Some(write as i64) {
            return;
        }
        self.truth.next_write += 1;
        let (offset, has_log) = (process.journal.end(), process.store.is_some());
        self.truth.nodes[node].holds.insert(write, offset);
        self.promises.owed.push(Owed { node, run, write, offset, level, has_log, session });
        self.tend(node);
        self.take_replies();
    }

    /// Takes the replies that came.
    pub(super) fn take_replies(&mut self) {
        for mut owed in std::mem::take(&mut self.promises.owed) {
            let Owed { node, run, write, offset, level, has_log, .. } = owed;
            if self.machines[node].run != run || !self.is_on(node) {
                continue;
            }
            let mut reply = Vec::new();
            owed.session.poll_output(&mut reply);
            match reply.as_slice() {
                [] => self.promises.owed.push(owed),
                [b'+', ..] => {
                    self.note(format_args!("{node}: write {write} at {offset} is acknowledged, {level:?}"));
                    match level {
                        Ack::Replicas(count) => self.confirmed(node, write, offset, usize::from(count)),
                        _ if has_log => drop(self.promises.logged.insert((node, write), level)),
                        _ => {}
                    }
                }
                _ => self.note(format_args!("{node}: what became of write {write} is not known")),
            }
        }
    }
}
