//! When a cluster balances itself: after primaries joined or left, decided by one node.
//!
//! The node that decides is the working primary with slots whose name is the lowest. Every node knows from gossip who that is, so
//! nobody has to be asked or elected, and when it is gone the next is. It decides only while the cluster is up, which a minority is
//! not. While gossip is under way two may take themselves for it: then both move slots by plans of their own, each slot with one
//! owner as ever, and the rounds that follow level what came of it.
//!
//! ```text
//! primaries changed -> nothing changes for settle_ms -> Measure -> plan, carried out -> pause_ms -> Measure -> ... -> nothing to move
//! ```

use super::super::name::NodeName;
use super::BalancePolicy;
use super::cooldown::Cooldown;
use super::load::Loads;
use super::plan::Plan;
use keyslot_engine::UnixMillis;

/// A primary as the node that looks knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Primary {
    /// Who it is.
    pub name: NodeName,
    /// Whether it is not failed, as far as is known.
    pub is_working: bool,
    /// How many slots it has.
    pub slot_count: usize,
}

/// How patient it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AutoOptions {
    /// The primaries stay the same for so long before anything moves.
    pub settle_ms: i64,
    /// Between two rounds.
    pub pause_ms: i64,
}

impl Default for AutoOptions {
    fn default() -> Self {
        Self { settle_ms: 30_000, pause_ms: 5_000 }
    }
}

/// What a node is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AutoStep {
    /// Nothing.
    Rest,
    /// To measure the loads, ask for a [plan](AutoBalance::plan) and carry it out.
    Measure,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct AutoBalance {
    options: AutoOptions,
    /// The working primaries at the last look, while this node decides.
    known: Option<Vec<NodeName>>,
    /// When to measure next.
    due: Option<UnixMillis>,
    cooldown: Cooldown,
}

impl AutoBalance {
    /// One that knows nothing yet.
    pub fn new(options: AutoOptions) -> Self {
        Self { options, known: None, due: None, cooldown: Cooldown::default() }
    }

    /// The node that decides; `None` if no working primary has slots.
    pub fn decider(primaries: &[Primary]) -> Option<NodeName> {
        primaries.iter().filter(|node| node.is_working && node.slot_count > 0).map(|node| node.name).min()
    }

    /// Looks at the cluster, and says what this node is to do. To be called often.
    pub fn step(&mut self, now: UnixMillis, me: NodeName, is_up: bool, primaries: &[Primary]) -> AutoStep {
        if !is_up || Self::decider(primaries) != Some(me) {
            (self.known, self.due) = (None, None);
            return AutoStep::Rest;
        }
        let working = || primaries.iter().filter(|node| node.is_working);
        let mut names: Vec<NodeName> = working().map(|node| node.name).collect();
        names.sort_unstable();
        let is_changed = match &self.known {
            // Who begins to decide cannot tell what changed before, but that a primary has nothing.
            None => working().any(|node| node.slot_count == 0),
            Some(known) => *known != names,
        };
        if is_changed {
            self.due = Some(UnixMillis(now.0 + self.options.settle_ms));
        }
        self.known = Some(names);
        match self.due {
            Some(due) if due <= now => AutoStep::Measure,
            _ => AutoStep::Rest,
        }
    }

    /// What to move now. While something is, another round follows; then none until the primaries change again.
    pub fn plan(&mut self, now: UnixMillis, loads: &mut Loads, policy: &dyn BalancePolicy) -> Plan {
        loads.pinned = loads.pinned.union(&self.cooldown.pinned());
        let plan = policy.plan(loads);
        self.cooldown.end_round(&plan);
        self.due = (!plan.is_empty()).then_some(UnixMillis(now.0 + self.options.pause_ms));
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::super::greedy::{Budget, Greedy};
    use super::super::load::{Measure, NodeLoad, Part};
    use super::*;
    use keyslot_engine::slot::SlotSet;

    fn name(digit: u8) -> NodeName {
        NodeName::parse(&[b'0' + digit; 40]).expect("it is a name")
    }

    fn primary(digit: u8, slot_count: usize) -> Primary {
        Primary { name: name(digit), is_working: true, slot_count }
    }

    #[test]
    fn the_first_working_primary_with_slots_decides_and_no_other() {
        let failed = Primary { is_working: false, ..primary(1, 9) };
        let primaries = [primary(0, 0), failed, primary(3, 5), primary(2, 5)];
        assert_eq!(AutoBalance::decider(&primaries), Some(name(2)));
        for (digit, expected) in [(2, AutoStep::Measure), (3, AutoStep::Rest), (0, AutoStep::Rest)] {
            let mut auto = AutoBalance::new(AutoOptions::default());
            auto.step(UnixMillis(0), name(digit), true, &primaries);
            assert_eq!(auto.step(UnixMillis(30_000), name(digit), true, &primaries), expected, "{digit}");
        }
    }

    #[test]
    fn nothing_is_measured_before_the_primaries_stay_the_same_nor_while_the_cluster_is_down() {
        let mut auto = AutoBalance::new(AutoOptions { settle_ms: 100, pause_ms: 10 });
        let mut look = |now, is_up, primaries: &[Primary]| auto.step(UnixMillis(now), name(1), is_up, primaries);
        let two = [primary(1, 5), primary(2, 5)];
        let three = [primary(1, 5), primary(2, 5), primary(3, 0)];
        assert_eq!([look(0, true, &two), look(1000, true, &two)], [AutoStep::Rest; 2]);
        assert_eq!([look(1001, true, &three), look(1100, true, &three)], [AutoStep::Rest; 2]);
        assert_eq!(look(1100, false, &three), AutoStep::Rest);
        assert_eq!([look(1101, true, &three), look(1200, true, &three)], [AutoStep::Rest; 2]);
        assert_eq!(look(1201, true, &three), AutoStep::Measure);
        assert_eq!(look(1202, true, &two), AutoStep::Rest, "one left again");
    }

    #[test]
    fn rounds_follow_each_other_until_nothing_moves_and_no_slot_moves_twice() {
        let mut auto = AutoBalance::new(AutoOptions { settle_ms: 100, pause_ms: 10 });
        let node = |digit, slots: &str| {
            let slots = if slots.is_empty() { SlotSet::new() } else { slots.parse().expect("slots") };
            NodeLoad { name: name(digit), slots, part: Part::Shares(1.0) }
        };
        let mut loads = Loads::new(vec![node(1, "0-16383"), node(2, "")]);
        let policy = Greedy {
            measure: Measure::Slots,
            budget: Budget { slots: 3000, ..Budget::UNLIMITED },
            ..Greedy::default()
        };
        let (mut now, mut moved, mut rounds) = (0, SlotSet::new(), 0);
        loop {
            let counts: Vec<Primary> = loads
                .nodes
                .iter()
                .map(|node| Primary { name: node.name, is_working: true, slot_count: node.slots.len() })
                .collect();
            let step = auto.step(UnixMillis(now), name(1), true, &counts);
            now += 10;
            match step {
                AutoStep::Rest if rounds > 0 => break,
                AutoStep::Rest => continue,
                AutoStep::Measure => {}
            }
            let plan = auto.plan(UnixMillis(now - 10), &mut loads, &policy);
            let of_round = plan.steps.iter().fold(SlotSet::new(), |all, step| all.union(&step.slots));
            assert!(of_round.len() <= 3000 && of_round.is_disjoint(&moved));
            moved = moved.union(&of_round);
            loads = plan.applied_to(&loads);
            rounds += 1;
        }
        assert!((3..=5).contains(&rounds), "{rounds}");
        assert!(loads.nodes[1].slots.len() >= 16384 / 2 * 97 / 100);
    }
}
