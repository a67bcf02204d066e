//! `GEORADIUS key longitude latitude radius unit ...`, `GEORADIUSBYMEMBER key member radius unit ...` and their read-only
//! forms: the older ways to search a circle, with `[WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
//! [STORE key | STOREDIST key]`.
//!
//! Reply: as GEOSEARCH; with STORE how many were stored. Effect with STORE: `DEL key` where something was there, and
//! `ZADD key score member ...`.

use super::search::{Form, Request};
use crate::command::row::flag::{DENYOOM, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::sorted_set::{read, store_whole};
use crate::command::{CommandResult, Run};
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const GEORADIUS: Row = Row::new("georadius", -6, Run::Turn(radius))
    .flags(WRITE | DENYOOM)
    .keys(&[
        KeySpec::index(1).ro().access(),
        KeySpec::keyword("STORE", 6).ow().update(),
        KeySpec::keyword("STOREDIST", 6).ow().update(),
    ])
    .summary(
        "Queries a geospatial index for members within a distance from a coordinate, optionally stores the result.",
    )
    .docs(
        Group::Geo,
        "3.2.0",
        "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by \
     center and radius and M is the number of items inside the index.",
    )
    .history(&[("6.2.0", "Added the `ANY` option for `COUNT`."), ("7.0.0", "Added support for uppercase unit names.")])
    .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")
    .args(
        "key:key#0 longitude:double latitude:double radius:double unit:oneof{m=M km=KM ft=FT mi=MI} \
         withcoord?=WITHCOORD withdist?=WITHDIST withhash?=WITHHASH count-block:block?{count:integer=COUNT \
         any@6.2.0?=ANY} order:oneof?{asc=ASC desc=DESC} store:oneof?{storekey<key>:key#1=STORE \
         storedistkey<key>:key#2=STOREDIST}",
    );

pub(super) const GEORADIUSBYMEMBER: Row = Row::new("georadiusbymember", -5, Run::Turn(radius_by_member))
    .flags(WRITE | DENYOOM)
    .keys(&[
        KeySpec::index(1).ro().access(),
        KeySpec::keyword("STORE", 5).ow().update(),
        KeySpec::keyword("STOREDIST", 5).ow().update(),
    ])
    .summary("Queries a geospatial index for members within a distance from a member, optionally stores the result.")
    .docs(
        Group::Geo,
        "3.2.0",
        "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by \
     center and radius and M is the number of items inside the index.",
    )
    .history(&[("7.0.0", "Added support for uppercase unit names.")])
    .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments")
    .args(
        "key:key#0 member:string radius:double unit:oneof{m=M km=KM ft=FT mi=MI} withcoord?=WITHCOORD \
         withdist?=WITHDIST withhash?=WITHHASH count-block:block?{count:integer=COUNT any?=ANY} \
         order:oneof?{asc=ASC desc=DESC} store:oneof?{storekey<key>:key#1=STORE \
         storedistkey<key>:key#2=STOREDIST}",
    );

pub(super) const GEORADIUS_RO: Row = Row::new("georadius_ro", -6, Run::Look(radius_ro))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns members from a geospatial index that are within a distance from a coordinate.")
    .docs(
        Group::Geo,
        "3.2.10",
        "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by \
     center and radius and M is the number of items inside the index.",
    )
    .history(&[("6.2.0", "Added the `ANY` option for `COUNT`.")])
    .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")
    .args(
        "key:key#0 longitude:double latitude:double radius:double unit:oneof{m=M km=KM ft=FT mi=MI} \
         withcoord?=WITHCOORD withdist?=WITHDIST withhash?=WITHHASH count-block:block?{count:integer=COUNT \
         any@6.2.0?=ANY} order:oneof?{asc=ASC desc=DESC}",
    );

pub(super) const GEORADIUSBYMEMBER_RO: Row = Row::new("georadiusbymember_ro", -5, Run::Look(radius_by_member_ro))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns members from a geospatial index that are within a distance from a member.")
    .docs(
        Group::Geo,
        "3.2.10",
        "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by \
     center and radius and M is the number of items inside the index.",
    )
    .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")
    .args(
        "key:key#0 member:string radius:double unit:oneof{m=M km=KM ft=FT mi=MI} withcoord?=WITHCOORD \
         withdist?=WITHDIST withhash?=WITHHASH count-block:block?{count:integer=COUNT any?=ANY} \
         order:oneof?{asc=ASC desc=DESC}",
    );

fn radius(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    search(turn, args, reply, Form::Radius { stores: true })
}

fn radius_by_member(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    search(turn, args, reply, Form::RadiusByMember { stores: true })
}

fn radius_ro(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    list(entry, args, reply, Form::Radius { stores: false })
}

fn radius_by_member_ro(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    list(entry, args, reply, Form::RadiusByMember { stores: false })
}

/// Searches and shows what was found.
pub(super) fn list(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>, form: Form) -> CommandResult {
    let set = entry.map(read).transpose()?;
    let request = Request::read(set, args, form)?;
    let points = set.map(|set| request.find(set)).unwrap_or_default();
    request.write(&points, reply);
    Ok(())
}

fn search(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>, form: Form) -> CommandResult {
    let source = turn.key(args[1])?;
    let core = turn.core();
    let (destination, entry) = {
        let entry = turn.read(&source);
        let set = entry.as_deref().map(read).transpose()?;
        let request = Request::read(set, args, form)?;
        let points = set.map(|set| request.find(set)).unwrap_or_default();
        let Some(destination) = request.destination else {
            request.write(&points, reply);
            return Ok(());
        };
        (destination, request.to_entry(core, destination, &points))
    };
    let destination = turn.key(destination)?;
    reply.integer(store_whole(turn, &destination, entry, "georadiusstore")? as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    #[test]
    fn circles_are_searched_and_stored() {
        let bench = Bench::new();
        bench.ask("GEOADD {k}s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
        bench.effects();
        assert_eq!(bench.ask("GEORADIUS {k}s 15 37 100 km"), "*1\r\n$7\r\nCatania\r\n");
        let both = "*2\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n*2\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n";
        assert_eq!(bench.ask("GEORADIUS_RO {k}s 15 37 200 KM WITHDIST ASC"), both);
        let one = "*1\r\n*2\r\n$7\r\nPalermo\r\n:3479099956230698\r\n";
        assert_eq!(bench.ask("GEORADIUSBYMEMBER {k}s Palermo 1 m WITHHASH COUNT 1"), one);
        assert_eq!(bench.ask("GEORADIUSBYMEMBER_RO {k}none x y z"), "*0\r\n");
        assert_eq!(bench.ask("GEORADIUS {k}s 15 37 100 km STORE {k}d"), ":1\r\n");
        assert_eq!(bench.ask("GEORADIUS {k}s 15 37 1 m STOREDIST {k}d"), ":0\r\n");
        assert_eq!(bench.effects(), ["ZADD {k}d 3479447370796909 Catania", "DEL {k}d"]);
        for (request, error) in [
            ("GEORADIUS {k}s 15 37 x km", "ERR need numeric radius"),
            ("GEORADIUS {k}s 15 37 -1 km", "ERR radius cannot be negative"),
            ("GEORADIUS {k}s 15 37 1 xx", "ERR unsupported unit provided. please use M, KM, FT, MI"),
            ("GEORADIUS_RO {k}s 15 37 1 m STORE x", "ERR syntax error"),
            ("GEORADIUS {k}s 15 37 1 m COUNT 0", "ERR COUNT must be > 0"),
            ("GEORADIUS {k}s 15 37 1 m ANY", "ERR the ANY argument requires COUNT argument"),
            ("GEORADIUSBYMEMBER {k}s nowhere 1 m", "ERR could not decode requested zset member"),
            (
                "GEORADIUS {k}s 15 37 1 m STORE {k}d WITHDIST",
                "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            ),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
        bench.assert_replays();
        assert_totals(&bench.db);
    }
}
