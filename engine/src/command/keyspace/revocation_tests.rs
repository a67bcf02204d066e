//! Turns that are given up: whatever their verbs did, nothing of it is left, and nothing was recorded.

use super::CopyOptions;
use crate::command::testing::{Bench, assert_totals, contents};
use crate::{CommandError, Expiration, ExpireIf, Turn};
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Verb = (&'static str, fn(&mut Turn<'_>) -> Result<(), CommandError>);

fn done<R>(result: Result<R, CommandError>) -> Result<(), CommandError> {
    result.map(drop)
}

/// Every verb that changes something, on keys of one slot: a number `n`, a short text `s`, a long text `long`, `v` with an
/// expiry, `due` whose time has passed.
const VERBS: &[Verb] = &[
    ("set", |t| t.set("{x}s", "other")),
    ("set a new key", |t| t.set("{x}new", "value")),
    ("set of a long value", |t| t.set("{x}s", "y".repeat(9000))),
    ("set over an expiry", |t| t.set("{x}v", "plain")),
    ("set_ex", |t| t.set_ex("{x}n", "1", 5)),
    ("set_nx", |t| done(t.set_nx("{x}new", "1"))),
    ("getset", |t| done(t.getset("{x}v", "z"))),
    ("append", |t| done(t.append("{x}s", " and more"))),
    ("append to a long value", |t| done(t.append("{x}long", "!"))),
    ("setrange", |t| done(t.setrange("{x}s", 2, "RANGE"))),
    ("setrange of a long value", |t| done(t.setrange("{x}long", 3000, "RANGE"))),
    ("incr", |t| done(t.incr("{x}n", 5))),
    ("decr of a new key", |t| done(t.decr("{x}new", 5))),
    ("incr_float", |t| done(t.incr_float("{x}n", 0.5))),
    ("get_del", |t| done(t.get_del("{x}s"))),
    ("mset", |t| t.mset(&[("{x}s", "1"), ("{x}new", "2"), ("{x}long", "3")])),
    ("del", |t| done(t.del("{x}s"))),
    ("del of a long value", |t| done(t.del("{x}long"))),
    ("del of a due key", |t| done(t.del("{x}due"))),
    ("a look at a due key", |t| done(t.get("{x}due"))),
    ("set over a due key", |t| t.set("{x}due", "new")),
    ("rename", |t| t.rename("{x}v", "{x}new")),
    ("rename over another", |t| t.rename("{x}v", "{x}long")),
    ("rename_nx over a due key", |t| done(t.rename_nx("{x}s", "{x}due"))),
    ("copy", |t| done(t.copy("{x}long", "{x}new", CopyOptions::default()))),
    ("copy over another", |t| done(t.copy("{x}v", "{x}s", CopyOptions { db: None, replace: true }))),
    ("copy elsewhere", |t| done(t.copy("{x}v", "{x}s", CopyOptions { db: Some(3), replace: true }))),
    ("move_key", |t| done(t.move_key("{x}v", 2))),
    ("expire", |t| done(t.expire("{x}s", 9))),
    ("expire again", |t| done(t.pexpire("{x}v", 9))),
    ("expire in the past", |t| done(t.expire("{x}long", -1))),
    ("expire if earlier", |t| done(t.expire_options("{x}v", Expiration::Millis(1), ExpireIf::Earlier))),
    ("persist", |t| done(t.persist("{x}v"))),
];

fn filled() -> Bench {
    let bench = Bench::new();
    bench.ask("SET {x}due gone PX 10");
    bench.ask("SET {x}n 41");
    bench.ask("SET {x}s short");
    bench.db.set("{x}long", "x".repeat(5000)).unwrap();
    bench.ask("SET {x}v volatile PX 5000");
    bench.ask("COPY {x}n {x}s DB 3");
    bench.advance_ms(11);
    bench.effects();
    bench
}

/// Runs `verbs` in turns that end by an error and by a panic, and demands that nothing is left of them.
fn assert_revoked(bench: &Bench, verbs: &[&Verb]) {
    let before = contents(&bench.db);
    let names: Vec<_> = verbs.iter().map(|verb| verb.0).collect();
    let refused: Result<(), CommandError> = bench.db.atomic("{x}", |turn| {
        for (_, verb) in verbs {
            drop(verb(turn));
        }
        Err(CommandError::NotInteger)
    });
    assert_eq!(refused, Err(CommandError::NotInteger));
    assert_eq!(contents(&bench.db), before, "after an error: {names:?}");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        bench.db.atomic("{x}", |turn| -> Result<(), CommandError> {
            for (_, verb) in verbs {
                drop(verb(turn));
            }
            if turn.exists("{x}")? { Ok(()) } else { panic!("on purpose") }
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(contents(&bench.db), before, "after a panic: {names:?}");
    assert!(bench.effects().is_empty(), "{names:?}");
    assert_totals(&bench.db);
}

#[test]
fn nothing_is_left_of_any_verb() {
    for verb in VERBS {
        let bench = filled();
        assert_revoked(&bench, &[verb]);
        // The same verb does change something where it is not given up, or this would show nothing.
        let before = contents(&bench.db);
        bench.db.atomic("{x}", verb.1).unwrap();
        assert_ne!(contents(&bench.db), before, "{}", verb.0);
        assert!(!bench.effects().is_empty(), "{}", verb.0);
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}

#[test]
fn a_key_of_another_slot_is_refused_and_ends_the_turn() {
    let bench = filled();
    let before = contents(&bench.db);
    let refused: Result<(), CommandError> = bench.db.atomic("{x}", |turn| {
        turn.set("{x}s", "changed")?;
        turn.rename("{x}s", "elsewhere")
    });
    assert!(matches!(refused, Err(CommandError::CrossSlot { .. })));
    assert_eq!(contents(&bench.db), before);
    assert!(bench.effects().is_empty());
}

#[test]
fn expiries_come_back_to_the_housekeeping() {
    let bench = filled();
    assert_revoked(&bench, &[VERBS.iter().find(|verb| verb.0 == "persist").unwrap()]);
    bench.advance_ms(5000);
    while bench.db.tick(bench.db.now(), 1000).more {}
    bench.db.tick(bench.db.now(), 1 << 20);
    assert_eq!(contents(&bench.db).len(), 4, "what is due is deleted, what is not is there");
    bench.assert_replays();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_is_left_of_any_sequence(picks in prop::collection::vec(any::<prop::sample::Index>(), 1..20)) {
        let bench = filled();
        let verbs: Vec<&Verb> = picks.iter().map(|pick| pick.get(VERBS)).collect();
        assert_revoked(&bench, &verbs);
        // And where the same sequence is kept, its effects tell all of it.
        let kept: Result<(), CommandError> = bench.db.atomic("{x}", |turn| {
            for (_, verb) in &verbs {
                drop(verb(turn));
            }
            Ok(())
        });
        kept.unwrap();
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
