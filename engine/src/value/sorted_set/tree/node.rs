//! Nodes: how they split, merge and are built.

use super::{Element, Handle};
use std::ops::Range;
use std::sync::Arc;

/// A leaf with elements, or a branch with nodes below it.
#[derive(Clone, Debug)]
pub(super) enum Node<M> {
    Leaf(Vec<Element<M>>),
    Branch(Vec<Child<M>>),
}

/// A node below a branch.
#[derive(Clone, Debug)]
pub(super) struct Child<M> {
    pub(super) low: Element<M>,
    pub(super) count: usize,
    pub(super) node: Arc<Node<M>>,
}

/// Whether a node is the last of its level: there new elements come in rising order, and full nodes stay full.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Inner,
    Last,
}

impl<M: Handle> Node<M> {
    /// Elements or children.
    fn len(&self) -> usize {
        match self {
            Node::Leaf(elements) => elements.len(),
            Node::Branch(children) => children.len(),
        }
    }

    /// Below this a node is joined with a neighbour.
    fn is_small(&self) -> bool {
        match self {
            Node::Leaf(elements) => elements.len() < LEAF_MAX / 4,
            Node::Branch(children) => children.len() < BRANCH_MAX / 4,
        }
    }

    /// Bytes of heap of this node alone.
    pub(super) fn bytes(&self) -> usize {
        let list = match self {
            Node::Leaf(elements) => elements.capacity() * size_of::<Element<M>>(),
            Node::Branch(children) => children.capacity() * size_of::<Child<M>>(),
        };
        NODE_BYTES + list.next_multiple_of(16) + 16
    }

    /// Bytes of heap of this node and all below.
    fn total_bytes(&self) -> usize {
        let below = match self {
            Node::Leaf(_) => 0,
            Node::Branch(children) => children.iter().map(|child| child.node.total_bytes()).sum(),
        };
        self.bytes() + below
    }

    fn first(&self) -> &Element<M> {
        match self {
            Node::Leaf(elements) => &elements[0],
            Node::Branch(children) => &children[0].low,
        }
    }

    /// How many elements are below.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(elements) => elements.len(),
            Node::Branch(children) => children.iter().map(|child| child.count).sum(),
        }
    }

    fn visit(&self, f: &mut impl FnMut(&Element<M>)) {
        match self {
            Node::Leaf(elements) => elements.iter().for_each(f),
            Node::Branch(children) => children.iter().for_each(|child| child.node.visit(f)),
        }
    }

    /// Moves the part from `at` on into a node of its own.
    fn split_off(&mut self, at: usize) -> Self {
        match self {
            Node::Leaf(elements) => {
                let right = elements.split_off(at);
                elements.shrink_to(at + LEAF_STEP);
                Node::Leaf(right)
            }
            Node::Branch(children) => {
                let right = children.split_off(at);
                children.shrink_to(at + BRANCH_STEP);
                Node::Branch(right)
            }
        }
    }

    /// Appends the content of the next node.
    fn append(&mut self, next: Self) {
        match (self, next) {
            (Node::Leaf(elements), Node::Leaf(mut next)) => {
                elements.reserve_exact(next.len());
                elements.append(&mut next);
            }
            (Node::Branch(children), Node::Branch(mut next)) => {
                children.reserve_exact(next.len());
                children.append(&mut next);
            }
            _ => unreachable!("neighbours lie equally deep"),
        }
    }

    fn max(&self) -> usize {
        match self {
            Node::Leaf(_) => LEAF_MAX,
            Node::Branch(_) => BRANCH_MAX,
        }
    }
}

impl<M: Handle> Child<M> {
    pub(super) fn over(node: Arc<Node<M>>, count: usize) -> Self {
        Self { low: node.first().clone(), count, node }
    }
}

/// Adds an element below a node; returns what became too much for it.
pub(super) fn insert<M: Handle>(
    node: &mut Arc<Node<M>>,
    element: Element<M>,
    edge: Edge,
    bytes: &mut usize,
) -> Option<Child<M>> {
    let before = node.bytes();
    let node = Arc::make_mut(node);
    let (is_last, right_count) = match node {
        Node::Leaf(elements) => {
            let at = elements.partition_point(|e| e.order(element.score, element.member.bytes()).is_lt());
            if elements.len() == elements.capacity() {
                elements.reserve_exact(LEAF_STEP);
            }
            elements.insert(at, element);
            (at + 1 == elements.len(), 1)
        }
        Node::Branch(children) => {
            let at = children.partition_point(|c| c.low.order(element.score, element.member.bytes()).is_le());
            let at = at.saturating_sub(1);
            let is_last = at + 1 == children.len();
            let child = &mut children[at];
            if child.low.order(element.score, element.member.bytes()).is_gt() {
                child.low = element.clone();
            }
            let edge = if is_last { edge } else { Edge::Inner };
            let right = insert(&mut child.node, element, edge, bytes);
            child.count += 1;
            if let Some(right) = right {
                child.count -= right.count;
                if children.len() == children.capacity() {
                    children.reserve_exact(BRANCH_STEP);
                }
                children.insert(at + 1, right);
            }
            (is_last, 1)
        }
    };
    let right = (node.len() > node.max()).then(|| {
        let at = if edge == Edge::Last && is_last { node.len() - right_count } else { node.len() / 2 };
        let right = node.split_off(at);
        *bytes += right.bytes();
        let count = right.count();
        Child::over(Arc::new(right), count)
    });
    *bytes = *bytes + node.bytes() - before;
    right
}

/// Takes out an element that is below a node, which has others too.
pub(super) fn remove<M: Handle>(node: &mut Arc<Node<M>>, score: f64, member: &[u8], bytes: &mut usize) {
    let before = node.bytes();
    let node = Arc::make_mut(node);
    match node {
        Node::Leaf(elements) => {
            let at = elements.partition_point(|e| e.order(score, member).is_lt());
            debug_assert_eq!(elements[at].member.bytes(), member);
            elements.remove(at);
            if elements.capacity() > elements.len() + 2 * LEAF_STEP {
                elements.shrink_to(elements.len() + LEAF_STEP);
            }
        }
        Node::Branch(children) => {
            let at = children.partition_point(|c| c.low.order(score, member).is_le()).saturating_sub(1);
            let child = &mut children[at];
            child.count -= 1;
            if child.count == 0 {
                *bytes -= child.node.total_bytes();
                children.remove(at);
            } else {
                remove(&mut child.node, score, member, bytes);
                if child.low.score == score && child.low.member.bytes() == member {
                    child.low = child.node.first().clone();
                }
                join_small(children, at, bytes);
            }
        }
    }
    *bytes = *bytes + node.bytes() - before;
}

/// Takes the elements of a range of ranks out from below a node, some but not all.
pub(super) fn remove_range<M: Handle>(
    node: &mut Arc<Node<M>>,
    ranks: Range<usize>,
    taken: &mut impl FnMut(&Element<M>),
    bytes: &mut usize,
) {
    let before = node.bytes();
    let node = Arc::make_mut(node);
    match node {
        Node::Leaf(elements) => {
            elements.drain(ranks).for_each(|element| taken(&element));
            if elements.capacity() > elements.len() + 2 * LEAF_STEP {
                elements.shrink_to(elements.len() + LEAF_STEP);
            }
        }
        Node::Branch(children) => {
            let (mut first, mut from) = (0, ranks.start);
            while from >= children[first].count {
                from -= children[first].count;
                first += 1;
            }
            let (mut at, mut left) = (first, ranks.len());
            while left > 0 {
                let child = &mut children[at];
                let take = left.min(child.count - from);
                if take == child.count {
                    child.node.visit(taken);
                    *bytes -= child.node.total_bytes();
                } else {
                    remove_range(&mut child.node, from..from + take, taken, bytes);
                    child.low = child.node.first().clone();
                }
                child.count -= take;
                left -= take;
                from = 0;
                at += 1;
            }
            children.retain(|child| child.count > 0);
            for at in [first + 1, first] {
                join_small(children, at, bytes);
            }
            if children.capacity() > children.len() + 2 * BRANCH_STEP {
                children.shrink_to(children.len() + BRANCH_STEP);
            }
        }
    }
    *bytes = *bytes + node.bytes() - before;
}

/// Joins a child that has become small with a neighbour; what is too much for one node is shared out evenly.
fn join_small<M: Handle>(children: &mut Vec<Child<M>>, at: usize, bytes: &mut usize) {
    let is_small = children.get(at).is_some_and(|child| child.node.is_small());
    if !is_small || children.len() < 2 {
        return;
    }
    let left = at.saturating_sub(1);
    let right = children.remove(left + 1);
    let child = &mut children[left];
    *bytes -= child.node.bytes() + right.node.bytes();
    let node = Arc::make_mut(&mut child.node);
    node.append(Arc::unwrap_or_clone(right.node));
    child.count += right.count;
    let more = (node.len() > node.max()).then(|| {
        let more = node.split_off(node.len() / 2);
        *bytes += more.bytes();
        let count = more.count();
        Child::over(Arc::new(more), count)
    });
    *bytes += node.bytes();
    if let Some(more) = more {
        child.count -= more.count;
        children.insert(left + 1, more);
    }
}

/// Builds the nodes over elements that are in order; returns the root and the bytes of all nodes.
pub(super) fn build<M: Handle>(elements: Vec<Element<M>>) -> (Arc<Node<M>>, usize) {
    if elements.len() <= LEAF_MAX {
        let root = Node::Leaf(elements);
        let bytes = root.bytes();
        return (Arc::new(root), bytes);
    }
    let mut bytes = 0;
    let mut level = shared_out(elements, LEAF_FILL, |part| {
        let node = Node::Leaf(part);
        bytes += node.bytes();
        let count = node.count();
        Child::over(Arc::new(node), count)
    });
    while level.len() > BRANCH_MAX {
        level = shared_out(level, BRANCH_FILL, |part| {
            let node = Node::Branch(part);
            bytes += node.bytes();
            let count = node.count();
            Child::over(Arc::new(node), count)
        });
    }
    let root = Node::Branch(level);
    bytes += root.bytes();
    (Arc::new(root), bytes)
}

/// Cuts a list into parts of equal length, about `fill`.
fn shared_out<T, R>(list: Vec<T>, fill: usize, mut f: impl FnMut(Vec<T>) -> R) -> Vec<R> {
    let (len, parts) = (list.len(), list.len().div_ceil(fill));
    let mut rest = list.into_iter();
    (0..parts).map(|part| f(rest.by_ref().take((part + 1) * len / parts - part * len / parts).collect())).collect()
}

/// Elements of a leaf.
pub(super) const LEAF_MAX: usize = 128;
/// Children of a branch.
pub(super) const BRANCH_MAX: usize = 64;
/// How full nodes are that are built from a list.
const LEAF_FILL: usize = 112;
const BRANCH_FILL: usize = 56;
/// By how many elements and children the room of a node grows.
const LEAF_STEP: usize = 16;
const BRANCH_STEP: usize = 8;
/// The counts of an `Arc`, the node, and what the allocator adds.
const NODE_BYTES: usize = 64;
