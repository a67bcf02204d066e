//! Geospatial indexes: sorted sets whose scores are positions on the earth.

mod arguments;
mod geoadd;
mod geodist;
mod geohash;
mod geopos;
mod georadius;
mod geosearch;
mod search;

pub use arguments::GeoUnit;
pub use search::{GeoArea, GeoHit, GeoOrder, GeoOrigin, GeoSearch};

use super::row::Row;

pub(super) const ROWS: &[Row] = &[
    geoadd::GEOADD,
    geodist::GEODIST,
    geohash::GEOHASH,
    geopos::GEOPOS,
    georadius::GEORADIUS,
    georadius::GEORADIUSBYMEMBER,
    georadius::GEORADIUSBYMEMBER_RO,
    georadius::GEORADIUS_RO,
    geosearch::GEOSEARCH,
    geosearch::GEOSEARCHSTORE,
];
