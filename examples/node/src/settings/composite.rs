//! Values made of several parts: save points, buffer limits, event classes, percentiles.

use super::kind::{Value, ValueError, integer, memory, show_with_unit};
use keyslot::engine::EventClasses;
use std::fmt;

/// Snapshot after `seconds` if at least `changes` keys changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SavePoint {
    pub(crate) seconds: i64,
    pub(crate) changes: i64,
}

impl fmt::Display for SavePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seconds, self.changes)
    }
}

/// Reads pairs and adds them to those of the lines before; no words at all forget every point.
pub(super) fn read_save_points(words: &[&[u8]], base: &Value) -> Result<Vec<SavePoint>, ValueError> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let (pairs, []) = words.as_chunks::<2>() else { return Err(ValueError::SavePoints) };
    let mut points = match base {
        Value::SavePoints(points) => points.clone(),
        _ => Vec::new(),
    };
    if points.len() + pairs.len() > SAVE_POINTS_MAX {
        return Err(ValueError::SavePoints);
    }
    for [seconds, changes] in pairs {
        let seconds = integer(seconds).filter(|seconds| *seconds >= 1).ok_or(ValueError::SavePoints)?;
        let changes = integer(changes).filter(|changes| *changes >= 0).ok_or(ValueError::SavePoints)?;
        points.push(SavePoint { seconds, changes });
    }
    Ok(points)
}

pub(super) fn show_save_points(points: &[SavePoint]) -> Vec<u8> {
    points.iter().map(SavePoint::to_string).collect::<Vec<_>>().join(" ").into()
}

/// How much output may wait for one client before it is disconnected. Zero means no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct BufferLimit {
    pub(crate) hard_bytes: u64,
    pub(crate) soft_bytes: u64,
    /// How long the soft limit may be passed.
    pub(crate) soft_seconds: i64,
}

/// The limits of normal clients, replicas and subscribers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BufferLimits {
    pub(crate) normal: BufferLimit,
    pub(crate) replica: BufferLimit,
    pub(crate) pubsub: BufferLimit,
}

impl BufferLimits {
    /// Reads groups of class, hard limit, soft limit and soft seconds; classes not named keep what `base` says.
    pub(super) fn read(words: &[&[u8]], base: &Value) -> Result<Self, ValueError> {
        let (groups, []) = words.as_chunks::<4>() else { return Err(ValueError::BufferLimitWordCount) };
        let mut limits = match base {
            Value::BufferLimits(limits) => *limits,
            _ => {
                Self { normal: BufferLimit::default(), replica: BufferLimit::default(), pubsub: BufferLimit::default() }
            }
        };
        for [class, hard, soft, seconds] in groups {
            let limit = match class.to_ascii_lowercase().as_slice() {
                b"normal" => &mut limits.normal,
                b"replica" | b"slave" => &mut limits.replica,
                b"pubsub" => &mut limits.pubsub,
                _ => return Err(ValueError::BufferLimitClass),
            };
            let bytes = |word: &[u8]| memory(word).ok_or(ValueError::BufferLimitNumber);
            *limit = BufferLimit {
                hard_bytes: bytes(hard)?,
                soft_bytes: bytes(soft)?,
                soft_seconds: integer(seconds)
                    .filter(|seconds| (0..=i64::from(i32::MAX)).contains(seconds))
                    .ok_or(ValueError::BufferLimitNumber)?,
            };
        }
        Ok(limits)
    }

    /// As CONFIG GET prints it, with the old name of the replica class.
    pub(super) fn show(&self) -> String {
        let class = |name: &str, limit: &BufferLimit| {
            format!("{name} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
        };
        [class("normal", &self.normal), class("slave", &self.replica), class("pubsub", &self.pubsub)].join(" ")
    }

    /// One line for each class that differs from `standard`; all three if none does.
    pub(super) fn lines(&self, standard: &Self) -> Vec<Vec<u8>> {
        let classes = [
            ("normal", self.normal, standard.normal),
            ("replica", self.replica, standard.replica),
            ("pubsub", self.pubsub, standard.pubsub),
        ];
        let line = |(name, limit, _): &(&str, BufferLimit, BufferLimit)| {
            let (hard, soft) = (show_with_unit(limit.hard_bytes), show_with_unit(limit.soft_bytes));
            format!("{name} {hard} {soft} {}", limit.soft_seconds).into_bytes()
        };
        let changed: Vec<_> = classes.iter().filter(|(_, limit, standard)| limit != standard).map(line).collect();
        if changed.is_empty() { classes.iter().map(line).collect() } else { changed }
    }
}

/// Reads which keyspace events are announced: class letters in one word.
pub(super) fn read_events(words: &[&[u8]]) -> Result<EventClasses, ValueError> {
    let [word] = words else { return Err(ValueError::WordCount) };
    let letters = std::str::from_utf8(word).map_err(|_| ValueError::EventClass)?;
    letters.parse().map_err(|_| ValueError::EventClass)
}

pub(super) fn read_percentiles(words: &[&[u8]]) -> Result<Vec<f64>, ValueError> {
    if words.len() > PERCENTILES_MAX {
        return Err(ValueError::Percentile);
    }
    words
        .iter()
        .map(|word| {
            let number: f64 =
                std::str::from_utf8(word).ok().and_then(|text| text.parse().ok()).ok_or(ValueError::Percentile)?;
            if (0.0..=100.0).contains(&number) { Ok(number) } else { Err(ValueError::PercentileOutOfRange) }
        })
        .collect()
}

/// The classes that `A` stands for come first; `K`, `E`, `m` and `n` must be asked for.
const SAVE_POINTS_MAX: usize = 1024;
const PERCENTILES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    fn read(kind: Kind, text: &str, base: &Value) -> Result<Value, String> {
        kind.read("x", &[text.as_bytes()], base).map_err(|error| error.to_string())
    }

    fn shown(kind: Kind, text: &str) -> String {
        String::from_utf8(kind.show(&read(kind, text, &Value::Switch(false)).unwrap())).unwrap()
    }

    #[test]
    fn save_points_add_up_and_nothing_forgets_them() {
        let first = read(Kind::SavePoints, "900 1", &Value::Switch(false)).unwrap();
        let both = read(Kind::SavePoints, "300 10 60 0", &first).unwrap();
        assert_eq!(Kind::SavePoints.show(&both), b"900 1 300 10 60 0");
        assert_eq!(read(Kind::SavePoints, "", &both).unwrap(), Value::SavePoints(Vec::new()));
        for text in ["1", "0 1", "1 -1", "a b", " ", "1 2 3"] {
            assert_eq!(read(Kind::SavePoints, text, &both).unwrap_err(), "Invalid save parameters", "{text}");
        }
    }

    #[test]
    fn buffer_limits_change_only_the_classes_named() {
        let base = read(Kind::BufferLimits, "pubsub 32mb 8mb 60", &Value::Switch(false)).unwrap();
        let value = read(Kind::BufferLimits, "normal 5mb 6mb 7 replica 1 2 3", &base).unwrap();
        assert_eq!(Kind::BufferLimits.show(&value), b"normal 5242880 6291456 7 slave 1 2 3 pubsub 33554432 8388608 60");
        let lines = Kind::BufferLimits.lines(&value, &base);
        assert_eq!(lines, [b"normal 5mb 6mb 7".to_vec(), b"replica 1 2 3".to_vec()]);
        for (text, error) in [
            ("normal 5mb 6mb", "Wrong number of arguments in buffer limit configuration."),
            ("master 1 2 3", "Invalid client class specified in buffer limit configuration."),
            ("normal 5zz 6mb 3", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
            ("normal 1 2 -3", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ] {
            assert_eq!(read(Kind::BufferLimits, text, &base).unwrap_err(), error);
        }
    }

    #[test]
    fn event_classes_are_shown_in_one_order() {
        assert_eq!(shown(Kind::Events, "KEA"), "AKE");
        assert_eq!(shown(Kind::Events, "Kg$lshzxetdmE"), "AKEm");
        assert_eq!(shown(Kind::Events, "xKl"), "lxK");
        assert_eq!(shown(Kind::Events, ""), "");
        assert!(read(Kind::Events, "zq", &Value::Switch(false)).is_err());
    }

    #[test]
    fn percentiles_lose_their_trailing_zeros() {
        assert_eq!(shown(Kind::Percentiles, "50.00 99.9 7"), "50 99.9 7");
        assert_eq!(shown(Kind::Percentiles, ""), "");
        assert!(read(Kind::Percentiles, "101", &Value::Switch(false)).unwrap_err().contains("should sit between"));
        assert!(read(Kind::Percentiles, "nan", &Value::Switch(false)).is_err());
    }
}
