//! Ranges of scores and of members.

/// Scores from a lowest to a highest, each with or without itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct ScoreRange {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) min_is_excluded: bool,
    pub(crate) max_is_excluded: bool,
}

impl ScoreRange {
    /// Whether a score lies below the range.
    #[inline]
    pub(crate) fn is_below(&self, score: f64) -> bool {
        if self.min_is_excluded { score <= self.min } else { score < self.min }
    }

    /// Whether a score lies above the range.
    #[inline]
    pub(crate) fn is_above(&self, score: f64) -> bool {
        if self.max_is_excluded { score >= self.max } else { score > self.max }
    }
}

/// An end of a range of members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LexBound<'a> {
    /// Before all members.
    Lowest,
    /// After all members.
    Highest,
    /// At a member, which belongs to the range.
    Included(&'a [u8]),
    /// At a member, which does not.
    Excluded(&'a [u8]),
}

/// Members from a lowest to a highest, in the order of their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LexRange<'a> {
    pub(crate) min: LexBound<'a>,
    pub(crate) max: LexBound<'a>,
}

impl LexRange<'_> {
    /// Whether a member lies below the range.
    pub(crate) fn is_below(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(min) => member < min,
            LexBound::Excluded(min) => member <= min,
        }
    }

    /// Whether a member lies above the range.
    pub(crate) fn is_above(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => true,
            LexBound::Highest => false,
            LexBound::Included(max) => member > max,
            LexBound::Excluded(max) => member >= max,
        }
    }
}
