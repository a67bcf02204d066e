//! The task that follows a primary: connects, feeds what comes to the link, and begins again when it breaks.

use super::Target;
use crate::host::Node;
use keyslot::engine::{PeerInfo, SessionState};
use keyslot::replication::link::{ReplicaError, ReplicaEvent, ReplicaLink, ReplicaOptions, ReplicaPhase, SnapshotForm};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::Wake;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Runs until it is dropped.
pub(in crate::host) async fn run(node: Arc<Node>) {
    let mut targets = node.replication.target.subscribe();
    loop {
        let target = targets.borrow_and_update().clone();
        let Some(target) = target else {
            if targets.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            () = follow(&node, &target) => {}
            changed = targets.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

/// Follows one primary until somebody wants another.
async fn follow(node: &Arc<Node>, target: &Target) {
    loop {
        // What was long there is looked for again at once.
        let next = tokio::time::Instant::now() + RETRY_INTERVAL;
        let limit = Duration::from_secs(node.settings.values().number("repl-timeout"));
        match timeout(limit, TcpStream::connect((target.host.as_str(), target.port))).await {
            Ok(Ok(stream)) => match talk(node, stream).await {
                Ok(()) => tracing::warn!("Connection with master lost."),
                Err(ReplicaError::Refused { asked: "AUTH", answer }) => {
                    tracing::warn!("Unable to AUTH to MASTER: {answer}");
                }
                Err(error) => tracing::warn!("Connection with master lost: {error}"),
            },
            Ok(Err(error)) => tracing::warn!("Error condition on socket for SYNC: {error}"),
            Err(_) => tracing::warn!("Timeout connecting to the MASTER..."),
        }
        node.lost_primary();
        tokio::time::sleep_until(next).await;
    }
}

/// Moves bytes over one connection until it ends.
async fn talk(node: &Arc<Node>, mut stream: TcpStream) -> Result<(), ReplicaError> {
    // Small packets: answers that are waited for.
    let _ = stream.set_nodelay(true);
    let Some(mut link) = node.begin_link() else { return Ok(()) };
    let outcome = exchange(node, &mut stream, &mut link).await;
    node.end_link(&link, outcome.as_ref().err());
    outcome
}

/// Somebody killed the link, as a client.
#[derive(Default)]
struct Killed(Notify);

impl Wake for Killed {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

async fn exchange(node: &Arc<Node>, stream: &mut TcpStream, link: &mut ReplicaLink) -> Result<(), ReplicaError> {
    let killed = Arc::new(Killed::default());
    let mut session = node.engine.session(Arc::clone(&killed).into(), peer_info(stream));
    session.mark_primary();
    let (mut input, mut output) = (vec![0; READ_BYTES].into_boxed_slice(), Vec::new());
    loop {
        if session.poll_output(&mut output) == SessionState::Closing {
            return Ok(());
        }
        link.poll_output(&mut output);
        if !output.is_empty() {
            if stream.write_all(&output).await.is_err() {
                return Ok(());
            }
            output.clear();
        }
        let now = node.engine.now();
        let wait_ms = link.next_timeout().map_or(i64::MAX, |at| (at.0 - now.0).max(0));
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0).min(60_000));
        let read = async {
            tokio::select! {
                count = stream.read(&mut input) => Some(count),
                () = killed.0.notified() => None,
            }
        };
        let outcome = match timeout(wait, read).await {
            Ok(None) => continue,
            Ok(Some(Ok(0) | Err(_))) => return Ok(()),
            Ok(Some(Ok(count))) => link.handle_input(&input[..count], node.engine.now()).map(|()| count),
            Err(_) => link.handle_timeout(node.engine.now()).map(|()| 0),
        };
        let mut outcome = outcome;
        let mut told = node.hear_link(link, outcome.as_ref().copied().unwrap_or(0));
        // What waited for events to be taken, as a snapshot for the log to end.
        while told && outcome.is_ok() && link.holds_input() {
            outcome = link.handle_input(&[], node.engine.now()).map(|()| 0);
            told = node.hear_link(link, 0);
        }
        let was_full = outcome.as_ref().is_ok_and(|count| *count == input.len());
        match outcome {
            Ok(_) if told => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error),
        }
        if was_full {
            // There may be more at once: clients that wait for this thread come between two reads.
            tokio::task::yield_now().await;
        }
    }
}

impl Node {
    /// The link over a connection that was just made.
    fn begin_link(&self) -> Option<ReplicaLink> {
        let values = self.settings.values();
        let text =
            |name: &str| Some(String::from_utf8_lossy(values.text(name)).into_owned()).filter(|text| !text.is_empty());
        let announced = values.number("replica-announce-port");
        let port = if announced > 0 { announced } else { values.number("port") };
        let node = self.strict_name();
        let mut state = self.replication.state.lock();
        if state.upstream.as_ref().is_none_or(|upstream| upstream.is_detached) {
            return None;
        }
        let options = ReplicaOptions {
            node,
            hand_over: state.failover.hand_over(),
            listening_port: u16::try_from(port).unwrap_or(0),
            ip_address: text("replica-announce-ip"),
            credentials: text("masterauth").map(|password| (text("masteruser"), password)),
            timeout_ms: i64::try_from(values.number("repl-timeout").saturating_mul(1000)).unwrap_or(i64::MAX),
            reads_native: values.switch("repl-native-sync"),
            loaders: LOADERS,
            ..ReplicaOptions::default()
        };
        let link = state.stream.as_ref()?.link(options, self.engine.now());
        let upstream = state.upstream.as_mut()?;
        (upstream.phase, upstream.received_bytes) = (Some(ReplicaPhase::Handshake), 0);
        Some(link)
    }

    /// Takes note of what happened on a link. False if nobody wants it any more.
    fn hear_link(&self, link: &mut ReplicaLink, received: usize) -> bool {
        while let Some(event) = link.poll_event() {
            self.take_event(&event, link.snapshot_form());
        }
        let mut state = self.replication.state.lock();
        // What was taken by now is not acknowledged.
        let Some(upstream) = state.upstream.as_mut().filter(|upstream| !upstream.is_detached) else { return false };
        let phase = link.phase();
        if phase == ReplicaPhase::Receiving {
            upstream.received_bytes += received as u64;
        }
        if received > 0 {
            upstream.heard = Some(Instant::now());
        }
        upstream.has_streamed |= phase == ReplicaPhase::Streaming;
        let is_news = upstream.phase.replace(phase) != Some(phase);
        drop(state);
        if is_news {
            self.replication.judge(self, &self.settings.values());
        }
        true
    }

    fn take_event(&self, event: &ReplicaEvent, form: Option<SnapshotForm>) {
        // Who has this node lead waits until the log has ended, or has begun.
        let _replacing = self.replication.replacing.lock();
        {
            let mut state = self.replication.state.lock();
            // A node that leads meanwhile has a name of its own.
            if state.upstream.is_none() {
                return;
            }
            if let Some(stream) = &mut state.stream {
                stream.take_event(event);
            }
            if state.failover.take_event(event) {
                tracing::info!("Failover target leads; this node is its replica.");
            }
            if matches!(event, ReplicaEvent::Replacing(_)) {
                self.data.begin_loading();
            }
        }
        match event {
            ReplicaEvent::Continued(_) => tracing::info!("Successful partial resynchronization with master."),
            ReplicaEvent::Replacing(id) => {
                tracing::info!("Full resync from master: {id}");
                if let Err(error) = self.data.leave_log(&self.settings.values()) {
                    tracing::warn!("The log was not ended in good order: {error}");
                }
            }
            ReplicaEvent::Replaced(offset) => {
                let form = if form == Some(SnapshotForm::Native) { "native snapshot" } else { "RDB" };
                tracing::info!("MASTER <-> REPLICA sync: Finished with success, {form} at offset {offset}");
                self.data.saver().note_loaded();
                self.end_loading();
            }
            ReplicaEvent::Note(text) => drop(self.command_member(|member, _| member.take_note(text))),
            _ => {}
        }
    }

    /// There is no link to the primary.
    fn lost_primary(&self) {
        let mut state = self.replication.state.lock();
        if let Some(upstream) = &mut state.upstream {
            if upstream.phase == Some(ReplicaPhase::Streaming) || upstream.heard.is_some() {
                upstream.down_since = Instant::now();
            }
            (upstream.phase, upstream.heard) = (None, None);
        }
        drop(state);
        self.replication.judge(self, &self.settings.values());
    }
}

/// As what the primary is listed.
fn peer_info(stream: &TcpStream) -> PeerInfo {
    let text = |address: std::io::Result<std::net::SocketAddr>| address.map(|it| it.to_string()).unwrap_or_default();
    PeerInfo {
        addr: text(stream.peer_addr()),
        laddr: text(stream.local_addr()),
        fd: stream.as_raw_fd().into(),
        is_unix_socket: false,
        is_tls: false,
    }
}

const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A snapshot comes in large pieces.
const READ_BYTES: usize = 1 << 20;

/// Who store a snapshot beside the control thread, which reads it.
const LOADERS: usize = 2;
