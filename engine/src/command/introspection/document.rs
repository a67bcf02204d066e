//! COMMAND DOCS: what a command is, for people; `redis-cli` builds its hints from it.

use super::flag_names;
use crate::command::CommandResult;
use crate::command::docs::{Argument, Arguments};
use crate::command::table::{Command, Table};
use crate::resp::ReplyWriter;

/// `COMMAND DOCS [name ...]`: a map of names to documentation; names that are no command are left out. Of every
/// command without names.
pub(super) fn docs<A: AsRef<[u8]>>(table: &Table, args: &[A], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let names = args.get(2..).unwrap_or_default();
    if names.is_empty() {
        document_all(table, table.top(), reply);
        return Ok(());
    }
    let map = reply.begin_map();
    let mut len = 0;
    for command in names.iter().filter_map(|name| table.find_full(name.as_ref())) {
        reply.bulk(command.row.name.as_bytes());
        document(table, command, reply);
        len += 1;
    }
    reply.end_map(map, len);
    Ok(())
}

fn document_all(table: &Table, commands: &[Command], reply: &mut ReplyWriter<'_>) {
    reply.map(commands.len());
    for command in commands {
        reply.bulk(command.row.name.as_bytes());
        document(table, command, reply);
    }
}

fn document(table: &Table, command: &Command, reply: &mut ReplyWriter<'_>) {
    let docs = &command.row.docs;
    let subcommands = table.subcommands(command);
    let is_deprecated = !docs.deprecated_since.is_empty();
    let map = reply.begin_map();
    let mut len = 1;
    let mut text = |name: &str, text: &str, reply: &mut ReplyWriter<'_>| {
        if !text.is_empty() {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
            len += 1;
        }
    };
    text("summary", docs.summary, reply);
    text("since", docs.since, reply);
    reply.bulk(b"group");
    reply.bulk(docs.group.name().as_bytes());
    text("complexity", docs.complexity, reply);
    if is_deprecated || docs.is_system {
        reply.bulk(b"doc_flags");
        flag_names(u32::from(is_deprecated) | u32::from(docs.is_system) << 1, &["deprecated", "syscmd"], "", reply);
    }
    text("deprecated_since", docs.deprecated_since, reply);
    text("replaced_by", docs.replaced_by, reply);
    len += usize::from(is_deprecated || docs.is_system);
    if !docs.history.is_empty() {
        reply.bulk(b"history");
        reply.set(docs.history.len());
        for (version, change) in docs.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
        len += 1;
    }
    if !docs.arguments.is_empty() {
        reply.bulk(b"arguments");
        document_arguments(Arguments::new(docs.arguments), reply);
        len += 1;
    }
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        document_all(table, subcommands, reply);
        len += 1;
    }
    reply.end_map(map, len);
}

fn document_arguments(arguments: Arguments<'_>, reply: &mut ReplyWriter<'_>) {
    reply.array(arguments.count());
    for argument in arguments {
        document_argument(&argument, reply);
    }
}

fn document_argument(argument: &Argument<'_>, reply: &mut ReplyWriter<'_>) {
    let map = reply.begin_map();
    let mut len = 0;
    let mut text = |name: &str, text: &str, reply: &mut ReplyWriter<'_>| {
        if !text.is_empty() {
            reply.bulk(name.as_bytes());
            reply.bulk(text.as_bytes());
            len += 1;
        }
    };
    text("name", argument.name, reply);
    text("type", argument.kind, reply);
    if !argument.is_container() {
        text("display_text", if argument.display.is_empty() { argument.name } else { argument.display }, reply);
    }
    if let Some(spec) = argument.key_spec {
        reply.bulk(b"key_spec_index");
        reply.integer(spec);
    }
    if let Some(token) = argument.token {
        reply.bulk(b"token");
        reply.bulk(token.as_bytes());
    }
    text("since", argument.since, reply);
    text("deprecated_since", argument.deprecated_since, reply);
    len += usize::from(argument.key_spec.is_some()) + usize::from(argument.token.is_some());
    let marks = [argument.is_optional, argument.is_multiple, argument.repeats_token];
    let bits = marks.iter().rev().fold(0, |bits, &mark| bits << 1 | u32::from(mark));
    if bits != 0 {
        reply.bulk(b"flags");
        flag_names(bits, &["optional", "multiple", "multiple_token"], "", reply);
        len += 1;
    }
    if argument.is_container() {
        reply.bulk(b"arguments");
        document_arguments(argument.arguments, reply);
        len += 1;
    }
    reply.end_map(map, len);
}
