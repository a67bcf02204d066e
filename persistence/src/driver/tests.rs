use super::*;
use crate::journal::JournalOptions;
use crate::log::annotation::{Annotation, Kind};
use crate::log::manifest::Manifest;
use crate::log::{LogFiles, LogOptions, LogPlace, Preallocation, StartState};
use crate::storage::{Fault, MemoryStorage, Storage};
use keyslot_engine::{Ack, Batch, BatchKind, Offset, UnixMillis};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

const MS: u64 = 1_000_000;
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

struct Rig {
    disk: MemoryStorage,
    journal: Arc<Journal>,
    driver: Driver,
    /// How often the driver was woken.
    woken: Arc<Count>,
}

impl Rig {
    fn new(fsync: Fsync) -> Self {
        let log = LogOptions { file_size_bytes_max: 4096, preallocation: Preallocation::None, ..LogOptions::default() };
        Self::with(JournalOptions { fsync, ..JournalOptions::default() }, log)
    }

    fn with(options: JournalOptions, log_options: LogOptions) -> Self {
        let disk = MemoryStorage::new(1);
        let place = LogPlace { dir: "/d".into(), stem: "a".into() };
        disk.create_dir(&place.dir).unwrap();
        let line = FirstLine { offset: 0, era: 0, time_ms: 5 };
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let files = LogFiles::new(storage, place, Manifest::default(), 0, Vec::new(), false);
        let log = LogWriter::begin(files, log_options, line).unwrap();
        let journal = Arc::new(Journal::new(Offset(0), options));
        let woken = Arc::new(Count::default());
        journal.set_driver(Waker::from(woken.clone()));
        let driver = Driver::new(journal.clone(), log, line);
        Self { disk, journal, driver, woken }
    }

    fn append(&self) -> Offset {
        self.append_bytes(PING, 1)
    }

    fn append_bytes(&self, bytes: &[u8], era: u64) -> Offset {
        let now = UnixMillis(9);
        self.journal.append(&Batch {
            kind: BatchKind::Slots,
            db: 0,
            slots: &[],
            era,
            now,
            count: 1,
            bytes,
            verbatim: None,
        })
    }

    fn poll(
        &self,
        level: Ack,
        offset: Offset,
    ) -> (Poll<Result<(), keyslot_engine::effect::OutcomeUnknown>>, Arc<Count>) {
        let count = Arc::new(Count::default());
        (self.journal.poll_reached(level, offset, &Waker::from(count.clone())), count)
    }

    /// The lines of a file and the bytes between them, the lines being checked.
    fn read(&self, seq: u64) -> (Vec<Annotation>, Vec<u8>) {
        let bytes = self.disk.contents(Path::new(&format!("/d/a.{seq}.incr.aof"))).unwrap();
        let (mut lines, mut stream, mut at) = (Vec::new(), Vec::new(), 0);
        while at < bytes.len() {
            let (line, size) = Annotation::decode(&bytes[at..]).unwrap();
            at += size;
            let payload = &bytes[at..at + line.length as usize];
            assert_eq!(crc32fast::hash(payload), line.crc);
            stream.extend_from_slice(payload);
            at += payload.len();
            lines.push(line);
        }
        (lines, stream)
    }
}

#[test]
fn every_second_writes_soon_and_syncs_after_a_second() {
    let mut rig = Rig::new(Fsync::EverySecond);
    assert_eq!(rig.driver.step(0), Next::Idle);
    let end = rig.append();
    assert_eq!(rig.woken.get(), 1, "the first append wakes an idle driver");
    assert_eq!(rig.driver.step(0), Next::At(10 * MS));
    rig.append();
    assert_eq!(rig.woken.get(), 1, "a driver that looks again soon is not woken");
    assert_eq!(rig.journal.written(), Offset(0));
    rig.driver.step(10 * MS);
    assert!(rig.journal.written() > end);
    assert_eq!(rig.journal.durable(), Offset(0));
    rig.driver.step(999 * MS);
    assert_eq!(rig.journal.durable(), Offset(0));
    assert_eq!(rig.driver.step(1000 * MS), Next::Idle);
    assert_eq!(rig.journal.durable(), rig.journal.end());
    rig.append();
    assert_eq!(rig.woken.get(), 2);
}

#[test]
fn always_syncs_what_it_wrote_and_wakes_all_who_wait_for_it() {
    let mut rig = Rig::new(Fsync::Always);
    let first = rig.append();
    let second = rig.append();
    let (poll_first, woken_first) = rig.poll(Ack::Durable, first);
    let (poll_second, woken_second) = rig.poll(Ack::Logged, second);
    assert!(poll_first.is_pending() && poll_second.is_pending());
    let calls = rig.disk.calls();
    rig.driver.step(0);
    assert_eq!(rig.disk.calls() - calls, 2, "one write and one sync for both");
    assert_eq!((woken_first.get(), woken_second.get()), (1, 1));
    assert_eq!(rig.poll(Ack::Durable, second).0, Poll::Ready(Ok(())));
}

#[test]
fn never_syncs_only_when_asked() {
    let mut rig = Rig::new(Fsync::Never);
    let end = rig.append();
    rig.driver.step(0);
    rig.driver.step(3_600_000 * MS);
    assert_eq!((rig.journal.written(), rig.journal.durable()), (end, Offset(0)));
    assert!(rig.poll(Ack::Durable, end).0.is_pending());
    rig.driver.step(3_600_001 * MS);
    assert_eq!(rig.journal.durable(), end);
}

#[test]
fn a_waiter_for_the_log_does_not_wait_for_the_interval() {
    let mut rig = Rig::new(Fsync::EverySecond);
    rig.driver.step(0);
    let end = rig.append();
    let (poll, woken) = rig.poll(Ack::Logged, end);
    assert!(poll.is_pending());
    rig.driver.step(1);
    assert_eq!(woken.get(), 1);
}

#[test]
fn the_files_hold_the_stream_and_each_begins_with_select() {
    let mut rig = Rig::new(Fsync::Always);
    let mut expected = Vec::new();
    for i in 0..600u64 {
        rig.append();
        if i % 3 == 0 {
            rig.driver.step(i * 20 * MS);
        }
    }
    rig.driver.stop().unwrap();
    let mut at = Offset(0);
    while at < rig.journal.end() {
        let slice = rig.journal.read_from(at).unwrap();
        expected.extend_from_slice(slice.bytes());
        at = slice.end();
    }
    let manifest = Manifest::decode(&rig.disk.contents(Path::new("/d/a.manifest")).unwrap()).unwrap();
    assert!(manifest.incremental.len() >= 3, "{manifest:?}");
    let mut stream = Vec::new();
    let mut last = Vec::new();
    for file in &manifest.incremental {
        let (lines, bytes) = rig.read(file.seq);
        assert_eq!((lines[0].kind, lines[0].offset), (Kind::Open, stream.len() as u64));
        assert!(bytes.starts_with(b"*2\r\n$6\r\nSELECT\r\n"));
        stream.extend_from_slice(&bytes);
        last = lines;
    }
    assert!(stream == expected);
    let stop = last.last().unwrap();
    assert_eq!((stop.kind, stop.offset, stop.durable), (Kind::Stop, expected.len() as u64, expected.len() as u64));
}

#[test]
fn groups_carry_the_offset_that_was_durable_before() {
    let mut rig = Rig::new(Fsync::Always);
    let first = rig.append();
    rig.driver.step(100 * MS);
    rig.driver.step(200 * MS);
    rig.append_bytes(PING, 2);
    rig.driver.stop().unwrap();
    let (lines, _) = rig.read(1);
    let seen: Vec<_> = lines.iter().map(|l| (l.kind, l.offset, l.durable, l.era)).collect();
    let end = rig.journal.end().0;
    let expected =
        [(Kind::Open, 0, 0, 0), (Kind::Slots, 0, 0, 1), (Kind::Slots, first.0, first.0, 2), (Kind::Stop, end, end, 2)];
    assert_eq!(seen, expected);
}

#[test]
fn a_file_begins_where_an_era_does_while_that_is_wanted() {
    let mut rig = Rig::new(Fsync::Always);
    rig.append();
    rig.driver.files().split_at_eras(true);
    let end = rig.append_bytes(PING, 1);
    rig.append_bytes(PING, 2);
    rig.append_bytes(PING, 2);
    rig.driver.step(0);
    rig.driver.step(20 * MS);
    rig.driver.files().split_at_eras(false);
    assert_eq!(rig.driver.files().start_state(end.0, rig.journal.written().0), StartState::Begun);
    rig.append_bytes(PING, 3);
    // A file is asked for where the journal ends, and before that.
    let newest = rig.journal.end();
    rig.driver.files().ask_start(newest.0);
    rig.driver.step(100 * MS);
    assert_eq!(rig.driver.files().start_state(newest.0, newest.0), StartState::Begun);
    assert_eq!(rig.driver.files().start_state(end.0 + 1, newest.0), StartState::Missed);
    rig.append_bytes(PING, 3);
    rig.driver.stop().unwrap();
    let (first, bytes) = rig.read(1);
    assert_eq!((bytes.len() as u64, first.len()), (end.0, 2));
    for (seq, start, eras) in [(2, end, &[2, 2, 3][..]), (3, newest, &[3, 3, 3])] {
        let (lines, bytes) = rig.read(seq);
        assert_eq!((lines[0].kind, lines[0].offset), (Kind::Open, start.0));
        assert_eq!(lines.iter().map(|line| line.era).collect::<Vec<_>>(), eras);
        assert!(bytes.starts_with(b"*2\r\n$6\r\nSELECT\r\n"));
    }
}

#[test]
fn a_failed_sync_poisons_for_good() {
    let mut rig = Rig::new(Fsync::Always);
    let safe = rig.append();
    rig.driver.step(0);
    rig.driver.step(20 * MS);
    let lost = rig.append();
    let (_, woken) = rig.poll(Ack::Durable, lost);
    rig.disk.plan(Fault::SyncFails(0));
    rig.driver.step(40 * MS);
    assert_eq!(woken.get(), 1);
    assert_eq!(rig.poll(Ack::Durable, safe).0, Poll::Ready(Ok(())));
    assert!(matches!(rig.poll(Ack::Durable, lost).0, Poll::Ready(Err(_))));
    let refused = rig.journal.poll_room(Waker::noop());
    assert!(matches!(refused, Poll::Ready(Err(e)) if e.reason == "Input/output error"));
    assert_eq!(rig.journal.failure().as_deref(), Some("cannot sync /d/a.1.incr.aof: Input/output error (os error 5)"));
    let calls = rig.disk.calls();
    rig.append();
    assert_eq!(rig.driver.step(60 * MS), Next::Idle);
    rig.driver.stop().unwrap();
    assert_eq!(rig.disk.calls(), calls, "the files are not touched again");
    assert_eq!(rig.journal.durable(), safe);
}

#[test]
fn a_full_disk_is_named() {
    let mut rig = Rig::new(Fsync::EverySecond);
    rig.append();
    rig.disk.plan(Fault::CallFindsDiskFull(rig.disk.calls()));
    rig.driver.step(0);
    rig.driver.step(10 * MS);
    let refused = rig.journal.poll_room(Waker::noop());
    assert!(matches!(refused, Poll::Ready(Err(e)) if e.reason == "No space left on device"));
}

#[test]
fn room_is_given_again_after_writing() {
    let options = JournalOptions { unwritten_size_bytes_max: 20, ..JournalOptions::default() };
    let mut rig = Rig::with(options, LogOptions::default());
    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    assert_eq!(rig.journal.poll_room(&waker), Poll::Ready(Ok(())));
    rig.append();
    assert_eq!(rig.journal.poll_room(&waker), Poll::Pending);
    rig.driver.step(0);
    rig.driver.step(10 * MS);
    assert_eq!(woken.get(), 1);
    assert_eq!(rig.journal.poll_room(&waker), Poll::Ready(Ok(())));
}

#[test]
fn zeros_written_ahead_are_trimmed_by_a_clean_stop() {
    let log =
        LogOptions { preallocation: Preallocation::Zeros, preallocation_bytes_max: 64 << 10, ..LogOptions::default() };
    let mut rig = Rig::with(JournalOptions { fsync: Fsync::Always, ..JournalOptions::default() }, log);
    rig.append();
    rig.driver.step(0);
    rig.driver.step(10 * MS);
    let ahead = rig.disk.contents(Path::new("/d/a.1.incr.aof")).unwrap();
    assert!(ahead.len() >= 4096 && ahead.ends_with(&[0; 1024]));
    rig.append();
    rig.driver.stop().unwrap();
    let (lines, _) = rig.read(1);
    assert_eq!(lines.last().unwrap().kind, Kind::Stop);
}

#[test]
fn a_closed_journal_takes_no_writes() {
    let mut rig = Rig::new(Fsync::EverySecond);
    let end = rig.append();
    rig.driver.stop().unwrap();
    assert_eq!(rig.poll(Ack::Durable, end).0, Poll::Ready(Ok(())));
    assert!(matches!(rig.journal.poll_room(Waker::noop()), Poll::Ready(Err(_))));
}

#[test]
fn a_thread_makes_every_writer_durable() {
    let rig = Rig::with(
        JournalOptions { fsync: Fsync::Always, ..JournalOptions::default() },
        LogOptions { file_size_bytes_max: 20_000, preallocation: Preallocation::None, ..LogOptions::default() },
    );
    let Rig { journal, driver, disk, .. } = rig;
    // The rig's counting waker is in place already, so this journal needs a thread that steps without being woken.
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut driver = driver;
    std::thread::scope(|scope| {
        let (stop_seen, driver) = (&stop, &mut driver);
        scope.spawn(move || {
            let mut now_ns = 0;
            while !stop_seen.load(Ordering::Acquire) {
                driver.step(now_ns);
                now_ns += MS;
                std::thread::yield_now();
            }
        });
        let writers: Vec<_> = (0..4u16)
            .map(|writer| {
                let journal = &journal;
                scope.spawn(move || {
                    let mut last = Offset(0);
                    for _ in 0..500 {
                        let now = UnixMillis(0);
                        let offset = journal.append(&Batch {
                            kind: BatchKind::Slots,
                            db: writer,
                            slots: &[],
                            era: 0,
                            now,
                            count: 1,
                            bytes: PING,
                            verbatim: None,
                        });
                        assert!(offset > last);
                        last = offset;
                        block_on_reached(journal, offset);
                        assert!(journal.durable() >= offset);
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|w| w.join().unwrap());
        stop.store(true, Ordering::Release);
    });
    driver.stop().unwrap();
    assert!(disk.files().len() > 2);
    assert_eq!(journal.durable(), journal.end());
}

#[test]
fn the_background_thread_serves_waiters_and_stops_in_good_order() {
    let disk = MemoryStorage::new(1);
    let place = LogPlace { dir: "/d".into(), stem: "a".into() };
    disk.create_dir(&place.dir).unwrap();
    let line = FirstLine { offset: 0, era: 0, time_ms: 5 };
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let files = LogFiles::new(storage, place, Manifest::default(), 0, Vec::new(), false);
    let log = LogWriter::begin(files, LogOptions::default(), line).unwrap();
    let journal = Arc::new(Journal::new(Offset(0), JournalOptions { fsync: Fsync::Always, ..Default::default() }));
    let thread = DriverThread::start(Driver::new(journal.clone(), log, line), || false).unwrap();
    let batch = Batch {
        kind: BatchKind::Slots,
        db: 0,
        slots: &[],
        era: 0,
        now: UnixMillis(0),
        count: 1,
        bytes: PING,
        verbatim: None,
    };
    for _ in 0..100 {
        block_on_reached(&journal, journal.append(&batch));
    }
    let unasked = journal.append(&batch);
    thread.stop().unwrap();
    assert_eq!(journal.durable(), unasked);
}

fn block_on_reached(journal: &Journal, offset: Offset) {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    while journal.poll_reached(Ack::Durable, offset, &waker).is_pending() {
        std::thread::park();
    }
}

#[test]
fn replicas_are_counted_as_they_say_how_far_they_are() {
    let rig = Rig::new(Fsync::Never);
    let first = rig.append();
    let second = rig.append();
    assert_eq!(rig.poll(Ack::Replicas(0), second).0, Poll::Ready(Ok(())));
    assert_eq!(rig.journal.wanted_of_replicas(), Offset(0));
    let (poll_one, woken_one) = rig.poll(Ack::Replicas(1), first);
    let (poll_two, woken_two) = rig.poll(Ack::Replicas(2), first);
    assert!(poll_one.is_pending() && poll_two.is_pending());
    assert_eq!(rig.journal.wanted_of_replicas(), first);
    rig.journal.set_confirmed(vec![Offset(0), first]);
    assert_eq!((woken_one.get(), woken_two.get()), (1, 1));
    assert_eq!(rig.poll(Ack::Replicas(1), first).0, Poll::Ready(Ok(())));
    assert!(rig.poll(Ack::Replicas(1), second).0.is_pending());
    let (poll, woken) = rig.poll(Ack::Replicas(2), first);
    assert!(poll.is_pending());
    rig.journal.set_confirmed(vec![first, first]);
    assert_eq!(woken.get(), 1, "the one that is behind moved");
    assert_eq!(rig.poll(Ack::Replicas(2), first).0, Poll::Ready(Ok(())));
    rig.journal.set_confirmed(vec![second, first]);
    assert!(rig.poll(Ack::Replicas(2), second).0.is_pending());
    rig.journal.set_confirmed(Vec::new());
    assert!(rig.poll(Ack::Replicas(1), first).0.is_pending(), "nobody is there any more");
}

#[test]
fn with_fsync_always_replicas_are_not_enough() {
    let mut rig = Rig::new(Fsync::Always);
    let end = rig.append();
    rig.journal.set_confirmed(vec![end]);
    assert!(rig.poll(Ack::Replicas(1), end).0.is_pending());
    rig.driver.step(0);
    assert_eq!(rig.poll(Ack::Replicas(1), end).0, Poll::Ready(Ok(())));
}

#[test]
fn an_offset_of_data_that_was_replaced_is_waited_for_no_longer_than_the_end() {
    let rig = Rig::new(Fsync::Never);
    let before = rig.append();
    assert!(rig.poll(Ack::Replicas(1), before).0.is_pending());
    rig.journal.keep_in_memory();
    rig.journal.restart_at(Offset(3), 0);
    assert_eq!(rig.journal.wanted_of_replicas(), Offset(0));
    rig.journal.set_confirmed(vec![Offset(3)]);
    assert_eq!(rig.poll(Ack::Replicas(1), before).0, Poll::Ready(Ok(())));
}
