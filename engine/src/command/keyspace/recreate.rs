//! A value as the commands that make it.

use super::recording::record_value;
use crate::effect::{Recorder, encode_effect};
use crate::keyspace::EntryRef;

/// Gives `f` commands that make a collection at its key, each encoded: the first deletes what is there. No slot is held. O(value).
pub(crate) fn recreate(entry: &EntryRef, f: impl FnMut(Vec<u8>)) {
    record_value(&mut Commands(f), entry.key(), entry);
}

/// Effects one by one.
struct Commands<F>(F);

impl<F: FnMut(Vec<u8>)> Recorder for Commands<F> {
    fn record(&mut self, args: &[&[u8]]) {
        let mut command = Vec::new();
        encode_effect(&mut command, args);
        (self.0)(command);
    }

    fn is_recording(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, contents};
    use crate::resp::parse_reply;
    use std::task::{Poll, Waker};

    #[test]
    fn collections_of_every_type_are_made_anew_by_commands_of_bounded_size() {
        let (bench, copy) = (Bench::new(), Bench::new());
        for number in 0..2000 {
            bench.run(&format!("HSET hash field{number} value{number}"));
            bench.run(&format!("SADD set member{number}"));
            bench.run(&format!("ZADD zset {number} member{number}"));
            bench.run(&format!("RPUSH list element{number}"));
            bench.run(&format!("XADD stream {number}-1 f v"));
        }
        bench.run("HPEXPIREAT hash 1700000009000 FIELDS 2 field1 field2");
        bench.run("XGROUP CREATE stream group 0");
        bench.run("XREADGROUP GROUP group me COUNT 10 STREAMS stream >");
        let keys = ["hash", "set", "zset", "list", "stream"];
        let Poll::Ready(Ok(departure)) = bench.db.poll_depart(0, &keys, Waker::noop()) else { panic!() };
        for at in 0..keys.len() {
            assert!(departure.has_parts(at));
            departure.value(at).unwrap().each_command(|command| {
                let (words, len) = parse_reply(&command).unwrap().unwrap();
                assert_eq!(len, command.len());
                let words: Vec<_> = words.as_slice().unwrap().iter().map(|word| word.as_bytes().unwrap()).collect();
                assert!(words.len() <= 2 * 256 + 8, "{}", words.len());
                assert!(copy.db.call(&words).as_error().is_none());
            });
        }
        assert_eq!(contents(&bench.db), contents(&copy.db));
    }
}
