//! Streams, with ids that are given. Consumers are made before they read: 7.2 makes them also where there is nothing to
//! read, 7.0 does not.

use super::{Agreement, Family, Reply};

pub(super) const FAMILY: Family = Family { name: "streams", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[
    ("XINFO", Agreement::By(info)),
    ("XPENDING", Agreement::By(pending)),
    ("XADD", Agreement::By(add)),
    ("XREAD", Agreement::By(read)),
    ("XREADGROUP", Agreement::By(read)),
];

/// 7.2 names the command.
fn read(_: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    let is_unbalanced = |reply: &Reply| reply.text.starts_with(b"ERR Unbalanced");
    is_unbalanced(&ours) && is_unbalanced(&theirs)
}

/// An id made from the clock.
fn add(words: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    words.contains(&b"*".to_vec()) && Agreement::WithoutDigits.holds(words, &ours, &theirs)
}

/// How the nodes lie, and when what happened, is each server's own affair; 7.2 tells more of consumers.
fn info(_: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    let own = ["radix-tree-nodes", "idle", "inactive", "seen-time", "active-time"];
    let plain = |reply: Reply| reply.without_fields(&own).without_times();
    plain(ours) == plain(theirs)
}

/// How long an entry has been pending.
fn pending(_: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    ours.without_times() == theirs.without_times()
}

const SHAPES: &[&str] = &[
    "XADD {stream} {new-id} {field,value}+",
    "XADD {stream} {new-id} {field,value}+",
    "XADD {stream} {new-id} {field,value}+",
    "XADD {stream} {new-id} f1 {value} f2 {value}",
    "XADD {stream} {id} {field,value}+",
    "XADD {stream} NOMKSTREAM {new-id} {field,value}+",
    "XADD {stream} MAXLEN {~|=} {positive} {new-id} {field,value}+",
    "XADD {stream} MINID {id} {new-id} f {value}",
    "XADD {stream} MAXLEN ~ {positive} LIMIT {count} {new-id} f {value}",
    "XADD {stream} * f v ; DEL {1}",
    "XLEN {stream}",
    "XRANGE {stream} - +",
    "XRANGE {stream} {id-bound} {id-bound}",
    "XRANGE {stream} {id-bound} {id-bound} COUNT {count}",
    "XREVRANGE {stream} {id-bound} {id-bound} COUNT {count}",
    "XREVRANGE {stream} + -",
    "XDEL {stream} {id} {id}",
    "XTRIM {stream} MAXLEN {positive}",
    "XTRIM {stream} MAXLEN {~|=} {count} LIMIT {count}",
    "XTRIM {stream} MINID {id}",
    "XSETID {stream} {new-id}",
    "XSETID {stream} {new-id} ENTRIESADDED {offset} MAXDELETEDID {id}",
    "XREAD COUNT {count} STREAMS {stream} {stream} {id} {id}",
    "XREAD STREAMS {stream} 0",
    "XREAD BLOCK 1 STREAMS {stream} $",
    "XGROUP CREATE {stream} {group} {id} {?MKSTREAM}",
    "XGROUP CREATE {stream} {group} 0 MKSTREAM",
    "XGROUP CREATE {stream} {group} $ ENTRIESREAD {count}",
    "XGROUP SETID {stream} {group} {id}",
    "XGROUP DESTROY {stream} {group}",
    "XGROUP CREATECONSUMER {stream} {group} {consumer}",
    "XGROUP DELCONSUMER {stream} {group} {consumer}",
    "XGROUP CREATECONSUMER {stream} {group} {consumer} ; XREADGROUP GROUP {3} {4} COUNT {positive} STREAMS {2} >",
    "XGROUP CREATECONSUMER {stream} {group} {consumer} ; XREADGROUP GROUP {3} {4} COUNT {positive} {?NOACK} STREAMS {2} >",
    "XGROUP CREATECONSUMER {stream} {group} {consumer} ; XREADGROUP GROUP {3} {4} STREAMS {2} {id}",
    "XGROUP CREATECONSUMER {stream} {group} {consumer} ; XREADGROUP GROUP {3} {4} STREAMS {2} 0",
    "XREADGROUP GROUP {group} {consumer} STREAMS {stream} {stream} >",
    "XREAD STREAMS {stream} 0 {id}",
    "XACK {stream} {group} {id} {id} {id}",
    "XPENDING {stream} {group}",
    "XPENDING {stream} {group} - + {positive}",
    "XPENDING {stream} {group} {id-bound} {id-bound} {positive} {consumer}",
    "XGROUP CREATECONSUMER {stream} {group} {consumer} ; XCLAIM {2} {3} {4} 0 {id} {id}",
    "XGROUP CREATECONSUMER {stream} {group} {consumer} ; XCLAIM {2} {3} {4} 0 {id} {?FORCE} {?JUSTID}",
    "XGROUP CREATECONSUMER {stream} {group} {consumer} ; XCLAIM {2} {3} {4} 0 {id} RETRYCOUNT {positive} FORCE",
    "XGROUP CREATECONSUMER {stream} {group} {consumer} ; XAUTOCLAIM {2} {3} {4} 0 {id-bound} COUNT {positive}",
    "XGROUP CREATECONSUMER {stream} {group} {consumer} ; XAUTOCLAIM {2} {3} {4} 0 0 {?JUSTID}",
    "XINFO STREAM {stream}",
    "XINFO STREAM {stream} FULL",
    "XINFO STREAM {stream} FULL COUNT {count}",
    "XINFO GROUPS {stream}",
    "XINFO CONSUMERS {stream} {group}",
    "DEL {stream}",
];
