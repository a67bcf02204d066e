//! Who moves the slots of a plan. [`Mover`] is the seam: how slots move between two nodes is one implementation's business.

use super::asked::{AskError, request};
use super::survey::Primary;
use keyslot::engine::resp::Value;
use keyslot::engine::{Slot, SlotSet};

/// Why slots did not move, and how that left them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    #[error("slot {slot} stays where it was: {error}")]
    Undone { slot: Slot, error: AskError },
    #[error("slot {slot} is half-way, and served all the same; redis-cli --cluster fix ends that: {error}")]
    HalfWay { slot: Slot, error: AskError },
}

/// Moves slots between nodes.
pub(crate) trait Mover {
    /// Moves slots from one primary to another, telling each that arrived; says how many keys went. What moved before an error
    /// has moved.
    fn carry(
        &mut self,
        primaries: &mut [Primary],
        way: Way<'_>,
        arrived: &mut dyn FnMut(Slot),
    ) -> Result<u64, MoveError>;
}

/// Which slots go from where to where, the nodes by their places among the primaries.
pub(crate) struct Way<'a> {
    pub(crate) source: usize,
    pub(crate) target: usize,
    pub(crate) slots: &'a SlotSet,
}

/// The mover for two nodes: what both know.
pub(crate) fn mover_for(_source: &Primary, _target: &Primary, password: Option<&str>) -> Box<dyn Mover> {
    Box::new(SlotBySlot { password: password.map(str::to_owned) })
}

/// One slot after another, its keys by MIGRATE: what every server of the cluster protocol knows.
struct SlotBySlot {
    password: Option<String>,
}

impl Mover for SlotBySlot {
    fn carry(
        &mut self,
        primaries: &mut [Primary],
        way: Way<'_>,
        arrived: &mut dyn FnMut(Slot),
    ) -> Result<u64, MoveError> {
        let mut keys = 0;
        for slot in way.slots.iter() {
            open(primaries, &way, slot).map_err(|error| MoveError::Undone { slot, error })?;
            keys += self.send_keys(primaries, &way, slot)?;
            hand_over(primaries, &way, slot).map_err(|error| MoveError::HalfWay { slot, error })?;
            arrived(slot);
        }
        Ok(keys)
    }
}

impl SlotBySlot {
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
                    let password = self.password.as_deref().map(|password| [&b"AUTH"[..], password.as_bytes()]);
                    let words = head.into_iter().chain(password.into_iter().flatten()).chain([&b"KEYS"[..]]);
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

/// So many keys go in one request.
const KEYS_AT_ONCE: usize = 100;

/// How long one request may take.
const TIMEOUT_MS: &[u8] = b"60000";
