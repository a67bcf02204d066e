//! A cluster in this process through the crate `redis` (feature `redis-rs`).
//!
//! With sockets, its own cluster client ([`Cluster::redis_client`]); without, its commands on a [`ClusterClient`]:
//!
//! ```
//! use keyslot_replication::host::Cluster;
//! use redis::Commands;
//!
//! let cluster = Cluster::builder().primaries(3).replicas(1).listen().start()?;
//! let mut connection = cluster.redis_client()?.get_connection()?; // a redis::cluster::ClusterConnection
//! let _: () = connection.set("greeting", "hello")?;
//!
//! let mut client = cluster.client(); // no sockets
//! let greeting: String = client.get("greeting")?;
//! assert_eq!(greeting, "hello");
//! let sum: (i64, i64) = redis::pipe().atomic().incr("{n}a", 1).incr("{n}b", 2).query(&mut client)?;
//! assert_eq!(sum, (1, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::client::{ClientError, ClusterClient};
use super::cluster::Cluster;
use keyslot_engine::Slot;
use keyslot_engine::resp::{ArgRange, Decoded, Limits, RequestDecoder, RespVersion, Source, Value as Reply};
use redis::cluster::{ClusterClientBuilder, ClusterConnection};
use redis::{ConnectionLike, ErrorKind, RedisError, RedisResult, Value, parse_redis_value};
use std::io;

impl Cluster {
    /// A client of the crate `redis` for this cluster, which connects to the nodes' ports; it knows all of them from the start. An error for a
    /// cluster that does not [listen](super::ClusterBuilder::listen).
    pub fn redis_client(&self) -> RedisResult<redis::cluster::ClusterClient> {
        self.redis_client_builder()?.build()
    }

    /// The same with settings of one's own: time limits, retries, reads from replicas, RESP3.
    pub fn redis_client_builder(&self) -> RedisResult<ClusterClientBuilder> {
        if !self.is_listening() {
            let wanted = "this cluster does not listen: Cluster::builder().listen()";
            return Err((ErrorKind::InvalidClientConfig, wanted).into());
        }
        let nodes = self.addresses().into_iter().map(|address| format!("redis://{address}"));
        Ok(ClusterClientBuilder::new(nodes.collect::<Vec<_>>()))
    }

    /// A connection of that client.
    pub fn redis_connection(&self) -> RedisResult<ClusterConnection> {
        self.redis_client()?.get_connection()
    }
}

/// Commands of the crate `redis` without sockets. A transaction (`pipe().atomic()`) is done at whoever serves its first key; another pipeline
/// command by command. WATCH and SUBSCRIBE are of no use: each command has a session of its own.
impl ConnectionLike for ClusterClient {
    fn req_packed_command(&mut self, packed: &[u8]) -> RedisResult<Value> {
        let requests = decode(packed)?;
        let replies = self.converse_all(&requests)?;
        value_of(replies.first().ok_or_else(no_request)?)
    }

    fn req_packed_commands(&mut self, packed: &[u8], offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        let replies = self.converse_all(&decode(packed)?)?;
        replies.iter().skip(offset).take(count).map(value_of).collect()
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        self.call(&["PING"]).is_ok()
    }

    fn is_open(&self) -> bool {
        true
    }
}

impl ClusterClient {
    /// The answers to requests, errors among them.
    fn converse_all(&self, requests: &[Vec<Vec<u8>>]) -> RedisResult<Vec<Reply>> {
        let requests: Vec<Vec<&[u8]>> = requests.iter().map(|args| args.iter().map(Vec::as_slice).collect()).collect();
        let requests: Vec<&[&[u8]]> = requests.iter().map(Vec::as_slice).collect();
        let begins = requests.first().and_then(|args| args.first());
        if begins.is_some_and(|name| name.eq_ignore_ascii_case(b"MULTI")) {
            let slots: Vec<Slot> = requests.iter().flat_map(|args| Self::slots_of(args)).collect();
            if slots.windows(2).any(|pair| pair[0] != pair[1]) {
                // What EXEC would say, if there was a node to take all of them.
                value_of(&Reply::Error(CROSS_SLOT.into()))?.extract_error()?;
            }
            return self.converse(&requests, slots.first().copied()).map_err(error_of);
        }
        let answer = |args: &&[&[u8]]| {
            let replies = self.converse(&[args], Self::slot_of(args)).map_err(error_of)?;
            replies.into_iter().next().ok_or_else(no_request)
        };
        requests.iter().map(answer).collect()
    }
}

/// The requests in what `redis` would send.
fn decode(packed: &[u8]) -> RedisResult<Vec<Vec<Vec<u8>>>> {
    let mut decoder = RequestDecoder::new(Limits::default());
    let (mut requests, mut done) = (Vec::new(), 0);
    while done < packed.len() {
        let mut ranges: Vec<ArgRange> = Vec::new();
        let rest = &packed[done..];
        match decoder.decode(rest, &mut ranges) {
            Ok(Decoded::Request { consumed, args, source: Source::Input }) => {
                requests.push(ranges[args].iter().map(|range| range.of(rest).to_vec()).collect());
                done += consumed;
            }
            Ok(Decoded::Empty { consumed }) => done += consumed,
            Ok(Decoded::Request { .. } | Decoded::Incomplete) => return Err(no_request()),
            Err(error) => return Err((ErrorKind::Client, "not a request", error.to_string()).into()),
        }
    }
    Ok(requests)
}

/// Read as from a socket, so that errors are those that `redis` makes of them.
fn value_of(reply: &Reply) -> RedisResult<Value> {
    parse_redis_value(&reply.encode(RespVersion::V3))
}

fn no_request() -> RedisError {
    (ErrorKind::Client, "not one whole request").into()
}

fn error_of(error: ClientError) -> RedisError {
    let kind = match error {
        ClientError::NobodyServes { .. } => io::ErrorKind::TimedOut,
        ClientError::OutcomeUnknown { .. } => io::ErrorKind::ConnectionAborted,
        ClientError::Refused(_) => io::ErrorKind::Other,
    };
    io::Error::new(kind, error).into()
}

const CROSS_SLOT: &[u8] = b"CROSSSLOT Keys in request don't hash to the same slot";
