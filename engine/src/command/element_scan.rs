//! What SSCAN, HSCAN and ZSCAN have in common: `key cursor [MATCH pattern] [COUNT count]`.

use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::{Case, glob_matches, parse_i64};

/// What a scan of a collection asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ElementScan<'a> {
    /// Where it goes on; 0 to begin.
    pub(crate) cursor: u64,
    /// How many elements are looked at, a hint; at least 1.
    pub(crate) count: usize,
    /// What elements must match.
    pub(crate) pattern: Option<&'a [u8]>,
    /// Whether the values of a hash are left out.
    pub(crate) is_bare: bool,
}

/// Whether a command knows NOVALUES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// It may leave values out.
    Optional,
    /// It has no such option.
    Always,
}

impl<'a> ElementScan<'a> {
    /// Reads the options after the cursor.
    pub(crate) fn parse(cursor: u64, words: &[&'a [u8]], values: Values) -> Result<Self, CommandError> {
        let mut scan = Self { cursor, count: COUNT_DEFAULT, pattern: None, is_bare: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if values == Values::Optional && word.eq_ignore_ascii_case(b"NOVALUES") {
                scan.is_bare = true;
                continue;
            }
            let value = words.next().ok_or(CommandError::Syntax)?;
            if word.eq_ignore_ascii_case(b"COUNT") {
                let number = parse_i64(value).ok_or(CommandError::NotInteger)?;
                scan.count = usize::try_from(number).ok().filter(|n| *n > 0).ok_or(CommandError::Syntax)?;
            } else if word.eq_ignore_ascii_case(b"MATCH") {
                scan.pattern = (**value != *b"*").then_some(value);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(scan)
    }

    /// Whether the scan returns this element.
    pub(crate) fn takes(&self, element: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob_matches(pattern, element, Case::Exact))
    }
}

/// Reads a cursor as C's `strtoul` does, which Redis uses: a sign is allowed, nothing at all is 0.
pub(crate) fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() && !text.is_empty() {
        return Err(CommandError::InvalidCursor);
    }
    let mut number = 0u64;
    for byte in digits {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0')).ok_or(CommandError::InvalidCursor)?;
        number = number.checked_mul(10).and_then(|n| n.checked_add(digit)).ok_or(CommandError::InvalidCursor)?;
    }
    Ok(if is_negative { number.wrapping_neg() } else { number })
}

/// Writes the reply of a scan: the next cursor, and the elements that `write` writes and counts.
pub(crate) fn write_step(reply: &mut ReplyWriter<'_>, step: impl FnOnce(&mut ReplyWriter<'_>) -> (u64, usize)) {
    let mut elements = Vec::new();
    let mut writer = ReplyWriter::new(&mut elements, reply.version());
    let (next, count) = step(&mut writer);
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    reply.array(count);
    reply.encoded(&elements);
}

/// Elements looked at in one call that does not say how many.
pub(crate) const COUNT_DEFAULT: usize = 10;
