//! What ZUNION, ZINTER and ZDIFF and their store forms share: their arguments, and how members are found, answered and
//! stored.
//!
//! `numkeys key ... [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]`, of the store forms with a destination before
//! the number of keys.

use super::algebra::{Fold, Found, Input, difference, intersection, union};
use super::arguments::{count, integer, score};
use super::change::{store_whole, whole};
use super::listing::{self, Scores};
use crate::command::CommandResult;
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::table::Lent;
use crate::text::StrRef;
use crate::turn::{Key, Turn};
use crate::value::sorted_set::tree::order;
use bytes::Bytes;

/// What is made of the members of several keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the members that were found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    Listed,
    Stored,
    Counted,
}

impl Operation {
    fn find<'a>(self, inputs: Vec<Input<'a>>, fold: Fold) -> Found<'a> {
        match self {
            Self::Union => union(inputs, fold),
            Self::Intersection => intersection(inputs, fold),
            Self::Difference => difference(&inputs),
        }
    }

    /// The event of the store form.
    fn event(self) -> &'static str {
        match self {
            Self::Union => "zunionstore",
            Self::Intersection => "zinterstore",
            Self::Difference => "zdiffstore",
        }
    }
}

/// Answers the members in the order of their scores.
pub(super) fn list(
    turn: &mut Turn<'_>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
    operation: Operation,
    name: &'static str,
) -> CommandResult {
    let (words, keys) = (Words::split(&args[1..], name)?, &mut Vec::new());
    let entries = entries(turn, words.keys, keys)?;
    let inputs = inputs(&entries)?;
    let options = words.options(operation, Purpose::Listed)?;
    let found = in_order(operation.find(weighted(inputs, &options.weights), options.fold));
    listing::begin(reply, found.len(), options.scores);
    for (member, score) in &found {
        listing::write(reply, StrRef::Bytes(member), *score, options.scores);
    }
    Ok(())
}

/// Stores the members at the destination.
pub(super) fn store(
    turn: &mut Turn<'_>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
    operation: Operation,
) -> CommandResult {
    let words = Words::split(&args[2..], operation.event())?;
    let (core, mut keys) = (turn.core(), Vec::new());
    let destination = turn.key(args[1])?;
    let entry = {
        let entries = entries(turn, words.keys, &mut keys)?;
        let inputs = inputs(&entries)?;
        let options = words.options(operation, Purpose::Stored)?;
        let found = operation.find(weighted(inputs, &options.weights), options.fold);
        whole(core, destination.bytes, found.iter().map(|(member, score)| (&**member, *score)).collect())
    };
    reply.integer(store_whole(turn, &destination, entry, operation.event())? as i64);
    Ok(())
}

/// The arguments from the number of keys on.
pub(super) struct Words<'a, 'b> {
    pub(super) keys: &'b [&'a [u8]],
    rest: &'b [&'a [u8]],
}

/// What is said behind the keys.
pub(super) struct Options {
    weights: Vec<f64>,
    fold: Fold,
    scores: Scores,
    pub(super) limit: usize,
}

impl<'a, 'b> Words<'a, 'b> {
    /// Divides them by the number of keys; `name` is the command's, for the error.
    pub(super) fn split(args: &'b [&'a [u8]], name: &'static str) -> Result<Self, CommandError> {
        let number = integer(args[0])?;
        if number < 1 {
            return Err(CommandError::quoting(
                "ERR at least 1 input key is needed for '",
                name.as_bytes(),
                "' command",
            ));
        }
        let number = usize::try_from(number).ok().filter(|number| *number < args.len()).ok_or(CommandError::Syntax)?;
        Ok(Self { keys: &args[1..=number], rest: &args[number + 1..] })
    }

    /// Reads what is said behind the keys.
    pub(super) fn options(&self, operation: Operation, purpose: Purpose) -> Result<Options, CommandError> {
        let mut options = Options { weights: Vec::new(), fold: Fold::Sum, scores: Scores::Hidden, limit: 0 };
        let has_weights = operation != Operation::Difference && purpose != Purpose::Counted;
        let mut words = self.rest.iter();
        while let Some(word) = words.next() {
            match word.to_ascii_uppercase().as_slice() {
                b"WEIGHTS" if has_weights && words.len() >= self.keys.len() => {
                    let numbers = words.by_ref().take(self.keys.len());
                    let weights: Result<_, _> = numbers.map(|number| score(number)).collect();
                    options.weights = weights.map_err(|_| CommandError::text(NOT_A_WEIGHT))?;
                }
                b"AGGREGATE" if has_weights && words.len() >= 1 => {
                    options.fold = match words.next().map(|word| word.to_ascii_uppercase()).as_deref() {
                        Some(b"SUM") => Fold::Sum,
                        Some(b"MIN") => Fold::Min,
                        Some(b"MAX") => Fold::Max,
                        _ => return Err(CommandError::Syntax),
                    };
                }
                b"WITHSCORES" if purpose == Purpose::Listed => options.scores = Scores::Shown,
                b"LIMIT" if purpose == Purpose::Counted && words.len() >= 1 => {
                    let word = words.next().ok_or(CommandError::Syntax)?;
                    options.limit = count(word, "ERR LIMIT can't be negative")?;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(options)
    }
}

/// Looks keys up, counting hits and misses, and lends what is there.
pub(super) fn entries<'t, 'k>(
    turn: &'t mut Turn<'_>,
    names: &[&'k [u8]],
    keys: &'t mut Vec<Key<'k>>,
) -> Result<Vec<Option<Lent<'t, EntryRef>>>, CommandError> {
    for name in names {
        let key = turn.key(name)?;
        if let Some(entry) = turn.read(&key) {
            Input::of(Some(&entry))?;
        }
        keys.push(key);
    }
    // All that is due is gone by now, so the places stay.
    let spots: Vec<_> = keys.iter().map(|key| turn.find(key)).collect();
    let (turn, keys) = (&*turn, &*keys);
    Ok(keys.iter().zip(spots).map(|(key, spot)| Some(turn.entry(key, spot?))).collect())
}

/// What the entries hold.
pub(super) fn inputs<'a>(entries: &'a [Option<Lent<'_, EntryRef>>]) -> Result<Vec<Input<'a>>, CommandError> {
    entries.iter().map(|entry| Input::of(entry.as_deref())).collect()
}

/// Gives inputs weights, as far as there are any.
fn weighted<'a>(mut inputs: Vec<Input<'a>>, weights: &[f64]) -> Vec<Input<'a>> {
    inputs.iter_mut().zip(weights).for_each(|(input, weight)| input.weight = *weight);
    inputs
}

fn in_order(mut found: Found<'_>) -> Found<'_> {
    found.sort_unstable_by(|a, b| order((a.1, &a.0), (b.1, &b.0)));
    found
}

/// Keys with the weights of their scores.
pub(super) type Weighted<'k> = Vec<(&'k [u8], f64)>;

/// Keys whose scores count as they are.
pub(super) fn plain(keys: &[impl AsRef<[u8]>]) -> Weighted<'_> {
    keys.iter().map(|key| (key.as_ref(), 1.0)).collect()
}

/// Keys whose scores are multiplied.
pub(super) fn by_weight(keys: &[(impl AsRef<[u8]>, f64)]) -> Weighted<'_> {
    keys.iter().map(|(key, weight)| (key.as_ref(), *weight)).collect()
}

impl Turn<'_> {
    /// The members that an operation makes of `keys`, in the order of their scores.
    pub(super) fn combine(
        &mut self,
        keys: &Weighted<'_>,
        operation: Operation,
        fold: Fold,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let (names, weights): (Vec<&[u8]>, Vec<f64>) = keys.iter().copied().unzip();
        if weights.iter().any(|weight| weight.is_nan()) {
            return Err(CommandError::text(NOT_A_WEIGHT));
        }
        let found_keys = &mut Vec::new();
        let entries = entries(self, &names, found_keys)?;
        let found = operation.find(weighted(inputs(&entries)?, &weights), fold);
        let copied = |(member, score): (std::borrow::Cow<'_, [u8]>, f64)| (Bytes::copy_from_slice(&member), score);
        Ok(in_order(found).into_iter().map(copied).collect())
    }

    /// Stores what an operation makes of `keys`; returns how many members that is.
    pub(super) fn store_combination(
        &mut self,
        destination: &[u8],
        keys: &Weighted<'_>,
        operation: Operation,
        fold: Fold,
    ) -> Result<usize, CommandError> {
        let (core, destination) = (self.core(), self.key(destination)?);
        let found = self.combine(keys, operation, fold)?;
        let entry = whole(core, destination.bytes, found.iter().map(|(m, score)| (&m[..], *score)).collect());
        store_whole(self, &destination, entry, operation.event())
    }
}

impl Engine {
    /// As [`Turn::combine`], in a turn of its own.
    pub(super) fn combine(
        &self,
        keys: &[impl AsRef<[u8]>],
        operation: Operation,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let names: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&names, Access::Read, |turn| turn.combine(&plain(keys), operation, Fold::Sum))
    }

    /// As [`Turn::store_combination`], in a turn of its own.
    pub(super) fn store_combination(
        &self,
        destination: &[u8],
        keys: &Weighted<'_>,
        operation: Operation,
        fold: Fold,
    ) -> Result<usize, CommandError> {
        let all: Vec<&[u8]> = keys.iter().map(|(key, _)| *key).chain([destination]).collect();
        self.on_keys(&all, Access::Grow, |turn| turn.store_combination(destination, keys, operation, fold))
    }
}

const NOT_A_WEIGHT: &str = "ERR weight value is not a float";
