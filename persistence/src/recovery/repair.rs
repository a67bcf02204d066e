//! Looking at a log, and making it readable for others, without opening a store.

use super::{Inspection, Listing, Recovery, RecoveryReport, ReplayBatch, Settling, inspect, lock, settle};
use crate::error::OpenError;
use crate::log::{LogNames, LogPlace};
use crate::storage::Storage;
use std::path::Path;

/// Whether [`repair`] changes anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repair {
    /// Say what would be cut.
    DryRun,
    /// Cut what a crash left behind; refuse other damage.
    TornTail,
    /// Cut at the first damage, whatever it is. What is cut is kept in quarantine files.
    Salvage,
}

/// What is wrong with a log, for people who look before they repair.
#[derive(Debug)]
pub struct CheckReport {
    /// What reading found; its cuts are those that a repair would make.
    pub report: RecoveryReport,
    /// Why [`Recovery::Strict`] would not open it.
    pub refusal: Option<OpenError>,
}

/// Reads the log of the store in `path` and changes nothing. The store must not be open.
pub fn check(storage: &dyn Storage, path: &Path, names: &LogNames) -> Result<CheckReport, OpenError> {
    let place = names.place(path);
    let _lock = lock(storage, path)?;
    let inspection = read(storage, &place)?;
    let refusal = inspection.refusal(Recovery::Strict);
    let report = settle(storage, &place, &inspection, Settling::DryRun)?.report;
    Ok(CheckReport { report, refusal })
}

/// Cuts what cannot be read off the log of the store in `path`, so that every reader, `redis-server` included, takes it.
/// Space written ahead is cut off as well. The store must not be open.
pub fn repair(
    storage: &dyn Storage,
    path: &Path,
    names: &LogNames,
    repair: Repair,
) -> Result<RecoveryReport, OpenError> {
    let place = names.place(path);
    let _lock = lock(storage, path)?;
    let inspection = read(storage, &place)?;
    let (recovery, settling) = match repair {
        Repair::DryRun => (Recovery::Salvage, Settling::DryRun),
        Repair::TornTail => (Recovery::Strict, Settling::Done),
        Repair::Salvage => (Recovery::Salvage, Settling::Done),
    };
    match inspection.refusal(recovery) {
        Some(refusal) => Err(refusal),
        None => Ok(settle(storage, &place, &inspection, settling)?.report),
    }
}

fn read(storage: &dyn Storage, place: &LogPlace) -> Result<Inspection, OpenError> {
    inspect(storage, Listing::read(storage, place)?, &mut |_: &ReplayBatch<'_>| Ok(()), &mut |_, _| {})
}
