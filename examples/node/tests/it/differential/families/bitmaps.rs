//! Bitmaps.

use super::{Agreement, Family, Reply};

pub(super) const FAMILY: Family = Family { name: "bitmaps", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[("BITCOUNT", Agreement::By(missing)), ("BITPOS", Agreement::By(missing))];

/// Since 7.2 the arguments are looked at before the key.
fn missing(_: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    ours.is_error() && (theirs.text.starts_with(b"WRONGTYPE") || matches!(theirs.text.as_slice(), b"0" | b"-1"))
}

const SHAPES: &[&str] = &[
    "SETBIT {bits} {bit-offset} {0|1}",
    "SETBIT {bits} {bit-offset} {0|1}",
    "SETBIT {bits} {bit-offset} {integer}",
    "GETBIT {bits} {bit-offset}",
    "BITCOUNT {bits}",
    "BITCOUNT {bits} {rank} {rank}",
    "BITCOUNT {bits} {index} {index} {BIT|BYTE}",
    "BITCOUNT {bits} {integer} {integer} {BIT|BYTE|bit|FOO}",
    "BITPOS {bits} {0|1}",
    "BITPOS {bits} {0|1} {rank}",
    "BITPOS {bits} {0|1|2} {rank} {rank}",
    "BITPOS {bits} {0|1} {index} {index} {BIT|BYTE}",
    "BITPOS {bits} {0|1} {integer} {integer} {BIT|BYTE|FOO}",
    "BITOP {AND|OR|XOR|NOT|and|NAND} {bits} {bits}",
    "BITOP {AND|OR|XOR} {bits} {bits} {bits}",
    "BITOP {AND|OR|XOR|NOT} {bits} {bits} {bits} {string}",
    "BITFIELD {bits} GET {field-type} {field-offset}",
    "BITFIELD {bits} SET {field-type} {field-offset} {integer}",
    "BITFIELD {bits} INCRBY {field-type} {field-offset} {integer}",
    "BITFIELD {bits} OVERFLOW {WRAP|SAT|FAIL|FOO} INCRBY {field-type} {field-offset} {integer} \
     OVERFLOW {WRAP|SAT|FAIL} SET {field-type} {field-offset} {integer} GET {field-type} {field-offset}",
    "BITFIELD {bits} OVERFLOW {SAT|FAIL} INCRBY {u4|i5|u8|i8} {field-offset} {rank} \
     INCRBY {u4|i5|u8|i8} {field-offset} {index}",
    "BITFIELD {bits}",
    "BITFIELD_RO {bits} GET {field-type} {field-offset} GET {field-type} {field-offset}",
    "BITFIELD_RO {bits} SET {field-type} {field-offset} {integer}",
    "SETRANGE {bits} {offset} {value}",
    "GET {bits}",
    "STRLEN {bits}",
];
