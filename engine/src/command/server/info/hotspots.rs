//! Hotspots: the slots that are asked most, and the keys that take most memory. Shown when asked for by name, since it looks at every
//! slot.

use super::lines::Lines;
use crate::core::Core;
use crate::slot_stats::{hottest_slots, oversized_keys};

pub(super) fn write(core: &Core, lines: &mut Lines) {
    for (rank, (slot, stats)) in hottest_slots(core, SHOWN_MAX).into_iter().enumerate() {
        let (reads, writes, usec, keys) = (stats.reads, stats.writes, stats.cpu_ns / 1000, stats.keys);
        lines.add(
            format!("hot_slot_{rank}"),
            format!("slot={slot},reads={reads},writes={writes},usec={usec},keys={keys}"),
        );
    }
    for (rank, key) in oversized_keys(core).into_iter().take(SHOWN_MAX).enumerate() {
        let (name, kind) = (key.key.escape_ascii(), key.value_type.name());
        // The name comes last: it may hold anything.
        lines.add(
            format!("oversized_key_{rank}"),
            format!("slot={},db={},type={kind},bytes={},key={name}", key.slot, key.db, key.bytes),
        );
    }
}

/// So many of each are shown.
const SHOWN_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use crate::{Engine, InfoSection};

    #[test]
    fn hot_slots_and_large_keys_are_shown_by_name_only() {
        let db = Engine::in_memory();
        db.set("large", vec![b'x'; 2 << 20]).unwrap();
        (0..3).for_each(|_| drop(db.get("b").unwrap()));
        let text = db.info(&[InfoSection::Hotspots]);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[1], "hot_slot_0:slot=3300,reads=3,writes=0,usec=0,keys=0");
        assert!(lines[3].starts_with("oversized_key_0:slot=") && lines[3].ends_with(",key=large"), "{text}");
        let by_default = db.call(&["INFO"]);
        assert!(!format!("{by_default:?}").contains("Hotspots"));
    }
}
