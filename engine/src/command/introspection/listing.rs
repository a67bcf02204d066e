//! COMMAND LIST, COMMAND GETKEYS and COMMAND GETKEYSANDFLAGS.

use super::describe::key_flags;
use crate::command::CommandResult;
use crate::command::keys::Include;
use crate::command::row::{Categories, category, flag};
use crate::command::table::{Command, Table};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::{Case, glob_matches};

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN glob]`: full names of commands and sub-commands.
pub(super) fn list<A: AsRef<[u8]>>(table: &Table, args: &[A], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let Some(filter) = Filter::parse(args.get(2..).unwrap_or_default()) else {
        return Err(CommandError::Syntax);
    };
    let array = reply.begin_array();
    let mut len = 0;
    for command in table.top() {
        for command in std::iter::once(command).chain(table.subcommands(command)) {
            if filter.passes(command) {
                reply.bulk(command.row.name.as_bytes());
                len += 1;
            }
        }
    }
    reply.end_array(array, len);
    Ok(())
}

enum Filter<'a> {
    All,
    /// There are no modules.
    Module,
    Category(Categories),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse<A: AsRef<[u8]>>(args: &'a [A]) -> Option<Filter<'a>> {
        let [filterby, kind, value] = args else { return args.is_empty().then_some(Filter::All) };
        if !filterby.as_ref().eq_ignore_ascii_case(b"filterby") {
            return None;
        }
        match kind.as_ref().to_ascii_lowercase().as_slice() {
            b"module" => Some(Filter::Module),
            b"aclcat" => Some(Filter::Category(category_named(value.as_ref()))),
            b"pattern" => Some(Filter::Pattern(value.as_ref())),
            _ => None,
        }
    }

    fn passes(&self, command: &Command) -> bool {
        match self {
            Filter::All => true,
            Filter::Module => false,
            Filter::Category(category) => command.categories.has(category.0),
            Filter::Pattern(pattern) => glob_matches(pattern, command.row.name.as_bytes(), Case::Ignore),
        }
    }
}

/// Returns the category of a name in any case; empty if there is none.
fn category_named(name: &[u8]) -> Categories {
    let bit = category::NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name));
    Categories(bit.map_or(0, |bit| 1 << bit))
}

/// `COMMAND GETKEYS command [arg ...]`: the keys of a request.
pub(super) fn keys<A: AsRef<[u8]>>(table: &Table, args: &[A], reply: &mut ReplyWriter<'_>) -> CommandResult {
    extract(table, args, Detail::Keys, reply)
}

/// `COMMAND GETKEYSANDFLAGS command [arg ...]`: the keys of a request, each with what is done to it.
pub(super) fn keys_and_flags<A: AsRef<[u8]>>(table: &Table, args: &[A], reply: &mut ReplyWriter<'_>) -> CommandResult {
    extract(table, args, Detail::KeysAndFlags, reply)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Keys,
    KeysAndFlags,
}

fn extract<A: AsRef<[u8]>>(table: &Table, args: &[A], detail: Detail, reply: &mut ReplyWriter<'_>) -> CommandResult {
    let request = args.get(2..).unwrap_or_default();
    let Ok(command) = table.lookup(request) else { return Err(CommandError::text("ERR Invalid command specified")) };
    if !command.has_keys() {
        return Err(CommandError::text("ERR The command has no key arguments"));
    }
    if !command.accepts(request.len()) {
        return Err(CommandError::text("ERR Invalid number of arguments specified for command"));
    }
    let keys = command.keys(request, Include::Keys);
    if keys.is_empty() && !command.flags.has(flag::NO_MANDATORY_KEYS) {
        return Err(CommandError::text("ERR Invalid arguments specified for command"));
    }
    reply.array(keys.len());
    for key in keys {
        if detail == Detail::KeysAndFlags {
            reply.array(2);
        }
        reply.bulk(request[key.index as usize].as_ref());
        if detail == Detail::KeysAndFlags {
            key_flags(key.flags, reply);
        }
    }
    Ok(())
}
