//! The control machine of one node: its links to others, as bytes in and bytes out.
//!
//! ```text
//!                     accept, link_opened, link_closed, handle_link, handle_timeout
//!   sockets, clock  ----------------------------------------------------------------->  Node  --- Standing --- Primary: who follows
//!   of the host     <-----------------------------------------------------------------    |                '-- History
//!                     poll_output: what to do; poll_link: bytes; next_timeout             '----- ReplicaLink: who is followed
//! ```
//!
//! What a host does:
//! - It tells of every connection: [`accept`](Node::accept) for one that somebody made to this node,
//!   [`link_opened`](Node::link_opened) for one that [`Output::Connect`] asked for, [`link_closed`](Node::link_closed) for the end.
//! - It moves bytes: what came to [`handle_link`](Node::handle_link), what [`poll_link`](Node::poll_link) gives whenever a
//!   connection takes more. Links are asked rather than told to write, so that a slow peer costs no memory.
//! - After every call it does all that [`poll_output`](Node::poll_output) says, in order, and calls
//!   [`handle_timeout`](Node::handle_timeout) when [`next_timeout`](Node::next_timeout) says.
//! - It tells of the journal's growth by asking links again; see [`Primary::poll_more`](crate::link::Primary::poll_more).
//!
//! A host of many threads may prefer the parts: [`Standing`], [`Waits`] and [`Failover`] hold the decisions, the links the bytes.
//!
//! Invariants
//! - There is at most one connection to the primary, and it belongs to the node that is followed now.
//! - Nobody is served while the data is replaced, or by a replica that does not follow the stream itself.
//! - A wait is told once: that the replicas are there, that its time is over, or that the node leads no more.

mod failover;
mod guard;
mod kept;
mod membership;
mod moving;
mod options;
mod output;
mod standing;
mod target;
mod transfer_control;
mod transfers;
mod waits;

pub use failover::{
    AbortReason, Failover, FailoverCommand, FailoverError, FailoverRequest, FailoverState, FailoverStep, Place,
    TakeOverError, Undo, admit_take_over,
};
pub use guard::{EMPTY_PRIMARY_TEXT, EmptyPrimary, StartedWith};
pub use kept::KeptHistory;
pub use membership::admit_to_shard;
pub use moving::is_kept;
pub use options::NodeOptions;
pub use output::{CloseReason, ConnectionId, FailoverEvent, Output, WaitId, WaitOutcome};
pub use standing::Standing;
pub use target::Target;
pub use transfer_control::control_transfers;
pub use transfers::{ALIVE_MS, Direction, TransferEvent, TransferOutput, TransferReport, TransferState, Transfers};
pub use waits::{Goal, LogGoal, Progress, Waits};

use crate::chance::Chance;
use crate::cluster::member::BusLink;
use crate::link::{
    Arrival, Called, History, LinkError, LinkId, Reception, ReplicaError, ReplicaEvent, ReplicaLink, ReplicaOptions,
    ReplicaPhase, ReplicaProfile, ReplicationId, SyncRequest,
};
use keyslot_engine::{EffectSink, Engine, Offset, UnixMillis};
use keyslot_persistence::Journal;
use membership::Membership;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// See the module.
pub struct Node {
    engine: Engine,
    standing: Standing,
    options: NodeOptions,
    chance: Chance,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    upstream: Option<Upstream>,
    waits: Waits<WaitId>,
    next_wait: u64,
    failover: Failover,
    membership: Option<Membership>,
    outputs: VecDeque<Output>,
}

enum Connection {
    /// Somebody came and has not asked for the stream.
    Expected(Box<Reception>, Vec<u8>),
    /// The link, and what was answered before it was one.
    Served(LinkId, Vec<u8>),
    /// To the primary, and not there yet.
    Connecting,
    Followed(Box<ReplicaLink>),
    /// Of the cluster's bus.
    Bus(BusLink),
    /// Of slots that leave or arrive.
    Transfer(Box<moving::TransferLink>),
}

/// The node that is followed.
struct Upstream {
    target: Target,
    state: Reach,
}

enum Reach {
    Away {
        retry_at: UnixMillis,
    },
    Connecting {
        connection: ConnectionId,
        until: UnixMillis,
    },
    Linked(ConnectionId),
    /// It is not reached for: this node has promised not to acknowledge what it writes.
    Detached,
}

impl Node {
    /// The machine of a node with this engine and its journal. `history` says what the data is a part of, `None` if that is not
    /// known, as of data that was there before the node started. `chance` seeds names, which must differ between nodes and starts.
    pub fn new(
        engine: Engine,
        journal: Arc<Journal>,
        history: Option<History>,
        options: NodeOptions,
        chance: u64,
    ) -> Self {
        let mut chance = Chance::new(chance);
        let own = history.unwrap_or_else(|| History::new(ReplicationId::from_chance(chance.triple())));
        let mark = chance.next();
        let standing = Standing::new(engine.clone(), journal, own, options.primary, mark);
        let failover = Failover::new(engine.clone());
        Self {
            engine,
            standing,
            options,
            chance,
            connections: BTreeMap::new(),
            next_connection: 0,
            upstream: None,
            waits: Waits::new(),
            next_wait: 0,
            failover,
            membership: None,
            outputs: VecDeque::new(),
        }
    }

    /// What the data is a part of, and who follows.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Whom it follows.
    pub fn target(&self) -> Option<&Target> {
        self.upstream.as_ref().map(|upstream| &upstream.target)
    }

    /// Where the link to the primary is; `None` without a connection.
    pub fn phase(&self) -> Option<ReplicaPhase> {
        self.followed().map(ReplicaLink::phase)
    }

    fn followed(&self) -> Option<&ReplicaLink> {
        let Reach::Linked(connection) = &self.upstream.as_ref()?.state else { return None };
        match self.connections.get(connection) {
            Some(Connection::Followed(link)) => Some(link),
            _ => None,
        }
    }

    /// Which connections belong to replicas that have the stream up to `offset`, by their own account.
    pub fn reached(&self, offset: Offset) -> Vec<ConnectionId> {
        let links: Vec<LinkId> = self.standing.primary().reached(offset).collect();
        let served = self.connections.iter().filter_map(|(id, connection)| match connection {
            Connection::Served(link, _) if links.contains(link) => Some(*id),
            _ => None,
        });
        served.collect()
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn next_timeout(&self) -> Option<UnixMillis> {
        let upstream = self.upstream.as_ref().and_then(|upstream| match &upstream.state {
            Reach::Away { retry_at } => Some(*retry_at),
            Reach::Detached => None,
            Reach::Connecting { until, .. } => Some(*until),
            Reach::Linked(connection) => match self.connections.get(connection) {
                Some(Connection::Followed(link)) => link.next_timeout(),
                _ => None,
            },
        });
        let own = [self.standing.primary().next_timeout(), self.waits.next_timeout(), self.failover.next_timeout()];
        own.into_iter().chain([upstream, self.next_member_timeout(), self.next_transfer_timeout()]).flatten().min()
    }

    /// Does what is due by time.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        for (link, error) in self.standing.primary_mut().handle_timeout(now) {
            let found =
                self.connections.iter().find(|(_, it)| matches!(it, Connection::Served(served, _) if *served == link));
            if let Some(connection) = found.map(|(id, _)| *id) {
                self.close(connection, CloseReason::Replica(error));
            }
        }
        self.reach(now);
        self.end_waits(now);
        self.move_failover(now);
        self.tend_member(now);
        self.tend_transfers(now);
    }

    /// Sees to the connection to the primary.
    fn reach(&mut self, now: UnixMillis) {
        let Some(upstream) = &mut self.upstream else { return };
        match upstream.state {
            Reach::Away { retry_at } if retry_at <= now => {
                let connection = ConnectionId(self.next_connection);
                self.next_connection += 1;
                let until = UnixMillis(now.0 + self.options.replica.timeout_ms);
                upstream.state = Reach::Connecting { connection, until };
                let target = upstream.target.clone();
                self.connections.insert(connection, Connection::Connecting);
                self.outputs.push_back(Output::Connect { connection, target });
            }
            Reach::Connecting { connection, until } if until <= now => {
                self.lose(now);
                self.close(connection, CloseReason::Unreached);
            }
            Reach::Linked(connection) => {
                if let Some(Connection::Followed(link)) = self.connections.get_mut(&connection)
                    && let Err(error) = link.handle_timeout(now)
                {
                    self.fail(connection, error, now);
                }
            }
            Reach::Away { .. } | Reach::Connecting { .. } | Reach::Detached => {}
        }
    }

    /// Somebody made a connection to this node.
    pub fn accept(&mut self) -> ConnectionId {
        let connection = self.take_connection_id();
        let reception = Reception::new(self.options.password.clone());
        self.connections.insert(connection, Connection::Expected(Box::new(reception), Vec::new()));
        connection
    }

    fn take_connection_id(&mut self) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        connection
    }

    /// A connection that was asked for is there.
    pub fn link_opened(&mut self, connection: ConnectionId, now: UnixMillis) {
        if let Some(Connection::Bus(link)) = self.connections.get(&connection) {
            return self.open_bus(*link, now);
        }
        if let Some(Connection::Transfer(_)) = self.connections.get(&connection) {
            return self.open_transfer(connection, now);
        }
        let Some(upstream) = &mut self.upstream else { return };
        if matches!(upstream.state, Reach::Connecting { connection: wanted, .. } if wanted == connection) {
            upstream.state = Reach::Linked(connection);
            let (hand_over, node) = (self.failover.hand_over(), self.strict_name());
            let options = ReplicaOptions { hand_over, node, ..self.options.replica.clone() };
            let link = self.standing.link(options, now);
            self.connections.insert(connection, Connection::Followed(Box::new(link)));
        }
    }

    /// A connection has ended, or did not come about. Nothing more is asked for it.
    pub fn link_closed(&mut self, connection: ConnectionId, now: UnixMillis) {
        match self.connections.remove(&connection) {
            Some(Connection::Served(link, _)) => self.standing.primary_mut().detach(link),
            Some(Connection::Connecting) => self.lose(now),
            Some(Connection::Followed(link)) => {
                self.lose(now);
                self.end_hand_over(link.awaits_answer(), None, now);
            }
            Some(Connection::Bus(link)) => self.end_bus(link, now),
            Some(Connection::Transfer(link)) => self.end_transfer(*link, now),
            Some(Connection::Expected(..)) | None => {}
        }
    }

    /// Takes what came over a connection.
    pub fn handle_link(&mut self, connection: ConnectionId, bytes: &[u8], now: UnixMillis) {
        match self.connections.get_mut(&connection) {
            Some(Connection::Expected(reception, out)) => match reception.feed(bytes, out) {
                Ok(Some(Called::Replica(arrival))) => self.serve(connection, arrival, now),
                Ok(Some(Called::Other(words, rest))) => self.serve_node(connection, &words, &rest, now),
                Ok(None) => {}
                Err(error) => self.close(connection, CloseReason::Replica(error.into())),
            },
            Some(Connection::Served(link, _)) => {
                let link = *link;
                self.hear(connection, link, bytes, now);
            }
            Some(Connection::Followed(link)) => {
                let outcome = link.handle_input(bytes, now);
                self.follow_up(connection, outcome, now);
                self.note_heard();
            }
            Some(Connection::Bus(link)) => {
                let link = *link;
                self.handle_bus(link, bytes, now);
            }
            Some(Connection::Transfer(_)) => self.handle_transfer(connection, bytes, now),
            Some(Connection::Connecting) | None => {}
        }
    }

    fn serve(&mut self, connection: ConnectionId, arrival: Arrival, now: UnixMillis) {
        let Arrival { profile, request, rest } = arrival;
        if let Err(error) = self.admit(connection, request, &profile) {
            if let Some(Connection::Expected(_, out)) = self.connections.get_mut(&connection) {
                out.extend_from_slice(format!("-{error}\r\n").as_bytes());
            }
            return;
        }
        let before = self.standing.primary().counts().partial;
        match self.standing.serve(profile, request, now) {
            Ok(link) => {
                let goes_on = self.standing.primary().counts().partial > before;
                let said = match self.connections.remove(&connection) {
                    Some(Connection::Expected(_, said)) => said,
                    _ => Vec::new(),
                };
                self.connections.insert(connection, Connection::Served(link, said));
                self.outputs.push_back(Output::Served { connection, request, goes_on });
                self.say_transfers();
                self.hear(connection, link, &rest, now);
            }
            Err(error) => self.close(connection, CloseReason::Replica(error)),
        }
    }

    /// Whether a replica is served now; who asks this node to lead is obeyed. An error is what to answer.
    fn admit(
        &mut self,
        connection: ConnectionId,
        request: SyncRequest,
        profile: &ReplicaProfile,
    ) -> Result<(), String> {
        self.admit_to_shard(profile)?;
        if let SyncRequest::TakeOver(wanted, hand_over) = request {
            let history = self.standing.history();
            let follows = self.upstream.as_ref().map(|_| self.standing.is_known().then_some(&history));
            admit_take_over(follows, self.standing.journal().end(), wanted, hand_over)
                .map_err(|error| error.to_string())?;
            self.begin_leading();
            self.outputs.push_back(Output::Failover(FailoverEvent::TookOver(connection)));
        }
        if self.failover.state() != FailoverState::None {
            return Err("NOMASTERLINK Can't SYNC while failing over".to_owned());
        }
        match self.upstream.is_some() && self.phase() != Some(ReplicaPhase::Streaming) {
            true => Err("NOMASTERLINK Can't SYNC while not connected with my master".to_owned()),
            false => Ok(()),
        }
    }

    fn hear(&mut self, connection: ConnectionId, link: LinkId, bytes: &[u8], now: UnixMillis) {
        match self.standing.primary_mut().handle_input(link, bytes, now) {
            Ok(()) => {
                self.end_waits(now);
                self.move_failover(now);
            }
            Err(error) => self.close(connection, CloseReason::Replica(error)),
        }
    }

    /// The host has done what [`Output::Link`] asks for at [`Replacing`](ReplicaEvent::Replacing): the snapshot may come.
    pub fn proceed(&mut self, now: UnixMillis) {
        let Some(Upstream { state: Reach::Linked(connection), .. }) = &self.upstream else { return };
        self.handle_link(*connection, b"", now);
    }

    /// What a link's input led to.
    fn follow_up(&mut self, connection: ConnectionId, outcome: Result<(), ReplicaError>, now: UnixMillis) {
        let mut outcome = outcome;
        loop {
            let Some(Connection::Followed(link)) = self.connections.get_mut(&connection) else { return };
            match link.poll_event() {
                Some(ReplicaEvent::Note(text)) => {
                    self.with_member(now, |member| member.take_note(&text));
                }
                Some(event) => {
                    self.standing.take_event(&event);
                    self.close_unserved();
                    let is_handed_over = self.failover.take_event(&event);
                    let is_hold = matches!(event, ReplicaEvent::Replacing(_));
                    self.outputs.push_back(Output::Link(event));
                    if is_handed_over {
                        self.outputs.push_back(Output::Failover(FailoverEvent::HandedOver));
                    }
                    if is_hold && outcome.is_ok() {
                        return;
                    }
                }
                None if outcome.is_ok() && link.holds_input() => outcome = link.handle_input(b"", now),
                None => break,
            }
        }
        if let Err(error) = outcome {
            self.fail(connection, error, now);
        }
    }

    /// The link to the primary is of no use any more.
    fn fail(&mut self, connection: ConnectionId, error: ReplicaError, now: UnixMillis) {
        let id = ReplicationId::from_chance(self.chance.triple());
        self.standing.take_error(&error, id);
        self.close_unserved();
        self.lose(now);
        let awaits_answer = match self.connections.get(&connection) {
            Some(Connection::Followed(link)) => link.awaits_answer(),
            _ => false,
        };
        self.close(connection, CloseReason::Primary(error.clone()));
        self.end_hand_over(awaits_answer, Some(&error), now);
    }

    /// There is no connection to the primary.
    fn lose(&mut self, now: UnixMillis) {
        if let Some(upstream) = &mut self.upstream {
            upstream.state = Reach::Away { retry_at: UnixMillis(now.0 + self.options.retry_interval_ms) };
        }
    }

    fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        if let Some(Connection::Served(link, _)) = self.connections.remove(&connection) {
            self.standing.primary_mut().detach(link);
        }
        self.outputs.push_back(Output::Close { connection, reason });
    }

    /// Appends to `out` what is to be sent over a connection now: about `budget` bytes, more for a large value, nothing if there is
    /// nothing.
    pub fn poll_link(&mut self, connection: ConnectionId, out: &mut Vec<u8>, budget: usize) {
        match self.connections.get_mut(&connection) {
            Some(Connection::Expected(_, said)) => out.append(said),
            Some(Connection::Followed(link)) => link.poll_output(out),
            Some(Connection::Bus(link)) => {
                let link = *link;
                self.poll_bus(link, out);
            }
            Some(Connection::Transfer(_)) => self.poll_transfer(connection, out, budget),
            Some(Connection::Served(link, said)) => {
                out.append(said);
                let link = *link;
                if let Err(error) = self.standing.primary_mut().poll_output(link, out, budget) {
                    self.close(connection, CloseReason::Replica(error));
                }
            }
            Some(Connection::Connecting) | None => {}
        }
    }

    /// Follows another node from here on. False if it does so already. Ends a failover.
    pub fn follow(&mut self, target: Target, now: UnixMillis) -> bool {
        let is_detached = matches!(&self.upstream, Some(Upstream { state: Reach::Detached, .. }));
        if self.target() == Some(&target) && !is_detached && self.failover.state() == FailoverState::None {
            return false;
        }
        self.begin_following(target, now);
        self.failover.forget();
        true
    }

    fn begin_following(&mut self, target: Target, now: UnixMillis) {
        self.leave_upstream();
        self.upstream = Some(Upstream { target, state: Reach::Away { retry_at: now } });
        self.standing.follow();
        for wait in self.waits.take_all() {
            self.outputs.push_back(Output::Waited { wait, offset: Offset(0), outcome: WaitOutcome::LeadsNoMore });
        }
        self.reach(now);
    }

    /// Follows nobody from here on. False if it does so already. Ends a failover.
    pub fn lead(&mut self) -> bool {
        if self.upstream.is_none() {
            self.failover.forget();
            return false;
        }
        self.begin_leading();
        self.failover.forget();
        true
    }

    fn begin_leading(&mut self) {
        self.leave_upstream();
        self.standing.lead(ReplicationId::from_chance(self.chance.triple()));
        self.close_unserved();
    }

    /// Gives this node's place to a replica. [`Output::Failover`] tells how it goes.
    pub fn fail_over(&mut self, request: FailoverRequest, now: UnixMillis) -> Result<(), FailoverError> {
        let place = match self.upstream {
            Some(_) => Place::Follows,
            None => Place::Leads(Some(self.standing.primary())),
        };
        self.failover.begin(request, place, now)?;
        self.move_failover(now);
        Ok(())
    }

    /// Ends the failover that is under way.
    pub fn abort_failover(&mut self, now: UnixMillis) -> Result<(), FailoverError> {
        let step = self.failover.abort()?;
        self.take_step(step, now);
        Ok(())
    }

    /// How far a failover of this node is.
    pub fn failover_state(&self) -> FailoverState {
        self.failover.state()
    }

    fn move_failover(&mut self, now: UnixMillis) {
        let end = self.standing.journal().end();
        if let Some(step) = self.failover.poll(self.standing.primary(), end, now) {
            self.take_step(step, now);
        }
    }

    /// The link to the replica that is to lead has ended.
    fn end_hand_over(&mut self, awaits_answer: bool, error: Option<&ReplicaError>, now: UnixMillis) {
        let before = self.failover.state();
        match self.failover.take_end(awaits_answer, error) {
            Some(step) => self.take_step(step, now),
            None if before != self.failover.state() => {
                self.outputs.push_back(Output::Failover(FailoverEvent::HandedOver));
            }
            None => {}
        }
    }

    fn take_step(&mut self, step: FailoverStep, now: UnixMillis) {
        let event = match step {
            FailoverStep::Follow(target) => {
                self.begin_following(target.clone(), now);
                FailoverEvent::Follows(target)
            }
            FailoverStep::Aborted(reason, undo) => {
                if undo == Undo::Lead {
                    self.begin_leading();
                }
                self.failover.release();
                FailoverEvent::GaveUp(reason)
            }
        };
        self.outputs.push_back(Output::Failover(event));
    }

    /// Closes the connections of replicas that were let go.
    fn close_unserved(&mut self) {
        let primary = self.standing.primary();
        let is_over = |it: &Connection| matches!(it, Connection::Served(link, _) if !primary.serves(*link));
        let over: Vec<_> = self.connections.iter().filter(|(_, it)| is_over(it)).map(|(id, _)| *id).collect();
        for connection in over {
            self.close(connection, CloseReason::Replica(LinkError::Closed));
        }
    }

    /// Ends the link to the primary, and makes no other one until [`follow`](Self::follow).
    fn detach(&mut self) {
        let Some(upstream) = &mut self.upstream else { return };
        let state = std::mem::replace(&mut upstream.state, Reach::Detached);
        if let Reach::Connecting { connection, .. } | Reach::Linked(connection) = state {
            self.close(connection, CloseReason::Left);
        }
    }

    fn leave_upstream(&mut self) {
        let state = self.upstream.take().map(|upstream| upstream.state);
        if let Some(Reach::Connecting { connection, .. } | Reach::Linked(connection)) = state {
            self.close(connection, CloseReason::Left);
        }
    }

    /// Waits until `count` replicas have everything up to now, for ever if no `timeout_ms` is given; `None` at a node that follows
    /// another. [`Output::Waited`] tells how it went.
    pub fn wait(&mut self, count: usize, timeout_ms: Option<i64>, now: UnixMillis) -> Option<WaitId> {
        if self.upstream.is_some() {
            return None;
        }
        let wait = WaitId(self.next_wait);
        self.next_wait += 1;
        let until = timeout_ms.map(|ms| UnixMillis(now.0 + ms));
        let goal = Goal { offset: self.engine.position(), replicas: count, logs: None };
        let primary = self.standing.primary();
        if !goal.is_met(goal.progress(Some(primary))) {
            primary.ask_acks();
        }
        self.waits.push(goal, until, wait);
        self.end_waits(now);
        Some(wait)
    }

    fn end_waits(&mut self, now: UnixMillis) {
        for (wait, goal, progress) in self.waits.take_over(now, Some(self.standing.primary())) {
            let outcome = WaitOutcome::Reached(progress.replicas);
            self.outputs.push_back(Output::Waited { wait, offset: goal.offset, outcome });
        }
    }

    /// What was asked of a link, for a test that plants a bug.
    #[cfg(test)]
    pub(crate) fn standing_mut(&mut self) -> &mut Standing {
        &mut self.standing
    }
}
