//! A range of a sorted set as it is asked for: by rank, by score or by bytes, from either end, and a part of it.

use super::arguments::{integer, lex_range, ranks, score_range};
use super::listing::Scores;
use crate::error::CommandError;
use crate::text::StrRef;
use crate::value::sorted_set::{Direction, LexRange, ScoreRange, SortedSetRef};
use bytes::Bytes;
use std::ops::Range;

/// What a range goes by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// What a command leaves open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Everything (ZRANGE).
    Any,
    /// All but scores, which are always stored (ZRANGESTORE).
    Stored,
    /// What the range goes by, and where it begins, is in the command's name.
    Fixed(By, Direction),
}

/// The members that are asked for.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

/// A range that was asked for.
pub(super) struct Query<'a> {
    wanted: Wanted<'a>,
    pub(super) direction: Direction,
    /// Members that are passed over, negative: all; and how many follow, negative: all.
    limit: (i64, i64),
    pub(super) scores: Scores,
}

impl<'a> Query<'a> {
    /// Reads start, stop and options.
    pub(super) fn read(args: &[&'a [u8]], form: Form) -> Result<Self, CommandError> {
        let (mut by, mut direction) = match form {
            Form::Fixed(by, direction) => (Some(by), Some(direction)),
            Form::Any | Form::Stored => (None, None),
        };
        let (mut limit, mut scores) = ((0, -1), Scores::Hidden);
        let mut words = args[2..].iter();
        while let Some(word) = words.next() {
            match word.to_ascii_uppercase().as_slice() {
                b"WITHSCORES" if form != Form::Stored => scores = Scores::Shown,
                b"LIMIT" if words.len() >= 2 => {
                    let numbers = [words.next(), words.next()].map(|word| word.map_or(Ok(0), |word| integer(word)));
                    let [offset, count] = numbers;
                    limit = (offset?, count?);
                }
                b"REV" if direction.is_none() => direction = Some(Direction::Down),
                b"BYLEX" if by.is_none() => by = Some(By::Lex),
                b"BYSCORE" if by.is_none() => by = Some(By::Score),
                _ => return Err(CommandError::Syntax),
            }
        }
        let (by, direction) = (by.unwrap_or(By::Rank), direction.unwrap_or(Direction::Up));
        if limit.1 != -1 && by == By::Rank {
            let text = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
            return Err(CommandError::text(text));
        }
        if scores == Scores::Shown && by == By::Lex {
            let text = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
            return Err(CommandError::text(text));
        }
        if by == By::Rank {
            // A count of -1 is let through, and then means nothing, whatever the offset.
            limit = (0, -1);
        }
        let (min, max) = if direction == Direction::Up { (args[0], args[1]) } else { (args[1], args[0]) };
        let wanted = match by {
            By::Rank => Wanted::Ranks(integer(args[0])?, integer(args[1])?),
            By::Score => Wanted::Scores(score_range(min, max)?),
            By::Lex => Wanted::Members(lex_range(min, max)?),
        };
        Ok(Self { wanted, direction, limit, scores })
    }

    /// All members of a range.
    pub(super) fn of(wanted: Wanted<'a>, direction: Direction) -> Self {
        Self { wanted, direction, limit: (0, -1), scores: Scores::Hidden }
    }

    /// `count` of its members after the first `offset`; all that follow if `count` is negative.
    pub(super) fn limited_to(self, offset: i64, count: i64) -> Self {
        Self { limit: (offset, count), ..self }
    }

    /// Where it counts from the front only: the rank of the first member, and how many there are at most. What lies behind
    /// them need not be looked at then.
    pub(super) fn front(&self) -> Option<(usize, usize)> {
        match (&self.wanted, self.direction) {
            (Wanted::Ranks(start, stop), Direction::Up) => {
                let (start, stop) = (usize::try_from(*start).ok()?, usize::try_from(*stop).ok()?);
                Some((start, stop.saturating_add(1).saturating_sub(start)))
            }
            _ => None,
        }
    }

    /// The rank of the first member, and how many there are.
    pub(super) fn select(&self, set: SortedSetRef<'_>) -> (usize, usize) {
        let direction = self.direction;
        let found = match &self.wanted {
            Wanted::Ranks(start, stop) => {
                let len = set.len();
                let found = ranks(*start, *stop, len);
                if direction == Direction::Up { found } else { len - found.end..len - found.start }
            }
            Wanted::Scores(range) => set.score_ranks(range),
            Wanted::Members(range) => set.lex_ranks(range, direction),
        };
        self.limited(found)
    }

    /// Whether how many members there are is only known when they have been met.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.wanted, Wanted::Ranks(..))
    }

    fn limited(&self, found: Range<usize>) -> (usize, usize) {
        let (offset, count) = self.limit;
        let Some(offset) = usize::try_from(offset).ok().filter(|offset| *offset < found.len()) else { return (0, 0) };
        let left = found.len() - offset;
        let count = usize::try_from(count).map_or(left, |count| count.min(left));
        let first = if self.direction == Direction::Up { found.start + offset } else { found.end - 1 - offset };
        (first, count)
    }

    /// The members with their scores.
    pub(super) fn list(&self, set: SortedSetRef<'_>) -> Vec<(Bytes, f64)> {
        let (rank, count) = self.select(set);
        let copied = |(member, score): (StrRef<'_>, f64)| (member.with_bytes(Bytes::copy_from_slice), score);
        set.walk(rank, count, self.direction).map(copied).collect()
    }
}
