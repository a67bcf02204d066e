//! A server as a process of its own: started on loopback, asked what it used, stopped when dropped.
#![allow(dead_code, reason = "each bench has its own copy and needs a part")]

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    child: Child,
}

impl Server {
    /// Starts a server with its files in `folder`, and waits until it takes connections.
    pub(crate) fn start(program: &str, port: u16, folder: &Path, options: &[&str]) -> Self {
        std::fs::create_dir_all(folder).expect("the scratch folder can be written");
        let folder = folder.to_string_lossy();
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir", &folder, "--save", ""])
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let server = Self { port, child };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < START_MAX, "{program} does not listen on port {port}");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Processor time so far, user and system.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        // The second field is the program's name in brackets; counted from behind it, 12 and 13 are the times.
        let (_, fields) = stat.rsplit_once(") ").expect("the name ends with a bracket");
        let ticks: f64 = fields.split(' ').skip(11).take(2).map(|n| n.parse::<f64>().unwrap_or(f64::NAN)).sum();
        ticks / TICKS_PER_SECOND
    }

    /// Bytes of memory that it holds.
    pub(crate) fn resident_bytes(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the line is always there");
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) * 1024.0
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; did the server stop?"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        self.child.kill().unwrap_or_default();
        let _status = self.child.wait();
    }
}

/// A new folder for the servers' files.
pub(crate) fn scratch() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("keyslot-benches-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder for temporary files can be written");
    folder
}

const START_MAX: Duration = Duration::from_secs(20);

/// What Linux counts in, on every architecture that matters here.
const TICKS_PER_SECOND: f64 = 100.0;
