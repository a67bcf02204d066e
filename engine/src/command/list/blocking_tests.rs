//! Requests that wait for lists, and who serves them.

use crate::command::testing::{Bench, Client, assert_totals};
use crate::resp::Value;
use crate::{Engine, SessionState};
use std::task::Waker;

const fn pair() -> &'static str {
    "*2\r\n$1\r\nk\r\n$1\r\n1\r\n"
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let bench = Bench::new();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(&bench.db)).collect();
    for client in &mut clients {
        assert_eq!(client.ask("BLPOP k 0"), "");
        client.expect_waiting();
    }
    assert_eq!(bench.run("RPUSH k 1 2"), Value::Integer(2));
    assert_eq!(clients[0].served(), pair());
    assert_eq!(clients[1].served(), "*2\r\n$1\r\nk\r\n$1\r\n2\r\n");
    clients[2].expect_waiting();
    assert_eq!(bench.effects(), ["RPUSH k 1 2", "LPOP k", "LPOP k"]);
    assert_eq!(bench.run("EXISTS k"), Value::Integer(0));
    bench.run("LPUSH k a b");
    assert_eq!(clients[2].served(), "*2\r\n$1\r\nk\r\n$1\r\nb\r\n");
    assert_eq!(bench.run("LRANGE k 0 -1"), Value::Array(vec![Value::bulk("a")]));
    bench.assert_replays();
    assert_totals(&bench.db);
}

#[test]
fn what_follows_in_the_pipeline_waits_behind() {
    let bench = Bench::new();
    let mut client = Client::new(&bench.db);
    assert_eq!(client.ask("PING\r\nBRPOP k 0\r\nGET x\r\nBLPOP k 0\r\nPING"), "+PONG\r\n");
    client.session.feed(b"PING\r\n");
    client.expect_waiting();
    bench.run("SET x v");
    bench.run("RPUSH k 1");
    assert_eq!(client.served(), format!("{}$1\r\nv\r\n", pair()));
    bench.run("RPUSH k 1");
    assert_eq!(client.served(), format!("{}+PONG\r\n+PONG\r\n", pair()));
}

#[test]
fn replies_have_the_version_of_the_waiter() {
    let bench = Bench::new();
    let mut client = Client::new(&bench.db);
    client.ask("HELLO 3");
    client.ask("BLPOP k 1");
    bench.advance_ms(1000);
    bench.db.tick(bench.db.now(), 100);
    assert_eq!(client.served(), "_\r\n");
    let mut old = Client::new(&bench.db);
    for request in ["BLPOP k 0.001", "BLMOVE k l LEFT LEFT 0.001", "BRPOPLPUSH k l 0.001", "BLMPOP 0.001 1 k LEFT"] {
        assert_eq!(old.ask(request), "");
        assert_eq!(old.session.deadline(), Some(bench.db.now().saturating_add(1)));
        bench.advance_ms(1);
        assert_eq!(old.poll().0, "*-1\r\n", "{request}: a session that looks finds that its time is over");
    }
}

#[test]
fn the_time_is_kept_to_the_millisecond() {
    let bench = Bench::new();
    let mut client = Client::new(&bench.db);
    client.ask("BLPOP k 1.5");
    assert_eq!(bench.db.next_deadline(Waker::noop()), client.session.deadline());
    bench.advance_ms(1499);
    bench.db.tick(bench.db.now(), 100);
    client.expect_waiting();
    bench.advance_ms(1);
    bench.db.tick(bench.db.now(), 100);
    assert_eq!(client.served(), "*-1\r\n");
    assert_eq!(bench.db.next_deadline(Waker::noop()), None);
    bench.run("RPUSH k 1");
    assert_eq!(bench.run("LLEN k"), Value::Integer(1), "nobody waits any more");
}

#[test]
fn only_lists_serve_those_who_wait_for_lists() {
    let bench = Bench::new();
    let mut client = Client::new(&bench.db);
    client.ask("BLPOP k 0");
    bench.run("SET k v");
    client.expect_waiting();
    bench.run("DEL k");
    bench.run("SET k w");
    bench.run("RPUSH l 1");
    client.expect_waiting();
    bench.effects();
    bench.run("RENAME l k");
    assert_eq!(client.served(), pair());
    assert_eq!(bench.effects().last().map(String::as_str), Some("LPOP k"));
    bench.assert_replays();
}

#[test]
fn keys_that_come_from_elsewhere_serve_too() {
    let bench = Bench::new();
    let mut client = Client::new(&bench.db);
    let block = |client: &mut Client| assert_eq!(client.ask("BLPOP k 0"), "");
    block(&mut client);
    bench.run("RPUSH l 1");
    bench.run("COPY l k");
    assert_eq!(client.served(), pair());
    block(&mut client);
    let mut other = Client::new(&bench.db);
    other.ask("SELECT 1");
    other.ask("RPUSH k 1");
    assert_eq!(other.ask("MOVE k 0"), ":1\r\n");
    assert_eq!(client.served(), pair());
    block(&mut client);
    other.ask("RPUSH k 1");
    client.expect_waiting();
    bench.run("SWAPDB 0 1");
    assert_eq!(client.served(), pair());
    block(&mut client);
    bench.run("FLUSHALL");
    client.expect_waiting();
    bench.assert_replays();
}

#[test]
fn a_chain_of_moves_is_followed_over_slots_and_databases() {
    let bench = Bench::new();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::new(&bench.db)).collect();
    assert_eq!(clients[0].ask("BLMOVE a b LEFT RIGHT 0"), "");
    assert_eq!(clients[1].ask("BLMOVE b c LEFT RIGHT 0"), "");
    assert_eq!(clients[2].ask("BRPOPLPUSH c d 0"), "");
    assert_eq!(clients[3].ask("BLMPOP 0 2 x d LEFT COUNT 9"), "");
    bench.run("RPUSH a 1");
    for client in &mut clients[..3] {
        assert_eq!(client.served(), "$1\r\n1\r\n");
    }
    assert_eq!(clients[3].served(), "*2\r\n$1\r\nd\r\n*1\r\n$1\r\n1\r\n");
    let expected = ["RPUSH a 1", "RPUSH b 1", "LPOP a", "RPUSH c 1", "LPOP b", "LPUSH d 1", "RPOP c", "LPOP d 1"];
    assert_eq!(bench.effects(), expected);
    assert_eq!(bench.run("DBSIZE"), Value::Integer(0));
    bench.assert_replays();
}

#[test]
fn a_list_that_turns_serves_everybody() {
    let bench = Bench::new();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(&bench.db)).collect();
    for client in &mut clients {
        client.ask("BLMOVE k k LEFT RIGHT 0");
    }
    bench.run("RPUSH k 1 2");
    for (client, element) in clients.iter_mut().zip(["1", "2", "1"]) {
        assert_eq!(client.served(), format!("$1\r\n{element}\r\n"));
    }
    assert_eq!(bench.db.lrange("k", 0, -1).unwrap(), ["2", "1"]);
    bench.assert_replays();
}

#[test]
fn a_target_of_another_type_is_told_to_the_waiter() {
    let bench = Bench::new();
    bench.run("SET target v");
    let mut client = Client::new(&bench.db);
    let mut next = Client::new(&bench.db);
    client.ask("BLMOVE k target LEFT LEFT 0");
    next.ask("BLPOP k 0");
    bench.effects();
    assert_eq!(bench.run("RPUSH k 1"), Value::Integer(1));
    assert!(client.served().starts_with("-WRONGTYPE"));
    assert_eq!(next.served(), pair());
    assert_eq!(bench.effects(), ["RPUSH k 1", "LPOP k"]);
}

#[test]
fn several_keys_wake_once() {
    let bench = Bench::new();
    let mut client = Client::new(&bench.db);
    client.ask("BLPOP j k k l 0");
    bench
        .db
        .atomic("k", |tx| {
            tx.rpush("k", 1)?;
            tx.rpush("k", 2)
        })
        .unwrap();
    assert_eq!(client.served(), pair());
    bench.run("RPUSH l 1");
    bench.run("RPUSH j 1");
    assert_eq!(bench.run("DBSIZE"), Value::Integer(3));
    assert!(client.ask("BLPOP j k l 0").starts_with("*2\r\n$1\r\nj"));
}

#[test]
fn a_turn_that_is_given_up_serves_nobody() {
    let bench = Bench::new();
    let mut client = Client::new(&bench.db);
    client.ask("BLPOP k 0");
    let result: Result<(), crate::CommandError> = bench.db.atomic("k", |tx| {
        tx.rpush("k", 1)?;
        Err(crate::CommandError::Syntax)
    });
    assert!(result.is_err());
    client.expect_waiting();
    assert_eq!(bench.run("EXISTS k"), Value::Integer(0));
}

#[test]
fn unblock_kill_and_leaving_end_a_wait() {
    let bench = Bench::new();
    let mut admin = Client::new(&bench.db);
    let mut client = Client::new(&bench.db);
    let id = client.session.id();
    client.ask("BLPOP k 0");
    assert_eq!(admin.ask(&format!("CLIENT UNBLOCK {id}")), ":1\r\n");
    assert_eq!(admin.ask(&format!("CLIENT UNBLOCK {id}")), ":0\r\n");
    assert_eq!(client.served(), "*-1\r\n");
    client.ask("BLPOP k 100");
    assert_eq!(admin.ask(&format!("CLIENT UNBLOCK {id} ERROR")), ":1\r\n");
    assert_eq!(client.served(), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    client.ask("BLPOP k l 100");
    let clients = bench.run("INFO clients");
    let clients = String::from_utf8_lossy(clients.as_bytes().expect("a text")).into_owned();
    for line in ["blocked_clients:1", "total_blocking_keys:2", "total_blocking_keys_on_nokey:0"] {
        assert!(clients.contains(&format!("{line}\r\n")), "{line} in {clients}");
    }
    assert!(admin.ask("CLIENT LIST").contains(" flags=b "));
    assert_eq!(admin.ask(&format!("CLIENT KILL ID {id}")), ":1\r\n");
    bench.run("RPUSH k 1");
    assert_eq!(bench.run("LPOP k"), Value::bulk("1"), "a killed client takes nothing");
    assert_eq!(client.poll().1, SessionState::Closing);
    let mut gone = Client::new(&bench.db);
    gone.ask("BLPOP k 100");
    drop(gone);
    bench.run("RPUSH k 1");
    assert_eq!(bench.run("LLEN k"), Value::Integer(1));
    assert_eq!(bench.db.next_deadline(Waker::noop()), None);
}

#[test]
fn a_thread_may_wait() {
    let db = Engine::in_memory();
    assert_eq!(db.blpop(&["k"], 0.001).unwrap(), None);
    let waiting = std::thread::spawn({
        let db = db.clone();
        move || (0..100).map(|_| db.blpop(&["j", "k"], 0.0).unwrap().unwrap().1).collect::<Vec<_>>()
    });
    for n in 0..100 {
        db.rpush(if n % 2 == 0 { "k" } else { "j" }, n).unwrap();
    }
    let mut elements = waiting.join().unwrap();
    elements.sort_by_key(|element| String::from_utf8_lossy(element).parse::<u32>().unwrap());
    assert!(elements.iter().enumerate().all(|(n, element)| *element == n.to_string()));
    assert_eq!(db.blmove("k", "l", crate::End::Left, crate::End::Left, 0.001).unwrap(), None);
    assert_eq!(db.blmpop(0.001, &["k"], crate::End::Left, 3).unwrap(), None);
    assert_eq!(db.call(&["BLPOP", "k", "0"]), Value::Nil, "a plain call does not wait");
}

#[test]
fn pushers_and_waiters_of_many_threads_lose_nothing() {
    let db = Engine::in_memory();
    let keys = ["a", "b", "c", "d"];
    let takers: Vec<_> = (0..3usize)
        .map(|of| {
            let db = db.clone();
            std::thread::spawn(move || {
                let mut taken = 0;
                loop {
                    let (_, element) = db.blpop(&[keys[of], keys[of + 1], "end"], 0.0).unwrap().expect("it waits");
                    if element == "end" {
                        return taken;
                    }
                    taken += 1;
                }
            })
        })
        .collect();
    let movers: Vec<_> = (0..2)
        .map(|_| {
            let db = db.clone();
            std::thread::spawn(move || {
                while db.blmove("inbox", "b", crate::End::Left, crate::End::Right, 0.0).unwrap().unwrap() != "stop" {}
            })
        })
        .collect();
    for n in 0..2000 {
        db.rpush(["a", "b", "c", "d", "inbox"][n % 5], "x").unwrap();
    }
    for _ in &movers {
        db.rpush("inbox", "stop").unwrap();
    }
    movers.into_iter().for_each(|mover| mover.join().unwrap());
    for _ in &takers {
        db.rpush("end", "end").unwrap();
    }
    let taken: usize = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
    let left: usize = keys.iter().map(|key| db.llen(key).unwrap()).sum();
    assert_eq!(taken + left, 2002);
}

#[test]
fn who_waits_in_a_slot_that_is_closed_is_sent_away() {
    let bench = Bench::new();
    bench.db.set_cluster(true);
    let mut client = Client::new(&bench.db);
    client.ask("BLPOP k 0");
    let slot = crate::Slot::of(b"k");
    bench.db.set_gate([slot], crate::GateState::Unassigned);
    assert_eq!(client.served(), "-CLUSTERDOWN Hash slot not served\r\n");
    bench.db.set_gate([slot], crate::GateState::Open);
    bench.run("RPUSH k 1");
    assert_eq!(bench.run("LLEN k"), Value::Integer(1));
}

#[test]
fn a_large_list_is_freed_in_parts() {
    let bench = Bench::new();
    for _ in 0..2 {
        for _ in 0..400 {
            bench.db.push_many("l", crate::End::Right, &[&[b'x'; 4000][..]; 4]).unwrap();
        }
        bench.run("RENAME l k");
    }
    bench.run("SET k v");
    assert!(bench.db.core.reclaim.pending() >= 2, "what was replaced waits too");
    while bench.db.tick(bench.db.now(), 100).more {}
    assert_eq!(bench.db.core.reclaim.pending(), 0);
    assert_totals(&bench.db);
}
