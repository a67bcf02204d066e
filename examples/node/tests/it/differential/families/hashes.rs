//! Hashes.

use super::{Agreement, Family, Reply};

pub(super) const FAMILY: Family = Family { name: "hashes", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[
    ("HGETALL", Agreement::UnorderedPairs),
    ("HKEYS", Agreement::Unordered),
    ("HVALS", Agreement::Unordered),
    ("HRANDFIELD", Agreement::By(random_fields)),
    ("HSCAN", Agreement::By(scan)),
];

/// All fields if as many are asked for; their values come with them.
fn random_fields(words: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    let is_flat = ours.items.iter().all(|item| item.items.is_empty());
    match (words.get(2).map(Vec::as_slice), words.len()) {
        (Some(b"1000"), 4) if is_flat => ours.unordered_pairs() == theirs.unordered_pairs(),
        (Some(b"1000"), _) => ours.unordered() == theirs.unordered(),
        _ => Agreement::Shape.holds(words, &ours, &theirs),
    }
}

/// As of sets, but in pairs.
pub(super) fn scan(words: &[Vec<u8>], mut ours: Reply, mut theirs: Reply) -> bool {
    for reply in [&mut ours, &mut theirs] {
        if let [_, pairs] = reply.items.as_mut_slice() {
            *pairs = std::mem::take(pairs).unordered_pairs();
        }
    }
    Agreement::Doubles.holds(words, &ours, &theirs) || super::sets::scan(words, ours, theirs)
}

const SHAPES: &[&str] = &[
    "HSET {hash} {field,value}+",
    "HSET {hash} {field,value}+",
    "HSET {hash} {field,integer}+",
    "HMSET {hash} {field,value}+",
    "HSETNX {hash} {field} {value}",
    "HGET {hash} {field}",
    "HMGET {hash} {field}+",
    "HGETALL {hash}",
    "HKEYS {hash}",
    "HVALS {hash}",
    "HLEN {hash}",
    "HEXISTS {hash} {field}",
    "HSTRLEN {hash} {field}",
    "HDEL {hash} {field}+",
    "HDEL {hash} {field}+",
    "HINCRBY {hash} {field} {integer}",
    "HINCRBY {hash} {field} {integer}",
    "HINCRBYFLOAT {hash} {field} {float}",
    "HINCRBYFLOAT {hash} {field} {integer}",
    "HRANDFIELD {hash}",
    "HRANDFIELD {hash} 1000",
    "HRANDFIELD {hash} 1000 WITHVALUES",
    "HRANDFIELD {hash} {positive} {?WITHVALUES}",
    "HRANDFIELD {hash} {negative} {?WITHVALUES}",
    "HSCAN {hash} 0 COUNT 1000",
    "HSCAN {hash} 0 COUNT 1000 MATCH {glob}",
    "HSCAN {hash} {odd}",
    "OBJECT ENCODING {hash}",
    "DEL {hash}",
];
