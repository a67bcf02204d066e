//! Lists.

use super::{Agreement, Family};

pub(super) const FAMILY: Family = Family { name: "lists", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[];

const SHAPES: &[&str] = &[
    "{LPUSH|RPUSH} {list} {element}+",
    "{LPUSH|RPUSH} {list} {element}+",
    "{LPUSH|RPUSH} {list} {element}+",
    "{LPUSHX|RPUSHX} {list} {element}+",
    "LPOP {list}",
    "RPOP {list}",
    "{LPOP|RPOP} {list} {count}",
    "LLEN {list}",
    "LINDEX {list} {rank}",
    "LSET {list} {rank} {element}",
    "LINSERT {list} {BEFORE|AFTER|before|FOO} {element} {element}",
    "LRANGE {list} {rank} {rank}",
    "LRANGE {list} 0 -1",
    "LRANGE {list} {integer} {integer}",
    "LREM {list} {count} {element}",
    "LTRIM {list} {rank} {rank}",
    "LTRIM {list} {index} {index}",
    "LPOS {list} {element}",
    "LPOS {list} {element} RANK {rank} COUNT {count}",
    "LPOS {list} {element} COUNT {count} MAXLEN {count}",
    "RPOPLPUSH {list} {list}",
    "LMOVE {list} {list} {LEFT|RIGHT} {LEFT|RIGHT|FOO}",
    "LMPOP 1 {list} {LEFT|RIGHT}",
    "LMPOP 2 {list} {list} {LEFT|RIGHT|FOO} COUNT {count}",
    "LMPOP {count} {list} {list} {LEFT|RIGHT}",
    "{BLPOP|BRPOP} {list} {list} 0.001",
    "BLMOVE {list} {list} {LEFT|RIGHT} {LEFT|RIGHT} 0.001",
    "BRPOPLPUSH {list} {list} 0.001",
    "BLMPOP 0.001 2 {list} {list} {LEFT|RIGHT} COUNT {count}",
    "{BLPOP|BRPOP} {list} {x|-1|-0.5|nan}",
    "OBJECT ENCODING {list}",
    "DEL {list}",
];
