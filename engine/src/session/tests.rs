//! Sessions from the outside: bytes in, bytes out.

use crate::effect::{NotWritable, OutcomeUnknown};
use crate::slot::Slot;
use crate::{
    Ack, Batch, Clock, CommandError, EffectSink, Engine, ManualClock, Offset, PeerInfo, Session, SessionState,
    UnixMillis,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo::default())
}

fn ask(session: &mut Session, request: &[u8]) -> String {
    session.feed(request);
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    let mut request = Vec::new();
    let mut expected = String::new();
    for n in 0..100 {
        request.extend_from_slice(format!("SET k{n} v{n}\r\nGET k{n}\r\n").as_bytes());
        expected.push_str(&format!("+OK\r\n${}\r\nv{n}\r\n", format!("v{n}").len()));
    }
    assert_eq!(ask(&mut s, &request), expected);
}

/// A clock that counts how often it is read.
#[derive(Clone, Default)]
struct CountedClock(Arc<AtomicUsize>);

impl Clock for CountedClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(1)
    }

    fn monotonic_ns(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) as u64
    }
}

#[test]
fn commands_that_take_little_are_timed_together_and_all_are_counted() {
    let clock = CountedClock::default();
    let db = Engine::builder().clock(clock.clone()).in_memory();
    let mut s = session(&db);
    ask(&mut s, format!("ZADD z 1 a 2 b\r\nZADD long 1 {}\r\n", "x".repeat(5000)).as_bytes());
    let mut readings = |request: &str| {
        let before = clock.0.load(Ordering::Relaxed);
        ask(&mut s, request.repeat(10).as_bytes());
        clock.0.load(Ordering::Relaxed) - before
    };
    let together = readings("PING\r\n");
    assert_eq!(readings("ZRANGE z 0 9\r\n"), together);
    assert_eq!(readings("ZRANGE z 0 9 WITHSCORES\r\n"), together);
    assert!(readings("ZRANGE long 0 0\r\n") >= 10, "its reply is long");
    assert!(readings("LRANGE z 0 1\r\n") >= 10, "its work may be long, whatever it answers");
    assert!(ask(&mut s, b"INFO commandstats\r\n").contains("cmdstat_zrange:calls=30,"));
}

#[test]
fn reads_of_one_slot_that_follow_each_other_are_answered_as_each_by_itself_is() {
    let requests = [
        "ZRANGE {a}z 0 9",
        "ZRANGE {a}z 0 0",
        "GET {a}s",
        "GET {a}none",
        "HGET {a}z f",
        "GET {a}s",
        "GET {a}s",
        "STRLEN {a}s",
        "ZRANGE {a}z x 1",
        "ZRANGE {a}z",
        "GET {a}s",
        "GET {a}due",
        "GET {a}due",
        "EXISTS {a}due",
        "GET b",
        "GET {a}s",
        "SET {a}s w",
        "GET {a}s",
        "GET {a}s",
        "CLIENT REPLY SKIP",
        "GET {a}s",
        "GET {a}s",
        "GET {a}s",
        "MULTI",
        "GET {a}s",
        "GET {a}s",
        "EXEC",
        "GET {a}s",
        "GET {a}s",
    ];
    let run = |together: bool| {
        let clock = ManualClock::at(UnixMillis(1_000));
        let db = Engine::builder().clock(clock.clone()).seed(1).in_memory();
        let mut s = session(&db);
        ask(&mut s, b"ZADD {a}z 1 a 2 b\r\nSET {a}s v\r\nSET {a}due v PX 1\r\nSET b c\r\nSET {a}long x\r\nSETRANGE {a}long 9999 x\r\n");
        clock.advance(Duration::from_millis(5));
        let mut replies = String::new();
        let lines = requests.iter().chain(&["GET {a}long"; 5]).map(|request| format!("{request}\r\n"));
        if together {
            replies += &ask(&mut s, lines.collect::<String>().as_bytes());
        } else {
            lines.for_each(|line| replies += &ask(&mut s, line.as_bytes()));
        }
        let counted = ask(&mut s, b"INFO stats\r\nINFO errorstats\r\n");
        let counted = counted.lines().filter(|line| line.starts_with("keyspace_") || line.starts_with("errorstat_"));
        let counted: Vec<_> = counted.map(str::to_owned).collect();
        let calls = ask(&mut s, b"INFO commandstats\r\n");
        let calls = calls.lines().map(|line| {
            let fields = line.split(',').filter(|field| !field.starts_with("usec"));
            fields.collect::<Vec<_>>().join(",")
        });
        (replies, counted, calls.filter(|line| line.starts_with("cmdstat_")).collect::<Vec<_>>())
    };
    let (together, apart) = (run(true), run(false));
    assert_eq!(together, apart);
    assert!(together.1.iter().any(|line| line == "keyspace_misses:4"), "{:?}", together.1);
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    let mut out = String::new();
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\nGET k\r\nGET \"k\"\r\n" {
        out.push_str(&ask(&mut s, &[*byte]));
    }
    assert_eq!(out, "+OK\r\n$5\r\nhello\r\n$5\r\nhello\r\n");
}

#[test]
fn errors_name_what_was_wrong() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    assert_eq!(ask(&mut s, b"NOPE a b\r\n"), "-ERR unknown command 'NOPE', with args beginning with: 'a' 'b' \r\n");
    assert_eq!(ask(&mut s, b"GET\r\n"), "-ERR wrong number of arguments for 'get' command\r\n");
    assert_eq!(ask(&mut s, b"SET k v NX XX\r\n"), "-ERR syntax error\r\n");
    assert_eq!(ask(&mut s, b"SET k v EX 0\r\n"), "-ERR invalid expire time in 'set' command\r\n");
    assert_eq!(ask(&mut s, b"*1\r\nx\r\n"), "-ERR Protocol error: expected '$', got 'x'\r\n");
}

#[test]
fn a_protocol_error_in_a_pipeline_comes_after_the_replies_before_it() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    assert_eq!(
        ask(&mut s, b"SET k v\r\nGET k\r\n*1\r\nx\r\nGET k\r\n"),
        "+OK\r\n$1\r\nv\r\n-ERR Protocol error: expected '$', got 'x'\r\n"
    );
}

/// A journal whose progress the test decides.
#[derive(Default)]
struct Ledger {
    state: Mutex<LedgerState>,
}

#[derive(Default)]
struct LedgerState {
    end: u64,
    reached: u64,
    full: bool,
    failed: bool,
    waiting: Vec<Waker>,
}

impl Ledger {
    fn is_awaited(&self) -> bool {
        !self.state.lock().waiting.is_empty()
    }

    fn change(&self, f: impl FnOnce(&mut LedgerState)) {
        let waiting = {
            let mut state = self.state.lock();
            f(&mut state);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl EffectSink for Ledger {
    fn append(&self, batch: &Batch<'_>) -> Offset {
        let mut state = self.state.lock();
        state.end += batch.bytes.len() as u64;
        Offset(state.end)
    }

    fn poll_room(&self, waker: &Waker) -> Poll<Result<(), NotWritable>> {
        let mut state = self.state.lock();
        if state.failed {
            return Poll::Ready(Err(NotWritable { reason: "Input/output error".to_owned() }));
        }
        if state.full {
            state.waiting.push(waker.clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_reached(&self, _: Ack, offset: Offset, waker: &Waker) -> Poll<Result<(), OutcomeUnknown>> {
        let mut state = self.state.lock();
        if offset.0 <= state.reached {
            return Poll::Ready(Ok(()));
        }
        if state.failed {
            return Poll::Ready(Err(OutcomeUnknown::LogFailed));
        }
        state.waiting.push(waker.clone());
        Poll::Pending
    }

    fn end(&self) -> Offset {
        Offset(self.state.lock().end)
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// An engine whose replies wait for `ledger`, a session on it, and the count of its wakes.
fn durable() -> (Arc<Ledger>, Engine, Session, Arc<Wakes>) {
    let (ledger, db, wakes) = (Arc::new(Ledger::default()), Engine::in_memory(), Arc::new(Wakes::default()));
    assert!(db.attach_sink(Arc::clone(&ledger) as Arc<dyn EffectSink>));
    db.options().set_ack(Ack::Durable);
    let session = db.session(Arc::clone(&wakes).into(), PeerInfo::default());
    (ledger, db, session, wakes)
}

#[test]
fn a_reply_is_held_until_its_write_is_durable_and_so_is_what_comes_after_it() {
    let (ledger, _db, mut s, wakes) = durable();
    assert_eq!(ask(&mut s, b"GET other\r\nSET k v\r\nGET other\r\n"), "$-1\r\n");
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    ledger.change(|state| state.reached = state.end);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert_eq!(ask(&mut s, b""), "+OK\r\n$-1\r\n");
}

#[test]
fn a_reader_waits_for_the_write_it_saw() {
    let (ledger, db, mut writer, _) = durable();
    let mut reader = session(&db);
    assert_eq!(ask(&mut writer, b"SET k v\r\n"), "");
    assert_eq!(ask(&mut reader, b"GET k\r\n"), "", "a crash could still take the value back");
    ledger.change(|state| state.reached = state.end);
    assert_eq!(ask(&mut reader, b""), "$1\r\nv\r\n");
}

#[test]
fn a_journal_that_fails_makes_held_replies_errors_and_refuses_writes() {
    let (ledger, _db, mut s, _) = durable();
    assert_eq!(ask(&mut s, b"SET k v\r\n"), "");
    ledger.change(|state| state.failed = true);
    let reply = ask(&mut s, b"");
    assert!(reply.starts_with("-MISCONF ") && reply.contains("unknown"), "{reply}");
    assert_eq!(ask(&mut s, b"SET k v\r\n"), "-MISCONF Errors writing to the AOF file: Input/output error\r\n");
}

#[test]
fn a_write_without_room_is_parked_and_runs_when_there_is_room() {
    let (ledger, _db, mut s, wakes) = durable();
    ledger.change(|state| (state.full, state.reached) = (true, u64::MAX));
    s.feed(b"GET k\r\nSET k v\r\nGET k\r\n");
    let mut out = Vec::new();
    assert_eq!((s.poll_output(&mut out), out.as_slice()), (SessionState::Parked, &b"$-1\r\n"[..]));
    s.feed(b"GET k\r\n");
    ledger.change(|state| state.full = false);
    assert!(wakes.0.load(Ordering::SeqCst) > 0);
    assert_eq!(ask(&mut s, b""), "+OK\r\n$1\r\nv\r\n$1\r\nv\r\n");
}

#[test]
fn a_session_is_parked_while_another_turn_holds_its_slot() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    db.atomic("k", |turn| {
        turn.set("k", "inside")?;
        s.feed(b"GET k\r\n");
        let mut out = Vec::new();
        assert_eq!((s.poll_output(&mut out), out.len()), (SessionState::Parked, 0));
        Ok::<(), crate::CommandError>(())
    })
    .expect("nothing fails");
    assert_eq!(ask(&mut s, b""), "$6\r\ninside\r\n");
}

#[test]
fn a_web_browser_is_shown_nothing_whatever_was_held() {
    let (_ledger, _db, mut s, _) = durable();
    s.feed(b"SET k v\r\nPOST / HTTP/1.1\r\n");
    let mut out = Vec::new();
    assert_eq!((s.poll_output(&mut out), out.len()), (SessionState::Closing, 0));
}

#[test]
fn a_journal_that_fails_takes_messages_and_answers_requests() {
    let (ledger, db, mut publisher, _) = durable();
    let mut subscriber = session(&db);
    assert!(ask(&mut subscriber, b"SUBSCRIBE __keyevent@0__:set\r\n").starts_with("*3\r\n$9\r\nsubscribe"));
    db.options().set_keyspace_events("KEA".parse().expect("classes"));
    assert_eq!(ask(&mut publisher, b"SET k v\r\n"), "");
    assert_eq!(ask(&mut subscriber, b""), "", "nobody is told what a crash could take back");
    ledger.change(|state| state.failed = true);
    assert_eq!(ask(&mut subscriber, b""), "", "it asked for nothing, so it gets no error");
    assert!(ask(&mut publisher, b"").starts_with("-MISCONF "));
}

/// A session in whose EXEC the second of three turns finds its slot taken, while `during` runs.
fn exec_cut_by_a_held_slot(db: &Engine, during: impl FnOnce(&mut Session)) -> Session {
    let mut s = session(db);
    ask(&mut s, b"MULTI\r\nINCR a\r\nSLOWLOG LEN\r\nINCR b\r\nSLOWLOG LEN\r\nINCR c\r\n");
    let held = db.core.slots.lock(Slot::of(b"b"));
    assert_eq!(ask(&mut s, b"EXEC\r\nPING\r\n"), "");
    during(&mut s);
    drop(held);
    s
}

#[test]
fn an_exec_that_finds_a_slot_taken_between_its_turns_goes_on_from_there() {
    let db = Engine::in_memory();
    let mut s = exec_cut_by_a_held_slot(&db, |s| {
        assert_eq!(s.poll_output(&mut Vec::new()), SessionState::Parked);
        assert_eq!(db.get_int("a").unwrap(), Some(1));
    });
    assert_eq!(ask(&mut s, b""), "*5\r\n:1\r\n:0\r\n:1\r\n:0\r\n:1\r\n+PONG\r\n");
    assert_eq!(ask(&mut s, b"EXEC\r\n"), "-ERR EXEC without MULTI\r\n");
}

#[test]
fn an_exec_that_began_is_not_left_half_done_when_its_session_ends() {
    let db = Engine::in_memory();
    drop(exec_cut_by_a_held_slot(&db, |_| {}));
    let values = ["a", "b", "c"].map(|key| db.get_int(key).unwrap());
    assert_eq!(values, [Some(1); 3]);
}

#[test]
fn while_the_data_is_loaded_only_what_needs_none_of_it_is_answered() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    let loading = "-LOADING Redis is loading the dataset in memory\r\n";
    assert_eq!(ask(&mut s, b"MULTI\r\nSET k v\r\n"), "+OK\r\n+QUEUED\r\n");
    db.options().loading.store(true, Ordering::Relaxed);
    assert_eq!(ask(&mut s, b"EXEC\r\n"), format!("-EXECABORT Transaction discarded because of: {}", &loading[1..]));
    for request in ["GET k", "SET k v", "PING", "DBSIZE", "FLUSHALL", "DEL k", "SAVE", "DUMP k", "FUNCTION LIST"] {
        assert_eq!(ask(&mut s, format!("{request}\r\n").as_bytes()), loading, "{request}");
    }
    for request in ["SELECT 1", "CLIENT SETNAME a", "HELLO 2", "PUBLISH c m", "CONFIG RESETSTAT", "RESET"] {
        let reply = ask(&mut s, format!("{request}\r\n").as_bytes());
        assert_ne!(reply, loading, "{request}");
    }
    assert!(ask(&mut s, b"INFO persistence\r\n").contains("loading:1\r\n"));
    assert_eq!(ask(&mut s, b"MULTI\r\nGET k\r\nEXEC\r\n").matches("EXECABORT").count(), 1);
    assert_eq!(ask(&mut s, b"MULTI\r\nSELECT 0\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    db.options().loading.store(false, Ordering::Relaxed);
    assert_eq!(ask(&mut s, b"GET k\r\n"), "$-1\r\n");
}

#[test]
fn a_journal_can_rest_and_go_on() {
    let (ledger, db, mut s, _) = durable();
    assert_eq!(ask(&mut s, b"SET k v\r\n"), "");
    let end = ledger.state.lock().end;
    db.detach_sink();
    assert_eq!(ask(&mut s, b"SET k w\r\nGET k\r\n"), "+OK\r\n+OK\r\n$1\r\nw\r\n", "nothing waits for it");
    assert_eq!(ledger.state.lock().end, end);
    assert!(!db.attach_sink(Arc::new(Ledger::default())), "another one");
    assert!(db.attach_sink(ledger.clone()));
    assert_eq!(ask(&mut s, b"SET k x\r\n"), "");
    assert!(ledger.state.lock().end > end);
}

#[test]
fn a_node_that_begins_to_follow_leaves_nobody_waiting_for_its_replicas() {
    let (ledger, db, mut s, _) = durable();
    db.options().set_ack(Ack::Replicas(1));
    assert_eq!(ask(&mut s, b"SET k v\r\nGET other\r\nPING\r\n"), "");
    db.options().set_follows(true);
    ledger.change(|state| state.reached = state.end);
    let reply = ask(&mut s, b"");
    assert!(reply.starts_with("-UNBLOCKED ") && reply.ends_with("$-1\r\n+PONG\r\n"), "{reply}");
    // What it tells from here on is the other's.
    ledger.change(|state| state.reached = 0);
    assert_eq!(ask(&mut s, b"GET k\r\n"), "$1\r\nv\r\n");
    s.feed(b"GET k\r\n");
    db.options().set_follows(false);
    assert!(ask(&mut s, b"").starts_with("-UNBLOCKED "), "it may have been changed since by this node's clients");
}

#[test]
fn a_handle_may_wait_for_more_than_others() {
    let (ledger, db, _, _) = durable();
    db.options().set_ack(Ack::Memory);
    db.set("k", "v").expect("it waits for nothing");
    let patient = db.with_ack(Ack::Durable);
    let asked = std::thread::spawn(move || patient.get("k"));
    while !ledger.is_awaited() {
        std::thread::yield_now();
    }
    assert!(!asked.is_finished());
    ledger.change(|state| state.reached = state.end);
    assert_eq!(asked.join().expect("no panic").expect("it is there").as_deref(), Some(&b"v"[..]));
}

#[test]
fn without_a_journal_no_replica_confirms_anything() {
    let db = Engine::in_memory();
    db.options().set_ack(Ack::Replicas(1));
    assert_eq!(db.set("k", "v"), Err(CommandError::LeadsNoMore));
    assert!(ask(&mut session(&db), b"GET k\r\n").starts_with("-UNBLOCKED "));
}
