//! Key specs: where the keys of a command stand among its arguments, and what happens to them.
//!
//! A spec first finds a start (`begin_search`) and from there the keys (`find_keys`), as Redis 7's documentation
//! defines them. A spec is data: `keys` reads it against a request, `introspection` prints it.

/// One key spec of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// How the first argument of interest is found.
    pub begin: BeginSearch,
    /// How the keys are found from there.
    pub find: FindKeys,
    /// What the command does with the keys.
    pub flags: KeyFlags,
    /// A remark for readers of COMMAND INFO; empty if there is none.
    pub notes: &'static str,
}

/// How a key spec finds its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeginSearch {
    /// Not to be told from the arguments.
    Unknown,
    /// A fixed position; the command's name is 0.
    Index(i16),
    /// After a keyword, searched from a position (backwards from the end if negative).
    Keyword(&'static str, i16),
}

/// How a key spec finds its keys from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindKeys {
    /// Not to be told from the arguments.
    Unknown,
    /// Every `step`th argument up to a last one.
    Range {
        /// The last key relative to the start, or to the end of the arguments (-1 is the last) if negative.
        last: i16,
        /// Distance of two keys.
        step: i16,
        /// With `last` -1: only the first `1/limit` of the remaining arguments are keys; 0 and 1 mean all.
        limit: i16,
    },
    /// A number of keys that an argument states.
    Keynum {
        /// Position of that argument relative to the start.
        number: i16,
        /// Position of the first key relative to the start.
        first: i16,
        /// Distance of two keys.
        step: i16,
    },
}

impl KeySpec {
    const fn new(begin: BeginSearch) -> KeySpec {
        KeySpec { begin, find: FindKeys::Range { last: 0, step: 1, limit: 0 }, flags: KeyFlags(0), notes: "" }
    }

    /// Returns a spec of one key at a position.
    pub const fn index(position: i16) -> KeySpec {
        KeySpec::new(BeginSearch::Index(position))
    }

    /// Returns a spec of one key after a keyword, searched from a position.
    pub const fn keyword(keyword: &'static str, start: i16) -> KeySpec {
        KeySpec::new(BeginSearch::Keyword(keyword, start))
    }

    /// Returns a spec that says that there are keys, but not where.
    pub const fn unknown() -> KeySpec {
        KeySpec { find: FindKeys::Unknown, ..KeySpec::new(BeginSearch::Unknown) }
    }

    /// Makes it every `step`th argument up to `last`.
    pub const fn range(self, last: i16, step: i16) -> KeySpec {
        KeySpec { find: FindKeys::Range { last, step, limit: 0 }, ..self }
    }

    /// Makes it the first `1/limit` of the remaining arguments.
    pub const fn fraction(self, limit: i16) -> KeySpec {
        KeySpec { find: FindKeys::Range { last: -1, step: 1, limit }, ..self }
    }

    /// Makes it as many keys as the argument at the start says, from the next one on.
    pub const fn counted(self) -> KeySpec {
        KeySpec { find: FindKeys::Keynum { number: 0, first: 1, step: 1 }, ..self }
    }

    /// Adds bits of [`KeyFlags`].
    pub const fn flags(self, bits: u16) -> KeySpec {
        KeySpec { flags: KeyFlags(self.flags.0 | bits), ..self }
    }

    /// Read only.
    pub const fn ro(self) -> KeySpec {
        self.flags(KeyFlags::RO)
    }

    /// Read and written.
    pub const fn rw(self) -> KeySpec {
        self.flags(KeyFlags::RW)
    }

    /// Overwritten.
    pub const fn ow(self) -> KeySpec {
        self.flags(KeyFlags::OW)
    }

    /// Removed.
    pub const fn rm(self) -> KeySpec {
        self.flags(KeyFlags::RM)
    }

    /// The value is returned, copied or used.
    pub const fn access(self) -> KeySpec {
        self.flags(KeyFlags::ACCESS)
    }

    /// The value is changed.
    pub const fn update(self) -> KeySpec {
        self.flags(KeyFlags::UPDATE)
    }

    /// Data is only added.
    pub const fn insert(self) -> KeySpec {
        self.flags(KeyFlags::INSERT)
    }

    /// Data is only removed.
    pub const fn delete(self) -> KeySpec {
        self.flags(KeyFlags::DELETE)
    }

    /// Routed like a key, but not one (shard channels, slots of CLUSTER).
    pub const fn not_key(self) -> KeySpec {
        self.flags(KeyFlags::NOT_KEY)
    }

    /// There may be more keys than the spec finds.
    pub const fn incomplete(self) -> KeySpec {
        self.flags(KeyFlags::INCOMPLETE)
    }

    /// The other flags depend on the arguments.
    pub const fn variable_flags(self) -> KeySpec {
        self.flags(KeyFlags::VARIABLE_FLAGS)
    }

    /// Adds a remark.
    pub const fn notes(self, notes: &'static str) -> KeySpec {
        KeySpec { notes, ..self }
    }
}

/// What a command does with a key: a set of the bits below, in the order in which replies name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyFlags(pub u16);

#[allow(missing_docs)]
impl KeyFlags {
    pub const RO: u16 = 1 << 0;
    pub const RW: u16 = 1 << 1;
    pub const OW: u16 = 1 << 2;
    pub const RM: u16 = 1 << 3;
    pub const ACCESS: u16 = 1 << 4;
    pub const UPDATE: u16 = 1 << 5;
    pub const INSERT: u16 = 1 << 6;
    pub const DELETE: u16 = 1 << 7;
    pub const NOT_KEY: u16 = 1 << 8;
    pub const INCOMPLETE: u16 = 1 << 9;
    pub const VARIABLE_FLAGS: u16 = 1 << 10;

    /// Names of the flags by bit.
    pub const NAMES: [&'static str; 11] =
        ["RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags"];

    /// Tells whether any of `bits` is set.
    pub const fn has(self, bits: u16) -> bool {
        self.0 & bits != 0
    }
}
