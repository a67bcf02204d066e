//! A stream against a plain ordered map, and a group against a plain list of who has what.

use super::*;
use crate::text::StrRef;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Append { ms: u64, seq: u64, pairs: Vec<(u8, u32)> },
    Delete(Vec<u64>),
    TrimLength(u64, bool),
    TrimId(u64, bool),
    Keep,
    Deliver { consumer: u8, count: usize },
    Settle(u64),
    Consumer(u8, bool),
    Destroy,
}

fn step() -> impl Strategy<Value = Step> {
    let pairs = prop::collection::vec((0u8..3, any::<u32>()), 1..4);
    prop_oneof![
        8 => (0u64..4, 0u64..3, pairs).prop_map(|(ms, seq, pairs)| Step::Append { ms, seq, pairs }),
        2 => prop::collection::vec(0u64..200, 1..5).prop_map(Step::Delete),
        1 => (0u64..40, any::<bool>()).prop_map(|(most, exact)| Step::TrimLength(most, exact)),
        1 => (0u64..200, any::<bool>()).prop_map(|(ms, exact)| Step::TrimId(ms, exact)),
        1 => Just(Step::Keep),
        2 => (0u8..3, 1usize..6).prop_map(|(consumer, count)| Step::Deliver { consumer, count }),
        2 => (0u64..200).prop_map(Step::Settle),
        1 => (0u8..3, any::<bool>()).prop_map(|(consumer, adds)| Step::Consumer(consumer, adds)),
        1 => Just(Step::Destroy),
    ]
}

type Pairs = Vec<Vec<u8>>;

#[derive(Clone, Default)]
struct Model {
    entries: BTreeMap<StreamId, Pairs>,
    pending: BTreeMap<StreamId, u8>,
    consumers: BTreeMap<u8, ()>,
    group_last: StreamId,
}

const LIMITS: NodeLimits = NodeLimits { bytes_max: 120, entries_max: 5 };
const GROUP: &[u8] = b"group";

fn texts(pairs: &[(u8, u32)]) -> Pairs {
    let text = |(field, value): &(u8, u32)| [format!("f{field}").into_bytes(), value.to_string().into_bytes()];
    pairs.iter().flat_map(text).collect()
}

fn pairs_of(entry: Entry<'_>) -> (StreamId, Pairs) {
    (entry.id, entry.fields().flat_map(|(field, value)| [field, value].map(StrRef::to_vec)).collect())
}

fn assert_same(stream: &Stream, model: &Model, probes: &[u64]) {
    assert_eq!(stream.len(), model.entries.len() as u64);
    assert_eq!(stream.first_id(), model.entries.keys().next().copied().unwrap_or_default());
    assert_eq!(stream.top_id(), model.entries.keys().next_back().copied());
    let pairs = |(id, pairs): (&StreamId, &Pairs)| (*id, pairs.clone());
    for probe in probes.windows(2) {
        let (a, b) = (StreamId::new(probe[0], 1), StreamId::new(probe[0].saturating_add(probe[1]), 0));
        assert!(stream.range(a, b).map(pairs_of).eq(model.entries.range(a..=b.max(a)).map(pairs).filter(|e| e.0 <= b)));
        let back = model.entries.range(a..=b.max(a)).map(pairs).filter(|e| e.0 <= b).rev();
        assert!(stream.range_back(a, b).map(pairs_of).eq(back));
        assert_eq!(stream.entry(a).is_some(), model.entries.contains_key(&a));
    }
    let nodes: usize = stream.nodes.iter().map(|(_, node)| node.heap_bytes()).sum();
    assert_eq!(stream.node_bytes, nodes);
    for (id, node) in stream.nodes.iter() {
        assert!((1..=LIMITS.entries_max).contains(&node.len_with_deleted()) && node.id() == *id);
        assert_eq!(node.iter().count(), node.len());
    }
    let groups: usize = stream.groups().map(|(name, group)| group.heap_bytes() + name_bytes(name)).sum();
    assert_eq!(stream.group_bytes, groups);
    let Some(group) = stream.group(GROUP) else { return };
    let pending = group.pending_from(StreamId::MIN).map(|(id, pending)| (*id, pending.consumer[0]));
    assert!(pending.eq(model.pending.iter().map(|(id, consumer)| (*id, *consumer))));
    assert!(group.consumers().map(|(name, _)| name[0]).eq(model.consumers.keys().copied()));
    for (name, consumer) in group.consumers() {
        let theirs = model.pending.iter().filter(|(_, other)| **other == name[0]).map(|(id, _)| *id);
        assert!(consumer.pending_from(StreamId::MIN).eq(theirs.clone()));
        assert_eq!(consumer.pending_count(), theirs.count());
    }
}

fn run(stream: &mut Stream, model: &mut Model, step: &Step) {
    match step {
        Step::Append { ms, seq, pairs } => {
            let last = stream.last_id();
            let id =
                if *ms == 0 { StreamId::new(last.ms, last.seq + 1 + seq) } else { StreamId::new(last.ms + ms, *seq) };
            let texts = texts(pairs);
            stream.append(id, &texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), LIMITS);
            model.entries.insert(id, texts);
        }
        Step::Delete(places) => {
            let ids: Vec<StreamId> =
                places.iter().filter_map(|at| model.entries.keys().nth(*at as usize % 50).copied()).collect();
            let removed = ids.iter().filter(|id| model.entries.remove(id).is_some()).count();
            assert_eq!(stream.delete(&ids), removed as u64);
        }
        Step::TrimLength(most, true) => {
            let removed = stream.trim(TrimTo::Length(*most), TrimExactness::Exact);
            let due = model.entries.len().saturating_sub(*most as usize);
            assert_eq!(removed, due as u64);
            (0..due).for_each(|_| drop(model.entries.pop_first()));
        }
        Step::TrimId(ms, true) => {
            let removed = stream.trim(TrimTo::Id(StreamId::new(*ms, 1)), TrimExactness::Exact);
            let kept = model.entries.split_off(&StreamId::new(*ms, 1));
            assert_eq!(removed, std::mem::replace(&mut model.entries, kept).len() as u64);
        }
        Step::TrimLength(number, false) | Step::TrimId(number, false) => {
            let to = match step {
                Step::TrimLength(..) => TrimTo::Length(*number),
                _ => TrimTo::Id(StreamId::new(*number, 1)),
            };
            let due = match to {
                TrimTo::Length(most) => model.entries.len().saturating_sub(most as usize),
                TrimTo::Id(id) => model.entries.range(..id).count(),
            };
            let removed = stream.trim(to, TrimExactness::Nodes { limit: 12 }) as usize;
            assert!(removed <= due.min(12));
            assert!(removed == due || removed + LIMITS.entries_max > due.min(12), "{removed} of {due}");
            (0..removed).for_each(|_| drop(model.entries.pop_first()));
        }
        Step::Keep => {}
        Step::Deliver { consumer, count } => {
            let ids: Vec<StreamId> = match model.group_last.next() {
                Some(start) => stream.range(start, StreamId::MAX).take(*count).map(|entry| entry.id).collect(),
                None => Vec::new(),
            };
            if !model.consumers.contains_key(consumer) {
                return;
            }
            for id in ids {
                stream.edit_group(GROUP, |group| group.assign(id, &[*consumer], 1, 1));
                model.pending.insert(id, *consumer);
                model.group_last = id;
            }
        }
        Step::Settle(at) => {
            let id = model.pending.keys().nth(*at as usize % 20).copied().unwrap_or(StreamId::new(*at, 0));
            let settled = stream.edit_group(GROUP, |group| group.settle(id)).unwrap();
            assert_eq!(settled.map(|pending| pending.consumer[0]), model.pending.remove(&id));
        }
        Step::Consumer(consumer, true) => {
            let created = stream.edit_group(GROUP, |group| group.create_consumer(&[*consumer], 5)).unwrap();
            assert_eq!(created, model.consumers.insert(*consumer, ()).is_none());
        }
        Step::Consumer(consumer, false) => {
            let deleted = stream.edit_group(GROUP, |group| group.delete_consumer(&[*consumer])).unwrap();
            let before = model.pending.len();
            model.pending.retain(|_, other| other != consumer);
            let expected = model.consumers.remove(consumer).map(|()| before - model.pending.len());
            assert_eq!(deleted, expected);
        }
        Step::Destroy => {
            assert!(stream.destroy_group(GROUP).is_some());
            stream.create_group(GROUP, Group::new(model.group_last, None));
            model.pending.clear();
            model.consumers.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_is_an_ordered_map_and_its_copies_keep_what_they_had(
        steps in prop::collection::vec(step(), 1..150),
        probes in prop::collection::vec(0u64..200, 6),
    ) {
        let (mut stream, mut model) = (Stream::new(), Model::default());
        stream.create_group(GROUP, Group::new(StreamId::MIN, None));
        let mut kept = Vec::new();
        for step in &steps {
            run(&mut stream, &mut model, step);
            if let Step::Keep = step {
                kept.push((stream.clone(), model.clone()));
            }
        }
        assert_same(&stream, &model, &probes);
        for (stream, model) in &kept {
            assert_same(stream, model, &probes);
        }
    }
}

#[test]
fn nodes_end_where_those_of_redis_end() {
    let limits = NodeLimits { bytes_max: 4096, entries_max: 100 };
    let mut stream = Stream::new();
    for seq in 1..=250 {
        stream.append(StreamId::new(1, seq), &[b"f", b"v"], limits);
    }
    assert_eq!(stream.node_count(), 3);
    assert_eq!(stream.trim(TrimTo::Length(10), TrimExactness::Nodes { limit: 0 }), 200);
    let mut large = Stream::new();
    for seq in 1..=10 {
        large.append(StreamId::new(1, seq), &[b"f", &[b'x'; 1000]], limits);
    }
    // Four of them come close to 4096 bytes, a fifth would pass them.
    assert_eq!(large.node_count(), 3);
}
