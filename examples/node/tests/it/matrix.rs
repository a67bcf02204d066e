//! Nodes and `redis-server` as each other's replicas, under load, while their links are cut again and again. Streams go on where they
//! were, and at the end all are equal. `KEYSLOT_MATRIX_SECONDS` says how long each row runs.

use crate::node::Client;
use crate::redis::{PROGRAM, has};
use crate::replication::{OPTIONS_BACKLOG, Peer, assert_follows, write, write_over};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// A chain under load, the head first.
fn run(name: &str, mut chain: Vec<Peer>) {
    let seconds = std::env::var("KEYSLOT_MATRIX_SECONDS").map_or(4, |text| text.parse().unwrap());
    for at in 1..chain.len() {
        let (above, below) = chain.split_at_mut(at);
        write(&mut above[0], 0);
        below[0].follow(&above[at - 1]);
        assert_follows(&mut above[at - 1], &mut below[0]);
    }
    let links = chain.len() - 1;
    let counts = |chain: &mut [Peer], name: &str| -> Vec<u64> {
        chain[..links].iter_mut().map(|peer| peer.field("stats", name).parse().unwrap()).collect()
    };
    let full = counts(&mut chain, "sync_full");
    let is_over = AtomicBool::new(false);
    let port = chain[0].port;
    let (mut cuts, mut rounds) = (0, 0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut client = Client::reach(port).unwrap();
            let mut round = 1;
            while !is_over.load(SeqCst) {
                write_over(&mut client, round);
                round += 1;
            }
            round
        });
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(700));
            for peer in &mut chain[..links] {
                cuts += usize::from(peer.ask(&["CLIENT", "KILL", "TYPE", "replica"]) != ":0");
            }
        }
        is_over.store(true, SeqCst);
        rounds = writer.join().unwrap();
    });
    for at in 1..chain.len() {
        let (above, below) = chain.split_at_mut(at);
        assert_follows(&mut above[at - 1], &mut below[0]);
    }
    let partial = counts(&mut chain, "sync_partial_ok");
    println!("{name}: {rounds} rounds of writes, {cuts} links cut, resyncs that went on {partial:?}");
    assert!(partial.iter().all(|count| *count > 0), "{name}: {partial:?}");
    assert_eq!(counts(&mut chain, "sync_full"), full, "{name}: what was cut goes on");
}

fn node() -> Peer {
    Peer::node(OPTIONS_BACKLOG)
}

fn redis() -> Peer {
    Peer::redis(OPTIONS_BACKLOG)
}

#[test]
fn links_between_nodes_are_cut_under_load() {
    run("node -> node", vec![node(), node()]);
    run("node with a log -> node with a log", vec![logged(), logged()]);
}

fn logged() -> Peer {
    Peer::node(&[&["--appendonly", "yes"], OPTIONS_BACKLOG].concat())
}

#[test]
fn links_with_redis_server_are_cut_under_load() {
    if has(PROGRAM) {
        run("node -> redis", vec![node(), redis()]);
        run("redis -> node", vec![redis(), node()]);
        run("redis -> node -> redis", vec![redis(), node(), redis()]);
        run("node -> redis -> node", vec![node(), redis(), node()]);
    }
}
