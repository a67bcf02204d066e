//! SORT, over all that it sorts: keys of its own, because in Redis it turns the sorted set that it sorts into a large one.
//! What is stored is sorted as texts: 7.0 now and then takes numbers for none, and then the data would differ.

use super::{Agreement, Family, Reply};

pub(super) const FAMILY: Family = Family { name: "sort", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[("SORT", Agreement::By(sorted)), ("SORT_RO", Agreement::By(sorted))];

/// What a set answers unsorted, and the order of equal weights, is each server's own affair.
fn sorted(words: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    let has = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    // 7.0 now and then refuses numbers because of an error number that an earlier one left behind. Weights are not seen here.
    let theirs_refuses = theirs.text.starts_with(b"ERR One or more scores can't be converted");
    if theirs_refuses && (has("BY") || ours.items.iter().all(|item| is_number(&item.text))) {
        return !ours.is_error();
    }
    // Texts are compared up to their first zero byte.
    let has_zero = ours.items.iter().any(|item| item.text.contains(&0));
    match (has("BY") || has("ALPHA") && has_zero, has("LIMIT") || has("GET")) {
        (true, false) => ours.is_aggregate() && ours.unordered() == theirs.unordered(),
        (true, true) => Agreement::Shape.holds(words, &ours, &theirs),
        (false, _) => false,
    }
}

fn is_number(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok())
}

const SHAPES: &[&str] = &[
    "SORT t0",
    "SORT t0 ALPHA {ASC|DESC}",
    "SORT t1 ALPHA",
    "SORT v0 ALPHA DESC",
    "SORT {t0|t1|v0} {?ALPHA} LIMIT {count} {count}",
    "SORT {t0|t1|v0} {?DESC} {?ALPHA} BY {pattern}",
    "SORT {t0|t1|v0} BY {pattern} GET {pattern} GET # GET {pattern}",
    "SORT t0 ALPHA GET {pattern} GET {pattern}",
    "SORT t0 ALPHA LIMIT {count} {count} STORE {list}",
    "SORT t1 ALPHA STORE {list}",
    "SORT {t0|t1|v0} ALPHA DESC STORE {list}",
    "SORT t0 BY nosort LIMIT {rank} {count} {?DESC}",
    "SORT v0 BY nosort LIMIT {rank} {count} {?DESC}",
    "SORT v0 BY nosort DESC GET # STORE {list}",
    "SORT t1 BY nosort STORE {list}",
    "SORT_RO {t0|t1|v0} {?ALPHA} {?DESC}",
    "SORT_RO {t0|t1|v0} ALPHA STORE {list}",
    "SORT {t0|t1|none|k0} {odd} {odd}",
    "SET {weight-key} {integer}",
    "SET {weight-key} {float}",
    "SET {weight-key} {score}",
    "RPUSH t0 {rank} {rank} {rank}",
    "RPUSH t0 {element}+",
    "SADD t1 {rank} {rank} {rank}",
    "SADD t1 {member}+",
    "ZADD v0 {rank} {rank} {rank} {rank}",
    "ZADD v0 {rank} {member} {rank} {rank}",
    "LRANGE {list} 0 -1",
    "DEL {t0|t1|v0}",
];
