//! A client of a cluster in this process, without sockets.

use super::residents::{Live, Residents};
use super::rules::{Manner, Verdict, slots_of};
use keyslot_engine::command::row::flag;
use keyslot_engine::command::table::table;
use keyslot_engine::resp::{RespVersion, Value, parse_reply};
use keyslot_engine::{PeerInfo, Session, Slot};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Finds its way to whoever serves a key: follows MOVED and ASK, and asks again while a slot has no owner or a node is gone. Meets
/// [faults](super::faults) as a client on sockets does.
pub struct ClusterClient {
    residents: Arc<Residents>,
    /// Who served a slot last.
    routes: Mutex<HashMap<Slot, usize>>,
    /// How long it asks for an answer.
    patience: Duration,
}

/// Why a client has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody served it in time.
    #[error("nobody served it within {waited_ms} ms; last: {last}")]
    NobodyServes {
        /// How long it was tried.
        waited_ms: u128,
        /// What was answered last.
        last: String,
    },
    /// The answer is an error.
    #[error("{0}")]
    Refused(String),
    /// A node was given a command that may write, and its whole answer did not come. Commands that only read are asked again instead.
    #[error("node {node} did not answer to the end: nobody knows whether it was done")]
    OutcomeUnknown {
        /// Which node it was given.
        node: usize,
    },
}

impl ClusterClient {
    pub(super) fn new(residents: Arc<Residents>) -> Self {
        Self { residents, routes: Mutex::default(), patience: PATIENCE }
    }

    /// Asks for so long, and no longer; ten seconds if nothing is said.
    #[must_use]
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Does a command at whoever serves its keys. Asked again while nobody does, or a node is silent, as long as the client has
    /// [patience](Self::patience); blocking commands do not block.
    pub fn call<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<Value, ClientError> {
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        let answers = self.converse(&[&args], Self::slot_of(&args))?;
        match answers.into_iter().next() {
            Some(Value::Error(text)) => Err(ClientError::Refused(String::from_utf8_lossy(&text).into_owned())),
            Some(value) => Ok(value),
            None => Err(ClientError::Refused("ERR no answer".to_owned())),
        }
    }

    /// Has one node do these commands, in one session. Errors that send elsewhere, or later, are followed; others are answers.
    pub(super) fn converse(&self, requests: &[&[&[u8]]], slot: Option<Slot>) -> Result<Vec<Value>, ClientError> {
        let begun = Instant::now();
        let until = begun.checked_add(self.patience);
        let mut node = slot.and_then(|slot| self.routes().get(&slot).copied()).unwrap_or(0);
        let (mut asks, mut last) = (false, "no node is on".to_owned());
        while begun.elapsed() < self.patience {
            match self.ask(node, requests, asks, until) {
                Outcome::Answers(answers) => match self.redirect(&answers) {
                    None => {
                        if let Some(slot) = slot.filter(|_| !asks) {
                            self.routes().insert(slot, node);
                        }
                        self.residents.wake();
                        return Ok(answers);
                    }
                    Some((Redirect::Later, text)) => {
                        (node, asks, last) = (self.rest(node, slot), false, text);
                    }
                    Some((Redirect::Moved(to), text)) => {
                        (node, asks, last) = (to, false, text);
                        if let Some(slot) = slot {
                            self.routes().insert(slot, to);
                        }
                    }
                    Some((Redirect::Ask(to), text)) => (node, asks, last) = (to, true, text),
                },
                Outcome::Lost if !requests.iter().all(|args| only_reads(args)) => {
                    return Err(ClientError::OutcomeUnknown { node });
                }
                Outcome::Lost | Outcome::Absent => (node, asks) = (self.rest(node, slot), false),
                Outcome::Silent => {
                    last = format!("node {node} does not answer");
                    (node, asks) = (self.rest(node, slot), false);
                }
            }
        }
        Err(ClientError::NobodyServes { waited_ms: begun.elapsed().as_millis(), last })
    }

    /// Gives a node requests, each as faults have it.
    fn ask(&self, node: usize, requests: &[&[&[u8]]], asks: bool, until: Option<Instant>) -> Outcome {
        let faults = &self.residents.faults;
        let Some(live) = self.residents.live(node).filter(|_| !faults.refuses(node)) else { return Outcome::Absent };
        let attempt = Instant::now().checked_add(ATTEMPT);
        let until = until.into_iter().chain(attempt).min();
        if !faults.hold(node, until, || live.is_on()) {
            return if live.is_on() { Outcome::Silent } else { Outcome::Absent };
        }
        let mut session = (asks || requests.len() > 1).then(|| Talk::begin(&live, until));
        let mut answers = Vec::new();
        for args in requests {
            let manner = match faults.verdict(node, args) {
                Verdict::Refuse(text) => {
                    // EXEC fails then, as it does over a socket.
                    if let Some(session) = &mut session {
                        session.say(&[b"refused"]);
                    }
                    answers.push(Value::Error(text.into_bytes().into()));
                    continue;
                }
                Verdict::Pass(manner) => manner,
            };
            let answer = match &mut session {
                None => Some(live.engine.call(args)),
                Some(session) => {
                    let may_ask = !asks || session.say(&[b"ASKING"]).is_some();
                    may_ask.then(|| session.say(args)).flatten()
                }
            };
            match manner {
                Manner::Whole => {}
                Manner::Cut(_, tally) => {
                    faults.count(&tally);
                    return Outcome::Lost;
                }
                Manner::Stall(_, rule, tally) => {
                    faults.count(&tally);
                    if !faults.outlast(rule, until, || live.is_on()) {
                        return Outcome::Lost;
                    }
                }
            }
            if !live.is_on() {
                return Outcome::Lost;
            }
            match answer {
                Some(answer) => answers.push(answer),
                // What is parked is not done, and never will be: its session ends here.
                None => return Outcome::Silent,
            }
        }
        Outcome::Answers(answers)
    }

    /// Where answers send the client, and which of them does.
    fn redirect(&self, answers: &[Value]) -> Option<(Redirect, String)> {
        answers.iter().find_map(|answer| {
            let text = String::from_utf8_lossy(answer.as_error()?).into_owned();
            Some((Redirect::of(&text, &self.residents)?, text))
        })
    }

    /// Waits a moment, and says whom to ask next.
    fn rest(&self, node: usize, slot: Option<Slot>) -> usize {
        if let Some(slot) = slot {
            self.routes().remove(&slot);
        }
        std::thread::park_timeout(REST);
        (node + 1) % self.residents.count()
    }

    /// The slot whose owner is asked first: that of the first key.
    pub(super) fn slot_of(args: &[&[u8]]) -> Option<Slot> {
        Self::slots_of(args).into_iter().next()
    }

    /// The slots of a command's keys.
    pub(super) fn slots_of(args: &[&[u8]]) -> Vec<Slot> {
        table().lookup(args).map(|command| slots_of(command, args)).unwrap_or_default()
    }

    fn routes(&self) -> std::sync::MutexGuard<'_, HashMap<Slot, usize>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of giving a node requests.
enum Outcome {
    Answers(Vec<Value>),
    /// They were done, perhaps, and the answers did not come.
    Lost,
    /// They did not get there.
    Absent,
    /// They lie there, not looked at.
    Silent,
}

/// Whether it may be done twice.
fn only_reads(args: &[&[u8]]) -> bool {
    table().lookup(args).is_ok_and(|command| command.flags.has(flag::READONLY))
}

/// A session, and until when it is waited for.
struct Talk {
    session: Session,
    until: Option<Instant>,
}

impl Talk {
    fn begin(live: &Live, until: Option<Instant>) -> Self {
        let waker = Arc::new(Unparker(std::thread::current())).into();
        let mut talk = Self { session: live.engine.session(waker, PeerInfo::default()), until };
        talk.say(&[b"HELLO", b"3"]);
        talk
    }

    /// One request and its answer; none if it is still parked when time is over.
    fn say(&mut self, args: &[&[u8]]) -> Option<Value> {
        let bulks = Value::Array(args.iter().map(Value::bulk).collect());
        self.session.feed(&bulks.encode(RespVersion::V2));
        let mut out = Vec::new();
        loop {
            self.session.poll_output(&mut out);
            if let Ok(Some((value, _))) = parse_reply(&out) {
                return Some(value);
            }
            match self.until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return None,
                Some(left) => std::thread::park_timeout(left),
                None => std::thread::park(),
            }
        }
    }
}

/// Wakes the thread that waits for a session.
struct Unparker(Thread);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Where an error sends a client.
enum Redirect {
    Later,
    Moved(usize),
    Ask(usize),
}

impl Redirect {
    /// Nothing, if it is an answer.
    fn of(text: &str, residents: &Residents) -> Option<Self> {
        let mut words = text.split(' ');
        let (code, place) = (words.next(), words.nth(1));
        let port = place.and_then(|place| place.rsplit_once(':')).and_then(|(_, port)| port.parse::<u16>().ok());
        let node = port.and_then(|port| residents.node_at(port));
        match (code, node) {
            (Some("MOVED"), Some(node)) => Some(Self::Moved(node)),
            (Some("ASK"), Some(node)) => Some(Self::Ask(node)),
            (Some("MOVED" | "ASK" | "CLUSTERDOWN" | "TRYAGAIN" | "LOADING" | "MASTERDOWN"), _) => Some(Self::Later),
            _ => None,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
/// So long a silent node is waited for before another is asked.
const ATTEMPT: Duration = Duration::from_millis(250);
const REST: Duration = Duration::from_millis(2);
