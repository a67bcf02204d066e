//! The primary's side: who follows, from where, and how far they are.
//!
//! ```text
//!             PSYNC, known                                     ack
//! attach ----------------------------------------> Stream  <-------- Waiting (behind a marked snapshot the replica speaks first)
//!    '------- full resync -> Snapshot ------------->' (length known)    ^
//!                                '--------------------------------------'
//! ```
//!
//! What a host does: it gives REPLCONF to a [`ReplicaProfile`] until PSYNC or SYNC comes, [attaches](Primary::attach) the
//! connection then, and from there on moves bytes: what the replica sends to [`handle_input`](Primary::handle_input), what
//! [`poll_output`](Primary::poll_output) gives to the replica, whenever the journal grew (see [`EffectSink::poll_more`]) or the
//! connection takes more. [`handle_timeout`](Primary::handle_timeout) is called when [`next_timeout`](Primary::next_timeout) says.
//!
//! [`EffectSink::poll_more`]: keyslot_engine::EffectSink::poll_more

use super::confirmation::{Quorum, confirmed};
use super::export::{SentAs, Transfer, libraries};
use super::history::{History, ReplicationId};
use super::profile::{Configured, ReplicaProfile, SyncScope};
use super::translation::Translation;
use crate::chance::Chance;
use keyslot_engine::effect::Unreadable;
use keyslot_engine::resp::{Decoded, Limits, ProtocolError, RequestDecoder};
use keyslot_engine::{EffectSink, Engine, Offset, UnixMillis};
use keyslot_persistence::rdb::RdbOptions;
use keyslot_persistence::{Journal, JournalHold, JournalReader};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Which link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(u64);

/// How a primary treats its replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrimaryOptions {
    /// How often a PING goes into the stream while somebody follows (`repl-ping-replica-period`).
    pub ping_interval_ms: i64,
    /// A replica that was not heard of for longer, and took nothing of a snapshot meanwhile, is let go (`repl-timeout`).
    pub timeout_ms: i64,
    /// Whether snapshots are sent without telling their length, to who can read that (`repl-diskless-sync`).
    pub sends_marked: bool,
    /// Whether snapshots are sent in Keyslot's own form, to who can read that (`repl-native-sync`).
    pub sends_native: bool,
    /// How far a replica may fall behind where the stream is in memory only (`client-output-buffer-limit replica`).
    pub lag_limits: LagLimits,
}

/// How far a replica may fall behind what is held in memory for it. Of a stream that is in a log, too, nothing is held: it is read back.
///
/// Redis has these limits for the output that waits for a replica. Here replicas share the journal, and what the slowest one has not
/// taken stays in it beyond the backlog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LagLimits {
    /// So many bytes are held for the slowest at most; 0 for any number. A replica that needs what is gone has to begin anew.
    pub hard_size_bytes: u64,
    /// A replica that is behind by more for `soft_ms` is let go; 0 for never.
    pub soft_size_bytes: u64,
    /// For how long.
    pub soft_ms: i64,
}

impl LagLimits {
    fn held_size(&self) -> usize {
        match self.hard_size_bytes {
            0 => usize::MAX,
            size => usize::try_from(size).unwrap_or(usize::MAX),
        }
    }
}

impl Default for LagLimits {
    fn default() -> Self {
        Self { hard_size_bytes: 256 << 20, soft_size_bytes: 64 << 20, soft_ms: 60_000 }
    }
}

impl Default for PrimaryOptions {
    fn default() -> Self {
        Self {
            ping_interval_ms: 10_000,
            timeout_ms: 60_000,
            sends_marked: true,
            sends_native: true,
            lag_limits: LagLimits::default(),
        }
    }
}

/// What a replica asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncRequest {
    /// `PSYNC id offset`: the stream behind this offset, of this history; `None` for `PSYNC ? -1`.
    Continue(Option<(ReplicationId, Offset)>),
    /// `PSYNC id offset FAILOVER`: the same, of a node that is to lead first; `None` if that names no history.
    TakeOver(Option<(ReplicationId, Offset)>, HandOver),
    /// `SYNC`: a snapshot, as before there was PSYNC.
    Sync,
}

/// With how much the node leads that is asked to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandOver {
    /// With all that the primary has, or not at all: it said that it has that, and may have lost it since. Said by the word
    /// `COMPLETE` behind `FAILOVER`, over which Redis reads; who does not say it takes what there is.
    Complete,
    /// With what it has.
    AsItIs,
}

impl HandOver {
    pub(super) const COMPLETE_WORD: &str = "COMPLETE";
}

impl SyncRequest {
    /// Reads the arguments of PSYNC, the name first. An error is what to answer.
    pub fn parse(args: &[&[u8]]) -> Result<Self, String> {
        let [_, id, offset, more @ ..] = args else {
            return Err("ERR wrong number of arguments for 'psync' command".to_owned());
        };
        let offset = std::str::from_utf8(offset).ok().and_then(|text| text.parse::<i64>().ok());
        let offset = offset.ok_or("ERR value is not an integer or out of range")?;
        // It names the first byte that it lacks, counted from 1.
        let wanted = u64::try_from(offset - 1).ok().and_then(|at| Some((ReplicationId::parse(id)?, Offset(at))));
        let is = |at: usize, name: &str| more.get(at).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()));
        match (is(0, "FAILOVER"), is(1, HandOver::COMPLETE_WORD)) {
            (true, true) => Ok(Self::TakeOver(wanted, HandOver::Complete)),
            (true, false) => Ok(Self::TakeOver(wanted, HandOver::AsItIs)),
            (false, _) => Ok(Self::Continue(wanted)),
        }
    }

    /// What is wanted of which history.
    pub fn wanted(&self) -> Option<(ReplicationId, Offset)> {
        match self {
            Self::Continue(wanted) | Self::TakeOver(wanted, _) => *wanted,
            Self::Sync => None,
        }
    }
}

/// Why a link ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The data is being replaced, and is of no history until that is done.
    #[error("the data is being replaced; come again later")]
    Closed,
    /// There is no such link.
    #[error("there is no link of this number")]
    Unknown,
    /// The replica sent what is no command.
    #[error("the replica sent something that is no command: {0}")]
    Protocol(#[from] ProtocolError),
    /// It fell too far behind: what it needs next is neither in memory nor in the log any more.
    #[error("what the replica needs next is gone: {0}; it has to begin anew")]
    Lagged(#[from] Unreadable),
    /// It says that it has more than it was sent: what it has is not this stream.
    #[error("the replica says that it is at {acked}, and was sent the stream up to {sent}")]
    Ahead {
        /// By its own account.
        acked: Offset,
        /// What it could have.
        sent: Offset,
    },
    /// It was silent for too long.
    #[error("the replica was silent for {0} ms")]
    Silent(i64),
    /// It was too far behind for too long.
    #[error("the replica was {0} bytes behind for too long")]
    Behind(u64),
    /// It got all that it wanted.
    #[error("the snapshot was sent, and the peer wanted no stream")]
    Complete,
}

/// How far a replica is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplicaState {
    /// A snapshot is on its way (`send_bulk`).
    Snapshot,
    /// The snapshot was sent, and the replica loads it.
    Waiting,
    /// It follows the stream (`online`).
    Stream,
}

/// What is known of a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaStatus {
    /// Its link.
    pub link: LinkId,
    /// What it said of itself.
    pub profile: ReplicaProfile,
    /// How far it is.
    pub state: ReplicaState,
    /// Up to where it has the stream, by its own account.
    pub acked: Offset,
    /// When it said so last.
    pub heard: UnixMillis,
}

/// How many resyncs of each kind there were (`sync_full`, `sync_partial_ok`, `sync_partial_err`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SyncCounts {
    /// Snapshots that were begun.
    pub full: u64,
    /// Of which so many in Keyslot's own form.
    pub native: u64,
    /// Streams that went on where they were cut.
    pub partial: u64,
    /// Streams that could not.
    pub refused: u64,
}

/// All links of one node to its replicas. See the module for what a host does.
pub struct Primary {
    engine: Engine,
    journal: Arc<Journal>,
    options: PrimaryOptions,
    links: BTreeMap<LinkId, Link>,
    next_link: u64,
    next_ping: Option<UnixMillis>,
    counts: SyncCounts,
    chance: Chance,
    /// The data is being replaced: what is there is of no history.
    is_closed: bool,
    /// Up to where replicas were asked how far they are, for those who wait for them.
    asked: Offset,
    /// Which replicas confirm a write; all, if nothing is said.
    quorums: Option<Vec<Quorum>>,
}

struct Link {
    journal: Arc<Journal>,
    /// Keeps the stream behind a snapshot until that is loaded.
    hold: Option<JournalHold>,
    profile: ReplicaProfile,
    phase: Phase,
    acked: Offset,
    /// Up to where its log is fsynced, if it has one and said so.
    fsynced: Option<Offset>,
    heard: UnixMillis,
    /// When it was found to have taken something of a snapshot.
    taken: UnixMillis,
    /// Whether it took something since.
    has_taken: bool,
    /// Since when it is further behind than it may be for long.
    behind_since: Option<UnixMillis>,
    outbox: Vec<u8>,
    /// For a peer that does not know all that the stream holds.
    translation: Option<Translation>,
    /// What came and is no whole command yet.
    inbox: Vec<u8>,
    decoder: RequestDecoder,
}

enum Phase {
    Snapshot(Box<Transfer>),
    /// The stream goes on here once the replica says that it loaded.
    Waiting(Offset),
    Stream(JournalReader),
    Complete,
}

impl Primary {
    /// Of this engine, whose journal this is. `chance` seeds the marks of snapshots.
    pub fn new(engine: Engine, journal: Arc<Journal>, options: PrimaryOptions, chance: u64) -> Self {
        journal.set_held_size(options.lag_limits.held_size());
        Self {
            engine,
            journal,
            options,
            links: BTreeMap::new(),
            next_link: 0,
            next_ping: None,
            counts: SyncCounts::default(),
            chance: Chance::new(chance),
            is_closed: false,
            asked: Offset(0),
            quorums: None,
        }
    }

    /// Says which replicas confirm a write from here on: enough of each of these, or enough of any for `None`.
    pub fn set_quorums(&mut self, quorums: Option<Vec<Quorum>>) {
        self.quorums = quorums;
        self.tell_confirmed();
    }

    /// Changes how replicas are treated.
    pub fn set_options(&mut self, options: PrimaryOptions) {
        self.options = options;
        self.journal.set_held_size(options.lag_limits.held_size());
    }

    /// How many resyncs there were.
    pub fn counts(&self) -> SyncCounts {
        self.counts
    }

    /// Begins to serve a replica, by what it asks for and whether the journal still has that. An error while it is
    /// [closed](Self::close): the replica is to come again later.
    pub fn attach(
        &mut self,
        profile: ReplicaProfile,
        request: SyncRequest,
        history: &History,
        now: UnixMillis,
    ) -> Result<LinkId, LinkError> {
        if self.is_closed {
            return Err(LinkError::Closed);
        }
        let mut outbox = Vec::new();
        let known = match (profile.scope, request.wanted()) {
            (SyncScope::Stream, Some((id, at))) if history.holds(&id, at) => {
                JournalReader::new(self.journal.clone(), at).ok()
            }
            _ => None,
        };
        let mut hold = None;
        let phase = match (profile.scope, known) {
            (_, Some(reader)) => {
                self.counts.partial += 1;
                match profile.follows_renames {
                    true => outbox.extend_from_slice(format!("+CONTINUE {}\r\n", history.id()).as_bytes()),
                    false => outbox.extend_from_slice(b"+CONTINUE\r\n"),
                }
                Phase::Stream(reader)
            }
            (SyncScope::Libraries, _) => {
                if request != SyncRequest::Sync {
                    let end = self.engine.position();
                    outbox.extend_from_slice(format!("+FULLRESYNC {} {end}\r\n", history.id()).as_bytes());
                }
                let mark = self.mark(&profile);
                outbox.extend_from_slice(&libraries(&self.engine, mark.as_deref()));
                Phase::Complete
            }
            _ => {
                self.counts.refused += u64::from(request.wanted().is_some());
                self.counts.full += 1;
                let form = self.form(&profile);
                self.counts.native += u64::from(matches!(form, SentAs::Native(_)));
                // Before the view is taken: the stream goes on behind it.
                hold = Some(self.journal.hold(self.journal.end()));
                let view = self.engine.view();
                if request != SyncRequest::Sync {
                    let offset = view.offset();
                    outbox.extend_from_slice(format!("+FULLRESYNC {} {offset}\r\n", history.id()).as_bytes());
                }
                let selected = self.journal.selected();
                // A backup is everything; what it can be loaded by is its owner's to see to.
                let field_expiry = profile.knows_field_expiry || profile.scope == SyncScope::Snapshot;
                let form = (form, RdbOptions { field_expiry, ..RdbOptions::default() });
                Phase::Snapshot(Box::new(Transfer::begin(view, &history.id(), selected, form, &mut outbox)))
            }
        };
        let acked = if let Phase::Stream(reader) = &phase { reader.position() } else { Offset(0) };
        let link = LinkId(self.next_link);
        self.next_link += 1;
        let (inbox, decoder) = (Vec::new(), RequestDecoder::new(Limits::default()));
        let journal = self.journal.clone();
        let translation = (!profile.knows_field_expiry).then(Translation::new);
        let served = Link {
            journal,
            hold,
            profile,
            phase,
            acked,
            fsynced: None,
            heard: now,
            taken: now,
            has_taken: false,
            behind_since: None,
            outbox,
            translation,
            inbox,
            decoder,
        };
        self.links.insert(link, served);
        self.next_ping.get_or_insert(UnixMillis(now.0 + self.options.ping_interval_ms));
        Ok(link)
    }

    fn form(&mut self, profile: &ReplicaProfile) -> SentAs {
        // A backup is read by who knows RDB.
        if self.options.sends_native && profile.reads_native && profile.scope == SyncScope::Stream {
            return SentAs::Native(self.chance.next());
        }
        self.mark(profile).map_or(SentAs::Counted, SentAs::Marked)
    }

    fn mark(&mut self, profile: &ReplicaProfile) -> Option<String> {
        if !self.options.sends_marked || !profile.reads_marked {
            return None;
        }
        Some(ReplicationId::from_chance(self.chance.triple()).to_string())
    }

    /// Takes what a replica sent. An error ends the link.
    pub fn handle_input(&mut self, link: LinkId, bytes: &[u8], now: UnixMillis) -> Result<(), LinkError> {
        let outcome = self.links.get_mut(&link).ok_or(LinkError::Unknown)?.take(bytes, now);
        if outcome.is_err() {
            self.links.remove(&link);
        }
        self.tell_confirmed();
        outcome
    }

    /// Tells the journal how far the replicas are.
    fn tell_confirmed(&self) {
        let online = self.links.values().filter(|link| matches!(link.phase, Phase::Stream(_)));
        let said = online.map(|link| (link.profile.node.as_deref(), link.acked));
        self.journal.set_confirmed(confirmed(said, self.quorums.as_deref()));
    }

    /// Appends to `out` what is to be sent to a replica now: about `budget` bytes, more for a large value, nothing if there is
    /// nothing. An error ends the link, once `out` is sent.
    pub fn poll_output(&mut self, link: LinkId, out: &mut Vec<u8>, budget: usize) -> Result<(), LinkError> {
        let taken = self.links.get_mut(&link).ok_or(LinkError::Unknown)?;
        if taken.is_to_be_asked(self.asked) {
            self.asked = self.journal.end();
            self.ask_acks();
        }
        let outcome = self.links.get_mut(&link).ok_or(LinkError::Unknown)?.fill(out, budget);
        if outcome.is_err() {
            self.detach(link);
        }
        outcome
    }

    /// How many bytes of the stream [`poll_output`](Self::poll_output) has to give, where nothing else is to be given: a host
    /// may wait a moment, if these are few, for more to send with them.
    pub fn unsent_bytes(&self, link: LinkId) -> Option<u64> {
        match &self.links.get(&link)?.phase {
            Phase::Stream(reader) if self.links.get(&link)?.outbox.is_empty() => Some(reader.unread_bytes()),
            _ => None,
        }
    }

    /// Whether [`poll_output`](Self::poll_output) has something to give, or an end to tell. `Pending`: `waker` is woken when the
    /// journal grows; what the replica sends may have something come too.
    pub fn poll_more(&self, link: LinkId, waker: &Waker) -> Poll<()> {
        if self.links.get(&link).is_some_and(|link| link.is_to_be_asked(self.asked)) {
            return Poll::Ready(());
        }
        match self.links.get(&link).map(|link| (&link.phase, link.outbox.is_empty())) {
            Some((Phase::Stream(reader), true)) => reader.poll_more(waker),
            Some((Phase::Waiting(_), true)) => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    /// Lets a replica go.
    pub fn detach(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.tell_confirmed();
        if self.links.is_empty() {
            self.next_ping = None;
        }
    }

    /// Lets all replicas go. They come again, and learn what the stream is called now.
    pub fn detach_all(&mut self) {
        self.next_ping = None;
        self.links.clear();
        self.asked = Offset(0);
        self.tell_confirmed();
    }

    /// Lets all replicas go and takes none until [`open`](Self::open): the data is about to be replaced.
    pub fn close(&mut self) {
        self.detach_all();
        self.is_closed = true;
    }

    /// Takes replicas again.
    pub fn open(&mut self) {
        self.is_closed = false;
    }

    /// What is known of the replicas.
    pub fn replicas(&self) -> impl Iterator<Item = ReplicaStatus> {
        self.links.iter().filter(|(_, link)| link.profile.scope == SyncScope::Stream).map(|(id, link)| ReplicaStatus {
            link: *id,
            profile: link.profile.clone(),
            state: link.state(),
            acked: link.acked,
            heard: link.heard,
        })
    }

    /// How many replicas have the stream up to `offset`, by their own account: for WAIT.
    pub fn count_reached(&self, offset: Offset) -> usize {
        self.reached(offset).count()
    }

    /// Which replicas have the stream up to `offset`, by their own account.
    pub fn reached(&self, offset: Offset) -> impl Iterator<Item = LinkId> {
        let online = self.links.iter().filter(|(_, link)| matches!(link.phase, Phase::Stream(_)));
        online.filter(move |(_, link)| link.acked >= offset).map(|(id, _)| *id)
    }

    /// Whether there is such a link.
    pub fn serves(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// How many replicas have their logs fsynced up to `offset`, by their own account: for WAITAOF.
    pub fn count_fsynced(&self, offset: Offset) -> usize {
        let online = self.links.values().filter(|link| matches!(link.phase, Phase::Stream(_)));
        online.filter(|link| link.fsynced >= Some(offset)).count()
    }

    /// Has every replica say how far it is. Goes into the stream.
    pub fn ask_acks(&self) {
        self.engine.record_keyless(&[b"REPLCONF", b"GETACK", b"*"]);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn next_timeout(&self) -> Option<UnixMillis> {
        let silent = self.links.values().map(|link| link.alive().0.saturating_add(self.options.timeout_ms));
        silent.chain(self.next_ping.map(|at| at.0)).min().map(UnixMillis)
    }

    /// Does what is due: a PING in the stream; letting go who is silent, or behind for too long. Returns those.
    pub fn handle_timeout(&mut self, now: UnixMillis) -> Vec<(LinkId, LinkError)> {
        if self.next_ping.is_some_and(|at| at <= now) {
            self.engine.record_keyless(&[b"PING"]);
            self.next_ping = Some(UnixMillis(now.0 + self.options.ping_interval_ms));
        }
        let options = self.options;
        let over: Vec<_> =
            self.links.iter_mut().filter_map(|(id, link)| Some((*id, link.verdict(&options, now)?))).collect();
        over.iter().for_each(|(id, _)| self.detach(*id));
        over
    }
}

impl Link {
    fn state(&self) -> ReplicaState {
        match self.phase {
            Phase::Snapshot(_) | Phase::Complete => ReplicaState::Snapshot,
            Phase::Waiting(_) => ReplicaState::Waiting,
            Phase::Stream(_) => ReplicaState::Stream,
        }
    }

    /// Whether somebody waits for replicas, and they were asked only about what was before: this one is, and with it all.
    fn is_to_be_asked(&self, asked: Offset) -> bool {
        matches!(self.phase, Phase::Stream(_)) && self.journal.wanted_of_replicas() > asked
    }

    /// When it was heard of, or took something of a snapshot: while it receives one it has little to say.
    fn alive(&self) -> UnixMillis {
        self.heard.max(self.taken)
    }

    /// What it has not taken yet begins here; `None` if it takes nothing more of the stream.
    fn position(&self) -> Option<Offset> {
        match &self.phase {
            Phase::Snapshot(transfer) if self.profile.scope == SyncScope::Stream => Some(transfer.offset),
            Phase::Waiting(at) => Some(*at),
            Phase::Stream(reader) => Some(reader.position()),
            Phase::Snapshot(_) | Phase::Complete => None,
        }
    }

    /// Why it is to be let go now, if it is.
    fn verdict(&mut self, options: &PrimaryOptions, now: UnixMillis) -> Option<LinkError> {
        if std::mem::take(&mut self.has_taken) {
            self.taken = now;
        }
        if now.0 - self.alive().0 >= options.timeout_ms {
            return Some(LinkError::Silent(options.timeout_ms));
        }
        let limits = options.lag_limits;
        let lag = self.position().map_or(0, |at| self.journal.end().0.saturating_sub(at.0));
        if limits.soft_size_bytes == 0 || lag <= limits.soft_size_bytes || self.journal.durable_log().is_some() {
            self.behind_since = None;
            return None;
        }
        let since = *self.behind_since.get_or_insert(now);
        (now.0 - since.0 >= limits.soft_ms).then_some(LinkError::Behind(lag))
    }

    fn take(&mut self, bytes: &[u8], now: UnixMillis) -> Result<(), LinkError> {
        self.heard = now;
        self.inbox.extend_from_slice(bytes);
        let (mut from, mut ranges) = (0, Vec::new());
        loop {
            ranges.clear();
            match self.decoder.decode_from(&self.inbox, from, &mut ranges)? {
                Decoded::Request { consumed, args, .. } => {
                    let args: Vec<&[u8]> = ranges[args].iter().map(|range| range.of(&self.inbox)).collect();
                    if args[0].eq_ignore_ascii_case(b"REPLCONF")
                        && let Ok(Configured::Acked { at, fsynced }) = self.profile.configure(&args)
                    {
                        self.check_acked(at)?;
                        self.acked = self.acked.max(at);
                        self.fsynced = self.fsynced.max(fsynced);
                        if let Phase::Waiting(at) = self.phase {
                            self.phase = Phase::Stream(JournalReader::new(self.journal.clone(), at)?);
                            self.hold = None;
                        }
                    }
                    from += consumed;
                }
                Decoded::Empty { consumed } => from += consumed,
                Decoded::Incomplete => break,
            }
        }
        self.inbox.drain(..from);
        Ok(())
    }

    /// What was doubled on the way shows in what a replica says of itself.
    fn check_acked(&self, acked: Offset) -> Result<(), LinkError> {
        match &self.phase {
            Phase::Stream(reader) if acked > reader.position() => {
                Err(LinkError::Ahead { acked, sent: reader.position() })
            }
            _ => Ok(()),
        }
    }

    fn fill(&mut self, out: &mut Vec<u8>, budget: usize) -> Result<(), LinkError> {
        let start = out.len();
        out.append(&mut self.outbox);
        while out.len() - start < budget {
            let left = budget - (out.len() - start);
            match &mut self.phase {
                Phase::Snapshot(transfer) => {
                    self.has_taken = true;
                    if !transfer.fill(out, left) {
                        continue;
                    }
                    let (at, is_answered) = (transfer.offset, transfer.is_answered());
                    self.phase = match self.profile.scope {
                        // Some look for the mark at the end of what they read: nothing may follow at once.
                        SyncScope::Stream if is_answered => Phase::Waiting(at),
                        SyncScope::Stream => Phase::Stream(JournalReader::new(self.journal.clone(), at)?),
                        SyncScope::Snapshot | SyncScope::Libraries => Phase::Complete,
                    };
                }
                Phase::Stream(reader) => {
                    self.hold = None;
                    let (before, at) = (out.len(), reader.position());
                    reader.read(out, left)?;
                    if reader.position() == at {
                        break;
                    }
                    if let Some(translation) = &mut self.translation {
                        translation.pass(out, before);
                    }
                }
                Phase::Waiting(_) => break,
                Phase::Complete => return Err(LinkError::Complete),
            }
        }
        Ok(())
    }
}
