//! `XGROUP CREATE | SETID | DESTROY | CREATECONSUMER | DELCONSUMER | HELP`: the groups of a stream and their consumers.
//!
//! Reply: OK for CREATE and SETID; 1 or 0 for DESTROY and CREATECONSUMER; for DELCONSUMER how many entries were pending.
//! Effect: the request with its ids in full, where something changed.

use super::arguments::{id, id_or_end};
use super::lookup::{edit_beside, find_stream, quoting_all};
use crate::command::introspection::help;
use crate::command::row::flag::{DENYOOM, LOADING, STALE, WRITE};
use crate::command::row::{Group as CommandGroup, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::stream::{Group, Stream};
use crate::value::{Object, StreamId, ValueType};
use std::sync::Arc;

pub(super) const XGROUP: Row = Row::container("xgroup", Run::Host, XGROUP_SUBCOMMANDS, XGROUP_HELP)
    .summary("A container for consumer groups commands.")
    .docs(CommandGroup::Stream, "5.0.0", "Depends on subcommand.");

const XGROUP_SUBCOMMANDS: &[Row] = &[
    Row::new("xgroup|create", -5, Run::Turn(create))
        .flags(WRITE | DENYOOM)
        .keys(&[KeySpec::index(2).rw().insert()])
        .summary("Creates a consumer group.")
        .docs(CommandGroup::Stream, "5.0.0", "O(1)")
        .history(&[("7.0.0", "Added the `entries_read` named argument.")])
        .args(
            "key:key#0 group:string id-selector:oneof{id:string new-id=$} mkstream?=MKSTREAM \
             entries-read:integer?=ENTRIESREAD",
        ),
    Row::new("xgroup|createconsumer", 5, Run::Turn(create_consumer))
        .flags(WRITE | DENYOOM)
        .keys(&[KeySpec::index(2).rw().insert()])
        .summary("Creates a consumer in a consumer group.")
        .docs(CommandGroup::Stream, "6.2.0", "O(1)")
        .args("key:key#0 group:string consumer:string"),
    Row::new("xgroup|delconsumer", 5, Run::Turn(delete_consumer))
        .flags(WRITE)
        .keys(&[KeySpec::index(2).rw().delete()])
        .summary("Deletes a consumer from a consumer group.")
        .docs(CommandGroup::Stream, "5.0.0", "O(1)")
        .args("key:key#0 group:string consumer:string"),
    Row::new("xgroup|destroy", 4, Run::Turn(destroy))
        .flags(WRITE)
        .keys(&[KeySpec::index(2).rw().delete()])
        .summary("Destroys a consumer group.")
        .docs(
            CommandGroup::Stream,
            "5.0.0",
            "O(N) where N is the number of entries in the group's pending entries list (PEL).",
        )
        .args("key:key#0 group:string"),
    Row::new("xgroup|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(CommandGroup::Stream, "5.0.0", "O(1)"),
    Row::new("xgroup|setid", -5, Run::Turn(set_id))
        .flags(WRITE)
        .keys(&[KeySpec::index(2).rw().update()])
        .summary("Sets the last-delivered ID of a consumer group.")
        .docs(CommandGroup::Stream, "5.0.0", "O(1)")
        .history(&[("7.0.0", "Added the optional `entries_read` argument.")])
        .args(
            "key:key#0 group:string id-selector:oneof{id:string new-id=$} \
             entriesread<entries-read>:integer?=ENTRIESREAD",
        ),
];

/// HELP of XGROUP.
const XGROUP_HELP: &[&str] = &[
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
];

/// Where a group begins to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupStart {
    /// After what is in the stream now (`$`).
    Now,
    /// After this id: `0-0` is the beginning.
    After(StreamId),
}

impl From<StreamId> for GroupStart {
    fn from(id: StreamId) -> Self {
        Self::After(id)
    }
}

/// The options of CREATE and SETID.
#[derive(Default)]
struct Words {
    make_stream: bool,
    entries_read: Option<u64>,
}

fn parse(args: &[&[u8]], may_make: bool) -> Result<Words, CommandError> {
    let mut words = Words::default();
    let mut options = args[5..].iter();
    while let Some(word) = options.next() {
        if may_make && word.eq_ignore_ascii_case(b"MKSTREAM") {
            words.make_stream = true;
            continue;
        }
        let (true, Some(number)) = (word.eq_ignore_ascii_case(b"ENTRIESREAD"), options.next()) else {
            return Err(unknown_form(args));
        };
        words.entries_read = match parse_i64(number).ok_or(CommandError::NotInteger)? {
            -1 => None,
            number => Some(u64::try_from(number).map_err(|_| NEGATIVE_ENTRIES_READ)?),
        };
    }
    Ok(words)
}

fn unknown_form(args: &[&[u8]]) -> CommandError {
    let name = &args[1][..args[1].len().min(128)];
    let before = "ERR unknown subcommand or wrong number of arguments for '";
    CommandError::quoting(before, name, "'. Try XGROUP HELP.")
}

fn create(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let words = parse(args, true)?;
    let key = turn.key(args[2])?;
    let spot = find_stream(turn, &key)?;
    if spot.is_none() && !words.make_stream {
        return Err(NO_KEY);
    }
    if args.len() > 8 {
        return Err(unknown_form(args));
    }
    let start = match args[4] {
        b"$" => GroupStart::Now,
        text => GroupStart::After(id(text, 0)?),
    };
    create_at(turn, &key, spot, args[3], start, words.entries_read)?;
    reply.ok();
    Ok(())
}

fn create_at(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    spot: Option<Spot>,
    name: &[u8],
    start: GroupStart,
    entries_read: Option<u64>,
) -> CommandResult {
    let entry = spot.map(|spot| turn.entry(key, spot));
    let stream = entry.as_ref().and_then(|entry| entry.as_stream());
    if stream.is_some_and(|stream| stream.group(name).is_some()) {
        return Err(CommandError::text("BUSYGROUP Consumer Group name already exists"));
    }
    let last_id = match start {
        GroupStart::After(id) => id,
        GroupStart::Now => stream.map_or(StreamId::MIN, Stream::last_id),
    };
    let group = Group::new(last_id, entries_read);
    match spot {
        Some(spot) => edit_beside(turn, key, spot, |stream| stream.create_group(name, group)),
        None => {
            let mut stream = Stream::new();
            stream.create_group(name, group);
            let object = Object::Stream(Arc::new(stream));
            turn.put(key, None, EntryRef::object(key.bytes, object, ValueType::Stream, None));
        }
    }
    let (id, read) = (last_id.to_string(), entries_read.unwrap_or_default().to_string());
    let mut effect: Vec<&[u8]> = vec![b"XGROUP", b"CREATE", key.bytes, name, id.as_bytes()];
    if spot.is_none() {
        effect.push(b"MKSTREAM");
    }
    if entries_read.is_some() {
        effect.extend([&b"ENTRIESREAD"[..], read.as_bytes()]);
    }
    turn.record(&effect);
    turn.notify(EventClass::Stream, "xgroup-create", key.bytes);
    Ok(())
}

/// Finds the stream of a group that must be there.
fn find_group(turn: &mut Turn<'_>, key: &Key<'_>, name: &[u8]) -> Result<Spot, CommandError> {
    let spot = find_stream(turn, key)?.ok_or(NO_KEY)?;
    match turn.entry(key, spot).as_stream().and_then(|stream| stream.group(name)) {
        Some(_) => Ok(spot),
        None => Err(quoting_all(&[b"NOGROUP No such consumer group '", name, b"' for key name '", key.bytes, b"'"])),
    }
}

fn set_id(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let words = parse(args, false)?;
    let key = turn.key(args[2])?;
    let spot = find_group(turn, &key, args[3])?;
    if args.len() > 7 {
        return Err(unknown_form(args));
    }
    let start = match args[4] {
        b"$" => GroupStart::Now,
        text => GroupStart::After(id_or_end(text, 0)?),
    };
    set_id_at(turn, &key, spot, args[3], start, words.entries_read);
    reply.ok();
    Ok(())
}

fn set_id_at(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    spot: Spot,
    name: &[u8],
    start: GroupStart,
    entries_read: Option<u64>,
) {
    let last_id = match start {
        GroupStart::After(id) => id,
        GroupStart::Now => turn.entry(key, spot).as_stream().map_or(StreamId::MIN, Stream::last_id),
    };
    edit_beside(turn, key, spot, |stream| {
        stream.edit_group(name, |group| (group.last_id, group.entries_read) = (last_id, entries_read))
    });
    let (id, read) = (last_id.to_string(), entries_read.unwrap_or_default().to_string());
    let mut effect: Vec<&[u8]> = vec![b"XGROUP", b"SETID", key.bytes, name, id.as_bytes()];
    if entries_read.is_some() {
        effect.extend([&b"ENTRIESREAD"[..], read.as_bytes()]);
    }
    turn.record(&effect);
    turn.notify(EventClass::Stream, "xgroup-setid", key.bytes);
}

fn destroy(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(i64::from(turn.xgroup_destroy(args[2], args[3])?));
    Ok(())
}

fn create_consumer(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(i64::from(turn.xgroup_createconsumer(args[2], args[3], args[4])?));
    Ok(())
}

fn delete_consumer(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.xgroup_delconsumer(args[2], args[3], args[4])? as i64);
    Ok(())
}

impl Turn<'_> {
    /// Makes a group on the stream at `key`.
    pub fn xgroup_create(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        start: impl Into<GroupStart>,
    ) -> Result<(), CommandError> {
        let key = self.key(key.as_ref())?;
        let spot = find_stream(self, &key)?.ok_or(NO_KEY)?;
        create_at(self, &key, Some(spot), group.as_ref(), start.into(), None)
    }

    /// Makes a group on the stream at `key`, and an empty stream if there is none.
    pub fn xgroup_create_mkstream(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        start: impl Into<GroupStart>,
    ) -> Result<(), CommandError> {
        let key = self.key(key.as_ref())?;
        let spot = find_stream(self, &key)?;
        create_at(self, &key, spot, group.as_ref(), start.into(), None)
    }

    /// Says where a group goes on reading.
    pub fn xgroup_setid(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        start: impl Into<GroupStart>,
    ) -> Result<(), CommandError> {
        let key = self.key(key.as_ref())?;
        let spot = find_group(self, &key, group.as_ref())?;
        set_id_at(self, &key, spot, group.as_ref(), start.into(), None);
        Ok(())
    }

    /// Takes a group away with all that is pending in it; says whether it was there.
    pub fn xgroup_destroy(&mut self, key: impl AsRef<[u8]>, group: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let (key, name) = (self.key(key.as_ref())?, group.as_ref());
        let spot = find_stream(self, &key)?.ok_or(NO_KEY)?;
        if self.entry(&key, spot).as_stream().and_then(|stream| stream.group(name)).is_none() {
            return Ok(false);
        }
        edit_beside(self, &key, spot, |stream| stream.destroy_group(name));
        self.record(&[b"XGROUP", b"DESTROY", key.bytes, name]);
        self.notify(EventClass::Stream, "xgroup-destroy", key.bytes);
        Ok(true)
    }

    /// Adds a consumer to a group; false if there is one of that name.
    pub fn xgroup_createconsumer(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
    ) -> Result<bool, CommandError> {
        let (key, name, consumer) = (self.key(key.as_ref())?, group.as_ref(), consumer.as_ref());
        let spot = find_group(self, &key, name)?;
        let group = |stream: &Stream| stream.group(name).is_some_and(|group| group.consumer(consumer).is_some());
        if self.entry(&key, spot).as_stream().is_some_and(group) {
            return Ok(false);
        }
        let now = self.now().0;
        edit_beside(self, &key, spot, |stream| stream.edit_group(name, |group| group.create_consumer(consumer, now)));
        super::claims::record_consumer(self, key.bytes, name, consumer);
        self.notify(EventClass::Stream, "xgroup-createconsumer", key.bytes);
        Ok(true)
    }

    /// Takes a consumer out of a group with all that is pending for it; returns how many entries that were.
    pub fn xgroup_delconsumer(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
    ) -> Result<u64, CommandError> {
        let (key, name, consumer) = (self.key(key.as_ref())?, group.as_ref(), consumer.as_ref());
        let spot = find_group(self, &key, name)?;
        let group = |stream: &Stream| stream.group(name).is_some_and(|group| group.consumer(consumer).is_some());
        if !self.entry(&key, spot).as_stream().is_some_and(group) {
            return Ok(0);
        }
        let pending = edit_beside(self, &key, spot, |stream| {
            stream.edit_group(name, |group| group.delete_consumer(consumer)).flatten()
        });
        self.record(&[b"XGROUP", b"DELCONSUMER", key.bytes, name, consumer]);
        self.notify(EventClass::Stream, "xgroup-delconsumer", key.bytes);
        Ok(pending.unwrap_or(0) as u64)
    }
}

impl Engine {
    /// Makes a group on the stream at `key`. An error if there is no stream, or a group of that name. O(log groups). Follows
    /// XGROUP CREATE of Redis 7.2; records itself.
    ///
    /// ```
    /// use keyslot_engine::{Engine, GroupStart, StreamId};
    /// let db = Engine::in_memory();
    /// assert!(db.xgroup_create("jobs", "workers", GroupStart::Now).is_err(), "there is no stream");
    /// db.xgroup_create_mkstream("jobs", "workers", GroupStart::Now)?;
    /// db.xgroup_setid("jobs", "workers", StreamId::MIN)?;
    /// assert!(db.xgroup_destroy("jobs", "workers")?);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn xgroup_create(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        start: impl Into<GroupStart>,
    ) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.xgroup_create(key, group, start))
    }

    /// Makes a group on the stream at `key`, and an empty stream if there is none. Follows XGROUP CREATE with MKSTREAM.
    pub fn xgroup_create_mkstream(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        start: impl Into<GroupStart>,
    ) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.xgroup_create_mkstream(key, group, start))
    }

    /// Says where a group goes on reading. Follows XGROUP SETID of Redis 7.2; records itself.
    pub fn xgroup_setid(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        start: impl Into<GroupStart>,
    ) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.xgroup_setid(key, group, start))
    }

    /// Takes a group away with all that is pending in it; says whether it was there. Follows XGROUP DESTROY of Redis 7.2;
    /// records itself.
    pub fn xgroup_destroy(&self, key: impl AsRef<[u8]>, group: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.xgroup_destroy(key, group))
    }

    /// Adds a consumer to a group; false if there is one of that name. Follows XGROUP CREATECONSUMER of Redis 7.2; records
    /// itself.
    pub fn xgroup_createconsumer(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
    ) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.xgroup_createconsumer(key, group, consumer))
    }

    /// Takes a consumer out of a group with all that is pending for it; returns how many entries that were. Follows XGROUP
    /// DELCONSUMER of Redis 7.2; records itself.
    pub fn xgroup_delconsumer(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
    ) -> Result<u64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.xgroup_delconsumer(key, group, consumer))
    }
}

const NO_KEY: CommandError = CommandError::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to \
     create an empty stream automatically.",
);
const NEGATIVE_ENTRIES_READ: CommandError = CommandError::text("ERR value for ENTRIESREAD must be positive or -1");

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn groups_come_and_go() {
        let bench = Bench::new();
        assert_eq!(bench.run("XGROUP CREATE s g $ MKSTREAM"), Value::Ok);
        assert_eq!(bench.run("XADD s 5 f v"), Value::bulk("5-0"));
        assert_eq!(bench.run("XGROUP CREATE s other $ ENTRIESREAD 3"), Value::Ok);
        assert_eq!(bench.run("XGROUP CREATE s third 2 entriesread -1 mkstream"), Value::Ok);
        assert_eq!(bench.run("XGROUP SETID s g +"), Value::Ok);
        assert_eq!(bench.run("XGROUP SETID s g 1-1 ENTRIESREAD 7"), Value::Ok);
        assert_eq!(bench.run("XGROUP CREATECONSUMER s g ada"), Value::Integer(1));
        assert_eq!(bench.run("XGROUP CREATECONSUMER s g ada"), Value::Integer(0));
        assert_eq!(bench.run("XGROUP DELCONSUMER s g bob"), Value::Integer(0));
        assert_eq!(bench.run("XGROUP DELCONSUMER s g ada"), Value::Integer(0));
        assert_eq!(bench.run("XGROUP DESTROY s third"), Value::Integer(1));
        assert_eq!(bench.run("XGROUP DESTROY s third"), Value::Integer(0));
        let expected = [
            "XGROUP CREATE s g 0-0 MKSTREAM",
            "XADD s 5-0 f v",
            "XGROUP CREATE s other 5-0 ENTRIESREAD 3",
            "XGROUP CREATE s third 2-0",
            "XGROUP SETID s g 18446744073709551615-18446744073709551615",
            "XGROUP SETID s g 1-1 ENTRIESREAD 7",
            "XGROUP CREATECONSUMER s g ada",
            "XGROUP DELCONSUMER s g ada",
            "XGROUP DESTROY s third",
        ];
        assert_eq!(bench.effects(), expected);
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = Bench::new();
        bench.run("XGROUP CREATE s g 0 MKSTREAM");
        bench.run("SET k v");
        let no_key = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
                      MKSTREAM option to create an empty stream automatically.";
        let form =
            |name: &str| format!("ERR unknown subcommand or wrong number of arguments for '{name}'. Try XGROUP HELP.");
        for (line, text) in [
            ("XGROUP CREATE s g 0", "BUSYGROUP Consumer Group name already exists".to_owned()),
            ("XGROUP CREATE nokey g 0", no_key.to_owned()),
            ("XGROUP DESTROY nokey g", no_key.to_owned()),
            ("XGROUP SETID nokey g 0", no_key.to_owned()),
            ("XGROUP CREATE s h x", "ERR Invalid stream ID specified as stream command argument".to_owned()),
            ("XGROUP CREATE s h -", "ERR Invalid stream ID specified as stream command argument".to_owned()),
            ("XGROUP CREATE s h 0 FOO", form("CREATE")),
            ("XGROUP CREATE s h 0 ENTRIESREAD", form("CREATE")),
            ("XGROUP setid s g 0 MKSTREAM", form("setid")),
            ("XGROUP SETID s g 0 ENTRIESREAD 1 ENTRIESREAD 1", form("SETID")),
            ("XGROUP CREATE s h 0 ENTRIESREAD -2", "ERR value for ENTRIESREAD must be positive or -1".to_owned()),
            ("XGROUP CREATE s h 0 ENTRIESREAD x", "ERR value is not an integer or out of range".to_owned()),
            ("XGROUP SETID s h 0", "NOGROUP No such consumer group 'h' for key name 's'".to_owned()),
            ("XGROUP CREATECONSUMER s h c", "NOGROUP No such consumer group 'h' for key name 's'".to_owned()),
            ("XGROUP CREATE k g 0", "WRONGTYPE Operation against a key holding the wrong kind of value".to_owned()),
            ("XGROUP FOO", "ERR unknown subcommand 'FOO'. Try XGROUP HELP.".to_owned()),
        ] {
            assert_eq!(bench.error(line), text, "{line}");
        }
        assert_eq!(bench.run("EXISTS nokey"), Value::Integer(0));
    }
}
