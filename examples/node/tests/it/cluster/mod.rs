//! Six nodes as a cluster: made by redis-cli or by commands, killed, started again, moved about, and mixed with redis-server.

mod at_once;
mod life;
mod mixed;
mod moving;
mod publications;
mod rebalancing;
mod small;
mod upkeep;

use crate::replication::{Peer, wait_until};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// Nodes of one cluster.
pub(crate) struct Nodes(pub(crate) Vec<Peer>);

/// Of what kind a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Keyslot,
    Redis,
}

impl Nodes {
    /// So many, which know nobody.
    pub(crate) fn start(kinds: &[Kind]) -> Self {
        Self(kinds.iter().map(|kind| start(*kind)).collect())
    }

    /// From now on a node that is not heard of for so long is taken for dead.
    pub(crate) fn set_timeout(&mut self, milliseconds: u32) {
        for node in self.on() {
            let value = milliseconds.to_string();
            assert_eq!(self.0[node].ask(&["CONFIG", "SET", "cluster-node-timeout", &value]), "+OK");
        }
    }

    pub(crate) fn address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", self.0[node].port)
    }

    /// Three primaries and three replicas, in order, by redis-cli.
    pub(crate) fn create(&mut self) {
        let addresses: Vec<String> = (0..6).map(|node| self.address(node)).collect();
        let mut words = vec!["--cluster", "create"];
        words.extend(addresses.iter().map(String::as_str));
        let told = cli(&[&words[..], &["--cluster-replicas", "1", "--cluster-yes"]].concat());
        assert!(told.contains("[OK] All 16384 slots covered."), "{told}");
        self.settle();
    }

    /// The same by commands alone, each replica being its primary's third neighbour. Nobody is taken for dead before 15 seconds
    /// have passed, so that a busy machine changes no roles.
    pub(crate) fn form() -> Self {
        let mut nodes = Self::start(&[Kind::Keyslot; 6]);
        // While they get to know each other, nodes hear of each other twice in this time.
        nodes.set_timeout(4000);
        let names: Vec<String> = nodes.0.iter_mut().map(|node| node.ask(&["CLUSTER", "MYID"])).collect();
        for node in 0..6 {
            let epoch = (node + 1).to_string();
            assert_eq!(nodes.0[node].ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]), "+OK");
            if let Some([first, last]) = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]].get(node) {
                assert_eq!(nodes.0[node].ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]), "+OK");
            }
            let (port, bus) = (nodes.0[node].port.to_string(), nodes.bus_port(node));
            for other in &mut nodes.0[..node] {
                assert_eq!(other.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]), "+OK");
            }
        }
        for node in 3..6 {
            wait_until("following", || {
                Some(nodes.0[node].ask(&["CLUSTER", "REPLICATE", &names[node - 3]])).filter(|reply| reply != "+OK")
            });
        }
        nodes.settle();
        (3..6).for_each(|node| nodes.wait_for_link(node));
        nodes.set_timeout(15_000);
        nodes
    }

    fn bus_port(&mut self, node: usize) -> String {
        let view = self.0[node].ask(&["CLUSTER", "NODES"]);
        let line = view.lines().find(|line| line.contains("myself")).unwrap();
        line.split_once('@').unwrap().1.split([' ', ',']).next().unwrap().to_owned()
    }

    /// Who serves a key's slot, as node 0 or whoever is on knows.
    pub(crate) fn primary_of(&mut self, key: &str) -> usize {
        let at = self.on()[0];
        let reply = self.0[at].ask(&["EXISTS", key]);
        match reply.strip_prefix("-MOVED ") {
            Some(place) => self.at_port(place.rsplit(':').next().unwrap()),
            None => {
                assert!(reply.starts_with(':'), "{reply}");
                at
            }
        }
    }

    fn at_port(&self, port: &str) -> usize {
        (0..self.0.len()).find(|node| self.0[*node].port.to_string() == port).unwrap()
    }

    /// What a node knows: name, role, whom it follows, its epoch, slots.
    pub(crate) fn view(&mut self, node: usize) -> BTreeSet<String> {
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

    pub(crate) fn on(&self) -> Vec<usize> {
        (0..self.0.len()).filter(|node| self.0[*node].is_on()).collect()
    }

    /// Waits until all who are on see the same and serve.
    pub(crate) fn settle(&mut self) {
        let on = self.on();
        wait_until("one view", || {
            let views: Vec<BTreeSet<String>> = on.iter().map(|node| self.view(*node)).collect();
            let states: Vec<String> = on.iter().map(|node| self.0[*node].ask(&["CLUSTER", "INFO"])).collect();
            let is_up = states.iter().all(|state| state.contains("cluster_state:ok"));
            (!is_up || views.iter().any(|view| *view != views[0])).then(|| format!("{views:#?}"))
        });
    }

    pub(crate) fn role(&mut self, node: usize) -> String {
        self.0[node].field("replication", "role")
    }

    pub(crate) fn wait_for_role(&mut self, node: usize, role: &str) {
        wait_until(role, || Some(self.role(node)).filter(|is| is != role));
    }

    /// Waits until a replica follows its primary.
    pub(crate) fn wait_for_link(&mut self, node: usize) {
        wait_until("the link", || {
            Some(self.0[node].field("replication", "master_link_status")).filter(|status| status != "up")
        });
    }

    /// Who replicates a primary.
    pub(crate) fn replica_of(&mut self, primary: usize) -> usize {
        let port = self.0[primary].port.to_string();
        let is_replica = |nodes: &mut Self, node: usize| {
            nodes.role(node) == "slave" && nodes.0[node].field("replication", "master_port") == port
        };
        (0..self.0.len()).find(|node| is_replica(self, *node)).unwrap()
    }

    /// Does a command at whoever serves its key.
    pub(crate) fn follow(&mut self, words: &[&str]) -> String {
        let mut at = self.on()[0];
        for _ in 0..5 {
            let reply = self.0[at].ask(words);
            let Some(place) = reply.strip_prefix("-MOVED ") else { return reply };
            at = self.at_port(place.rsplit(':').next().unwrap());
        }
        panic!("{words:?} is sent around");
    }

    /// Writes keys of all slots, and waits until replicas have them.
    pub(crate) fn write(&mut self, value: &str) {
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
    pub(crate) fn keep(&mut self) {
        for node in self.on() {
            if self.role(node) == "master" {
                assert_eq!(self.0[node].ask(&["WAITAOF", "1", "1", "10000"]), ":1 :1");
            }
        }
    }

    pub(crate) fn assert_all(&mut self, value: &str) {
        for number in 0..30 {
            let key = format!("key:{number}");
            assert_eq!(self.follow(&["GET", &key]), value, "{key}");
        }
    }

    pub(crate) fn kill(&mut self, node: usize) {
        self.0[node].kill();
    }

    /// Kills a primary, and waits until its replica leads.
    pub(crate) fn replace(&mut self, primary: usize, replica: usize) {
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

/// What redis-cli says.
fn cli(words: &[&str]) -> String {
    run("redis-cli", words, "")
}

/// What a program says that reads `input`.
fn run(program: &str, words: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    let piped = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let done = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}
