//! Sets of integers in their compact form: sorted, all of one width.
//!
//! ```text
//! width 2, 4 or 8 bytes (the entry's form says which)      n0 < n1 < n2 ...      little-endian, two's complement
//! ```
//!
//! Invariants
//! - The width is that of the widest integer that ever was in the set, as in Redis: a set does not become narrower.

/// How wide the integers of a set are. The numbers are the forms of the entry's block; 0 is another form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Width {
    Two = 1,
    Four = 2,
    Eight = 3,
}

impl Width {
    /// The narrowest that holds `n`.
    pub(crate) fn of(n: i64) -> Self {
        match n {
            _ if i16::try_from(n).is_ok() => Self::Two,
            _ if i32::try_from(n).is_ok() => Self::Four,
            _ => Self::Eight,
        }
    }

    pub(crate) fn from_form(form: u8) -> Option<Self> {
        match form {
            1 => Some(Self::Two),
            2 => Some(Self::Four),
            3 => Some(Self::Eight),
            _ => None,
        }
    }

    pub(crate) fn byte_count(self) -> usize {
        1 << self as usize
    }
}

/// Sorted integers, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Integers<'a> {
    bytes: &'a [u8],
    width: Width,
}

impl<'a> Integers<'a> {
    pub(crate) fn new(bytes: &'a [u8], width: Width) -> Self {
        Self { bytes, width }
    }

    pub(crate) fn width(self) -> Width {
        self.width
    }

    /// The bytes: the integers, ascending.
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn len(self) -> usize {
        self.bytes.len() >> self.width as usize
    }

    /// The `at`-th, counted from the least.
    #[inline]
    pub(crate) fn get(self, at: usize) -> i64 {
        let bytes = &self.bytes[at << self.width as usize..];
        match self.width {
            Width::Two => bytes.first_chunk().map_or(0, |bytes| i16::from_le_bytes(*bytes).into()),
            Width::Four => bytes.first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes).into()),
            Width::Eight => bytes.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes)),
        }
    }

    /// Where `n` is, or would be. O(log n).
    pub(crate) fn position(self, n: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(&n) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = i64> + 'a {
        (0..self.len()).map(move |at| self.get(at))
    }
}

/// Adds `n`, which is not there, to integers of width `from`, and makes them all of width `to`, which holds `n`. O(bytes).
pub(crate) fn insert(bytes: &mut Vec<u8>, from: Width, to: Width, n: i64) {
    if from != to {
        let integers: Vec<i64> = Integers::new(bytes, from).iter().collect();
        bytes.clear();
        integers.into_iter().for_each(|n| push(bytes, to, n));
    }
    let (Ok(at) | Err(at)) = Integers::new(bytes, to).position(n);
    let end = bytes.len();
    push(bytes, to, n);
    let size = to.byte_count();
    if at * size < end {
        bytes[at * size..].rotate_right(size);
    }
}

/// Takes the `at`-th integer out. O(bytes).
pub(crate) fn remove(bytes: &mut Vec<u8>, width: Width, at: usize) {
    let size = width.byte_count();
    bytes.drain(at * size..(at + 1) * size);
}

fn push(bytes: &mut Vec<u8>, width: Width, n: i64) {
    bytes.extend_from_slice(&n.to_le_bytes()[..width.byte_count()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_sorted_through_every_width() {
        let mut bytes = Vec::new();
        let mut width = Width::Two;
        for n in [5, -3, 7, 70_000, -70_000, 0, 1 << 40, i64::MIN, i64::MAX] {
            let to = width.max(Width::of(n));
            insert(&mut bytes, width, to, n);
            width = to;
        }
        let integers = Integers::new(&bytes, width);
        let all: Vec<i64> = integers.iter().collect();
        assert_eq!(all, [i64::MIN, -70_000, -3, 0, 5, 7, 70_000, 1 << 40, i64::MAX]);
        assert_eq!((integers.position(0), integers.position(1)), (Ok(3), Err(4)));
        remove(&mut bytes, width, 0);
        remove(&mut bytes, width, 7);
        assert_eq!(Integers::new(&bytes, width).iter().last(), Some(1 << 40));
    }
}
