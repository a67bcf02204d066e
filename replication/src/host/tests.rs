//! A cluster in this process, as its users meet it.

use super::*;
use keyslot_engine::resp::{Value, parse_reply};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn set(client: &ClusterClient, key: &str, value: &str) {
    assert_eq!(client.call(&["SET", key, value]).unwrap(), Value::Ok);
}

#[test]
fn keys_go_to_their_owners_and_outlive_them() {
    let cluster = Cluster::builder().primaries(3).replicas(1).start().unwrap();
    let client = cluster.client();
    for number in 0..100 {
        set(&client, &format!("key:{number}"), "v");
    }
    cluster.settle().unwrap();
    let counts: Vec<i64> =
        (0..6).map(|node| cluster.engine(node).unwrap().call(&["DBSIZE"]).as_i64().unwrap()).collect();
    assert_eq!(counts.iter().sum::<i64>(), 200, "a replica has what its primary has: {counts:?}");
    let lost = cluster.primary_of("key:7").unwrap();
    let heir = cluster.replicas_of(lost);
    cluster.kill(lost);
    let begun = Instant::now();
    let got = client.call(&["GET", "key:7"]);
    assert_eq!(got, Ok(Value::bulk("v")), "{}", cluster.trace());
    assert!(begun.elapsed() < Duration::from_secs(9));
    assert_eq!(cluster.primary_of("key:7").map(|node| vec![node]), Some(heir));
    cluster.restart(lost).unwrap();
    cluster.settle().unwrap();
    assert!(cluster.replicas_of(cluster.primary_of("key:7").unwrap()).contains(&lost));
}

#[test]
fn a_cluster_whose_bus_is_cut_fails_and_comes_back() {
    let cluster = Cluster::builder().primaries(3).node_timeout(Duration::from_millis(200)).start().unwrap();
    let client = cluster.client();
    set(&client, "a", "1");
    cluster.part(&[0]);
    cluster.command(1, |member, _| assert!(member.is_up()));
    let owner = cluster.primary_of("a").unwrap();
    let begun = Instant::now();
    while cluster.primary_of("a").is_some() {
        assert!(begun.elapsed() < Duration::from_secs(8), "the cluster goes on without a bus");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let refused = cluster.engine(owner).unwrap().call(&["SET", "a", "2"]);
    assert!(refused.as_error().is_some_and(|text| text.starts_with(b"CLUSTERDOWN")), "{refused:?}");
    cluster.heal();
    cluster.settle().unwrap();
    assert_eq!(client.call(&["GET", "a"]).unwrap(), Value::bulk("1"));
}

#[test]
fn clients_reach_a_cluster_that_listens() {
    let cluster = Cluster::builder().primaries(3).listen().start().unwrap();
    let ask = |node: usize, request: &str| {
        let mut stream = TcpStream::connect(cluster.addresses()[node]).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let count = stream.read(&mut part).unwrap();
            assert!(count > 0);
            bytes.extend_from_slice(&part[..count]);
            if let Some((value, _)) = parse_reply(&bytes).unwrap() {
                return value;
            }
        }
    };
    let owner = cluster.primary_of("a").unwrap();
    assert_eq!(ask(owner, "SET a 1\r\n"), Value::Ok);
    let port = cluster.addresses()[owner].port();
    let moved = ask((owner + 1) % 3, "GET a\r\n");
    assert_eq!(moved.as_error().map(String::from_utf8_lossy).unwrap(), format!("MOVED 15495 127.0.0.1:{port}"));
    assert_eq!(ask(0, "CLUSTER SLOTS\r\n").as_slice().unwrap().len(), 3);
    cluster.kill(owner);
    assert!(TcpStream::connect(cluster.addresses()[owner]).is_err());
}

#[test]
fn publications_reach_clients_of_other_nodes() {
    let cluster = Cluster::builder().primaries(3).start().unwrap();
    let engines: Vec<_> = (0..3).map(|node| cluster.engine(node).unwrap()).collect();
    let mut session = engines[0].session(std::task::Waker::noop().clone(), keyslot_engine::PeerInfo::default());
    session.feed(b"SUBSCRIBE news\r\n");
    let mut heard = Vec::new();
    session.poll_output(&mut heard);
    assert_eq!(engines[2].call(&["PUBLISH", "news", "hello"]), Value::Integer(0));
    let begun = Instant::now();
    while !String::from_utf8_lossy(&heard).contains("hello") {
        assert!(begun.elapsed() < Duration::from_secs(8));
        std::thread::park_timeout(Duration::from_millis(1));
        session.poll_output(&mut heard);
    }
}

#[test]
fn connections_that_end_leave_nothing() {
    let cluster = Cluster::builder().primaries(1).listen().start().unwrap();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(cluster.addresses()[0]).unwrap();
        stream.write_all(b"PING\r\n").unwrap();
        let mut reply = [0; 7];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+PONG\r\n");
    }
    let engine = cluster.engine(0).unwrap();
    let listed = || String::from_utf8_lossy(engine.call(&["CLIENT", "LIST"]).as_bytes().unwrap()).lines().count();
    let begun = Instant::now();
    while listed() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(8), "{} sessions are still there", listed());
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
