//! DEBUG: what tests ask of a server. The host does what concerns the process (SLEEP, RELOAD, RESTART ...).

pub(crate) mod digest;
mod protocol;

use crate::client::Connection;
use crate::command::host_request::ask_host;
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, PROTECTED, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::slot::Slot;
use crate::text::parse_i64;
use crate::turn::{Named, Opening, Turn};
use std::borrow::Cow;
use std::sync::atomic::Ordering;

pub(super) const DEBUG: Row = Row::new("debug", -2, Run::Connection(debug))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED)
    .summary("A container for debugging commands.")
    .docs(Group::Server, "1.0.0", "Depends on subcommand.")
    .system();

fn debug(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let options = &core.options;
    let for_local = || options.debug_commands_local.load(Ordering::Relaxed) && connection.client.peer.is_local();
    let is_allowed = options.debug_commands.load(Ordering::Relaxed) || for_local();
    if !is_allowed {
        return Err(CommandError::text(NOT_ALLOWED));
    }
    match (args[1].to_ascii_uppercase().as_slice(), &args[2..]) {
        (b"HELP", []) => help(reply),
        (b"DIGEST", []) => reply.simple(&digest::of_everything(core)),
        (b"DIGEST-VALUE", keys) => {
            let digests: Result<Vec<String>, CommandError> =
                keys.iter().map(|key| on_key(core, connection, key, |turn| digest::of_value(turn, key))).collect();
            let digests = digests?;
            reply.array(digests.len());
            digests.iter().for_each(|digest| reply.simple(digest));
        }
        (b"OBJECT", [key]) => reply.simple(&on_key(core, connection, key, |turn| describe(turn, key))?),
        (b"SET-ACTIVE-EXPIRE", [on]) => {
            core.options.active_expire.store(parse_i64(on).unwrap_or(0) != 0, Ordering::Relaxed);
            reply.ok();
        }
        (b"QUICKLIST-PACKED-THRESHOLD", [size]) => {
            let bytes = memory_size(size)
                .ok_or(CommandError::text("ERR argument must be a memory value bigger than 1 and smaller than 4gb"))?;
            // Zero is the size at the start, as in Redis.
            let bytes = if bytes == 0 { 1 << 30 } else { bytes };
            core.options.quicklist_packed_threshold.store(bytes, Ordering::Relaxed);
            reply.ok();
        }
        (b"POPULATE", [count, rest @ ..]) if rest.len() <= 2 => {
            populate(core, connection, count, rest)?;
            reply.ok();
        }
        (b"PROTOCOL", [kind]) => protocol::sample(kind, reply)?,
        (b"ERROR", [text]) => return Err(CommandError::Text(Cow::Owned(String::from_utf8_lossy(text).into_owned()))),
        // What these tune is not there to be tuned.
        (b"REPLYBUFFER", [_, _]) | (b"PAUSE-CRON", [_]) => reply.ok(),
        _ => return by_host(core, connection, args, reply),
    }
    Ok(())
}

fn by_host(core: &Core, connection: &Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    ask_host(core, connection, args, reply).map_err(|_| {
        let name = String::from_utf8_lossy(args[1]);
        CommandError::Text(Cow::Owned(format!(
            "ERR unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP."
        )))
    })
}

/// Runs `f` in a turn over the slot of `key`, whoever serves it.
fn on_key<R>(
    core: &Core,
    connection: &Connection,
    key: &[u8],
    f: impl FnOnce(&mut Turn<'_>) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let mut turn = Turn::begin_on(core, Opening::client(connection.db), &[Slot::of(key)], Named::Nothing)?;
    let result = f(&mut turn);
    turn.commit();
    result
}

/// `DEBUG OBJECT key`: encoding and idle time; the address tells nothing here.
fn describe(turn: &mut Turn<'_>, key: &[u8]) -> Result<String, CommandError> {
    let encoding = turn.object_encoding(key)?.ok_or(CommandError::NoSuchKey)?;
    let spot = turn.key(key)?;
    let (bytes, access) =
        turn.find(&spot).map_or((0, 0), |at| (turn.entry(&spot, at).heap_bytes(), turn.entry(&spot, at).access()));
    let now = turn.core().access_seconds();
    let idle = now.wrapping_sub(access) & 0x00ff_ffff;
    Ok(format!(
        "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{bytes} lru:{access} lru_seconds_idle:{idle}"
    ))
}

/// `DEBUG POPULATE count [prefix [size]]`: stores strings where there are none; each is a turn and an effect of its own.
fn populate(core: &Core, connection: &Connection, count: &[u8], rest: &[&[u8]]) -> Result<(), CommandError> {
    let number = |word: &[u8]| parse_i64(word).and_then(|number| u64::try_from(number).ok());
    let count = number(count).filter(|count| *count <= POPULATE_COUNT_MAX);
    let count = count.ok_or(CommandError::text("ERR value is out of range, must be positive"))?;
    let prefix = rest.first().map_or(Cow::Borrowed("key"), |prefix| String::from_utf8_lossy(prefix));
    let size = match rest.get(1) {
        Some(size) => number(size).ok_or(CommandError::text("ERR value is out of range, must be positive"))?,
        None => 0,
    };
    let size = usize::try_from(size).ok().filter(|size| *size <= core.options.bulk_bytes_max.load(Ordering::Relaxed));
    let size = size.ok_or(CommandError::StringTooLong)?;
    for at in 0..count {
        let key = format!("{prefix}:{at}");
        let mut value = format!("value:{at}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        on_key(core, connection, key.as_bytes(), |turn| {
            let spot = turn.key(key.as_bytes())?;
            match turn.find(&spot) {
                Some(_) => Ok(()),
                None => turn.set(key.as_bytes(), &value[..]),
            }
        })?;
    }
    Ok(())
}

/// Whether a word is a number of bytes, with a unit or without, that fits in four gigabytes.
fn memory_size(word: &[u8]) -> Option<usize> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unit: u64 = match word[digits..].to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number = std::str::from_utf8(&word[..digits]).ok().and_then(|digits| digits.parse::<u64>().ok());
    let bytes = number?.checked_mul(unit).filter(|bytes| *bytes < 4 << 30)?;
    usize::try_from(bytes).ok()
}

fn help(reply: &mut ReplyWriter<'_>) {
    reply.array(HELP.len() + 3);
    reply.simple("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    HELP.iter().for_each(|line| reply.simple(line));
    reply.simple("HELP");
    reply.simple("    Print this help.");
}

/// HELP of what the engine itself does.
const HELP: &[&str] = &[
    "DIGEST",
    "    Output a hex signature representing the current DB content.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Output a hex signature of the values of all the specified keys.",
    "ERROR <string>",
    "    Return a Redis protocol error with <string> as message. Useful for clients",
    "    unit tests to simulate Redis errors.",
    "OBJECT <key>",
    "    Show low level info about `key` and associated value.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> string keys named key:<num>. If <prefix> is specified then",
    "    it is used instead of the 'key' prefix.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type. <type> can be: string,",
    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true, false.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not",
    "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
    "    default.",
];

/// Most keys that one DEBUG POPULATE stores.
const POPULATE_COUNT_MAX: u64 = 100_000_000;

const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you \
     can run it from a local connection, otherwise you need to set this option in the configuration file, and then \
     restart the server.";
