//! The policy of the house: from who bears most to who bears least, as little as brings all of them near their shares.
//!
//! ```text
//!            share - threshold    share    share + threshold
//!                   |     [ near  |  near ]     |               near: half the threshold
//! somebody out here |                           | or here: slots move until all are near
//!                   | nothing moves while all are in here
//! ```
//!
//! - Nodes that are to have no slots come first. What they have is spread so that the others end as level as can be.
//! - Then, again and again: from who bears most for its share to who bears least, as much as brings one of them near, and no more than
//!   keeps both so. Each such move is needed: its source is above, or its target below.
//! - Where every slot that could go is too large for that, one goes that brings the worse of the two nearer. Else the pair is left:
//!   a slot that alone is more than a share cannot be split.
//! - Slots next to those that the target has go first, then those at the end of the source's last range, so that ranges stay whole.
//! - Slots that bear nothing stay, and so do [pinned](Loads::pinned) ones, unless their node is to have none.
//! - A slot moves once in a plan.
//!
//! The gap between the two widths is why noise moves nothing: what was brought near has to drift by half the threshold first. Where
//! operations count, what chance explains of a difference is left out of it.

use super::BalancePolicy;
use super::load::{Loads, Measure, NodeLoad, Part, SlotLoad};
use super::plan::{Plan, Reason, Step};
use keyslot_engine::Slot;
use keyslot_engine::slot::SlotSet;

/// How much may move at a time. A slot that passes it alone moves alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// So many slots.
    pub slots: u64,
    /// So many keys.
    pub keys: u64,
    /// So many bytes.
    pub bytes: u64,
}

impl Budget {
    /// As much as it takes.
    pub const UNLIMITED: Self = Self { slots: u64::MAX, keys: u64::MAX, bytes: u64::MAX };
}

/// See the module.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Greedy {
    /// By what shares are compared. Where nothing bears anything by it, the slots count.
    pub measure: Measure,
    /// Percent of its share by which a node may differ before anything moves.
    pub threshold_percent: f64,
    /// How much moves at a time.
    pub budget: Budget,
}

impl Default for Greedy {
    fn default() -> Self {
        Self { measure: Measure::Keys, threshold_percent: 5.0, budget: Budget::UNLIMITED }
    }
}

impl BalancePolicy for Greedy {
    fn plan(&self, loads: &Loads) -> Plan {
        let mut scene = Scene::new(self, loads);
        scene.drain();
        if scene.is_out_of_balance() {
            scene.level();
        }
        within(self.budget, loads, scene.moves)
    }
}

/// A node while a plan is made.
struct Place<'l> {
    node: &'l NodeLoad,
    slots: SlotSet,
    load: f64,
    share: f64,
}

impl Place<'_> {
    /// How much it bears for each part of its share.
    fn level(&self) -> f64 {
        if self.share > 0.0 { self.load / self.share } else { 1.0 }
    }
}

/// Slots that go, in this order.
struct Move {
    source: usize,
    target: usize,
    slots: Vec<Slot>,
    reason: Reason,
}

struct Scene<'l> {
    loads: &'l Loads,
    measure: Measure,
    /// Parts of the share: how far a node may be from it before anything moves.
    threshold: f64,
    places: Vec<Place<'l>>,
    /// Places of nodes that bear shares.
    sharing: Vec<usize>,
    moved: SlotSet,
    moves: Vec<Move>,
}

impl<'l> Scene<'l> {
    fn new(policy: &Greedy, loads: &'l Loads) -> Self {
        let takes_part = |node: &&NodeLoad| node.part != Part::Keeps;
        let total_by =
            |measure| loads.nodes.iter().filter(takes_part).map(|node| loads.of_node(node, measure)).sum::<u64>();
        let measure = if total_by(policy.measure) == 0 { Measure::Slots } else { policy.measure };
        let total = total_by(measure) as f64;
        let weight = |node: &NodeLoad| match node.part {
            Part::Shares(weight) => weight.max(0.0),
            Part::Drains | Part::Keeps => 0.0,
        };
        let weights: f64 = loads.nodes.iter().map(weight).sum();
        let place = |node: &'l NodeLoad| Place {
            node,
            slots: node.slots.clone(),
            load: loads.of_node(node, measure) as f64,
            share: if weights > 0.0 { total * weight(node) / weights } else { 0.0 },
        };
        let places: Vec<Place<'l>> = loads.nodes.iter().map(place).collect();
        let sharing = (0..places.len()).filter(|at| places[*at].share > 0.0).collect();
        let threshold = policy.threshold_percent.max(0.0) / 100.0;
        Self { loads, measure, threshold, places, sharing, moved: SlotSet::new(), moves: Vec::new() }
    }

    fn value(&self, slot: Slot) -> f64 {
        self.measure.of(self.loads.of(slot)) as f64
    }

    /// Gives away what belongs to nodes that are to have no slots.
    fn drain(&mut self) {
        let drains = |place: &Place<'_>| match place.node.part {
            Part::Drains => true,
            Part::Shares(_) => place.share <= 0.0,
            Part::Keeps => false,
        };
        let sources: Vec<usize> = (0..self.places.len()).filter(|at| drains(&self.places[*at])).collect();
        if self.sharing.is_empty() {
            return;
        }
        for source in sources {
            let slots: Vec<Slot> = self.places[source].slots.iter().collect();
            // Empty slots are shared out with the others, as if they bore a little.
            let little = (self.places[source].load / slots.len().max(1) as f64).max(1.0) * 1e-6;
            let total: f64 = slots.iter().map(|slot| self.value(*slot) + little).sum();
            let amounts = self.level_amounts(total);
            let (mut rest, mut given, mut edge) = (slots.as_slice(), 0.0, 0.0);
            for (number, (target, amount)) in amounts.iter().enumerate() {
                edge += amount;
                let mut count = 0;
                // The slot on the edge goes to where more of it belongs.
                while let Some(value) = rest.get(count).map(|slot| self.value(*slot) + little)
                    && (given + value / 2.0 <= edge || number + 1 == amounts.len())
                {
                    given += value;
                    count += 1;
                }
                let (taken, behind) = rest.split_at(count);
                self.give(source, *target, taken.to_vec(), Reason::Drained);
                rest = behind;
            }
        }
    }

    /// How `total` more is shared out so that nodes end as level as can be: amounts for each that gets some, least loaded first.
    fn level_amounts(&self, total: f64) -> Vec<(usize, f64)> {
        let mut order = self.sharing.clone();
        order.sort_by(|a, b| self.places[*a].level().total_cmp(&self.places[*b].level()));
        let (mut load, mut share) = (total, 0.0);
        let mut count = 0;
        // Who joins raises the level that all reach; it stops below the first who bears more already.
        for at in &order {
            if share > 0.0 && self.places[*at].level() >= load / share {
                break;
            }
            load += self.places[*at].load;
            share += self.places[*at].share;
            count += 1;
        }
        let level = load / share;
        order[..count]
            .iter()
            .map(|at| (*at, (level * self.places[*at].share - self.places[*at].load).max(0.0)))
            .collect()
    }

    fn is_out_of_balance(&self) -> bool {
        let noise = |share: f64| match self.measure {
            Measure::Operations => NOISE_WIDTHS / share.sqrt(),
            Measure::Slots | Measure::Keys | Measure::Bytes => 0.0,
        };
        let is_out = |at: &usize| {
            let place = &self.places[*at];
            (place.level() - 1.0).abs() > self.threshold + noise(place.share)
        };
        self.sharing.len() > 1 && self.sharing.iter().any(is_out)
    }

    /// Brings all near their shares.
    fn level(&mut self) {
        let near = self.threshold / 2.0;
        // Pairs between which nothing fits.
        let mut stuck: Vec<(usize, usize)> = Vec::new();
        while let Some((source, target)) = self.pair(near, &stuck) {
            let (above, below) = (self.places[source].level() - 1.0, 1.0 - self.places[target].level());
            let reason = match above >= below {
                true => Reason::Above((above * 100.0).round() as u64),
                false => Reason::Below((below * 100.0).round() as u64),
            };
            let slots = self.choose(source, target, near);
            match slots.is_empty() {
                true => stuck.push((source, target)),
                false => {
                    self.give(source, target, slots, reason);
                    stuck.clear();
                }
            }
        }
    }

    /// Who bears most and who bears least, one of them not near its share, and not stuck.
    fn pair(&self, near: f64, stuck: &[(usize, usize)]) -> Option<(usize, usize)> {
        let mut order = self.sharing.clone();
        order.sort_by(|a, b| self.places[*b].level().total_cmp(&self.places[*a].level()));
        let slack = near + 1e-9;
        for source in &order {
            for target in order.iter().rev().take_while(|target| *target != source) {
                let (high, low) = (self.places[*source].level(), self.places[*target].level());
                let is_needed = high > 1.0 + slack || low < 1.0 - slack;
                if is_needed && high > low && !stuck.contains(&(*source, *target)) {
                    return Some((*source, *target));
                }
            }
        }
        None
    }

    /// Slots of `source` that bring it or `target` near; else one that brings the worse of them nearer; else none.
    fn choose(&self, source: usize, target: usize, near: f64) -> Vec<Slot> {
        let (from, to) = (&self.places[source], &self.places[target]);
        let (above, below) = (from.load - from.share * (1.0 + near), to.share * (1.0 - near) - to.load);
        // Where both need it, as much as the one that needs less: the other may have others. No more than either can bear.
        let most = (from.load - from.share * (1.0 - near)).min(to.share * (1.0 + near) - to.load).max(0.0);
        let needed = if above.min(below) > 0.0 { above.min(below) } else { above.max(below) };
        let wanted = needed.min(most);
        let (mut slots, mut sum) = (Vec::new(), 0.0);
        for slot in self.candidates(source, target) {
            if sum >= wanted {
                break;
            }
            let value = self.value(slot);
            if sum + value <= most {
                sum += value;
                slots.push(slot);
            }
        }
        if !slots.is_empty() {
            return slots;
        }
        let worse = |value: f64| {
            let (high, low) = ((from.load - value) / from.share - 1.0, (to.load + value) / to.share - 1.0);
            high.abs().max(low.abs())
        };
        let now = worse(0.0);
        let best = self.candidates(source, target).map(|slot| (slot, worse(self.value(slot))));
        let best = best.min_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, then)| *then < now - 1e-9);
        best.map(|(slot, _)| vec![slot]).unwrap_or_default()
    }

    /// The slots that may go, in the order in which they go best.
    fn candidates(&self, source: usize, target: usize) -> impl Iterator<Item = Slot> {
        let theirs = &self.places[target].slots;
        let has = |number: Option<u16>| number.and_then(Slot::new).is_some_and(|slot| theirs.contains(slot));
        let mut ranges: Vec<(bool, Vec<Slot>)> = Vec::new();
        for range in self.places[source].slots.ranges() {
            let (first, last) = (range.start().number(), range.end().number());
            let slots = (first..=last).filter_map(Slot::new);
            match (has(first.checked_sub(1)), has(last.checked_add(1))) {
                (true, _) => ranges.push((true, slots.collect())),
                (false, beside) => ranges.push((beside, slots.rev().collect())),
            }
        }
        ranges.reverse();
        ranges.sort_by_key(|(beside, _)| !beside);
        let may_go =
            |slot: &Slot| self.value(*slot) > 0.0 && !self.moved.contains(*slot) && !self.loads.pinned.contains(*slot);
        ranges.into_iter().flat_map(|(_, slots)| slots).filter(may_go)
    }

    fn give(&mut self, source: usize, target: usize, slots: Vec<Slot>, reason: Reason) {
        for slot in &slots {
            let value = self.value(*slot);
            self.places[source].slots.remove(*slot);
            self.places[source].load -= value;
            self.places[target].slots.insert(*slot);
            self.places[target].load += value;
            self.moved.insert(*slot);
        }
        if !slots.is_empty() {
            self.moves.push(Move { source, target, slots, reason });
        }
    }
}

/// What was counted for a while differs from the mean by the root of its number, most often, and seldom by so many times that.
const NOISE_WIDTHS: f64 = 3.0;

/// As much of the moves as the budget allows, those between the same nodes for the same reason as one step.
fn within(budget: Budget, loads: &Loads, moves: Vec<Move>) -> Plan {
    let mut plan = Plan::default();
    let mut spent = (0, SlotLoad::default());
    for Move { source, target, slots, reason } in moves {
        let mut kept = SlotSet::new();
        for slot in slots {
            let load = loads.of(slot);
            let (count, keys, bytes) = (spent.0 + 1, spent.1.keys + load.keys, spent.1.bytes + load.bytes);
            let fits = count <= budget.slots && keys <= budget.keys && bytes <= budget.bytes;
            match fits || spent.0 == 0 {
                true => {
                    kept.insert(slot);
                    spent = (count, SlotLoad { keys, bytes, operations: 0 });
                }
                false => plan.slots_left += 1,
            }
        }
        if !kept.is_empty() {
            let (source, target) = (loads.nodes[source].name, loads.nodes[target].name);
            add(&mut plan, loads, Step { source, target, load: loads.sum(&kept), slots: kept, reason });
        }
    }
    plan
}

/// Adds a step, to the one that goes the same way if there is one.
fn add(plan: &mut Plan, loads: &Loads, step: Step) {
    let same = |of: &&mut Step| (of.source, of.target) == (step.source, step.target);
    match plan.steps.iter_mut().find(same) {
        Some(of) => {
            of.slots = of.slots.union(&step.slots);
            of.load = loads.sum(&of.slots);
        }
        None => plan.steps.push(step),
    }
}
