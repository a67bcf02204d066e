//! `OBJECT ENCODING | FREQ | IDLETIME | REFCOUNT key` and `OBJECT HELP`: how a value is kept, as Redis would keep it.
//!
//! Reply: a name, or a number; null if there is no such key. Nothing is marked as used, nothing recorded.

use crate::command::introspection;
use crate::command::row::flag::{LOADING, READONLY, STALE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::keyspace::frequency;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::hash::HashRef;
use crate::value::set::SetRef;
use crate::value::{ListRef, StrRef, ValueType};
use std::sync::atomic::Ordering;

/// HELP of OBJECT.
const OBJECT_HELP: &[&str] = &[
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
];

const OBJECT_SUBCOMMANDS: &[Row] = &[
    Row::new("object|encoding", 3, Run::Turn(encoding))
        .flags(READONLY)
        .keys(&[KeySpec::index(2).ro()])
        .tips("nondeterministic_output")
        .summary("Returns the internal encoding of a Redis object.")
        .docs(Group::Generic, "2.2.3", "O(1)")
        .args("key:key#0"),
    Row::new("object|freq", 3, Run::Turn(freq))
        .flags(READONLY)
        .keys(&[KeySpec::index(2).ro()])
        .tips("nondeterministic_output")
        .summary("Returns the logarithmic access frequency counter of a Redis object.")
        .docs(Group::Generic, "4.0.0", "O(1)")
        .args("key:key#0"),
    Row::new("object|help", 2, Run::Connection(introspection::help))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(Group::Generic, "6.2.0", "O(1)"),
    Row::new("object|idletime", 3, Run::Turn(idletime))
        .flags(READONLY)
        .keys(&[KeySpec::index(2).ro()])
        .tips("nondeterministic_output")
        .summary("Returns the time since the last access to a Redis object.")
        .docs(Group::Generic, "2.2.3", "O(1)")
        .args("key:key#0"),
    Row::new("object|refcount", 3, Run::Turn(refcount))
        .flags(READONLY)
        .keys(&[KeySpec::index(2).ro()])
        .tips("nondeterministic_output")
        .summary("Returns the reference count of a value of a key.")
        .docs(Group::Generic, "2.2.3", "O(1)")
        .args("key:key#0"),
];

pub(super) const OBJECT: Row = Row::container("object", Run::Host, OBJECT_SUBCOMMANDS, OBJECT_HELP)
    .summary("A container for object introspection commands.")
    .docs(Group::Generic, "2.2.3", "Depends on subcommand.");

fn encoding(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match turn.object_encoding(args[2])? {
        None => reply.null(),
        Some(encoding) => reply.bulk(encoding.as_bytes()),
    }
    Ok(())
}

fn freq(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_number(turn.object_freq(args[2])?, reply);
    Ok(())
}

fn idletime(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_number(turn.object_idletime(args[2])?, reply);
    Ok(())
}

fn refcount(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_number(turn.object_refcount(args[2])?, reply);
    Ok(())
}

fn write_number(number: Option<u32>, reply: &mut ReplyWriter<'_>) {
    match number {
        None => reply.null(),
        Some(number) => reply.integer(i64::from(number)),
    }
}

/// The name of an entry's encoding.
fn encoding_of(entry: &EntryRef) -> &'static str {
    match entry.value_type() {
        ValueType::String => match entry.as_string() {
            Some(StrRef::Int(_)) => "int",
            Some(StrRef::Bytes(bytes)) if bytes.len() <= EMBSTR_BYTES_MAX && !entry.is_raw() => "embstr",
            _ => "raw",
        },
        ValueType::Hash => entry.as_hash().map_or("listpack", HashRef::encoding),
        ValueType::List if entry.as_list().is_some_and(ListRef::is_quick) => "quicklist",
        ValueType::SortedSet if entry.packed().is_none() => "skiplist",
        ValueType::Set => entry.as_set().map_or("listpack", SetRef::encoding),
        ValueType::List | ValueType::SortedSet => "listpack",
        ValueType::Stream => "stream",
    }
}

impl Turn<'_> {
    /// The name of the encoding that Redis would use for the value at `key`. O(1).
    pub fn object_encoding(&mut self, key: impl AsRef<[u8]>) -> Result<Option<&'static str>, CommandError> {
        let key = self.key(key.as_ref())?;
        Ok(self.inspect(&key).map(|entry| encoding_of(&entry)))
    }

    /// The access frequency counter of `key`, 0 to 255. An error unless the policy for eviction is an LFU one. O(1).
    pub fn object_freq(&mut self, key: impl AsRef<[u8]>) -> Result<Option<u32>, CommandError> {
        let core = self.core();
        let key = self.key(key.as_ref())?;
        let Some(access) = self.inspect(&key).map(|entry| entry.access()) else { return Ok(None) };
        match core.options.lfu.load(Ordering::Relaxed) {
            true => Ok(Some(frequency::counter(access, core.access_minutes(), core.options.lfu_pace()))),
            false => Err(CommandError::text(NOT_LFU)),
        }
    }

    /// Seconds since `key` was used. An error if the policy for eviction is an LFU one. O(1).
    pub fn object_idletime(&mut self, key: impl AsRef<[u8]>) -> Result<Option<u32>, CommandError> {
        let core = self.core();
        let key = self.key(key.as_ref())?;
        let Some(idle) = self.inspect(&key).map(|entry| core.idle_seconds(&entry)) else { return Ok(None) };
        if core.options.lfu.load(Ordering::Relaxed) {
            return Err(CommandError::text(IS_LFU));
        }
        Ok(Some(idle))
    }

    /// The reference count that Redis would tell: 1, or that of its shared objects for the integers `0..10000`, which it
    /// shares unless keys are evicted by their use. O(1).
    pub fn object_refcount(&mut self, key: impl AsRef<[u8]>) -> Result<Option<u32>, CommandError> {
        let options = &self.core().options;
        let shares = options.maxmemory.load(Ordering::Relaxed) == 0 || !options.eviction_policy().goes_by_use();
        let key = self.key(key.as_ref())?;
        Ok(self.inspect(&key).map(|entry| match entry.as_string() {
            Some(StrRef::Int(0..SHARED_INTEGER_COUNT)) if shares => SHARED_REFCOUNT,
            _ => 1,
        }))
    }
}

impl Engine {
    /// The name of the encoding that Redis would use for the value at `key`: `int`, `embstr`, `raw` ... O(1). Follows
    /// OBJECT ENCODING of Redis 7.2; records nothing.
    pub fn object_encoding(&self, key: impl AsRef<[u8]>) -> Result<Option<&'static str>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.object_encoding(key))
    }

    /// The access frequency counter of `key`, 0 to 255. An error unless the policy for eviction is an LFU one. O(1). Follows
    /// OBJECT FREQ of Redis 7.2; records nothing.
    pub fn object_freq(&self, key: impl AsRef<[u8]>) -> Result<Option<u32>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.object_freq(key))
    }

    /// The reference count that Redis would tell. O(1). Follows OBJECT REFCOUNT of Redis 7.2; records nothing.
    pub fn object_refcount(&self, key: impl AsRef<[u8]>) -> Result<Option<u32>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.object_refcount(key))
    }

    /// Seconds since `key` was used. O(1). Follows OBJECT IDLETIME of Redis 7.2; records nothing.
    pub fn object_idletime(&self, key: impl AsRef<[u8]>) -> Result<Option<u32>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.object_idletime(key))
    }
}

/// The longest string that Redis keeps in one block with its object.
const EMBSTR_BYTES_MAX: usize = 44;

/// Redis keeps one object for each of so many small integers, and tells a count for them that no other object reaches.
const SHARED_INTEGER_COUNT: i64 = 10_000;
const SHARED_REFCOUNT: u32 = i32::MAX as u32;

const NOT_LFU: &str = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                       switching between policies at runtime LRU and LFU data will take some time to adjust.";
const IS_LFU: &str = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
                      between policies at runtime LRU and LFU data will take some time to adjust.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EvictionPolicy;
    use crate::command::testing::Bench;

    #[test]
    fn encodings_are_those_of_redis() {
        let bench = Bench::new();
        for (value, encoding) in [
            ("12".to_owned(), "int"),
            ("9223372036854775807".to_owned(), "int"),
            ("9223372036854775808".to_owned(), "embstr"),
            ("x".repeat(44), "embstr"),
            ("x".repeat(45), "raw"),
            ("x".repeat(5000), "raw"),
        ] {
            bench.db.set("k", &value).unwrap();
            assert_eq!(bench.db.object_encoding("k").unwrap(), Some(encoding), "{value}");
        }
        assert_eq!(bench.ask("OBJECT ENCODING nokey"), "$-1\r\n");
        assert_eq!(bench.ask("OBJECT encoding k"), "$3\r\nraw\r\n");
    }

    #[test]
    fn small_integers_are_told_as_shared() {
        let bench = Bench::new();
        for (value, count) in [("0", i32::MAX), ("9999", i32::MAX), ("10000", 1), ("-1", 1), ("x", 1)] {
            bench.db.set("k", value).unwrap();
            assert_eq!(bench.ask("OBJECT REFCOUNT k"), format!(":{count}\r\n"), "{value}");
            assert_eq!(bench.db.object_refcount("k").unwrap(), Some(count as u32));
        }
    }

    #[test]
    fn frequency_and_idle_time_exclude_each_other() {
        let bench = Bench::new();
        bench.db.set("k", "v").unwrap();
        assert_eq!(bench.ask("OBJECT FREQ k"), format!("-{NOT_LFU}\r\n"));
        assert_eq!(bench.ask("OBJECT FREQ nokey"), "$-1\r\n");
        assert_eq!(bench.db.object_freq("nokey").unwrap(), None);
        bench.advance_ms(7_500);
        assert_eq!(bench.ask("OBJECT IDLETIME k"), ":7\r\n");
        bench.db.options().set_eviction_policy(EvictionPolicy::AllKeysLfu);
        assert_eq!(bench.ask("OBJECT IDLETIME k"), format!("-{IS_LFU}\r\n"));
    }

    #[test]
    fn help_and_errors_are_worded_as_in_redis() {
        let bench = Bench::new();
        let help = bench.ask("OBJECT HELP");
        assert!(
            help.starts_with("*15\r\n+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n"),
            "{help}"
        );
        assert!(help.ends_with("+HELP\r\n+    Print this help.\r\n"), "{help}");
        assert_eq!(bench.ask("OBJECT FOO k"), "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.\r\n");
        assert_eq!(bench.ask("OBJECT ENCODING"), "-ERR wrong number of arguments for 'object|encoding' command\r\n");
        assert_eq!(bench.ask("OBJECT"), "-ERR wrong number of arguments for 'object' command\r\n");
    }
}
