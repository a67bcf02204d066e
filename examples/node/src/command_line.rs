//! What the process was asked to do. Redis's rules for a server's arguments, and a few subcommands of our own.
//!
//! - `[redis.conf] [--key value ...] [-]`: options become lines of a settings text that follows the file's, so the last
//!   one wins and errors show the line.
//! - A word that begins with `--` opens a new option, unless the option before it has no value yet: then it is that
//!   value. `--save` is the exception and may stand alone, which means no save points.

use crate::settings::quote;
use crate::subcommand::cluster::ClusterOptions;
use crate::subcommand::data::DataOptions;
use crate::subcommand::health::HealthOptions;
use crate::subcommand::hot::HotOptions;
use crate::subcommand::rebalance::RebalanceOptions;
use crate::subcommand::repair::RepairOptions;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The job of this process.
#[derive(Debug, PartialEq)]
pub(crate) enum Invocation {
    Serve(Sources),
    CheckConfig(Sources),
    Health(HealthOptions),
    Repair(RepairOptions),
    Data(DataOptions),
    Cluster(ClusterOptions),
    Rebalance(RebalanceOptions),
    Hot(HotOptions),
    HelpKey(String),
    Help,
    Version,
}

/// Where the settings come from, later ones on top.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    pub(crate) file: Option<PathBuf>,
    pub(crate) reads_stdin: bool,
    /// Options as lines of a settings text.
    pub(crate) options: Vec<u8>,
}

/// The arguments make no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("--sentinel: this node is no sentinel; run redis-sentinel (Debian: redis-sentinel) to watch it")]
    Sentinel,
    #[error("{0}: not offered; use a memory tester such as memtester")]
    MemoryTest(&'static str),
    #[error("help: name one key, as in: keyslot-node help maxclients")]
    HelpWithoutKey,
    #[error("health: {0} needs a value")]
    MissingValue(String),
    #[error("health: {0} is not known here; try --ready, -h host, -p port, -s socket, -a password, -t seconds")]
    UnknownHealthOption(String),
    #[error("health: {0} is not a number in range")]
    BadNumber(String),
    #[error("cluster: {0} is not understood; try: keyslot-node cluster up --primaries 3 --replicas 1 --port 7000")]
    Cluster(String),
    #[error(
        "cluster rebalance: {0} is not understood; try [--plan] [--by keys|bytes|operations|slots] [--threshold percent] \
         [--weight node=number] [--drain node] [--use-empty-primaries] [--budget slots|keys|bytes=number] [--window seconds] \
         [--apply plan] [--user user] [-a password] host:port"
    )]
    Rebalance(String),
    #[error(
        "cluster hot: {0} is not understood; try [--window seconds] [--count number] [--user user] [-a password] host:port"
    )]
    Hot(String),
    #[error("repair: name the folder of the data, as in: keyslot-node repair data --dry-run")]
    RepairWithoutFolder,
    #[error("repair: {0} is not understood; try --dry-run, --salvage, --appenddirname name, --appendfilename name")]
    Repair(String),
    #[error(
        "{0}: name what to look at, as in: keyslot-node check data | inspect dump.rdb --slot 7 | convert dump.rdb new.aof"
    )]
    DataPaths(String),
    #[error(
        "{0}: {1} is not understood; try --appenddirname name, --appendfilename name, inspect --slot number, convert \
         --format rdb|aof|keyslot"
    )]
    Data(String, String),
}

/// Reads the arguments after the program's name.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut arguments: Vec<Vec<u8>> = arguments.into_iter().map(OsString::into_vec).collect();
    match arguments.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return Ok(Invocation::Version),
        Some(b"-h" | b"--help") => return Ok(Invocation::Help),
        Some(b"--test-memory") => return Err(UsageError::MemoryTest("--test-memory")),
        Some(b"--check-system") => return Err(UsageError::MemoryTest("--check-system")),
        Some(b"health") => return HealthOptions::read(&arguments[1..]).map(Invocation::Health),
        Some(b"cluster") if arguments.get(1).is_some_and(|word| word == b"rebalance") => {
            let options = RebalanceOptions::read(&arguments[2..]);
            return options.map(Invocation::Rebalance).map_err(UsageError::Rebalance);
        }
        Some(b"cluster") if arguments.get(1).is_some_and(|word| word == b"hot") => {
            return HotOptions::read(&arguments[2..]).map(Invocation::Hot).map_err(UsageError::Hot);
        }
        Some(b"cluster") => {
            return ClusterOptions::read(&arguments[1..]).map(Invocation::Cluster).map_err(UsageError::Cluster);
        }
        Some(b"repair") => return RepairOptions::read(&arguments[1..]).map(Invocation::Repair),
        Some(b"check" | b"inspect" | b"convert") => return DataOptions::read(&arguments).map(Invocation::Data),
        Some(b"help") => {
            let [_, key] = arguments.as_slice() else { return Err(UsageError::HelpWithoutKey) };
            return Ok(Invocation::HelpKey(String::from_utf8_lossy(key).into_owned()));
        }
        _ => {}
    }
    if arguments.iter().any(|argument| argument == b"--sentinel") {
        return Err(UsageError::Sentinel);
    }
    let count = arguments.len();
    arguments.retain(|argument| argument != b"--check-config");
    let only_checks = arguments.len() < count;
    let sources = read_sources(&arguments);
    Ok(if only_checks { Invocation::CheckConfig(sources) } else { Invocation::Serve(sources) })
}

fn read_sources(mut arguments: &[Vec<u8>]) -> Sources {
    let mut sources = Sources::default();
    if let [first, rest @ ..] = arguments
        && !first.starts_with(b"-")
        && !first.is_empty()
    {
        sources.file = Some(OsStr::from_bytes(first).into());
        arguments = rest;
    } else if let [first, rest @ ..] = arguments
        && first == b"-"
    {
        sources.reads_stdin = true;
        arguments = rest;
    }
    if let [rest @ .., last] = arguments
        && last == b"-"
    {
        sources.reads_stdin = true;
        arguments = rest;
    }
    sources.options = option_lines(arguments);
    sources
}

/// Turns `--a b c --d e` into the lines `a "b" "c"` and `d "e"`.
fn option_lines(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut open = Open::Nothing;
    for argument in arguments {
        match argument.strip_prefix(b"--") {
            Some(name) if open != Open::WantsValue => {
                close(&mut text, open);
                text.extend(name);
                open = match name {
                    name if name.eq_ignore_ascii_case(b"save") => Open::MayEnd,
                    name if name.is_empty() || name.contains(&b' ') => Open::HasValue,
                    _ => Open::WantsValue,
                };
            }
            _ => {
                if text.last().is_some_and(|byte| *byte != b'\n') {
                    text.push(b' ');
                }
                quote(argument, &mut text);
                open = Open::HasValue;
            }
        }
    }
    close(&mut text, open);
    text
}

/// The state of the option line that is being written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    /// Any word that follows is its value.
    WantsValue,
    /// It has no value, and needs none.
    MayEnd,
    HasValue,
}

fn close(text: &mut Vec<u8>, open: Open) {
    match open {
        Open::Nothing => {}
        Open::MayEnd => text.extend(b" \"\"\n"),
        Open::WantsValue | Open::HasValue => text.push(b'\n'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(arguments: &[&str]) -> Sources {
        match read(arguments.iter().map(OsString::from)).unwrap() {
            Invocation::Serve(sources) => sources,
            other => panic!("{other:?}"),
        }
    }

    fn lines(arguments: &[&str]) -> String {
        String::from_utf8(sources(arguments).options).unwrap()
    }

    #[test]
    fn the_first_word_without_a_dash_is_the_file() {
        let sources = sources(&["a.conf", "--port", "1", "b.conf"]);
        assert_eq!(sources.file, Some("a.conf".into()));
        assert_eq!(sources.options, b"port \"1\" \"b.conf\"\n");
    }

    #[test]
    fn a_dash_reads_standard_input_at_either_end() {
        assert!(sources(&["-", "--port", "1"]).reads_stdin);
        let sources = sources(&["a.conf", "--port", "1", "-"]);
        assert!(sources.reads_stdin);
        assert_eq!(sources.options, b"port \"1\"\n");
    }

    #[test]
    fn options_take_the_words_that_follow() {
        assert_eq!(lines(&["--bind", "1.1.1.1", "-::1", "--port", "7"]), "bind \"1.1.1.1\" \"-::1\"\nport \"7\"\n");
        assert_eq!(lines(&["--save", "3 1 60 5", "--foo"]), "save \"3 1 60 5\"\nfoo\n");
        assert_eq!(lines(&["--port 3 4", "--hz", "1"]), "port 3 4\nhz \"1\"\n");
        assert_eq!(lines(&["-foo"]), "\"-foo\"\n");
    }

    #[test]
    fn an_option_without_a_value_takes_the_next_option_as_its_value() {
        assert_eq!(lines(&["--requirepass", "--foo", "--port", "1"]), "requirepass \"--foo\"\nport \"1\"\n");
        assert_eq!(lines(&["--port", "--hz", "9"]), "port \"--hz\" \"9\"\n");
    }

    #[test]
    fn save_may_stand_alone() {
        assert_eq!(lines(&["--save", "--port", "1"]), "save \"\"\nport \"1\"\n");
        assert_eq!(lines(&["--port", "1", "--SAVE"]), "port \"1\"\nSAVE \"\"\n");
        assert_eq!(lines(&["--save", "", "--port", "1"]), "save \"\"\nport \"1\"\n");
    }

    #[test]
    fn other_jobs_are_recognised() {
        let job = |arguments: &[&str]| read(arguments.iter().map(OsString::from));
        assert_eq!(job(&["-v", "--port", "1"]), Ok(Invocation::Version));
        assert_eq!(job(&["--help"]), Ok(Invocation::Help));
        assert_eq!(job(&["help", "port"]), Ok(Invocation::HelpKey("port".into())));
        assert_eq!(job(&["help"]), Err(UsageError::HelpWithoutKey));
        assert_eq!(job(&["x.conf", "--sentinel"]), Err(UsageError::Sentinel));
        assert!(matches!(job(&["--test-memory", "4"]), Err(UsageError::MemoryTest(_))));
        let expected = Sources { file: Some("x".into()), reads_stdin: false, options: b"hz \"1\"\n".to_vec() };
        assert_eq!(job(&["x", "--check-config", "--hz", "1"]), Ok(Invocation::CheckConfig(expected)));
    }
}
