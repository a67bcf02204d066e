use super::*;
use proptest::prelude::*;

fn plain_ranks(bytes: &[u8]) -> [u8; REGISTERS] {
    let mut ranks = [0; REGISTERS];
    merge_into(&mut ranks, bytes, form(bytes).expect("a counter")).expect("sound");
    ranks
}

/// Registers close to each other, so that runs are split and joined.
fn sightings() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop_oneof![
        proptest::collection::vec((0usize..40, 1u8..6), 0..200),
        proptest::collection::vec((0..REGISTERS, 1u8..33), 0..200),
        proptest::collection::vec((REGISTERS - 70..REGISTERS, 1u8..40), 0..200),
    ]
}

proptest! {
    #[test]
    fn both_forms_hold_what_was_seen(sightings in sightings(), bytes_max in 18usize..400) {
        let (mut bytes, mut ranks) = (empty(), [0; REGISTERS]);
        for (register, rank) in sightings {
            let sighting = Sighting { register, rank };
            let expected = rank > ranks[register];
            let form = form(&bytes).expect("a counter");
            prop_assert_eq!(would_change(&bytes, form, sighting), Ok(expected));
            prop_assert_eq!(raise(&mut bytes, sighting, bytes_max), Ok(expected));
            ranks[register] = ranks[register].max(rank);
            prop_assert!(super::form(&bytes) == Some(Form::Dense) || bytes.len() <= bytes_max);
        }
        prop_assert!(plain_ranks(&bytes) == ranks);
        let estimated = estimate(&bytes, form(&bytes).expect("a counter"));
        prop_assert_eq!(estimated, Ok(estimate_ranks(&ranks)));
        make_dense(&mut bytes).expect("sound");
        prop_assert!(plain_ranks(&bytes) == ranks);
    }

    #[test]
    fn any_bytes_are_refused_or_taken_without_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..60), register in 0..REGISTERS, rank in 1u8..52
    ) {
        bytes.splice(0..0, *b"HYLL\x01");
        if let Some(form) = form(&bytes) {
            let mut ranks = [0; REGISTERS];
            let _ = merge_into(&mut ranks, &bytes, form);
            let _ = estimate(&bytes, form);
            let _ = describe_runs(&bytes);
            let _ = would_change(&bytes, form, Sighting { register, rank });
            let _ = raise(&mut bytes, Sighting { register, rank }, 3000);
        }
    }
}

#[test]
fn a_corrupt_length_does_not_overflow() {
    let mut bytes = empty();
    bytes.extend(std::iter::repeat_n([0x7f, 0xff], 300_000).flatten());
    assert_eq!(estimate(&bytes, Form::Sparse), Err(Corrupt));
    assert_eq!(make_dense(&mut bytes), Err(Corrupt));
}

#[test]
fn hashes_are_those_of_the_format() {
    let seen = |text: &str| (Sighting::of(text.as_bytes()).register, Sighting::of(text.as_bytes()).rank);
    assert_eq!((seen("a"), seen("b"), seen("c")), ((12711, 2), (15780, 1), (8436, 1)));
}

#[test]
fn the_cardinality_is_kept_until_it_is_stale() {
    let mut bytes = empty();
    assert_eq!(cached(&bytes), Some(0));
    invalidate(&mut bytes);
    assert_eq!(cached(&bytes), None);
    cache(&mut bytes, 77);
    assert_eq!(cached(&bytes), Some(77));
}
