//! Clients of a simulated cluster: their requests travel, wait, are lost with their connections, and are sent where answers say.
//!
//! ```text
//! begin --> at a node --> the answer -----> done
//!   ^                      |   |   '------> not known: the connection ended behind a write, or the time for an answer is over
//!   '--- somewhere else ---'   '----------> not done: nobody served it in time
//! ```
//!
//! Each operation is tried at whoever is said to serve its key; MOVED and ASK are followed, CLUSTERDOWN and refused connections are
//! tried again a moment later elsewhere. What may have been done is not asked for again unless it only reads. Clients reach every
//! node, whatever partitions there are between nodes, and know of no partition: so it is an old primary's own doing that it answers
//! no more.

use super::super::history::{Ask, Operation as Recorded};
use super::Simulation;
use super::ledger::{Known, Place, ReignNumber, WriteMark};
use super::request::{self, Meaning, Redirect};
use super::timeline::Ending;
use crate::sim::Violation;
use keyslot_engine::resp::Value;
use keyslot_engine::{EffectSink, PeerInfo, Session, Slot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Waker;

/// An operation of a client that was begun.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OperationId(u64);

/// What became of an operation.
#[derive(Clone, PartialEq, Debug)]
pub enum OperationOutcome {
    /// It was answered.
    Reply(Value),
    /// Nobody knows whether it was done, and why.
    Unknown(String),
    /// It was not done, and what was heard last.
    NotDone(String),
}

/// Clients that work by themselves: each has one operation at a time, on keys that all of them share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workload {
    /// How many.
    pub clients: usize,
    /// How many keys: `key:0` and so on.
    pub keys: u64,
    /// How long a client rests behind an operation, at most.
    pub pause_ms: i64,
    /// One operation in so many is a GET; the others are SET, SET with GET and INCR in equal parts. 0 for none.
    pub read_once_in: u64,
}

impl Default for Workload {
    fn default() -> Self {
        Self { clients: 3, keys: 12, pause_ms: 60, read_once_in: 2 }
    }
}

/// What a client asks for, and since when.
#[derive(Debug)]
struct Request {
    client: usize,
    args: Vec<Vec<u8>>,
    meaning: Meaning,
    begun_ms: i64,
}

/// An operation that is open, or of which somebody will ask what became.
#[derive(Debug)]
struct Operation {
    request: Arc<Request>,
    deadline_ms: i64,
    /// The try that is under way.
    flight: Option<u64>,
    last: String,
    outcome: Option<OperationOutcome>,
    /// It is of this workload: nobody will ask.
    workload: Option<u64>,
}

/// One try of an operation. It goes on when its client waits no longer.
struct Flight {
    operation: u64,
    request: Arc<Request>,
    node: usize,
    asks: bool,
    stage: Stage,
    done: Option<Done>,
}

/// In which reign something was done, and as which write.
pub(super) type Done = (ReignNumber, Option<WriteMark>);

enum Stage {
    Request,
    /// In a session of a run of the node.
    AtNode(u64, Box<Session>, Vec<u8>),
    Answer(Answer),
}

enum Answer {
    Reply(Value),
    Refused,
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Flight(u64),
    Try(u64),
    /// An answer to this try is waited for no longer.
    GiveUp(u64, u64),
    /// A client of the workload goes on.
    Work(usize),
}

impl Request {
    fn since(&self) -> u64 {
        (self.begun_ms - super::START_MS) as u64
    }
}

#[derive(Default)]
pub(super) struct Clients {
    operations: BTreeMap<u64, Operation>,
    flights: BTreeMap<u64, Flight>,
    /// Those that wait at a node.
    waiting: BTreeSet<u64>,
    queue: BTreeMap<(i64, u64), Due>,
    routes: BTreeMap<(usize, Slot), usize>,
    workload: Option<Workload>,
    /// How often there was another workload.
    workloads: u64,
    next: u64,
    /// What came of operations on each key, in each reign.
    history: BTreeMap<(String, ReignNumber), Vec<Recorded>>,
    answered: usize,
}

impl Clients {
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.queue.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// How many operations were answered.
    pub(super) fn answered(&self) -> usize {
        self.answered
    }

    /// Operations on each key in each reign, those included that are open and were done.
    pub(super) fn whole_history(&self) -> BTreeMap<(String, ReignNumber), Vec<Recorded>> {
        let mut history = self.history.clone();
        for (number, flight) in &self.flights {
            let is_open = self.operations.get(&flight.operation).is_some_and(|it| it.flight == Some(*number));
            if let (true, Some(done), Meaning::Register(ask, key)) = (is_open, flight.done, &flight.request.meaning) {
                let recorded = Recorded { ask: *ask, from: flight.request.since(), reply: None };
                history.entry((key.clone(), done.0)).or_default().push(recorded);
            }
        }
        history
    }

    fn record(&mut self, request: &Request, done: Option<Done>, reply: Option<(u64, Option<u64>)>) {
        self.answered += usize::from(reply.is_some());
        if let (Meaning::Register(ask, key), Some((reign, _))) = (&request.meaning, done) {
            let recorded = Recorded { ask: *ask, from: request.since(), reply };
            self.history.entry((key.clone(), reign)).or_default().push(recorded);
        }
    }

    /// Something was done in one moment, and answered if it says what.
    pub(super) fn record_at(&mut self, ask: Ask, key: &str, reign: ReignNumber, at: u64, said: Option<Option<u64>>) {
        self.answered += usize::from(said.is_some());
        let recorded = Recorded { ask, from: at, reply: said.map(|said| (at, said)) };
        self.history.entry((key.to_owned(), reign)).or_default().push(recorded);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn schedule(&mut self, at_ms: i64, due: Due) {
        let order = self.number();
        self.queue.insert((at_ms, order), due);
    }
}

impl Simulation {
    /// Has a client begin an operation, which goes on as time does. Clients are told apart by number: each remembers who served what.
    /// It is tried for [`PATIENCE_MS`].
    pub fn begin<A: AsRef<[u8]>>(&mut self, client: usize, args: &[A]) -> OperationId {
        let args = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
        OperationId(self.begin_operation(client, args, None))
    }

    /// What became of an operation that was begun; `None` as long as that is open. Asked for again once it was told: `None`.
    pub fn outcome(&mut self, operation: OperationId) -> Option<OperationOutcome> {
        self.clients.operations.get(&operation.0)?.outcome.as_ref()?;
        let taken = self.clients.operations.remove(&operation.0)?;
        taken.outcome
    }

    /// Lets time go by until every operation is over. None takes longer than [`PATIENCE_MS`] and a little.
    pub(super) fn finish_operations(&mut self) -> Result<(), Violation> {
        while self.clients.operations.values().any(|it| it.outcome.is_none()) {
            self.run_for(REST_MS)?;
        }
        Ok(())
    }

    /// Lets time go by until an operation is over.
    pub(super) fn run_until_done(&mut self, operation: OperationId) -> Result<OperationOutcome, Violation> {
        loop {
            if let Some(outcome) = self.outcome(operation) {
                return Ok(outcome);
            }
            self.step(self.now.0 + ANSWER_TIMEOUT_MS);
            if let Some(violation) = self.violation.clone() {
                return Err(violation);
            }
        }
    }

    /// Has clients work by themselves from here on, or none any more. What they began is finished.
    pub fn set_workload(&mut self, workload: Option<Workload>) {
        self.clients.workload = workload;
        self.clients.workloads += 1;
        self.clients.queue.retain(|_, due| !matches!(due, Due::Work(_)));
        for client in 0..workload.map_or(0, |it| it.clients) {
            let at_ms = self.now.0 + self.chance.below(50) as i64;
            self.clients.schedule(at_ms, Due::Work(client));
        }
    }

    /// How many operations of clients were answered.
    pub fn operations_answered(&self) -> usize {
        self.clients.answered()
    }

    fn begin_operation(&mut self, client: usize, args: Vec<Vec<u8>>, workload: Option<u64>) -> u64 {
        let number = self.clients.number();
        let meaning = Meaning::of(&args, &mut self.ledger);
        let slot = request::slot_of(&args);
        let operation = Operation {
            request: Arc::new(Request { client, args, meaning, begun_ms: self.now.0 }),
            deadline_ms: self.now.0 + PATIENCE_MS,
            flight: None,
            last: "nobody was asked".to_owned(),
            outcome: None,
            workload,
        };
        self.clients.operations.insert(number, operation);
        let known = slot.and_then(|slot| self.clients.routes.get(&(client, slot)).copied());
        let node = known.unwrap_or_else(|| self.any_node());
        self.send_request(number, node, false);
        number
    }

    /// A node of chance; the first, where there is none yet.
    fn any_node(&mut self) -> usize {
        self.chance.below(self.nodes.len().max(1) as u64) as usize
    }

    /// A try of an operation leaves for a node.
    fn send_request(&mut self, number: u64, node: usize, asks: bool) {
        let flight = self.clients.number();
        let Some(operation) = self.clients.operations.get_mut(&number) else { return };
        operation.flight = Some(flight);
        let request = operation.request.clone();
        let stage = Stage::Request;
        self.clients.flights.insert(flight, Flight { operation: number, request, node, asks, stage, done: None });
        let at_ms = self.now.0 + self.network.latency_ms(&mut self.chance).max(1);
        self.clients.schedule(at_ms, Due::Flight(flight));
        self.clients.schedule(self.now.0 + ANSWER_TIMEOUT_MS, Due::GiveUp(number, flight));
    }

    /// Does all that clients do by now.
    pub(super) fn tend_clients(&mut self) {
        while let Some(entry) = self.clients.queue.first_entry() {
            if entry.key().0 > self.now.0 {
                break;
            }
            match entry.remove() {
                Due::Flight(flight) => self.land(flight),
                Due::Try(number) => {
                    let node = self.any_node();
                    self.send_request(number, node, false);
                }
                Due::GiveUp(number, flight) => {
                    let operation = self.clients.operations.get(&number);
                    if operation.is_some_and(|it| it.flight == Some(flight)) {
                        let done = self.clients.flights.get(&flight).and_then(|it| it.done);
                        self.lose(number, "no answer came", done);
                    }
                }
                Due::Work(client) => self.work(client),
            }
        }
    }

    /// A request is at its node, or an answer at its client.
    fn land(&mut self, number: u64) {
        let Some(flight) = self.clients.flights.get(&number) else { return };
        let node = flight.node;
        if matches!(flight.stage, Stage::Answer(_)) {
            let Some(flight) = self.clients.flights.remove(&number) else { return };
            // Whoever gave up does not hear it.
            if self.clients.operations.get(&flight.operation).is_some_and(|it| it.flight == Some(number)) {
                self.hear_answer(flight);
            }
            return;
        }
        if !self.is_on(node) {
            return self.answer(number, Answer::Refused);
        }
        let paused_until = self.nodes[node].paused_until.0;
        if paused_until > self.now.0 {
            return self.clients.schedule(paused_until, Due::Flight(number));
        }
        if self.network.cuts(&mut self.chance) {
            return self.answer(number, Answer::Lost);
        }
        self.tell_time(node);
        let Some(process) = &self.nodes[node].machine.process else { return };
        let session = process.engine.session(Waker::noop().clone(), PeerInfo::default());
        let run = self.nodes[node].machine.run;
        if let Some(flight) = self.clients.flights.get_mut(&number) {
            let bytes = request::encode(&flight.request.args, flight.asks);
            flight.stage = Stage::AtNode(run, Box::new(session), bytes);
        }
        self.clients.waiting.insert(number);
        self.advance(number);
    }

    /// Goes on with requests that wait at nodes.
    pub(super) fn tend_waiting(&mut self) {
        if self.clients.waiting.is_empty() {
            return;
        }
        let waiting: Vec<u64> = self.clients.waiting.iter().copied().collect();
        waiting.into_iter().for_each(|flight| self.advance(flight));
    }

    /// Goes on with a request at a node, which may be done, or answered.
    fn advance(&mut self, number: u64) {
        let Some(flight) = self.clients.flights.get(&number) else { return };
        let (node, asks, operation) = (flight.node, flight.asks, flight.operation);
        let Stage::AtNode(run, ..) = &flight.stage else { return };
        if !self.is_on(node) || self.nodes[node].machine.run != *run {
            return self.answer(number, Answer::Lost);
        }
        if self.nodes[node].paused_until > self.now {
            return;
        }
        self.tell_time(node);
        let before = self.place(node);
        let Some(flight) = self.clients.flights.get_mut(&number) else { return };
        let Stage::AtNode(_, session, bytes) = &mut flight.stage else { return };
        let is_first = !bytes.is_empty();
        #[cfg(test)]
        let spoiled = super::tests::spoil(self.plant, bytes, &mut self.chance);
        #[cfg(not(test))]
        let spoiled: Option<Value> = None;
        session.feed(&std::mem::take(bytes));
        let mut said = Vec::new();
        session.poll_output(&mut said);
        let reply = spoiled.or_else(|| request::decode(&said, asks));
        let (was_done, request) = (flight.done.is_some(), flight.request.clone());
        let after = self.place(node);
        let is_now = before != after || is_first;
        if before != after || (reply.is_some() && !was_done) {
            let done = self.note_meaning(node, &request.meaning, before, after, reply.as_ref(), is_now);
            self.note_done(number, operation, done);
        }
        if let Some(reply) = reply {
            let is_lost = self.network.cuts(&mut self.chance);
            self.answer(number, if is_lost { Answer::Lost } else { Answer::Reply(reply) });
        }
        if before != after {
            self.tend(node);
        }
    }

    /// A request was done. If its client waits no longer, nobody will say more of it.
    fn note_done(&mut self, number: u64, operation: u64, done: Option<Done>) {
        let Some(flight) = self.clients.flights.get_mut(&number) else { return };
        flight.done = done;
        let is_open = self.clients.operations.get(&operation).is_some_and(|it| it.flight == Some(number));
        if !is_open {
            let request = flight.request.clone();
            self.clients.record(&request, done, None);
        }
    }

    /// Writes down what a node did, and judges what it said, if it was said of `now`.
    pub(super) fn note_meaning(
        &mut self,
        node: usize,
        meaning: &Meaning,
        before: Option<Place>,
        after: Option<Place>,
        reply: Option<&Value>,
        is_now: bool,
    ) -> Option<Done> {
        let is_error = matches!(reply, Some(Value::Error(_)));
        let (ask, key) = match meaning {
            Meaning::Strange(_) | Meaning::StrangeToAll if before == after => return None,
            Meaning::Strange(keys) => {
                keys.iter().for_each(|key| self.ledger.leave(key));
                return None;
            }
            Meaning::StrangeToAll => {
                self.ledger.leave_all();
                return None;
            }
            Meaning::Register(..) if is_error => return None,
            Meaning::Register(ask, key) => (*ask, key.as_str()),
        };
        let (before, after) = (before?, after?);
        if let Some(reply) = reply.filter(|_| is_now) {
            let wrong = match request::said(ask, reply, &mut self.ledger) {
                Some(said) => self.ledger.judge(before, key, ask, said),
                // A number below 0: not followed.
                None if ask == Ask::Increment => {
                    self.ledger.leave(key);
                    None
                }
                None => Some(format!("{ask:?} of {key} is answered with {reply:?}")),
            };
            if let Some(wrong) = wrong {
                self.fail(format!("{node}: {wrong}"));
            }
        }
        if !ask.is_write() {
            return Some((after.reign, None));
        }
        let value = match self.ledger.known(before, key) {
            Known::Value(held) => ask.run(held).0,
            Known::Unknown => self.held(node, &[key]).pop().flatten().flatten(),
        };
        Some((after.reign, Some(self.ledger.note(after, key, value))))
    }

    fn answer(&mut self, number: u64, answer: Answer) {
        self.clients.waiting.remove(&number);
        if let Some(flight) = self.clients.flights.get_mut(&number) {
            flight.stage = Stage::Answer(answer);
        }
        let at_ms = self.now.0 + self.network.latency_ms(&mut self.chance).max(1);
        self.clients.schedule(at_ms, Due::Flight(number));
    }

    fn hear_answer(&mut self, flight: Flight) {
        let Flight { operation: number, request, node, asks: asked, stage, done } = flight;
        let Some(operation) = self.clients.operations.get_mut(&number) else { return };
        operation.flight = None;
        let route = request::slot_of(&request.args).map(|slot| (request.client, slot));
        let reply = match stage {
            Stage::Answer(Answer::Reply(reply)) => reply,
            Stage::Answer(Answer::Refused) => {
                operation.last = format!("{node} refuses connections");
                return self.rest(number);
            }
            Stage::Answer(Answer::Lost) | Stage::Request | Stage::AtNode(..) => {
                return self.lose(number, "the connection ended", done);
            }
        };
        let redirect = match &reply {
            Value::Error(text) => {
                operation.last = String::from_utf8_lossy(text).into_owned();
                Redirect::of(text)
            }
            _ => Redirect::None,
        };
        let asks = matches!(redirect, Redirect::Ask(..));
        match redirect {
            Redirect::None => {
                if let Some(route) = route.filter(|_| !asked) {
                    self.clients.routes.insert(route, node);
                }
                self.finish(number, OperationOutcome::Reply(reply), done);
            }
            Redirect::Later => self.rest(number),
            Redirect::Unknown => self.lose(number, "the node follows another now", done),
            Redirect::Moved(ip, port) | Redirect::Ask(ip, port) => {
                let is_over = self.now.0 >= operation.deadline_ms;
                let to = self.places.get(&(ip, port)).copied().filter(|_| !is_over);
                let Some(to) = to else { return self.rest(number) };
                if let Some(route) = route.filter(|_| !asks) {
                    self.clients.routes.insert(route, to);
                }
                self.send_request(number, to, asks);
            }
        }
    }

    /// It was not done; it is tried again, if there is time left.
    fn rest(&mut self, number: u64) {
        let Some(operation) = self.clients.operations.get_mut(&number) else { return };
        operation.flight = None;
        if let Some(slot) = request::slot_of(&operation.request.args) {
            self.clients.routes.remove(&(operation.request.client, slot));
        }
        if self.now.0 >= operation.deadline_ms {
            let last = operation.last.clone();
            return self.finish(number, OperationOutcome::NotDone(last), None);
        }
        self.clients.schedule(self.now.0 + REST_MS, Due::Try(number));
    }

    /// No answer will come.
    fn lose(&mut self, number: u64, why: &str, done: Option<Done>) {
        let Some(operation) = self.clients.operations.get_mut(&number) else { return };
        operation.last = why.to_owned();
        if operation.request.meaning.is_read() {
            return self.rest(number);
        }
        self.finish(number, OperationOutcome::Unknown(why.to_owned()), done);
    }

    fn finish(&mut self, number: u64, outcome: OperationOutcome, done: Option<Done>) {
        let Some(operation) = self.clients.operations.get_mut(&number) else { return };
        operation.flight = None;
        let (request, workload) = (operation.request.clone(), operation.workload);
        let said = match (&outcome, &request.meaning) {
            (OperationOutcome::Reply(reply), Meaning::Register(ask, _)) => request::said(*ask, reply, &mut self.ledger),
            _ => None,
        };
        self.tell_operation(&request, &outcome);
        if let (Some(_), Meaning::Register(_, key), Some((_, Some(mark)))) = (said, &request.meaning, done) {
            self.ledger.acknowledge(key, mark);
        }
        let until = (self.now.0 - super::START_MS) as u64;
        self.clients.record(&request, done, said.map(|said| (until, said)));
        let Some(of) = workload else {
            if let Some(operation) = self.clients.operations.get_mut(&number) {
                operation.outcome = Some(outcome);
            }
            return;
        };
        self.clients.operations.remove(&number);
        if let Some(workload) = self.clients.workload.filter(|_| self.clients.workloads == of) {
            let at_ms = self.now.0 + 1 + self.chance.below(workload.pause_ms.max(1) as u64) as i64;
            self.clients.schedule(at_ms, Due::Work(request.client));
        }
    }

    fn tell_operation(&mut self, request: &Request, outcome: &OperationOutcome) {
        if !self.traces {
            return;
        }
        let words: Vec<_> = request.args.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let (became, ending) = match outcome {
            OperationOutcome::Reply(reply) => (shown(reply), Ending::Answered),
            OperationOutcome::Unknown(why) => (format!("not known: {why}"), Ending::Unknown),
            OperationOutcome::NotDone(last) => (format!("not done: {last}"), Ending::NotDone),
        };
        let (client, since_ms, words) = (request.client, request.begun_ms - super::START_MS, words.join(" "));
        self.note(format_args!("client {client}: {words} since {since_ms}: {became}"));
        let until_ms = self.elapsed_ms();
        self.picture.operation(client, since_ms, until_ms, format!("{words}: {became}"), ending);
    }

    /// A client of the workload begins its next operation.
    fn work(&mut self, client: usize) {
        let Some(workload) = self.clients.workload else { return };
        let key = format!("key:{}", self.chance.below(workload.keys.max(1)));
        let value = self.checks.next_value();
        let is_read = workload.read_once_in > 0 && self.chance.once_in(workload.read_once_in);
        let words: &[&str] = match (is_read, self.chance.below(3)) {
            (true, _) => &["GET", &key],
            (false, 0) => &["INCR", &key],
            (false, 1) => &["SET", &key, &value, "GET"],
            (false, _) => &["SET", &key, &value],
        };
        let args = words.iter().map(|word| word.as_bytes().to_owned()).collect();
        let of = self.clients.workloads;
        self.begin_operation(client, args, Some(of));
    }

    /// Where a node is, in which reign; `None` where its data is of none.
    pub(super) fn place(&mut self, node: usize) -> Option<Place> {
        let process = self.nodes[node].machine.process.as_ref()?;
        let standing = process.node.standing();
        if !standing.is_known() {
            return None;
        }
        let (history, at) = (standing.history(), process.journal.end());
        Some(Place { reign: self.reign_of(history), at })
    }
}

/// A reply in a line.
fn shown(reply: &Value) -> String {
    match reply {
        Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Error(text) => format!("({})", String::from_utf8_lossy(text)),
        Value::Integer(number) => number.to_string(),
        Value::Nil => "(nothing)".to_owned(),
        Value::Ok => "OK".to_owned(),
        other => format!("{other:?}"),
    }
}

/// So long an operation is tried.
pub const PATIENCE_MS: i64 = 10_000;
/// So long an answer is waited for.
const ANSWER_TIMEOUT_MS: i64 = 2000;
/// So long it is waited before it is tried again.
const REST_MS: i64 = 20;
