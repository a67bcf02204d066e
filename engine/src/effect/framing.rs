//! How batches stand in the stream that a log holds and a replica gets: a `SELECT` where the database changes, `MULTI` and
//! `EXEC` around a batch of several effects.
//!
//! ```text
//! SELECT 0 | SET k v | MULTI | SET a 1 | SET b 2 | EXEC | SELECT 3 | DEL k
//! ```

use super::{Batch, encode_effect};
use crate::text::parse_i64;

/// What a command is in the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// An effect.
    Effect,
    /// What follows is in this database; `None` if its argument is no number of one.
    Select(Option<u16>),
    /// A message that changes no data: `PING`, `REPLCONF`, `PUBLISH`, `SPUBLISH`. For replicas; a log that is replayed passes
    /// over it.
    Message,
    /// A batch of several effects begins.
    Multi,
    /// It ends.
    Exec,
}

impl Framing {
    /// Tells what a command is by its arguments, the name first, in any case.
    #[inline]
    pub fn of(args: &[impl AsRef<[u8]>]) -> Self {
        let is = |name: &[u8]| args[0].as_ref().len() == name.len() && args[0].as_ref().eq_ignore_ascii_case(name);
        match args.len() {
            2 if is(b"SELECT") => {
                Self::Select(parse_i64(args[1].as_ref()).and_then(|number| u16::try_from(number).ok()))
            }
            1 if is(b"MULTI") => Self::Multi,
            1 if is(b"EXEC") => Self::Exec,
            _ if MESSAGES.iter().any(|name| is(name)) => Self::Message,
            _ => Self::Effect,
        }
    }
}

impl Batch<'_> {
    /// Gives the batch with its framing to `push`, piece by piece; with a `SELECT` if `selects`. O(bytes).
    #[inline]
    pub fn write_framed(&self, selects: bool, mut push: impl FnMut(&[u8])) {
        if self.verbatim.is_some() {
            return push(self.bytes);
        }
        if selects && self.db < 10 {
            let mut effect = *b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
            effect[SELECT_DIGIT_AT] += self.db as u8;
            push(&effect);
        } else if selects {
            let mut effect = Vec::with_capacity(FRAMING_SIZE_MAX);
            encode_effect(&mut effect, &[b"SELECT", itoa::Buffer::new().format(self.db).as_bytes()]);
            push(&effect);
        }
        if self.count > 1 {
            push(MULTI);
            push(self.bytes);
            push(EXEC);
        } else {
            push(self.bytes);
        }
    }
}

const MESSAGES: [&[u8]; 4] = [b"PING", b"PUBLISH", b"REPLCONF", b"SPUBLISH"];

/// Bytes that framing adds to a batch, at most.
pub const FRAMING_SIZE_MAX: usize = SELECT_SIZE_MAX + MULTI.len() + EXEC.len();

const SELECT_SIZE_MAX: usize = "*2\r\n$6\r\nSELECT\r\n$5\r\n65535\r\n".len();
const SELECT_DIGIT_AT: usize = "*2\r\n$6\r\nSELECT\r\n$1\r\n".len();
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::BatchKind;
    use crate::time::UnixMillis;

    #[test]
    fn framing_is_written_where_it_is_needed_and_recognised() {
        let one = b"*1\r\n$4\r\nPING\r\n";
        let framed = |db, count, selects| {
            let mut out = Vec::new();
            let batch = Batch {
                kind: BatchKind::Keyless,
                db,
                slots: &[],
                era: 0,
                now: UnixMillis(0),
                count,
                bytes: one,
                verbatim: None,
            };
            batch.write_framed(selects, |bytes| out.extend_from_slice(bytes));
            assert!(out.len() <= one.len() + FRAMING_SIZE_MAX);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(framed(0, 1, false), "*1\r\n$4\r\nPING\r\n");
        assert_eq!(framed(7, 1, true), "*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n*1\r\n$4\r\nPING\r\n");
        assert_eq!(
            framed(12, 2, true),
            "*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nEXEC\r\n"
        );
        assert_eq!(Framing::of(&["select", "12"]), Framing::Select(Some(12)));
        assert_eq!(Framing::of(&["SELECT", "x"]), Framing::Select(None));
        assert_eq!(Framing::of(&["SELECT", "65536"]), Framing::Select(None));
        assert_eq!((Framing::of(&["Multi"]), Framing::of(&["exec"])), (Framing::Multi, Framing::Exec));
        assert_eq!((Framing::of(&["MULTI", "x"]), Framing::of(&["SET", "k", "v"])), (Framing::Effect, Framing::Effect));
        assert_eq!(
            (Framing::of(&["ping"]), Framing::of(&["REPLCONF", "GETACK", "*"])),
            (Framing::Message, Framing::Message)
        );
        assert_eq!(
            (Framing::of(&["spublish", "c", "m"]), Framing::of(&["SPOP", "k"])),
            (Framing::Message, Framing::Effect)
        );
    }
}
