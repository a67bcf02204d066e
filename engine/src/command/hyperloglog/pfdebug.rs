//! `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`: looks into a HyperLogLog.
//!
//! Reply: GETREG: the numbers of all registers, after making it dense; DECODE: the runs of a sparse one; ENCODING: its form;
//! TODENSE: 1 if it was sparse. Effect: `PFDEBUG TODENSE key` where it became dense.

use super::counter_of;
use crate::command::row::flag::{ADMIN, DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::{Key, Turn};
use crate::value::hyperloglog::{Form, REGISTERS, describe_runs, make_dense, merge_into};

pub(super) const PFDEBUG: Row = Row::new("pfdebug", 3, Run::Turn(pf_debug))
    .flags(WRITE | DENYOOM | ADMIN)
    .keys(&[KeySpec::index(2).rw().access()])
    .summary("Internal commands for debugging HyperLogLog values.")
    .docs(Group::Hyperloglog, "2.8.9", "N/A")
    .system()
    .args("subcommand:string key:key#0");

fn pf_debug(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[2])?;
    let Some(spot) = turn.find(&key) else {
        return Err(CommandError::text("ERR The specified key does not exist"));
    };
    let entry = EntryRef::clone(&turn.entry(&key, spot));
    let (bytes, form) = counter_of(&entry)?;
    let is = |word: &str| args[1].eq_ignore_ascii_case(word.as_bytes());
    if is("GETREG") {
        let mut ranks = [0; REGISTERS];
        merge_into(&mut ranks, bytes, form)?;
        to_dense(turn, &key, bytes, form)?;
        reply.array(REGISTERS);
        ranks.iter().for_each(|rank| reply.integer((*rank).into()));
    } else if is("DECODE") {
        if form != Form::Sparse {
            return Err(CommandError::text("ERR HLL encoding is not sparse"));
        }
        reply.bulk(describe_runs(bytes).as_bytes());
    } else if is("ENCODING") {
        reply.simple(match form {
            Form::Dense => "dense",
            Form::Sparse => "sparse",
        });
    } else if is("TODENSE") {
        to_dense(turn, &key, bytes, form)?;
        reply.integer((form == Form::Sparse).into());
    } else {
        return Err(CommandError::quoting("ERR Unknown PFDEBUG subcommand '", args[1], "'"));
    }
    Ok(())
}

fn to_dense(turn: &mut Turn<'_>, key: &Key<'_>, bytes: &[u8], form: Form) -> CommandResult {
    if form == Form::Dense {
        return Ok(());
    }
    let mut dense = bytes.to_vec();
    make_dense(&mut dense)?;
    if let Some(spot) = turn.find(key) {
        turn.edit_string(key, spot, |bytes| *bytes = dense);
        turn.record(&[b"PFDEBUG", b"TODENSE", key.bytes]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn registers_are_shown_in_both_forms() {
        let bench = Bench::new();
        bench.run("PFADD k a b c");
        bench.effects();
        assert_eq!(bench.run("PFDEBUG encoding k"), Value::Simple("sparse".into()));
        assert_eq!(bench.run("PFDEBUG DECODE k"), Value::bulk("Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"));
        let Value::Array(registers) = bench.run("PFDEBUG GETREG k") else { panic!("an array") };
        assert_eq!((registers.len(), registers.iter().filter(|rank| **rank != Value::Integer(0)).count()), (16384, 3));
        assert_eq!(bench.effects(), ["PFDEBUG TODENSE k"]);
        assert_eq!(bench.run("PFDEBUG ENCODING k"), Value::Simple("dense".into()));
        assert_eq!(bench.run("PFDEBUG TODENSE k"), Value::Integer(0));
        assert_eq!(bench.error("PFDEBUG DECODE k"), "ERR HLL encoding is not sparse");
        assert_eq!(bench.run("PFCOUNT k"), Value::Integer(3));
        bench.assert_replays();
    }

    #[test]
    fn errors() {
        let bench = Bench::new();
        assert_eq!(bench.error("PFDEBUG FOO k"), "ERR The specified key does not exist");
        bench.run("PFADD k");
        assert_eq!(bench.error("PFDEBUG FOO k"), "ERR Unknown PFDEBUG subcommand 'FOO'");
        bench.run("SET k x");
        assert_eq!(bench.error("PFDEBUG FOO k"), "WRONGTYPE Key is not a valid HyperLogLog string value.");
    }
}
