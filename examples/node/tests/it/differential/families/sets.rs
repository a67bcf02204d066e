//! Sets.

use super::{Agreement, Family, Reply};

pub(super) const FAMILY: Family = Family { name: "sets", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[
    ("SMEMBERS", Agreement::Unordered),
    ("SINTER", Agreement::Unordered),
    ("SUNION", Agreement::Unordered),
    ("SDIFF", Agreement::Unordered),
    ("SPOP", Agreement::Shape),
    ("SRANDMEMBER", Agreement::By(random_members)),
    ("SSCAN", Agreement::By(scan)),
];

/// All members if as many are asked for.
fn random_members(words: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    match words.get(2).map(Vec::as_slice) {
        Some(b"1000") => ours.unordered() == theirs.unordered(),
        _ => Agreement::Shape.holds(words, &ours, &theirs),
    }
}

/// A scan that is done in one step shows all; how far others get is each server's own affair.
pub(super) fn scan(words: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    match (ours.items.as_slice(), theirs.items.as_slice()) {
        ([a, ours], [b, theirs])
            if a.text == b"0" && b.text == b"0" && words.get(2).is_some_and(|from| from == b"0") =>
        {
            ours.clone().unordered() == theirs.clone().unordered()
        }
        ([_, _], [_, _]) => true,
        _ => false,
    }
}

const SHAPES: &[&str] = &[
    "SADD {set} {member}+",
    "SADD {set} {member}+",
    "SADD {set} {member}+",
    "SADD {set} {integer}+",
    "SREM {set} {member}+",
    "SREM {set} {member}+",
    "SISMEMBER {set} {member}",
    "SMISMEMBER {set} {member}+",
    "SCARD {set}",
    "SMEMBERS {set}",
    "SMOVE {set} {set} {member}",
    "SINTER {set} {set}",
    "SINTER {set} {set} {key}",
    "SUNION {set} {set} {set}",
    "SDIFF {set} {set} {set}",
    "SINTERCARD 2 {set} {set}",
    "SINTERCARD {count} {set} {set} LIMIT {count}",
    "{SINTERSTORE|SUNIONSTORE|SDIFFSTORE} {set} {set}",
    "{SINTERSTORE|SUNIONSTORE|SDIFFSTORE} {set} {set} {set}",
    "{SINTERSTORE|SUNIONSTORE|SDIFFSTORE} {key} {set} {set}",
    "SRANDMEMBER {set}",
    "SRANDMEMBER {set} 1000",
    "SRANDMEMBER {set} {negative}",
    "SRANDMEMBER {set} {positive}",
    "SPOP {set} ; DEL {1}",
    "SPOP {set} {positive} ; DEL {1}",
    "SPOP {set} 0",
    "SPOP {set} -1",
    "SSCAN {set} 0 COUNT 1000",
    "SSCAN {set} 0 COUNT 1000 MATCH {glob}",
    "SSCAN {set} {odd}",
    "OBJECT ENCODING {set}",
    "DEL {set}",
];
