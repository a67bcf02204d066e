//! What replication costs, on loopback: the node beside redis-server.
//!
//! ```text
//! cargo build --release -p keyslot-node && cargo bench --bench replication -- [--modes primary,apply,resync]
//!     [--node target/release/keyslot-node] [--peer redis-server] [--rounds 3] [--requests 2000000] [--replicas 0,1,2]
//!     [--absence 60] [--port 21700]
//! ```
//!
//! - `primary`: processor time of a primary per command, by how many replicas follow it.
//! - `apply`: processor time of a replica per write of its stream.
//! - `resync`: how fast a replica that was away goes on, served from the log's files.
//!
//! redis-benchmark (SET, 50 connections, 16 requests in a pipeline, a million random keys, 64 bytes) is the load. Servers take it
//! in turn, round after round; a ratio is the median of the ratios within a round. Processor time is that of the whole process,
//! user and system, from `/proc/<pid>/stat`, until the replicas have everything.
//!
//! Servers listen on 127.0.0.1 only, keep their files in a folder of their own, and are stopped when this ends.

mod apply;
#[path = "../flags.rs"]
mod flags;
mod load;
mod primary;
#[path = "../server/process.rs"]
mod process;
mod resync;

use std::path::{Path, PathBuf};

/// What is measured, and how.
pub(crate) struct Settings {
    node: String,
    peer: String,
    rounds: usize,
    requests: u64,
    replicas: Vec<usize>,
    absence_seconds: u64,
    port: u16,
    folder: PathBuf,
}

fn main() {
    let (settings, modes) = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/replication/main.rs");
            std::process::exit(2);
        }
    };
    for mode in modes {
        match mode.as_str() {
            "primary" => primary::run(&settings),
            "apply" => apply::run(&settings),
            "resync" => resync::run(&settings),
            _ => eprintln!("there is no mode {mode}"),
        }
    }
    // Left behind at worst: the folder is below the system's own for such things.
    std::fs::remove_dir_all(&settings.folder).unwrap_or_default();
}

fn settings(args: impl Iterator<Item = String>) -> Result<(Settings, Vec<String>), String> {
    let target = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join("keyslot-node")));
    let mut settings = Settings {
        node: target.map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        peer: "redis-server".to_owned(),
        rounds: 3,
        requests: 2_000_000,
        replicas: vec![0, 1, 2],
        absence_seconds: 60,
        port: 21700,
        folder: process::scratch(),
    };
    let mut modes = vec!["primary".to_owned(), "apply".to_owned(), "resync".to_owned()];
    flags::read(args, |flag, text| match flag {
        "--node" => flags::set(&mut settings.node, text),
        "--peer" => flags::set(&mut settings.peer, text),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--requests" => flags::set(&mut settings.requests, text),
        "--absence" => flags::set(&mut settings.absence_seconds, text),
        "--port" => flags::set(&mut settings.port, text),
        "--replicas" => flags::put(&mut settings.replicas, flags::list(text, |n| n.parse().ok())),
        "--modes" => flags::put(&mut modes, flags::list(text, |mode| Some(mode.to_owned()))),
        _ => None,
    })?;
    match Path::new(&settings.node).exists() {
        true => Ok((settings, modes)),
        false => Err(format!("{} is not there: cargo build --release -p keyslot-node", settings.node)),
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
