//! `GEODIST key member1 member2 [M | KM | FT | MI]`: the distance between two members.
//!
//! Reply: a bulk string with four digits after the point; null if a member is missing.

use super::arguments::{GeoUnit, write_distance};
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::sorted_set::read_or_empty;
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::value::geohash::Position;

pub(super) const GEODIST: Row = Row::new("geodist", -4, Run::Look(geo_dist))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the distance between two members of a geospatial index.")
    .docs(Group::Geo, "3.2.0", "O(1)")
    .args("key:key#0 member1:string member2:string unit:oneof?{m=M km=KM ft=FT mi=MI}");

fn geo_dist(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let unit = match &args[4..] {
        [] => GeoUnit::Meters,
        [word] => GeoUnit::read(word)?,
        _ => return Err(CommandError::Syntax),
    };
    match distance(entry, args[2], args[3], unit)? {
        None => reply.null(),
        Some(distance) => write_distance(reply, distance),
    }
    Ok(())
}

fn distance(entry: Option<&EntryRef>, from: &[u8], to: &[u8], unit: GeoUnit) -> Result<Option<f64>, CommandError> {
    let set = read_or_empty(entry)?;
    let (Some(from), Some(to)) = (set.score(from), set.score(to)) else { return Ok(None) };
    Ok(Some(Position::of_score(from).distance(Position::of_score(to)) / unit.metres()))
}

impl Engine {
    /// The distance between two members of the index at `key`; `None` if one is missing. Fails with WRONGTYPE on other types
    /// than sorted sets. O(1). Follows GEODIST of Redis 7.2.
    pub fn geo_dist(
        &self,
        key: impl AsRef<[u8]>,
        member1: impl AsRef<[u8]>,
        member2: impl AsRef<[u8]>,
        unit: GeoUnit,
    ) -> Result<Option<f64>, CommandError> {
        self.on_entry(key.as_ref(), |entry| distance(entry, member1.as_ref(), member2.as_ref(), unit))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn distances_are_in_the_unit_asked_for() {
        let bench = Bench::new();
        bench.ask("GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
        for (request, distance) in [
            ("GEODIST s Palermo Catania", "$11\r\n166274.1516\r\n"),
            ("GEODIST s Palermo Catania KM", "$8\r\n166.2742\r\n"),
            ("GEODIST s Palermo Catania mi", "$8\r\n103.3182\r\n"),
            ("GEODIST s Palermo Palermo ft", "$6\r\n0.0000\r\n"),
            ("GEODIST s Palermo nowhere", "$-1\r\n"),
            ("GEODIST none a b", "$-1\r\n"),
        ] {
            assert_eq!(bench.ask(request), distance, "{request}");
        }
        assert_eq!(bench.error("GEODIST s a b x"), "ERR unsupported unit provided. please use M, KM, FT, MI");
        assert_eq!(bench.error("GEODIST s a b m x"), "ERR syntax error");
    }
}
