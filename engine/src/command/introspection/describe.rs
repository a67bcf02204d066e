//! COMMAND, COMMAND COUNT and COMMAND INFO: what a command is, for client libraries.

use super::flag_names;
use crate::command::CommandResult;
use crate::command::key_spec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
use crate::command::row::{category, flag};
use crate::command::table::{Command, Table};
use crate::resp::ReplyWriter;

/// `COMMAND`: an array of every command's description.
pub(super) fn every(table: &Table, reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.array(table.top().len());
    for command in table.top() {
        describe(table, command, reply);
    }
    Ok(())
}

/// `COMMAND COUNT`: the number of commands, sub-commands not counted.
pub(super) fn count(table: &Table, reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(table.top().len() as i64);
    Ok(())
}

/// `COMMAND INFO [name ...]`: an array with a description, or null, for each name; of every command without names.
pub(super) fn info<A: AsRef<[u8]>>(table: &Table, args: &[A], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let names = args.get(2..).unwrap_or_default();
    if names.is_empty() {
        return every(table, reply);
    }
    reply.array(names.len());
    for name in names {
        match table.find_full(name.as_ref()) {
            Some(command) => describe(table, command, reply),
            None => reply.null(),
        }
    }
    Ok(())
}

fn describe(table: &Table, command: &Command, reply: &mut ReplyWriter<'_>) {
    let row = command.row;
    let keys = command.legacy_range;
    reply.array(10);
    reply.bulk(row.name.as_bytes());
    reply.integer(row.arity.into());
    flag_names(command.flags.0, &flag::NAMES, "", reply);
    reply.integer(keys.first.into());
    reply.integer(keys.last.into());
    reply.integer(keys.step.into());
    flag_names(command.categories.0, &category::NAMES, "@", reply);
    reply.set(row.tips.split_ascii_whitespace().count());
    for tip in row.tips.split_ascii_whitespace() {
        reply.bulk(tip.as_bytes());
    }
    reply.set(row.keys.len());
    for spec in row.keys {
        describe_spec(spec, reply);
    }
    let subcommands = table.subcommands(command);
    match subcommands {
        [] => reply.set(0),
        _ => reply.array(subcommands.len()),
    }
    for sub in subcommands {
        describe(table, sub, reply);
    }
}

fn describe_spec(spec: &KeySpec, reply: &mut ReplyWriter<'_>) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(spec.notes.as_bytes());
    }
    reply.bulk(b"flags");
    key_flags(spec.flags, reply);
    reply.bulk(b"begin_search");
    match spec.begin {
        BeginSearch::Unknown => search("unknown", 0, reply),
        BeginSearch::Index(at) => {
            search("index", 1, reply);
            pair("index", at, reply);
        }
        BeginSearch::Keyword(keyword, start) => {
            search("keyword", 2, reply);
            reply.bulk(b"keyword");
            reply.bulk(keyword.as_bytes());
            pair("startfrom", start, reply);
        }
    }
    reply.bulk(b"find_keys");
    match spec.find {
        FindKeys::Unknown => search("unknown", 0, reply),
        FindKeys::Range { last, step, limit } => {
            search("range", 3, reply);
            pair("lastkey", last, reply);
            pair("keystep", step, reply);
            pair("limit", limit, reply);
        }
        FindKeys::Keynum { number, first, step } => {
            search("keynum", 3, reply);
            pair("keynumidx", number, reply);
            pair("firstkey", first, reply);
            pair("keystep", step, reply);
        }
    }
}

/// Writes a map of a type and a `spec` map, whose `len` pairs follow.
fn search(kind: &str, len: usize, reply: &mut ReplyWriter<'_>) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(len);
}

fn pair(name: &str, value: i16, reply: &mut ReplyWriter<'_>) {
    reply.bulk(name.as_bytes());
    reply.integer(value.into());
}

/// Writes the names of a key's flags.
pub(super) fn key_flags(flags: KeyFlags, reply: &mut ReplyWriter<'_>) {
    flag_names(flags.0.into(), &KeyFlags::NAMES, "", reply);
}
