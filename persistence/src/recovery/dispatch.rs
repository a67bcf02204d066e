//! Replays a log on several threads: each has its slots, and what concerns more than one slot waits for all of them.
//!
//! ```text
//!   the reader: file -> commands -> lots ----------------> lane 0: slots 0, 2, 4 ..    each applies its lots in order
//!                               \-----------------------> lane 1: slots 1, 3, 5 ..
//!   a barrier:  all lots handed over, all lanes idle, then applied by the reader
//! ```
//!
//! Invariants
//! - Commands of one slot are applied in the order of the log; a barrier comes after everything before it.
//! - A lane holds at most [`LOTS_MAX`] lots; the reader waits for room.
//! - The refusal that is reported is the first one in the log, however the threads ran.

use super::receiver::{LateRefusal, Receiver, Refused, ReplayBatch};
use crate::rdb::RdbEvent;
use crate::snapshot::{LoadOptions, LoadReport, Snapshot, SnapshotError, SnapshotProgress, Tolerance};
use keyslot_engine::{Attributes, Engine, LoadError, Loader, LoggedCommand, Origin, Route};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the reader and its lanes share.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    failed: AtomicBool,
    /// Whether what is refused is passed over.
    is_lenient: AtomicBool,
    passed_over: AtomicU64,
    /// The first refusal so far.
    refusal: Mutex<Option<Refusal>>,
}

#[derive(Debug)]
struct Lane {
    state: Mutex<LaneState>,
    changed: Condvar,
}

#[derive(Default, Debug)]
struct LaneState {
    lots: VecDeque<Lot>,
    spare: Vec<Lot>,
    is_busy: bool,
    /// No more lots come.
    is_closed: bool,
    /// Nobody takes lots any more.
    is_gone: bool,
}

/// Commands for one lane: the bytes of all arguments, one after the other, and where they end.
#[derive(Default, Debug)]
struct Lot {
    bytes: Vec<u8>,
    /// For each argument, where it ends.
    ends: Vec<usize>,
    commands: Vec<LotCommand>,
    /// The file that they stand in, by its number and name.
    file: (usize, Option<Arc<Path>>),
}

#[derive(Clone, Copy, Debug)]
struct LotCommand {
    db: u16,
    /// How many arguments were before its end.
    args_end: usize,
    at: u64,
}

/// A refusal and where it stands, to find the first.
#[derive(Debug)]
struct Refusal {
    file: usize,
    late: LateRefusal,
}

impl Lanes {
    pub(crate) fn new(count: usize) -> Self {
        let lane = |_| Lane { state: Mutex::default(), changed: Condvar::new() };
        Self {
            lanes: (0..count).map(lane).collect(),
            failed: AtomicBool::new(false),
            is_lenient: AtomicBool::new(false),
            passed_over: AtomicU64::new(0),
            refusal: Mutex::new(None),
        }
    }

    /// Does the work of one lane until the reader is done.
    pub(crate) fn work(&self, number: usize, engine: &Engine) {
        let lane = &self.lanes[number];
        let _gone = Gone(lane);
        let mut done = None;
        while let Some(lot) = lane.next(done.take()) {
            self.apply(&lot, engine);
            done = Some(lot);
        }
    }

    fn apply(&self, lot: &Lot, engine: &Engine) {
        let mut args: Vec<&[u8]> = Vec::with_capacity(lot.ends.len());
        let mut start = 0;
        for end in &lot.ends {
            args.push(&lot.bytes[start..*end]);
            start = *end;
        }
        let mut from = 0;
        let mut commands: Vec<LoggedCommand<'_>> = Vec::with_capacity(RUN_COMMANDS);
        for run in lot.commands.chunks(RUN_COMMANDS) {
            commands.clear();
            for command in run {
                let to = command.args_end;
                commands.push(LoggedCommand { db: command.db, args: &args[from..to] });
                from = to;
            }
            let mut done = 0;
            while let Err(refused) = engine.apply_each(Origin::Replay, &commands[done..]) {
                let index = done + refused.index;
                if !self.passes_over() {
                    let refusal = Refused::new(commands[index].args, refused.error);
                    return self.refuse(lot, run[index].at, refusal);
                }
                done = index + 1;
            }
        }
    }

    /// Whether something that was refused is passed over; counts it.
    fn passes_over(&self) -> bool {
        let is_lenient = self.is_lenient.load(Ordering::Acquire);
        self.passed_over.fetch_add(u64::from(is_lenient), Ordering::Relaxed);
        is_lenient
    }

    fn refuse(&self, lot: &Lot, at: u64, refused: Refused) {
        let (file, path) = lot.file.clone();
        let path = path.map_or_else(PathBuf::new, |path| path.to_path_buf());
        let mut first = self.refusal.lock();
        if first.as_ref().is_none_or(|first| (file, at) < (first.file, first.late.at)) {
            *first = Some(Refusal { file, late: LateRefusal { path, at, refused } });
        }
        self.failed.store(true, Ordering::Release);
    }

    fn take_refusal(&self) -> Result<(), LateRefusal> {
        self.refusal.lock().take().map_or(Ok(()), |refusal| Err(refusal.late))
    }

    /// Says that no more lots come, when it is dropped.
    pub(crate) fn closing(&self) -> Closing<'_> {
        Closing(self)
    }
}

/// No more lots come once this is dropped.
#[derive(Debug)]
pub(crate) struct Closing<'l>(&'l Lanes);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        for lane in &self.0.lanes {
            lane.state.lock().is_closed = true;
            lane.changed.notify_all();
        }
    }
}

impl Lane {
    /// The next lot to apply, after `done`; waits for it. None when no more come.
    fn next(&self, done: Option<Lot>) -> Option<Lot> {
        let mut state = self.state.lock();
        state.is_busy = false;
        state.spare.extend(done);
        self.changed.notify_all();
        loop {
            if let Some(lot) = state.lots.pop_front() {
                state.is_busy = true;
                return Some(lot);
            }
            if state.is_closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Hands over a lot and returns an empty one. Waits for room.
    fn push(&self, lot: Lot) -> Lot {
        let mut state = self.state.lock();
        while state.lots.len() >= LOTS_MAX && !state.is_gone {
            self.changed.wait(&mut state);
        }
        state.lots.push_back(lot);
        self.changed.notify_all();
        let mut spare = state.spare.pop().unwrap_or_default();
        spare.clear();
        spare
    }

    fn wait_idle(&self) {
        let mut state = self.state.lock();
        while (state.is_busy || !state.lots.is_empty()) && !state.is_gone {
            self.changed.wait(&mut state);
        }
    }
}

/// Nobody waits for a lane whose thread is gone, not even if it panicked.
struct Gone<'l>(&'l Lane);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.state.lock().is_gone = true;
        self.0.changed.notify_all();
    }
}

impl Lot {
    fn push(&mut self, db: u16, args: &[&[u8]], at: u64) {
        for arg in args {
            self.bytes.extend_from_slice(arg);
            self.ends.push(self.bytes.len());
        }
        self.commands.push(LotCommand { db, args_end: self.ends.len(), at });
    }

    fn is_full(&self) -> bool {
        self.commands.len() >= LOT_COMMANDS_MAX || self.bytes.len() >= LOT_SIZE_BYTES
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.commands.clear();
        if self.bytes.capacity() > 4 * LOT_SIZE_BYTES {
            self.bytes = Vec::new();
        }
    }
}

/// The reader's side.
pub(crate) struct Dispatcher<'e> {
    engine: &'e Engine,
    lanes: &'e Lanes,
    /// How many lanes have somebody who works; without any, the reader applies the lots itself.
    running: usize,
    /// One for each running lane, at least one.
    open: Vec<Lot>,
    file: (usize, Option<Arc<Path>>),
    /// What is loaded of an RDB.
    base: Base,
    tolerance: Tolerance,
}

/// An RDB on its way into the engine. Keys that are due by now are kept: the log behind it may give them another expiry.
#[derive(Default)]
struct Base {
    loader: Option<Loader>,
    db: u16,
}

impl Base {
    fn take(&mut self, engine: &Engine, event: RdbEvent<'_>) -> Result<(), LoadError> {
        let loader = self.loader.get_or_insert_with(|| engine.loader());
        match event {
            RdbEvent::Note { .. } | RdbEvent::Sizes { .. } => {}
            RdbEvent::Database(number) => {
                self.db = u16::try_from(number).map_err(|_| LoadError::NoDatabase(number))?;
            }
            RdbEvent::Function(text) => loader.library(text)?,
            RdbEvent::Key { key, expiry, idle_seconds, frequency } => {
                loader.begin(self.db, key, Attributes { expiry, idle_seconds, frequency })?;
            }
            RdbEvent::Part(part) => loader.part(part)?,
            RdbEvent::KeyEnd => {
                loader.end()?;
            }
            RdbEvent::End => {
                let loader = self.loader.take();
                loader.map_or(Ok(()), |loader| loader.finish().map(drop))?;
            }
        }
        Ok(())
    }
}

impl<'e> Dispatcher<'e> {
    pub(crate) fn new(engine: &'e Engine, lanes: &'e Lanes, running: usize) -> Self {
        let open = (0..running.max(1)).map(|_| Lot::default()).collect();
        Self { engine, lanes, running, open, file: (0, None), base: Base::default(), tolerance: Tolerance::Strict }
    }

    /// The same, which does this about damage of a base.
    pub(crate) fn tolerating(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    fn hand_over(&mut self, number: usize) {
        let lot = &mut self.open[number];
        if lot.commands.is_empty() {
            return;
        }
        lot.file = self.file.clone();
        if self.running == 0 {
            self.lanes.apply(lot, self.engine);
            lot.clear();
        } else {
            let full = std::mem::take(lot);
            self.open[number] = self.lanes.lanes[number].push(full);
        }
    }

    /// Waits until everything is applied that came so far.
    fn settle(&mut self) {
        (0..self.open.len()).for_each(|number| self.hand_over(number));
        self.lanes.lanes[..self.running].iter().for_each(Lane::wait_idle);
    }
}

impl Receiver for Dispatcher<'_> {
    fn begin_file(&mut self, path: &Path) {
        (0..self.open.len()).for_each(|number| self.hand_over(number));
        self.file = (self.file.0 + 1, Some(path.into()));
    }

    fn batch(&mut self, batch: &ReplayBatch<'_>) -> Result<(), Refused> {
        for args in batch.commands {
            match self.engine.route(args).map_err(|error| Refused::new(args, error))? {
                Route::Slot(slot) => {
                    let number = usize::from(slot.number()) % self.open.len();
                    let lot = &mut self.open[number];
                    lot.push(batch.db, args, batch.at);
                    if lot.is_full() {
                        self.hand_over(number);
                    }
                }
                Route::Barrier => {
                    self.settle();
                    let command = LoggedCommand { db: batch.db, args };
                    if let Err(refused) = self.engine.apply_each(Origin::Replay, &[command])
                        && !self.lanes.passes_over()
                    {
                        return Err(Refused::new(args, refused.error));
                    }
                }
            }
        }
        // Whatever follows a refusal is not wanted any more; which one was the first is known at the end.
        if self.lanes.failed.load(Ordering::Acquire) {
            return Err(Refused {
                what: "what follows".to_owned(),
                reason: "something before it was refused".to_owned(),
            });
        }
        Ok(())
    }

    fn event(&mut self, event: RdbEvent<'_>) -> Result<(), Refused> {
        let what = match &event {
            RdbEvent::Function(_) => "a library of functions",
            _ => "a key",
        };
        match self.base.take(self.engine, event) {
            Ok(()) => Ok(()),
            Err(_) if self.lanes.passes_over() => Ok(()),
            Err(error) => Err(Refused { what: what.to_owned(), reason: error.to_string() }),
        }
    }

    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<LoadReport, SnapshotError> {
        // The lanes have nothing to do yet.
        let options = LoadOptions { threads: self.running, tolerance: self.tolerance, due_at: None };
        snapshot.load(self.engine, &options, &SnapshotProgress::new())
    }

    fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    fn miss_base(&mut self) {
        self.lanes.is_lenient.store(true, Ordering::Release);
    }

    fn passed_over(&self) -> u64 {
        self.lanes.passed_over.load(Ordering::Relaxed)
    }

    fn finish(&mut self) -> Result<(), LateRefusal> {
        self.settle();
        self.lanes.take_refusal()
    }
}

/// Lots that wait for a lane.
const LOTS_MAX: usize = 4;
/// Commands that are given to the engine together.
const RUN_COMMANDS: usize = 64;
const LOT_COMMANDS_MAX: usize = 4096;
const LOT_SIZE_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::crew::with_crew;

    /// Applies lines on `threads` threads. Each batch stands at its number.
    fn run(threads: usize, lines: &[String]) -> (Engine, Result<(), LateRefusal>) {
        let engine = Engine::in_memory();
        let lanes = Lanes::new(threads);
        let outcome = with_crew(
            threads,
            |number| lanes.work(number, &engine),
            |running| {
                let _closing = lanes.closing();
                let mut dispatcher = Dispatcher::new(&engine, &lanes, running);
                dispatcher.begin_file(Path::new("/log"));
                for (at, line) in lines.iter().enumerate() {
                    let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
                    let batch = ReplayBatch { db: 0, commands: &[&args], at: at as u64 };
                    if let Err(refused) = dispatcher.batch(&batch) {
                        let late = LateRefusal { path: "/log".into(), at: at as u64, refused };
                        return dispatcher.finish().and(Err(late));
                    }
                }
                dispatcher.finish()
            },
        );
        (engine, outcome)
    }

    #[test]
    fn any_number_of_threads_gives_the_same_state() {
        let lines: Vec<String> = (0..30_000)
            .map(|i| match i % 1000 {
                997 => format!("RENAME k{} k{}", i % 7, i % 11),
                998 => format!("MSET k{} x k{} y", i % 300, i % 500),
                999 if i > 20_000 => "FLUSHALL".to_owned(),
                _ => format!("APPEND k{} {},", i * 31 % 513, i),
            })
            .filter(|line| !line.starts_with("RENAME") || line.ends_with("k0"))
            .collect();
        let contents = |db: &Engine| {
            let mut all: Vec<_> = (0..513).map(|i| db.get(format!("k{i}")).unwrap()).collect();
            all.push(Some(db.db_size().to_string().into()));
            all
        };
        let (alone, outcome) = run(0, &lines);
        assert_eq!(outcome, Ok(()));
        for threads in [1, 2, 5] {
            let (db, outcome) = run(threads, &lines);
            assert_eq!(outcome, Ok(()));
            assert!(contents(&db) == contents(&alone), "{threads} threads");
        }
    }

    #[test]
    fn the_first_refusal_is_reported() {
        let mut lines: Vec<String> = (0..20_000).map(|i| format!("SET k{i} v")).collect();
        for (at, line) in [(9_000, "LPUSH k3 x"), (9_001, "LPUSH k4 x"), (9_002, "LPUSH k5 x"), (15_000, "NOSUCH")] {
            lines[at] = line.to_owned();
        }
        for threads in [0, 1, 2, 3] {
            let late = run(threads, &lines).1.unwrap_err();
            assert_eq!((late.at, late.refused.what.as_str()), (9_000, "LPUSH"), "{threads} threads");
        }
        let late = run(2, &["SET a 1".to_owned(), "NOSUCH".to_owned()]).1.unwrap_err();
        assert_eq!((late.at, late.refused.what.as_str()), (1, "NOSUCH"));
    }
}
