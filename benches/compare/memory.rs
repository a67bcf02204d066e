//! Resident bytes per key, each map in a process of its own.

use crate::keys::{key, value};
use crate::maps::make;
use std::process::Command;

/// Runs this program again to fill one map with `count` keys; returns the bytes per key that it came to hold.
pub(crate) fn bytes_per_key(map: &str, count: u32) -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).args(["--fill", map, "--keys", &count.to_string()]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The child's part: fills a map and prints what it holds per key.
pub(crate) fn fill(map: &str, count: u32) {
    let map = make(map).expect("the parent names maps that exist");
    let before = resident_bytes();
    for number in 0..count {
        map.set(&key(number), &value(number));
    }
    let after = resident_bytes();
    println!("{:.1}", (after - before) / f64::from(count));
}

fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells what a process holds");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the line is always there");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kib * 1024.0
}
