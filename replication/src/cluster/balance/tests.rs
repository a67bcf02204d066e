//! What holds of every plan, over clusters of chance.

use super::super::name::NodeName;
use super::*;
use crate::chance::Chance;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{SLOT_COUNT, Slot};
use std::collections::BTreeSet;

fn name(number: usize) -> NodeName {
    NodeName::parse(format!("{number:040x}").as_bytes()).expect("it is a name")
}

fn node(number: usize, slots: &str, part: Part) -> NodeLoad {
    let slots = if slots.is_empty() { SlotSet::new() } else { slots.parse().expect("slots") };
    NodeLoad { name: name(number), slots, part }
}

/// Every slot bears so many keys.
fn filled(mut loads: Loads, keys: impl Fn(usize) -> u64) -> Loads {
    for slot in Slot::all() {
        let keys = keys(slot.index());
        loads.set(slot, SlotLoad { keys, bytes: keys * 100, operations: keys });
    }
    loads
}

fn keys_of(loads: &Loads) -> Vec<u64> {
    loads.nodes.iter().map(|node| loads.of_node(node, Measure::Keys)).collect()
}

/// A cluster of chance, and what is to be made of it.
fn scene(seed: u64) -> (Loads, Greedy) {
    let mut chance = Chance::new(seed);
    let count = 2 + chance.below(6) as usize;
    let mut sets = vec![SlotSet::new(); count];
    let mut owner = 0;
    for slot in Slot::all() {
        if chance.below(400) == 0 {
            owner = chance.below(count as u64) as usize;
        }
        sets[owner].insert(slot);
    }
    let mut nodes: Vec<NodeLoad> = Vec::new();
    for (number, slots) in sets.into_iter().enumerate() {
        let part = match chance.below(8) {
            0 if number > 0 => Part::Drains,
            1 if number > 1 => Part::Keeps,
            2 => Part::Shares(2.0),
            _ => Part::Shares(1.0),
        };
        nodes.push(NodeLoad { name: name(number), slots, part });
    }
    nodes.push(node(count, "", Part::Shares(1.0)));
    let measure = [Measure::Slots, Measure::Keys, Measure::Bytes, Measure::Operations][chance.below(4) as usize];
    let shape = chance.below(3);
    let mut loads = Loads::new(nodes);
    for slot in Slot::all() {
        let load = |most: u64, chance: &mut Chance| match shape {
            0 => most,
            1 => chance.below(most) * chance.below(2),
            _ => chance.below(most) + if chance.below(500) == 0 { most * 200 } else { 0 },
        };
        let (keys, bytes) = (load(100, &mut chance), load(10_000, &mut chance));
        loads.set(slot, SlotLoad { keys, bytes, operations: load(1000, &mut chance) });
    }
    let threshold_percent = [2.0, 5.0, 20.0][chance.below(3) as usize];
    (loads, Greedy { measure, threshold_percent, budget: Budget::UNLIMITED })
}

const SEEDS: u64 = 200;

#[test]
fn no_slot_is_lost_or_moved_twice_and_every_step_tells_what_it_moves() {
    for seed in 0..SEEDS {
        let (loads, policy) = scene(seed);
        let plan = policy.plan(&loads);
        let mut moved = BTreeSet::new();
        for step in &plan.steps {
            let source = loads.nodes.iter().find(|node| node.name == step.source).expect("it is a node");
            assert!(step.slots.is_subset(&source.slots), "seed {seed}");
            assert_eq!(step.load, loads.sum(&step.slots), "seed {seed}");
            assert!(step.slots.iter().all(|slot| moved.insert(slot)), "seed {seed}");
        }
        let after = plan.applied_to(&loads);
        let owned: usize = after.nodes.iter().map(|node| node.slots.len()).sum();
        let all = after.nodes.iter().fold(SlotSet::new(), |all, node| all.union(&node.slots));
        assert_eq!((owned, all.len()), (SLOT_COUNT, SLOT_COUNT), "seed {seed}");
        assert_eq!(plan, policy.plan(&loads), "seed {seed}");
        assert_eq!(plan.to_string().parse(), Ok(plan), "seed {seed}");
    }
}

#[test]
fn nodes_end_near_their_shares_with_about_as_little_moved_as_that_takes() {
    for seed in 0..SEEDS {
        let (loads, policy) = scene(seed);
        let plan = policy.plan(&loads);
        let after = plan.applied_to(&loads);
        let measure = policy.measure;
        let value = |slot: Slot| measure.of(loads.of(slot)) as f64;
        let takes_part = |node: &&NodeLoad| node.part != Part::Keeps;
        let total: f64 = loads.nodes.iter().filter(takes_part).map(|node| loads.of_node(node, measure) as f64).sum();
        let weight = |node: &NodeLoad| if let Part::Shares(weight) = node.part { weight } else { 0.0 };
        let weights: f64 = loads.nodes.iter().map(weight).sum();
        let share = |node: &NodeLoad| total * weight(node) / weights;
        let largest = Slot::all().map(value).fold(0.0, f64::max);
        let threshold = policy.threshold_percent / 100.0;
        for (node, before) in after.nodes.iter().zip(&loads.nodes) {
            let load = after.of_node(node, measure) as f64;
            match node.part {
                Part::Drains => assert!(node.slots.is_empty(), "seed {seed}"),
                Part::Keeps => assert_eq!(node.slots, before.slots, "seed {seed}"),
                Part::Shares(_) => {
                    let noise = if measure == Measure::Operations { 3.0 * share(node).sqrt() } else { 0.0 };
                    let far = (load - share(node)).abs();
                    let allowed = share(node) * threshold + noise + largest;
                    assert!(far <= allowed, "seed {seed}: {} bears {load} of {}", node.name, share(node));
                }
            }
        }
        let drained: f64 = loads
            .nodes
            .iter()
            .filter(|node| node.part == Part::Drains)
            .map(|node| loads.of_node(node, measure) as f64)
            .sum();
        let sharing = || loads.nodes.iter().filter(|node| weight(node) > 0.0);
        let load = |node: &NodeLoad| loads.of_node(node, measure) as f64;
        let above: f64 = sharing().map(|node| (load(node) - share(node)).max(0.0)).sum();
        // Without any threshold at least what is above the shares has to go; a plan moves no more than that, but for whole slots.
        let moved: f64 = plan.steps.iter().flat_map(|step| step.slots.iter()).map(value).sum();
        let bound = drained + above + largest * loads.nodes.len() as f64;
        assert!(moved <= bound, "seed {seed}: {moved} moved, {bound} would do");
    }
}

#[test]
fn a_new_node_gets_its_share_in_few_ranges() {
    let nodes = vec![
        node(0, "0-5460", Part::Shares(1.0)),
        node(1, "5461-10922", Part::Shares(1.0)),
        node(2, "10923-16383", Part::Shares(1.0)),
        node(3, "", Part::Shares(1.0)),
    ];
    let loads = filled(Loads::new(nodes), |_| 10);
    let policy = Greedy { threshold_percent: 2.0, ..Greedy::default() };
    let after = policy.plan(&loads).applied_to(&loads);
    for keys in keys_of(&after) {
        assert!((keys as f64 / 40_960.0 - 1.0).abs() <= 0.011, "{keys}");
    }
    let ranges: usize = after.nodes.iter().map(|node| node.slots.ranges().count()).sum();
    assert!(ranges <= 7, "{ranges}");
}

#[test]
fn the_moves_are_as_few_as_they_can_be_where_slots_are_alike() {
    let nodes = vec![node(0, "0-9999", Part::Shares(1.0)), node(1, "10000-16383", Part::Shares(1.0))];
    let loads = Loads::new(nodes);
    let policy = Greedy { measure: Measure::Slots, threshold_percent: 2.0, budget: Budget::UNLIMITED };
    // 8192 is the share; 8273 and 8111 are the edges of near it.
    let plan = policy.plan(&loads);
    assert_eq!(plan.slot_count(), 10_000 - 8273);
    assert_eq!(plan.steps[0].slots.to_string(), format!("{}-9999", 8273));
}

#[test]
fn noise_moves_nothing() {
    let nodes = vec![node(0, "0-8191", Part::Shares(1.0)), node(1, "8192-16383", Part::Shares(1.0))];
    let loads = filled(Loads::new(nodes), |slot| if slot < 8192 { 104 } else { 96 });
    assert!(Greedy::default().plan(&loads).is_empty());
    let strict = Greedy { threshold_percent: 3.9, ..Greedy::default() };
    let after = strict.plan(&loads).applied_to(&loads);
    assert!(!strict.plan(&loads).is_empty() && strict.plan(&after).is_empty());
    // Few operations differ by chance alone.
    let nodes = vec![node(0, "0-8191", Part::Shares(1.0)), node(1, "8192-16383", Part::Shares(1.0))];
    let few = filled(Loads::new(nodes), |slot| match slot {
        0..60 => 1,
        8192..8232 => 1,
        _ => 0,
    });
    assert!(Greedy { measure: Measure::Operations, ..Greedy::default() }.plan(&few).is_empty());
    assert!(!Greedy { measure: Measure::Keys, ..Greedy::default() }.plan(&few).is_empty());
}

#[test]
fn a_slot_that_is_hotter_than_a_share_stays_where_it_is() {
    let nodes = vec![node(0, "0-8191", Part::Shares(1.0)), node(1, "8192-16383", Part::Shares(1.0))];
    let loads = filled(Loads::new(nodes), |slot| if slot == 7 { 1_000_000 } else { 1 });
    let mut now = loads.clone();
    let mut cooldown = Cooldown::default();
    for _ in 0..5 {
        now.pinned = cooldown.pinned();
        let plan = Greedy::default().plan(&now);
        cooldown.end_round(&plan);
        assert!(plan.steps.iter().all(|step| !step.slots.contains(Slot::new(7).expect("a slot"))));
        now = plan.applied_to(&now);
    }
    assert!(now.nodes[0].slots.contains(Slot::new(7).expect("a slot")));
}

#[test]
fn what_is_pinned_stays_unless_its_node_is_to_have_none() {
    let nodes = vec![node(0, "0-16383", Part::Shares(1.0)), node(1, "", Part::Shares(1.0))];
    let mut loads = filled(Loads::new(nodes), |_| 1);
    loads.pinned = "8000-16383".parse().expect("slots");
    let plan = Greedy::default().plan(&loads);
    assert!(plan.steps.iter().all(|step| step.slots.is_disjoint(&loads.pinned)) && !plan.is_empty());
    loads.nodes[0].part = Part::Drains;
    assert_eq!(Greedy::default().plan(&loads).applied_to(&loads).nodes[1].slots, SlotSet::full());
}

#[test]
fn weights_are_borne_and_nodes_that_leave_are_emptied_though_they_have_no_keys() {
    let nodes = vec![
        node(0, "0-8191", Part::Shares(3.0)),
        node(1, "8192-12287", Part::Shares(1.0)),
        node(2, "12288-16383", Part::Drains),
    ];
    let loads = filled(Loads::new(nodes), |slot| if slot < 12_288 { 10 } else { 0 });
    let after = Greedy::default().plan(&loads).applied_to(&loads);
    assert!(after.nodes[2].slots.is_empty());
    let keys = keys_of(&after);
    assert!((keys[0] as f64 / keys[1] as f64 - 3.0).abs() < 0.3, "{keys:?}");
    // Nobody is left to take them: they stay.
    let alone = Loads::new(vec![node(0, "0-16383", Part::Drains)]);
    assert!(Greedy::default().plan(&alone).is_empty());
}

#[test]
fn a_budget_bounds_a_round_and_what_is_left_is_told() {
    let nodes = vec![node(0, "0-16383", Part::Shares(1.0)), node(1, "", Part::Shares(1.0))];
    let loads = filled(Loads::new(nodes), |_| 10);
    let whole = Greedy::default().plan(&loads);
    for budget in [
        Budget { slots: 100, ..Budget::UNLIMITED },
        Budget { keys: 1000, ..Budget::UNLIMITED },
        Budget { bytes: 100_000, ..Budget::UNLIMITED },
    ] {
        let plan = Greedy { budget, ..Greedy::default() }.plan(&loads);
        assert_eq!((plan.slot_count(), plan.slots_left), (100, whole.slot_count() - 100));
    }
    let tiny = Budget { bytes: 1, ..Budget::UNLIMITED };
    assert_eq!(Greedy { budget: tiny, ..Greedy::default() }.plan(&loads).slot_count(), 1, "it goes on all the same");
}
