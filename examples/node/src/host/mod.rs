//! The host: sockets, threads, signals and the clock around the library.
//!
//! ```text
//!   control thread: accept, signals, background rounds, listening anew
//!   loading thread: the data, until it is there; clients are told so meanwhile
//!        | hands each client to the next worker
//!   worker threads: connections (bytes <-> session)
//! ```
//!
//! - A request is answered on the thread that read it: no queue, no task, no lock of the host on its way.
//! - Nothing spins: every thread sleeps in the system until a socket, a timer or a waker needs it.

mod bell;
mod cluster;
mod connection;
mod control;
mod info;
mod listen;
mod live;
mod loading;
mod migrate;
mod peer;
pub(crate) mod process;
mod replication;
mod roster;
mod rounds;
mod saving;
mod shutdown;
mod users;
mod worker;

use crate::data::{Data, DataError};
use crate::log::LogControl;
use crate::settings::{Settings, os_message};
use cluster::Cluster;
use connection::Arrival;
use keyslot::engine::{Engine, UnixMillis, View};
use live::Live;
pub(crate) use live::take_engine_options;
use replication::Replication;
use roster::Roster;
use saving::Scheduled;
pub(crate) use saving::{log_base, rdb_path};
use shutdown::{ShutdownMode, Signals};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
pub(crate) use users::{UsersError, load_at_start};
use worker::Workers;

/// The node: what its threads share.
pub(crate) struct Node {
    /// Itself, for threads that outlive a request.
    this: Weak<Node>,
    pub(crate) engine: Engine,
    data: Data,
    scheduled: Scheduled,
    replication: Replication,
    /// Only with `cluster-enabled`.
    cluster: Option<Cluster>,
    /// To servers that keys went to.
    wires: migrate::Wires,
    /// Keys that come from other nodes in pieces.
    arrivals: migrate::Arrivals,
    pub(crate) settings: Settings,
    live: Live,
    log: LogControl,
    rosters: Vec<Roster>,
    clients_connected: AtomicU64,
    clients_rejected: AtomicU64,
    started: Instant,
    run_id: String,
    requests: mpsc::Sender<Request>,
}

/// What any thread may ask of the control thread.
enum Request {
    /// Listen on these from now on, and on no other TCP socket.
    Listen(Vec<std::net::TcpListener>),
    Shutdown(ShutdownMode),
}

/// A node that has all it needs but does not listen yet.
pub(crate) struct Host {
    node: Arc<Node>,
    inbox: mpsc::Receiver<Request>,
    thread_count: usize,
}

/// The host could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Listen(#[from] listen::ListenError),
    #[error("the system refused what a server needs: {}", os_message(.0))]
    System(#[from] io::Error),
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Host {
    /// Puts a node together around data that has no host yet.
    pub(crate) fn new(data: Data, settings: Settings, log: LogControl) -> io::Result<Self> {
        let engine = data.engine.clone();
        let values = settings.values();
        let thread_count = match values.is_given("io-threads") {
            true => values.number("io-threads") as usize,
            false => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let live = Live::default();
        live.take_all(&values);
        let cluster = match values.switch("cluster-enabled") {
            true => Some(Cluster::open(&engine, &values)?),
            false => None,
        };
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let replication = Replication::new(&engine);
        let node = Arc::new_cyclic(|this| Node {
            this: Weak::clone(this),
            engine,
            data,
            scheduled: Scheduled::default(),
            replication,
            cluster,
            wires: migrate::Wires::default(),
            arrivals: migrate::Arrivals::default(),
            settings,
            live,
            log,
            rosters: (0..thread_count).map(|_| Roster::default()).collect(),
            clients_connected: AtomicU64::new(0),
            clients_rejected: AtomicU64::new(0),
            started: Instant::now(),
            run_id: info::random_id(),
            requests,
        });
        let this = Weak::clone(&node.this);
        let notes = move |view: &View| this.upgrade().map(|node| node.history_notes(view)).unwrap_or_default();
        node.data.saver().set_notes(notes);
        node.engine.attach_host(Arc::clone(&node) as Arc<dyn keyslot::engine::Host>);
        Ok(Self { node, inbox, thread_count })
    }

    /// Listens, loads the data meanwhile, and serves until told to stop. Returns whether all that had to be written was
    /// written.
    pub(crate) fn run(mut self) -> Result<bool, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let _inside = runtime.enter();
        let signals = Signals::listen()?;
        let values = self.node.settings.values();
        let mut doors = Doors::open(&values)?;
        let mut bus = cluster::listen(&values)?;
        let workers = Workers::start(self.thread_count)?;
        let loaded = loading::start(&self.node)?;
        let node = Arc::clone(&self.node);
        runtime.block_on(async move {
            let rounds = tokio::spawn(rounds::run(Arc::clone(&node)));
            let following = tokio::spawn(replication::run(Arc::clone(&node)));
            let logs = tokio::spawn(replication::watch_log(Arc::clone(&node)));
            let (signals, mode) = self.serve(&mut doors, workers, signals, loaded, &mut bus).await?;
            drop(doors);
            rounds.abort();
            following.abort();
            logs.abort();
            process::tell_supervisor(node.settings.values().choice("supervised"), "STOPPING=1\n");
            Ok(shutdown::finish(signals, move || node.last_writes(mode)).await)
        })
    }

    /// Accepts clients and does what is asked, until it is time to stop.
    async fn serve(
        &mut self,
        doors: &mut Doors,
        mut workers: Workers,
        mut signals: Signals,
        mut loaded: loading::Outcome,
        bus: &mut Vec<std::net::TcpListener>,
    ) -> Result<(Signals, ShutdownMode), StartError> {
        loop {
            tokio::select! {
                arrival = doors.accept() => match arrival {
                    Ok((arrival, peer)) => {
                        if let Some(arrival) = self.node.admit(arrival, peer) {
                            workers.serve(&self.node, arrival);
                        }
                    }
                    Err(error) => rest("a client connection", &error).await,
                },
                outcome = loading::ended(&mut loaded) => {
                    outcome?;
                    self.node.follow_what_is_set();
                    if self.node.cluster.is_some() {
                        tokio::spawn(cluster::run(Arc::clone(&self.node), std::mem::take(bus)));
                        cluster::balance_by_itself(&self.node)?;
                    }
                    self.tell_ready(doors);
                }
                request = self.inbox.recv() => match request {
                    Some(Request::Listen(listeners)) => doors.replace_tcp(listeners),
                    Some(Request::Shutdown(mode)) => {
                        tracing::warn!("User requested shutdown...");
                        return Ok((signals, mode));
                    }
                    None => return Ok((signals, ShutdownMode::default())),
                },
                name = signals.next() => {
                    tracing::warn!("Received {name} scheduling shutdown...");
                    tracing::warn!("User requested shutdown...");
                    self.node.settle_replicas();
                    match self.node.save_at_end(ShutdownMode::default()) {
                        Ok(()) => return Ok((signals, ShutdownMode::default())),
                        Err(error) => {
                            tracing::warn!("Error trying to save the DB, can't exit: {error}");
                            self.node.unsettle();
                        }
                    }
                }
            }
        }
    }
}

impl Host {
    /// Says that clients are served from here on.
    fn tell_ready(&self, doors: &Doors) {
        if !doors.tcp.is_empty() {
            tracing::info!("Ready to accept connections tcp");
        }
        if doors.unix.is_some() {
            tracing::info!("Ready to accept connections unix");
        }
        let supervised = self.node.settings.values();
        process::tell_supervisor(supervised.choice("supervised"), "STATUS=Ready to accept connections\nREADY=1\n");
    }
}

impl Node {
    /// Follows the node that the settings name, if they name one.
    fn follow_what_is_set(&self) {
        let values = self.settings.values();
        if let Some(target) = replication::target_of(values.words("replicaof")).filter(|_| self.cluster.is_none()) {
            self.follow(target);
        }
    }

    /// Lets a client in, or tells it why not.
    fn admit(&self, arrival: Arrival, peer: Option<SocketAddr>) -> Option<Arrival> {
        if self.clients_connected.load(Relaxed) >= self.live.clients_max.load(Relaxed) {
            return self.turn_away(arrival, b"-ERR max number of clients reached\r\n");
        }
        let is_local = peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback());
        if self.live.is_protected.load(Relaxed) && !self.engine.wants_password() && !is_local {
            return self.turn_away(arrival, PROTECTED_TEXT);
        }
        Some(arrival)
    }

    fn turn_away(&self, arrival: Arrival, text: &[u8]) -> Option<Arrival> {
        self.clients_rejected.fetch_add(1, Relaxed);
        // A client that does not even take one line is let go without it.
        let _ = match arrival {
            Arrival::Tcp(mut stream) => stream.write(text),
            Arrival::Unix(mut stream) => stream.write(text),
        };
        None
    }

    /// Makes everything safe that clients were told, lets them go, and ends the log.
    fn last_writes(&self, mode: ShutdownMode) -> Result<(), String> {
        let flushed = self.data.flush();
        if let Some(cluster) = &self.cluster {
            cluster.sync(UnixMillis(i64::MAX));
        }
        self.rosters.iter().for_each(Roster::end_all);
        // What came between the save that let the node end and the end of the clients.
        let is_saved = self.data.saver().status().unsaved_changes == 0;
        let saved = if is_saved { Ok(()) } else { self.save_at_end(mode) };
        let journal = self.data.log_journal();
        let closed = self.data.close();
        if let (Some(journal), Ok(())) = (journal, &closed)
            && let Err(error) = self.keep_history(&journal)
        {
            tracing::warn!("What the stream is called cannot be kept, replicas will begin anew: {error}");
        }
        saved.and(flushed).and(closed)
    }

    /// Asks something of the control thread.
    fn request(&self, request: Request) -> Result<(), String> {
        self.requests.try_send(request).map_err(|_| "The node is busy with other requests, try again".to_owned())
    }
}

/// After a failed accept: the system lacks something, usually descriptors, and needs a moment.
async fn rest(what: &str, error: &io::Error) {
    tracing::warn!("Error accepting {what}: {}", os_message(error));
    tokio::time::sleep(ACCEPT_REST).await;
}

/// The sockets that wait for clients.
struct Doors {
    tcp: Vec<TcpListener>,
    unix: Option<(UnixListener, PathBuf)>,
    /// The listener that is asked first, so that none is starved.
    turn: usize,
}

impl Doors {
    fn open(values: &crate::settings::Values) -> Result<Self, StartError> {
        let tcp = listen::tcp_listeners(values)?;
        let unix = listen::unix_listener(values)?;
        if tcp.is_empty() && unix.is_none() {
            return Err(listen::ListenError::Nowhere.into());
        }
        let unix = match unix {
            Some((listener, path)) => Some((UnixListener::from_std(listener)?, path)),
            None => None,
        };
        let tcp = tcp.into_iter().map(TcpListener::from_std).collect::<io::Result<_>>()?;
        Ok(Self { tcp, unix, turn: 0 })
    }

    fn replace_tcp(&mut self, listeners: Vec<std::net::TcpListener>) {
        match listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<_>>() {
            Ok(tcp) => self.tcp = tcp,
            Err(error) => tracing::error!("The new listening sockets cannot be used: {error}"),
        }
    }

    /// The next client from any of the sockets.
    async fn accept(&mut self) -> io::Result<(Arrival, Option<SocketAddr>)> {
        let (tcp, unix) = (&self.tcp, &self.unix);
        let turn = &mut self.turn;
        std::future::poll_fn(|context| {
            for step in 0..tcp.len() {
                let at = (*turn + step) % tcp.len();
                if let std::task::Poll::Ready(accepted) = tcp[at].poll_accept(context) {
                    *turn = at + 1;
                    let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
                    return std::task::Poll::Ready(accepted.map(|(stream, peer)| (Arrival::Tcp(stream), Some(peer))));
                }
            }
            let Some((unix, _)) = unix else { return std::task::Poll::Pending };
            unix.poll_accept(context)
                .map(|accepted| accepted.and_then(|(stream, _)| Ok((Arrival::Unix(stream.into_std()?), None))))
        })
        .await
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.unix {
            // The next start replaces it anyway.
            let _ = std::fs::remove_file(path);
        }
    }
}

const ACCEPT_REST: std::time::Duration = std::time::Duration::from_millis(100);

/// Requests that may wait for the control thread.
const REQUESTS_MAX: usize = 16;

const PROTECTED_TEXT: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. If you \
want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable \
protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis \
from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do \
so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by \
editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. \
3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a \
an authentication password for the default user. NOTE: You only need to do one of the above things in order for the \
server to start accepting connections from the outside.\r\n";
