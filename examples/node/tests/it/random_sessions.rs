//! Random sessions with the node and with `redis-server`: the same requests, the same replies, whatever the seed.
//!
//! `KEYSLOT_RANDOM_REQUESTS` sets how many requests are sent, `KEYSLOT_SEED` the session. Requests are made from
//! [`SHAPES`] over few keys, so that they meet each other's traces; some are bent afterwards into what nobody should send.

use crate::node::Node;
use crate::redis::{PROGRAM, Redis, has};
use crate::wire::{Wire, encode, readable, sorted, without_digits};

#[test]
fn random_sessions_are_answered_as_redis_server_answers_them() {
    if !has(PROGRAM) {
        return;
    }
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let request_count = setting("KEYSLOT_RANDOM_REQUESTS").unwrap_or(REQUEST_COUNT);
    let seed = setting("KEYSLOT_SEED").unwrap_or(0x5eed);
    println!("seed {seed}, {request_count} requests");
    let folder = tempfile::tempdir().unwrap();
    let _node = Node::start(folder.path(), &[]);
    let redis = Redis::start(folder.path(), &[]);
    let mut ours = Wire::connect(&folder.path().join("node.sock"));
    let mut theirs = Wire::connect(&redis.socket());
    let mut random = Random(seed | 1);
    let mut history: Vec<Request> = Vec::new();
    for _ in 0..request_count / PIPELINE {
        let start = history.len();
        history.extend((0..PIPELINE).map(|_| Request::make(&mut random)));
        let bytes: Vec<u8> = history[start..].iter().flat_map(|request| encode(&request.words)).collect();
        ours.write(&bytes);
        theirs.write(&bytes);
        for at in start..history.len() {
            let (ours, theirs) = (ours.reply(), theirs.reply());
            if !history[at].agrees(&ours, &theirs) {
                let (node, redis) = (readable(&ours), readable(&theirs));
                panic!("seed {seed}\n{}\n    node  {node}\n    redis {redis}", story(&history[..=at]));
            }
        }
        if history.len() > HISTORY_MAX {
            history.drain(..HISTORY_MAX / 2);
        }
    }
}

/// The last request, after those before it that spoke of the same keys.
fn story(history: &[Request]) -> String {
    let (last, before) = history.split_last().unwrap();
    let is_related = |request: &&Request| {
        request.words.iter().any(|word| KEYS.contains(&word.as_slice()) && last.words.contains(word))
            || request.words[0].eq_ignore_ascii_case(b"swapdb")
            || request.words[0].eq_ignore_ascii_case(b"select")
    };
    let mut lines: Vec<String> = before.iter().rev().filter(is_related).take(STORY_MAX).map(Request::text).collect();
    lines.reverse();
    lines.push(last.text());
    lines.join("\n")
}

/// A request, and how its replies compare.
struct Request {
    words: Vec<Vec<u8>>,
}

impl Request {
    fn make(random: &mut Random) -> Self {
        let shape = SHAPES[random.below(SHAPES.len())];
        let mut words: Vec<Vec<u8>> = shape.split(' ').map(|word| random.word(word)).collect();
        match random.below(60) {
            0 if words.len() > 1 => drop(words.pop()),
            1 => words.push(random.word("{value}")),
            2 | 3 if words.len() > 1 => {
                let at = 1 + random.below(words.len() - 1);
                words[at] = random.word("{odd}");
            }
            4 => words[0].make_ascii_lowercase(),
            _ => {}
        }
        Self { words }
    }

    fn text(&self) -> String {
        self.words.iter().map(|word| format!("\"{}\"", word.escape_ascii())).collect::<Vec<_>>().join(" ")
    }

    fn agrees(&self, ours: &[u8], theirs: &[u8]) -> bool {
        let name = self.words[0].to_ascii_uppercase();
        match name.as_slice() {
            _ if ours == theirs => true,
            // Where a cursor that was never given leads is each server's own affair.
            b"SCAN" if self.words.get(1).is_some_and(|cursor| cursor != b"0") => ours[0] == theirs[0],
            b"KEYS" | b"SCAN" => sorted(ours) == sorted(theirs),
            b"HELLO" => without_digits(ours) == without_digits(theirs),
            b"TTL" | b"EXPIRETIME" => are_near(ours, theirs, SLACK_MS / 1000),
            b"PTTL" | b"PEXPIRETIME" => are_near(ours, theirs, SLACK_MS),
            _ => false,
        }
    }
}

/// Whether two integer replies differ by no more than the time that passed between the two servers' clocks.
fn are_near(ours: &[u8], theirs: &[u8], slack: i64) -> bool {
    let number = |reply: &[u8]| std::str::from_utf8(reply).ok()?.strip_prefix(':')?.trim_end().parse::<i64>().ok();
    number(ours).zip(number(theirs)).is_some_and(|(ours, theirs)| ours > 0 && (ours - theirs).abs() <= slack)
}

/// Xorshift: any seed but zero, the same words on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 33) % bound as u64) as usize
    }

    fn pick(&mut self, words: &[&[u8]]) -> Vec<u8> {
        words[self.below(words.len())].to_vec()
    }

    /// The bytes of a word of a shape.
    fn word(&mut self, shape: &str) -> Vec<u8> {
        match shape {
            "{key}" => self.pick(KEYS),
            "{value}" => match self.below(8) {
                0..=2 => self.integer(),
                3 => self.float(),
                4 => self.text(60),
                5 => self.text(200),
                _ => self.pick(VALUES),
            },
            "{integer}" => self.integer(),
            "{float}" => self.float(),
            "{index}" => (self.below(320) as i64 - 160).to_string().into_bytes(),
            "{offset}" => self.below(300).to_string().into_bytes(),
            // Wide ranges, so that no two moments are ever compared that are only a clock's tick apart.
            "{seconds}" => (1000 + self.below(100_000_000)).to_string().into_bytes(),
            "{ms}" => (1_000_000 + self.next() % 100_000_000_000).to_string().into_bytes(),
            "{at}" => (33_000_000_000 + self.below(50)).to_string().into_bytes(),
            "{at-ms}" => (33_000_000_000_000 + self.below(50)).to_string().into_bytes(),
            "{if}" => self.pick(&[b"NX", b"XX", b"GT", b"LT", b"nx", b"FOO"]),
            "{db}" => self.pick(&[b"0", b"1", b"2", b"15", b"16"]),
            "{glob}" => {
                self.pick(&[b"*", b"k*", b"k[0-3]", b"?1", b"k[^1]", b"\\k1", b"[", b"k[1", b"**a", b"", b"K*"])
            }
            "{odd}" => self.pick(ODD),
            _ => shape.as_bytes().to_vec(),
        }
    }

    fn integer(&mut self) -> Vec<u8> {
        match self.below(8) {
            0..=3 => (self.below(40) as i64 - 20).to_string().into_bytes(),
            4 => (self.next() as i64).to_string().into_bytes(),
            5 => (self.next() >> self.below(64)).to_string().into_bytes(),
            _ => self.pick(INTEGERS),
        }
    }

    fn float(&mut self) -> Vec<u8> {
        match self.below(4) {
            0 => format!("{}.{}", self.below(2000) as i64 - 1000, self.below(10_000)).into_bytes(),
            1 => format!("{}e{}", self.below(2000) as i64 - 1000, self.below(40) as i64 - 20).into_bytes(),
            2 => format!("{}", f64::from_bits(self.next() & !(1 << 62))).into_bytes().into_iter().take(40).collect(),
            _ => self.pick(FLOATS),
        }
    }

    fn text(&mut self, length_max: usize) -> Vec<u8> {
        let length = self.below(length_max);
        (0..length).map(|_| b'a' + self.below(4) as u8).collect()
    }
}

const REQUEST_COUNT: u64 = 20_000;

const PIPELINE: u64 = 50;

const HISTORY_MAX: usize = 20_000;

const STORY_MAX: usize = 15;

const SLACK_MS: i64 = 10_000;

const KEYS: &[&[u8]] = &[b"k0", b"k1", b"k2", b"k3", b"k4", b"k5", b"", b"{k}\x00\r\n"];

const VALUES: &[&[u8]] =
    &[b"", b"a", b"hello world", b"\x00\xff\r\n", b"007", b"-0", b"+1", b" 1", b"1 ", b"1\x00", b"3.0"];

const INTEGERS: &[&[u8]] = &[
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775806",
    b"-9223372036854775807",
    b"9223372036854775808",
    b"4294967296",
    b"2147483647",
];

const FLOATS: &[&[u8]] = &[
    b"inf", b"-inf", b"nan", b"1e308", b"1e4000", b"1e-4000", b"0x1p3", b".5", b"5.", b"1e", b"-0", b"0.1", b"1e17",
    b"-1e17",
];

const ODD: &[&[u8]] = &[
    b"",
    b"0",
    b"-1",
    b"x",
    b"*",
    b"NX",
    b"XX",
    b"GET",
    b"EX",
    b"PX",
    b"KEEPTTL",
    b"PERSIST",
    b"REPLACE",
    b"DB",
    b"LEN",
    b"IDX",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"1.5",
    b"\xff\x00",
    b"a b",
    b"k1",
    b"COUNT",
    b"MATCH",
];

/// Requests as they should be; words in braces are made anew each time.
const SHAPES: &[&str] = &[
    "GET {key}",
    "GET {key}",
    "GET {key}",
    "SET {key} {value}",
    "SET {key} {value}",
    "SET {key} {value}",
    "SET {key} {integer}",
    "SET {key} {float}",
    "SET {key} {value} NX",
    "SET {key} {value} XX",
    "SET {key} {value} GET",
    "SET {key} {value} NX GET",
    "SET {key} {value} XX GET",
    "SET {key} {value} KEEPTTL",
    "SET {key} {value} EX {seconds}",
    "SET {key} {value} PX {ms}",
    "SET {key} {value} EXAT {at} NX",
    "SET {key} {value} PXAT {at-ms} XX GET",
    "SET {key} {value} PXAT 1000000000",
    "SET {key} {value} EX {odd}",
    "SETNX {key} {value}",
    "SETEX {key} {seconds} {value}",
    "PSETEX {key} {ms} {value}",
    "SETEX {key} -5 {value}",
    "GETSET {key} {value}",
    "GETDEL {key}",
    "GETEX {key}",
    "GETEX {key} EX {seconds}",
    "GETEX {key} PXAT {at-ms}",
    "GETEX {key} PERSIST",
    "GETEX {key} EXAT 1000000",
    "APPEND {key} {value}",
    "APPEND {key} {value}",
    "STRLEN {key}",
    "GETRANGE {key} {index} {index}",
    "GETRANGE {key} {integer} {integer}",
    "SUBSTR {key} {index} {index}",
    "SETRANGE {key} {offset} {value}",
    "SETRANGE {key} {index} {value}",
    "SETRANGE {key} {offset} ",
    "MGET {key} {key} {key}",
    "MSET {key} {value} {key} {value}",
    "MSETNX {key} {value} {key} {value}",
    "INCR {key}",
    "DECR {key}",
    "INCR {key}",
    "INCRBY {key} {integer}",
    "DECRBY {key} {integer}",
    "INCRBYFLOAT {key} {float}",
    "INCRBYFLOAT {key} {float}",
    "INCRBYFLOAT {key} {integer}",
    "LCS {key} {key}",
    "LCS {key} {key} LEN",
    "LCS {key} {key} IDX",
    "LCS {key} {key} IDX MINMATCHLEN {offset} WITHMATCHLEN",
    "LCS {key} {key} IDX WITHMATCHLEN MINMATCHLEN 2",
    "DEL {key}",
    "DEL {key} {key}",
    "UNLINK {key} {key}",
    "EXISTS {key} {key} {key}",
    "TOUCH {key} {key}",
    "TYPE {key}",
    "OBJECT ENCODING {key}",
    "OBJECT ENCODING {key}",
    "RENAME {key} {key}",
    "RENAME {key} {key}",
    "RENAMENX {key} {key}",
    "COPY {key} {key}",
    "COPY {key} {key} REPLACE",
    "COPY {key} {key} DB {db}",
    "COPY {key} {key} DB {db} REPLACE",
    "MOVE {key} {db}",
    "SELECT {db}",
    "SELECT 0",
    "SWAPDB {db} {db}",
    "SWAPDB 0 1",
    "KEYS *",
    "KEYS {glob}",
    "SCAN 0 COUNT 1000",
    "SCAN 0 MATCH {glob} COUNT 1000",
    "SCAN 0 COUNT 1000 TYPE string",
    "EXPIRE {key} {seconds}",
    "EXPIRE {key} {seconds} {if}",
    "PEXPIRE {key} {ms} {if}",
    "EXPIREAT {key} {at} {if}",
    "EXPIREAT {key} {at}",
    "PEXPIREAT {key} {at-ms} {if}",
    "PEXPIREAT {key} {at-ms} {if} {if}",
    "PEXPIREAT {key} {at-ms}",
    "EXPIRE {key} {odd} {if}",
    "EXPIREAT {key} 1",
    "PERSIST {key}",
    "TTL {key}",
    "PTTL {key}",
    "EXPIRETIME {key}",
    "PEXPIRETIME {key}",
    "HELLO 2",
    "HELLO 3",
    "PING {value}",
    "ECHO {value}",
    "FLUSHDB",
    "CLIENT SETNAME {value}",
    "CLIENT GETNAME",
    "FOO {value} {value}",
    "{value} {key}",
    "OBJECT {value} {key}",
    "RESET",
    "COMMAND GETKEYS SET {key} {value}",
    "COMMAND GETKEYS MSET {key} {value} {key} {value}",
];
