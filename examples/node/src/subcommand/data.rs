//! `keyslot-node check PATH`, `inspect PATH [--slot N]`, `convert FROM TO`: files and directories of data, whoever wrote them.

use super::bar::Bar;
use crate::command_line::UsageError;
use keyslot::engine::{Engine, SLOT_COUNT, Slot, UnixMillis, View};
use keyslot::persistence::recovery::{Survey, survey};
use keyslot::persistence::storage::{Access, FileError, Storage};
use keyslot::persistence::{LogNames, OpenError, RealStorage, aof, rdb, snapshot};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What to do with which data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DataOptions {
    verb: Verb,
    path: PathBuf,
    names: LogNames,
}

#[derive(Debug, PartialEq, Eq)]
enum Verb {
    Check,
    Inspect { slot: Option<Slot> },
    Convert { target: PathBuf, format: Format },
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Rdb,
    Aof,
    Snapshot,
}

/// Why it did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{0}")]
    Unsound(Box<Survey>),
    #[error("{}: there is a file of this name already; remove it, or name another", .0.display())]
    Exists(PathBuf),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Snapshot(#[from] snapshot::SnapshotError),
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: std::io::Error },
}

impl DataOptions {
    /// Reads the arguments, the subcommand's name first.
    pub(crate) fn read(arguments: &[Vec<u8>]) -> Result<Self, UsageError> {
        let name = String::from_utf8_lossy(&arguments[0]).into_owned();
        let wrong = |word: &[u8]| UsageError::Data(name.clone(), String::from_utf8_lossy(word).into_owned());
        let mut names = LogNames::default();
        let (mut paths, mut slot, mut format) = (Vec::new(), None, None);
        let mut words = arguments[1..].iter();
        while let Some(word) = words.next() {
            let mut text = || match words.next() {
                Some(value) => Ok(String::from_utf8_lossy(value).into_owned()),
                None => Err(wrong(word)),
            };
            match word.as_slice() {
                b"--appenddirname" => names.dir = text()?,
                b"--appendfilename" => names.file = text()?,
                b"--slot" if name == "inspect" => {
                    let number = text()?.parse().ok().and_then(Slot::new);
                    slot = Some(number.ok_or_else(|| wrong(b"--slot, which takes a number from 0 to 16383"))?);
                }
                b"--format" if name == "convert" => {
                    format =
                        Some(Format::of(&text()?).ok_or_else(|| wrong(b"--format, which is rdb, aof or keyslot"))?);
                }
                path if !path.starts_with(b"--") => paths.push(PathBuf::from(OsStr::from_bytes(path))),
                other => return Err(wrong(other)),
            }
        }
        let (verb, path) = match (name.as_str(), paths.as_slice()) {
            ("check", [path]) => (Verb::Check, path),
            ("inspect", [path]) => (Verb::Inspect { slot }, path),
            ("convert", [path, target]) => {
                let by_name = target.extension().and_then(OsStr::to_str).and_then(Format::of);
                let format = format.or(by_name).ok_or_else(|| wrong(target.as_os_str().as_bytes()))?;
                (Verb::Convert { target: target.clone(), format }, path)
            }
            _ => return Err(UsageError::DataPaths(name)),
        };
        Ok(Self { verb, path: path.clone(), names })
    }
}

impl Format {
    fn of(text: &str) -> Option<Self> {
        match text {
            "rdb" => Some(Self::Rdb),
            "aof" => Some(Self::Aof),
            "keyslot" => Some(Self::Snapshot),
            _ => None,
        }
    }
}

/// Does it. The text is for people.
pub(crate) fn run(options: &DataOptions) -> Result<String, DataError> {
    let engine = Engine::in_memory();
    let mut bar = Bar::new();
    let surveyed =
        survey(&RealStorage, &options.path, &options.names, &engine, &mut |done, total| bar.show(done, total));
    bar.end();
    let found = surveyed?;
    match &options.verb {
        Verb::Check if found.is_sound() => Ok(found.to_string()),
        Verb::Check => Err(DataError::Unsound(Box::new(found))),
        Verb::Inspect { slot } => Ok(match slot {
            Some(slot) => one_slot(&engine, *slot),
            None => all_slots(&engine, &found),
        }),
        Verb::Convert { .. } if !found.is_sound() => Err(DataError::Unsound(Box::new(found))),
        Verb::Convert { target, format } => {
            let size = convert(engine.view(), target, *format)?;
            Ok(format!("{found}\n{}: {size} bytes written", target.display()))
        }
    }
}

/// Writes a new file, all of it or none.
fn convert(view: View, target: &Path, format: Format) -> Result<u64, DataError> {
    if std::fs::exists(target).unwrap_or(true) {
        return Err(DataError::Exists(target.to_owned()));
    }
    if format == Format::Snapshot {
        let (options, progress) = (snapshot::WriteOptions::default(), snapshot::SnapshotProgress::new());
        snapshot::write(view, &RealStorage, target, &options, &progress)?;
        return Ok(std::fs::metadata(target).map_or(0, |found| found.len()));
    }
    let temporary = target.with_extension("keyslot-temp");
    let failed = |error| DataError::Write { path: temporary.clone(), error };
    let mut file = RealStorage.open(&temporary, Access::Create).map_err(failed)?;
    let mut size = 0;
    let mut take = |piece: &[u8]| {
        file.write_at(&[piece], size)?;
        size += piece.len() as u64;
        Ok::<(), std::io::Error>(())
    };
    match format {
        Format::Aof => aof::write_commands(&view, &mut take).map(drop),
        Format::Rdb | Format::Snapshot => {
            let notes = [("redis-ver", crate::REDIS_VERSION), ("redis-bits", "64")];
            rdb::write_view(&view, rdb::RdbOptions::default(), &notes, &mut |piece, _| take(piece)).map(drop)
        }
    }
    .map_err(failed)?;
    file.sync_data().map_err(failed)?;
    RealStorage.rename(&temporary, target).map_err(failed)?;
    Ok(size)
}

/// The keys of each slot that has any.
fn all_slots(engine: &Engine, found: &Survey) -> String {
    let view = engine.view();
    let mut text = format!("{found}\n\n{:>6} {:>10} {:>14}\n", "slot", "keys", "heap bytes");
    for slot in Slot::all().map(|slot| view.slot(slot)).filter(|slot| !slot.is_empty()) {
        let bytes: usize = slot.iter().map(|entry| entry.heap_bytes()).sum();
        let _ = writeln!(text, "{:>6} {:>10} {bytes:>14}", slot.slot().number(), slot.len());
    }
    text
}

/// The keys of one slot.
fn one_slot(engine: &Engine, slot: Slot) -> String {
    let view = engine.view();
    let of_slot = view.slot(slot);
    let mut text = format!("slot {} of {SLOT_COUNT}: {} keys\n", slot.number(), of_slot.len());
    for entry in of_slot.iter() {
        let expiry = entry.expiry().map_or(String::new(), |UnixMillis(at)| format!(", expires at {at}"));
        let (name, kind, bytes) = (entry.key().escape_ascii(), entry.value_type().name(), entry.heap_bytes());
        let _ = writeln!(text, "db{} {name}: {kind}, {bytes} heap bytes{expiry}", entry.db());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyslot::persistence::Store;

    fn options(words: &[&str]) -> Result<DataOptions, UsageError> {
        DataOptions::read(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    fn done(words: &[&str]) -> String {
        run(&options(words).unwrap()).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    #[test]
    fn arguments_are_read_and_wrong_ones_refused() {
        let read = options(&["inspect", "data", "--slot", "7", "--appenddirname", "log"]).unwrap();
        assert_eq!((read.verb, read.names.dir.as_str()), (Verb::Inspect { slot: Slot::new(7) }, "log"));
        let read = options(&["convert", "dump.rdb", "new.aof"]).unwrap();
        assert_eq!(read.verb, Verb::Convert { target: "new.aof".into(), format: Format::Aof });
        for wrong in [&["check"][..], &["check", "a", "b"], &["convert", "a"], &["inspect"]] {
            assert!(matches!(options(wrong), Err(UsageError::DataPaths(_))), "{wrong:?}");
        }
        let odd = [
            &["check", "a", "--fast"][..],
            &["inspect", "a", "--slot", "16384"],
            &["convert", "a", "b.txt"],
            &["convert", "a", "b", "--format", "x"],
            &["check", "a", "--slot", "1"],
            &["check", "a", "--appenddirname"],
        ];
        for wrong in odd {
            assert!(matches!(options(wrong), Err(UsageError::Data(..))), "{wrong:?}");
        }
    }

    #[test]
    fn data_is_checked_shown_and_converted_from_each_form_to_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let store = Store::open(path("store")).unwrap();
        store.set("{a}k", "v").unwrap();
        store.rpush("{a}list", "x").unwrap();
        store.set_ex("t", "v", 1_000_000).unwrap();
        store.close().unwrap();
        let slot = Slot::of(b"{a}k").number().to_string();
        let all = ["store", "store/appendonlydir", "store/appendonlydir/appendonly.aof.manifest"];
        for name in all {
            assert!(done(&["check", &path(name)]).contains("3 keys (list 1, string 2), 1 of them expire"), "{name}");
        }
        let mut from = path("store");
        for target in ["a.rdb", "b.aof", "c.keyslot", "d.aof", "e.rdb"] {
            done(&["convert", &from, &path(target)]);
            from = path(target);
            let checked = done(&["check", &from]);
            assert!(checked.contains("3 keys (list 1, string 2), 1 of them expire"), "{checked}");
            assert!(checked.ends_with("sound"), "{checked}");
        }
        let shown = done(&["inspect", &from, "--slot", &slot]);
        assert!(shown.contains("2 keys") && shown.contains("db0 {a}list: list,"), "{shown}");
        assert!(done(&["inspect", &from]).contains(&slot));
        assert!(matches!(run(&options(&["convert", &from, &path("a.rdb")]).unwrap()), Err(DataError::Exists(_))));
    }

    #[test]
    fn what_is_damaged_is_named_and_not_converted() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("torn.aof"), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nDE").unwrap();
        let error = run(&options(&["check", &path("torn.aof")]).unwrap()).unwrap_err().to_string();
        assert!(
            error.contains("1 keys (string 1)") && error.contains("fault: byte 27: expected a whole command"),
            "{error}"
        );
        assert!(run(&options(&["convert", &path("torn.aof"), &path("x.rdb")]).unwrap()).is_err());
        std::fs::write(path("no.rdb"), b"REDIS0010").unwrap();
        assert!(run(&options(&["check", &path("no.rdb")]).unwrap()).unwrap_err().to_string().contains("fault: byte 9"));
        assert!(matches!(run(&options(&["check", &path("none")]).unwrap()), Err(DataError::Open(_))));
    }
}
