//! `GEOADD key [NX | XX] [CH] longitude latitude member ...`: gives members positions.
//!
//! Reply: how many members are new, with CH how many are new or have moved. Effect: `ZADD key score member ...` with what
//! changed.

use super::arguments::{check, position};
use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::sorted_set::{AddIf, add_all};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::geohash::Position;

pub(super) const GEOADD: Row = Row::new("geoadd", -5, Run::Turn(geo_add))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Adds one or more members to a geospatial index. The key is created if it doesn't exist.")
    .docs(Group::Geo, "3.2.0", "O(log(N)) for each item added, where N is the number of elements in the sorted set.")
    .history(&[("6.2.0", "Added the `CH`, `NX` and `XX` options.")])
    .args(
        "key:key#0 condition:oneof@6.2.0?{nx=NX xx=XX} change@6.2.0?=CH data:block*{longitude:double \
         latitude:double member:string}",
    );

fn geo_add(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (mut only_new, mut only_existing, mut counts_moved) = (false, false, false);
    let mut at = 2;
    while let Some(word) = args.get(at) {
        match word.to_ascii_uppercase().as_slice() {
            b"NX" => only_new = true,
            b"XX" => only_existing = true,
            b"CH" => counts_moved = true,
            _ => break,
        }
        at += 1;
    }
    let (words, rest) = args[at..].as_chunks::<3>();
    if words.is_empty() || !rest.is_empty() || only_new && only_existing {
        return Err(CommandError::Syntax);
    }
    let condition = AddIf::of(only_new, only_existing)?;
    let mut pairs = Vec::with_capacity(words.len());
    for [longitude, latitude, member] in words {
        pairs.push((*member, position(longitude, latitude)?.to_score()));
    }
    let key = turn.key(args[1])?;
    let added = add_all(turn, &key, &pairs, condition)?;
    reply.integer(if counts_moved { added.added + added.moved } else { added.added } as i64);
    Ok(())
}

impl Turn<'_> {
    /// Gives members positions: longitude, latitude, member. Returns how many are new. O(log n) for each.
    pub fn geo_add(
        &mut self,
        key: impl AsRef<[u8]>,
        members: &[(f64, f64, impl AsRef<[u8]>)],
    ) -> Result<usize, CommandError> {
        let mut pairs = Vec::with_capacity(members.len());
        for (longitude, latitude, member) in members {
            let position = check(Position { longitude: *longitude, latitude: *latitude })?;
            pairs.push((member.as_ref(), position.to_score()));
        }
        let key = self.key(key.as_ref())?;
        if pairs.is_empty() {
            return Ok(0);
        }
        Ok(add_all(self, &key, &pairs, AddIf::default())?.added)
    }
}

impl Engine {
    /// Gives members of the index at `key` positions: longitude and latitude in degrees, member. Returns how many are new. Fails
    /// with WRONGTYPE on other types than sorted sets, and if a position is out of range. O(log n) for each. Follows GEOADD of
    /// Redis 7.2; records `ZADD`.
    ///
    /// ```
    /// use keyslot_engine::{Engine, GeoUnit};
    /// let db = Engine::in_memory();
    /// db.geo_add("Sicily", &[(13.361389, 38.115556, "Palermo"), (15.087269, 37.502669, "Catania")])?;
    /// assert_eq!(db.geo_dist("Sicily", "Palermo", "Catania", GeoUnit::Kilometers)?.map(f64::round), Some(166.0));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn geo_add(
        &self,
        key: impl AsRef<[u8]>,
        members: &[(f64, f64, impl AsRef<[u8]>)],
    ) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.geo_add(key, members))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn positions_become_scores() {
        let bench = Bench::new();
        assert_eq!(bench.ask("GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"), ":2\r\n");
        assert_eq!(bench.ask("GEOADD s NX CH 1 1 Palermo 2 2 new"), ":1\r\n");
        assert_eq!(bench.ask("GEOADD s XX CH 1 1 Palermo 3 3 other"), ":1\r\n");
        assert_eq!(bench.ask("ZSCORE s Catania"), "$16\r\n3479447370796909\r\n");
        assert_eq!(bench.effects()[0], "ZADD s 3479099956230698 Palermo 3479447370796909 Catania");
        for (request, error) in [
            ("GEOADD s 1 1", "ERR wrong number of arguments for 'geoadd' command"),
            ("GEOADD s NX 1 1", "ERR syntax error"),
            ("GEOADD s NX XX 1 1 a", "ERR syntax error"),
            ("GEOADD s 1 1 a 2", "ERR syntax error"),
            ("GEOADD s x 1 a", "ERR value is not a valid float"),
            ("GEOADD s 181 1 a", "ERR invalid longitude,latitude pair 181.000000,1.000000"),
            ("GEOADD s 1 -86 a", "ERR invalid longitude,latitude pair 1.000000,-86.000000"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
        bench.assert_replays();
    }
}
