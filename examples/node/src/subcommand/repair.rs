//! `keyslot-node repair DIR`: looks at a log that does not open, and cuts off what cannot be read.

use crate::command_line::UsageError;
use keyslot::persistence::recovery::{Repair, check, repair};
use keyslot::persistence::{LogNames, OpenError, RealStorage};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What to repair, and how far to go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RepairOptions {
    folder: PathBuf,
    names: LogNames,
    mode: Repair,
}

impl RepairOptions {
    pub(crate) fn read(arguments: &[Vec<u8>]) -> Result<Self, UsageError> {
        let mut options = Self { folder: PathBuf::new(), names: LogNames::default(), mode: Repair::TornTail };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let text = |value: Option<&Vec<u8>>| match value {
                Some(value) => Ok(String::from_utf8_lossy(value).into_owned()),
                None => Err(UsageError::Repair(String::from_utf8_lossy(argument).into_owned())),
            };
            match argument.as_slice() {
                b"--dry-run" => options.mode = Repair::DryRun,
                b"--salvage" => options.mode = Repair::Salvage,
                b"--appenddirname" => options.names.dir = text(arguments.next())?,
                b"--appendfilename" => options.names.file = text(arguments.next())?,
                folder if !folder.starts_with(b"--") && options.folder.as_os_str().is_empty() => {
                    options.folder = OsStr::from_bytes(folder).into();
                }
                _ => return Err(UsageError::Repair(String::from_utf8_lossy(argument).into_owned())),
            }
        }
        if options.folder.as_os_str().is_empty() {
            return Err(UsageError::RepairWithoutFolder);
        }
        Ok(options)
    }
}

/// Repairs, or says what a repair would do. The text is for people.
pub(crate) fn run(options: &RepairOptions) -> Result<String, OpenError> {
    let storage = RealStorage;
    if options.mode != Repair::DryRun {
        return repair(&storage, &options.folder, &options.names, options.mode).map(|report| report.to_string());
    }
    let checked = check(&storage, &options.folder, &options.names)?;
    let verdict = match checked.refusal {
        Some(refusal) => format!("{refusal}"),
        None if checked.report.cuts.is_empty() && checked.report.zeros_size_bytes == 0 => {
            "Nothing to repair.".to_owned()
        }
        None => "A node opens this log by itself; repair makes it fit for redis-server.".to_owned(),
    };
    Ok(format!("{}\n{verdict}", checked.report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyslot::persistence::Store;
    use std::io::Write;

    fn options(words: &[&str]) -> Result<RepairOptions, UsageError> {
        RepairOptions::read(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_read_and_wrong_ones_refused() {
        let read = options(&["data", "--dry-run", "--appenddirname", "log"]).unwrap();
        assert_eq!((read.mode, read.names.dir.as_str()), (Repair::DryRun, "log"));
        assert_eq!(options(&["data"]).unwrap().mode, Repair::TornTail);
        assert_eq!(options(&[]), Err(UsageError::RepairWithoutFolder));
        for wrong in [&["data", "--fast"][..], &["a", "b"], &["a", "--appendfilename"]] {
            assert!(matches!(options(wrong), Err(UsageError::Repair(_))));
        }
    }

    #[test]
    fn a_torn_end_is_reported_then_cut_and_then_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let store = Store::open(path).unwrap();
        store.set("k", "v").unwrap();
        store.close().unwrap();
        let logs = std::fs::read_dir(folder.path().join("appendonlydir")).unwrap();
        let log = logs.map(|entry| entry.unwrap().path()).find(|path| path.to_str().unwrap().ends_with(".incr.aof"));
        let mut log = std::fs::OpenOptions::new().append(true).open(log.unwrap()).unwrap();
        log.write_all(b"*3\r\n$3\r\nSET\r\n$1").unwrap();
        let dry = run(&options(&[path, "--dry-run"]).unwrap()).unwrap();
        assert!(dry.contains("torn bytes cut"), "{dry}");
        let done = run(&options(&[path]).unwrap()).unwrap();
        assert!(done.contains("torn bytes cut"), "{done}");
        let again = run(&options(&[path, "--dry-run"]).unwrap()).unwrap();
        assert!(again.ends_with("Nothing to repair."), "{again}");
        assert_eq!(Store::open(path).unwrap().get("k").unwrap().as_deref(), Some(&b"v"[..]));
    }
}
