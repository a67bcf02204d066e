//! Lines of a settings file, split into words and put together again.
//!
//! A word is a run of bytes without white space, or a quoted string. In double quotes `\n \r \t \b \a \xHH` and `\c`
//! (the byte `c` itself) are understood, in single quotes only `\'`. A closing quote must end its word.

/// The line's quotes do not match, or something follows a closing quote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Unbalanced quotes in configuration line")]
pub(crate) struct UnbalancedQuotes;

/// Splits `line` into its words. Any bytes in; O(length).
pub(crate) fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let mut word = Vec::new();
        rest = take_word(rest, &mut word)?.trim_ascii_start();
        words.push(word);
    }
    Ok(words)
}

/// Appends `text` in double quotes, so that [`split`] gives it back as one word.
pub(crate) fn quote(text: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => line.extend([b'\\', byte]),
            b'\n' => line.extend(*b"\\n"),
            b'\r' => line.extend(*b"\\r"),
            b'\t' => line.extend(*b"\\t"),
            7 => line.extend(*b"\\a"),
            8 => line.extend(*b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => line.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    line.push(b'"');
}

fn take_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match rest.split_first() {
            None => return Ok(rest),
            Some((byte, _)) if byte.is_ascii_whitespace() || *byte == 0 => return Ok(&rest[1..]),
            Some((b'"', tail)) => return take_double_quoted(tail, word),
            Some((b'\'', tail)) => return take_single_quoted(tail, word),
            Some((byte, tail)) => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'"', tail @ ..] => return after_quote(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex_digit(*high) << 4 | hex_digit(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                tail
            }
            [b'\'', tail @ ..] => return after_quote(tail),
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn after_quote(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(byte) if !byte.is_ascii_whitespace() => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte.to_ascii_uppercase() - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line.as_bytes()).unwrap().into_iter().map(|word| String::from_utf8_lossy(&word).into_owned()).collect()
    }

    #[test]
    fn words_are_split_at_any_run_of_white_space() {
        assert_eq!(words("  save \t 900  1 "), ["save", "900", "1"]);
        assert_eq!(words(""), Vec::<String>::new());
    }

    #[test]
    fn quotes_keep_spaces_and_may_open_inside_a_word() {
        assert_eq!(words(r#"a "b c" 'd e' x"y z""#), ["a", "b c", "d e", "xy z"]);
        assert_eq!(words(r#"save """#), ["save", ""]);
    }

    #[test]
    fn double_quotes_know_escapes_and_single_quotes_only_their_own() {
        assert_eq!(split(br#""\n\r\t\b\a\x41\q\"\\\xg1""#).unwrap(), [b"\n\r\t\x08\x07Aq\"\\xg1".to_vec()]);
        assert_eq!(words(r"'\n\''"), [r"\n'"]);
    }

    #[test]
    fn unbalanced_quotes_and_text_after_a_quote_are_refused() {
        for line in [r#""a"#, "'a", r#""a"b"#, "'a'b", r#""a\""#, r#""\"#] {
            assert_eq!(split(line.as_bytes()), Err(UnbalancedQuotes), "{line}");
        }
    }

    #[test]
    fn any_bytes_survive_quoting_and_splitting() {
        let text: Vec<u8> = (0..=255).collect();
        let mut line = Vec::new();
        quote(&text, &mut line);
        assert_eq!(split(&line).unwrap(), [text]);
    }
}
