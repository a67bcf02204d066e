//! A node of a stream: some entries, one after another, packed as Redis packs them.
//!
//! ```text
//! listpack elements:
//! field count, fields .., 0                                             the fields of the first entry
//! entry* = flags, ms and seq relative to the node's id, [values ..], element count
//!        | flags, ms and seq, field count, [field, value ..], element count
//! flags  = 1: deleted, 2: the fields are those of the first entry, and left out
//! ```
//!
//! Redis keeps the number of entries and of deleted ones in the same bytes, ahead of this; here they are fields beside them.
//!
//! Invariants
//! - Entries ascend by id; none lies below the node's id, which is that of the first one.
//! - A node has at least one entry once it is in its stream, which may be deleted: see [`Node::edge_id`].

use super::id::StreamId;
use crate::text::StrRef;
use crate::value::listpack::{self, Elements, FRAME_BYTES};

/// Some entries. See the module.
#[derive(Clone)]
pub(crate) struct Node {
    id: StreamId,
    live: u32,
    deleted: u32,
    field_count: u32,
    /// Where the entries begin.
    entries_at: u32,
    bytes: Vec<u8>,
}

/// An entry, where it lies.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Its id.
    pub(crate) id: StreamId,
    fields: Fields<'a>,
}

impl<'a> Entry<'a> {
    /// How many fields it has.
    pub(crate) fn field_count(&self) -> usize {
        self.fields.left
    }

    /// Fields with their values, in the order in which they were given.
    pub(crate) fn fields(&self) -> Fields<'a> {
        self.fields
    }
}

impl Node {
    /// A node of one entry. O(bytes).
    pub(crate) fn new<'t>(
        id: StreamId,
        pairs: impl ExactSizeIterator<Item = (StrRef<'t>, StrRef<'t>)> + Clone,
    ) -> Self {
        let mut node = Self::begin(id, pairs.clone().map(|(field, _)| field), 0);
        node.append(id, pairs);
        node
    }

    /// A node that waits for its first entry, whose id is at least `id`, with room for about so many bytes. O(fields).
    pub(crate) fn begin<'t>(
        id: StreamId,
        fields: impl ExactSizeIterator<Item = StrRef<'t>>,
        size_bytes: usize,
    ) -> Self {
        let field_count = fields.len();
        let mut bytes = Vec::with_capacity(size_bytes);
        listpack::push(&mut bytes, StrRef::Int(field_count as i64));
        fields.for_each(|field| listpack::push(&mut bytes, field));
        listpack::push(&mut bytes, StrRef::Int(0));
        let (entries_at, field_count) = (bytes.len() as u32, field_count as u32);
        Self { id, live: 0, deleted: 0, field_count, entries_at, bytes }
    }

    /// Appends an entry whose id is above all others. Integers are given as such. O(bytes of the entry).
    pub(crate) fn append<'t>(
        &mut self,
        id: StreamId,
        pairs: impl ExactSizeIterator<Item = (StrRef<'t>, StrRef<'t>)> + Clone,
    ) {
        let same = self.has_fields(pairs.clone());
        let out = &mut self.bytes;
        listpack::push(out, StrRef::Int(if same { SAME_FIELDS } else { 0 }));
        listpack::push(out, StrRef::Int(id.ms.wrapping_sub(self.id.ms) as i64));
        listpack::push(out, StrRef::Int(id.seq.wrapping_sub(self.id.seq) as i64));
        let count = pairs.len() as i64;
        let elements = if same {
            pairs.for_each(|(_, value)| listpack::push(out, value));
            3 + count
        } else {
            listpack::push(out, StrRef::Int(count));
            pairs.for_each(|(field, value)| {
                listpack::push(out, field);
                listpack::push(out, value);
            });
            4 + 2 * count
        };
        listpack::push(out, StrRef::Int(elements));
        self.live += 1;
    }

    /// Whether an entry of these pairs has the fields of the first one.
    fn has_fields<'t>(&self, pairs: impl ExactSizeIterator<Item = (StrRef<'t>, StrRef<'t>)>) -> bool {
        let mut at = 0;
        let mut element = || {
            let (element, next) = listpack::read(&self.bytes, at)?;
            at = next;
            Some(element)
        };
        element();
        let mut pairs = pairs;
        pairs.len() == self.field_count as usize && pairs.all(|(field, _)| element() == Some(field))
    }

    /// The id that the entries' ids are relative to.
    pub(crate) fn id(&self) -> StreamId {
        self.id
    }

    /// How many entries it has that are not deleted.
    pub(crate) fn len(&self) -> usize {
        self.live as usize
    }

    /// How many entries it has, deleted ones included.
    pub(crate) fn len_with_deleted(&self) -> usize {
        self.live as usize + self.deleted as usize
    }

    /// How many bytes Redis would need for it. O(1).
    pub(crate) fn packed_size(&self) -> usize {
        let count = |n: u32| listpack::encoded_len(StrRef::Int(i64::from(n)));
        FRAME_BYTES + count(self.live) + count(self.deleted) + self.bytes.len()
    }

    /// The elements of the whole listpack, as an RDB file holds it: the two counts, then the rest. O(1).
    pub(crate) fn listpack(&self) -> (Vec<u8>, &[u8]) {
        let mut counts = Vec::new();
        for count in [self.live, self.deleted] {
            listpack::push(&mut counts, StrRef::Int(i64::from(count)));
        }
        (counts, &self.bytes)
    }

    /// How many elements that listpack has. O(elements).
    pub(crate) fn element_count(&self) -> usize {
        2 + Elements::new(&self.bytes).count()
    }

    /// Bytes of heap behind it, spare capacity included. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        16 + size_of::<Self>() + self.bytes.capacity().next_multiple_of(16)
    }

    /// Gives back spare capacity: nothing will be appended any more.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The id of the last entry, even if it is deleted. Redis decides by it whether trimming takes the node as a whole, so
    /// that a node whose last entries are deleted stays until all that is due lies above it, though it may be without entries.
    pub(crate) fn edge_id(&self) -> Option<StreamId> {
        self.iter_back().step().map(|entry| entry.id)
    }

    /// Marks an entry as deleted; says whether it was there. O(node).
    pub(crate) fn delete(&mut self, id: StreamId) -> bool {
        let found = self.iter().find(|entry| entry.id >= id).filter(|entry| entry.id == id);
        let Some(at) = found.map(|entry| entry.at) else { return false };
        self.mark_deleted(at);
        true
    }

    /// Marks the first entries as deleted, as long as `is_due` says so of their ids; returns how many. O(node).
    pub(crate) fn delete_first(&mut self, mut is_due: impl FnMut(StreamId) -> bool) -> usize {
        let due: Vec<usize> = self.iter().take_while(|entry| is_due(entry.id)).map(|entry| entry.at).collect();
        due.iter().for_each(|at| self.mark_deleted(*at));
        due.len()
    }

    /// The flags are a small integer: their element is one byte, whatever they are.
    fn mark_deleted(&mut self, at: usize) {
        self.bytes[at] |= DELETED as u8;
        self.live -= 1;
        self.deleted += 1;
    }

    /// Entries that are not deleted, in order.
    pub(crate) fn iter(&self) -> Forward<'_> {
        Forward { node: self, at: self.entries_at as usize }
    }

    /// Entries that are not deleted, in reverse order.
    pub(crate) fn iter_back(&self) -> Backward<'_> {
        Backward { node: self, end: self.bytes.len() }
    }

    /// Reads the entry whose flags are at `at`.
    fn read(&self, at: usize) -> Option<Placed<'_>> {
        let bytes = &self.bytes[..];
        let (flags, next) = listpack::read_int(bytes, at)?;
        let (ms, next) = listpack::read_int(bytes, next)?;
        let (seq, mut next) = listpack::read_int(bytes, next)?;
        let id = StreamId::new(self.id.ms.wrapping_add(ms as u64), self.id.seq.wrapping_add(seq as u64));
        let fields = if flags & SAME_FIELDS != 0 {
            let (_, field_at) = listpack::read(bytes, 0)?;
            Fields { bytes, field_at: Some(field_at), value_at: next, left: self.field_count as usize }
        } else {
            let (count, first) = listpack::read_int(bytes, next)?;
            next = first;
            Fields { bytes, field_at: None, value_at: next, left: usize::try_from(count).ok()? }
        };
        Some(Placed { at, id, is_deleted: flags & DELETED != 0, fields })
    }
}

/// An entry with its place in the node.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'a> {
    at: usize,
    id: StreamId,
    is_deleted: bool,
    fields: Fields<'a>,
}

impl<'a> From<Placed<'a>> for Entry<'a> {
    fn from(placed: Placed<'a>) -> Self {
        Self { id: placed.id, fields: placed.fields }
    }
}

impl Placed<'_> {
    pub(crate) fn id(&self) -> StreamId {
        self.id
    }

    /// Where the element count is, with which the entry ends.
    fn end(&self) -> usize {
        let mut fields = self.fields;
        fields.by_ref().for_each(drop);
        fields.value_at
    }
}

/// A walk over a node's entries.
pub(crate) struct Forward<'a> {
    node: &'a Node,
    at: usize,
}

impl<'a> Iterator for Forward<'a> {
    type Item = Placed<'a>;

    fn next(&mut self) -> Option<Placed<'a>> {
        loop {
            let placed = self.node.read(self.at)?;
            let (_, next) = listpack::read(&self.node.bytes, placed.end())?;
            self.at = next;
            if !placed.is_deleted {
                return Some(placed);
            }
        }
    }
}

/// A walk over a node's entries from the last to the first.
pub(crate) struct Backward<'a> {
    node: &'a Node,
    end: usize,
}

impl<'a> Backward<'a> {
    /// The entry before, deleted or not.
    fn step(&mut self) -> Option<Placed<'a>> {
        if self.end <= self.node.entries_at as usize {
            return None;
        }
        let bytes = &self.node.bytes[..];
        let mut at = listpack::before(bytes, self.end)?;
        let (elements, _) = listpack::read_int(bytes, at)?;
        for _ in 0..elements {
            at = listpack::before(bytes, at)?;
        }
        self.end = at;
        self.node.read(at)
    }
}

impl<'a> Iterator for Backward<'a> {
    type Item = Placed<'a>;

    fn next(&mut self) -> Option<Placed<'a>> {
        loop {
            let placed = self.step()?;
            if !placed.is_deleted {
                return Some(placed);
            }
        }
    }
}

/// A walk over the fields of an entry and their values.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    /// Where the next field is; `None` if it stands before its value.
    field_at: Option<usize>,
    value_at: usize,
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (StrRef<'a>, StrRef<'a>);

    fn next(&mut self) -> Option<(StrRef<'a>, StrRef<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let field = match &mut self.field_at {
            Some(at) => {
                let (field, next) = listpack::read(self.bytes, *at)?;
                *at = next;
                field
            }
            None => {
                let (field, next) = listpack::read(self.bytes, self.value_at)?;
                self.value_at = next;
                field
            }
        };
        let (value, next) = listpack::read(self.bytes, self.value_at)?;
        self.value_at = next;
        Some((field, value))
    }
}

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields and values in turn as pairs.
    fn pairs<'t>(texts: &'t [&'t [u8]]) -> impl ExactSizeIterator<Item = (StrRef<'t>, StrRef<'t>)> + Clone {
        texts.chunks_exact(2).map(|pair| (StrRef::of(pair[0]), StrRef::of(pair[1])))
    }

    fn pairs_of(placed: Placed<'_>) -> (StreamId, Vec<String>) {
        let text = |element: StrRef<'_>| String::from_utf8(element.to_vec()).unwrap();
        let entry = Entry::from(placed);
        assert_eq!(entry.field_count(), entry.fields().count());
        (entry.id, entry.fields().flat_map(|(field, value)| [text(field), text(value)]).collect())
    }

    #[test]
    fn entries_come_back_from_both_sides() {
        let long = "x".repeat(300);
        let all: [(StreamId, Vec<&str>); 4] = [
            (StreamId::new(5, 9), vec!["a", "1", "b", "two"]),
            (StreamId::new(5, 10), vec!["a", "3", "b", &long]),
            (StreamId::new(7, 0), vec!["other", "-17"]),
            (StreamId::new(u64::MAX, 0), vec!["a", "", "b", "99999999999"]),
        ];
        let bytes = |pairs: &[&str]| pairs.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        let mut node: Option<Node> = None;
        for (id, texts) in &all {
            let texts = bytes(texts);
            let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            match &mut node {
                None => node = Some(Node::new(*id, pairs(&texts))),
                Some(node) => node.append(*id, pairs(&texts)),
            }
        }
        let mut node = node.unwrap();
        let read: Vec<_> = node.iter().map(pairs_of).collect();
        let expected: Vec<_> =
            all.iter().map(|(id, pairs)| (*id, pairs.iter().map(ToString::to_string).collect::<Vec<_>>())).collect();
        assert_eq!(read, expected);
        let mut back: Vec<_> = node.iter_back().map(pairs_of).collect();
        back.reverse();
        assert_eq!(back, expected);

        assert!(node.delete(StreamId::new(7, 0)));
        assert!(!node.delete(StreamId::new(7, 0)) && !node.delete(StreamId::new(6, 0)));
        assert_eq!(node.delete_first(|id| id < StreamId::new(5, 10)), 1);
        assert_eq!((node.len(), node.len_with_deleted()), (2, 4));
        let left: Vec<_> = node.iter().map(|entry| entry.id).collect();
        assert_eq!(left, [StreamId::new(5, 10), StreamId::new(u64::MAX, 0)]);
        assert_eq!(node.iter_back().count(), 2);
        assert!(node.delete(StreamId::new(u64::MAX, 0)));
        assert_eq!(node.edge_id(), Some(StreamId::new(u64::MAX, 0)));
    }

    #[test]
    fn a_listpack_is_that_of_redis() {
        let long = [b'x'; 70];
        let mut node = Node::new(StreamId::new(5, 9), pairs(&[b"a", b"1", b"b", b"two"]));
        node.append(StreamId::new(5, 10), pairs(&[b"a", b"-3", b"b", &long]));
        node.append(StreamId::new(7, 0), pairs(&[b"other", b"99999"]));
        node.delete(StreamId::new(5, 10));
        let expected = [
            &[0x8f, 0, 0, 0, 0x19, 0, 2, 1, 1, 1, 2, 1, 0x81, b'a', 2, 0x81, b'b', 2, 0, 1][..],
            &[2, 1, 0, 1, 0, 1, 1, 1, 0x83, b't', b'w', b'o', 4, 5, 1],
            &[3, 1, 0, 1, 1, 1, 0xdf, 0xfd, 2, 0xe0, 70],
            &long,
            &[72, 5, 1],
            &[
                0, 1, 2, 1, 0xdf, 0xf7, 2, 1, 1, 0x85, b'o', b't', b'h', b'e', b'r', 6, 0xf2, 0x9f, 0x86, 1, 4, 6, 1,
                0xff,
            ],
        ];
        let expected = expected.concat();
        let (counts, rest) = node.listpack();
        assert_eq!([&counts, rest].concat(), expected[listpack::HEAD_BYTES..expected.len() - 1]);
        assert_eq!((node.packed_size(), node.element_count()), (expected.len(), usize::from(expected[4])));
    }

    #[test]
    fn equal_fields_are_kept_once() {
        let mut node = Node::new(StreamId::new(1, 0), pairs(&[b"temperature", b"17"]));
        let first = node.packed_size();
        node.append(StreamId::new(1, 1), pairs(&[b"temperature", b"18"]));
        // Flags, two differences, the value and the count: two bytes each.
        assert_eq!(node.packed_size() - first, 10);
        // Frame 7, counts 4, field count 2, field 13, end 2, entry 10.
        assert_eq!(first, 38);
    }
}
