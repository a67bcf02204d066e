//! A Redis-speaking server on the library, with nothing but the standard library around it: one thread a connection.
//!
//! ```text
//! cargo run --release --example server -- 127.0.0.1:6400
//! redis-cli -p 6400 set greeting hello
//! ```
//!
//! What a host does is in [`serve`]: bytes in, bytes out, and waiting until the session's waker is woken while a request is
//! parked (CLIENT PAUSE, for one). `examples/node` is the same idea with an event loop, settings and files.

use keyslot::{Engine, PeerInfo, SessionState};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
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
    let mut session = db.session(Waker::from(Arc::new(Unpark(std::thread::current()))), peer);
    let (mut input, mut output) = (vec![0; 16 * 1024], Vec::new());
    loop {
        let state = session.poll_output(&mut output);
        stream.write_all(&output)?;
        output.clear();
        match state {
            SessionState::Closing => return Ok(()),
            SessionState::Parked => std::thread::park(),
            SessionState::Open => match stream.read(&mut input)? {
                0 => return Ok(()),
                count => session.feed(&input[..count]),
            },
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
