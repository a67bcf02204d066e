//! Debian's `redis-server` in a process of its own, to compare with and to boot our files. Tests say why and pass if it
//! is absent.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running `redis-server`, killed when dropped. Its folder holds `redis.sock`.
pub(crate) struct Redis {
    child: Child,
    folder: PathBuf,
}

impl Redis {
    /// Starts the server in `folder` and waits for it.
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        let child = Command::new(PROGRAM)
            .current_dir(folder)
            .args([
                "--port",
                "0",
                "--bind",
                "127.0.0.1",
                "--unixsocket",
                "redis.sock",
                "--logfile",
                "redis.log",
                "--save",
                "",
            ])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, folder: folder.to_owned() };
        let deadline = Instant::now() + Duration::from_secs(60);
        let log = folder.join("redis.log");
        while !std::fs::read_to_string(&log).unwrap_or_default().contains("eady to accept connections") {
            let ended = server.child.try_wait().unwrap();
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "redis-server ended: {text}");
            assert!(Instant::now() < deadline, "redis-server does not start: {text}");
            std::thread::yield_now();
        }
        server
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(self.folder.join("redis.log"));
    }
}

/// Whether a program can be run; prints a reason if not.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if let Err(error) = &found {
        eprintln!("skipped: {program} cannot be run: {error}");
    }
    found.is_ok()
}

pub(crate) const PROGRAM: &str = "redis-server";
