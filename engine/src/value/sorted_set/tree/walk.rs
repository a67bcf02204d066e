//! A walk over elements, up or down.

use super::node::{Child, Node};
use super::{Direction, Element, Handle};
use smallvec::SmallVec;

/// A branch, and which of its children was taken.
type Step<'t, M> = (&'t [Child<M>], usize);

/// The elements of a part of a tree, one after the other.
pub(crate) struct Walk<'t, M> {
    /// The branches above the leaf, each with the place of the child that was taken.
    path: SmallVec<[Step<'t, M>; 6]>,
    leaf: &'t [Element<M>],
    /// Up: the next element. Down: the element after the next.
    at: usize,
    left: usize,
    direction: Direction,
}

impl<'t, M: Handle> Walk<'t, M> {
    pub(super) fn new(root: &'t Node<M>, len: usize, rank: usize, count: usize, direction: Direction) -> Self {
        let mut walk = Self { path: SmallVec::new(), leaf: &[], at: 0, left: 0, direction };
        if rank < len {
            walk.left = match direction {
                Direction::Up => count.min(len - rank),
                Direction::Down => count.min(rank + 1),
            };
            walk.seek(root, rank);
        }
        walk
    }

    fn seek(&mut self, mut node: &'t Node<M>, mut rank: usize) {
        loop {
            match node {
                Node::Leaf(elements) => {
                    self.leaf = elements;
                    self.at = rank + usize::from(self.direction == Direction::Down);
                    return;
                }
                Node::Branch(children) => {
                    let mut at = 0;
                    while rank >= children[at].count {
                        rank -= children[at].count;
                        at += 1;
                    }
                    self.path.push((children, at));
                    node = &children[at].node;
                }
            }
        }
    }

    /// Goes to the leaf beside this one; there is one while elements are left.
    #[cold]
    fn turn_page(&mut self) {
        while let Some((children, at)) = self.path.last_mut() {
            let next = match self.direction {
                Direction::Up => Some(*at + 1).filter(|next| *next < children.len()),
                Direction::Down => at.checked_sub(1),
            };
            if let Some(next) = next {
                *at = next;
                let mut node = &*children[next].node;
                while let Node::Branch(children) = node {
                    let at = if self.direction == Direction::Up { 0 } else { children.len() - 1 };
                    self.path.push((children, at));
                    node = &children[at].node;
                }
                if let Node::Leaf(elements) = node {
                    self.leaf = elements;
                    self.at = if self.direction == Direction::Up { 0 } else { elements.len() };
                }
                return;
            }
            self.path.pop();
        }
    }
}

impl<'t, M: Handle> Iterator for Walk<'t, M> {
    type Item = &'t Element<M>;

    #[inline]
    fn next(&mut self) -> Option<&'t Element<M>> {
        self.left = self.left.checked_sub(1)?;
        if self.direction == Direction::Up {
            if self.at == self.leaf.len() {
                self.turn_page();
            }
            let element = self.leaf.get(self.at);
            self.at += 1;
            return element;
        }
        if self.at == 0 {
            self.turn_page();
        }
        self.at = self.at.checked_sub(1)?;
        self.leaf.get(self.at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<M: Handle> ExactSizeIterator for Walk<'_, M> {}
