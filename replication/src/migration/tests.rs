//! An export and an import, joined by nothing but bytes.

use super::*;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{EffectSink, Engine, GateState, ManualClock, Offset, Slot, UnixMillis};
use keyslot_persistence::{Journal, JournalOptions};
use std::sync::Arc;

fn node() -> (Engine, Arc<Journal>) {
    let engine = Engine::builder().clock(ManualClock::at(UnixMillis(1_700_000_000_000))).seed(7).in_memory();
    let journal = Arc::new(Journal::in_memory(Offset(0), JournalOptions::default()));
    engine.attach_sink(journal.clone());
    engine.set_cluster(true);
    (engine, journal)
}

fn call(engine: &Engine, line: &str) {
    let reply = engine.call(&line.split(' ').collect::<Vec<_>>());
    assert!(reply.as_error().is_none(), "{line}: {reply:?}");
}

/// All keys of some slots, which are opened, with the digests of their values and their expiries.
fn contents(engine: &Engine, slots: &SlotSet) -> Vec<(Vec<u8>, String, Option<i64>)> {
    engine.set_gate(slots.iter(), GateState::Open);
    let view = engine.view();
    let mut all = Vec::new();
    for slot in slots.iter() {
        for entry in view.slot(slot).iter() {
            let digest = engine.call(&[&b"DEBUG"[..], b"DIGEST-VALUE", entry.key()]);
            all.push((entry.key().to_vec(), format!("{digest:?}"), entry.expiry().map(|at| at.0)));
        }
    }
    all.sort();
    all
}

struct Pair {
    source: Engine,
    journal: Arc<Journal>,
    target: Engine,
    slots: SlotSet,
    export: Export,
    import: Import,
}

impl Pair {
    fn of(source: (Engine, Arc<Journal>), slots: SlotSet) -> Self {
        let ((source, journal), (target, _)) = (source, node());
        target.set_gate(slots.iter(), GateState::Staged);
        let export = Export::new(source.clone(), journal.clone(), slots.clone());
        let import = Import::new(target.clone(), slots.clone());
        Self { source, journal, target, slots, export, import }
    }

    /// Moves bytes until nothing moves; what the target was told last.
    fn run(&mut self) -> Result<Option<ImportEvent>, Box<dyn std::error::Error>> {
        let mut event = None;
        loop {
            let mut bytes = Vec::new();
            self.export.poll_output(&mut bytes, 10_000)?;
            if bytes.is_empty() {
                return Ok(event);
            }
            for piece in bytes.chunks(999) {
                let mut said = Vec::new();
                event = self.import.handle_input(piece, &mut said)?.or(event);
                self.export.handle_input(&said)?;
            }
        }
    }
}

fn filled() -> ((Engine, Arc<Journal>), SlotSet) {
    let (engine, journal) = node();
    for n in 0..2_000 {
        call(&engine, &format!("SET key:{n} value:{n}"));
    }
    for line in [
        "RPUSH {a}l a b 1",
        "SADD {a}t 1 2",
        "ZADD {a}z 1 a 2 b",
        "XADD {a}x 1-1 f v",
        "HSET {b}h f v",
        "SET {b}e v EX 100",
    ] {
        call(&engine, line);
    }
    // Large ones go as effects.
    for n in 0..3_000 {
        call(&engine, &format!("HSET {{a}}large f{n} {n:030}"));
        call(&engine, &format!("RPUSH {{b}}large {n:030}"));
    }
    let mut slots: SlotSet = (0..4096).filter_map(Slot::new).collect();
    slots.extend([Slot::of(b"a"), Slot::of(b"b")]);
    ((engine, journal), slots)
}

#[test]
fn keys_and_what_changes_meanwhile_arrive() {
    let (source, slots) = filled();
    let mut pair = Pair::of(source, slots);
    let mut bytes = Vec::new();
    pair.export.poll_output(&mut bytes, 1).unwrap();
    for line in ["DEL {a}t", "RPUSH {b}large end", "INCR {a}new", "DEL key:5", "SET key:6 changed", "SET outside{c} x"]
    {
        call(&pair.source, line);
    }
    let mut said = Vec::new();
    pair.import.handle_input(&bytes, &mut said).unwrap();
    pair.export.handle_input(&said).unwrap();
    assert_eq!(pair.run().unwrap(), None);
    assert!(pair.export.progress().is_tailing);
    call(&pair.source, "APPEND key:7 !");
    call(&pair.source, "HDEL {a}large f17");
    pair.source.set_gate(pair.slots.iter(), GateState::Paused);
    assert!(pair.export.end(9));
    assert_eq!(pair.run().unwrap(), Some(ImportEvent::Complete { epoch: 9 }));
    assert_eq!(pair.target.db_size(), 0, "nobody sees them yet");
    assert_eq!(contents(&pair.target, &pair.slots), contents(&pair.source, &pair.slots));
    assert_eq!(pair.export.lag(), Some((0, 0)));
    let mut said = Vec::new();
    pair.import.say_claimed(9, &mut said);
    assert_eq!(pair.export.handle_input(&said).unwrap(), Some(ExportEvent::Claimed { epoch: 9 }));
    assert!(pair.journal.end() > Offset(0));
}

#[test]
fn what_moves_in_is_in_the_journal_of_the_target() {
    let (source, slots) = filled();
    let (source, journal) = source;
    let (target, kept) = node();
    target.set_gate(slots.iter(), GateState::Staged);
    let (export, import) =
        (Export::new(source.clone(), journal.clone(), slots.clone()), Import::new(target.clone(), slots.clone()));
    let mut pair = Pair { source, journal, target, slots, export, import };
    pair.run().unwrap();
    // A replica of the target has the same.
    let (replica, _) = node();
    let mut bytes = Vec::new();
    let mut reader = keyslot_persistence::JournalReader::new(kept, Offset(0)).unwrap();
    loop {
        let before = bytes.len();
        reader.read(&mut bytes, usize::MAX).unwrap();
        if bytes.len() == before {
            break;
        }
    }
    let mut filter = filter::SlotFilter::new(SlotSet::full());
    let mut effects = Vec::new();
    filter.pass(&replica, &bytes, &mut effects).unwrap();
    let mut import = Import::new(replica.clone(), SlotSet::full());
    let (mut writer, mut frames) = (frame::FrameWriter::default(), Vec::new());
    writer.write(&mut frames, &frame::Frame::Effects(&effects));
    import.handle_input(&frames, &mut Vec::new()).unwrap();
    assert_eq!(contents(&replica, &pair.slots), contents(&pair.source, &pair.slots));
}

#[test]
fn a_ticket_moves_slots_or_nothing() {
    let ((a, journal), slots) = filled();
    let (b, _) = node();
    let keys = |engine: &Engine| (0..2_000).filter(|n| matches!(engine.exists(format!("key:{n}")), Ok(true))).count();
    let all = keys(&a);
    for commits in [false, true] {
        let mut ticket = SlotTicket::new(&a, &journal, &b, slots.clone()).unwrap();
        ticket.copy().unwrap();
        call(&a, "SET {a}late 1");
        assert_eq!((keys(&a), keys(&b)), (all, 0));
        match ticket.commit(|report| report.slots == slots.len() && commits) {
            Ok(report) => assert!(commits && report.keys > 100 && report.effects > 10, "{report:?}"),
            Err(error) => assert_eq!((error, commits), (TicketError::Declined, false)),
        }
        let moved = if commits { keys(&b) } else { 0 };
        assert_eq!(keys(&a) + moved, all);
        assert_eq!(b.has_keys(&slots), commits);
    }
    assert_eq!(b.get("{a}late").unwrap().as_deref(), Some(&b"1"[..]));
    assert!(!a.has_keys(&slots));
    drop(SlotTicket::new(&b, &journal, &a, [Slot::of(b"a")].into_iter().collect()).unwrap());
    assert_eq!(b.get("{a}late").unwrap().as_deref(), Some(&b"1"[..]));
    assert!(matches!(SlotTicket::new(&a, &journal, &b, slots), Err(TicketError::NotEmpty)));
}

#[test]
fn flushing_either_side_ends_the_transfer() {
    let (source, slots) = filled();
    let mut pair = Pair::of(source, slots);
    pair.run().unwrap();
    call(&pair.source, "FLUSHALL");
    assert!(pair.run().unwrap_err().to_string().contains("FLUSHALL"));
    let (source, slots) = filled();
    let mut pair = Pair::of(source, slots);
    call(&pair.target, "FLUSHALL");
    assert!(pair.run().unwrap_err().to_string().contains("emptied"));
}

#[test]
fn a_source_that_sends_other_slots_is_refused() {
    let ((source, journal), slots) = filled();
    let fewer: SlotSet = slots.iter().take(100).collect();
    let (target, _) = node();
    let mut import = Import::new(target, fewer);
    let mut export = Export::new(source, journal, slots);
    let mut bytes = Vec::new();
    while export.lag().is_none() {
        export.poll_output(&mut bytes, 100_000).unwrap();
    }
    assert!(import.handle_input(&bytes, &mut Vec::new()).is_err());
}

#[test]
fn no_bytes_panic() {
    let (source, slots) = filled();
    let mut pair = Pair::of(source, slots);
    let mut bytes = Vec::new();
    pair.export.poll_output(&mut bytes, 3_000).unwrap();
    for at in (0..bytes.len()).step_by(7) {
        for bit in 0..8 {
            let mut bent = bytes.clone();
            bent[at] ^= 1 << bit;
            let (target, _) = node();
            let _ = Import::new(target.clone(), pair.slots.clone()).handle_input(&bent, &mut Vec::new());
            let mut other = Export::new(target, pair.journal.clone(), SlotSet::new());
            let _ = other.handle_input(&bent);
        }
        if at > 700 {
            break;
        }
    }
}
