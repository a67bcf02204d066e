//! An ordered map whose copies share what they have in common: a B+ tree with its nodes behind [`Arc`].
//!
//! ```text
//!             [ -oo | 40 | 90 ]                 inner: for each child the key that it begins at
//!             /       |      \
//!      [3 8 21]   [40 57]   [90 91 95]          leaf: keys with their values
//! ```
//!
//! A clone costs one pointer. A change copies the nodes on its path that others share, at most [`FANOUT`] places each;
//! everything is O(log n). Keys that only grow fill their leaves.
//!
//! Invariants
//! - All leaves lie at the same depth, and none but the root is empty.
//! - A child holds the keys from its own key up to that of its right neighbour; the first child's key is not looked at.
//! - `bytes` is what the nodes take on the heap, values' own memory not counted.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::sync::Arc;

/// An ordered map. See the module.
#[derive(Clone)]
pub(crate) struct Tree<K, V> {
    root: Arc<Branch<K, V>>,
    len: usize,
    bytes: usize,
}

#[derive(Clone)]
enum Branch<K, V> {
    Leaf(Vec<(K, V)>),
    Inner(Vec<(K, Arc<Branch<K, V>>)>),
}

/// What an insertion did to a node.
struct Inserted<K, V> {
    old: Option<V>,
    /// A new right neighbour, with the key that it begins at.
    right: Option<(K, Arc<Branch<K, V>>)>,
}

impl<K: Ord + Clone, V: Clone> Tree<K, V> {
    pub(crate) fn new() -> Self {
        let root = Arc::new(Branch::Leaf(Vec::new()));
        let bytes = root.heap_bytes();
        Self { root, len: 0, bytes }
    }

    /// How many keys there are. O(1).
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of heap that the tree's nodes take. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        Some(self.get_key_value(key)?.1)
    }

    /// The key as it is kept, with its value.
    pub(crate) fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (leaf, _) = self.root.leaf_of(key, Side::From);
        let at = leaf.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
        Some((&leaf[at].0, &leaf[at].1))
    }

    /// The value for changing. Shared nodes on the way are copied.
    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let mut branch = unshared(&mut self.root, &mut self.bytes);
        loop {
            match branch {
                Branch::Leaf(pairs) => {
                    let at = pairs.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
                    return Some(&mut pairs[at].1);
                }
                Branch::Inner(children) => {
                    let at = child_of(children, key);
                    branch = unshared(&mut children[at].1, &mut self.bytes);
                }
            }
        }
    }

    /// Puts a value under a key; returns the one that was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Inserted { old, right } = insert(&mut self.root, key, value, &mut self.bytes);
        if let Some((key, right)) = right {
            let left_key = right.first_key().clone();
            let left = std::mem::replace(&mut self.root, Arc::new(Branch::Leaf(Vec::new())));
            self.root = Arc::new(Branch::Inner(vec![(left_key, left), (key, right)]));
            self.bytes += self.root.heap_bytes();
        }
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes a key out; returns its value.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let removed = remove(&mut self.root, key, &mut self.bytes)?;
        self.len -= 1;
        while let Branch::Inner(children) = &*self.root
            && let [(_, only)] = &children[..]
        {
            let only = Arc::clone(only);
            self.bytes -= self.root.heap_bytes();
            self.root = only;
        }
        Some(removed)
    }

    pub(crate) fn first(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    pub(crate) fn last(&self) -> Option<(&K, &V)> {
        self.iter_back().next()
    }

    #[cfg(test)]
    /// The last value for changing.
    pub(crate) fn last_mut(&mut self) -> Option<&mut V> {
        let mut branch = unshared(&mut self.root, &mut self.bytes);
        loop {
            match branch {
                Branch::Leaf(pairs) => return pairs.last_mut().map(|pair| &mut pair.1),
                Branch::Inner(children) => branch = unshared(&mut children.last_mut()?.1, &mut self.bytes),
            }
        }
    }

    /// The pairs in order.
    pub(crate) fn iter(&self) -> Ascending<'_, K, V> {
        let mut branch = &*self.root;
        let mut next = None;
        loop {
            match branch {
                Branch::Leaf(pairs) => return Ascending { tree: self, pairs: pairs.iter(), next },
                Branch::Inner(children) => {
                    next = children.get(1).map(|child| &child.0).or(next);
                    branch = &children[0].1;
                }
            }
        }
    }

    /// The pairs in order, from the first key that is not below `key`.
    pub(crate) fn iter_from<Q: Ord + ?Sized>(&self, key: &Q) -> Ascending<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let (leaf, next) = self.root.leaf_of(key, Side::From);
        let start = leaf.partition_point(|(other, _)| other.borrow() < key);
        Ascending { tree: self, pairs: leaf[start..].iter(), next }
    }

    /// The pairs in reverse order.
    pub(crate) fn iter_back(&self) -> Descending<'_, K, V> {
        let mut branch = &*self.root;
        let mut bound = None;
        loop {
            match branch {
                Branch::Leaf(pairs) => return Descending { tree: self, pairs: pairs.iter(), bound },
                Branch::Inner(children) => {
                    let last = children.len() - 1;
                    bound = if last > 0 { Some(&children[last].0) } else { bound };
                    branch = &children[last].1;
                }
            }
        }
    }

    /// The pairs in reverse order, from the last key that is not above `key`.
    pub(crate) fn iter_back_from<Q: Ord + ?Sized>(&self, key: &Q) -> Descending<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let (leaf, bound) = self.root.leaf_before(key, Side::From);
        let end = leaf.partition_point(|(other, _)| other.borrow() <= key);
        Descending { tree: self, pairs: leaf[..end].iter(), bound }
    }
}

/// Whether a key itself belongs to what is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    From,
    Below,
}

impl<K: Ord + Clone, V: Clone> Branch<K, V> {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(pairs) => pairs.len(),
            Self::Inner(children) => children.len(),
        }
    }

    fn heap_bytes(&self) -> usize {
        let places = match self {
            Self::Leaf(pairs) => pairs.capacity() * size_of::<(K, V)>(),
            Self::Inner(children) => children.capacity() * size_of::<(K, Arc<Self>)>(),
        };
        ARC_BYTES + size_of::<Self>() + places.next_multiple_of(16)
    }

    fn first_key(&self) -> &K {
        match self {
            Self::Leaf(pairs) => &pairs[0].0,
            Self::Inner(children) => &children[0].0,
        }
    }

    /// The leaf that `key` belongs to, and the key that the next leaf begins at.
    fn leaf_of<Q: Ord + ?Sized>(&self, key: &Q, side: Side) -> (&[(K, V)], Option<&K>)
    where
        K: Borrow<Q>,
    {
        let mut branch = self;
        let mut next = None;
        loop {
            match branch {
                Self::Leaf(pairs) => return (pairs, next),
                Self::Inner(children) => {
                    let at = child_at(children, key, side);
                    next = children.get(at + 1).map(|child| &child.0).or(next);
                    branch = &children[at].1;
                }
            }
        }
    }

    /// The leaf that `key`, or what lies right below it, belongs to, and the key that this leaf begins at; `None` for the
    /// first leaf.
    fn leaf_before<Q: Ord + ?Sized>(&self, key: &Q, side: Side) -> (&[(K, V)], Option<&K>)
    where
        K: Borrow<Q>,
    {
        let mut branch = self;
        let mut bound = None;
        loop {
            match branch {
                Self::Leaf(pairs) => return (pairs, bound),
                Self::Inner(children) => {
                    let at = child_at(children, key, side);
                    bound = if at > 0 { Some(&children[at].0) } else { bound };
                    branch = &children[at].1;
                }
            }
        }
    }
}

/// The node behind a pointer, copied first if others share it.
fn unshared<'a, K: Ord + Clone, V: Clone>(place: &'a mut Arc<Branch<K, V>>, bytes: &mut usize) -> &'a mut Branch<K, V> {
    if Arc::get_mut(place).is_none() {
        *bytes -= place.heap_bytes();
        *place = Arc::new(Branch::clone(place));
        *bytes += place.heap_bytes();
    }
    Arc::get_mut(place).expect("nobody else has it: it was asked, or it is new")
}

fn child_at<K: Borrow<Q>, Q: Ord + ?Sized, C>(children: &[(K, C)], key: &Q, side: Side) -> usize {
    children[1..].partition_point(|(start, _)| match start.borrow().cmp(key) {
        Ordering::Less => true,
        Ordering::Equal => side == Side::From,
        Ordering::Greater => false,
    })
}

fn child_of<K: Borrow<Q>, Q: Ord + ?Sized, C>(children: &[(K, C)], key: &Q) -> usize {
    child_at(children, key, Side::From)
}

fn insert<K: Ord + Clone, V: Clone>(
    place: &mut Arc<Branch<K, V>>,
    key: K,
    value: V,
    bytes: &mut usize,
) -> Inserted<K, V> {
    let branch = unshared(place, bytes);
    let before = branch.heap_bytes();
    let (old, right) = match branch {
        Branch::Leaf(pairs) => match pairs.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(at) => (Some(std::mem::replace(&mut pairs[at].1, value)), None),
            Err(at) => {
                let right = insert_at(pairs, at, (key, value));
                (None, right.map(|right| (right[0].0.clone(), Arc::new(Branch::Leaf(right)))))
            }
        },
        Branch::Inner(children) => {
            let at = child_of(children, &key);
            let Inserted { old, right } = insert(&mut children[at].1, key, value, bytes);
            let right = right.and_then(|right| insert_at(children, at + 1, right));
            (old, right.map(|right| (right[0].0.clone(), Arc::new(Branch::Inner(right)))))
        }
    };
    *bytes = *bytes + branch.heap_bytes() - before;
    if let Some((_, right)) = &right {
        *bytes += right.heap_bytes();
    }
    Inserted { old, right }
}

/// Inserts into a node's places. If they are full they are split, and the right part is returned.
fn insert_at<T>(places: &mut Vec<T>, at: usize, new: T) -> Option<Vec<T>> {
    if places.len() < FANOUT {
        if places.len() == places.capacity() {
            places.reserve_exact((places.len()).clamp(1, FANOUT - places.len()));
        }
        places.insert(at, new);
        return None;
    }
    // At the very end nothing is moved: keys that only grow leave full nodes behind.
    let middle = if at == FANOUT { FANOUT } else { FANOUT / 2 };
    let mut right = Vec::with_capacity(if middle == FANOUT { 1 } else { FANOUT });
    right.extend(places.drain(middle..));
    match at.checked_sub(middle) {
        Some(at) => right.insert(at, new),
        None => places.insert(at, new),
    }
    Some(right)
}

fn remove<K: Ord + Clone + Borrow<Q>, V: Clone, Q: Ord + ?Sized>(
    place: &mut Arc<Branch<K, V>>,
    key: &Q,
    bytes: &mut usize,
) -> Option<V> {
    match unshared(place, bytes) {
        Branch::Leaf(pairs) => {
            let at = pairs.binary_search_by(|(other, _)| other.borrow().cmp(key)).ok()?;
            Some(pairs.remove(at).1)
        }
        Branch::Inner(children) => {
            let at = child_of(children, key);
            let removed = remove(&mut children[at].1, key, bytes)?;
            match children[at].1.len() {
                0 => *bytes -= children.remove(at).1.heap_bytes(),
                1..MERGE_BELOW => merge_around(children, at, bytes),
                _ => {}
            }
            Some(removed)
        }
    }
}

/// Unites a small child with a neighbour, if both fit into one and leave room.
fn merge_around<K: Ord + Clone, V: Clone>(children: &mut Vec<(K, Arc<Branch<K, V>>)>, at: usize, bytes: &mut usize) {
    let fits = |left: usize| {
        let [(_, a), (_, b)] = &children[left..left + 2] else { return false };
        a.len() + b.len() <= FANOUT * 3 / 4
    };
    let left = match at {
        at if at + 1 < children.len() && fits(at) => at,
        at if at > 0 && fits(at - 1) => at - 1,
        _ => return,
    };
    let (key, right) = children.remove(left + 1);
    *bytes -= right.heap_bytes();
    let right = Arc::try_unwrap(right).unwrap_or_else(|shared| Branch::clone(&shared));
    let branch = unshared(&mut children[left].1, bytes);
    let before = branch.heap_bytes();
    match (&mut *branch, right) {
        (Branch::Leaf(pairs), Branch::Leaf(others)) => pairs.extend(others),
        (Branch::Inner(children), Branch::Inner(mut others)) => {
            // The first child's key was not looked at; now it is.
            others[0].0 = key;
            children.extend(others);
        }
        _ => unreachable!("neighbours lie at one depth"),
    }
    *bytes = *bytes + branch.heap_bytes() - before;
}

/// A walk upwards. One descent for each leaf.
pub(crate) struct Ascending<'a, K, V> {
    tree: &'a Tree<K, V>,
    pairs: std::slice::Iter<'a, (K, V)>,
    /// The key that the next leaf begins at.
    next: Option<&'a K>,
}

impl<'a, K: Ord + Clone, V: Clone> Iterator for Ascending<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<(&'a K, &'a V)> {
        loop {
            if let Some((key, value)) = self.pairs.next() {
                return Some((key, value));
            }
            let (leaf, next) = self.tree.root.leaf_of(self.next?, Side::From);
            (self.pairs, self.next) = (leaf.iter(), next);
        }
    }
}

/// A walk downwards. One descent for each leaf.
pub(crate) struct Descending<'a, K, V> {
    tree: &'a Tree<K, V>,
    pairs: std::slice::Iter<'a, (K, V)>,
    /// The key that this leaf begins at.
    bound: Option<&'a K>,
}

impl<'a, K: Ord + Clone, V: Clone> Iterator for Descending<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<(&'a K, &'a V)> {
        loop {
            if let Some((key, value)) = self.pairs.next_back() {
                return Some((key, value));
            }
            let (leaf, bound) = self.tree.root.leaf_before(self.bound?, Side::Below);
            (self.pairs, self.bound) = (leaf.iter(), bound);
        }
    }
}

/// The most places of a node.
const FANOUT: usize = 64;

/// A node with fewer places is united with a neighbour.
const MERGE_BELOW: usize = FANOUT / 4;

/// The two counts beside what an `Arc` points to.
const ARC_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn counted(branch: &Arc<Branch<u16, u32>>) -> usize {
        branch.heap_bytes()
            + match &**branch {
                Branch::Leaf(_) => 0,
                Branch::Inner(children) => children.iter().map(|(_, child)| counted(child)).sum(),
            }
    }

    fn assert_same(tree: &Tree<u16, u32>, model: &BTreeMap<u16, u32>, probes: &[u16]) {
        assert_eq!(tree.len(), model.len());
        assert_eq!(tree.heap_bytes(), counted(&tree.root));
        assert!(tree.iter().eq(model.iter()));
        assert!(tree.iter_back().eq(model.iter().rev()));
        assert_eq!((tree.first(), tree.last()), (model.first_key_value(), model.last_key_value()));
        for probe in probes {
            assert_eq!(tree.get(probe), model.get(probe));
            assert!(tree.iter_from(probe).eq(model.range(probe..)), "from {probe}");
            assert!(tree.iter_back_from(probe).eq(model.range(..=probe).rev()), "back from {probe}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn a_tree_is_an_ordered_map_and_its_copies_keep_what_they_had(
            rounds in prop::collection::vec((prop::bool::weighted(0.55), 0u16..2000, 1u16..200), 1..60),
            probes in prop::collection::vec(0u16..2100, 8),
        ) {
            let (mut tree, mut model) = (Tree::new(), BTreeMap::new());
            let mut kept = Vec::new();
            for (number, (adds, start, count)) in rounds.into_iter().enumerate() {
                for key in (start..start + count).map(|key| key.wrapping_mul(if number % 2 == 0 { 1 } else { 7 }) % 2000) {
                    if adds {
                        prop_assert_eq!(tree.insert(key, number as u32), model.insert(key, number as u32));
                    } else {
                        prop_assert_eq!(tree.remove(&key), model.remove(&key));
                    }
                }
                if let Some(value) = tree.get_mut(&start) {
                    *value += 1;
                    *model.get_mut(&start).unwrap() += 1;
                }
                if number % 8 == 0 {
                    kept.push((tree.clone(), model.clone()));
                }
            }
            assert_same(&tree, &model, &probes);
            for (tree, model) in &kept {
                assert_same(tree, model, &probes);
            }
        }
    }

    #[test]
    fn growing_keys_fill_their_leaves() {
        let mut tree = Tree::new();
        for key in 0..6400u32 {
            tree.insert(key, ());
        }
        let Branch::Inner(children) = &*tree.root else { panic!("there are many leaves") };
        let leaves = |branch: &Branch<u32, ()>| match branch {
            Branch::Leaf(_) => 1,
            Branch::Inner(children) => children.len(),
        };
        assert_eq!(children.iter().map(|(_, child)| leaves(child)).sum::<usize>(), 100);
        *tree.last_mut().unwrap() = ();
        while let Some((&key, ())) = tree.first() {
            tree.remove(&key);
        }
        assert!(tree.is_empty());
    }
}
