//! The page of the commands that there are, made from the table.

use crate::command::How;
use crate::command::row::Group;
use crate::command::table::{Command, table};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Commands whose replies or effects differ from Redis 7.2's in a way that a client can tell, and how.
const DIFFERS: &[(&str, &str)] = &[
    (
        "acl|setuser",
        "a first argument with blanks is refused, which could make rules of its own where users are written down; a selector's \
         words with quotes are shown in quotes, so that they read back",
    ),
    ("client|no-evict", "accepted; nothing evicts clients yet"),
    ("client|tracking", "only OFF: invalidation is not there yet"),
    ("cluster|nodes", "in the order of names"),
    ("monitor", "times in whole milliseconds; what comes from a primary is not shown"),
    ("cluster|slot-stats", "always kept; time and bytes are sampled; tells expires, reads and writes, too"),
    ("debug", "the parts that test suites use"),
    ("function|load", "libraries are kept as text and not compiled; what they register is read from the text"),
    ("hscan", "cursors of large hashes are positions in hash order; what stays is returned exactly once"),
    ("info", "fields of what is not there yet are absent or 0"),
    ("memory|usage", "bytes of this engine's own forms"),
    ("restore-begin", "between nodes of Keyslot alone: a key comes from another node in pieces"),
    ("restore-end", "between nodes of Keyslot alone: it is whole"),
    ("scan", "cursors hold a slot and a hash position; what stays is returned exactly once"),
    ("sscan", "cursors of large sets are positions in hash order; what stays is returned exactly once"),
    ("wait", "waits for the node's newest change, not for the client's; who waits is not counted as blocked"),
    (
        "waitaof",
        "waits for the node's newest change, not for the client's, and has it fsynced at once; who waits is not counted as blocked",
    ),
    ("zscan", "cursors of large sorted sets are positions in hash order; what stays is returned exactly once"),
];

/// Beginnings of the names of commands that are not there, and why.
const ABSENT: &[(&str, &str)] = &[
    ("eval", "scripts are not there yet"),
    ("fcall", "scripts are not there yet"),
    ("module", "modules are written against the C interface of Redis"),
    ("script", "scripts are not there yet"),
];

/// The page, made from the table and from the names of Redis 7.2's commands.
fn page() -> String {
    let reference: BTreeSet<&str> = include_str!("introspection/digests.txt")
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect();
    let mut groups: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    let mut there = BTreeSet::new();
    for command in (0..table().len() as u16).filter_map(|id| table().by_id(id)) {
        there.insert(command.row.name);
        if command.is_container() && command.row.name != "command" {
            continue;
        }
        groups.entry(group(command)).or_default().push((command.row.name, state(command, &reference)));
    }
    let absent: Vec<(&str, String)> = reference
        .iter()
        .filter(|name| !there.contains(*name))
        .map(|name| {
            let reason = ABSENT.iter().find(|(start, _)| name.starts_with(start));
            let (_, reason) = reason.unwrap_or_else(|| panic!("{name} is not there: say why in ABSENT"));
            (*name, format!("absent: {reason}"))
        })
        .collect();
    let full = groups.values().flatten().filter(|(_, state)| !state.starts_with("differs")).count();
    let differing = groups.values().flatten().count() - full;
    let mut page = format!(
        "Which commands of Redis 7.2 there are: {full} in full, {differing} with a difference that is named, {} absent.\n\n\
         \"full\" means every option, reply and error of Redis 7.2, in RESP2 and RESP3. This page is made from the command \
         table by a test, which fails when the page is not up to date (`KEYSLOT_REGENERATE=1` writes it anew).\n",
        absent.len()
    );
    for (title, rows) in groups.iter().chain([(&"not there", &absent)]) {
        let _ = write!(page, "\n## {title}\n\n| command | state |\n|---|---|\n");
        for (name, state) in rows {
            let _ = writeln!(page, "| `{}` | {state} |", name.replace('|', " ").to_uppercase());
        }
    }
    page
}

fn group(command: &Command) -> &'static str {
    match command.row.docs.group {
        Group::Generic => "keys",
        other => other.name(),
    }
}

fn state(command: &Command, reference: &BTreeSet<&str>) -> String {
    let name = command.row.name;
    let differs = DIFFERS.iter().find(|(of, _)| *of == name).map(|(_, how)| how);
    match (differs, reference.contains(name), command.row.run.0) {
        (Some(how), _, _) => format!("differs: {how}"),
        (None, false, _) if command.row.docs.since == "9.0.0" => "as in Valkey 9, done by the host".to_owned(),
        (None, false, _) => "full, as in the release of Redis that brought it".to_owned(),
        (None, true, How::Host) => "full, done by the host".to_owned(),
        (None, true, _) => "full".to_owned(),
    }
}

#[test]
fn the_page_tells_of_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/command/compatibility.md");
    let page = page();
    if std::env::var_os("KEYSLOT_REGENERATE").is_some() {
        std::fs::write(&path, &page).expect("the source tree can be written");
    }
    assert!(include_str!("compatibility.md") == page, "the page is old: KEYSLOT_REGENERATE=1 writes it anew");
    for (name, how) in DIFFERS {
        assert!(
            page.contains(&format!("| differs: {how} |")),
            "{name} is in no row of the table: take it out of DIFFERS"
        );
    }
}
