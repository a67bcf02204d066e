//! MIGRATE: keys go to another server, and leave this one once they are there.
//!
//! ```text
//! depart      here     who wants to change the keys waits from here on, and then who wants to read them
//! RESTORE     there    an error of one key leaves that key here
//! leave       here     those that arrived are deleted; changed all the same? sent again, over what is there
//! ```
//!
//! - A key is deleted here only as it was when it was sent, and only when the other server has said that it has it.
//! - Nobody finds a key at both places, or a value at one that is older than what the other answered.
//! - A large value is written down on a thread of its own, and [goes in pieces](large) to another node of Keyslot.
//! - Who asks for MIGRATE waits, and who asks for these keys; nobody else does. They go on when it ends, however it ends.
//! - Connections are kept for the next MIGRATE to the same server, asked by the same thread with the same password, for [`KEPT`].

mod arrivals;
mod large;

use super::Node;
use super::peer::{Broken, Requests, Wire};
pub(super) use arrivals::Arrivals;
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::text::parse_i64;
use keyslot::engine::{Asker, CommandError, Departure, Offset, Slot};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// Connections to servers that keys went to.
#[derive(Default)]
pub(super) struct Wires(Mutex<HashMap<Peer, Kept>>);

/// Whom a connection leads to, and whose it is: a socket is watched by the thread that made it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Peer {
    host: String,
    port: u16,
    credentials: Vec<Vec<u8>>,
    thread: ThreadId,
}

struct Kept {
    wire: Wire,
    /// The database that it has selected.
    db: i64,
    since: Instant,
}

impl Wires {
    /// A connection that was kept.
    fn take(&self, peer: &Peer) -> Option<Kept> {
        let kept = self.0.lock().remove(peer)?;
        Some(kept).filter(|kept| kept.since.elapsed() < KEPT && !kept.wire.has_ended())
    }

    /// Keeps a connection for the next MIGRATE to the same server.
    fn keep(&self, peer: Peer, wire: Wire, db: i64) {
        let mut wires = self.0.lock();
        wires.retain(|_, kept| kept.since.elapsed() < KEPT);
        wires.insert(peer, Kept { wire, db, since: Instant::now() });
    }
}

/// What MIGRATE is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Move {
    host: String,
    port: u16,
    keys: Vec<Vec<u8>>,
    /// The database here, and there.
    from: u16,
    to: i64,
    limit: Duration,
    copy: bool,
    replace: bool,
    /// The words of AUTH; none if it is not said.
    credentials: Vec<Vec<u8>>,
}

impl Move {
    /// Reads the request; an error is the text of the reply.
    fn parse(args: &[&[u8]], from: u16) -> Result<Self, String> {
        let syntax = || "ERR syntax error".to_owned();
        let (mut copy, mut replace, mut credentials, mut keys) = (false, false, Vec::new(), vec![args[3].to_vec()]);
        let mut at = 6;
        while let Some(word) = args.get(at) {
            let left = args.len() - at - 1;
            match word.to_ascii_lowercase().as_slice() {
                b"copy" => copy = true,
                b"replace" => replace = true,
                b"auth" if left >= 1 => {
                    credentials = vec![args[at + 1].to_vec()];
                    at += 1;
                }
                b"auth2" if left >= 2 => {
                    credentials = vec![args[at + 1].to_vec(), args[at + 2].to_vec()];
                    at += 2;
                }
                b"keys" => {
                    if !args[3].is_empty() {
                        return Err(
                            "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
                                .into(),
                        );
                    }
                    keys = args[at + 1..].iter().map(|key| key.to_vec()).collect();
                    break;
                }
                _ => return Err(syntax()),
            }
            at += 1;
        }
        let number = |at: usize| parse_i64(args[at]).ok_or("ERR value is not an integer or out of range");
        let (timeout_ms, to) = (number(5)?, number(4)?);
        let timeout_ms = if timeout_ms <= 0 { TIMEOUT_MS } else { timeout_ms };
        let port = parse_i64(args[2]).and_then(|port| u16::try_from(port).ok()).ok_or_else(unreachable_text)?;
        Ok(Self {
            host: String::from_utf8_lossy(args[1]).into_owned(),
            port,
            keys,
            from,
            to,
            limit: Duration::from_millis(timeout_ms.unsigned_abs()),
            copy,
            replace,
            credentials,
        })
    }
}

/// Why keys did not go.
enum Failure {
    /// The other server does not answer.
    Unreached,
    /// It refuses the connection.
    Refused,
    /// The connection broke, or took too long.
    Broken,
    /// A connection that was kept had ended before it was used.
    Lost,
    /// This text is the reply.
    Said(String),
}

impl Failure {
    fn of(error: CommandError) -> Self {
        Self::Said(error.to_string())
    }

    fn of_target(error: &str) -> Self {
        Self::Said(format!("ERR Target instance replied with error: {error}"))
    }

    fn of_wire(broken: Broken) -> Self {
        match broken {
            Broken::Lost => Self::Lost,
            Broken::Failed => Self::Broken,
        }
    }

    fn of_connect(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::ConnectionRefused { Self::Refused } else { Self::Unreached }
    }

    fn text(self) -> String {
        match self {
            Self::Unreached => unreachable_text(),
            Self::Refused => "IOERR error or timeout writing to target instance".into(),
            Self::Broken | Self::Lost => "IOERR error or timeout reading to target instance".into(),
            Self::Said(text) => text,
        }
    }
}

fn unreachable_text() -> String {
    "IOERR error or timeout connecting to the client".into()
}

impl Node {
    /// MIGRATE, from its name on.
    pub(super) fn migrate(&self, asker: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let request = match Move::parse(args, asker.db) {
            Ok(request) => request,
            Err(text) => return reply.error(&text),
        };
        let mut slots = request.keys.iter().map(|key| Slot::of(key));
        let first = slots.next();
        if self.cluster.is_some() && slots.any(|slot| Some(slot) != first) {
            return reply.error("CROSSSLOT Keys in request don't hash to the same slot");
        }
        let Some(node) = self.this.upgrade() else { return reply.error("ERR the node is ending") };
        if let Some(later) = asker.reply_later() {
            tokio::spawn(async move {
                let (said, offset) = Moving::new(node, request, Reuse::Yes).run().await;
                later.give_at(offset, |reply| write(said, reply));
            });
            return;
        }
        // Who cannot wait for a reply has its thread wait, as all of Redis does. The connection ends with the runtime that it belongs to.
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(Moving::new(node, request, Reuse::No).run()).0)
        });
        match done.join() {
            Ok(Ok(said)) => write(said, reply),
            Ok(Err(_)) | Err(_) => reply.error("ERR the system refused what MIGRATE needs"),
        }
    }
}

fn write(said: Result<&str, Failure>, reply: &mut ReplyWriter<'_>) {
    match said {
        Ok(text) => reply.simple(text),
        Err(failure) => reply.error(&failure.text()),
    }
}

/// The text of an error.
fn error_of(reply: &[u8]) -> Option<String> {
    Some(String::from_utf8_lossy(reply.strip_prefix(b"-")?).trim_end().to_owned())
}

/// Whether a connection that was kept may be used, and this one kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reuse {
    Yes,
    No,
}

/// A MIGRATE under way.
struct Moving {
    node: Arc<Node>,
    request: Move,
    peer: Peer,
    reuse: Reuse,
    /// The connection, and the database that it has selected.
    wire: Option<(Wire, i64)>,
    /// The other server does not take values in pieces.
    is_plain: bool,
    /// The newest journal offset of what was deleted.
    offset: Offset,
}

impl Moving {
    fn new(node: Arc<Node>, request: Move, reuse: Reuse) -> Self {
        let peer = Peer {
            host: request.host.clone(),
            port: request.port,
            credentials: request.credentials.clone(),
            thread: std::thread::current().id(),
        };
        Self { node, request, peer, reuse, wire: None, is_plain: false, offset: Offset(0) }
    }

    /// Moves the keys; says OK, or NOKEY if none is there, and which journal offset that tells of.
    async fn run(mut self) -> (Result<&'static str, Failure>, Offset) {
        let keys = std::mem::take(&mut self.request.keys);
        let mut found = false;
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let gone = match self.go(keys).await {
                Ok(None) => self.go_one_by_one(keys).await,
                Ok(Some(moved)) => Ok(moved),
                Err(failure) => Err(failure),
            };
            match gone {
                Ok(moved) => found |= moved,
                Err(failure) => return (Err(failure), self.offset),
            }
        }
        if let (Some((wire, db)), Reuse::Yes) = (self.wire, self.reuse) {
            self.node.wires.keep(self.peer, wire, db);
        }
        (Ok(if found { "OK" } else { "NOKEY" }), self.offset)
    }

    async fn go_one_by_one(&mut self, keys: &[Vec<u8>]) -> Result<bool, Failure> {
        let mut found = false;
        for key in keys {
            found |= self.go(std::slice::from_ref(key)).await? == Some(true);
        }
        Ok(found)
    }

    /// Moves keys that go together; says whether any is there. `None`, and nothing is done: one of them is large, and goes alone.
    async fn go(&mut self, keys: &[Vec<u8>]) -> Result<Option<bool>, Failure> {
        // Those that are there because this MIGRATE sent them.
        let mut arrived: Vec<Vec<u8>> = Vec::new();
        let mut found = false;
        for _ in 0..ROUNDS_MAX {
            let mut departure = self.depart(keys).await?;
            let count = departure.keys().count();
            if count == 0 {
                return Ok(Some(found));
            }
            found = true;
            let has_large = (0..count).any(|at| departure.size(at) >= LARGE_BYTES);
            if has_large && keys.len() > 1 {
                return Ok(None);
            }
            if self.request.copy {
                departure.release();
            }
            let replies = match has_large {
                true => self.restore_large(&mut departure, &arrived).await?,
                false => self.restore(&mut departure, &arrived, None).await?,
            };
            let is_there: Vec<bool> = replies.iter().map(Option::is_none).collect();
            let refused = replies.into_iter().flatten().next();
            let sent: Vec<Vec<u8>> = departure.keys().map(<[u8]>::to_vec).collect();
            let changed = if self.request.copy { Vec::new() } else { self.leave(&mut departure, &is_there).await? };
            if let Some(error) = refused {
                return Err(Failure::of_target(&error));
            }
            if changed.is_empty() {
                return Ok(Some(true));
            }
            arrived.extend(changed.into_iter().map(|at| sent[at].clone()));
        }
        Err(Failure::Broken)
    }

    /// Has keys set out, once none of them is on its way already.
    async fn depart(&self, keys: &[Vec<u8>]) -> Result<Departure, Failure> {
        let departs = poll_fn(|context| self.node.engine.poll_depart(self.request.from, keys, context.waker()));
        let departed = tokio::time::timeout(self.request.limit, departs).await;
        departed.map_err(|_| Failure::Broken)?.map_err(Failure::of)
    }

    /// Deletes keys that arrived; says which of them are not what was sent any more, and so stay.
    async fn leave(&mut self, departure: &mut Departure, is_there: &[bool]) -> Result<Vec<usize>, Failure> {
        // They are there: that writes are held back here is waited for, however long it takes.
        let left = poll_fn(|context| departure.poll_leave(is_there, context.waker())).await.map_err(Failure::of)?;
        self.offset = self.offset.max(left.offset);
        Ok(left.changed)
    }

    /// Sends keys; gives the error of each that did not arrive. `payload` is that of the only key, if it was made before.
    async fn restore(
        &mut self,
        departure: &mut Departure,
        arrived: &[Vec<u8>],
        payload: Option<&[u8]>,
    ) -> Result<Vec<Option<String>>, Failure> {
        departure.close();
        self.take_kept();
        let was_kept = self.wire.is_some();
        match self.send(departure, arrived, payload).await {
            // It may have ended just now, before anything was done.
            Err(Failure::Lost) if was_kept => self.send(departure, arrived, payload).await,
            done => done,
        }
    }

    /// Goes on with a connection that was kept, if there is one.
    fn take_kept(&mut self) {
        if self.wire.is_none() && self.reuse == Reuse::Yes {
            self.wire = self.node.wires.take(&self.peer).map(|kept| (kept.wire, kept.db));
        }
    }

    /// A connection, what is to be asked over it first, and whether it was used before. One that fails is not used again.
    async fn open(&mut self) -> Result<(Wire, Requests, bool), Failure> {
        let limit = self.request.limit;
        let mut requests = Requests::default();
        let (mut wire, db) = match self.wire.take() {
            Some((wire, db)) => (wire, Some(db)),
            None => {
                let wire = Wire::connect(&self.peer.host, self.peer.port, limit).await.map_err(Failure::of_connect)?;
                if !self.peer.credentials.is_empty() {
                    let words = std::iter::once(&b"AUTH"[..]).chain(self.peer.credentials.iter().map(Vec::as_slice));
                    requests.push(&words.collect::<Vec<_>>());
                }
                (wire, None)
            }
        };
        if db.unwrap_or(0) != self.request.to {
            requests.push(&[&b"SELECT"[..], self.request.to.to_string().as_bytes()]);
        }
        wire.set_idle(limit);
        Ok((wire, requests, db.is_some()))
    }

    async fn send(
        &mut self,
        departure: &Departure,
        arrived: &[Vec<u8>],
        payload: Option<&[u8]>,
    ) -> Result<Vec<Option<String>>, Failure> {
        let (mut wire, requests, was_used) = self.open().await?;
        let own = requests.count();
        let replies = match self.exchange(&mut wire, requests, departure, arrived, payload).await {
            Ok(replies) => replies,
            Err(Broken::Lost) if was_used => return Err(Failure::Lost),
            Err(_) => return Err(Failure::Broken),
        };
        // Without them nothing can have arrived where it should.
        if let Some(refused) = replies[..own].iter().find_map(|reply| error_of(reply)) {
            return Err(Failure::of_target(&refused));
        }
        self.wire = Some((wire, self.request.to));
        Ok(replies[own..].iter().map(|reply| error_of(reply)).collect())
    }

    /// Whether a key takes the place of one that is there: it may be what this MIGRATE sent before.
    fn replaces(&self, key: &[u8], arrived: &[Vec<u8>]) -> bool {
        self.request.replace || arrived.iter().any(|arrived| arrived == key)
    }

    /// Sends requests and then the keys, and returns all replies.
    async fn exchange(
        &self,
        wire: &mut Wire,
        mut requests: Requests,
        departure: &Departure,
        arrived: &[Vec<u8>],
        payload: Option<&[u8]>,
    ) -> Result<Vec<Vec<u8>>, Broken> {
        let name: &[u8] = if self.node.cluster.is_some() { b"RESTORE-ASKING" } else { b"RESTORE" };
        let now = self.node.engine.now();
        let mut replies = Vec::new();
        for (at, key) in departure.keys().enumerate() {
            let ttl_ms = departure.expiry(at).map_or(0, |expiry| (expiry.0 - now.0).max(1));
            let ttl = ttl_ms.to_string();
            let made = payload.map_or_else(|| Cow::Owned(departure.payload(at)), Cow::Borrowed);
            let words = [name, key, ttl.as_bytes(), &made, b"REPLACE"];
            requests.push(if self.replaces(key, arrived) { &words[..] } else { &words[..4] });
            if requests.size() >= SENT_BYTES {
                wire.ask_into(&std::mem::take(&mut requests), &mut replies).await?;
            }
        }
        if requests.count() > 0 {
            wire.ask_into(&requests, &mut replies).await?;
        }
        Ok(replies)
    }
}

/// How long a connection is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(10);

/// So many keys set out together.
const KEYS_AT_ONCE: usize = 256;

/// Once so many bytes are to be sent, they are sent, and replies awaited.
const SENT_BYTES: usize = 256 << 10;

/// A value of so many bytes goes alone.
const LARGE_BYTES: usize = 256 << 10;

/// How often keys are sent again that changed on their way all the same.
const ROUNDS_MAX: usize = 10;

/// What a timeout of 0 means.
const TIMEOUT_MS: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Move, String> {
        let words: Vec<&[u8]> =
            text.split(' ').map(|word| if word == "-" { &b""[..] } else { word.as_bytes() }).collect();
        Move::parse(&words, 3)
    }

    #[test]
    fn requests_are_read_as_redis_reads_them() {
        let one = parse("MIGRATE h 7000 k 2 0").unwrap();
        assert_eq!((one.host.as_str(), one.port, one.from, one.to), ("h", 7000, 3, 2));
        assert_eq!((one.keys, one.limit), (vec![b"k".to_vec()], Duration::from_secs(1)));
        let all = parse("MIGRATE h 7000 - 0 5 copy REPLACE AUTH2 u p KEYS a b copy").unwrap();
        assert!(all.copy && all.replace);
        assert_eq!(all.credentials, [b"u".to_vec(), b"p".to_vec()]);
        assert_eq!(all.keys, [b"a".to_vec(), b"b".to_vec(), b"copy".to_vec()]);
        for (text, error) in [
            ("MIGRATE h 7000 k 0 5 AUTH", "ERR syntax error"),
            ("MIGRATE h 7000 k 0 5 AUTH2 u", "ERR syntax error"),
            ("MIGRATE h 7000 k 0 5 nonsense", "ERR syntax error"),
            ("MIGRATE h 7000 k x 5", "ERR value is not an integer or out of range"),
            ("MIGRATE h 7000 k 0 x", "ERR value is not an integer or out of range"),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
        assert!(parse("MIGRATE h 7000 k 0 5 KEYS a").unwrap_err().contains("must be set to the empty string"));
    }
}
