//! Three `redis-sentinel` watch three nodes, and the primary is killed.

#[path = "../../../failover_counter.rs"]
#[allow(dead_code)]
mod failover_counter;

use crate::node::{Client, free_port};
use crate::redis::{PROGRAM, has};
use crate::replication::{Peer, wait_until};
use failover_counter::Counter;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A sentinel, killed when dropped.
struct Sentinel {
    child: Child,
    port: u16,
}

impl Sentinel {
    fn start(folder: &Path, primary: u16) -> Self {
        let port = free_port();
        let file = folder.join(format!("sentinel-{port}.conf"));
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor counted 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds counted 30000\nsentinel failover-timeout counted 6000\n",
            folder.display()
        );
        std::fs::write(&file, text).unwrap();
        let child = Command::new(PROGRAM)
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// What it knows of the primary.
    fn field(&self, name: &str) -> Option<String> {
        let told = Client::reach(self.port)?.ask(&["SENTINEL", "MASTER", "counted"]);
        let mut words = told.split(' ').skip_while(|word| *word != name);
        words.nth(1).map(str::to_owned)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_failover_by_sentinel_loses_nothing_that_a_replica_has() {
    if !has(PROGRAM) {
        return;
    }
    let acks = &["--write-ack", "replicas", "1"][..];
    let mut primary = Peer::node(acks);
    let mut replicas = [Peer::node(acks), Peer::node(acks)];
    for replica in &mut replicas {
        replica.follow(&primary);
    }
    wait_until("two replicas", || {
        let text = primary.ask(&["INFO", "replication"]);
        (text.matches("state=online").count() != 2).then_some(text)
    });
    let folder = tempfile::tempdir().unwrap();
    let sentinels: Vec<Sentinel> = (0..3).map(|_| Sentinel::start(folder.path(), primary.port)).collect();
    for sentinel in &sentinels {
        wait_until("knowing each other", || {
            let known = ["num-slaves", "num-other-sentinels"].map(|name| sentinel.field(name));
            (known != [Some("2".to_owned()), Some("2".to_owned())]).then(|| format!("{known:?}"))
        });
    }
    let addresses: Vec<String> = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
    let mut counter = Counter::new("counted", &addresses, "counter");
    while counter.acked < 200 {
        counter.count().unwrap();
    }
    // Soon from now on, and not before, when a busy machine alone may have them take it for dead.
    for sentinel in &sentinels {
        let words = ["SENTINEL", "SET", "counted", "down-after-milliseconds", "1000"];
        assert_eq!(Client::reach(sentinel.port).unwrap().ask(&words), "+OK");
    }
    let node = primary.node.as_mut().expect("a node");
    node.signal("KILL");
    node.wait();
    wait_until("counting on", || {
        let outcome = counter.count().map_err(|error| error.to_string());
        (counter.acked < 400).then(|| format!("{outcome:?}, {}", counter.line()))
    });
    println!("{}", counter.line());
    assert_eq!(counter.lost, 0, "{}", counter.line());
    assert!(counter.unavailable.as_millis() > 0);
    // Whoever is promoted has clients come anew. Of the increments without a reply any may be there.
    let clients = replicas.iter().map(|peer| Client::reach(peer.port).unwrap());
    let leader =
        clients.into_iter().find_map(|mut client| client.ask(&["ROLE"]).starts_with("master").then_some(client));
    let value: u64 = leader.expect("one was promoted").ask(&["GET", "counter"]).parse().unwrap();
    assert!((counter.acked..=counter.acked + counter.unknown).contains(&value), "{value}, {}", counter.line());
}
