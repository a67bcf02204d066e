//! Nodes that follow each other, and `redis-server`, both ways: full and partial resyncs, promotion, restarts.

use crate::node::{Client, Node, free_port, request};
use crate::redis::{PROGRAM, Redis, has};
use std::path::Path;
use std::time::{Duration, Instant};

/// A node or a `redis-server` that listens on a port.
pub(crate) struct Peer {
    pub(crate) port: u16,
    pub(crate) client: Client,
    folder: tempfile::TempDir,
    options: Vec<String>,
    pub(crate) node: Option<Node>,
    redis: Option<Redis>,
    is_redis: bool,
}

impl Peer {
    pub(crate) fn node(options: &[&str]) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let text = port.to_string();
        let all = [&["--port", &text, "--bind", "127.0.0.1", "--save", ""], OPTIONS, options].concat();
        let node = Node::start(folder.path(), &all);
        let options = all.iter().map(|word| (*word).to_owned()).collect();
        Self { port, client: node.client(), folder, options, node: Some(node), redis: None, is_redis: false }
    }

    /// Stops a node: SHUTDOWN, or a signal. Asked again where it writes the first base of its log and does not end meanwhile.
    pub(crate) fn stop(&mut self, how: &str) {
        let mut node = self.node.take().unwrap();
        let refusals = |node: &Node| node.log().matches("can't exit: Writing initial AOF").count();
        let mut has_ended = false;
        while !has_ended {
            let refused = refusals(&node);
            match how {
                "SHUTDOWN" => self.client.write(&request(&["SHUTDOWN"])),
                signal => node.signal(signal),
            }
            wait_until("the end", || {
                has_ended = node.has_ended();
                (!has_ended && refusals(&node) == refused).then(|| node.log())
            });
        }
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        match self.node.take() {
            Some(mut node) => {
                node.signal("KILL");
                node.wait();
            }
            None => self.redis = None,
        }
    }

    /// Its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn is_on(&self) -> bool {
        self.node.is_some() || self.redis.is_some()
    }

    /// Starts it again after it ended.
    pub(crate) fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same, with more options, which stay.
    pub(crate) fn restart_with(&mut self, more: &[&str]) {
        self.options.extend(more.iter().map(|word| (*word).to_owned()));
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        if self.is_redis {
            let redis = Redis::start(self.folder.path(), &options);
            self.client = Client::on(&redis.socket());
            self.redis = Some(redis);
        } else {
            let node = Node::start(self.folder.path(), &options);
            self.client = node.client();
            self.node = Some(node);
        }
    }

    pub(crate) fn redis(options: &[&str]) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let text = port.to_string();
        let all = [&["--port", &text], OPTIONS, options].concat();
        let redis = Redis::start(folder.path(), &all);
        let options = all.iter().map(|word| (*word).to_owned()).collect();
        Self {
            port,
            client: Client::on(&redis.socket()),
            folder,
            options,
            node: None,
            redis: Some(redis),
            is_redis: true,
        }
    }

    pub(crate) fn ask(&mut self, words: &[&str]) -> String {
        self.client.ask(words)
    }

    pub(crate) fn follow(&mut self, primary: &Self) {
        let reply = self.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
        assert!(reply.starts_with("+OK"), "{reply}");
    }

    pub(crate) fn field(&mut self, section: &str, name: &str) -> String {
        let info = self.ask(&["INFO", section]);
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{name} is not in {info}")).to_owned()
    }

    pub(crate) fn log(&self) -> String {
        self.node.as_ref().map(Node::log).unwrap_or_default()
    }
}

/// So much of the stream is kept in memory that no cut costs a snapshot.
pub(crate) const OPTIONS_BACKLOG: &[&str] = &["--repl-backlog-size", "64mb"];

const OPTIONS: &[&str] = &["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"];

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> Option<String>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Some(state) = is_so() {
        assert!(Instant::now() < deadline, "{what} does not happen: {state}");
        std::thread::yield_now();
    }
}

/// Waits until a replica is where its primary is, and demands the same data.
pub(crate) fn assert_follows(primary: &mut Peer, replica: &mut Peer) {
    wait_until("following", || {
        let up = replica.field("replication", "master_link_status");
        let offsets = [&mut *primary, &mut *replica].map(|peer| peer.field("replication", "master_repl_offset"));
        (up != "up" || offsets[0] != offsets[1]).then(|| format!("{up} {offsets:?} {}", replica.log()))
    });
    // A key may become due between the two, or its deletion be under way.
    wait_until("being equal", || {
        let digests = [&mut *primary, &mut *replica].map(|peer| peer.ask(&["DEBUG", "DIGEST"]));
        (digests[0] != digests[1]).then(|| format!("{digests:?}"))
    });
    assert_eq!(primary.field("replication", "master_replid"), replica.field("replication", "master_replid"));
}

/// Changes of all kinds, some of which a primary has to make deterministic.
pub(crate) fn write(peer: &mut Peer, round: usize) {
    write_over(&mut peer.client, round);
}

/// The same, over a connection.
pub(crate) fn write_over(client: &mut Client, round: usize) {
    let n = round.to_string();
    for words in [
        &["INCR", "counter"][..],
        &["RPUSH", "list", &n, "x"],
        &["LPOP", "list"],
        &["SADD", "set", &n, "a", "b", "c"],
        &["SPOP", "set"],
        &["ZINCRBY", "zset", "0.1", "m"],
        &["HINCRBYFLOAT", "hash", "f", "0.1"],
        &["XADD", "stream", "MAXLEN", "~", "50", "*", "k", &n],
        &["SET", "due", &n, "PX", "20"],
        &["GETEX", "counter", "PX", "900000"],
        &["MULTI"],
        &["SET", "m1", &n],
        &["SELECT", "3"],
        &["SET", "m3", &n],
        &["SELECT", "0"],
        &["EXEC"],
    ] {
        let reply = client.ask(words);
        assert!(!reply.starts_with('-'), "{words:?}: {reply}");
    }
}

/// Full resync, stream, a cut, promotion.
fn replicate(primary: &mut Peer, replica: &mut Peer, third: &mut Peer) {
    (0..20).for_each(|round| write(primary, round));
    replica.follow(primary);
    third.follow(primary);
    (20..40).for_each(|round| write(primary, round));
    assert_follows(primary, replica);
    assert_follows(primary, third);
    assert_eq!(primary.ask(&["WAIT", "2", "10000"]), ":2");
    assert!(replica.ask(&["SET", "k", "v"]).starts_with("-READONLY You can't write against a read only replica."));
    assert!(replica.ask(&["GET", "counter"]).parse::<i32>().is_ok_and(|count| count == 40));
    assert_eq!(replica.field("replication", "role"), "slave");
    let full = primary.field("stats", "sync_full");
    assert_ne!(primary.ask(&["CLIENT", "KILL", "TYPE", "replica"]), ":0");
    (40..50).for_each(|round| write(primary, round));
    assert_follows(primary, replica);
    assert_follows(primary, third);
    assert_eq!(primary.field("stats", "sync_full"), full, "what was cut goes on");
    // The third goes on under the promoted one without a snapshot.
    assert_eq!(replica.ask(&["REPLICAOF", "NO", "ONE"]), "+OK");
    assert_eq!(replica.field("replication", "role"), "master");
    write(replica, 50);
    let full = replica.field("stats", "sync_full");
    third.follow(replica);
    assert_follows(replica, third);
    assert_eq!(replica.field("stats", "sync_full"), full);
    // The old one comes back as a replica.
    primary.follow(replica);
    assert_follows(replica, primary);
}

#[test]
fn nodes_follow_each_other() {
    replicate(&mut Peer::node(&[]), &mut Peer::node(&[]), &mut Peer::node(&[]));
}

#[test]
fn nodes_with_logs_follow_each_other_and_restart() {
    let log = &["--appendonly", "yes"];
    let (mut primary, mut replica, mut third) = (Peer::node(log), Peer::node(log), Peer::node(log));
    replicate(&mut primary, &mut replica, &mut third);
    // What replicas are told stands in the log, too, and is passed over when it is read.
    for mut peer in [primary, replica, third] {
        let expected = peer.ask(&["DEBUG", "DIGEST"]);
        wait_until("the log has its base", || {
            let info = peer.ask(&["INFO", "persistence"]);
            (!info.contains("aof_rewrite_in_progress:0") || !info.contains("aof_enabled:1")).then_some(info)
        });
        assert_eq!(peer.ask(&["DEBUG", "LOADAOF"]), "+OK");
        assert_eq!(peer.ask(&["DEBUG", "DIGEST"]), expected);
    }
}

#[test]
fn a_chain_carries_what_its_head_does() {
    let (mut head, mut middle, mut end) = (Peer::node(&[]), Peer::node(&[]), Peer::node(&[]));
    middle.follow(&head);
    (0..10).for_each(|round| write(&mut head, round));
    assert_follows(&mut head, &mut middle);
    end.follow(&middle);
    (10..20).for_each(|round| write(&mut head, round));
    assert_follows(&mut head, &mut end);
    // Another head: everybody behind the middle begins anew.
    let mut other = Peer::node(&[]);
    write(&mut other, 77);
    middle.follow(&other);
    assert_follows(&mut other, &mut middle);
    assert_follows(&mut other, &mut end);
}

#[test]
fn a_password_and_a_name_are_given() {
    let mut primary = Peer::node(&["--requirepass", "secret"]);
    assert_eq!(primary.ask(&["AUTH", "secret"]), "+OK");
    write(&mut primary, 1);
    let port = primary.port.to_string();
    let options = [
        "--masterauth",
        "secret",
        "--replica-announce-ip",
        "replica.example",
        "--replica-announce-port",
        "7777",
        "--replicaof",
        "127.0.0.1",
        &port,
    ];
    let mut replica = Peer::node(&options);
    assert_follows(&mut primary, &mut replica);
    // The replica is there before the primary has heard so.
    wait_until("being told of", || {
        let told = primary.field("replication", "slave0");
        (!told.starts_with("ip=replica.example,port=7777,state=online,offset=")).then_some(told)
    });
    let role = primary.ask(&["ROLE"]);
    assert!(role.contains("replica.example"), "{role}");
}

#[test]
fn whom_a_node_follows_is_kept_in_its_file() {
    let mut primary = Peer::node(&[]);
    write(&mut primary, 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.conf");
    std::fs::write(&file, "save \"\"\n").unwrap();
    let port = primary.port.to_string();
    let mut node = Node::start_with_file(folder.path(), &file, &[]);
    let mut client = node.client();
    assert_eq!(client.ask(&["REPLICAOF", "127.0.0.1", &port]), "+OK");
    assert!(client.ask(&["CONFIG", "GET", "replicaof"]).contains(&format!("127.0.0.1 {port}")));
    assert_eq!(client.ask(&["CONFIG", "REWRITE"]), "+OK");
    assert!(std::fs::read_to_string(&file).unwrap().contains(&format!("replicaof 127.0.0.1 {port}\n")));
    node.signal("KILL");
    node.wait();
    let node = Node::start_with_file(folder.path(), &file, &[]);
    let mut client = node.client();
    // Its own data may be there before the link is: until it is up, the primary's data may still be loading.
    wait_until("following again", || {
        Some(client.ask(&["INFO", "replication"])).filter(|info| !info.contains("master_link_status:up"))
    });
    assert_eq!(client.ask(&["GET", "m1"]), "1");
    assert!(client.ask(&["ROLE"]).contains("slave"));
    assert_eq!(client.ask(&["REPLICAOF", "NO", "ONE"]), "+OK");
    assert_eq!(client.ask(&["CONFIG", "REWRITE"]), "+OK");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("replicaof"));
}

#[test]
fn waiting_for_replicas_ends() {
    let mut primary = Peer::node(&[]);
    assert_eq!(primary.ask(&["WAIT", "0", "0"]), ":0");
    assert_eq!(primary.ask(&["WAIT", "1", "50"]), ":0");
    assert_eq!(primary.ask(&["WAIT", "x", "50"]), "-ERR value is not an integer or out of range");
    assert_eq!(primary.ask(&["WAIT", "1", "-1"]), "-ERR timeout is negative");
    let mut replica = Peer::node(&[]);
    replica.follow(&primary);
    assert!(replica.ask(&["WAIT", "1", "1"]).starts_with("-ERR WAIT cannot be used with replica instances."));
    assert_follows(&mut primary, &mut replica);
    primary.ask(&["SET", "k", "v"]);
    assert_eq!(primary.ask(&["WAIT", "1", "0"]), ":1");
    assert_eq!(primary.ask(&["WAIT", "2", "50"]), ":1");
}

#[test]
fn waiting_for_logs_ends() {
    let mut primary = Peer::node(&[]);
    assert_eq!(primary.ask(&["WAITAOF", "0", "0", "0"]), ":0 :0");
    assert_eq!(primary.ask(&["WAITAOF", "0", "1", "10"]), ":0 :0");
    for (args, error) in [
        (["1", "0", "0"], "WAITAOF cannot be used when numlocal is set but appendonly is disabled."),
        (["2", "0", "0"], "value is out of range, value must between 0 and 1"),
        (["x", "0", "0"], "value is not an integer or out of range"),
        (["0", "-1", "0"], "value is out of range, must be positive"),
        (["0", "x", "0"], "value is out of range, must be positive"),
        (["0", "0", "x"], "timeout is not an integer or out of range"),
        (["0", "0", "-1"], "timeout is negative"),
        (["0", "+1", "0"], "value is out of range, must be positive"),
        (["0", "0", "9223372036854775807"], "timeout is out of range"),
    ] {
        assert_eq!(primary.ask(&["WAITAOF", args[0], args[1], args[2]]), format!("-ERR {error}"));
    }
    let mut primary = Peer::node(&["--appendonly", "yes"]);
    // No fsync is due for a second, and none is waited for.
    primary.ask(&["SET", "k", "v"]);
    assert_eq!(primary.ask(&["WAITAOF", "1", "0", "0"]), ":1 :0");
    assert_eq!(primary.ask(&["WAITAOF", "1", "1", "50"]), ":1 :0");
    // Who waits for a log that ends is told.
    let mut waiting = primary.node.as_ref().unwrap().client();
    waiting.write(&request(&["WAITAOF", "1", "1", "0"]));
    wait_until("waiting", || Some(primary.ask(&["CLIENT", "LIST"])).filter(|list| !list.contains("cmd=waitaof")));
    assert_eq!(primary.ask(&["CONFIG", "SET", "appendonly", "no"]), "+OK");
    assert_eq!(waiting.reply(), "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
    assert_eq!(primary.ask(&["CONFIG", "SET", "appendonly", "yes"]), "+OK");
    // Confirmed once a start would find it: behind the first base.
    primary.ask(&["SET", "k", "w"]);
    assert_eq!(primary.ask(&["WAITAOF", "1", "0", "0"]), ":1 :0");
    let mut replica = Peer::node(&[]);
    replica.follow(&primary);
    assert_follows(&mut primary, &mut replica);
    let refused = replica.ask(&["WAITAOF", "0", "0", "0"]);
    assert!(refused.starts_with("-ERR WAITAOF cannot be used with replica instances."), "{refused}");
    assert_follows(&mut primary, &mut replica);
    // A replica without a log applies and fsyncs nothing.
    primary.ask(&["SET", "k", "w"]);
    assert_eq!(primary.ask(&["WAIT", "1", "0"]), ":1");
    assert_eq!(primary.ask(&["WAITAOF", "0", "1", "50"]).split(' ').nth(1), Some(":0"));
    let mut logging = Peer::node(&["--appendonly", "yes"]);
    logging.follow(&primary);
    assert_follows(&mut primary, &mut logging);
    primary.ask(&["SET", "k", "x"]);
    assert_eq!(primary.ask(&["WAITAOF", "1", "1", "0"]), ":1 :1");
}

#[test]
fn a_replica_that_missed_more_than_memory_holds_goes_on_from_the_log() {
    let mut primary = Peer::node(&["--appendonly", "yes"]);
    let mut replica = Peer::node(&[]);
    replica.follow(&primary);
    assert_follows(&mut primary, &mut replica);
    let counts = |peer: &mut Peer| ["sync_full", "sync_partial_ok"].map(|name| peer.field("stats", name));
    let [full, partial] = counts(&mut primary);
    assert_eq!(partial, "0");
    primary.ask(&["CLIENT", "KILL", "TYPE", "replica"]);
    // More than memory holds, before the replica tries again.
    let value = "x".repeat(1 << 20);
    (0..24).for_each(|n| drop(primary.ask(&["SET", &format!("large:{}", n % 3), &value])));
    assert_follows(&mut primary, &mut replica);
    assert_eq!(counts(&mut primary), [full, "1".to_owned()]);
}

#[test]
fn writes_can_be_made_to_need_replicas_and_reads_a_link() {
    let mut primary = Peer::node(&["--min-replicas-to-write", "1"]);
    let refused = |reply: &str| reply == "-NOREPLICAS Not enough good replicas to write.";
    wait_until("refusing", || Some(primary.ask(&["SET", "k", "v"])).filter(|reply| !refused(reply)));
    let mut replica = Peer::node(&["--replica-serve-stale-data", "no"]);
    replica.follow(&primary);
    wait_until("taking writes", || Some(primary.ask(&["SET", "k", "v"])).filter(|reply| refused(reply)));
    assert_follows(&mut primary, &mut replica);
    assert_eq!(replica.ask(&["GET", "k"]), "v");
    assert_eq!(primary.ask(&["CONFIG", "SET", "min-replicas-to-write", "2"]), "+OK");
    assert!(refused(&primary.ask(&["SET", "k", "w"])));
    drop(primary);
    let down = "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    wait_until("hiding", || Some(replica.ask(&["GET", "k"])).filter(|reply| reply != down));
    assert_eq!(replica.ask(&["CONFIG", "SET", "replica-serve-stale-data", "yes"]), "+OK");
    assert_eq!(replica.ask(&["GET", "k"]), "v");
}

#[test]
fn redis_server_follows_a_node() {
    if has(PROGRAM) {
        replicate(&mut Peer::node(&[]), &mut Peer::redis(&[]), &mut Peer::redis(&["--repl-diskless-load", "swapdb"]));
        let length_first = &["--repl-diskless-sync", "no"];
        replicate(&mut Peer::node(length_first), &mut Peer::redis(&[]), &mut Peer::node(&[]));
    }
}

#[test]
fn a_node_follows_redis_server() {
    if has(PROGRAM) {
        replicate(&mut Peer::redis(&[]), &mut Peer::node(&[]), &mut Peer::node(&["--appendonly", "yes"]));
        let length_first = &["--repl-diskless-sync", "no"];
        replicate(&mut Peer::redis(length_first), &mut Peer::node(&[]), &mut Peer::redis(&[]));
    }
}

#[test]
fn who_blocks_for_a_key_is_let_go_when_the_node_follows_another() {
    let (mut primary, mut node) = (Peer::node(&[]), Peer::node(&[]));
    let mut blocked = node.node.as_ref().map(Node::client).expect("a node");
    blocked.write(&request(&["BLPOP", "queue", "0"]));
    wait_until("blocking", || {
        let clients = node.ask(&["INFO", "clients"]);
        (!clients.contains("blocked_clients:1")).then_some(clients)
    });
    node.follow(&primary);
    assert!(blocked.reply().starts_with("-UNBLOCKED "));
    assert_follows(&mut primary, &mut node);
    assert_eq!(primary.ask(&["RPUSH", "queue", "a", "b"]), ":2");
    assert_follows(&mut primary, &mut node);
    assert_eq!(node.ask(&["LLEN", "queue"]), ":2");
}

#[test]
fn the_link_to_the_primary_is_a_client_that_can_be_killed() {
    let (mut primary, mut node) = (Peer::node(&[]), Peer::node(&[]));
    node.follow(&primary);
    assert_follows(&mut primary, &mut node);
    let listed = node.ask(&["CLIENT", "LIST", "TYPE", "master"]);
    assert!(listed.contains(&format!("addr=127.0.0.1:{} ", primary.port)) && listed.contains(" flags=M "), "{listed}");
    let partial = primary.field("stats", "sync_partial_ok");
    assert_eq!(node.ask(&["CLIENT", "KILL", "TYPE", "master"]), ":1");
    wait_until("coming again", || {
        let now = primary.field("stats", "sync_partial_ok");
        (now == partial).then_some(now)
    });
    assert_follows(&mut primary, &mut node);
}

#[test]
fn flushing_nothing_reaches_replicas() {
    let (mut primary, mut node) = (Peer::node(&[]), Peer::node(&["--replica-read-only", "no"]));
    node.follow(&primary);
    assert_follows(&mut primary, &mut node);
    for flush in ["FLUSHDB", "FLUSHALL"] {
        assert_eq!(node.ask(&["SET", "own", "1"]), "+OK");
        assert_eq!(primary.ask(&[flush]), "+OK");
        assert_follows(&mut primary, &mut node);
    }
}

#[test]
fn redis_server_gets_fields_that_expire_as_far_as_it_knows_them() {
    if !has(PROGRAM) {
        return;
    }
    let (mut primary, mut redis, mut node) = (Peer::node(&[]), Peer::redis(&[]), Peer::node(&[]));
    let fields = |peer: &mut Peer, key: &str| {
        let all = peer.ask(&["HGETALL", key]);
        let mut fields: Vec<String> = all.split(' ').map(str::to_owned).collect();
        fields.sort();
        fields.join(" ")
    };
    assert_eq!(primary.ask(&["HSET", "before", "stays", "1", "goes", "2"]), ":2");
    assert_eq!(primary.ask(&["HPEXPIRE", "before", "3000", "FIELDS", "1", "goes"]), ":1");
    redis.follow(&primary);
    node.follow(&primary);
    assert_eq!(primary.ask(&["HSET", "behind", "stays", "1", "goes", "2"]), ":2");
    assert_eq!(primary.ask(&["HPEXPIRE", "behind", "500", "FIELDS", "1", "goes"]), ":1");
    assert_eq!(primary.ask(&["HPERSIST", "behind", "FIELDS", "1", "stays"]), ":-1");
    let payload = primary.ask(&["HSETEX", "behind", "PX", "900000", "FIELDS", "1", "long", "3"]);
    assert_eq!(payload, ":1");
    wait_until("following", || {
        let offsets = [&mut primary, &mut redis, &mut node].map(|peer| peer.field("replication", "master_repl_offset"));
        (offsets[0] != offsets[1] || offsets[0] != offsets[2]).then(|| format!("{offsets:?}"))
    });
    for key in ["before", "behind"] {
        wait_until("the field to go", || {
            let all = [&mut primary, &mut redis, &mut node].map(|peer| fields(peer, key));
            (all[0].contains("goes") || all[0] != all[1] || all[0] != all[2]).then(|| format!("{all:?}"))
        });
    }
    assert_eq!(primary.field("stats", "sync_full"), "2");
    assert_follows(&mut primary, &mut node);
    assert_eq!(redis.field("stats", "unexpected_error_replies"), "0");
}
