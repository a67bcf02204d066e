//! Choosing elements of a collection at random, with and without repetition: SRANDMEMBER, SPOP, HRANDFIELD.
//!
//! ```text
//! as many as there are     all of them
//! a compact collection     each element in turn is taken with the chance that is left        one walk
//! a third or more          a shuffle of all that ends when enough are drawn                  one walk
//! fewer                    draws, until enough different ones have come                      O(count)
//! ```

use crate::error::CommandError;
use std::collections::HashSet;

/// What is chosen from.
pub(crate) trait Pool: Copy {
    /// One element.
    type Element: Copy;
    /// How many there are.
    fn count(self) -> usize;
    /// All of them, in the order in which they are kept.
    fn elements(self) -> impl Iterator<Item = Self::Element>;
    /// One element, each with the same chance, if that is O(1).
    fn draw(self, pick: &mut impl FnMut(usize) -> usize) -> Option<Self::Element>;
    /// What tells an element that was drawn from others.
    fn address(element: Self::Element) -> *const u8;
}

/// Calls `f` with `count` elements, or all if there are not so many: each another one, every choice with the same chance.
pub(crate) fn choose<P: Pool>(
    pool: P,
    count: usize,
    mut pick: impl FnMut(usize) -> usize,
    mut f: impl FnMut(P::Element),
) {
    let len = pool.count();
    if count >= len {
        return pool.elements().for_each(f);
    }
    if count == 0 {
        return;
    }
    let Some(first) = pool.draw(&mut pick) else {
        let mut wanted = count;
        for (at, element) in pool.elements().enumerate() {
            if pick(len - at) < wanted {
                wanted -= 1;
                f(element);
            }
        }
        return;
    };
    if count >= len / SHUFFLE_PART {
        let mut elements: Vec<P::Element> = pool.elements().collect();
        for at in 0..count {
            elements.swap(at, at + pick(len - at));
            f(elements[at]);
        }
        return;
    }
    let mut chosen = HashSet::with_capacity(count);
    let mut next = Some(first);
    while let Some(element) = next {
        if chosen.insert(P::address(element)) {
            f(element);
        }
        next = if chosen.len() < count { pool.draw(&mut pick) } else { None };
    }
}

/// Calls `f` with `count` elements that are drawn one by one, each among all. An error if `f` says that it is enough.
pub(crate) fn draw_many<P: Pool>(
    pool: P,
    count: usize,
    mut pick: impl FnMut(usize) -> usize,
    mut f: impl FnMut(P::Element) -> bool,
) -> Result<(), CommandError> {
    // What is not drawn in O(1) is listed once.
    let listed: Vec<P::Element> = match pool.draw(&mut pick) {
        None => pool.elements().collect(),
        Some(_) => Vec::new(),
    };
    for _ in 0..count {
        let element = match listed.is_empty() {
            true => pool.draw(&mut pick),
            false => Some(listed[pick(listed.len())]),
        };
        match element {
            None => return Ok(()),
            Some(element) if !f(element) => return Err(CommandError::OutOfRange),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Draws with repetition end at a reply so long: the client claims how many, not what is there.
pub(crate) const DRAWN_BYTES_MAX: usize = 1 << 28;

/// A number that Redis would refuse to negate.
pub(crate) const BEYOND_RANGE: &str =
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";

/// A choice of more than one in so many is made by a shuffle.
const SHUFFLE_PART: usize = 3;
