//! HyperLogLogs, whose strings are the same to the byte.

use super::{Agreement, Family};

pub(super) const FAMILY: Family = Family { name: "hyperloglogs", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[];

const SHAPES: &[&str] = &[
    "PFADD {hll} {member}+",
    "PFADD {hll} {member}+",
    "PFADD {hll} {member,value,float}+",
    "PFADD {hll}",
    "PFCOUNT {hll}",
    "PFCOUNT {hll} {hll} {hll}",
    "PFMERGE {hll} {hll}",
    "PFMERGE {hll} {hll} {hll}",
    "PFMERGE {hll}",
    "PFDEBUG {ENCODING|DECODE|encoding|FOO} {hll}",
    "PFDEBUG {GETREG|TODENSE} {hll}",
    "GET {hll}",
    "GET {hll}",
    "STRLEN {hll}",
    "SETRANGE {hll} {offset} {value} ; PFCOUNT {1} ; DEL {1}",
    "SETRANGE {hll} {positive} {value} ; PFCOUNT {1} ; DEL {1}",
    "APPEND {hll} {value} ; PFCOUNT {1} {1} ; DEL {1}",
    "APPEND {hll} {value} ; PFADD {1} a ; DEL {1}",
    "APPEND {hll} {value} ; PFMERGE {1} {1} ; DEL {1}",
    "SET {hll} {integer}",
    "COPY {hll} {hll} REPLACE",
    "RENAME {hll} {hll}",
    "EXPIRE {hll} {seconds}",
    "TTL {hll}",
    "OBJECT ENCODING {hll}",
    "DEL {hll}",
];
