//! A node whose disk is full refuses writes, serves reads, and after a restart with room again has all it acknowledged.
//!
//! The disk is a small file system in memory, which takes the right to mount one; without it the test says so and passes.

use crate::node::Node;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[test]
fn a_full_disk_stops_writes_but_loses_nothing_acknowledged() {
    for (fsync, signal) in [("always", "KILL"), ("everysec", "TERM"), ("always", "TERM")] {
        let folder = tempfile::tempdir().unwrap();
        let Some(disk) = Disk::mount(folder.path()) else { return };
        // A node with save points does not end on SIGTERM while its snapshot cannot be written.
        let options = &["--appendonly", "yes", "--appendfsync", fsync, "--save", ""];
        let mut node = Node::start(folder.path(), options);
        let mut client = node.client();
        assert_eq!(client.ask(&["SET", "first", "v"]), "+OK");
        // Every second promises nothing of the last ten milliseconds.
        client.ask(&["WAITAOF", "1", "0", "10000"]);
        let ballast = disk.fill();
        let value = "x".repeat(VALUE_BYTES);
        let mut acknowledged = 0;
        let refusal = loop {
            let reply = client.ask(&["SET", &format!("key:{acknowledged}"), &value]);
            if reply != "+OK" {
                break reply;
            }
            acknowledged += 1;
            assert!(acknowledged * VALUE_BYTES < 2 * DISK_BYTES, "the disk does not fill");
        };
        assert!(refusal.starts_with("-MISCONF "), "{refusal}");
        let again = client.ask(&["SET", "second", "v"]);
        assert!(again.starts_with("-MISCONF Errors writing to the AOF file: "), "{again}");
        assert_eq!(client.ask(&["GET", "first"]), "v");
        assert!(client.ask(&["INFO", "persistence"]).contains("aof_last_write_status:err\r\n"));
        node.signal(signal);
        node.wait();
        std::fs::remove_file(ballast).unwrap();
        let node = Node::start(folder.path(), options);
        let mut client = node.client();
        assert_eq!(client.ask(&["GET", "second"]), "(nil)");
        // Every second promises less: what was answered and not yet written is lost with the process.
        if fsync == "always" {
            for number in 0..acknowledged {
                assert_eq!(client.ask(&["STRLEN", &format!("key:{number}")]), format!(":{VALUE_BYTES}"), "{number}");
            }
        }
        assert_eq!(client.ask(&["GET", "first"]), "v");
        assert_eq!(client.ask(&["SET", "second", "v"]), "+OK");
    }
}

/// A small file system, gone when dropped.
pub(crate) struct Disk {
    path: PathBuf,
}

impl Disk {
    pub(crate) fn mount(path: &Path) -> Option<Self> {
        let size = format!("size={DISK_BYTES}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).stderr(Stdio::null());
        if !mount.status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: a file system cannot be mounted here");
            return None;
        }
        Some(Self { path: path.to_owned() })
    }

    /// Takes all the room there is, and returns the file that holds it.
    pub(crate) fn fill(&self) -> PathBuf {
        let ballast = self.path.join("ballast");
        let full = std::fs::write(&ballast, vec![1; DISK_BYTES]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

const DISK_BYTES: usize = 24 << 20;

const VALUE_BYTES: usize = 60_000;
