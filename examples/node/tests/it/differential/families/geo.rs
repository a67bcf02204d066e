//! Places: sorted sets whose scores are positions.

use super::{Agreement, Family};

pub(super) const FAMILY: Family = Family { name: "geo", shapes: SHAPES, rules: RULES };

/// Places that are equally far come in any order.
const RULES: &[(&str, Agreement)] = &[
    ("GEOSEARCH", Agreement::Unordered),
    ("GEORADIUS", Agreement::Unordered),
    ("GEORADIUS_RO", Agreement::Unordered),
    ("GEORADIUSBYMEMBER", Agreement::Unordered),
    ("GEORADIUSBYMEMBER_RO", Agreement::Unordered),
];

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
    "GEOSEARCH {geo} FROMLONLAT {longitude} {latitude} BYRADIUS {radius} km ASC COUNT {count} {?ANY}",
    "GEOSEARCH {geo} FROMLONLAT {longitude} {latitude} BYBOX {radius} {radius} {unit} {ASC|DESC} {?WITHDIST}",
    "GEOSEARCHSTORE {zset} {geo} FROMMEMBER {place} BYRADIUS {radius} km ASC COUNT {positive} {?STOREDIST}",
    "GEORADIUS {geo} {longitude} {latitude} {radius} km {ASC|DESC} {?WITHDIST} {?WITHCOORD}",
    "GEORADIUS {geo} {longitude} {latitude} {radius} {unit} {STORE|STOREDIST} {zset}",
    "GEORADIUS_RO {geo} {longitude} {latitude} {radius} km ASC",
    "GEORADIUSBYMEMBER {geo} {place} {radius} km {ASC|DESC} COUNT {count} {?WITHDIST}",
    "GEORADIUSBYMEMBER_RO {geo} {place} {radius} km ASC",
    "ZRANGE {geo} 0 -1 WITHSCORES",
    "ZREM {geo} {place}",
];
