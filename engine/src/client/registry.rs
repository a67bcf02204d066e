//! All connected clients, and the switches that concern them all.

use super::mailbox::Mailbox;
use super::subscriptions::Subscriptions;
use crate::acl::Account;
use crate::error::CommandError;
use crate::keyspace::waiting::{Outcome, Waiter};
use crate::time::UnixMillis;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

/// Who is at the other end of a session, as CLIENT LIST shows it.
#[derive(Clone, Debug, Default)]
pub struct PeerInfo {
    /// The peer's address, `127.0.0.1:50000`, or `/path/of/socket:0`.
    pub addr: String,
    /// The address that the peer connected to.
    pub laddr: String,
    /// Descriptor of the socket, for CLIENT LIST; -1 where there is none.
    pub fd: i64,
    /// Whether the connection came through a Unix socket.
    pub is_unix_socket: bool,
    /// Whether the connection is encrypted: redirects name the ports for that.
    pub is_tls: bool,
}

impl PeerInfo {
    /// Whether the peer is on this machine: loopback, a Unix socket, or the program itself.
    pub fn is_local(&self) -> bool {
        match self.addr.parse::<core::net::SocketAddr>() {
            Ok(addr) => addr.ip().to_canonical().is_loopback(),
            Err(_) => self.is_unix_socket || self.addr.is_empty(),
        }
    }
}

/// Texts that a client chose for itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientText {
    pub(crate) name: Vec<u8>,
    pub(crate) lib_name: Vec<u8>,
    pub(crate) lib_version: Vec<u8>,
}

/// What others may know of one client. Written by its session, with relaxed stores.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    pub(crate) peer: PeerInfo,
    pub(crate) connected_at: UnixMillis,
    pub(crate) text: Mutex<ClientText>,
    /// Which user it is; none: the host itself.
    pub(crate) account: Mutex<Option<Arc<Account>>>,
    pub(crate) db: AtomicU32,
    pub(crate) resp: AtomicU32,
    /// Index of the last command's row, for `cmd=`; `u32::MAX` before the first.
    pub(crate) last_row: AtomicU32,
    pub(crate) last_used_ms: AtomicI64,
    pub(crate) input_bytes: AtomicU64,
    pub(crate) output_bytes: AtomicU64,
    pub(crate) query_buffer_bytes: AtomicU64,
    pub(crate) output_buffer_bytes: AtomicU64,
    /// Requests queued since MULTI; negative outside.
    pub(crate) multi: AtomicI64,
    pub(crate) no_evict: AtomicBool,
    pub(crate) no_touch: AtomicBool,
    /// Set by READONLY: a replica in a cluster may answer its reads.
    pub(crate) readonly: AtomicBool,
    /// It is shown every request.
    pub(crate) monitors: AtomicBool,
    /// The host serves it the stream of changes.
    pub(crate) is_replica: AtomicBool,
    /// The other way round: this node follows it.
    pub(crate) is_primary: AtomicBool,
    pub(crate) is_parked: AtomicBool,
    /// The request of this client that waits for a key.
    pub(crate) blocked: Mutex<Option<Arc<Waiter>>>,
    /// Set by CLIENT KILL; the session closes when it sees it.
    pub(crate) killed: AtomicBool,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) mailbox: Mailbox,
    /// Wakes the session's host.
    pub(crate) waker: Waker,
}

impl Client {
    fn new(id: u64, peer: PeerInfo, now: UnixMillis, waker: Waker) -> Self {
        Self {
            id,
            peer,
            connected_at: now,
            text: Mutex::default(),
            account: Mutex::default(),
            db: AtomicU32::new(0),
            resp: AtomicU32::new(2),
            last_row: AtomicU32::new(u32::MAX),
            last_used_ms: AtomicI64::new(now.0),
            input_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            query_buffer_bytes: AtomicU64::new(0),
            output_buffer_bytes: AtomicU64::new(0),
            multi: AtomicI64::new(-1),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            readonly: AtomicBool::new(false),
            monitors: AtomicBool::new(false),
            is_replica: AtomicBool::new(false),
            is_primary: AtomicBool::new(false),
            is_parked: AtomicBool::new(false),
            blocked: Mutex::default(),
            killed: AtomicBool::new(false),
            subscriptions: Subscriptions::default(),
            mailbox: Mailbox::default(),
            waker,
        }
    }

    /// Whether it is this user.
    pub(crate) fn is_user(&self, account: &Arc<Account>) -> bool {
        self.account.lock().as_ref().is_some_and(|own| Arc::ptr_eq(own, account))
    }

    /// The request that waits for a key, if one does.
    pub(crate) fn waiter(&self) -> Option<Arc<Waiter>> {
        self.blocked.lock().as_ref().filter(|waiter| waiter.is_waiting()).map(Arc::clone)
    }

    /// Whether a request waits: for a key, or for the end of a pause.
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_parked.load(Ordering::Relaxed) || self.waiter().is_some()
    }
}

/// Which requests CLIENT PAUSE holds back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PauseMode {
    /// Only those that may write.
    Write,
    /// All of them.
    All,
}

#[derive(Default)]
struct Pause {
    until_and_mode: Option<(UnixMillis, PauseMode)>,
    /// The host holds writes back, beside what clients ask for and until it says otherwise.
    is_held: bool,
    /// How many slots are paused.
    slots: usize,
    /// Who waits, by the address of the client.
    waiting: BTreeMap<usize, Waker>,
    /// Who waits besides, and is no client.
    others: Vec<Waker>,
}

impl Pause {
    fn is_on(&self) -> bool {
        self.is_held || self.until_and_mode.is_some()
    }
}

/// All connected clients.
#[derive(Default)]
pub(crate) struct Registry {
    clients: Mutex<BTreeMap<u64, Arc<Client>>>,
    next_id: AtomicU64,
    paused: AtomicBool,
    pause: Mutex<Pause>,
    /// EXECs that take slots more than once, and have not ended.
    execs_in_parts: AtomicUsize,
}

impl Registry {
    /// Registers a client under a fresh id.
    pub(crate) fn connect(
        &self,
        peer: PeerInfo,
        account: Option<Arc<Account>>,
        now: UnixMillis,
        waker: Waker,
    ) -> Arc<Client> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Arc::new(Client { account: Mutex::new(account), ..Client::new(id, peer, now, waker) });
        self.clients.lock().insert(id, Arc::clone(&client));
        client
    }

    /// A client that no list shows and that has a number of its own: an embedder's subscription.
    pub(crate) fn listener(&self, waker: Waker) -> Arc<Client> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(Client::new(id, PeerInfo::default(), UnixMillis(0), waker))
    }

    /// A client that no list shows: an embedder's own call.
    pub(crate) fn unlisted(&self, waker: Waker) -> Arc<Client> {
        Arc::new(Client::new(0, PeerInfo::default(), UnixMillis(0), waker))
    }

    /// Forgets a client.
    pub(crate) fn disconnect(&self, client: &Client) {
        self.clients.lock().remove(&client.id);
        if client.is_parked.load(Ordering::Relaxed) {
            self.pause.lock().waiting.remove(&address(client));
        }
    }

    /// All clients by id, but for those that were told to close: that they still have to do it is nobody's business.
    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        let stays = |client: &&Arc<Client>| !client.killed.load(Ordering::Acquire);
        self.clients.lock().values().filter(stays).cloned().collect()
    }

    /// Bytes of input and output that wait in sessions. O(clients).
    pub(crate) fn buffer_bytes(&self) -> u64 {
        let clients = self.clients.lock();
        let of_client = |client: &Arc<Client>| {
            client.query_buffer_bytes.load(Ordering::Relaxed) + client.output_buffer_bytes.load(Ordering::Relaxed)
        };
        clients.values().map(of_client).sum()
    }

    /// The client of an id.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Client>> {
        self.clients.lock().get(&id).cloned()
    }

    /// Ends all waits of blocked clients with an error.
    pub(crate) fn unblock_all(&self, error: &CommandError) {
        for client in self.all() {
            if let Some(waiter) = client.waiter() {
                waiter.end(Outcome::Refused(error.clone()));
            }
        }
    }

    /// Tells a client's session to close.
    pub(crate) fn kill(&self, client: &Client) {
        if let Some(waiter) = client.waiter() {
            waiter.end(Outcome::Gone);
        }
        client.killed.store(true, Ordering::Release);
        client.waker.wake_by_ref();
    }

    /// Holds requests back until `until`. A pause never becomes shorter or weaker by another one, as in Redis.
    pub(crate) fn pause(&self, until: UnixMillis, mode: PauseMode) {
        let mut pause = self.pause.lock();
        pause.until_and_mode = Some(match pause.until_and_mode {
            None => (until, mode),
            Some((old, PauseMode::All)) => (old.max(until), PauseMode::All),
            Some((old, PauseMode::Write)) => (old.max(until), mode),
        });
        self.paused.store(true, Ordering::Release);
    }

    /// Lets requests go on, save for what the host holds back.
    pub(crate) fn unpause(&self) {
        self.end_pause(|pause| pause.until_and_mode = None);
    }

    /// Holds writes back until [`release`](Self::release), whatever clients say of pauses.
    pub(crate) fn hold(&self) {
        let mut pause = self.pause.lock();
        pause.is_held = true;
        self.paused.store(true, Ordering::Release);
    }

    /// Lets writes go on, unless clients are paused.
    pub(crate) fn release(&self) {
        self.end_pause(|pause| pause.is_held = false);
    }

    /// Says that so many slots more are paused.
    pub(crate) fn pause_slots(&self, count: usize) {
        self.pause.lock().slots += count;
    }

    /// Says that so many slots are not paused any more.
    pub(crate) fn unpause_slots(&self, count: usize) {
        self.end_pause(|pause| pause.slots = pause.slots.saturating_sub(count));
    }

    /// Wakes a client when slots are not paused any more; at once if none is.
    pub(crate) fn wake_after_slots(&self, client: &Client) {
        let mut pause = self.pause.lock();
        match pause.slots > 0 {
            true => drop(pause.waiting.insert(address(client), client.waker.clone())),
            false => client.waker.wake_by_ref(),
        }
    }

    /// Wakes all who wait. Who is still held back waits again.
    fn end_pause(&self, end: impl FnOnce(&mut Pause)) {
        let (waiting, others) = {
            let mut pause = self.pause.lock();
            end(&mut pause);
            self.paused.store(pause.is_on(), Ordering::Release);
            (std::mem::take(&mut pause.waiting), std::mem::take(&mut pause.others))
        };
        waiting.into_values().chain(others).for_each(Waker::wake);
    }

    /// Whether the host holds writes back. One load while nothing is.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.paused.load(Ordering::Acquire) && self.pause.lock().is_held
    }

    /// An EXEC begins that gives its slots back in between.
    pub(crate) fn begin_parts(&self) {
        self.execs_in_parts.fetch_add(1, Ordering::AcqRel);
    }

    /// One of those has ended.
    pub(crate) fn end_parts(&self) {
        self.execs_in_parts.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether none of those is under way.
    pub(crate) fn has_no_parts(&self) -> bool {
        self.execs_in_parts.load(Ordering::Acquire) == 0
    }

    /// What is held back at `now`. One load while nothing is.
    #[inline]
    pub(crate) fn paused(&self, now: impl FnOnce() -> UnixMillis) -> Option<PauseMode> {
        if !self.paused.load(Ordering::Acquire) {
            return None;
        }
        let pause = self.pause.lock();
        let held = pause.is_held.then_some(PauseMode::Write);
        let Some((until, mode)) = pause.until_and_mode else { return held };
        if until > now() {
            return Some(mode);
        }
        drop(pause);
        self.unpause();
        held
    }

    /// Whether anything is held back at `now`. Wakes nobody, so it may be asked while slots are held.
    #[inline]
    pub(crate) fn is_paused(&self, now: UnixMillis) -> bool {
        if !self.paused.load(Ordering::Acquire) {
            return false;
        }
        let pause = self.pause.lock();
        pause.is_held || pause.until_and_mode.is_some_and(|(until, _)| until > now)
    }

    /// Wakes a client when the pause ends; at once if there is none.
    pub(crate) fn wake_after_pause(&self, client: &Client) {
        let mut pause = self.pause.lock();
        match pause.is_on() {
            true => drop(pause.waiting.insert(address(client), client.waker.clone())),
            false => client.waker.wake_by_ref(),
        }
    }

    /// Wakes somebody who is no client when the pause ends, of clients or of slots; at once if there is none.
    pub(crate) fn wake_others_after_pause(&self, waker: &Waker) {
        let mut pause = self.pause.lock();
        match pause.is_on() || pause.slots > 0 {
            true if pause.others.iter().any(|other| other.will_wake(waker)) => {}
            true => pause.others.push(waker.clone()),
            false => waker.wake_by_ref(),
        }
    }
}

/// What tells clients apart, unlisted ones too.
fn address(client: &Client) -> usize {
    std::ptr::from_ref(client) as usize
}
