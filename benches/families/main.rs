//! The types of values: the node beside redis-server on loopback, a table a question.
//!
//! ```text
//! cargo build --release -p keyslot-node && cargo bench --bench families -- [--node target/release/keyslot-node]
//!     [--peer redis-server] [--rounds 3] [--requests 500000] [--tables speed,work,memory,publish,pauses]
//!     [--only lpush,hget] [--members 10000000] [--port 21780]
//! ```
//!
//! - `speed`: server CPU per command, driven by redis-benchmark with 50 connections at -P 16 and -P 64.
//! - `work`: how long one long command takes, asked of both servers in turn.
//! - `memory`: resident bytes for a million small collections each, and for large ones.
//! - `publish`: messages delivered to a thousand subscribers per second of server CPU, and what is left of that bound when a
//!   thread does nothing but the writes.
//! - `pauses`: commands that the servers' own slow logs say took over a millisecond while a collection grows, is read, shrinks
//!   and is deleted. On a busy machine some of them waited for the processor: compare the columns.
//!
//! A ratio is the median of the ratios within a round. Servers listen on 127.0.0.1 only, keep their files in a folder of
//! their own, and are stopped when this ends.

#[allow(dead_code)]
#[path = "../flags.rs"]
mod flags;
#[path = "../server/process.rs"]
mod process;
mod wire;

use keyslot_engine::resp::Value;
use process::{Server, scratch};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use wire::Wire;

struct Settings {
    node: String,
    peer: String,
    rounds: usize,
    requests: u64,
    members: u32,
    tables: Vec<String>,
    only: Vec<String>,
    port: u16,
}

fn main() {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/families/main.rs");
            std::process::exit(2);
        }
    };
    let folder = scratch();
    for table in &settings.tables {
        match table.as_str() {
            "speed" => speed(&settings, &folder),
            "work" => work(&settings, &folder),
            "memory" => memory(&settings, &folder),
            "publish" => publish(&settings, &folder),
            "pauses" => pauses(&settings, &folder),
            other => eprintln!("there is no table {other}"),
        }
    }
    // Left behind at worst: the folder is below the system's own for such things.
    std::fs::remove_dir_all(&folder).unwrap_or_default();
}

fn settings(args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let target = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join("keyslot-node")));
    let words = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut settings = Settings {
        node: target.map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        peer: "redis-server".to_owned(),
        rounds: 3,
        requests: 500_000,
        members: 10_000_000,
        tables: words("speed,work,memory,publish,pauses"),
        only: Vec::new(),
        port: 21780,
    };
    flags::read(args, |flag, text| match flag {
        "--node" => flags::set(&mut settings.node, text),
        "--peer" => flags::set(&mut settings.peer, text),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--requests" => flags::set(&mut settings.requests, text),
        "--members" => flags::set(&mut settings.members, text),
        "--port" => flags::set(&mut settings.port, text),
        "--tables" => flags::put(&mut settings.tables, Some(words(text))),
        "--only" => flags::put(&mut settings.only, Some(words(text))),
        _ => None,
    })?;
    match PathBuf::from(&settings.node).exists() {
        true => Ok(settings),
        false => Err(format!("{} is not there: cargo build --release -p keyslot-node", settings.node)),
    }
}

impl Settings {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// The node and its peer, in this order.
    fn servers(&self, folder: &Path, options: &[&str]) -> [Server; 2] {
        [(&self.node, "node", 0), (&self.peer, "peer", 1)]
            .map(|(program, name, at)| Server::start(program, self.port + at, &folder.join(name), options))
    }
}

/// Name, what is asked once before, and the request; `__rand_int__` is below a million.
const SPEED: [(&str, &str, &str); 12] = [
    ("lpush", "", "LPUSH list:__rand_int__ abc"),
    ("lpush-one", "", "LPUSH list abc"),
    ("rpop", "", "RPOP list:__rand_int__"),
    ("hset", "", "HSET hash:__rand_int__ field1 abc"),
    ("hset-one", "", "HSET hash field:__rand_int__ abc"),
    ("hget", "", "HGET hash:__rand_int__ field1"),
    ("sadd", "", "SADD set:__rand_int__ abc"),
    ("sadd-one", "", "SADD set element:__rand_int__"),
    ("zadd", "", "ZADD zset:__rand_int__ 1 abc"),
    ("zadd-one", "", "ZADD zset __rand_int__ element:__rand_int__"),
    ("zrange", "ZADD range 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i 10 j 11 k 12 l", "ZRANGE range 0 9"),
    ("xadd", "", "XADD stream:__rand_int__ MAXLEN ~ 100 * field abc"),
];

fn speed(settings: &Settings, folder: &Path) {
    println!("\nserver CPU microseconds per command (thousand requests/s)");
    println!("{:<18}{:>18}{:>18}{:>12}{:>12}", "", "keyslot", "redis", "CPU ratio", "rate ratio");
    let servers = settings.servers(folder, &["--appendonly", "no"]);
    for (name, before, request) in SPEED.iter().filter(|(name, ..)| settings.wants(name)) {
        if !before.is_empty() {
            servers.iter().for_each(|server| drop(Wire::connect(server.port).ask(before)));
        }
        for pipeline in [16, 64] {
            let rounds: Vec<[(f64, f64); 2]> = (0..settings.rounds)
                .map(|_| [0, 1].map(|at| benchmark(&servers[at], request, pipeline, settings.requests)))
                .collect();
            let of = |f: &dyn Fn(&[(f64, f64); 2]) -> f64| median(rounds.iter().map(f).collect());
            println!(
                "{:<18}{:>18}{:>18}{:>12.2}{:>12.2}",
                format!("{name} -P {pipeline}"),
                format!("{:.2} ({:.0}k)", of(&|r| r[0].0), of(&|r| r[0].1) / 1e3),
                format!("{:.2} ({:.0}k)", of(&|r| r[1].0), of(&|r| r[1].1) / 1e3),
                of(&|r| r[0].0 / r[1].0),
                of(&|r| r[0].1 / r[1].1),
            );
        }
    }
}

/// Microseconds of server CPU per request, and requests per second.
fn benchmark(server: &Server, request: &str, pipeline: u32, requests: u64) -> (f64, f64) {
    let before = server.cpu_seconds();
    let output = Command::new("redis-benchmark")
        .args(["-p", &server.port.to_string(), "-P", &pipeline.to_string(), "-n", &requests.to_string()])
        .args(["-r", "1000000", "-c", "50", "--csv"])
        .args(request.split(' '))
        .output()
        .expect("redis-benchmark is installed (redis-tools)");
    let cpu = server.cpu_seconds() - before;
    let text = String::from_utf8_lossy(&output.stdout);
    // "test","rps","avg_latency_ms",... with one line per test; the test's name may hold commas.
    let rate = text.lines().last().and_then(|line| line.rsplit("\",\"").nth(6));
    let rate = rate.and_then(|rate| rate.trim_matches('"').parse().ok()).unwrap_or(f64::NAN);
    (cpu * 1e6 / requests as f64, rate)
}

/// Commands over [`WORK_MEMBERS`] members or [`WORK_BYTES`] bytes.
const WORK: [&str; 13] = [
    "SINTERSTORE to s1 s2",
    "SUNIONSTORE to s1 s2",
    "SDIFFSTORE to s1 s2",
    "SINTERCARD 2 s1 s2",
    "ZUNIONSTORE to 2 z1 z2",
    "ZINTERSTORE to 2 z1 z2",
    "ZDIFFSTORE to 2 z1 z2",
    "SORT l LIMIT 0 10",
    "SORT s1 ALPHA LIMIT 0 10",
    "BITCOUNT b1",
    "BITOP AND to b1 b2",
    "BITOP NOT to b1",
    "PFCOUNT h0 h1 h2 h3 h4 h5 h6 h7 h8 h9 h10 h11 h12 h13 h14 h15",
];

fn work(settings: &Settings, folder: &Path) {
    println!("\nmilliseconds of one command, over {WORK_MEMBERS} members or {WORK_BYTES} bytes");
    println!("{:<40}{:>12}{:>12}{:>12}", "", "keyslot", "redis", "ratio");
    let servers = settings.servers(folder, &["--appendonly", "no"]);
    let mut wires = [0, 1].map(|at| Wire::connect(servers[at].port));
    wires.iter_mut().for_each(fill_work);
    for line in WORK.iter().filter(|line| settings.wants(line.split(' ').next().unwrap_or_default())) {
        let rounds: Vec<[Duration; 2]> =
            (0..settings.rounds * 5).map(|_| [0, 1].map(|at| wires[at].time(line))).collect();
        let ms = |at: usize| median(rounds.iter().map(|round| round[at].as_secs_f64() * 1e3).collect());
        let ratio = median(rounds.iter().map(|round| round[0].as_secs_f64() / round[1].as_secs_f64()).collect());
        let shown: String = line.chars().take(38).collect();
        println!("{shown:<40}{:>12.2}{:>12.2}{ratio:>12.2}", ms(0), ms(1));
    }
}

fn fill_work(wire: &mut Wire) {
    for n in 0..WORK_MEMBERS {
        // Half of the members are common to both.
        let (one, two) = (format!("member:{n}"), format!("member:{}", n + WORK_MEMBERS / 2));
        let score = (n * 7919 % WORK_MEMBERS).to_string();
        wire.push(&[b"SADD", b"s1", one.as_bytes()]);
        wire.push(&[b"SADD", b"s2", two.as_bytes()]);
        wire.push(&[b"ZADD", b"z1", score.as_bytes(), one.as_bytes()]);
        wire.push(&[b"ZADD", b"z2", score.as_bytes(), two.as_bytes()]);
        wire.push(&[b"RPUSH", b"l", score.as_bytes()]);
        wire.push(&[b"PFADD", format!("h{}", n % 16).as_bytes(), one.as_bytes()]);
    }
    for (name, factor) in [("b1", 31), ("b2", 17)] {
        let bytes: Vec<u8> = (0..WORK_BYTES).map(|n| (n * factor >> 3) as u8).collect();
        wire.push(&[b"SET", name.as_bytes(), &bytes]);
    }
    wire.flush();
}

/// A kind of data: its name, how many pieces, and the requests that make piece `n`.
struct Dataset {
    name: &'static str,
    count: u32,
    make: fn(u32, &mut Wire),
}

const DATASETS: [Dataset; 9] = [
    Dataset { name: "hash of 5 fields", count: 1_000_000, make: |n, wire| small_hash(n, wire, false) },
    Dataset { name: "hash of 5, expiring", count: 1_000_000, make: |n, wire| small_hash(n, wire, true) },
    Dataset {
        name: "list of 5 elements",
        count: 1_000_000,
        make: |n, wire| {
            let elements = [0, 1, 2, 3, 4].map(|i| format!("element:{i}:{n:07}"));
            let [a, b, c, d, e] = elements.each_ref().map(String::as_bytes);
            wire.push(&[b"RPUSH", format!("l:{n}").as_bytes(), a, b, c, d, e]);
        },
    },
    Dataset {
        name: "set of 5 members",
        count: 1_000_000,
        make: |n, wire| {
            let members = [0, 1, 2, 3, 4].map(|i| format!("member:{i}:{n:07}"));
            let [a, b, c, d, e] = members.each_ref().map(String::as_bytes);
            wire.push(&[b"SADD", format!("s:{n}").as_bytes(), a, b, c, d, e]);
        },
    },
    Dataset {
        name: "sorted set of 5",
        count: 1_000_000,
        make: |n, wire| {
            let members = [0, 1, 2, 3, 4].map(|i| format!("member:{i}:{n:07}"));
            let [a, b, c, d, e] = members.each_ref().map(String::as_bytes);
            wire.push(&[b"ZADD", format!("z:{n}").as_bytes(), b"1", a, b"2", b, b"3", c, b"4", d, b"5", e]);
        },
    },
    Dataset {
        name: "members of one sorted set",
        count: 1_000_000,
        make: |n, wire| {
            wire.push(&[
                b"ZADD",
                b"z",
                (n * 7919 % 1_000_003).to_string().as_bytes(),
                format!("member:{n}").as_bytes(),
            ]);
        },
    },
    Dataset {
        name: "members of one set",
        count: 1_000_000,
        make: |n, wire| wire.push(&[b"SADD", b"s", format!("member:{n}").as_bytes()]),
    },
    Dataset {
        name: "fields of one hash",
        count: 1_000_000,
        make: |n, wire| wire.push(&[b"HSET", b"h", format!("field:{n}").as_bytes(), b"a value of some 24 bytes"]),
    },
    Dataset {
        name: "entries of one stream",
        count: 1_000_000,
        make: |n, wire| {
            wire.push(&[b"XADD", b"x", format!("{}-1", n + 1).as_bytes(), b"sensor", b"1234", b"temperature", b"19.8"]);
        },
    },
];

/// 96 bytes of fields and values.
fn small_hash(n: u32, wire: &mut Wire, expiring: bool) {
    let key = format!("h:{n}");
    let name = format!("Ada Lovelace {n:07}");
    let mail = format!("adalovelace{n:07}@mail.com");
    let city = format!("London {n:05}");
    wire.push(&[
        b"HSET",
        key.as_bytes(),
        b"name",
        name.as_bytes(),
        b"email",
        mail.as_bytes(),
        b"city",
        city[..12].as_bytes(),
        b"age",
        b"36",
        b"visits",
        b"a dozen or so",
    ]);
    if expiring {
        wire.push(&[b"EXPIRE", key.as_bytes(), b"1000000"]);
    }
}

fn memory(settings: &Settings, folder: &Path) {
    println!("\nresident bytes for each");
    println!("{:<28}{:>12}{:>12}{:>12}", "", "keyslot", "redis", "ratio");
    for data in DATASETS.iter().filter(|data| settings.wants(data.name)) {
        let [own, other] = [&settings.node, &settings.peer].map(|program| {
            let server = Server::start(program, settings.port, &folder.join("memory"), &["--appendonly", "no"]);
            let mut wire = Wire::connect(server.port);
            let empty = server.resident_bytes();
            (0..data.count).for_each(|n| (data.make)(n, &mut wire));
            wire.flush();
            (server.resident_bytes() - empty) / f64::from(data.count)
        });
        println!("{:<28}{own:>12.1}{other:>12.1}{:>12.2}", data.name, own / other);
    }
}

fn publish(settings: &Settings, folder: &Path) {
    println!(
        "\nthousand deliveries to {SUBSCRIBERS} subscribers per second of CPU; bare: a thread that only writes them"
    );
    println!("{:<28}{:>12}{:>12}{:>12}{:>12}", "", "keyslot", "redis", "ratio", "bare");
    let options = ["--appendonly", "no", "--client-output-buffer-limit", "pubsub 0 0 0"];
    let servers = settings.servers(folder, &options);
    for together in [1, 10, 100] {
        let round =
            || [deliveries(&servers[0], together), deliveries(&servers[1], together), bare_deliveries(together)];
        let rounds: Vec<[f64; 3]> = (0..settings.rounds).map(|_| round()).collect();
        let of = |f: &dyn Fn(&[f64; 3]) -> f64| median(rounds.iter().map(f).collect());
        println!(
            "{:<28}{:>12.0}{:>12.0}{:>12.2}{:>12.0}",
            format!("publish -P {together}"),
            of(&|r| r[0]) / 1e3,
            of(&|r| r[1]) / 1e3,
            of(&|r| r[0] / r[1]),
            of(&|r| r[2]) / 1e3
        );
    }
}

/// Deliveries per second of the server's CPU, so many messages at once.
fn deliveries(server: &Server, together: usize) -> f64 {
    let mut subscribers: Vec<Wire> = (0..SUBSCRIBERS).map(|_| Wire::connect(server.port)).collect();
    subscribers.iter_mut().for_each(|wire| wire.subscribe("SUBSCRIBE news", 1));
    let mut publisher = Wire::connect(server.port);
    let before = server.cpu_seconds();
    for _ in 0..PUBLISH_ROUNDS {
        for _ in 0..together {
            publisher.push(&[b"PUBLISH", b"news", &[b'm'; 64]]);
        }
        publisher.flush();
        subscribers.iter_mut().for_each(|wire| wire.drain(together * MESSAGE_BYTES));
    }
    (PUBLISH_ROUNDS * together * SUBSCRIBERS) as f64 / (server.cpu_seconds() - before)
}

/// What is left when only the writes are: the same bytes to as many sockets, one write to each.
fn bare_deliveries(together: usize) -> f64 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let (rounds, due) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let mut streams: Vec<TcpStream> = listener.incoming().take(SUBSCRIBERS).map(|s| s.expect("it comes")).collect();
        streams.iter().for_each(|stream| stream.set_nodelay(true).expect("a socket takes the option"));
        let bytes = vec![b'm'; together * MESSAGE_BYTES];
        let before = thread_cpu_seconds();
        for () in due {
            streams.iter_mut().for_each(|stream| stream.write_all(&bytes).expect("the subscriber reads"));
        }
        thread_cpu_seconds() - before
    });
    let mut subscribers: Vec<Wire> = (0..SUBSCRIBERS).map(|_| Wire::connect(port)).collect();
    for _ in 0..PUBLISH_ROUNDS {
        rounds.send(()).expect("the writer waits");
        subscribers.iter_mut().for_each(|wire| wire.drain(together * MESSAGE_BYTES));
    }
    drop(rounds);
    (PUBLISH_ROUNDS * together * SUBSCRIBERS) as f64 / writer.join().expect("it ends")
}

fn thread_cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What is asked of a collection, again and again while it grows, and how it shrinks.
const PAUSES: [(&str, &str, &str); 4] = [
    ("set", "SADD c member:{}", "SREM c member:{}"),
    ("hash", "HSET c field:{} value", "HDEL c field:{}"),
    ("sorted set", "ZADD c {} member:{}", "ZREM c member:{}"),
    ("list", "RPUSH c element:{}", "LPOP c"),
];

fn pauses(settings: &Settings, folder: &Path) {
    println!("\ncommands over 1 ms (the longest, ms) while a collection grows to {} members,", settings.members);
    println!("loses half of them, and is deleted; 5000 strings expire meanwhile");
    println!("{:<28}{:>18}{:>18}", "", "keyslot", "redis");
    for (name, grow, shrink) in PAUSES.iter().filter(|(name, ..)| settings.wants(name)) {
        let [own, other] = [&settings.node, &settings.peer].map(|program| {
            let options = ["--appendonly", "no", "--slowlog-log-slower-than", "999", "--slowlog-max-len", "100000"];
            let server = Server::start(program, settings.port, &folder.join("pauses"), &options);
            let mut wire = Wire::connect(server.port);
            for (template, count) in [(grow, settings.members), (shrink, settings.members / 2)] {
                for n in 0..count {
                    let number = n.to_string();
                    let line = template.replace("{}", &number);
                    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
                    wire.push(&words);
                    if n % (settings.members / 5000).max(1) == 0 {
                        wire.push(&[b"SET", number.as_bytes(), b"v", b"PX", b"500"]);
                    }
                }
                wire.flush();
            }
            wire.ask("DEL c");
            let slow = wire.ask("SLOWLOG GET 100000");
            let times: Vec<i64> = slow.as_slice().unwrap_or_default().iter().filter_map(duration).collect();
            format!("{} ({:.1})", times.len(), times.iter().max().copied().unwrap_or(0) as f64 / 1e3)
        });
        println!("{name:<28}{own:>18}{other:>18}");
    }
}

/// Microseconds of an entry of the slow log.
fn duration(entry: &Value) -> Option<i64> {
    match entry.as_slice()?.get(2)? {
        Value::Integer(micros) => Some(*micros),
        _ => None,
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

const WORK_MEMBERS: u32 = 100_000;
const WORK_BYTES: u32 = 10 << 20;
const SUBSCRIBERS: usize = 1000;
const PUBLISH_ROUNDS: usize = 100;
/// `*3 $7 message $4 news $64` and the message itself, with their line ends.
const MESSAGE_BYTES: usize = "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$64\r\n\r\n".len() + 64;
