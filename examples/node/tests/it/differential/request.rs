//! Requests from shapes.
//!
//! ```text
//! SET {key} {value} {?KEEPTTL}       words in braces are made anew each time; {?X} is there half of the time
//! RPUSH {list} {element}+            + repeats a word, as a rule a few times, now and then some hundred
//! HSET {hash} {field,value}+         words with a comma are repeated together
//! {LPUSH|RPUSH} {list} {element}     one of them
//! SPOP {set} ; DEL {1}               a second request follows at once; {1} is the first's word number 1
//! ```

use super::words::{KEYS, Random};

/// A request.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) words: Vec<Vec<u8>>,
    /// On which connection it is sent.
    pub(super) connection: usize,
}

/// The command that a shape begins with, or the first of several.
pub(super) fn first_name(shape: &str) -> &str {
    let first = shape.split(' ').next().unwrap_or_default();
    first.trim_start_matches('{').split(['|', '}']).next().unwrap_or_default()
}

/// Makes the requests of a shape.
pub(super) fn make(shape: &str, random: &mut Random, connection: usize, history: &mut Vec<Request>) {
    let mut first: Vec<Vec<u8>> = Vec::new();
    for part in shape.split(" ; ") {
        let mut words = Vec::new();
        for word in part.split(' ') {
            add(word, random, &first, &mut words);
        }
        // What follows is there to make both servers' data equal again.
        if first.is_empty() {
            first.clone_from(&words);
            bend(&mut words, random, must_stay(shape));
        }
        tame(shape, &mut words);
        history.push(Request { words, connection });
    }
}

fn add(word: &str, random: &mut Random, first: &[Vec<u8>], words: &mut Vec<Vec<u8>>) {
    let (word, is_repeated) = match word.strip_suffix("}+") {
        Some(word) => (word, true),
        None => (word.strip_suffix('}').unwrap_or(word), false),
    };
    let Some(name) = word.strip_prefix('{') else { return words.push(word.as_bytes().to_vec()) };
    if let Some(at) = name.parse::<usize>().ok().filter(|_| !first.is_empty()) {
        return words.push(first.get(at).cloned().unwrap_or_default());
    }
    if let Some(name) = name.strip_prefix('?') {
        if random.below(2) == 0 {
            words.push(name.as_bytes().to_vec());
        }
        return;
    }
    if name.contains('|') {
        let choices: Vec<&str> = name.split('|').collect();
        return words.push(choices[random.below(choices.len())].as_bytes().to_vec());
    }
    let count = match is_repeated {
        false => 1,
        true if random.below(60) == 0 => 100 + random.below(200),
        true => 1 + random.below(4),
    };
    random.many = count > 10;
    for _ in 0..count {
        words.extend(name.split(',').map(|name| random.word(name)));
    }
    random.many = false;
}

/// Whether a request must be sent as it is: what chance does is undone by what follows, nobody may wait for long, 7.2
/// takes more words of ZRANK, which matters within a transaction, and members of several scores have no order by bytes.
fn must_stay(shape: &str) -> bool {
    let starts =
        ["SPOP", "{BLPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "{BZPOPMIN", "BZMPOP", "{ZRANK", "ZADD {lex-set}"];
    shape.contains(" ; ") || shape.contains(" BLOCK ") || starts.iter().any(|start| shape.starts_with(start))
}

/// Makes of one request in twelve one that nobody should send.
fn bend(words: &mut Vec<Vec<u8>>, random: &mut Random, must_stay: bool) {
    match random.below(60) {
        0..=3 if must_stay => {}
        0 if words.len() > 1 => drop(words.pop()),
        1 => words.push(random.word("value")),
        2 | 3 if words.len() > 1 => {
            let at = 1 + random.below(words.len() - 1);
            words[at] = random.word("odd");
        }
        4 => words[0].make_ascii_lowercase(),
        _ => {}
    }
}

/// Replaces words to which the two servers cannot say the same.
fn tame(shape: &str, words: &mut [Vec<u8>]) {
    let (name, words) = words.split_first_mut().expect("a request has a name");
    let mut replace = |is_wild: fn(&[u8]) -> bool, tame: &[u8]| {
        words.iter_mut().filter(|word| is_wild(word)).for_each(|word| *word = tame.to_vec());
    };
    match name.to_ascii_uppercase().as_slice() {
        // 7.2 refuses the smallest integer here.
        b"LPOS" | b"LREM" => replace(|word| word == b"-9223372036854775808", b"-7"),
        // 7.0 draws as often as it is told, which ends never, and answers nobody meanwhile; here that is refused.
        b"HRANDFIELD" | b"SRANDMEMBER" | b"ZRANDMEMBER" => {
            replace(|word| word.starts_with(b"-") && word.len() > 7, b"-7")
        }
        // An id made from the clock.
        b"XADD" if !shape.contains(" * ") => replace(|word| word == b"*", b"x"),
        _ => {}
    }
}

impl Request {
    pub(super) fn text(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| format!("\"{}\"", word.escape_ascii())).collect();
        format!("[{}] {}", self.connection, words.join(" "))
    }

    pub(super) fn name(&self) -> Vec<u8> {
        self.words[0].to_ascii_uppercase()
    }

    pub(super) fn shares_a_key(&self, other: &Self) -> bool {
        self.words.iter().any(|word| KEYS.contains(&word.as_slice()) && other.words.contains(word))
    }

    /// Whether it matters to requests about any key.
    pub(super) fn changes_everything(&self) -> bool {
        let names: [&[u8]; 8] =
            [b"SWAPDB", b"SELECT", b"MULTI", b"EXEC", b"DISCARD", b"FLUSHDB", b"FLUSHALL", b"RESET"];
        names.contains(&self.name().as_slice())
    }
}
