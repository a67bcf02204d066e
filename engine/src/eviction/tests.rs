//! What goes when there is too much, and what is refused.

use crate::command::testing::{Bench, ask, assert_totals, session};
use crate::{DueKeys, Engine, EventClasses, EvictionPolicy, GateState, Slot};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/// Bounds the data to what it takes now and `more` bytes.
fn bound(db: &Engine, more: u64, policy: EvictionPolicy) {
    db.options().set_eviction_policy(policy);
    db.options().maxmemory.store(db.used_memory() + more, Ordering::Relaxed);
}

/// A thousand keys of 100 bytes, every second with an expiry.
fn filled() -> Bench {
    let bench = Bench::new();
    for n in 0..1000 {
        bench.db.set(format!("k{n}"), "x".repeat(100)).unwrap();
        if n % 2 == 0 {
            bench.db.expire(format!("k{n}"), 1000 + n).unwrap();
        }
    }
    bench.effects();
    bench
}

fn evicted(bench: &Bench) -> u64 {
    bench.db.core.stats.evicted_keys.load(Ordering::Relaxed)
}

#[test]
fn without_eviction_what_takes_memory_is_refused_and_the_rest_goes_on() {
    let bench = filled();
    bound(&bench.db, 0, EvictionPolicy::NoEviction);
    bench.db.options().maxmemory.fetch_sub(1, Ordering::Relaxed);
    let mut s = session(&bench.db);
    assert_eq!(ask(&mut s, "SET new v"), OOM);
    assert_eq!(ask(&mut s, "GET k1"), format!("$100\r\n{}\r\n", "x".repeat(100)));
    assert_eq!(ask(&mut s, "MULTI"), "+OK\r\n");
    assert_eq!(ask(&mut s, "GET k1"), OOM, "what is queued takes memory");
    assert_eq!(ask(&mut s, "EXEC"), "-EXECABORT Transaction discarded because of previous errors.\r\n");
    assert_eq!(bench.db.set("new", "v").unwrap_err().to_string(), OOM[1..].trim_end());
    assert_eq!(bench.db.set_many(&[("new", "v")]).unwrap_err().to_string(), OOM[1..].trim_end());
    assert_eq!(ask(&mut s, "DEL k1"), ":1\r\n");
    assert_eq!(ask(&mut s, "SET new v"), "+OK\r\n");
    assert_eq!(evicted(&bench), 0);
    bench.assert_replays();
}

#[test]
fn a_transaction_that_takes_memory_is_refused_as_a_whole() {
    let bench = filled();
    let mut s = session(&bench.db);
    ask(&mut s, "MULTI\r\nSET new v\r\nDEL k1");
    bound(&bench.db, 0, EvictionPolicy::NoEviction);
    bench.db.options().maxmemory.fetch_sub(1, Ordering::Relaxed);
    let abort = format!("-EXECABORT Transaction discarded because of: {}", &OOM[1..]);
    assert_eq!(ask(&mut s, "EXEC"), abort);
    assert_eq!(ask(&mut s, "EXISTS k1"), ":1\r\n");
    ask(&mut s, "MULTI");
    bench.db.options().maxmemory.store(0, Ordering::Relaxed);
    ask(&mut s, "DEL k1");
    bench.db.options().maxmemory.store(1, Ordering::Relaxed);
    assert_eq!(ask(&mut s, "EXEC"), "*1\r\n:1\r\n", "it only gives memory back");
}

#[test]
fn every_policy_keeps_the_data_below_the_bound() {
    for policy in EvictionPolicy::ALL {
        if policy == EvictionPolicy::NoEviction {
            continue;
        }
        let bench = filled();
        bench.db.options().set_keyspace_events("KEe".parse::<EventClasses>().unwrap());
        bound(&bench.db, 1000, policy);
        let mut s = session(&bench.db);
        for n in 0..300 {
            assert_eq!(ask(&mut s, &format!("SETEX new{n} 500 {}", "y".repeat(100))), "+OK\r\n", "{policy:?}");
            let over = bench.db.used_memory().saturating_sub(bench.db.options().maxmemory.load(Ordering::Relaxed));
            assert!(over < 1500, "{policy:?}: a request's own value may be too much, and no more: {over}");
        }
        assert!((280..=320).contains(&evicted(&bench)), "{policy:?}: {}", evicted(&bench));
        let effects = bench.effects();
        let gone: BTreeSet<_> = effects.iter().filter_map(|effect| effect.strip_prefix("DEL ")).collect();
        assert_eq!(gone.len() as u64, evicted(&bench), "{policy:?}");
        let announced = bench.db.core.announced.lock().iter().filter(|event| event.starts_with("0 evicted ")).count();
        assert_eq!(announced, gone.len(), "{policy:?}");
        if policy.is_volatile() {
            let lasting = |key: &&&str| key.strip_prefix('k').is_some_and(|n| n.parse::<u32>().unwrap() % 2 == 1);
            assert_eq!(gone.iter().filter(lasting).count(), 0, "{policy:?}");
        }
        bench.assert_replays();
        assert_totals(&bench.db);
    }
}

#[test]
fn what_was_not_used_for_long_goes_first() {
    let bench = filled();
    bench.advance_ms(60_000);
    for n in 0..500 {
        bench.db.get(format!("k{n}")).unwrap();
    }
    bound(&bench.db, 0, EvictionPolicy::AllKeysLru);
    for n in 0..300 {
        bench.db.set(format!("new{n}"), "y".repeat(100)).unwrap();
    }
    let left = |range: std::ops::Range<u32>| range.filter(|n| bench.db.exists(format!("k{n}")).unwrap()).count();
    let (used, unused) = (left(0..500), left(500..1000));
    assert!(used >= 480 && unused <= 230, "{used} used and {unused} unused are left");
}

#[test]
fn what_is_seldom_used_goes_first() {
    let bench = Bench::new();
    bench.db.options().set_eviction_policy(EvictionPolicy::AllKeysLfu);
    for n in 0..1000 {
        bench.db.set(format!("k{n}"), "x".repeat(100)).unwrap();
    }
    assert_eq!(bench.db.object_freq("k1").unwrap(), Some(5));
    for _ in 0..50 {
        for n in 0..500 {
            bench.db.get(format!("k{n}")).unwrap();
        }
    }
    bench.db.set("k1", "z".repeat(200)).unwrap();
    assert!(bench.db.object_freq("k1").unwrap() > Some(6), "a new value keeps the count");
    bound(&bench.db, 0, EvictionPolicy::AllKeysLfu);
    for n in 0..300 {
        bench.db.set(format!("new{n}"), "y".repeat(100)).unwrap();
    }
    let used = (0..500).filter(|n| bench.db.exists(format!("k{n}")).unwrap()).count();
    assert!(used >= 490, "{used} of those that were used are left");
    let before = bench.db.object_freq("k2").unwrap().unwrap();
    bench.advance_ms(2 * 60_000);
    bench.ask("PING");
    assert_eq!(bench.db.object_freq("k2").unwrap(), Some(before - 2));
}

#[test]
fn what_is_due_first_goes_first() {
    let bench = filled();
    bound(&bench.db, 0, EvictionPolicy::VolatileTtl);
    for n in 0..100 {
        bench.db.set(format!("new{n}"), "y".repeat(100)).unwrap();
    }
    let late = (700..1000).step_by(2).filter(|n| bench.db.exists(format!("k{n}")).unwrap()).count();
    assert!(late >= 140, "{late} of 150 that are due late are left");
}

#[test]
fn the_last_volatile_key_is_found_and_then_memory_is_short() {
    let bench = filled();
    for n in (0..1000).step_by(2) {
        bench.db.persist(format!("k{n}")).unwrap();
    }
    for n in 0..2000 {
        bench.db.set(format!("{{crowd}}{n}"), "v").unwrap();
    }
    bench.db.expire("{crowd}77", 100).unwrap();
    bound(&bench.db, 0, EvictionPolicy::VolatileLru);
    bench.db.options().maxmemory.fetch_sub(1, Ordering::Relaxed);
    bench.db.set("new", "v").unwrap();
    assert_eq!(evicted(&bench), 1);
    assert!(!bench.db.exists("{crowd}77").unwrap());
    bench.db.options().maxmemory.store(1, Ordering::Relaxed);
    assert_eq!(bench.ask("SET other v"), OOM);
}

#[test]
fn keys_of_all_databases_go() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    ask(&mut s, "SELECT 5");
    for n in 0..200 {
        ask(&mut s, &format!("SET k{n} {}", "x".repeat(100)));
    }
    bound(&bench.db, 0, EvictionPolicy::AllKeysRandom);
    for n in 0..100 {
        bench.db.set(format!("new{n}"), "y".repeat(100)).unwrap();
    }
    assert!(bench.db.core.totals.keys(5) < 180);
    assert_totals(&bench.db);
    bench.assert_replays();
}

#[test]
fn a_tick_evicts_when_the_bound_is_lowered() {
    let bench = filled();
    let used = bench.db.used_memory();
    bench.db.options().set_eviction_policy(EvictionPolicy::AllKeysRandom);
    bench.db.options().maxmemory.store(used - 20_000, Ordering::Relaxed);
    bench.db.tick(bench.db.now(), 100);
    assert!(bench.db.used_memory() <= used - 20_000);
    bench.assert_replays();
}

#[test]
fn where_others_decide_or_writes_are_paused_nothing_goes_and_nothing_is_refused() {
    let bench = filled();
    bench.db.options().set_eviction_policy(EvictionPolicy::AllKeysLru);
    bench.db.options().maxmemory.store(1, Ordering::Relaxed);
    bench.db.set_due_keys(DueKeys::Hide);
    assert_eq!(bench.ask("SET new v"), "+OK\r\n");
    assert_eq!(evicted(&bench), 0);
}

#[test]
fn a_request_for_another_node_is_sent_there() {
    let bench = filled();
    bench.db.set_cluster(true);
    bench.db.set_redirects(crate::gate::testing::all_to("127.0.0.1:7001"));
    bench.db.set_gate([Slot::of(b"far")], GateState::Elsewhere);
    bench.db.options().maxmemory.store(1, Ordering::Relaxed);
    let mut s = session(&bench.db);
    assert!(ask(&mut s, "SET far v").starts_with("-MOVED "));
    assert_eq!(ask(&mut s, "SET near v"), OOM);
}

#[test]
fn info_tells_the_bound_and_what_went() {
    let bench = filled();
    bound(&bench.db, 0, EvictionPolicy::AllKeysLru);
    bench.db.set("new", "y".repeat(1000)).unwrap();
    bench.db.set("other", "y").unwrap();
    let info = bench.ask("INFO");
    let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    assert_eq!(line("maxmemory_policy:"), "allkeys-lru");
    let number = |name: &str| line(name).parse::<u64>().unwrap();
    assert!(number("maxmemory:") + 500 >= number("used_memory:"), "the last value may be too much");
    assert!(number("evicted_keys:") > 0);
}
