//! Transactions: whatever the other families do meanwhile is queued.

use super::{Agreement, Family};

pub(super) const FAMILY: Family = Family { name: "transactions", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[];

const SHAPES: &[&str] = &[
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH {key} {string}",
    "WATCH {list} {set}",
    "WATCH {hash} {zset}",
    "WATCH {bits} {geo}",
    "WATCH {stream}",
    "UNWATCH",
];
