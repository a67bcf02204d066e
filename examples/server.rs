//! A Redis-speaking server on the library, with nothing but the standard library around it: two threads a connection.
//!
//! ```text
//! cargo run --release --example server -- 127.0.0.1:6400
//! redis-cli -p 6400 set greeting hello
//! ```
//!
//! What a host does is in [`serve`]: bytes in, bytes out, and asking for output again whenever the session's waker is woken,
//! for a reply that was held, a request that was parked or a message that somebody published. `examples/node` is the same
//! idea with an event loop, settings and files.

use keyslot::{Engine, PeerInfo, SessionState};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::{Wake, Waker};
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:6400".to_owned());
    let listener = TcpListener::bind(&address)?;
    let db = Engine::in_memory();
    println!("listening on {address}");
    let clock = db.clone();
    std::thread::spawn(move || {
        loop {
            clock.tick(clock.now(), 10_000);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    for stream in listener.incoming() {
        let (db, stream) = (db.clone(), stream?);
        std::thread::spawn(move || serve(&db, stream));
    }
    Ok(())
}

/// One connection, from its first byte to its last.
fn serve(db: &Engine, mut stream: TcpStream) -> std::io::Result<()> {
    let peer = PeerInfo {
        addr: stream.peer_addr()?.to_string(),
        laddr: stream.local_addr()?.to_string(),
        ..PeerInfo::default()
    };
    // A full channel holds the reader back; a wake that finds it full is not needed, something else comes.
    let (events, inbox) = sync_channel(4);
    let mut session = db.session(Waker::from(Arc::new(Bell(events.clone()))), peer);
    let reader = stream.try_clone()?;
    std::thread::spawn(move || read(reader, &events));
    let mut output = Vec::new();
    loop {
        let state = session.poll_output(&mut output);
        stream.write_all(&output)?;
        output.clear();
        if state == SessionState::Closing {
            return stream.shutdown(Shutdown::Both);
        }
        match inbox.recv() {
            Ok(Event::Input(bytes)) => session.feed(&bytes),
            Ok(Event::Woken) => {}
            Ok(Event::Gone) | Err(_) => return Ok(()),
        }
    }
}

/// Hands on what the peer sends, until it sends no more.
fn read(mut stream: TcpStream, events: &SyncSender<Event>) {
    let mut input = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut input) {
        if events.send(Event::Input(input[..count].to_vec())).is_err() {
            return;
        }
    }
    // Nobody listens any more where the connection was closed from this side.
    events.send(Event::Gone).unwrap_or_default();
}

/// What a connection waits for.
enum Event {
    Input(Vec<u8>),
    Woken,
    Gone,
}

struct Bell(SyncSender<Event>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.try_send(Event::Woken).unwrap_or_default();
    }
}
