//! Blocks: their shapes, sharing, and editing.

use super::*;

#[test]
fn a_small_string_takes_one_block_of_92_bytes() {
    let e = Plain::string(&[b'k'; 16], StrRef::Bytes(&[b'v'; 64]), false, None);
    assert_eq!(e.shape().size(), 92);
    assert_eq!(e.heap_bytes(), 96);
}

#[test]
fn parts_survive_every_shape() {
    for key_len in [0, 1, 255, 256, 70_000] {
        for expiry in [None, Some(UnixMillis(-5)), Some(UnixMillis(i64::MAX))] {
            let key: Vec<u8> = (0..key_len).map(|i| i as u8).collect();
            let long = vec![7u8; INLINE_VALUE_BYTES_MAX + 1];
            for value in [StrRef::Int(-42), StrRef::Bytes(b""), StrRef::Bytes(b"abc"), StrRef::Bytes(&long)] {
                let mut e = Plain::string(&key, value, false, expiry);
                e.set_access(0x12_3456);
                assert_eq!((e.key(), e.expiry(), e.as_string()), (&key[..], expiry, Some(value)));
                e.set_expiry(Some(UnixMillis(9)));
                assert_eq!((e.key(), e.expiry(), e.as_string()), (&key[..], Some(UnixMillis(9)), Some(value)));
                e.set_expiry(None);
                assert_eq!((e.key(), e.expiry(), e.as_string()), (&key[..], None, Some(value)));
                assert_eq!(e.access(), 0x12_3456);
                let other = e.renamed(b"other");
                assert_eq!((other.key(), other.as_string()), (&b"other"[..], Some(value)));
            }
        }
    }
}

#[test]
fn a_shared_entry_is_copied_before_it_changes() {
    let mut e = Plain::string(b"k", StrRef::Bytes(b"old"), false, None);
    let view = e.clone();
    e.set_string(StrRef::Bytes(b"new"), false, None);
    assert_eq!(view.as_string(), Some(StrRef::Bytes(b"old")));
    assert_eq!(e.as_string(), Some(StrRef::Bytes(b"new")));
    let before = e.0;
    e.set_string(StrRef::Bytes(b"ned"), true, None);
    assert_eq!(e.0, before, "a unique block is changed in place");
    assert!(e.is_raw());
}

#[test]
fn a_shared_long_value_is_copied_before_it_changes() {
    let long = vec![1u8; 5000];
    let mut e = Plain::string(b"k", StrRef::Bytes(&long), true, None);
    let view = e.clone();
    let Some(bytes) = e.object_mut().and_then(Vec::bytes_mut) else { panic!("a long value is boxed") };
    bytes.push(2);
    assert_eq!(view.as_string(), Some(StrRef::Bytes(&long)));
    assert_eq!(e.as_string().map(|s| s.byte_len()), Some(5001));
}

#[test]
fn editing_moves_a_string_out_of_its_block_when_it_grows_and_then_changes_it_in_place() {
    let mut e = Plain::string(b"k", StrRef::Int(12), false, Some(UnixMillis(5)));
    e.set_access(7);
    e.edit_string(|bytes| bytes.extend_from_slice(b"3"));
    assert_eq!((e.as_string(), e.is_raw()), (Some(StrRef::Bytes(b"123")), true));
    e.edit_string(|bytes| bytes.resize(INLINE_VALUE_BYTES_MAX + 1, b'x'));
    assert_eq!((e.expiry(), e.access(), e.key()), (Some(UnixMillis(5)), 7, &b"k"[..]));
    e.edit_string(|bytes| bytes.reserve(100));
    let before = e.as_string().map(|s| s.with_bytes(<[u8]>::as_ptr));
    e.edit_string(|bytes| bytes.extend_from_slice(b"more"));
    assert_eq!(e.as_string().map(|s| s.with_bytes(<[u8]>::as_ptr)), before);
    let view = e.clone();
    e.edit_string(|bytes| bytes.clear());
    assert_eq!(view.as_string().map(StrRef::byte_len), Some(INLINE_VALUE_BYTES_MAX + 5));
}

#[test]
fn dropping_on_many_threads_frees_once() {
    let e = Plain::string(b"k", StrRef::Bytes(&[1; 4000]), false, None);
    std::thread::scope(|s| {
        for _ in 0..4 {
            let e = e.clone();
            s.spawn(move || assert_eq!(e.key(), b"k"));
        }
    });
    assert_eq!(e.key(), b"k");
}

/// Run with `RUSTFLAGS="--cfg loom" cargo test -p keyslot-engine --lib --release loom_`.
#[cfg(loom)]
mod loom_models {
    use super::*;

    #[test]
    fn loom_the_last_of_two_owners_frees_and_the_survivor_sees_its_own_value() {
        loom::model(|| {
            let mut entry = Plain::string(b"k", StrRef::Bytes(b"old"), false, None);
            let view = entry.clone();
            let reader = loom::thread::spawn(move || assert_eq!(view.as_string(), Some(StrRef::Bytes(b"old"))));
            entry.set_string(StrRef::Bytes(b"new"), false, None);
            assert_eq!(entry.as_string(), Some(StrRef::Bytes(b"new")));
            entry.set_access(7);
            reader.join().expect("the reader saw the old value");
        });
    }

    #[test]
    fn loom_owners_on_three_threads_drop_in_any_order() {
        loom::model(|| {
            let entry = Plain::string(b"k", StrRef::Bytes(&[1; INLINE_VALUE_BYTES_MAX + 1]), false, None);
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let entry = entry.clone();
                    loom::thread::spawn(move || drop(entry))
                })
                .collect();
            drop(entry);
            for other in others {
                other.join().expect("dropping does not panic");
            }
        });
    }
}
