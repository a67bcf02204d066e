//! The command table: from the bytes a client typed to one [`Command`], and the errors for those that name none.
//!
//! A [`Command`] is a row with everything that follows from it, derived once when the table is built: implied ACL
//! categories, `movablekeys`, the plan by which keys are found, a dense number for counters. Top commands and
//! sub-commands stand in one array and one open-addressed index, keyed by (container, name).
//!
//! Invariants:
//! - The index is at most half full, so every probe ends.
//! - Case is folded for ASCII letters only.
//! - Lookup allocates nothing. Only the text of an error does.

use std::ops::Range;
use std::sync::LazyLock;

use super::FAMILIES;
use super::keys::{self, KeyPlan, LegacyRange};
use super::row::{Categories, Flags, KeyFlags, Row, category, flag};
use crate::acl::{Access, Catalog};

/// A row and what follows from it.
#[derive(Debug)]
pub struct Command {
    /// The row as its family wrote it.
    pub row: &'static Row,
    /// Dense number below [`Table::len`], for counters.
    pub id: u16,
    /// The row's flags, and `MOVABLEKEYS` where it applies.
    pub flags: Flags,
    /// The row's categories, and those its flags imply.
    pub categories: Categories,
    /// How the keys of a request are found.
    pub plan: KeyPlan,
    /// First key, last key and step as clients before Redis 7 read them.
    pub legacy_range: LegacyRange,
    /// What its work goes by.
    pub(crate) work: Work,
    /// Which of its arguments are channels, for the rules of users.
    pub(crate) channels: ChannelArgs,
    /// What is done with its keys, where that does not depend on the request.
    pub(crate) access: Access,
    /// Numbers of the sub-commands.
    subcommands: Range<u16>,
}

impl Command {
    fn new(row: &'static Row, id: u16) -> Command {
        let legacy_range = LegacyRange::of(row.keys);
        let movable = if legacy_range.is_whole { 0 } else { flag::MOVABLEKEYS };
        Command {
            row,
            id,
            flags: Flags(row.flags.0 | movable),
            categories: categories(row),
            plan: KeyPlan::of(row),
            legacy_range,
            work: Work::of(row),
            channels: ChannelArgs::of(row),
            access: row.keys.first().map_or(Access::default(), |spec| access(spec.flags)),
            subcommands: 0..0,
        }
    }

    /// Tells whether the command only holds sub-commands (COMMAND also works alone).
    pub fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }

    /// Tells whether a request of `count` arguments, the name included, is long enough and not too long.
    #[inline]
    pub fn accepts(&self, count: usize) -> bool {
        let arity = self.row.arity;
        if arity >= 0 { count == arity as usize } else { count >= arity.unsigned_abs() as usize }
    }

    /// Tells whether the command takes keys at all, by its specs; what is only routed like a key does not count.
    pub fn has_keys(&self) -> bool {
        keys::names_keys(self.row)
    }
}

/// What the work of a command goes by, for its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Nothing: it is bounded whatever the data. So are those flagged `fast`, and SET.
    Bounded,
    /// What it answers: a short reply took little.
    Reply,
    /// The data.
    Data,
}

impl Work {
    fn of(row: &Row) -> Self {
        match row.name {
            "set" => Self::Bounded,
            // Ranks are found by way of an order-statistic tree, or in a compact form, which is short.
            "zrange" | "zrevrange" => Self::Reply,
            _ if row.flags.has(flag::FAST) => Self::Bounded,
            _ => Self::Data,
        }
    }
}

/// Which arguments of a command are channels that its user has to be allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChannelArgs {
    /// None, or none that matters: who leaves a channel needs no permission.
    None,
    /// The first.
    First,
    /// All.
    All,
    /// All, and they are patterns.
    Patterns,
}

impl ChannelArgs {
    fn of(row: &Row) -> Self {
        match row.name {
            "publish" | "spublish" => Self::First,
            "subscribe" | "ssubscribe" => Self::All,
            "psubscribe" => Self::Patterns,
            _ => Self::None,
        }
    }
}

/// What rules of users call what a command does with a key.
pub(crate) const fn access(flags: KeyFlags) -> Access {
    let read = if flags.has(KeyFlags::ACCESS) { Access::READ } else { Access(0) };
    let changes = flags.has(KeyFlags::UPDATE | KeyFlags::INSERT | KeyFlags::DELETE);
    read.and(if changes { Access::WRITE } else { Access(0) })
}

/// The table as the rules of users see it.
impl Catalog for Table {
    fn count(&self) -> usize {
        self.len()
    }

    fn find(&self, name: &[u8]) -> Option<u16> {
        self.find_full(name).map(|command| command.id)
    }

    fn name(&self, id: u16) -> &'static str {
        self.commands[usize::from(id)].row.name
    }

    fn subcommands(&self, id: u16) -> Range<u16> {
        self.commands[usize::from(id)].subcommands.clone()
    }

    fn categories(&self, id: u16) -> u32 {
        self.commands[usize::from(id)].categories.0
    }

    fn category(&self, name: &[u8]) -> Option<u32> {
        category::NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)).map(|bit| 1 << bit)
    }
}

/// All commands of the engine.
#[derive(Debug)]
pub struct Table {
    commands: Box<[Command]>,
    /// Number of commands that are not sub-commands; they come first.
    top_count: usize,
    index: Box<[Bucket]>,
}

/// The table of every family; built on first use.
pub fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(FAMILIES));
    &TABLE
}

impl Table {
    /// Builds the table of some families. Panics on two commands of one name and on more than [`COMMAND_COUNT_MAX`]:
    /// rows are our own.
    pub fn new(families: &[&'static [Row]]) -> Table {
        let mut commands: Vec<Command> = Vec::new();
        let mut parents: Vec<u16> = Vec::new();
        for row in families.iter().copied().flatten() {
            commands.push(Command::new(row, commands.len() as u16));
            parents.push(NO_PARENT);
        }
        let top_count = commands.len();
        for parent in 0..top_count {
            let start = commands.len() as u16;
            for row in commands[parent].row.subcommands {
                commands.push(Command::new(row, commands.len() as u16));
                parents.push(parent as u16);
            }
            commands[parent].subcommands = start..commands.len() as u16;
        }
        assert!(commands.len() <= COMMAND_COUNT_MAX, "too many commands for the table's numbers");
        let buckets = (commands.len() * 2).next_power_of_two().max(2);
        let index = vec![Bucket { key: Key::default(), command: EMPTY }; buckets].into_boxed_slice();
        let mut table = Table { commands: commands.into_boxed_slice(), top_count, index };
        for (id, parent) in parents.into_iter().enumerate() {
            table.insert(parent, id as u16);
        }
        table
    }

    /// Returns the number of commands with their sub-commands; every [`Command::id`] is below it.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Tells whether there is no command.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Returns the commands that are not sub-commands.
    pub fn top(&self) -> &[Command] {
        &self.commands[..self.top_count]
    }

    /// Returns the command of a number, if there is one.
    pub fn by_id(&self, id: u16) -> Option<&Command> {
        self.commands.get(id as usize)
    }

    /// Returns the sub-commands of a container, in the order of its row.
    pub fn subcommands(&self, container: &Command) -> &[Command] {
        &self.commands[container.subcommands.start as usize..container.subcommands.end as usize]
    }

    /// Returns the command of a name in any case. About ten nanoseconds, no allocation.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Command> {
        self.probe(NO_PARENT, name)
    }

    /// Returns a container's sub-command of a name in any case.
    #[inline]
    pub fn find_subcommand(&self, container: &Command, name: &[u8]) -> Option<&Command> {
        self.probe(container.id, name)
    }

    /// Returns the command of a full name, `get` or `client|list`, in any case.
    pub fn find_full(&self, name: &[u8]) -> Option<&Command> {
        let Some(bar) = name.iter().position(|&byte| byte == b'|') else { return self.find(name) };
        self.find_subcommand(self.find(&name[..bar])?, &name[bar + 1..])
    }

    /// Returns the command that a request names; the number of arguments is not looked at.
    #[inline]
    pub fn lookup<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<&Command, ResolveError<'_>> {
        let name = args.first().ok_or(ResolveError::UnknownCommand)?;
        let command = self.find(name.as_ref()).ok_or(ResolveError::UnknownCommand)?;
        match args.get(1) {
            Some(sub) if command.is_container() => {
                self.find_subcommand(command, sub.as_ref()).ok_or(ResolveError::UnknownSubcommand(command))
            }
            _ => Ok(command),
        }
    }

    /// Returns the command that a request names and has enough arguments for.
    #[inline]
    pub fn resolve<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<&Command, ResolveError<'_>> {
        let command = self.lookup(args)?;
        if command.accepts(args.len()) { Ok(command) } else { Err(ResolveError::Arity(command)) }
    }

    #[inline]
    fn probe(&self, parent: u16, name: &[u8]) -> Option<&Command> {
        let key = Key::new(parent, name);
        let mut at = key.hash();
        loop {
            let bucket = &self.index[at & (self.index.len() - 1)];
            if bucket.command == EMPTY {
                return None;
            }
            if bucket.key == key {
                let command = &self.commands[bucket.command as usize];
                if name.len() <= KEY_BYTES_MAX || command.row.short_name().as_bytes().eq_ignore_ascii_case(name) {
                    return Some(command);
                }
            }
            at += 1;
        }
    }

    fn insert(&mut self, parent: u16, id: u16) {
        let name = self.commands[id as usize].row.short_name();
        assert!(self.probe(parent, name.as_bytes()).is_none(), "two commands named {name}");
        let key = Key::new(parent, name.as_bytes());
        let mut at = key.hash() & (self.index.len() - 1);
        while self.index[at].command != EMPTY {
            at = (at + 1) & (self.index.len() - 1);
        }
        self.index[at] = Bucket { key, command: id };
    }
}

/// Why a request names no command that can run.
#[derive(Debug, Clone, Copy)]
pub enum ResolveError<'a> {
    /// No command has the name.
    UnknownCommand,
    /// The container has no sub-command of the second argument's name.
    UnknownSubcommand(&'a Command),
    /// Too few or too many arguments.
    Arity(&'a Command),
}

impl ResolveError<'_> {
    /// Returns the error line as Redis words it, with its code, without the line's end; line ends within
    /// are left to the reply writer. `args` is the request.
    #[cold]
    pub fn wire_text<A: AsRef<[u8]>>(&self, args: &[A]) -> Vec<u8> {
        let mut text = Vec::new();
        match self {
            ResolveError::UnknownCommand => {
                let name = args.first().map_or(&b""[..], AsRef::as_ref);
                quote(&mut text, b"ERR unknown command '", name, PREVIEW_BYTES_MAX);
                text.extend_from_slice(b"', with args beginning with: ");
                let start = text.len();
                for arg in args.iter().skip(1) {
                    let used = text.len() - start;
                    if used >= PREVIEW_BYTES_MAX {
                        break;
                    }
                    quote(&mut text, b"'", arg.as_ref(), PREVIEW_BYTES_MAX - used);
                    text.extend_from_slice(b"' ");
                }
            }
            ResolveError::UnknownSubcommand(container) => {
                let name = args.get(1).map_or(&b""[..], AsRef::as_ref);
                quote(&mut text, b"ERR unknown subcommand '", name, PREVIEW_BYTES_MAX);
                text.extend_from_slice(b"'. Try ");
                text.extend_from_slice(container.row.name.to_ascii_uppercase().as_bytes());
                text.extend_from_slice(b" HELP.");
            }
            ResolveError::Arity(command) => {
                text.extend_from_slice(b"ERR wrong number of arguments for '");
                text.extend_from_slice(command.row.name.as_bytes());
                text.extend_from_slice(b"' command");
            }
        }
        text
    }
}

/// Appends `prefix` and at most `bytes_max` bytes of `arg`, up to its first zero byte.
fn quote(text: &mut Vec<u8>, prefix: &[u8], arg: &[u8], bytes_max: usize) {
    text.extend_from_slice(prefix);
    text.extend(arg.iter().take(bytes_max).take_while(|&&byte| byte != 0));
}

/// Returns a row's categories with those that its flags imply.
fn categories(row: &Row) -> Categories {
    const IMPLIED: [(u32, u32); 6] = [
        (flag::WRITE, category::WRITE),
        (flag::ADMIN, category::ADMIN | category::DANGEROUS),
        (flag::PUBSUB, category::PUBSUB),
        (flag::FAST, category::FAST),
        (flag::BLOCKING, category::BLOCKING),
        (flag::READONLY, category::READ),
    ];
    let own = row.categories.unwrap_or(row.docs.group.category());
    let mut bits = own.0;
    for (flag, implied) in IMPLIED {
        if row.flags.has(flag) {
            bits |= implied;
        }
    }
    if own.has(category::SCRIPTING) {
        bits &= !category::READ;
    }
    if !row.flags.has(flag::FAST) {
        bits |= category::SLOW;
    }
    Categories(bits)
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    key: Key,
    command: u16,
}

/// A name in its container: length, first and last bytes in lower case. Up to [`KEY_BYTES_MAX`] bytes, equal keys
/// mean equal names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Key {
    head: u64,
    tail: u64,
    len: u32,
    parent: u16,
}

impl Key {
    #[inline]
    fn new(parent: u16, name: &[u8]) -> Key {
        let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                (Some(head), Some(tail)) => (u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into()),
                _ => (name.iter().fold(0, |head, &byte| head << 8 | u64::from(byte)), 0),
            },
        };
        Key { head: to_lower(head), tail: to_lower(tail), len: name.len() as u32, parent }
    }

    #[inline]
    fn hash(self) -> usize {
        let seed = u64::from(self.parent) << 32 | u64::from(self.len);
        let mixed = (self.head ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29) ^ self.tail).wrapping_mul(0xd6e8_feb8_6659_fd93);
        (mixed >> 32) as usize
    }
}

/// Lower-cases the ASCII letters among eight bytes.
#[inline]
fn to_lower(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let low = bytes & !HIGH;
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let beyond_z = low + (0x7f - b'Z' as u64) * ONES;
    let is_upper = !bytes & (from_a ^ beyond_z) & HIGH;
    bytes | is_upper >> 2
}

/// Names up to here are told apart by their [`Key`] alone.
const KEY_BYTES_MAX: usize = 16;

/// Most commands and sub-commands that the table can number.
pub const COMMAND_COUNT_MAX: usize = 4096;

/// Most bytes of a name, and of all arguments together, that an error repeats.
const PREVIEW_BYTES_MAX: usize = 128;

const NO_PARENT: u16 = u16::MAX;
const EMPTY: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Run;
    use crate::command::row::Group;

    const SUBCOMMANDS: &[Row] = &[Row::new("client|id", 2, Run::Host), Row::new("client|list", -2, Run::Host)];
    const ROWS: &[Row] = &[
        Row::new("get", 2, Run::Host).flags(flag::READONLY | flag::FAST).docs(Group::String, "1.0.0", ""),
        Row::new("id", 1, Run::Host),
        Row::new("georadiusbymember", -5, Run::Host),
        Row::new("georadiusbymember_ro", -5, Run::Host),
        Row::container("client", Run::Host, SUBCOMMANDS, &[]),
        Row::new("eval_ro", -3, Run::Host).flags(flag::READONLY).docs(Group::Scripting, "7.0.0", ""),
        Row::new("save", 1, Run::Host).flags(flag::ADMIN).docs(Group::Server, "1.0.0", ""),
    ];

    #[test]
    fn every_command_is_found_in_any_case_and_nothing_else_is() {
        for table in [&Table::new(&[ROWS]), super::table()] {
            for command in table.top() {
                let name = command.row.name.as_bytes();
                for spelling in [name.to_ascii_uppercase(), name.to_vec()] {
                    assert_eq!(table.find(&spelling).unwrap().id, command.id);
                }
                for at in 0..name.len() {
                    let mut other = name.to_vec();
                    other[at] ^= 0x80;
                    assert!(table.find(&other).is_none());
                }
                for sub in table.subcommands(command) {
                    let short = sub.row.short_name().as_bytes();
                    assert_eq!(table.find_subcommand(command, &short.to_ascii_uppercase()).unwrap().id, sub.id);
                    assert_eq!(table.find_full(sub.row.name.as_bytes()).unwrap().id, sub.id);
                    assert!(table.find(sub.row.name.as_bytes()).is_none());
                }
            }
            assert!(table.find(b"").is_none());
        }
    }

    #[test]
    fn sub_commands_and_commands_of_one_name_are_apart() {
        let table = Table::new(&[ROWS]);
        let client = table.find(b"client").unwrap();
        assert_eq!(table.find_subcommand(client, b"ID").unwrap().row.name, "client|id");
        assert_eq!(table.find(b"id").unwrap().row.name, "id");
        assert!(table.find_subcommand(client, b"get").is_none());
        assert!(table.find_full(b"get|id").is_none());
        assert!(table.find_full(b"client|").is_none());
    }

    #[test]
    fn only_ascii_letters_lose_their_case() {
        for byte in 0..=u8::MAX {
            let lower = to_lower(u64::from_le_bytes([byte; 8]));
            assert_eq!(lower.to_le_bytes(), [byte.to_ascii_lowercase(); 8]);
        }
        let mixed = *b"aZ@[`{\xc1\x5a";
        assert_eq!(to_lower(u64::from_le_bytes(mixed)).to_le_bytes(), mixed.map(|byte| byte.to_ascii_lowercase()));
    }

    #[test]
    fn flags_imply_categories() {
        let categories = |name: &[u8]| Table::new(&[ROWS]).find(name).unwrap().categories.0;
        assert_eq!(categories(b"get"), category::STRING | category::READ | category::FAST);
        assert_eq!(categories(b"eval_ro"), category::SCRIPTING | category::SLOW);
        assert_eq!(categories(b"save"), category::ADMIN | category::DANGEROUS | category::SLOW);
        assert_eq!(categories(b"client"), category::SLOW);
    }

    #[test]
    fn a_request_resolves_by_name_then_arity() {
        let table = Table::new(&[ROWS]);
        let error = |request: &str| {
            let args: Vec<&str> = request.split(' ').collect();
            let error = table.resolve(&args).map(|_| ()).unwrap_err();
            String::from_utf8(error.wire_text(&args)).unwrap()
        };
        assert_eq!(table.resolve(&["CLIENT", "List", "x"]).unwrap().row.name, "client|list");
        assert_eq!(error("client"), "ERR wrong number of arguments for 'client' command");
        assert_eq!(error("client id x"), "ERR wrong number of arguments for 'client|id' command");
        assert_eq!(error("get"), "ERR wrong number of arguments for 'get' command");
        assert_eq!(error("client nope"), "ERR unknown subcommand 'nope'. Try CLIENT HELP.");
        assert_eq!(error("nope a b"), "ERR unknown command 'nope', with args beginning with: 'a' 'b' ");
        assert_eq!(error("n\0pe a\0"), "ERR unknown command 'n', with args beginning with: 'a' ");
        let none: &[&[u8]] = &[];
        assert!(matches!(table.resolve(none), Err(ResolveError::UnknownCommand)));
    }

    #[test]
    #[should_panic(expected = "two commands named get")]
    fn a_name_stands_once() {
        const TWIN: &[Row] = &[Row::new("get", 2, Run::Host)];
        Table::new(&[ROWS, TWIN]);
    }
}
