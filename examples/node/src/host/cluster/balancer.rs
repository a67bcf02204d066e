//! The cluster that balances itself (`cluster-auto-rebalance yes`): a thread looks at it once a second and, where this node is the one
//! that decides, asks all primaries what they bear and moves slots, as an operator would from outside.
//!
//! When, and who decides: [`AutoBalance`](keyslot::replication::cluster::balance). A round moves a bounded number of slots; what is on
//! its way when the setting is turned off arrives, and the next part of the round is not begun.

use crate::balancing::asked::Credentials;
use crate::balancing::round::{self, Carried};
use crate::balancing::survey;
use crate::host::Node;
use keyslot::replication::cluster::balance::{
    AutoBalance, AutoOptions, AutoStep, Budget, Greedy, Loads, NodeLoad, Part, Plan, Primary,
};
use keyslot::replication::cluster::{KnownNode, NodeName};
use std::error::Error;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Starts the thread; it ends with the node.
pub(in crate::host) fn balance_by_itself(node: &Arc<Node>) -> io::Result<()> {
    let node = Arc::downgrade(node);
    std::thread::Builder::new().name("balance".into()).spawn(move || run(&node)).map(drop)
}

fn run(node: &Weak<Node>) {
    let mut auto: Option<(AutoOptions, AutoBalance)> = None;
    let mut told = String::new();
    loop {
        std::thread::sleep(LOOK_INTERVAL);
        let Some(node) = node.upgrade() else { return };
        let values = node.settings.values();
        if !values.switch("cluster-auto-rebalance") {
            auto = None;
            continue;
        }
        let delay_ms = i64::try_from(values.number("cluster-auto-rebalance-delay")).unwrap_or(i64::MAX);
        let options = AutoOptions { settle_ms: delay_ms, ..AutoOptions::default() };
        let (_, auto) = match auto.take().filter(|(known, _)| *known == options) {
            Some(known) => auto.insert(known),
            None => auto.insert((options, AutoBalance::new(options))),
        };
        let Some(look) = node.look_at_primaries() else { return };
        if auto.step(node.engine.now(), look.me, look.is_up, &look.primaries) == AutoStep::Rest {
            continue;
        }
        match node.balance(auto, &look) {
            Ok(Carried { slots: 0, .. }) => {}
            Ok(Carried { slots, keys }) => {
                tracing::info!("Cluster: balanced itself: {slots} slots with {keys} keys moved");
                told.clear();
            }
            // It is tried again, and said once.
            Err(error) if error.to_string() == told => std::thread::sleep(FAILED_PAUSE),
            Err(error) => {
                tracing::warn!("Cluster: cannot balance itself yet: {error}");
                told = error.to_string();
            }
        }
    }
}

/// The cluster as this node knows it.
struct Look {
    me: NodeName,
    place: (String, u16),
    is_up: bool,
    primaries: Vec<Primary>,
}

impl Node {
    fn look_at_primaries(&self) -> Option<Look> {
        let state = self.cluster.as_ref()?.state.lock();
        let roster = state.member.roster();
        let primary = |node: &KnownNode| Primary {
            name: node.name,
            is_working: !node.is_failed() && !node.is_suspected(),
            slot_count: node.slots.len(),
        };
        let (me, known) = (roster.me(), roster.nodes().filter(|node| node.is_primary() && !node.is_in_handshake()));
        let ip = if me.address.ip.is_empty() { "127.0.0.1" } else { &me.address.ip };
        Some(Look {
            me: me.name,
            place: (ip.to_owned(), me.address.port),
            is_up: state.member.is_up(),
            primaries: known.map(primary).collect(),
        })
    }

    /// Measures, and moves what is to move now.
    fn balance(&self, auto: &mut AutoBalance, look: &Look) -> Result<Carried, Box<dyn Error>> {
        let values = self.settings.values();
        let text = |name| Some(values.text(name)).filter(|text| !text.is_empty());
        let text = |name| text(name).map(|text| String::from_utf8_lossy(text).into_owned());
        let credentials = text("masterauth").map(|password| Credentials { user: text("masteruser"), password });
        let (host, port) = &look.place;
        let mut primaries = survey::primaries(host, *port, credentials.as_ref())?;
        let share = |primary: &survey::Primary| NodeLoad {
            name: primary.name,
            slots: primary.slots.clone(),
            part: Part::Shares(1.0),
        };
        let mut loads = Loads::new(primaries.iter().map(share).collect());
        let mut policy = Greedy { budget: ROUND_BUDGET, ..Greedy::default() };
        policy.measure = round::measure(policy.measure, Duration::ZERO, &mut primaries, &mut loads)?.by;
        let plan = auto.plan(self.engine.now(), &mut loads, &policy);
        let mut carried = Carried::default();
        for step in plan.steps {
            if !self.settings.values().switch("cluster-auto-rebalance") {
                break;
            }
            let plan = Plan { steps: vec![step], slots_left: 0 };
            let part = round::carry_out(&plan, &mut primaries, credentials.as_ref(), |_| {})?;
            carried.slots += part.slots;
            carried.keys += part.keys;
        }
        Ok(carried)
    }
}

/// So much moves before the cluster is measured again.
const ROUND_BUDGET: Budget = Budget { slots: 2048, ..Budget::UNLIMITED };

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long it rests when it failed for the same reason as before.
const FAILED_PAUSE: Duration = Duration::from_secs(5);
