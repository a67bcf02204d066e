//! Streams as Redis serialises them.
//!
//! ```text
//! n, n x (16 bytes of id, string: listpack)
//! length, last id                               [19 on: first id, max deleted id, entries added]
//! groups x (name, last id                       [19 on: entries read],
//!           n x (16 bytes of id, 8 bytes of time, deliveries),
//!           consumers x (name, 8 bytes of time  [21: 8 bytes of active time], n x 16 bytes of id))
//!
//! listpack  count, deleted, fields, field..., 0           the master entry
//!           flags, ms - master ms, seq - master seq, [fields], (field, value)... or value..., elements
//! ```
//!
//! The ids before listpacks and of pending entries are big-endian, times little-endian, all other numbers lengths.

use super::error::PayloadError;
use super::input::Input;
use super::listpack;
use super::pairs::{Names, Pairs};
use super::part::Part;
use crate::time::UnixMillis;
use crate::value::StreamId;

/// Which of the three forms of a stream is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(super) enum Form {
    /// Type 15.
    Plain,
    /// Type 19: with counters.
    Counted,
    /// Type 21: with active times.
    Active,
}

/// How far the reading of a stream has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The number of nodes is next.
    NodeCount,
    /// So many nodes, then the totals.
    Nodes(u64),
    /// So many groups.
    Groups(u64),
    /// So many pending entries of a group, then its consumers; so many groups after it.
    Pending(u64, u64),
    /// So many consumers of a group; so many groups after it.
    Consumers(u64, u64),
    /// So many owned entries of a consumer, consumers after it, groups after those.
    Owned(u64, u64, u64),
    /// Nothing more.
    Done,
}

/// What a part is given to.
pub(super) type Sink<'s> = dyn FnMut(Part<'_>) -> Result<(), PayloadError> + 's;

/// Takes one piece, if it is there as a whole, and returns the step after it.
pub(super) fn advance(
    step: Step,
    form: Form,
    input: &mut Input<'_>,
    sink: &mut Sink<'_>,
) -> Result<Option<Step>, PayloadError> {
    Ok(Some(match step {
        Step::NodeCount => match input.number()? {
            None => return Ok(None),
            Some(count) => Step::Nodes(count),
        },
        Step::Nodes(0) => match totals(form, input, sink)? {
            None => return Ok(None),
            Some(groups) => Step::Groups(groups),
        },
        Step::Nodes(left) => match node(input, sink)? {
            None => return Ok(None),
            Some(()) => Step::Nodes(left - 1),
        },
        Step::Groups(0) => Step::Done,
        Step::Groups(left) => match group(form, input, sink)? {
            None => return Ok(None),
            Some(pending) => Step::Pending(pending, left - 1),
        },
        Step::Pending(0, groups) => match input.number()? {
            None => return Ok(None),
            Some(consumers) => Step::Consumers(consumers, groups),
        },
        Step::Pending(left, groups) => match pending(input, sink)? {
            None => return Ok(None),
            Some(()) => Step::Pending(left - 1, groups),
        },
        Step::Consumers(0, groups) => Step::Groups(groups),
        Step::Consumers(left, groups) => match consumer(form, input, sink)? {
            None => return Ok(None),
            Some(owned) => Step::Owned(owned, left - 1, groups),
        },
        Step::Owned(0, consumers, groups) => Step::Consumers(consumers, groups),
        Step::Owned(left, consumers, groups) => match raw_id(input) {
            None => return Ok(None),
            Some(id) => {
                sink(Part::Owned(id))?;
                Step::Owned(left - 1, consumers, groups)
            }
        },
        Step::Done => Step::Done,
    }))
}

fn raw_id(input: &mut Input<'_>) -> Option<StreamId> {
    let bytes: [u8; 16] = input.array()?;
    let half = |at: usize| bytes[at..at + 8].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    Some(StreamId { ms: half(0), seq: half(8) })
}

fn time(input: &mut Input<'_>) -> Option<UnixMillis> {
    input.array().map(|bytes| UnixMillis(i64::from_le_bytes(bytes)))
}

fn id(input: &mut Input<'_>) -> Result<Option<StreamId>, PayloadError> {
    let Some(ms) = input.number()? else { return Ok(None) };
    let Some(seq) = input.number()? else { return Ok(None) };
    Ok(Some(StreamId { ms, seq }))
}

fn node(input: &mut Input<'_>, sink: &mut Sink<'_>) -> Result<Option<()>, PayloadError> {
    let start = input.position();
    let Some(key) = input.text()? else { return Ok(None) };
    let Some(nodes) = input.text()? else { return Ok(None) };
    let key = key.with_bytes(|bytes| raw_id(&mut Input::new(bytes)).filter(|_| bytes.len() == 16));
    let master = key.ok_or_else(|| PayloadError::corrupt(start, "the id of a stream's node"))?;
    nodes.with_bytes(|bytes| entries(master, bytes, sink)).map_err(|error| error.after(start))?;
    Ok(Some(()))
}

/// Gives one node and its entries.
fn entries(master: StreamId, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), PayloadError> {
    let bad = |what| PayloadError::corrupt(0, what);
    let mut elements = listpack::elements(bytes)?;
    let count = elements.integer()?;
    let deleted = elements.integer()?;
    let field_count = usize::try_from(elements.integer()?).map_err(|_| bad("a number of fields"))?;
    let names = Names::take(&mut elements, field_count)?;
    elements.integer()?;
    let total = count.checked_add(deleted).filter(|total| *total >= 0 && deleted >= 0);
    let total = total.ok_or_else(|| bad("a number of entries"))?;
    sink(Part::Node { id: master, fields: names.clone(), size_bytes: bytes.len() })?;
    for _ in 0..total {
        let flags = elements.integer()?;
        let (ms, seq) = (elements.integer()? as u64, elements.integer()? as u64);
        let id = StreamId { ms: master.ms.wrapping_add(ms), seq: master.seq.wrapping_add(seq) };
        let pairs = if flags & SAME_FIELDS != 0 {
            Pairs::take_values(&mut elements, &names)?
        } else {
            let own = usize::try_from(elements.integer()?).map_err(|_| bad("a number of fields"))?;
            Pairs::take(&mut elements, own)?
        };
        elements.integer()?;
        if flags & DELETED == 0 {
            sink(Part::Entry(id, pairs))?;
        }
    }
    match elements.next()? {
        None => Ok(()),
        Some(_) => Err(bad("no more entries than the node says")),
    }
}

/// The totals; how many groups follow.
fn totals(form: Form, input: &mut Input<'_>, sink: &mut Sink<'_>) -> Result<Option<u64>, PayloadError> {
    let Some(length) = input.number()? else { return Ok(None) };
    let Some(last) = id(input)? else { return Ok(None) };
    let (mut first, mut max_deleted, mut added) = (None, None, None);
    if form >= Form::Counted {
        first = id(input)?;
        max_deleted = id(input)?;
        added = input.number()?;
        if added.is_none() {
            return Ok(None);
        }
    }
    let Some(groups) = input.number()? else { return Ok(None) };
    sink(Part::Stream { length, last, first, max_deleted, added })?;
    Ok(Some(groups))
}

/// A group; how many pending entries follow.
fn group(form: Form, input: &mut Input<'_>, sink: &mut Sink<'_>) -> Result<Option<u64>, PayloadError> {
    let Some(name) = input.text()? else { return Ok(None) };
    let Some(last) = id(input)? else { return Ok(None) };
    let read = match form {
        Form::Plain => None,
        Form::Counted | Form::Active => match input.number()? {
            None => return Ok(None),
            // All bits set is Redis's -1: not known.
            Some(u64::MAX) => None,
            read => read,
        },
    };
    let Some(pending) = input.number()? else { return Ok(None) };
    name.with_bytes(|name| sink(Part::Group { name, last, read }))?;
    Ok(Some(pending))
}

fn pending(input: &mut Input<'_>, sink: &mut Sink<'_>) -> Result<Option<()>, PayloadError> {
    let Some(id) = raw_id(input) else { return Ok(None) };
    let Some(delivered) = time(input) else { return Ok(None) };
    let Some(count) = input.number()? else { return Ok(None) };
    sink(Part::Pending { id, delivered, count })?;
    Ok(Some(()))
}

/// A consumer; how many owned entries follow.
fn consumer(form: Form, input: &mut Input<'_>, sink: &mut Sink<'_>) -> Result<Option<u64>, PayloadError> {
    let Some(name) = input.text()? else { return Ok(None) };
    let Some(seen) = time(input) else { return Ok(None) };
    let active = match form {
        Form::Plain | Form::Counted => None,
        Form::Active => match time(input) {
            None => return Ok(None),
            active => active,
        },
    };
    let Some(owned) = input.number()? else { return Ok(None) };
    name.with_bytes(|name| sink(Part::Consumer { name, seen, active }))?;
    Ok(Some(owned))
}

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
