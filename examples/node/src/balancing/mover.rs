//! Who moves the slots of a plan. [`Mover`] is the seam: how slots move between two nodes is one implementation's business.

use super::asked::{AskError, Credentials, request};
use super::survey::Primary;
use keyslot::engine::resp::Value;
use keyslot::engine::{Slot, SlotSet};
use keyslot::replication::cluster::NodeName;
use std::time::Duration;

/// Why slots did not move, and how that left them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    #[error("slot {slot} stays where it was: {error}")]
    Undone { slot: Slot, error: AskError },
    #[error("slot {slot} is half-way, and served all the same; redis-cli --cluster fix ends that: {error}")]
    HalfWay { slot: Slot, error: AskError },
    #[error("slots {slots} stay where they were: {message}")]
    Kept { slots: String, message: String },
    #[error(
        "slots {slots} were on their way, which ends by itself; where, cluster rebalance --plan will tell: {reason}"
    )]
    Unclear { slots: String, reason: String },
}

/// Moves slots between nodes.
pub(crate) trait Mover {
    /// Moves slots from one primary to another, telling which arrived; says how many keys went. What moved before an error
    /// has moved.
    fn carry(
        &mut self,
        primaries: &mut [Primary],
        way: Way<'_>,
        arrived: &mut dyn FnMut(&SlotSet),
    ) -> Result<u64, MoveError>;
}

/// Which slots go from where to where, the nodes by their places among the primaries.
pub(crate) struct Way<'a> {
    pub(crate) source: usize,
    pub(crate) target: usize,
    pub(crate) slots: &'a SlotSet,
}

/// The mover for two nodes: what both know.
pub(crate) fn mover_for(source: &Primary, target: &Primary, credentials: Option<&Credentials>) -> Box<dyn Mover> {
    let slot_by_slot = SlotBySlot { credentials: credentials.cloned() };
    match source.is_keyslot && target.is_keyslot {
        true => Box::new(AtOnce { otherwise: slot_by_slot }),
        false => Box::new(slot_by_slot),
    }
}

/// Many slots at once, by CLUSTER MIGRATESLOTS: what nodes of Keyslot know of each other.
struct AtOnce {
    /// For a source that refuses it, as under strict failover.
    otherwise: SlotBySlot,
}

impl Mover for AtOnce {
    fn carry(
        &mut self,
        primaries: &mut [Primary],
        way: Way<'_>,
        arrived: &mut dyn FnMut(&SlotSet),
    ) -> Result<u64, MoveError> {
        let (all, mut keys): (Vec<Slot>, _) = (way.slots.iter().collect(), 0);
        for slots in all.chunks(SLOTS_AT_ONCE) {
            let slots: SlotSet = slots.iter().copied().collect();
            let way = Way { slots: &slots, ..way };
            let kept = |error: AskError| MoveError::Kept { slots: slots.to_string(), message: error.to_string() };
            let count = count_keys(&mut primaries[way.source], &slots).map_err(kept)?;
            let owner = primaries[way.target].name;
            let words = format!("CLUSTER MIGRATESLOTS SLOTSRANGE {} NODE {owner}", ranges(&slots, " "));
            match primaries[way.source].asked.ask(&request(&words)) {
                Ok(_) => await_end(&mut primaries[way.source], owner, &slots)?,
                Err(AskError::Refused { .. }) => {
                    keys += self.otherwise.carry(primaries, way, arrived)?;
                    continue;
                }
                Err(error) => return Err(unclear(&slots, &error)),
            }
            keys += count;
            arrived(&slots);
        }
        Ok(keys)
    }
}

/// `0-9 20-20`, or with something else between two numbers.
fn ranges(slots: &SlotSet, between: &str) -> String {
    let ranges: Vec<String> =
        slots.ranges().map(|range| format!("{}{between}{}", range.start(), range.end())).collect();
    ranges.join(" ")
}

fn count_keys(source: &mut Primary, slots: &SlotSet) -> Result<u64, AskError> {
    let requests: Vec<_> = slots.iter().map(|slot| request(&format!("CLUSTER COUNTKEYSINSLOT {slot}"))).collect();
    let counts = source.asked.ask_all(&requests)?;
    Ok(counts.iter().filter_map(Value::as_i64).map(i64::unsigned_abs).sum())
}

/// Waits for the end that every transfer has.
fn await_end(source: &mut Primary, owner: NodeName, slots: &SlotSet) -> Result<(), MoveError> {
    let mut pause = PAUSE_MIN;
    loop {
        let said = match source.asked.ask(&request("CLUSTER GETSLOTMIGRATIONS")) {
            // It gave its last slot away, and takes over the new owner's data.
            Err(AskError::Refused { answer, .. }) if answer.starts_with("LOADING") => None,
            said => Some(said.map_err(|error| unclear(slots, &error))?),
        };
        let (state, message) = match said {
            Some(said) => outcome(&said, owner, slots).ok_or_else(|| unclear(slots, &"the source tells of none"))?,
            None => ("loading".to_owned(), String::new()),
        };
        match state.as_str() {
            "success" => return Ok(()),
            "failed" | "cancelled" => {
                let message = if message.is_empty() { format!("the transfer is {state}") } else { message };
                return Err(MoveError::Kept { slots: slots.to_string(), message });
            }
            _ => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn unclear(slots: &SlotSet, reason: &dyn std::fmt::Display) -> MoveError {
    MoveError::Unclear { slots: slots.to_string(), reason: reason.to_string() }
}

/// Where the newest transfer of these slots is, and why it failed, by a reply to CLUSTER GETSLOTMIGRATIONS.
fn outcome(said: &Value, owner: NodeName, slots: &SlotSet) -> Option<(String, String)> {
    let wanted = [("operation", "EXPORT"), ("target_node", owner.as_str()), ("slot_ranges", &ranges(slots, "-"))];
    said.as_slice()?.iter().find_map(|report| {
        let fields = report.as_slice()?;
        let text = |name: &str| {
            let found = fields.chunks_exact(2).find(|pair| pair[0].as_bytes() == Some(name.as_bytes()))?;
            Some(String::from_utf8_lossy(found[1].as_bytes()?).into_owned())
        };
        let is_it = wanted.iter().all(|(name, value)| text(name).as_deref() == Some(value));
        is_it.then(|| Some((text("state")?, text("message").unwrap_or_default())))?
    })
}

/// One slot after another, its keys by MIGRATE: what every server of the cluster protocol knows.
struct SlotBySlot {
    credentials: Option<Credentials>,
}

impl Mover for SlotBySlot {
    fn carry(
        &mut self,
        primaries: &mut [Primary],
        way: Way<'_>,
        arrived: &mut dyn FnMut(&SlotSet),
    ) -> Result<u64, MoveError> {
        let mut keys = 0;
        for slot in way.slots.iter() {
            open(primaries, &way, slot).map_err(|error| MoveError::Undone { slot, error })?;
            keys += self.send_keys(primaries, &way, slot)?;
            hand_over(primaries, &way, slot).map_err(|error| MoveError::HalfWay { slot, error })?;
            arrived(&SlotSet::from_iter([slot]));
        }
        Ok(keys)
    }
}

impl SlotBySlot {
    /// What MIGRATE is told of who may write at the target.
    fn identity(&self) -> Vec<&[u8]> {
        match &self.credentials {
            None => Vec::new(),
            Some(Credentials { user: None, password }) => vec![b"AUTH", password.as_bytes()],
            Some(Credentials { user: Some(user), password }) => vec![b"AUTH2", user.as_bytes(), password.as_bytes()],
        }
    }

    /// Sends the keys of an open slot. Where none went, the slot is closed again.
    fn send_keys(&self, primaries: &mut [Primary], way: &Way<'_>, slot: Slot) -> Result<u64, MoveError> {
        let (host, port) = (primaries[way.target].host.clone(), primaries[way.target].port.to_string());
        let mut sent = 0;
        loop {
            let source = &mut primaries[way.source].asked;
            let step = source.ask(&request(&format!("CLUSTER GETKEYSINSLOT {slot} {KEYS_AT_ONCE}"))).and_then(|keys| {
                let keys: Vec<&[u8]> = keys.as_slice().unwrap_or_default().iter().filter_map(Value::as_bytes).collect();
                if !keys.is_empty() {
                    let head: [&[u8]; 6] = [b"MIGRATE", host.as_bytes(), port.as_bytes(), b"", b"0", TIMEOUT_MS];
                    let words = head.into_iter().chain(self.identity()).chain([&b"KEYS"[..]]);
                    source.ask(&words.chain(keys.iter().copied()).map(<[u8]>::to_vec).collect())?;
                }
                Ok(keys.len())
            });
            match step {
                Ok(0) => return Ok(sent),
                Ok(count) => sent += count as u64,
                Err(error) if sent == 0 && close(primaries, way, slot) => {
                    return Err(MoveError::Undone { slot, error });
                }
                Err(error) => return Err(MoveError::HalfWay { slot, error }),
            }
        }
    }
}

/// Tells both that a slot is on its way. Where one does not agree, the other is told that it stays.
fn open(primaries: &mut [Primary], way: &Way<'_>, slot: Slot) -> Result<(), AskError> {
    let (from, to) = (primaries[way.source].name, primaries[way.target].name);
    primaries[way.target].asked.ask(&request(&format!("CLUSTER SETSLOT {slot} IMPORTING {from}")))?;
    let opened = primaries[way.source].asked.ask(&request(&format!("CLUSTER SETSLOT {slot} MIGRATING {to}")));
    opened.map(drop).inspect_err(|_| {
        close(primaries, way, slot);
    })
}

/// Tells both that a slot stays, unless keys of it are there already: whether it does.
fn close(primaries: &mut [Primary], way: &Way<'_>, slot: Slot) -> bool {
    let count = primaries[way.target].asked.ask(&request(&format!("CLUSTER COUNTKEYSINSLOT {slot}")));
    count.is_ok_and(|count| count.as_i64() == Some(0))
        && [way.source, way.target]
            .into_iter()
            .all(|at| primaries[at].asked.ask(&request(&format!("CLUSTER SETSLOT {slot} STABLE"))).is_ok())
}

/// Gives an empty slot to its new owner: that one first, so that at no moment nobody has it.
fn hand_over(primaries: &mut [Primary], way: &Way<'_>, slot: Slot) -> Result<(), AskError> {
    let owner = primaries[way.target].name;
    let to_owner = request(&format!("CLUSTER SETSLOT {slot} NODE {owner}"));
    primaries[way.target].asked.ask(&to_owner)?;
    match primaries[way.source].asked.ask(&to_owner) {
        // It gave its last slot away, and follows the new owner already.
        Err(AskError::Refused { answer, .. }) if answer.contains("only with masters") => {}
        answered => drop(answered?),
    }
    for (at, primary) in primaries.iter_mut().enumerate() {
        if at != way.source && at != way.target {
            // They would hear of it anyway, a moment later.
            let _ = primary.asked.ask(&to_owner);
        }
    }
    Ok(())
}

/// So many slots go in one transfer: few enough that progress shows.
const SLOTS_AT_ONCE: usize = 256;

/// How often a node is asked where a transfer is.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// So many keys go in one request.
const KEYS_AT_ONCE: usize = 100;

/// How long one request may take.
const TIMEOUT_MS: &[u8] = b"60000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_transfer_of_the_slots_tells_the_outcome() {
        let owner = NodeName::parse(&[b'a'; 40]).unwrap();
        let report = |target: &str, ranges: &str, operation: &str, state: &str| {
            let fields = [
                ("operation", operation),
                ("slot_ranges", ranges),
                ("target_node", target),
                ("state", state),
                ("message", "why"),
            ];
            Value::Array(fields.iter().flat_map(|(name, value)| [Value::bulk(*name), Value::bulk(*value)]).collect())
        };
        let said = Value::Array(vec![
            report(&"b".repeat(40), "0-9 20-20", "EXPORT", "success"),
            report(owner.as_str(), "0-9", "EXPORT", "success"),
            report(owner.as_str(), "0-9 20-20", "IMPORT", "success"),
            report(owner.as_str(), "0-9 20-20", "EXPORT", "failed"),
            report(owner.as_str(), "0-9 20-20", "EXPORT", "success"),
        ]);
        let slots: SlotSet = "0-9 20".parse().unwrap();
        assert_eq!(outcome(&said, owner, &slots), Some(("failed".to_owned(), "why".to_owned())));
        assert_eq!(outcome(&said, owner, &"5".parse().unwrap()), None);
        assert_eq!(ranges(&slots, " "), "0 9 20 20");
    }
}
