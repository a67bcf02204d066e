//! `keyslot-node cluster rebalance`: measures what the nodes of a cluster bear, plans which slots move so that each bears its share,
//! prints the plan and carries it out.
//!
//! The plan is data: lines that begin with `#` are for people, the others are a [`Plan`] that `--apply` reads back.

use super::bar::Bar;
use crate::balancing::asked::{AskError, Credentials};
use crate::balancing::round::{self, Carried, CarryError};
use crate::balancing::survey::{Primary, SurveyError, primaries};
use keyslot::replication::cluster::NodeName;
use keyslot::replication::cluster::balance::{BalancePolicy, Greedy, Loads, Measure, NodeLoad, Part, Plan, PlanError};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What to balance, and how.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct RebalanceOptions {
    host: String,
    port: u16,
    user: Option<String>,
    password: Option<String>,
    policy: Greedy,
    only_plans: bool,
    /// A plan that was made before.
    apply: Option<PathBuf>,
    uses_empty_primaries: bool,
    /// Nodes by the beginnings of their names, or by their places.
    weights: Vec<(String, f64)>,
    drains: Vec<String>,
    /// How long operations are watched.
    window: Duration,
}

/// Why a cluster is not balanced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RebalanceError {
    #[error(transparent)]
    Survey(#[from] SurveyError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("{0} names no primary of the cluster, or several")]
    UnknownNode(String),
    #[error("no primary is left that could take slots")]
    NobodyTakes,
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("{}: {error}", path.display())]
    Plan { path: PathBuf, error: PlanError },
    #[error(transparent)]
    Carry(#[from] CarryError),
}

impl RebalanceOptions {
    /// Reads the words behind `rebalance`. An error names the word that is not understood.
    pub(crate) fn read(words: &[Vec<u8>]) -> Result<Self, String> {
        let mut options = Self {
            host: String::new(),
            port: 0,
            user: None,
            password: None,
            policy: Greedy::default(),
            only_plans: false,
            apply: None,
            uses_empty_primaries: false,
            weights: Vec::new(),
            drains: Vec::new(),
            window: Duration::from_secs(2),
        };
        let mut words = words.iter().map(|word| String::from_utf8_lossy(word).into_owned());
        while let Some(word) = words.next() {
            if !word.starts_with('-') {
                let (host, port) = place(&word).filter(|_| options.host.is_empty()).ok_or(word)?;
                (options.host, options.port) = (host, port);
                continue;
            }
            match word.as_str() {
                "--plan" => options.only_plans = true,
                "--use-empty-primaries" => options.uses_empty_primaries = true,
                _ => {
                    let value = words.next().ok_or_else(|| word.clone())?;
                    options.set(&word, &value).ok_or_else(|| format!("{word} {value}"))?;
                }
            }
        }
        if options.host.is_empty() { Err("nothing".to_owned()) } else { Ok(options) }
    }

    /// Takes an option that has a value; `None` if it is not understood.
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let positive = |value: &str| value.parse::<f64>().ok().filter(|number| (0.0..=1e9).contains(number));
        match name {
            "--user" => self.user = Some(value.to_owned()),
            "-a" => self.password = Some(value.to_owned()),
            "--by" => self.policy.measure = Measure::of_name(value)?,
            "--threshold" => self.policy.threshold_percent = positive(value)?,
            "--window" => self.window = Duration::from_secs_f64(positive(value).filter(|seconds| *seconds <= 3600.0)?),
            "--apply" => self.apply = Some(value.into()),
            "--drain" => self.drains.push(value.to_owned()),
            "--weight" => {
                let (node, weight) = value.split_once('=')?;
                self.weights.push((node.to_owned(), positive(weight)?));
            }
            "--budget" => {
                let (what, number) = value.split_once('=')?;
                let number = number.parse().ok().filter(|number| *number > 0)?;
                let budget = &mut self.policy.budget;
                let bound = match what {
                    "slots" => &mut budget.slots,
                    "keys" => &mut budget.keys,
                    "bytes" => &mut budget.bytes,
                    _ => return None,
                };
                *bound = number;
            }
            _ => return None,
        }
        Some(())
    }
}

/// `host:port`.
pub(super) fn place(word: &str) -> Option<(String, u16)> {
    let (host, port) = word.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// Balances. The text is for people; with `--plan` it is the plan. The password may also stand in `REDISCLI_AUTH`.
pub(crate) fn run(
    options: &RebalanceOptions,
    password_of_environment: Option<String>,
) -> Result<String, RebalanceError> {
    let password = options.password.clone().or(password_of_environment);
    let credentials = password.map(|password| Credentials { user: options.user.clone(), password });
    let mut primaries = primaries(&options.host, options.port, credentials.as_ref())?;
    let (plan, text) = match &options.apply {
        Some(path) => {
            let plan = plan_of_file(path)?;
            (plan.clone(), plan.to_string())
        }
        None => make_plan(options, &mut primaries)?,
    };
    if options.only_plans {
        return Ok(text);
    }
    print!("{text}");
    carry_out(&plan, &mut primaries, credentials.as_ref())
}

fn plan_of_file(path: &Path) -> Result<Plan, RebalanceError> {
    let text = std::fs::read_to_string(path).map_err(|error| RebalanceError::File { path: path.to_owned(), error })?;
    text.parse().map_err(|error| RebalanceError::Plan { path: path.to_owned(), error })
}

/// The plan, and its text with comments.
fn make_plan(options: &RebalanceOptions, primaries: &mut [Primary]) -> Result<(Plan, String), RebalanceError> {
    let mut loads = Loads::new(nodes(options, primaries)?);
    if !loads.nodes.iter().any(|node| matches!(node.part, Part::Shares(weight) if weight > 0.0)) {
        return Err(RebalanceError::NobodyTakes);
    }
    let mut text = String::new();
    let mut policy = options.policy;
    policy.measure = measure(options, primaries, &mut loads, &mut text)?;
    let plan = policy.plan(&loads);
    let after = plan.applied_to(&loads);
    let by = policy.measure;
    let _ = writeln!(text, "# by {}, within {} %", by.name(), policy.threshold_percent);
    for ((before, after_it), primary) in loads.nodes.iter().zip(&after.nodes).zip(primaries.iter()) {
        let (now, then) = (loads.of_node(before, by), after.of_node(after_it, by));
        let _ = writeln!(text, "# {} {}: {now} {}, then {then}", primary.name, primary.place(), by.name());
    }
    let called = |name: NodeName| {
        primaries.iter().find(|primary| primary.name == name).map_or_else(|| name.to_string(), Primary::place)
    };
    for step in &plan.steps {
        let _ = writeln!(text, "# {}", step.explain(called));
    }
    if plan.slots_left > 0 {
        let _ = writeln!(text, "# {} more slots are to move after that: the budget leaves them out", plan.slots_left);
    }
    if plan.is_empty() {
        let _ = writeln!(text, "# nothing is worth a move");
    }
    let _ = write!(text, "{plan}");
    Ok((plan, text))
}

/// The primaries, each with its part.
fn nodes(options: &RebalanceOptions, primaries: &[Primary]) -> Result<Vec<NodeLoad>, RebalanceError> {
    let mut parts: BTreeMap<NodeName, Part> = BTreeMap::new();
    for (word, weight) in &options.weights {
        let part = if *weight > 0.0 { Part::Shares(*weight) } else { Part::Drains };
        parts.insert(named(word, primaries)?, part);
    }
    for word in &options.drains {
        parts.insert(named(word, primaries)?, Part::Drains);
    }
    let part = |primary: &Primary| match parts.get(&primary.name) {
        Some(part) => *part,
        None if primary.slots.is_empty() && !options.uses_empty_primaries => Part::Keeps,
        None => Part::Shares(1.0),
    };
    let load = |primary: &Primary| NodeLoad { name: primary.name, slots: primary.slots.clone(), part: part(primary) };
    Ok(primaries.iter().map(load).collect())
}

/// The primary that a word means: its place, or the beginning of its name.
fn named(word: &str, primaries: &[Primary]) -> Result<NodeName, RebalanceError> {
    let fits = |primary: &&Primary| primary.place() == word || primary.name.as_str().starts_with(word);
    let mut found = primaries.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(primary), None) if !word.is_empty() => Ok(primary.name),
        _ => Err(RebalanceError::UnknownNode(word.to_owned())),
    }
}

/// Fills in the loads; says by what they can be compared, and writes why that is not what was asked for.
fn measure(
    options: &RebalanceOptions,
    primaries: &mut [Primary],
    loads: &mut Loads,
    text: &mut String,
) -> Result<Measure, RebalanceError> {
    let wanted = options.policy.measure;
    let measured = round::measure(wanted, options.window, primaries, loads)?;
    if !measured.silent.is_empty() {
        let _ = writeln!(text, "# {} not told by {}: keys decide", wanted.name(), measured.silent.join(", "));
    }
    Ok(measured.by)
}

fn carry_out(
    plan: &Plan,
    primaries: &mut [Primary],
    credentials: Option<&Credentials>,
) -> Result<String, RebalanceError> {
    let (began, total) = (Instant::now(), plan.slot_count());
    let mut bar = Bar::new();
    let carried = round::carry_out(plan, primaries, credentials, |done| bar.show(done as u64, total as u64));
    bar.end();
    let Carried { slots, keys } = carried?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(match slots {
        0 => "Nothing moved: every node bears its share.".to_owned(),
        _ => format!("{slots} slots with {keys} keys moved in {seconds:.1} s."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyslot::replication::cluster::balance::Budget;

    fn read(text: &str) -> Result<RebalanceOptions, String> {
        let words: Vec<Vec<u8>> = text.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect();
        RebalanceOptions::read(&words)
    }

    #[test]
    fn options_are_read() {
        let plain = read("127.0.0.1:7000").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.policy), ("127.0.0.1", 7000, Greedy::default()));
        let all = read(
            "--plan --by bytes --weight ab=2 --weight cd=0.5 --threshold 3 --budget slots=7 --budget bytes=9 \
             --use-empty-primaries --drain ef --window 0.5 --user ops -a secret --apply plan.txt ::1:7000",
        )
        .unwrap();
        assert_eq!(
            (all.host.as_str(), all.user.as_deref(), all.password.as_deref()),
            ("::1", Some("ops"), Some("secret"))
        );
        assert!(all.only_plans && all.uses_empty_primaries);
        assert_eq!(all.weights, [("ab".to_owned(), 2.0), ("cd".to_owned(), 0.5)]);
        assert_eq!(
            (all.drains, all.window, all.apply),
            (vec!["ef".into()], Duration::from_millis(500), Some("plan.txt".into()))
        );
        let budget = Budget { slots: 7, bytes: 9, ..Budget::UNLIMITED };
        assert_eq!(all.policy, Greedy { measure: Measure::Bytes, threshold_percent: 3.0, budget });
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, word) in [
            ("", "nothing"),
            ("--plan", "nothing"),
            ("a", "a"),
            ("a:0", "a:0"),
            ("a:1 b:2", "b:2"),
            ("--by weight a:1", "--by weight"),
            ("--budget slots=0 a:1", "--budget slots=0"),
            ("--budget 7 a:1", "--budget 7"),
            ("--weight a=-1 a:1", "--weight a=-1"),
            ("--fast 1 a:1", "--fast 1"),
            ("a:1 --drain", "--drain"),
        ] {
            assert_eq!(read(text), Err(word.to_owned()), "{text}");
        }
    }
}
