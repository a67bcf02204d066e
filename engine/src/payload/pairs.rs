//! Fields and values of an entry of a stream, read where they stand: nothing is made of them before somebody asks.

use super::error::PayloadError;
use super::listpack::Elements;
use crate::text::StrRef;
use std::fmt;

/// The fields of a node of a stream, one after another.
#[derive(Clone)]
pub struct Names<'a> {
    elements: Elements<'a>,
    left: usize,
}

/// Fields with their values, one pair after another.
#[derive(Clone)]
pub struct Pairs<'a> {
    /// Those of the node; without them each stands before its value.
    names: Option<Names<'a>>,
    elements: Elements<'a>,
    left: usize,
}

impl<'a> Names<'a> {
    /// Takes so many names, all of which must be there.
    pub(super) fn take(elements: &mut Elements<'a>, count: usize) -> Result<Self, PayloadError> {
        let names = Self { elements: elements.clone(), left: count };
        skip(elements, count)?;
        Ok(names)
    }
}

impl<'a> Pairs<'a> {
    /// Takes a value for each of the names.
    pub(super) fn take_values(elements: &mut Elements<'a>, names: &Names<'a>) -> Result<Self, PayloadError> {
        let pairs = Self { names: Some(names.clone()), elements: elements.clone(), left: names.left };
        skip(elements, names.left)?;
        Ok(pairs)
    }

    /// Takes so many names, each with its value.
    pub(super) fn take(elements: &mut Elements<'a>, count: usize) -> Result<Self, PayloadError> {
        let pairs = Self { names: None, elements: elements.clone(), left: count };
        skip(elements, count)?;
        skip(elements, count)?;
        Ok(pairs)
    }
}

/// A count that is merely claimed ends where the elements do.
fn skip(elements: &mut Elements<'_>, count: usize) -> Result<(), PayloadError> {
    for _ in 0..count {
        elements.demand()?;
    }
    Ok(())
}

impl<'a> Iterator for Names<'a> {
    type Item = StrRef<'a>;

    fn next(&mut self) -> Option<StrRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.elements.next().ok().flatten()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (StrRef<'a>, StrRef<'a>);

    fn next(&mut self) -> Option<(StrRef<'a>, StrRef<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => names.next()?,
            None => self.elements.next().ok().flatten()?,
        };
        Some((name, self.elements.next().ok().flatten()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

// Both were walked when they were taken, so the sizes are exact.
impl ExactSizeIterator for Names<'_> {}
impl ExactSizeIterator for Pairs<'_> {}

impl PartialEq for Names<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl PartialEq for Pairs<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
