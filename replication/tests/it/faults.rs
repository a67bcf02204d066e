//! What faults of connections and replies do on the wire, and what clients make of it.

use crate::wire::{Wire, owner, text};
use keyslot_engine::resp::Value;
use keyslot_replication::host::{ClientError, Cluster, Refusal};
use redis::Commands;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

fn three() -> Cluster {
    Cluster::builder().primaries(3).listen().start().unwrap()
}

/// A client of somebody else's finds everything as it was.
#[track_caller]
fn is_usable(cluster: &Cluster) {
    let mut connection = cluster.redis_connection().unwrap();
    for number in 0..9 {
        let key = format!("usable:{number}");
        let () = connection.set(&key, number).unwrap();
        assert_eq!(connection.get::<_, i32>(&key).unwrap(), number);
    }
}

#[test]
fn a_paused_node_keeps_requests_and_answers_them_when_it_goes_on() {
    let cluster = three();
    is_usable(&cluster);
    let node = owner(&cluster, "k");
    let mut before = Wire::to(&cluster, node);
    assert_eq!(before.ask("SET k v"), Value::Ok);
    let fault = cluster.faults().at(node).pause();
    // A new connection stands, as one to a stopped process does.
    let mut after = Wire::to(&cluster, node);
    before.send("GET k");
    after.send("PING");
    fault.await_count(2).unwrap();
    assert!(before.is_silent() && after.is_silent());
    fault.heal().unwrap();
    assert_eq!(before.reply(), Value::bulk("v"));
    assert_eq!(after.reply(), Value::Simple("PONG".into()));
    cluster.settle().unwrap();
    is_usable(&cluster);
}

#[test]
fn a_paused_primary_is_replaced_while_its_connections_stand() {
    let builder = Cluster::builder().primaries(3).replicas(1).node_timeout(Duration::from_millis(250));
    let cluster = builder.listen().start().unwrap();
    let client = cluster.client().patience(Duration::from_secs(60));
    client.call(&["SET", "k", "v"]).unwrap();
    cluster.settle().unwrap();
    let node = owner(&cluster, "k");
    let mut stands = Wire::to(&cluster, node);
    assert_eq!(stands.ask("GET k"), Value::bulk("v"));
    let fault = cluster.faults().at(node).pause();
    stands.send("GET k");
    // It is silent to this client too, which then asks others until one of them leads.
    assert_eq!(client.call(&["GET", "k"]), Ok(Value::bulk("v")));
    assert_ne!(owner(&cluster, "k"), node);
    assert!(stands.is_silent());
    fault.heal().unwrap();
    // What it was sent before it stopped it still does as a primary, or knows better already.
    let late = stands.reply();
    assert!(late == Value::bulk("v") || late.as_error().is_some(), "{late:?}");
    cluster.settle().unwrap();
    assert!(cluster.replicas_of(owner(&cluster, "k")).contains(&node));
    is_usable(&cluster);
}

#[test]
fn a_mute_node_stays_in_the_cluster() {
    let cluster = three();
    let node = owner(&cluster, "k");
    let fault = cluster.faults().at(node).mute();
    let mut wire = Wire::to(&cluster, node);
    wire.send("CLUSTER SLOTS");
    fault.await_count(1).unwrap();
    // A client of its own gives up; one that asks others learns from them that it is still the one.
    let hasty = cluster.client().patience(Duration::from_millis(20));
    let error = hasty.call(&["CLUSTER", "MYID"]).and_then(|_| hasty.call(&["SET", "k", "v"])).unwrap_err();
    assert!(matches!(error, ClientError::NobodyServes { .. }), "{error}");
    let mut other = Wire::to(&cluster, (node + 1) % 3);
    assert!(other.refused("GET k").starts_with("MOVED"));
    assert_eq!(owner(&cluster, "k"), node);
    assert!(wire.is_silent());
    drop(fault);
    assert_eq!(wire.reply().as_slice().unwrap().len(), 3);
    is_usable(&cluster);
}

#[test]
fn a_reply_stops_in_the_middle_and_goes_on() {
    let cluster = three();
    let node = owner(&cluster, "k");
    let mut wire = Wire::to(&cluster, node);
    assert_eq!(wire.ask("SET k 0123456789"), Value::Ok);
    let fault = cluster.faults().at(node).requests().named("get").on_key("k").stall_reply(8);
    wire.send("GET k");
    wire.send("PING");
    assert_eq!(wire.bytes(8), b"$10\r\n012");
    fault.await_count(1).unwrap();
    assert!(wire.is_silent());
    // Of other connections nothing is stalled but the same.
    assert_eq!(Wire::to(&cluster, node).ask("STRLEN k"), Value::Integer(10));
    fault.heal().unwrap();
    assert_eq!(wire.bytes(16), b"3456789\r\n+PONG\r\n");
    is_usable(&cluster);
}

#[test]
fn a_node_stops_in_mid_reply() {
    let cluster = three();
    let node = owner(&cluster, "k");
    let mut wire = Wire::to(&cluster, node);
    let stalled = cluster.faults().at(node).requests().named("PING").times(1).stall_reply(3);
    wire.send("PING");
    assert_eq!(wire.bytes(3), b"+PO");
    let paused = cluster.faults().at(node).pause();
    let mut other = Wire::to(&cluster, node);
    other.send("PING");
    paused.await_count(1).unwrap();
    assert!(wire.is_silent() && other.is_silent());
    drop((paused, stalled));
    assert_eq!(wire.bytes(4), b"NG\r\n");
    assert_eq!(other.bytes(7), b"+PONG\r\n");
}

#[test]
fn a_reply_is_cut_and_what_it_tells_of_is_done() {
    let cluster = three();
    let node = owner(&cluster, "n");
    let fault = cluster.faults().at(node).requests().named("INCR").times(2).cut_reply(1);
    let mut wire = Wire::to(&cluster, node);
    wire.send("INCR n");
    assert_eq!(wire.until_end(), b":");
    // A client must not do it again, as it was done.
    let client = cluster.client();
    assert_eq!(client.call(&["INCR", "n"]), Err(ClientError::OutcomeUnknown { node }));
    assert_eq!(fault.count(), 2);
    assert_eq!(client.call(&["INCR", "n"]), Ok(Value::Integer(3)), "cut only as often as was said");
    drop(fault);
    let _reads = cluster.faults().at(node).requests().named("GET").times(2).cut_reply(0);
    assert_eq!(client.call(&["GET", "n"]), Ok(Value::bulk("3")), "what only reads is asked again");
    is_usable(&cluster);
}

#[test]
fn connections_are_refused_to_a_node_that_the_cluster_knows_as_well() {
    let cluster = three();
    let node = owner(&cluster, "k");
    let mut stood = Wire::to(&cluster, node);
    assert_eq!(stood.ask("SET k v"), Value::Ok);
    let fault = cluster.faults().at(node).refuse_connections();
    assert_eq!(stood.until_end(), b"");
    let refused = TcpStream::connect(cluster.addresses()[node]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    // The others send clients there all the same.
    let mut other = Wire::to(&cluster, (node + 1) % 3);
    assert!(other.refused("GET k").ends_with(&cluster.addresses()[node].to_string()));
    assert_eq!(other.ask("CLUSTER SLOTS").as_slice().unwrap().len(), 3);
    let hasty = cluster.client().patience(Duration::from_millis(20));
    assert!(matches!(hasty.call(&["GET", "k"]), Err(ClientError::NobodyServes { .. })));
    assert!(fault.count() > 0);
    fault.heal().unwrap();
    assert_eq!(Wire::to(&cluster, node).ask("GET k"), Value::bulk("v"));
    is_usable(&cluster);
}

#[test]
fn refusals_end_with_the_last_and_not_for_a_node_that_is_off() {
    let cluster = three();
    let connects = || TcpStream::connect(cluster.addresses()[0]).is_ok();
    let (one, other) =
        (cluster.faults().at(0).refuse_connections(), cluster.faults().everywhere().refuse_connections());
    one.heal().unwrap();
    assert!(!connects());
    cluster.kill(0);
    other.heal().unwrap();
    assert!(!connects());
    let again = cluster.faults().at(0).refuse_connections();
    cluster.restart(0).unwrap();
    assert!(!connects());
    again.heal().unwrap();
    assert!(connects());
}

#[test]
fn a_slow_link_gives_replies_by_the_byte() {
    let cluster = three();
    let mut wire = Wire::to(&cluster, 0);
    // Nothing comes behind the first piece while this test runs.
    let fault = cluster.faults().at(0).trickle(3, Duration::from_secs(3600));
    wire.send("CLUSTER SLOTS");
    assert_eq!(wire.glance(), b"*3\r");
    assert!(wire.is_silent());
    assert_eq!(fault.count(), 1);
    fault.heal().unwrap();
    assert!(wire.glance().starts_with(b"\n*3\r\n:"));
    // Without a rest every reply comes at once, only in more pieces.
    let _quick = cluster.faults().everywhere().trickle(1, Duration::ZERO);
    is_usable(&cluster);
}

#[test]
fn errors_that_pass_by_themselves() {
    let cluster = three();
    let (node, client) = (owner(&cluster, "k"), cluster.client());
    let mut wire = Wire::to(&cluster, node);
    let at = || cluster.faults().at(node).requests();

    let down = at().times(3).refuse(Refusal::ClusterDown);
    assert_eq!(wire.refused("GET k"), "CLUSTERDOWN The cluster is down");
    assert_eq!(wire.ask("PING"), Value::Simple("PONG".into()));
    assert_eq!(client.call(&["SET", "k", "v"]), Ok(Value::Ok), "it is asked again");
    assert_eq!(down.count(), 3);

    let loading = at().refuse(Refusal::Loading);
    assert_eq!(wire.refused("GET k"), "LOADING Redis is loading the dataset in memory");
    assert!(text(&wire.ask("INFO server")).contains("redis_version"));
    assert_eq!(wire.ask("CLUSTER SLOTS").as_slice().unwrap().len(), 3);
    drop(loading);

    let unserved = at().refuse(Refusal::SlotNotServed);
    assert_eq!(wire.refused("GET k"), "CLUSTERDOWN Hash slot not served");
    drop(unserved);

    let rehashing = at().refuse(Refusal::TryAgain);
    assert_eq!(wire.refused("MGET k k"), "TRYAGAIN Multiple keys request during rehashing of slot");
    assert_eq!(wire.ask("GET k"), Value::bulk("v"));
    drop(rehashing);

    let stale = at().refuse(Refusal::MasterDown);
    assert!(wire.refused("GET k").starts_with("MASTERDOWN Link with MASTER is down"));
    assert!(text(&wire.ask("INFO server")).contains("redis_version"));
    drop(stale);

    let any = at().named("CLUSTER SLOTS").refuse(Refusal::Text("ERR not\r\nnow".to_owned()));
    assert_eq!(wire.refused("CLUSTER SLOTS"), "ERR not  now");
    assert!(text(&wire.ask("CLUSTER INFO")).contains("cluster_state:ok"));
    drop(any);
    assert_eq!(wire.ask("GET k"), Value::bulk("v"));
    is_usable(&cluster);
}
