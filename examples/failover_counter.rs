//! Counts in whatever primary Redis Sentinel names, and says what a failover cost: acknowledged, lost, seconds unavailable.
//!
//! ```sh
//! cargo run --example failover_counter -- mymaster 127.0.0.1:26379 127.0.0.1:26380 127.0.0.1:26381
//! ```
//!
//! Each second the counter is increased by INCR. Then kill the primary: the line stands still until Sentinel has promoted a replica.
//! With `write-ack memory` what was acknowledged last may be lost; with `write-ack replicas 1` on all nodes it is not.

use keyslot::engine::resp::{Value, parse_reply};
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A connection that sends requests and reads replies.
struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    fn connect(address: &str) -> io::Result<Self> {
        let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, input: Vec::new() })
    }

    fn ask(&mut self, words: &[&str]) -> io::Result<Value> {
        let mut request = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| request.push_str(&format!("${}\r\n{word}\r\n", word.len())));
        self.stream.write_all(request.as_bytes())?;
        let mut buffer = [0; 4096];
        loop {
            if let Some((value, used)) = parse_reply(&self.input).map_err(io::Error::other)? {
                self.input.drain(..used);
                return Ok(value);
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.input.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

/// Counts, and keeps the account.
pub(crate) struct Counter {
    name: String,
    sentinels: Vec<String>,
    key: String,
    client: Option<Client>,
    down_since: Option<Instant>,
    last: i64,
    /// Increments that were acknowledged.
    pub(crate) acked: u64,
    /// Acknowledged increments that the counter does not show any more.
    pub(crate) lost: u64,
    /// Increments without a reply: they may have happened or not.
    pub(crate) unknown: u64,
    /// How long no increment was acknowledged, from the first that failed on.
    pub(crate) unavailable: Duration,
}

impl Counter {
    /// A counter at this key of the primary that the sentinels call so.
    pub(crate) fn new(name: &str, sentinels: &[String], key: &str) -> Self {
        Self {
            name: name.to_owned(),
            sentinels: sentinels.to_vec(),
            key: key.to_owned(),
            client: None,
            down_since: None,
            last: 0,
            acked: 0,
            lost: 0,
            unknown: 0,
            unavailable: Duration::ZERO,
        }
    }

    /// Increases the counter once. An error says why that was not acknowledged.
    pub(crate) fn count(&mut self) -> Result<i64, Box<dyn Error>> {
        let outcome = self.increase();
        let now = Instant::now();
        match &outcome {
            Ok(value) => {
                self.acked += 1;
                // Nobody else counts: a number that was told already was told for nothing.
                self.lost += u64::try_from(self.last + 1 - value).unwrap_or(0);
                self.last = *value;
                self.unavailable += self.down_since.take().map_or(Duration::ZERO, |since| now - since);
            }
            Err(_) => {
                self.down_since.get_or_insert(now);
                self.client = None;
            }
        }
        outcome
    }

    fn increase(&mut self) -> Result<i64, Box<dyn Error>> {
        let client = match self.client.take() {
            Some(client) => self.client.insert(client),
            None => self.client.insert(find(&self.name, &self.sentinels)?),
        };
        match client.ask(&["INCR", &self.key]) {
            Ok(Value::Integer(value)) => Ok(value),
            Ok(other) => Err(format!("the primary answers {other:?}").into()),
            Err(error) => {
                self.unknown += 1;
                Err(error.into())
            }
        }
    }

    /// The account in a line.
    pub(crate) fn line(&self) -> String {
        let down = self.down_since.map_or(Duration::ZERO, |since| since.elapsed());
        let unavailable = (self.unavailable + down).as_secs_f64();
        let Self { acked, lost, unknown, .. } = self;
        format!("acked {acked}, lost {lost}, without a reply {unknown}, unavailable {unavailable:.1} s")
    }
}

/// A connection to the primary that a sentinel names, if that says itself that it is one.
fn find(name: &str, sentinels: &[String]) -> Result<Client, Box<dyn Error>> {
    let mut reason = "there is no sentinel".to_owned();
    for sentinel in sentinels {
        match ask_sentinel(name, sentinel) {
            Ok(client) => return Ok(client),
            Err(error) => reason = format!("{sentinel}: {error}"),
        }
    }
    Err(reason.into())
}

fn ask_sentinel(name: &str, sentinel: &str) -> Result<Client, Box<dyn Error>> {
    let reply = Client::connect(sentinel)?.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name])?;
    let Value::Array(address) = reply else { return Err(format!("it does not know {name}").into()) };
    let [Value::Bulk(host), Value::Bulk(port)] = &address[..] else { return Err("it names no address".into()) };
    let address = format!("{}:{}", String::from_utf8_lossy(host), String::from_utf8_lossy(port));
    let mut client = Client::connect(&address)?;
    match client.ask(&["ROLE"])? {
        Value::Array(role) if role.first() == Some(&Value::bulk("master")) => Ok(client),
        _ => Err(format!("{address} does not lead yet").into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, sentinels @ ..] = &words[..] else { return Err("usage: failover_counter NAME SENTINEL...".into()) };
    let mut counter = Counter::new(name, sentinels, "failover_counter");
    loop {
        match counter.count() {
            Ok(value) => println!("{value}: {}", counter.line()),
            Err(error) => println!("{error}: {}", counter.line()),
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// How long a connection or a reply may take.
const TIMEOUT: Duration = Duration::from_secs(1);
