//! One row of the command table: what a command is called, takes, touches and promises.
//!
//! A family writes its rows as constants, with the builder below, beside the code that does the work. Nothing here
//! knows how a command runs: `run` is opaque to this module.
//!
//! Invariants:
//! - A row is plain constant data. Whatever follows from it (implied categories, the legacy key range, `movablekeys`)
//!   is derived once, in `table`, and written nowhere.
//! - The name is lower case. A sub-command's name is its full name, `client|list`, and its row stands in its
//!   container's `subcommands`.
//! - The order of bits is the order in which Redis names them in replies.

use super::Run;
use super::docs::Docs;

/// One command of the table, or one sub-command.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Full name in lower case: `set`, `client|list`.
    pub name: &'static str,
    /// Number of arguments with the name: exact if positive, at least `-arity` if negative.
    pub arity: i16,
    /// What the command does and where it may run.
    pub flags: Flags,
    /// ACL categories that stand on their own; those that the flags imply are added by `table`. `None`: those of the
    /// group.
    pub categories: Option<Categories>,
    /// Where the keys stand among the arguments.
    pub keys: &'static [KeySpec],
    /// How the keys are found where the specs cannot tell.
    pub extractor: Option<Extractor>,
    /// Hints for clients and proxies, separated by blanks.
    pub tips: &'static str,
    /// What COMMAND DOCS says.
    pub docs: Docs,
    /// The sub-commands of a container.
    pub subcommands: &'static [Row],
    /// The lines of the container's HELP between its title and its own two last lines.
    pub help: &'static [&'static str],
    /// Whether with just a key and a value it stores the value at the key, whatever was there, and answers OK.
    pub stores_plainly: bool,
    /// How it runs.
    pub run: Run,
}

impl Row {
    /// Returns a row with a name, an arity and a way to run, and nothing else set.
    pub const fn new(name: &'static str, arity: i16, run: Run) -> Row {
        Row {
            name,
            arity,
            flags: Flags(0),
            categories: None,
            keys: &[],
            extractor: None,
            tips: "",
            docs: Docs::EMPTY,
            subcommands: &[],
            help: &[],
            stores_plainly: false,
            run,
        }
    }

    /// Returns the row of a command that only holds sub-commands. Its arity is -2 and it has no category of its own.
    pub const fn container(
        name: &'static str,
        run: Run,
        subcommands: &'static [Row],
        help: &'static [&'static str],
    ) -> Row {
        let row = Row::new(name, -2, run).categories(0);
        Row { subcommands, help, ..row }
    }

    /// Says that a request of three words is a plain store.
    pub const fn stores_plainly(self) -> Row {
        Row { stores_plainly: true, ..self }
    }

    /// Replaces the arity.
    pub const fn arity(self, arity: i16) -> Row {
        Row { arity, ..self }
    }

    /// Sets the flags: bits of [`flag`].
    pub const fn flags(self, bits: u32) -> Row {
        Row { flags: Flags(bits), ..self }
    }

    /// Replaces the group's ACL category: bits of [`category`].
    pub const fn categories(self, bits: u32) -> Row {
        Row { categories: Some(Categories(bits)), ..self }
    }

    /// Sets the key specs.
    pub const fn keys(self, keys: &'static [KeySpec]) -> Row {
        Row { keys, ..self }
    }

    /// Says how keys are found where the specs cannot tell.
    pub const fn extractor(self, extractor: Extractor) -> Row {
        Row { extractor: Some(extractor), ..self }
    }

    /// Sets the tips, separated by blanks.
    pub const fn tips(self, tips: &'static str) -> Row {
        Row { tips, ..self }
    }

    /// Sets the one sentence that says what the command does.
    pub const fn summary(self, summary: &'static str) -> Row {
        Row { docs: Docs { summary, ..self.docs }, ..self }
    }

    /// Sets the group of the documentation, the first version and the complexity (may be empty).
    pub const fn docs(self, group: Group, since: &'static str, complexity: &'static str) -> Row {
        Row { docs: Docs { group, since, complexity, ..self.docs }, ..self }
    }

    /// Sets the history: version and change.
    pub const fn history(self, history: &'static [(&'static str, &'static str)]) -> Row {
        Row { docs: Docs { history, ..self.docs }, ..self }
    }

    /// Marks the command as deprecated since a version, and names its successor.
    pub const fn deprecated(self, since: &'static str, replaced_by: &'static str) -> Row {
        Row { docs: Docs { deprecated_since: since, replaced_by, ..self.docs }, ..self }
    }

    /// Marks the command as one that only servers use among themselves.
    pub const fn system(self) -> Row {
        Row { docs: Docs { is_system: true, ..self.docs }, ..self }
    }

    /// Sets the arguments, in the notation of [`super::docs`].
    pub const fn args(self, arguments: &'static str) -> Row {
        Row { docs: Docs { arguments, ..self.docs }, ..self }
    }

    /// Returns the name that a client types after the container's: `list` of `client|list`, `set` of `set`.
    pub fn short_name(&self) -> &'static str {
        match self.name.split_once('|') {
            Some((_, sub)) => sub,
            None => self.name,
        }
    }
}

/// A set of bits of [`flag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// Tells whether any of `bits` is set.
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }
}

/// A set of bits of [`category`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Categories(pub u32);

impl Categories {
    /// Tells whether any of `bits` is set.
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }
}

/// Bits of [`Flags`], in the order in which replies name them; those that replies hide come last.
pub mod flag {
    #![allow(missing_docs)]
    pub const WRITE: u32 = 1 << 0;
    pub const READONLY: u32 = 1 << 1;
    pub const DENYOOM: u32 = 1 << 2;
    pub const MODULE: u32 = 1 << 3;
    pub const ADMIN: u32 = 1 << 4;
    pub const PUBSUB: u32 = 1 << 5;
    pub const NOSCRIPT: u32 = 1 << 6;
    pub const BLOCKING: u32 = 1 << 7;
    pub const LOADING: u32 = 1 << 8;
    pub const STALE: u32 = 1 << 9;
    pub const SKIP_MONITOR: u32 = 1 << 10;
    pub const SKIP_SLOWLOG: u32 = 1 << 11;
    pub const ASKING: u32 = 1 << 12;
    pub const FAST: u32 = 1 << 13;
    pub const NO_AUTH: u32 = 1 << 14;
    pub const NO_MANDATORY_KEYS: u32 = 1 << 15;
    pub const NO_ASYNC_LOADING: u32 = 1 << 16;
    pub const NO_MULTI: u32 = 1 << 17;
    /// Derived from the key specs; no row sets it.
    pub const MOVABLEKEYS: u32 = 1 << 18;
    pub const ALLOW_BUSY: u32 = 1 << 19;
    /// Hidden: a read that may still have to reach the replicas (EVAL, PUBLISH, PFCOUNT).
    pub const MAY_REPLICATE: u32 = 1 << 20;
    /// Hidden: refused unless the configuration allows it (DEBUG, MODULE).
    pub const PROTECTED: u32 = 1 << 21;
    /// Hidden: may touch keys that its arguments do not name.
    pub const TOUCHES_ARBITRARY_KEYS: u32 = 1 << 22;

    /// Names of the visible flags by bit.
    pub const NAMES: [&str; 20] = [
        "write",
        "readonly",
        "denyoom",
        "module",
        "admin",
        "pubsub",
        "noscript",
        "blocking",
        "loading",
        "stale",
        "skip_monitor",
        "skip_slowlog",
        "asking",
        "fast",
        "no_auth",
        "no_mandatory_keys",
        "no_async_loading",
        "no_multi",
        "movablekeys",
        "allow_busy",
    ];
}

/// Bits of [`Categories`], in the order in which replies name them.
pub mod category {
    #![allow(missing_docs)]
    pub const KEYSPACE: u32 = 1 << 0;
    pub const READ: u32 = 1 << 1;
    pub const WRITE: u32 = 1 << 2;
    pub const SET: u32 = 1 << 3;
    pub const SORTEDSET: u32 = 1 << 4;
    pub const LIST: u32 = 1 << 5;
    pub const HASH: u32 = 1 << 6;
    pub const STRING: u32 = 1 << 7;
    pub const BITMAP: u32 = 1 << 8;
    pub const HYPERLOGLOG: u32 = 1 << 9;
    pub const GEO: u32 = 1 << 10;
    pub const STREAM: u32 = 1 << 11;
    pub const PUBSUB: u32 = 1 << 12;
    pub const ADMIN: u32 = 1 << 13;
    pub const FAST: u32 = 1 << 14;
    pub const SLOW: u32 = 1 << 15;
    pub const BLOCKING: u32 = 1 << 16;
    pub const DANGEROUS: u32 = 1 << 17;
    pub const CONNECTION: u32 = 1 << 18;
    pub const TRANSACTION: u32 = 1 << 19;
    pub const SCRIPTING: u32 = 1 << 20;

    /// Names of the categories by bit, as ACL rules and COMMAND LIST FILTERBY ACLCAT take them.
    pub const NAMES: [&str; 21] = [
        "keyspace",
        "read",
        "write",
        "set",
        "sortedset",
        "list",
        "hash",
        "string",
        "bitmap",
        "hyperloglog",
        "geo",
        "stream",
        "pubsub",
        "admin",
        "fast",
        "slow",
        "blocking",
        "dangerous",
        "connection",
        "transaction",
        "scripting",
    ];
}

/// The part of the documentation that a command belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    Hyperloglog,
    Cluster,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    /// Returns the group's name in COMMAND DOCS.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::Hyperloglog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
        }
    }

    /// Returns the ACL category of the group's commands, if the group has one.
    pub const fn category(self) -> Categories {
        Categories(match self {
            Group::Generic => category::KEYSPACE,
            Group::String => category::STRING,
            Group::List => category::LIST,
            Group::Set => category::SET,
            Group::SortedSet => category::SORTEDSET,
            Group::Hash => category::HASH,
            Group::Transactions => category::TRANSACTION,
            Group::Connection => category::CONNECTION,
            Group::Scripting => category::SCRIPTING,
            Group::Hyperloglog => category::HYPERLOGLOG,
            Group::Geo => category::GEO,
            Group::Stream => category::STREAM,
            Group::Bitmap => category::BITMAP,
            Group::PubSub | Group::Server | Group::Cluster => 0,
        })
    }
}

/// Keys that need more than their specs: the specs are incomplete, or the access depends on the options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Extractor {
    Set,
    Bitfield,
    Sort,
    SortRo,
    Migrate,
}

pub use super::key_spec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
