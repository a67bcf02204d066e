//! Transactions: whatever the other families do meanwhile is queued.
//!
//! What is watched are types of which both servers say alike that they changed. They differ for groups of a stream (here a
//! change), LTRIM of nothing (in Redis a change), and BITFIELD where every write fails but the string grows (here a change).

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
    "WATCH {s0|s1|z0|z1|h0|h1} {k2|k3|k4|k5}",
    "WATCH {k2|k3|k4|k5}",
    "WATCH {s0|s1|s2|z0|z1|z2}",
    "UNWATCH",
];
