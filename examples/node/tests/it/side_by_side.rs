//! The same session with the node and with `redis-server` 7.0.15: replies are compared byte for byte, in RESP2 and RESP3.
//!
//! A transcript (`transcripts/*.txt`) holds a request per line, as `redis-cli` reads it:
//!
//! ```text
//! # a comment
//! SET k "a\x00b"             a request on the session's connection; its one reply is compared
//! digits: CLIENT ID          the same, digits being left out of the comparison
//! sorted: KEYS *             the same, lines of the reply in any order
//! other: SET k v             the same, on a second connection
//! raw: "PING\r\nQUIT\r\n"    bytes on a connection of their own; all that comes until it closes is compared
//! < "+OK\r\n"                the node answers this to the request above, and redis-server something else,
//! because: a reason          for this reason, which must be given
//! ```
//!
//! `<2` and `<3` hold the node's answer in one protocol only; in the other the replies must be equal.

use crate::node::Node;
use crate::redis::{PROGRAM, Redis, has};
use crate::wire::{Wire, quoted, readable, sorted, without_digits, words};
use std::path::Path;

#[test]
fn scripted_sessions_are_answered_as_redis_server_answers_them() {
    if !has(PROGRAM) {
        return;
    }
    let files = transcripts();
    let request_count: usize = files.iter().map(|(_, steps)| steps.len()).sum();
    assert!(request_count >= REQUEST_COUNT_MIN, "only {request_count} requests");
    let mut findings = Vec::new();
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        for (name, steps) in &files {
            compare(name, steps, protocol, &mut findings);
        }
    }
    assert!(findings.is_empty(), "{} of {request_count} requests:\n{}", findings.len(), findings.join("\n"));
}

/// Runs one transcript against two fresh servers.
fn compare(name: &str, steps: &[Step], protocol: Protocol, findings: &mut Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), OPTIONS);
    let redis = Redis::start(folder.path(), OPTIONS);
    let mut ours = Session::open(&folder.path().join("node.sock"), protocol);
    let mut theirs = Session::open(&redis.socket(), protocol);
    for step in steps {
        let (ours, theirs) = (step.prepare(&ours.take(step)), step.prepare(&theirs.take(step)));
        let allowed = step.allowed.iter().find(|allowed| allowed.protocol.is_none_or(|only| only == protocol));
        let expected = match allowed {
            Some(allowed) => step.prepare(&allowed.reply),
            None => theirs.clone(),
        };
        if ours != expected || allowed.is_some() && ours == theirs {
            let word = if ours == theirs { "(no difference any more) " } else { "" };
            findings.push(format!(
                "{name}:{} {protocol:?} {word}{}\n    node  {}\n    redis {}",
                step.line,
                step.text,
                readable(&ours),
                readable(&theirs)
            ));
        }
    }
    drop(node);
}

/// The connections of a session with one of the servers.
struct Session {
    main: Wire,
    other: Wire,
    socket: std::path::PathBuf,
}

impl Session {
    fn open(socket: &Path, protocol: Protocol) -> Self {
        let [main, other] = [0; 2].map(|_| {
            let mut wire = Wire::connect(socket);
            if protocol == Protocol::Resp3 {
                wire.ask(&words("HELLO 3"));
            }
            wire
        });
        Self { main, other, socket: socket.to_owned() }
    }

    fn take(&mut self, step: &Step) -> Vec<u8> {
        match &step.what {
            What::Request(words) => self.main.ask(words),
            What::OtherRequest(words) => self.other.ask(words),
            What::Bytes(bytes) => {
                let mut wire = Wire::connect(&self.socket);
                wire.write(bytes);
                wire.rest()
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protocol {
    Resp2,
    Resp3,
}

/// A line of a transcript with what belongs to it.
struct Step {
    line: usize,
    text: String,
    what: What,
    is_without_digits: bool,
    is_sorted: bool,
    allowed: Vec<Allowed>,
}

enum What {
    Request(Vec<Vec<u8>>),
    OtherRequest(Vec<Vec<u8>>),
    Bytes(Vec<u8>),
}

/// The node's answer where it differs on purpose.
struct Allowed {
    protocol: Option<Protocol>,
    reply: Vec<u8>,
    has_reason: bool,
}

impl Step {
    fn read(line: usize, text: &str) -> Self {
        let mut step = Self {
            line,
            text: text.into(),
            what: What::Bytes(vec![]),
            is_without_digits: false,
            is_sorted: false,
            allowed: vec![],
        };
        let mut rest = text;
        loop {
            rest = if let Some(rest) = rest.strip_prefix("digits: ") {
                step.is_without_digits = true;
                rest
            } else if let Some(rest) = rest.strip_prefix("sorted: ") {
                step.is_sorted = true;
                rest
            } else {
                break;
            };
        }
        step.what = if let Some(bytes) = rest.strip_prefix("raw: ") {
            What::Bytes(words(bytes).concat())
        } else if let Some(request) = rest.strip_prefix("other: ") {
            What::OtherRequest(words(request))
        } else {
            What::Request(words(rest))
        };
        step
    }

    fn prepare(&self, reply: &[u8]) -> Vec<u8> {
        let reply = if self.is_without_digits { without_digits(reply) } else { reply.to_vec() };
        if self.is_sorted { sorted(&reply) } else { reply }
    }
}

/// All transcripts, by name.
fn transcripts() -> Vec<(String, Vec<Step>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let steps = steps(&name, &std::fs::read_to_string(path).unwrap());
        (name, steps)
    };
    paths.iter().map(read).collect()
}

fn steps(name: &str, text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let allowed = steps.last_mut().map(|step| &mut step.allowed);
        if let Some(rest) = line.strip_prefix('<') {
            let (protocol, rest) = match rest.as_bytes()[0] {
                b'2' => (Some(Protocol::Resp2), &rest[1..]),
                b'3' => (Some(Protocol::Resp3), &rest[1..]),
                _ => (None, rest),
            };
            let reply = quoted(rest.trim_start()).0;
            allowed.expect("a request stands above").push(Allowed { protocol, reply, has_reason: false });
        } else if line.starts_with("because: ") {
            allowed.expect("a request stands above").iter_mut().for_each(|allowed| allowed.has_reason = true);
        } else {
            steps.push(Step::read(number, line));
        }
    }
    for step in &steps {
        assert!(step.allowed.iter().all(|allowed| allowed.has_reason), "{name}:{} has no reason", step.line);
    }
    steps
}

/// Fewer requests than this are not a comparison of these families.
const REQUEST_COUNT_MIN: usize = 600;

const OPTIONS: &[&str] = &["--enable-debug-command", "yes"];
