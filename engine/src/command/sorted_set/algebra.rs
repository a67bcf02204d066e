//! Unions, intersections and differences of sorted sets and sets.
//!
//! Inputs are taken from the smallest to the largest, which is the order in which scores are added. A union gathers
//! members in a hash table; an intersection looks the members of the smallest input up in the others; a difference those
//! of the first.

use super::read;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::text::StrRef;
use crate::value::set::SetRef;
use crate::value::sorted_set::SortedSetRef;
use foldhash::fast::RandomState;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// How the scores of one member become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Fold {
    #[default]
    Sum,
    Min,
    Max,
}

impl Fold {
    fn apply(self, score: &mut f64, other: f64) {
        match self {
            Self::Sum => {
                *score += other;
                if score.is_nan() {
                    *score = 0.0;
                }
            }
            Self::Min if other < *score => *score = other,
            Self::Max if other > *score => *score = other,
            Self::Min | Self::Max => {}
        }
    }
}

/// What an input holds.
#[derive(Clone, Copy)]
enum Members<'a> {
    /// Nothing is there.
    None,
    Scored(SortedSetRef<'a>),
    /// All scores are 1.
    Plain(SetRef<'a>),
}

/// One input, with its weight.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    members: Members<'a>,
    pub(super) weight: f64,
}

impl<'a> Input<'a> {
    /// What a key holds, with weight 1.
    pub(super) fn of(entry: Option<&'a EntryRef>) -> Result<Self, CommandError> {
        let members = match entry {
            None => Members::None,
            Some(entry) => match entry.as_set() {
                Some(set) => Members::Plain(set),
                None => Members::Scored(read(entry)?),
            },
        };
        Ok(Self { members, weight: 1.0 })
    }

    fn len(&self) -> usize {
        match self.members {
            Members::None => 0,
            Members::Scored(set) => set.len(),
            Members::Plain(set) => set.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self.members {
            Members::None => None,
            Members::Scored(set) => set.score(member),
            Members::Plain(set) => set.contains(StrRef::of(member)).then_some(1.0),
        }
    }

    fn for_each(&self, mut f: impl FnMut(Cow<'a, [u8]>, f64)) {
        match self.members {
            Members::None => {}
            Members::Scored(set) => set.iter().for_each(|(member, score)| f(bytes(member), score)),
            Members::Plain(set) => set.for_each(|member| f(bytes(member), 1.0)),
        }
    }

    fn weighted(&self, score: f64) -> f64 {
        let score = self.weight * score;
        if score.is_nan() { 0.0 } else { score }
    }
}

fn bytes(member: StrRef<'_>) -> Cow<'_, [u8]> {
    match member {
        StrRef::Bytes(bytes) => Cow::Borrowed(bytes),
        StrRef::Int(_) => Cow::Owned(member.to_vec()),
    }
}

/// Members with their scores, in no order.
pub(super) type Found<'a> = Vec<(Cow<'a, [u8]>, f64)>;

/// The members that any input has. O(all members).
pub(super) fn union<'a>(mut inputs: Vec<Input<'a>>, fold: Fold) -> Found<'a> {
    inputs.sort_by_key(Input::len);
    let largest = inputs.last().map_or(0, Input::len);
    let mut found: HashMap<Cow<'a, [u8]>, f64, RandomState> =
        HashMap::with_capacity_and_hasher(largest, RandomState::default());
    for input in &inputs {
        input.for_each(|member, score| {
            let score = input.weighted(score);
            match found.entry(member) {
                Entry::Vacant(place) => drop(place.insert(score)),
                Entry::Occupied(mut old) => fold.apply(old.get_mut(), score),
            }
        });
    }
    found.into_iter().collect()
}

/// The members that all inputs have; `f` may end it by returning false. O(smallest input * inputs).
fn intersect<'a>(mut inputs: Vec<Input<'a>>, fold: Fold, mut f: impl FnMut(Cow<'a, [u8]>, f64) -> bool) {
    inputs.sort_by_key(Input::len);
    let Some((smallest, others)) = inputs.split_first() else { return };
    if smallest.len() == 0 {
        return;
    }
    let mut goes_on = true;
    smallest.for_each(|member, score| {
        if !goes_on {
            return;
        }
        let mut score = smallest.weighted(score);
        for other in others {
            let Some(value) = other.score(&member) else { return };
            fold.apply(&mut score, value * other.weight);
        }
        goes_on = f(member, score);
    });
}

/// The members that all inputs have.
pub(super) fn intersection<'a>(inputs: Vec<Input<'a>>, fold: Fold) -> Found<'a> {
    let mut found = Vec::new();
    intersect(inputs, fold, |member, score| {
        found.push((member, score));
        true
    });
    found
}

/// How many members all inputs have, counted up to `limit` unless that is 0.
pub(super) fn intersection_size(inputs: Vec<Input<'_>>, limit: usize) -> usize {
    let mut count = 0;
    intersect(inputs, Fold::Sum, |_, _| {
        count += 1;
        limit == 0 || count < limit
    });
    count
}

/// The members of the first input that no other has.
pub(super) fn difference<'a>(inputs: &[Input<'a>]) -> Found<'a> {
    let mut found = Vec::new();
    let Some((first, others)) = inputs.split_first() else { return found };
    first.for_each(|member, score| {
        if others.iter().all(|other| other.score(&member).is_none()) {
            found.push((member, score));
        }
    });
    found
}
