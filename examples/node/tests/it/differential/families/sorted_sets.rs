//! Sorted sets.

use super::hashes::scan;
use super::{Agreement, Family, Reply};

pub(super) const FAMILY: Family = Family { name: "sorted sets", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[
    ("ZSCORE", Agreement::Doubles),
    ("ZMSCORE", Agreement::Doubles),
    ("ZINCRBY", Agreement::Doubles),
    ("ZADD", Agreement::Doubles),
    ("ZRANGE", Agreement::Doubles),
    ("ZREVRANGE", Agreement::Doubles),
    ("ZRANGEBYSCORE", Agreement::Doubles),
    ("ZREVRANGEBYSCORE", Agreement::Doubles),
    ("ZUNION", Agreement::Doubles),
    ("ZINTER", Agreement::Doubles),
    ("ZDIFF", Agreement::Doubles),
    ("ZPOPMIN", Agreement::Doubles),
    ("ZPOPMAX", Agreement::Doubles),
    ("BZPOPMIN", Agreement::Doubles),
    ("BZPOPMAX", Agreement::Doubles),
    ("ZMPOP", Agreement::Doubles),
    ("BZMPOP", Agreement::Doubles),
    ("ZRANK", Agreement::By(rank)),
    ("ZREVRANK", Agreement::By(rank)),
    ("ZRANDMEMBER", Agreement::By(random_members)),
    ("ZSCAN", Agreement::By(scan)),
];

/// 7.2 has WITHSCORE.
fn rank(words: &[Vec<u8>], _: Reply, theirs: Reply) -> bool {
    words.len() == 4 && theirs.text.starts_with(b"ERR wrong number of arguments")
}

/// So many draws are refused here whatever there is. All members if as many are asked for; their scores come with them.
fn random_members(words: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    if ours.is_error() && theirs.items.is_empty() {
        return ours.text == b"ERR value is out of range";
    }
    let is_flat = ours.items.iter().all(|item| item.items.is_empty());
    match (words.get(2).map(Vec::as_slice), words.len()) {
        (Some(b"1000"), 4) if is_flat => {
            Agreement::Doubles.holds(words, &ours.unordered_pairs(), &theirs.unordered_pairs())
        }
        (Some(b"1000"), _) => Agreement::Doubles.holds(words, &ours.unordered(), &theirs.unordered()),
        _ => Agreement::Shape.holds(words, &ours, &theirs),
    }
}

const SHAPES: &[&str] = &[
    "ZADD {zset} {score,member}+",
    "ZADD {zset} {score,member}+",
    "ZADD {zset} {score,member}+",
    "ZADD {zset} {NX|XX|GT|LT} {?CH} {score,member}+",
    "ZADD {zset} XX {GT|LT|NX} {?CH} {score,member}+",
    "ZADD {zset} {?CH} {?XX} INCR {score} {member}",
    "ZADD {zset} {NX|GT|LT} INCR {score} {member}",
    "ZINCRBY {zset} {score} {member}",
    "ZREM {zset} {member}+",
    "ZCARD {zset}",
    "ZSCORE {zset} {member}",
    "ZMSCORE {zset} {member}+",
    "{ZRANK|ZREVRANK} {zset} {member}",
    "ZCOUNT {zset} {bound} {bound}",
    "ZLEXCOUNT {lex-set} {lex} {lex}",
    "ZRANGE {zset} {rank} {rank} {?REV} {?WITHSCORES}",
    "ZRANGE {zset} {bound} {bound} BYSCORE {?REV} {?WITHSCORES}",
    "ZRANGE {zset} {bound} {bound} BYSCORE {?REV} LIMIT {count} {count} {?WITHSCORES}",
    "ZRANGE {lex-set} {lex} {lex} BYLEX {?REV} LIMIT {count} {count}",
    "ZRANGE {lex-set} {lex} {lex} BYLEX {?REV} {?WITHSCORES}",
    "ZREVRANGE {zset} {rank} {rank} {?WITHSCORES}",
    "{ZRANGEBYSCORE|ZREVRANGEBYSCORE} {zset} {bound} {bound} {?WITHSCORES}",
    "{ZRANGEBYSCORE|ZREVRANGEBYSCORE} {zset} {bound} {bound} LIMIT {count} {count}",
    "ZADD {lex-set} 0 {member} 0 {member} 0 {member}",
    "ZADD {lex-set} 0 {member} 0 {member}",
    "ZREM {lex-set} {member}+",
    "OBJECT ENCODING {lex-set}",
    "{ZRANGEBYLEX|ZREVRANGEBYLEX} {lex-set} {lex} {lex}",
    "ZRANGESTORE {zset} {zset} {rank} {rank} {?REV}",
    "ZRANGESTORE {zset} {zset} {bound} {bound} BYSCORE {?REV}",
    "ZRANGESTORE {key} {lex-set} {lex} {lex} BYLEX LIMIT {count} {count}",
    "ZREMRANGEBYRANK {zset} {rank} {rank}",
    "ZREMRANGEBYSCORE {zset} {bound} {bound}",
    "ZREMRANGEBYLEX {lex-set} {lex} {lex}",
    "{ZPOPMIN|ZPOPMAX} {zset}",
    "{ZPOPMIN|ZPOPMAX} {zset} {count}",
    "ZMPOP 2 {zset} {zset} {MIN|MAX} COUNT {count}",
    "ZMPOP 1 {zset} {MIN|MAX|FOO}",
    "{BZPOPMIN|BZPOPMAX} {zset} {zset} 0.001",
    "BZMPOP 0.001 2 {zset} {zset} {MIN|MAX}",
    "{ZUNION|ZINTER|ZDIFF} 2 {zset} {zset} {?WITHSCORES}",
    "{ZUNION|ZINTER} 2 {zset} {zset} WEIGHTS {weight} {weight} AGGREGATE {SUM|MIN|MAX} {?WITHSCORES}",
    "{ZUNION|ZINTER|ZDIFF} {count} {zset} {set} {?WITHSCORES}",
    "{ZUNIONSTORE|ZINTERSTORE|ZDIFFSTORE} {zset} 2 {zset} {zset}",
    "{ZUNIONSTORE|ZINTERSTORE} {zset} 2 {zset} {set} AGGREGATE {SUM|MIN|MAX|FOO}",
    "{ZUNIONSTORE|ZINTERSTORE} {key} 2 {zset} {zset} WEIGHTS {weight} {weight}",
    "ZINTERCARD 2 {zset} {zset}",
    "ZINTERCARD {count} {zset} {set} LIMIT {count}",
    "ZRANDMEMBER {zset}",
    "ZRANDMEMBER {zset} 1000 {?WITHSCORES}",
    "ZRANDMEMBER {zset} {positive} {?WITHSCORES}",
    "ZRANDMEMBER {zset} {negative} {?WITHSCORES}",
    "ZSCAN {zset} 0 COUNT 1000",
    "ZSCAN {zset} 0 COUNT 1000 MATCH {glob}",
    "OBJECT ENCODING {zset}",
    "DEL {zset}",
];
