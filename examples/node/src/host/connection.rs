//! One client's connection: a future that moves bytes between a socket and a session.
//!
//! ```text
//!   woken -> [ read -> feed -> poll_output -> write ] until nothing was read -> sleep
//! ```
//!
//! - A request that arrives alone costs one read and one write: a read that did not fill the buffer is known to have
//!   emptied the socket, so nothing is read again before the socket says so.
//! - Input and output pass through buffers of the thread, not of the connection. A connection owns memory only while
//!   its peer is slow to take replies.
//! - The session's waker leads to this task, through the worker's [`Bell`], so whatever makes progress possible leads here.
//! - Reading goes on while replies wait, because clients may send a long pipeline before they read; it stops when
//!   [`OUTPUT_READ_STOP_BYTES`] wait, or when a parked session holds [`PARKED_INPUT_BYTES_MAX`] of input.

use super::Node;
use super::bell::Bell;
use super::cluster;
use super::live::OutputLimit;
use super::roster::Watched;
use keyslot::engine::{PeerInfo, Session, SessionState, SlotSet};
use keyslot::replication::cluster::NodeName;
use keyslot::replication::link::LinkId;
use socket2::{SockRef, TcpKeepalive};
use std::cell::RefCell;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket as the acceptor hands it to a worker, not yet known to the worker's runtime.
pub(super) enum Arrival {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A connection's task.
pub(super) struct Connection {
    node: Arc<Node>,
    worker: usize,
    bell: Arc<Bell>,
    arrival: Option<Arrival>,
    /// Set on the first poll: only then the task's waker is known.
    serving: Option<Serving>,
}

struct Serving {
    stream: Stream,
    session: Session,
    watched: Arc<Watched>,
    roster_place: usize,
    /// Replies that the socket did not take yet, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    state: SessionState,
    /// The peer sends no more; what is owed to it is still delivered.
    has_input_ended: bool,
    /// Uptime at which the soft limit of waiting output was passed.
    over_soft_since: Option<u32>,
    /// The peer is a replica, and this its link.
    link: Option<LinkId>,
    gathering: Gathering,
}

/// How the stream is gathered for a replica before it is sent: a write to a socket costs as much as many commands do.
#[derive(Default)]
struct Gathering {
    /// Rounds of the worker that it went on for.
    rounds: u32,
    /// What waited when the last one began.
    bytes: u64,
}

impl Gathering {
    /// Whether to give the others on this worker another round: while they are at work there is more to send together.
    fn goes_on(&mut self, bytes: u64) -> bool {
        let is_growing = bytes > self.bytes;
        if is_growing && bytes < GATHERED_BYTES && self.rounds < GATHER_ROUNDS_MAX {
            (self.rounds, self.bytes) = (self.rounds + 1, bytes);
            return true;
        }
        *self = Self::default();
        false
    }
}

/// Why a connection ends.
enum End {
    /// The peer left, or was told to.
    Quiet,
    /// It broke a limit; people are told.
    Noted(&'static str),
}

impl Connection {
    pub(super) fn new(node: Arc<Node>, worker: usize, bell: Arc<Bell>, arrival: Arrival) -> Self {
        Self { node, worker, bell, arrival: Some(arrival), serving: None }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(arrival) = this.arrival.take() {
            let waker = this.bell.waker(context.waker().clone());
            match Serving::start(&this.node, this.worker, arrival, waker) {
                Ok(serving) => this.serving = Some(serving),
                Err(error) => tracing::debug!("A client left before it was served: {error}"),
            }
        }
        let Some(serving) = &mut this.serving else { return Poll::Ready(()) };
        let end = ready!(SCRATCH.with_borrow_mut(|scratch| serving.poll(&this.node, scratch, context)));
        if let End::Noted(reason) = end {
            tracing::warn!("Client id={} closed: {reason}", serving.session.id());
        }
        Poll::Ready(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            self.node.replication.forget_client(serving.session.id());
            self.node.arrivals.forget(serving.session.id());
            if let Some(cluster) = &self.node.cluster {
                cluster.proxy.forget(serving.session.id());
            }
            if let Some(link) = serving.link {
                self.node.replication.leave(link);
            }
            self.node.rosters[self.worker].leave(serving.roster_place);
        }
        self.node.clients_connected.fetch_sub(1, Relaxed);
    }
}

impl Serving {
    fn start(node: &Node, worker: usize, arrival: Arrival, waker: Waker) -> io::Result<Self> {
        let (stream, peer) = Stream::adopt(node, arrival)?;
        let watched = Arc::new(Watched::new(waker.clone(), node.live.uptime_seconds.load(Relaxed)));
        let roster_place = node.rosters[worker].enter(Arc::clone(&watched));
        Ok(Self {
            stream,
            session: node.engine.session(waker, peer),
            watched,
            roster_place,
            unsent: Vec::new(),
            sent: 0,
            state: SessionState::Open,
            has_input_ended: false,
            over_soft_since: None,
            link: None,
            gathering: Gathering::default(),
        })
    }

    fn poll(&mut self, node: &Node, scratch: &mut Scratch, context: &mut Context<'_>) -> Poll<End> {
        if self.watched.is_doomed() {
            return Poll::Ready(End::Quiet);
        }
        if let Some(link) = self.link {
            return self.serve_replica(node, link, scratch, context);
        }
        for round in 0..ROUNDS_MAX {
            let was_fed = match self.read(scratch, context) {
                Poll::Ready(Err(_)) => return Poll::Ready(End::Quiet),
                Poll::Ready(Ok(0)) => {
                    self.has_input_ended = true;
                    false
                }
                Poll::Ready(Ok(_)) => true,
                Poll::Pending => false,
            };
            if !was_fed && round > 0 {
                return if self.is_done() { Poll::Ready(End::Quiet) } else { Poll::Pending };
            }
            if was_fed {
                self.watched.mark_active(node.live.uptime_seconds.load(Relaxed));
                let limit = node.live.query_buffer_bytes_max.load(Relaxed);
                if self.session.input_bytes() as u64 > limit {
                    return Poll::Ready(End::Noted("it reached the max query buffer length"));
                }
            }
            if let Err(end) = self.write(node, scratch, context) {
                return Poll::Ready(end);
            }
            if self.is_done() {
                return Poll::Ready(End::Quiet);
            }
            if node.replication.has_arrivals()
                && let Some(attached) = node.replication.arrive(node, self.session.id())
            {
                let Ok(link) = attached else { return Poll::Ready(End::Noted("its resync has to wait")) };
                self.link = Some(link);
                self.session.mark_replica();
                return self.serve_replica(node, link, scratch, context);
            }
            if let Some(cluster) = node.cluster.as_ref().filter(|cluster| cluster.sources.is_any())
                && let Some(transfer) = cluster.sources.take(self.session.id())
            {
                return Poll::Ready(self.hand_over(node, transfer));
            }
            if self.unsent.is_empty() {
                self.over_soft_since = None;
            } else if let Some(end) = self.over_soft_limit(node) {
                return Poll::Ready(end);
            }
        }
        // Others on this thread come first; this connection goes on after them.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// The peer sends slots from here on: a thread of its own takes them.
    fn hand_over(&mut self, node: &Node, transfer: (NodeName, SlotSet)) -> End {
        let unsent = self.unsent.split_off(self.sent);
        match (self.stream.duplicate(), node.this.upgrade()) {
            (Ok(stream), Some(node)) => {
                cluster::receive(node, transfer, stream, unsent);
                End::Quiet
            }
            _ => End::Noted("slots come over TCP only"),
        }
    }

    /// Moves bytes between a replica and its link.
    fn serve_replica(
        &mut self,
        node: &Node,
        link: LinkId,
        scratch: &mut Scratch,
        context: &mut Context<'_>,
    ) -> Poll<End> {
        for _ in 0..ROUNDS_MAX {
            let mut buffer = ReadBuf::new(&mut scratch.input);
            let was_fed = match self.stream.poll_read(context, &mut buffer) {
                Poll::Ready(Err(_)) => return Poll::Ready(End::Quiet),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Poll::Ready(End::Quiet),
                Poll::Ready(Ok(())) => {
                    if let Err(error) = node.replication.hear(node, link, buffer.filled()) {
                        tracing::warn!("A replica is let go: {error}");
                        return Poll::Ready(End::Quiet);
                    }
                    true
                }
                Poll::Pending => false,
            };
            // Whoever kills clients kills this one through its session.
            if self.session.poll_output(&mut scratch.output) == SessionState::Closing {
                return Poll::Ready(End::Quiet);
            }
            scratch.output.clear();
            if self.unsent.is_empty() {
                let waiting = node.replication.unsent_bytes(link);
                if waiting.is_some_and(|bytes| self.gathering.goes_on(bytes)) {
                    wake_after_round(context);
                    return Poll::Pending;
                }
                let said = node.replication.say(link, &mut self.unsent);
                if let (Err(error), true) = (said, self.unsent.is_empty()) {
                    tracing::info!("A replica is let go: {error}");
                    return Poll::Ready(End::Quiet);
                }
            }
            if !self.unsent.is_empty() {
                match self.stream.write_some(&self.unsent[self.sent..], context) {
                    Ok(count) => self.sent += count,
                    Err(_) => return Poll::Ready(End::Quiet),
                }
                if self.sent < self.unsent.len() {
                    // The socket tells when it takes more.
                    if was_fed {
                        continue;
                    }
                    return Poll::Pending;
                }
                self.unsent.clear();
                self.sent = 0;
                continue;
            }
            if !was_fed && node.replication.poll_more(link, context.waker()).is_pending() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether nothing is left to do for this peer.
    fn is_done(&self) -> bool {
        let may_end = self.state == SessionState::Closing || self.has_input_ended;
        may_end && self.unsent.is_empty() && (self.state == SessionState::Closing || self.session.output_bytes() == 0)
    }

    /// Reads once and feeds the session. `Pending` if there is nothing, or if nothing may be read now.
    fn read(&mut self, scratch: &mut Scratch, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let may_read = match self.state {
            SessionState::Open => self.unsent.len() - self.sent < OUTPUT_READ_STOP_BYTES,
            SessionState::Parked => self.session.input_bytes() < PARKED_INPUT_BYTES_MAX,
            SessionState::Closing => false,
        };
        if !may_read || self.has_input_ended {
            return Poll::Pending;
        }
        let mut buffer = ReadBuf::new(&mut scratch.input);
        ready!(self.stream.poll_read(context, &mut buffer))?;
        let bytes = buffer.filled();
        if !bytes.is_empty() {
            self.session.feed(bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    /// Takes what the session has to say and writes as much as the socket takes.
    fn write(&mut self, node: &Node, scratch: &mut Scratch, context: &mut Context<'_>) -> Result<(), End> {
        if !self.unsent.is_empty() {
            self.state = self.session.poll_output(&mut self.unsent);
            self.check_hard_limit(node, self.unsent.len() - self.sent)?;
            self.sent += self.stream.write_some(&self.unsent[self.sent..], context)?;
            if self.sent == self.unsent.len() {
                self.unsent = Vec::new();
                self.sent = 0;
            } else if self.sent >= COMPACT_BYTES_MIN && self.sent * 2 >= self.unsent.len() {
                self.unsent.drain(..self.sent);
                self.sent = 0;
            }
            return Ok(());
        }
        // Cleared first: whatever a connection that failed left here belongs to nobody else.
        let output = &mut scratch.output;
        output.clear();
        self.state = self.session.poll_output(output);
        self.check_hard_limit(node, output.len())?;
        let sent = self.stream.write_some(output, context)?;
        if sent < output.len() {
            self.unsent.extend_from_slice(&output[sent..]);
        }
        output.clear();
        output.shrink_to(SCRATCH_OUTPUT_BYTES_MAX);
        Ok(())
    }

    fn output_limit<'n>(&self, node: &'n Node) -> &'n OutputLimit {
        if self.session.is_subscriber() { &node.live.subscriber_output } else { &node.live.output }
    }

    /// Refuses to go on when more output waits than a client may let wait. Replies to one pipeline count together.
    fn check_hard_limit(&self, node: &Node, ready_bytes: usize) -> Result<(), End> {
        let hard = self.output_limit(node).hard_bytes_max.load(Relaxed);
        if hard > 0 && (ready_bytes + self.session.output_bytes()) as u64 > hard {
            return Err(End::Noted("it reached the hard limit of waiting output"));
        }
        Ok(())
    }

    /// Whether too much output waited for the peer for too long.
    fn over_soft_limit(&mut self, node: &Node) -> Option<End> {
        let waiting = (self.unsent.len() - self.sent + self.session.output_bytes()) as u64;
        let soft = self.output_limit(node).soft_bytes_max.load(Relaxed);
        if soft == 0 || waiting <= soft {
            self.over_soft_since = None;
            self.watched.set_over_soft(false);
            return None;
        }
        let now = node.live.uptime_seconds.load(Relaxed);
        let since = *self.over_soft_since.get_or_insert(now);
        self.watched.set_over_soft(true);
        let is_over = now.saturating_sub(since) > self.output_limit(node).soft_seconds.load(Relaxed);
        is_over.then_some(End::Noted("it stayed over the soft limit of waiting output"))
    }
}

/// Wakes the task behind all others that are ready by then: after the runtime has asked the system for news.
fn wake_after_round(context: &mut Context<'_>) {
    // The first poll is all that it takes.
    let _ = pin!(tokio::task::yield_now()).poll(context);
}

/// A socket that fails has lost its peer.
impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Quiet
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Makes a socket known to the runtime of this thread, with the options of the settings.
    fn adopt(node: &Node, arrival: Arrival) -> io::Result<(Self, PeerInfo)> {
        match arrival {
            Arrival::Tcp(stream) => {
                stream.set_nodelay(true)?;
                set_keepalive(SockRef::from(&stream), node.live.keepalive_seconds.load(Relaxed))?;
                let peer = PeerInfo {
                    addr: stream.peer_addr()?.to_string(),
                    laddr: stream.local_addr()?.to_string(),
                    fd: stream.as_raw_fd().into(),
                    is_unix_socket: false,
                    is_tls: false,
                };
                Ok((Self::Tcp(TcpStream::from_std(stream)?), peer))
            }
            Arrival::Unix(stream) => {
                let path = stream.local_addr()?;
                let path = path.as_pathname().map(|path| path.display().to_string()).unwrap_or_default();
                let addr = format!("{path}:0");
                let fd = stream.as_raw_fd().into();
                let peer = PeerInfo { addr: addr.clone(), laddr: addr, fd, is_unix_socket: true, is_tls: false };
                Ok((Self::Unix(UnixStream::from_std(stream)?), peer))
            }
        }
    }

    /// The same socket once more.
    fn duplicate(&self) -> io::Result<std::net::TcpStream> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream).try_clone().map(Into::into),
            Self::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }

    /// Writes what the socket takes now; the task is woken when it takes more. Returns how many bytes it took.
    fn write_some(&mut self, bytes: &[u8], context: &mut Context<'_>) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            let poll = match self {
                Self::Tcp(stream) => Pin::new(stream).poll_write(context, &bytes[sent..]),
                Self::Unix(stream) => Pin::new(stream).poll_write(context, &bytes[sent..]),
            };
            match poll {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => sent += count,
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        Ok(sent)
    }
}

fn set_keepalive(socket: SockRef<'_>, seconds: u32) -> io::Result<()> {
    if seconds == 0 {
        return Ok(());
    }
    let interval = Duration::from_secs((seconds / 3).max(1).into());
    let idle = Duration::from_secs(seconds.into());
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3))
}

/// Buffers that all connections of a thread use in turn.
struct Scratch {
    input: Box<[u8]>,
    output: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; READ_BYTES_MAX].into(),
        output: Vec::new(),
    });
}

/// Bytes read at once.
const READ_BYTES_MAX: usize = 64 << 10;

/// So much of the stream is sent to a replica without waiting for more.
const GATHERED_BYTES: u64 = 48 << 10;

/// Rounds of a worker that the stream is gathered for at most.
const GATHER_ROUNDS_MAX: u32 = 16;

/// Reads in a row before other connections of the thread have their turn.
const ROUNDS_MAX: usize = 8;

/// Output memory that a thread keeps.
const SCRATCH_OUTPUT_BYTES_MAX: usize = 256 << 10;

/// A slow peer's output is moved to the front of its buffer when this much has been sent.
const COMPACT_BYTES_MIN: usize = 64 << 10;

/// A client that lets so many bytes of replies wait is not read from.
const OUTPUT_READ_STOP_BYTES: usize = 1 << 30;

/// A parked session is not given more input than this.
const PARKED_INPUT_BYTES_MAX: usize = 64 << 10;
