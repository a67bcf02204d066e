//! Whatever a command changes is put back when its turn is given up: one sample for each command that writes.
//!
//! A family that adds a command adds its sample here: what has to be there before, and a request that changes something.
//! Samples of commands that do not exist are passed over.

use super::How;
use super::keys::Include;
use super::row::flag;
use super::table::{Command, table};
use super::testing::{Bench, assert_totals, contents};
use crate::resp::{ReplyWriter, RespVersion};
use crate::slot::Slot;
use crate::text::split_args;
use crate::turn::{Opening, Turn};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What has to be there before, requests parted by semicolons; and the request.
const SAMPLES: &[(&str, &str)] = &[
    // Strings and bits.
    ("SET k old EX 100", "SET k new"),
    ("", "SET k new EX 10"),
    ("SET k old", "SETEX k 10 v"),
    ("SET k old", "PSETEX k 10 v"),
    ("", "SETNX k v"),
    ("SET k old", "GETSET k v"),
    ("SET k old", "GETDEL k"),
    ("SET k old", "GETEX k EX 10"),
    ("SET k 1", "MSET k 2 j 3"),
    ("", "MSETNX k 2 j 3"),
    ("SET k 1", "INCR k"),
    ("SET k 1", "INCRBY k 5"),
    ("SET k 1", "DECR k"),
    ("", "DECRBY k 5"),
    ("SET k 1", "INCRBYFLOAT k 0.5"),
    ("SET k 1", "APPEND k 5"),
    ("SET k 1", "SETRANGE k 5 x"),
    ("SET k 1", "SETBIT k 9 1"),
    ("SET k 1", "BITFIELD k SET u8 0 7 INCRBY u8 8 1"),
    ("SET k 1; SET j 2", "BITOP AND t k j"),
    // Keys.
    ("SET k 1; SET j 2", "DEL k j"),
    ("SET k 1; SET j 2", "UNLINK k j"),
    ("SET k 1; SET j 2", "COPY k j REPLACE"),
    ("SET k 1; SET j 2", "RENAME k j"),
    ("SET k 1", "RENAMENX k j"),
    ("SET k 1", "MOVE k 4"),
    ("SET k 1", "EXPIRE k 10"),
    ("SET k 1", "PEXPIRE k 10"),
    ("SET k 1", "EXPIREAT k 1"),
    ("SET k 1", "PEXPIREAT k 99999999999999"),
    ("SET k 1 EX 10", "PERSIST k"),
    ("RPUSH k 3 1 2", "SORT k STORE t"),
    // Lists.
    ("RPUSH k a b", "LPUSH k x y"),
    ("", "RPUSH k x y"),
    ("RPUSH k a b", "LPUSHX k x"),
    ("RPUSH k a b", "RPUSHX k x"),
    ("RPUSH k a b", "LPOP k"),
    ("RPUSH k a b", "RPOP k 5"),
    ("RPUSH k a b", "LSET k 1 x"),
    ("RPUSH k a b", "LINSERT k BEFORE b x"),
    ("RPUSH k a b a", "LREM k 0 a"),
    ("RPUSH k a b c", "LTRIM k 1 1"),
    ("RPUSH k a b", "LMOVE k j LEFT RIGHT"),
    ("RPUSH k a b; RPUSH j x", "RPOPLPUSH k j"),
    ("RPUSH k a b", "LMPOP 2 j k LEFT COUNT 5"),
    ("RPUSH k a b", "BLPOP j k 0"),
    ("RPUSH k a", "BRPOP k 0"),
    ("RPUSH k a b", "BLMOVE k j LEFT RIGHT 0"),
    ("RPUSH k a b", "BRPOPLPUSH k j 0"),
    ("RPUSH k a b", "BLMPOP 0 2 j k RIGHT"),
    // Hashes.
    ("HSET k a 1 b 2", "HSET k a 2 c 3"),
    ("", "HMSET k a 2 c 3"),
    ("HSET k a 1", "HSETNX k b 2"),
    ("HSET k a 1 b 2", "HDEL k a b"),
    ("HSET k a 1 b 2", "HINCRBY k a 5"),
    ("HSET k a 1 b 2", "HINCRBYFLOAT k a 0.5"),
    ("HSET k a 1 b 2", "HEXPIRE k 10 FIELDS 1 a"),
    ("HSET k a 1 b 2", "HPEXPIRE k 10 FIELDS 1 a"),
    ("HSET k a 1 b 2", "HEXPIREAT k 9999999999 FIELDS 1 a"),
    ("HSET k a 1 b 2", "HPEXPIREAT k 9999999999999 FIELDS 1 a"),
    ("HSET k a 1 b 2; HEXPIRE k 100 FIELDS 1 a", "HPERSIST k FIELDS 1 a"),
    ("HSET k a 1 b 2", "HGETDEL k FIELDS 1 a"),
    ("HSET k a 1 b 2", "HGETEX k EX 10 FIELDS 1 a"),
    ("HSET k a 1 b 2", "HSETEX k EX 10 FIELDS 1 a 5"),
    // Sets.
    ("SADD k 1 2", "SADD k 2 3 x"),
    ("SADD k a b", "SREM k a b"),
    ("SADD k a b", "SPOP k"),
    ("SADD k a b; SADD j c", "SMOVE k j a"),
    ("SADD k a b; SADD j b; SADD t x", "SINTERSTORE t k j"),
    ("SADD k a b; SADD j b; SADD t x", "SUNIONSTORE t k j"),
    ("SADD k a b; SADD j b; SADD t x", "SDIFFSTORE t k j"),
    // Sorted sets.
    ("ZADD k 1 a 2 b", "ZADD k 5 a 6 c"),
    ("ZADD k 1 a 2 b", "ZINCRBY k 5 a"),
    ("ZADD k 1 a 2 b", "ZREM k a b"),
    ("ZADD k 1 a 2 b", "ZPOPMIN k"),
    ("ZADD k 1 a 2 b", "ZPOPMAX k 5"),
    ("ZADD k 1 a 2 b", "ZMPOP 2 j k MIN"),
    ("ZADD k 1 a 2 b", "BZPOPMIN k 0"),
    ("ZADD k 1 a 2 b", "BZPOPMAX k 0"),
    ("ZADD k 1 a 2 b", "BZMPOP 0 1 k MAX COUNT 2"),
    ("ZADD k 1 a 2 b", "ZREMRANGEBYRANK k 0 0"),
    ("ZADD k 1 a 2 b", "ZREMRANGEBYSCORE k 0 1"),
    ("ZADD k 0 a 0 b", "ZREMRANGEBYLEX k - [a"),
    ("ZADD k 1 a 2 b; SET t x", "ZRANGESTORE t k 0 0"),
    ("ZADD k 1 a 2 b; ZADD j 1 b", "ZUNIONSTORE t 2 k j"),
    ("ZADD k 1 a 2 b; ZADD j 1 b", "ZINTERSTORE t 2 k j"),
    ("ZADD k 1 a 2 b; ZADD j 1 b", "ZDIFFSTORE t 2 k j"),
    ("GEOADD k 1 1 a", "GEOADD k 2 2 b"),
    ("GEOADD k 1 1 a", "GEOSEARCHSTORE t k FROMLONLAT 1 1 BYRADIUS 9 km"),
    ("GEOADD k 1 1 a", "GEORADIUS k 1 1 9 km STORE t"),
    ("GEOADD k 1 1 a", "GEORADIUSBYMEMBER k a 9 km STORE t"),
    // HyperLogLog.
    ("PFADD k a", "PFADD k b c"),
    ("PFADD k a; PFADD j b", "PFMERGE k j"),
    ("PFADD k a", "PFDEBUG TODENSE k"),
    // Streams.
    ("XADD k 1-1 a 1", "XADD k 2-1 b 2"),
    ("XADD k 1-1 a 1; XADD k 2-1 a 1", "XDEL k 1-1"),
    ("XADD k 1-1 a 1; XADD k 2-1 a 1", "XTRIM k MAXLEN 1"),
    ("XADD k 1-1 a 1", "XSETID k 9-1"),
    ("XADD k 1-1 a 1", "XGROUP CREATE k g 0"),
    ("XADD k 1-1 a 1; XGROUP CREATE k g 0", "XGROUP SETID k g 1-1"),
    ("XADD k 1-1 a 1; XGROUP CREATE k g 0", "XGROUP DESTROY k g"),
    ("XADD k 1-1 a 1; XGROUP CREATE k g 0", "XGROUP CREATECONSUMER k g c"),
    ("XADD k 1-1 a 1; XGROUP CREATE k g 0; XGROUP CREATECONSUMER k g c", "XGROUP DELCONSUMER k g c"),
    ("XADD k 1-1 a 1; XGROUP CREATE k g 0", "XREADGROUP GROUP g c STREAMS k >"),
    ("XADD k 1-1 a 1; XGROUP CREATE k g 0; XREADGROUP GROUP g c STREAMS k >", "XACK k g 1-1"),
    ("XADD k 1-1 a 1; XGROUP CREATE k g 0; XREADGROUP GROUP g c STREAMS k >", "XCLAIM k g d 0 1-1"),
    ("XADD k 1-1 a 1; XGROUP CREATE k g 0; XREADGROUP GROUP g c STREAMS k >", "XAUTOCLAIM k g d 0 0"),
    // Large values, whose parts are shared while they may have to be put back.
    ("@SET", "APPEND big x"),
    ("@SET", "SETRANGE big 2000 x"),
    ("@RPUSH", "LPUSH big x"),
    ("@RPUSH", "LTRIM big 100 200"),
    ("@RPUSH", "LSET big 200 x"),
    ("@HSET", "HSET big f7 x new y"),
    ("@HSET", "HDEL big f1 f299"),
    ("@SADD", "SADD big x"),
    ("@SADD", "SREM big m1 m299"),
    ("@SADD", "SPOP big 250"),
    ("@ZADD", "ZADD big 5 m7 6 new"),
    ("@ZADD", "ZREMRANGEBYRANK big 10 280"),
    ("@XADD", "XADD big * a b"),
    ("@XADD", "XTRIM big MAXLEN 10"),
    ("@HSET", "DEL big"),
    ("@ZADD", "RENAME big other"),
];

/// Fills a key with 300 elements.
fn fill(bench: &Bench, command: &str) {
    for n in 0..300 {
        let request = match command {
            "SET" => format!("APPEND big {}", "x".repeat(30)),
            "RPUSH" => format!("RPUSH big element{n}"),
            "HSET" => format!("HSET big f{n} value{n}"),
            "SADD" => format!("SADD big m{n}"),
            "ZADD" => format!("ZADD big {n} m{n}"),
            _ => format!("XADD big {}-1 field value{n}", n + 1),
        };
        bench.run(&request);
    }
}

fn prepared(setup: &str) -> Bench {
    let bench = Bench::new();
    for request in setup.split("; ").filter(|request| !request.is_empty()) {
        match request.strip_prefix('@') {
            Some(command) => fill(&bench, command),
            None => assert!(bench.run(request).as_error().is_none(), "{request}"),
        }
    }
    bench
}

/// The command of a request, if it is there and runs in a turn over its keys.
fn resolve(request: &[Vec<u8>]) -> Option<(&'static Command, Vec<&[u8]>)> {
    let args: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
    let command = table().lookup(&args).ok()?;
    matches!(command.row.run.0, How::Turn(_)).then_some((command, args))
}

/// Runs a request in a turn that can be given up, and then `end`.
fn run(bench: &Bench, command: &Command, args: &[&[u8]], end: impl FnOnce(Turn<'_>)) {
    let How::Turn(adapter) = command.row.run.0 else { return };
    let keys = command.keys(args, Include::Routed);
    let mut slots: Vec<Slot> = keys.iter().map(|key| Slot::of(args[key.index as usize])).collect();
    slots.sort_unstable();
    slots.dedup();
    let mut turn = Turn::begin(&bench.db.core, Opening::client(0), &slots).expect("the slots are open");
    turn.make_revocable();
    let mut out = Vec::new();
    adapter(&mut turn, args, &mut ReplyWriter::new(&mut out, RespVersion::V3)).expect("the sample runs");
    assert!(turn.effect_count() > 0, "the sample changes something");
    end(turn);
}

#[test]
fn a_turn_that_is_given_up_leaves_every_key_as_it_was() {
    for (setup, request) in SAMPLES {
        let words = split_args(request.as_bytes()).expect("quotes are balanced");
        let Some((command, args)) = resolve(&words) else { continue };
        if setup.split("; ").any(|line| !line.is_empty() && !is_known(line.trim_start_matches('@'))) {
            continue;
        }
        let bench = prepared(setup);
        let (before, size) = (contents(&bench.db), bench.db.core.totals.bytes());
        bench.batches();
        run(&bench, command, &args, |turn| drop(turn));
        let panicked = catch_unwind(AssertUnwindSafe(|| run(&bench, command, &args, |_turn| panic!("on purpose"))));
        assert!(panicked.is_err());
        assert_eq!(contents(&bench.db), before, "{request} after {setup}");
        assert!(bench.batches().is_empty(), "{request}");
        assert!(bench.db.core.totals.bytes() <= size * 2, "{request}");
        if setup.starts_with('@') {
            run(&bench, command, &args, |turn| drop(turn.commit()));
            assert_totals(&bench.db);
        }
    }
}

fn is_known(line: &str) -> bool {
    let name = line.split(' ').next().unwrap_or_default();
    table().find(name.as_bytes()).is_some()
}

#[test]
fn every_command_that_writes_in_a_turn_has_a_sample() {
    let names = |request: &str| {
        let words = split_args(request.as_bytes()).expect("quotes are balanced");
        table().lookup(&words).map(|command| command.row.name).unwrap_or_default()
    };
    let sampled: Vec<&str> = SAMPLES.iter().map(|(_, request)| names(request)).collect();
    let missing: Vec<&str> = (0..table().len())
        .filter_map(|id| table().by_id(id as u16))
        .filter(|command| matches!(command.row.run.0, How::Turn(_)) && command.flags.has(flag::WRITE))
        .map(|command| command.row.name)
        .filter(|name| !sampled.contains(name) && !WITHOUT_SAMPLE.contains(name))
        .collect();
    assert!(missing.is_empty(), "these commands have no sample above: {missing:?}");
}

/// Commands that write and need more than a line to show it.
const WITHOUT_SAMPLE: &[&str] = &["restore", "restore-asking", "restore-begin", "restore-end", "migrate"];
