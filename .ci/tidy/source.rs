//! A source file as the rules see it: its text, and its code with comments and the insides of literals blanked out.

use std::path::Path;

/// One Rust file.
pub(crate) struct Source {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and literals blanked out: same length, same lines.
    pub(crate) code: String,
    /// Whether the whole file is test code.
    pub(crate) is_test: bool,
    /// Byte ranges of `code` that only tests compile.
    tests: Vec<std::ops::Range<usize>>,
}

/// All Rust files below some folders (or files) of the root, sorted by path. What is declared under `#[cfg(test)]`, is
/// called `tests` or lies in a `tests` folder is marked.
pub(crate) fn sources(root: &Path, places: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    for place in places {
        collect(&root.join(place), &mut files);
    }
    files.sort();
    let mut all: Vec<Source> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            Source::new(path, std::fs::read_to_string(file).expect("source files are text"))
        })
        .collect();
    let test_files: Vec<String> = all.iter().flat_map(Source::test_modules).collect();
    for source in &mut all {
        let stem = source.path.trim_end_matches(".rs");
        source.is_test = source.path.split('/').any(|part| part == "tests")
            || stem.ends_with("tests")
            || test_files.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/")));
    }
    all
}

fn collect(place: &Path, files: &mut Vec<std::path::PathBuf>) {
    if place.is_file() && place.extension().is_some_and(|extension| extension == "rs") {
        files.push(place.to_owned());
    }
    if !place.is_dir() || place.file_name().is_some_and(|name| name == "target") {
        return;
    }
    for entry in std::fs::read_dir(place).expect("folders of the tree can be read") {
        collect(&entry.expect("an entry").path(), files);
    }
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let code = blank(&text);
        let tests = test_ranges(&code);
        Self { path, text, code, is_test: false, tests }
    }

    /// Files that this one declares for tests only, without `.rs`.
    fn test_modules(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let folder = match stem.rsplit_once('/') {
            Some((folder, "mod" | "lib" | "main")) => folder,
            _ => stem,
        };
        let declared = self.tests.iter().filter_map(|range| {
            let item = self.code[range.clone()].split_once(']')?.1.trim();
            let item = item.strip_prefix("pub(crate) ").or(item.strip_prefix("pub(super) ")).unwrap_or(item);
            let name = item.strip_prefix("mod ")?.strip_suffix(';')?;
            Some(format!("{folder}/{}", name.trim()))
        });
        declared.collect()
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    fn is_test_at(&self, at: usize) -> bool {
        self.is_test || self.tests.iter().any(|range| range.contains(&at))
    }

    /// Whether a line, counted from 1, is test code.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        let at: usize = self.code.split_inclusive('\n').take(line - 1).map(str::len).sum();
        // The line's first word decides: the attribute itself stands before it.
        let indent = self.code[at..].len() - self.code[at..].trim_start_matches(' ').len();
        self.is_test_at(at + indent)
    }

    /// Lines where `pattern` stands in code, tests included.
    pub(crate) fn code_lines<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(pattern).map(|(at, _)| self.line_of(at))
    }

    /// Lines where `word` stands in code as a whole word.
    pub(crate) fn word_lines(&self, word: &str) -> Vec<usize> {
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let whole = self.code.match_indices(word).filter(|(at, _)| {
            !is_part(self.code[..*at].chars().next_back()) && !is_part(self.code[at + word.len()..].chars().next())
        });
        let mut lines: Vec<usize> = whole.map(|(at, _)| self.line_of(at)).collect();
        lines.dedup();
        lines
    }

    /// The string literals that follow directly on one of the openings, outside tests.
    pub(crate) fn arguments_of(&self, openings: &[&str]) -> Vec<String> {
        let mut names = Vec::new();
        for opening in openings {
            for (at, _) in self.code.match_indices(opening).filter(|(at, _)| !self.is_test_at(*at)) {
                let rest = self.text[at + opening.len()..].trim_start();
                if let Some(name) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                    names.push(name.to_owned());
                }
            }
        }
        names
    }

    /// The `use` items of product code: whether each is public to any degree, and its paths.
    pub(crate) fn uses(&self) -> impl Iterator<Item = (bool, Vec<String>)> + '_ {
        self.use_ranges().into_iter().map(|(is_public, range)| {
            let mut paths = Vec::new();
            expand("", &self.code[range], &mut paths);
            (is_public, paths)
        })
    }

    /// Product code with the `use` items left out.
    pub(crate) fn code_without_uses(&self) -> String {
        let mut left = String::new();
        let mut at = 0;
        for (_, range) in self.use_ranges() {
            left.push_str(&self.code[at..range.start]);
            at = range.end;
        }
        left.push_str(&self.code[at..]);
        left
    }

    fn use_ranges(&self) -> Vec<(bool, std::ops::Range<usize>)> {
        let starts = self.code.match_indices("use ").filter(|(at, _)| {
            let before = self.code[..*at].chars().next_back();
            !self.is_test_at(*at) && before.is_none_or(|c| c.is_whitespace())
        });
        starts
            .map(|(at, word)| {
                let line = self.code[..at].rfind('\n').map_or(0, |end| end + 1);
                let start = at + word.len();
                let end = start + self.code[start..].find(';').unwrap_or(0);
                (self.code[line..at].trim_start().starts_with("pub"), start..end)
            })
            .collect()
    }

    /// Every path of two or more parts that product code names, with its line: those of `use` one by one.
    pub(crate) fn paths(&self) -> Vec<(usize, String)> {
        let code = self.code.as_bytes();
        let (mut found, mut at) = (Vec::new(), 0);
        while at < code.len() {
            if !is_word(code[at]) {
                at += 1;
                continue;
            }
            let end = at + code[at..].iter().take_while(|byte| is_word(**byte) || **byte == b':').count();
            let text = &self.code[at..end];
            if self.is_test_at(at) {
                at = end;
            } else if text == "use" {
                let stop = end + self.code[end..].find(';').unwrap_or(0);
                let mut paths = Vec::new();
                expand("", &self.code[end..stop], &mut paths);
                found.extend(paths.into_iter().map(|path| (self.line_of(at), path)));
                at = stop.max(end);
            } else {
                let path = text.trim_end_matches(':');
                if path.contains("::") {
                    found.push((self.line_of(at), path.to_owned()));
                }
                at = end;
            }
        }
        found
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Writes out a tree of `use`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let prefix = format!("{prefix}{}", tree[..open].trim());
        let inside = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    if !inside[start..at].trim().is_empty() {
                        expand(&prefix, &inside[start..at], paths);
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
    } else {
        let name = tree.split(" as ").next().unwrap_or(tree).trim();
        let path = format!("{prefix}{name}");
        paths.push(path.strip_suffix("::self").unwrap_or(&path).to_owned());
    }
}

/// Blanks out comments and the insides of string and character literals.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => at + text[at..].find('\n').unwrap_or(text.len() - at),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment_end(bytes, at),
            b'r' if at == 0 || !is_word(bytes[at - 1]) || bytes[at - 1] == b'b' => match raw_string_end(text, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            b'"' => string_end(bytes, at),
            b'\'' => match character_end(bytes, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                at += 1;
                continue;
            }
        };
        for byte in &mut code[at..end.min(bytes.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(code.into_iter().map(|byte| if byte.is_ascii() { byte } else { b'_' }).collect())
        .expect("only ASCII is left")
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string_end(text: &str, at: usize) -> Option<usize> {
    let hashes = text[at + 1..].bytes().take_while(|byte| *byte == b'#').count();
    let open = at + 1 + hashes;
    if text.as_bytes().get(open) != Some(&b'"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    Some(open + 1 + text[open + 1..].find(&close)? + close.len())
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of a character literal; `None` for a lifetime.
fn character_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start + 1)? {
        b'\\' => Some(start + 3 + bytes[start + 3..].iter().position(|byte| *byte == b'\'')? + 1),
        first => {
            let len = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            (bytes.get(start + 1 + len) == Some(&b'\'')).then_some(start + len + 2)
        }
    }
}

/// Ranges of code under `#[cfg(test)]` (or a `cfg` that demands `test`): the attribute with the item behind it.
fn test_ranges(code: &str) -> Vec<std::ops::Range<usize>> {
    let starts = ["#[cfg(test)]", "#[cfg(all(test"].into_iter().flat_map(|attribute| code.match_indices(attribute));
    let mut ranges: Vec<_> = starts
        .map(|(start, _)| {
            let (mut depth, mut end) = (0, code.len());
            for (at, c) in code[start..].char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 1 => {
                        end = start + at + 1;
                        break;
                    }
                    '}' => depth -= 1,
                    ';' if depth == 0 => {
                        end = start + at + 1;
                        break;
                    }
                    _ => {}
                }
            }
            start..end
        })
        .collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}
