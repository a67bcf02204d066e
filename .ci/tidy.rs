//! The house rules as tests. Each failure says what is wrong, where, and what to do about it.
//!
//! | rule | test |
//! |---|---|
//! | a crate names only crates below it | `crates_depend_only_on_lower_floors` |
//! | files of a crate form no circle | `files_form_no_circles` |
//! | names say what a thing is | `file_names_are_nouns` |
//! | files stay readable | `files_are_not_too_long` |
//! | unsafe code stays in listed files and says why it is sound | `unsafe_code_stays_in_listed_files` |
//! | time, chance, files, sockets and threads are arguments | `the_outside_is_reached_in_few_places` |
//! | one command, one product file | `a_command_has_one_file` |
//! | nothing unfinished | `nothing_is_left_unfinished` |
//! | the top level is fixed | `the_top_level_is_fixed` |
//! | tests do not sleep | `tests_do_not_sleep` |

#[path = "tidy/graph.rs"]
mod graph;
#[path = "tidy/source.rs"]
mod source;

use graph::Graph;
use source::{Source, sources};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Crates from the bottom up: folder, package, and the packages of the house that it may name.
const FLOORS: [(&str, &str, &[&str]); 6] = [
    ("engine", "keyslot-engine", &[]),
    ("persistence", "keyslot-persistence", &["keyslot-engine"]),
    ("replication", "keyslot-replication", &["keyslot-engine", "keyslot-persistence"]),
    (".", "keyslot", &["keyslot-engine", "keyslot-persistence", "keyslot-replication"]),
    ("examples/node", "keyslot-node", &["keyslot"]),
    ("benches", "keyslot-benches", &["keyslot", "keyslot-engine", "keyslot-persistence", "keyslot-replication"]),
];

/// Crates whose files are checked: those that others link.
const LIBRARIES: [&str; 3] = ["engine", "persistence", "replication"];

/// Words that say nothing about a file.
const NAMES_BANNED: [&str; 14] = [
    "util", "utils", "helper", "helpers", "common", "misc", "stuff", "more", "extra", "tools", "v2", "v3", "new", "old",
];

const LINES_MAX: usize = 800;

/// Files that may hold unsafe code. Each is covered by the sanitizer run of `.ci/run`.
const UNSAFE_FILES: [&str; 7] = [
    "engine/src/table/block.rs",
    "engine/src/table/lent.rs",
    "engine/src/table/line.rs",
    "engine/src/table/prefetch.rs",
    "engine/src/table/segment.rs",
    "persistence/src/journal/chunk.rs",
    "persistence/src/storage/map.rs",
];

/// What a library may not name, except where [`OUTSIDE_ALLOWED`] says so.
const OUTSIDE: [&str; 9] = [
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::env",
];

/// Where a library may name what: path of the file or folder, and what it may name.
const OUTSIDE_ALLOWED: &[(&str, &[&str])] = &[
    // Anywhere: an address is data, it opens no socket.
    ("", &["std::net::SocketAddr", "std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr"]),
    ("engine/src/system.rs", &["std::time", "std::thread"]),
    // Who waits for a turn that is under way elsewhere lets it run.
    ("engine/src/sync.rs", &["std::thread::yield_now"]),
    // Doors that wait park their thread; they start none.
    ("engine/src/feed.rs", &["std::thread::park_timeout"]),
    ("engine/src/subscription.rs", &["std::thread::park_timeout"]),
    ("engine/src/doors.rs", &["std::thread::park", "std::thread::park_timeout", "std::thread::yield_now"]),
    (
        "engine/src/engine.rs",
        &["std::thread::park", "std::thread::yield_now", "std::thread::current", "std::thread::Thread"],
    ),
    ("persistence/src/storage/", &["std::fs", "std::os", "std::time", "std::process"]),
    ("persistence/src/driver", &["std::thread", "std::time"]),
    // Which seed to run, what the test is called, and the picture of one that failed.
    ("replication/src/sim/cluster/seeds.rs", &["std::env", "std::fs", "std::thread::current"]),
    // Clusters in a process: their sockets, threads and clock.
    ("replication/src/host", &["std::net", "std::thread", "std::time"]),
];

/// Circles that are there for a reason: from which file, to which file, and why. An entry that no circle needs fails.
const CIRCLES_ALLOWED: &[(&str, &str, &str)] = &[
    ("engine/src/command/docs.rs", "engine/src/command/row.rs", "a row holds its documentation, which names its group"),
    ("engine/src/command/keys.rs", "engine/src/command/table.rs", "the table checks the keys of rows that it extracts"),
    ("engine/src/keyspace/totals.rs", "engine/src/keyspace/slots.rs", "one number: how many databases there are"),
    ("engine/src/resp/inline.rs", "engine/src/resp/request.rs", "inline requests are cut into the same ranges"),
];

/// What stands at the top level, besides dotfiles and what git ignores.
const TOP_LEVEL: [&str; 14] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "engine",
    "examples",
    "fuzz",
    "lib.rs",
    "persistence",
    "replication",
    "target",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with everything that was found.
#[track_caller]
fn expect_none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn crates_depend_only_on_lower_floors() {
    let mut found = Vec::new();
    for (folder, package, allowed) in FLOORS {
        for (number, line) in read(&format!("{folder}/Cargo.toml")).lines().enumerate() {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            let is_ours = FLOORS.iter().any(|(_, package, _)| *package == name);
            // In the root the same names stand in the list of members' versions.
            let declares = is_ours && !(folder == "." && line.contains("path ="));
            if declares && name != package && !allowed.contains(&name) {
                found.push(format!(
                    "{folder}/Cargo.toml:{}: {package} depends on {name}, which is above or beside it; move what it needs \
                     down, or let the crate above pass it in",
                    number + 1
                ));
            }
        }
    }
    for source in sources(&root(), &LIBRARIES) {
        let (_, package, allowed) =
            FLOORS.iter().find(|(folder, ..)| source.path.starts_with(&format!("{folder}/"))).expect("a library");
        for (line, path) in source.paths() {
            let first = path.split("::").next().unwrap_or_default().replace('_', "-");
            let ours = FLOORS.iter().any(|(_, package, _)| **package == *first);
            if ours && first != *package && !allowed.contains(&first.as_str()) {
                found.push(format!("{}:{line}: names {path}, a crate that is not below {package}", source.path));
            }
        }
    }
    expect_none(found);
}

#[test]
fn files_form_no_circles() {
    let mut found = Vec::new();
    let mut unneeded: Vec<_> = CIRCLES_ALLOWED.iter().collect();
    for library in LIBRARIES {
        let mut graph = Graph::of(&sources(&root(), &[library]), library);
        let in_circle = |graph: &Graph, from: &str, to: &str| {
            graph
                .circles()
                .iter()
                .any(|circle| circle.iter().any(|file| file == from) && circle.iter().any(|file| file == to))
        };
        unneeded.retain(|(from, to, _)| !(graph.has(from, to) && in_circle(&graph, from, to)));
        for (from, to, _) in CIRCLES_ALLOWED {
            graph.remove(from, to);
        }
        for circle in graph.circles() {
            found.push(format!(
                "{library}: these files need each other: {}\n{}\n  move what both sides need into a file below them",
                circle.join(", "),
                graph.edges_within(&circle)
            ));
        }
    }
    for (from, to, _) in unneeded {
        found.push(format!(".ci/tidy.rs: no circle goes from {from} to {to} any more; remove it from CIRCLES_ALLOWED"));
    }
    expect_none(found);
}

#[test]
fn file_names_are_nouns() {
    let mut found = Vec::new();
    for source in sources(&root(), &["engine", "persistence", "replication", "examples", "benches", "fuzz"]) {
        for part in Path::new(&source.path).with_extension("").components() {
            let part = part.as_os_str().to_string_lossy();
            for word in part.split(['_', '-']).filter(|word| NAMES_BANNED.contains(word)) {
                found.push(format!("{}: \"{word}\" says nothing; name the file after what it holds", source.path));
            }
        }
    }
    expect_none(found);
}

#[test]
fn files_are_not_too_long() {
    let long = sources(&root(), &["engine", "persistence", "replication", "examples", "benches", "fuzz", "lib.rs"]);
    let long = long.iter().filter(|source| !source.is_test && source.text.lines().count() > LINES_MAX);
    expect_none(
        long.map(|source| {
            let count = source.text.lines().count();
            format!("{}: {count} lines, at most {LINES_MAX}; make a folder of it, split by noun", source.path)
        })
        .collect(),
    );
}

#[test]
fn unsafe_code_stays_in_listed_files() {
    let mut found = Vec::new();
    for source in sources(&root(), &["engine", "persistence", "replication", "examples", "lib.rs"]) {
        let listed = UNSAFE_FILES.contains(&source.path.as_str());
        let lines: Vec<&str> = source.text.lines().collect();
        for at in source.word_lines("unsafe") {
            if !listed && !source.is_test_line(at) {
                found.push(format!(
                    "{}:{at}: unsafe code outside the listed files; do it safely, or put it behind a safe function in one \
                     of {UNSAFE_FILES:?}",
                    source.path
                ));
            }
            // The reason stands above the statement, at most so far up.
            let above = &lines[at.saturating_sub(10)..at];
            if !above.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety")) {
                found.push(format!("{}:{at}: unsafe without a SAFETY comment; say why it is sound", source.path));
            }
        }
    }
    for file in UNSAFE_FILES {
        if !root().join(file).exists() {
            found.push(format!(".ci/tidy.rs: {file} is listed for unsafe code but is not there; remove it"));
        }
    }
    expect_none(found);
}

#[test]
fn the_outside_is_reached_in_few_places() {
    let mut found = Vec::new();
    for source in sources(&root(), &LIBRARIES).iter().filter(|source| !source.is_test) {
        let allowed: Vec<&str> = OUTSIDE_ALLOWED
            .iter()
            .filter(|(place, _)| source.path.starts_with(place))
            .flat_map(|(_, paths)| paths.iter().copied())
            .collect();
        for (line, path) in source.paths() {
            let within = |outer: &&&str| path == **outer || path.starts_with(&format!("{outer}::"));
            if OUTSIDE.iter().any(|outer| within(&outer)) && !allowed.iter().any(|outer| within(&outer)) {
                found.push(format!(
                    "{}:{line}: names {path}; time, chance, files, sockets and threads are arguments here: take it from \
                     the caller, or do it in one of the places that OUTSIDE_ALLOWED lists",
                    source.path
                ));
            }
        }
    }
    expect_none(found);
}

#[test]
fn a_command_has_one_file() {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources(&root(), &["engine"]).iter().filter(|source| !source.is_test) {
        for name in source.arguments_of(&["Row::new(", "Row::container("]) {
            files.entry(name).or_default().push(source.path.clone());
        }
    }
    assert!(files.len() > 1, "the rows of commands are not found any more: how they are written has changed");
    let twice = files.into_iter().filter(|(_, files)| files.len() > 1);
    expect_none(
        twice
            .map(|(name, files)| format!("the row of {name} stands in {}; a command has one file", files.join(" and ")))
            .collect(),
    );
}

#[test]
fn nothing_is_left_unfinished() {
    let mut found = Vec::new();
    for source in sources(&root(), &["engine", "persistence", "replication", "examples", "benches", "fuzz", "lib.rs"]) {
        for (number, line) in source.text.lines().enumerate() {
            for word in ["TODO", "FIXME", "XXX:", "HACK"] {
                if line.contains(word) {
                    found.push(format!("{}:{}: {word}; finish it, or open an issue", source.path, number + 1));
                }
            }
        }
        for word in ["dbg!(", "todo!(", "unimplemented!("] {
            for at in source.code_lines(word) {
                found.push(format!("{}:{at}: {word}); finish it or take it out", source.path));
            }
        }
    }
    expect_none(found);
}

#[test]
fn the_top_level_is_fixed() {
    let entries = std::fs::read_dir(root()).expect("the root can be read");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let strange = names.filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()));
    // A checkout may hold folders that git does not track.
    let text = |file| std::fs::read_to_string(root().join(file)).unwrap_or_default();
    let ignored = [text(".gitignore"), text(".git/info/exclude")].join("\n");
    let strange = strange.filter(|name| !ignored.lines().any(|line| line.trim_matches('/') == name));
    expect_none(
        strange.map(|name| format!("{name}: nothing new at the top level; put it in the room it belongs to")).collect(),
    );
}

#[test]
fn tests_do_not_sleep() {
    let mut found = Vec::new();
    for source in sources(&root(), &["engine", "persistence", "replication", "examples", "lib.rs"]) {
        for word in ["thread::sleep(", "time::sleep(", " sleep("] {
            for at in source.code_lines(word).filter(|at| source.is_test_line(*at)) {
                found.push(format!(
                    "{}:{at}: a test that sleeps; move a clock, or wait for a condition with a bound",
                    source.path
                ));
            }
        }
    }
    expect_none(found);
}

#[test]
fn sources_are_found() {
    let all = sources(&root(), &LIBRARIES);
    assert!(all.iter().any(|source| source.path == "engine/src/lib.rs"), "the rules above look at nothing");
    let scanned = Source::new("x.rs".into(), "use a::{b, c::{self, D}};\n// use e::f;\nlet s = \"g::h\";\n".into());
    let paths: Vec<_> = scanned.paths().into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["a::b", "a::c", "a::c::D"]);
}
