//! Segments against a model, split, shared, and through a panic.

use super::*;
use std::collections::BTreeMap;

#[derive(Clone)]
struct Item(Box<(u64, u32)>);

// SAFETY: a box is one pointer, and the two functions are inverse.
unsafe impl Thin for Item {
    fn into_address(self) -> NonNull<u8> {
        NonNull::from(Box::leak(self.0)).cast()
    }
    unsafe fn from_address(address: NonNull<u8>) -> Self {
        // SAFETY: the address came from `into_address`.
        Self(unsafe { Box::from_raw(address.cast().as_ptr()) })
    }
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*state >> 33) ^ state.rotate_left(17)
}

fn check(segment: &Segment<Item>, model: &BTreeMap<u64, u32>) {
    assert_eq!(segment.count(), model.len());
    assert_eq!(segment.iter().count(), model.len());
    for (&hash, &value) in model {
        let place = segment.find(hash, |item| item.0.0 == hash).unwrap_or_else(|| panic!("lost {hash:x}"));
        assert_eq!(segment.get(place).0.1, value);
    }
}

#[test]
fn behaves_as_a_map_while_it_grows_and_shrinks() {
    // Hashes that agree in their first bits crowd the lines, so that overflow and gap closing are exercised.
    for (seed, shift) in [(1u64, 0u32), (2, 0), (3, 6), (4, 12)] {
        let (mut state, mut segment, mut model) = (seed, Segment::new(0), BTreeMap::new());
        for step in 0..20_000u32 {
            let hash = (random(&mut state) % 700 * (u64::MAX / 700)) >> shift;
            let growing = step / 2_000 % 2 == 0;
            let place = segment.find(hash, |item: &Item| item.0.0 == hash);
            match place {
                Some(place) if !growing || step % 7 == 0 => {
                    assert_eq!(Some(segment.remove(place).0.1), model.remove(&hash));
                }
                Some(place) => {
                    segment.update(place, |item| item.0.1 = step);
                    model.insert(hash, step);
                }
                None if growing => {
                    segment.insert(hash, Item(Box::new((hash, step))));
                    model.insert(hash, step);
                }
                None => assert!(!model.contains_key(&hash)),
            }
            if step % 500 == 0 {
                check(&segment, &model);
            }
        }
        check(&segment, &model);
    }
}

#[test]
fn split_divides_by_the_next_bit() {
    let (mut state, mut segment) = (9, Segment::new(0));
    for n in 0..SEGMENT_ELEMENTS_MAX as u32 {
        let hash = random(&mut state);
        segment.insert(hash, Item(Box::new((hash, n))));
    }
    let (low, high) = segment.split(|item| item.0.0);
    assert_eq!(low.count() + high.count(), SEGMENT_ELEMENTS_MAX);
    assert!(low.iter().all(|item| item.0.0 >> 63 == 0) && high.iter().all(|item| item.0.0 >> 63 == 1));
    for item in low.iter() {
        assert!(low.find(item.0.0, |other| other.0.0 == item.0.0).is_some());
    }
}

#[test]
fn a_clone_holds_what_was_there_whoever_changes_first_and_whoever_goes_first() {
    for change_the_clone in [false, true] {
        let mut segment = Segment::new(0);
        for n in 0..100u64 {
            segment.insert(n << 50, Item(Box::new((n << 50, 0))));
        }
        let mut clone = segment.clone();
        assert_eq!(segment.line_hint().0, clone.line_hint().0, "a clone costs nothing");
        let (changed, kept) = match change_the_clone {
            true => (&mut clone, &segment),
            false => (&mut segment, &clone),
        };
        let place = changed.find(7 << 50, |item| item.0.0 == 7 << 50).expect("inserted");
        changed.update(place, |item| item.0.1 = 9);
        let place = changed.find(8 << 50, |item| item.0.0 == 8 << 50).expect("inserted");
        changed.remove(place);
        assert_eq!((changed.count(), kept.count(), kept.iter().count()), (99, 100, 100));
        assert!(kept.iter().all(|item| item.0.1 == 0));
        assert_ne!(segment.line_hint().0, clone.line_hint().0);
    }
    let mut segment = Segment::new(0);
    segment.insert(5, Item(Box::new((5, 1))));
    let first = segment.clone();
    let second = first.clone();
    drop(first);
    drop(second);
    let before = segment.line_hint().0;
    let place = segment.find(5, |_| true).expect("inserted");
    segment.update(place, |item| item.0.1 = 2);
    assert_eq!(segment.line_hint().0, before, "the last owner copies nothing");
    let clone = segment.clone();
    drop(segment);
    assert_eq!(clone.iter().next().map(|item| item.0.1), Some(2));
}

#[test]
fn an_update_that_panics_keeps_the_element() {
    let mut segment = Segment::new(0);
    segment.insert(5, Item(Box::new((5, 1))));
    let place = segment.find(5, |_| true).expect("just inserted");
    let outcome =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| segment.update(place, |_| panic!("on purpose"))));
    assert!(outcome.is_err());
    assert_eq!(segment.get(place).0.0, 5);
}

#[test]
fn an_empty_segment_owns_nothing() {
    let mut segment = Segment::new(0);
    for n in 0..100u64 {
        segment.insert(n << 48, Item(Box::new((n << 48, 0))));
    }
    for n in 0..100u64 {
        let place = segment.find(n << 48, |item| item.0.0 == n << 48).expect("inserted");
        segment.remove(place);
    }
    assert_eq!((segment.count(), segment.heap_bytes()), (0, 0));
}
