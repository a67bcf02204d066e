//! A session against a plain model: the same replies, whatever the keys, the values, and how the bytes are cut.

#![no_main]

use arbitrary::Arbitrary;
use keyslot_engine::resp::{ReplyLimits, ReplyParser, Value};
use keyslot_engine::{Engine, PeerInfo};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::task::Waker;

#[derive(Arbitrary, Debug)]
struct Scenario {
    steps: Vec<Step>,
    /// After how many bytes the input is cut, again and again.
    cut: u8,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Get(Key),
    Set(Key, Vec<u8>),
    SetNumber(Key, i64),
    Del(Key, Key),
    Append(Key, Vec<u8>),
    Incr(Key),
}

/// Few keys, so that steps meet; tagged ones share a slot.
#[derive(Arbitrary, Debug)]
struct Key(u8);

impl Key {
    fn bytes(&self) -> Vec<u8> {
        match self.0 % 16 {
            n @ 0..8 => format!("{{t}}{n}").into_bytes(),
            n => vec![n; usize::from(n - 8) * 40],
        }
    }
}

fuzz_target!(|scenario: Scenario| {
    let (mut model, mut input, mut expected) = (BTreeMap::new(), Vec::new(), Vec::new());
    for step in &scenario.steps {
        let (args, reply) = model_step(&mut model, step);
        input.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in &args {
            input.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            input.extend_from_slice(arg);
            input.extend_from_slice(b"\r\n");
        }
        expected.push(reply);
    }
    // One engine for all runs, because making one costs more than a run; each run starts without its keys.
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::builder().seed(1).in_memory());
    let engine = &*ENGINE;
    for number in 0..16 {
        engine.call(&[b"DEL".to_vec(), Key(number).bytes()]);
    }
    let mut session = engine.session(Waker::noop().clone(), PeerInfo::default());
    let mut output = Vec::new();
    for piece in input.chunks(usize::from(scenario.cut) * 8 + 1) {
        session.feed(piece);
        session.poll_output(&mut output);
    }
    let (mut parser, mut at, mut replies) = (ReplyParser::new(ReplyLimits::default()), 0, Vec::new());
    while at < output.len() {
        let parsed = parser.parse(&output[at..]).expect("replies are well formed");
        at += parsed.consumed;
        replies.push(parsed.value.expect("replies are whole"));
    }
    assert_eq!(replies.len(), expected.len());
    for ((reply, expected), step) in replies.iter().zip(&expected).zip(&scenario.steps) {
        match expected {
            Some(expected) => assert_eq!(reply, expected, "{step:?}"),
            None => assert!(reply.as_error().is_some(), "{step:?}: {reply:?}"),
        }
    }
    let entries: Vec<_> = model.keys().map(|key| engine.get(key).expect("a string").is_some()).collect();
    assert!(entries.iter().all(|there| *there));
});

/// Does a step in the model: its request, and the reply; `None` for an error.
fn model_step(model: &mut BTreeMap<Vec<u8>, Vec<u8>>, step: &Step) -> (Vec<Vec<u8>>, Option<Value>) {
    match step {
        Step::Get(key) => {
            let key = key.bytes();
            let reply = model.get(&key).map_or(Value::Nil, Value::bulk);
            (vec![b"GET".to_vec(), key], Some(reply))
        }
        Step::Set(key, value) => set(model, key, value.clone()),
        Step::SetNumber(key, number) => set(model, key, number.to_string().into_bytes()),
        Step::Del(a, b) => {
            let (a, b) = (a.bytes(), b.bytes());
            let count = i64::from(model.remove(&a).is_some()) + i64::from(model.remove(&b).is_some());
            (vec![b"del".to_vec(), a, b], Some(Value::Integer(count)))
        }
        Step::Append(key, tail) => {
            let key = key.bytes();
            let value = model.entry(key.clone()).or_default();
            value.extend_from_slice(tail);
            (vec![b"APPEND".to_vec(), key, tail.clone()], Some(Value::Integer(value.len() as i64)))
        }
        Step::Incr(key) => {
            let key = key.bytes();
            let old = model.get(&key).map_or(Some(0), |value| canonical(value));
            let new = old.and_then(|old| old.checked_add(1));
            if let Some(new) = new {
                model.insert(key.clone(), new.to_string().into_bytes());
            }
            (vec![b"Incr".to_vec(), key], new.map(Value::Integer))
        }
    }
}

fn set(model: &mut BTreeMap<Vec<u8>, Vec<u8>>, key: &Key, value: Vec<u8>) -> (Vec<Vec<u8>>, Option<Value>) {
    let key = key.bytes();
    model.insert(key.clone(), value.clone());
    (vec![b"SET".to_vec(), key, value], Some(Value::Ok))
}

/// The number of which `text` is the decimal form; INCR takes no other form.
fn canonical(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}
