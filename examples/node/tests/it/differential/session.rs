//! One connection to each server, and what is remembered of it: whether requests are being queued.

use super::reply::{Agreement, Reply};
use super::request::Request;
use super::{Wire, encode};
use std::collections::BTreeSet;

pub(super) struct Session {
    ours: Wire,
    theirs: Wire,
    /// Requests since MULTI.
    queued: Option<Vec<Request>>,
}

/// Two replies that do not agree.
pub(super) struct Difference {
    /// The request's place in the history.
    pub(super) at: usize,
    pub(super) ours: Vec<u8>,
    pub(super) theirs: Vec<u8>,
    /// The keys whose values differ, if it is one of data.
    pub(super) keys: Vec<Vec<u8>>,
}

impl Difference {
    /// Whether a server does not answer any more.
    pub(super) fn is_the_end(&self) -> bool {
        self.ours.is_empty() || self.theirs.is_empty()
    }

    /// What is the same for differences that have one reason, as a rule.
    pub(super) fn kind(&self, history: &[Request]) -> String {
        let start = |reply: &[u8]| {
            let words = crate::wire::readable(&super::reply::without_digits(reply));
            words.chars().take(KIND_CHARS).collect::<String>()
        };
        let name = String::from_utf8_lossy(&history[self.at].name()).into_owned();
        match self.keys.is_empty() {
            false => "data".to_owned(),
            true => format!("{name}: {} / {}", start(&self.ours), start(&self.theirs)),
        }
    }
}

impl Session {
    pub(super) fn new([ours, theirs]: [Wire; 2]) -> Self {
        Self { ours, theirs, queued: None }
    }

    fn ask(&mut self, words: &[&str]) -> [Vec<u8>; 2] {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        [self.ours.ask(&words), self.theirs.ask(&words)]
    }

    /// Whether the node lacks a command that the server has.
    pub(super) fn lacks(&mut self, name: &str) -> bool {
        let [ours, theirs] = self
            .ask(&["COMMAND", "INFO", name])
            .map(|reply| reply.starts_with(b"*1\r\n*-1") || reply.starts_with(b"*1\r\n$-1"));
        ours && !theirs
    }

    /// Forgets the connections' state and all data.
    pub(super) fn start_over(&mut self) {
        self.queued = None;
        self.ask(&["RESET"]);
        self.ask(&["FLUSHALL"]);
    }

    /// Sends the requests from `start` on in one go, and reads and compares all replies.
    pub(super) fn exchange(
        &mut self,
        history: &[Request],
        start: usize,
        rule_of: impl Fn(&Request) -> Agreement,
    ) -> Option<Difference> {
        let bytes: Vec<u8> = history[start..].iter().flat_map(|request| encode(&request.words)).collect();
        self.ours.write(&bytes);
        self.theirs.write(&bytes);
        let mut found = None;
        for at in start..history.len() {
            let (ours, theirs) = (self.ours.reply(), self.theirs.reply());
            if ours.is_empty() || theirs.is_empty() {
                return Some(Difference { at, ours, theirs, keys: Vec::new() });
            }
            if found.is_none() && !self.agree(history, at, &ours, &theirs, &rule_of) {
                found = Some(Difference { at, ours, theirs, keys: Vec::new() });
            }
        }
        found
    }

    fn agree(
        &mut self,
        history: &[Request],
        at: usize,
        ours: &[u8],
        theirs: &[u8],
        rule_of: &impl Fn(&Request) -> Agreement,
    ) -> bool {
        let (ours, theirs) = (Reply::parse(ours), Reply::parse(theirs));
        let request = &history[at];
        match (request.name().as_slice(), &mut self.queued) {
            (b"MULTI", queued @ None) if theirs.is_status("OK") => *queued = Some(Vec::new()),
            (b"EXEC", queued @ Some(_)) => {
                let queued = queued.take().unwrap_or_default();
                if ours.is_aggregate() && theirs.is_aggregate() && ours.items.len() == queued.len() {
                    let pairs = ours.items.iter().zip(&theirs.items);
                    return ours.items.len() == theirs.items.len()
                        && queued
                            .into_iter()
                            .zip(pairs)
                            .all(|(request, (ours, theirs))| rule_of(&request).holds(&request.words, ours, theirs));
                }
            }
            (b"DISCARD" | b"RESET", queued) if theirs.is_status("OK") || theirs.is_status("RESET") => *queued = None,
            (_, Some(queued)) if theirs.is_status("QUEUED") => queued.push(request.clone()),
            _ => {}
        }
        rule_of(request).holds(&request.words, &ours, &theirs)
    }

    /// Compares what both servers hold.
    pub(super) fn compare_data(&mut self, at: usize) -> Option<Difference> {
        // Both delete what is due when they meet it.
        let mut keys = BTreeSet::new();
        for db in DATABASES {
            self.ask(&["SELECT", db]);
            for reply in self.ask(&["SCAN", "0", "COUNT", "10000"]) {
                let found = Reply::parse(&reply).items.pop().unwrap_or_default();
                keys.extend(found.items.into_iter().map(|key| (db, key.text)));
            }
        }
        let [ours, theirs] = self.ask(&["DEBUG", "DIGEST"]);
        if ours == theirs {
            return None;
        }
        let mut difference = Difference { at, ours, theirs, keys: vec![Vec::new()] };
        for (db, key) in keys {
            self.ask(&["SELECT", db]);
            let [ours, theirs] = [&mut self.ours, &mut self.theirs].map(|wire| {
                let value = wire.ask(&[b"DEBUG".to_vec(), b"DIGEST-VALUE".to_vec(), key.clone()]);
                let expiry = wire.ask(&[b"PEXPIRETIME".to_vec(), key.clone()]);
                let expires: &[u8] = if expiry.starts_with(b":-") { b"stays" } else { b"expires" };
                [b" db ", db.as_bytes(), b" ", &key, b" ", &value, expires].concat()
            });
            if ours != theirs {
                difference.ours.extend([ours, contents(&mut self.ours, &key)].concat());
                difference.theirs.extend([theirs, contents(&mut self.theirs, &key)].concat());
                difference.keys.push(key);
            }
        }
        Some(difference)
    }
}

/// What is at a key, for people.
fn contents(wire: &mut Wire, key: &[u8]) -> Vec<u8> {
    let kind = wire.ask(&[b"TYPE".to_vec(), key.to_vec()]);
    let (before, after): (&[&str], &[&str]) = match kind.as_slice() {
        b"+string\r\n" => (&["GET"], &[]),
        b"+list\r\n" => (&["LRANGE"], &["0", "-1"]),
        b"+set\r\n" => (&["SORT"], &["ALPHA"]),
        b"+hash\r\n" => (&["HGETALL"], &[]),
        b"+zset\r\n" => (&["ZRANGE"], &["0", "-1", "WITHSCORES"]),
        b"+stream\r\n" => (&["XINFO", "STREAM"], &["FULL", "COUNT", "0"]),
        _ => return kind,
    };
    let plain = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    [b" ".to_vec(), wire.ask(&[plain(before), vec![key.to_vec()], plain(after)].concat())].concat()
}

/// Those that requests select.
const DATABASES: [&str; 4] = ["0", "1", "2", "15"];

const KIND_CHARS: usize = 60;
