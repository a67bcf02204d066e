//! MIGRATE: keys go to another server, and leave this one once they are there.
//!
//! ```text
//! WATCH, DUMP, PTTL of some keys   here
//! RESTORE of each                  there         an error of one key leaves that key here
//! MULTI, DEL of those there, EXEC  here          changed meanwhile? all of it again, over what is there; deleted meanwhile? there, too
//! ```
//!
//! - A key is deleted here only as it was when it was sent, and only when the other server has said that it has it.
//! - Who asks for MIGRATE waits; nobody else does.
//! - Not held: while keys are on their way others go on writing. A key that is deleted here just then is deleted there a moment later,
//!   and not if somebody changed it there in that moment.
//! - Connections are kept for the next MIGRATE to the same server for [`KEPT`].

use super::Node;
use super::peer::{Inside, Requests, Wire};
use keyslot::engine::resp::{ReplyWriter, Value, parse_reply};
use keyslot::engine::text::parse_i64;
use keyslot::engine::{Asker, Slot};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections to servers that keys went to.
#[derive(Default)]
pub(super) struct Wires(Mutex<HashMap<(String, u16), Kept>>);

struct Kept {
    wire: Wire,
    since: Instant,
}

impl Wires {
    /// A connection that was kept.
    fn take(&self, request: &Move) -> Option<Wire> {
        let kept = self.0.lock().remove(&(request.host.clone(), request.port))?;
        Some(kept.wire).filter(|_| kept.since.elapsed() < KEPT)
    }

    /// Keeps a connection for the next MIGRATE to the same server.
    fn keep(&self, request: Move, wire: Option<Wire>) {
        let mut wires = self.0.lock();
        wires.retain(|_, kept| kept.since.elapsed() < KEPT);
        if let Some(wire) = wire {
            wires.insert((request.host, request.port), Kept { wire, since: Instant::now() });
        }
    }
}

/// What MIGRATE is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Move {
    host: String,
    port: u16,
    keys: Vec<Vec<u8>>,
    /// The database here, and there.
    from: u16,
    to: i64,
    limit: Duration,
    copy: bool,
    replace: bool,
    /// The words of AUTH; none if it is not said.
    credentials: Vec<Vec<u8>>,
}

impl Move {
    /// Reads the request; an error is the text of the reply.
    fn parse(args: &[&[u8]], from: u16) -> Result<Self, String> {
        let syntax = || "ERR syntax error".to_owned();
        let (mut copy, mut replace, mut credentials, mut keys) = (false, false, Vec::new(), vec![args[3].to_vec()]);
        let mut at = 6;
        while let Some(word) = args.get(at) {
            let left = args.len() - at - 1;
            match word.to_ascii_lowercase().as_slice() {
                b"copy" => copy = true,
                b"replace" => replace = true,
                b"auth" if left >= 1 => {
                    credentials = vec![args[at + 1].to_vec()];
                    at += 1;
                }
                b"auth2" if left >= 2 => {
                    credentials = vec![args[at + 1].to_vec(), args[at + 2].to_vec()];
                    at += 2;
                }
                b"keys" => {
                    if !args[3].is_empty() {
                        return Err(
                            "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
                                .into(),
                        );
                    }
                    keys = args[at + 1..].iter().map(|key| key.to_vec()).collect();
                    break;
                }
                _ => return Err(syntax()),
            }
            at += 1;
        }
        let number = |at: usize| parse_i64(args[at]).ok_or("ERR value is not an integer or out of range");
        let (timeout_ms, to) = (number(5)?, number(4)?);
        let timeout_ms = if timeout_ms <= 0 { TIMEOUT_MS } else { timeout_ms };
        let port = parse_i64(args[2]).and_then(|port| u16::try_from(port).ok()).ok_or_else(unreachable_text)?;
        Ok(Self {
            host: String::from_utf8_lossy(args[1]).into_owned(),
            port,
            keys,
            from,
            to,
            limit: Duration::from_millis(timeout_ms.unsigned_abs()),
            copy,
            replace,
            credentials,
        })
    }
}

/// Why keys did not go.
enum Failure {
    /// The other server does not answer.
    Unreached,
    /// It refuses the connection.
    Refused,
    /// The connection broke, or took too long.
    Broken,
    /// This text is the reply.
    Said(String),
}

impl Failure {
    fn text(self) -> String {
        match self {
            Self::Unreached => unreachable_text(),
            Self::Refused => "IOERR error or timeout writing to target instance".into(),
            Self::Broken => "IOERR error or timeout reading to target instance".into(),
            Self::Said(text) => text,
        }
    }
}

fn unreachable_text() -> String {
    "IOERR error or timeout connecting to the client".into()
}

impl Node {
    /// MIGRATE, from its name on.
    pub(super) fn migrate(&self, asker: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let request = match Move::parse(args, asker.db) {
            Ok(request) => request,
            Err(text) => return reply.error(&text),
        };
        let slots: BTreeSet<Slot> = request.keys.iter().map(|key| Slot::of(key)).collect();
        if self.cluster.is_some() && slots.len() > 1 {
            return reply.error("CROSSSLOT Keys in request don't hash to the same slot");
        }
        let Some(node) = self.this.upgrade() else { return reply.error("ERR the node is ending") };
        let write = |said: Result<&str, Failure>, reply: &mut ReplyWriter<'_>| match said {
            Ok(text) => reply.simple(text),
            Err(failure) => reply.error(&failure.text()),
        };
        if let Some(later) = asker.reply_later() {
            tokio::spawn(async move {
                let said = run(&node, &request, true).await.map(|(said, wire)| {
                    node.wires.keep(request, wire);
                    said
                });
                later.give(|reply| write(said, reply));
            });
            return;
        }
        // In a transaction the thread waits, as all of Redis does. The connection ends with the runtime that it belongs to.
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| {
                let limit = request.limit.saturating_add(request.limit);
                let done = runtime.block_on(async { tokio::time::timeout(limit, run(&node, &request, false)).await });
                done.unwrap_or(Err(Failure::Broken)).map(|(said, _)| said)
            })
        });
        match done.join() {
            Ok(Ok(said)) => write(said, reply),
            Ok(Err(_)) | Err(_) => reply.error("ERR the system refused what MIGRATE needs"),
        }
    }
}

/// Moves keys; says OK, or NOKEY if none is there. Gives the connection over which they went, too. `reuses`: one that was kept may
/// be used.
async fn run(node: &Arc<Node>, request: &Move, reuses: bool) -> Result<(&'static str, Option<Wire>), Failure> {
    let deadline = Instant::now() + request.limit;
    let mut here = Inside::new(Arc::clone(node));
    let mut there = if reuses { node.wires.take(request) } else { None };
    let mut found = false;
    for keys in request.keys.chunks(KEYS_AT_ONCE) {
        // Those that are there because this MIGRATE sent them.
        let mut arrived: BTreeSet<Vec<u8>> = BTreeSet::new();
        loop {
            let sent = look(&mut here, request, keys).await?;
            found |= !sent.is_empty();
            let gone: Vec<&Vec<u8>> = arrived.iter().filter(|key| !sent.iter().any(|sent| sent.key == **key)).collect();
            if !gone.is_empty() && !request.copy {
                take_back(&mut there, request, &gone).await?;
            }
            if sent.is_empty() {
                break;
            }
            let (new, refused) = restore(node, &mut there, request, &sent, &arrived).await?;
            let is_gone = request.copy || new.is_empty() || delete(&mut here, request, &new).await?;
            arrived.extend(new.into_iter().map(<[u8]>::to_vec));
            if is_gone {
                match refused {
                    Some(error) => {
                        return Err(Failure::Said(format!("ERR Target instance replied with error: {error}")));
                    }
                    None => break,
                }
            }
            // What was sent is not what is here any more.
            if Instant::now() >= deadline {
                return Err(Failure::Broken);
            }
        }
    }
    Ok((if found { "OK" } else { "NOKEY" }, there))
}

/// A key with its value and its time to live in milliseconds; 0 for any.
struct Sent {
    key: Vec<u8>,
    payload: Vec<u8>,
    ttl_ms: i64,
}

/// Looks at keys, which are watched from then on. Those that are not there are left out.
async fn look(here: &mut Inside, request: &Move, keys: &[Vec<u8>]) -> Result<Vec<Sent>, Failure> {
    let mut requests = Requests::default();
    requests.push(&[&b"SELECT"[..], request.from.to_string().as_bytes()]);
    requests.push(&[b"UNWATCH"]);
    for key in keys {
        for name in [&b"WATCH"[..], b"DUMP", b"PTTL"] {
            requests.push(&[b"ASKING"]);
            requests.push(&[name, key]);
        }
    }
    let replies = here.ask(requests).await.map_err(Failure::Said)?;
    let mut sent = Vec::new();
    for (key, said) in keys.iter().zip(replies[2..].chunks(6)) {
        let value = |at: usize| parse_reply(&said[at]).ok().flatten().map(|(value, _)| value);
        let error = [1, 3, 5].iter().find_map(|at| said[*at].strip_prefix(b"-"));
        match error {
            // It is not here, and may be where its slot goes.
            Some(error) if error.starts_with(b"ASK ") || error.starts_with(b"TRYAGAIN ") => continue,
            Some(error) => return Err(Failure::Said(String::from_utf8_lossy(error).trim_end().to_owned())),
            None => {}
        }
        let payload = value(3).and_then(|value| Some(value.as_bytes()?.to_vec()));
        let ttl_ms = value(5).and_then(|value| value.as_i64());
        if let (Some(payload), Some(ttl_ms @ (-1..))) = (payload, ttl_ms) {
            let ttl_ms = if ttl_ms < 0 { 0 } else { ttl_ms.max(1) };
            sent.push(Sent { key: key.clone(), payload, ttl_ms });
        }
    }
    Ok(sent)
}

/// Sends keys; says which arrived, and the first error.
async fn restore<'s>(
    node: &Node,
    there: &mut Option<Wire>,
    request: &Move,
    sent: &'s [Sent],
    arrived: &BTreeSet<Vec<u8>>,
) -> Result<(Vec<&'s [u8]>, Option<String>), Failure> {
    let name: &[u8] = if node.cluster.is_some() { b"RESTORE-ASKING" } else { b"RESTORE" };
    let mut requests = Requests::default();
    let own = 2 + usize::from(!request.credentials.is_empty());
    if !request.credentials.is_empty() {
        let words: Vec<&[u8]> =
            std::iter::once(&b"AUTH"[..]).chain(request.credentials.iter().map(Vec::as_slice)).collect();
        requests.push(&words);
    }
    requests.push(&[&b"SELECT"[..], request.to.to_string().as_bytes()]);
    requests.push(&[b"UNWATCH"]);
    for Sent { key, payload, ttl_ms } in sent {
        let ttl = ttl_ms.to_string();
        let words = [name, key, ttl.as_bytes(), payload, b"REPLACE"];
        let replace = request.replace || arrived.contains(key);
        requests.push(if replace { &words[..] } else { &words[..4] });
        // Whoever changes it there has more to say than what is taken back.
        requests.push(&[b"ASKING"]);
        requests.push(&[b"WATCH", key.as_slice()]);
    }
    let mut wire = match there.take().filter(|wire| !wire.has_ended()) {
        Some(wire) => wire,
        None => Wire::connect(&request.host, request.port, request.limit).await.map_err(|error| {
            if error.kind() == std::io::ErrorKind::ConnectionRefused { Failure::Refused } else { Failure::Unreached }
        })?,
    };
    let replies = match tokio::time::timeout(request.limit, wire.ask(&requests)).await {
        Ok(Ok(replies)) => replies,
        Ok(Err(_)) | Err(_) => return Err(Failure::Broken),
    };
    *there = Some(wire);
    let error = |reply: &Vec<u8>| Some(String::from_utf8_lossy(reply.strip_prefix(b"-")?).trim_end().to_owned());
    // Without them nothing can have arrived where it should.
    if let Some(refused) = replies[..own].iter().find_map(error) {
        return Err(Failure::Said(format!("ERR Target instance replied with error: {refused}")));
    }
    let replies = replies[own..].iter().step_by(3);
    let arrived = sent.iter().zip(replies.clone()).filter(|(_, reply)| error(reply).is_none());
    Ok((arrived.map(|(sent, _)| &*sent.key).collect(), replies.clone().find_map(error)))
}

/// Deletes keys there that were deleted here after they were sent, unless somebody changed one of those that were sent.
async fn take_back(there: &mut Option<Wire>, request: &Move, keys: &[&Vec<u8>]) -> Result<(), Failure> {
    let Some(wire) = there else { return Err(Failure::Broken) };
    let mut requests = Requests::default();
    requests.push(&[b"ASKING"]);
    requests.push(&[b"MULTI"]);
    keys.iter().for_each(|key| requests.push(&[b"DEL", key.as_slice()]));
    requests.push(&[b"EXEC"]);
    match tokio::time::timeout(request.limit, wire.ask(&requests)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Failure::Broken),
    }
}

/// Deletes keys that arrived; false if one of those that are watched has changed.
async fn delete(here: &mut Inside, request: &Move, keys: &[&[u8]]) -> Result<bool, Failure> {
    let mut requests = Requests::default();
    requests.push(&[&b"SELECT"[..], request.from.to_string().as_bytes()]);
    requests.push(&[b"ASKING"]);
    requests.push(&[b"MULTI"]);
    requests.push(&[&[&b"DEL"[..]], keys].concat());
    requests.push(&[b"EXEC"]);
    let replies = here.ask(requests).await.map_err(Failure::Said)?;
    // One that was watched is gone, and its slot on its way.
    if replies.get(3).is_some_and(|reply| reply.starts_with(b"-ASK ") || reply.starts_with(b"-TRYAGAIN ")) {
        return Ok(false);
    }
    let done = replies.last().and_then(|reply| parse_reply(reply).ok().flatten()).map(|(value, _)| value);
    match done {
        Some(Value::Array(_)) => Ok(true),
        Some(value) if value.is_nil() => Ok(false),
        Some(value) => {
            let text = value.as_error().map(|text| String::from_utf8_lossy(text).into_owned());
            Err(Failure::Said(text.unwrap_or_else(|| "ERR keys that arrived could not be deleted here".into())))
        }
        None => Err(Failure::Said("ERR keys that arrived could not be deleted here".into())),
    }
}

/// How long a connection is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(10);

/// So many keys are sent together.
const KEYS_AT_ONCE: usize = 64;

/// What a timeout of 0 means.
const TIMEOUT_MS: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Move, String> {
        let words: Vec<&[u8]> =
            text.split(' ').map(|word| if word == "-" { &b""[..] } else { word.as_bytes() }).collect();
        Move::parse(&words, 3)
    }

    #[test]
    fn requests_are_read_as_redis_reads_them() {
        let one = parse("MIGRATE h 7000 k 2 0").unwrap();
        assert_eq!((one.host.as_str(), one.port, one.from, one.to), ("h", 7000, 3, 2));
        assert_eq!((one.keys, one.limit), (vec![b"k".to_vec()], Duration::from_secs(1)));
        let all = parse("MIGRATE h 7000 - 0 5 copy REPLACE AUTH2 u p KEYS a b copy").unwrap();
        assert!(all.copy && all.replace);
        assert_eq!(all.credentials, [b"u".to_vec(), b"p".to_vec()]);
        assert_eq!(all.keys, [b"a".to_vec(), b"b".to_vec(), b"copy".to_vec()]);
        for (text, error) in [
            ("MIGRATE h 7000 k 0 5 AUTH", "ERR syntax error"),
            ("MIGRATE h 7000 k 0 5 AUTH2 u", "ERR syntax error"),
            ("MIGRATE h 7000 k 0 5 nonsense", "ERR syntax error"),
            ("MIGRATE h 7000 k x 5", "ERR value is not an integer or out of range"),
            ("MIGRATE h 7000 k 0 x", "ERR value is not an integer or out of range"),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
        assert!(parse("MIGRATE h 7000 k 0 5 KEYS a").unwrap_err().contains("must be set to the empty string"));
    }
}
