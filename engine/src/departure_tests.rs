//! Keys that leave: who waits meanwhile, and how it ends.

use super::*;
use crate::command::testing::{Bench, Client, session};
use crate::{DueKeys, GateState};

/// Has keys set out.
fn depart(bench: &Bench, keys: &[&str]) -> Departure {
    match bench.db.poll_depart(0, keys, Waker::noop()) {
        Poll::Ready(Ok(departure)) => departure,
        other => panic!("{keys:?}: {:?}", other.map(|departed| departed.err())),
    }
}

/// Ends a departure of which all keys arrived.
fn leave(departure: &mut Departure) -> Left {
    let arrived = vec![true; departure.keys().count()];
    match departure.poll_leave(&arrived, Waker::noop()) {
        Poll::Ready(left) => left.unwrap(),
        Poll::Pending => panic!("it cannot leave"),
    }
}

#[test]
fn what_arrived_is_deleted_by_one_effect_of_each_slot_and_the_rest_stays() {
    let bench = Bench::new();
    bench.run("MSET {a}1 v {a}2 v {a}3 v b v");
    bench.effects();
    let mut departure = depart(&bench, &["{a}1", "b", "nobody's", "{a}2", "{a}1", "{a}3"]);
    assert_eq!(departure.keys().collect::<Vec<_>>(), [&b"{a}1"[..], b"b", b"{a}2", b"{a}3"]);
    let Poll::Ready(left) = departure.poll_leave(&[true, true, true, false], Waker::noop()) else { panic!() };
    assert!(left.unwrap().changed.is_empty());
    let mut effects = bench.effects();
    effects.sort();
    assert_eq!(effects, ["DEL b", "DEL {a}1 {a}2"]);
    assert_eq!(bench.ask("EXISTS {a}1 {a}2 b {a}3"), ":1\r\n");
    bench.assert_replays();
}

#[test]
fn writes_of_a_key_on_its_way_wait_and_reads_go_on_until_it_is_sent() {
    let bench = Bench::new();
    bench.run("SET k v");
    let mut departure = depart(&bench, &["k"]);
    assert_eq!(bench.ask("GET k"), "$1\r\nv\r\n");
    assert_eq!(bench.ask("SET {k}2 v"), "+OK\r\n", "another key of the slot is not concerned");
    let mut writers =
        ["APPEND k w", "SETNX k w", "DEL k", "RENAME {k}2 k", "EXPIRE k 10"].map(|r| Client::waiting(&bench.db, r));
    departure.close();
    let mut reader = Client::waiting(&bench.db, "GET k");
    leave(&mut departure);
    assert_eq!(reader.served(), "$-1\r\n");
    assert_eq!(writers[0].served(), ":1\r\n");
    assert_eq!(writers[1].served(), ":0\r\n");
    assert_eq!(writers[2].served(), ":1\r\n");
    assert_eq!(writers[3].served(), "+OK\r\n");
    assert_eq!(writers[4].served(), ":1\r\n");
    bench.assert_replays();
}

#[test]
fn a_departure_that_is_dropped_or_released_lets_everybody_go_on() {
    let bench = Bench::new();
    bench.run("SET k v");
    let mut departure = depart(&bench, &["k"]);
    departure.close();
    let mut writer = Client::waiting(&bench.db, "APPEND k w");
    departure.release();
    assert_eq!(writer.served(), ":2\r\n");
    assert!(!departure.payload(0).is_empty());
    drop(departure);
    let departure = depart(&bench, &["k"]);
    let mut writer = Client::waiting(&bench.db, "APPEND k x");
    drop(departure);
    assert_eq!(writer.served(), ":3\r\n");
    assert_eq!(bench.ask("GET k"), "$3\r\nvwx\r\n");
}

#[test]
fn a_key_on_its_way_does_not_set_out_again() {
    let bench = Bench::new();
    bench.run("SET k v");
    let mut first = depart(&bench, &["k"]);
    assert!(bench.db.poll_depart(0, &["k"], Waker::noop()).is_pending());
    leave(&mut first);
    assert_eq!(depart(&bench, &["k"]).keys().count(), 0);
}

#[test]
fn exec_waits_for_the_keys_of_its_requests() {
    let bench = Bench::new();
    bench.run("SET k v");
    let departure = depart(&bench, &["k"]);
    let mut client = Client::new(&bench.db);
    client.ask("MULTI");
    client.ask("SET {k}other v");
    client.ask("APPEND k w");
    client.session.feed(b"EXEC\r\n");
    client.expect_waiting();
    assert_eq!(bench.ask("EXISTS {k}other"), ":0\r\n", "all of it waits");
    drop(departure);
    assert_eq!(client.served(), "*2\r\n+OK\r\n:2\r\n");
}

#[test]
fn what_changes_everything_waits_for_every_key() {
    let bench = Bench::new();
    bench.run("SET k v");
    let mut departure = depart(&bench, &["k"]);
    let mut flush = Client::waiting(&bench.db, "FLUSHALL");
    let mut swap = Client::waiting(&bench.db, "SWAPDB 0 1");
    leave(&mut departure);
    assert_eq!(flush.served(), "+OK\r\n");
    assert_eq!(swap.served(), "+OK\r\n");
}

#[test]
fn who_blocks_for_a_key_is_not_served_into_one_on_its_way() {
    let bench = Bench::new();
    bench.run("RPUSH {k}target old");
    let mut mover = Client::waiting(&bench.db, "BLMOVE {k}source {k}target LEFT RIGHT 0");
    let mut departure = depart(&bench, &["{k}target"]);
    assert_eq!(bench.ask("RPUSH {k}source new"), ":1\r\n");
    let _ = mover.poll();
    assert_eq!(bench.ask("LRANGE {k}target 0 -1"), "*1\r\n$3\r\nold\r\n");
    leave(&mut departure);
    assert_eq!(mover.served(), "$3\r\nnew\r\n");
    assert_eq!(bench.ask("LRANGE {k}target 0 -1"), "*1\r\n$3\r\nnew\r\n");
}

#[test]
fn who_blocks_for_a_key_goes_on_waiting_when_it_left() {
    let bench = Bench::new();
    bench.run("XADD k 1-1 f v");
    let mut waiter = Client::waiting(&bench.db, "XREAD BLOCK 0 STREAMS k $");
    leave(&mut depart(&bench, &["k"]));
    waiter.expect_waiting();
    bench.run("XADD k 2-1 f v");
    assert!(waiter.served().contains("2-1"));
}

#[test]
fn a_key_that_expires_on_its_way_is_gone_and_its_name_is_free_afterwards() {
    let bench = Bench::new();
    bench.run("SET k v PX 100");
    let mut departure = depart(&bench, &["k"]);
    bench.advance_ms(200);
    assert_eq!(bench.ask("GET k"), "$-1\r\n");
    let mut writer = Client::waiting(&bench.db, "SET k new");
    assert!(leave(&mut departure).changed.is_empty());
    assert_eq!(writer.served(), "+OK\r\n");
    assert_eq!(bench.ask("GET k"), "$3\r\nnew\r\n");
    bench.assert_replays();
}

#[test]
fn a_key_that_was_changed_all_the_same_stays() {
    let bench = Bench::new();
    bench.run("SET k v");
    let mut departure = depart(&bench, &["k"]);
    bench.db.set("k", "an embedder's").unwrap();
    assert_eq!(leave(&mut departure).changed, [0]);
    assert_eq!(bench.ask("GET k"), "$13\r\nan embedder's\r\n");
}

#[test]
fn a_node_that_follows_another_by_now_deletes_nothing() {
    let bench = Bench::new();
    bench.run("SET k v");
    let mut departure = depart(&bench, &["k"]);
    bench.db.options().set_follows(true);
    bench.db.set_due_keys(DueKeys::Hide);
    let Poll::Ready(left) = departure.poll_leave(&[true], Waker::noop()) else { panic!() };
    assert_eq!(left, Err(CommandError::ReadOnly));
    assert_eq!(bench.ask("EXISTS k"), ":1\r\n");
}

#[test]
fn nothing_leaves_while_clients_are_paused() {
    let bench = Bench::new();
    bench.run("SET k v");
    let mut departure = depart(&bench, &["k"]);
    bench.db.hold_writes();
    assert!(departure.poll_leave(&[true], Waker::noop()).is_pending());
    assert!(bench.db.poll_depart(0, &["other"], Waker::noop()).is_pending());
    bench.db.release_writes();
    leave(&mut departure);
    assert_eq!(bench.ask("EXISTS k"), ":0\r\n");
}

#[test]
fn keys_set_out_from_slots_that_leave_and_not_from_those_of_others() {
    let bench = Bench::new();
    bench.db.set_cluster(true);
    bench.db.set_redirects(crate::gate::testing::all_to("there:1"));
    bench.run("SET k v");
    let slot = Slot::of(b"k");
    for (state, served) in [(GateState::Migrating, true), (GateState::Importing, true), (GateState::Elsewhere, false)] {
        bench.db.set_gate([slot], state);
        let Poll::Ready(departed) = bench.db.poll_depart(0, &["k"], Waker::noop()) else { panic!() };
        assert_eq!(departed.is_ok(), served, "{state:?}");
    }
    bench.db.set_gate([slot], GateState::Migrating);
    let mut departure = depart(&bench, &["k"]);
    let mut writer = Client::waiting(&bench.db, "SET k w");
    leave(&mut departure);
    assert!(writer.served().starts_with("-ASK "), "it is sent after its key");
    assert!(crate::command::testing::ask(&mut session(&bench.db), "GET k").starts_with("-ASK "));
}
