//! How fast a replica gets everything: between two nodes, between two `redis-server`, and between one of each. Prints one table.
//!
//! ```text
//! cargo build --release -p keyslot-node && cargo bench --bench full_sync -- [--node target/release/keyslot-node]
//!     [--peer redis-server] [--rounds 3] [--keys 2m] [--port 24260]
//! ```
//!
//! A primary gets keys with values of 32 digits that do not compress. Then an empty server is told to follow it, and the time runs
//! until that says that its link is up and has as many keys. Both run on this machine, over loopback. All four pairs take turns,
//! round after round; a figure is the median of the rounds, and a ratio the median of the ratios to the two `redis-server` of the
//! same round. Extra memory is the most that the primary's process holds meanwhile above what it held before, without that of
//! processes that it forks.

#[path = "flags.rs"]
mod flags;
#[path = "server/process.rs"]
mod process;

use process::{Server, scratch};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

struct Settings {
    node: String,
    peer: String,
    rounds: usize,
    keys: u32,
    port: u16,
}

/// What one full sync took.
#[derive(Clone, Copy)]
struct Figures {
    keys_per_second: f64,
    primary_cpu_s: f64,
    replica_cpu_s: f64,
    extra_bytes: f64,
}

fn main() {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/full_sync.rs");
            std::process::exit(2);
        }
    };
    let folder = scratch();
    let (node, peer) = (settings.node.as_str(), settings.peer.as_str());
    let pairs = [
        ("server -> server", peer, peer),
        ("node -> node", node, node),
        ("node -> server", node, peer),
        ("server -> node", peer, node),
    ];
    let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); pairs.len()];
    for _ in 0..settings.rounds {
        for (figures, (_, primary, replica)) in rounds.iter_mut().zip(&pairs) {
            figures.push(sync(&settings, primary, replica, &folder));
        }
    }
    println!(
        "{:<18}{:>12}{:>10}{:>16}{:>16}{:>12}",
        "full sync", "keys/s", "ratio", "primary CPU s", "replica CPU s", "extra MB"
    );
    for (figures, (name, ..)) in rounds.iter().zip(&pairs) {
        let of = |figure: fn(&Figures) -> f64| median(figures.iter().map(figure));
        let ratio =
            median(figures.iter().zip(&rounds[0]).map(|(one, base)| one.keys_per_second / base.keys_per_second));
        println!(
            "{name:<18}{:>12.0}{ratio:>10.2}{:>16.2}{:>16.2}{:>12.1}",
            of(|one| one.keys_per_second),
            of(|one| one.primary_cpu_s),
            of(|one| one.replica_cpu_s),
            of(|one| one.extra_bytes) / 1e6,
        );
    }
    // Left behind at worst: the folder is below the system's own for such things.
    std::fs::remove_dir_all(&folder).unwrap_or_default();
}

fn settings(args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let target = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join("keyslot-node")));
    let mut settings = Settings {
        node: target.map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        peer: "redis-server".to_owned(),
        rounds: 3,
        keys: 2_000_000,
        port: 24260,
    };
    flags::read(args, |flag, text| match flag {
        "--node" => flags::set(&mut settings.node, text),
        "--peer" => flags::set(&mut settings.peer, text),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--keys" => flags::put(&mut settings.keys, flags::count(text)),
        "--port" => flags::set(&mut settings.port, text),
        _ => None,
    })?;
    match PathBuf::from(&settings.node).exists() {
        true => Ok(settings),
        false => Err(format!("{} is not there: cargo build --release -p keyslot-node", settings.node)),
    }
}

fn sync(settings: &Settings, primary: &str, replica: &str, folder: &Path) -> Figures {
    let options = &["--repl-diskless-sync-delay", "0"];
    let primary = Server::start(primary, settings.port, &folder.join("primary"), options);
    let replica = Server::start(replica, settings.port + 1, &folder.join("replica"), options);
    fill(settings.port, settings.keys);
    let mut asked = Client::connect(settings.port + 1);
    let (before_bytes, before) = (primary.resident_bytes(), [primary.cpu_seconds(), replica.cpu_seconds()]);
    let (start, mut most_bytes) = (Instant::now(), before_bytes);
    asked.ask(&["REPLICAOF", "127.0.0.1", &settings.port.to_string()]);
    loop {
        let is_up = asked.ask(&["INFO", "replication"]).contains("master_link_status:up");
        most_bytes = most_bytes.max(primary.resident_bytes());
        if is_up && asked.ask(&["DBSIZE"]) == format!(":{}", settings.keys) {
            break;
        }
        assert!(start.elapsed() < SYNC_MAX, "the full sync does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let elapsed_s = start.elapsed().as_secs_f64();
    Figures {
        keys_per_second: f64::from(settings.keys) / elapsed_s,
        primary_cpu_s: primary.cpu_seconds() - before[0],
        replica_cpu_s: replica.cpu_seconds() - before[1],
        extra_bytes: most_bytes - before_bytes,
    }
}

/// Sets so many keys, a thousand at a time.
fn fill(port: u16, keys: u32) {
    let mut client = Client::connect(port);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chance = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut requests = String::new();
    for number in 0..keys {
        let (high, low) = (chance(), chance());
        let _ = write!(requests, "*3\r\n$3\r\nSET\r\n$16\r\nkey:{number:012}\r\n$32\r\n{high:016x}{low:016x}\r\n");
        if (number + 1) % 1000 == 0 || number + 1 == keys {
            client.stream.get_mut().write_all(requests.as_bytes()).expect("the server reads");
            requests.clear();
            (0..number % 1000 + 1).for_each(|_| assert_eq!(client.reply(), "+OK"));
        }
    }
}

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_nodelay(true).expect("it is a TCP socket");
        Self { stream: BufReader::new(stream) }
    }

    fn ask(&mut self, words: &[&str]) -> String {
        let mut request = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| _ = write!(request, "${}\r\n{word}\r\n", word.len()));
        self.stream.get_mut().write_all(request.as_bytes()).expect("the server reads");
        self.reply()
    }

    fn reply(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the server answers");
        let line = line.trim_end();
        let Some(size) = line.strip_prefix('$').and_then(|size| size.parse::<usize>().ok()) else {
            return line.to_owned();
        };
        let mut bytes = vec![0; size + 2];
        self.stream.read_exact(&mut bytes).expect("the server answers");
        String::from_utf8_lossy(&bytes[..size]).into_owned()
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

const SYNC_MAX: Duration = Duration::from_secs(120);
