//! Killed at any moment, a node comes back with every write it acknowledged.
//!
//! Clients write numbers that only grow and remember which were acknowledged. After each restart every key must hold a
//! number between the last one acknowledged and the last one sent. `KEYSLOT_KILL_ROUNDS` sets how often. In a third of the
//! rounds the log is compacted and snapshots are written all the time, so that many a kill hits one that is half written.

use crate::node::{Client, Node, output};
use crate::redis::{PROGRAM, Redis, has};
use crate::wire::Wire;
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[test]
fn nothing_acknowledged_is_lost_whatever_ends_the_node() {
    end_again_and_again(&["--appendonly", "yes", "--appendfsync", "always"]);
}

#[test]
fn what_was_written_before_its_reply_outlives_the_process_without_an_fsync() {
    end_again_and_again(&["--appendonly", "yes", "--appendfsync", "no", "--write-ack", "logged"]);
}

fn end_again_and_again(options: &[&str]) {
    let rounds = std::env::var("KEYSLOT_KILL_ROUNDS").map_or(ROUND_COUNT, |text| text.parse().unwrap());
    let has_redis = has(PROGRAM);
    let folder = tempfile::tempdir().unwrap();
    let mut ledgers: Vec<Ledger> = (0..CLIENT_COUNT).map(Ledger::new).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut sums = Sums::default();
    for round in 0..rounds {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let ending = ENDINGS[round % ENDINGS.len()];
        let saves = round % 3 == 1;
        let options = &[options, if saves { SAVING } else { &[] }].concat()[..];
        let mut node = Node::start(folder.path(), options);
        if round == 0 {
            fill(&node);
        }
        check(&mut node.client(), &mut ledgers);
        let signal = if ending == Ending::Term { "TERM" } else { "KILL" };
        sums.acknowledged += write_until(&node, signal, (random >> 33) % WRITE_COUNT_MAX, saves, &mut ledgers);
        assert_eq!(node.wait(), if ending == Ending::Term { Some(0) } else { None }, "round {round}: {}", node.log());
        sums.saving += u64::from(saves);
        sums.half_saved += u64::from(take_unfinished(folder.path()) > 0);
        match ending {
            Ending::Kill => sums.kills += 1,
            Ending::Term => sums.terms += 1,
            Ending::Torn => {
                tear(folder.path(), random);
                sums.torn += 1;
            }
            Ending::Redis if has_redis => {
                tear(folder.path(), random);
                sums.boots += 1;
                boot_redis(folder.path(), options, &mut ledgers);
            }
            Ending::Redis => sums.kills += 1,
        }
        let mut node = Node::start(folder.path(), options);
        let log = node.log();
        match ending {
            Ending::Term => assert!(log.contains(", stopped cleanly"), "round {round}: {log}"),
            Ending::Kill => assert!(log.contains(", not stopped cleanly"), "round {round}: {log}"),
            Ending::Torn => assert!(log.contains(" torn bytes cut at "), "round {round}: {log}"),
            Ending::Redis => {}
        }
        assert!(!log.contains("acknowledged data is lost"), "round {round}: {log}");
        check(&mut node.client(), &mut ledgers);
        node.signal("TERM");
        assert_eq!(node.wait(), Some(0));
        if round % 100 == 99 {
            println!("{} rounds so far: {sums:?}", round + 1);
        }
    }
    println!("{rounds} rounds: {sums:?}");
    assert!(sums.acknowledged > 0);
}

#[derive(Default, Debug)]
struct Sums {
    acknowledged: u64,
    kills: u64,
    torn: u64,
    boots: u64,
    terms: u64,
    /// Rounds with compaction and snapshots all the time.
    saving: u64,
    /// Endings that left one of them unfinished.
    half_saved: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// kill -9.
    Kill,
    /// kill -9, and half a line after what was written.
    Torn,
    /// The same, then `keyslot-node repair`, then `redis-server` on the folder.
    Redis,
    /// SIGTERM.
    Term,
}

/// What one client has sent, and what of it was acknowledged.
struct Ledger {
    client: usize,
    /// By key: the last number acknowledged and the last one sent.
    keys: Vec<(u64, u64)>,
    counter: (u64, u64),
    pair: (u64, u64),
    number: u64,
}

impl Ledger {
    fn new(client: usize) -> Self {
        Self { client, keys: vec![(0, 0); KEY_COUNT], counter: (0, 0), pair: (0, 0), number: 0 }
    }

    /// The next request, and the number that its acknowledgement stands for.
    fn next(&mut self) -> (What, u64, Vec<String>) {
        self.number += 1;
        let (client, number) = (self.client, self.number);
        let text = format!("{number}:{}", "x".repeat((number * 37 % 200) as usize));
        match number % 7 {
            0 => {
                self.counter.1 += 1;
                (What::Counter, self.counter.1, vec!["INCR".into(), format!("counter:{client}")])
            }
            1 => {
                self.pair.1 = number;
                let [one, other] = [format!("pair:{client}:a"), format!("pair:{client}:b")];
                (What::Pair, number, vec!["MSET".into(), one, text.clone(), other, text])
            }
            kind => {
                let at = (number * 31) as usize % KEY_COUNT;
                self.keys[at].1 = number;
                let mut words = vec!["SET".into(), format!("key:{client}:{at}"), text];
                if kind == 2 {
                    words.extend(["PXAT".into(), FAR_MS.into()]);
                }
                (What::Key(at), number, words)
            }
        }
    }

    fn acknowledge(&mut self, what: What, number: u64) {
        match what {
            What::Counter => self.counter.0 = number,
            What::Pair => self.pair.0 = number,
            What::Key(at) => self.keys[at].0 = number,
        }
    }
}

#[derive(Clone, Copy)]
enum What {
    Counter,
    Pair,
    Key(usize),
}

/// Lets all clients write until so many writes are acknowledged, then ends the node while they go on. If it `saves`, one
/// client asks for a snapshot and for compaction again and again. Returns how many writes were acknowledged.
fn write_until(node: &Node, signal: &str, write_count: u64, saves: bool, ledgers: &mut [Ledger]) -> u64 {
    let acknowledged = AtomicU64::new(0);
    let connect = || Wire::connect(&node.folder().join("node.sock"));
    let wires: Vec<Wire> = ledgers.iter().map(|_| connect()).collect();
    let saver = saves.then(connect);
    std::thread::scope(|scope| {
        // Refused while another is under way; the last reply is cut off.
        let asks = [&b"BGREWRITEAOF"[..], b"BGSAVE"].map(|name| crate::wire::encode(&[name.to_vec()]));
        scope.spawn(move || {
            let Some(mut wire) = saver else { return };
            let mut asks = asks.iter().cycle().flat_map(|ask| std::iter::repeat_n(ask, 20));
            while asks.next().is_some_and(|ask| wire.offer(ask).is_ok()) && wire.reply().ends_with(b"\r\n") {}
        });
        for (ledger, mut wire) in ledgers.iter_mut().zip(wires) {
            let acknowledged = &acknowledged;
            scope.spawn(move || {
                loop {
                    let sent: Vec<_> = (0..PIPELINE).map(|_| ledger.next()).collect();
                    let words =
                        |words: &[String]| words.iter().map(|word| word.clone().into_bytes()).collect::<Vec<_>>();
                    let bytes: Vec<u8> =
                        sent.iter().flat_map(|(.., request)| crate::wire::encode(&words(request))).collect();
                    // The requests may have arrived even if this fails.
                    let is_sent = wire.offer(&bytes).is_ok();
                    for (what, number, _) in &sent {
                        let reply = wire.reply();
                        if !reply.ends_with(b"\r\n") {
                            return;
                        }
                        // A node that is told to end may refuse what it can no longer keep.
                        if reply[0] == b'-' {
                            assert_eq!(signal, "TERM", "{}", reply.escape_ascii());
                            continue;
                        }
                        ledger.acknowledge(*what, *number);
                        if acknowledged.fetch_add(1, Relaxed) == write_count {
                            node.signal(signal);
                        }
                    }
                    if !is_sent {
                        return;
                    }
                }
            });
        }
    });
    acknowledged.into_inner()
}

/// Writes what takes a while to save.
fn fill(node: &Node) {
    let mut wire = Wire::connect(&node.folder().join("node.sock"));
    let mut random = 1u64;
    for number in 0..FILLER_COUNT {
        let mut value = vec![0; FILLER_SIZE];
        for byte in &mut value {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            *byte = b'a' + (random >> 60) as u8;
        }
        let reply = wire.ask(&[b"SET".to_vec(), format!("filler:{number}").into_bytes(), value]);
        assert_eq!(reply, b"+OK\r\n");
    }
}

/// Fails if a key holds less than was acknowledged or more than was sent. What it holds counts as acknowledged.
fn check(client: &mut Client, ledgers: &mut [Ledger]) {
    for ledger in ledgers {
        let id = ledger.client;
        for (at, key) in ledger.keys.iter_mut().enumerate() {
            check_number(key, &format!("key:{id}:{at}"), client);
        }
        check_number(&mut ledger.counter, &format!("counter:{id}"), client);
        check_number(&mut ledger.pair, &format!("pair:{id}:a"), client);
        let [one, other] = ["a", "b"].map(|half| client.ask(&["GET", &format!("pair:{id}:{half}")]));
        assert_eq!(one, other, "half of an MSET");
    }
}

fn check_number(range: &mut (u64, u64), key: &str, client: &mut Client) {
    let text = client.ask(&["GET", key]);
    let found = match text.split(':').next().unwrap() {
        "(nil)" => 0,
        number => number.parse().unwrap_or_else(|_| panic!("{key} holds {text}")),
    };
    assert!((range.0..=range.1).contains(&found), "{key} holds {found}, acknowledged and sent were {range:?}");
    *range = (found, found);
}

/// Puts the beginning of a line of the log where its bytes end, before the zeros that were written ahead: what a power
/// failure leaves of a write.
fn tear(folder: &Path, random: u64) {
    let mut file = OpenOptions::new().read(true).write(true).open(newest_log(folder)).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let line = bytes[..end].split_inclusive(|&byte| byte == b'\n').next().unwrap();
    file.seek(SeekFrom::Start(end as u64)).unwrap();
    file.write_all(&line[..1 + random as usize % (line.len() - 2)]).unwrap();
}

/// The last file that the manifest lists: one that was begun after it holds nothing yet.
fn newest_log(folder: &Path) -> PathBuf {
    let dir = folder.join("appendonlydir");
    let manifest = std::fs::read_to_string(dir.join("appendonly.aof.manifest")).unwrap();
    let last = manifest.lines().rfind(|line| line.ends_with("type i")).unwrap();
    dir.join(last.split(' ').nth(1).unwrap())
}

/// How many files of data stand there under the name that they have while they are written. Snapshots of that kind are
/// removed; those of the log, the next start has to deal with.
fn take_unfinished(folder: &Path) -> usize {
    let temporary = |dir: &Path| -> Vec<PathBuf> {
        let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("temp-")).collect()
    };
    let snapshots = temporary(folder);
    snapshots.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    snapshots.len() + temporary(&folder.join("appendonlydir")).len()
}

/// Repairs the log and compares what `redis-server` makes of it.
fn boot_redis(folder: &Path, options: &[&str], ledgers: &mut [Ledger]) {
    let repaired = output(&["repair", folder.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&repaired.stdout).into_owned();
    assert!(repaired.status.success() && text.contains("torn bytes cut"), "{text}");
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg(folder.join("appendonlydir")).arg(copy.path()).status().unwrap();
    assert!(copied.success());
    let manifest = copy.path().join("appendonlydir/appendonly.aof.manifest");
    let checked = Command::new("redis-check-aof").arg(manifest).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let redis = Redis::start(copy.path(), &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    let mut theirs = Client::on(&redis.socket());
    check(&mut theirs, ledgers);
    let node = Node::start(folder, options);
    let mut ours = node.client();
    assert_eq!(ours.ask(&["DBSIZE"]), theirs.ask(&["DBSIZE"]));
    let mut keys: Vec<String> = ours.ask(&["KEYS", "*"]).split(' ').map(str::to_owned).collect();
    keys.retain(|key| !key.is_empty());
    for key in &keys {
        for question in ["GET", "PEXPIRETIME"] {
            assert_eq!(ours.ask(&[question, key]), theirs.ask(&[question, key]), "{question} {key}");
        }
    }
}

const ROUND_COUNT: usize = 5;

const ENDINGS: [Ending; 5] = [Ending::Kill, Ending::Torn, Ending::Redis, Ending::Term, Ending::Kill];

/// What makes the node save by itself, too.
const SAVING: &[&str] =
    &["--auto-aof-rewrite-min-size", "20kb", "--auto-aof-rewrite-percentage", "10", "--save", "1 100"];

const FILLER_COUNT: usize = 200;
const FILLER_SIZE: usize = 32 << 10;

const CLIENT_COUNT: usize = 4;

const KEY_COUNT: usize = 100;

/// Requests that a client sends together.
const PIPELINE: usize = 8;

const WRITE_COUNT_MAX: u64 = 4000;

const FAR_MS: &str = "33177117420000";
