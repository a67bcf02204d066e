//! Any bytes as what a log of ours holds: never a panic, memory within the input's size, and what opens goes on and opens
//! again to the same.
//!
//! The input is cut where a line of the log begins. Each piece keeps what its line says of kind, era, database and time; what
//! follows the line is its group. Offsets, lengths and sums are put right, so that what stands below them is reached. The first
//! byte says what is wrong all the same: that many bytes from the end on, if it is not 0, are bent.

use super::aof::{asks_for_much, checks, goes_on};
use keyslot_persistence::{MemoryStorage, Recovery};
use std::path::Path;

pub(crate) fn run(data: &[u8]) {
    let Some((&bent, input)) = data.split_first() else { return };
    let mut file = sealed(input);
    if let Some(at) = file.len().checked_sub(usize::from(bent)).filter(|_| bent > 0) {
        file[at] ^= 1 << (bent % 8);
    }
    checks(&file);
    if asks_for_much(&file) {
        return;
    }
    let disk = MemoryStorage::new(1);
    disk.put(Path::new("/d/appendonlydir/appendonly.aof.manifest"), b"file appendonly.aof.1.incr.aof seq 1 type i\n");
    disk.put(Path::new("/d/appendonlydir/appendonly.aof.1.incr.aof"), &file);
    for recovery in [Recovery::Whole, Recovery::Strict, Recovery::Salvage] {
        goes_on(&disk.fork(2), recovery);
    }
}

/// A log of these pieces.
fn sealed(input: &[u8]) -> Vec<u8> {
    let (mut file, mut offset) = (Vec::new(), 0);
    let mut starts: Vec<usize> = (0..input.len()).filter(|at| input[*at..].starts_with(MAGIC)).collect();
    starts.push(input.len());
    for piece in starts.windows(2).map(|ends| &input[ends[0]..ends[1]]) {
        let line_end = piece.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |end| end + 1);
        let (line, group) = piece.split_at(line_end);
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_ascii_whitespace().skip(1);
        let kind = words.next().unwrap_or("slots");
        let word = |name: &str| {
            let found = line.split_ascii_whitespace().find_map(|word| word.strip_prefix(name));
            found.unwrap_or("0").to_owned()
        };
        let durable = word("durable=").parse::<usize>().unwrap_or(0).min(offset);
        let covered = format!(
            "#keyslot:1 {kind} id=00000000000000aa offset={offset} length={} durable={durable} era={} db={} time={} crc={:08x}",
            group.len(),
            word("era="),
            word("db="),
            word("time="),
            if group.is_empty() { 0 } else { crc32fast::hash(group) }
        );
        file.extend_from_slice(format!("{covered} sum={:08x}\r\n", crc32fast::hash(covered.as_bytes())).as_bytes());
        file.extend_from_slice(group);
        offset += group.len();
    }
    file
}

const MAGIC: &[u8] = b"#keyslot:";
