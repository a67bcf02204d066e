//! Places: sorted sets whose scores are positions.

use super::{Agreement, Family, Reply};

pub(super) const FAMILY: Family = Family { name: "geo", shapes: SHAPES, rules: RULES };

const RULES: &[(&str, Agreement)] = &[
    ("GEOSEARCH", Agreement::By(found)),
    ("GEORADIUS", Agreement::Unordered),
    ("GEORADIUS_RO", Agreement::Unordered),
    ("GEORADIUSBYMEMBER", Agreement::By(found)),
    ("GEORADIUSBYMEMBER_RO", Agreement::Unordered),
];

/// Places that are equally far come in any order, and a count may cut among them: then their distances are the same.
fn found(words: &[Vec<u8>], ours: Reply, theirs: Reply) -> bool {
    let has = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    let distance = |place: &Reply| place.items.get(1).cloned();
    let distances = |reply: &Reply| reply.items.iter().map(distance).collect::<Vec<_>>();
    let is_cut = has("COUNT") && has("WITHDIST") && !ours.is_error();
    is_cut && distances(&ours) == distances(&theirs) || ours.unordered() == theirs.unordered()
}

const SHAPES: &[&str] = &[
    "GEOADD {geo} {longitude,latitude,place}+",
    "GEOADD {geo} {longitude,latitude,place}+",
    "GEOADD {geo} {NX|XX} {?CH} {longitude,latitude,place}+",
    "GEOADD {geo} {float} {float} {place}",
    "GEODIST {geo} {place} {place}",
    "GEODIST {geo} {place} {place} {unit}",
    "GEOPOS {geo} {place}+",
    "GEOHASH {geo} {place}+",
    "GEOSEARCH {geo} FROMMEMBER {place} BYRADIUS {radius} {unit} {ASC|DESC} {?WITHDIST} {?WITHCOORD} {?WITHHASH}",
    "GEOSEARCH {geo} FROMLONLAT {longitude} {latitude} BYRADIUS {radius} km ASC COUNT {count} {?ANY} WITHDIST",
    "GEOSEARCH {geo} FROMLONLAT {longitude} {latitude} BYBOX {radius} {radius} {unit} {ASC|DESC} {?WITHDIST}",
    "GEOADD {apart} {longitude,latitude,place}+",
    "GEOSEARCHSTORE {zset} {apart} FROMMEMBER {place} BYRADIUS {radius} km ASC COUNT {positive} {?STOREDIST}",
    "GEOSEARCHSTORE {zset} {geo} FROMMEMBER {place} BYRADIUS {radius} km ASC {?STOREDIST}",
    "GEORADIUS {geo} {longitude} {latitude} {radius} km {ASC|DESC} {?WITHDIST} {?WITHCOORD}",
    "GEORADIUS {geo} {longitude} {latitude} {radius} {unit} {STORE|STOREDIST} {zset}",
    "GEORADIUS_RO {geo} {longitude} {latitude} {radius} km ASC",
    "GEORADIUSBYMEMBER {geo} {place} {radius} km {ASC|DESC} COUNT {count} WITHDIST",
    "GEORADIUSBYMEMBER_RO {geo} {place} {radius} km ASC",
    "ZRANGE {geo} 0 -1 WITHSCORES",
    "ZREM {geo} {place}",
];
