//! Turns that are given up: sorted sets, compact and large, are as they were, and nothing was recorded.

use crate::command::testing::{Bench, assert_totals, contents};
use crate::{CommandError, Turn};

type Verb = (&'static str, fn(&mut Turn<'_>, &str) -> Result<(), CommandError>);

fn done<R>(result: Result<R, CommandError>) -> Result<(), CommandError> {
    result.map(drop)
}

/// Every verb that changes a sorted set; the second argument is its key.
const VERBS: &[Verb] = &[
    ("zadd of a member", |t, key| done(t.zadd(key, "m1", 99.5))),
    ("zadd of many", |t, key| done(t.zadd_multiple(key, &(0..300).map(|n| (7.0, n.to_string())).collect::<Vec<_>>()))),
    ("zadd to a new key", |t, _| done(t.zadd("{x}new", "m", 1.0))),
    ("zincr", |t, key| done(t.zincr(key, "m2", 3.0))),
    ("zrem", |t, key| done(t.zrem(key, &["m1", "m2", "m3"]))),
    ("zremrangebyrank", |t, key| done(t.zremrangebyrank(key, 1, -3))),
    ("zremrangebyrank of all", |t, key| done(t.zremrangebyrank(key, 0, -1))),
    ("zrembyscore", |t, key| done(t.zrembyscore(key, 3.0, 9.0))),
    ("zpopmin", |t, key| done(t.zpopmin(key, 2))),
    ("zpopmax of all", |t, key| done(t.zpopmax(key, 1_000_000))),
    ("zunionstore over itself", |t, key| done(t.zunionstore_max(key, &[key, "{x}small"]))),
    ("zinterstore of nothing", |t, key| done(t.zinterstore(key, &[key, "{x}none"]))),
    ("zdiffstore", |t, key| done(t.zdiffstore("{x}new", &[key, "{x}none"]))),
    ("geo_add", |t, key| done(t.geo_add(key, &[(13.0, 38.0, "m4")]))),
    ("copy", |t, key| done(t.copy(key, "{x}new", Default::default()))),
    ("del", |t, key| done(t.del(key))),
];

fn filled() -> Bench {
    let bench = Bench::new();
    for (key, len) in [("{x}small", 12), ("{x}large", 2_000)] {
        let members: Vec<_> = (0..len).map(|n| (f64::from(n % 50), format!("m{n}"))).collect();
        bench.db.zadd_multiple(key, &members).unwrap();
    }
    bench.effects();
    bench
}

#[test]
fn nothing_is_left_of_a_turn_that_fails() {
    let bench = filled();
    let before = contents(&bench.db);
    for key in ["{x}small", "{x}large"] {
        for (name, verb) in VERBS {
            let result: Result<(), CommandError> = bench.db.atomic("{x}", |t| {
                verb(t, key)?;
                Err(CommandError::Syntax)
            });
            assert_eq!(result, Err(CommandError::Syntax), "{name}");
            assert_eq!(contents(&bench.db), before, "{name} on {key}");
            assert!(bench.effects().is_empty(), "{name}");
        }
    }
    let result: Result<(), CommandError> = bench.db.atomic("{x}", |t| {
        VERBS.iter().try_for_each(|(_, verb)| verb(t, "{x}large").and_then(|()| verb(t, "{x}small")))?;
        Err(CommandError::Syntax)
    });
    assert!(result.is_err());
    assert_eq!(contents(&bench.db), before);
    assert_totals(&bench.db);
}

#[test]
fn every_verb_replays_from_what_it_records() {
    for key in ["{x}small", "{x}large"] {
        for (name, verb) in VERBS {
            let bench = filled();
            bench.db.atomic("{x}", |t| verb(t, key)).unwrap_or_else(|error: CommandError| panic!("{name}: {error}"));
            assert!(!bench.effects().is_empty(), "{name} on {key}");
            bench.assert_replays();
            assert_totals(&bench.db);
        }
    }
}
