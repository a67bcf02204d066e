//! Which history a stream belongs to: the names that offsets are counted under.
//!
//! ```text
//! id        what this node's stream is called now
//! previous  what it was called up to an offset: the primary's name, before this replica was promoted
//! ```

use keyslot_engine::Offset;
use std::fmt;

/// The name of a history: 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicationId([u8; ID_LEN]);

impl ReplicationId {
    /// A name made of chance. Names must differ between histories.
    pub fn from_chance(chance: [u64; 3]) -> Self {
        let digits = chance.iter().flat_map(|word| word.to_be_bytes()).flat_map(|byte| [byte >> 4, byte & 15]);
        let mut id = [b'0'; ID_LEN];
        for (place, digit) in id.iter_mut().zip(digits) {
            *place = b"0123456789abcdef"[usize::from(digit)];
        }
        Self(id)
    }

    /// Reads a name; `None` if these are not 40 letters and digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let id: [u8; ID_LEN] = text.try_into().ok()?;
        id.iter().all(u8::is_ascii_alphanumeric).then_some(Self(id))
    }

    /// A number that is another for another name, but for chance.
    pub fn number(&self) -> u64 {
        self.0.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it is ASCII")
    }
}

impl fmt::Display for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What this node's stream is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct History {
    id: ReplicationId,
    /// The name before, and the offset behind the last byte that has it.
    previous: Option<(ReplicationId, Offset)>,
}

impl History {
    /// A history of its own.
    pub fn new(id: ReplicationId) -> Self {
        Self { id, previous: None }
    }

    /// Its name (`master_replid`).
    pub fn id(&self) -> ReplicationId {
        self.id
    }

    /// Its name before, and up to where (`master_replid2`, `second_repl_offset` - 1).
    pub fn previous(&self) -> Option<(ReplicationId, Offset)> {
        self.previous
    }

    /// Whether a stream called `id` is this one up to `offset`.
    pub fn holds(&self, id: &ReplicationId, offset: Offset) -> bool {
        self.id == *id || self.previous.is_some_and(|(previous, end)| previous == *id && offset <= end)
    }

    /// Goes on under a new name from `end` on: a replica that was promoted. Its replicas may still ask by the old one.
    pub fn shift(&mut self, id: ReplicationId, end: Offset) {
        self.previous = Some((self.id, end));
        self.id = id;
    }

    /// Takes over the name of another node's stream, which this one is a part of from here on.
    pub fn join(&mut self, id: ReplicationId) {
        *self = Self::new(id);
    }

    /// The primary goes on under another name, from `end` on: it was promoted.
    pub fn rename(&mut self, id: ReplicationId, end: Offset) {
        if id != self.id {
            self.shift(id, end);
        }
    }
}

const ID_LEN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promoted_node_still_answers_to_the_old_name() {
        let [a, b, c] = [1, 2, 3].map(|n| ReplicationId::from_chance([n, n << 40, 7]));
        assert_eq!(a.as_str().len(), 40);
        assert_eq!(ReplicationId::parse(a.as_str().as_bytes()), Some(a));
        assert_eq!(ReplicationId::parse(b"?"), None);
        let mut history = History::new(a);
        assert!(history.holds(&a, Offset(900)) && !history.holds(&b, Offset(0)));
        history.shift(b, Offset(500));
        assert!(history.holds(&a, Offset(500)) && !history.holds(&a, Offset(501)) && history.holds(&b, Offset(501)));
        history.shift(c, Offset(600));
        assert!(!history.holds(&a, Offset(500)), "one name back, as in Redis");
        history.rename(c, Offset(700));
        assert_eq!(history.previous(), Some((b, Offset(600))));
    }
}
