//! Whatever is done to a stream, its effects make the same one; and a turn that is given up leaves it as it was.

use super::group_tests::{assert_groups_replay, described};
use crate::command::testing::{Bench, assert_totals};
use crate::{AddId, AutoClaimOptions, CommandError, GroupStart, ReadFrom, ReadOptions, StreamId, TrimOptions, TrimTo};
use proptest::prelude::*;

fn request() -> impl Strategy<Value = String> {
    let id = || (0u64..40, 0u64..2).prop_map(|(ms, seq)| format!("{ms}-{seq}"));
    let group = || prop_oneof![Just("g"), Just("h")];
    let consumer = || prop_oneof![Just("ada"), Just("bob")];
    let claim_options = prop_oneof![
        Just(""),
        Just("FORCE JUSTID"),
        Just("IDLE 30 RETRYCOUNT 7"),
        Just("FORCE TIME 1000"),
        Just("LASTID 9-0")
    ];
    prop_oneof![
        6 => (0u64..3, 0u8..3).prop_map(|(seq, field)| format!("XADD s *  f{field} {seq}")),
        2 => id().prop_map(|id| format!("XADD s MAXLEN ~ 5 {id} f v")),
        2 => id().prop_map(|id| format!("XDEL s {id}")),
        1 => (0u8..20).prop_map(|most| format!("XTRIM s MAXLEN {most}")),
        1 => (0u8..20).prop_map(|most| format!("XTRIM s MAXLEN ~ {most} LIMIT 0")),
        1 => id().prop_map(|id| format!("XTRIM s MINID ~ {id}")),
        1 => id().prop_map(|id| format!("XSETID s {id} ENTRIESADDED 50 MAXDELETEDID 3-0")),
        2 => (group(), id()).prop_map(|(group, id)| format!("XGROUP CREATE s {group} {id} MKSTREAM")),
        1 => (group(), id()).prop_map(|(group, id)| format!("XGROUP SETID s {group} {id}")),
        1 => group().prop_map(|group| format!("XGROUP DESTROY s {group}")),
        1 => (group(), consumer()).prop_map(|(group, consumer)| format!("XGROUP CREATECONSUMER s {group} {consumer}")),
        1 => (group(), consumer()).prop_map(|(group, consumer)| format!("XGROUP DELCONSUMER s {group} {consumer}")),
        4 => (group(), consumer(), 0u8..6)
            .prop_map(|(group, consumer, count)| format!("XREADGROUP GROUP {group} {consumer} COUNT {count} STREAMS s >")),
        1 => (group(), consumer()).prop_map(|(group, consumer)| format!("XREADGROUP GROUP {group} {consumer} NOACK STREAMS s >")),
        2 => (group(), consumer()).prop_map(|(group, consumer)| format!("XREADGROUP GROUP {group} {consumer} STREAMS s 0")),
        2 => (group(), id()).prop_map(|(group, id)| format!("XACK s {group} {id}")),
        2 => (group(), consumer(), id(), claim_options)
            .prop_map(|(group, consumer, id, options)| format!("XCLAIM s {group} {consumer} 0 {id} {options}")),
        1 => (group(), consumer()).prop_map(|(group, consumer)| format!("XAUTOCLAIM s {group} {consumer} 5 - COUNT 3")),
        1 => Just("COPY s t REPLACE".to_owned()),
        1 => Just("COPY t s REPLACE".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn effects_make_the_same_stream(requests in prop::collection::vec(request(), 1..120)) {
        let bench = Bench::new();
        bench.db.options().stream_node_entries_max.store(4, std::sync::atomic::Ordering::Relaxed);
        for request in &requests {
            bench.run(request);
            bench.advance_ms(3);
        }
        assert_groups_replay(&bench);
        assert_totals(&bench.db);
    }
}

#[test]
fn a_turn_that_is_given_up_leaves_the_stream_as_it_was() {
    let bench = Bench::new();
    for n in 1..=250 {
        bench.run(&format!("XADD s {n} f v"));
    }
    bench.run("XGROUP CREATE s g 0");
    bench.run("XREADGROUP GROUP g ada COUNT 150 STREAMS s >");
    bench.effects();
    let before = described(&bench.db);
    let reader = ReadOptions { group: Some(("g".into(), "bob".into())), ..ReadOptions::default() };
    let given_up: Result<(), CommandError> = bench.db.atomic("s", |turn| {
        turn.xadd("s", AddId::Auto, &[("f", "v")])?;
        turn.xread_options(&["s"], &[ReadFrom::New], &reader)?;
        turn.xautoclaim_options("s", "g", "eve", 0, StreamId::MIN, AutoClaimOptions::default())?;
        turn.xack("s", "g", &[StreamId::new(1, 0)])?;
        turn.xdel("s", &[StreamId::new(200, 0)])?;
        turn.xtrim("s", TrimOptions::exact(TrimTo::Length(30)))?;
        turn.xgroup_create("s", "other", GroupStart::Now)?;
        turn.xgroup_destroy("s", "g")?;
        turn.xgroup_create_mkstream("s", "g", GroupStart::Now)?;
        Err(CommandError::Syntax)
    });
    assert_eq!(given_up, Err(CommandError::Syntax));
    assert_eq!(described(&bench.db), before);
    assert!(bench.effects().is_empty());
    assert_totals(&bench.db);
    assert_groups_replay(&bench);
}
