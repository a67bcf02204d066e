//! One engine follows another over a plain socket, as `redis-server` would: `cargo run --example replica`.
//!
//! The primary's side accepts anything that speaks PSYNC: `redis-server --port 7777 --replicaof 127.0.0.1 <the port it prints>`
//! follows it, too. The replica's side follows anything that serves PSYNC.

use keyslot::engine::{EffectSink, Engine, Offset, UnixMillis};
use keyslot::persistence::{Journal, JournalOptions};
use keyslot::replication::link::{
    Called, History, Primary, PrimaryOptions, Reception, ReplicaEvent, ReplicaLink, ReplicaOptions, ReplicationId,
};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// An engine whose changes are kept in memory for whoever follows.
fn engine() -> (Engine, Arc<Journal>) {
    let engine = Engine::in_memory();
    let journal = Arc::new(Journal::in_memory(Offset(0), JournalOptions::default()));
    engine.attach_sink(journal.clone());
    (engine, journal)
}

/// What came within a few milliseconds; nothing is no error.
fn receive(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.read(buffer) {
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

/// Serves one replica until it leaves.
fn serve(engine: &Engine, journal: &Arc<Journal>, mut stream: TcpStream) -> Result<(), Box<dyn Error>> {
    stream.set_read_timeout(Some(Duration::from_millis(5)))?;
    let history = History::new(ReplicationId::from_chance([1, 2, 3]));
    let mut primary = Primary::new(engine.clone(), journal.clone(), PrimaryOptions::default(), 4);
    let (mut reception, mut link) = (Some(Reception::new(None)), None);
    let (mut buffer, mut out) = (vec![0; 64 << 10], Vec::new());
    while let Some(count) = receive(&mut stream, &mut buffer)? {
        if let Some(waiting) = &mut reception {
            if let Some(Called::Replica(arrival)) = waiting.feed(&buffer[..count], &mut out)? {
                link = Some(primary.attach(arrival.profile, arrival.request, &history, engine.now())?);
                reception = None;
            }
        } else if let Some(link) = link {
            primary.handle_input(link, &buffer[..count], engine.now())?;
        }
        if let Some(link) = link {
            primary.handle_timeout(engine.now());
            primary.poll_output(link, &mut out, 1 << 20)?;
        }
        stream.write_all(&out)?;
        out.clear();
    }
    Ok(())
}

/// Follows a primary until `until` says that it is enough.
fn follow(
    engine: &Engine,
    journal: &Arc<Journal>,
    mut stream: TcpStream,
    until: impl Fn(&Engine) -> bool,
) -> Result<(), Box<dyn Error>> {
    stream.set_read_timeout(Some(Duration::from_millis(5)))?;
    let mut link = ReplicaLink::new(engine.clone(), journal.clone(), ReplicaOptions::default(), None, engine.now());
    let (mut buffer, mut out) = (vec![0; 64 << 10], Vec::new());
    while !until(engine) {
        link.poll_output(&mut out);
        stream.write_all(&out)?;
        out.clear();
        let Some(count) = receive(&mut stream, &mut buffer)? else { return Err("the primary has left".into()) };
        let now: UnixMillis = engine.now();
        link.handle_input(&buffer[..count], now)?;
        link.handle_timeout(now)?;
        while let Some(event) = link.poll_event() {
            if let ReplicaEvent::Replaced(offset) = event {
                println!("the replica has a snapshot of everything up to offset {offset}");
            }
            // What came behind it.
            link.handle_input(&[], now)?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let ((primary, journal), (replica, copy)) = (engine(), engine());
    primary.set("before", "in the snapshot")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    println!("the primary listens on {address}");
    let serving = primary.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = serve(&serving, &journal, stream) {
                println!("a replica was let go: {error}");
            }
        }
    });
    let writer = primary.clone();
    std::thread::spawn(move || (1..=1000).try_for_each(|n| writer.set("counter", n)));
    follow(&replica, &copy, TcpStream::connect(address)?, |db| matches!(db.get_int("counter"), Ok(Some(1000))))?;
    let (before, counter) = (replica.get("before")?, replica.get_int("counter")?);
    println!("before: {:?}, counter: {counter:?}, offset: {}", before.as_deref().map(str::from_utf8), copy.end());
    Ok(())
}
