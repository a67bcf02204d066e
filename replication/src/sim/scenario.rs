//! What a seed does to a simulation.

use super::{Disk, MachineOptions, Simulation, Violation, Weather};
use crate::chance::Chance;
use crate::node::FailoverRequest;
use keyslot_engine::Ack;
use keyslot_persistence::Durability;
use keyslot_persistence::storage::Loss;

/// What came of a seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Streams that went on where they were cut.
    pub went_on: usize,
    /// Snapshots that were sent.
    pub anew: usize,
    /// Marked writes that replicas confirmed.
    pub confirmed: usize,
    /// Replicas that took their primary's place.
    pub took_over: usize,
    /// Replies that waited for more than memory, and came.
    pub acknowledged: usize,
    /// Virtual time.
    pub elapsed_ms: i64,
}

/// Two to five nodes, in chains and stars, and everything that may happen to them, twice until it is quiet.
pub fn explore(seed: u64) -> Result<Summary, Violation> {
    let mut sim = Simulation::new(seed);
    explore_with(&mut sim)
}

/// As [`explore`], in a simulation that is given, so that its trace can be read.
pub fn explore_with(sim: &mut Simulation) -> Result<Summary, Violation> {
    let count = 2 + sim.chance.below(4) as usize;
    let keeps_disks = sim.chance.once_in(2);
    for _ in 0..count {
        let disk = match sim.chance.below(4) {
            _ if !keeps_disks => Disk::None,
            0 => Disk::None,
            1 => Disk::Log(Durability::Always),
            2 => Disk::Log(Durability::EverySecond),
            _ => Disk::Log(Durability::Never),
        };
        let backlog_size_bytes_max = [2048, 1 << 14, 1 << 20][sim.chance.below(3) as usize];
        let sends_marked = sim.chance.once_in(2);
        let native = sim.chance.once_in(2);
        sim.add_node(MachineOptions { disk, backlog_size_bytes_max, sends_marked, native });
    }
    for node in 1..count {
        let primary = sim.chance.below(node as u64) as usize;
        sim.follow(node, primary);
    }
    for _ in 0..2 {
        // With a planted bug nobody is mad besides, and chance is what it was.
        let mad_once_in = if sim.chance.once_in(3) && sim.flaw.is_none() { 5 } else { 0 };
        sim.set_weather(Weather { mad_once_in, ..Weather::ROUGH });
        let events = 40 + sim.chance.below(80);
        for _ in 0..events {
            happen(sim);
            let pause_ms = if sim.chance.once_in(8) { 1500 } else { 40 };
            let ms = 1 + sim.chance.below(pause_ms) as i64;
            sim.run_for(ms)?;
        }
        sim.settle()?;
    }
    let count_of = |text: &str| sim.trace.matches(text).count();
    Ok(Summary {
        went_on: count_of("goes on: true"),
        anew: count_of("goes on: false"),
        took_over: count_of("TookOver"),
        confirmed: sim.trace.lines().filter(|line| line.contains("confirmed by") && !line.ends_with("by 0")).count(),
        acknowledged: count_of("is acknowledged"),
        elapsed_ms: sim.elapsed_ms(),
    })
}

fn happen(sim: &mut Simulation) {
    let count = sim.machines.len() as u64;
    let node = sim.chance.below(count) as usize;
    let leaders: Vec<usize> =
        (0..count as usize).filter(|node| sim.primary_of(*node).is_none() && sim.is_on(*node)).collect();
    let leader = (!leaders.is_empty()).then(|| leaders[sim.chance.below(leaders.len() as u64) as usize]);
    match sim.chance.below(40) {
        0 => sim.cut(node),
        1 if sim.is_on(node) => {
            let loss = [Loss::Nothing, Loss::All, Loss::Random, Loss::Tail][sim.chance.below(4) as usize];
            // Between the append and the send, sometimes.
            if leader == Some(node) {
                write(sim, node);
            }
            sim.kill(node, loss);
        }
        1..=3 => match sim.chance.below(8) {
            0 => sim.start_empty(node),
            _ => sim.start(node),
        },
        4 if sim.chance.once_in(2) => sim.promote(node),
        5 => {
            let other = sim.chance.below(count) as usize;
            if !is_below(sim, other, node) {
                sim.follow(node, other);
            }
        }
        6 if sim.chance.once_in(4) => sim.fill_disk(node),
        6 => {
            if let Some(leader) = leader {
                fail_over(sim, leader, node);
            }
        }
        7..=10 => {
            if let Some(leader) = leader {
                let levels = [Ack::Logged, Ack::Durable, Ack::Replicas(1), Ack::Replicas(2)];
                let level = levels[sim.chance.below(4) as usize];
                sim.write_acked(leader, level);
            }
        }
        11..=14 => {
            if let Some(leader) = leader {
                let replicas = 1 + sim.chance.below(2) as usize;
                sim.write_marked(leader, replicas, 2000);
            }
        }
        _ => {
            if let Some(leader) = leader {
                let times = 1 + sim.chance.below(6);
                (0..times).for_each(|_| write(sim, leader));
            }
        }
    }
}

/// To `node` or any replica; sometimes it is called off.
fn fail_over(sim: &mut Simulation, leader: usize, node: usize) {
    let timeout_ms = Some(1 + sim.chance.below(3000) as i64);
    let to = sim.chance.once_in(2).then(|| (node.to_string(), 6379));
    let is_forced = to.is_some() && sim.chance.once_in(3);
    if !sim.fail_over(leader, FailoverRequest { to, timeout_ms, is_forced }) && sim.chance.once_in(2) {
        sim.abort_failover(leader);
    }
}

/// Whether a node is `above` or follows it, over others or not.
pub(super) fn is_below(sim: &Simulation, node: usize, above: usize) -> bool {
    let mut at = Some(node);
    while let Some(node) = at {
        if node == above {
            return true;
        }
        at = sim.primary_of(node);
    }
    false
}

/// A change of some kind.
pub(super) fn write(sim: &mut Simulation, node: usize) {
    // The call would wait, and nobody else would run.
    if sim.is_failing_over(node) {
        return;
    }
    let n = sim.chance.below(40);
    let key = |kind: &str| format!("{kind}:{n}");
    let kind = sim.chance.below(13);
    match kind {
        0 => sim.call(node, &["SET", &key("s"), "value", "PX", "500"]),
        1 => sim.call(node, &["APPEND", &key("a"), &"x".repeat(n as usize * 5)]),
        2 => sim.call(node, &["SADD", "set", &key("m"), "b", "c"]),
        3 => sim.call(node, &["SPOP", "set"]),
        4 => sim.call(node, &["ZINCRBY", "zset", "0.1", &key("m")]),
        5 => sim.call(node, &["HINCRBYFLOAT", "hash", &key("f"), "0.3"]),
        6 => sim.call(node, &["XADD", "stream", "MAXLEN", "~", "100", "*", "f", "v"]),
        7 => sim.call(node, &["MSET", "a", "1", "b", "2", "c", "3"]),
        8 => sim.call(node, &["COPY", "a", &key("copy"), "DB", "3", "REPLACE"]),
        9 if n == 0 => {
            sim.truth.flush();
            sim.call(node, &["FLUSHALL"])
        }
        9 => sim.call(node, &["RPUSH", &format!("list:{}", n % 5), "x"]),
        10 if n == 0 => {
            sim.truth.flush();
            sim.call(node, &["SWAPDB", "0", "3"])
        }
        10 => sim.call(node, &["DEL", &key("a"), "b"]),
        11 => sim.call(node, &["PUBLISH", "news", "nothing"]),
        _ => {
            if let Some(process) = &sim.machines[node].process {
                let _ = process.engine.atomic("{t}", |turn| {
                    turn.set("{t}1", "x")?;
                    turn.append("{t}2", "y").map(drop)
                });
            }
            sim.call(node, &["PING"])
        }
    };
}

/// What a primary that is mad does to what it sends: garbage, a gap that shows, or a snapshot that is not what was announced.
pub(super) fn damage(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let header = bytes.windows(3).position(|part| part == b"\r\n$");
    match (chance.below(3), header) {
        // The length of an argument is not there.
        (0, Some(at)) => {
            let digits = bytes[at + 3..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            bytes.drain(at + 3..at + 3 + digits);
        }
        (1, _) if bytes.starts_with(b"REDIS") || bytes.starts_with(b"$") => {
            let at = chance.below(bytes.len() as u64) as usize;
            bytes[at] ^= 0x55;
        }
        (_, Some(at)) => drop(bytes.splice(at + 3..at + 3, *b"garbage")),
        _ => {}
    }
}

impl Simulation {
    /// Plants a bug.
    #[cfg(test)]
    pub(super) fn plant(&mut self, flaw: super::Flaw) {
        self.flaw = Some(flaw);
    }
}
