//! `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]`: the longest common subsequence of two strings.
//!
//! Reply: the subsequence; its length with LEN; with IDX a map of the runs of bytes that match and the length. Records
//! nothing.
//!
//! The table of lengths is walked back from its end, row by row, as Redis does, so that of several longest subsequences
//! the same one is answered. One bit for each pair of bytes says which way back is longer; the lengths themselves are
//! needed for one row at a time. Redis keeps them all, 4 bytes each, and refuses pairs for which they pass
//! `proto-max-bulk-len`; so the same pairs are refused here.

use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::StrRef;
use bytes::Bytes;
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;

pub(super) const LCS: Row = Row::new("lcs", -3, Run::Turn(lcs))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).range(1, 1).ro().access()])
    .summary("Finds the longest common substring.")
    .docs(Group::String, "7.0.0", "O(N*M) where N and M are the lengths of s1 and s2, respectively")
    .args("key1:key#0 key2:key#0 len?=LEN idx?=IDX min-match-len:integer?=MINMATCHLEN withmatchlen?=WITHMATCHLEN");

/// A longest common subsequence of two strings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CommonSubsequence {
    /// Its bytes.
    pub bytes: Bytes,
    /// The runs of bytes that match, from the last to the first.
    pub matches: Vec<CommonRun>,
}

/// Bytes that stand one after the other in both strings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommonRun {
    /// Where they stand in the first string.
    pub first: RangeInclusive<usize>,
    /// Where they stand in the second string.
    pub second: RangeInclusive<usize>,
}

impl CommonRun {
    /// How many bytes they are.
    fn byte_len(&self) -> usize {
        self.first.end() - self.first.start() + 1
    }
}

#[derive(Default)]
struct Words {
    len: bool,
    idx: bool,
    with_match_len: bool,
    match_len_min: i64,
}

fn lcs(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (a, b) = (string_of(turn, args[1])?, string_of(turn, args[2])?);
    let words = parse(&args[3..])?;
    check_size(turn, &a, &b)?;
    if words.len && !words.idx {
        reply.integer(i64::from(length(&a, &b)));
        return Ok(());
    }
    let common = subsequence(&a, &b);
    if words.idx {
        write_runs(&common, &words, reply);
    } else {
        reply.bulk(&common.bytes);
    }
    Ok(())
}

fn parse(args: &[&[u8]]) -> Result<Words, CommandError> {
    let mut words = Words::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg.eq_ignore_ascii_case(b"LEN") {
            words.len = true;
        } else if arg.eq_ignore_ascii_case(b"IDX") {
            words.idx = true;
        } else if arg.eq_ignore_ascii_case(b"WITHMATCHLEN") {
            words.with_match_len = true;
        } else if arg.eq_ignore_ascii_case(b"MINMATCHLEN") {
            let number = args.next().ok_or(CommandError::Syntax)?;
            words.match_len_min = parse_i64(number).ok_or(CommandError::NotInteger)?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if words.len && words.idx {
        return Err(CommandError::text("ERR If you want both the length and indexes, please just use IDX."));
    }
    Ok(words)
}

fn write_runs(common: &CommonSubsequence, words: &Words, reply: &mut ReplyWriter<'_>) {
    let is_shown = |run: &&CommonRun| run.byte_len() as i64 >= words.match_len_min;
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(common.matches.iter().filter(is_shown).count());
    for run in common.matches.iter().filter(is_shown) {
        reply.array(if words.with_match_len { 3 } else { 2 });
        for range in [&run.first, &run.second] {
            reply.array(2);
            reply.integer(*range.start() as i64);
            reply.integer(*range.end() as i64);
        }
        if words.with_match_len {
            reply.integer(run.byte_len() as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(common.bytes.len() as i64);
}

/// A copy of the string at a key, empty if there is none.
fn string_of(turn: &mut Turn<'_>, key: &[u8]) -> Result<Vec<u8>, CommandError> {
    let key = turn.key(key)?;
    turn.read_string(&key, |value| value.map_or_else(Vec::new, StrRef::to_vec))
        .map_err(|_| CommandError::text("ERR The specified keys must contain string values"))
}

fn check_size(turn: &Turn<'_>, a: &[u8], b: &[u8]) -> Result<(), CommandError> {
    if a.len().max(b.len()) >= u32::MAX as usize - 1 {
        return Err(CommandError::text("ERR String too long for LCS"));
    }
    let bytes_max = turn.core().options.bulk_bytes_max.load(Ordering::Relaxed) as u128;
    if (a.len() as u128 + 1) * (b.len() as u128 + 1) * LENGTH_BYTES > bytes_max {
        let text = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
        return Err(CommandError::text(text));
    }
    Ok(())
}

/// What Redis takes for each pair of bytes.
const LENGTH_BYTES: u128 = 4;

/// One row of the table of lengths: `row[j]` is the length for what was read of `a` and the first `j` bytes of `b`.
fn next_row(row: &mut [u32], byte: u8, b: &[u8], mut above_is_longer: impl FnMut(usize)) {
    let mut diagonal = 0;
    let mut left = 0;
    for (j, other) in b.iter().enumerate() {
        let above = row[j + 1];
        left = if byte == *other {
            diagonal + 1
        } else if above > left {
            above_is_longer(j);
            above
        } else {
            left
        };
        diagonal = above;
        row[j + 1] = left;
    }
}

fn length(a: &[u8], b: &[u8]) -> u32 {
    let (a, b) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let mut row = vec![0; b.len() + 1];
    a.iter().for_each(|byte| next_row(&mut row, *byte, b, |_| {}));
    row[b.len()]
}

fn subsequence(a: &[u8], b: &[u8]) -> CommonSubsequence {
    let mut row = vec![0; b.len() + 1];
    let words_per_row = b.len().div_ceil(64);
    // A bit for each pair: whether without the byte of `a` more is left than without the byte of `b`.
    let mut up = vec![0u64; a.len() * words_per_row];
    for (i, byte) in a.iter().enumerate() {
        let bits = &mut up[i * words_per_row..][..words_per_row];
        next_row(&mut row, *byte, b, |j| bits[j / 64] |= 1 << (j % 64));
    }
    let mut bytes = Vec::with_capacity(row[b.len()] as usize);
    let mut matches: Vec<CommonRun> = Vec::new();
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            (i, j) = (i - 1, j - 1);
            bytes.push(a[i]);
            match matches.last_mut() {
                Some(run) if *run.first.start() == i + 1 && *run.second.start() == j + 1 => {
                    *run = CommonRun { first: i..=*run.first.end(), second: j..=*run.second.end() };
                }
                _ => matches.push(CommonRun { first: i..=i, second: j..=j }),
            }
        } else if up[(i - 1) * words_per_row + (j - 1) / 64] >> ((j - 1) % 64) & 1 == 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    bytes.reverse();
    CommonSubsequence { bytes: bytes.into(), matches }
}

impl Turn<'_> {
    /// The longest common subsequence of two strings. O(first * second) time, an eighth of a byte for each pair.
    pub fn lcs(
        &mut self,
        first: impl AsRef<[u8]>,
        second: impl AsRef<[u8]>,
    ) -> Result<CommonSubsequence, CommandError> {
        let (a, b) = (string_of(self, first.as_ref())?, string_of(self, second.as_ref())?);
        check_size(self, &a, &b)?;
        Ok(subsequence(&a, &b))
    }
}

impl Engine {
    /// The longest common subsequence of the strings at two keys, with the runs of bytes that match; a missing key is an
    /// empty string. Fails where another type is, and where (first + 1) * (second + 1) * 4 passes `proto-max-bulk-len`.
    /// O(first * second) time while both slots are held, an eighth of a byte of memory for each pair. Follows LCS of
    /// Redis 7.2; records nothing.
    pub fn lcs(&self, first: impl AsRef<[u8]>, second: impl AsRef<[u8]>) -> Result<CommonSubsequence, CommandError> {
        let (first, second) = (first.as_ref(), second.as_ref());
        self.on_keys(&[first, second], Access::Read, |turn| turn.lcs(first, second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::Bench;
    use proptest::prelude::*;

    #[test]
    fn replies_in_every_form() {
        let bench = Bench::new();
        bench.run("MSET a ohmytext b mynewtext");
        assert_eq!(bench.ask("LCS a b"), "$6\r\nmytext\r\n");
        assert_eq!(bench.ask("LCS a b LEN"), ":6\r\n");
        assert_eq!(bench.ask("LCS a none"), "$0\r\n\r\n");
        assert_eq!(bench.ask("LCS none a LEN"), ":0\r\n");
        let matches = "*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n";
        let expected = format!("*4\r\n$7\r\nmatches\r\n*2\r\n{matches}$3\r\nlen\r\n:6\r\n");
        assert_eq!(bench.ask("LCS a b IDX"), expected);
        let expected =
            "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n";
        assert_eq!(bench.ask("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN"), expected);
    }

    #[test]
    fn errors_are_those_of_redis() {
        let bench = Bench::new();
        assert_eq!(bench.error("LCS a b IDX LEN"), "ERR If you want both the length and indexes, please just use IDX.");
        assert_eq!(bench.error("LCS a b MINMATCHLEN"), "ERR syntax error");
        assert_eq!(bench.error("LCS a b MINMATCHLEN x"), "ERR value is not an integer or out of range");
        bench.db.options().bulk_bytes_max.store(100, Ordering::Relaxed);
        bench.run("MSET a 1234 b 1234");
        assert_eq!(bench.run("LCS a b LEN").as_i64(), Some(4));
        bench.run("SET b 12345");
        let text = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
        assert_eq!(bench.error("LCS a b LEN"), text);
    }

    proptest! {
        #[test]
        fn the_answer_is_common_to_both_and_as_long_as_counted(a in "[abc]{0,90}", b in "[abcd]{0,90}") {
            let common = subsequence(a.as_bytes(), b.as_bytes());
            prop_assert_eq!(common.bytes.len(), length(a.as_bytes(), b.as_bytes()) as usize);
            let mut first = Vec::new();
            let mut second = Vec::new();
            for run in common.matches.iter().rev() {
                first.extend_from_slice(&a.as_bytes()[run.first.clone()]);
                second.extend_from_slice(&b.as_bytes()[run.second.clone()]);
            }
            prop_assert_eq!(&first, &common.bytes);
            prop_assert_eq!(&second, &common.bytes);
        }
    }
}
