//! `HGETDEL key FIELDS n field [field ...]`: the values of fields, which are deleted. Of Redis 8.0.
//!
//! Reply: an array of values and nulls. Effect: `HDEL key field ...` with the fields that were there.

use super::field_list::{TOO_FEW, field_list};
use super::removal::remove_present;
use super::{copied, find_hash};
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::turn::{Key, Turn};
use crate::value::hash::HashView;
use bytes::Bytes;

pub(super) const HGETDEL: Row = Row::new("hgetdel", -5, Run::Turn(hgetdel))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().delete()])
    .summary("Returns the value of a field and deletes it from the hash.")
    .docs(Group::Hash, "8.0.0", "O(N) where N is the number of specified fields")
    .args("key:key#0 fields:block=FIELDS{numfields:integer field:string*}");

fn hgetdel(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    let old = find_hash(turn, &key)?;
    let fields = field_list(args, 2, TOO_FEW)?;
    write_values(reply, &take(turn, &key, old, fields));
    Ok(())
}

pub(super) fn write_values(reply: &mut ReplyWriter<'_>, values: &[Option<Bytes>]) {
    reply.array(values.len());
    for value in values {
        match value {
            Some(value) => reply.bulk(value),
            None => reply.null(),
        }
    }
}

/// The values of fields that are shown.
pub(super) fn values(turn: &Turn<'_>, key: &Key<'_>, spot: Option<Spot>, fields: &[&[u8]]) -> Vec<Option<Bytes>> {
    let Some(spot) = spot else { return vec![None; fields.len()] };
    let entry = turn.entry(key, spot);
    let hash = entry.as_hash().map(|hash| HashView::new(hash, || turn.sight()));
    fields.iter().map(|field| hash?.get(field).map(|field| copied(field.value))).collect()
}

fn take(turn: &mut Turn<'_>, key: &Key<'_>, spot: Option<Spot>, fields: &[&[u8]]) -> Vec<Option<Bytes>> {
    let mut values = values(turn, key, spot, fields);
    // A field that is named again is not there any more.
    for at in 1..fields.len() {
        if fields[..at].contains(&fields[at]) {
            values[at] = None;
        }
    }
    if let Some(spot) = spot {
        let present: Vec<&[u8]> =
            fields.iter().zip(&values).filter_map(|(f, value)| value.as_ref().map(|_| *f)).collect();
        remove_present(turn, key, spot, &present);
    }
    values
}

impl Turn<'_> {
    /// The values of `fields` of the hash at `key`, which are deleted. O(fields).
    pub fn hget_del<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        fields: &[F],
    ) -> Result<Vec<Option<Bytes>>, CommandError> {
        let key = self.key(key.as_ref())?;
        let spot = find_hash(self, &key)?;
        let fields: Vec<&[u8]> = fields.iter().map(AsRef::as_ref).collect();
        Ok(take(self, &key, spot, &fields))
    }
}

impl Engine {
    /// The values of `fields` of the hash at `key`, which are deleted; with the last field the key goes. Fails with WRONGTYPE
    /// on other types. O(fields). Follows HGETDEL of Redis 8.0; records `HDEL`.
    pub fn hget_del<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        fields: &[F],
    ) -> Result<Vec<Option<Bytes>>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.hget_del(key, fields))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn fields_are_read_and_gone() {
        let bench = Bench::new();
        bench.run("HSET k a 1 b 2");
        bench.effects();
        assert_eq!(bench.ask("HGETDEL k FIELDS 3 a none a"), "*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n");
        assert_eq!(bench.ask("HGETDEL k FIELDS 1 none"), "*1\r\n$-1\r\n");
        assert_eq!(bench.db.hget_del("k", &["b"]).unwrap(), [Some("2".into())]);
        assert_eq!(bench.effects(), ["HDEL k a", "HDEL k b"]);
        assert_eq!(bench.run("EXISTS k"), Value::Integer(0));
        assert_eq!(bench.ask("HGETDEL k FIELDS 1 a"), "*1\r\n$-1\r\n");
        assert_eq!(bench.error("HGETDEL k FIELDS 0 a"), super::TOO_FEW);
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
