//! What people read about settings: `--help`, `help KEY` and `--check-config`.

use super::kind::Kind;
use super::load::Loaded;
use super::table::{Change, Effect, Group, ROWS, Row, RowIndex, find};
use std::fmt::Write;

/// The keys that work here, by group, with their standard values.
pub(crate) fn help() -> String {
    let mut text = String::from(USAGE);
    let mut groups: Vec<Group> = ROWS.iter().filter_map(group).collect();
    groups.sort();
    groups.dedup();
    for wanted in groups {
        let _ = writeln!(text, "\n{wanted:?}:");
        for row in ROWS.iter().filter(|row| group(row) == Some(wanted)) {
            let standard = if row.standard.is_empty() { "none" } else { row.standard };
            let _ = writeln!(text, "  --{:<32} {}", row.name, about(row));
            let _ = writeln!(text, "  {:<34} standard: {standard}", "");
        }
    }
    let ignored = ROWS.iter().filter(|row| !row.is_live()).count();
    let _ = writeln!(text, "\n{ignored} more keys of Redis are accepted without effect; --check-config shows which.");
    text
}

/// What one key is, as a paragraph of a settings file.
pub(crate) fn paragraph(name: &str) -> Option<String> {
    let index = find(name.as_bytes())?;
    let row = index.row();
    let mut text = String::new();
    let _ = writeln!(text, "# {}", about(row));
    let _ = writeln!(text, "# Takes {}.", shape(row.kind));
    if let Some(alias) = row.alias {
        let _ = writeln!(text, "# Also called {alias}.");
    }
    let change = match row.change {
        Change::Anytime => "CONFIG SET changes it on a running node.",
        Change::Protected => "CONFIG SET changes it only with enable-protected-configs.",
        Change::AtStart => "It is read when the node starts.",
    };
    let _ = writeln!(text, "# {change}");
    let standard = super::Values::standard();
    let lines = row.kind.lines(standard.value(index), standard.value(index));
    for line in &lines {
        let _ = writeln!(text, "{} {}", row.name, String::from_utf8_lossy(line));
    }
    Some(text)
}

/// Every key that the texts named, with what it does here; then the wrong lines. `Err` if there are any.
pub(crate) fn check_report(loaded: &Loaded) -> Result<String, String> {
    let mut text = String::new();
    for index in (0..ROWS.len()).map(RowIndex).filter(|index| loaded.values.was_given(*index)) {
        let state = if index.row().is_live() { "live" } else { "accepted but ignored" };
        let value = loaded.values.show(index);
        let value = if index.row().name.contains("pass") || index.row().name == "masterauth" {
            "(hidden)".into()
        } else {
            String::from_utf8_lossy(&value)
        };
        let _ = writeln!(text, "{:<21} {} {value}", state, index.row().name);
    }
    for problem in &loaded.problems {
        let place = match &problem.file {
            Some(file) => format!("{} line {}", file.display(), problem.line_number),
            None => format!("line {}", problem.line_number),
        };
        let kind = if problem.is_unknown { "unknown" } else { "wrong" };
        let line = String::from_utf8_lossy(&problem.line);
        let _ = write!(text, "{kind:<21} {place}: '{line}': {}", problem.reason);
        let _ = writeln!(text, "{}", problem.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default());
    }
    if loaded.problems.is_empty() { Ok(text) } else { Err(text) }
}

/// Keys that a text set to something else than their standard value, although they do nothing here.
pub(crate) fn without_effect(loaded: &Loaded) -> Vec<&'static str> {
    let standard = super::Values::standard();
    let indices = (0..ROWS.len()).map(RowIndex).filter(|index| {
        !index.row().is_live()
            && loaded.values.was_given(*index)
            && loaded.values.value(*index) != standard.value(*index)
    });
    indices.map(|index| index.row().name).collect()
}

fn group(row: &Row) -> Option<Group> {
    match row.effect {
        Effect::Live { group, .. } => Some(group),
        Effect::None => None,
    }
}

fn about(row: &Row) -> &'static str {
    match row.effect {
        Effect::Live { about, .. } => about,
        Effect::None => "A key of Redis that is accepted and kept, but has no effect in this node.",
    }
}

fn shape(kind: Kind) -> String {
    match kind {
        Kind::Switch => "yes or no".into(),
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::ShutdownFlags => "one or more of default, save, nosave, now, force".into(),
        Kind::Integer { min, max } => format!("a number from {min} to {max}"),
        Kind::Octal => "permissions in octal, 0 to 777".into(),
        Kind::Memory { .. } => "bytes, with a unit if wanted: 64mb".into(),
        Kind::MemoryOrPercent => "bytes, or a part of maxmemory: 5%".into(),
        Kind::Text | Kind::TitleTemplate => "a word; quotes keep spaces".into(),
        Kind::FileName => "a file name without a folder".into(),
        Kind::HostName => "a host name".into(),
        Kind::Words { count_max } => format!("up to {count_max} words"),
        Kind::Primary => "a host and a port, or no one".into(),
        Kind::SavePoints => "pairs of seconds and changes; \"\" for none".into(),
        Kind::BufferLimits => "a class (normal, replica, pubsub), a hard limit, a soft limit, seconds".into(),
        Kind::Events => "letters of Ag$lshzxeKEtmdn".into(),
        Kind::Percentiles => "numbers from 0 to 100".into(),
        Kind::OomScores => "three numbers from -2000 to 2000".into(),
        Kind::WriteAck => "auto, memory, logged, durable, or replicas and a number".into(),
    }
}

const USAGE: &str = "\
Usage: keyslot-node [redis.conf] [--key value ...] [-]
       keyslot-node health [--ready] [-h host] [-p port] [-s socket] [-a password]
       keyslot-node repair FOLDER [--dry-run | --salvage]
       keyslot-node help KEY
       keyslot-node --check-config [redis.conf] [--key value ...]
       keyslot-node -v | --version
       keyslot-node -h | --help

The file is in Redis's format; - reads one from standard input. Later settings win.

Examples:
  keyslot-node --port 7000 --appendonly yes --dir data
  keyslot-node /etc/redis/redis.conf --daemonize no --loglevel verbose
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load::{DiskFiles, load};

    #[test]
    fn help_lists_live_keys_in_groups_and_no_others() {
        let help = help();
        assert!(help.contains("\nNetwork:\n") && help.contains("--timeout "));
        assert!(!help.contains("--activedefrag"));
    }

    #[test]
    fn a_paragraph_reads_like_a_settings_file_and_loads() {
        for row in ROWS {
            let paragraph = paragraph(row.name).unwrap();
            let loaded = load(paragraph.as_bytes(), &DiskFiles);
            assert!(loaded.problems.is_empty(), "{paragraph}{:?}", loaded.problems);
        }
        assert_eq!(paragraph("nothing"), None);
    }

    #[test]
    fn the_check_names_live_ignored_and_unknown_keys_and_hides_passwords() {
        let loaded = load(b"port 1\nactivedefrag yes\nprot 5\nhz x\nrequirepass geheim\n", &DiskFiles);
        let report = check_report(&loaded).unwrap_err();
        for line in [
            "live                  port 1\n",
            "accepted but ignored  activedefrag yes\n",
            "unknown               line 3: 'prot 5': Bad directive or wrong number of arguments; did you mean \"port\"?\n",
            "wrong                 line 4: 'hz x': argument couldn't be parsed into an integer\n",
        ] {
            assert!(report.contains(line), "{report}");
        }
        assert!(!report.contains("geheim"));
        assert!(check_report(&load(b"port 1\n", &DiskFiles)).is_ok());
    }

    #[test]
    fn only_ineffective_keys_with_a_value_of_their_own_are_worth_a_warning() {
        let loaded = load(b"activedefrag yes\nlist-compress-depth 0\nport 1\n", &DiskFiles);
        assert_eq!(without_effect(&loaded), ["activedefrag"]);
    }
}
