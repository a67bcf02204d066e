//! Streams: entries in the order of their ids, in nodes of bounded size, and the groups that read them.
//!
//! ```text
//! nodes    id of first entry -> node      [1-0: e e x e] [7-3: e e e e] [9-0: e e]       x: deleted, still there
//! groups   name -> group                  how far it read, what is pending, its consumers
//! ```
//!
//! A clone shares everything and costs O(1); a change copies the node, and the few places of the trees above it, that others
//! share. Adding, finding and deleting are O(log nodes + one node).
//!
//! Invariants
//! - Nodes begin and end where Redis would begin and end them: approximate trimming works by whole nodes, and clients see it.
//! - `len` counts the entries that are not deleted; `first_id` is the first of them, or `0-0`. Deleting takes a node with its
//!   last entry; trimming may leave one whose entries are all deleted.
//! - `last_id` is at or above every entry that ever was. `node_bytes` and `group_bytes` are kept with every change.

mod building;
mod group;
mod id;
mod node;
mod progress;
#[cfg(test)]
mod properties;
mod tree;
mod trim;

pub(crate) use building::{NewStream, Totals};
pub(crate) use group::{Consumer, Group, Name, Pending};
pub(crate) use id::IdBuffer;
pub use id::{InvalidStreamId, StreamId};
pub(crate) use node::Entry;
pub(crate) use trim::TrimExactness;
pub use trim::TrimTo;

use crate::options::Options;
use crate::text::StrRef;
pub(crate) use node::Node;
use node::{Backward, Forward};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tree::{Ascending, Descending, Tree};

/// A stream. See the module.
#[derive(Clone)]
pub(crate) struct Stream {
    nodes: Tree<StreamId, Arc<Node>>,
    groups: Tree<Name, Arc<Group>>,
    len: u64,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    node_bytes: usize,
    group_bytes: usize,
}

/// Nodes freed at once.
const FREED_NODES: usize = 16;

/// How large a node becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NodeLimits {
    /// Bytes as Redis would pack them; 0: as many as fit.
    pub(crate) bytes_max: usize,
    /// Entries, deleted ones included; 0: as many as fit.
    pub(crate) entries_max: usize,
}

/// The most bytes of texts in one entry, and of a node whose size is not limited.
pub(crate) const ENTRY_BYTES_MAX: usize = 1 << 30;

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            nodes: Tree::new(),
            groups: Tree::new(),
            len: 0,
            first_id: StreamId::MIN,
            last_id: StreamId::MIN,
            max_deleted_id: StreamId::MIN,
            entries_added: 0,
            node_bytes: 0,
            group_bytes: 0,
        }
    }

    /// Frees some nodes of a stream that is given up: nothing can be looked up in it any more. Returns how many entries they
    /// had, at least 1; 0 when no node is left.
    pub(crate) fn free_part(&mut self) -> usize {
        let ids: Vec<StreamId> = self.nodes.iter().take(FREED_NODES).map(|(id, _)| *id).collect();
        ids.iter().filter_map(|id| self.nodes.remove(id)).map(|node| node.len().max(1)).sum()
    }

    /// How many entries there are. O(1).
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The id of the first entry, `0-0` if there is none. O(1).
    pub(crate) fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The last id that was ever given. O(1).
    pub(crate) fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The highest id that was ever deleted, `0-0` if none. O(1).
    pub(crate) fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added. O(1).
    pub(crate) fn entries_added(&self) -> u64 {
        self.entries_added
    }

    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes with the ids that their entries' ids are relative to.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (StreamId, &Node)> {
        self.nodes.iter().map(|(id, node)| (*id, &**node))
    }

    /// The id of the last entry that is there.
    pub(crate) fn top_id(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id)
    }

    /// Bytes of heap behind it. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        let trees = self.nodes.heap_bytes() + self.groups.heap_bytes();
        16 + size_of::<Self>() + trees + self.node_bytes + self.group_bytes
    }

    /// Adds an entry; `texts` are fields and values in turn, and `id` is above the last one. O(entry + log nodes).
    pub(crate) fn append(&mut self, id: StreamId, texts: &[&[u8]], limits: NodeLimits) {
        debug_assert!(id > self.last_id, "ids ascend");
        let size: usize = texts.iter().map(|text| text.len()).sum();
        let pairs = texts.chunks_exact(2).map(|pair| (StrRef::of(pair[0]), StrRef::of(pair[1])));
        let last = self.nodes.last().map(|(id, node)| (*id, node.len_with_deleted(), node.packed_size()));
        match last {
            Some((last, count, packed)) if limits.leave_room(count, packed, size) => {
                self.edit_node(last, |node| node.append(id, pairs));
            }
            _ => {
                if let Some((last, ..)) = last {
                    self.edit_node(last, Node::shrink);
                }
                let node = Node::new(id, pairs);
                self.node_bytes += node.heap_bytes();
                self.nodes.insert(id, Arc::new(node));
            }
        }
        self.len += 1;
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
    }

    /// Puts a node behind all others, unless its entries are all deleted. They are above the last one that is there.
    pub(crate) fn push_node(&mut self, mut node: Node) {
        let (Some(first), Some(last)) = (node.iter().next(), node.edge_id()) else { return };
        if self.len == 0 {
            self.first_id = first.id();
        }
        self.len += node.len() as u64;
        self.entries_added = self.entries_added.wrapping_add(node.len() as u64);
        self.last_id = last;
        node.shrink();
        self.node_bytes += node.heap_bytes();
        self.nodes.insert(node.id(), Arc::new(node));
    }

    /// Entries from `start` to `end`, both included.
    pub(crate) fn range(&self, start: StreamId, end: StreamId) -> Entries<'_> {
        let first = self.nodes.iter_back_from(&start).next().map_or(start, |(id, _)| *id);
        Entries { nodes: self.nodes.iter_from(&first), node: None, start, end }
    }

    /// Entries from `end` down to `start`, both included.
    pub(crate) fn range_back(&self, start: StreamId, end: StreamId) -> EntriesBack<'_> {
        EntriesBack { nodes: self.nodes.iter_back_from(&end), node: None, start, end }
    }

    /// The entry with this id.
    pub(crate) fn entry(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// Deletes entries; returns how many were there. O(ids * (log nodes + one node)).
    pub(crate) fn delete(&mut self, ids: &[StreamId]) -> u64 {
        let before = self.len;
        let mut first_goes = false;
        for &id in ids {
            let Some(node) = self.nodes.iter_back_from(&id).next() else { continue };
            if !node.1.iter().any(|entry| entry.id() == id) {
                continue;
            }
            let (node_id, is_last) = (*node.0, node.1.len() == 1);
            if is_last {
                self.remove_node(node_id);
            } else {
                self.edit_node(node_id, |node| node.delete(id));
            }
            self.len -= 1;
            first_goes |= id == self.first_id;
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        if first_goes {
            self.find_first_id();
        }
        before - self.len
    }

    /// Sets what XSETID sets.
    pub(crate) fn set_last_id(&mut self, id: StreamId, entries_added: Option<u64>, max_deleted_id: Option<StreamId>) {
        self.last_id = id;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name).map(|group| &**group)
    }

    /// Groups in the order of their names.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Name, &Group)> {
        self.groups.iter().map(|(name, group)| (name, &**group))
    }

    /// Adds a group; the caller has seen that there is none of that name.
    pub(crate) fn create_group(&mut self, name: &[u8], group: Group) {
        self.group_bytes += group.heap_bytes() + name_bytes(name);
        self.groups.insert(name.into(), Arc::new(group));
    }

    /// Takes a group out with all that is pending in it.
    pub(crate) fn destroy_group(&mut self, name: &[u8]) -> Option<Arc<Group>> {
        let group = self.groups.remove(name)?;
        self.group_bytes -= group.heap_bytes() + name_bytes(name);
        Some(group)
    }

    /// Changes a group.
    pub(crate) fn edit_group<R>(&mut self, name: &[u8], f: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let group = self.groups.get_mut(name)?;
        let before = group.heap_bytes();
        let group = Arc::make_mut(group);
        let result = f(group);
        self.group_bytes = self.group_bytes + group.heap_bytes() - before;
        Some(result)
    }

    fn edit_node<R>(&mut self, id: StreamId, f: impl FnOnce(&mut Node) -> R) -> Option<R> {
        let node = self.nodes.get_mut(&id)?;
        let before = node.heap_bytes();
        let node = Arc::make_mut(node);
        let result = f(node);
        self.node_bytes = self.node_bytes + node.heap_bytes() - before;
        Some(result)
    }

    fn remove_node(&mut self, id: StreamId) {
        if let Some(node) = self.nodes.remove(&id) {
            self.node_bytes -= node.heap_bytes();
        }
    }

    fn find_first_id(&mut self) {
        self.first_id = self.range(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id);
    }
}

impl NodeLimits {
    /// What the options say now.
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            bytes_max: options.stream_node_bytes_max.load(Relaxed),
            entries_max: options.stream_node_entries_max.load(Relaxed),
        }
    }

    fn leave_room(self, count: usize, packed: usize, more: usize) -> bool {
        let bytes_max = match self.bytes_max {
            0 => ENTRY_BYTES_MAX,
            bytes => bytes.min(ENTRY_BYTES_MAX),
        };
        packed + more < bytes_max && (self.entries_max == 0 || count < self.entries_max)
    }
}

fn name_bytes(name: &[u8]) -> usize {
    (name.len() + 16).next_multiple_of(16)
}

/// A walk over entries in order.
pub(crate) struct Entries<'a> {
    nodes: Ascending<'a, StreamId, Arc<Node>>,
    node: Option<Forward<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let Some(node) = &mut self.node else {
                let (id, node) = self.nodes.next()?;
                if *id > self.end {
                    return None;
                }
                self.node = Some(node.iter());
                continue;
            };
            match node.next() {
                None => self.node = None,
                Some(entry) if entry.id() < self.start => {}
                Some(entry) if entry.id() <= self.end => return Some(entry.into()),
                Some(_) => return None,
            }
        }
    }
}

/// A walk over entries in reverse order.
pub(crate) struct EntriesBack<'a> {
    nodes: Descending<'a, StreamId, Arc<Node>>,
    node: Option<Backward<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for EntriesBack<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let Some(node) = &mut self.node else {
                self.node = Some(self.nodes.next()?.1.iter_back());
                continue;
            };
            match node.next() {
                None => self.node = None,
                Some(entry) if entry.id() > self.end => {}
                Some(entry) if entry.id() >= self.start => return Some(entry.into()),
                Some(_) => return None,
            }
        }
    }
}
