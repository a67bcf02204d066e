//! One round: what the slots bear is measured, and a plan is carried out.

use super::asked::{AskError, Credentials};
use super::mover::{MoveError, Way, mover_for};
use super::survey::{Primary, read};
use keyslot::engine::{Slot, SlotSet};
use keyslot::replication::cluster::NodeName;
use keyslot::replication::cluster::balance::{Loads, Measure, Plan, SlotLoad};
use std::collections::BTreeMap;
use std::time::Duration;

/// By what loads can be compared, and which nodes do not tell what was asked for.
pub(crate) struct Measured {
    pub(crate) by: Measure,
    pub(crate) silent: Vec<String>,
}

/// Fills in the loads. What not all nodes tell cannot be compared: then keys are counted. Operations are those of `window`.
pub(crate) fn measure(
    wanted: Measure,
    window: Duration,
    primaries: &mut [Primary],
    loads: &mut Loads,
) -> Result<Measured, AskError> {
    let first = primaries.iter_mut().map(read).collect::<Result<Vec<_>, _>>()?;
    let told = primaries.iter().zip(&first);
    let silent: Vec<String> = told.filter(|(_, of)| !of.knows.contains(&wanted)).map(|(of, _)| of.place()).collect();
    let by = if silent.is_empty() { wanted } else { Measure::Keys };
    let mut before: BTreeMap<Slot, SlotLoad> = BTreeMap::new();
    let last = match by {
        Measure::Operations => {
            before.extend(first.into_iter().flat_map(|reading| reading.slots));
            std::thread::sleep(window);
            primaries.iter_mut().map(read).collect::<Result<Vec<_>, _>>()?
        }
        Measure::Slots | Measure::Keys | Measure::Bytes => first,
    };
    for (slot, load) in last.into_iter().flat_map(|reading| reading.slots) {
        let earlier = before.get(&slot).map_or(0, |load| load.operations);
        loads.set(slot, SlotLoad { operations: load.operations.saturating_sub(earlier), ..load });
    }
    Ok(Measured { by, silent })
}

/// What moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Carried {
    pub(crate) slots: usize,
    pub(crate) keys: u64,
}

/// Why a plan was not carried out to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CarryError {
    #[error("the plan does not fit the cluster: {0}")]
    Misfit(String),
    #[error("{error}\n{done} of {total} slots moved before that.")]
    Move { error: MoveError, done: usize, total: usize },
}

/// Carries a plan out, telling how many slots have moved.
pub(crate) fn carry_out(
    plan: &Plan,
    primaries: &mut [Primary],
    credentials: Option<&Credentials>,
    mut progress: impl FnMut(usize),
) -> Result<Carried, CarryError> {
    let mut carried = Carried::default();
    for step in &plan.steps {
        let find = |name: NodeName| {
            let found = primaries.iter().position(|primary| primary.name == name);
            found.ok_or_else(|| CarryError::Misfit(format!("{name} is no primary")))
        };
        let (source, target) = (find(step.source)?, find(step.target)?);
        if !step.slots.is_subset(&primaries[source].slots) {
            let strays = step.slots.difference(&primaries[source].slots);
            return Err(CarryError::Misfit(format!("{} does not have slots {strays}", primaries[source].place())));
        }
        let mut mover = mover_for(&primaries[source], &primaries[target], credentials);
        let way = Way { source, target, slots: &step.slots };
        let moved = mover.carry(primaries, way, &mut |slots: &SlotSet| {
            carried.slots += slots.len();
            progress(carried.slots);
        });
        match moved {
            Ok(keys) => carried.keys += keys,
            Err(error) => {
                return Err(CarryError::Move { error, done: carried.slots, total: plan.slot_count() });
            }
        }
    }
    Ok(carried)
}
