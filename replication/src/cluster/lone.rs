//! A cluster of one node: which slots it serves, its name and epochs, and the commands that change them.
//!
//! - The cluster is up when all slots are served, or when that is not required.
//! - Slots that are not served are unassigned in the engine's gate; those served are open while the cluster is up and
//!   refused with the reason that it is down while it is not. The gate follows a change before its reply is read.
//! - The host saves the file after every [`Control::Changed`], before it shows the reply.

use super::addresses::{Addresses, PreferredEndpoint};
use super::state::State;
use super::{nodes_conf, replies};
use keyslot_engine::resp::ReplyWriter;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Engine, GateState, SLOT_COUNT, Slot};

/// The cluster as its only node knows it. The host serialises the calls.
#[derive(Debug)]
pub struct LoneCluster {
    state: State,
    /// Whether the slots are open, as the engine was told last.
    is_up: bool,
}

/// What the host's settings say about the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// Where the node is reached.
    pub addresses: Addresses,
    /// What clients are told to connect to.
    pub preferred: PreferredEndpoint,
    /// Whether nothing is served while a slot is unassigned (`cluster-require-full-coverage`).
    pub requires_full_coverage: bool,
}

/// What became of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// There is no such sub-command here; nothing was written.
    NotOffered,
    /// The reply was written; nothing changed.
    Answered,
    /// The reply was written; the file is to be saved before it is shown.
    Changed,
}

/// Why a command changed nothing: the text on the wire.
type Refusal = String;

impl LoneCluster {
    /// A new node without slots. `name` makes names: forty random hexadecimal digits.
    pub fn new(name: &mut dyn FnMut() -> String) -> Self {
        Self { state: State::fresh(name), is_up: true }
    }

    /// The node that a `nodes.conf` describes. The error says what is wrong with it.
    pub fn from_nodes_conf(text: &str, name: &mut dyn FnMut() -> String) -> Result<Self, String> {
        Ok(Self { state: nodes_conf::parse(text, name)?, is_up: true })
    }

    /// The text of the node's `nodes.conf`.
    pub fn to_nodes_conf(&self, terms: &Terms) -> String {
        nodes_conf::print(&self.state, &terms.addresses)
    }

    /// The node's name.
    pub fn id(&self) -> &str {
        &self.state.id
    }

    /// Whether the slots that are served are open.
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// Makes an engine follow the rules of the cluster and opens its slots.
    pub fn attach(&mut self, engine: &Engine, terms: &Terms) {
        engine.set_cluster(true);
        engine.set_gate(self.state.slots.complement().iter(), GateState::Unassigned);
        self.settle(engine, terms);
    }

    /// Tells the engine when the cluster came up or went down.
    pub fn settle(&mut self, engine: &Engine, terms: &Terms) {
        let is_up = self.state.slots.len() == SLOT_COUNT || !terms.requires_full_coverage;
        if self.is_up != is_up {
            self.is_up = is_up;
            engine.set_cluster_down(!is_up);
        }
    }

    /// Does CLUSTER with these words after it.
    pub fn control(
        &mut self,
        engine: &Engine,
        terms: &Terms,
        name_node: &mut dyn FnMut() -> String,
        args: &[&[u8]],
        reply: &mut ReplyWriter<'_>,
    ) -> Control {
        let Some((name, words)) = args.split_first() else { return Control::NotOffered };
        let changed = match (name.to_ascii_lowercase().as_slice(), words) {
            (b"myid", []) => return told(|| reply.bulk(self.state.id.as_bytes())),
            (b"myshardid", []) => return told(|| reply.bulk(self.state.shard_id.as_bytes())),
            (b"info", []) => return told(|| replies::info(&self.state, self.is_up, reply)),
            (b"nodes", []) => return told(|| replies::nodes(&self.state, &terms.addresses, reply)),
            (b"slots", []) => return told(|| replies::slots(&self.state, &terms.addresses, terms.preferred, reply)),
            (b"shards", []) => return told(|| replies::shards(&self.state, &terms.addresses, terms.preferred, reply)),
            (b"links", []) => return told(|| reply.array(0)),
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
            (b"reset", words) => self.reset(engine, words, name_node),
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
            _ => return Control::NotOffered,
        };
        match changed {
            Ok(answer @ (Answer::Empty | Answer::Zero)) => told(|| answer.write(reply)),
            Ok(answer) => {
                self.settle(engine, terms);
                answer.write(reply);
                Control::Changed
            }
            Err(text) => {
                reply.error(&text);
                Control::Answered
            }
        }
    }

    /// Only this node is known.
    fn known(&self, id: &[u8]) -> Result<(), Refusal> {
        match self.state.id.as_bytes() == id {
            true => Ok(()),
            false => Err(unknown_node(id)),
        }
    }

    fn assign(&mut self, engine: &Engine, slots: SlotSet, gate: GateState) -> Result<Answer, Refusal> {
        let state = &mut self.state;
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

    fn flush_slots(&mut self, engine: &Engine) -> Result<Answer, Refusal> {
        if !is_empty(engine) {
            return Err("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.".into());
        }
        let slots = self.state.slots.clone();
        self.assign(engine, slots, GateState::Unassigned)
    }

    fn bump_epoch(&mut self) -> Answer {
        let state = &mut self.state;
        if state.config_epoch == 0 {
            state.current_epoch += 1;
            state.config_epoch = state.current_epoch;
            return Answer::Text(format!("BUMPED {}", state.config_epoch));
        }
        Answer::Text(format!("STILL {}", state.config_epoch))
    }

    fn set_config_epoch(&mut self, word: &[u8]) -> Result<Answer, Refusal> {
        let epoch: i64 = number(word).ok_or("ERR value is not an integer or out of range")?;
        let state = &mut self.state;
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

    fn reset(&mut self, engine: &Engine, words: &[&[u8]], name: &mut dyn FnMut() -> String) -> Result<Answer, Refusal> {
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
        let slots = self.state.slots.clone();
        self.assign(engine, slots, GateState::Unassigned)?;
        if is_hard {
            self.state = State::fresh(name);
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

impl Answer {
    fn write(self, reply: &mut ReplyWriter<'_>) {
        match self {
            Self::Ok => reply.ok(),
            Self::Empty => reply.array(0),
            Self::Zero => reply.integer(0),
            Self::Text(text) => reply.simple(&text),
        }
    }
}

fn told(write: impl FnOnce()) -> Control {
    write();
    Control::Answered
}

fn unknown_node(id: &[u8]) -> Refusal {
    format!("ERR Unknown node {}", String::from_utf8_lossy(id))
}

fn wrong_count(name: &[u8]) -> Refusal {
    let name = String::from_utf8_lossy(name);
    format!("ERR unknown subcommand or wrong number of arguments for '{name}'. Try CLUSTER HELP.")
}

const NOT_A_REPLICA: &str = "ERR You should send CLUSTER FAILOVER to a replica";

fn is_empty(engine: &Engine) -> bool {
    engine.db_size() == 0
}

fn number(word: &[u8]) -> Option<i64> {
    keyslot_engine::text::parse_i64(word)
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
