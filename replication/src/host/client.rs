//! A client of a cluster in this process, without sockets.

use super::residents::{Live, Residents};
use keyslot_engine::resp::{Value, parse_reply};
use keyslot_engine::{PeerInfo, Slot};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Finds its way to whoever serves a key: follows MOVED and ASK, and asks again while a slot has no owner or a node is gone.
pub struct ClusterClient {
    residents: Arc<Residents>,
    /// Who served a slot last.
    routes: Mutex<HashMap<Slot, usize>>,
}

/// Why a client has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody served it in time.
    #[error("nobody served it within {waited_ms} ms; last: {last}")]
    NobodyServes {
        /// How long it was tried.
        waited_ms: u128,
        /// What was answered last.
        last: String,
    },
    /// The answer is an error.
    #[error("{0}")]
    Refused(String),
}

impl ClusterClient {
    pub(super) fn new(residents: Arc<Residents>) -> Self {
        Self { residents, routes: Mutex::default() }
    }

    /// Does a command at whoever serves its keys. Asked again for ten seconds while nobody does; blocking commands do not block.
    pub fn call<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<Value, ClientError> {
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        let begun = Instant::now();
        let slot = Self::slot_of(&args);
        let mut node = slot.and_then(|slot| self.routes().get(&slot).copied()).unwrap_or(0);
        let (mut asks, mut last) = (false, "no node is on".to_owned());
        while begun.elapsed() < PATIENCE {
            match self.residents.live(node).map(|live| answer(&live, &args, asks)) {
                Some(Some(Value::Error(text))) => {
                    last = String::from_utf8_lossy(&text).into_owned();
                    match Redirect::of(&last, &self.residents) {
                        Redirect::None => return Err(ClientError::Refused(last)),
                        Redirect::Later => node = self.rest(node, slot),
                        Redirect::Moved(to) => {
                            (node, asks) = (to, false);
                            if let Some(slot) = slot {
                                self.routes().insert(slot, to);
                            }
                            continue;
                        }
                        Redirect::Ask(to) => {
                            (node, asks) = (to, true);
                            continue;
                        }
                    }
                }
                Some(Some(value)) => {
                    if let Some(slot) = slot.filter(|_| !asks) {
                        self.routes().insert(slot, node);
                    }
                    self.residents.wake();
                    return Ok(value);
                }
                Some(None) | None => node = self.rest(node, slot),
            }
            asks = false;
        }
        Err(ClientError::NobodyServes { waited_ms: begun.elapsed().as_millis(), last })
    }

    /// Waits a moment, and says whom to ask next.
    fn rest(&self, node: usize, slot: Option<Slot>) -> usize {
        if let Some(slot) = slot {
            self.routes().remove(&slot);
        }
        std::thread::park_timeout(REST);
        (node + 1) % self.residents.addresses.len()
    }

    /// The slot whose owner is asked first: that of the first word behind the name. Where that is no key, MOVED tells.
    fn slot_of(args: &[&[u8]]) -> Option<Slot> {
        args.get(1).map(|word| Slot::of(word))
    }

    fn routes(&self) -> std::sync::MutexGuard<'_, HashMap<Slot, usize>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a node answers; nothing if it is killed meanwhile.
fn answer(live: &Live, args: &[&[u8]], asks: bool) -> Option<Value> {
    let value = if asks { ask(live, args)? } else { live.engine.call(args) };
    live.is_on().then_some(value)
}

/// ASKING and the command, of one client.
fn ask(live: &Live, args: &[&[u8]]) -> Option<Value> {
    let mut session = live.engine.session(std::task::Waker::noop().clone(), PeerInfo::default());
    session.feed(b"*1\r\n$6\r\nASKING\r\n");
    let bulk = |arg: &&[u8]| Value::bulk(arg);
    session.feed(&Value::Array(args.iter().map(bulk).collect()).encode(session.resp_version()));
    let mut out = Vec::new();
    session.poll_output(&mut out);
    let (_, size) = parse_reply(&out).ok()??;
    Some(parse_reply(&out[size..]).ok()??.0)
}

/// Where an error sends a client.
enum Redirect {
    None,
    Later,
    Moved(usize),
    Ask(usize),
}

impl Redirect {
    fn of(text: &str, residents: &Residents) -> Self {
        let mut words = text.split(' ');
        let (code, place) = (words.next(), words.nth(1));
        let port = place.and_then(|place| place.rsplit_once(':')).and_then(|(_, port)| port.parse::<u16>().ok());
        let node = port.and_then(|port| residents.addresses.iter().position(|it| it.port == port));
        match (code, node) {
            (Some("MOVED"), Some(node)) => Self::Moved(node),
            (Some("ASK"), Some(node)) => Self::Ask(node),
            (Some("MOVED" | "ASK" | "CLUSTERDOWN" | "TRYAGAIN" | "LOADING" | "MASTERDOWN"), _) => Self::Later,
            _ => Self::None,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_millis(2);
