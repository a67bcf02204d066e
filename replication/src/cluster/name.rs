//! The names of nodes and of shards: forty hexadecimal digits.

use std::cmp::Ordering;
use std::fmt;

/// The name of a node or of a shard, as the bus and nodes.conf have it: forty lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeName([u8; NAME_SIZE]);

impl NodeName {
    /// From text: forty hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let digits: [u8; NAME_SIZE] = text.try_into().ok()?;
        digits.iter().all(u8::is_ascii_hexdigit).then(|| Self(digits.map(|digit| digit.to_ascii_lowercase())))
    }

    /// One of chance.
    pub fn from_chance(words: [u64; 3]) -> Self {
        let text = format!("{:016x}{:016x}{:08x}", words[0], words[1], words[2] as u32);
        Self(text.into_bytes().try_into().expect("forty digits were made"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }

    /// As it stands in a message.
    pub fn as_bytes(&self) -> &[u8; NAME_SIZE] {
        &self.0
    }
}

impl Ord for NodeName {
    /// As that of the texts. Names are of chance and looked up all the time: most differ in their first digits, which are one number.
    fn cmp(&self, other: &Self) -> Ordering {
        let head = |name: &Self| name.0.first_chunk().map(|head| u64::from_be_bytes(*head));
        head(self).cmp(&head(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for NodeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Digits of a name.
pub(super) const NAME_SIZE: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_texts() {
        let mut names: Vec<NodeName> =
            (0..50_u64).map(|n| NodeName::from_chance([n.wrapping_mul(n) << 50, n % 3, n])).collect();
        let mut texts: Vec<String> = names.iter().map(NodeName::to_string).collect();
        names.sort_unstable();
        texts.sort_unstable();
        assert_eq!(names.iter().map(NodeName::as_str).collect::<Vec<_>>(), texts);
    }
}
