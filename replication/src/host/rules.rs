//! Which faults are there, and what they do to a client's bytes.
//!
//! A rule stands in the book until whoever made it heals it. Threads that serve clients ask the book; those that a rule keeps waiting wait
//! here, and are woken when it is healed, or when their node or connection ends.
//!
//! Invariants
//! - The lock of the book is a leaf: nothing else is locked and nothing is sent while it is held.
//! - Of several rules that fit a request the newest decides.

use crate::cluster::Roster;
use keyslot_engine::Slot;
use keyslot_engine::command::keys::Include;
use keyslot_engine::command::row::flag;
use keyslot_engine::command::table::{Command, table};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The rules of a cluster.
#[derive(Default)]
pub(super) struct Book {
    state: Mutex<State>,
    changed: Condvar,
    /// How many there are: asked without the lock.
    count: AtomicUsize,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    next: RuleId,
}

pub(super) type RuleId = u64;

/// How often a fault happened.
pub(super) type Tally = Arc<AtomicUsize>;

struct Rule {
    id: RuleId,
    nodes: Vec<usize>,
    effect: Effect,
    tally: Tally,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// The node does nothing: what clients send is not looked at, and they are sent nothing.
    Pause,
    /// The same for clients, while the node goes on in the cluster.
    Mute,
    /// No connections.
    Refuse,
    /// So many bytes at a time, with a rest between them.
    Trickle { piece_bytes: usize, rest: Duration },
    /// CLUSTER shows this.
    Topology(Arc<Roster>),
    /// Clients are told other endpoints.
    Endpoints(Endpoints),
    /// Something happens to requests.
    Request { filter: Filter, left: Option<usize>, does: RequestEffect },
}

impl Effect {
    /// Whether clients wait.
    fn holds(&self) -> bool {
        matches!(self, Self::Pause | Self::Mute)
    }
}

/// Which requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// The first words, the name of the command before all.
    pub(super) words: Vec<Vec<u8>>,
    pub(super) slot: Option<Slot>,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub(super) enum RequestEffect {
    /// It is refused.
    Refuse(Refusal),
    /// It is sent elsewhere: MOVED or ASK, and the endpoint.
    Redirect { word: &'static str, endpoint: String },
    /// It is done, and its reply ends after so many bytes, with the connection.
    Cut(usize),
    /// It is done, and its reply stops after so many bytes until the fault is healed.
    Stall(usize),
}

/// What a node answers instead of doing a command. Text as Redis words it, for those commands that Redis refuses so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// `CLUSTERDOWN The cluster is down`, to commands with keys.
    ClusterDown,
    /// `CLUSTERDOWN Hash slot not served`, to commands with keys.
    SlotNotServed,
    /// `TRYAGAIN Multiple keys request during rehashing of slot`, to commands with more than one key.
    TryAgain,
    /// `LOADING Redis is loading the dataset in memory`, to commands that a loading node does not do: CLUSTER, INFO and HELLO it does.
    /// INFO itself says nothing of it.
    Loading,
    /// `MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.`, to commands that need its data.
    MasterDown,
    /// This text, without the `-` in front and without a line's end, to every command.
    Text(String),
}

/// What clients are told to connect to, in CLUSTER SLOTS, CLUSTER SHARDS, MOVED and ASK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoints {
    /// Nothing (`cluster-preferred-endpoint-type unknown-endpoint`): null in CLUSTER SLOTS and SHARDS, `MOVED 1 :7000`. Clients go on with the
    /// address that they used.
    Unknown,
    /// `?`: a host name is preferred, and the node has none.
    Missing,
    /// This host name, `localhost` for one that leads to the nodes.
    Hostname(String),
}

impl Endpoints {
    /// The host in MOVED and ASK.
    fn host(&self) -> &str {
        match self {
            Self::Unknown => "",
            Self::Missing => "?",
            Self::Hostname(name) => name,
        }
    }
}

/// How a slow link sends: so many bytes, then a rest unless the rule is healed.
pub(super) struct Trickle {
    pub(super) piece_bytes: usize,
    pub(super) rest: Duration,
    pub(super) rule: RuleId,
    pub(super) tally: Tally,
}

/// What becomes of a request.
pub(super) enum Verdict {
    /// It is done, and its reply goes out like this.
    Pass(Manner),
    /// It is answered with this error, and not done.
    Refuse(String),
}

/// How a reply goes out.
#[derive(Clone, Default)]
pub(super) enum Manner {
    #[default]
    Whole,
    /// So many bytes, then the connection ends.
    Cut(usize, Tally),
    /// So many bytes, and the others once the rule is healed.
    Stall(usize, RuleId, Tally),
}

impl Book {
    /// Whether there is any rule at all.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    pub(super) fn add(&self, nodes: Vec<usize>, effect: Effect, tally: &Tally) -> RuleId {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.rules.push(Rule { id, nodes, effect, tally: tally.clone() });
        self.count.store(state.rules.len(), Ordering::Release);
        id
    }

    pub(super) fn remove(&self, ids: &[RuleId]) {
        let mut state = self.state();
        state.rules.retain(|rule| !ids.contains(&rule.id));
        self.count.store(state.rules.len(), Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    /// A node ended: nothing holds it any more.
    pub(super) fn release(&self, node: usize) {
        let mut state = self.state();
        for rule in state.rules.iter_mut().filter(|rule| rule.effect.holds()) {
            rule.nodes.retain(|at| *at != node);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether a rule has a node do nothing.
    pub(super) fn is_paused(&self, node: usize) -> bool {
        self.state().at(node).any(|rule| matches!(rule.effect, Effect::Pause))
    }

    /// Has those who wait look again whether they go on.
    pub(super) fn stir(&self) {
        drop(self.state());
        self.changed.notify_all();
    }

    /// Waits while a node is held. False if `goes_on` says so meanwhile, or it takes too long.
    pub(super) fn hold(&self, node: usize, until: Option<Instant>, goes_on: impl Fn() -> bool) -> bool {
        if self.is_empty() {
            return true;
        }
        let (mut state, mut noted) = (self.state(), None);
        loop {
            let Some(rule) = state.at(node).find(|rule| rule.effect.holds()) else { return true };
            if !goes_on() {
                return false;
            }
            if noted != Some(rule.id) {
                noted = Some(rule.id);
                self.note(&rule.tally);
            }
            let Some(next) = self.wait(state, until) else { return false };
            state = next;
        }
    }

    /// Waits until a rule is healed. False if `goes_on` says so meanwhile, or it takes too long.
    pub(super) fn outlast(&self, id: RuleId, until: Option<Instant>, goes_on: impl Fn() -> bool) -> bool {
        let mut state = self.state();
        while state.rules.iter().any(|rule| rule.id == id) {
            if !goes_on() {
                return false;
            }
            let Some(next) = self.wait(state, until) else { return false };
            state = next;
        }
        true
    }

    /// Waits until something happened so often. False if that takes too long.
    pub(super) fn await_tally(&self, tally: &Tally, count: usize, until: Instant) -> bool {
        let mut state = self.state();
        while tally.load(Ordering::Acquire) < count {
            let Some(next) = self.wait(state, Some(until)) else { return false };
            state = next;
        }
        true
    }

    /// Something happened.
    pub(super) fn count(&self, tally: &Tally) {
        let state = self.state();
        self.note(tally);
        drop(state);
    }

    /// Whether connections to a node are refused.
    pub(super) fn refuses(&self, node: usize) -> bool {
        if self.is_empty() {
            return false;
        }
        let state = self.state();
        let Some(rule) = state.at(node).find(|rule| matches!(rule.effect, Effect::Refuse)) else { return false };
        self.note(&rule.tally);
        true
    }

    /// How a slow link sends; nothing on a fast one.
    pub(super) fn trickle(&self, node: usize) -> Option<Trickle> {
        if self.is_empty() {
            return None;
        }
        self.state().at(node).find_map(|rule| match rule.effect {
            Effect::Trickle { piece_bytes, rest } => {
                Some(Trickle { piece_bytes, rest, rule: rule.id, tally: rule.tally.clone() })
            }
            _ => None,
        })
    }

    /// What CLUSTER shows of a node instead of what it knows.
    pub(super) fn topology(&self, node: usize) -> Option<Arc<Roster>> {
        if self.is_empty() {
            return None;
        }
        let state = self.state();
        state.at(node).find_map(|rule| match &rule.effect {
            Effect::Topology(roster) => {
                self.note(&rule.tally);
                Some(roster.clone())
            }
            _ => None,
        })
    }

    /// What clients are told to connect to instead of addresses.
    pub(super) fn endpoints(&self, node: usize) -> Option<Endpoints> {
        if self.is_empty() {
            return None;
        }
        self.state().at(node).find_map(|rule| match &rule.effect {
            Effect::Endpoints(endpoints) => Some(endpoints.clone()),
            _ => None,
        })
    }

    /// What becomes of a request. O(rules), and the search for its keys.
    pub(super) fn verdict(&self, node: usize, args: &[&[u8]]) -> Verdict {
        if self.is_empty() {
            return Verdict::Pass(Manner::Whole);
        }
        let request = Request::of(args);
        let mut state = self.state();
        for rule in state.rules.iter_mut().rev().filter(|rule| rule.nodes.contains(&node)) {
            let Effect::Request { filter, left, does } = &mut rule.effect else { continue };
            if *left == Some(0) || !filter.fits(&request) {
                continue;
            }
            let verdict = match does {
                RequestEffect::Refuse(refusal) => refusal.text(&request).map(Verdict::Refuse),
                RequestEffect::Redirect { word, endpoint } => {
                    let slot = request.slots.first();
                    slot.map(|slot| Verdict::Refuse(format!("{word} {} {endpoint}", slot.number())))
                }
                RequestEffect::Cut(bytes) => Some(Verdict::Pass(Manner::Cut(*bytes, rule.tally.clone()))),
                RequestEffect::Stall(bytes) => Some(Verdict::Pass(Manner::Stall(*bytes, rule.id, rule.tally.clone()))),
            };
            let Some(verdict) = verdict else { continue };
            if let Some(left) = left {
                *left -= 1;
            }
            if matches!(verdict, Verdict::Refuse(_)) {
                self.note(&rule.tally);
            }
            return verdict;
        }
        Verdict::Pass(Manner::Whole)
    }

    /// Counts with the book locked, so that nobody who waits for it misses it.
    fn note(&self, tally: &Tally) {
        tally.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change; nothing once it is too late.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, until: Option<Instant>) -> Option<MutexGuard<'a, State>> {
        let Some(until) = until else { return Some(self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)) };
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        Some(self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl State {
    /// The rules for a node, the newest first.
    fn at(&self, node: usize) -> impl Iterator<Item = &Rule> {
        self.rules.iter().rev().filter(move |rule| rule.nodes.contains(&node))
    }
}

/// A request, as rules look at it.
struct Request<'a> {
    args: &'a [&'a [u8]],
    command: Option<&'static Command>,
    /// Of its keys.
    slots: Vec<Slot>,
}

impl<'a> Request<'a> {
    fn of(args: &'a [&'a [u8]]) -> Self {
        let command = table().lookup(args).ok();
        Self { args, command, slots: command.map(|command| slots_of(command, args)).unwrap_or_default() }
    }

    fn has(&self, bits: u32) -> bool {
        self.command.is_some_and(|command| command.flags.has(bits))
    }
}

/// The slots of a command's keys.
pub(super) fn slots_of(command: &Command, args: &[&[u8]]) -> Vec<Slot> {
    let keys = command.keys(args, Include::Routed);
    keys.iter().filter_map(|key| args.get(key.index as usize)).map(|key| Slot::of(key)).collect()
}

impl Filter {
    fn fits(&self, request: &Request<'_>) -> bool {
        let named = self.words.len() <= request.args.len()
            && self.words.iter().zip(request.args).all(|(word, arg)| word.eq_ignore_ascii_case(arg));
        named && self.slot.is_none_or(|slot| request.slots.contains(&slot))
    }
}

impl Refusal {
    /// What it says to a request; nothing to one that is not refused.
    fn text(&self, request: &Request<'_>) -> Option<String> {
        let (is_meant, text) = match self {
            Self::ClusterDown => (!request.slots.is_empty(), "CLUSTERDOWN The cluster is down"),
            Self::SlotNotServed => (!request.slots.is_empty(), "CLUSTERDOWN Hash slot not served"),
            Self::TryAgain => (request.slots.len() > 1, "TRYAGAIN Multiple keys request during rehashing of slot"),
            Self::Loading => (!request.has(flag::LOADING), "LOADING Redis is loading the dataset in memory"),
            Self::MasterDown => (
                !request.has(flag::STALE),
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            ),
            Self::Text(text) => (true, text.as_str()),
        };
        is_meant.then(|| text.replace(['\r', '\n'], " "))
    }
}

/// An error that sends a client elsewhere, with another host in it; any other reply as it is.
pub(super) fn renamed(reply: &[u8], endpoints: &Endpoints) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(reply).ok()?;
    let (head, port) = text.strip_suffix("\r\n").filter(|line| !line.contains('\n'))?.rsplit_once(':')?;
    let (head, _) = head.rsplit_once(' ')?;
    let sends = head.starts_with("-MOVED ") || head.starts_with("-ASK ");
    sends.then(|| format!("{head} {}:{port}\r\n", endpoints.host()).into_bytes())
}
