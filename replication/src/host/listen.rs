//! Nodes on loopback ports: for each a thread that accepts, for each connection one that reads and one that is woken to write.

use super::residents::{Live, Residents};
use keyslot_engine::{PeerInfo, Session, SessionState};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::thread::JoinHandle;

/// The doors of all nodes; none of a cluster that does not listen.
pub(super) struct Doors {
    doors: Vec<Door>,
}

struct Door {
    port: u16,
    /// Until somebody accepts.
    listener: Option<TcpListener>,
    open: Option<Open>,
}

/// What is to be ended when a door is closed.
struct Open {
    is_over: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    accepts: JoinHandle<()>,
}

impl Doors {
    pub(super) fn none() -> Self {
        Self { doors: Vec::new() }
    }

    /// So many, on free ports or from this one on.
    pub(super) fn open(count: usize, first: Option<u16>) -> io::Result<Self> {
        let door = |node: usize| {
            let port = match first {
                Some(first) => u16::try_from(usize::from(first) + node).map_err(io::Error::other)?,
                None => 0,
            };
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{LOOPBACK}:{port}: {error}"));
            let listener = TcpListener::bind((LOOPBACK, port)).map_err(named)?;
            Ok(Door { port: listener.local_addr()?.port(), listener: Some(listener), open: None })
        };
        Ok(Self { doors: (0..count).map(door).collect::<io::Result<_>>()? })
    }

    pub(super) fn port(&self, node: usize) -> Option<u16> {
        Some(self.doors.get(node)?.port)
    }

    /// Lets clients in.
    pub(super) fn serve(&mut self, residents: &Arc<Residents>) -> io::Result<()> {
        (0..self.doors.len()).try_for_each(|node| self.reopen(node, residents))
    }

    /// Lets clients in again.
    pub(super) fn reopen(&mut self, node: usize, residents: &Arc<Residents>) -> io::Result<()> {
        let Some(door) = self.doors.get_mut(node).filter(|door| door.open.is_none()) else { return Ok(()) };
        let listener = match door.listener.take() {
            Some(listener) => listener,
            None => TcpListener::bind((LOOPBACK, door.port))?,
        };
        let (is_over, connections): (Arc<AtomicBool>, Arc<Mutex<Vec<TcpStream>>>) = Default::default();
        let (ends, kept) = (is_over.clone(), connections.clone());
        let residents = Arc::downgrade(residents);
        let accepts = std::thread::Builder::new().name("keyslot-door".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                let live = residents.upgrade().and_then(|residents| Some((residents.live(node)?, residents)));
                let Some((live, residents)) = live.filter(|_| !ends.load(Ordering::Acquire)) else { return };
                if let Ok(stream) = stream
                    && let Ok(copy) = stream.try_clone()
                {
                    let mut kept = lock(&kept);
                    // Those that have ended need not be ended.
                    kept.retain(|stream: &TcpStream| stream.peer_addr().is_ok());
                    kept.push(copy);
                    drop(kept);
                    // Without a thread the connection ends.
                    let _ = std::thread::Builder::new().spawn(move || serve(stream, &live, &residents));
                }
            }
        })?;
        door.open = Some(Open { is_over, connections, accepts });
        Ok(())
    }

    /// Lets nobody in, and ends who is there.
    pub(super) fn close(&mut self, node: usize) {
        let Some(door) = self.doors.get_mut(node) else { return };
        let Some(open) = door.open.take() else { return };
        open.is_over.store(true, Ordering::Release);
        lock(&open.connections).iter().for_each(|stream| {
            let _ = stream.shutdown(Shutdown::Both);
        });
        // Who accepts is woken by one more.
        let _ = TcpStream::connect((LOOPBACK, door.port));
        let _ = open.accepts.join();
    }
}

/// Tells the thread that writes.
struct Bell(Mutex<Sender<()>>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = lock(&self.0).send(());
    }
}

/// Moves the bytes of a client until it leaves, or the node is killed.
fn serve(mut stream: TcpStream, live: &Live, residents: &Residents) {
    let _ = stream.set_nodelay(true);
    let text = |address: io::Result<SocketAddr>| address.map(|it| it.to_string()).unwrap_or_default();
    let peer = PeerInfo { addr: text(stream.peer_addr()), laddr: text(stream.local_addr()), ..PeerInfo::default() };
    let (ring, rung) = channel();
    let ring_for_end = ring.clone();
    let waker: Waker = Arc::new(Bell(Mutex::new(ring))).into();
    let session = Arc::new(Mutex::new(live.engine.session(waker, peer)));
    let Ok(writer) = stream.try_clone() else { return };
    let writer = Arc::new(Mutex::new(writer));
    let (is_over, last) = (Arc::new(AtomicBool::new(false)), ring_for_end);
    let (woken, later, ends) = (session.clone(), writer.clone(), is_over.clone());
    let watched = live.clone();
    let waits = std::thread::Builder::new().spawn(move || {
        while rung.recv().is_ok() {
            if ends.load(Ordering::Acquire) || !watched.is_on() || !send(&woken, &later) {
                return;
            }
        }
    });
    if waits.is_err() {
        return;
    }
    let mut input = [0; READ_BYTES];
    while let Ok(count @ 1..) = stream.read(&mut input) {
        lock(&session).feed(&input[..count]);
        let goes_on = live.is_on() && send(&session, &writer);
        residents.wake();
        if !goes_on {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    // The session wakes who waits for it, who holds the session: told apart.
    is_over.store(true, Ordering::Release);
    let _ = last.send(());
}

/// Sends what a session has to say; false once it has no more.
fn send(session: &Mutex<Session>, writer: &Mutex<TcpStream>) -> bool {
    // The lock of the writer first: what is said first is sent first.
    let mut writer = lock(writer);
    let mut output = Vec::new();
    let state = lock(session).poll_output(&mut output);
    writer.write_all(&output).is_ok() && state != SessionState::Closing
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const LOOPBACK: &str = "127.0.0.1";
const READ_BYTES: usize = 16 << 10;
