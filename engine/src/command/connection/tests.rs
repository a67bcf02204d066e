//! The connection family through sessions.

use crate::{Asker, Engine, InfoSection, ManualClock, PeerInfo, Session, SessionState, UnixMillis};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo { addr: "10.0.0.1:5".into(), ..PeerInfo::default() })
}

fn belled(db: &Engine) -> (Session, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    (db.session(Arc::clone(&bell).into(), PeerInfo::default()), bell)
}

fn take(session: &mut Session) -> String {
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn ask(session: &mut Session, request: &str) -> String {
    session.feed(format!("{request}\r\n").as_bytes());
    take(session)
}

fn manual() -> (Engine, ManualClock) {
    let clock = ManualClock::at(UnixMillis(1_000_000));
    (Engine::builder().clock(clock.clone()).in_memory(), clock)
}

#[test]
fn hello_answers_in_the_version_that_it_agrees_on() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    let tail = "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
    let head = "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n";
    assert_eq!(ask(&mut s, "HELLO"), format!("*14\r\n{head}:2\r\n$2\r\nid\r\n:1\r\n{tail}"));
    assert_eq!(ask(&mut s, "HELLO 3"), format!("%7\r\n{head}:3\r\n$2\r\nid\r\n:1\r\n{tail}"));
    assert_eq!(ask(&mut s, "GET k"), "_\r\n");
    db.set_cluster(true);
    assert!(ask(&mut s, "HELLO 2").contains("$4\r\nmode\r\n$7\r\ncluster\r\n"));
    assert_eq!(ask(&mut s, "GET k"), "$-1\r\n");
}

#[test]
fn a_hello_that_fails_changes_nothing() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    for (request, reply) in [
        ("HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"),
        ("HELLO 4", "-NOPROTO unsupported protocol version\r\n"),
        ("HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'\r\n"),
        ("HELLO 3 SETNAME n FOO", "-ERR Syntax error in HELLO option 'FOO'\r\n"),
        ("HELLO 3 SETNAME \"a b\"", "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"),
        ("HELLO 3 SETNAME n AUTH you x", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
    ] {
        assert_eq!(ask(&mut s, request), reply);
    }
    assert_eq!(ask(&mut s, "CLIENT GETNAME"), "$-1\r\n");
}

#[test]
fn a_stranger_may_only_authenticate() {
    let db = Engine::in_memory();
    db.set_password(Some(b"secret"));
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "PING"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(ask(&mut s, "NOPE"), "-ERR unknown command 'NOPE', with args beginning with: \r\n");
    assert_eq!(ask(&mut s, "GET"), "-ERR wrong number of arguments for 'get' command\r\n");
    assert!(ask(&mut s, "HELLO 3").starts_with("-NOAUTH HELLO must be called with the client already authenticated"));
    assert_eq!(ask(&mut s, "AUTH no"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_eq!(ask(&mut s, "AUTH me secret"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_eq!(ask(&mut s, "AUTH a b c"), "-ERR syntax error\r\n");
    assert_eq!(ask(&mut s, "AUTH secret"), "+OK\r\n");
    assert_eq!(ask(&mut s, "PING hi"), "$2\r\nhi\r\n");
    assert_eq!(ask(&mut s, "RESET"), "+RESET\r\n");
    assert_eq!(ask(&mut s, "PING"), "-NOAUTH Authentication required.\r\n");
    assert!(ask(&mut s, "HELLO 2 AUTH default secret SETNAME me").starts_with("*14\r\n"));
    assert_eq!(ask(&mut s, "CLIENT GETNAME"), "$2\r\nme\r\n");
}

#[test]
fn without_a_password_auth_says_so() {
    let mut s = session(&Engine::in_memory());
    assert!(ask(&mut s, "AUTH x").starts_with("-ERR AUTH <password> called without any password configured"));
    assert_eq!(ask(&mut s, "AUTH default x"), "+OK\r\n");
    assert_eq!(ask(&mut s, "AUTH other x"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
}

#[test]
fn databases_are_apart_and_a_cluster_has_one() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "SELECT 15"), "+OK\r\n");
    assert_eq!(ask(&mut s, "SET k v"), "+OK\r\n");
    assert_eq!(ask(&mut s, "SELECT 0"), "+OK\r\n");
    assert_eq!(ask(&mut s, "GET k"), "$-1\r\n");
    assert_eq!(ask(&mut s, "SELECT 16"), "-ERR DB index is out of range\r\n");
    assert_eq!(ask(&mut s, "SELECT -1"), "-ERR DB index is out of range\r\n");
    assert_eq!(ask(&mut s, "SELECT x"), "-ERR value is not an integer or out of range\r\n");
    assert_eq!(
        ask(&mut s, "SELECT 99999999999"),
        "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"
    );
    db.set_cluster(true);
    assert_eq!(ask(&mut s, "SELECT 1"), "-ERR SELECT is not allowed in cluster mode\r\n");
    assert_eq!(ask(&mut s, "SELECT 0"), "+OK\r\n");
}

#[test]
fn quit_is_the_last_request_that_is_answered() {
    let mut s = session(&Engine::in_memory());
    s.feed(b"PING\r\nQUIT\r\nPING\r\n");
    let mut out = Vec::new();
    assert_eq!(s.poll_output(&mut out), SessionState::Closing);
    assert_eq!(out, b"+PONG\r\n+OK\r\n");
}

#[test]
fn replies_are_dropped_as_asked() {
    let mut s = session(&Engine::in_memory());
    assert_eq!(ask(&mut s, "CLIENT REPLY SKIP\r\nECHO a\r\nECHO b"), "$1\r\nb\r\n");
    assert_eq!(ask(&mut s, "CLIENT REPLY OFF\r\nECHO a\r\nCLIENT REPLY SKIP\r\nECHO b\r\nECHO c"), "");
    assert_eq!(ask(&mut s, "CLIENT REPLY ON\r\nECHO d"), "+OK\r\n$1\r\nd\r\n");
    assert_eq!(ask(&mut s, "CLIENT REPLY MAYBE"), "-ERR syntax error\r\n");
}

#[test]
fn client_list_shows_what_clients_set() {
    let (db, clock) = manual();
    let mut s = session(&db);
    ask(&mut s, "HELLO 3 SETNAME worker");
    ask(&mut s, "CLIENT SETINFO LIB-NAME lib\r\nCLIENT SETINFO lib-ver 1.2\r\nSELECT 3\r\nCLIENT NO-EVICT ON");
    clock.advance(Duration::from_secs(7));
    ask(&mut s, "CLIENT NO-TOUCH ON");
    clock.advance(Duration::from_secs(2));
    let mut other = session(&db);
    let list = ask(&mut other, "CLIENT LIST");
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 4, "{list}");
    let tail = "multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=";
    let start =
        format!("id=1 addr=10.0.0.1:5 laddr= fd=0 name=worker age=9 idle=2 flags=eT db=3 sub=0 psub=0 ssub=0 {tail}");
    assert!(lines[1].starts_with(&start), "{list}");
    let end = " events=r cmd=client|no-touch user=default redir=-1 resp=3 lib-name=lib lib-ver=1.2";
    assert!(lines[1].ends_with(end), "{list}");
    assert!(lines[2].contains(" cmd=client|list "), "{list}");
    // The input of the request that asks is still held while it runs.
    assert!(lines[2].contains(" qbuf=13 "), "{list}");
    assert!(ask(&mut other, "CLIENT LIST ID 1 77 x").starts_with("-ERR Invalid client ID"));
    assert!(ask(&mut other, "CLIENT LIST ID 77 1").contains("\r\nid=1 "));
    assert_eq!(ask(&mut other, "CLIENT LIST TYPE replica"), "$0\r\n\r\n");
    assert_eq!(ask(&mut other, "CLIENT LIST TYPE robot"), "-ERR Unknown client type 'robot'\r\n");
    assert_eq!(ask(&mut other, "CLIENT LIST ID"), "-ERR syntax error\r\n");
    ask(&mut s, "RESET");
    let info = ask(&mut s, "CLIENT INFO");
    assert!(info.contains(" name= ") && info.contains(" flags=N db=0 ") && info.contains(" resp=2 lib-name=lib"));
}

#[test]
fn a_killed_client_closes_and_the_killer_goes_on() {
    let db = Engine::in_memory();
    let (mut victim, bell) = belled(&db);
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "CLIENT KILL ID 1 TYPE replica"), ":0\r\n");
    assert_eq!(bell.count(), 0);
    assert_eq!(ask(&mut s, "CLIENT KILL ID 1"), ":1\r\n");
    assert_eq!(bell.count(), 1);
    assert_eq!(ask(&mut s, "CLIENT LIST").matches("id=").count(), 1, "it is gone for all others at once");
    victim.feed(b"SET k v\r\n");
    assert_eq!(victim.poll_output(&mut Vec::new()), SessionState::Closing);
    drop(victim);
    assert_eq!(ask(&mut s, "CLIENT KILL TYPE normal"), ":0\r\n", "SKIPME is the default");
    s.feed(b"CLIENT KILL 10.0.0.1:5\r\nPING\r\n");
    let mut out = Vec::new();
    assert_eq!(s.poll_output(&mut out), SessionState::Closing);
    assert_eq!(out, b"+OK\r\n");
}

#[test]
fn kill_filters_are_checked() {
    let (db, clock) = manual();
    let mut s = session(&db);
    for (request, reply) in [
        ("CLIENT KILL 1.2.3.4:5", "-ERR No such client\r\n"),
        ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0\r\n"),
        ("CLIENT KILL TYPE robot", "-ERR Unknown client type 'robot'\r\n"),
        ("CLIENT KILL USER me", "-ERR No such user 'me'\r\n"),
        ("CLIENT KILL SKIPME maybe", "-ERR syntax error\r\n"),
        ("CLIENT KILL ID 1 ADDR", "-ERR syntax error\r\n"),
        ("CLIENT KILL FOO BAR", "-ERR syntax error\r\n"),
        ("CLIENT KILL MAXAGE 0", "-ERR maxage should be greater than 0\r\n"),
    ] {
        assert_eq!(ask(&mut s, request), reply);
    }
    clock.advance(Duration::from_secs(10));
    let _young = session(&db);
    assert_eq!(ask(&mut s, "CLIENT KILL ADDR 10.0.0.1:5 MAXAGE 10 SKIPME no USER default LADDR x"), ":0\r\n");
    assert_eq!(ask(&mut s, "CLIENT KILL ADDR 10.0.0.1:5 MAXAGE 10 SKIPME no USER default"), ":1\r\n");
}

#[test]
fn a_paused_session_is_parked_until_tick_sees_the_timeout() {
    let (db, clock) = manual();
    let mut boss = session(&db);
    let (mut s, bell) = belled(&db);
    assert_eq!(ask(&mut boss, "CLIENT PAUSE 100"), "+OK\r\n");
    s.feed(b"GET k\r\n");
    let mut out = Vec::new();
    assert_eq!(s.poll_output(&mut out), SessionState::Parked);
    s.feed(b"PING\r\n");
    assert_eq!(s.poll_output(&mut out), SessionState::Parked);
    assert!(out.is_empty());
    clock.advance(Duration::from_millis(99));
    db.tick(db.now(), 10);
    assert_eq!(bell.count(), 0);
    clock.advance(Duration::from_millis(1));
    db.tick(db.now(), 10);
    assert_eq!(bell.count(), 1);
    assert_eq!(s.poll_output(&mut out), SessionState::Open);
    assert_eq!(out, b"$-1\r\n+PONG\r\n");
}

#[test]
fn a_pause_of_writes_lets_reads_through_and_ends_with_unpause() {
    let (db, clock) = manual();
    let mut boss = session(&db);
    let (mut s, bell) = belled(&db);
    assert_eq!(ask(&mut s, "SET old v PX 50"), "+OK\r\n");
    assert_eq!(ask(&mut boss, "CLIENT PAUSE 100000 WRITE"), "+OK\r\n");
    clock.advance(Duration::from_millis(60));
    assert_eq!(ask(&mut s, "GET old"), "$-1\r\n");
    assert_eq!(db.tick(db.now(), 100_000).expired, 0, "what is due is hidden, not deleted");
    assert_eq!(ask(&mut s, "GET k\r\nSET k v\r\nGET k"), "$-1\r\n");
    assert!(ask(&mut boss, "CLIENT LIST ID 2").contains(" flags=b "));
    assert_eq!(ask(&mut boss, "CLIENT UNPAUSE"), "+OK\r\n");
    assert_eq!(bell.count(), 1);
    assert_eq!(take(&mut s), "+OK\r\n$1\r\nv\r\n");
    assert!(ask(&mut boss, "CLIENT LIST ID 2").contains(" flags=N "));
    assert_eq!(db.tick(db.now(), 100_000).expired, 1);
}

#[test]
fn what_the_host_holds_waits_until_the_host_lets_it_go() {
    let (db, clock) = manual();
    let (mut boss, (mut s, bell)) = (session(&db), belled(&db));
    assert_eq!(ask(&mut s, "SET old v PX 50"), "+OK\r\n");
    db.hold_writes();
    clock.advance(Duration::from_millis(60));
    assert_eq!(ask(&mut boss, "CLIENT PAUSE 10 WRITE\r\nCLIENT UNPAUSE\r\nGET old"), "+OK\r\n+OK\r\n$-1\r\n");
    assert_eq!(ask(&mut s, "GET k\r\nMULTI\r\nSET k v\r\nEXEC\r\nGET k"), "$-1\r\n+OK\r\n");
    assert_eq!(db.tick(db.now(), 100_000).expired, 0);
    assert!(db.is_still());
    let rung = bell.count();
    db.release_writes();
    assert_eq!(bell.count(), rung + 1);
    assert_eq!(take(&mut s), "+QUEUED\r\n*1\r\n+OK\r\n$1\r\nv\r\n");
    // A pause of clients outlasts it.
    db.hold_writes();
    assert_eq!(ask(&mut boss, "CLIENT PAUSE 100 WRITE"), "+OK\r\n");
    db.release_writes();
    assert_eq!(ask(&mut s, "SET k w"), "");
    clock.advance(Duration::from_millis(100));
    assert_eq!(take(&mut s), "+OK\r\n");
}

#[test]
fn a_pause_is_never_cut_short_by_another() {
    let (db, clock) = manual();
    let mut boss = session(&db);
    ask(&mut boss, "CLIENT PAUSE 1000 WRITE\r\nCLIENT PAUSE 10 WRITE");
    clock.advance(Duration::from_millis(500));
    assert_eq!(ask(&mut boss, "SET k v"), "");
    clock.advance(Duration::from_millis(500));
    assert_eq!(take(&mut boss), "+OK\r\n");
    for (request, reply) in [
        ("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range\r\n"),
        ("CLIENT PAUSE -1", "-ERR timeout is negative\r\n"),
        ("CLIENT PAUSE 9223372036854775807", "-ERR timeout is out of range\r\n"),
        ("CLIENT PAUSE 1 SOME", "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n"),
        (
            "CLIENT PAUSE 1 ALL x",
            "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.\r\n",
        ),
    ] {
        assert_eq!(ask(&mut boss, request), reply);
    }
}

#[test]
fn tracking_is_off_and_says_so() {
    let mut s = session(&Engine::in_memory());
    ask(&mut s, "HELLO 3");
    assert_eq!(
        ask(&mut s, "CLIENT TRACKINGINFO"),
        "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n"
    );
    assert_eq!(ask(&mut s, "CLIENT GETREDIR"), ":-1\r\n");
    assert_eq!(ask(&mut s, "CLIENT TRACKING OFF BCAST"), "+OK\r\n");
    assert_eq!(ask(&mut s, "CLIENT TRACKING maybe"), "-ERR syntax error\r\n");
    assert!(ask(&mut s, "CLIENT CACHING YES").starts_with("-ERR CLIENT CACHING can be called only when"));
}

#[test]
fn names_and_library_attributes_are_one_word() {
    let mut s = session(&Engine::in_memory());
    for (request, reply) in [
        ("CLIENT SETNAME \"a b\"", "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"),
        ("CLIENT SETNAME ab", "+OK\r\n"),
        ("CLIENT GETNAME", "$2\r\nab\r\n"),
        ("CLIENT SETNAME \"\"", "+OK\r\n"),
        ("CLIENT GETNAME", "$-1\r\n"),
        ("CLIENT SETINFO lib x", "-ERR Unrecognized option 'lib'\r\n"),
        (
            "CLIENT SETINFO LIB-Name \"a\\n\"",
            "-ERR LIB-Name cannot contain spaces, newlines or special characters.\r\n",
        ),
        ("CLIENT UNBLOCK 5", ":0\r\n"),
        ("CLIENT UNBLOCK 5 NOW", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n"),
        ("CLIENT ID", ":1\r\n"),
        ("CLIENT NOPE", "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP.\r\n"),
    ] {
        assert_eq!(ask(&mut s, request), reply);
    }
}

/// A host that answers SAVE later, and LASTSAVE at once where the reply cannot wait.
#[derive(Default)]
struct Slow(parking_lot::Mutex<Option<crate::LaterReply>>);

impl crate::Host for Slow {
    fn control(&self, asker: Asker<'_>, _: &[&[u8]], reply: &mut crate::resp::ReplyWriter<'_>) -> bool {
        *self.0.lock() = asker.reply_later();
        reply.simple(if asker.in_exec { "in exec" } else { "at once" });
        true
    }

    fn info(&self, _: InfoSection, _: &mut String) {}
}

#[test]
fn the_host_may_answer_later_while_others_are_served() {
    let db = Engine::in_memory();
    let host = Arc::new(Slow::default());
    db.attach_host(host.clone());
    let ((mut waiting, bell), mut other) = (belled(&db), session(&db));
    waiting.feed(b"SAVE\r\nSET k v\r\n");
    let mut out = Vec::new();
    for _ in 0..2 {
        assert_eq!((waiting.poll_output(&mut out), out.len()), (SessionState::Parked, 0));
    }
    assert_eq!(ask(&mut other, "GET k"), "$-1\r\n");
    let rung = bell.0.load(Ordering::SeqCst);
    host.0.lock().take().unwrap().give(|reply| reply.ok());
    assert!(bell.0.load(Ordering::SeqCst) > rung);
    assert_eq!(take(&mut waiting), "+OK\r\n+OK\r\n");
    waiting.feed(b"DEBUG RELOAD\r\n");
    host.0.lock().take().unwrap().give(|reply| reply.error("ERR no"));
    assert_eq!(take(&mut waiting), "-ERR no\r\n");
    assert_eq!(ask(&mut waiting, "MULTI\r\nBGSAVE\r\nEXEC"), "+OK\r\n+QUEUED\r\n*1\r\n+in exec\r\n");
    assert_eq!(db.call(&["SAVE"]), crate::resp::Value::Simple("at once".into()));
    // A refusal on the way forgets what was awaited.
    waiting.feed(b"SAVE\r\n");
    db.options().loading.store(true, Ordering::Relaxed);
    assert!(take(&mut waiting).starts_with("-LOADING "));
    db.options().loading.store(false, Ordering::Relaxed);
    assert_eq!(ask(&mut waiting, "GET k"), "$1\r\nv\r\n");
}
