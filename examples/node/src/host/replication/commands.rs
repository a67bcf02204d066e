//! PSYNC, SYNC, REPLCONF, ROLE, WAIT, WAITAOF, REPLICAOF; FAILOVER's words go on to where it is done.

use super::{NO_LOG, State, Upstream, answer, fresh_id, report};
use crate::host::Node;
use crate::settings::Values;
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::text::parse_i64;
use keyslot::engine::{Ack, Asker, EffectSink, UnixMillis};
use keyslot::replication::link::{Configured, Quorum, ReplicaPhase, SyncRequest};
use keyslot::replication::node::{FailoverState, Goal, LogGoal, Standing, StartedWith, Target};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;
use std::time::Instant;

impl Node {
    /// Does a command that concerns links. False if it is none of them.
    pub(in crate::host) fn link_command(
        &self,
        name: &[u8],
        asker: Asker<'_>,
        args: &[&[u8]],
        reply: &mut ReplyWriter<'_>,
    ) -> bool {
        match name {
            b"psync" => match SyncRequest::parse(args) {
                Ok(request) => self.expect_replica(asker, request, reply),
                Err(error) => reply.error(&error),
            },
            b"sync" => self.expect_replica(asker, SyncRequest::Sync, reply),
            b"replconf" => self.configure_replica(asker.client_id, args, reply),
            b"role" => report::role(&self.replication, self, reply),
            b"wait" => self.wait_for_replicas(asker, args, reply),
            b"failover" => self.fail_over(args, reply),
            b"waitaof" => self.wait_for_logs(asker, args, reply),
            b"replicaof" | b"slaveof" => self.follow_or_lead(args, reply),
            _ => return false,
        }
        true
    }

    /// Notes that a client asks for the stream. Its connection answers from here on.
    fn expect_replica(&self, asker: Asker<'_>, request: SyncRequest, reply: &mut ReplyWriter<'_>) {
        let replication = &self.replication;
        if let SyncRequest::TakeOver(wanted, hand_over) = request
            && let Err(error) = self.take_over(asker, wanted, hand_over)
        {
            return reply.error(&error.to_string());
        }
        let profile = replication.profiles.lock().get(&asker.client_id).cloned().unwrap_or_default();
        if let Some(Err(text)) = self.cluster.as_ref().map(|cluster| cluster.admits(&profile)) {
            tracing::warn!("A replica is refused: {text}");
            return reply.error(text);
        }
        let state = replication.state.lock();
        if state.failover.state() != FailoverState::None {
            return reply.error("NOMASTERLINK Can't SYNC while failing over");
        }
        if state.upstream.as_ref().is_some_and(|upstream| upstream.phase != Some(ReplicaPhase::Streaming)) {
            return reply.error("NOMASTERLINK Can't SYNC while not connected with my master");
        }
        if let Some(text) = self.refuse_replica(&state, request) {
            return reply.error(text);
        }
        drop(state);
        // What it is called where it does not say.
        let (address, _) = asker.addr.rsplit_once(':').unwrap_or((asker.addr, ""));
        let mut profiles = replication.profiles.lock();
        profiles.entry(asker.client_id).or_default().ip_address.get_or_insert_with(|| address.to_owned());
        drop(profiles);
        if replication.arrivals.lock().insert(asker.client_id, request).is_none() {
            replication.arrival_count.fetch_add(1, Relaxed);
        }
    }

    fn configure_replica(&self, client: u64, args: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        match self.replication.profiles.lock().entry(client).or_default().configure(args) {
            Ok(Configured::Set) => reply.ok(),
            // Said by replicas on their links, and answered by nobody.
            Ok(Configured::Acked { .. } | Configured::AskedAck) => {}
            Err(error) => reply.error(&error),
        }
    }

    fn wait_for_replicas(&self, asker: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        // As in Redis, this comes before what is wrong with the arguments; who waits looks again.
        if self.replication.state.lock().upstream.is_some() {
            return reply.error(WAIT_ON_REPLICA);
        }
        let Some(count) = parse_i64(args[1]) else { return reply.error("ERR value is not an integer or out of range") };
        let until = match self.wait_until(args[2]) {
            Ok(until) => until,
            Err(error) => return reply.error(error),
        };
        // As in Redis, fewer than none are always there.
        let replicas = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
        self.wait(asker, Goal { offset: self.engine.position(), replicas, logs: None }, until, reply);
    }

    fn wait_for_logs(&self, asker: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let is_own_wanted = match parse_i64(args[1]) {
            None => return reply.error("ERR value is not an integer or out of range"),
            Some(own @ 0..=1) => own == 1,
            Some(_) => return reply.error("ERR value is out of range, value must between 0 and 1"),
        };
        let Some(replicas) = parse_i64(args[2]).and_then(|count| usize::try_from(count).ok()) else {
            return reply.error("ERR value is out of range, must be positive");
        };
        let until = match self.wait_until(args[3]) {
            Ok(until) => until,
            Err(error) => return reply.error(error),
        };
        let logs = Some(LogGoal { own: None, is_own_wanted });
        self.wait(asker, Goal { offset: self.engine.position(), replicas, logs }, until, reply);
    }

    /// Until when to wait, `None` for ever. An error is what to answer.
    fn wait_until(&self, timeout: &[u8]) -> Result<Option<UnixMillis>, &'static str> {
        let timeout_ms = parse_i64(timeout).ok_or("ERR timeout is not an integer or out of range")?;
        match timeout_ms {
            ..0 => Err("ERR timeout is negative"),
            0 => Ok(None),
            _ => match self.engine.now().0.checked_add(timeout_ms) {
                Some(until) => Ok(Some(UnixMillis(until))),
                None => Err("ERR timeout is out of range"),
            },
        }
    }

    /// Answers at once if enough is there, or if the client cannot wait; else when it is, or when the time is over.
    fn wait(&self, asker: Asker<'_>, mut goal: Goal, until: Option<UnixMillis>, reply: &mut ReplyWriter<'_>) {
        // Both until the client is among those who wait: a node that begins to follow another finds it there, or is found.
        let mut waits = self.replication.waits.lock();
        let state = self.replication.state.lock();
        if state.upstream.is_some() {
            return reply.error(if goal.logs.is_some() { WAITAOF_ON_REPLICA } else { WAIT_ON_REPLICA });
        }
        // A log that ends from here on finds who waits for it.
        if let Some(logs) = &mut goal.logs {
            logs.own = self.data.log_journal();
        }
        let wanted = goal.logs.as_ref().filter(|logs| logs.is_own_wanted);
        if wanted.is_some_and(|logs| logs.own.is_none()) {
            return reply.error(NO_LOG);
        }
        let own = wanted.and_then(|logs| logs.own.clone());
        let primary = state.stream.as_ref().map(Standing::primary);
        let progress = goal.progress(primary);
        let later = if goal.is_met(progress) { None } else { asker.reply_later() };
        let Some(later) = later else { return answer(&goal, progress, reply) };
        if let Some(primary) = primary {
            primary.ask_acks();
        }
        drop(state);
        let offset = goal.offset;
        waits.push(goal, until, later);
        drop(waits);
        if let Some(journal) = own {
            let waker = Waker::from(Arc::clone(&self.replication.fsynced));
            // A log that has failed reaches nothing: the client waits until its time is over.
            let _ = journal.poll_reached(Ack::Durable, offset, &waker);
        }
        // What came between the count and the wait.
        self.replication.serve_waits(self.engine.now());
    }

    fn follow_or_lead(&self, args: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        if self.cluster.is_some() {
            return reply.error("ERR REPLICAOF not allowed in cluster mode.");
        }
        if self.replication.state.lock().failover.state() != FailoverState::None {
            return reply.error("ERR REPLICAOF not allowed while failing over.");
        }
        if args[1].eq_ignore_ascii_case(b"no") && args[2].eq_ignore_ascii_case(b"one") {
            self.lead_because("user request");
            return reply.ok();
        }
        let Some(port) = parse_i64(args[2]).and_then(|port| u16::try_from(port).ok()) else {
            return reply.error("ERR Invalid master port");
        };
        let target = Target { host: String::from_utf8_lossy(args[1]).into_owned(), port };
        match self.follow(target) {
            true => reply.ok(),
            false => reply.simple("OK Already connected to specified master"),
        }
    }

    /// Follows another node from here on. False if it does so already.
    pub(in crate::host) fn follow(&self, target: Target) -> bool {
        let mut state = self.replication.state.lock();
        let is_same = |at: &Target| at.port == target.port && at.host.eq_ignore_ascii_case(&target.host);
        if let Some(upstream) = state.upstream.as_mut().filter(|upstream| is_same(&upstream.target)) {
            if std::mem::take(&mut upstream.is_detached) {
                let target = upstream.target.clone();
                self.replication.target.send_replace(Some(target));
            }
            return false;
        }
        self.begin_following(&mut state, target);
        drop(state);
        self.has_followed();
        true
    }

    /// The part of following another node that is done at once. [`has_followed`](Self::has_followed) is the rest.
    pub(super) fn begin_following(&self, state: &mut State, target: Target) {
        tracing::info!("Connecting to MASTER {}:{}", target.host, target.port);
        let words = vec![target.host.clone().into_bytes(), target.port.to_string().into_bytes()];
        self.settings.note_words("replicaof", words);
        // What this node has by itself is a part of its own history: the other one may know it.
        let (is_fresh, is_kept) = (state.stream.is_none(), state.is_kept);
        let stream = state.stream(self);
        if is_fresh && !is_kept {
            stream.disown();
        }
        stream.follow();
        state.started = StartedWith::Data;
        state.upstream = Some(Upstream {
            target: target.clone(),
            phase: None,
            down_since: Instant::now(),
            has_streamed: false,
            heard: None,
            received_bytes: 0,
            is_detached: false,
        });
        // Before somebody else can have it lead.
        self.set_read_only(&self.settings.values());
        self.replication.target.send_replace(Some(target));
    }

    /// Tells those whom it concerns that another node is followed.
    pub(super) fn has_followed(&self) {
        self.end_waits();
        // Those who came just before writes were refused.
        self.engine.unblock_all();
        self.replication.judge(self, &self.settings.values());
    }

    /// Takes over whether clients may write while another node is followed.
    pub(in crate::host) fn set_read_only(&self, values: &Values) {
        let options = self.engine.options();
        options.read_only.store(options.follows() && values.switch("replica-read-only"), Relaxed);
    }

    /// Follows nobody from here on.
    pub(in crate::host) fn lead_because(&self, why: &str) {
        let mut state = self.replication.state.lock();
        if state.upstream.is_some() {
            self.begin_leading(&mut state);
            drop(state);
            self.has_led(why);
        }
    }

    /// Ends the link to the primary, and makes no other one until it is to be followed again: it gets no more acknowledgements.
    pub(in crate::host) fn detach_primary(&self) {
        let mut state = self.replication.state.lock();
        if let Some(upstream) = &mut state.upstream {
            if upstream.phase == Some(ReplicaPhase::Streaming) {
                upstream.down_since = Instant::now();
            }
            (upstream.phase, upstream.heard, upstream.is_detached) = (None, None, true);
            self.replication.target.send_replace(None);
        }
    }

    /// Says which replicas confirm what is written here.
    pub(in crate::host) fn set_quorums(&self, quorums: Option<Vec<Quorum>>) {
        let mut state = self.replication.state.lock();
        if let Some(stream) = &mut state.stream {
            stream.primary_mut().set_quorums(quorums.clone());
        }
        state.quorums = quorums;
    }

    /// The part of leading that is done at once. [`has_led`](Self::has_led) is the rest.
    pub(super) fn begin_leading(&self, state: &mut State) {
        state.upstream = None;
        self.replication.target.send_replace(None);
        self.settings.note_words("replicaof", Vec::new());
        if let Some(stream) = &mut state.stream {
            stream.lead(fresh_id());
        }
        self.set_read_only(&self.settings.values());
    }

    /// Ends what a link had begun.
    pub(super) fn has_led(&self, why: &str) {
        {
            let _replacing = self.replication.replacing.lock();
            if self.data.is_loading() {
                self.end_loading();
            }
        }
        self.replication.judge(self, &self.settings.values());
        tracing::info!("MASTER MODE enabled ({why})");
    }

    /// Nobody waits for replicas of a node that follows another.
    fn end_waits(&self) {
        for later in self.replication.waits.lock().take_all() {
            later.give(|reply| {
                reply.error(
                    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
                )
            });
        }
    }
}

/// The address that the settings name, if they name one.
pub(in crate::host) fn target_of(words: &[Vec<u8>]) -> Option<Target> {
    let [host, port] = words else { return None };
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some(Target { host: String::from_utf8_lossy(host).into_owned(), port })
}

const WAITAOF_ON_REPLICA: &str = "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas \
                                  are just local and are not propagated.";

const WAIT_ON_REPLICA: &str = "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a \
                               replica is configured to be writable (which is not the default) writes to replicas are just \
                               local and are not propagated.";
