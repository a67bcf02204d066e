//! What the journal costs: an append alone, SET with and without it, group commit, replay.
use keyslot_engine::*;
use keyslot_persistence::*;
use std::time::Instant;
fn cpu_ns() -> f64 { std::fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap() }
fn main() {
    let n: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1_000_000);
    let dir = std::path::PathBuf::from(std::env::args().nth(2).unwrap_or("/work/tmp_persist/bench".into()));
    let value = [b'v'; 64];
    let keys: Vec<String> = (0..n).map(|i| format!("key:{:012}", (i * 7919) % n)).collect();
    let set = |db: &Engine| { let t = cpu_ns(); for k in &keys { db.set(k, &value[..]).unwrap(); } (cpu_ns() - t) / n as f64 };
    for round in 0..3 {
        let mem = Engine::in_memory();
        set(&mem);
        let a = set(&mem);
        drop(mem);
        let mut out = vec![];
        for d in [Durability::Never, Durability::EverySecond] {
            let _ = std::fs::remove_dir_all(&dir);
            let db = Store::builder().durability(d).open(&dir).unwrap();
            set(&db);
            let b = set(&db);
            let t = Instant::now();
            db.close().unwrap();
            out.push((b, t.elapsed()));
        }
        println!("round {round}: SET memory {a:.0} ns; journal never {:.0} ns, everysec {:.0} ns (close {:?})", out[0].0, out[1].0, out[1].1);
        let t = cpu_ns();
        let db = Store::open(&dir).unwrap();
        let s = (cpu_ns() - t) / 1e9;
        println!("replay: {} commands, {:.2} M/s; {}", db.recovery().commands, db.recovery().commands as f64 / s / 1e6, db.recovery());
    }
    let t = Instant::now();
    let report = recovery::check(&RealStorage, &dir, &LogNames::default()).unwrap().report;
    println!("scan only: {:.2} M/s", report.commands as f64 / t.elapsed().as_secs_f64() / 1e6);
    let _ = std::fs::remove_dir_all(&dir);
    let db = Store::builder().durability(Durability::Never).open(&dir).unwrap();
    let mut bytes = vec![];
    effect::encode_effect(&mut bytes, &[b"SET", b"key:000000000000", &value]);
    let batch = Batch { kind: BatchKind::Slots, db: 0, slots: &[], era: 0, now: UnixMillis(0), count: 1, bytes: &bytes };
    for _ in 0..3 {
        let j = db.journal();
        let (mut cpu, mut wall, mut best) = (0.0, 0, u128::MAX);
        for _ in 0..100 {
            let (c, t) = (cpu_ns(), Instant::now());
            for _ in 0..5000 { j.append(&batch); }
            let w = t.elapsed().as_nanos();
            wall += w; best = best.min(w);
            cpu += cpu_ns() - c;
            db.flush().unwrap();
        }
        println!("append of {} bytes: cpu {:.1} ns, wall {:.1} ns, best {:.1} ns", bytes.len(), cpu / 5e5, wall as f64 / 5e5, best as f64 / 5e3);
    }
    let mut buf = vec![0u8; 1 << 20]; let t = Instant::now();
    for i in 0..n { let at = (i * bytes.len()) % ((1 << 20) - 200); buf[at..at + bytes.len()].copy_from_slice(&bytes); }
    println!("memcpy {:.1} ns", t.elapsed().as_nanos() as f64 / n as f64);
    drop(db);
    for threads in [1, 4, 16] {
        let _ = std::fs::remove_dir_all(&dir);
        let db = Store::builder().durability(Durability::Always).open(&dir).unwrap();
        let per = 3000;
        let t = Instant::now();
        std::thread::scope(|s| for w in 0..threads { let db = &db; s.spawn(move || for i in 0..per { db.set(format!("k{w}:{i}"), &value[..]).unwrap(); }); });
        println!("always, {threads} writers: {:.0} commits/s", (threads * per) as f64 / t.elapsed().as_secs_f64());
    }
}
