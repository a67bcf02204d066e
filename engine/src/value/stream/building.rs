//! A stream that is being put together before it has an entry.
//!
//! ```text
//! (node entry*)* totals (group pending* (consumer owned*)*)*
//! ```
//!
//! Anything else, and whatever contradicts itself, is refused with what is wrong. Nodes are taken over as they are, whatever
//! the limits for new ones: to begin them elsewhere would repeat the fields that their entries leave out.

use super::{Group, Node, Stream, StreamId};
use crate::text::StrRef;
use std::collections::BTreeMap;

/// A stream in the making.
pub(crate) struct NewStream {
    stream: Stream,
    /// The node whose entries come.
    node: Option<Node>,
    /// The id of the last entry.
    last: StreamId,
    /// Whether the totals have come.
    is_counted: bool,
    group: Option<OpenGroup>,
}

/// What a stream tells of itself besides its entries.
#[derive(Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) length: u64,
    pub(crate) last: StreamId,
    pub(crate) max_deleted: Option<StreamId>,
    /// Absent in old forms, which do not tell how many entries groups have read either.
    pub(crate) added: Option<u64>,
}

struct OpenGroup {
    name: Vec<u8>,
    group: Group,
    consumer: Option<Vec<u8>>,
    /// Delivered, and nobody's yet: when and how often.
    unowned: BTreeMap<StreamId, (i64, u64)>,
}

type Outcome<T = ()> = Result<T, &'static str>;

impl NewStream {
    pub(crate) fn new() -> Self {
        Self { stream: Stream::new(), node: None, last: StreamId::MIN, is_counted: false, group: None }
    }

    /// Begins a node of about so many bytes whose entries leave out these fields. O(fields).
    pub(crate) fn node<'t>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = StrRef<'t>>,
        size_bytes: usize,
    ) -> Outcome {
        if self.is_counted {
            return Err("nodes of a stream come first");
        }
        self.close_node();
        if self.stream.node_count() > 0 && id <= self.last {
            return Err("the ids of a stream ascend");
        }
        self.node = Some(Node::begin(id, fields, size_bytes));
        Ok(())
    }

    /// Adds an entry to the node: its fields with their values. O(entry).
    pub(crate) fn entry<'t>(
        &mut self,
        id: StreamId,
        pairs: impl ExactSizeIterator<Item = (StrRef<'t>, StrRef<'t>)> + Clone,
    ) -> Outcome {
        let node = self.node.as_mut().ok_or("an entry of a stream stands in a node")?;
        if id <= self.last || id < node.id() {
            return Err("the ids of a stream ascend");
        }
        if pairs.len() == 0 {
            return Err("an entry of a stream has fields with values");
        }
        node.append(id, pairs);
        self.last = id;
        Ok(())
    }

    /// Takes what the stream tells of itself.
    pub(crate) fn totals(&mut self, totals: Totals) -> Outcome {
        if self.is_counted {
            return Err("a stream tells of itself once");
        }
        self.close_node();
        // The first releases that had streams miscounted what they trimmed, so the exact number is not insisted on.
        if (totals.length == 0) != (self.stream.len() == 0) {
            return Err("a stream that counts entries has some");
        }
        if totals.last < self.stream.last_id() {
            return Err("no entry of a stream is above the last id it ever had");
        }
        let added = totals.added.unwrap_or(self.stream.len());
        self.stream.set_last_id(totals.last, Some(added), totals.max_deleted);
        self.is_counted = true;
        Ok(())
    }

    /// Begins a group. `is_told`: how many entries it has read was told, or that it is not known.
    pub(crate) fn group(&mut self, name: &[u8], last: StreamId, read: Option<u64>, is_told: bool) -> Outcome {
        self.close_group()?;
        if !self.is_counted {
            return Err("what a stream tells of itself comes before its groups");
        }
        if self.stream.group(name).is_some() {
            return Err("a group is there once");
        }
        let read = if is_told { read } else { self.stream.entries_up_to(last) };
        let group = Group::new(last, read);
        self.group = Some(OpenGroup { name: name.to_vec(), group, consumer: None, unowned: BTreeMap::new() });
        Ok(())
    }

    /// Notes an entry that the group delivered and nobody acknowledged.
    pub(crate) fn pending(&mut self, id: StreamId, delivered_ms: i64, count: u64) -> Outcome {
        let open = self.group.as_mut().filter(|open| open.consumer.is_none());
        let open = open.ok_or("pending entries come with their group, before its consumers")?;
        match open.unowned.insert(id, (delivered_ms, count)) {
            None => Ok(()),
            Some(_) => Err("an entry is pending once"),
        }
    }

    /// Begins a consumer of the group.
    pub(crate) fn consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: Option<i64>) -> Outcome {
        let open = self.group.as_mut().ok_or("consumers come with their group")?;
        if !open.group.create_consumer(name, seen_ms) {
            return Err("a consumer is there once");
        }
        if let Some(active_ms) = active_ms {
            open.group.activate(name, active_ms);
        }
        open.consumer = Some(name.to_vec());
        Ok(())
    }

    /// Hands a pending entry to the consumer.
    pub(crate) fn owned(&mut self, id: StreamId) -> Outcome {
        let open = self.group.as_mut().ok_or("owned entries come with their consumer")?;
        let consumer = open.consumer.as_ref().ok_or("owned entries come with their consumer")?;
        let (delivered_ms, count) =
            open.unowned.remove(&id).ok_or("what a consumer owns is pending, and nobody else's")?;
        open.group.assign(id, consumer, delivered_ms, count);
        Ok(())
    }

    /// The stream.
    pub(crate) fn finish(mut self) -> Outcome<Stream> {
        self.close_group()?;
        if self.is_counted { Ok(self.stream) } else { Err("a stream tells of itself") }
    }

    /// Puts the node into the stream, unless all its entries were deleted.
    fn close_node(&mut self) {
        if let Some(node) = self.node.take() {
            self.stream.push_node(node);
        }
    }

    fn close_group(&mut self) -> Outcome {
        let Some(open) = self.group.take() else { return Ok(()) };
        if !open.unowned.is_empty() {
            return Err("what is pending is somebody's");
        }
        self.stream.create_group(&open.name, open.group);
        Ok(())
    }
}
