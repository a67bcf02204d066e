//! What a command may answer instead of a result: one variant per cause, one wire text per variant.

use crate::slot::Slot;
use std::borrow::Cow;

/// What a user may not do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Denied {
    /// Run a command.
    Command {
        /// The user's name.
        user: Vec<u8>,
        /// The command's full name.
        command: &'static str,
    },
    /// Use a key of the request in the way that it does.
    Key,
    /// Use a channel of the request.
    Channel,
    /// Run what was queued: the user's rules were changed after that.
    Since(&'static str),
}

impl Denied {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// The text behind the code.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Command { user, command } => {
                let end = format!(" has no permissions to run the '{command}' command");
                [b"User ", &user[..], end.as_bytes()].concat()
            }
            Self::Key => b"No permissions to access a key".to_vec(),
            Self::Channel => b"No permissions to access a channel".to_vec(),
            Self::Since(reason) => format!(
                "ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no \
                 longer allowed for the following reason: {reason}"
            )
            .into_bytes(),
        }
    }
}

/// Why a command was not done, or not done wholly. Nothing was changed unless a variant says so.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The key holds a value of another type.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// An argument, or the value, is not a 64-bit integer.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// An argument is not a floating point number.
    #[error("ERR value is not a valid float")]
    NotFloat,
    /// The options contradict each other or are not known.
    #[error("ERR syntax error")]
    Syntax,
    /// The key must exist.
    #[error("ERR no such key")]
    NoSuchKey,
    /// A count or an index beyond what is allowed.
    #[error("ERR value is out of range")]
    OutOfRange,
    /// A number that must be above zero.
    #[error("ERR value is out of range, must be positive")]
    MustBePositive,
    /// An index beyond the end.
    #[error("ERR index out of range")]
    IndexOutOfRange,
    /// An increment or decrement would leave the 64-bit range.
    #[error("ERR increment or decrement would overflow")]
    WouldOverflow,
    /// A decrement by the smallest integer cannot be negated.
    #[error("ERR decrement would overflow")]
    DecrementOverflow,
    /// A float increment gave no finite number.
    #[error("ERR increment would produce NaN or Infinity")]
    NanOrInfinity,
    /// A string would become longer than the longest argument.
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    StringTooLong,
    /// SETRANGE with an offset below zero.
    #[error("ERR offset is out of range")]
    OffsetOutOfRange,
    /// An expiry that is not above zero or leaves the range.
    #[error("ERR invalid expire time in '{command}' command")]
    InvalidExpire {
        /// The command, in lower case.
        command: &'static str,
    },
    /// The cursor of a SCAN is no number.
    #[error("ERR invalid cursor")]
    InvalidCursor,
    /// Source and destination are one and the same.
    #[error("ERR source and destination objects are the same")]
    SameObject,
    /// A database number that does not exist.
    #[error("ERR DB index is out of range")]
    DatabaseOutOfRange,
    /// A first database number that is no number.
    #[error("ERR invalid first DB index")]
    InvalidFirstDatabase,
    /// A second database number that is no number.
    #[error("ERR invalid second DB index")]
    InvalidSecondDatabase,
    /// SELECT of another database than 0 in cluster mode.
    #[error("ERR SELECT is not allowed in cluster mode")]
    SelectInCluster,
    /// Too few or too many arguments.
    #[error("ERR wrong number of arguments for '{0}' command")]
    WrongArity(Cow<'static, str>),
    /// A name that is in no row; the text is made where the arguments are at hand.
    #[error("{0}")]
    UnknownCommand(String),
    /// Keys of one request that belong to several slots.
    #[error("CROSSSLOT Keys in request don't hash to the same slot")]
    CrossSlot {
        /// The slot that is held.
        expected: Slot,
        /// The slot of `key`.
        found: Slot,
        /// The key that belongs elsewhere.
        key: Vec<u8>,
    },
    /// Another node serves the slot; the host knows which.
    #[error("MOVED {slot} {endpoint}")]
    Moved {
        /// The slot asked for.
        slot: Slot,
        /// `host:port` of its owner.
        endpoint: String,
    },
    /// The key is not here and may be at the node to which its slot is on its way.
    #[error("ASK {slot} {endpoint}")]
    Ask {
        /// The slot asked for.
        slot: Slot,
        /// `host:port` of that node.
        endpoint: String,
    },
    /// Of the keys of the request some are at the node to which their slot is on its way.
    #[error("TRYAGAIN Multiple keys request during rehashing of slot")]
    TryAgain,
    /// The slot is about to be another node's. A session waits for that; who does not gets this.
    #[error("TRYAGAIN The slot is about to be served by another node")]
    SlotPaused,
    /// Nobody serves the slot.
    #[error("CLUSTERDOWN Hash slot not served")]
    SlotNotServed,
    /// The cluster as a whole is not serving.
    #[error("CLUSTERDOWN The cluster is down")]
    ClusterDown,
    /// The cluster as a whole is not serving, and what it has may be read.
    #[error("CLUSTERDOWN The cluster is down and only accepts read commands")]
    ClusterReadOnly,
    /// The keys of the slot could not be loaded.
    #[error("ERR slot {slot} could not be loaded and is not served: {reason}")]
    SlotUnreadable {
        /// The slot.
        slot: Slot,
        /// What is wrong.
        reason: String,
    },
    /// The journal takes no writes.
    #[error("MISCONF Errors writing to the AOF file: {0}")]
    NotWritable(String),
    /// The data may be old, and the host wants that not to be shown (`replica-serve-stale-data no`).
    #[error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")]
    PrimaryDown,
    /// Fewer replicas follow than the host wants for a write (`min-replicas-to-write`).
    #[error("NOREPLICAS Not enough good replicas to write.")]
    NoReplicas,
    /// Only the primary's stream changes this node's data.
    #[error("READONLY You can't write against a read only replica.")]
    ReadOnly,
    /// The data could not be saved, and the host wants writes to be refused then.
    #[error(
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may \
         modify the data set are disabled, because this instance is configured to report errors during writes if RDB \
         snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB \
         error."
    )]
    NotSaved,
    /// The journal failed after the write was applied; whether it will survive a restart is unknown.
    #[error("MISCONF The append only file failed before this write was confirmed: its outcome is unknown")]
    OutcomeUnknown,
    /// Another node leads since the write was applied; whether it has the write is unknown.
    #[error("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)")]
    LeadsNoMore,
    /// The data takes more memory than `maxmemory`, and nothing may be evicted.
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    /// The data is not all there yet.
    #[error("LOADING Redis is loading the dataset in memory")]
    Loading,
    /// The client must authenticate first.
    #[error("NOAUTH Authentication required.")]
    NoAuth,
    /// The client's user may not do that.
    #[error("NOPERM {}", .0.text())]
    Denied(Denied),
    /// Name or password are wrong.
    #[error("WRONGPASS invalid username-password pair or user is disabled.")]
    WrongPassword,
    /// AUTH without any password configured.
    #[error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
    )]
    NoPasswordConfigured,
    /// HELLO with a version other than 2 and 3.
    #[error("NOPROTO unsupported protocol version")]
    UnsupportedProtocol,
    /// The host that runs this session does not offer the command.
    #[error("ERR '{0}' is not offered by this host")]
    NotOffered(String),
    /// A text that only its command gives.
    #[error("{0}")]
    Text(Cow<'static, str>),
    /// A text that repeats words of the request, whatever their bytes.
    #[error("{}", String::from_utf8_lossy(.0))]
    Quoting(Vec<u8>),
}

impl CommandError {
    /// Whether a request that gets this was turned away at the door, before its command could look at it.
    #[cold]
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Moved { .. }
                | Self::Ask { .. }
                | Self::TryAgain
                | Self::SlotPaused
                | Self::ClusterReadOnly
                | Self::SlotNotServed
                | Self::ClusterDown
                | Self::CrossSlot { .. }
                | Self::SlotUnreadable { .. }
        )
    }

    /// A text around a word of the request. Like Redis, it ends the word at its first zero byte.
    #[cold]
    pub(crate) fn quoting(before: &str, word: &[u8], after: &str) -> Self {
        let mut text = before.as_bytes().to_vec();
        text.extend(word.iter().take_while(|&&byte| byte != 0));
        text.extend_from_slice(after.as_bytes());
        Self::Quoting(text)
    }

    /// The text as clients get it, without its frame.
    #[cold]
    pub(crate) fn wire_text(&self) -> Vec<u8> {
        match self {
            Self::Quoting(text) => text.clone(),
            Self::Denied(denied) => [b"NOPERM ", &denied.bytes()[..]].concat(),
            _ => self.to_string().into_bytes(),
        }
    }

    /// A text that only one command gives, complete with its code (`ERR ...`).
    pub(crate) const fn text(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}
