//! `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`, `FUNCTION STATS`, `FUNCTION KILL`: what there is and what runs.
//!
//! Replies: a map for each library; a map; an error, because nothing ever runs.

use crate::client::Connection;
use crate::command::row::flag::{ALLOW_BUSY, NOSCRIPT};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::library::Library;
use crate::resp::ReplyWriter;
use crate::text::{Case, glob_matches};

pub(super) const KILL: Row = Row::new("function|kill", 2, Run::Connection(kill))
    .flags(NOSCRIPT | ALLOW_BUSY)
    .tips("request_policy:all_shards response_policy:one_succeeded")
    .summary("Terminates a function during execution.")
    .docs(Group::Scripting, "7.0.0", "O(1)");

pub(super) const LIST: Row = Row::new("function|list", -2, Run::Connection(list))
    .flags(NOSCRIPT)
    .tips("nondeterministic_output_order")
    .summary("Returns information about all libraries.")
    .docs(Group::Scripting, "7.0.0", "O(N) where N is the number of functions")
    .args("library-name-pattern:string?=LIBRARYNAME withcode?=WITHCODE");

pub(super) const STATS: Row = Row::new("function|stats", 2, Run::Connection(stats))
    .flags(NOSCRIPT | ALLOW_BUSY)
    .tips("nondeterministic_output request_policy:all_shards response_policy:special")
    .summary("Returns information about a function during execution.")
    .docs(Group::Scripting, "7.0.0", "O(1)");

fn kill(_: &Core, _: &mut Connection, _: &[&[u8]], _: &mut ReplyWriter<'_>) -> CommandResult {
    Err(CommandError::text("NOTBUSY No scripts in execution right now."))
}

fn list(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (mut pattern, mut with_code) = (None, false);
    let mut words = args[2..].iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_slice() {
            b"WITHCODE" if !with_code => with_code = true,
            b"LIBRARYNAME" if pattern.is_none() => {
                let given = words.next().ok_or(CommandError::text("ERR library name argument was not given"))?;
                pattern = Some(given);
            }
            _ => return Err(CommandError::quoting("ERR Unknown argument ", word, "")),
        }
    }
    let libraries = core.libraries.read();
    let is_wanted = |name: &[u8]| pattern.is_none_or(|pattern| glob_matches(pattern, name, Case::Ignore));
    let wanted: Vec<(&[u8], &Library)> = libraries.iter().filter(|(name, _)| is_wanted(name)).collect();
    reply.array(wanted.len());
    for (name, library) in wanted {
        reply.map(3 + usize::from(with_code));
        reply.bulk(b"library_name");
        reply.bulk(name);
        reply.bulk(b"engine");
        reply.bulk(b"LUA");
        reply.bulk(b"functions");
        write_functions(library, reply);
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(&library.code);
        }
    }
    Ok(())
}

fn write_functions(library: &Library, reply: &mut ReplyWriter<'_>) {
    reply.array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(&function.name);
        reply.bulk(b"description");
        match &function.description {
            Some(text) => reply.bulk(text),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        reply.set(function.flags.len());
        function.flags.iter().for_each(|flag| reply.simple_bytes(flag));
    }
}

fn stats(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let libraries = core.libraries.read();
    reply.map(2);
    reply.bulk(b"running_script");
    reply.null();
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    for (field, count) in [("libraries_count", libraries.len()), ("functions_count", libraries.function_count())] {
        reply.bulk(field.as_bytes());
        reply.integer(count as i64);
    }
    Ok(())
}
