//! A cluster of one node: which slots it serves, its name and epoch, and the commands that change them.
//!
//! There are no other nodes here, so a slot is either served or unassigned. The engine's gate follows every change
//! before the reply is written; so does the cluster's file.
//!
//! - The cluster is up when all slots are served, or when that is not required.
//! - Slots outside of [`State::slots`] are unassigned in the engine's gate. Those inside are open while the cluster is
//!   up, and refused with the reason that it is down while it is not.

mod file;
mod replies;

use crate::settings::Values;
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::slot::SlotSet;
use keyslot::engine::{Engine, GateState, SLOT_COUNT, Slot};
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The cluster as this node knows it.
pub(crate) struct Cluster {
    state: Mutex<State>,
    /// Whether the slots are open, as the engine was told last.
    is_up: AtomicBool,
    /// The file that keeps the state (`cluster-config-file`).
    path: PathBuf,
}

/// What is kept in the cluster's file.
#[derive(Clone, PartialEq, Debug)]
struct State {
    /// Forty hexadecimal digits.
    id: String,
    /// The same of the shard.
    shard_id: String,
    config_epoch: u64,
    current_epoch: u64,
    slots: SlotSet,
}

impl State {
    fn fresh() -> Self {
        Self {
            id: super::info::random_id(),
            shard_id: super::info::random_id(),
            config_epoch: 0,
            current_epoch: 0,
            slots: SlotSet::default(),
        }
    }
}

/// Why a command changed nothing: the text on the wire.
type Refusal = String;

impl Cluster {
    /// Takes up the cluster that the file describes, or a new one.
    pub(super) fn open(engine: &Engine, values: &Values) -> io::Result<Self> {
        let path = values.path("cluster-config-file").unwrap_or_else(|| "nodes.conf".into());
        let state = match file::load(&path)? {
            Some(state) => state,
            None => State::fresh(),
        };
        file::save(&path, &state, values)?;
        engine.set_cluster(true);
        engine.set_gate(state.slots.complement().iter(), GateState::Unassigned);
        let cluster = Self { is_up: AtomicBool::new(true), state: Mutex::new(state), path };
        cluster.open_or_close(engine, &cluster.state.lock(), values);
        Ok(cluster)
    }

    /// Does CLUSTER with these words after it. False if there is no such sub-command here.
    pub(super) fn control(
        &self,
        engine: &Engine,
        values: &Values,
        args: &[&[u8]],
        reply: &mut ReplyWriter<'_>,
    ) -> bool {
        let Some((name, words)) = args.split_first() else { return false };
        let changed = match (name.to_ascii_lowercase().as_slice(), words) {
            (b"myid", []) => return answer(|| reply.bulk(self.state.lock().id.as_bytes())),
            (b"myshardid", []) => return answer(|| reply.bulk(self.state.lock().shard_id.as_bytes())),
            (b"info", []) => return answer(|| replies::info(&self.state.lock(), values, reply)),
            (b"nodes", []) => return answer(|| replies::nodes(&self.state.lock(), values, reply)),
            (b"slots", []) => return answer(|| replies::slots(&self.state.lock(), values, reply)),
            (b"shards", []) => return answer(|| replies::shards(&self.state.lock(), values, reply)),
            (b"links", []) => return answer(|| reply.array(0)),
            (b"replicas" | b"slaves", [id]) => self.known(id).map(|()| Answer::Empty),
            (b"count-failure-reports", [id]) => self.known(id).map(|()| Answer::Zero),
            (b"addslots", words) => slots_of(words).and_then(|slots| self.assign(engine, slots, GateState::Open)),
            (b"delslots", words) => slots_of(words).and_then(|slots| self.assign(engine, slots, GateState::Unassigned)),
            (b"addslotsrange", words) => {
                ranges_of("addslotsrange", words).and_then(|slots| self.assign(engine, slots, GateState::Open))
            }
            (b"delslotsrange", words) => {
                ranges_of("delslotsrange", words).and_then(|slots| self.assign(engine, slots, GateState::Unassigned))
            }
            (b"flushslots", []) => self.flush_slots(engine),
            (b"bumpepoch", []) => Ok(self.bump_epoch()),
            (b"set-config-epoch", [epoch]) => self.set_config_epoch(epoch),
            (b"reset", words) => self.reset(engine, words),
            (b"saveconfig", []) => Ok(Answer::Ok),
            (b"forget" | b"replicate", [id]) => Err(unknown_node(id)),
            (b"failover", words) => Err(match words {
                [] => NOT_A_REPLICA.into(),
                [word] if word.eq_ignore_ascii_case(b"force") || word.eq_ignore_ascii_case(b"takeover") => {
                    NOT_A_REPLICA.into()
                }
                [_] => "ERR syntax error".into(),
                _ => wrong_count(name),
            }),
            _ => return false,
        };
        let answered = changed.and_then(|answer| self.settle(engine, values).map(|()| answer));
        match answered {
            Ok(Answer::Ok) => reply.ok(),
            Ok(Answer::Empty) => reply.array(0),
            Ok(Answer::Zero) => reply.integer(0),
            Ok(Answer::Text(text)) => reply.simple(&text),
            Err(text) => reply.error(&text),
        }
        true
    }

    /// Makes the engine and the file follow a change.
    pub(super) fn settle(&self, engine: &Engine, values: &Values) -> Result<(), Refusal> {
        let state = self.state.lock();
        self.open_or_close(engine, &state, values);
        file::save(&self.path, &state, values)
            .map_err(|error| format!("ERR error saving the cluster node config: {error}"))
    }

    /// Tells the engine when the cluster came up or went down.
    fn open_or_close(&self, engine: &Engine, state: &State, values: &Values) {
        let is_up = is_up(state, values);
        if self.is_up.swap(is_up, Relaxed) == is_up {
            return;
        }
        engine.set_cluster_down(!is_up);
        tracing::info!("Cluster state changed: {}", if is_up { "ok" } else { "fail" });
    }

    /// Only this node is known.
    fn known(&self, id: &[u8]) -> Result<(), Refusal> {
        match self.state.lock().id.as_bytes() == id {
            true => Ok(()),
            false => Err(unknown_node(id)),
        }
    }

    fn assign(&self, engine: &Engine, slots: SlotSet, gate: GateState) -> Result<Answer, Refusal> {
        let mut state = self.state.lock();
        for slot in slots.iter() {
            match (gate, state.slots.contains(slot)) {
                (GateState::Open, true) => return Err(format!("ERR Slot {slot} is already busy")),
                (GateState::Open, false) | (_, true) => {}
                (_, false) => return Err(format!("ERR Slot {slot} is already unassigned")),
            }
        }
        for slot in slots.iter() {
            match gate {
                GateState::Open => state.slots.insert(slot),
                _ => state.slots.remove(slot),
            };
        }
        engine.set_gate(slots.iter(), gate);
        Ok(Answer::Ok)
    }

    fn flush_slots(&self, engine: &Engine) -> Result<Answer, Refusal> {
        if !is_empty(engine) {
            return Err("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.".into());
        }
        let slots = self.state.lock().slots.clone();
        self.assign(engine, slots, GateState::Unassigned)
    }

    fn bump_epoch(&self) -> Answer {
        let mut state = self.state.lock();
        if state.config_epoch == 0 {
            state.current_epoch += 1;
            state.config_epoch = state.current_epoch;
            return Answer::Text(format!("BUMPED {}", state.config_epoch));
        }
        Answer::Text(format!("STILL {}", state.config_epoch))
    }

    fn set_config_epoch(&self, word: &[u8]) -> Result<Answer, Refusal> {
        let epoch: i64 = number(word).ok_or("ERR value is not an integer or out of range")?;
        let mut state = self.state.lock();
        if epoch < 0 {
            return Err(format!("ERR Invalid config epoch specified: {epoch}"));
        }
        if state.config_epoch != 0 {
            return Err("ERR Node config epoch is already non-zero".into());
        }
        state.config_epoch = epoch.unsigned_abs();
        state.current_epoch = state.current_epoch.max(state.config_epoch);
        Ok(Answer::Ok)
    }

    fn reset(&self, engine: &Engine, words: &[&[u8]]) -> Result<Answer, Refusal> {
        let is_hard = match words {
            [] => false,
            [word] if word.eq_ignore_ascii_case(b"soft") => false,
            [word] if word.eq_ignore_ascii_case(b"hard") => true,
            [_] => return Err("ERR syntax error".into()),
            _ => return Err(wrong_count(b"RESET")),
        };
        if !is_empty(engine) {
            return Err("ERR CLUSTER RESET can't be called with master nodes containing keys".into());
        }
        let slots = self.state.lock().slots.clone();
        self.assign(engine, slots, GateState::Unassigned)?;
        if is_hard {
            *self.state.lock() = State::fresh();
        }
        Ok(Answer::Ok)
    }
}

/// What a command that succeeded answers.
enum Answer {
    Ok,
    Empty,
    Zero,
    Text(String),
}

fn answer(write: impl FnOnce()) -> bool {
    write();
    true
}

fn unknown_node(id: &[u8]) -> Refusal {
    format!("ERR Unknown node {}", String::from_utf8_lossy(id))
}

fn wrong_count(name: &[u8]) -> Refusal {
    let name = String::from_utf8_lossy(name);
    format!("ERR unknown subcommand or wrong number of arguments for '{name}'. Try CLUSTER HELP.")
}

const NOT_A_REPLICA: &str = "ERR You should send CLUSTER FAILOVER to a replica";

fn is_up(state: &State, values: &Values) -> bool {
    state.slots.len() == SLOT_COUNT || !values.switch("cluster-require-full-coverage")
}

fn is_empty(engine: &Engine) -> bool {
    engine.db_size() == 0
}

fn number(word: &[u8]) -> Option<i64> {
    keyslot::engine::text::parse_i64(word)
}

fn slot_of(word: &[u8]) -> Result<Slot, Refusal> {
    let slot = number(word).and_then(|number| u16::try_from(number).ok()).and_then(Slot::new);
    slot.ok_or_else(|| "ERR Invalid or out of range slot".into())
}

fn slots_of(words: &[&[u8]]) -> Result<SlotSet, Refusal> {
    let mut slots = SlotSet::default();
    for word in words {
        insert_once(&mut slots, slot_of(word)?)?;
    }
    Ok(slots)
}

fn ranges_of(name: &str, words: &[&[u8]]) -> Result<SlotSet, Refusal> {
    let (pairs, []) = words.as_chunks::<2>() else {
        return Err(format!("ERR wrong number of arguments for 'cluster|{name}' command"));
    };
    let mut slots = SlotSet::default();
    for [first, last] in pairs {
        let (first, last) = (slot_of(first)?, slot_of(last)?);
        if first > last {
            return Err(format!("ERR start slot number {first} is greater than end slot number {last}"));
        }
        for slot in Slot::all().skip(first.index()).take(last.index() - first.index() + 1) {
            insert_once(&mut slots, slot)?;
        }
    }
    Ok(slots)
}

fn insert_once(slots: &mut SlotSet, slot: Slot) -> Result<(), Refusal> {
    match slots.insert(slot) {
        true => Ok(()),
        false => Err(format!("ERR Slot {slot} specified multiple times")),
    }
}

#[cfg(test)]
mod tests;
