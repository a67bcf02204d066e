//! Inline requests: a line of words, as typed into a terminal.
//!
//! A line without quotes is cut where it lies (a backslash outside of quotes means itself). A line with quotes is
//! resolved into the scratch buffer, which never grows past the line's own length.

use super::error::ProtocolError;
use super::request::{ArgRange, Source};
use crate::text::{is_word_end, next_word, skip_blanks};

/// Appends the words of `line`, which lies at `offset` of the input, to `ranges`.
pub(super) fn split(
    line: &[u8],
    offset: usize,
    scratch: &mut Vec<u8>,
    ranges: &mut Vec<ArgRange>,
) -> Result<Source, ProtocolError> {
    if line.iter().any(|byte| matches!(byte, b'"' | b'\'')) {
        resolve(line, scratch, ranges)
    } else {
        Ok(cut(line, offset, ranges))
    }
}

fn cut(line: &[u8], offset: usize, ranges: &mut Vec<ArgRange>) -> Source {
    let mut at = skip_blanks(line, 0);
    while at < line.len() {
        let end = line[at..].iter().position(|&byte| is_word_end(byte)).map_or(line.len(), |len| at + len);
        ranges.push(ArgRange { start: (offset + at) as u32, len: (end - at) as u32 });
        at = skip_blanks(line, end);
    }
    Source::Input
}

fn resolve(line: &[u8], scratch: &mut Vec<u8>, ranges: &mut Vec<ArgRange>) -> Result<Source, ProtocolError> {
    scratch.clear();
    let first = ranges.len();
    let mut at = 0;
    loop {
        let start = scratch.len();
        match next_word(line, at, scratch) {
            Ok(None) => return Ok(Source::Scratch),
            Ok(Some(end)) => {
                ranges.push(ArgRange { start: start as u32, len: (scratch.len() - start) as u32 });
                at = end;
            }
            Err(_) => {
                ranges.truncate(first);
                return Err(ProtocolError::UnbalancedQuotes);
            }
        }
    }
}
