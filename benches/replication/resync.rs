//! A replica that was away: how fast it goes on where it was.
//!
//! The primary has a log, and a backlog in memory that is far too short for the absence. The replica is this program: it asks
//! for the stream where it was, and reads until it has all of it.

use super::Settings;
use super::load::{benchmark, field, wait_until_loaded};
use super::process::Server;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(settings: &Settings) {
    println!("\nresync: after an absence under load, from the log's files");
    let folder = settings.folder.join("resync");
    let options = ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"];
    let server = Server::start(&settings.node, settings.port, &folder, &options);
    wait_until_loaded(settings.port);
    // The first replica has the stream begin.
    drop(ask(settings.port, "?", -1));
    let (id, from) = (field(settings.port, "master_replid"), offset(settings.port));
    let start = Instant::now();
    while start.elapsed().as_secs() < settings.absence_seconds {
        benchmark(settings.port, settings.requests / 4);
    }
    let end = offset(settings.port);
    let full_before = field(settings.port, "sync_full");
    for _ in 0..settings.rounds {
        let plain = read_files(&folder);
        let (cpu, start) = (server.cpu_seconds(), Instant::now());
        let received = follow(ask(settings.port, &id, from as i64 + 1), end - from);
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{:.0} MB in {seconds:.2} s: {:.0} MB/s ({:.2} CPU s of the primary); the files are read at {plain:.0} MB/s",
            received as f64 / 1e6,
            received as f64 / 1e6 / seconds,
            server.cpu_seconds() - cpu,
        );
    }
    let full = field(settings.port, "sync_full");
    println!("full syncs meanwhile: {} -> {full}, partial {}", full_before, field(settings.port, "sync_partial_ok"));
}

fn offset(port: u16) -> u64 {
    field(port, "master_repl_offset").parse().expect("an offset is a number")
}

/// Asks for the stream; the connection behind the question.
fn ask(port: u16, id: &str, offset: i64) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.write_all(format!("PSYNC {id} {offset}\r\n").as_bytes()).expect("the server reads");
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        stream.read_exact(&mut byte).expect("the server answers");
        line.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&line);
    let expected = if offset < 0 { "+FULLRESYNC" } else { "+CONTINUE" };
    assert!(line.starts_with(expected), "{line}");
    stream
}

/// Reads so many bytes of a stream.
fn follow(mut stream: TcpStream, size: u64) -> u64 {
    let (mut received, mut buffer) = (0, vec![0; 1 << 20]);
    while received < size {
        let count = stream.read(&mut buffer).expect("the stream goes on");
        assert!(count > 0, "the stream ends {} bytes early", size - received);
        received += count as u64;
    }
    received
}

/// Reads all files of the log, and says how many MB a second that were.
fn read_files(folder: &Path) -> f64 {
    let (start, mut size) = (Instant::now(), 0);
    let mut buffer = vec![0; 1 << 20];
    for entry in std::fs::read_dir(folder.join("appendonlydir")).expect("the log has a folder").flatten() {
        let Ok(mut file) = std::fs::File::open(entry.path()) else { continue };
        while let Ok(count @ 1..) = file.read(&mut buffer) {
            size += count;
        }
    }
    size as f64 / 1e6 / start.elapsed().as_secs_f64()
}
