//! A primary with its replicas, and the load on it.

use super::process::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A primary and who follows it.
pub(crate) struct Group {
    pub(crate) primary: Server,
    pub(crate) replicas: Vec<Server>,
}

/// What one run of the load cost and reached.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    /// Microseconds of processor time per command: of the primary, and of every replica.
    pub(crate) primary_us: f64,
    pub(crate) replica_us: Vec<f64>,
    /// Commands per second.
    pub(crate) rate: f64,
}

impl Group {
    /// Starts a primary at `port` and its replicas at the ports behind it, and waits until they follow.
    pub(crate) fn start(programs: [&str; 2], replicas: usize, port: u16, folder: &Path, options: &[&str]) -> Self {
        let [primary, replica] = programs;
        let primary = Server::start(primary, port, &folder.join(port.to_string()), options);
        let replicas = (1..=replicas as u16).map(|number| {
            let at = port + number;
            let mut all = vec!["--appendonly", "no", "--replicaof"];
            let target = format!("127.0.0.1 {port}");
            all.push(&target);
            Server::start(replica, at, &folder.join(at.to_string()), &all)
        });
        let group = Self { replicas: replicas.collect(), primary };
        let start = Instant::now();
        for replica in &group.replicas {
            while field(replica.port, "master_link_status") != "up" {
                assert!(start.elapsed() < FOLLOW_MAX, "a replica does not follow");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        group
    }

    /// Has so many SETs run, and waits until the replicas have them.
    pub(crate) fn drive(&self, requests: u64) -> Cost {
        let cpu = || {
            let replicas: Vec<f64> = self.replicas.iter().map(Server::cpu_seconds).collect();
            (self.primary.cpu_seconds(), replicas)
        };
        let before = cpu();
        let rate = benchmark(self.primary.port, requests);
        self.wait_for_replicas();
        let after = cpu();
        let micros = |seconds: f64| seconds * 1e6 / requests as f64;
        Cost {
            primary_us: micros(after.0 - before.0),
            replica_us: after.1.iter().zip(&before.1).map(|(after, before)| micros(after - before)).collect(),
            rate,
        }
    }

    pub(crate) fn wait_for_replicas(&self) {
        let end = field(self.primary.port, "master_repl_offset");
        let end: u64 = end.parse().expect("an offset is a number");
        let start = Instant::now();
        for replica in &self.replicas {
            while field(replica.port, "slave_repl_offset").parse::<u64>().is_ok_and(|at| at < end) {
                assert!(start.elapsed() < FOLLOW_MAX, "a replica does not get to offset {end}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Waits until a server has loaded its data.
pub(crate) fn wait_until_loaded(port: u16) {
    let start = Instant::now();
    loop {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        let mut answer = [0; 5];
        stream.write_all(b"PING\r\n").expect("the server reads");
        stream.read_exact(&mut answer).expect("the server answers");
        if &answer == b"+PONG" {
            return;
        }
        assert!(start.elapsed() < FOLLOW_MAX, "the server does not load");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs the load, and says how many commands a second there were.
pub(crate) fn benchmark(port: u16, requests: u64) -> f64 {
    let output = Command::new("redis-benchmark")
        .args(["-p", &port.to_string(), "-t", "set", "-P", "16", "-n", &requests.to_string()])
        .args(["-r", "1000000", "-d", "64", "-c", "50", "--csv"])
        .output()
        .expect("redis-benchmark is installed (redis-tools)");
    let text = String::from_utf8_lossy(&output.stdout);
    // "test","rps","avg_latency_ms",... with one line per test.
    let rate = text.lines().last().and_then(|line| line.split(',').nth(1)).map(|rate| rate.trim_matches('"'));
    rate.and_then(|rate| rate.parse().ok()).unwrap_or(f64::NAN)
}

/// A field of INFO replication or INFO stats; empty if there is no such field.
pub(crate) fn field(port: u16, name: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    let mut text = String::new();
    for section in ["replication", "stats"] {
        stream.write_all(format!("INFO {section}\r\n").as_bytes()).expect("the server reads");
        let mut reader = BufReader::new(&stream);
        let mut header = String::new();
        reader.read_line(&mut header).expect("the server answers");
        let size: usize = header.trim_start_matches('$').trim_end().parse().unwrap_or(0);
        let mut body = vec![0; size + 2];
        reader.read_exact(&mut body).expect("the server answers");
        text.push_str(&String::from_utf8_lossy(&body));
    }
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim_end().to_owned()
}

const FOLLOW_MAX: Duration = Duration::from_secs(120);
