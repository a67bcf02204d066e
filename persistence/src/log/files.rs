//! The list of the log's files while it is written: the writer adds to it, compaction puts a base in the place of the oldest.
//!
//! ```text
//!   base 1 | incr 4 | incr 5 | incr 6 (open)           a view is taken at journal offset B, in incr 6
//!   base 1 | incr 4 | incr 5 | incr 6 | incr 7 (open)  incr 7 begins exactly at B          -> `ask_start`, `wait_start`
//!   temp-base 2 is written and fsynced                 by whoever compacts, at leisure     -> `next_base`
//!   base 2 | incr 7 (open)                             renamed, named, the others removed  -> `install`
//! ```
//!
//! A file begins at B because groups of two eras never share one: while `split_at_eras` is on, the driver begins a new file
//! wherever the era changes. It is turned on before the view is taken, so the split is not missed.
//!
//! A log that is begun while an engine is full of data has no base yet. Until there is one, its files stand in the manifest as
//! history beside the log that was there before, which is what the next opening reads:
//!
//! ```text
//!   (base 3 | incr 8)  + incr 9 (open, history)        whatever was there, and the new file          -> `aside`
//!   base 4 | incr 10 (open)                            the first base is named, all others removed   -> `install`
//! ```
//!
//! Invariants
//! - What the manifest on disk names is on disk. Files are removed only once a manifest without them is durable.
//! - The manifest names a base only if a file begins where the base ends; a file begins only once the log is durable up to
//!   there. So base and files from there on are the whole state, for `redis-server` too.
//! - Each step may be the last: what it leaves is the old list or the new one, and leftovers that the next opening removes.

use super::LogPlace;
use super::manifest::{GoesOn, Manifest, ManifestFile};
use crate::storage::{FileError, Storage, StorageFile, replace_file};
use parking_lot::{Condvar, Mutex};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The files of an open log.
#[derive(Debug)]
pub(crate) struct LogFiles {
    storage: Arc<dyn Storage>,
    place: LogPlace,
    listed: Mutex<Listed>,
    changed: Condvar,
    splits_at_eras: AtomicBool,
    /// A file is wanted that begins at this offset; [`NOWHERE`] if none is.
    start_asked: AtomicU64,
    /// Of all files but the open one.
    older_size_bytes: AtomicU64,
}

#[derive(Debug)]
struct Listed {
    manifest: Manifest,
    base_size_bytes: u64,
    /// The files of a log without its first base.
    aside: Option<Vec<ManifestFile>>,
    /// For each incremental file; for those set aside, if there are such.
    spans: Vec<Span>,
    /// No more files are begun.
    is_over: bool,
}

/// Where a file begins in the journal, and how large it is once it is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) size_bytes: u64,
}

/// Whether a file begins at an offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StartState {
    Begun,
    /// The log is not written as far.
    NotYet,
    /// The log went past it within a file, or takes no more writes.
    Missed,
}

/// A base that is being made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NextBase {
    file: ManifestFile,
    /// Where to write it. It has to be fsynced before it is installed.
    pub(crate) temporary: PathBuf,
}

/// Why a base was not put in the place of older files; these are as they were.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error("no file of the log begins at journal offset {0}, where the base ends")]
    NoStart(u64),
    #[error(transparent)]
    Io(#[from] FileError),
}

impl LogFiles {
    /// The files that recovery found sound. `spans` has one entry for each incremental file of the manifest; the last one
    /// `is_open` if it is gone on with.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        place: LogPlace,
        manifest: Manifest,
        base_size_bytes: u64,
        mut spans: Vec<Span>,
        is_open: bool,
    ) -> Arc<Self> {
        if let (Some(open), true) = (spans.last_mut(), is_open) {
            open.size_bytes = 0;
        }
        Self::over(storage, place, Listed { manifest, base_size_bytes, aside: None, spans, is_over: false })
    }

    /// The files of a log that takes the place of the one that `manifest` names, once it has a base.
    pub(crate) fn aside(storage: Arc<dyn Storage>, place: LogPlace, manifest: Manifest) -> Arc<Self> {
        let listed =
            Listed { manifest, base_size_bytes: 0, aside: Some(Vec::new()), spans: Vec::new(), is_over: false };
        Self::over(storage, place, listed)
    }

    fn over(storage: Arc<dyn Storage>, place: LogPlace, listed: Listed) -> Arc<Self> {
        let older_size_bytes = AtomicU64::new(listed.size_bytes());
        Arc::new(Self {
            storage,
            place,
            listed: Mutex::new(listed),
            changed: Condvar::new(),
            splits_at_eras: AtomicBool::new(false),
            start_asked: AtomicU64::new(NOWHERE),
            older_size_bytes,
        })
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Whether the log has no base yet, and is no log without one.
    pub(crate) fn is_aside(&self) -> bool {
        self.listed.lock().aside.is_some()
    }

    /// The size of all files but the open one.
    pub(crate) fn older_size_bytes(&self) -> u64 {
        self.older_size_bytes.load(Ordering::Relaxed)
    }

    /// The path of the newest incremental file.
    pub(crate) fn newest_path(&self) -> Option<PathBuf> {
        self.listed.lock().manifest.incremental.last().map(|file| self.place.path(&file.name))
    }

    /// The file that holds this offset of the journal, if one does. The last one may not be written as far yet.
    pub(crate) fn path_at(&self, offset: u64) -> Option<PathBuf> {
        let listed = self.listed.lock();
        let at = listed.spans.iter().rposition(|span| span.start <= offset)?;
        let names = listed.aside.as_ref().unwrap_or(&listed.manifest.incremental);
        names.get(at).map(|file| self.place.path(&file.name))
    }

    /// The oldest offset of the journal that the files hold.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.listed.lock().spans.first().map(|span| span.start)
    }

    /// Makes a new file and lists it, durably. `fill` writes its first bytes and says how many. `size_bytes` is that of the
    /// file that was open.
    pub(crate) fn begin(
        &self,
        start: u64,
        size_bytes: Option<u64>,
        fill: impl FnOnce(PathBuf) -> Result<Box<dyn StorageFile>, FileError>,
    ) -> Result<(Box<dyn StorageFile>, PathBuf), FileError> {
        let mut listed = self.listed.lock();
        let seq = listed.manifest.next_seq();
        let name = self.place.incremental_name(seq);
        let path = self.place.path(&name);
        let file = fill(path.clone())?;
        self.sync_dir()?;
        let mut manifest = listed.manifest.clone();
        let begun = ManifestFile { name, seq };
        let list = if listed.aside.is_some() { &mut manifest.history } else { &mut manifest.incremental };
        list.push(begun.clone());
        self.write_manifest(&manifest)?;
        listed.manifest = manifest;
        listed.aside.iter_mut().for_each(|aside| aside.push(begun.clone()));
        if let (Some(span), Some(size_bytes)) = (listed.spans.last_mut(), size_bytes) {
            span.size_bytes = size_bytes;
        }
        self.older_size_bytes.store(listed.size_bytes(), Ordering::Relaxed);
        listed.spans.push(Span { start, size_bytes: 0 });
        self.changed.notify_all();
        Ok((file, path))
    }

    /// Whether the driver has to begin a file wherever the era changes.
    pub(crate) fn splits_at_eras(&self) -> bool {
        self.splits_at_eras.load(Ordering::Acquire)
    }

    /// Has the driver begin a file wherever the era changes, from the next batch on that it takes.
    pub(crate) fn split_at_eras(&self, splits: bool) {
        self.splits_at_eras.store(splits, Ordering::Release);
    }

    /// Where a file is to be begun, if somebody waits for one.
    pub(crate) fn start_asked(&self) -> Option<u64> {
        Some(self.start_asked.load(Ordering::Acquire)).filter(|offset| *offset != NOWHERE)
    }

    /// Has the driver begin a file at `offset`, should the log end there. It has to be woken.
    pub(crate) fn ask_start(&self, offset: u64) {
        self.start_asked.store(offset, Ordering::Release);
    }

    /// Whether a file begins at `offset`. `written` is up to where the log is written.
    pub(crate) fn start_state(&self, offset: u64, written: u64) -> StartState {
        let state = self.listed.lock().start_state(offset, written);
        if state != StartState::NotYet {
            self.start_asked.store(NOWHERE, Ordering::Release);
        }
        state
    }

    /// Waits until it is known whether a file begins at `offset`; somebody has to step the driver.
    pub(crate) fn wait_start(&self, offset: u64, written: impl Fn() -> u64) -> StartState {
        let mut listed = self.listed.lock();
        loop {
            match listed.start_state(offset, written()) {
                StartState::NotYet => self.changed.wait(&mut listed),
                state => {
                    self.start_asked.store(NOWHERE, Ordering::Release);
                    return state;
                }
            }
        }
    }

    /// Tells who waits that the log grew, or that it takes no more writes.
    pub(crate) fn wake(&self, is_over: bool) {
        if is_over || self.start_asked().is_some() {
            self.listed.lock().is_over |= is_over;
            self.changed.notify_all();
        }
    }

    /// A name for a new base: `kind` is `rdb`, `aof` or `keyslot`.
    pub(crate) fn next_base(&self, kind: &str) -> NextBase {
        let seq = self.listed.lock().manifest.next_base_seq();
        let name = self.place.base_name(seq, kind);
        let temporary = self.place.path(&format!("temp-{name}"));
        NextBase { file: ManifestFile { name, seq }, temporary }
    }

    /// Puts a base, written and fsynced under its temporary name, in the place of the base and of all files that end where it
    /// ends, and removes those.
    pub(crate) fn install(&self, base: &NextBase, size_bytes: u64, goes_on: GoesOn) -> Result<(), InstallError> {
        let path = self.place.path(&base.file.name);
        let mut listed = self.listed.lock();
        let replaced = listed.spans.iter().rposition(|span| span.start == goes_on.offset);
        let replaced = replaced.ok_or(InstallError::NoStart(goes_on.offset))?;
        self.storage.rename(&base.temporary, &path).map_err(|e| FileError::new("rename", &base.temporary, e))?;
        self.sync_dir()?;
        let mut manifest = listed.manifest.clone();
        if let Some(aside) = &listed.aside {
            manifest.history.retain(|file| !aside.contains(file));
            let older = std::mem::replace(&mut manifest.incremental, aside.clone());
            manifest.history.extend(older);
        }
        manifest.install(base.file.clone(), goes_on, size_bytes, replaced);
        self.write_manifest(&manifest)?;
        listed.manifest = manifest;
        listed.aside = None;
        listed.base_size_bytes = size_bytes;
        listed.spans.drain(..replaced);
        // The open file is the last one and counts for nothing here.
        self.older_size_bytes.store(listed.size_bytes(), Ordering::Relaxed);
        let history = listed.manifest.history.clone();
        drop(listed);
        self.remove(&history)?;
        Ok(())
    }

    /// Removes files that the manifest calls history, and then the lines.
    fn remove(&self, history: &[ManifestFile]) -> Result<(), FileError> {
        for file in history {
            let path = self.place.path(&file.name);
            self.storage.remove(&path).map_err(|e| FileError::new("remove", &path, e))?;
        }
        self.sync_dir()?;
        let mut listed = self.listed.lock();
        let mut manifest = listed.manifest.clone();
        manifest.history.retain(|file| !history.contains(file));
        self.write_manifest(&manifest)?;
        listed.manifest = manifest;
        Ok(())
    }

    fn write_manifest(&self, manifest: &Manifest) -> Result<(), FileError> {
        if !manifest.has_numbers() {
            let source = std::io::Error::other("the files it names have the last number that there is");
            return Err(FileError::new("write", &self.place.manifest_path(), source));
        }
        replace_file(&*self.storage, &self.place.dir, &self.place.manifest_name(), &manifest.encode())
    }

    fn sync_dir(&self) -> Result<(), FileError> {
        let dir = &self.place.dir;
        self.storage.sync_dir(dir).map_err(|e| FileError::new("sync directory", dir, e))
    }
}

impl Listed {
    fn size_bytes(&self) -> u64 {
        self.base_size_bytes + self.spans.iter().map(|span| span.size_bytes).sum::<u64>()
    }

    fn start_state(&self, offset: u64, written: u64) -> StartState {
        if self.spans.iter().any(|span| span.start == offset) {
            StartState::Begun
        } else if written > offset || self.is_over {
            StartState::Missed
        } else {
            StartState::NotYet
        }
    }
}

const NOWHERE: u64 = u64::MAX;
