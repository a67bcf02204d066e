//! The node beside redis-server on loopback. Prints one table of server CPU per command, and one of memory per key.
//!
//! ```text
//! cargo build --release -p keyslot-node && cargo bench --bench server -- [--node target/release/keyslot-node]
//!     [--peer redis-server] [--rounds 3] [--requests 1000000] [--pipeline 1,16,64] [--tests set,get]
//!     [--log no,everysec,always] [--memory 1m,1.5m,2m,3m,5m,10m] [--port 21780]
//! ```
//!
//! redis-benchmark (50 connections, a million random keys, 64 bytes) drives one server after the other, round after round.
//! What counts is the processor time that the server spent on a command, user and system, from `/proc/<pid>/stat`: it hardly
//! depends on what else the machine does, and redis-benchmark cannot hide it by being the slower side. A ratio is the median
//! of the ratios within a round. `--memory` fills both servers with keys of 16 bytes and values of 64, plain and with an
//! expiry, and again after every key was deleted and set anew twice.
//!
//! Servers listen on 127.0.0.1 only, keep their files in a folder of their own, and are stopped when this ends.

mod client;
#[path = "../flags.rs"]
mod flags;
mod process;

use client::Client;
use process::{Server, scratch};
use std::path::PathBuf;
use std::process::Command;

struct Settings {
    node: String,
    peer: String,
    rounds: usize,
    requests: u64,
    pipelines: Vec<u32>,
    tests: Vec<String>,
    logs: Vec<String>,
    memory: Vec<u32>,
    port: u16,
}

fn main() {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/server/main.rs");
            std::process::exit(2);
        }
    };
    let folder = scratch();
    for log in &settings.logs {
        compare_speed(&settings, log, &folder);
    }
    if !settings.memory.is_empty() {
        compare_memory(&settings, &folder);
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
        requests: 1_000_000,
        pipelines: vec![1, 16, 64],
        tests: vec!["set".to_owned(), "get".to_owned()],
        logs: vec!["no".to_owned()],
        memory: Vec::new(),
        port: 21780,
    };
    let word = |text: &str| Some(text.to_owned());
    flags::read(args, |flag, text| match flag {
        "--node" => flags::set(&mut settings.node, text),
        "--peer" => flags::set(&mut settings.peer, text),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--requests" => flags::set(&mut settings.requests, text),
        "--port" => flags::set(&mut settings.port, text),
        "--tests" => flags::put(&mut settings.tests, flags::list(text, word)),
        "--log" => flags::put(&mut settings.logs, flags::list(text, word)),
        "--pipeline" => flags::put(&mut settings.pipelines, flags::list(text, |n| n.parse().ok())),
        "--memory" => flags::put(&mut settings.memory, flags::list(text, flags::count)),
        _ => None,
    })?;
    match PathBuf::from(&settings.node).exists() {
        true => Ok(settings),
        false => Err(format!("{} is not there: cargo build --release -p keyslot-node", settings.node)),
    }
}

/// What one run of redis-benchmark cost and reached.
#[derive(Clone, Copy)]
struct Figures {
    micros: f64,
    rate: f64,
}

fn compare_speed(settings: &Settings, log: &str, folder: &std::path::Path) {
    let options: &[&str] = match log {
        "no" => &["--appendonly", "no"],
        policy => &["--appendonly", "yes", "--appendfsync", policy],
    };
    let servers = [
        Server::start(&settings.node, settings.port, &folder.join(format!("node-{log}")), options),
        Server::start(&settings.peer, settings.port + 1, &folder.join(format!("peer-{log}")), options),
    ];
    println!("\nappendonly {log}: server CPU microseconds per command (thousand requests/s)");
    println!("{:<12}{:>20}{:>20}{:>12}{:>12}", "", "keyslot", "redis", "CPU ratio", "rate ratio");
    for test in &settings.tests {
        for &pipeline in &settings.pipelines {
            let rounds: Vec<[Figures; 2]> = (0..settings.rounds)
                .map(|_| [0, 1].map(|at| benchmark(&servers[at], test, pipeline, settings.requests)))
                .collect();
            let of = |f: &dyn Fn(&[Figures; 2]) -> f64| median(rounds.iter().map(f).collect());
            println!(
                "{:<12}{:>20}{:>20}{:>12.2}{:>12.2}",
                format!("{test} -P {pipeline}"),
                format!("{:.2} ({:.0}k)", of(&|r| r[0].micros), of(&|r| r[0].rate) / 1e3),
                format!("{:.2} ({:.0}k)", of(&|r| r[1].micros), of(&|r| r[1].rate) / 1e3),
                of(&|r| r[0].micros / r[1].micros),
                of(&|r| r[0].rate / r[1].rate),
            );
        }
    }
}

fn benchmark(server: &Server, test: &str, pipeline: u32, requests: u64) -> Figures {
    // A lone request costs ten times as much, so fewer say as much.
    let requests = if pipeline == 1 { requests / 5 } else { requests };
    let before = server.cpu_seconds();
    let output = Command::new("redis-benchmark")
        .args(["-p", &server.port.to_string(), "-t", test, "-P", &pipeline.to_string(), "-n", &requests.to_string()])
        .args(["-r", "1000000", "-d", "64", "-c", "50", "--csv"])
        .output()
        .expect("redis-benchmark is installed (redis-tools)");
    let cpu = server.cpu_seconds() - before;
    let text = String::from_utf8_lossy(&output.stdout);
    // "test","rps","avg_latency_ms",... with one line per test.
    let rate = text.lines().last().and_then(|line| line.split(',').nth(1)).map(|rate| rate.trim_matches('"'));
    let rate = rate.and_then(|rate| rate.parse().ok()).unwrap_or(f64::NAN);
    Figures { micros: cpu * 1e6 / requests as f64, rate }
}

fn compare_memory(settings: &Settings, folder: &std::path::Path) {
    println!(
        "\nresident bytes per key: without expiry, with expiry, without expiry after every key was set anew twice"
    );
    println!("{:<12}{:>36}{:>36}", "keys", "keyslot", "redis");
    let mut sums = [[0.0; 3]; 2];
    for &count in &settings.memory {
        let figures = [(&settings.node, "node"), (&settings.peer, "peer")].map(|(program, name)| {
            let (plain, churned) = bytes_per_key(program, settings.port, &folder.join(name), count, None);
            let (expiring, _) = bytes_per_key(program, settings.port, &folder.join(name), count, Some(100_000_000));
            [plain, expiring, churned]
        });
        print_memory(&format!("{:.1}M", f64::from(count) / 1e6), &figures);
        for (sum, figures) in sums.iter_mut().flatten().zip(figures.iter().flatten()) {
            *sum += figures / settings.memory.len() as f64;
        }
    }
    print_memory("mean", &sums);
}

fn print_memory(title: &str, figures: &[[f64; 3]; 2]) {
    let text = |f: &[f64; 3]| format!("{:.1}  {:.1}  {:.1}", f[0], f[1], f[2]);
    println!("{title:<12}{:>36}{:>36}", text(&figures[0]), text(&figures[1]));
}

/// Resident bytes per key when filled, and, without expiry, after the churn.
fn bytes_per_key(program: &str, port: u16, folder: &std::path::Path, count: u32, expiry_s: Option<u32>) -> (f64, f64) {
    let server = Server::start(program, port, folder, &["--appendonly", "no"]);
    let mut client = Client::connect(port);
    let empty = server.resident_bytes();
    let per_key = |server: &Server| (server.resident_bytes() - empty) / f64::from(count);
    client.fill(count, expiry_s);
    let filled = per_key(&server);
    if expiry_s.is_none() {
        for _ in 0..2 {
            client.replace(count);
        }
    }
    (filled, per_key(&server))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
