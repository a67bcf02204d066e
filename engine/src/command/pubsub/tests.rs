//! Pub/sub between sessions.

use crate::command::testing::{Bench, ask, session};
use crate::{Engine, PeerInfo, Session, SessionState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// What a session has to say without being asked.
fn hear(session: &mut Session) -> String {
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn push(kind: char, words: &[&str]) -> String {
    let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    format!("{kind}{}\r\n{}", words.len(), words.iter().map(bulk).collect::<String>())
}

#[test]
fn messages_reach_channels_and_patterns_in_the_version_of_each() {
    let db = Engine::in_memory();
    let (mut a, mut b, mut publisher) = (session(&db), session(&db), session(&db));
    ask(&mut b, "HELLO 3");
    let confirmed = "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:2\r\n";
    assert_eq!(ask(&mut a, "SUBSCRIBE news x"), confirmed);
    assert_eq!(ask(&mut a, "PSUBSCRIBE n*"), "*3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:3\r\n");
    assert_eq!(ask(&mut b, "SUBSCRIBE news"), ">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    assert_eq!(ask(&mut publisher, "PUBLISH news hi"), ":3\r\n");
    let expected = push('*', &["message", "news", "hi"]) + &push('*', &["pmessage", "n*", "news", "hi"]);
    assert_eq!(hear(&mut a), expected);
    assert_eq!(hear(&mut b), push('>', &["message", "news", "hi"]));
    assert_eq!(ask(&mut publisher, "PUBLISH other hi"), ":0\r\n");
    assert_eq!(ask(&mut publisher, "PUBLISH nothing hi"), ":1\r\n");
    assert_eq!(hear(&mut a), push('*', &["pmessage", "n*", "nothing", "hi"]));
}

#[test]
fn subscribing_twice_counts_once_and_leaving_names_what_is_left() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    ask(&mut s, "SUBSCRIBE a b");
    assert_eq!(ask(&mut s, "SUBSCRIBE a"), "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
    assert_eq!(ask(&mut s, "UNSUBSCRIBE z"), "*3\r\n$11\r\nunsubscribe\r\n$1\r\nz\r\n:2\r\n");
    assert_eq!(ask(&mut s, "PUNSUBSCRIBE"), "*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:2\r\n");
    let left = "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n";
    assert_eq!(ask(&mut s, "UNSUBSCRIBE"), left);
    assert_eq!(ask(&mut s, "UNSUBSCRIBE"), "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
    assert_eq!(ask(&mut s, "GET k"), "$-1\r\n");
    ask(&mut s, "HELLO 3");
    assert_eq!(ask(&mut s, "UNSUBSCRIBE"), ">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n");
}

#[test]
fn a_listener_of_resp2_may_do_little() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    ask(&mut s, "SUBSCRIBE a");
    let text = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    assert_eq!(ask(&mut s, "GET k"), format!("-ERR Can't execute 'get': {text}\r\n"));
    assert_eq!(ask(&mut s, "CLIENT ID"), format!("-ERR Can't execute 'client|id': {text}\r\n"));
    assert_eq!(ask(&mut s, "GET"), "-ERR wrong number of arguments for 'get' command\r\n");
    assert_eq!(ask(&mut s, "PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    assert_eq!(ask(&mut s, "PING hi"), "*2\r\n$4\r\npong\r\n$2\r\nhi\r\n");
    assert_eq!(ask(&mut s, "PING a b"), "-ERR wrong number of arguments for 'ping' command\r\n");
    assert_eq!(ask(&mut s, "RESET"), "+RESET\r\n");
    assert_eq!(ask(&mut s, "GET k"), "$-1\r\n");
    assert_eq!(ask(&mut session(&db), "PUBLISH a x"), ":0\r\n");
    ask(&mut s, "HELLO 3");
    ask(&mut s, "SUBSCRIBE a");
    assert_eq!(ask(&mut s, "GET k"), "_\r\n");
    assert_eq!(ask(&mut s, "PING"), "+PONG\r\n");
}

#[test]
fn a_push_stands_between_replies() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    ask(&mut s, "HELLO 3");
    ask(&mut s, "SUBSCRIBE a");
    // The client's own message comes behind the reply that tells of it.
    let out = ask(&mut s, "PUBLISH a 1\r\nMGET x y\r\nPUBLISH a 2");
    let (first, second) = (push('>', &["message", "a", "1"]), push('>', &["message", "a", "2"]));
    assert_eq!(out, format!(":1\r\n{first}*2\r\n_\r\n_\r\n:1\r\n{second}"));
    let out = ask(&mut s, "PUBLISH a 3\r\nUNSUBSCRIBE a");
    let third = push('>', &["message", "a", "3"]);
    assert_eq!(out, format!(":1\r\n{third}>3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"));
}

#[test]
fn replies_that_are_off_let_messages_through() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    ask(&mut s, "CLIENT REPLY OFF");
    assert_eq!(ask(&mut s, "SUBSCRIBE a"), "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    db.publish("a", "1");
    assert_eq!(ask(&mut s, "PING"), push('*', &["message", "a", "1"]));
}

#[test]
fn shard_channels_are_apart_and_follow_their_slots() {
    let db = Engine::in_memory();
    db.set_cluster(true);
    let (mut s, mut publisher) = (session(&db), session(&db));
    ask(&mut s, "HELLO 3");
    assert_eq!(ask(&mut s, "SSUBSCRIBE {a}1 {a}2"), {
        ">3\r\n$10\r\nssubscribe\r\n$4\r\n{a}1\r\n:1\r\n>3\r\n$10\r\nssubscribe\r\n$4\r\n{a}2\r\n:2\r\n"
    });
    assert_eq!(ask(&mut s, "SSUBSCRIBE {a}1 b"), "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    assert_eq!(ask(&mut s, "SUBSCRIBE c"), ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    assert_eq!(ask(&mut publisher, "PUBLISH {a}1 x"), ":0\r\n");
    assert_eq!(ask(&mut publisher, "SPUBLISH {a}1 x"), ":1\r\n");
    assert_eq!(hear(&mut s), push('>', &["smessage", "{a}1", "x"]));
    db.set_redirects(crate::gate::testing::all_to("10.0.0.9:6379"));
    db.set_gate([crate::Slot::of(b"a")], crate::GateState::Elsewhere);
    let mut heard = hear(&mut s);
    for left in ["{a}1", "{a}2"] {
        let at = heard.find(&format!("$12\r\nsunsubscribe\r\n$4\r\n{left}\r\n")).expect("it is told of each");
        heard.replace_range(at..at + 1, " ");
    }
    assert!(heard.ends_with(":0\r\n"), "{heard}");
    assert_eq!(ask(&mut publisher, "SPUBLISH {a}1 x"), "-MOVED 15495 10.0.0.9:6379\r\n");
    assert_eq!(ask(&mut s, "SSUBSCRIBE {a}1"), "-MOVED 15495 10.0.0.9:6379\r\n");
    assert_eq!(ask(&mut s, "SUNSUBSCRIBE"), ">3\r\n$12\r\nsunsubscribe\r\n_\r\n:0\r\n");
}

#[test]
fn pubsub_tells_who_listens() {
    let db = Engine::in_memory();
    let (mut a, mut b, mut s) = (session(&db), session(&db), session(&db));
    ask(&mut a, "SUBSCRIBE news");
    ask(&mut a, "PSUBSCRIBE n* m*");
    ask(&mut b, "SUBSCRIBE news other");
    ask(&mut b, "PSUBSCRIBE n*");
    ask(&mut b, "SSUBSCRIBE shard");
    assert_eq!(ask(&mut s, "PUBSUB CHANNELS n*"), "*1\r\n$4\r\nnews\r\n");
    assert!(ask(&mut s, "PUBSUB CHANNELS").starts_with("*2\r\n"));
    assert_eq!(ask(&mut s, "PUBSUB NUMSUB news none"), "*4\r\n$4\r\nnews\r\n:2\r\n$4\r\nnone\r\n:0\r\n");
    assert_eq!(ask(&mut s, "PUBSUB NUMSUB"), "*0\r\n");
    assert_eq!(ask(&mut s, "PUBSUB NUMPAT"), ":2\r\n");
    assert_eq!(ask(&mut s, "PUBSUB SHARDCHANNELS"), "*1\r\n$5\r\nshard\r\n");
    assert_eq!(ask(&mut s, "PUBSUB SHARDNUMSUB shard"), "*2\r\n$5\r\nshard\r\n:1\r\n");
    let info = ask(&mut s, "INFO stats");
    for line in ["pubsub_channels:2\r\n", "pubsub_patterns:2\r\n", "pubsubshard_channels:1\r\n"] {
        assert!(info.contains(line), "{info}");
    }
    let list = ask(&mut s, "CLIENT LIST");
    assert!(list.contains("flags=P db=0 sub=1 psub=2 ssub=0"), "{list}");
    assert!(list.contains("flags=P db=0 sub=2 psub=1 ssub=1"), "{list}");
    assert_eq!(ask(&mut s, "CLIENT LIST TYPE pubsub").matches("id=").count(), 2);
    drop((a, b));
    assert_eq!(ask(&mut s, "PUBSUB CHANNELS"), "*0\r\n");
    assert_eq!(ask(&mut s, "PUBSUB NUMPAT"), ":0\r\n");
    assert_eq!(ask(&mut s, "PUBSUB SHARDCHANNELS"), "*0\r\n");
}

#[test]
fn an_embedders_call_cannot_listen() {
    let bench = Bench::new();
    assert_eq!(bench.error("SUBSCRIBE a"), "ERR SUBSCRIBE isn't allowed for a DENY BLOCKING client");
    assert_eq!(bench.run("UNSUBSCRIBE").as_slice().map(<[_]>::len), Some(3));
    assert!(bench.effects().is_empty());
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted(db: &Engine) -> (Session, Arc<Wakes>) {
    let wakes = Arc::new(Wakes::default());
    (db.session(Waker::from(Arc::clone(&wakes)), PeerInfo::default()), wakes)
}

#[test]
fn a_pipeline_of_messages_wakes_a_listener_once() {
    let db = Engine::in_memory();
    let (mut s, wakes) = counted(&db);
    let mut publisher = session(&db);
    ask(&mut s, "SUBSCRIBE a");
    ask(&mut publisher, "PUBLISH a 1\r\nPUBLISH a 2\r\nPUBLISH b 3\r\nPUBLISH a 4");
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert_eq!(hear(&mut s).matches("message").count(), 3);
    ask(&mut publisher, "PUBLISH a 5");
    assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
}

#[test]
fn a_listener_that_stops_reading_is_cut_off() {
    let db = Engine::in_memory();
    db.options().subscriber_bytes_max.store(10_000, Ordering::Relaxed);
    let ((mut slow, wakes), mut quick) = (counted(&db), session(&db));
    ask(&mut slow, "SUBSCRIBE a");
    ask(&mut quick, "SUBSCRIBE a");
    for _ in 0..20 {
        db.publish("a", "x".repeat(1000));
        assert!(hear(&mut quick).starts_with("*3\r\n$7\r\nmessage\r\n"));
    }
    assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
    let mut out = Vec::new();
    assert_eq!((slow.poll_output(&mut out), out.len()), (SessionState::Closing, 0));
    drop(slow);
    assert_eq!(db.publish("a", "x"), 1);
}

#[test]
fn events_of_keys_are_messages() {
    let bench = Bench::new();
    bench.db.options().set_keyspace_events("KEA".parse().unwrap());
    let mut s = session(&bench.db);
    ask(&mut s, "SUBSCRIBE __keyspace@0__:k __keyevent@0__:expire");
    bench.ask("SET k v EX 10");
    let expected = push('*', &["message", "__keyspace@0__:k", "set"])
        + &push('*', &["message", "__keyspace@0__:k", "expire"])
        + &push('*', &["message", "__keyevent@0__:expire", "k"]);
    assert_eq!(hear(&mut s), expected);
    bench.db.options().set_keyspace_events("E$".parse().unwrap());
    bench.ask("SET k v EX 10");
    assert_eq!(hear(&mut s), "");
}

#[test]
fn a_pipeline_of_messages_keeps_its_order_and_its_counts() {
    let db = Engine::in_memory();
    let (mut two, mut three, mut publisher) = (session(&db), session(&db), session(&db));
    ask(&mut two, "SUBSCRIBE a b");
    ask(&mut three, "HELLO 3");
    ask(&mut three, "SUBSCRIBE a");
    let requests = "PUBLISH a 1\r\nPUBLISH a 2\r\nPUBLISH b 3\r\nPUBLISH c 4\r\nPUBLISH a 5\r\nPING\r\nPUBLISH a 6";
    assert_eq!(ask(&mut publisher, requests), ":2\r\n:2\r\n:1\r\n:0\r\n:2\r\n+PONG\r\n:2\r\n");
    let all = |kind, messages: &[(&str, &str)]| -> String {
        messages.iter().map(|(channel, text)| push(kind, &["message", channel, text])).collect()
    };
    let heard = [("a", "1"), ("a", "2"), ("b", "3"), ("a", "5"), ("a", "6")];
    assert_eq!(hear(&mut two), all('*', &heard));
    assert_eq!(hear(&mut three), all('>', &[heard[0], heard[1], heard[3], heard[4]]));
    let long = format!("PUBLISH a 1\r\nPUBLISH a {}\r\nPUBLISH a 2", "x".repeat(5000));
    assert_eq!(ask(&mut publisher, &long), ":2\r\n:2\r\n:2\r\n");
    let heard = hear(&mut two);
    assert!(
        heard.starts_with(&push('*', &["message", "a", "1"])) && heard.ends_with(&push('*', &["message", "a", "2"]))
    );
}

/// A host that keeps what clients published.
#[derive(Default)]
struct Bus(parking_lot::Mutex<Vec<String>>);

impl crate::Host for Bus {
    fn control(&self, _: crate::Asker<'_>, _: &[&[u8]], _: &mut crate::resp::ReplyWriter<'_>) -> bool {
        false
    }

    fn info(&self, _: crate::InfoSection, _: &mut String) {}

    fn published(&self, message: crate::Published<'_>) {
        let [name, text] = [message.name, message.message].map(String::from_utf8_lossy);
        self.0.lock().push(format!("{:?} {name} {text}", message.channel));
    }
}

#[test]
fn what_is_published_in_a_cluster_goes_to_the_host_and_what_comes_from_there_does_not() {
    let (db, bus) = (Engine::in_memory(), std::sync::Arc::new(Bus::default()));
    assert!(db.attach_host(std::sync::Arc::<Bus>::clone(&bus)));
    let (mut s, mut publisher) = (session(&db), session(&db));
    ask(&mut s, "HELLO 3\r\nSUBSCRIBE a\r\nSSUBSCRIBE a");
    assert_eq!(ask(&mut publisher, "PUBLISH a alone"), ":1\r\n");
    assert!(bus.0.lock().is_empty(), "outside of a cluster there are no others");
    hear(&mut s);
    db.set_cluster(true);
    assert_eq!(ask(&mut publisher, "PUBLISH a 1\r\nSPUBLISH a 2\r\nPUBLISH nobody 3"), ":1\r\n:1\r\n:0\r\n");
    assert_eq!(ask(&mut publisher, "MULTI\r\nPUBLISH a 4\r\nEXEC"), "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n");
    db.publish("a", "5");
    hear(&mut s);
    let to_others = ["Plain a 1", "Sharded a 2", "Plain nobody 3", "Plain a 4", "Plain a 5"];
    assert_eq!(*bus.0.lock(), to_others);
    let message = |channel, message| crate::Published { channel, name: b"a", message };
    assert_eq!(db.deliver(message(crate::Channel::Plain, b"6")), 1);
    assert_eq!(db.deliver(message(crate::Channel::Sharded, b"7")), 1);
    assert_eq!(hear(&mut s), push('>', &["message", "a", "6"]) + &push('>', &["smessage", "a", "7"]));
    assert_eq!(bus.0.lock().len(), to_others.len());
    db.set_gate([crate::Slot::of(b"a")], crate::GateState::Elsewhere);
    ask(&mut publisher, "SPUBLISH a 8");
    assert_eq!(bus.0.lock().len(), to_others.len(), "what is refused is not published");
}
