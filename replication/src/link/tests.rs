//! Nodes in one thread, connected by links that a seed delays, cuts and splits: a quiet replica equals its primary.

use super::*;
use crate::chance::Chance;
use keyslot_engine::{EffectSink, Engine, ManualClock, Offset, UnixMillis};
use keyslot_persistence::{Journal, JournalOptions};
use std::sync::Arc;

struct Node {
    engine: Engine,
    journal: Arc<Journal>,
    history: History,
    /// Whether the journal is a part of that history.
    is_known: bool,
    primary: Primary,
    upstream: Option<Upstream>,
}

/// A connection to another node, and what is under way on it.
struct Upstream {
    to: usize,
    link: ReplicaLink,
    reception: Option<Reception>,
    served: Option<LinkId>,
    up: Vec<u8>,
    down: Vec<u8>,
}

struct Net {
    nodes: Vec<Node>,
    now: UnixMillis,
    clock: ManualClock,
    chance: Chance,
    /// Bytes that each connection carries until it is cut.
    carried: u64,
    cut_at: Option<u64>,
    /// Whether replicas ask for snapshots in Keyslot's own form.
    native: bool,
    errors: Vec<ReplicaError>,
}

impl Net {
    fn new(count: u64, seed: u64, backlog_size_bytes_max: usize) -> Self {
        let now = UnixMillis(1_700_000_000_000);
        let clock = ManualClock::at(now);
        let nodes = (0..count).map(|number| {
            let engine = Engine::builder().clock(clock.clone()).seed(seed + number).in_memory();
            let options = JournalOptions { chunk_size_bytes: 512, backlog_size_bytes_max, ..JournalOptions::default() };
            let journal = Arc::new(Journal::in_memory(Offset(number * 1000), options));
            engine.attach_sink(journal.clone());
            Node {
                primary: Primary::new(engine.clone(), journal.clone(), PrimaryOptions::default(), seed),
                history: History::new(ReplicationId::from_chance([seed, number, 1])),
                is_known: false,
                engine,
                journal,
                upstream: None,
            }
        });
        Self {
            nodes: nodes.collect(),
            now,
            clock,
            chance: Chance::new(seed),
            carried: 0,
            cut_at: None,
            native: true,
            errors: Vec::new(),
        }
    }

    fn connect(&mut self, from: usize, to: usize) {
        let node = &mut self.nodes[from];
        node.engine.set_due_keys(keyslot_engine::DueKeys::Hide);
        let history = node.is_known.then_some(&node.history);
        let options = ReplicaOptions { ack_interval_ms: 100, reads_native: self.native, ..ReplicaOptions::default() };
        let link = ReplicaLink::new(node.engine.clone(), node.journal.clone(), options, history, self.now);
        let reception = Some(Reception::new(None));
        node.upstream = Some(Upstream { to, link, reception, served: None, up: Vec::new(), down: Vec::new() });
    }

    fn cut(&mut self, from: usize) {
        if let Some(upstream) = self.nodes[from].upstream.take()
            && let Some(served) = upstream.served
        {
            self.nodes[upstream.to].primary.detach(served);
        }
    }

    /// Moves some bytes of one connection, both ways.
    fn pump(&mut self, from: usize) {
        let Some(mut upstream) = self.nodes[from].upstream.take() else { return };
        let most = 1 + self.chance.below(300) as usize;
        upstream.link.poll_output(&mut upstream.up);
        let (now, chance) = (self.now, &mut self.chance);
        let mut take = |bytes: &mut Vec<u8>| -> Vec<u8> {
            let count = bytes.len().min(chance.below(most as u64) as usize + 1);
            bytes.drain(..count).collect()
        };
        let (mut up, mut down) = (take(&mut upstream.up), Vec::new());
        let mut is_over = false;
        if let Some(cut_at) = self.cut_at {
            up.truncate(cut_at.saturating_sub(self.carried) as usize);
            self.carried += up.len() as u64;
            is_over = self.carried >= cut_at;
        }
        let server = &mut self.nodes[upstream.to];
        if let Some(reception) = &mut upstream.reception {
            let came = reception.feed(&up, &mut upstream.down).expect("a replica speaks properly");
            if let Some(Called::Replica(arrival)) = came {
                match server.primary.attach(arrival.profile, arrival.request, &server.history, now) {
                    Ok(link) => {
                        is_over |= server.primary.handle_input(link, &arrival.rest, now).is_err();
                        (upstream.served, upstream.reception) = (Some(link), None);
                    }
                    Err(_) => is_over = true,
                }
            }
        } else if let Some(served) = upstream.served {
            is_over |= server.primary.handle_input(served, &up, now).is_err();
        }
        if let Some(served) = upstream.served {
            is_over |= server.primary.poll_output(served, &mut upstream.down, most).is_err();
        }
        if !upstream.down.is_empty() {
            down = take(&mut upstream.down);
        }
        if let Some(cut_at) = self.cut_at {
            down.truncate(cut_at.saturating_sub(self.carried) as usize);
            self.carried += down.len() as u64;
            is_over |= self.carried >= cut_at;
        }
        let outcome = upstream.link.handle_input(&down, now).and_then(|()| upstream.link.handle_timeout(now));
        let node = &mut self.nodes[from];
        while let Some(event) = upstream.link.poll_event() {
            match event {
                ReplicaEvent::Note(_) => {}
                ReplicaEvent::Continued(id) => node.history.rename(id, node.journal.end()),
                ReplicaEvent::Replacing(id) => {
                    node.history.join(id);
                    node.is_known = false;
                    // Those who follow this node have to begin anew.
                    node.primary.close();
                }
                ReplicaEvent::Replaced(_) => {
                    node.is_known = true;
                    node.primary.open();
                }
            }
        }
        if let Err(error) = outcome {
            node.is_known &= !error.loses_history();
            self.errors.push(error);
            is_over = true;
        }
        let to = upstream.to;
        self.nodes[from].upstream = Some(upstream);
        if is_over {
            self.cut(from);
            (self.cut_at, self.carried) = (None, 0);
            self.connect(from, to);
        }
    }

    fn tick(&mut self, ms: i64) {
        self.now = UnixMillis(self.now.0 + ms);
        self.clock.advance(std::time::Duration::from_millis(ms as u64));
        for node in &mut self.nodes {
            node.primary.handle_timeout(self.now);
        }
    }

    /// Until everybody who follows is where the node is that he follows.
    fn settle(&mut self) {
        for round in 0..200_000 {
            (0..self.nodes.len()).for_each(|from| self.pump(from));
            if round % 50 == 0 {
                self.tick(10);
            }
            let is_quiet = self.nodes.iter().all(|node| match &node.upstream {
                None => true,
                Some(upstream) => {
                    let primary = &self.nodes[upstream.to];
                    upstream.link.phase() == ReplicaPhase::Streaming && node.journal.end() == primary.journal.end()
                }
            });
            if is_quiet {
                return;
            }
        }
        panic!("it does not become quiet; {:?}", self.errors);
    }

    fn digest(&self, node: usize) -> String {
        format!("{:?}", self.nodes[node].engine.call(&["DEBUG", "DIGEST"]))
    }

    fn assert_equal(&self, a: usize, b: usize, context: &str) {
        assert_eq!(self.digest(a), self.digest(b), "{context}");
        assert_eq!(self.nodes[a].journal.end(), self.nodes[b].journal.end(), "{context}");
        assert_eq!(self.nodes[a].history.id(), self.nodes[b].history.id(), "{context}");
    }

    /// A few changes of all kinds.
    fn write(&mut self, node: usize) {
        let n = self.chance.next() % 40;
        let engine = &self.nodes[node].engine;
        let ask = |words: &[&str]| {
            let reply = format!("{:?}", engine.call(words));
            assert!(!reply.contains("Error"), "{words:?}: {reply}");
        };
        match self.chance.next() % 12 {
            0 => ask(&["SET", &format!("s:{n}"), "value", "PX", "500"]),
            1 => ask(&["APPEND", &format!("a:{n}"), &"x".repeat(n as usize * 5)]),
            2 => ask(&["SADD", "set", &format!("m{n}"), "b", "c"]),
            3 => ask(&["SPOP", "set"]),
            4 => ask(&["ZINCRBY", "zset", "0.1", &format!("m{n}")]),
            5 => ask(&["HINCRBYFLOAT", "hash", &format!("f{n}"), "0.3"]),
            6 => ask(&["XADD", "stream", "MAXLEN", "~", "100", "*", "f", "v"]),
            7 => ask(&["MSET", "a", "1", "b", "2", "c", "3"]),
            8 => ask(&["COPY", "a", &format!("copy:{n}"), "DB", "3", "REPLACE"]),
            9 if n == 0 => ask(&["FLUSHALL"]),
            9 => ask(&["RPUSH", &format!("list:{}", n % 5), "x"]),
            10 if n == 0 => ask(&["SWAPDB", "0", "3"]),
            10 => ask(&["DEL", &format!("a:{n}"), "b"]),
            _ => {
                let both = engine.atomic("{t}", |turn| {
                    turn.set("{t}1", "x")?;
                    turn.append("{t}2", "y").map(drop)
                });
                both.expect("nothing forbids it");
            }
        }
    }
}

#[test]
fn a_replica_becomes_what_its_primary_is_and_stays_so() {
    let mut net = Net::new(2, 7, 1 << 20);
    (0..300).for_each(|_| net.write(0));
    net.connect(1, 0);
    for _ in 0..300 {
        net.write(0);
        net.pump(1);
    }
    net.settle();
    net.assert_equal(0, 1, "after a full resync");
    assert_eq!(net.nodes[0].primary.counts(), SyncCounts { full: 1, native: 1, partial: 0, refused: 0 });
    net.cut(1);
    (0..50).for_each(|_| net.write(0));
    net.connect(1, 0);
    net.settle();
    net.assert_equal(0, 1, "after a cut");
    assert_eq!(net.nodes[0].primary.counts(), SyncCounts { full: 1, native: 1, partial: 1, refused: 0 });
    let end = net.nodes[0].journal.end();
    net.nodes[0].primary.ask_acks();
    net.settle();
    (0..20).for_each(|_| net.pump(1));
    let [status] = &net.nodes[0].primary.replicas().collect::<Vec<_>>()[..] else { panic!("there is one") };
    assert_eq!((status.state, net.nodes[0].primary.count_reached(end)), (ReplicaState::Stream, 1));
}

#[test]
fn who_was_away_for_too_long_begins_anew() {
    let mut net = Net::new(2, 9, 4096);
    net.connect(1, 0);
    net.settle();
    net.cut(1);
    (0..800).for_each(|_| net.write(0));
    net.connect(1, 0);
    net.settle();
    net.assert_equal(0, 1, "anew");
    assert_eq!(net.nodes[0].primary.counts(), SyncCounts { full: 2, native: 2, partial: 0, refused: 1 });
}

#[test]
fn a_replica_that_has_more_than_it_was_sent_is_let_go() {
    let mut net = Net::new(2, 5, 1 << 20);
    (0..20).for_each(|_| net.write(0));
    net.connect(1, 0);
    net.settle();
    let served = net.nodes[1].upstream.as_ref().and_then(|upstream| upstream.served).expect("it follows");
    let (end, now) = (net.nodes[0].journal.end(), net.now);
    let ack = |offset: u64| format!("REPLCONF ACK {offset}\r\n").into_bytes();
    let primary = &mut net.nodes[0].primary;
    assert_eq!(primary.handle_input(served, &ack(end.0), now), Ok(()));
    let ahead = LinkError::Ahead { acked: Offset(end.0 + 1), sent: end };
    assert_eq!(primary.handle_input(served, &ack(end.0 + 1), now), Err(ahead));
    assert!(!primary.serves(served));
}

#[test]
fn a_chain_carries_the_stream_as_it_is() {
    let mut net = Net::new(3, 11, 1 << 20);
    (0..100).for_each(|_| net.write(0));
    net.connect(1, 0);
    net.connect(2, 1);
    for round in 0..400 {
        net.write(0);
        net.pump(1);
        net.pump(2);
        match round {
            150 => {
                net.cut(1);
                net.connect(1, 0);
            }
            250 => {
                net.cut(2);
                net.connect(2, 1);
            }
            _ => {}
        }
    }
    net.settle();
    net.assert_equal(0, 1, "the middle");
    net.assert_equal(0, 2, "the end");
    // The middle is gone: its replica goes on under the first without a snapshot.
    let full = net.nodes[0].primary.counts().full;
    net.cut(2);
    net.connect(2, 0);
    (0..50).for_each(|_| net.write(0));
    net.settle();
    net.assert_equal(0, 2, "past the middle");
    assert_eq!(net.nodes[0].primary.counts().full, full);
}

#[test]
fn a_promoted_replica_goes_on_for_its_siblings() {
    let mut net = Net::new(3, 13, 1 << 20);
    net.connect(1, 0);
    net.connect(2, 0);
    (0..200).for_each(|_| net.write(0));
    net.settle();
    net.cut(1);
    net.cut(2);
    let promoted = &mut net.nodes[1];
    promoted.engine.set_due_keys(keyslot_engine::DueKeys::Delete);
    let end = promoted.journal.end();
    promoted.history.shift(ReplicationId::from_chance([99, 99, 99]), end);
    (0..50).for_each(|_| net.write(1));
    net.connect(2, 1);
    net.settle();
    net.assert_equal(1, 2, "under the new one");
    assert_eq!(net.nodes[1].primary.counts(), SyncCounts { full: 0, native: 0, partial: 1, refused: 0 });
    // The old primary, which wrote on alone, is not a part of that history any more.
    (0..20).for_each(|_| net.write(0));
    net.nodes[0].is_known = true;
    net.connect(0, 1);
    net.settle();
    net.assert_equal(1, 0, "the old one came back");
    assert_eq!(net.nodes[1].primary.counts().full, 1);
}

#[test]
fn a_link_may_be_cut_at_every_byte() {
    let cuts = (1..2600).map(|cut_at| (cut_at, true)).chain((1..2600).step_by(3).map(|cut_at| (cut_at, false)));
    for (cut_at, native) in cuts {
        let mut net = Net::new(2, cut_at, 1 << 16);
        net.native = native;
        (0..10).for_each(|_| net.write(0));
        net.cut_at = Some(cut_at);
        net.connect(1, 0);
        for _ in 0..30 {
            net.write(0);
            net.pump(1);
        }
        net.settle();
        net.assert_equal(0, 1, &format!("cut at byte {cut_at}, native: {native}"));
        assert_eq!(net.nodes[0].primary.counts().native > 0, native);
        assert!(net.errors.is_empty(), "{:?}", net.errors);
    }
}

#[test]
fn a_snapshot_that_is_bent_or_another_is_refused_and_asked_for_again() {
    let mut source = Net::new(1, 3, 1 << 16);
    (0..20).for_each(|_| source.write(0));
    let node = &mut source.nodes[0];
    let profile = ReplicaProfile { reads_native: true, ..ReplicaProfile::default() };
    let link = node.primary.attach(profile, SyncRequest::Continue(None), &node.history, UnixMillis(0)).unwrap();
    let mut said = Vec::new();
    node.primary.poll_output(link, &mut said, usize::MAX).unwrap();
    let announced = format!("+FULLRESYNC {} {}\r\n$KEYSLOT:1\r\n", node.history.id(), node.journal.end());
    assert!(said.starts_with(announced.as_bytes()));
    let greeting: &[&[u8]] = &[b"+PONG\r\n", b"+OK\r\n", b"+OK\r\n"];
    let (lines, snapshot) = said.split_at(announced.len());
    let say = |snapshot: &[u8]| hear(&[greeting, &[lines, snapshot]].concat());
    assert_eq!(say(snapshot), Ok(ReplicaPhase::Streaming));
    for at in (0..snapshot.len()).step_by(13) {
        assert_eq!(say(&snapshot[..at]), Ok(ReplicaPhase::Receiving), "{at} bytes");
        let mut bent = snapshot.to_vec();
        bent[at] ^= 1 << (at % 8);
        match say(&bent) {
            // The header is known before anything is replaced.
            Err(error) => assert_eq!(error.loses_history(), at >= 112, "byte {at}: {error}"),
            // A section that claims to be longer has not come.
            Ok(phase) => panic!("byte {at}: {phase:?}"),
        }
    }
    // That of another history, or of another moment.
    let other = format!("+FULLRESYNC {} {}\r\n$KEYSLOT:1\r\n", "0".repeat(40), node.journal.end());
    let error = hear(&[greeting, &[other.as_bytes(), snapshot]].concat()).unwrap_err();
    assert!(error.to_string().contains("that was announced") && !error.loses_history(), "{error}");
    let error = hear(&[greeting, &[lines, b"REDIS0011"]].concat()).unwrap_err();
    assert!(matches!(error, ReplicaError::Header(_)) && !error.loses_history(), "{error}");
}

/// A primary with so much data, and a replica that asks for all of it.
fn served(options: PrimaryOptions, keys: usize) -> (Net, LinkId) {
    let mut net = Net::new(1, 5, 4096);
    (0..keys).for_each(|n| drop(net.nodes[0].engine.call(&["SET", &format!("k{n}"), &"x".repeat(100)])));
    let now = net.now;
    let node = &mut net.nodes[0];
    node.primary.set_options(options);
    let profile = ReplicaProfile { reads_native: true, ..ReplicaProfile::default() };
    let link = node.primary.attach(profile, SyncRequest::Continue(None), &node.history, now).unwrap();
    (net, link)
}

impl Net {
    /// Time goes on for the primary; what it says of its replicas.
    fn wait(&mut self, ms: i64) -> Vec<LinkError> {
        self.now = UnixMillis(self.now.0 + ms);
        let over = self.nodes[0].primary.handle_timeout(self.now);
        over.into_iter().map(|(_, error)| error).collect()
    }
}

#[test]
fn a_replica_that_takes_nothing_of_a_snapshot_is_let_go_and_one_that_is_slow_is_not() {
    let options = PrimaryOptions { timeout_ms: 1000, ..PrimaryOptions::default() };
    let (mut net, link) = served(options, 2000);
    let mut said = Vec::new();
    for _ in 0..20 {
        net.nodes[0].primary.poll_output(link, &mut said, 1000).unwrap();
        assert_eq!(net.wait(900), []);
    }
    assert_eq!(net.nodes[0].primary.next_timeout(), Some(UnixMillis(net.now.0 + 1000)));
    assert_eq!(net.wait(500), []);
    assert_eq!(net.wait(500), [LinkError::Silent(1000)]);
    assert!(!net.nodes[0].primary.serves(link));
}

#[test]
fn a_replica_that_loads_says_so_or_is_let_go() {
    let options = PrimaryOptions { timeout_ms: 1000, ..PrimaryOptions::default() };
    let (mut net, link) = served(options, 100);
    let mut said = Vec::new();
    net.nodes[0].primary.poll_output(link, &mut said, usize::MAX).unwrap();
    for _ in 0..5 {
        assert_eq!(net.wait(900), []);
        let now = net.now;
        net.nodes[0].primary.handle_input(link, b"\n", now).unwrap();
    }
    assert_eq!(net.nodes[0].primary.replicas().next().unwrap().state, ReplicaState::Waiting);
    assert_eq!(net.wait(1000), [LinkError::Silent(1000)]);
}

#[test]
fn a_replica_shows_life_while_it_takes_a_snapshot() {
    let (mut net, link) = served(PrimaryOptions::default(), 2000);
    let mut said = Vec::new();
    net.nodes[0].primary.poll_output(link, &mut said, usize::MAX).unwrap();
    let mut other = Net::new(1, 6, 4096);
    other.connect(0, 0);
    let replica = &mut other.nodes[0].upstream.as_mut().expect("connected").link;
    let mut out = Vec::new();
    let mut give = |bytes: &[u8], now: i64| {
        replica.handle_input(bytes, UnixMillis(now)).unwrap();
        while replica.poll_event().is_some() || replica.holds_input() {
            replica.handle_input(b"", UnixMillis(now)).unwrap();
        }
        out.clear();
        replica.poll_output(&mut out);
        (out.clone(), replica.next_timeout())
    };
    let start = net.now.0;
    give(b"+PONG\r\n+OK\r\n+OK\r\n", start);
    let (first, rest) = said.split_at(5000);
    give(first, start);
    assert_eq!(give(&rest[..100], start + 1000).0, b"\n");
    assert_eq!(give(&rest[100..200], start + 1050), (Vec::new(), Some(UnixMillis(start + 1100))));
    assert!(give(&rest[200..], start + 1060).0.starts_with(b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK"));
}

#[test]
fn what_a_slow_replica_needs_is_held_within_limits() {
    let limits = |hard_size_bytes, soft_size_bytes| PrimaryOptions {
        lag_limits: LagLimits { hard_size_bytes, soft_size_bytes, soft_ms: 500 },
        ..PrimaryOptions::default()
    };
    let write = |net: &Net, count: usize| {
        (0..count).for_each(|n| drop(net.nodes[0].engine.call(&["SET", &format!("n{n}"), &"y".repeat(100)])));
    };
    let receive = |net: &mut Net, link| -> Result<usize, LinkError> {
        let mut said = Vec::new();
        let now = net.now;
        let primary = &mut net.nodes[0].primary;
        primary.poll_output(link, &mut said, usize::MAX)?;
        primary.handle_input(link, b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n", now)?;
        said.clear();
        primary.poll_output(link, &mut said, usize::MAX)?;
        Ok(said.len())
    };
    // Far more than the backlog of 4096 bytes came meanwhile.
    let (mut net, link) = served(limits(1 << 20, 0), 100);
    write(&net, 1000);
    assert!(receive(&mut net, link).unwrap() > 100_000);
    let (mut net, link) = served(limits(50_000, 0), 100);
    write(&net, 1000);
    assert!(matches!(receive(&mut net, link), Err(LinkError::Lagged(_))));
    let (mut net, _) = served(limits(0, 50_000), 100);
    write(&net, 1000);
    assert_eq!(net.wait(10), []);
    assert!(matches!(net.wait(500)[..], [LinkError::Behind(100_000..)]));
    // Nothing is held for who is gone.
    write(&net, 1000);
    let journal = &net.nodes[0].journal;
    assert!(journal.end().0 - journal.oldest().0 < 8192);
}

/// A replica whose primary says these lines.
fn hear(lines: &[&[u8]]) -> Result<ReplicaPhase, ReplicaError> {
    let mut net = Net::new(1, 1, 1 << 16);
    (0..10).for_each(|_| net.write(0));
    net.connect(0, 0);
    let link = &mut net.nodes[0].upstream.as_mut().expect("connected").link;
    for line in lines {
        link.handle_input(line, UnixMillis(0))?;
        while link.poll_event().is_some() || link.holds_input() {
            link.handle_input(b"", UnixMillis(0))?;
        }
    }
    Ok(link.phase())
}

#[test]
fn what_makes_no_sense_is_an_error_that_names_it() {
    let greeting: &[&[u8]] = &[b"+PONG\r\n", b"+OK\r\n", b"+OK\r\n"];
    let say = |lines: &[&[u8]]| hear(&[greeting, lines].concat());
    let resync: &[u8] = b"+FULLRESYNC 0123456789012345678901234567890123456789 77\r\n";
    assert_eq!(say(&[]), Ok(ReplicaPhase::Asking));
    assert_eq!(hear(&[b"-NOAUTH Authentication required.\r\n", b"+OK\r\n"]), Ok(ReplicaPhase::Handshake));
    assert_eq!(say(&[b"\n", b"\n", resync, b"\n", b"$10\r\n"]), Ok(ReplicaPhase::Receiving));
    for (lines, part) in
        [(&[&b"GET / HTTP/1.1\r\n"[..]][..], "an answer to PING"), (&[b"-ERR no\r\n"], "PING with: -ERR no")]
    {
        let error = hear(lines).unwrap_err();
        assert!(error.to_string().contains(part) && !error.loses_history(), "{error}");
    }
    for (lines, part, is_lost) in [
        (&[&b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n"[..]][..], "NOMASTERLINK", false),
        (&[b"+CONTINUE\r\n"], "+FULLRESYNC, as nothing is here", false),
        (&[b"+FULLRESYNC x\r\n"], "+FULLRESYNC id offset", false),
        (&[resync, b"+OK\r\n"], "$length or $EOF:mark", false),
        (&[resync, b"$99999999999999999999999\r\n"], "$length or $EOF:mark", false),
        (&[resync, b"$20\r\n", b"garbage, not an RDB."], "expected an RDB", false),
        (&[resync, b"$20\r\n", b"REDIS0011\xff\x00\x00\x00\x00\x00\x00\x00\x00more"], "does not end where", true),
        (&[resync, b"$14\r\n", b"REDIS0011\xfe\x00\x00\x00\x00"], "", true),
    ] {
        let error = say(lines).unwrap_err();
        assert!(error.to_string().contains(part) && error.loses_history() == is_lost, "{lines:?}: {error}");
    }
    let empty: &[u8] = b"REDIS0011\xff\x00\x00\x00\x00\x00\x00\x00\x00";
    let streaming = [resync, b"$18\r\n", empty];
    assert_eq!(say(&streaming), Ok(ReplicaPhase::Streaming));
    for (line, part) in [
        (&b"*2\r\n$4\r\nGETX\r\n$1\r\na\r\n"[..], "GETX"),
        (b"*1\r\n$4\r\nEXEC\r\n", "EXEC without MULTI"),
        (b"*x\r\n", "no command"),
        (b"*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", "SET"),
    ] {
        let error = say(&[&streaming[..], &[line]].concat()).unwrap_err();
        assert!(error.loses_history(), "{error}");
        let _ = part;
    }
}
