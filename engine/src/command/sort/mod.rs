//! `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination]`, `SORT_RO`: the
//! members of a list, set or sorted set in order.
//!
//! Reply: an array of members, or of what GET looks up for each; the length of the list that was stored. Effect of STORE:
//! `DEL destination` and `RPUSH destination ...` in pieces.
//!
//! BY and GET may read any key: the turn of such a request holds every slot.

mod options;
mod order;
mod pattern;

pub use options::SortOptions;
pub use order::SortOrder;

use super::list::replace_list;
use super::row::flag::{DENYOOM, READONLY, TOUCHES_ARBITRARY_KEYS, WRITE};
use super::row::{Extractor, Group, KeySpec, Row, category};
use super::sorted_set;
use super::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::slot::Slot;
use crate::turn::Turn;
use crate::value::sorted_set::Direction;
use crate::value::{StrRef, ValueType, Walk};
use bytes::Bytes;
use options::{Grammar, Lookups, Words};
use order::{Collation, Text};
use pattern::Pattern;

pub(super) const ROWS: &[Row] = &[SORT, SORT_RO];

const BY_OR_GET: KeySpec = KeySpec::unknown().ro().access().notes(
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we \
     sort",
);

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of \
                          returned elements. When the elements are not sorted, complexity is O(N).";

const SORT: Row = Row::new("sort", -2, Run::Turn(sort))
    .flags(WRITE | DENYOOM | TOUCHES_ARBITRARY_KEYS)
    .categories(category::SET | category::SORTEDSET | category::LIST | category::DANGEROUS)
    .keys(&[
        KeySpec::index(1).ro().access(),
        BY_OR_GET,
        KeySpec::unknown().ow().update().notes(
            "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the \
             argument array",
        ),
    ])
    .extractor(Extractor::Sort)
    .summary("Sorts the elements in a list, a set, or a sorted set, optionally storing the result.")
    .docs(Group::Generic, "1.0.0", COMPLEXITY)
    .args(
        "key:key#0 by-pattern<pattern>:pattern#1?=BY limit:block?=LIMIT{offset:integer count:integer} \
         get-pattern<pattern>:pattern#1?*+=GET order:oneof?{asc=ASC desc=DESC} sorting?=ALPHA destination:key#2?=STORE",
    );

const SORT_RO: Row = Row::new("sort_ro", -2, Run::Turn(sort_ro))
    .flags(READONLY | TOUCHES_ARBITRARY_KEYS)
    .categories(category::SET | category::SORTEDSET | category::LIST | category::DANGEROUS)
    .keys(&[KeySpec::index(1).ro().access(), BY_OR_GET])
    .extractor(Extractor::SortRo)
    .summary("Returns the sorted elements of a list, a set, or a sorted set.")
    .docs(Group::Generic, "7.0.0", COMPLEXITY)
    .args(
        "key:key#0 by-pattern<pattern>:pattern#1?=BY limit:block?=LIMIT{offset:integer count:integer} \
         get-pattern<pattern>:pattern#1?*+=GET order:oneof?{asc=ASC desc=DESC} sorting?=ALPHA",
    );

fn sort(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let words = Words::parse(&args[2..], Grammar::Sort, lookups(turn))?;
    answer(turn, args[1], &words, reply)
}

fn sort_ro(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let words = Words::parse(&args[2..], Grammar::ReadOnly, lookups(turn))?;
    answer(turn, args[1], &words, reply)
}

/// Whether BY and GET may lead to other keys.
fn lookups(turn: &Turn<'_>) -> Lookups {
    match () {
        () if turn.core().wants_named_keys() => Lookups::DeniedInCluster,
        () if !turn.may_look_up() => Lookups::DeniedToUser,
        () => Lookups::Allowed,
    }
}

fn answer(turn: &mut Turn<'_>, key: &[u8], words: &Words<'_>, reply: &mut ReplyWriter<'_>) -> CommandResult {
    let source = Source::read(turn, key)?;
    if let Some(destination) = words.store {
        let count = store(turn, &source, words, destination)?;
        reply.integer(count as i64);
        return Ok(());
    }
    let members = source.sorted(turn, words)?;
    reply.array(members.len() * words.get.len().max(1));
    each_value(turn, words, &members, |value| match value {
        None => reply.null(),
        Some(StrRef::Int(n)) => reply.bulk_i64(n),
        Some(StrRef::Bytes(bytes)) => reply.bulk(bytes),
    })
}

/// Shows `f` what is returned, in order.
fn each_value(
    turn: &mut Turn<'_>,
    words: &Words<'_>,
    members: &[StrRef<'_>],
    mut f: impl FnMut(Option<StrRef<'_>>),
) -> CommandResult {
    let mut buffer = Vec::new();
    for member in members {
        if words.get.is_empty() {
            f(Some(*member));
        }
        for pattern in &words.get {
            pattern.look_up(turn, *member, &mut buffer, &mut f)?;
        }
    }
    Ok(())
}

/// Stores the result as a list in the place of whatever was there; returns its length.
fn store(turn: &mut Turn<'_>, source: &Source, words: &Words<'_>, destination: &[u8]) -> Result<usize, CommandError> {
    let members = source.sorted(turn, words)?;
    let mut texts = Texts::default();
    each_value(turn, words, &members, |value| texts.push(value.unwrap_or(StrRef::Bytes(b""))))?;
    let key = turn.key(destination)?;
    if texts.ends.is_empty() {
        if let Some(spot) = turn.find(&key) {
            turn.discard(&key, spot);
            turn.record(&[b"DEL", key.bytes]);
            turn.notify(EventClass::Generic, "del", key.bytes);
        }
        return Ok(0);
    }
    let values: Vec<StrRef<'_>> = (0..texts.ends.len()).map(|at| StrRef::of(texts.get(at))).collect();
    replace_list(turn, &key, &values);
    turn.notify(EventClass::List, "sortstore", key.bytes);
    Ok(values.len())
}

/// Texts, one after another in one piece of memory.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: StrRef<'_>) {
        text.with_bytes(|text| self.bytes.extend_from_slice(text));
        self.ends.push(self.bytes.len());
    }

    fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
    }
}

/// What is sorted: the entry, shared, so that other keys can be read meanwhile.
struct Source(Option<EntryRef>);

impl Source {
    fn read(turn: &mut Turn<'_>, key: &[u8]) -> Result<Self, CommandError> {
        let key = turn.key(key)?;
        let entry = turn.read(&key).map(|entry| EntryRef::clone(&entry));
        match entry.as_ref().map(|entry| entry.value_type()) {
            None | Some(ValueType::List | ValueType::Set | ValueType::SortedSet) => Ok(Self(entry)),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// The members that are wanted, in order.
    fn sorted(&self, turn: &mut Turn<'_>, words: &Words<'_>) -> Result<Vec<StrRef<'_>>, CommandError> {
        let Some(entry) = &self.0 else { return Ok(Vec::new()) };
        let is_set = entry.value_type() == ValueType::Set;
        // What is stored must not depend on how a set is kept.
        let is_fixed = words.keeps_order() && is_set && words.store.is_some();
        if words.keeps_order() && !is_fixed {
            return Ok(kept(entry, words));
        }
        let members = members(entry);
        let range = words.range(members.len());
        if words.alpha || is_fixed {
            return by_text(turn, words, members, range);
        }
        let weights = weigh(turn, words.weights(), &members)?;
        let mut weighed: Vec<(f64, StrRef<'_>)> = weights.into_iter().zip(members).collect();
        if !range.is_empty() {
            order::by_weight(&mut weighed, words.order, range.end);
        }
        Ok(weighed[range].iter().map(|(_, member)| *member).collect())
    }
}

/// All members as they are kept. O(members).
fn members(entry: &EntryRef) -> Vec<StrRef<'_>> {
    let mut members = Vec::new();
    if let Some(list) = entry.as_list() {
        members.reserve(list.len());
        list.walk_from(0, |element| {
            members.push(element);
            Walk::On
        });
    } else if let Some(set) = entry.as_set() {
        members.reserve(set.len());
        set.for_each(|member| members.push(member));
    } else if let Ok(set) = sorted_set::read(entry) {
        members.extend(set.iter().map(|(member, _)| member));
    }
    members
}

/// The members that are wanted, as they are kept: from the other end if the order is descending. A set has no ends.
fn kept<'e>(entry: &'e EntryRef, words: &Words<'_>) -> Vec<StrRef<'e>> {
    let is_down = words.order == SortOrder::Descending;
    if let Some(list) = entry.as_list() {
        let range = words.range(list.len());
        let mut members = Vec::with_capacity(range.len());
        let mut left = range.len();
        let mut skipped = if is_down { range.start } else { 0 };
        let mut take = |element| match (left, skipped) {
            (0, _) => Walk::Enough,
            (_, 1..) => {
                skipped -= 1;
                Walk::On
            }
            _ => {
                left -= 1;
                members.push(element);
                Walk::On
            }
        };
        match is_down {
            true => list.walk_back(&mut take),
            false => list.walk_from(range.start, &mut take),
        }
        return members;
    }
    if let Ok(set) = sorted_set::read(entry) {
        let (len, direction) = (set.len(), if is_down { Direction::Down } else { Direction::Up });
        let range = words.range(len);
        if range.is_empty() {
            return Vec::new();
        }
        let first = if is_down { len - 1 - range.start } else { range.start };
        return set.walk(first, range.len(), direction).map(|(member, _)| member).collect();
    }
    let members = members(entry);
    let range = words.range(members.len());
    members[range].to_vec()
}

/// The weight of every member: its own number, or that of what the pattern looks up, 0 if there is nothing.
fn weigh(turn: &mut Turn<'_>, by: Option<Pattern<'_>>, members: &[StrRef<'_>]) -> Result<Vec<f64>, CommandError> {
    let no_number = || CommandError::text("ERR One or more scores can't be converted into double");
    let Some(pattern) = by else {
        let weights: Option<Vec<f64>> = members.iter().map(|member| order::weight(*member)).collect();
        return weights.ok_or_else(no_number);
    };
    let mut weights = Vec::with_capacity(members.len());
    let mut is_wrong = false;
    pattern.look_up_all(turn, members, |value| {
        let weight = value.map_or(Some(0.0), order::weight);
        is_wrong |= weight.is_none();
        weights.push(weight.unwrap_or(0.0));
    })?;
    if is_wrong { Err(no_number()) } else { Ok(weights) }
}

/// The members that are wanted in the order of their bytes, or of what the pattern looks up.
fn by_text<'e>(
    turn: &mut Turn<'_>,
    words: &Words<'_>,
    members: Vec<StrRef<'e>>,
    range: std::ops::Range<usize>,
) -> Result<Vec<StrRef<'e>>, CommandError> {
    let collation = if words.store.is_some() { Collation::Whole } else { Collation::UpToZero };
    let mut found = Texts::default();
    let mut is_there = Vec::with_capacity(members.len());
    match words.weights() {
        None => members.iter().for_each(|member| found.push(*member)),
        Some(pattern) => pattern.look_up_all(turn, &members, |value| {
            is_there.push(value.is_some());
            found.push(value.unwrap_or(StrRef::Bytes(b"")));
        })?,
    }
    let text = |at: usize| is_there.get(at).copied().unwrap_or(true).then(|| found.get(at));
    let mut texts: Vec<Text<'_, '_>> =
        members.iter().enumerate().map(|(at, member)| Text::new(text(at), *member, collation)).collect();
    order::by_text(&mut texts, words.order);
    Ok(texts[range].iter().map(|text| text.member).collect())
}

impl Turn<'_> {
    /// The members of the list, set or sorted set at `key` in order, or what is looked up for them; nulls where there is
    /// nothing. The turn must hold the slots of the keys that patterns lead to. O(n log n).
    pub fn sort(&mut self, key: impl AsRef<[u8]>, options: &SortOptions) -> Result<Vec<Option<Bytes>>, CommandError> {
        let words = Words::of(options, None);
        let source = Source::read(self, key.as_ref())?;
        let members = source.sorted(self, &words)?;
        let mut values = Vec::with_capacity(members.len() * words.get.len().max(1));
        each_value(self, &words, &members, |value| {
            values.push(value.map(|value| value.with_bytes(Bytes::copy_from_slice)));
        })?;
        Ok(values)
    }

    /// As [`sort`](Self::sort), but stores the result as a list at `destination`, with empty strings for nulls; returns its
    /// length.
    pub fn sort_store(
        &mut self,
        key: impl AsRef<[u8]>,
        destination: impl AsRef<[u8]>,
        options: &SortOptions,
    ) -> Result<usize, CommandError> {
        let destination = destination.as_ref();
        let words = Words::of(options, Some(destination));
        let source = Source::read(self, key.as_ref())?;
        store(self, &source, &words, destination)
    }
}

impl Engine {
    /// The members of the list, set or sorted set at `key` in order, or what the patterns of `options` look up for them,
    /// `None` where there is nothing. Empty if there is no such key. Fails with WRONGTYPE on other types, and where a
    /// member, or what it is ordered by, is no number. O(n log n); holds every slot if a pattern leads to other keys.
    /// Follows SORT of Redis 7.2; records nothing.
    ///
    /// ```
    /// use keyslot_engine::{Engine, SortOptions};
    /// let db = Engine::in_memory();
    /// db.push_many("l", keyslot_engine::End::Right, &["3", "10", "1"])?;
    /// let sorted = db.sort("l", &SortOptions::default())?;
    /// assert_eq!(sorted, [Some("1".into()), Some("3".into()), Some("10".into())]);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn sort(&self, key: impl AsRef<[u8]>, options: &SortOptions) -> Result<Vec<Option<Bytes>>, CommandError> {
        let key = key.as_ref();
        match Words::of(options, None).reads_other_keys() {
            true => self.in_turn(&Slot::all().collect::<Vec<_>>(), Access::Read, |turn| turn.sort(key, options)),
            false => self.on_keys(&[key], Access::Read, |turn| turn.sort(key, options)),
        }
    }

    /// As [`Engine::sort`], but stores the result as a list at `destination`, with empty strings for what is not there;
    /// returns its length. An empty result deletes `destination`. Records `DEL` and `RPUSH`.
    pub fn sort_store(
        &self,
        key: impl AsRef<[u8]>,
        destination: impl AsRef<[u8]>,
        options: &SortOptions,
    ) -> Result<usize, CommandError> {
        let (key, destination) = (key.as_ref(), destination.as_ref());
        let run = |turn: &mut Turn<'_>| turn.sort_store(key, destination, options);
        match Words::of(options, None).reads_other_keys() {
            true => self.in_turn(&Slot::all().collect::<Vec<_>>(), Access::Grow, run),
            false => self.on_keys(&[key, destination], Access::Grow, run),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
