//! The list of a log's files, in the form of Redis 7 (`appendonly.aof.manifest`).
//!
//! ```text
//! #keyslot:1 manifest sum=1b0e5d7c                     our line: CRC-32 of all bytes after it; a comment to Redis
//! file appendonly.aof.1.base.aof seq 1 type b          at most one base, type b
//! file appendonly.aof.4.incr.aof seq 4 type i          then the incremental files, oldest first, seq rising
//! file appendonly.aof.5.incr.aof seq 5 type i
//! ```
//!
//! A manifest without our line (Redis wrote it) is taken as it is. Files of type `h` are leftovers; they are not read.

use super::annotation::{MAGIC, VERSION};
use std::fmt::Write as _;

/// The files of a log, oldest first.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Manifest {
    pub(crate) base: Option<ManifestFile>,
    pub(crate) incremental: Vec<ManifestFile>,
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ManifestFile {
    pub(crate) name: String,
    pub(crate) seq: u64,
}

/// Why a manifest cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ManifestFault {
    /// The line, from 1.
    pub(crate) line: usize,
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

impl Manifest {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = String::new();
        let base = self.base.iter().map(|file| (file, 'b'));
        let incremental = self.incremental.iter().map(|file| (file, 'i'));
        for (file, kind) in base.chain(incremental) {
            writeln!(body, "file {} seq {} type {kind}", file.name, file.seq).expect("writing to a string never fails");
        }
        format!("{MAGIC}{VERSION}{SUM_KEY}{:08x}\n{body}", crc32fast::hash(body.as_bytes())).into_bytes()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ManifestFault> {
        let fault = |line, expected, found: &str| ManifestFault { line, expected, found: printable(found) };
        let text = std::str::from_utf8(bytes).map_err(|_| fault(1, "text", "bytes that are not UTF-8"))?;
        let mut manifest = Self::default();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if let (0, Some(ours)) = (index, line.strip_prefix(MAGIC)) {
                check_sum(ours, text).map_err(|(expected, found)| fault(number, expected, &found))?;
                continue;
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (file, kind) = decode_line(line).ok_or_else(|| fault(number, LINE_FORM, line))?;
            match kind {
                'b' if manifest.base.is_none() && manifest.incremental.is_empty() => manifest.base = Some(file),
                'b' => return Err(fault(number, "one base file, before all others", line)),
                'i' if manifest.incremental.last().is_some_and(|last| last.seq >= file.seq) => {
                    return Err(fault(number, "a higher seq than the line before", line));
                }
                'i' => manifest.incremental.push(file),
                'h' => {}
                _ => return Err(fault(number, LINE_FORM, line)),
            }
            if manifest.incremental.len() > FILE_COUNT_MAX {
                return Err(fault(number, "at most 100000 files", line));
            }
        }
        Ok(manifest)
    }

    /// The number for the next incremental file.
    pub(crate) fn next_seq(&self) -> u64 {
        self.incremental.last().map_or(1, |last| last.seq + 1)
    }
}

fn check_sum(ours: &str, text: &str) -> Result<(), (&'static str, String)> {
    let (head, body) = text.split_once('\n').unwrap_or((text, ""));
    let (version, sum) = ours.split_once(SUM_KEY).ok_or(("a manifest line of ours", head.to_owned()))?;
    if version.parse() != Ok(VERSION) {
        return Err(("format version 1", head.to_owned()));
    }
    let expected = format!("{:08x}", crc32fast::hash(body.as_bytes()));
    if sum == expected {
        Ok(())
    } else {
        Err(("the checksum of the lines that follow", format!("{sum}, they have {expected}")))
    }
}

fn decode_line(line: &str) -> Option<(ManifestFile, char)> {
    let mut words = line.split_ascii_whitespace();
    let (mut name, mut seq, mut kind) = (None, None, None);
    while let Some(key) = words.next() {
        let value = words.next()?;
        match key {
            "file" => name = Some(value.to_owned()),
            "seq" => seq = Some(value.parse().ok().filter(|n| (1..u64::MAX).contains(n))?),
            "type" => kind = Some(value),
            _ => {}
        }
    }
    let mut letters = kind?.chars();
    let kind = letters.next().filter(|_| letters.next().is_none())?;
    let name = name.filter(|n| !n.contains(['/', '"', '\'', '\\']) && !n.starts_with('.'))?;
    Some((ManifestFile { name, seq: seq? }, kind))
}

fn printable(text: &str) -> String {
    text.chars().take(120).map(|c| if c.is_control() { '?' } else { c }).collect()
}

const SUM_KEY: &str = " manifest sum=";
const LINE_FORM: &str = "`file <name> seq <number> type b|i|h`";
const FILE_COUNT_MAX: usize = 100_000;

/// The largest manifest that is read.
pub(crate) const MANIFEST_SIZE_BYTES_MAX: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, seq: u64) -> ManifestFile {
        ManifestFile { name: name.to_owned(), seq }
    }

    #[test]
    fn a_manifest_reads_back() {
        let manifest = Manifest {
            base: Some(file("appendonly.aof.1.base.aof", 1)),
            incremental: vec![file("appendonly.aof.4.incr.aof", 4), file("appendonly.aof.5.incr.aof", 5)],
        };
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        assert_eq!(manifest.next_seq(), 6);
        assert_eq!(Manifest::default().next_seq(), 1);
    }

    #[test]
    fn one_that_redis_wrote_is_taken() {
        let text = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n\
                    file appendonly.aof.1.incr.aof seq 1 type h\n";
        let manifest = Manifest::decode(text.as_bytes()).unwrap();
        assert_eq!(manifest.base, Some(file("appendonly.aof.1.base.rdb", 1)));
        assert_eq!(manifest.incremental, [file("appendonly.aof.2.incr.aof", 2)]);
    }

    #[test]
    fn no_flipped_bit_gives_another_list() {
        let manifest = Manifest { base: None, incremental: vec![file("appendonly.aof.1.incr.aof", 1)] };
        let good = manifest.encode();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Manifest::decode(&bad) {
                assert_eq!(read, manifest, "bit {bit}");
            }
        }
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        for name in ["../x", "a/b", ".hidden", "\"quoted\""] {
            let text = format!("file {name} seq 1 type i\n");
            let fault = Manifest::decode(text.as_bytes()).unwrap_err();
            assert_eq!((fault.line, fault.expected), (1, LINE_FORM));
        }
    }

    #[test]
    fn order_is_checked() {
        let text = "file a seq 2 type i\nfile b seq 2 type i\n";
        assert_eq!(Manifest::decode(text.as_bytes()).unwrap_err().line, 2);
        let text = "file a seq 2 type i\nfile b seq 1 type b\n";
        assert_eq!(Manifest::decode(text.as_bytes()).unwrap_err().line, 2);
    }
}
