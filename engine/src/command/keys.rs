//! Where the keys of a request stand: read from a row's key specs, without running the command.
//!
//! The engine asks before every command, to find the slots to lock, and so do COMMAND GETKEYS and ACL rules. Most
//! commands have one key at position 1 or a plain range: [`KeyPlan`] tells these apart, and [`Command::plain_range`]
//! answers without allocation.
//!
//! Invariants:
//! - A position returned is within the request, whatever the request says of itself.
//! - A request whose shape contradicts its specs (a key count too large, a range that ends before it starts) has no
//!   keys at all; the command then runs into its own syntax error.
//! - Arguments that are only routed like keys carry `NOT_KEY` and are returned too, unless the caller asks for
//!   [`Include::Keys`].

use smallvec::SmallVec;

use super::key_spec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
use super::row::{Extractor, Row};
use super::table::Command;

/// One key of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRef {
    /// Position among the arguments; the name is 0.
    pub index: u32,
    /// What the command does with it.
    pub flags: KeyFlags,
}

/// The keys of one request, in the order of the specs.
pub type KeyRefs = SmallVec<[KeyRef; 4]>;

/// What [`Command::keys`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// Keys alone.
    Keys,
    /// Keys, and what decides the slot like a key (shard channels). Where the specs do not fit the request, the legacy
    /// range tells if it covers them.
    Routed,
}

/// How the keys of a command are found, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlan {
    /// It has none.
    None,
    /// One key at a position.
    One(u16),
    /// A range with a step, from a first position to a last one, which counts from the end if negative.
    Range {
        /// Position of the first key.
        first: u16,
        /// Position of the last key; -1 is the last argument.
        last: i16,
        /// Distance of two keys.
        step: u16,
    },
    /// By the specs.
    Specs,
    /// By the specs as far as they go, and by code of its own.
    Extractor(Extractor),
}

impl KeyPlan {
    /// Returns the plan of a row.
    pub fn of(row: &Row) -> KeyPlan {
        match (row.extractor, row.keys) {
            (Some(extractor), _) => KeyPlan::Extractor(extractor),
            (None, []) => KeyPlan::None,
            (None, [spec]) => match (spec.begin, spec.find) {
                (BeginSearch::Index(first), FindKeys::Range { last: 0, .. }) => KeyPlan::One(first as u16),
                (BeginSearch::Index(first), FindKeys::Range { last, step, limit: 0 }) => KeyPlan::Range {
                    first: first as u16,
                    last: if last >= 0 { first + last } else { last },
                    step: step as u16,
                },
                _ => KeyPlan::Specs,
            },
            _ => KeyPlan::Specs,
        }
    }
}

/// Positions `first`, `first + step` and so on up to `last`; both within the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainRange {
    /// Position of the first key.
    pub first: usize,
    /// No key is beyond it.
    pub last: usize,
    /// Distance of two keys, at least 1.
    pub step: usize,
}

impl PlainRange {
    /// Returns the positions.
    pub fn positions(self) -> impl Iterator<Item = usize> + Clone {
        (self.first..=self.last).step_by(self.step)
    }
}

impl Command {
    /// Returns the keys of a request of `count` arguments if the row alone tells where they stand: one key, or a
    /// plain range. No allocation. `None`: there are none, or [`Command::keys`] has to look.
    #[inline]
    pub fn plain_range(&self, count: usize) -> Option<PlainRange> {
        let (first, last, step) = match self.plan {
            KeyPlan::One(first) => (first as usize, first as usize, 1),
            KeyPlan::Range { first, last, step } => {
                let last = if last >= 0 { last as usize } else { count.checked_sub(last.unsigned_abs() as usize)? };
                (first as usize, last, (step as usize).max(1))
            }
            // Their options change what is done with the key, not where it stands.
            KeyPlan::Extractor(Extractor::Set | Extractor::Bitfield) => (1, 1, 1),
            KeyPlan::None | KeyPlan::Specs | KeyPlan::Extractor(_) => return None,
        };
        (first <= last && last < count).then_some(PlainRange { first, last, step })
    }

    /// What decides the slot of a request.
    #[cold]
    pub(crate) fn routed_keys<'a>(&self, args: &[&'a [u8]]) -> Vec<&'a [u8]> {
        self.keys(args, Include::Routed).iter().map(|key| args[key.index as usize]).collect()
    }

    /// Returns the keys of a request; none if the request contradicts the specs. Allocates beyond four keys. Linear
    /// in the arguments.
    pub fn keys<A: AsRef<[u8]>>(&self, args: &[A], include: Include) -> KeyRefs {
        let mut found = KeyRefs::new();
        let whole = match self.plan {
            KeyPlan::None => true,
            KeyPlan::One(_) | KeyPlan::Range { .. } | KeyPlan::Specs => {
                from_specs(self.row.keys, args, include, &mut found)
            }
            KeyPlan::Extractor(extractor) => {
                if self.row.keys.iter().any(|spec| spec.flags.has(KeyFlags::VARIABLE_FLAGS))
                    || !from_specs(self.row.keys, args, include, &mut found)
                {
                    found.clear();
                    extract(extractor, args, &mut found);
                }
                true
            }
        };
        if !whole {
            found.clear();
            if include == Include::Routed {
                self.legacy_keys(args.len(), &mut found);
            }
        }
        found
    }

    /// Tells whether the command may read keys that its arguments do not name: SORT, where BY or GET lead to others.
    pub(crate) fn reads_unnamed_keys<A: AsRef<[u8]>>(&self, args: &[A]) -> bool {
        let is_pattern = |pair: &[A]| {
            let word = pair[0].as_ref();
            (word.eq_ignore_ascii_case(b"BY") || word.eq_ignore_ascii_case(b"GET")) && pair[1].as_ref().contains(&b'*')
        };
        matches!(self.plan, KeyPlan::Extractor(Extractor::Sort | Extractor::SortRo)) && args.windows(2).any(is_pattern)
    }

    /// Appends what lies in the range by which clients before Redis 7 route: the destination of a PFMERGE that names
    /// no source.
    fn legacy_keys(&self, count: usize, found: &mut KeyRefs) {
        let LegacyRange { first, last, step, is_whole } = self.legacy_range;
        let last = if last >= 0 { Some(last as usize) } else { count.checked_sub(last.unsigned_abs() as usize) };
        if let (true, 1.., Some(last)) = (is_whole, first, last.filter(|last| *last < count)) {
            let positions = (first as usize..=last).step_by((step as usize).max(1));
            found.extend(positions.map(|at| KeyRef { index: at as u32, flags: KeyFlags(KeyFlags::RW) }));
        }
    }
}

/// Tells whether a row has a spec of real keys.
pub(super) fn names_keys(row: &Row) -> bool {
    row.keys.iter().any(|spec| !spec.flags.has(KeyFlags::NOT_KEY))
}

/// Appends the keys that the specs find; false if one of them does not fit the request.
fn from_specs<A: AsRef<[u8]>>(specs: &[KeySpec], args: &[A], include: Include, found: &mut KeyRefs) -> bool {
    for spec in specs {
        if include == Include::Keys && spec.flags.has(KeyFlags::NOT_KEY) {
            continue;
        }
        let begin = match spec.begin {
            BeginSearch::Unknown => return false,
            BeginSearch::Index(at) => at as usize,
            BeginSearch::Keyword(keyword, start) => match after_keyword(keyword, start, args) {
                Some(at) => at,
                None => continue,
            },
        };
        let Some((first, last, step)) = span(spec.find, begin, args) else { return false };
        if first > last || last >= args.len() {
            return false;
        }
        found.extend((first..=last).step_by(step).map(|at| KeyRef { index: at as u32, flags: spec.flags }));
        if spec.flags.has(KeyFlags::INCOMPLETE) {
            return false;
        }
    }
    true
}

/// Returns the position after a keyword. The last argument (the first, searching backwards) is not looked at.
fn after_keyword<A: AsRef<[u8]>>(keyword: &str, start: i16, args: &[A]) -> Option<usize> {
    let is_keyword = |&at: &usize| args[at].as_ref().eq_ignore_ascii_case(keyword.as_bytes());
    let at = if start >= 0 {
        (start as usize..args.len().saturating_sub(1)).find(is_keyword)
    } else {
        let start = args.len().checked_sub(start.unsigned_abs() as usize)?;
        (2..=start).rev().find(is_keyword)
    };
    at.map(|at| at + 1)
}

/// Returns first position, last position and step; `None` if the arguments do not say or are out of reach.
fn span<A: AsRef<[u8]>>(find: FindKeys, begin: usize, args: &[A]) -> Option<(usize, usize, usize)> {
    match find {
        FindKeys::Unknown => None,
        FindKeys::Range { last, step, limit } => {
            let last = if last >= 0 {
                begin + last as usize
            } else if limit <= 1 {
                args.len().checked_sub(last.unsigned_abs() as usize)?
            } else {
                let share = args.len().checked_sub(begin)? / limit as usize;
                (begin + share).checked_sub(last.unsigned_abs() as usize)?
            };
            Some((begin, last, (step as usize).max(1)))
        }
        FindKeys::Keynum { number, first, step } => {
            let count = parse_count(args.get(begin + number as usize)?.as_ref())?;
            let (first, step) = (begin + first as usize, (step as usize).max(1));
            let last = (count - 1).checked_mul(step)?.checked_add(first)?;
            Some((first, last, step))
        }
    }
}

/// Returns the keys of the commands whose specs do not tell them all.
fn extract<A: AsRef<[u8]>>(extractor: Extractor, args: &[A], found: &mut KeyRefs) {
    let is = |at: usize, word: &str| args.get(at).is_some_and(|arg| arg.as_ref().eq_ignore_ascii_case(word.as_bytes()));
    let mut push = |at: usize, flags: u16| {
        if at < args.len() {
            found.push(KeyRef { index: at as u32, flags: KeyFlags(flags) });
        }
    };
    match extractor {
        Extractor::Set => {
            let reads = (3..args.len()).any(|at| is(at, "get"));
            push(1, if reads { SET_AND_GET } else { KeyFlags::OW | KeyFlags::UPDATE });
        }
        Extractor::Bitfield => {
            push(1, if bitfield_only_reads(args.len(), is) { KeyFlags::RO | KeyFlags::ACCESS } else { SET_AND_GET });
        }
        Extractor::SortRo => push(1, KeyFlags::RO | KeyFlags::ACCESS),
        Extractor::Sort => {
            push(1, KeyFlags::RO | KeyFlags::ACCESS);
            if let Some(at) = sort_target(args.len(), is) {
                push(at, KeyFlags::OW | KeyFlags::UPDATE);
            }
        }
        Extractor::Migrate => {
            for at in migrate_keys(args) {
                push(at, KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::DELETE);
            }
        }
    }
}

const SET_AND_GET: u16 = KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::UPDATE;

fn bitfield_only_reads(count: usize, is: impl Fn(usize, &str) -> bool) -> bool {
    let mut at = 2;
    while at < count {
        let used = match () {
            () if is(at, "get") => 3,
            () if is(at, "overflow") => 2,
            () => return false,
        };
        at += used;
    }
    at == count
}

/// Returns the position of the key that SORT stores to: the last STORE counts.
fn sort_target(count: usize, is: impl Fn(usize, &str) -> bool) -> Option<usize> {
    let mut target = None;
    let mut at = 2;
    while at < count {
        if is(at, "limit") {
            at += 2;
        } else if is(at, "get") || is(at, "by") {
            at += 1;
        } else if is(at, "store") && at + 1 < count {
            target = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    target
}

/// Returns the positions of MIGRATE's keys: all after KEYS if the single key is empty, none if both are given, else
/// the single key.
fn migrate_keys<A: AsRef<[u8]>>(args: &[A]) -> std::ops::Range<usize> {
    let is = |at: usize, word: &str| args[at].as_ref().eq_ignore_ascii_case(word.as_bytes());
    let mut at = 6;
    while at < args.len() {
        if is(at, "keys") {
            return if args[3].as_ref().is_empty() { at + 1..args.len() } else { 0..0 };
        }
        at += match () {
            () if is(at, "auth") => 2,
            () if is(at, "auth2") => 3,
            () => 1,
        };
    }
    3..4
}

/// Reads a key count: a positive decimal number without sign, blanks or leading zeros, small enough to be a count of
/// arguments.
fn parse_count(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > COUNT_DIGITS_MAX || text[0] == b'0' || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |count, digit| count * 10 + (digit - b'0') as usize))
}

/// More digits than the number of arguments of any request can have.
const COUNT_DIGITS_MAX: usize = 10;

/// First key, last key and step, as COMMAND tells clients that do not read key specs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LegacyRange {
    /// Position of the first key; 0: none.
    pub first: i16,
    /// Position of the last key; counts from the end if negative.
    pub last: i16,
    /// Distance of two keys.
    pub step: i16,
    /// The range finds all keys; if not, clients are told that keys move.
    pub is_whole: bool,
}

impl LegacyRange {
    /// Returns the range that covers the plain specs among `specs`.
    pub fn of(specs: &[KeySpec]) -> LegacyRange {
        let mut range = LegacyRange { is_whole: true, ..LegacyRange::default() };
        for spec in specs {
            let is_complete = !spec.flags.has(KeyFlags::INCOMPLETE);
            match (spec.begin, spec.find) {
                (BeginSearch::Index(first), FindKeys::Range { last, step, .. })
                    if specs.len() == 1 || step == 1 && (range.first == 0 || range.last == first - 1) =>
                {
                    range.first = if range.first == 0 { first } else { range.first };
                    range.last = if last >= 0 { first + last } else { last };
                    range.step = step;
                    range.is_whole &= is_complete;
                }
                _ => range.is_whole = false,
            }
        }
        range
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
