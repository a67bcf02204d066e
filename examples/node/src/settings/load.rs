//! From a settings text to values: includes, every line through its row, and what to say when one is wrong.
//!
//! - Later lines win; keys that add up (`save`) start anew with their first line.
//! - Reading goes on after a wrong line, so that all problems can be shown; a node starts only if there are none.
//! - `include` is followed where it stands, at most [`INCLUDE_DEPTH_MAX`] deep and [`INCLUDE_FILES_MAX`] files in all.

use super::document::{Line, lines};
use super::kind::Value;
use super::pattern;
use super::suggestion::nearest;
use super::table::{OBSOLETE, ROWS, RowIndex, find};
use super::values::Values;
use keyslot::engine::{Engine, RuleError, SetUserError};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// What a settings text said.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) values: Values,
    /// Directives that are not keys, in the order in which they stood.
    pub(crate) directives: Vec<Directive>,
    /// Wrong lines, in the order in which they stood.
    pub(crate) problems: Vec<Problem>,
}

/// A line that is about something else than a key's value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Directive {
    /// `rename-command`: the command is called `to` from now on; nothing removes it.
    RenameCommand { from: Vec<u8>, to: Vec<u8> },
    /// `user`: a name and its rules.
    User(Vec<Vec<u8>>),
    /// `loadmodule`: a module's path and arguments.
    LoadModule(Vec<Vec<u8>>),
}

/// A wrong line. Shown as Redis does, with one more line where a hint is possible.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The included file, if the line is not from the main text.
    pub(crate) file: Option<PathBuf>,
    /// From 1, within its file.
    pub(crate) line_number: usize,
    pub(crate) line: Vec<u8>,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
    /// Whether the line's first word is no key at all.
    pub(crate) is_unknown: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Redis {}) ***", crate::REDIS_VERSION)?;
        writeln!(f, "Reading the configuration file, at line {}", self.line_number)?;
        writeln!(f, ">>> '{}'", String::from_utf8_lossy(&self.line))?;
        write!(f, "{}", self.reason)?;
        if let Some(file) = &self.file {
            write!(f, "\nThe line stands in the included file {}", file.display())?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n{hint}"),
            None => Ok(()),
        }
    }
}

/// Where included files come from.
pub(crate) trait Files {
    /// The files that `pattern` names, in order. A plain name is its own only match, whether it exists or not.
    fn expand(&self, pattern: &Path) -> Vec<PathBuf>;
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// Reads `text` on top of the standard values.
pub(crate) fn load(text: &[u8], files: &dyn Files) -> Loaded {
    let loaded = Loaded { values: Values::standard(), directives: Vec::new(), problems: Vec::new() };
    let mut loader = Loader { loaded, files, file_count: 0 };
    loader.read_text(text, None, 0);
    loader.loaded
}

struct Loader<'a> {
    loaded: Loaded,
    files: &'a dyn Files,
    file_count: usize,
}

impl Loader<'_> {
    fn read_text(&mut self, text: &[u8], file: Option<&Path>, depth: usize) {
        for (index, line) in lines(text).enumerate() {
            if self.loaded.problems.len() >= PROBLEMS_MAX {
                return;
            }
            let Err(wrong) = self.read_line(line, depth) else { continue };
            self.loaded.problems.push(Problem {
                file: file.map(Path::to_owned),
                line_number: index + 1,
                line: line.trim_ascii().to_vec(),
                reason: wrong.reason,
                hint: wrong.hint,
                is_unknown: wrong.is_unknown,
            });
        }
    }

    fn read_line(&mut self, line: &[u8], depth: usize) -> Result<(), Wrong> {
        let (name, words) = match Line::read(line) {
            Line::Blank => return Ok(()),
            Line::Broken(error) => return Err(Wrong::because(error)),
            Line::Directive { name, words } => (name, words),
        };
        if let Some(index) = find(&name) {
            return self.read_value(index, &words);
        }
        match (name.as_slice(), words.as_slice()) {
            (b"include", [pattern]) => self.include(Path::new(OsStr::from_bytes(pattern)), depth),
            (b"rename-command", [from, to]) => {
                self.loaded.directives.push(Directive::RenameCommand { from: from.clone(), to: to.clone() });
                Ok(())
            }
            (b"user", [_, ..]) => self.read_user(words),
            (b"loadmodule", [_, ..]) => {
                self.loaded.directives.push(Directive::LoadModule(words));
                Ok(())
            }
            (b"sentinel", _) => Err(Wrong::because("sentinel directive while not in sentinel mode")),
            (b"include" | b"rename-command" | b"user" | b"loadmodule", _) => Err(Wrong::because(BAD_DIRECTIVE)),
            (name, _) if OBSOLETE.iter().any(|obsolete| obsolete.as_bytes() == name) => Ok(()),
            _ => Err(unknown(&name)),
        }
    }

    fn read_value(&mut self, index: RowIndex, words: &[Vec<u8>]) -> Result<(), Wrong> {
        let row = index.row();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let fresh = Value::Switch(false);
        let values = &mut self.loaded.values;
        let starts_anew = !values.was_given(index) && matches!(values.value(index), Value::SavePoints(_));
        let base = if starts_anew { &fresh } else { values.value(index) };
        if words.is_empty() && !row.kind.takes_many_words() {
            return Err(Wrong::because("wrong number of arguments"));
        }
        let value = row.kind.read(row.name, &words, base).map_err(Wrong::because)?;
        values.replace(index, value);
        values.mark_given(index);
        Ok(())
    }

    /// Rules that name commands which do not exist are found out when they are loaded, as in Redis.
    fn read_user(&mut self, words: Vec<Vec<u8>>) -> Result<(), Wrong> {
        let (name, rules) = (&words[0], &words[1..]);
        let is_known = |directive: &Directive| matches!(directive, Directive::User(known) if known[0] == *name);
        let declaration = |word: &[u8], reason: &dyn fmt::Display| {
            Wrong::because(format!("Error in user declaration '{}': {reason}", String::from_utf8_lossy(word)))
        };
        if self.loaded.directives.iter().any(is_known) {
            return Err(declaration(name, &DUPLICATE_USER));
        }
        match Engine::check_user_rules(b"checked", rules) {
            Ok(()) | Err(SetUserError::Rule { reason: RuleError::UnknownName, .. }) => {}
            Err(SetUserError::Rule { word, reason }) => return Err(declaration(&word, &reason)),
            Err(error) => return Err(declaration(name, &error)),
        }
        self.loaded.directives.push(Directive::User(words));
        Ok(())
    }

    fn include(&mut self, pattern: &Path, depth: usize) -> Result<(), Wrong> {
        if depth >= INCLUDE_DEPTH_MAX {
            return Err(Wrong::because(format!("Files include each other more than {INCLUDE_DEPTH_MAX} deep")));
        }
        for path in self.files.expand(pattern) {
            self.file_count += 1;
            if self.file_count > INCLUDE_FILES_MAX {
                return Err(Wrong::because(format!("More than {INCLUDE_FILES_MAX} included files")));
            }
            let text = self.files.read(&path).map_err(|error| {
                let error = os_message(&error);
                Wrong::because(format!("Fatal error, can't open config file '{}': {error}", path.display()))
            })?;
            self.read_text(&text, Some(&path), depth + 1);
        }
        Ok(())
    }
}

/// Why a line is wrong, before its place is known.
struct Wrong {
    reason: String,
    hint: Option<String>,
    is_unknown: bool,
}

impl Wrong {
    fn because(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), hint: None, is_unknown: false }
    }
}

fn unknown(name: &[u8]) -> Wrong {
    let names = ROWS.iter().flat_map(super::table::Row::names).chain(DIRECTIVES);
    let hint = nearest(&String::from_utf8_lossy(name), names).map(|name| format!("did you mean \"{name}\"?"));
    Wrong { reason: BAD_DIRECTIVE.to_owned(), hint, is_unknown: true }
}

/// The message of an operating system's error as C programs print it, without Rust's error number.
pub(crate) fn os_message(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

/// Included files on the disk of this machine.
pub(crate) struct DiskFiles;

impl Files for DiskFiles {
    fn expand(&self, path: &Path) -> Vec<PathBuf> {
        if !pattern::is_pattern(path.as_os_str().as_bytes()) {
            return vec![path.to_owned()];
        }
        let mut found = vec![PathBuf::new()];
        for part in path.components() {
            let part = part.as_os_str();
            if !pattern::is_pattern(part.as_bytes()) {
                found.iter_mut().for_each(|path| path.push(part));
                continue;
            }
            found = found.iter().flat_map(|folder| entries(folder, part.as_bytes())).take(INCLUDE_FILES_MAX).collect();
        }
        found.retain(|path| path.exists());
        found
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_limited(fs::File::open(path)?)
    }
}

/// Entries of `folder` whose names fit `pattern`, sorted. Hidden ones only if the pattern asks for them.
fn entries(folder: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(listing) = fs::read_dir(place) else { return Vec::new() };
    let mut names: Vec<_> = listing.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.retain(|name| {
        let name = name.as_bytes();
        (!name.starts_with(b".") || pattern.starts_with(b".")) && pattern::matches(pattern, name)
    });
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Reads a settings text to its end, and no more than [`TEXT_SIZE_MAX`] bytes.
pub(crate) fn read_limited(source: impl io::Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(source, TEXT_SIZE_MAX + 1), &mut text)?;
    if text.len() as u64 > TEXT_SIZE_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {TEXT_SIZE_MAX} bytes")));
    }
    Ok(text)
}

const DUPLICATE_USER: &str = "Duplicate user found. A user can only be defined once in config files";
const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";
const DIRECTIVES: [&str; 4] = ["include", "rename-command", "user", "loadmodule"];
const INCLUDE_DEPTH_MAX: usize = 16;
const INCLUDE_FILES_MAX: usize = 1000;
const PROBLEMS_MAX: usize = 1000;
const TEXT_SIZE_MAX: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Files that exist only here.
    struct Memory(BTreeMap<&'static str, &'static str>);

    impl Files for Memory {
        fn expand(&self, path: &Path) -> Vec<PathBuf> {
            let path = path.as_os_str().as_bytes();
            if !pattern::is_pattern(path) {
                return vec![OsStr::from_bytes(path).into()];
            }
            self.0.keys().filter(|name| pattern::matches(path, name.as_bytes())).map(PathBuf::from).collect()
        }

        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            let text = self.0.get(path.to_str().unwrap());
            text.map(|text| text.as_bytes().to_vec()).ok_or_else(|| io::Error::from_raw_os_error(2))
        }
    }

    fn load_with(text: &str, files: &[(&'static str, &'static str)]) -> Loaded {
        load(text.as_bytes(), &Memory(files.iter().copied().collect()))
    }

    fn good(text: &str) -> Values {
        let loaded = load_with(text, &[]);
        assert!(loaded.problems.is_empty(), "{}", loaded.problems[0]);
        loaded.values
    }

    fn problem(text: &str) -> String {
        load_with(text, &[]).problems[0].to_string()
    }

    #[test]
    fn the_last_line_wins_and_names_ignore_case() {
        let values = good("port 1\nPORT 2\n\n# port 3\n  Appendonly YES\r\n");
        assert_eq!(values.number("port"), 2);
        assert!(values.switch("appendonly"));
        assert!(values.is_given("port") && !values.is_given("hz"));
    }

    #[test]
    fn save_lines_add_up_and_replace_the_standard_ones() {
        for (text, shown) in [
            ("", "3600 1 300 100 60 10000"),
            ("save 900 1\nsave \"300 10 60 1\"\n", "900 1 300 10 60 1"),
            ("save 900 1\nsave \"\"\n", ""),
            ("save \"\"\nsave 900 1\n", "900 1"),
        ] {
            assert_eq!(good(text).show(find(b"save").unwrap()), shown.as_bytes(), "{text}");
        }
    }

    #[test]
    fn aliases_reach_the_same_key() {
        assert!(!good("slave-read-only no").switch("replica-read-only"));
        assert_eq!(good("slaveof a 1").words("replicaof"), [b"a".to_vec(), b"1".to_vec()]);
    }

    #[test]
    fn buffer_limit_lines_name_one_class_each() {
        let limits =
            good("client-output-buffer-limit normal 1mb 2mb 3\nclient-output-buffer-limit slave 1 2 3").buffer_limits();
        assert_eq!(limits.normal.soft_bytes, 2 << 20);
        assert_eq!(limits.replica.soft_seconds, 3);
        assert_eq!(limits.pubsub.hard_bytes, 32 << 20);
    }

    #[test]
    fn an_unknown_key_is_shown_in_redis_s_frame_with_a_suggestion() {
        assert_eq!(
            problem("# c\n\nclster-enabled yes"),
            "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n\
             Reading the configuration file, at line 3\n\
             >>> 'clster-enabled yes'\n\
             Bad directive or wrong number of arguments\n\
             did you mean \"cluster-enabled\"?"
        );
        assert!(load_with("foobarbaz x", &[]).problems[0].hint.is_none());
    }

    #[test]
    fn wrong_lines_have_redis_s_reasons() {
        for (line, reason) in [
            ("port", "wrong number of arguments"),
            ("port 1 2", "wrong number of arguments"),
            ("port 1 #comment", "wrong number of arguments"),
            ("port zz", "argument couldn't be parsed into an integer"),
            ("databases 0", "argument must be between 1 and 2147483647 inclusive"),
            ("requirepass \"x\"y", "Unbalanced quotes in configuration line"),
            ("rename-command a", "Bad directive or wrong number of arguments"),
            ("user", "Bad directive or wrong number of arguments"),
            ("sentinel monitor a", "sentinel directive while not in sentinel mode"),
            ("oom-score-adj-values 1 2", "wrong number of arguments"),
            ("save 1", "Invalid save parameters"),
            ("replicaof a zz", "Invalid master port"),
            ("replicaof", "wrong number of arguments"),
            ("oom-score-adj-values", "wrong number of arguments"),
            ("shutdown-on-sigint", "argument(s) must be one of the following: default, save, nosave, now, force"),
        ] {
            let shown = problem(line);
            assert_eq!(shown.lines().nth(4), Some(reason), "{line}");
            assert_eq!(shown.lines().nth(3), Some(&*format!(">>> '{line}'")));
        }
    }

    #[test]
    fn every_problem_is_found() {
        let loaded = load_with("port x\nhz 5\nfoo bar\n", &[]);
        let lines: Vec<_> = loaded.problems.iter().map(|problem| (problem.line_number, problem.is_unknown)).collect();
        assert_eq!(lines, [(1, false), (3, true)]);
        assert_eq!(loaded.values.number("hz"), 5);
    }

    #[test]
    fn other_directives_are_kept_in_order() {
        let loaded = load_with("rename-command FLUSHDB \"\"\nuser a on\nlist-max-ziplist-entries 3", &[]);
        assert!(loaded.problems.is_empty());
        let expected = [
            Directive::RenameCommand { from: b"FLUSHDB".to_vec(), to: Vec::new() },
            Directive::User(vec![b"a".to_vec(), b"on".to_vec()]),
        ];
        assert_eq!(loaded.directives, expected);
    }

    #[test]
    fn includes_are_read_where_they_stand() {
        let files = [("a.conf", "hz 5\nport 5"), ("b.conf", "timeout 3\ninclude a.conf")];
        let loaded = load_with("port 1\ninclude [ab].conf\nhz 7\n", &files);
        assert!(loaded.problems.is_empty());
        let values = loaded.values;
        assert_eq!([values.number("port"), values.number("hz"), values.number("timeout")], [5, 7, 3]);
    }

    #[test]
    fn a_missing_include_is_an_error_unless_it_was_a_pattern() {
        let shown = problem("include /nope");
        assert!(shown.ends_with("Fatal error, can't open config file '/nope': No such file or directory"), "{shown}");
        assert!(load_with("include nope*", &[]).problems.is_empty());
    }

    #[test]
    fn a_problem_in_an_included_file_names_the_file() {
        let loaded = load_with("include a.conf", &[("a.conf", "\nfoo bar")]);
        assert_eq!(loaded.problems[0].line_number, 2);
        assert!(loaded.problems[0].to_string().contains("included file a.conf"));
    }

    #[test]
    fn files_that_include_each_other_end() {
        let loaded = load_with("include a.conf", &[("a.conf", "include a.conf\ninclude a.conf")]);
        assert!(!loaded.problems.is_empty() && loaded.problems.len() <= PROBLEMS_MAX);
    }

    #[test]
    fn disk_patterns_match_folders_and_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("x1/b.conf", "hz 2"), ("x1/a.conf", "hz 1"), ("x2/c.conf", "hz 3"), ("y/d.conf", "hz 4")]
        {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::write(folder.path().join("x1/.hidden.conf"), "").unwrap();
        let found = DiskFiles.expand(&folder.path().join("x*/*.conf"));
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.conf", "b.conf", "c.conf"]);
        assert_eq!(DiskFiles.read(&found[2]).unwrap(), b"hz 3");
    }

    #[test]
    fn the_file_that_debian_ships_is_accepted() {
        if let Ok(text) = fs::read("/etc/redis/redis.conf") {
            let loaded = load(&text, &DiskFiles);
            assert!(loaded.problems.is_empty(), "{}", loaded.problems[0]);
            assert_eq!(loaded.values.text("logfile"), b"/var/log/redis/redis-server.log");
        }
    }

    #[test]
    fn a_container_s_file_with_all_its_keys_is_accepted() {
        let text = include_str!("container.conf");
        let loaded = load(text.as_bytes(), &DiskFiles);
        assert!(loaded.problems.is_empty(), "{}", loaded.problems[0]);
        let keys: std::collections::BTreeSet<_> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.split(' ').next())
            .collect();
        assert!(keys.len() >= 74, "{}", keys.len());
        assert!(loaded.values.switch("cluster-enabled"));
        assert_eq!(loaded.values.words("bind").len(), 2);
        assert_eq!(loaded.values.show(find(b"save").unwrap()), b"");
    }
}
