//! An order-statistic tree: members in the order of their scores, with counts, in nodes that can be shared.
//!
//! ```text
//!              [ low count * | low count * | low count * ]           branch: up to 64 children
//!                       /            |            \
//!     [ score m | score m | .. ]   [ .. ]        [ .. ]              leaf: up to 128 elements
//! ```
//!
//! Cloning shares all nodes; a change copies the nodes on its path that are shared.
//!
//! Invariants
//! - Elements ascend by score, those of one score by the member's bytes; no score is NaN.
//! - All leaves lie equally deep. Only a root is empty. `low` is the first element below a child, `count` how many.
//! - `bytes` is what the nodes take, spare room included; members are not counted.

mod node;
#[cfg(test)]
mod tests;
mod walk;

use node::{Child, Node};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;
pub(crate) use walk::Walk;

/// A handle on the bytes of a member. Cloning it shares them.
pub(crate) trait Handle: Clone {
    /// The member's bytes.
    fn bytes(&self) -> &[u8];
}

/// A member with its score.
#[derive(Clone, Debug)]
pub(crate) struct Element<M> {
    pub(crate) score: f64,
    pub(crate) member: M,
}

impl<M: Handle> Element<M> {
    fn order(&self, score: f64, member: &[u8]) -> Ordering {
        order((self.score, self.member.bytes()), (score, member))
    }
}

/// How elements are ordered: by score, then by bytes. The two zeros are one score.
#[inline]
pub(crate) fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(b.1))
}

/// Which way a walk goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// By rising rank.
    Up,
    /// By falling rank.
    Down,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Tree<M> {
    root: Arc<Node<M>>,
    len: usize,
    bytes: usize,
}

impl<M: Handle> Tree<M> {
    /// A tree without elements.
    pub(crate) fn new() -> Self {
        let root = Node::Leaf(Vec::new());
        Self { bytes: root.bytes(), root: Arc::new(root), len: 0 }
    }

    /// A tree of elements that are in order, all different. O(n).
    pub(crate) fn from_sorted(elements: Vec<Element<M>>) -> Self {
        debug_assert!(elements.is_sorted_by(|a, b| a.order(b.score, b.member.bytes()) == Ordering::Less));
        let len = elements.len();
        let (root, bytes) = node::build(elements);
        Self { root, len, bytes }
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of heap behind the nodes. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes
    }

    /// How many elements from the lowest on satisfy `before`, which must hold for a lowest part of them. O(log n).
    pub(crate) fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match &**node {
                Node::Leaf(elements) => {
                    return rank + elements.partition_point(|e| before(e.score, e.member.bytes()));
                }
                Node::Branch(children) => {
                    let at = children.partition_point(|c| before(c.low.score, c.low.member.bytes()));
                    let at = at.saturating_sub(1);
                    rank += children[..at].iter().map(|child| child.count).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// The rank of an element that is there. O(log n).
    pub(crate) fn rank(&self, score: f64, member: &[u8]) -> usize {
        self.partition_point(|s, m| order((s, m), (score, member)) == Ordering::Less)
    }

    /// Adds an element that is not there. O(log n).
    pub(crate) fn insert(&mut self, element: Element<M>) {
        debug_assert!(!element.score.is_nan());
        let right = node::insert(&mut self.root, element, node::Edge::Last, &mut self.bytes);
        self.len += 1;
        if let Some(right) = right {
            let count = self.len - right.count;
            let placeholder = Arc::new(Node::Leaf(Vec::new()));
            let left = Child::over(std::mem::replace(&mut self.root, placeholder), count);
            let root = Node::Branch(vec![left, right]);
            self.bytes += root.bytes();
            self.root = Arc::new(root);
        }
    }

    /// Takes the elements of a range of ranks out, and shows each to `taken`. O(log n + k).
    pub(crate) fn remove_range(&mut self, ranks: Range<usize>, mut taken: impl FnMut(&Element<M>)) {
        let ranks = ranks.start..ranks.end.min(self.len);
        if ranks.is_empty() {
            return;
        }
        if ranks.len() == self.len {
            self.walk(0, self.len, Direction::Up).for_each(taken);
            *self = Self::new();
            return;
        }
        self.len -= ranks.len();
        node::remove_range(&mut self.root, ranks, &mut taken, &mut self.bytes);
        self.lower_root();
    }

    /// Takes out an element that is there. O(log n).
    pub(crate) fn remove(&mut self, score: f64, member: &[u8]) {
        if self.len <= 1 {
            *self = Self::new();
            return;
        }
        self.len -= 1;
        node::remove(&mut self.root, score, member, &mut self.bytes);
        self.lower_root();
    }

    #[cfg(test)]
    /// The element of a rank. O(log n).
    pub(crate) fn at(&self, rank: usize) -> Option<&Element<M>> {
        self.walk(rank, 1, Direction::Up).next()
    }

    /// Walks over up to `count` elements, the first being that of `rank`. O(log n), and O(1) for a step.
    pub(crate) fn walk(&self, rank: usize, count: usize, direction: Direction) -> Walk<'_, M> {
        Walk::new(&self.root, self.len, rank, count, direction)
    }

    /// A root with one child gives way to it.
    fn lower_root(&mut self) {
        while let Node::Branch(children) = &*self.root
            && let [only] = &children[..]
        {
            self.bytes -= self.root.bytes();
            self.root = Arc::clone(&only.node);
        }
    }
}
