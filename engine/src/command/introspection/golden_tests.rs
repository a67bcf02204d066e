//! What COMMAND answers, against redis-server 7.2.4.
//!
//! `transcript.txt` holds requests (`> ` and arguments, parted by tabs) with the reply in RESP2 and, where it
//! differs, in RESP3, both with escapes. `digests.txt` holds, for every command of that server, FNV-1a digests of
//! COMMAND INFO and COMMAND DOCS in RESP2 and RESP3; a container's without its sub-commands, which have lines of
//! their own, but with one more for its HELP.

use super::*;
use crate::command::docs::Arguments;
use crate::command::table::Table;
use crate::resp::RespVersion;
use crate::{Engine, PeerInfo};
use std::task::Waker;

fn reply(table: &Table, args: &[Vec<u8>], version: RespVersion) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ReplyWriter::new(&mut out, version);
    let command = match table.resolve(args) {
        Ok(command) => command,
        Err(error) => {
            writer.error_bytes(&error.wire_text(args));
            return out;
        }
    };
    let result = match command.row.short_name() {
        "command" => describe::every(table, &mut writer),
        "count" => describe::count(table, &mut writer),
        "docs" => document::docs(table, args, &mut writer),
        "getkeys" => listing::keys(table, args, &mut writer),
        "getkeysandflags" => listing::keys_and_flags(table, args, &mut writer),
        "help" => {
            write_help(table.find(b"command").unwrap().row, &mut writer);
            Ok(())
        }
        "info" => describe::info(table, args, &mut writer),
        "list" => listing::list(table, args, &mut writer),
        other => panic!("no reply for {other}"),
    };
    if let Err(error) = result {
        writer.error(&error.to_string());
    }
    out
}

fn request(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    text.replace("\\r", "\r").replace("\\n", "\n").into_bytes()
}

#[test]
fn replies_are_those_of_the_transcript() {
    let table = Table::new(&[ROWS]);
    let mut lines = include_str!("transcript.txt").lines().peekable();
    let mut requests = 0;
    while let Some(line) = lines.next() {
        let args: Vec<Vec<u8>> = line.strip_prefix("> ").unwrap().split('\t').map(unescape).collect();
        let old = lines.next().unwrap();
        let new = lines.next_if(|line| !line.starts_with("> ")).unwrap_or(old);
        for (version, expected) in [(RespVersion::V2, old), (RespVersion::V3, new)] {
            let reply = reply(&table, &args, version);
            assert_eq!(String::from_utf8_lossy(&reply).escape_debug().to_string(), escaped(expected), "{line}");
        }
        requests += 1;
    }
    assert!(requests > 20);
}

fn escaped(expected: &str) -> String {
    String::from_utf8_lossy(&unescape(expected)).escape_debug().to_string()
}

fn digest(bytes: &[u8]) -> String {
    let fold = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Digests of a row's replies, in the order of `digests.txt`.
fn digests(row: &Row) -> Vec<String> {
    let alone: &'static [Row] = match row.name.split_once('|') {
        None => vec![Row { subcommands: &[], ..*row }].leak(),
        Some((container, _)) => {
            vec![Row::container(container, row.run, std::slice::from_ref(Box::leak(Box::new(*row))), &[])].leak()
        }
    };
    let table = Table::new(&[alone]);
    let mut digests = vec![row.name.to_string()];
    for version in [RespVersion::V2, RespVersion::V3] {
        let mut out = Vec::new();
        let args = request(&["command", "info", row.name]);
        describe::info(&table, &args, &mut ReplyWriter::new(&mut out, version)).unwrap();
        digests.push(digest(&out));
    }
    for version in [RespVersion::V2, RespVersion::V3] {
        let mut out = Vec::new();
        let args = request(&["command", "docs", row.name]);
        document::docs(&table, &args, &mut ReplyWriter::new(&mut out, version)).unwrap();
        digests.push(digest(&out));
    }
    if !row.help.is_empty() {
        let mut out = Vec::new();
        write_help(row, &mut ReplyWriter::new(&mut out, RespVersion::V2));
        digests.push(digest(&out));
    }
    digests
}

#[test]
fn a_session_answers_as_the_transcript_does() {
    let mut session = Engine::in_memory().session(Waker::noop().clone(), PeerInfo::default());
    let mut lines = include_str!("transcript.txt").lines().peekable();
    while let Some(line) = lines.next() {
        let args: Vec<Vec<u8>> = line.strip_prefix("> ").unwrap().split('\t').map(unescape).collect();
        let mut encoded = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            encoded.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            encoded.extend_from_slice(&arg);
            encoded.extend_from_slice(b"\r\n");
        }
        session.feed(&encoded);
        let mut out = Vec::new();
        session.poll_output(&mut out);
        let expected = lines.next().unwrap();
        assert_eq!(String::from_utf8_lossy(&out).escape_debug().to_string(), escaped(expected), "{line}");
        lines.next_if(|line| !line.starts_with("> "));
    }
}

#[test]
fn every_row_describes_its_command_as_redis_does() {
    let golden: Vec<&str> = include_str!("digests.txt").lines().collect();
    let rows = (0..table().len()).filter_map(|id| table().by_id(id as u16)).map(|command| command.row);
    // Fields with an expiry, and slots that change hands at once, came after 7.2.
    let rows = rows.filter(|row| !["7.4.0", "8.0.0", "8.2.0", "9.0.0"].contains(&row.docs.since));
    // And these two are for nodes of Keyslot alone.
    let rows = rows.filter(|row| !["restore-begin", "restore-end"].contains(&row.name));
    let found: Vec<String> = rows.map(|row| digests(row).join(" ")).collect();
    let strange: Vec<&String> = found.iter().filter(|digests| !golden.contains(&digests.as_str())).collect();
    assert!(strange.is_empty(), "these rows differ, or Redis has no such command: {strange:#?}");
}

#[test]
fn every_row_is_well_formed() {
    for id in 0..table().len() {
        let row = table().by_id(id as u16).unwrap().row;
        assert!(Arguments::new(row.docs.arguments).is_well_formed(), "arguments of {}", row.name);
        assert_eq!(row.name, row.name.to_ascii_lowercase());
        assert!(row.arity != 0 && !row.docs.summary.is_empty() && !row.docs.since.is_empty(), "{}", row.name);
        for sub in row.subcommands {
            assert_eq!(sub.name.split_once('|').map(|(container, _)| container), Some(row.name));
            assert!(sub.subcommands.is_empty());
        }
        let has_help = row.subcommands.iter().any(|sub| sub.short_name() == "help");
        assert_eq!(has_help, !row.help.is_empty(), "HELP of {}", row.name);
    }
}

#[test]
fn every_command_is_listed_counted_and_described_once() {
    let counted = reply(table(), &request(&["command", "count"]), RespVersion::V2);
    assert_eq!(counted, format!(":{}\r\n", table().top().len()).into_bytes());
    let listed = reply(table(), &request(&["command", "list"]), RespVersion::V2);
    assert!(listed.starts_with(format!("*{}\r\n", table().len()).as_bytes()));
    let all = reply(table(), &request(&["command"]), RespVersion::V3);
    assert!(all.starts_with(format!("*{}\r\n", table().top().len()).as_bytes()));
    assert_eq!(all, reply(table(), &request(&["command", "info"]), RespVersion::V3));
    let docs = reply(table(), &request(&["command", "docs"]), RespVersion::V3);
    assert!(docs.starts_with(format!("%{}\r\n", table().top().len()).as_bytes()));
    let of_category =
        reply(table(), &request(&["command", "list", "filterby", "aclcat", "CONNECTION"]), RespVersion::V2);
    assert!(of_category.windows(15).any(|bytes| bytes == b"command|getkeys"));
}
