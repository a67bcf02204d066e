//! `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`: the keys, a few at a time.
//!
//! ```text
//! cursor   14 bits of slot | 39 bits of hash position      0 begins and ends; always below 2^53
//! ```
//!
//! Reply: the next cursor and the keys. Slots are visited in their order, keys of a slot in the order of their hashes, which
//! nothing changes: a key that is there from the first call to the last is returned exactly once, however the tables grow
//! and shrink meanwhile. COUNT is how many keys a call looks at, a hint. Due keys are
//! deleted where that is allowed, and not returned.

use crate::command::element_scan::{COUNT_DEFAULT, parse_cursor};
use crate::command::row::flag::{READONLY, TOUCHES_ARBITRARY_KEYS};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::slot::{SLOT_COUNT, Slot};
use crate::table::POSITION_BITS;
use crate::text::{Case, glob_matches, parse_i64};
use crate::turn::Turn;
use crate::value::ValueType;
use bytes::Bytes;

pub(super) const SCAN: Row = Row::new("scan", -2, Run::Visit(scan))
    .flags(READONLY | TOUCHES_ARBITRARY_KEYS)
    .tips("nondeterministic_output request_policy:special response_policy:special")
    .summary("Iterates over the key names in the database.")
    .docs(
        Group::Generic,
        "2.8.0",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return \
         back to 0. N is the number of elements inside the collection.",
    )
    .history(&[("6.0.0", "Added the `TYPE` subcommand.")])
    .args("cursor:integer pattern:pattern?=MATCH count:integer?=COUNT type:string@6.0.0?=TYPE");

/// Where a scan goes on. Opaque; the start and the end are the same value, 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScanCursor(pub u64);

/// What a scan returns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScanOptions {
    /// Only keys that match this glob pattern.
    pub pattern: Option<Vec<u8>>,
    /// Only keys of this type.
    pub value_type: Option<ValueType>,
    /// How many keys are looked at in one step; at least 1.
    pub count: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { pattern: None, value_type: None, count: COUNT_DEFAULT }
    }
}

fn scan(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let cursor = ScanCursor(parse_cursor(args[1])?);
    let (mut filter, mut count) = (Filter::default(), COUNT_DEFAULT);
    for pair in args[2..].chunks(2) {
        let &[word, value] = pair else { return Err(CommandError::Syntax) };
        match word.to_ascii_uppercase().as_slice() {
            b"COUNT" => {
                let number = parse_i64(value).ok_or(CommandError::NotInteger)?;
                count = usize::try_from(number).ok().filter(|n| *n > 0).ok_or(CommandError::Syntax)?;
            }
            b"MATCH" => filter.pattern = (value != b"*").then_some(value),
            b"TYPE" => filter.type_name = Some(value),
            _ => return Err(CommandError::Syntax),
        }
    }
    let (mut keys, mut key_count) = (Vec::new(), 0);
    let mut writer = ReplyWriter::new(&mut keys, reply.version());
    let next = step(turn, cursor, count, |entry| {
        if filter.takes(entry) {
            writer.bulk(entry.key());
            key_count += 1;
        }
    });
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(next.0).as_bytes());
    reply.array(key_count);
    reply.encoded(&keys);
    Ok(())
}

/// Which keys a scan returns.
#[derive(Clone, Copy, Default)]
struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    /// A name that no type has takes nothing.
    type_name: Option<&'a [u8]>,
}

impl Filter<'_> {
    fn takes(&self, entry: &EntryRef) -> bool {
        let has_type = |name: &[u8]| entry.value_type().name().as_bytes().eq_ignore_ascii_case(name);
        self.pattern.is_none_or(|pattern| glob_matches(pattern, entry.key(), Case::Exact))
            && self.type_name.is_none_or(has_type)
    }
}

/// Looks at about `count` keys from `cursor` on and calls `f` with those that are not due. O(count), and a few
/// nanoseconds for every 64 slots without keys.
fn step(turn: &Turn<'_>, cursor: ScanCursor, count: usize, mut f: impl FnMut(&EntryRef)) -> ScanCursor {
    let (core, db) = (turn.core(), turn.db());
    let (mut from, mut position) = cursor.parts();
    let mut left = count.max(1);
    while let Some(slot) = core.totals.next_occupied(db, from) {
        if slot.index() != from {
            position = 0;
        }
        let (mut visited, mut due) = (0, Vec::new());
        let next = turn.visit(slot, |shard| {
            let Some(shard) = shard.filter(|shard| shard.len() > 0) else {
                core.totals.clear_occupied(slot, db);
                return None;
            };
            shard.scan(position, left, &core.hasher, |entry| {
                visited += 1;
                match turn.is_hidden(entry) {
                    true => due.push(entry.key().to_vec()),
                    false => f(entry),
                }
            })
        });
        turn.delete_met(slot, &due);
        left = left.saturating_sub(visited);
        (from, position) = match next {
            Some(next) => (slot.index(), next),
            None => (core.totals.next_occupied(db, slot.index() + 1).map_or(SLOT_COUNT, Slot::index), 0),
        };
        if left == 0 {
            return ScanCursor::at(from, position);
        }
    }
    ScanCursor::default()
}

impl ScanCursor {
    /// Whether a scan is at its end (or has not begun).
    pub fn is_end(self) -> bool {
        self.0 == 0
    }

    /// Slot number, beyond the last one for cursors that no scan gave, and hash position.
    fn parts(self) -> (usize, u64) {
        let slot = usize::try_from(self.0 >> POSITION_BITS).unwrap_or(SLOT_COUNT);
        (slot.min(SLOT_COUNT), self.0 << (u64::BITS - POSITION_BITS))
    }

    fn at(slot: usize, position: u64) -> Self {
        if slot >= SLOT_COUNT {
            return Self::default();
        }
        Self((slot as u64) << POSITION_BITS | position >> (u64::BITS - POSITION_BITS))
    }
}

/// All keys of database 0, fetched a few at a time: what [`Engine::scan`] returns.
pub struct Scan {
    db: Engine,
    options: ScanOptions,
    /// Where to go on; none at the end.
    cursor: Option<ScanCursor>,
    /// Keys that were fetched, in reverse.
    fetched: Vec<Bytes>,
}

impl Iterator for Scan {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(key) = self.fetched.pop() {
                return Some(key);
            }
            let (next, keys) = self.db.scan_step(self.cursor?, &self.options);
            self.cursor = (!next.is_end()).then_some(next);
            self.fetched = keys;
            self.fetched.reverse();
        }
    }
}

impl Engine {
    /// All keys of database 0. Keys that are there from the first step to the last come exactly once, whatever changes
    /// meanwhile; no slot is locked between two keys. Follows SCAN of Redis 7.2.
    ///
    /// ```
    /// use keyslot_engine::Engine;
    /// let db = Engine::in_memory();
    /// db.set("user:1", "ada")?;
    /// db.set("job:1", "print")?;
    /// let users: Vec<_> = db.scan_match("user:*").collect();
    /// assert_eq!(users, ["user:1"]);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn scan(&self) -> Scan {
        self.scan_options(ScanOptions { count: ITERATOR_COUNT, ..ScanOptions::default() })
    }

    /// All keys of database 0 that match the glob `pattern`.
    pub fn scan_match(&self, pattern: impl AsRef<[u8]>) -> Scan {
        let pattern = Some(pattern.as_ref().to_vec());
        self.scan_options(ScanOptions { pattern, count: ITERATOR_COUNT, ..ScanOptions::default() })
    }

    /// All keys of database 0 that the options let through.
    pub fn scan_options(&self, options: ScanOptions) -> Scan {
        Scan { db: self.clone(), options, cursor: Some(ScanCursor::default()), fetched: Vec::new() }
    }

    /// One step of a scan: where to go on, and the keys found. O(count).
    pub fn scan_step(&self, cursor: ScanCursor, options: &ScanOptions) -> (ScanCursor, Vec<Bytes>) {
        let filter = Filter {
            pattern: options.pattern.as_deref(),
            type_name: options.value_type.map(|value_type| value_type.name().as_bytes()),
        };
        let mut keys = Vec::new();
        let next = self.in_turn(&[], Access::Read, |turn| {
            Ok(step(turn, cursor, options.count, |entry| {
                if filter.takes(entry) {
                    keys.push(Bytes::copy_from_slice(entry.key()));
                }
            }))
        });
        (next.unwrap_or_default(), keys)
    }
}

/// Keys looked at in one step of an iterator.
const ITERATOR_COUNT: usize = 128;
