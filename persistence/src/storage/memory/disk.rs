//! What the disk is: files with two images, names with two states, and the faults that strike its calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// A fault that [`MemoryStorage::plan`](super::MemoryStorage::plan) arranges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The call with this number fails with `EIO` and does nothing.
    CallFails(u64),
    /// The call with this number, if it writes, fails with `ENOSPC` after a part of it was written.
    CallFindsDiskFull(u64),
    /// The power fails during the call with this number: it is done in part or not at all, and it and all later calls
    /// fail until [`MemoryStorage::crash`](super::MemoryStorage::crash).
    PowerFails(u64),
    /// The first sync of file data at or after the call with this number fails with `EIO`, and a part of what it should
    /// have written is forgotten: later syncs succeed without it. Reads still show it, until a crash.
    SyncFails(u64),
    /// From the call with this number on, syncs of files and directories return `Ok` and do nothing.
    SyncsLie(u64),
    /// All files together take at most this many bytes.
    DiskHolds(u64),
}

/// What [`MemoryStorage::crash`](super::MemoryStorage::crash) does with writes that were not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// Keeps them all, as unsynced as they were: the process died, the machine did not.
    Nothing,
    /// Drops them all.
    All,
    /// Keeps some sectors of some writes and some changes of names, in any combination.
    Random,
    /// Keeps the oldest writes up to some byte.
    Tail,
}

/// What a call does, as far as faults care.
pub(super) enum Call<'a> {
    Write { inode: usize, at: u64, bytes: &'a [u8] },
    Sync,
    Size,
    Other,
}

/// The state of the disk.
#[derive(Default, Debug)]
pub(super) struct Disk {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) durable_names: BTreeMap<PathBuf, usize>,
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) durable_dirs: BTreeSet<PathBuf>,
    pub(super) pending_names: Vec<NameChange>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) faults: Vec<Fault>,
    pub(super) calls: u64,
    pub(super) boot: u64,
    pub(super) power_is_off: bool,
    pub(super) chance: u64,
}

impl Disk {
    /// Counts a call and lets planned faults strike.
    pub(super) fn begin(&mut self, call: Call<'_>) -> io::Result<()> {
        let number = self.calls;
        self.calls += 1;
        if self.power_is_off {
            return Err(io_error());
        }
        let strikes = |f: &Fault| match *f {
            Fault::CallFails(at) | Fault::PowerFails(at) => at == number,
            Fault::CallFindsDiskFull(at) => at == number && matches!(call, Call::Write { .. }),
            Fault::SyncFails(_) | Fault::SyncsLie(_) | Fault::DiskHolds(_) => false,
        };
        let Some(fault) = self.faults.iter().copied().find(strikes) else { return Ok(()) };
        if let (Fault::CallFindsDiskFull(_) | Fault::PowerFails(_), Call::Write { inode, at, bytes }) = (fault, &call) {
            let kept = self.roll(bytes.len() as u64 + 1) as usize;
            self.inodes[*inode].change(Change::Write(*at, bytes[..kept].to_owned()));
        }
        self.power_is_off = matches!(fault, Fault::PowerFails(_));
        Err(if matches!(fault, Fault::CallFindsDiskFull(_)) { disk_full() } else { io_error() })
    }

    pub(super) fn lies(&self) -> bool {
        self.faults.iter().any(|f| matches!(f, Fault::SyncsLie(at) if *at < self.calls))
    }

    pub(super) fn room(&self) -> u64 {
        let holds = self.faults.iter().filter_map(|f| match f {
            Fault::DiskHolds(bytes) => Some(*bytes),
            _ => None,
        });
        let used: u64 = self.names.values().map(|inode| self.inodes[*inode].current.len() as u64).sum();
        holds.min().unwrap_or(u64::MAX).saturating_sub(used)
    }

    pub(super) fn crash(&mut self, loss: Loss) {
        self.locks.clear();
        self.faults.clear();
        self.power_is_off = false;
        self.boot += 1;
        if loss != Loss::Nothing {
            self.lose(loss);
        }
    }

    fn lose(&mut self, loss: Loss) {
        for index in 0..self.inodes.len() {
            let pending = std::mem::take(&mut self.inodes[index].pending);
            let kept_whole = match loss {
                Loss::Tail => self.roll(pending.len() as u64 + 1) as usize,
                Loss::Nothing | Loss::All | Loss::Random => 0,
            };
            for (number, change) in pending.into_iter().enumerate() {
                if number < kept_whole {
                    self.inodes[index].keep(&change);
                } else if loss == Loss::Random {
                    self.keep_some(index, &change);
                } else if let (Loss::Tail, true, Change::Write(at, bytes)) = (loss, number == kept_whole, &change) {
                    let cut = self.roll(bytes.len() as u64 + 1) as usize;
                    self.inodes[index].keep(&Change::Write(*at, bytes[..cut].to_owned()));
                }
            }
            let inode = &mut self.inodes[index];
            inode.current = inode.durable.clone();
        }
        let changes = std::mem::take(&mut self.pending_names);
        let kept_first = if loss == Loss::Tail { self.roll(changes.len() as u64 + 1) as usize } else { 0 };
        for (number, change) in changes.into_iter().enumerate() {
            if number < kept_first || (loss == Loss::Random && self.roll(2) == 0) {
                self.keep_name(change);
            }
        }
        let dirs = &self.durable_dirs;
        self.durable_names.retain(|name, _| name.ancestors().skip(1).all(|dir| dirs.contains(dir)));
        self.names = self.durable_names.clone();
        self.dirs = self.durable_dirs.clone();
    }

    fn keep_some(&mut self, index: usize, change: &Change) {
        match change {
            Change::Size(_) => {
                if self.roll(2) == 0 {
                    self.inodes[index].keep(change);
                }
            }
            Change::Write(at, bytes) => {
                let mut from = 0;
                while from < bytes.len() {
                    let to_sector_end = SECTOR_SIZE - ((*at as usize + from) % SECTOR_SIZE);
                    let to = (from + to_sector_end).min(bytes.len());
                    if self.roll(2) == 0 {
                        let piece = Change::Write(*at + from as u64, bytes[from..to].to_owned());
                        self.inodes[index].keep(&piece);
                    }
                    from = to;
                }
            }
        }
    }

    pub(super) fn keep_name(&mut self, change: NameChange) {
        match change {
            NameChange::Dir(path) => {
                self.durable_dirs.insert(path);
            }
            NameChange::Link(path, inode) => {
                self.durable_names.insert(path, inode);
            }
            NameChange::Rename(from, to) => {
                if let Some(inode) = self.durable_names.remove(&from) {
                    self.durable_names.insert(to, inode);
                }
            }
            NameChange::Remove(path) => {
                self.durable_names.remove(&path);
            }
        }
    }

    /// A number below `limit` (which is not zero), from the seed.
    pub(super) fn roll(&mut self, limit: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[derive(Default, Debug)]
pub(super) struct Inode {
    pub(super) current: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
}

impl Inode {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }

    pub(super) fn keep(&mut self, change: &Change) {
        change.apply(&mut self.durable);
    }
}

#[derive(Debug)]
pub(super) enum Change {
    Write(u64, Vec<u8>),
    Size(u64),
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                let end = *at as usize + bytes.len();
                if image.len() < end && !bytes.is_empty() {
                    image.resize(end, 0);
                }
                if !bytes.is_empty() {
                    image[*at as usize..end].copy_from_slice(bytes);
                }
            }
            Self::Size(size) => image.resize(*size as usize, 0),
        }
    }
}

#[derive(Debug)]
pub(super) enum NameChange {
    Dir(PathBuf),
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl NameChange {
    /// The directory whose sync makes it durable.
    pub(super) fn dir(&self) -> Option<&Path> {
        match self {
            Self::Dir(path) | Self::Link(path, _) | Self::Rename(_, path) | Self::Remove(path) => path.parent(),
        }
    }
}

pub(super) fn io_error() -> io::Error {
    rustix::io::Errno::IO.into()
}

pub(super) fn disk_full() -> io::Error {
    rustix::io::Errno::NOSPC.into()
}

const SECTOR_SIZE: usize = 512;
