//! The file that keeps the roster (`cluster-config-file`), and the notes beside it.
//!
//! ```text
//! nodes.conf          the roster as of the last save, on the disk
//! nodes.conf.notes    rosters since then, each behind a line `length crc64`; the last whole one counts
//! ```
//!
//! - What must not be lost, epochs and votes, is saved. Where slots change hands, thousands in a row, each is noted: that outlives the
//!   process, and a save within [`NOTED_MS`] makes that it outlives the machine, too.
//! - A save is noted first: whatever is on the disk after a crash, the notes are never older by more than slots.

use crate::settings::{read_limited, replace_file};
use keyslot::engine::UnixMillis;
use keyslot::engine::payload::crc64;
use keyslot::replication::cluster::{NodeName, Roster, view};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// See the module.
pub(super) struct RosterFile {
    path: PathBuf,
    /// While there are notes: the file, and when they are to be saved.
    notes: Option<(File, UnixMillis)>,
    /// There are notes of a process that ended.
    has_old_notes: bool,
}

impl RosterFile {
    /// Opens the file; says what is known, if there is a file.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<Roster>)> {
        let file = Self { path: path.to_owned(), notes: None, has_old_notes: notes_path(path).exists() };
        let Some(saved) = load(path)? else { return Ok((file, None)) };
        let notes = std::fs::read(notes_path(path)).unwrap_or_default();
        let noted = last_note(&notes).and_then(|text| parse(path, text).ok());
        // Whoever changed the file by hand since means it.
        let is_newer = modified(&notes_path(path)) >= modified(path);
        let roster = noted.filter(|noted| is_newer && !is_older(noted, &saved)).unwrap_or(saved);
        Ok((file, Some(roster)))
    }

    /// Writes the roster in one step, to the disk.
    pub(super) fn save(&mut self, roster: &Roster) -> io::Result<()> {
        let text = view::print(roster, false);
        if let Some((notes, _)) = &mut self.notes {
            append(notes, &text)?;
        }
        replace_file(&self.path, text.as_bytes())?;
        if self.notes.take().is_some() || std::mem::take(&mut self.has_old_notes) {
            std::fs::remove_file(notes_path(&self.path))?;
        }
        Ok(())
    }

    /// Writes the roster so that it outlives the process.
    pub(super) fn note(&mut self, roster: &Roster, now: UnixMillis) -> io::Result<()> {
        let is_full = self.notes.as_ref().is_some_and(|(notes, _)| length_of(notes) >= NOTES_BYTES_MAX);
        if is_full {
            return self.save(roster);
        }
        let text = view::print(roster, false);
        let (notes, _) = match &mut self.notes {
            Some(notes) => notes,
            none => none.insert((File::create(notes_path(&self.path))?, now.saturating_add(NOTED_MS))),
        };
        append(notes, &text)
    }

    /// Whether notes have to be saved.
    pub(super) fn is_due(&self, now: UnixMillis) -> bool {
        self.notes.as_ref().is_some_and(|(_, by)| *by <= now)
    }
}

/// Reads the roster that was saved; `None` if there is no file.
fn load(path: &Path) -> io::Result<Option<Roster>> {
    let text = match File::open(path).and_then(read_limited) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Redis makes the file before it writes it.
    if text.is_empty() {
        return Ok(None);
    }
    parse(path, &text).map(Some)
}

fn parse(path: &Path, text: &[u8]) -> io::Result<Roster> {
    let text = String::from_utf8_lossy(text);
    let mut name = || NodeName::parse(crate::host::info::random_id().as_bytes()).expect("it is 40 digits");
    view::parse(&text, false, &mut name).map_err(|reason| {
        let reason = format!("{}: {reason}; correct the file, or remove it to begin a new cluster", path.display());
        io::Error::new(io::ErrorKind::InvalidData, reason)
    })
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn length_of(file: &File) -> u64 {
    file.metadata().map_or(u64::MAX, |metadata| metadata.len())
}

fn append(notes: &mut File, text: &str) -> io::Result<()> {
    let note = format!("{} {:016x}\n{text}", text.len(), crc64(text.as_bytes()));
    notes.write_all(note.as_bytes())
}

/// The last note that is whole.
fn last_note(mut notes: &[u8]) -> Option<&[u8]> {
    let mut last = None;
    while let Some(end) = notes.iter().position(|byte| *byte == b'\n') {
        let (head, rest) = (&notes[..end], &notes[end + 1..]);
        let head = std::str::from_utf8(head).ok().and_then(|head| head.split_once(' '));
        let Some((Ok(len), Ok(sum))) = head.map(|(len, sum)| (len.parse(), u64::from_str_radix(sum, 16))) else {
            break;
        };
        let Some(text) = rest.get(..len).filter(|text| crc64(text) == sum) else { break };
        last = Some(text);
        notes = &rest[len..];
    }
    last
}

/// Whether a roster lacks an epoch or a vote that another has.
fn is_older(roster: &Roster, than: &Roster) -> bool {
    let epochs = |roster: &Roster| [roster.current_epoch, roster.last_vote_epoch, roster.me().config_epoch];
    let is_other = roster.me().name != than.me().name;
    is_other || epochs(roster).iter().zip(epochs(than)).any(|(epoch, than)| *epoch < than)
}

fn notes_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".notes");
    path.with_file_name(name)
}

/// How long notes may not be on the disk.
const NOTED_MS: i64 = 500;

/// How many bytes of notes are kept before they are saved.
const NOTES_BYTES_MAX: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use keyslot::replication::cluster::member::Member;

    const NOW: UnixMillis = UnixMillis(1000);

    fn opened(path: &Path) -> Roster {
        RosterFile::open(path).unwrap().1.unwrap()
    }

    #[test]
    fn what_was_noted_is_known_again_and_goes_with_the_next_save() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes.conf");
        let (mut file, known) = RosterFile::open(&path).unwrap();
        assert!(known.is_none());
        let mut roster = Member::fresh_roster(7);
        file.save(&roster).unwrap();
        for epoch in 1..4 {
            roster.current_epoch = epoch;
            file.note(&roster, NOW).unwrap();
            assert_eq!(opened(&path).current_epoch, epoch);
        }
        assert!(!file.is_due(NOW) && file.is_due(UnixMillis(NOW.0 + NOTED_MS)));
        file.save(&roster).unwrap();
        assert!(!notes_path(&path).exists() && !file.is_due(UnixMillis(i64::MAX)));
        assert_eq!(opened(&path).current_epoch, 3);
    }

    #[test]
    fn torn_notes_count_as_far_as_they_are_whole_and_older_epochs_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes.conf");
        let (mut file, _) = RosterFile::open(&path).unwrap();
        let mut roster = Member::fresh_roster(7);
        file.save(&roster).unwrap();
        roster.current_epoch = 1;
        file.note(&roster, NOW).unwrap();
        let whole = std::fs::read(notes_path(&path)).unwrap();
        roster.current_epoch = 2;
        file.note(&roster, NOW).unwrap();
        let both = std::fs::read(notes_path(&path)).unwrap();
        for end in whole.len()..both.len() {
            std::fs::write(notes_path(&path), &both[..end]).unwrap();
            assert_eq!(opened(&path).current_epoch, 1, "{end}");
        }
        roster.current_epoch = 9;
        file.save(&roster).unwrap();
        std::fs::write(notes_path(&path), &whole).unwrap();
        assert_eq!(opened(&path).current_epoch, 9);
    }
}
