//! Connections and the server.

use super::{Agreement, Family};

pub(super) const FAMILY: Family = Family { name: "connection", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[("HELLO", Agreement::WithoutDigits)];

const SHAPES: &[&str] = &[
    "HELLO 2",
    "HELLO 3",
    "PING {value}",
    "ECHO {value}",
    "SELECT {db}",
    "SELECT 0",
    "SELECT 0",
    "CLIENT SETNAME {value}",
    "CLIENT GETNAME",
    "FOO {value} {value}",
    "{value} {key}",
    "OBJECT {value} {key}",
    "RESET",
    "COMMAND GETKEYS SET {key} {value}",
    "COMMAND GETKEYS MSET {key} {value} {key} {value}",
];
