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
mod facts;
mod failover;
mod following;
mod guard;
mod keeping;
mod report;
mod serving;

use super::Node;
use crate::settings::Values;
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::{Engine, LaterReply, UnixMillis};
use keyslot::replication::link::{
    History, LagLimits, LinkError, PrimaryOptions, Quorum, ReplicaPhase, ReplicaProfile, ReplicaState, ReplicaStatus,
    ReplicationId, SyncRequest,
};
use keyslot::replication::node::{Failover, Goal, Progress, Standing, StartedWith, Target, Waits};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
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
    /// Clients that wait for replicas (WAIT), or for logs (WAITAOF). Locked before `state`.
    waits: Mutex<Waits<LaterReply>>,
    fsynced: Arc<Fsynced>,
    /// Held while the log ends for a snapshot, or begins again behind one. Locked before `state`.
    replacing: Mutex<()>,
    /// The node is about to stop: nothing that has to do with time goes into the stream any more.
    is_stopping: AtomicBool,
    /// Whether it is noted in the folder that there were replicas.
    is_marked: AtomicBool,
    /// Whom to follow.
    target: watch::Sender<Option<Target>>,
}

struct State {
    /// What the data is a part of while there is no stream.
    history: History,
    /// The journal and who follows it, once there is reason to have one.
    stream: Option<Standing>,
    upstream: Option<Upstream>,
    failover: Failover,
    /// Which replicas confirm what is written; all, if nothing is said.
    quorums: Option<Vec<Quorum>>,
    /// Whether the data was a part of the history when the node started.
    is_kept: bool,
    started: StartedWith,
}

/// How it goes with the primary.
#[derive(Clone)]
struct Upstream {
    target: Target,
    /// `None` while there is no connection.
    phase: Option<ReplicaPhase>,
    /// When the link was lost, or looked for first.
    down_since: Instant,
    /// Whether the stream came since this primary is followed.
    has_streamed: bool,
    heard: Option<Instant>,
    /// Bytes of a snapshot that came so far.
    received_bytes: u64,
    /// There is to be no link to it.
    is_detached: bool,
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
        node.replication.serve_waits(node.engine.now());
    }
}

/// The reply of WAIT or WAITAOF.
fn answer(goal: &Goal, progress: Progress, reply: &mut ReplyWriter<'_>) {
    if goal.logs.is_some() {
        reply.array(2);
        reply.integer(progress.is_own_durable.into());
    }
    reply.integer(progress.replicas as i64);
}

impl Replication {
    pub(super) fn new(engine: &Engine) -> Self {
        let failover = Failover::new(engine.clone());
        let state = State {
            history: History::new(fresh_id()),
            stream: None,
            upstream: None,
            failover,
            quorums: None,
            is_kept: false,
            started: StartedWith::Data,
        };
        Self {
            state: Mutex::new(state),
            profiles: Mutex::default(),
            arrivals: Mutex::default(),
            arrival_count: AtomicUsize::new(0),
            waits: Mutex::default(),
            fsynced: Arc::default(),
            replacing: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            is_marked: AtomicBool::new(false),
            target: watch::Sender::new(None),
        }
    }

    /// Does what is due by time. Called several times a second.
    pub(super) fn tick(&self, node: &Node) {
        let now = node.engine.now();
        if let Some(stream) = &mut self.state.lock().stream
            && !self.is_stopping.load(Relaxed)
        {
            stream.primary_mut().set_options(primary_options(node));
            for (_, error) in stream.primary_mut().handle_timeout(now) {
                tracing::warn!("A replica is let go: {error}");
            }
        }
        self.serve_waits(now);
        node.move_failover();
        self.judge(node, &node.settings.values());
    }

    /// Says whether the data may be shown and changed, by who follows and who is followed.
    pub(super) fn judge(&self, node: &Node, values: &Values) {
        let state = self.state.lock();
        let is_down = state.upstream.as_ref().is_some_and(|upstream| upstream.phase != Some(ReplicaPhase::Streaming));
        let is_stale = is_down && !values.switch("replica-serve-stale-data");
        let good = state.count_good(node, values).filter(|_| state.upstream.is_none());
        let lacks = good.is_some_and(|good| good < values.number("min-replicas-to-write"));
        drop(state);
        let options = node.engine.options();
        options.stale.store(is_stale, Relaxed);
        options.lacks_replicas.store(lacks, Relaxed);
    }

    /// Answers those who have what they wait for, or who waited for long enough.
    fn serve_waits(&self, now: UnixMillis) {
        let mut waits = self.waits.lock();
        if waits.is_empty() {
            return;
        }
        let state = self.state.lock();
        let over = waits.take_over(now, state.stream.as_ref().map(Standing::primary));
        drop((state, waits));
        for (later, goal, progress) in over {
            later.give(|reply| answer(&goal, progress, reply));
        }
    }

    /// The log has ended: nobody can wait for it any more.
    pub(super) fn end_log_waits(&self) {
        let lost = self.waits.lock().take_own_log();
        lost.into_iter().for_each(|later| later.give(|reply| reply.error(NO_LOG)));
    }

    /// The log begins or ends, and changes may be missing from the journal: who follows it has to begin anew.
    pub(super) fn begin_anew(&self, node: &Node) {
        let mut state = self.state.lock();
        if state.upstream.is_none() && std::mem::take(&mut state.is_kept) && state.stream.is_none() {
            state.history.join(fresh_id());
        }
        if state.upstream.is_none()
            && let Some(mut stream) = state.stream.take()
        {
            stream.primary_mut().detach_all();
            state.history.join(fresh_id());
            // Who waits for replicas is told that they are gone.
            node.engine.options().set_follows(false);
            stream.journal().wake_waiting_for_replicas();
        }
    }

    /// Sees to it that every change from here on can be followed.
    pub(super) fn begin_stream(&self, node: &Node) {
        self.state.lock().stream(node);
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

    /// How many replicas were heard of within `min-replicas-max-lag`; `None` where writes need none.
    fn count_good(&self, node: &Node, values: &Values) -> Option<u64> {
        let (wanted, lag_seconds) = (values.number("min-replicas-to-write"), values.number("min-replicas-max-lag"));
        if wanted == 0 || lag_seconds == 0 {
            return None;
        }
        let now = node.engine.now();
        let lag_ms = i64::try_from(lag_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        let replicas = self.stream.iter().flat_map(|stream| stream.primary().replicas());
        let is_good =
            |replica: &ReplicaStatus| replica.state == ReplicaState::Stream && now.0 - replica.heard.0 <= lag_ms;
        Some(replicas.filter(is_good).count() as u64)
    }

    /// The stream, which is begun if there is none.
    fn stream(&mut self, node: &Node) -> &mut Standing {
        self.stream.get_or_insert_with(|| {
            let journal = node.data.begin_stream(&node.settings.values());
            let options = primary_options(node);
            let chance = u64::from_str_radix(&super::info::random_id()[..16], 16).unwrap_or(0);
            let mut stream = Standing::new(node.engine.clone(), journal, self.history, options, chance);
            stream.primary_mut().set_quorums(self.quorums.clone());
            stream
        })
    }
}

/// How replicas are treated, by the settings.
fn primary_options(node: &Node) -> PrimaryOptions {
    let values = node.settings.values();
    let ms = |name| i64::try_from(values.number(name).saturating_mul(1000)).unwrap_or(i64::MAX);
    let limits = values.buffer_limits().replica;
    PrimaryOptions {
        ping_interval_ms: ms("repl-ping-replica-period"),
        timeout_ms: ms("repl-timeout"),
        sends_marked: values.switch("repl-diskless-sync"),
        sends_native: values.switch("repl-native-sync"),
        lag_limits: LagLimits {
            hard_size_bytes: limits.hard_bytes,
            soft_size_bytes: limits.soft_bytes,
            soft_ms: limits.soft_seconds.saturating_mul(1000),
        },
    }
}

/// What who waits for the log of a node is told if it has none.
const NO_LOG: &str = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

/// A name that no other history has.
fn fresh_id() -> ReplicationId {
    ReplicationId::parse(super::info::random_id().as_bytes()).expect("it is 40 digits")
}

/// Why a connection that became a link ends.
type LinkResult<T> = Result<T, LinkError>;
