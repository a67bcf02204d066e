//! Criterion benches of the engine's doors, for comparing one commit with another: `cargo bench`.
//!
//! Keys of 16 bytes, values of 64, one thread. What stands beside other maps and other servers is in `compare` and
//! `server`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keyslot_engine::resp::{Limits, RequestDecoder};
use keyslot_engine::{Engine, PeerInfo};
use std::hint::black_box;
use std::task::Waker;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEY_COUNT: u32 = 1_000_000;
const PIPELINE_REQUESTS: usize = 64;
const VALUE: [u8; 64] = [b'v'; 64];

fn key(number: u32) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// Numbers below [`KEY_COUNT`] in an order without pattern.
fn numbers() -> impl FnMut() -> u32 {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (((state >> 32) * u64::from(KEY_COUNT)) >> 32) as u32
    }
}

fn filled() -> Engine {
    let engine = Engine::in_memory();
    for number in 0..KEY_COUNT {
        engine.set(key(number), &VALUE).expect("strings are stored");
    }
    engine
}

fn single_keys(c: &mut Criterion) {
    let engine = filled();
    let mut group = c.benchmark_group("single key");
    group.throughput(Throughput::Elements(1));
    let (mut next, mut out) = (numbers(), [0; 64]);
    group.bench_function("get", |b| {
        b.iter(|| engine.get_with(key(next()), |value| value.map(|value| out.copy_from_slice(value))));
    });
    group.bench_function("set, same size", |b| b.iter(|| engine.set(key(next()), &VALUE)));
    group.bench_function("95 gets, 5 sets", |b| {
        let mut step = 0;
        b.iter(|| {
            step += 1;
            let key = key(next());
            match step % 20 {
                0 => engine.set(key, &VALUE),
                _ => {
                    engine.get_with(key, |value| black_box(value.map(|value| out.copy_from_slice(value))).unwrap_or(()))
                }
            }
        });
    });
    group.finish();
    let mut group = c.benchmark_group("16 keys together");
    group.throughput(Throughput::Elements(16));
    group.bench_function("get_many", |b| {
        b.iter(|| {
            let keys: [[u8; 16]; 16] = std::array::from_fn(|_| key(next()));
            engine.get_many(&keys, |_, value| black_box(value.map(|value| out.copy_from_slice(value))).unwrap_or(()))
        });
    });
    group.bench_function("set_many", |b| {
        b.iter(|| {
            let pairs: [([u8; 16], [u8; 64]); 16] = std::array::from_fn(|_| (key(next()), VALUE));
            engine.set_many(&pairs)
        });
    });
    group.finish();
}

fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    group.throughput(Throughput::Elements(100_000)).sample_size(10);
    group.bench_function("100k new keys", |b| {
        b.iter_batched(
            Engine::in_memory,
            |engine| {
                for number in 0..100_000 {
                    engine.set(key(number), &VALUE).expect("strings are stored");
                }
                engine
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn request(args: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

fn requests(c: &mut Criterion) {
    let mut pipeline = Vec::new();
    for number in 0..PIPELINE_REQUESTS as u32 {
        request(&[b"SET", &key(number), &VALUE], &mut pipeline);
    }
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Bytes(pipeline.len() as u64));
    let (mut decoder, mut ranges) = (RequestDecoder::new(Limits::default()), Vec::new());
    group.bench_function("64 SETs", |b| {
        b.iter(|| {
            ranges.clear();
            let mut at = 0;
            while at < pipeline.len() {
                match decoder.decode_from(&pipeline, at, &mut ranges) {
                    Ok(keyslot_engine::resp::Decoded::Request { consumed, .. }) => at += consumed,
                    other => unreachable!("the pipeline is whole and well formed: {other:?}"),
                }
            }
            ranges.len()
        });
    });
    group.finish();
}

fn sessions(c: &mut Criterion) {
    let engine = filled();
    let mut session = engine.session(Waker::noop().clone(), PeerInfo::default());
    let mut group = c.benchmark_group("session");
    let mut next = numbers();
    for (name, depth) in [("1 request", 1), ("16 requests together", 16), ("64 requests together", PIPELINE_REQUESTS)] {
        group.throughput(Throughput::Elements(depth as u64));
        for command in ["GET", "SET"] {
            group.bench_function(format!("{command}, {name}"), |b| {
                let (mut input, mut output) = (Vec::new(), Vec::new());
                b.iter(|| {
                    input.clear();
                    output.clear();
                    for _ in 0..depth {
                        match command {
                            "GET" => request(&[b"GET", &key(next())], &mut input),
                            _ => request(&[b"SET", &key(next()), &VALUE], &mut input),
                        }
                    }
                    session.feed(&input);
                    session.poll_output(&mut output);
                    output.len()
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(std::time::Duration::from_secs(2)).warm_up_time(std::time::Duration::from_secs(1));
    targets = single_keys, load, requests, sessions
}
criterion_main!(benches);
