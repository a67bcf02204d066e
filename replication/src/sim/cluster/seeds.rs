//! Tests of many seeds, and what is left of one that fails: a line to run it again, and a picture.

use super::scene::{SETTLES_WITHIN_MS, SimulatedCluster};
use super::{NetworkOptions, Simulation};
use crate::sim::{Disk, Violation};
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

/// Runs a test with a cluster of three primaries with a replica each, once for every seed: the seed decides every delay, every name and
/// all else that is left to chance. See [`SimulatedCluster`] for what the test can do with it.
///
/// ```
/// use std::time::Duration;
///
/// keyslot_replication::sim::cluster::simulate(5, |cluster| {
///     let client = cluster.client();
///     client.set("foo", 1)?;
///     cluster.run_for(Duration::from_millis(100))?; // it gets to the replica
///     let dead = cluster.kill(cluster.primary_of("foo"));
///     assert_eq!(client.get("foo")?, Some("1".to_owned()));
///     cluster.restart(dead);
///     cluster.assert_converged();
///     Ok(())
/// });
/// ```
///
/// `seeds` is how many, from 0 on, or a range, or [`Seeds`], which says more of the cluster. When the test is over, all partitions are
/// healed, nodes that are off are started, and the cluster must become stable within two minutes of virtual time; then everything is
/// checked once more ([what](super)).
///
/// # Panics
///
/// If the test panics or returns an error, or something does not hold, at the first seed for which that is so. The panic tells the seed,
/// one line that runs it alone (`KEYSLOT_SEED=173 cargo test ...`), and where the [picture](SimulatedCluster::timeline) of what happened
/// was written.
#[track_caller]
pub fn simulate(seeds: impl Into<Seeds>, test: impl Fn(&SimulatedCluster) -> Result<(), Box<dyn Error>>) {
    if let Err(failure) = seeds.into().run(test) {
        panic!("{failure}");
    }
}

/// Which seeds, and what cluster. `KEYSLOT_SEED=<n>` in the environment has that seed run instead, `KEYSLOT_SEEDS=<n>` so many from there
/// on.
#[derive(Clone, Debug)]
pub struct Seeds {
    range: Range<u64>,
    primaries: usize,
    replicas: usize,
    node_timeout: Duration,
    disk: Disk,
    network: NetworkOptions,
    folder: Option<PathBuf>,
}

/// A test that failed for a seed.
#[derive(Debug, thiserror::Error)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was wrong.
    pub what: String,
    /// One line that runs this seed alone.
    pub replay: String,
    /// Where the picture is; an error says why there is none.
    pub timeline: Result<PathBuf, std::io::Error>,
    /// What happened, a line each.
    pub trace: String,
}

impl From<u64> for Seeds {
    fn from(count: u64) -> Self {
        (0..count).into()
    }
}

impl From<Range<u64>> for Seeds {
    fn from(range: Range<u64>) -> Self {
        Self {
            range,
            primaries: 3,
            replicas: 1,
            node_timeout: Duration::from_secs(1),
            disk: Disk::None,
            network: NetworkOptions::CALM,
            folder: None,
        }
    }
}

impl Seeds {
    /// So many, from 0 on.
    pub fn new(count: u64) -> Self {
        count.into()
    }

    /// So many primaries, which share the slots evenly; 3 if nothing is said.
    #[must_use]
    pub fn primaries(mut self, count: usize) -> Self {
        self.primaries = count;
        self
    }

    /// So many replicas for each; one if nothing is said.
    #[must_use]
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// How long a node may be silent before it is down (`cluster-node-timeout`); a second if nothing is said.
    #[must_use]
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout;
        self
    }

    /// What nodes keep of their data when they are killed; nothing if nothing is said.
    #[must_use]
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disk = disk;
        self
    }

    /// How the network behaves once the cluster is formed; calm if nothing is said.
    #[must_use]
    pub fn network(mut self, options: NetworkOptions) -> Self {
        self.network = options;
        self
    }

    /// Where pictures go; the system's folder for temporary files if nothing is said.
    #[must_use]
    pub fn timelines_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// As [`simulate`], and returns what failed.
    pub fn run(self, test: impl Fn(&SimulatedCluster) -> Result<(), Box<dyn Error>>) -> Result<(), Box<Failure>> {
        let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let range = match variable("KEYSLOT_SEED") {
            Some(first) => first..first.saturating_add(variable("KEYSLOT_SEEDS").unwrap_or(1)),
            None => self.range.clone(),
        };
        range.into_iter().try_for_each(|seed| self.run_seed(seed, &test))
    }

    fn run_seed(
        &self,
        seed: u64,
        test: &impl Fn(&SimulatedCluster) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<Failure>> {
        let cluster = SimulatedCluster::new(Simulation::new(seed));
        let outcome = catch_unwind(AssertUnwindSafe(|| self.play(&cluster, test)));
        let what = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => text_of(&*panic),
        };
        // A violation is why the test failed, more often than not.
        let what = cluster.with(|sim| sim.violation.clone()).map_or(what, |it: Violation| it.to_string());
        Err(Box::new(self.fail(seed, &cluster, what)))
    }

    fn play(
        &self,
        cluster: &SimulatedCluster,
        test: &impl Fn(&SimulatedCluster) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        cluster.with(|sim| {
            sim.set_node_timeout(i64::try_from(self.node_timeout.as_millis()).unwrap_or(i64::MAX));
            sim.set_disk(self.disk);
            sim.form(self.primaries, self.replicas);
            sim.run_until_stable(SETTLES_WITHIN_MS)?;
            sim.set_network(self.network);
            Ok::<_, Violation>(())
        })?;
        test(cluster)?;
        cluster.with(|sim| sim.end_well())?;
        Ok(())
    }

    fn fail(&self, seed: u64, cluster: &SimulatedCluster, what: String) -> Failure {
        // A test's thread is called what the test is.
        let thread = std::thread::current();
        let name = thread.name().filter(|name| *name != "main").unwrap_or("").to_owned();
        let package = std::env::var("CARGO_PKG_NAME").map(|name| format!(" -p {name}")).unwrap_or_default();
        let space = if name.is_empty() { "" } else { " " };
        let replay = format!("KEYSLOT_SEED={seed} cargo test{package}{space}{name}");
        let file: String = name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
        let folder = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        let path = folder.join(format!("keyslot-{file}-{seed}.html"));
        let page = cluster.with(|sim| sim.timeline(&what));
        let timeline = std::fs::write(&path, page).map(|()| path);
        Failure { seed, what, replay, timeline, trace: cluster.trace() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        writeln!(f, "replay: {}", self.replay)?;
        match &self.timeline {
            Ok(path) => write!(f, "timeline: {}", path.display()),
            Err(error) => write!(f, "timeline: not written: {error}"),
        }
    }
}

/// What a panic said.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("the test panicked").to_owned()
}
