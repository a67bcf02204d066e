//! Keys of any type, and their expiry.

use super::{Agreement, Family, Reply};

pub(super) const FAMILY: Family = Family { name: "keys", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[
    ("SCAN", Agreement::By(scan)),
    ("KEYS", Agreement::Unordered),
    ("RANDOMKEY", Agreement::Shape),
    // Keys that are due count until somebody meets them.
    ("DBSIZE", Agreement::Shape),
    ("OBJECT", Agreement::By(object)),
    ("TTL", Agreement::Near(SLACK_MS / 1000)),
    ("EXPIRETIME", Agreement::Near(SLACK_MS / 1000)),
    ("PTTL", Agreement::Near(SLACK_MS)),
    ("PEXPIRETIME", Agreement::Near(SLACK_MS)),
];

/// The keys of a scan from its start come in any order; where a cursor that was never given leads is each server's own
/// affair.
fn scan(words: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    match (ours.items.as_slice(), theirs.items.as_slice()) {
        ([a, ours], [b, theirs])
            if a.text == b"0" && b.text == b"0" && words.get(1).is_some_and(|from| from == b"0") =>
        {
            ours.clone().unordered() == theirs.clone().unordered()
        }
        ([_, _], [_, _]) => true,
        _ => false,
    }
}

/// Small sets and lists are listpacks since 7.2. Sets and sorted sets are made large at once for a request of many members,
/// also if they turn out to be few different ones.
fn object(_: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    let new: [(&[u8], &[u8]); 6] = [
        (b"listpack", b"hashtable"),
        (b"listpack", b"quicklist"),
        (b"skiplist", b"listpack"),
        (b"hashtable", b"intset"),
        // Setting a bit to what it is, or counting what is counted already, leaves a string as it is kept.
        (b"int", b"raw"),
        (b"embstr", b"raw"),
    ];
    new.contains(&(ours.text.as_slice(), theirs.text.as_slice()))
}

const SLACK_MS: i64 = 30_000;

const SHAPES: &[&str] = &[
    "DEL {key}",
    "DEL {key} {key}",
    "UNLINK {key} {key}",
    "EXISTS {key} {key} {key}",
    "TOUCH {key} {key}",
    "TYPE {key}",
    "OBJECT ENCODING {key}",
    "OBJECT ENCODING {key}",
    "RENAME {key} {key}",
    "RENAME {list} {list}",
    "RENAMENX {key} {key}",
    "COPY {key} {key}",
    "COPY {key} {key} REPLACE",
    "COPY {zset} {zset} REPLACE",
    "COPY {stream} {stream} REPLACE",
    "COPY {key} {key} DB {db}",
    "COPY {key} {key} DB {db} REPLACE",
    "MOVE {key} {db}",
    "SWAPDB {db} {db}",
    "SWAPDB 0 1",
    "DBSIZE",
    "RANDOMKEY",
    "KEYS *",
    "KEYS {glob}",
    "SCAN 0 COUNT 1000",
    "SCAN 0 MATCH {glob} COUNT 1000",
    "SCAN 0 COUNT 1000 TYPE {string|list|set|hash|zset|stream|foo}",
    "EXPIRE {key} {seconds}",
    "EXPIRE {key} {seconds} {if}",
    "PEXPIRE {key} {ms} {if}",
    "EXPIREAT {key} {at} {if}",
    "EXPIREAT {key} {at}",
    "PEXPIREAT {key} {at-ms} {if}",
    "PEXPIREAT {key} {at-ms} {if} {if}",
    "PEXPIREAT {key} {at-ms}",
    "EXPIRE {key} {odd} {if}",
    "EXPIREAT {key} 1",
    "PERSIST {key}",
    "TTL {key}",
    "PTTL {key}",
    "EXPIRETIME {key}",
    "PEXPIRETIME {key}",
    "FLUSHDB",
];
