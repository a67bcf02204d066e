//! The node's settings: Redis's keys, in Redis's file format, changed by Redis's CONFIG.
//!
//! ```text
//!   file, standard input, command line --> load --> Values --> Settings <--> CONFIG GET / SET / REWRITE
//!                                            ^                    |
//!                               table (rows) +--------------------+--> apply: engine and host take live keys over
//! ```
//!
//! - One table ([`table::ROWS`]) says all about every key; nothing else lists names.
//! - Every value in [`Values`] is of its row's kind: it was read by that kind.
//! - CONFIG SET changes all of its keys or none, and what readers see is never between the two.

mod change;
mod composite;
mod document;
mod kind;
mod load;
mod pattern;
mod report;
mod rewrite;
mod suggestion;
mod table;
mod values;
mod words;

pub(crate) use change::ChangeError;
pub(crate) use composite::{BufferLimit, SavePoint};
pub(crate) use load::{Directive, DiskFiles, Loaded, load, os_message, read_limited};
pub(crate) use report::{check_report, help, paragraph, without_effect};
pub(crate) use rewrite::replace_file;
pub(crate) use table::RowIndex;
pub(crate) use values::Values;
pub(crate) use words::quote;

use parking_lot::{Mutex, RwLock};
use std::path::{Path, PathBuf};

/// The settings of a running node, shared by all its threads.
pub(crate) struct Settings {
    values: RwLock<Values>,
    /// Held while CONFIG SET or REWRITE works, so that two of them never mix.
    changing: Mutex<()>,
    /// The settings file, as an absolute path.
    file: Option<PathBuf>,
}

impl Settings {
    /// Settings that start as `values`; CONFIG REWRITE will write to `file`.
    pub(crate) fn new(values: Values, file: Option<PathBuf>) -> Self {
        Self { values: RwLock::new(values), changing: Mutex::new(()), file }
    }

    /// A copy of all values as they are now.
    pub(crate) fn values(&self) -> Values {
        self.values.read().clone()
    }

    /// Notes words that the node was told by a command: CONFIG GET shows them, CONFIG REWRITE keeps them.
    pub(crate) fn note_words(&self, name: &str, words: Vec<Vec<u8>>) {
        self.values.write().set_words(name, words);
    }

    /// The settings file that the node was started with.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// CONFIG GET: names and values of the keys that fit any of `patterns`, each once. A pattern that is a plain name
    /// is answered in the spelling of the asker.
    pub(crate) fn matching(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let values = self.values.read();
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut shown = std::collections::HashSet::new();
        for pattern in patterns {
            if !pattern::is_pattern(pattern) {
                if let Some(index) = table::find(pattern)
                    && shown.insert(pattern.to_ascii_lowercase())
                {
                    found.push((pattern.to_vec(), values.show(index)));
                }
                continue;
            }
            for (at, row) in table::ROWS.iter().enumerate().filter(|(_, row)| !row.is_hidden) {
                for name in row.names() {
                    if pattern::matches(pattern, name.as_bytes()) && shown.insert(name.into()) {
                        found.push((name.into(), values.show(RowIndex(at))));
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(patterns: &[&str]) -> Vec<(String, String)> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let settings = Settings::new(Values::standard(), None);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        settings.matching(&patterns).into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn a_plain_name_is_answered_as_it_was_asked() {
        assert_eq!(asked(&["HZ", "nothing"]), [pair("HZ", "10")]);
        assert_eq!(asked(&["save"]), [pair("save", "3600 1 300 100 60 10000")]);
    }

    #[test]
    fn patterns_find_names_and_aliases_each_once() {
        assert_eq!(
            asked(&["*-read-only", "slave-read-only", "slave-read-*"]),
            [pair("replica-read-only", "yes"), pair("slave-read-only", "yes")]
        );
        assert_eq!(asked(&["[m]axmemory-POLICY"]), [pair("maxmemory-policy", "noeviction")]);
        assert!(asked(&["*"]).len() > 180);
        assert!(asked(&["key-load-*"]).is_empty());
        assert_eq!(asked(&["key-load-delay"]), [pair("key-load-delay", "0")]);
    }
}
