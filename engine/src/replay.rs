//! Effects of a log, applied in groups: as [`apply`](crate::apply) does it, with the lookups of a group overlapping.
//!
//! ```text
//! commands    SET a 1 | INCR b | FLUSHALL | DEL c d
//! route       slot    | slot   | barrier  | barrier, unless c and d share a slot
//! ```
//!
//! Commands of different slots may be applied on different threads at once, in any order; before and after a barrier all
//! others have to be done.
//!
//! What a log holds most of, strings that are stored, is stored without a turn where nobody could tell: of a replay nothing is
//! recorded, and where nobody watches a key of the slot or waits for one there is nobody to be told.

use crate::apply::{apply, check_database, unknown};
use crate::command::How;
use crate::command::keys::Include;
use crate::command::table::{Command, table};
use crate::core::Core;
use crate::error::CommandError;
use crate::event::EventClasses;
use crate::keyspace::admission::Keys;
use crate::keyspace::shard::Filled;
use crate::keyspace::{DATABASE_COUNT, EntryRef};
use crate::resp::{ReplyWriter, RespVersion};
use crate::slot::Slot;
use crate::table::prefetch;
use crate::text::{StrRef, parse_i64};
use crate::time::UnixMillis;
use crate::turn::{KnownKey, Opening, Origin, Turn, bring};

/// What a command of a log touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// This slot and no other.
    Slot(Slot),
    /// Anything else: it is applied while nothing else is.
    Barrier,
}

/// A command of a log.
#[derive(Clone, Copy, Debug)]
pub struct LoggedCommand<'a> {
    /// The database.
    pub db: u16,
    /// The arguments, the name first.
    pub args: &'a [&'a [u8]],
}

/// A command that cannot be applied: its number in the group, and why. Those before it are applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedCommand {
    /// The number, from 0.
    pub index: usize,
    /// Why.
    pub error: CommandError,
}

/// What a command touches, by its row and its arguments.
pub(crate) fn route(args: &[&[u8]]) -> Result<Route, CommandError> {
    if let Some(key) = plain_key(args) {
        return Ok(Route::Slot(Slot::of(key)));
    }
    let command = resolve(args)?;
    if let How::Store(_) = command.row.run.0 {
        return Ok(Route::Barrier);
    }
    if let Some(range) = command.plain_range(args.len()) {
        return Ok(one_slot(range.positions().map(|at| args[at])));
    }
    if command.reads_unnamed_keys(args) {
        return Ok(Route::Barrier);
    }
    Ok(one_slot(command.keys(args, Include::Routed).iter().map(|key| args[key.index as usize])))
}

/// The key of `SET key value` and `SET key value PXAT ms`, which a log holds most of: without the table.
#[inline]
fn plain_key<'a>(args: &[&'a [u8]]) -> Option<&'a [u8]> {
    let (name, key) = match *args {
        [name, key, _] => (name, key),
        [name, key, _, word, _] if word.eq_ignore_ascii_case(b"PXAT") => (name, key),
        _ => return None,
    };
    name.eq_ignore_ascii_case(b"SET").then_some(key)
}

fn one_slot<'k>(mut keys: impl Iterator<Item = &'k [u8]>) -> Route {
    let Some(slot) = keys.next().map(Slot::of) else { return Route::Barrier };
    if keys.all(|key| Slot::of(key) == slot) { Route::Slot(slot) } else { Route::Barrier }
}

/// Applies commands, each in a turn of its own, in order.
pub(crate) fn apply_each(core: &Core, origin: Origin, commands: &[LoggedCommand<'_>]) -> Result<(), RefusedCommand> {
    let mut out = Vec::new();
    let mut filled = Filled::default();
    let may_store = origin == Origin::Replay && core.options.keyspace_events() == EventClasses::default();
    for (number, group) in commands.chunks(GROUP_COMMANDS).enumerate() {
        let mut known = [const { Ahead::Unknown }; GROUP_COMMANDS];
        for (known, command) in known.iter_mut().zip(group) {
            *known = look_ahead(core, command.args, may_store);
        }
        prefetch_entries(core, group, &known);
        for (index, (command, known)) in group.iter().zip(known).enumerate() {
            let applied = match known {
                Ahead::Plain(known) if store_plainly(core, command, known, &mut filled) => Ok(()),
                Ahead::Row(row, known) => apply_known(core, origin, command, row, known, &mut out),
                Ahead::Plain(_) | Ahead::Unknown => apply(core, origin, command.db, &[command.args]),
            };
            if let Err(error) = applied {
                filled.settle(&core.totals);
                return Err(RefusedCommand { index: number * GROUP_COMMANDS + index, error });
            }
        }
        filled.settle(&core.totals);
    }
    Ok(())
}

/// Stores the string of `SET key value` and `SET key value PXAT ms`, the forms that turns record. False, and nothing is
/// changed, if this takes a turn.
#[inline]
fn store_plainly(core: &Core, command: &LoggedCommand<'_>, known: KnownKey, filled: &mut Filled) -> bool {
    let (key, value, expiry) = match *command.args {
        [_, key, value] => (key, value, None),
        [_, key, value, _, ms] => match parse_i64(ms).filter(|ms| *ms > 0) {
            Some(ms) => (key, value, Some(UnixMillis(ms))),
            None => return false,
        },
        _ => return false,
    };
    if command.db >= DATABASE_COUNT {
        return false;
    }
    let mut guard = core.slots.lock(known.slot);
    if guard.state.admission.keys() != Keys::Here || guard.state.has_audience() {
        return false;
    }
    bring(core, &mut guard, core.eras.current());
    let around = core.surroundings(known.slot, command.db);
    let shard = guard.state.shard_mut(command.db);
    let value = StrRef::of(value);
    match shard.find(known.hash, key) {
        Some(spot) if shard.get(spot).is_long_to_free() => return false,
        Some(spot) => shard.update(spot, around, |entry| {
            entry.set_string(value, false, expiry);
            core.touch(entry);
        }),
        None => {
            let entry = EntryRef::string(key, value, false, expiry);
            entry.set_access(core.fresh_access());
            shard.fill(known.hash, entry, around, filled);
        }
    }
    true
}

/// What is known of a command before it is applied.
#[derive(Clone, Copy)]
enum Ahead {
    /// It is one of those of [`plain_key`].
    Plain(KnownKey),
    /// It has one plain key.
    Row(&'static Command, KnownKey),
    Unknown,
}

impl Ahead {
    fn key(&self) -> Option<KnownKey> {
        match self {
            Self::Plain(known) | Self::Row(_, known) => Some(*known),
            Self::Unknown => None,
        }
    }
}

#[inline]
fn look_ahead(core: &Core, args: &[&[u8]], may_store: bool) -> Ahead {
    let know = |bytes: &[u8]| {
        let slot = Slot::of(bytes);
        core.slots.prefetch_whole_slot(slot);
        let (address, len) = (bytes.as_ptr() as usize, bytes.len());
        KnownKey { address, len, slot, hash: core.hasher.hash(bytes) }
    };
    if may_store && let Some(key) = plain_key(args) {
        return Ahead::Plain(know(key));
    }
    let Ok(command) = table().resolve(args) else { return Ahead::Unknown };
    let range = command.plain_range(args.len()).filter(|range| range.first == range.last);
    match (range, command.row.run.0) {
        (Some(range), How::Turn(_)) => Ahead::Row(command, know(args[range.first])),
        _ => Ahead::Unknown,
    }
}

/// Asks for what the lookups of a group will read: lines first, then entries.
fn prefetch_entries(core: &Core, group: &[LoggedCommand<'_>], known: &[Ahead; GROUP_COMMANDS]) {
    for key in known.iter().filter_map(Ahead::key) {
        core.totals.hints.prefetch(key.slot, key.hash);
    }
    let mut entries = [std::ptr::null(); GROUP_COMMANDS];
    for ((entry, command), known) in entries.iter_mut().zip(group).zip(known) {
        let Some(key) = known.key() else { continue };
        let guard = core.slots.try_lock(key.slot);
        let shard = guard.as_ref().and_then(|guard| guard.state.shard(command.db));
        *entry = shard.and_then(|shard| shard.candidate(key.hash)).map_or(std::ptr::null(), |(_, address)| address);
    }
    // Apart from the locking: a prefetch that has to walk page tables holds up the next locked instruction.
    for entry in entries.into_iter().filter(|entry| !entry.is_null()) {
        prefetch(entry);
        prefetch(entry.wrapping_add(64));
    }
}

#[inline]
fn apply_known(
    core: &Core,
    origin: Origin,
    command: &LoggedCommand<'_>,
    row: &Command,
    known: KnownKey,
    out: &mut Vec<u8>,
) -> Result<(), CommandError> {
    let db = check_database(Some(command.db))?;
    let How::Turn(adapter) = row.row.run.0 else { return apply(core, origin, db, &[command.args]) };
    let opening = Opening { origin, known: Some(known), ..Opening::client(db) };
    let mut turn = Turn::begin(core, opening, &[known.slot])?;
    out.clear();
    let mut reply = ReplyWriter::new(out, RespVersion::V2);
    adapter(&mut turn, command.args, &mut reply)?;
    turn.commit();
    Ok(())
}

fn resolve(args: &[&[u8]]) -> Result<&'static Command, CommandError> {
    table().resolve(args).map_err(|error| unknown(&error.wire_text(args)))
}

/// Commands that are looked ahead together.
const GROUP_COMMANDS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    #[test]
    fn commands_go_where_their_keys_are() {
        let at = |key: &str| Ok(Route::Slot(Slot::of(key.as_bytes())));
        assert_eq!(route(&words("SET a 1")), at("a"));
        assert_eq!(route(&words("del {a}1 {a}2")), at("a"));
        assert_eq!(route(&words("XGROUP CREATE a g $")), at("a"));
        assert_eq!(route(&words("ZUNIONSTORE {a}d 2 {a}1 {a}2")), at("a"));
        for barrier in ["DEL a b", "MSET a 1 b 2", "FLUSHALL", "SWAPDB 0 1", "SORT a BY w_* STORE a", "PING"] {
            assert_eq!(route(&words(barrier)), Ok(Route::Barrier), "{barrier}");
        }
        assert!(route(&words("NOSUCH a")).is_err());
        assert!(route(&words("GET")).is_err());
    }

    #[test]
    fn a_group_is_applied_in_order_and_in_its_databases() {
        let db = Engine::in_memory();
        let lines: Vec<String> = (0..50).map(|i| format!("APPEND k{} {i},", i % 3)).collect();
        let mut args: Vec<Vec<&[u8]>> = lines.iter().map(|line| words(line)).collect();
        args.push(words("MSET a 1 b 2"));
        args.push(words("DEL k1"));
        let mut commands: Vec<LoggedCommand<'_>> = args.iter().map(|args| LoggedCommand { db: 0, args }).collect();
        commands.push(LoggedCommand { db: 3, args: &args[0] });
        assert_eq!(db.apply_each(Origin::Replay, &commands), Ok(()));
        let expected: String = (0..50).filter(|i| i % 3 == 0).map(|i| format!("{i},")).collect();
        assert_eq!(db.get("k0").unwrap().as_deref(), Some(expected.as_bytes()));
        assert_eq!((db.get("k1").unwrap(), db.get("b").unwrap().as_deref()), (None, Some(&b"2"[..])));
        assert_eq!(db.db_size(), 4);
    }

    #[test]
    fn strings_are_stored_as_turns_store_them() {
        let big = "x".repeat(5000);
        let lines = [
            "SET a 1".to_owned(),
            format!("SET {{a}}b {big}"),
            "set a text PXAT 99999999999999".to_owned(),
            "RPUSH l 1 2 3".to_owned(),
            "SET l now-a-string".to_owned(),
            "SET a -17".to_owned(),
            format!("SET {{a}}b {}", &big[1..]),
            "SET old v PXAT 1".to_owned(),
            "APPEND a x".to_owned(),
            "SET a y NX".to_owned(),
        ];
        let args: Vec<Vec<&[u8]>> = lines.iter().map(|line| words(line)).collect();
        let commands: Vec<LoggedCommand<'_>> =
            [0, 5].iter().flat_map(|db| args.iter().map(|args| LoggedCommand { db: *db, args })).collect();
        let engine = || Engine::builder().seed(7).in_memory();
        let (plain, by_turns) = (engine(), engine());
        let view = plain.view();
        assert_eq!(plain.apply_each(Origin::Replay, &commands), Ok(()));
        assert_eq!(view.sizes(0).keys, 0, "what came later is not in it");
        for command in &commands {
            by_turns.apply(Origin::Replay, command.db, &[command.args]).unwrap();
        }
        assert_eq!(plain.core.totals.bytes(), by_turns.core.totals.bytes());
        for db in [0, 5] {
            assert_eq!(plain.view().sizes(db), by_turns.view().sizes(db));
        }
        assert_eq!(plain.call(&["DEBUG", "DIGEST"]), by_turns.call(&["DEBUG", "DIGEST"]));
        assert_eq!(plain.ttl("a"), by_turns.ttl("a"));
    }

    #[test]
    fn who_watches_a_key_learns_of_a_replay() {
        let db = Engine::in_memory();
        let mut session = db.session(std::task::Waker::noop().clone(), crate::PeerInfo::default());
        session.feed(b"WATCH k\r\nMULTI\r\nPING\r\n");
        db.apply_each(Origin::Replay, &[LoggedCommand { db: 0, args: &[b"SET", b"k", b"v"] }]).unwrap();
        session.feed(b"EXEC\r\n");
        let mut out = Vec::new();
        session.poll_output(&mut out);
        assert_eq!(out, b"+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n");
    }

    #[test]
    fn a_refusal_has_its_number() {
        let db = Engine::in_memory();
        let args: Vec<Vec<&[u8]>> = (0..20).map(|i| words(if i == 18 { "LPUSH k 1" } else { "SET k 1" })).collect();
        let commands: Vec<LoggedCommand<'_>> = args.iter().map(|args| LoggedCommand { db: 0, args }).collect();
        let refused = RefusedCommand { index: 18, error: CommandError::WrongType };
        assert_eq!(db.apply_each(Origin::Replay, &commands), Err(refused));
        let unknown = LoggedCommand { db: 16, args: &args[0] };
        let refused = RefusedCommand { index: 0, error: CommandError::DatabaseOutOfRange };
        assert_eq!(db.apply_each(Origin::Replay, &[unknown]), Err(refused));
    }
}
