//! Lines of words with quotes: inline requests and configuration files.
//!
//! ```text
//!   set key value             three words
//!   set key "a b\n\x41"       double quotes: \n \r \t \b \a \xHH; a backslash makes any other byte itself
//!   set key 'a "b" \'c\''     single quotes: only \' is special
//!   set key a" b"c            quotes may open inside a word; they must close at its end, so this line is refused
//! ```
//!
//! Blanks before a word are those of C's `isspace`; a word without quotes ends only at space, tab, CR or LF.

use std::fmt;

/// A quote is not closed, or is closed in the middle of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

impl fmt::Display for UnbalancedQuotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unbalanced quotes")
    }
}

impl std::error::Error for UnbalancedQuotes {}

/// Splits `line` into words, resolving quotes and escapes. O(n).
///
/// ```
/// use keyslot_engine::text::split_args;
/// assert_eq!(split_args(br#"save 900 "a\x41""#).unwrap(), [&b"save"[..], b"900", b"aA"]);
/// assert!(split_args(b"save 'x").is_err());
/// ```
pub fn split_args(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        let mut word = Vec::new();
        match next_word(line, at, &mut word)? {
            Some(end) => at = end,
            None => return Ok(words),
        }
        words.push(word);
    }
}

/// Appends the first word at or after `line[at]` to `word` and returns the index behind it; `None` at the end of line.
pub(crate) fn next_word(line: &[u8], at: usize, word: &mut Vec<u8>) -> Result<Option<usize>, UnbalancedQuotes> {
    let mut at = skip_blanks(line, at);
    if at == line.len() {
        return Ok(None);
    }
    while let Some(&byte) = line.get(at) {
        match byte {
            b'"' => return closed(line, double_quoted(line, at + 1, word)?),
            b'\'' => return closed(line, single_quoted(line, at + 1, word)?),
            _ if is_word_end(byte) => break,
            _ => word.push(byte),
        }
        at += 1;
    }
    Ok(Some(at))
}

/// The index of the first byte at or after `line[at]` that is not blank.
pub(crate) fn skip_blanks(line: &[u8], at: usize) -> usize {
    line[at..].iter().position(|&byte| !is_blank(byte)).map_or(line.len(), |blanks| at + blanks)
}

/// Whether a word without quotes ends before `byte`.
pub(crate) fn is_word_end(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Checks that the word ends with the quote that closed before `line[at]`.
fn closed(line: &[u8], at: usize) -> Result<Option<usize>, UnbalancedQuotes> {
    match line.get(at) {
        Some(&byte) if !is_blank(byte) => Err(UnbalancedQuotes),
        _ => Ok(Some(at)),
    }
}

/// Reads up to the closing `"`; returns the index behind it.
fn double_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Result<usize, UnbalancedQuotes> {
    loop {
        let (byte, taken) = match line[at..] {
            [] => return Err(UnbalancedQuotes),
            [b'"', ..] => return Ok(at + 1),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(high) << 4 | hex_digit(low), 4)
            }
            [b'\\', escaped, ..] => (unescaped(escaped), 2),
            [byte, ..] => (byte, 1),
        };
        word.push(byte);
        at += taken;
    }
}

/// Reads up to the closing `'`; returns the index behind it.
fn single_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Result<usize, UnbalancedQuotes> {
    loop {
        let (byte, taken) = match line[at..] {
            [] => return Err(UnbalancedQuotes),
            [b'\'', ..] => return Ok(at + 1),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [byte, ..] => (byte, 1),
        };
        word.push(byte);
        at += taken;
    }
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_as_redis_splits_them() {
        for (line, words) in [
            (&b""[..], &[][..]),
            (b"  \t\x0b\x0c\r\n ", &[]),
            (b"a b", &[&b"a"[..], b"b"]),
            (b" a\tb\rc\nd ", &[b"a", b"b", b"c", b"d"]),
            (b"a\x0bb", &[b"a\x0bb"]),
            (b"\x0ba", &[b"a"]),
            (br#""" ''"#, &[b"", b""]),
            (br#""a\x41\n\r\t\b\a\q\"\\""#, &[b"aA\n\r\t\x08\x07q\"\\"]),
            (br#""\x4" "\xzz" "\xFf""#, &[b"x4", b"xzz", b"\xff"]),
            (br"'a\'\n\x41'", &[br"a'\n\x41"]),
            (br#"a"b c" d"#, &[b"ab c", b"d"]),
            (br"a\nb", &[br"a\nb"]),
            (b"a\0b c", &[b"a\0b", b"c"]),
        ] {
            assert_eq!(split_args(line).unwrap(), words, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn quotes_must_close_at_the_end_of_a_word() {
        for line in [r#"""#, "'", r#""a"b"#, "'a'b", r#"a" b"c"#, r#"x "a\""#, r"'a\'", r#""a"'b'"#, r#""\"#] {
            assert_eq!(split_args(line.as_bytes()), Err(UnbalancedQuotes), "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_quoted_word_comes_back(word: Vec<u8>) {
            let mut line = b"first \"".to_vec();
            for byte in &word {
                line.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
            }
            line.extend_from_slice(b"\" last");
            prop_assert_eq!(split_args(&line).unwrap(), [b"first".to_vec(), word, b"last".to_vec()]);
        }

        #[test]
        fn any_line_splits_or_is_refused_and_never_grows(line: Vec<u8>) {
            if let Ok(words) = split_args(&line) {
                prop_assert!(words.concat().len() <= line.len());
            }
        }
    }
}
