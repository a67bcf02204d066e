//! The bounds that are stated for memory hold for the fewest bytes that can stand for each thing: large inputs, made to cost.

use super::payload::times_of;
use super::rdb::load;
use crate::allowance::{of_making, of_reading, peak_of, within};
use keyslot_engine::payload::push_number;
use keyslot_engine::{Attributes, Engine};
use keyslot_persistence::recovery::{check_log, check_manifest};

#[test]
fn values_take_memory_by_their_type_and_size() {
    let few = |n: u64, out: &mut Vec<u8>| text(out, &short(n));
    let values = [
        ("list", 1, counted(200_000, |_, out| text(out, b""))),
        ("set", 2, counted(200_000, few)),
        (
            "sorted set, scores as text",
            3,
            counted(200_000, |n, out| {
                few(n, out);
                text(out, b"1");
            }),
        ),
        (
            "sorted set",
            5,
            counted(100_000, |n, out| {
                few(n, out);
                out.extend_from_slice(&1f64.to_le_bytes());
            }),
        ),
        (
            "hash",
            4,
            counted(200_000, |n, out| {
                few(n, out);
                text(out, b"");
            }),
        ),
        (
            "hash with expiries",
            22,
            counted(200_000, |n, out| {
                push_number(out, 5);
                few(n, out);
                text(out, b"");
            }),
        ),
        ("integer set", 11, integer_set()),
        ("groups of a stream", 19, groups(50_000)),
        ("consumers of a group", 21, consumers(50_000)),
        ("pending entries", 19, pending(50_000)),
        ("an entry of many fields", 15, wide_entry(300_000)),
        ("fields of a node", 15, long_field(20_000)),
        ("nodes", 15, nodes(20_000)),
    ];
    for (name, number, body) in values {
        let db = Engine::in_memory();
        let mut loader = db.loader();
        let mut used = Ok(0);
        let peak = peak_of(|| used = loader.value(0, b"k", Attributes::default(), number, &body));
        assert_eq!(used, Ok(body.len()), "{name}");
        let times = peak as f64 / body.len() as f64;
        assert!(times <= times_of(number) as f64, "{name}: {times:.1} times {} bytes", body.len());
        println!("{name}: {times:.1} times its {} bytes", body.len());
    }
}

#[test]
fn keys_and_notes_of_an_rdb_take_memory_by_their_size() {
    let key = |n: u64, out: &mut Vec<u8>| {
        out.push(0);
        text(out, &short(n));
        text(out, b"");
    };
    let note = |n: u64, out: &mut Vec<u8>| {
        out.push(0xfa);
        text(out, &short(n));
        text(out, b"");
    };
    let library = |n: u64, out: &mut Vec<u8>| {
        out.push(0xf5);
        text(out, format!("#!lua name=l{n}\nredis.register_function('f{n}',f)").as_bytes());
    };
    for (name, count, piece) in [
        ("keys", 20_000, key as fn(u64, &mut Vec<u8>)),
        ("more keys", 200_000, key),
        ("notes", 100_000, note),
        ("libraries", 3000, library),
    ] {
        let mut file = b"REDIS0010".to_vec();
        (0..count).for_each(|n| piece(n, &mut file));
        file.extend_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        let db = Engine::in_memory();
        let mut loaded = None;
        let peak = peak_of(|| loaded = Some(load(&db, &file, file.len())));
        loaded.expect("it ran").expect("a sound file");
        assert!(peak <= of_making(&file, 8), "{name}: {peak} for {} bytes", file.len());
    }
}

#[test]
fn a_compressed_string_takes_what_it_holds_and_a_claim_nothing() {
    // 100 references of three bytes, each 264 bytes long.
    let packed = [&[0, b'x'][..], &[0xe0, 255, 0].repeat(100)].concat();
    let value = |size: usize| {
        let mut body = vec![0xc3];
        push_number(&mut body, packed.len() as u64);
        push_number(&mut body, size as u64);
        body.extend_from_slice(&packed);
        body
    };
    for (size, is_there) in [(26_401, true), (26_500, false), (26_000, false), (1 << 31, false)] {
        let body = value(size);
        let db = Engine::in_memory();
        let mut loader = db.loader();
        let mut used = Ok(0);
        let peak = peak_of(|| used = loader.value(0, b"k", Attributes::default(), 0, &body));
        assert_eq!(used.is_ok(), is_there, "{size}");
        assert!(peak <= if is_there { 3 * size } else { 4096 }, "{size}: {peak}");
    }
}

#[test]
fn logs_and_manifests_take_memory_by_their_size() {
    let empty = b"*1\r\n$0\r\n\r\n";
    let transaction = [b"*1\r\n$5\r\nMULTI\r\n", &empty.repeat(200_000)[..], b"*1\r\n$4\r\nEXEC\r\n"].concat();
    let wide = [b"*300000\r\n", &b"$0\r\n\r\n".repeat(300_000)[..]].concat();
    let cut = [b"*1048576\r\n", &b"$0\r\n\r\n".repeat(300_000)[..]].concat();
    for log in [transaction, wide, cut, b"*1\r\n$4\r\nPING\r\n".repeat(100_000)] {
        let mut commands = 0;
        let peak = peak_of(|| commands = check_log(&log).commands);
        println!("{:.1} times {} bytes of log, {commands} commands", peak as f64 / log.len() as f64, log.len());
        within(of_reading(log.len()), || check_log(&log));
    }
    let lines = |kind| (1..=90_000).map(|seq| format!("file a seq {seq} type {kind}\n")).collect::<String>();
    for manifest in [lines('i'), lines('h'), format!("file \"{}\" seq 1 type i\n", "x".repeat(1 << 20))] {
        let read = within(of_reading(manifest.len()), || check_manifest(manifest.as_bytes()));
        assert!(read.is_ok());
    }
}

fn counted(count: u64, mut item: impl FnMut(u64, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    push_number(&mut out, count);
    (0..count).for_each(|n| item(n, &mut out));
    out
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    push_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Different texts, as short as can be.
fn short(n: u64) -> Vec<u8> {
    let len = (64 - n.leading_zeros()).div_ceil(8).max(1);
    n.to_le_bytes()[..len as usize].to_vec()
}

fn integer_set() -> Vec<u8> {
    let integers: Vec<u8> = (i16::MIN..=i16::MAX).flat_map(i16::to_le_bytes).collect();
    let mut out = Vec::new();
    text(&mut out, &[&2u32.to_le_bytes()[..], &65_536u32.to_le_bytes(), &integers].concat());
    out
}

/// A stream without entries and with these groups.
fn grouped(groups: &[u8]) -> Vec<u8> {
    // No nodes, no entries, last id 9-9; no first id, none deleted, none added.
    [&[0, 0, 9, 9, 0, 0, 0, 0, 0][..], groups].concat()
}

fn groups(count: u64) -> Vec<u8> {
    grouped(&counted(count, |n, out| {
        text(out, &short(n));
        out.extend_from_slice(&[0; 5]);
    }))
}

/// The head of a group, up to the number of its pending entries.
const GROUP: &[u8] = &[1, 1, b'g', 0, 0, 0];

fn consumers(count: u64) -> Vec<u8> {
    let consumers = counted(count, |n, out| {
        text(out, &short(n));
        out.extend_from_slice(&[0; 17]);
    });
    grouped(&[GROUP, &[0], &consumers].concat())
}

fn pending(count: u64) -> Vec<u8> {
    let entries = counted(count, |n, out| {
        out.extend_from_slice(&[&(n + 1).to_be_bytes()[..], &[0; 16], &[1]].concat());
    });
    let owned = counted(count, |n, out| out.extend_from_slice(&[&(n + 1).to_be_bytes()[..], &[0; 8]].concat()));
    grouped(&[GROUP, &entries, &[1, 1, b'c', 0, 0, 0, 0, 0, 0, 0, 0], &owned].concat())
}

/// A stream of these nodes, one millisecond apart, with so many entries.
fn of_nodes(nodes: &[Vec<u8>], length: u64) -> Vec<u8> {
    let mut out = counted(nodes.len() as u64, |n, out| {
        text(out, &[(n + 1).to_be_bytes(), [0; 8]].concat());
        text(out, &nodes[n as usize]);
    });
    push_number(&mut out, length);
    push_number(&mut out, nodes.len() as u64 + 1);
    out.extend_from_slice(&[0, 0]);
    out
}

/// A listpack of these elements.
fn listpack(elements: &[u8]) -> Vec<u8> {
    let size = (elements.len() + 7) as u32;
    [&size.to_le_bytes()[..], &[0xff; 2], elements, &[0xff]].concat()
}

/// A small integer as an element of a listpack.
const fn int(n: u8) -> [u8; 2] {
    [n, 1]
}

fn long_int(n: u32) -> Vec<u8> {
    [&[0xf3][..], &n.to_le_bytes(), &[5]].concat()
}

fn wide_entry(fields: u32) -> Vec<u8> {
    let many = int(7).repeat(fields as usize);
    let head = [&int(1)[..], &int(0), &long_int(fields), &many, &int(0)].concat();
    // The same fields, at the node's own id.
    of_nodes(&[listpack(&[&head[..], &int(2), &int(0), &int(0), &many, &int(1)].concat())], 1)
}

/// One long field, that the entries of the node leave out.
fn long_field(entries: u32) -> Vec<u8> {
    let field = [&[0xf0][..], &0x4000u32.to_le_bytes(), &[b'f'; 0x4000], &[0x01, 0x80, 0x85]].concat();
    let mut elements = [&long_int(entries)[..], &int(0), &int(1), &field, &int(0)].concat();
    for n in 0..entries {
        elements.extend_from_slice(&[&int(2)[..], &int(0), &long_int(n), &int(0), &int(4)].concat());
    }
    of_nodes(&[listpack(&elements)], entries.into())
}

fn nodes(count: u64) -> Vec<u8> {
    let node = listpack(&[1, 0, 1, 1, 0, 2, 0, 0, 0, 4].map(int).concat());
    of_nodes(&vec![node; count as usize], count)
}
