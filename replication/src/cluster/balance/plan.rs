//! A plan: which slots go from where to where, as data. Its text is read back, and explained to people.
//!
//! ```text
//! move 6f9c... 03be... keys=12345 bytes=1258291 operations=99 because=above:12 slots 0-340 1000
//! rest 2000
//! ```
//!
//! One line for each step, and one if a budget left slots out. Lines that begin with `#` and empty ones are comments.

use super::super::name::NodeName;
use super::load::{Loads, NodeLoad, SlotLoad};
use keyslot_engine::slot::SlotSet;
use std::fmt;
use std::str::FromStr;

/// Why slots move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Their node is to have none.
    Drained,
    /// Their node bears more than its share, by so many percent.
    Above(u64),
    /// The node to which they go bears less than its share, by so many percent.
    Below(u64),
}

/// Slots that go from one node to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Who has them.
    pub source: NodeName,
    /// Who gets them.
    pub target: NodeName,
    /// Which.
    pub slots: SlotSet,
    /// What they bear together.
    pub load: SlotLoad,
    /// Why.
    pub reason: Reason,
}

/// What is to move.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    /// How many more slots would move if there were no budget.
    pub slots_left: usize,
}

/// A line of a plan is not understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: expected {expected}, found {found:?}")]
pub struct PlanError {
    /// Its number, the first is 1.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

impl Plan {
    /// Whether nothing is to move.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The loads once the plan is carried out. What a step says of a slot that its source does not have counts for nothing.
    #[must_use]
    pub fn applied_to(&self, loads: &Loads) -> Loads {
        let mut after = loads.clone();
        for step in &self.steps {
            let find = |nodes: &[NodeLoad], name| nodes.iter().position(|node| node.name == name);
            let (Some(source), Some(target)) = (find(&after.nodes, step.source), find(&after.nodes, step.target))
            else {
                continue;
            };
            let moved = after.nodes[source].slots.intersection(&step.slots);
            after.nodes[source].slots = after.nodes[source].slots.difference(&moved);
            after.nodes[target].slots = after.nodes[target].slots.union(&moved);
        }
        after
    }

    /// How many slots move.
    pub fn slot_count(&self) -> usize {
        self.steps.iter().map(|step| step.slots.len()).sum()
    }

    /// What moves, all steps together.
    pub fn load(&self) -> SlotLoad {
        self.steps.iter().fold(SlotLoad::default(), |sum, step| SlotLoad {
            keys: sum.keys + step.load.keys,
            bytes: sum.bytes + step.load.bytes,
            operations: sum.operations + step.load.operations,
        })
    }
}

impl Step {
    /// The step in words; `name` says what a node is called.
    pub fn explain(&self, name: impl Fn(NodeName) -> String) -> String {
        let (source, target) = (name(self.source), name(self.target));
        let why = match self.reason {
            Reason::Drained => format!("{source} is to have none"),
            Reason::Above(percent) => format!("{source} bears {percent} % more than its share"),
            Reason::Below(percent) => format!("{target} bears {percent} % less than its share"),
        };
        let (slots, keys, bytes) = (self.slots.len() as u64, self.load.keys, self.load.bytes);
        let noun = if slots == 1 { "slot" } else { "slots" };
        format!(
            "move {} {noun}, {} keys, {} from {source} to {target} because {why}",
            in_groups(slots),
            in_groups(keys),
            in_bytes(bytes)
        )
    }
}

/// A number for people: `12 345`.
fn in_groups(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes for people: `1.2 MB`.
fn in_bytes(bytes: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
    let step = (0..units.len()).rev().find(|step| bytes >= 1000u64.pow(*step as u32)).unwrap_or(0);
    match step {
        0 => format!("{bytes} bytes"),
        _ => format!("{:.1} {}", bytes as f64 / 1000f64.powi(step as i32), units[step]),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drained => f.write_str("drained"),
            Self::Above(percent) => write!(f, "above:{percent}"),
            Self::Below(percent) => write!(f, "below:{percent}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, target, slots, load: SlotLoad { keys, bytes, operations }, reason } = self;
        write!(
            f,
            "move {source} {target} keys={keys} bytes={bytes} operations={operations} because={reason} slots {slots}"
        )
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))?;
        match self.slots_left {
            0 => Ok(()),
            left => writeln!(f, "rest {left}"),
        }
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let error =
                |expected: &'static str, found: &str| PlanError { line: at + 1, expected, found: found.to_owned() };
            match line.split_once(' ') {
                _ if line.is_empty() || line.starts_with('#') => {}
                Some(("move", rest)) => {
                    plan.steps.push(read_step(rest).map_err(|(expected, found)| error(expected, found))?)
                }
                Some(("rest", number)) => {
                    plan.slots_left = number.parse().map_err(|_| error("a number of slots", number))?;
                }
                _ => return Err(error("move, rest or a comment", line)),
            }
        }
        Ok(plan)
    }
}

/// What stands behind `move`. An error says what was expected, and what is there.
fn read_step(text: &str) -> Result<Step, (&'static str, &str)> {
    let (head, slots) = text.split_once(" slots ").ok_or(("slots and a list of them", text))?;
    let words: Vec<&str> = head.split(' ').collect();
    let [source, target, keys, bytes, operations, reason] = words[..] else {
        return Err(("two names, keys=, bytes=, operations= and because=", head));
    };
    let name = |word| NodeName::parse(str::as_bytes(word)).ok_or(("the name of a node", word));
    let number = |word, field: &str, expected| {
        let value = str::strip_prefix(word, field).and_then(|value| value.parse::<u64>().ok());
        value.ok_or((expected, word))
    };
    let load = SlotLoad {
        keys: number(keys, "keys=", "keys=number")?,
        bytes: number(bytes, "bytes=", "bytes=number")?,
        operations: number(operations, "operations=", "operations=number")?,
    };
    let expected = "because=drained, above:percent or below:percent";
    let reason = match reason.strip_prefix("because=").map(|reason| reason.split_once(':').unwrap_or((reason, ""))) {
        Some(("drained", "")) => Reason::Drained,
        Some(("above", percent)) => Reason::Above(percent.parse().map_err(|_| (expected, reason))?),
        Some(("below", percent)) => Reason::Below(percent.parse().map_err(|_| (expected, reason))?),
        _ => return Err((expected, reason)),
    };
    let slots = slots.parse().map_err(|_| ("a list of slots", slots))?;
    Ok(Step { source: name(source)?, target: name(target)?, slots, load, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(digit: char) -> NodeName {
        NodeName::parse(digit.to_string().repeat(40).as_bytes()).expect("it is a name")
    }

    fn step() -> Step {
        Step {
            source: name('a'),
            target: name('b'),
            slots: "0-339 1000".parse().expect("slots"),
            load: SlotLoad { keys: 12_345, bytes: 1_234_567, operations: 7 },
            reason: Reason::Above(12),
        }
    }

    #[test]
    fn a_step_is_told_in_words() {
        let call = |of: NodeName| if of == name('a') { "a".to_owned() } else { "b".to_owned() };
        let text = step().explain(call);
        assert_eq!(text, "move 341 slots, 12 345 keys, 1.2 MB from a to b because a bears 12 % more than its share");
        let one = Step { slots: "5".parse().unwrap(), load: SlotLoad::default(), reason: Reason::Below(100), ..step() };
        assert_eq!(
            one.explain(call),
            "move 1 slot, 0 keys, 0 bytes from a to b because b bears 100 % less than its share"
        );
        assert!(Step { reason: Reason::Drained, ..step() }.explain(call).ends_with("because a is to have none"));
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let other = Step { reason: Reason::Drained, ..step() };
        let plan = Plan { steps: vec![step(), other, Step { reason: Reason::Below(3), ..step() }], slots_left: 9 };
        assert_eq!(format!("# a comment\n\n{plan}").parse(), Ok(plan));
        assert_eq!("".parse(), Ok(Plan::default()));
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        let good = step().to_string();
        for (from, to, expected) in [
            ("move", "drop", "move, rest or a comment"),
            (" slots ", " ", "slots and a list of them"),
            ("keys=", "key=", "keys=number"),
            ("bytes=", "bytes=-", "bytes=number"),
            ("operations=7", "operations=x", "operations=number"),
            ("above:12", "above:", "because=drained, above:percent or below:percent"),
            ("aaaa", "xxxx", "the name of a node"),
            ("0-339", "0-16384", "a list of slots"),
            (" keys", " more keys", "two names, keys=, bytes=, operations= and because="),
        ] {
            let error = format!("# one\n{}", good.replacen(from, to, 1)).parse::<Plan>().expect_err(from);
            assert_eq!((error.line, error.expected), (2, expected), "{from}");
        }
        assert_eq!("rest x".parse::<Plan>().expect_err("no number").to_string(), {
            "line 1: expected a number of slots, found \"x\""
        });
    }
}
