//! Requests and their keys, as redis-server 7.2.4 answers COMMAND GETKEYSANDFLAGS for them (`_` stands for an empty
//! argument).

use super::*;
use crate::command::Run;
use crate::command::table::Table;

const ROWS: &[Row] = &[
    Row::new("set", -3, Run::Host)
        .keys(&[KeySpec::index(1).rw().access().update().variable_flags()])
        .extractor(Extractor::Set),
    Row::new("mset", -3, Run::Host).keys(&[KeySpec::index(1).range(-1, 2).ow().update()]),
    Row::new("del", -2, Run::Host).keys(&[KeySpec::index(1).range(-1, 1).rm().delete()]),
    Row::new("bitop", -4, Run::Host)
        .keys(&[KeySpec::index(2).ow().update(), KeySpec::index(3).range(-1, 1).ro().access()]),
    Row::new("rename", 3, Run::Host).keys(&[KeySpec::index(1).rw().access().delete(), KeySpec::index(2).ow().update()]),
    Row::container(
        "object",
        Run::Host,
        &[Row::new("object|encoding", 3, Run::Host).keys(&[KeySpec::index(2).ro()])],
        &[],
    ),
    Row::new("eval", -3, Run::Host).keys(&[KeySpec::index(2).counted().rw().access().update()]),
    Row::new("zunionstore", -4, Run::Host)
        .keys(&[KeySpec::index(1).ow().update(), KeySpec::index(2).counted().ro().access()]),
    Row::new("blmpop", -5, Run::Host).keys(&[KeySpec::index(2).counted().rw().access().delete()]),
    Row::new("xread", -4, Run::Host).keys(&[KeySpec::keyword("STREAMS", 1).fraction(2).ro().access()]),
    Row::new("georadius", -6, Run::Host).keys(&[
        KeySpec::index(1).ro().access(),
        KeySpec::keyword("STORE", 6).ow().update(),
        KeySpec::keyword("STOREDIST", 6).ow().update(),
    ]),
    Row::new("sort", -2, Run::Host)
        .keys(&[KeySpec::index(1).ro().access(), KeySpec::unknown().ro().access(), KeySpec::unknown().ow().update()])
        .extractor(Extractor::Sort),
    Row::new("sort_ro", -2, Run::Host)
        .keys(&[KeySpec::index(1).ro().access(), KeySpec::unknown().ro().access()])
        .extractor(Extractor::SortRo),
    Row::new("migrate", -6, Run::Host)
        .keys(&[
            KeySpec::index(3).rw().access().delete(),
            KeySpec::keyword("KEYS", -2).range(-1, 1).rw().access().delete().incomplete(),
        ])
        .extractor(Extractor::Migrate),
    Row::new("bitfield", -2, Run::Host)
        .keys(&[KeySpec::index(1).rw().update().access().variable_flags()])
        .extractor(Extractor::Bitfield),
    Row::new("spublish", 3, Run::Host).keys(&[KeySpec::index(1).not_key()]),
    Row::new("ping", -1, Run::Host),
];

const CASES: &[(&str, &str)] = &[
    ("set k v", "k:OW,update"),
    ("set k v ex 1 GET", "k:RW,access,update"),
    ("set get v", "get:OW,update"),
    ("mset a 1 b 2 c 3", "a:OW,update b:OW,update c:OW,update"),
    ("mset a 1 b", "a:OW,update b:OW,update"),
    ("del a b c", "a:RM,delete b:RM,delete c:RM,delete"),
    ("bitop and d a b", "d:OW,update a:RO,access b:RO,access"),
    ("rename a b", "a:RW,access,delete b:OW,update"),
    ("object encoding k", "k:RO"),
    ("eval s 2 a b x", "a:RW,access,update b:RW,access,update"),
    ("eval s 0 x", ""),
    ("eval s 3 a b", ""),
    ("eval s -1 a", ""),
    ("eval s x a", ""),
    ("eval s 99999999999999999999 a", ""),
    ("zunionstore d 2 a b weights 1 2", "d:OW,update a:RO,access b:RO,access"),
    ("zunionstore d 0 a", ""),
    ("zunionstore d 9 a", ""),
    ("blmpop 0 1 a left", "a:RW,access,delete"),
    ("xread count 1 streams a b 0 0", "a:RO,access b:RO,access"),
    ("XREAD BLOCK 0 STREAMS a $", "a:RO,access"),
    ("xread count 1 a b", ""),
    ("xread count 1 streams a", ""),
    ("georadius k 1 2 3 m store d", "k:RO,access d:OW,update"),
    ("georadius k 1 2 3 m", "k:RO,access"),
    ("georadius k 1 2 3 m STOREDIST d", "k:RO,access d:OW,update"),
    ("sort k", "k:RO,access"),
    ("sort k by w get x store d", "k:RO,access d:OW,update"),
    ("sort k store a limit 0 1 STORE b", "k:RO,access b:OW,update"),
    ("sort k store", "k:RO,access"),
    ("sort_ro k by w", "k:RO,access"),
    ("migrate h 1 k 0 9", "k:RW,access,delete"),
    ("migrate h 1 _ 0 9 copy keys a b", "a:RW,access,delete b:RW,access,delete"),
    ("migrate h 1 k 0 9 keys a b", ""),
    ("migrate h 1 _ 0 9 auth keys keys a", "a:RW,access,delete"),
    ("migrate h 1 _ 0 9 auth2 u keys keys a", "a:RW,access,delete"),
    ("migrate h 1 _ 0 9 keys", ":RW,access,delete"),
    ("bitfield k get u8 0", "k:RO,access"),
    ("bitfield k overflow sat get u8 0", "k:RO,access"),
    ("bitfield k get u8 0 set u8 0 1", "k:RW,access,update"),
    ("bitfield k get u8", "k:RW,access,update"),
];

fn shown(args: &[&[u8]], keys: KeyRefs) -> String {
    let show = |key: KeyRef| {
        let flags = (0..KeyFlags::NAMES.len()).filter(|bit| key.flags.0 >> bit & 1 == 1);
        let flags: Vec<_> = flags.map(|bit| KeyFlags::NAMES[bit]).collect();
        format!("{}:{}", String::from_utf8_lossy(args[key.index as usize]), flags.join(","))
    };
    keys.into_iter().map(show).collect::<Vec<_>>().join(" ")
}

fn words(request: &str) -> Vec<&[u8]> {
    request.split(' ').map(|word| if word == "_" { &b""[..] } else { word.as_bytes() }).collect()
}

#[test]
fn keys_are_those_that_redis_finds() {
    let table = Table::new(&[ROWS]);
    for &(request, expected) in CASES {
        let args = words(request);
        let command = table.lookup(&args).unwrap();
        assert_eq!(shown(&args, command.keys(&args, Include::Keys)), expected, "{request}");
    }
}

#[test]
fn a_plain_range_names_the_same_keys_without_looking() {
    let table = Table::new(&[ROWS]);
    let mut plain = 0;
    for &(request, _) in CASES {
        let args = words(request);
        let command = table.lookup(&args).unwrap();
        if let Some(range) = command.plain_range(args.len()) {
            let found: Vec<_> = command.keys(&args, Include::Keys).iter().map(|key| key.index as usize).collect();
            assert_eq!(range.positions().collect::<Vec<_>>(), found, "{request}");
            plain += 1;
        }
    }
    assert!(plain >= 4);
    let mset = table.find(b"mset").unwrap();
    assert_eq!((mset.plain_range(1), mset.plain_range(0)), (None, None));
}

#[test]
fn what_is_only_routed_is_returned_only_on_request() {
    let table = Table::new(&[ROWS]);
    let args = words("spublish channel message");
    let command = table.lookup(&args).unwrap();
    assert!(!command.has_keys());
    assert!(command.keys(&args, Include::Keys).is_empty());
    assert_eq!(shown(&args, command.keys(&args, Include::Routed)), "channel:not_key");
    assert!(!table.find(b"ping").unwrap().has_keys());
    let args = words("bitop and d");
    let command = table.lookup(&args).unwrap();
    assert!(command.keys(&args, Include::Keys).is_empty());
    assert_eq!(shown(&args, command.keys(&args, Include::Routed)), "d:RW");
}

#[test]
fn no_request_makes_the_search_leave_it() {
    let table = Table::new(&[ROWS]);
    let words: [&[u8]; 12] =
        [b"", b"0", b"1", b"2", b"-1", b"4294967296", b"keys", b"auth2", b"streams", b"store", b"get", b"overflow"];
    let mut seed = 1u64;
    for command in table.top() {
        for round in 0..2000 {
            let mut args: Vec<&[u8]> = vec![command.row.name.as_bytes()];
            for _ in 0..round % 12 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                args.push(words[(seed >> 33) as usize % words.len()]);
            }
            let keys = command.keys(&args, Include::Routed);
            assert!(keys.iter().all(|key| key.index > 0 && (key.index as usize) < args.len()), "{args:?}");
        }
    }
}

#[test]
fn legacy_ranges_cover_the_plain_specs() {
    let range = |name: &str| {
        let row = ROWS.iter().find(|row| row.name == name).unwrap();
        let LegacyRange { first, last, step, is_whole } = LegacyRange::of(row.keys);
        (first, last, step, is_whole)
    };
    assert_eq!(range("mset"), (1, -1, 2, true));
    assert_eq!(range("bitop"), (2, -1, 1, true));
    assert_eq!(range("rename"), (1, 2, 1, true));
    assert_eq!(range("zunionstore"), (1, 1, 1, false));
    assert_eq!(range("migrate"), (3, 3, 1, false));
    assert_eq!(range("eval"), (0, 0, 0, false));
    assert_eq!(range("ping"), (0, 0, 0, true));
}
