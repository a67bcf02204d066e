//! Slots that change hands at once (CLUSTER MIGRATESLOTS), while clients write to them.

use super::moving::Counter;
use super::{Kind, Nodes};
use crate::replication::wait_until;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl Nodes {
    /// What a node says of the transfer that it began or took last: its state and why it failed.
    fn last_transfer(&mut self, node: usize) -> (String, String) {
        let reply = self.0[node].ask(&["CLUSTER", "GETSLOTMIGRATIONS"]);
        let words: Vec<&str> = reply.trim_matches(['[', ']']).split([',', ' ', '\n']).collect();
        let behind = |name: &str| words.iter().position(|word| word.ends_with(name)).map(|at| words[at + 1].to_owned());
        let message = reply.split_once("message").map(|(_, rest)| rest.chars().take(200).collect());
        (behind("state").unwrap_or(reply.clone()), message.unwrap_or_default())
    }

    /// Has a node give slots to another, and waits for the end.
    fn give(&mut self, from: usize, to: usize, first: u16, last: u16) -> (String, String) {
        let name = self.0[to].ask(&["CLUSTER", "MYID"]);
        let (first, last) = (first.to_string(), last.to_string());
        let words = ["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", &first, &last, "NODE", &name];
        assert_eq!(self.0[from].ask(&words), "+OK");
        wait_until("the end of the transfer", || {
            let (state, _) = self.last_transfer(from);
            let has_ended = ["success", "failed", "cancelled"].iter().any(|end| state.contains(end));
            (!has_ended).then_some(state)
        });
        self.last_transfer(from)
    }
}

#[test]
fn slots_change_hands_under_writes_and_lose_nothing() {
    let mut nodes = Nodes::form();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2).map(|name| Counter::run(nodes.0[2].port, name, Arc::clone(&stop))).collect();
    let mut large = Counter::at(nodes.0[0].port);
    // In slot 5061, a value that goes in pieces.
    for part in 0..40 {
        let mut words = vec!["HSET".to_owned(), "bar".to_owned()];
        words.extend((0..100).flat_map(|n| [format!("f{part}:{n}"), format!("value of {n}")]));
        large.ask(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    // One slot stays: who has none follows another.
    for (from, to) in [(0, 1), (1, 0), (0, 1)] {
        let (state, message) = nodes.give(from, to, 0, 5459);
        assert!(state.contains("success"), "{state} {message}");
        nodes.settle();
        wait_until("the keys to be gone", || {
            let size = nodes.0[from].ask(&["CLUSTER", "COUNTKEYSINSLOT", "5061"]);
            Some(size).filter(|size| size != ":0")
        });
    }
    stop.store(true, Ordering::Relaxed);
    let counts: Vec<Vec<u64>> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    // Whoever takes the target's place has all of it.
    nodes.wait_for_link(4);
    let mut reader = Counter::at(nodes.0[2].port);
    assert_eq!(reader.ask(&["WAIT", "0", "0"]), ":0");
    nodes.set_timeout(2000);
    assert_eq!(nodes.0[1].ask(&["WAIT", "1", "5000"]), ":1");
    nodes.kill(1);
    wait_until("the replica to lead", || {
        let reply = nodes.0[4].ask(&["GET", "0:0"]);
        let role = nodes.0[4].ask(&["ROLE"]);
        (!role.contains("master")).then_some(reply)
    });
    nodes.settle();
    for (name, counts) in counts.iter().enumerate() {
        for (number, count) in counts.iter().enumerate() {
            assert_eq!(reader.ask(&["GET", &format!("{name}:{number}")]), count.to_string());
        }
    }
    assert_eq!(reader.ask(&["HLEN", "bar"]), ":4000");
    assert_eq!(reader.ask(&["HGET", "bar", "f39:99"]), "value of 99");
}

#[test]
fn a_node_that_does_not_know_transfers_keeps_nothing_and_takes_nothing() {
    if !crate::redis::has(crate::redis::PROGRAM) || !crate::redis::has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::start(&[Kind::Keyslot, Kind::Redis, Kind::Keyslot]);
    let addresses: Vec<String> = (0..3).map(|node| nodes.address(node)).collect();
    let words: Vec<&str> = ["--cluster", "create"].into_iter().chain(addresses.iter().map(String::as_str)).collect();
    super::cli(&[&words[..], &["--cluster-yes"]].concat());
    nodes.settle();
    let mut client = Counter::at(nodes.0[0].port);
    assert_eq!(client.ask(&["SET", "bar", "1"]), "+OK");
    let (state, message) = nodes.give(0, 1, 5000, 5100);
    assert!(state.contains("failed") && message.contains("does not take the slots"), "{state} {message}");
    assert_eq!(client.ask(&["INCR", "bar"]), ":2");
    let (state, message) = nodes.give(0, 2, 5000, 5100);
    assert!(state.contains("success"), "{state} {message}");
    assert_eq!(client.ask(&["INCR", "bar"]), ":3");
}
