//! Nodes on loopback ports: for each a thread that accepts, for each connection one that reads and one that is woken to write.

use super::conversation::{Conversation, Piece};
use super::residents::{Live, Residents};
use super::rules::Manner;
use keyslot_engine::{PeerInfo, SessionState};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The doors of all nodes; none of a cluster that does not listen.
pub(super) struct Doors {
    doors: Vec<Door>,
}

struct Door {
    port: u16,
    /// Until somebody accepts.
    listener: Option<TcpListener>,
    open: Option<Open>,
    /// How many faults keep it shut.
    refusals: usize,
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
            Ok(Door { port: listener.local_addr()?.port(), listener: Some(listener), open: None, refusals: 0 })
        };
        Ok(Self { doors: (0..count).map(door).collect::<io::Result<_>>()? })
    }

    /// One more, on a free port, and that port; none where there are none.
    pub(super) fn add(&mut self) -> io::Result<Option<u16>> {
        if self.doors.is_empty() {
            return Ok(None);
        }
        let listener = TcpListener::bind((LOOPBACK, 0))?;
        let port = listener.local_addr()?.port();
        self.doors.push(Door { port, listener: Some(listener), open: None, refusals: 0 });
        Ok(Some(port))
    }

    pub(super) fn port(&self, node: usize) -> Option<u16> {
        Some(self.doors.get(node)?.port)
    }

    /// Lets clients in.
    pub(super) fn serve(&mut self, residents: &Arc<Residents>) -> io::Result<()> {
        (0..self.doors.len()).try_for_each(|node| self.reopen(node, residents))
    }

    /// Lets clients in again, unless a fault keeps the door shut. Its port may be another's for a moment: asked for again for five seconds.
    pub(super) fn reopen(&mut self, node: usize, residents: &Arc<Residents>) -> io::Result<()> {
        let Some(door) = self.doors.get_mut(node) else { return Ok(()) };
        if door.open.is_some() || door.refusals > 0 {
            return Ok(());
        }
        let listener = match door.listener.take() {
            Some(listener) => listener,
            None => listen_again(door.port)?,
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
                    let place = Place { node, live, residents, is_shut: ends.clone() };
                    // Without a thread the connection ends.
                    let _ = std::thread::Builder::new().spawn(move || serve(stream, &place));
                }
            }
        })?;
        door.open = Some(Open { is_over, connections, accepts });
        Ok(())
    }

    /// Lets nobody in, and ends who is there.
    pub(super) fn close(&mut self, node: usize, residents: &Residents) {
        let Some(door) = self.doors.get_mut(node) else { return };
        let Some(open) = door.open.take() else { return };
        open.is_over.store(true, Ordering::Release);
        residents.faults.stir();
        lock(&open.connections).iter().for_each(|stream| {
            let _ = stream.shutdown(Shutdown::Both);
        });
        // Who accepts is woken by one more.
        let _ = TcpStream::connect((LOOPBACK, door.port));
        let _ = open.accepts.join();
    }

    /// Shuts a door until it is [admitted](Self::admit) again, as often as it was refused.
    pub(super) fn refuse(&mut self, node: usize, residents: &Residents) {
        if let Some(door) = self.doors.get_mut(node) {
            door.refusals += 1;
        }
        self.close(node, residents);
    }

    /// Ends one refusal; the door of a node that is on opens with the last.
    pub(super) fn admit(&mut self, node: usize, residents: &Arc<Residents>) -> io::Result<()> {
        if let Some(door) = self.doors.get_mut(node) {
            door.refusals = door.refusals.saturating_sub(1);
        }
        match residents.live(node) {
            Some(_) => self.reopen(node, residents),
            None => Ok(()),
        }
    }
}

fn listen_again(port: u16) -> io::Result<TcpListener> {
    let begun = Instant::now();
    loop {
        match TcpListener::bind((LOOPBACK, port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && begun.elapsed() < PORT_PATIENCE => {
                std::thread::park_timeout(PORT_REST);
            }
            outcome => return outcome,
        }
    }
}

/// Whose door a connection came through.
#[derive(Clone)]
struct Place {
    node: usize,
    live: Live,
    residents: Arc<Residents>,
    is_shut: Arc<AtomicBool>,
}

impl Place {
    /// Whether connections go on.
    fn is_open(&self) -> bool {
        self.live.is_on() && !self.is_shut.load(Ordering::Acquire)
    }

    /// Waits while a fault holds the node; false if the connection ends.
    fn hold(&self) -> bool {
        self.residents.faults.hold(self.node, None, || self.is_open()) && self.is_open()
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
fn serve(mut stream: TcpStream, place: &Place) {
    let _ = stream.set_nodelay(true);
    let text = |address: io::Result<SocketAddr>| address.map(|it| it.to_string()).unwrap_or_default();
    let peer = PeerInfo { addr: text(stream.peer_addr()), laddr: text(stream.local_addr()), ..PeerInfo::default() };
    let (ring, rung) = channel();
    let ring_for_end = ring.clone();
    let waker: Waker = Arc::new(Bell(Mutex::new(ring))).into();
    let conversation = Conversation::new(place.node, &place.live, place.residents.clone(), waker, peer);
    let conversation = Arc::new(Mutex::new(conversation));
    let Ok(writer) = stream.try_clone() else { return };
    let writer = Arc::new(Mutex::new(writer));
    let (is_over, last) = (Arc::new(AtomicBool::new(false)), ring_for_end);
    let (woken, later, ends) = (conversation.clone(), writer.clone(), is_over.clone());
    let watched = place.clone();
    let waits = std::thread::Builder::new().spawn(move || {
        while rung.recv().is_ok() {
            let goes_on = !ends.load(Ordering::Acquire) && watched.hold() && send(&woken, &later, &watched);
            if !goes_on {
                let _ = lock(&later).shutdown(Shutdown::Both);
                return;
            }
        }
    });
    if waits.is_err() {
        return;
    }
    let mut input = [0; READ_BYTES];
    while let Ok(count @ 1..) = stream.read(&mut input) {
        if !place.hold() {
            break;
        }
        lock(&conversation).feed(&input[..count]);
        let goes_on = send(&conversation, &writer, place);
        place.residents.wake();
        if !goes_on {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    // The session wakes who waits for it, who holds the session: told apart.
    is_over.store(true, Ordering::Release);
    let _ = last.send(());
}

/// Sends what a client is to be sent; false once there is no more.
fn send(conversation: &Mutex<Conversation>, writer: &Mutex<TcpStream>, place: &Place) -> bool {
    // The lock of the writer first: what is said first is sent first.
    let mut writer = lock(writer);
    let (pieces, state) = lock(conversation).poll();
    let sent = pieces.into_iter().try_for_each(|piece| write(&piece, &mut writer, place));
    sent.is_ok() && place.is_open() && state != SessionState::Closing
}

/// Sends a piece as faults have it. An error ends the connection.
fn write(piece: &Piece, writer: &mut TcpStream, place: &Place) -> io::Result<()> {
    let faults = &place.residents.faults;
    match &piece.manner {
        Manner::Whole => trickle(&piece.bytes, writer, place),
        Manner::Cut(count, tally) => {
            writer.write_all(&piece.bytes[..piece.bytes.len().min(*count)])?;
            faults.count(tally);
            Err(io::ErrorKind::ConnectionAborted.into())
        }
        Manner::Stall(count, rule, tally) => {
            let (first, rest) = piece.bytes.split_at(piece.bytes.len().min(*count));
            writer.write_all(first)?;
            faults.count(tally);
            if !faults.outlast(*rule, None, || place.is_open()) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            trickle(rest, writer, place)
        }
    }
}

/// Sends bytes at the rate of the link.
fn trickle(mut bytes: &[u8], writer: &mut TcpStream, place: &Place) -> io::Result<()> {
    let faults = &place.residents.faults;
    let mut counted = false;
    while place.is_open()
        && let Some(slow) = faults.trickle(place.node)
        && bytes.len() > slow.piece_bytes
    {
        if !std::mem::replace(&mut counted, true) {
            faults.count(&slow.tally);
        }
        let (first, later) = bytes.split_at(slow.piece_bytes);
        writer.write_all(first)?;
        bytes = later;
        if !slow.rest.is_zero() {
            faults.outlast(slow.rule, Instant::now().checked_add(slow.rest), || place.is_open());
        }
    }
    writer.write_all(bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const LOOPBACK: &str = "127.0.0.1";
const READ_BYTES: usize = 16 << 10;
/// So long a port is asked for again that another took meanwhile.
const PORT_PATIENCE: Duration = Duration::from_secs(5);
const PORT_REST: Duration = Duration::from_millis(5);
