//! FAILOVER: a primary gives its place to one of its replicas, once that has everything, and no write is lost.
//!
//! ```text
//!              begin: writes are held                a replica has everything, or the time is over and it is forced
//!   (none) ------------------------> WaitingForSync -------------------------------------------------------------> InProgress
//!     ^                                    |                                                                           |
//!     |<--- abort, the time is over -------'                       the replica answers PSYNC .. FAILOVER: it leads     |
//!     |<---------------------------------------------------------------------------------------------------------------|
//!     '<--- abort, the replica refuses: this node leads again ---------------------------------------------------------'
//!   wherever it ends: writes go on, here or with the answer of a replica
//! ```
//!
//! Invariants
//! - While a failover is under way the engine holds writes, so what a replica acknowledged as everything is everything.
//! - A node leads again only if it asked nobody to lead, or was refused. A connection that ends before the answer leaves that open:
//!   the same is asked again, and who says then that it leads is followed.

use super::target::Target;
use crate::link::{
    HandOver, History, Primary, ReplicaError, ReplicaEvent, ReplicaProfile, ReplicaState, ReplicationId,
};
use keyslot_engine::text::parse_i64;
use keyslot_engine::{Engine, Offset, UnixMillis};

/// What FAILOVER asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FailoverCommand {
    /// To begin one.
    Begin(FailoverRequest),
    /// To end the one that is under way.
    Abort,
}

/// Who is to lead, and how long to wait for it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FailoverRequest {
    /// The address that the replica gave, and its port; any replica if there is none.
    pub to: Option<(String, i64)>,
    /// How long to wait for it; for ever if nothing is said.
    pub timeout_ms: Option<i64>,
    /// Whether it is to lead then although it lacks something.
    pub is_forced: bool,
}

impl FailoverCommand {
    /// Reads `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]`, the name first.
    pub fn parse(args: &[&[u8]]) -> Result<Self, FailoverError> {
        let is = |at: usize, word: &str| args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        if args.len() == 2 && is(1, "abort") {
            return Ok(Self::Abort);
        }
        let (mut request, mut at) = (FailoverRequest::default(), 1);
        while at < args.len() {
            if is(at, "timeout") && at + 1 < args.len() && request.timeout_ms.is_none() {
                let timeout_ms = parse_i64(args[at + 1]).ok_or(FailoverError::NotInteger)?;
                if timeout_ms <= 0 {
                    return Err(FailoverError::Timeout);
                }
                request.timeout_ms = Some(timeout_ms);
                at += 2;
            } else if is(at, "to") && at + 2 < args.len() && request.to.is_none() {
                let port = parse_i64(args[at + 2]).ok_or(FailoverError::NotInteger)?;
                request.to = Some((String::from_utf8_lossy(args[at + 1]).into_owned(), port));
                at += 3;
            } else if is(at, "force") && !request.is_forced {
                request.is_forced = true;
                at += 1;
            } else {
                return Err(FailoverError::Syntax);
            }
        }
        Ok(Self::Begin(request))
    }
}

/// Why a failover is not begun or not ended: the text of the reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FailoverError {
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    #[error("ERR FAILOVER timeout must be greater than 0")]
    Timeout,
    #[error("ERR No failover in progress.")]
    None,
    #[error("ERR FAILOVER already in progress.")]
    InProgress,
    #[error("ERR FAILOVER is not valid when server is a replica.")]
    Replica,
    #[error("ERR FAILOVER requires connected replicas.")]
    NoReplicas,
    #[error("ERR FAILOVER with force option requires both a timeout and target HOST and IP.")]
    Force,
    #[error("ERR FAILOVER target HOST and PORT is not a replica.")]
    UnknownTarget,
    #[error("ERR FAILOVER target replica is not online.")]
    TargetNotOnline,
}

/// Why a node does not lead although `PSYNC id offset FAILOVER` asks it to: the text of the reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TakeOverError {
    #[error("ERR PSYNC FAILOVER can't be sent to a master.")]
    Leads,
    #[error("ERR PSYNC FAILOVER replid must match my replid.")]
    OtherHistory,
    /// It had everything, and began anew since from a node that had not.
    #[error("ERR PSYNC FAILOVER asks for a replica with everything up to {wanted}; this one is at {end}")]
    Behind { end: Offset, wanted: Offset },
}

/// Whether a node is to lead because a primary of this history asks it to. `follows` is the history of a node that follows another;
/// `None` at one that leads, and `Some(None)` where the data is of no history.
/// `end` is that of its stream.
pub fn admit_take_over(
    follows: Option<Option<&History>>,
    end: Offset,
    wanted: Option<(ReplicationId, Offset)>,
    hand_over: HandOver,
) -> Result<(), TakeOverError> {
    match (follows, wanted) {
        (None, _) => Err(TakeOverError::Leads),
        (Some(Some(history)), Some((id, at))) if history.id() == id => match hand_over {
            HandOver::Complete if end < at => Err(TakeOverError::Behind { end, wanted: at }),
            HandOver::Complete | HandOver::AsItIs => Ok(()),
        },
        (Some(_), _) => Err(TakeOverError::OtherHistory),
    }
}

/// The place of a node for which a failover is asked.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// It leads, and these follow it, if any ever did.
    Leads(Option<&'a Primary>),
    /// It follows another node.
    Follows,
}

/// How far a failover is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailoverState {
    /// There is none.
    None,
    /// Writes are held until a replica has everything.
    WaitingForSync,
    /// A replica is asked to lead.
    InProgress,
}

impl FailoverState {
    /// As INFO says it (`master_failover_state`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "no-failover",
            Self::WaitingForSync => "waiting-for-sync",
            Self::InProgress => "failover-in-progress",
        }
    }
}

/// What the host, or the node, does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FailoverStep {
    /// Follow this replica, by a link that [hands over](crate::link::ReplicaOptions::hand_over).
    Follow(Target),
    /// It was given up. With [`Undo::Lead`] lead again; then [`release`](Failover::release) writes.
    Aborted(AbortReason, Undo),
}

/// Whether a node that gave up a failover has begun to follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undo {
    /// It leads all the time.
    Nothing,
    /// It follows the replica, and has to lead again.
    Lead,
}

/// Why a failover was given up.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AbortReason {
    /// Somebody said so.
    #[error("Failover manually aborted")]
    Asked,
    /// No replica had everything in time.
    #[error("Replica never caught up before timeout")]
    TimedOut,
    /// The replica does not lead.
    #[error("Failover target rejected psync request: {0}")]
    Refused(String),
}

/// The failover of one node. See the module.
pub struct Failover {
    engine: Engine,
    stage: Stage,
}

enum Stage {
    None,
    WaitingForSync {
        request: FailoverRequest,
        until: Option<UnixMillis>,
    },
    /// `is_open`: somebody was asked to lead, and the connection ended before the answer.
    InProgress {
        is_open: bool,
        hand_over: HandOver,
    },
}

impl Failover {
    /// None, at a node with this engine.
    pub fn new(engine: Engine) -> Self {
        Self { engine, stage: Stage::None }
    }

    /// How far it is.
    pub fn state(&self) -> FailoverState {
        match self.stage {
            Stage::None => FailoverState::None,
            Stage::WaitingForSync { .. } => FailoverState::WaitingForSync,
            Stage::InProgress { .. } => FailoverState::InProgress,
        }
    }

    /// Begins one: holds writes, and has replicas say how far they are. Then [`poll`](Self::poll).
    pub fn begin(&mut self, request: FailoverRequest, place: Place<'_>, now: UnixMillis) -> Result<(), FailoverError> {
        if self.state() != FailoverState::None {
            return Err(FailoverError::InProgress);
        }
        let primary = match place {
            Place::Follows => return Err(FailoverError::Replica),
            Place::Leads(primary) => primary.ok_or(FailoverError::NoReplicas)?,
        };
        let replicas: Vec<_> = primary.replicas().collect();
        if replicas.is_empty() {
            return Err(FailoverError::NoReplicas);
        }
        if request.is_forced && (request.timeout_ms.is_none() || request.to.is_none()) {
            return Err(FailoverError::Force);
        }
        if let Some((host, port)) = &request.to {
            let mut named = replicas.iter().filter(|replica| is_at(&replica.profile, host, *port)).peekable();
            named.peek().ok_or(FailoverError::UnknownTarget)?;
            if !named.any(|replica| replica.state == ReplicaState::Stream) {
                return Err(FailoverError::TargetNotOnline);
            }
        }
        self.engine.hold_writes();
        let until = request.timeout_ms.map(|ms| UnixMillis(now.0.saturating_add(ms)));
        self.stage = Stage::WaitingForSync { request, until };
        primary.ask_acks();
        Ok(())
    }

    /// What is to be done next, at a node that these replicas follow. Asked again when a replica says how far it is, and when
    /// [`next_timeout`](Self::next_timeout) says. O(replicas).
    pub fn poll(&mut self, primary: &Primary, end: Offset, now: UnixMillis) -> Option<FailoverStep> {
        let Stage::WaitingForSync { request, until } = &self.stage else { return None };
        let is_over = until.is_some_and(|until| until <= now);
        if is_over && !request.is_forced {
            return Some(self.give_up(AbortReason::TimedOut));
        }
        let is_meant = |profile: &ReplicaProfile| match &request.to {
            Some((host, port)) => is_at(profile, host, *port),
            None => profile.listening_port != 0,
        };
        let found = primary.replicas().find_map(|replica| {
            let has_all = replica.state == ReplicaState::Stream && replica.acked == end;
            let (host, port) = (replica.profile.ip_address.clone()?, replica.profile.listening_port);
            (has_all && is_meant(&replica.profile)).then_some(Target { host, port })
        });
        let (target, hand_over) = match found {
            // What was begun before may still come.
            Some(target) if self.engine.is_still() => (target, HandOver::Complete),
            _ if is_over => {
                let (host, port) = request.to.as_ref()?;
                (Target { host: host.clone(), port: u16::try_from(*port).ok()? }, HandOver::AsItIs)
            }
            _ => return None,
        };
        self.stage = Stage::InProgress { is_open: false, hand_over };
        Some(FailoverStep::Follow(target))
    }

    /// Ends it because somebody says so.
    pub fn abort(&mut self) -> Result<FailoverStep, FailoverError> {
        match self.state() {
            FailoverState::None => Err(FailoverError::None),
            _ => Ok(self.give_up(AbortReason::Asked)),
        }
    }

    /// Whether, and with how much, a link that is made now asks the other node to lead.
    pub fn hand_over(&self) -> Option<HandOver> {
        match self.stage {
            Stage::InProgress { hand_over, .. } => Some(hand_over),
            Stage::None | Stage::WaitingForSync { .. } => None,
        }
    }

    /// Takes what happened on the link to the replica that is to lead. True if that ends the failover: it leads.
    pub fn take_event(&mut self, event: &ReplicaEvent) -> bool {
        match (&self.stage, event) {
            (Stage::InProgress { .. }, ReplicaEvent::Continued(_) | ReplicaEvent::Replacing(_)) => {
                self.end();
                true
            }
            _ => false,
        }
    }

    /// Takes that the link to the replica that is to lead has ended, by an error if there was one, and whether its
    /// [answer](crate::link::ReplicaLink::awaits_answer) was still to come.
    pub fn take_end(&mut self, awaits_answer: bool, error: Option<&ReplicaError>) -> Option<FailoverStep> {
        let Stage::InProgress { is_open, .. } = &mut self.stage else { return None };
        match error {
            Some(ReplicaError::Refused { asked: "PSYNC", answer }) => {
                if *is_open && answer.ends_with(&TakeOverError::Leads.to_string()) {
                    // It leads because it was asked to, and is followed from here on.
                    self.end();
                    return None;
                }
                let answer = answer.clone();
                Some(self.give_up(AbortReason::Refused(answer)))
            }
            _ => {
                *is_open |= awaits_answer;
                None
            }
        }
    }

    /// When [`poll`](Self::poll) is to be asked although nothing happened.
    pub fn next_timeout(&self) -> Option<UnixMillis> {
        match &self.stage {
            Stage::WaitingForSync { until, .. } => *until,
            Stage::None | Stage::InProgress { .. } => None,
        }
    }

    fn give_up(&mut self, reason: AbortReason) -> FailoverStep {
        let undo = if self.hand_over().is_some() { Undo::Lead } else { Undo::Nothing };
        self.stage = Stage::None;
        FailoverStep::Aborted(reason, undo)
    }

    fn end(&mut self) {
        self.stage = Stage::None;
        self.release();
    }

    /// Lets writes go on.
    pub fn release(&self) {
        self.engine.release_writes();
    }

    /// There is none any more: somebody says whom the node follows.
    pub fn forget(&mut self) {
        if self.state() != FailoverState::None {
            self.end();
        }
    }
}

fn is_at(profile: &ReplicaProfile, host: &str, port: i64) -> bool {
    let is_host = profile.ip_address.as_ref().is_some_and(|address| address.eq_ignore_ascii_case(host));
    is_host && i64::from(profile.listening_port) == port
}
