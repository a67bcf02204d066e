//! SORT, over all that it sorts.

use super::{Agreement, Family, Reply};

pub(super) const FAMILY: Family = Family { name: "sort", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[("SORT", Agreement::By(sorted)), ("SORT_RO", Agreement::By(sorted))];

/// What a set answers unsorted, and the order of equal weights, is each server's own affair.
fn sorted(words: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    let has = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    match (has("BY"), has("LIMIT") || has("GET")) {
        (true, false) => ours.is_aggregate() && ours.unordered() == theirs.unordered(),
        (true, true) => Agreement::Shape.holds(words, &ours, &theirs),
        (false, _) => false,
    }
}

const SHAPES: &[&str] = &[
    "SORT {list}",
    "SORT {list} ALPHA {ASC|DESC}",
    "SORT {set} ALPHA",
    "SORT v0 ALPHA DESC",
    "SORT {l0|l1|s0|s1|v0} {?ALPHA} LIMIT {count} {count}",
    "SORT {l0|l1|s0|s1|v0} {?DESC} {?ALPHA} BY {pattern}",
    "SORT {l0|l1|s0|s1|v0} BY {pattern} GET {pattern} GET # GET {pattern}",
    "SORT {l0|l1|l2} ALPHA GET {pattern} GET {pattern}",
    "SORT {l0|l1} ALPHA LIMIT {count} {count} STORE {list}",
    "SORT {s0|s1} ALPHA STORE {key}",
    "SORT {l0|s0|v0} STORE {list}",
    "SORT l0 BY nosort LIMIT {rank} {count} {?DESC}",
    "SORT v0 BY nosort LIMIT {rank} {count} {?DESC}",
    "SORT v0 BY nosort DESC GET # STORE {list}",
    "SORT s0 BY nosort STORE {list}",
    "SORT_RO {l0|s0|v0} {?ALPHA} {?DESC}",
    "SORT_RO {l0|s0|v0} ALPHA STORE {list}",
    "SORT {key} {odd} {odd}",
    "SET {weight-key} {integer}",
    "SET {weight-key} {float}",
    "SET {weight-key} {score}",
    "RPUSH {list} {rank} {rank} {rank}",
    "SADD {set} {rank} {rank} {rank}",
    "ZADD v0 {score} {rank} {score} {rank}",
    "ZADD v0 {score} {member} {score} {rank}",
    "LRANGE {list} 0 -1",
    "DEL {l0|s0|v0}",
];
