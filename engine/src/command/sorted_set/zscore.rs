//! `ZSCORE key member` and `ZMSCORE key member ...`: the scores of members.
//!
//! Reply: the score, or null; an array of them.

use super::{look, read_or_empty, write_score};
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const ZSCORE: Row = Row::new("zscore", 3, Run::Look(zscore))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the score of a member in a sorted set.")
    .docs(Group::SortedSet, "1.2.0", "O(1)")
    .args("key:key#0 member:string");

pub(super) const ZMSCORE: Row = Row::new("zmscore", -3, Run::Look(zmscore))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the score of one or more members in a sorted set.")
    .docs(Group::SortedSet, "6.2.0", "O(N) where N is the number of members being requested.")
    .args("key:key#0 member:string*");

fn zscore(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_score(reply, read_or_empty(entry)?.score(args[2]));
    Ok(())
}

fn zmscore(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let set = read_or_empty(entry)?;
    reply.array(args.len() - 2);
    args[2..].iter().for_each(|member| write_score(reply, set.score(member)));
    Ok(())
}

impl Turn<'_> {
    /// The score of a member. O(1).
    pub fn zscore(&mut self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<Option<f64>, CommandError> {
        let key = self.key(key.as_ref())?;
        look(self, &key, |set| set.score(member.as_ref()))
    }

    /// The scores of members. O(1) for each.
    pub fn zscore_multiple(
        &mut self,
        key: impl AsRef<[u8]>,
        members: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Option<f64>>, CommandError> {
        let key = self.key(key.as_ref())?;
        look(self, &key, |set| members.iter().map(|member| set.score(member.as_ref())).collect())
    }
}

impl Engine {
    /// The score of a member of the sorted set at `key`. Fails with WRONGTYPE on other types. O(1). Follows ZSCORE of Redis
    /// 7.2.
    pub fn zscore(&self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<Option<f64>, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(read_or_empty(entry)?.score(member.as_ref())))
    }

    /// The scores of members of the sorted set at `key`, in their order. As [`Engine::zscore`] otherwise; follows ZMSCORE.
    pub fn zscore_multiple(
        &self,
        key: impl AsRef<[u8]>,
        members: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Option<f64>>, CommandError> {
        self.on_entry(key.as_ref(), |entry| {
            let set = read_or_empty(entry)?;
            Ok(members.iter().map(|member| set.score(member.as_ref())).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn scores_are_doubles_and_null_where_there_is_no_member() {
        let bench = Bench::new();
        bench.ask("ZADD z 1.5 a -inf b 3 12");
        assert_eq!(bench.ask("ZSCORE z a"), "$3\r\n1.5\r\n");
        assert_eq!(bench.run("ZSCORE z 12"), Value::Double(3.0));
        assert_eq!((bench.run("ZSCORE z x"), bench.run("ZSCORE none x")), (Value::Nil, Value::Nil));
        let expected = Value::Array(vec![Value::Double(f64::NEG_INFINITY), Value::Nil]);
        assert_eq!(bench.run("ZMSCORE z b x"), expected);
        assert_eq!(bench.db.zscore_multiple("none", &["a"]).unwrap(), [None]);
        bench.ask("SET s x");
        assert!(
            bench.error("ZSCORE s a").starts_with("WRONGTYPE") && bench.error("ZMSCORE s a").starts_with("WRONGTYPE")
        );
    }
}
