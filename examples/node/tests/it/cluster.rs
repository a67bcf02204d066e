//! Six nodes as a cluster: made by redis-cli, killed, started again, moved about, and mixed with redis-server.

use crate::node::Client;
use crate::redis::{PROGRAM, has};
use crate::replication::{Peer, wait_until};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// Nodes of one cluster.
struct Nodes(Vec<Peer>);

/// Of what kind a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Keyslot,
    Redis,
}

impl Nodes {
    /// So many, which know nobody.
    fn start(kinds: &[Kind]) -> Self {
        Self(kinds.iter().map(|kind| start(*kind)).collect())
    }

    fn address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", self.0[node].port)
    }

    /// Three primaries and three replicas, in order, by redis-cli.
    fn create(&mut self) {
        let addresses: Vec<String> = (0..6).map(|node| self.address(node)).collect();
        let mut words = vec!["--cluster", "create"];
        words.extend(addresses.iter().map(String::as_str));
        let told = cli(&[&words[..], &["--cluster-replicas", "1", "--cluster-yes"]].concat());
        assert!(told.contains("[OK] All 16384 slots covered."), "{told}");
        self.settle();
    }

    /// What a node knows: name, role, whom it follows, its epoch, slots.
    fn view(&mut self, node: usize) -> BTreeSet<String> {
        let nodes = self.0[node].ask(&["CLUSTER", "NODES"]);
        let line = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let flags: Vec<&str> = words[2].split(',').filter(|flag| *flag != "myself").collect();
            format!("{} {} {} {} {}", words[0], flags.join(","), words[3], words[6], words[8..].join(" "))
        };
        nodes
            .lines()
            .filter(|line| line.split(' ').count() >= 8)
            .map(|text| line(text.trim_start_matches('=')))
            .collect()
    }

    fn on(&self) -> Vec<usize> {
        (0..self.0.len()).filter(|node| self.0[*node].is_on()).collect()
    }

    /// Waits until all who are on see the same and serve.
    fn settle(&mut self) {
        let on = self.on();
        wait_until("one view", || {
            let views: Vec<BTreeSet<String>> = on.iter().map(|node| self.view(*node)).collect();
            let states: Vec<String> = on.iter().map(|node| self.0[*node].ask(&["CLUSTER", "INFO"])).collect();
            let is_up = states.iter().all(|state| state.contains("cluster_state:ok"));
            (!is_up || views.iter().any(|view| *view != views[0])).then(|| format!("{views:#?}"))
        });
    }

    fn role(&mut self, node: usize) -> String {
        self.0[node].field("replication", "role")
    }

    fn wait_for_role(&mut self, node: usize, role: &str) {
        wait_until(role, || Some(self.role(node)).filter(|is| is != role));
    }

    /// Waits until a replica follows its primary.
    fn wait_for_link(&mut self, node: usize) {
        wait_until("the link", || {
            Some(self.0[node].field("replication", "master_link_status")).filter(|status| status != "up")
        });
    }

    /// Who replicates a primary.
    fn replica_of(&mut self, primary: usize) -> usize {
        let port = self.0[primary].port.to_string();
        let is_replica = |nodes: &mut Self, node: usize| {
            nodes.role(node) == "slave" && nodes.0[node].field("replication", "master_port") == port
        };
        (0..self.0.len()).find(|node| is_replica(self, *node)).unwrap()
    }

    /// Does a command at whoever serves its key.
    fn follow(&mut self, words: &[&str]) -> String {
        let mut at = self.on()[0];
        for _ in 0..5 {
            let reply = self.0[at].ask(words);
            let Some(place) = reply.strip_prefix("-MOVED ") else { return reply };
            let port = place.rsplit(':').next().unwrap();
            at = (0..self.0.len()).find(|node| self.0[*node].port.to_string() == port).unwrap();
        }
        panic!("{words:?} is sent around");
    }

    /// Writes keys of all slots, and waits until replicas have them.
    fn write(&mut self, value: &str) {
        for number in 0..30 {
            assert_eq!(self.follow(&["SET", &format!("key:{number}"), value]), "+OK");
        }
        for node in self.on() {
            if self.role(node) == "master" {
                self.0[node].ask(&["WAIT", "1", "5000"]);
            }
        }
    }

    /// Waits until what was written outlives a crash of all nodes at once, which are Keyslot's.
    fn keep(&mut self) {
        for node in self.on() {
            if self.role(node) == "master" {
                assert_eq!(self.0[node].ask(&["WAITAOF", "1", "1", "10000"]), ":1 :1");
            }
        }
    }

    fn assert_all(&mut self, value: &str) {
        for number in 0..30 {
            let key = format!("key:{number}");
            assert_eq!(self.follow(&["GET", &key]), value, "{key}");
        }
    }

    fn kill(&mut self, node: usize) {
        self.0[node].kill();
    }

    /// Kills a primary, and waits until its replica leads.
    fn replace(&mut self, primary: usize, replica: usize) {
        self.kill(primary);
        self.wait_for_role(replica, "master");
        let on = self.on();
        wait_until("serving", || {
            let states: Vec<String> = on.iter().map(|node| self.0[*node].ask(&["CLUSTER", "INFO"])).collect();
            (!states.iter().all(|state| state.contains("cluster_state:ok"))).then(|| format!("{states:?}"))
        });
    }
}

fn start(kind: Kind) -> Peer {
    let bus = bus_port().to_string();
    let options = &[
        "--cluster-enabled",
        "yes",
        "--cluster-config-file",
        "nodes.conf",
        "--cluster-node-timeout",
        "2000",
        "--cluster-port",
        &bus,
        "--appendonly",
        "yes",
    ];
    match kind {
        Kind::Keyslot => Peer::node(options),
        Kind::Redis => Peer::redis(options),
    }
}

/// A port that is free, below those from which the system gives connections theirs.
fn bus_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 13_000 + (std::process::id() as u16 % 97) * 100 + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn cli(words: &[&str]) -> String {
    let done = Command::new("redis-cli").args(words).stdin(Stdio::null()).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[test]
fn redis_cli_makes_a_cluster_that_survives_its_primaries() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::start(&[Kind::Keyslot; 6]);
    nodes.create();
    nodes.write("one");
    let first = nodes.address(0);
    let check = cli(&["--cluster", "check", &first]);
    assert_eq!(check.matches("[OK]").count(), 3, "{check}");
    let info = cli(&["--cluster", "info", &first]);
    assert!(info.contains("in 3 masters."), "{info}");
    assert_eq!(info.matches("1 slaves.").count(), 3, "{info}");
    // A slot that is left half moved is mended.
    let other = nodes.0[1].ask(&["CLUSTER", "MYID"]);
    assert_eq!(nodes.0[0].ask(&["CLUSTER", "SETSLOT", "0", "MIGRATING", &other]), "+OK");
    let check = cli(&["--cluster", "check", &first]);
    assert!(check.contains("in migrating state 0"), "{check}");
    cli(&["--cluster", "fix", &first]);
    let check = cli(&["--cluster", "check", &first]);
    assert_eq!(check.matches("[OK]").count(), 3, "{check}");
    assert_eq!(cli(&["--cluster", "call", &first, "ping"]).matches("PONG").count(), 6);
    assert_eq!(cli(&["-c", "-p", &nodes.0[1].port.to_string(), "GET", "key:7"]).trim(), "one");
    // Another primary and a replica of it come, and go.
    let name = nodes.0[0].ask(&["CLUSTER", "MYID"]);
    for options in [&[][..], &["--cluster-slave", "--cluster-master-id", &name]] {
        nodes.0.push(start(Kind::Keyslot));
        let added = nodes.address(nodes.0.len() - 1);
        let told = cli(&[&["--cluster", "add-node", &added, &first][..], options].concat());
        assert!(told.contains("[OK] New node added correctly."), "{told}");
        nodes.settle();
    }
    while nodes.0.len() > 6 {
        let mut gone = nodes.0.pop().unwrap();
        let name = gone.ask(&["CLUSTER", "MYID"]);
        let told = cli(&["--cluster", "del-node", &first, &name]);
        assert!(!told.contains("ERR"), "{told}");
        nodes.settle();
    }
    wait_until("six nodes", || Some(nodes.0[3].ask(&["CLUSTER", "INFO"])).filter(|it| !it.contains("known_nodes:6")));
    // A primary dies, and comes back as a replica of who took its place.
    let heir = nodes.replica_of(0);
    nodes.replace(0, heir);
    nodes.assert_all("one");
    nodes.0[0].restart();
    nodes.wait_for_role(0, "slave");
    nodes.settle();
    nodes.wait_for_link(0);
    // In peace, by force, and without asking.
    for words in [&["CLUSTER", "FAILOVER"][..], &["CLUSTER", "FAILOVER", "FORCE"], &["CLUSTER", "FAILOVER", "TAKEOVER"]]
    {
        let replica = (0..6).find(|node| nodes.role(*node) == "slave").unwrap();
        assert_eq!(nodes.0[replica].ask(words), "+OK");
        nodes.wait_for_role(replica, "master");
        nodes.settle();
    }
    nodes.write("two");
    let epochs: Vec<String> = nodes.0[0]
        .ask(&["CLUSTER", "NODES"])
        .lines()
        .filter(|line| line.contains("master"))
        .map(|line| line.split(' ').nth(6).unwrap().to_owned())
        .collect();
    assert_eq!(epochs.iter().collect::<BTreeSet<_>>().len(), 3, "{epochs:?}");
    nodes.keep();
    // All of them, at once: what they knew of each other is in their files.
    (0..6).for_each(|node| nodes.kill(node));
    (0..6).for_each(|node| nodes.0[node].restart());
    nodes.settle();
    nodes.assert_all("two");
    assert_eq!(nodes.follow(&["SET", "after", "all"]), "+OK");
}

#[test]
fn mixed_clusters_elect_across_both_kinds() {
    if !has("redis-cli") || !has(PROGRAM) {
        return;
    }
    use Kind::{Keyslot, Redis};
    let mut nodes = Nodes::start(&[Redis, Keyslot, Redis, Keyslot, Redis, Keyslot]);
    nodes.create();
    nodes.write("one");
    // redis-cli chooses who follows whom: each is to follow the other kind.
    for (replica, primary) in [(3, 0), (4, 1), (5, 2)] {
        let name = nodes.0[primary].ask(&["CLUSTER", "MYID"]);
        assert_eq!(nodes.0[replica].ask(&["CLUSTER", "REPLICATE", &name]), "+OK");
    }
    nodes.settle();
    for node in 3..6 {
        nodes.wait_for_link(node);
    }
    nodes.write("two");
    // A Keyslot replica of a redis-server is elected, and a redis-server that replicates a Keyslot node.
    nodes.replace(0, 3);
    nodes.assert_all("two");
    nodes.replace(1, 4);
    nodes.assert_all("two");
    // Both come back, and follow the other kind.
    for (replica, primary) in [(0, 3), (1, 4)] {
        nodes.0[replica].restart();
        nodes.wait_for_role(replica, "slave");
        nodes.wait_for_link(replica);
        let port = nodes.0[primary].port.to_string();
        assert_eq!(nodes.0[replica].field("replication", "master_port"), port);
    }
    nodes.settle();
    nodes.assert_all("two");
    nodes.write("three");
    nodes.assert_all("three");
}

#[test]
fn nodes_that_come_back_at_other_addresses_are_found() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::start(&[Kind::Keyslot; 6]);
    nodes.create();
    nodes.write("one");
    nodes.keep();
    // Only one is where the others left it.
    (1..6).for_each(|node| nodes.kill(node));
    for node in 1..6 {
        nodes.0[node].restart_with(&["--bind", "127.0.0.2", "--cluster-announce-ip", "127.0.0.2"]);
    }
    for node in 0..6 {
        wait_until("finding all", || {
            let view = nodes.0[node].ask(&["CLUSTER", "NODES"]);
            (view.matches(" 127.0.0.2:").count() != 5).then_some(view)
        });
    }
    nodes.settle();
    for node in 0..6 {
        if nodes.role(node) == "slave" {
            nodes.wait_for_link(node);
        }
    }
    nodes.assert_all("one");
    nodes.write("two");
}

#[test]
fn publications_cross_the_cluster() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::start(&[Kind::Keyslot; 6]);
    nodes.create();
    let mut listener = Client::reach(nodes.0[0].port).unwrap();
    assert!(listener.ask(&["SUBSCRIBE", "news"]).contains("subscribe"));
    assert_eq!(nodes.0[4].ask(&["PUBLISH", "news", "hello"]), ":0");
    assert!(listener.reply().contains("hello"));
    // Within the nodes of one slot, if it is of a slot.
    let published = &["SPUBLISH", "shard-news", "nobody"];
    let primary = (0..3).find(|node| nodes.0[*node].ask(published) == ":0").unwrap();
    let (replica, stranger) = (nodes.replica_of(primary), (primary + 1) % 3);
    assert!(nodes.0[stranger].ask(&["SSUBSCRIBE", "shard-news"]).starts_with("-MOVED "));
    let shard = [primary, replica];
    let mut listeners = shard.map(|node| Client::reach(nodes.0[node].port).unwrap());
    for listener in &mut listeners {
        assert!(listener.ask(&["SSUBSCRIBE", "shard-news"]).contains("ssubscribe"));
    }
    for publisher in shard {
        assert_eq!(nodes.0[publisher].ask(&["SPUBLISH", "shard-news", "hello"]), ":1");
        for listener in &mut listeners {
            assert_eq!(listener.reply(), "smessage shard-news hello");
        }
    }
}
