//! Cutting entries off the front of a stream.
//!
//! Whole nodes are dropped as long as that leaves enough; then, if it must be exact, entries of the first node left are
//! marked as deleted. Approximate trimming stops before that, and after so many entries.

use super::Stream;
use super::id::StreamId;
use super::node::Node;

/// What trimming leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrimTo {
    /// The last so many entries (`MAXLEN`).
    Length(u64),
    /// Entries from this id on (`MINID`).
    Id(StreamId),
}

/// How exactly a stream is trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TrimExactness {
    Exact,
    /// Whole nodes only, and at most so many entries; 0: without limit.
    Nodes {
        limit: u64,
    },
}

impl Stream {
    /// Cuts entries off the front; returns how many. O(nodes dropped and the entries of one more).
    pub(crate) fn trim(&mut self, to: TrimTo, exactness: TrimExactness) -> u64 {
        let limit = match exactness {
            TrimExactness::Exact => 0,
            TrimExactness::Nodes { limit } => limit,
        };
        let mut removed = 0;
        while let Some((&id, node)) = self.nodes.first() {
            let count = node.len() as u64;
            if matches!(to, TrimTo::Length(most) if self.len <= most) || limit > 0 && removed + count > limit {
                break;
            }
            let goes_whole = match to {
                TrimTo::Length(most) => self.len - count >= most,
                TrimTo::Id(start) => node.edge_id().is_none_or(|last| last < start),
            };
            if goes_whole {
                self.remove_node(id);
                self.len -= count;
                removed += count;
                continue;
            }
            if exactness == TrimExactness::Exact {
                removed += self.trim_within(id, to);
            }
            break;
        }
        if removed > 0 {
            self.find_first_id();
        }
        removed
    }

    /// Whether it begins with a node that has only deleted entries, and trimming to `start` would take it.
    pub(crate) fn is_hollow_below(&self, start: StreamId) -> bool {
        let is_due = |node: &Node| node.len() == 0 && node.edge_id().is_none_or(|last| last < start);
        self.nodes.first().is_some_and(|(_, node)| is_due(node))
    }

    fn trim_within(&mut self, node: StreamId, to: TrimTo) -> u64 {
        let excess = match to {
            TrimTo::Length(most) => self.len.saturating_sub(most),
            TrimTo::Id(_) => u64::MAX,
        };
        let mut left = excess;
        let is_due = |id: StreamId| {
            let due = match to {
                TrimTo::Length(_) => left > 0,
                TrimTo::Id(start) => id < start,
            };
            left = left.saturating_sub(1);
            due
        };
        let is_any_due = match to {
            TrimTo::Length(_) => excess > 0,
            TrimTo::Id(start) => self.first_id < start,
        };
        if !is_any_due {
            return 0;
        }
        let removed = self.edit_node(node, |node| node.delete_first(is_due)).unwrap_or(0) as u64;
        self.len -= removed;
        removed
    }
}
