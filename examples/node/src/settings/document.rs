//! A settings text as lines: what each line is, without judging it.

use super::words::{UnbalancedQuotes, split};

/// One line of a settings text.
#[derive(Debug)]
pub(super) enum Line {
    /// A comment or nothing but white space.
    Blank,
    /// A name, in lower case, and the words after it.
    Directive { name: Vec<u8>, words: Vec<Vec<u8>> },
    /// No sense could be made of it.
    Broken(UnbalancedQuotes),
}

impl Line {
    /// Reads one line without its line end.
    pub(super) fn read(line: &[u8]) -> Self {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' {
            return Line::Blank;
        }
        match split(line) {
            Err(error) => Line::Broken(error),
            Ok(mut words) if !words.is_empty() => {
                let name = words.remove(0).to_ascii_lowercase();
                Line::Directive { name, words }
            }
            Ok(_) => Line::Blank,
        }
    }
}

/// The lines of a text without their ends. A text that ends in a line end has no empty last line.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}
