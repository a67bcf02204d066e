//! Keyspace events of every family: names and order are those of Redis 7.2.

use super::testing::Bench;

/// Runs requests, and demands the events of each: `database event key`, separated by commas.
fn expect(bench: &Bench, script: &[(&str, &str)]) {
    bench.db.options().set_keyspace_events("KEAmn".parse().expect("letters of classes"));
    for (request, events) in script {
        bench.ask(request);
        assert_eq!(bench.events().join(", "), *events, "{request}");
    }
}

#[test]
fn strings() {
    expect(
        &Bench::new(),
        &[
            ("SET k v", "0 new k, 0 set k"),
            ("SET k v", "0 set k"),
            ("SET k v NX", ""),
            ("SET k v EX 10", "0 set k, 0 expire k"),
            ("SET k v KEEPTTL", "0 set k"),
            ("SET m v GET", "0 keymiss m, 0 new m, 0 set m"),
            ("SETEX k 10 v", "0 set k, 0 expire k"),
            ("PSETEX k 10 v", "0 set k, 0 expire k"),
            ("SETNX k v", ""),
            ("GETSET k 5", "0 set k"),
            ("GETEX k EX 10", "0 expire k"),
            ("GETEX k", ""),
            ("GETEX k PERSIST", "0 persist k"),
            ("GETEX k PERSIST", ""),
            ("INCR k", "0 incrby k"),
            ("DECRBY k 2", "0 incrby k"),
            ("INCRBYFLOAT k 0.5", "0 incrbyfloat k"),
            ("APPEND k x", "0 append k"),
            ("SETRANGE k 1 x", "0 setrange k"),
            ("SETRANGE k 1 \"\"", ""),
            ("MSET k 1 j 2", "0 set k, 0 new j, 0 set j"),
            ("MSETNX k 1 i 2", ""),
            ("GETEX k EXAT 1", "0 del k"),
            ("GETDEL j", "0 del j"),
            ("GETDEL j", "0 keymiss j"),
            ("GET j", "0 keymiss j"),
            ("MGET j m", "0 keymiss j"),
            ("STRLEN j", "0 keymiss j"),
        ],
    );
}

#[test]
fn keys_of_any_type() {
    expect(
        &Bench::new(),
        &[
            ("MSET a 1 b 2", "0 new a, 0 set a, 0 new b, 0 set b"),
            ("RENAME a b", "0 new b, 0 rename_from a, 0 rename_to b"),
            ("RENAME b b", ""),
            ("COPY b c", "0 new c, 0 copy_to c"),
            ("COPY b c", ""),
            ("COPY b c DB 2", "2 new c, 2 copy_to c"),
            ("COPY nokey c", "0 keymiss nokey"),
            ("MOVE b 3", "3 new b, 0 move_from b, 3 move_to b"),
            ("MOVE b 3", ""),
            ("EXPIRE c 10", "0 expire c"),
            ("EXPIRE c 10 NX", ""),
            ("PERSIST c", "0 persist c"),
            ("PERSIST c", ""),
            ("EXISTS c nokey", "0 keymiss nokey"),
            ("TTL nokey", "0 keymiss nokey"),
            ("TYPE nokey", "0 keymiss nokey"),
            ("TOUCH nokey", "0 keymiss nokey"),
            ("OBJECT ENCODING nokey", ""),
            ("EXPIRE c -1", "0 del c"),
            ("SET d v", "0 new d, 0 set d"),
            ("DEL d nokey", "0 del d"),
            ("SET d v", "0 new d, 0 set d"),
            ("UNLINK d", "0 del d"),
            ("FLUSHALL", ""),
        ],
    );
}

#[test]
fn a_due_key_expires_once_before_it_is_missed() {
    let bench = Bench::new();
    expect(
        &bench,
        &[("SET a v PX 10", "0 new a, 0 set a, 0 expire a"), ("SET b v PX 10", "0 new b, 0 set b, 0 expire b")],
    );
    bench.advance_ms(11);
    expect(&bench, &[("GET a", "0 expired a, 0 keymiss a"), ("GET a", "0 keymiss a")]);
    bench.db.tick(bench.db.now(), 100_000);
    assert_eq!(bench.events(), ["0 expired b"]);
}

#[test]
fn a_turn_that_is_given_up_announces_nothing() {
    let bench = Bench::new();
    bench.db.options().set_keyspace_events("KEA".parse().expect("letters of classes"));
    let outcome: Result<(), crate::CommandError> = bench.db.atomic("k", |turn| {
        turn.set("k", "v")?;
        Err(crate::CommandError::Syntax)
    });
    assert!(outcome.is_err());
    assert!(bench.events().is_empty());
}

#[test]
fn only_chosen_classes_are_announced() {
    let bench = Bench::new();
    bench.db.options().set_keyspace_events("K$".parse().expect("letters of classes"));
    bench.ask("SET k v EX 10");
    bench.ask("DEL k");
    assert_eq!(bench.events(), ["0 set k"]);
    bench.db.options().set_keyspace_events("g$".parse().expect("letters of classes"));
    bench.ask("SET k v EX 10");
    assert!(bench.events().is_empty(), "on no channel");
}

#[test]
fn sets() {
    expect(
        &Bench::new(),
        &[
            ("SADD k a b", "0 new k, 0 sadd k"),
            ("SADD k a", ""),
            ("SREM k x", ""),
            ("SREM k a", "0 srem k"),
            ("SMOVE k j b", "0 srem k, 0 del k, 0 new j, 0 sadd j"),
            ("SPOP j", "0 spop j, 0 del j"),
            ("SADD k a b c", "0 new k, 0 sadd k"),
            ("SPOP k 0", ""),
            ("SPOP k 2", "0 spop k"),
            ("SPOP k 5", "0 spop k, 0 del k"),
            ("SADD k a b c", "0 new k, 0 sadd k"),
            ("SINTERSTORE d k k", "0 new d, 0 sinterstore d"),
            ("SUNIONSTORE d k", "0 sunionstore d"),
            ("SDIFFSTORE d k", "0 sdiffstore d"),
            ("SDIFFSTORE d k k", "0 del d"),
            ("SMEMBERS none", "0 keymiss none"),
        ],
    );
}

#[test]
fn hashes() {
    expect(
        &Bench::new(),
        &[
            ("HSET k a 1 b 2", "0 new k, 0 hset k"),
            ("HSET k a 1", "0 hset k"),
            ("HMSET k c 3", "0 hset k"),
            ("HSETNX k c 4", ""),
            ("HSETNX k d 4", "0 hset k"),
            ("HINCRBY k a 1", "0 hincrby k"),
            ("HINCRBYFLOAT k a 1", "0 hincrbyfloat k"),
            ("HDEL k x", ""),
            ("HDEL k a b", "0 hdel k"),
            ("HDEL k c d", "0 hdel k, 0 del k"),
            ("HINCRBY k a 1", "0 new k, 0 hincrby k"),
            ("HGET none a", "0 keymiss none"),
        ],
    );
}
