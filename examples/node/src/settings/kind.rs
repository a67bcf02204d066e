//! What a key's value may be, and how it is read and shown.
//!
//! A [`Kind`] belongs to a row of the table, a [`Value`] to a key of a running node. A value shows itself twice: as
//! CONFIG GET prints it ([`Kind::show`]) and as lines of a settings file ([`Kind::lines`]); reading either again gives the
//! same value.

use super::composite::{BufferLimits, SavePoint, read_events, read_percentiles, read_save_points, show_save_points};
use super::words::quote;
use keyslot::engine::{Ack, EventClasses};

/// The shape of a key's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `yes` or `no`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// How to shut down: one or more of Redis's five words.
    ShutdownFlags,
    Integer {
        min: i64,
        max: i64,
    },
    /// File permissions, written in octal.
    Octal,
    /// Bytes, with a unit if wanted: `64mb`.
    Memory {
        min: u64,
        max: u64,
    },
    /// Bytes, or a part of `maxmemory`: `5%`.
    MemoryOrPercent,
    /// One word, any bytes.
    Text,
    /// One word that names a file without a folder.
    FileName,
    /// A host name or nothing.
    HostName,
    /// One word with `{title}`-like variables.
    TitleTemplate,
    /// Some words in one line.
    Words {
        count_max: usize,
    },
    /// Host and port of a primary, or `no one`.
    Primary,
    /// What replies wait for: one of [`ACK_WORDS`], or `replicas` and how many.
    WriteAck,
    /// Pairs of seconds and changes.
    SavePoints,
    /// Limits of the three client classes.
    BufferLimits,
    /// Classes of keyspace events, a letter each.
    Events,
    /// Numbers from 0 to 100.
    Percentiles,
    /// Three adjustments of the kernel's memory killer.
    OomScores,
}

/// A key's value, checked.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    Switch(bool),
    /// Index into the kind's words.
    Choice(usize),
    /// Indices into [`SHUTDOWN_FLAGS`], ascending, none of them "default".
    Flags(Vec<usize>),
    Integer(i64),
    Memory(u64),
    Percent(u8),
    Text(Vec<u8>),
    Words(Vec<Vec<u8>>),
    /// `None`: by `appendfsync`.
    WriteAck(Option<Ack>),
    SavePoints(Vec<SavePoint>),
    BufferLimits(BufferLimits),
    Events(EventClasses),
    Percentiles(Vec<f64>),
    OomScores([i64; 3]),
}

/// Why words are not a value of a kind. The text is Redis's.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("wrong number of arguments")]
    WordCount,
    #[error("argument must be 'yes' or 'no'")]
    NotSwitch,
    #[error("argument(s) must be one of the following: {}", .0.join(", "))]
    NotOneOf(&'static [&'static str]),
    #[error("shutdown options SAVE and NOSAVE can't be used simultaneously")]
    SaveAndNoSave,
    #[error("argument couldn't be parsed into an integer")]
    NotInteger,
    #[error("argument couldn't be parsed as an octal number")]
    NotOctal,
    #[error("argument must be between {min} and {max} inclusive")]
    OutOfRange { min: String, max: String },
    #[error("argument must be a memory value")]
    NotMemory,
    #[error("argument must be a memory or percent value")]
    NotMemoryOrPercent,
    #[error("percentage argument must be less or equal to 100")]
    PercentTooLarge,
    #[error("{0} can't be a path, just a {1}")]
    IsPath(&'static str, &'static str),
    #[error("Hostnames may only contain alphanumeric characters, hyphens or dots")]
    NotHostName,
    #[error("Hostnames must be less than 256 characters")]
    HostNameTooLong,
    #[error("template format is invalid or contains unknown variables")]
    NotTemplate,
    #[error("Too many bind addresses specified.")]
    TooManyWords,
    #[error("Invalid master port")]
    PrimaryPort,
    #[error("argument(s) must be one of the following: auto, memory, logged, durable, replicas <1 to 255>")]
    WriteAck,
    #[error("Invalid save parameters")]
    SavePoints,
    #[error("Wrong number of arguments in buffer limit configuration.")]
    BufferLimitWordCount,
    #[error("Invalid client class specified in buffer limit configuration.")]
    BufferLimitClass,
    #[error("Error in hard, soft or soft_seconds setting in buffer limit configuration.")]
    BufferLimitNumber,
    #[error("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")]
    EventClass,
    #[error("Invalid latency-tracking-info-percentiles parameters")]
    Percentile,
    #[error("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")]
    PercentileOutOfRange,
    #[error("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")]
    OomScore,
}

/// The words of [`Kind::ShutdownFlags`], in the order in which they are shown.
pub(crate) const SHUTDOWN_FLAGS: &[&str] = &["default", "save", "nosave", "now", "force"];

impl Kind {
    /// Reads `words`. `base` is the value that lines before this one left: kinds that are built up from several lines
    /// go on from there, all others ignore it.
    pub(crate) fn read(self, name: &'static str, words: &[&[u8]], base: &Value) -> Result<Value, ValueError> {
        let spread;
        if words.is_empty() && matches!(self, Kind::Primary) {
            return Err(ValueError::WordCount);
        }
        let words = if self.takes_many_words() && words.len() == 1 {
            spread = if words[0].is_empty() { Vec::new() } else { words[0].split(|byte| *byte == b' ').collect() };
            &spread[..]
        } else {
            words
        };
        match self {
            Kind::ShutdownFlags => read_shutdown_flags(words),
            Kind::Words { count_max } if words.len() > count_max => Err(ValueError::TooManyWords),
            Kind::Words { .. } => Ok(Value::Words(words.iter().map(|word| word.to_vec()).collect())),
            Kind::Primary => read_primary(words),
            Kind::WriteAck => read_write_ack(words),
            Kind::SavePoints => read_save_points(words, base).map(Value::SavePoints),
            Kind::BufferLimits => BufferLimits::read(words, base).map(Value::BufferLimits),
            Kind::Percentiles => read_percentiles(words).map(Value::Percentiles),
            Kind::OomScores => read_oom_scores(words),
            Kind::Events => read_events(words).map(Value::Events),
            _ => match words {
                [word] => self.read_word(name, word),
                _ => Err(ValueError::WordCount),
            },
        }
    }

    fn read_word(self, name: &'static str, word: &[u8]) -> Result<Value, ValueError> {
        match self {
            Kind::Switch => match () {
                () if word.eq_ignore_ascii_case(b"yes") => Ok(Value::Switch(true)),
                () if word.eq_ignore_ascii_case(b"no") => Ok(Value::Switch(false)),
                () => Err(ValueError::NotSwitch),
            },
            Kind::Choice(names) => choice(names, word).map(Value::Choice).ok_or(ValueError::NotOneOf(names)),
            Kind::Integer { min, max } => {
                let number = integer(word).ok_or(ValueError::NotInteger)?;
                in_range(number, min, max).map(Value::Integer)
            }
            Kind::Octal => {
                let text = std::str::from_utf8(word).map_err(|_| ValueError::NotOctal)?;
                let number = i64::from_str_radix(text, 8).map_err(|_| ValueError::NotOctal)?;
                let (min, max) = ("0".to_owned(), "777".to_owned());
                if (0..=0o777).contains(&number) {
                    Ok(Value::Integer(number))
                } else {
                    Err(ValueError::OutOfRange { min, max })
                }
            }
            Kind::Memory { min, max } => {
                let bytes = memory(word).ok_or(ValueError::NotMemory)?;
                in_range(bytes, min, max).map(Value::Memory)
            }
            Kind::MemoryOrPercent => read_memory_or_percent(word),
            Kind::FileName if word.contains(&b'/') => {
                Err(ValueError::IsPath(name, if name == "appenddirname" { "dirname" } else { "filename" }))
            }
            Kind::HostName => read_host_name(word),
            Kind::TitleTemplate if !is_title_template(word) => Err(ValueError::NotTemplate),
            _ => Ok(Value::Text(word.to_vec())),
        }
    }

    /// Whether the value may be several words, which CONFIG SET gives as one.
    pub(crate) fn takes_many_words(self) -> bool {
        matches!(
            self,
            Kind::ShutdownFlags
                | Kind::Words { .. }
                | Kind::Primary
                | Kind::WriteAck
                | Kind::SavePoints
                | Kind::BufferLimits
                | Kind::Percentiles
                | Kind::OomScores
        )
    }

    /// The value as CONFIG GET prints it.
    pub(crate) fn show(self, value: &Value) -> Vec<u8> {
        match value {
            Value::Switch(true) => b"yes".to_vec(),
            Value::Switch(false) => b"no".to_vec(),
            Value::Choice(index) => match self {
                Kind::Choice(names) => names[*index].into(),
                _ => Vec::new(),
            },
            Value::Flags(flags) if flags.is_empty() => b"default".to_vec(),
            Value::Flags(flags) => joined(flags.iter().map(|flag| SHUTDOWN_FLAGS[*flag])),
            Value::Integer(number) if matches!(self, Kind::Octal) => format!("{number:o}").into(),
            Value::Integer(number) => number.to_string().into(),
            Value::Memory(bytes) => bytes.to_string().into(),
            Value::Percent(percent) => format!("{percent}%").into(),
            Value::Text(text) => text.clone(),
            Value::Words(words) => words.join(&b' '),
            Value::WriteAck(Some(Ack::Replicas(count))) => format!("replicas {count}").into(),
            Value::WriteAck(ack) => {
                let word = ACK_WORDS.iter().find(|(_, named)| named == ack);
                word.map_or_else(Vec::new, |(word, _)| word.as_bytes().to_vec())
            }
            Value::SavePoints(points) => show_save_points(points),
            Value::BufferLimits(limits) => limits.show().into(),
            Value::Events(events) => events.to_string().into(),
            Value::Percentiles(percentiles) => joined(percentiles.iter()),
            Value::OomScores(scores) => joined(scores.iter()),
        }
    }

    /// The value as lines of a settings file, each without the key's name. `standard` is the value of a node that was
    /// told nothing.
    pub(crate) fn lines(self, value: &Value, standard: &Value) -> Vec<Vec<u8>> {
        match value {
            Value::Memory(bytes) => vec![show_with_unit(*bytes).into()],
            Value::Text(text) => vec![quoted(text)],
            Value::Events(events) => vec![quoted(events.to_string().as_bytes())],
            Value::SavePoints(points) if points.is_empty() => vec![b"\"\"".to_vec()],
            Value::SavePoints(points) => points.iter().map(|point| point.to_string().into()).collect(),
            Value::BufferLimits(limits) => match standard {
                Value::BufferLimits(standard) => limits.lines(standard),
                _ => Vec::new(),
            },
            Value::Percentiles(percentiles) if percentiles.is_empty() => vec![b"\"\"".to_vec()],
            Value::Words(words) if words.is_empty() => match self {
                Kind::Primary => Vec::new(),
                _ => vec![b"\"\"".to_vec()],
            },
            _ => vec![self.show(value)],
        }
    }
}

fn joined(items: impl Iterator<Item = impl ToString>) -> Vec<u8> {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(" ").into()
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    quote(text, &mut line);
    line
}

fn choice(names: &[&str], word: &[u8]) -> Option<usize> {
    names.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(word))
}

/// A decimal integer in its only spelling: no plus sign, no leading zeros, no spaces.
pub(super) fn integer(word: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(word).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == word).then_some(number)
}

/// Digits and an optional unit: `k m g` are thousands, `kb mb gb` powers of 1024. No digits count as zero.
pub(super) fn memory(word: &[u8]) -> Option<u64> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = word.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1_000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number: u64 = match number {
        [] => 0,
        digits => std::str::from_utf8(digits).ok()?.parse().ok()?,
    };
    number.checked_mul(factor)
}

/// The bytes with the largest unit that divides them.
pub(super) fn show_with_unit(bytes: u64) -> String {
    for (unit, size) in [("gb", 1u64 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes != 0 && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

fn in_range<T: PartialOrd + ToString>(number: T, min: T, max: T) -> Result<T, ValueError> {
    if number < min || number > max {
        return Err(ValueError::OutOfRange { min: min.to_string(), max: max.to_string() });
    }
    Ok(number)
}

fn read_write_ack(words: &[&[u8]]) -> Result<Value, ValueError> {
    let ack = match words {
        [word] => ACK_WORDS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)).map(|(_, ack)| *ack),
        [word, count] if word.eq_ignore_ascii_case(b"replicas") => integer(count)
            .and_then(|count| u8::try_from(count).ok())
            .filter(|count| *count > 0)
            .map(Ack::Replicas)
            .map(Some),
        _ => None,
    };
    ack.map(Value::WriteAck).ok_or(ValueError::WriteAck)
}

/// What `write-ack` may be called.
const ACK_WORDS: &[(&str, Option<Ack>)] =
    &[("auto", None), ("memory", Some(Ack::Memory)), ("logged", Some(Ack::Logged)), ("durable", Some(Ack::Durable))];

fn read_memory_or_percent(word: &[u8]) -> Result<Value, ValueError> {
    match word.strip_suffix(b"%") {
        Some(number) => match integer(number) {
            Some(number @ 0..=100) => Ok(Value::Percent(number as u8)),
            Some(101..) => Err(ValueError::PercentTooLarge),
            _ => Err(ValueError::NotMemoryOrPercent),
        },
        None => memory(word).map(Value::Memory).ok_or(ValueError::NotMemoryOrPercent),
    }
}

fn read_shutdown_flags(words: &[&[u8]]) -> Result<Value, ValueError> {
    let mut flags = Vec::new();
    for word in words {
        flags.push(choice(SHUTDOWN_FLAGS, word).ok_or(ValueError::NotOneOf(SHUTDOWN_FLAGS))?);
    }
    if flags.is_empty() {
        return Err(ValueError::NotOneOf(SHUTDOWN_FLAGS));
    }
    flags.retain(|flag| *flag != 0);
    flags.sort_unstable();
    flags.dedup();
    if flags.contains(&1) && flags.contains(&2) {
        return Err(ValueError::SaveAndNoSave);
    }
    Ok(Value::Flags(flags))
}

fn read_primary(words: &[&[u8]]) -> Result<Value, ValueError> {
    match words {
        [] => Ok(Value::Words(Vec::new())),
        [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => Ok(Value::Words(Vec::new())),
        [host, port] => match integer(port) {
            Some(0..=65535) => Ok(Value::Words(vec![host.to_vec(), port.to_vec()])),
            _ => Err(ValueError::PrimaryPort),
        },
        _ => Err(ValueError::WordCount),
    }
}

fn read_oom_scores(words: &[&[u8]]) -> Result<Value, ValueError> {
    let &[primary, replica, child] = words else { return Err(ValueError::WordCount) };
    let mut scores = [0; 3];
    for (score, word) in scores.iter_mut().zip([primary, replica, child]) {
        *score = integer(word).filter(|score| (-2000..=2000).contains(score)).ok_or(ValueError::OomScore)?;
    }
    Ok(Value::OomScores(scores))
}

fn read_host_name(word: &[u8]) -> Result<Value, ValueError> {
    if word.len() >= 256 {
        return Err(ValueError::HostNameTooLong);
    }
    if word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        return Ok(Value::Text(word.to_vec()));
    }
    Err(ValueError::NotHostName)
}

fn is_title_template(word: &[u8]) -> bool {
    const VARIABLES: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let Ok(mut text) = std::str::from_utf8(word) else { return false };
    while let Some((_, rest)) = text.split_once('{') {
        let Some((variable, rest)) = rest.split_once('}') else { return false };
        if !VARIABLES.contains(&variable) {
            return false;
        }
        text = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Value = Value::Switch(false);

    fn read(kind: Kind, words: &[&str]) -> Result<String, String> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        kind.read("appendfilename", &words, &NOTHING)
            .map(|value| String::from_utf8(kind.show(&value)).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn switches_and_choices_ignore_case_and_show_one_spelling() {
        assert_eq!(read(Kind::Switch, &["YES"]).unwrap(), "yes");
        assert_eq!(read(Kind::Switch, &["1"]).unwrap_err(), "argument must be 'yes' or 'no'");
        let kind = Kind::Choice(&["everysec", "always", "no"]);
        assert_eq!(read(kind, &["ALWAYS"]).unwrap(), "always");
        assert_eq!(read(kind, &["x"]).unwrap_err(), "argument(s) must be one of the following: everysec, always, no");
        assert_eq!(read(Kind::Switch, &["yes", "no"]).unwrap_err(), "wrong number of arguments");
    }

    #[test]
    fn integers_have_one_spelling_and_a_range() {
        let kind = Kind::Integer { min: -1, max: 9 };
        assert_eq!(read(kind, &["-1"]).unwrap(), "-1");
        for word in ["05", "+5", " 5", "0x5", "", "99999999999999999999"] {
            assert_eq!(read(kind, &[word]).unwrap_err(), "argument couldn't be parsed into an integer", "{word}");
        }
        assert_eq!(read(kind, &["10"]).unwrap_err(), "argument must be between -1 and 9 inclusive");
    }

    #[test]
    fn memory_takes_both_families_of_units() {
        let kind = Kind::Memory { min: 0, max: u64::MAX };
        for (word, bytes) in
            [("1k", "1000"), ("1Kb", "1024"), ("3GB", "3221225472"), ("", "0"), ("01", "1"), ("7b", "7")]
        {
            assert_eq!(read(kind, &[word]).unwrap(), bytes, "{word}");
        }
        for word in ["1.5gb", "-1", "1zb", "99999999999999999999", "18446744073709551615kb"] {
            assert_eq!(read(kind, &[word]).unwrap_err(), "argument must be a memory value", "{word}");
        }
        let kind = Kind::Memory { min: 1 << 20, max: i64::MAX as u64 };
        assert_eq!(
            read(kind, &["1"]).unwrap_err(),
            "argument must be between 1048576 and 9223372036854775807 inclusive"
        );
    }

    #[test]
    fn percents_stand_beside_memory() {
        assert_eq!(read(Kind::MemoryOrPercent, &["5%"]).unwrap(), "5%");
        assert_eq!(read(Kind::MemoryOrPercent, &["1mb"]).unwrap(), "1048576");
        assert_eq!(
            read(Kind::MemoryOrPercent, &["101%"]).unwrap_err(),
            "percentage argument must be less or equal to 100"
        );
        assert_eq!(read(Kind::MemoryOrPercent, &["-1%"]).unwrap_err(), "argument must be a memory or percent value");
    }

    #[test]
    fn octal_permissions_have_their_range() {
        assert_eq!(read(Kind::Octal, &["700"]).unwrap(), "700");
        assert_eq!(read(Kind::Octal, &["999"]).unwrap_err(), "argument couldn't be parsed as an octal number");
        assert_eq!(read(Kind::Octal, &["7777"]).unwrap_err(), "argument must be between 0 and 777 inclusive");
    }

    #[test]
    fn shutdown_flags_exclude_each_other() {
        assert_eq!(read(Kind::ShutdownFlags, &["nosave now"]).unwrap(), "nosave now");
        assert_eq!(read(Kind::ShutdownFlags, &["now", "nosave"]).unwrap(), "nosave now");
        assert_eq!(read(Kind::ShutdownFlags, &["default"]).unwrap(), "default");
        assert!(read(Kind::ShutdownFlags, &["save", "nosave"]).unwrap_err().contains("simultaneously"));
        assert!(read(Kind::ShutdownFlags, &[""]).unwrap_err().contains("must be one of"));
    }

    #[test]
    fn names_of_files_hosts_and_primaries_are_checked() {
        assert_eq!(read(Kind::FileName, &["a/b"]).unwrap_err(), "appendfilename can't be a path, just a filename");
        assert!(read(Kind::HostName, &["a_b"]).unwrap_err().starts_with("Hostnames may only"));
        assert_eq!(read(Kind::Primary, &["no", "ONE"]).unwrap(), "");
        assert_eq!(read(Kind::Primary, &["h", "70000"]).unwrap_err(), "Invalid master port");
        assert_eq!(read(Kind::Primary, &["h"]).unwrap_err(), "wrong number of arguments");
        assert!(read(Kind::TitleTemplate, &["{foo}"]).is_err());
        assert!(read(Kind::TitleTemplate, &["{title} x"]).is_ok());
    }

    #[test]
    fn memory_is_written_with_the_largest_unit_that_divides_it() {
        for (bytes, text) in [(0, "0"), (1000, "1000"), (1024, "1kb"), (5 << 20, "5mb"), (1 << 30, "1gb")] {
            assert_eq!(show_with_unit(bytes), text);
        }
    }
}
