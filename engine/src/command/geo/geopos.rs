//! `GEOPOS key [member ...]`: the positions of members.
//!
//! Reply: an array of longitude and latitude each, a null array for who is missing.

use super::arguments::write_position;
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::sorted_set::read_or_empty;
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::value::geohash::Position;

pub(super) const GEOPOS: Row = Row::new("geopos", -2, Run::Look(geo_pos))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the longitude and latitude of members from a geospatial index.")
    .docs(Group::Geo, "3.2.0", "O(1) for each member requested.")
    .args("key:key#0 member:string?*");

fn geo_pos(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let set = read_or_empty(entry)?;
    reply.array(args.len() - 2);
    for member in &args[2..] {
        match set.score(member) {
            None => reply.null_array(),
            Some(score) => write_position(reply, Position::of_score(score)),
        }
    }
    Ok(())
}

impl Engine {
    /// Longitude and latitude of members of the index at `key`, degrees; `None` for who is missing. Fails with WRONGTYPE on other
    /// types than sorted sets. O(1) for each. Follows GEOPOS of Redis 7.2.
    pub fn geo_pos(
        &self,
        key: impl AsRef<[u8]>,
        members: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Option<(f64, f64)>>, CommandError> {
        self.on_entry(key.as_ref(), |entry| {
            let set = read_or_empty(entry)?;
            let pair = |Position { longitude, latitude }| (longitude, latitude);
            let at = |member: &[u8]| set.score(member).map(|score| pair(Position::of_score(score)));
            Ok(members.iter().map(|member| at(member.as_ref())).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, ask, session};

    #[test]
    fn positions_have_up_to_seventeen_digits() {
        let bench = Bench::new();
        bench.ask("GEOADD s 13.361389 38.115556 Palermo");
        let expected = "*2\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*-1\r\n";
        assert_eq!(bench.ask("GEOPOS s Palermo nowhere"), expected);
        let mut resp3 = session(&bench.db);
        ask(&mut resp3, "HELLO 3");
        let expected = "*2\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n_\r\n";
        assert_eq!(ask(&mut resp3, "GEOPOS s Palermo nowhere"), expected);
        assert_eq!(bench.ask("GEOPOS none"), "*0\r\n");
    }
}
