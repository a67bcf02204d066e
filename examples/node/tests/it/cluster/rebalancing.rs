//! `cluster rebalance` and `cluster hot`: a node that joined gets its share, one that leaves is emptied, what is hot is found.

use super::{Kind, Nodes, cli};
use crate::node::output;
use crate::redis::{PROGRAM, has};
use crate::replication::wait_until;
use std::process::Output;

/// Two primaries with all slots and a third with none.
fn start(kinds: &[Kind; 3]) -> Nodes {
    let mut nodes = Nodes::start(kinds);
    let bus_port = nodes.bus_port(0);
    let port = nodes.0[0].port.to_string();
    for (node, [first, last]) in [["0", "8191"], ["8192", "16383"]].iter().enumerate() {
        assert_eq!(nodes.0[node].ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]), "+OK");
    }
    for node in 0..3 {
        let epoch = (node + 1).to_string();
        assert_eq!(nodes.0[node].ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]), "+OK");
        if node > 0 {
            assert_eq!(nodes.0[node].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port]), "+OK");
        }
    }
    nodes.settle();
    nodes.set_timeout(15_000);
    for number in 0..KEYS {
        assert_eq!(nodes.follow(&["SET", &format!("key:{number}"), "value"]), "+OK");
    }
    nodes
}

fn text(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// Says it, and demands that it went well.
fn rebalance(words: &[&str]) -> String {
    let done = output(&[&["cluster", "rebalance"], words].concat());
    assert!(done.status.success(), "{}", text(&done));
    text(&done)
}

fn slots_of(nodes: &mut Nodes, node: usize) -> usize {
    let view = nodes.0[node].ask(&["CLUSTER", "NODES"]);
    let line = view.lines().find(|line| line.contains("myself")).unwrap();
    let of_range = |range: &str| match range.split_once('-') {
        Some((first, last)) => last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1,
        None => 1,
    };
    line.split_ascii_whitespace().skip(8).map(of_range).sum()
}

fn assert_sound(nodes: &mut Nodes) {
    nodes.settle();
    for number in 0..KEYS {
        assert_eq!(nodes.follow(&["GET", &format!("key:{number}")]), "value", "{number}");
    }
    let check = cli(&["--cluster", "check", &nodes.address(0)]);
    assert!(check.contains("[OK] All 16384 slots covered."), "{check}");
    assert!(!check.contains("[WARNING]") && !check.contains("[ERR]"), "{check}");
}

/// A node that joined gets its share, which is small, and gives it back.
fn share_and_drain(kinds: &[Kind; 3]) {
    let mut nodes = start(kinds);
    let (address, joined) = (nodes.address(0), nodes.address(2));
    let weight = format!("{joined}=0.02");
    let by_weight = ["--by", "slots", "--threshold", "2", "--weight", &weight, &address];
    let plan = rebalance(&[&["--plan"], &by_weight[..]].concat());
    assert!(plan.contains("bears 100 % less than its share") && plan.contains("\nmove "), "{plan}");
    assert_eq!(slots_of(&mut nodes, 2), 0, "a plan moves nothing");
    let told = rebalance(&[&["--budget", "slots=50"], &by_weight[..]].concat());
    assert!(told.contains("50 slots with ") && told.contains("the budget leaves them out"), "{told}");
    nodes.settle();
    assert_eq!(slots_of(&mut nodes, 2), 50);
    rebalance(&by_weight);
    assert!((160..=164).contains(&slots_of(&mut nodes, 2)));
    assert_sound(&mut nodes);
    assert!(nodes.0[2].ask(&["DBSIZE"]) != ":0");
    assert!(rebalance(&by_weight).contains("Nothing moved: every node bears its share."));
    rebalance(&["--by", "keys", "--drain", &joined, &address]);
    // Who has no slot left follows whoever has got the last.
    nodes.wait_for_role(2, "slave");
    nodes.wait_for_link(2);
    assert_eq!(slots_of(&mut nodes, 2), 0);
    assert_sound(&mut nodes);
}

#[test]
fn a_node_that_joins_gets_its_share_and_one_that_leaves_is_emptied() {
    if has("redis-cli") {
        share_and_drain(&[Kind::Keyslot; 3]);
    }
}

#[test]
fn slots_are_shared_out_with_redis_server_too_which_tells_its_keys_only() {
    if has("redis-cli") && has(PROGRAM) {
        share_and_drain(&[Kind::Keyslot, Kind::Redis, Kind::Keyslot]);
        let nodes = start(&[Kind::Redis, Kind::Keyslot, Kind::Keyslot]);
        let plan = rebalance(&["--plan", "--by", "bytes", &nodes.address(1)]);
        assert!(plan.contains(&format!("# bytes not told by {}: keys decide", nodes.address(0))), "{plan}");
    }
}

#[test]
fn a_node_that_joins_gets_its_share_by_itself_where_that_is_wanted() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = start(&[Kind::Keyslot; 3]);
    for node in 0..3 {
        // What is set at one node only has an effect where that decides.
        assert_eq!(nodes.0[node].ask(&["CONFIG", "SET", "cluster-auto-rebalance-delay", "200"]), "+OK");
        assert_eq!(nodes.0[node].ask(&["CONFIG", "SET", "cluster-auto-rebalance", "yes"]), "+OK");
    }
    let share = KEYS / 3;
    wait_until("a share for who joined", || {
        let count: usize = nodes.0[2].ask(&["DBSIZE"])[1..].parse().unwrap();
        (count < share * 9 / 10).then(|| format!("{count} keys"))
    });
    assert_eq!(nodes.follow(&["SET", "another", "value"]), "+OK");
    assert_sound(&mut nodes);
    let counts: Vec<usize> = (0..3).map(|node| nodes.0[node].ask(&["DBSIZE"])[1..].parse().unwrap()).collect();
    assert_eq!(counts.iter().sum::<usize>(), KEYS + 1, "{counts:?}");
    assert!(counts.iter().all(|count| *count >= share * 9 / 10), "{counts:?}");
}

#[test]
fn what_is_hot_is_found_and_what_makes_no_sense_is_refused() {
    let mut nodes = start(&[Kind::Keyslot; 3]);
    let (address, large) = (nodes.address(0), "x".repeat(2 << 20));
    assert_eq!(nodes.follow(&["SET", "large", &large]), "+OK");
    let hot = std::thread::scope(|scope| {
        let asked = scope.spawn(|| text(&output(&["cluster", "hot", "--window", "1", "--count", "3", &address])));
        while !asked.is_finished() {
            nodes.follow(&["GET", "key:1"]);
        }
        asked.join().unwrap()
    });
    let slot = nodes.0[0].ask(&["CLUSTER", "KEYSLOT", "key:1"]);
    assert_eq!(hot.lines().nth(1).and_then(|line| line.split_ascii_whitespace().next()), Some(&slot[1..]), "{hot}");
    assert!(hot.trim_end().ends_with(" large"), "{hot}");
    for (words, reason) in [
        (&["--drain", "nobody", &address][..], "nobody names no primary"),
        (&["--by", "weight", &address], "--by weight is not understood"),
        (&["--apply", "none", &address], "none: "),
        (&["127.0.0.1:1"], "cannot reach 127.0.0.1:1"),
    ] {
        let done = output(&[&["cluster", "rebalance"], words].concat());
        assert!(!done.status.success() && text(&done).contains(reason), "{}", text(&done));
    }
}

const KEYS: usize = 600;
