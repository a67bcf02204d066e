//! Random sessions with the node and with `redis-server`: the same requests, the same replies, whatever the seed; and the
//! same data every now and then.
//!
//! Each family of commands has a table of request [shapes](request) over few keys, so that requests meet each other's
//! traces, and the rules by which its replies compare where they cannot be equal to the byte. Some requests are bent into
//! what nobody should send. Two connections take turns, so that transactions meet writes of others; they change between
//! RESP2 and RESP3 as they go.
//!
//! | variable | means |
//! |---|---|
//! | `KEYSLOT_RANDOM_REQUESTS` | how many requests are sent |
//! | `KEYSLOT_SEED` | which session it is |
//! | `KEYSLOT_FAMILIES` | only these families, by name, with commas |
//! | `KEYSLOT_NODE` | another program than the one built beside the tests: one that is faster |
//! | `KEYSLOT_DIFFERENCES` | goes on until so many different differences were found |
//!
//! The node follows Redis 7.2, the server at hand is 7.0: where they are known to differ, the rule of the command says so.

mod families;
mod reply;
mod request;
mod session;
mod words;

use crate::node::Node;
use crate::redis::{PROGRAM, Redis, has};
use crate::wire::{Wire, encode, readable};
use families::{FAMILIES, Family};
use request::Request;
use session::{Difference, Session};
use std::collections::BTreeMap;
use words::Random;

#[test]
fn random_sessions_are_answered_as_redis_server_answers_them() {
    if !has(PROGRAM) {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let request_count = number("KEYSLOT_RANDOM_REQUESTS").unwrap_or(REQUEST_COUNT);
    let seed = number("KEYSLOT_SEED").unwrap_or(0x5eed);
    let difference_max = number("KEYSLOT_DIFFERENCES").unwrap_or(1);
    let folder = tempfile::tempdir().unwrap();
    // Every other session has small limits, so that small values meet both of their forms.
    let limits = if seed % 2 == 0 { &[] } else { SMALL_LIMITS };
    let options = [&["--enable-debug-command", "yes"], limits].concat();
    let _node = Node::start(folder.path(), &options);
    let redis = Redis::start(folder.path(), &options);
    let connect = || [Wire::connect(&folder.path().join("node.sock")), Wire::connect(&redis.socket())];
    let mut watcher = Session::new(connect());
    let shapes = shapes(&mut watcher);
    println!("seed {seed}, {request_count} requests");

    let mut sessions = [Session::new(connect()), Session::new(connect())];
    let mut random = Random::new(seed);
    let mut history: Vec<Request> = Vec::new();
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut sent = 0;
    while sent < request_count {
        let (start, which) = (history.len(), random.below(sessions.len()));
        while history.len() - start < PIPELINE {
            let family = &shapes[random.below(shapes.len())];
            let shape = family.1[random.below(family.1.len())];
            request::make(shape, &mut random, which, &mut history);
        }
        sent += (history.len() - start) as u64;
        let mut difference = sessions[which].exchange(&history, start, families::rule_of);
        if difference.is_none() && random.below(DIGEST_BATCHES) == 0 {
            difference = watcher.compare_data(history.len() - 1);
        }
        if let Some(difference) = difference {
            let kind = difference.kind(&history);
            let count = found.entry(kind).or_default();
            *count += 1;
            if *count == 1 {
                println!("seed {seed}\n{}\n", story(&history, &difference));
            }
            if found.len() as u64 >= difference_max || difference.is_the_end() {
                break;
            }
            sessions.iter_mut().for_each(Session::start_over);
            history.clear();
        }
        if history.len() > HISTORY_MAX {
            history.drain(..HISTORY_MAX / 2);
        }
    }
    assert!(found.is_empty(), "{} differences in {sent} requests: {found:#?}", found.len());
}

/// The families with the shapes that the node has commands for.
fn shapes(watcher: &mut Session) -> Vec<(&'static Family, Vec<&'static str>)> {
    let chosen = std::env::var("KEYSLOT_FAMILIES").ok();
    let is_chosen = |name: &str| chosen.as_ref().is_none_or(|names| names.split(',').any(|chosen| chosen == name));
    let mut all = Vec::new();
    for family in FAMILIES.iter().filter(|family| is_chosen(family.name)) {
        let (unknown, known): (Vec<&str>, Vec<&str>) =
            family.shapes.iter().partition(|shape| watcher.lacks(request::first_name(shape)));
        if !unknown.is_empty() {
            let mut names: Vec<&str> = unknown.iter().map(|shape| request::first_name(shape)).collect();
            names.dedup();
            println!("{}: the node has no {}", family.name, names.join(" "));
        }
        if !known.is_empty() {
            all.push((family, known));
        }
    }
    assert!(!all.is_empty(), "no family is called so: {chosen:?}");
    all
}

/// What led to a difference: the requests before it that spoke of the same keys, and what both said.
fn story(history: &[Request], difference: &Difference) -> String {
    let last = &history[difference.at];
    // Whether EXEC does something depends on the keys that are watched.
    let is_exec = last.name() == b"EXEC";
    let watches = history[..difference.at].iter().rev().take(STORY_WATCHES).filter(|before| before.name() == b"WATCH");
    let watches: Vec<&Request> = watches.filter(|_| is_exec).collect();
    let is_related = |request: &&Request| {
        if is_exec {
            return request.connection == last.connection || watches.iter().any(|watch| request.shares_a_key(watch));
        }
        request.changes_everything()
            || request.shares_a_key(last) && difference.keys.is_empty()
            || difference.keys.iter().any(|key| !key.is_empty() && request.words.contains(key))
    };
    let before =
        history[..difference.at].iter().rev().filter(is_related).take(if is_exec { 4 * STORY_MAX } else { STORY_MAX });
    let mut lines: Vec<String> = before.map(Request::text).collect();
    lines.reverse();
    lines.push(last.text());
    lines.push(format!("    node  {}", readable(&difference.ours)));
    lines.push(format!("    redis {}", readable(&difference.theirs)));
    lines.join("\n")
}

const REQUEST_COUNT: u64 = 20_000;

const PIPELINE: usize = 50;

/// The data is compared after one in so many batches.
const DIGEST_BATCHES: usize = 10;

const HISTORY_MAX: usize = 20_000;

const STORY_MAX: usize = 25;

/// How far back a story looks for what is watched.
const STORY_WATCHES: usize = 400;

const SMALL_LIMITS: &[&str] = &[
    "--hash-max-listpack-entries",
    "8",
    "--hash-max-listpack-value",
    "20",
    "--zset-max-listpack-entries",
    "8",
    "--zset-max-listpack-value",
    "20",
    "--list-max-listpack-size",
    "4",
    "--set-max-intset-entries",
    "8",
    "--stream-node-max-entries",
    "5",
    "--hll-sparse-max-bytes",
    "60",
];
