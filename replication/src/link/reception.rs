//! How a replica is received, for hosts that give it a connection of its own: greetings and options until it asks for the stream.
//!
//! A host whose replicas come in among clients has its sessions answer PING and AUTH, and needs only [`ReplicaProfile`].

use super::primary::SyncRequest;
use super::profile::{Configured, ReplicaProfile};
use keyslot_engine::resp::{Decoded, Limits, ProtocolError, RequestDecoder, Trust};

/// A connection on which a replica is expected.
#[derive(Debug)]
pub struct Reception {
    profile: ReplicaProfile,
    decoder: RequestDecoder,
    inbox: Vec<u8>,
    /// What AUTH must say, while it has not.
    password: Option<String>,
}

/// Who came over a connection on which a replica is expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Called {
    /// A replica.
    Replica(Arrival),
    /// Somebody with another request of nodes (`CLUSTER SYNCSLOTS`): its words, and what was sent behind it.
    Other(Vec<Vec<u8>>, Vec<u8>),
}

/// A replica that has asked for the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// What it said of itself.
    pub profile: ReplicaProfile,
    /// What it asks for.
    pub request: SyncRequest,
    /// What it sent behind that, for [`Primary::handle_input`](super::Primary::handle_input).
    pub rest: Vec<u8>,
}

impl Reception {
    /// Of a replica that must give this password first, if there is one.
    pub fn new(password: Option<String>) -> Self {
        let mut decoder = RequestDecoder::new(Limits::default());
        if password.is_some() {
            decoder.set_trust(Trust::Unauthenticated);
        }
        Self { profile: ReplicaProfile::default(), decoder, inbox: Vec::new(), password }
    }

    /// Takes bytes, and appends to `out` what is to be answered; the replica, once it asks for the stream.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Called>, ProtocolError> {
        self.inbox.extend_from_slice(bytes);
        let mut ranges = Vec::new();
        loop {
            ranges.clear();
            let (consumed, request) = match self.decoder.decode_from(&self.inbox, 0, &mut ranges)? {
                Decoded::Incomplete => return Ok(None),
                Decoded::Empty { consumed } => (consumed, None),
                Decoded::Request { consumed, args, .. } => {
                    let args: Vec<&[u8]> = ranges[args].iter().map(|range| range.of(&self.inbox)).collect();
                    if self.password.is_none() && args[0].eq_ignore_ascii_case(b"cluster") {
                        let words = args.iter().map(|word| word.to_vec()).collect();
                        self.inbox.drain(..consumed);
                        return Ok(Some(Called::Other(words, std::mem::take(&mut self.inbox))));
                    }
                    (consumed, answer(&mut self.profile, &mut self.password, &args, out))
                }
            };
            self.inbox.drain(..consumed);
            if self.password.is_none() {
                self.decoder.set_trust(Trust::Authenticated);
            }
            if let Some(request) = request {
                let rest = std::mem::take(&mut self.inbox);
                return Ok(Some(Called::Replica(Arrival { profile: self.profile.clone(), request, rest })));
            }
        }
    }
}

fn answer(
    profile: &mut ReplicaProfile,
    password: &mut Option<String>,
    args: &[&[u8]],
    out: &mut Vec<u8>,
) -> Option<SyncRequest> {
    let text = match (args[0].to_ascii_lowercase().as_slice(), &*password) {
        (b"auth", Some(expected)) if args.last() == Some(&expected.as_bytes()) => {
            *password = None;
            "+OK".to_owned()
        }
        (b"auth", Some(_)) => "-WRONGPASS invalid username-password pair or user is disabled.".to_owned(),
        (_, Some(_)) => "-NOAUTH Authentication required.".to_owned(),
        (b"auth", None) => "+OK".to_owned(),
        (b"ping", None) => "+PONG".to_owned(),
        (b"replconf", None) => match profile.configure(args) {
            Ok(Configured::Set) => "+OK".to_owned(),
            Ok(Configured::Acked { .. } | Configured::AskedAck) => return None,
            Err(error) => format!("-{error}"),
        },
        (b"sync", None) => return Some(SyncRequest::Sync),
        (b"psync", None) => match SyncRequest::parse(args) {
            Ok(request) => return Some(request),
            Err(error) => format!("-{error}"),
        },
        (name, None) => format!("-ERR unknown command '{}'", String::from_utf8_lossy(&name[..name.len().min(128)])),
    };
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
    None
}
