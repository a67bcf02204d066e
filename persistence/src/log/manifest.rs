//! The list of a log's files, in the form of Redis 7 (`appendonly.aof.manifest`).
//!
//! ```text
//! #keyslot:1 manifest sum=1b0e5d7c                     our line: CRC-32 of all bytes after it; a comment to Redis
//! file appendonly.aof.2.base.rdb seq 2 type b keyslot-offset 8192 keyslot-era 7 keyslot-size 70000
//! file appendonly.aof.1.base.aof seq 1 type h          what the base above stands for, to be removed
//! file appendonly.aof.4.incr.aof seq 4 type i          the incremental files, oldest first, seq rising
//! file appendonly.aof.5.incr.aof seq 5 type i
//! ```
//!
//! At most one base stands before all others. `keyslot-offset` says at which journal offset the log goes on after it, and
//! `keyslot-era` the era from which the batches are that follow, `keyslot-size` how many bytes the base has; Redis passes
//! over words that it does not know. A manifest without our line (Redis wrote it) is taken as it is. Names with blanks stand
//! in quotes, as Redis writes them.

use super::annotation::{MAGIC, VERSION};
use keyslot_engine::text::split_args;
use std::fmt::Write as _;

/// The files of a log, oldest first.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Manifest {
    pub(crate) base: Option<ManifestFile>,
    /// Where the journal goes on after the base, if the base says so.
    pub(crate) goes_on: Option<GoesOn>,
    /// The base's size, if it was written with the manifest.
    pub(crate) base_size_bytes: Option<u64>,
    /// Files that no reader needs and that may be there still.
    pub(crate) history: Vec<ManifestFile>,
    pub(crate) incremental: Vec<ManifestFile>,
}

/// Where the journal goes on after a base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GoesOn {
    /// The base holds everything before this journal offset and nothing after it.
    pub(crate) offset: u64,
    /// The batches from there on are of this era or a later one.
    pub(crate) era: u64,
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ManifestFile {
    pub(crate) name: String,
    pub(crate) seq: u64,
}

/// Why a manifest cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: expected {expected}, found {found}")]
pub struct ManifestFault {
    /// The line, from 1.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

impl Manifest {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = String::new();
        let base = self.base.iter().map(|file| (file, 'b'));
        let history = self.history.iter().map(|file| (file, 'h'));
        let incremental = self.incremental.iter().map(|file| (file, 'i'));
        for (file, kind) in base.chain(history).chain(incremental) {
            let quotes = if file.name.contains(' ') { "\"" } else { "" };
            write!(body, "file {quotes}{}{quotes} seq {} type {kind}", file.name, file.seq)
                .expect("writing to a string never fails");
            if let (Some(GoesOn { offset, era }), 'b') = (self.goes_on, kind) {
                write!(body, " {OFFSET_KEY} {offset} {ERA_KEY} {era}").expect("writing to a string never fails");
            }
            if let (Some(size), 'b') = (self.base_size_bytes, kind) {
                write!(body, " {SIZE_KEY} {size}").expect("writing to a string never fails");
            }
            body.push('\n');
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
            let Line { file, kind, goes_on, size_bytes } =
                decode_line(line).ok_or_else(|| fault(number, LINE_FORM, line))?;
            match kind {
                'b' if manifest.base.is_none() && manifest.incremental.is_empty() => {
                    (manifest.base, manifest.goes_on, manifest.base_size_bytes) = (Some(file), goes_on, size_bytes);
                }
                'b' => return Err(fault(number, "one base file, before all others", line)),
                'i' if manifest.incremental.last().is_some_and(|last| last.seq >= file.seq) => {
                    return Err(fault(number, "a higher seq than the line before", line));
                }
                'i' => manifest.incremental.push(file),
                'h' => manifest.history.push(file),
                _ => return Err(fault(number, LINE_FORM, line)),
            }
            if manifest.incremental.len() + manifest.history.len() > FILE_COUNT_MAX {
                return Err(fault(number, "at most 100000 files", line));
            }
        }
        Ok(manifest)
    }

    /// The number for the next incremental file: above all that were there, so that no name comes twice.
    pub(crate) fn next_seq(&self) -> u64 {
        let history = self.history.iter().filter(|file| file.name.ends_with(".incr.aof"));
        let last = history.chain(&self.incremental).map(|file| file.seq).max().unwrap_or(0);
        self.unnamed(last + 1, |name| Some(name.strip_suffix(".incr.aof")?.rsplit_once('.')?.1))
    }

    /// The number for the next base.
    pub(crate) fn next_base_seq(&self) -> u64 {
        let history = self.history.iter().filter(|file| !file.name.ends_with(".incr.aof"));
        let last = history.chain(&self.base).map(|file| file.seq).max().unwrap_or(0);
        self.unnamed(last + 1, |name| Some(name.rsplit_once(".base.")?.0.rsplit_once('.')?.1))
    }

    /// The first number from `seq` on that is above those in the names of such files: somebody may have numbered the lines of a
    /// manifest otherwise than the files.
    fn unnamed(&self, seq: u64, number: impl Fn(&str) -> Option<&str>) -> u64 {
        let files = self.base.iter().chain(&self.incremental).chain(&self.history);
        let numbers = files.filter_map(|file| number(&file.name)?.parse::<u64>().ok());
        numbers.filter(|number| *number < SEQ_MAX).fold(seq, |seq, number| seq.max(number + 1))
    }

    /// Whether its numbers can be read back.
    pub(crate) fn has_numbers(&self) -> bool {
        self.base.iter().chain(&self.incremental).chain(&self.history).all(|file| file.seq < SEQ_MAX)
    }

    /// Whether a file of this name is listed as one that is read.
    pub(crate) fn reads(&self, name: &str) -> bool {
        self.base.iter().chain(&self.incremental).any(|file| file.name == name)
    }

    /// Puts `base` in the place of the base and of the first `replaced` incremental files, which become history.
    pub(crate) fn install(&mut self, base: ManifestFile, goes_on: GoesOn, size_bytes: u64, replaced: usize) {
        self.history.extend(self.base.replace(base));
        self.history.extend(self.incremental.drain(..replaced));
        (self.goes_on, self.base_size_bytes) = (Some(goes_on), Some(size_bytes));
    }
}

fn check_sum(ours: &str, text: &str) -> Result<(), (&'static str, String)> {
    let (head, body) = text.split_once('\n').unwrap_or((text, ""));
    let (version, sum) = ours.split_once(SUM_KEY).ok_or(("a manifest line of ours", head.to_owned()))?;
    if version.parse() != Ok(VERSION) {
        let is_newer = version.parse().is_ok_and(|version: u32| version > VERSION);
        let found = if is_newer { format!("format version {version}, of a newer program") } else { head.to_owned() };
        return Err(("format version 1", found));
    }
    let expected = format!("{:08x}", crc32fast::hash(body.as_bytes()));
    if sum == expected {
        Ok(())
    } else {
        Err(("the checksum of the lines that follow", format!("{sum}, they have {expected}")))
    }
}

struct Line {
    file: ManifestFile,
    kind: char,
    goes_on: Option<GoesOn>,
    size_bytes: Option<u64>,
}

fn decode_line(line: &str) -> Option<Line> {
    let words = split_args(line.as_bytes()).ok()?;
    let (mut name, mut seq, mut kind) = (None, None, None);
    let (mut offset, mut era, mut size_bytes) = (None, None, None);
    for pair in words.chunks(2) {
        let [key, value] = pair else { return None };
        let value = std::str::from_utf8(value).ok()?;
        match key.as_slice() {
            b"file" => name = Some(value.to_owned()),
            b"seq" => seq = Some(value.parse().ok().filter(|n| (1..SEQ_MAX).contains(n))?),
            b"type" => kind = Some(value),
            key if key == OFFSET_KEY.as_bytes() => offset = Some(value.parse().ok()?),
            key if key == ERA_KEY.as_bytes() => era = Some(value.parse().ok()?),
            key if key == SIZE_KEY.as_bytes() => size_bytes = Some(value.parse().ok()?),
            _ => {}
        }
    }
    let mut letters = kind?.chars();
    let kind = letters.next().filter(|_| letters.next().is_none())?;
    let is_plain = |c: char| !c.is_control() && !matches!(c, '/' | '"' | '\'' | '\\');
    let name = name.filter(|n: &String| !n.is_empty() && n.chars().all(is_plain) && !n.starts_with('.'))?;
    let goes_on = offset.map(|offset| GoesOn { offset, era: era.unwrap_or(0) });
    Some(Line { file: ManifestFile { name, seq: seq? }, kind, goes_on, size_bytes })
}

fn printable(text: &str) -> String {
    text.chars().take(120).map(|c| if c.is_control() { '?' } else { c }).collect()
}

const OFFSET_KEY: &str = "keyslot-offset";
const ERA_KEY: &str = "keyslot-era";
const SIZE_KEY: &str = "keyslot-size";
const SUM_KEY: &str = " manifest sum=";
const LINE_FORM: &str = "`file <name> seq <number> type b|i|h`";
const FILE_COUNT_MAX: usize = 100_000;

/// Numbers of files are below this one; no log comes near it by itself.
const SEQ_MAX: u64 = 1 << 63;

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
            ..Manifest::default()
        };
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        assert_eq!(manifest.next_seq(), 6);
        assert_eq!(Manifest::default().next_seq(), 1);
        let renumbered = Manifest { incremental: vec![file("appendonly.aof.9.incr.aof", 2)], ..Manifest::default() };
        assert_eq!((renumbered.next_seq(), renumbered.next_base_seq()), (10, 1));
        let dated = Manifest { incremental: vec![file("app.20261127.aof.3.incr.aof", 3)], ..Manifest::default() };
        assert_eq!(dated.next_seq(), 4);
        let last = format!("file a.1.incr.aof seq {} type i\n", SEQ_MAX - 1);
        let last = Manifest::decode(last.as_bytes()).unwrap();
        assert!(last.has_numbers());
        let next = Manifest { incremental: vec![file("a.2.incr.aof", last.next_seq())], ..Manifest::default() };
        assert!(!next.has_numbers() && Manifest::decode(&next.encode()).is_err());
    }

    #[test]
    fn an_installed_base_says_where_the_journal_goes_on() {
        let mut manifest = Manifest {
            base: Some(file("a b.1.base.aof", 1)),
            incremental: vec![file("a b.4.incr.aof", 4), file("a b.5.incr.aof", 5)],
            ..Manifest::default()
        };
        manifest.install(file("a b.2.base.rdb", 2), GoesOn { offset: 77, era: 3 }, 500, 1);
        let text = String::from_utf8(manifest.encode()).unwrap();
        assert!(
            text.ends_with(
                "file \"a b.2.base.rdb\" seq 2 type b keyslot-offset 77 keyslot-era 3 keyslot-size 500\n\
                 file \"a b.1.base.aof\" seq 1 type h\nfile \"a b.4.incr.aof\" seq 4 type h\n\
                 file \"a b.5.incr.aof\" seq 5 type i\n"
            ),
            "{text}"
        );
        assert_eq!(Manifest::decode(text.as_bytes()), Ok(manifest.clone()));
        assert_eq!((manifest.next_seq(), manifest.next_base_seq()), (6, 3));
        assert!(manifest.reads("a b.5.incr.aof") && !manifest.reads("a b.4.incr.aof"));
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
        let manifest = Manifest { incremental: vec![file("appendonly.aof.1.incr.aof", 1)], ..Manifest::default() };
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
        for name in ["../x", "a/b", ".hidden", "\"\"", "\"a\\nb\"", "\"a\\\"b\""] {
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
