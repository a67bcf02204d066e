//! The replica's side: the handshake, the snapshot, the stream.
//!
//! ```text
//! Greeting -> Authenticating -> Configuring -> Asking --+CONTINUE--------------------> Streaming
//!                                                '------+FULLRESYNC -> Receiving ------>'
//!   whatever goes wrong: Failed; the host closes the connection and begins another one, from where the data is
//! ```
//!
//! What a host does: it connects, makes a link, and from there on moves bytes: what the primary sends to
//! [`handle_input`](ReplicaLink::handle_input), what [`poll_output`](ReplicaLink::poll_output) gives to the primary. It calls
//! [`handle_timeout`](ReplicaLink::handle_timeout) when [`next_timeout`](ReplicaLink::next_timeout) says, and takes
//! [events](ReplicaLink::poll_event): they tell when the data goes and comes, and under which name. A link takes nothing behind an
//! event that was not taken: a host whose data has a log ends it at [`Replacing`](ReplicaEvent::Replacing), and then gives what
//! [is held](ReplicaLink::holds_input) another turn, by an input of no bytes.

use super::export::NATIVE_HEADER;
use super::history::{History, ReplicationId};
use super::primary::HandOver;
use super::profile::{FIELDS_CAPABILITY, NATIVE_CAPABILITY, NODE_CAPABILITY};
use super::stream::{StreamError, StreamReader};
use keyslot_engine::effect::encode_effect;
use keyslot_engine::{CommandError, EffectSink, Engine, Offset, Origin, UnixMillis};
use keyslot_persistence::Journal;
use keyslot_persistence::rdb::{RdbLoadError, RdbLoader};
use keyslot_persistence::snapshot::{FormatError, SnapshotHeader, SnapshotReceiver, TransferError};
use std::collections::VecDeque;
use std::sync::Arc;

/// How a replica presents itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaOptions {
    /// The port on which this node listens.
    pub listening_port: u16,
    /// The address that it wants to be known under (`replica-announce-ip`).
    pub ip_address: Option<String>,
    /// The user and password for the primary (`masteruser`, `masterauth`).
    pub credentials: Option<(Option<String>, String)>,
    /// How often it says how far it is.
    pub ack_interval_ms: i64,
    /// A primary that is silent for longer is given up (`repl-timeout`).
    pub timeout_ms: i64,
    /// Whether it asks for snapshots in Keyslot's own form (`repl-native-sync`). A primary that does not know it sends an RDB.
    pub reads_native: bool,
    /// How many loaders store such a snapshot beside the link; without any, the link stores it as it comes.
    pub loaders: usize,
    /// The other node, which follows this one, is asked to lead: a failover.
    pub hand_over: Option<HandOver>,
    /// The name of this node, where it takes part in strict failover.
    pub node: Option<String>,
}

impl Default for ReplicaOptions {
    fn default() -> Self {
        Self {
            listening_port: 6379,
            ip_address: None,
            credentials: None,
            ack_interval_ms: 1000,
            timeout_ms: 60_000,
            reads_native: true,
            loaders: 0,
            hand_over: None,
            node: None,
        }
    }
}

/// In which form a snapshot comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotForm {
    /// An RDB.
    Rdb,
    /// Keyslot's own: sections with checksums.
    Native,
}

/// Where a link is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplicaPhase {
    /// Greetings, password and options are exchanged.
    Handshake,
    /// The primary was asked, and prepares a snapshot or the stream.
    Asking,
    /// A snapshot comes.
    Receiving,
    /// The stream is followed.
    Streaming,
    /// The link is of no use any more.
    Failed,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReplicaEvent {
    /// The primary said this in its stream, to nodes of its kind: see [`note`](super::note).
    Note(String),
    /// The stream goes on where it was, under this name.
    Continued(ReplicationId),
    /// A snapshot is coming: the data is about to be replaced by that of this history.
    Replacing(ReplicationId),
    /// The snapshot is loaded; the data is that of the primary at this offset.
    Replaced(Offset),
}

/// Why a link failed. The data is what it was, unless it says otherwise.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// The primary answered with an error.
    #[error("the primary answered {asked} with: {answer}")]
    Refused {
        /// What it was asked.
        asked: &'static str,
        /// What it said.
        answer: String,
    },
    /// It sent something else than what comes there.
    #[error("expected {expected}, found {found:?}")]
    Unexpected {
        /// What should come.
        expected: &'static str,
        /// The beginning of what came.
        found: String,
    },
    /// The snapshot cannot be loaded. The data is gone: a part of the snapshot is there.
    #[error("the primary's snapshot cannot be loaded: {0}; this replica has a part of it until it is synced again")]
    Snapshot(#[from] RdbLoadError),
    /// The same of one in Keyslot's own form.
    #[error("the primary's snapshot cannot be loaded: {0}; this replica has a part of it until it is synced again")]
    Transfer(#[from] TransferError),
    /// What was announced as a snapshot in Keyslot's own form does not begin as one. The data is what it was.
    #[error("the primary's snapshot cannot be read: {0}")]
    Header(#[from] FormatError),
    /// The snapshot does not end where the primary said. The data is gone.
    #[error("the primary's snapshot does not end where it said; this replica is to be synced again")]
    SnapshotEnd,
    /// The stream cannot be applied. The data is not the primary's any more.
    #[error("the primary's stream cannot be followed at offset {offset}: {reason}; this replica is to be synced again")]
    Stream {
        /// Where.
        offset: Offset,
        /// Why.
        reason: String,
    },
    /// The primary was silent for too long.
    #[error("the primary was silent for {0} ms")]
    Silent(i64),
    /// The engine could not be emptied for the snapshot.
    #[error("the data could not be replaced: {0}")]
    Engine(#[from] CommandError),
}

impl ReplicaError {
    /// Whether the data is not a part of the primary's history any more, so that only a full resync helps.
    pub fn loses_history(&self) -> bool {
        matches!(
            self,
            Self::Snapshot(_) | Self::Transfer(_) | Self::SnapshotEnd | Self::Stream { .. } | Self::Engine(_)
        )
    }
}

/// The link to a primary, from the moment that it is connected. See the module for what a host does.
pub struct ReplicaLink {
    engine: Engine,
    journal: Arc<Journal>,
    options: ReplicaOptions,
    phase: Phase,
    /// Where the data is: asked for again after a cut.
    wanted: Option<(ReplicationId, Offset)>,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    events: VecDeque<ReplicaEvent>,
    /// The inbox was left because of an event.
    is_held: bool,
    /// PSYNC was said, and nothing was answered.
    awaits_answer: bool,
    heard: UnixMillis,
    next_ack: UnixMillis,
    form: Option<SnapshotForm>,
}

enum Phase {
    Greeting,
    Authenticating,
    Configuring(&'static str),
    Asking,
    /// A snapshot is announced, and its header has not come.
    Announced(ReplicationId, Offset),
    Receiving(Box<Receiving>),
    Streaming(Box<StreamReader>),
    Failed,
}

struct Receiving {
    body: Body,
    id: ReplicationId,
    offset: Offset,
}

/// What comes, and who takes it once its beginning was there.
enum Body {
    Rdb(Option<Box<RdbLoader>>, Left),
    Native(Option<Box<SnapshotReceiver>>),
}

enum Left {
    /// So many bytes.
    Bytes(u64),
    /// The RDB, and then this mark.
    Mark(Vec<u8>),
}

impl ReplicaLink {
    /// A link over a connection that was just made. The stream is asked for from the end of the journal on, if `history` says what
    /// that is a part of; else everything.
    ///
    /// Nobody but the link may change the engine from here on; hosts refuse writes of clients.
    pub fn new(
        engine: Engine,
        journal: Arc<Journal>,
        options: ReplicaOptions,
        history: Option<&History>,
        now: UnixMillis,
    ) -> Self {
        let wanted = history.map(|history| (history.id(), journal.end()));
        let mut link = Self {
            engine,
            journal,
            options,
            phase: Phase::Greeting,
            wanted,
            inbox: Vec::new(),
            outbox: Vec::new(),
            events: VecDeque::new(),
            is_held: false,
            awaits_answer: false,
            heard: now,
            next_ack: now,
            form: None,
        };
        link.say(&[b"PING"]);
        link
    }

    /// Where it is.
    pub fn phase(&self) -> ReplicaPhase {
        match self.phase {
            Phase::Greeting | Phase::Authenticating | Phase::Configuring(_) => ReplicaPhase::Handshake,
            Phase::Asking | Phase::Announced(..) => ReplicaPhase::Asking,
            Phase::Receiving(_) => ReplicaPhase::Receiving,
            Phase::Streaming(_) => ReplicaPhase::Streaming,
            Phase::Failed => ReplicaPhase::Failed,
        }
    }

    /// In which form the snapshot came, or comes, if there was one.
    pub fn snapshot_form(&self) -> Option<SnapshotForm> {
        self.form
    }

    /// Up to where the data has the stream.
    pub fn offset(&self) -> Offset {
        self.journal.end()
    }

    /// Whether there is input that waits for its events to be taken: call [`handle_input`](Self::handle_input) with nothing then.
    pub fn holds_input(&self) -> bool {
        !self.inbox.is_empty() && self.is_held
    }

    /// Whether the primary was asked for the stream and has not answered, so far or until the link failed.
    pub fn awaits_answer(&self) -> bool {
        self.awaits_answer
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<ReplicaEvent> {
        self.events.pop_front()
    }

    /// Appends to `out` what is to be sent to the primary.
    pub fn poll_output(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.outbox);
    }

    /// When anything came from the primary last.
    pub fn heard(&self) -> UnixMillis {
        self.heard
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn next_timeout(&self) -> Option<UnixMillis> {
        let silent = self.heard.0 + self.options.timeout_ms;
        match self.phase {
            Phase::Failed => None,
            Phase::Streaming(_) | Phase::Receiving(_) => Some(UnixMillis(silent.min(self.next_ack.0))),
            _ => Some(UnixMillis(silent)),
        }
    }

    /// Does what is due: says how far it is; gives up a primary that is silent.
    pub fn handle_timeout(&mut self, now: UnixMillis) -> Result<(), ReplicaError> {
        if now.0 - self.heard.0 >= self.options.timeout_ms {
            return self.fail(ReplicaError::Silent(self.options.timeout_ms));
        }
        if matches!(self.phase, Phase::Streaming(_)) && now >= self.next_ack {
            self.ack(now);
        }
        self.show_life(now);
        Ok(())
    }

    /// Says that it is there while it takes a snapshot: a line without words, as Redis does.
    fn show_life(&mut self, now: UnixMillis) {
        if matches!(self.phase, Phase::Receiving(_)) && now >= self.next_ack {
            self.outbox.push(b'\n');
            self.next_ack = UnixMillis(now.0 + self.options.ack_interval_ms);
        }
    }

    /// Takes what the primary sent. After an error the link is of no use any more.
    pub fn handle_input(&mut self, bytes: &[u8], now: UnixMillis) -> Result<(), ReplicaError> {
        self.heard = now;
        let outcome = self.take(bytes, now);
        match outcome {
            Ok(()) => {
                self.show_life(now);
                Ok(())
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: ReplicaError) -> Result<(), ReplicaError> {
        // A loader that was at work has ended before somebody else changes the data.
        self.phase = Phase::Failed;
        self.outbox.clear();
        Err(error)
    }

    fn take(&mut self, bytes: &[u8], now: UnixMillis) -> Result<(), ReplicaError> {
        if matches!(self.phase, Phase::Streaming(_)) && self.inbox.is_empty() && self.events.is_empty() {
            return self.follow(bytes, now);
        }
        let mut bytes = bytes;
        if matches!(self.phase, Phase::Receiving(_)) && self.inbox.is_empty() && self.events.is_empty() {
            // Nearly all of a snapshot is taken where it stands.
            bytes = &bytes[self.receive(bytes, now)?..];
        }
        self.inbox.extend_from_slice(bytes);
        self.is_held = false;
        while !self.inbox.is_empty() {
            if !self.events.is_empty() {
                self.is_held = true;
                break;
            }
            let goes_on = match self.phase {
                Phase::Failed => return Ok(()),
                Phase::Streaming(_) => {
                    let rest = std::mem::take(&mut self.inbox);
                    self.follow(&rest, now)?;
                    true
                }
                Phase::Receiving(_) => {
                    let inbox = std::mem::take(&mut self.inbox);
                    let used = self.receive(&inbox, now);
                    self.inbox = inbox;
                    let used = used?;
                    self.inbox.drain(..used);
                    used > 0
                }
                _ => match self.line() {
                    None => false,
                    Some(line) if line.is_empty() => true,
                    Some(line) => {
                        self.hear(&line, now)?;
                        true
                    }
                },
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// Takes a line out of the inbox, without its end.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.inbox.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.inbox.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }

    fn hear(&mut self, line: &[u8], now: UnixMillis) -> Result<(), ReplicaError> {
        let text = || String::from_utf8_lossy(&line[..line.len().min(SHOWN_MAX)]).into_owned();
        let refused = |asked| Err(ReplicaError::Refused { asked, answer: text() });
        match self.phase {
            // A primary that wants a password first says so, and one that does not know this user.
            Phase::Greeting => match line {
                [b'+', ..] => self.authenticate(),
                _ if line.starts_with(b"-NOAUTH") || line.starts_with(b"-NOPERM") => self.authenticate(),
                _ if line.starts_with(b"-ERR operation not permitted") => self.authenticate(),
                [b'-', ..] => return refused("PING"),
                _ => return Err(ReplicaError::Unexpected { expected: "an answer to PING", found: text() }),
            },
            Phase::Authenticating => match line {
                [b'+', ..] => self.configure("port"),
                _ => return refused("AUTH"),
            },
            // What an old primary does not know it refuses, and goes on.
            Phase::Configuring("port") if self.options.ip_address.is_some() => self.configure("address"),
            Phase::Configuring("port" | "address") => self.configure("abilities"),
            Phase::Configuring(_) => self.ask(),
            Phase::Asking => return self.hear_answer(line, now),
            Phase::Announced(id, offset) => return self.hear_header(line, id, offset),
            Phase::Receiving(_) | Phase::Streaming(_) | Phase::Failed => {}
        }
        Ok(())
    }

    fn authenticate(&mut self) {
        match self.options.credentials.clone() {
            Some((user, password)) => {
                self.phase = Phase::Authenticating;
                match user {
                    Some(user) => self.say(&[b"AUTH", user.as_bytes(), password.as_bytes()]),
                    None => self.say(&[b"AUTH", password.as_bytes()]),
                }
            }
            None => self.configure("port"),
        }
    }

    fn configure(&mut self, what: &'static str) {
        self.phase = Phase::Configuring(what);
        match what {
            "port" => {
                let port = self.options.listening_port.to_string();
                // Here, as a request of who may be anybody has few words.
                let node = self.options.node.as_ref().map(|name| [NODE_CAPABILITY, name.as_bytes()].concat());
                let mut words = vec![&b"REPLCONF"[..], b"listening-port", port.as_bytes()];
                words.extend(node.iter().flat_map(|word| [&b"capa"[..], word]));
                self.say(&words);
            }
            "address" => {
                let address = self.options.ip_address.clone().unwrap_or_default();
                self.say(&[b"REPLCONF", b"ip-address", address.as_bytes()]);
            }
            _ => {
                let mut words = vec![&b"REPLCONF"[..], b"capa", b"eof", b"capa", b"psync2", b"capa", FIELDS_CAPABILITY];
                if self.options.reads_native {
                    words.extend([&b"capa"[..], NATIVE_CAPABILITY]);
                }
                self.say(&words);
            }
        }
    }

    fn ask(&mut self) {
        (self.phase, self.awaits_answer) = (Phase::Asking, true);
        match self.wanted {
            Some((id, offset)) => {
                // The first byte that it lacks, counted from 1.
                let next = (offset.0 + 1).to_string();
                let mut words = vec![&b"PSYNC"[..], id.as_str().as_bytes(), next.as_bytes()];
                words.extend(self.options.hand_over.map(|_| &b"FAILOVER"[..]));
                if self.options.hand_over == Some(HandOver::Complete) {
                    words.push(HandOver::COMPLETE_WORD.as_bytes());
                }
                self.say(&words);
            }
            None => self.say(&[b"PSYNC", b"?", b"-1"]),
        }
    }

    fn hear_answer(&mut self, line: &[u8], now: UnixMillis) -> Result<(), ReplicaError> {
        self.awaits_answer = false;
        let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN_MAX)]).into_owned();
        let mut words = text.split(' ');
        match words.next() {
            Some("+FULLRESYNC") => {
                let id = words.next().and_then(|id| ReplicationId::parse(id.as_bytes()));
                let offset = words.next().and_then(|offset| offset.parse().ok());
                let (Some(id), Some(offset)) = (id, offset) else {
                    return Err(ReplicaError::Unexpected { expected: "+FULLRESYNC id offset", found: text });
                };
                self.phase = Phase::Announced(id, Offset(offset));
                self.events.push_back(ReplicaEvent::Replacing(id));
            }
            Some("+CONTINUE") => {
                let Some((wanted, _)) = self.wanted else {
                    return Err(ReplicaError::Unexpected { expected: "+FULLRESYNC, as nothing is here", found: text });
                };
                let id = match words.next() {
                    Some(id) => ReplicationId::parse(id.as_bytes())
                        .ok_or(ReplicaError::Unexpected { expected: "+CONTINUE id", found: text.clone() })?,
                    None => wanted,
                };
                self.events.push_back(ReplicaEvent::Continued(id));
                self.begin_stream(self.journal.selected(), now);
            }
            _ => return Err(ReplicaError::Refused { asked: "PSYNC", answer: text }),
        }
        Ok(())
    }

    fn hear_header(&mut self, line: &[u8], id: ReplicationId, offset: Offset) -> Result<(), ReplicaError> {
        let unexpected = || ReplicaError::Unexpected {
            expected: "$length or $EOF:mark",
            found: String::from_utf8_lossy(&line[..line.len().min(SHOWN_MAX)]).into_owned(),
        };
        let is_native = self.options.reads_native && NATIVE_HEADER.trim_ascii_end() == line;
        let body = match line.strip_prefix(b"$").ok_or_else(unexpected)? {
            _ if is_native => Body::Native(None),
            rest if rest.len() == EOF.len() + MARK_LEN && rest.starts_with(EOF) => {
                Body::Rdb(None, Left::Mark(rest[EOF.len()..].to_vec()))
            }
            length => {
                let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
                Body::Rdb(None, Left::Bytes(length.ok_or_else(unexpected)?))
            }
        };
        self.form = Some(if is_native { SnapshotForm::Native } else { SnapshotForm::Rdb });
        self.phase = Phase::Receiving(Box::new(Receiving { body, id, offset }));
        Ok(())
    }

    /// Takes bytes of the snapshot. Returns how many were used; the others are to be given again, with more behind them.
    fn receive(&mut self, bytes: &[u8], now: UnixMillis) -> Result<usize, ReplicaError> {
        let Phase::Receiving(receiving) = &mut self.phase else { return Ok(0) };
        let Receiving { body, id, offset } = &mut **receiving;
        let (used, selected) = match body {
            Body::Rdb(loader, left) => receive_rdb(&self.engine, loader, left, bytes)?,
            Body::Native(receiver) => {
                let known = (*id, *offset);
                receive_native(&self.engine, receiver, known, self.options.loaders, bytes)?
            }
        };
        let Some(selected) = selected else { return Ok(used) };
        self.journal.restart_at(*offset, selected);
        self.events.push_back(ReplicaEvent::Replaced(*offset));
        self.begin_stream(selected, now);
        // A primary that waits for the end of the loading waits for this.
        self.ack(now);
        Ok(used)
    }

    fn begin_stream(&mut self, selected: u16, now: UnixMillis) {
        self.phase = Phase::Streaming(Box::new(StreamReader::new(selected)));
        self.next_ack = UnixMillis(now.0 + self.options.ack_interval_ms);
    }

    fn follow(&mut self, bytes: &[u8], now: UnixMillis) -> Result<(), ReplicaError> {
        let Phase::Streaming(reader) = &mut self.phase else { return Ok(()) };
        let fed = reader.feed(&self.engine, bytes);
        let stream =
            |error: StreamError| ReplicaError::Stream { offset: self.journal.end(), reason: error.to_string() };
        let heard = fed.map_err(stream)?;
        self.events.extend(heard.notes.into_iter().map(ReplicaEvent::Note));
        if heard.wants_ack {
            self.ack(now);
        }
        Ok(())
    }

    /// Says how far it is.
    fn ack(&mut self, now: UnixMillis) {
        let offset = self.journal.end().to_string();
        match self.journal.durable_log() {
            Some(fsynced) => {
                let fsynced = fsynced.to_string();
                self.say(&[b"REPLCONF", b"ACK", offset.as_bytes(), b"FACK", fsynced.as_bytes()]);
            }
            None => self.say(&[b"REPLCONF", b"ACK", offset.as_bytes()]),
        }
        self.next_ack = UnixMillis(now.0 + self.options.ack_interval_ms);
    }

    fn say(&mut self, args: &[&[u8]]) {
        encode_effect(&mut self.outbox, args);
    }
}

/// Empties the engine for what comes.
fn clear(engine: &Engine) -> Result<(), ReplicaError> {
    let empty: &[&[&[u8]]] = &[&[b"FLUSHALL"], &[b"FUNCTION", b"FLUSH"]];
    engine.apply(Origin::Replay, 0, empty)?;
    Ok(())
}

/// Takes bytes of an RDB. Returns how many, and once all was there the database that the stream has selected behind it.
fn receive_rdb(
    engine: &Engine,
    loader: &mut Option<Box<RdbLoader>>,
    left: &mut Left,
    bytes: &[u8],
) -> Result<(usize, Option<u16>), ReplicaError> {
    let at_work = match loader {
        Some(loader) => loader,
        None => {
            // What does not even begin like a snapshot replaces nothing.
            if bytes.len() < MAGIC_LEN {
                return Ok((0, None));
            }
            if !bytes.starts_with(b"REDIS") && !bytes.starts_with(b"VALKEY") {
                let found = String::from_utf8_lossy(&bytes[..MAGIC_LEN]).into_owned();
                return Err(ReplicaError::Unexpected { expected: "an RDB", found });
            }
            clear(engine)?;
            loader.insert(Box::new(RdbLoader::new(engine, None)))
        }
    };
    let mut used = 0;
    if !at_work.is_finished() {
        let size = match left {
            Left::Bytes(left) => bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX)),
            Left::Mark(_) => bytes.len(),
        };
        used = at_work.feed(&bytes[..size])?;
        if let Left::Bytes(left) = left {
            *left -= used as u64;
            if *left == 0 && !at_work.is_finished() {
                return Err(ReplicaError::SnapshotEnd);
            }
        }
        if !at_work.is_finished() {
            return Ok((used, None));
        }
    }
    let rest = &bytes[used..];
    match left {
        Left::Bytes(0) => {}
        Left::Bytes(_) => return Err(ReplicaError::SnapshotEnd),
        Left::Mark(mark) if rest.len() < mark.len() => return Ok((used, None)),
        Left::Mark(mark) if !rest.starts_with(mark) => return Err(ReplicaError::SnapshotEnd),
        Left::Mark(mark) => used += mark.len(),
    }
    let loaded = loader.take().map(|loader| loader.finish()).transpose()?.unwrap_or_default();
    let selected = loaded.notes.iter().find(|(name, _)| name == "repl-stream-db");
    Ok((used, Some(selected.and_then(|(_, text)| text.parse().ok()).unwrap_or(0))))
}

/// The same of a snapshot in Keyslot's own form, which must be that of this history and offset.
fn receive_native(
    engine: &Engine,
    receiver: &mut Option<Box<SnapshotReceiver>>,
    (id, offset): (ReplicationId, Offset),
    loaders: usize,
    bytes: &[u8],
) -> Result<(usize, Option<u16>), ReplicaError> {
    let mut used = 0;
    let at_work = match receiver {
        Some(receiver) => receiver,
        None => {
            let Some((header, size)) = SnapshotHeader::read(bytes)? else { return Ok((0, None)) };
            if header.replication_id != id.as_str() || header.offset != offset {
                let found = format!("{} {}", header.replication_id, header.offset);
                return Err(ReplicaError::Unexpected { expected: "the snapshot that was announced", found });
            }
            clear(engine)?;
            used = size;
            receiver.insert(Box::new(SnapshotReceiver::new(engine, header, loaders)))
        }
    };
    used += at_work.feed(&bytes[used..])?;
    if !at_work.is_finished() {
        return Ok((used, None));
    }
    let received = receiver.take().map(|receiver| receiver.finish()).transpose()?.unwrap_or_default();
    Ok((used, Some(received.selected)))
}

const EOF: &[u8] = b"EOF:";
const MARK_LEN: usize = 40;
const MAGIC_LEN: usize = 6;
const SHOWN_MAX: usize = 256;
