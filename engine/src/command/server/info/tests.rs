//! INFO through a session and through its door.

use crate::resp::ReplyWriter;
use crate::{Asker, Engine, Host, InfoSection, ManualClock, PeerInfo, Session, UnixMillis};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

struct Process;

impl Host for Process {
    fn control(&self, _: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> bool {
        if args[1] == b"GET" {
            reply.error("ODD no such setting");
        }
        args[1] == b"GET"
    }

    fn info(&self, section: InfoSection, out: &mut String) {
        match section {
            InfoSection::Server => out.push_str("process_id:77\r\ntcp_port:7001\r\n"),
            InfoSection::Memory => out.push_str("used_memory:2048\r\nmem_allocator:test\r\n"),
            InfoSection::Cpu => out.push_str("used_cpu_sys:0.5\r\n"),
            _ => {}
        }
    }
}

fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo::default())
}

fn ask(session: &mut Session, request: &str) -> String {
    session.feed(format!("{request}\r\n").as_bytes());
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn headers(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# ")).collect()
}

fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = values.next().unwrap_or_else(|| panic!("no {name} in {text}"));
    assert!(values.next().is_none(), "{name} stands twice in {text}");
    value
}

#[test]
fn sections_stand_in_their_own_order_and_once() {
    let mut s = session(&Engine::in_memory());
    let default = [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Errorstats",
        "Cluster",
        "Keyspace",
    ];
    assert_eq!(headers(&ask(&mut s, "INFO")), default);
    assert_eq!(headers(&ask(&mut s, "INFO default")), default);
    let all = headers(&ask(&mut s, "INFO all")).join(" ");
    assert!(all.contains("Modules Commandstats Errorstats Latencystats Cluster"), "{all}");
    assert_eq!(headers(&ask(&mut s, "INFO everything")).join(" "), all);
    assert_eq!(
        ask(&mut s, "INFO keyspace CLUSTER keyspace"),
        "$44\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n\r\n"
    );
    assert_eq!(ask(&mut s, "INFO nothing"), "$0\r\n\r\n");
    ask(&mut s, "HELLO 3");
    assert_eq!(ask(&mut s, "INFO modules"), "=15\r\ntxt:# Modules\r\n\r\n");
}

#[test]
fn the_server_header_precedes_the_version() {
    let mut s = session(&Engine::in_memory());
    assert!(ask(&mut s, "INFO server").contains("# Server\r\nredis_version:7.2.4\r\nserver_name:keyslot\r\n"));
}

#[test]
fn a_host_adds_fields_where_redis_has_them_and_its_values_stand() {
    let db = Engine::in_memory();
    db.attach_host(Arc::new(Process));
    let server = db.info(&[InfoSection::Server]);
    assert!(server.contains("process_id:77\r\ntcp_port:7001\r\nserver_time_usec:"), "{server}");
    let memory = db.info(&[InfoSection::Memory]);
    assert!(memory.starts_with("# Memory\r\nused_memory:2048\r\nused_memory_human:2.00K\r\nused_memory_peak:2048\r\n"));
    assert_eq!(field(&memory, "used_memory_peak_perc"), "100.00%");
    assert_eq!(field(&memory, "mem_allocator"), "test");
    assert_eq!(db.info(&[InfoSection::Cpu]), "# CPU\r\nused_cpu_sys:0.5\r\n");
}

#[test]
fn keyspace_lists_databases_that_hold_keys() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    ask(&mut s, "SET a 1\r\nSET b 2 EX 100\r\nSELECT 3\r\nSET c 3");
    assert_eq!(
        db.info(&[InfoSection::Keyspace]),
        "# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n"
    );
}

#[test]
fn keyspace_tells_about_how_long_keys_have_to_live() {
    let clock = ManualClock::at(UnixMillis(1_000_000));
    let db = Engine::builder().clock(clock).in_memory();
    let mean = || db.info(&[InfoSection::Keyspace]).split("avg_ttl=").nth(1).unwrap().trim().parse::<i64>().unwrap();
    for n in 0..1000 {
        db.set(format!("lasting:{n}"), n).unwrap();
    }
    for n in 0..50 {
        db.set_ex(format!("short:{n}"), n, 100).unwrap();
    }
    let mut ticks = 0;
    while mean() == 0 {
        assert!(ticks < 1000, "no key with an expiry was met");
        db.tick(UnixMillis(1_000_000), 100);
        ticks += 1;
    }
    assert_eq!(mean(), 100_000);
    for n in 0..50 {
        db.set_ex(format!("short:{n}"), n, 300).unwrap();
    }
    for _ in 0..50 {
        db.tick(UnixMillis(1_000_000), 100);
    }
    assert!((100_001..=300_000).contains(&mean()), "{}", mean());
    for n in 0..50 {
        db.persist(format!("short:{n}")).unwrap();
    }
    assert_eq!(mean(), 0);
}

#[test]
fn calls_of_a_pipeline_are_counted_before_info_shows_them() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    let text = ask(&mut s, "SET k v\r\nGET k\r\nGET nokey\r\nSET k v EX x\r\nGET\r\nCLIENT ID\r\nNOPE\r\nINFO all");
    let get = field(&text, "cmdstat_get");
    assert!(get.starts_with("calls=2,usec=") && get.ends_with(",rejected_calls=1,failed_calls=0"), "{get}");
    let set = field(&text, "cmdstat_set");
    assert!(set.starts_with("calls=2,usec=") && set.ends_with(",rejected_calls=0,failed_calls=1"), "{set}");
    assert!(field(&text, "cmdstat_client|id").starts_with("calls=1,"));
    assert!(!text.contains("cmdstat_info:"));
    assert!(field(&text, "latency_percentiles_usec_get").starts_with("p50="));
    assert_eq!(field(&text, "errorstat_ERR"), "count=3");
    assert_eq!(field(&text, "total_error_replies"), "3");
    assert_eq!(field(&text, "keyspace_hits"), "1");
    assert_eq!(field(&text, "keyspace_misses"), "1");
    assert_eq!(field(&text, "total_commands_processed"), "5");
    assert_eq!(field(&text, "connected_clients"), "1");
}

#[test]
fn reset_stats_starts_counting_anew() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    ask(&mut s, "SET k v\r\nGET k\r\nGET nokey\r\nNOPE");
    db.reset_stats();
    let text = ask(&mut s, "INFO all");
    for name in ["keyspace_hits", "keyspace_misses", "total_error_replies", "total_commands_processed"] {
        assert_eq!(field(&text, name), "0", "{name}");
    }
    assert!(!text.contains("cmdstat_") && !text.contains("errorstat_"), "{text}");
}

#[test]
fn errors_of_the_host_count_like_those_of_the_engine() {
    let db = Engine::in_memory();
    db.attach_host(Arc::new(Process));
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "CONFIG GET x"), "-ODD no such setting\r\n");
    assert_eq!(ask(&mut s, "CONFIG REWRITE"), "-ERR 'config' is not offered by this host\r\n");
    let text = ask(&mut s, "INFO errorstats commandstats");
    assert_eq!(field(&text, "errorstat_ODD"), "count=1");
    assert!(field(&text, "cmdstat_config|get").ends_with(",rejected_calls=0,failed_calls=1"), "{text}");
}

#[test]
fn redirections_count_as_rejected() {
    let db = Engine::in_memory();
    db.set_cluster(true);
    db.set_gate(crate::Slot::all(), crate::GateState::Unassigned);
    let mut s = session(&db);
    let text = ask(&mut s, "SET k v\r\nINFO commandstats errorstats");
    assert!(field(&text, "cmdstat_set").ends_with(",rejected_calls=1,failed_calls=0"), "{text}");
    assert_eq!(field(&text, "errorstat_CLUSTERDOWN"), "count=1");
}

#[test]
fn rates_are_averages_over_what_tick_sampled() {
    let clock = ManualClock::at(UnixMillis(0));
    let db = Engine::builder().clock(clock.clone()).in_memory();
    let mut s = session(&db);
    db.tick(db.now(), 0);
    ask(&mut s, &"PING\r\n".repeat(32));
    clock.advance(Duration::from_millis(100));
    db.tick(db.now(), 0);
    let text = db.info(&[InfoSection::Stats]);
    // 32 commands in a tenth of a second are 320 a second, in one of sixteen samples.
    assert_eq!(field(&text, "instantaneous_ops_per_sec"), "20");
}

#[test]
fn uptime_and_blocked_clients_follow_the_engine() {
    let clock = ManualClock::at(UnixMillis(5_000_000));
    let db = Engine::builder().clock(clock.clone()).in_memory();
    let (mut boss, mut s) = (session(&db), session(&db));
    ask(&mut boss, "CLIENT PAUSE 1000000 WRITE");
    ask(&mut s, "SET k v");
    clock.advance(Duration::from_secs(86_400));
    let text = db.info(&[InfoSection::Server, InfoSection::Clients]);
    assert_eq!(field(&text, "uptime_in_seconds"), "86400");
    assert_eq!(field(&text, "uptime_in_days"), "1");
    assert_eq!(field(&text, "blocked_clients"), "1");
}
