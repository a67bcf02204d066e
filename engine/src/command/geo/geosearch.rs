//! `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit
//! [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]` and `GEOSEARCHSTORE destination source ...
//! [STOREDIST]`: the members inside a circle or a rectangle.
//!
//! Reply: the members, or arrays of member, distance, hash and position; how many were stored. Effect of the store form:
//! `DEL destination` where something was there, and `ZADD destination score member ...`.

use super::georadius::list;
use super::search::{Form, GeoHit, GeoSearch, Request};
use crate::command::row::flag::{DENYOOM, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::sorted_set::{read, read_or_empty, store_whole};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const GEOSEARCH: Row = Row::new("geosearch", -7, Run::Look(search))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Queries a geospatial index for members inside an area of a box or a circle.")
    .docs(
        Group::Geo,
        "6.2.0",
        "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape \
     provided as the filter and M is the number of items inside the shape",
    )
    .history(&[("7.0.0", "Added support for uppercase unit names.")])
    .args(
        "key:key#0 from:oneof{member:string=FROMMEMBER fromlonlat:block=FROMLONLAT{longitude:double \
         latitude:double}} by:oneof{circle:block{radius:double=BYRADIUS unit:oneof{m=M km=KM ft=FT mi=MI}} \
         box:block{width:double=BYBOX height:double unit:oneof{m=M km=KM ft=FT mi=MI}}} order:oneof?{asc=ASC \
         desc=DESC} count-block:block?{count:integer=COUNT any?=ANY} withcoord?=WITHCOORD withdist?=WITHDIST \
         withhash?=WITHHASH",
    );

pub(super) const GEOSEARCHSTORE: Row = Row::new("geosearchstore", -8, Run::Turn(search_store))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ow().update(), KeySpec::index(2).ro().access()])
    .summary(
        "Queries a geospatial index for members inside an area of a box or a circle, optionally stores the result.",
    )
    .docs(
        Group::Geo,
        "6.2.0",
        "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape \
     provided as the filter and M is the number of items inside the shape",
    )
    .history(&[("7.0.0", "Added support for uppercase unit names.")])
    .args(
        "destination:key#0 source:key#1 from:oneof{member:string=FROMMEMBER \
         fromlonlat:block=FROMLONLAT{longitude:double latitude:double}} \
         by:oneof{circle:block{radius:double=BYRADIUS unit:oneof{m=M km=KM ft=FT mi=MI}} \
         box:block{width:double=BYBOX height:double unit:oneof{m=M km=KM ft=FT mi=MI}}} order:oneof?{asc=ASC \
         desc=DESC} count-block:block?{count:integer=COUNT any?=ANY} storedist?=STOREDIST",
    );

fn search(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    list(entry, args, reply, Form::Search)
}

fn search_store(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (destination, source) = (turn.key(args[1])?, turn.key(args[2])?);
    let core = turn.core();
    let entry = {
        let entry = turn.read(&source);
        let set = entry.as_deref().map(read).transpose()?;
        let request = Request::read(set, args, Form::SearchStore)?;
        set.and_then(|set| request.to_entry(core, destination.bytes, &request.find(set)))
    };
    reply.integer(store_whole(turn, &destination, entry, "geosearchstore")? as i64);
    Ok(())
}

impl Engine {
    /// The members of the index at `key` inside a circle or a rectangle. Fails with WRONGTYPE on other types than sorted sets, if
    /// the centre is a member that is missing or a position out of range, and if a length is negative. O(log n + members near
    /// by). Follows GEOSEARCH of Redis 7.2.
    ///
    /// ```
    /// use keyslot_engine::{Engine, GeoArea, GeoOrigin, GeoSearch, GeoUnit};
    /// let db = Engine::in_memory();
    /// db.geo_add("Sicily", &[(13.361389, 38.115556, "Palermo"), (15.087269, 37.502669, "Catania")])?;
    /// let search = GeoSearch {
    ///     origin: GeoOrigin::Position(15.0, 37.0),
    ///     area: GeoArea::Radius(100.0, GeoUnit::Kilometers),
    ///     order: None,
    ///     count: None,
    /// };
    /// let hits = db.geo_search("Sicily", &search)?;
    /// assert_eq!((hits.len(), &hits[0].member[..]), (1, &b"Catania"[..]));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn geo_search(&self, key: impl AsRef<[u8]>, search: &GeoSearch<'_>) -> Result<Vec<GeoHit>, CommandError> {
        self.on_entry(key.as_ref(), |entry| {
            let set = read_or_empty(entry)?;
            if entry.is_none() {
                return Ok(Vec::new());
            }
            let request = Request::of(set, search)?;
            Ok(request.hits(&request.find(set)))
        })
    }

    /// Stores what [`Engine::geo_search`] finds at `destination`, whatever was there; returns how many members that are. Follows
    /// GEOSEARCHSTORE; records `DEL` and `ZADD`.
    pub fn geo_search_store(
        &self,
        destination: impl AsRef<[u8]>,
        source: impl AsRef<[u8]>,
        search: &GeoSearch<'_>,
    ) -> Result<usize, CommandError> {
        let (destination, source) = (destination.as_ref(), source.as_ref());
        self.on_keys(&[destination, source], Access::Grow, |turn| {
            let (destination, source, core) = (turn.key(destination)?, turn.key(source)?, turn.core());
            let entry = match turn.read(&source) {
                None => None,
                Some(entry) => {
                    let set = read(&entry)?;
                    let request = Request::of(set, search)?;
                    request.to_entry(core, destination.bytes, &request.find(set))
                }
            };
            store_whole(turn, &destination, entry, "geosearchstore")
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.ask("GEOADD {k}s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
        bench.ask("GEOADD {k}s 12.758489 38.788135 edge1 17.241510 38.788135 edge2");
        bench.effects();
        bench
    }

    fn members(reply: &str) -> Vec<&str> {
        reply.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with(['*', '$'])).collect()
    }

    #[test]
    fn circles_and_rectangles_are_searched() {
        let bench = bench();
        for (request, expected) in [
            ("GEOSEARCH {k}s FROMLONLAT 15 37 BYRADIUS 200 km ASC", &["Catania", "Palermo"][..]),
            ("GEOSEARCH {k}s FROMLONLAT 15 37 BYBOX 400 400 km DESC", &["edge1", "edge2", "Palermo", "Catania"]),
            ("GEOSEARCH {k}s FROMMEMBER Palermo BYRADIUS 1 m", &["Palermo"]),
            ("GEOSEARCH {k}s FROMLONLAT 15 37 BYRADIUS 900 km COUNT 1", &["Catania"]),
            ("GEOSEARCH {k}none FROMMEMBER x BYRADIUS 1 m", &[]),
        ] {
            assert_eq!(members(&bench.ask(request)), expected, "{request}");
        }
        let any = bench.ask("GEOSEARCH {k}s FROMLONLAT 15 37 BYRADIUS 900 km COUNT 2 ANY");
        assert_eq!(members(&any).len(), 2);
        let full = bench.ask("GEOSEARCH {k}s FROMLONLAT 15 37 BYRADIUS 100 km WITHCOORD WITHDIST WITHHASH");
        let expected = "*1\r\n*4\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n*2\r\n$20\r\n15.08726745843887329\r\n$20\r\n37.50266842333162032\r\n";
        assert_eq!(full, expected);
    }

    #[test]
    fn results_are_stored_with_hash_or_distance() {
        let bench = bench();
        assert_eq!(bench.ask("GEOSEARCHSTORE {k}d {k}s FROMLONLAT 15 37 BYRADIUS 200 km"), ":2\r\n");
        assert_eq!(bench.ask("GEOSEARCHSTORE {k}d {k}s FROMLONLAT 15 37 BYRADIUS 100 km STOREDIST"), ":1\r\n");
        assert_eq!(bench.ask("GEOSEARCHSTORE {k}d {k}none FROMLONLAT 15 37 BYRADIUS 100 km"), ":0\r\n");
        assert_eq!(bench.effects().len(), 4);
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = bench();
        for (request, error) in [
            (
                "GEOSEARCH {k}s BYRADIUS 1 m ASC DESC",
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
            ),
            (
                "geosearch {k}s FROMLONLAT 1 1 ASC DESC",
                "ERR exactly one of BYRADIUS and BYBOX can be specified for geosearch",
            ),
            ("GEOSEARCH {k}s FROMLONLAT 1 1 FROMMEMBER a BYRADIUS 1 m", "ERR syntax error"),
            ("GEOSEARCH {k}s FROMLONLAT 1 1 BYRADIUS 1 m BYBOX 1 1 m", "ERR syntax error"),
            ("GEOSEARCH {k}s FROMLONLAT 1 1 BYBOX x 1 m", "ERR need numeric width"),
            ("GEOSEARCH {k}s FROMLONLAT 1 1 BYBOX -1 x m", "ERR need numeric height"),
            ("GEOSEARCH {k}s FROMLONLAT 1 1 BYBOX 1 -1 m", "ERR height or width cannot be negative"),
            ("GEOSEARCH {k}s FROMMEMBER x BYRADIUS 1 m", "ERR could not decode requested zset member"),
            ("GEOSEARCH {k}s FROMLONLAT 1 1 BYRADIUS 1 m STOREDIST", "ERR syntax error"),
            (
                "GEOSEARCHSTORE {k}d {k}s FROMLONLAT 1 1 BYRADIUS 1 m WITHDIST",
                "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            ),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
        bench.ask("SET {k}str x");
        assert!(bench.error("GEOSEARCH {k}str FROMLONLAT 1 1 BYRADIUS 1 m").starts_with("WRONGTYPE"));
    }
}
