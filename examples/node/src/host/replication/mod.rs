//! Replicas of this node, and its primary.
//!
//! ```text
//! a client that says PSYNC   -> its connection becomes a link: what it sends goes to the primary's side, what the journal gives
//!                               goes to it
//! REPLICAOF host port        -> a task on the control thread connects, and feeds what comes to the replica's side
//! ```
//!
//! A node without a log has no journal until somebody follows it, or it follows somebody: then it has one in memory.

mod commands;
mod following;
mod report;
mod serving;

use super::Node;
use crate::settings::Values;
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::{LaterReply, Offset};
use keyslot::persistence::Journal;
use keyslot::replication::link::{
    History, LinkError, PrimaryOptions, ReplicaPhase, ReplicaProfile, ReplicaState, ReplicationId, SyncRequest,
};
use keyslot::replication::node::{Standing, Target};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Wake;
use std::time::Instant;
use tokio::sync::{Notify, watch};

pub(super) use commands::target_of;
pub(super) use following::run;

/// What a node knows of those it is linked with.
pub(super) struct Replication {
    state: Mutex<State>,
    /// What clients said of themselves by REPLCONF.
    profiles: Mutex<HashMap<u64, ReplicaProfile>>,
    /// Clients that asked for the stream and whose connections do not know yet.
    arrivals: Mutex<HashMap<u64, SyncRequest>>,
    arrival_count: AtomicUsize,
    /// Locked before `state`.
    waits: Mutex<Vec<Wait>>,
    fsynced: Arc<Fsynced>,
    /// Whom to follow.
    target: watch::Sender<Option<Target>>,
}

struct State {
    /// What the data is a part of while there is no stream.
    history: History,
    /// The journal and who follows it, once there is reason to have one.
    stream: Option<Standing>,
    upstream: Option<Upstream>,
}

/// How it goes with the primary.
#[derive(Clone)]
struct Upstream {
    target: Target,
    /// `None` while there is no connection.
    phase: Option<ReplicaPhase>,
    /// When the link was lost, or looked for first.
    down_since: Instant,
    heard: Option<Instant>,
    /// Bytes of a snapshot that came so far.
    received_bytes: u64,
}

/// A client that waits for replicas (WAIT), or for logs (WAITAOF).
struct Wait {
    goal: Goal,
    until: Option<Instant>,
    reply: LaterReply,
}

/// What a client waits for.
struct Goal {
    offset: Offset,
    /// How many replicas.
    count: usize,
    /// What WAITAOF waits for besides.
    logs: Option<LogWait>,
}

/// Replicas count once their logs are fsynced.
struct LogWait {
    /// This node's own log, if it has one.
    own: Option<Arc<Journal>>,
    /// Whether to wait for that too.
    is_own_wanted: bool,
}

impl Goal {
    /// Whether this node's log is fsynced that far (for WAITAOF), and how many replicas are there.
    fn reached(&self, state: &State) -> (bool, usize) {
        let Some(stream) = &state.stream else { return (self.is_own_durable(), 0) };
        let count = match &self.logs {
            Some(_) => stream.primary().count_fsynced(self.offset),
            None => stream.primary().count_reached(self.offset),
        };
        (self.is_own_durable(), count)
    }

    fn is_own_durable(&self) -> bool {
        let own = self.logs.as_ref().and_then(|logs| logs.own.as_ref());
        own.and_then(|journal| journal.durable_log()) >= Some(self.offset)
    }

    fn is_enough(&self, (own, count): (bool, usize)) -> bool {
        count >= self.count && (own || self.logs.as_ref().is_none_or(|logs| !logs.is_own_wanted))
    }

    fn answer(&self, (own, count): (bool, usize), reply: &mut ReplyWriter<'_>) {
        if self.logs.is_some() {
            reply.array(2);
            reply.integer(own.into());
        }
        reply.integer(count as i64);
    }
}

/// Tells the control thread that this node's log was fsynced: the log's own thread has other things to do than to answer.
#[derive(Default)]
struct Fsynced(Notify);

impl Wake for Fsynced {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Answers those who wait for this node's log. Runs until it is dropped.
pub(super) async fn watch_log(node: Arc<Node>) {
    loop {
        node.replication.fsynced.0.notified().await;
        node.replication.serve_waits();
    }
}

impl Replication {
    pub(super) fn new() -> Self {
        let state = State { history: History::new(fresh_id()), stream: None, upstream: None };
        Self {
            state: Mutex::new(state),
            profiles: Mutex::default(),
            arrivals: Mutex::default(),
            arrival_count: AtomicUsize::new(0),
            waits: Mutex::default(),
            fsynced: Arc::default(),
            target: watch::Sender::new(None),
        }
    }

    /// Does what is due by time. Called several times a second.
    pub(super) fn tick(&self, node: &Node) {
        let now = node.engine.now();
        if let Some(stream) = &mut self.state.lock().stream {
            for (_, error) in stream.primary_mut().handle_timeout(now) {
                tracing::warn!("A replica is let go: {error}");
            }
        }
        self.serve_waits();
        self.judge(node, &node.settings.values());
    }

    /// Says whether the data may be shown and changed, by who follows and who is followed.
    pub(super) fn judge(&self, node: &Node, values: &Values) {
        let mut state = self.state.lock();
        let is_down = state.upstream.as_ref().is_some_and(|upstream| upstream.phase != Some(ReplicaPhase::Streaming));
        let is_stale = is_down && !values.switch("replica-serve-stale-data");
        let (wanted, lag) = (values.number("min-replicas-to-write"), values.number("min-replicas-max-lag"));
        let lacks = wanted > 0 && lag > 0 && state.upstream.is_none() && state.count_good(node, lag) < wanted;
        drop(state);
        let options = node.engine.options();
        options.stale.store(is_stale, Relaxed);
        options.lacks_replicas.store(lacks, Relaxed);
    }

    /// Answers those whose replicas are there, or who waited for long enough.
    fn serve_waits(&self) {
        let mut waits = self.waits.lock();
        if waits.is_empty() {
            return;
        }
        let now = Instant::now();
        let state = self.state.lock();
        waits.retain(|wait| {
            let reached = wait.goal.reached(&state);
            let is_over = wait.goal.is_enough(reached) || wait.until.is_some_and(|until| until <= now);
            if is_over {
                wait.reply.give(|reply: &mut ReplyWriter<'_>| wait.goal.answer(reached, reply));
            }
            !is_over
        });
    }

    /// The log begins or ends, and changes may be missing from the journal: who follows it has to begin anew.
    pub(super) fn begin_anew(&self) {
        let mut state = self.state.lock();
        if state.upstream.is_none() && state.stream.take().is_some() {
            state.history.join(fresh_id());
        }
    }

    /// A client's connection has ended.
    pub(super) fn forget_client(&self, client: u64) {
        self.profiles.lock().remove(&client);
        if self.arrivals.lock().remove(&client).is_some() {
            self.arrival_count.fetch_sub(1, Relaxed);
        }
    }
}

impl State {
    fn history(&self) -> History {
        self.stream.as_ref().map_or(self.history, Standing::history)
    }

    /// How many replicas were heard of within so many seconds.
    fn count_good(&mut self, node: &Node, lag_seconds: u64) -> u64 {
        let now = node.engine.now();
        let lag_ms = i64::try_from(lag_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        let replicas = self.stream.iter().flat_map(|stream| stream.primary().replicas());
        replicas.filter(|replica| replica.state == ReplicaState::Stream && now.0 - replica.heard.0 <= lag_ms).count()
            as u64
    }

    /// The stream, which is begun if there is none.
    fn stream(&mut self, node: &Node) -> &mut Standing {
        self.stream.get_or_insert_with(|| {
            let journal = node.data.begin_stream(&node.settings.values());
            let options = primary_options(node);
            let chance = u64::from_str_radix(&super::info::random_id()[..16], 16).unwrap_or(0);
            Standing::new(node.engine.clone(), journal, self.history, options, chance)
        })
    }
}

/// How replicas are treated, by the settings.
fn primary_options(node: &Node) -> PrimaryOptions {
    let values = node.settings.values();
    let ms = |name| i64::try_from(values.number(name).saturating_mul(1000)).unwrap_or(i64::MAX);
    PrimaryOptions {
        ping_interval_ms: ms("repl-ping-replica-period"),
        timeout_ms: ms("repl-timeout"),
        sends_marked: values.switch("repl-diskless-sync"),
    }
}

/// A name that no other history has.
fn fresh_id() -> ReplicationId {
    ReplicationId::parse(super::info::random_id().as_bytes()).expect("it is 40 digits")
}

/// Why a connection that became a link ends.
type LinkResult<T> = Result<T, LinkError>;
