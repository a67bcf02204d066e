//! Slots that change hands at once, in peace and with every fault at every step.

use super::tests::variable;
use super::*;
use crate::cluster::member::Flaw;
use crate::node::{TransferReport, TransferState};
use keyslot_engine::slot::SlotSet;
use keyslot_persistence::Durability;

/// Three shards, one key in every hundredth slot, and who has slot 0.
struct Stage {
    sim: Simulation,
    source: usize,
    target: usize,
    slots: SlotSet,
    writes: Vec<Written>,
}

/// A write of a client.
#[derive(Debug)]
struct Written {
    n: usize,
    value: String,
    operation: OperationId,
    begun_ms: i64,
    /// And when that was seen.
    outcome: Option<(OperationOutcome, i64)>,
}

impl Written {
    fn is_done(&self) -> bool {
        matches!(&self.outcome, Some((OperationOutcome::Reply(Value::Ok), _)))
    }

    fn may_be_done(&self) -> bool {
        self.is_done() || matches!(&self.outcome, None | Some((OperationOutcome::Unknown(_), _)))
    }

    fn ended_ms(&self) -> i64 {
        match &self.outcome {
            Some((_, at_ms)) if self.is_done() => *at_ms,
            _ => i64::MAX,
        }
    }
}

const PRIMARIES: usize = 3;

/// What is acknowledged survives a restart.
const LOG: Disk = Disk::Log(Durability::Always);

impl Stage {
    fn new(seed: u64, replicas: usize, disk: Disk) -> Self {
        Self::with_flaw(seed, replicas, disk, None)
    }

    fn with_flaw(seed: u64, replicas: usize, disk: Disk, flaw: Option<Flaw>) -> Self {
        let mut sim = Simulation::new(seed);
        sim.flaw = flaw;
        sim.set_disk(disk);
        if disk == LOG {
            sim.set_ack(Ack::Durable);
        }
        // So that a transfer has many steps.
        sim.set_piece_size(200);
        sim.form(PRIMARIES, replicas);
        sim.run_until_stable(20_000).unwrap();
        let first = Slot::new(0).unwrap();
        let leads = |node: &usize| sim.roster(*node).is_some_and(|roster| roster.me().is_primary());
        let primaries: Vec<usize> = (0..sim.node_count()).filter(leads).collect();
        let source = primaries.iter().copied().find(|node| sim.serves(*node, first)).unwrap();
        let target = primaries.iter().copied().find(|node| *node != source).unwrap();
        let slots: SlotSet = (0..1000).filter_map(Slot::new).collect();
        let mut stage = Self { sim, source, target, slots, writes: Vec::new() };
        for n in 0..40 {
            stage.write(n);
        }
        stage
    }

    /// A key whose slot moves.
    fn key(n: usize) -> String {
        (0..).map(|at| format!("{n}:{at}")).find(|key| Slot::of(key.as_bytes()).number() < 1000).unwrap()
    }

    fn write(&mut self, n: usize) {
        self.sim.write(&Self::key(n));
    }

    /// Has a client write a key, which goes on as time does.
    fn begin_write(&mut self, n: usize) {
        let (key, value) = (Self::key(n), self.sim.checks.next_value());
        let operation = self.sim.begin(0, &["SET", &key, &value]);
        self.writes.push(Written { n, value, operation, begun_ms: self.sim.now.0, outcome: None });
    }

    /// Looks what became of writes.
    fn look(&mut self) {
        let now_ms = self.sim.now.0;
        for write in self.writes.iter_mut().filter(|write| write.outcome.is_none()) {
            write.outcome = self.sim.outcome(write.operation).map(|outcome| (outcome, now_ms));
        }
    }

    /// Who serves a key has a value that no acknowledged write has replaced for sure.
    fn check_values(&mut self) -> Result<(), String> {
        self.sim.finish_operations().map_err(|violation| violation.to_string())?;
        self.look();
        let keys: BTreeSet<usize> = self.writes.iter().filter(|write| write.is_done()).map(|write| write.n).collect();
        for n in keys {
            let key = Self::key(n);
            let node = self.sim.owner_of(&key).ok_or_else(|| format!("nobody serves {key}"))?;
            let found = self.sim.call(node, &["GET", &key]);
            let of_key = || self.writes.iter().filter(|write| write.n == n);
            let is_replaced =
                |write: &Written| of_key().any(|other| write.ended_ms() < other.begun_ms && other.is_done());
            let mut valid = of_key().filter(|write| write.may_be_done() && !is_replaced(write));
            if !valid.any(|write| found == Value::bulk(write.value.as_str())) {
                return Err(format!("{key} is {found:?} at {node}: {:?}", of_key().collect::<Vec<_>>()));
            }
        }
        Ok(())
    }

    fn name(&self, node: usize) -> String {
        self.sim.roster(node).unwrap().me().name.to_string()
    }

    fn begin(&mut self) -> Value {
        if !self.sim.is_on(self.source) || !self.sim.is_on(self.target) {
            return Value::Nil;
        }
        let target = self.name(self.target);
        self.sim.call(self.source, &["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", "0", "999", "NODE", &target])
    }

    fn reports(&self, node: usize) -> Vec<TransferReport> {
        let process = self.sim.nodes[node].machine.process.as_ref();
        process.and_then(|it| it.node.transfers()).map(|it| it.reports().cloned().collect()).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        let mut reports = (0..self.sim.node_count()).flat_map(|node| self.reports(node));
        reports.all(|report| report.state.has_ended())
    }

    /// Runs until nothing moves any more and everybody sees the same.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..600 {
            self.sim.run_for(100).map_err(|violation| violation.to_string())?;
            if self.is_over() && self.sim.stability().is_ok() {
                return self.sim.run_until_stable(1000).map_err(|violation| violation.to_string());
            }
        }
        let reports: Vec<String> =
            (0..self.sim.node_count()).flat_map(|node| self.reports(node)).map(|it| it.to_string()).collect();
        Err(format!("it does not end: {:?}: {}: {}", self.sim.stability(), self.sim.picture(), reports.join("; ")))
    }

    /// No node has keys of slots that are another's.
    fn check_leftovers(&self) -> Result<(), String> {
        for node in 0..self.sim.node_count() {
            let Some(process) = &self.sim.nodes[node].machine.process else { continue };
            let Some(roster) = self.sim.roster(node) else { continue };
            let me = roster.me();
            let mine = me.primary.and_then(|name| roster.node(&name)).unwrap_or(me).slots.clone();
            let strange = self.slots.difference(&mine);
            if let Some(slot) = strange.iter().find(|slot| process.engine.has_keys(&[*slot].into_iter().collect())) {
                return Err(format!("{node} has keys of slot {slot}, which is not its shard's"));
            }
        }
        Ok(())
    }
}

#[test]
fn slots_move_with_their_keys_while_clients_write() {
    for (seed, disk) in [(1, Disk::None), (2, LOG), (3, Disk::None)] {
        let mut stage = Stage::new(seed, 1, disk);
        assert_eq!(stage.begin(), Value::Ok);
        for n in 0..200 {
            stage.write(n % 50);
            stage.sim.run_for(7).unwrap();
        }
        stage.settle().unwrap();
        let moved = stage.sim.roster(stage.target).unwrap().me().slots.clone();
        assert!(stage.slots.is_subset(&moved), "{}", stage.sim.trace());
        let last = stage.reports(stage.source).pop().unwrap();
        assert_eq!((last.state, last.message.as_str()), (TransferState::Success, ""));
        stage.check_leftovers().unwrap();
        assert!(stage.sim.lost_writes().is_empty() || disk == Disk::None);
        for n in 0..50 {
            assert_eq!(stage.sim.owner_of(&Stage::key(n)), Some(stage.target));
        }
    }
}

#[test]
fn a_transfer_that_is_cancelled_leaves_nothing() {
    let mut stage = Stage::new(5, 1, Disk::None);
    assert_eq!(stage.begin(), Value::Ok);
    stage.sim.run_for(3).unwrap();
    assert_eq!(stage.sim.call(stage.source, &["CLUSTER", "CANCELSLOTMIGRATIONS"]), Value::Ok);
    stage.settle().unwrap();
    assert_eq!(stage.reports(stage.source).pop().unwrap().state, TransferState::Cancelled);
    assert_eq!(stage.sim.owner_of(&Stage::key(0)), Some(stage.source));
    stage.check_leftovers().unwrap();
}

/// What happens in the middle of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    SourceDies,
    TargetDies,
    SourceStartsAnew,
    TargetStartsAnew,
    SourceStandsStill,
    TargetStandsStill,
    SourceIsCutOff,
    TargetIsCutOff,
    TheyAreParted,
    SourceHandsOver,
    TargetHandsOver,
    Cancelled,
    Again,
    TargetIsFlushed,
    SourceIsFlushed,
}

impl Fault {
    const ALL: [Self; 15] = [
        Self::SourceDies,
        Self::TargetDies,
        Self::SourceStartsAnew,
        Self::TargetStartsAnew,
        Self::SourceStandsStill,
        Self::TargetStandsStill,
        Self::SourceIsCutOff,
        Self::TargetIsCutOff,
        Self::TheyAreParted,
        Self::SourceHandsOver,
        Self::TargetHandsOver,
        Self::Cancelled,
        Self::Again,
        Self::TargetIsFlushed,
        Self::SourceIsFlushed,
    ];

    fn strike(self, stage: &mut Stage) {
        let (source, target) = (stage.source, stage.target);
        let sim = &mut stage.sim;
        let replica_of = |sim: &Simulation, node: usize| {
            let name = sim.roster(node).map(|roster| roster.me().name);
            (0..sim.node_count()).find(|other| sim.roster(*other).is_some_and(|it| it.me().primary == name))
        };
        match self {
            Self::SourceDies | Self::SourceStartsAnew => sim.kill(source),
            Self::TargetDies | Self::TargetStartsAnew => sim.kill(target),
            Self::SourceStandsStill => sim.pause(source, 2500),
            Self::TargetStandsStill => sim.pause(target, 2500),
            Self::SourceIsCutOff => sim.part(&[source]),
            Self::TargetIsCutOff => sim.part(&[target]),
            Self::TheyAreParted => {
                sim.block(source, target);
                sim.block(target, source);
            }
            Self::SourceHandsOver | Self::TargetHandsOver => {
                let node = if self == Self::SourceHandsOver { source } else { target };
                if let Some(replica) = replica_of(sim, node) {
                    sim.call(replica, &["CLUSTER", "FAILOVER"]);
                }
            }
            Self::Cancelled => drop(sim.call(source, &["CLUSTER", "CANCELSLOTMIGRATIONS"])),
            Self::Again => drop(stage.begin()),
            Self::TargetIsFlushed => drop(sim.call(target, &["FLUSHALL"])),
            Self::SourceIsFlushed => drop(sim.call(source, &["FLUSHALL"])),
        }
        if matches!(self, Self::SourceStartsAnew) {
            stage.sim.start(source);
        }
        if matches!(self, Self::TargetStartsAnew) {
            stage.sim.start(target);
        }
    }

    /// What struck is over.
    fn end(self, stage: &mut Stage) {
        stage.sim.heal();
        for node in [stage.source, stage.target] {
            if !stage.sim.is_on(node) {
                stage.sim.start(node);
            }
        }
    }
}

/// Runs a transfer, and strikes before its `step`-th event; how many events there are if nothing does.
fn play(seed: u64, replicas: usize, disk: Disk, strike: Option<(usize, Fault)>) -> Result<usize, String> {
    play_on(Stage::new(seed, replicas, disk), strike)
}

fn play_on(mut stage: Stage, strike: Option<(usize, Fault)>) -> Result<usize, String> {
    let traces = variable("KEYSLOT_TRACE").is_some();
    stage.begin();
    let (mut steps, mut writes) = (0, 0);
    let limit_ms = stage.sim.now.0 + 20_000;
    let outcome = loop {
        if strike.is_some_and(|(at, _)| at == steps) {
            break Ok(());
        }
        if strike.is_none() && stage.is_over() && stage.reports(stage.source).len() == 1 {
            break Ok(());
        }
        if stage.sim.now.0 > limit_ms || !stage.sim.step(limit_ms) {
            break Err("it does not end".to_owned());
        }
        steps += 1;
        stage.look();
        if steps % 9 == 0 {
            writes += 1;
            stage.begin_write(writes % 50);
        }
    };
    let mut run = || {
        outcome.clone()?;
        if let Some((_, fault)) = strike {
            fault.strike(&mut stage);
            stage.sim.run_for(400).map_err(|violation| violation.to_string())?;
            (0..10).for_each(|n| stage.begin_write(n));
            stage.sim.run_for(4000).map_err(|violation| violation.to_string())?;
            fault.end(&mut stage);
        }
        stage.settle()?;
        stage.check_leftovers()?;
        let is_flushed = matches!(strike, Some((_, Fault::TargetIsFlushed | Fault::SourceIsFlushed)));
        // No replica takes over what it does not have, and every disk keeps what was acknowledged.
        let keeps_all = stage.sim.disk == LOG && stage.sim.node_count() == PRIMARIES && !is_flushed;
        if keeps_all { stage.check_values() } else { Ok(()) }
    };
    let done = run();
    if traces {
        println!("{}", stage.sim.trace());
    }
    done.map(|()| steps)
}

/// Every fault before every event of a transfer. `KEYSLOT_STRIDE=1` takes all events, `KEYSLOT_SEED` another seed; `KEYSLOT_STEP` and
/// `KEYSLOT_FAULT` one of them.
#[test]
fn whatever_happens_in_between_nothing_is_lost_or_left() {
    let stride = variable("KEYSLOT_STRIDE").unwrap_or(29) as usize;
    let seed = variable("KEYSLOT_SEED").unwrap_or(0);
    let one = variable("KEYSLOT_STEP").zip(variable("KEYSLOT_FAULT"));
    let mut failures = Vec::new();
    let mut count = 0;
    for (replicas, disk) in [(1, Disk::None), (1, LOG), (0, LOG)] {
        let steps = play(seed, replicas, disk, None).unwrap();
        for (number, fault) in Fault::ALL.into_iter().enumerate() {
            for step in (number % stride..steps + 40).step_by(stride) {
                if one.is_some_and(|one| one != (step as u64, number as u64)) {
                    continue;
                }
                count += 1;
                if let Err(why) = play(seed, replicas, disk, Some((step, fault))) {
                    failures.push(format!("{replicas} {disk:?} step {step} of {steps}, {fault:?} ({number}): {why}"));
                }
            }
        }
    }
    println!("{count} runs");
    assert!(failures.is_empty(), "{} of {count} runs:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_source_that_serves_on_is_found() {
    let steps = play(0, 0, LOG, None).unwrap();
    let strikes = (0..steps).flat_map(|step| Fault::ALL.map(|fault| Some((step, fault))));
    let found = std::iter::once(None).chain(strikes).enumerate().find_map(|(runs, strike)| {
        let why = play_on(Stage::with_flaw(0, 0, LOG, Some(Flaw::ServesLeaving)), strike).err()?;
        Some((runs, strike, why))
    });
    println!("it is found by {found:?}");
    assert!(found.is_some_and(|(_, _, why)| why.contains("Reply(Ok)")));
}
