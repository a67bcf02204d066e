//! Snapshots that are sent: whole, in pieces, cut and bent.

use super::{SnapshotExport, SnapshotHeader, SnapshotReceiver, TransferError};
use keyslot_engine::Engine;

fn filled() -> Engine {
    let db = Engine::builder().seed(3).in_memory();
    for n in 0..3000 {
        db.call(&["SET", &format!("{{tag}}{n}"), "x"]);
        db.call(&["RPUSH", &format!("list:{}", n % 50), "a"]);
    }
    db.call(&["SET", "timed", "7", "PX", "100000000"]);
    db.call(&["COPY", "list:7", "list:7", "DB", "9"]);
    db.call(&["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"]);
    db
}

fn sent(db: &Engine, budget: usize) -> Vec<u8> {
    let mut export = SnapshotExport::new(db.view(), 77, "a".repeat(40), 9);
    let mut all = Vec::new();
    let mut longest = 0;
    loop {
        let before = all.len();
        let is_done = export.fill(&mut all, budget);
        longest = longest.max(all.len() - before);
        if is_done {
            break;
        }
    }
    assert!(longest < budget + 60_000, "{longest}");
    all
}

/// What an engine has of a stream that is fed in pieces, and what came behind it.
fn taken(bytes: &[u8], piece: usize, loaders: usize) -> Result<(Engine, usize), TransferError> {
    let copy = Engine::in_memory();
    let Some((header, size)) = SnapshotHeader::read(bytes)? else { panic!("the header is there") };
    let mut receiver = SnapshotReceiver::new(&copy, header, loaders);
    let mut used = size;
    for piece in bytes[size..].chunks(piece) {
        used += receiver.feed(piece)?;
        if receiver.is_finished() {
            break;
        }
    }
    let received = receiver.finish()?;
    assert_eq!((received.selected, received.loaded.libraries), (9, 1));
    Ok((copy, used))
}

#[test]
fn what_is_sent_arrives_in_pieces_of_any_size_and_by_any_number_of_loaders() {
    let db = filled();
    for (budget, piece, loaders) in [(1, 1 << 20, 0), (10_000, 1, 0), (1 << 20, 31, 0), (1 << 20, 4096, 1), (7, 777, 3)]
    {
        let mut bytes = sent(&db, budget);
        let size = bytes.len();
        bytes.extend_from_slice(b"the stream goes on");
        let (copy, used) = taken(&bytes, piece, loaders).unwrap();
        assert_eq!(copy.call(&["DEBUG", "DIGEST"]), db.call(&["DEBUG", "DIGEST"]));
        assert_eq!(copy.call(&["FUNCTION", "DUMP"]), db.call(&["FUNCTION", "DUMP"]));
        assert_eq!(used, size);
    }
}

#[test]
fn what_is_cut_or_bent_is_an_error() {
    let db = Engine::builder().seed(3).in_memory();
    (0..20).for_each(|n| drop(db.call(&["SET", &format!("k{n}"), "value"])));
    db.call(&["SADD", "set", "a", "b"]);
    let mut export = SnapshotExport::new(db.view(), 77, String::new(), 9);
    let mut bytes = Vec::new();
    assert!(export.fill(&mut bytes, usize::MAX));
    let ends = |bytes: &[u8], loaders: usize| -> Result<(), TransferError> {
        let Some((header, size)) = SnapshotHeader::read(bytes)? else { panic!("the header is there") };
        let mut receiver = SnapshotReceiver::new(&Engine::in_memory(), header, loaders);
        receiver.feed(&bytes[size..])?;
        receiver.finish().map(drop)
    };
    assert_eq!(ends(&bytes, 0), Ok(()));
    for len in 0..bytes.len() {
        match SnapshotHeader::read(&bytes[..len]) {
            Ok(None) => assert!(len < 112),
            Ok(Some(_)) => assert!(ends(&bytes[..len], 0).is_err(), "{len} bytes"),
            Err(error) => panic!("{len} bytes: {error}"),
        }
    }
    for bit in 0..bytes.len() * 8 {
        let mut bent = bytes.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        if matches!(SnapshotHeader::read(&bent), Ok(Some(_))) {
            assert!(ends(&bent, 0).is_err(), "bit {bit}");
        }
        if bit % 701 == 0 && bit >= 112 * 8 {
            assert!(ends(&bent, 2).is_err(), "bit {bit}, with loaders");
        }
    }
    // A section that comes twice, and one that is left out.
    let (head, rest) = bytes.split_at(112);
    let size = 32 + u64::from_le_bytes(rest[16..24].try_into().unwrap()) as usize;
    for loaders in [0, 2] {
        assert!(ends(&[head, &rest[..size], rest].concat(), loaders).is_err());
        assert!(ends(&[head, &rest[size..]].concat(), loaders).is_err());
    }
}

#[test]
fn a_receiver_that_is_dropped_has_no_loaders_left() {
    let db = filled();
    let bytes = sent(&db, 1 << 20);
    let copy = Engine::in_memory();
    let (header, size) = SnapshotHeader::read(&bytes).unwrap().unwrap();
    let mut receiver = SnapshotReceiver::new(&copy, header, 2);
    receiver.feed(&bytes[size..bytes.len() / 2]).unwrap();
    drop(receiver);
    copy.call(&["FLUSHALL"]);
    assert_eq!(format!("{:?}", copy.call(&["DBSIZE"])), format!("{:?}", Engine::in_memory().call(&["DBSIZE"])));
}
