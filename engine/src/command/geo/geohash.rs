//! `GEOHASH key [member ...]`: the usual geohashes of members.
//!
//! Reply: an array of eleven letters each, null for who is missing.

use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::sorted_set::read_or_empty;
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::value::geohash::Position;

pub(super) const GEOHASH: Row = Row::new("geohash", -2, Run::Look(geo_hash))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns members from a geospatial index as geohash strings.")
    .docs(Group::Geo, "3.2.0", "O(1) for each member requested.")
    .args("key:key#0 member:string?*");

fn geo_hash(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let set = read_or_empty(entry)?;
    reply.array(args.len() - 2);
    for member in &args[2..] {
        match set.score(member) {
            None => reply.null(),
            Some(score) => reply.bulk(&Position::of_score(score).to_geohash()),
        }
    }
    Ok(())
}

impl Engine {
    /// The usual geohashes of members of the index at `key`: eleven letters, or `None` for who is missing. Fails with WRONGTYPE
    /// on other types than sorted sets. O(1) for each. Follows GEOHASH of Redis 7.2.
    pub fn geo_hash(
        &self,
        key: impl AsRef<[u8]>,
        members: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Option<String>>, CommandError> {
        self.on_entry(key.as_ref(), |entry| {
            let set = read_or_empty(entry)?;
            let letters = |score| String::from_utf8_lossy(&Position::of_score(score).to_geohash()).into_owned();
            Ok(members.iter().map(|member| set.score(member.as_ref()).map(letters)).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn members_have_eleven_letters() {
        let bench = Bench::new();
        bench.ask("GEOADD s 13.361389 38.115556 Palermo -5.6 42.6 ezs");
        let expected = "*3\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n$11\r\nezs42e44yx0\r\n";
        assert_eq!(bench.ask("GEOHASH s Palermo nowhere ezs"), expected);
        assert_eq!((bench.ask("GEOHASH s"), bench.ask("GEOHASH none a")), ("*0\r\n".into(), "*1\r\n$-1\r\n".into()));
        assert_eq!(bench.db.geo_hash("s", &["ezs"]).unwrap(), [Some("ezs42e44yx0".into())]);
    }
}
