//! The stream for a peer that does not know fields that expire, as Redis before 7.4.
//!
//! ```text
//! journal   *4 HSET h f v   *6 HPEXPIREAT h 1700000000000 FIELDS 1 f   ...   *3 HDEL h f
//! peer      *4 HSET h f v   \n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n   ...   *3 HDEL h f
//! ```
//!
//! What it cannot express gives way to as many newlines, which every server skips and counts, so offsets stay exact. The peer has the
//! field without its time, and loses it when the HDEL comes: its data is the primary's, but it cannot tell when a field is due.

use keyslot_engine::resp::{Decoded, Limits, RequestDecoder};

/// Passes a stream on.
pub(super) struct Translation {
    decoder: RequestDecoder,
    /// A command that is not whole yet.
    rest: Vec<u8>,
    /// What came is not what a stream is made of, as where a peer asked for it from the midst of a command on: it passes as it is.
    is_lost: bool,
}

impl Translation {
    /// From the beginning of a command on.
    pub(super) fn new() -> Self {
        Self { decoder: RequestDecoder::new(Limits::default()), rest: Vec::new(), is_lost: false }
    }

    /// Takes what stands in `out` from `start` on and leaves what the peer is to get. What is no whole command yet comes later.
    pub(super) fn pass(&mut self, out: &mut Vec<u8>, start: usize) {
        if self.is_lost {
            return;
        }
        let mut from = start;
        if !self.rest.is_empty() {
            out.splice(start..start, self.rest.drain(..));
        }
        let mut ranges = Vec::new();
        while from < out.len() {
            ranges.clear();
            match self.decoder.decode_from(out, from, &mut ranges) {
                Ok(Decoded::Request { consumed, args, .. }) => {
                    let name = ranges[args].first().map_or(&[][..], |range| range.of(out));
                    if UNKNOWN.iter().any(|unknown| name.eq_ignore_ascii_case(unknown)) {
                        out[from..from + consumed].fill(b'\n');
                    }
                    from += consumed;
                }
                Ok(Decoded::Empty { consumed }) => from += consumed,
                Ok(Decoded::Incomplete) => break,
                Err(_) => {
                    self.is_lost = true;
                    return;
                }
            }
        }
        self.rest.extend_from_slice(&out[from..]);
        out.truncate(from);
    }
}

/// What older servers do not know, of all that a stream holds.
const UNKNOWN: &[&[u8]] = &[b"HPEXPIREAT", b"HPERSIST"];

#[cfg(test)]
mod tests {
    use super::*;
    use keyslot_engine::effect::encode_effect;

    #[test]
    fn what_a_peer_does_not_know_gives_way_to_newlines_wherever_the_stream_is_cut() {
        let mut stream = Vec::new();
        for words in [
            &[&b"SELECT"[..], b"0"][..],
            &[b"HSET", b"h", b"f", b"HPEXPIREAT"],
            &[b"HPEXPIREAT", b"h", b"1700000000000", b"FIELDS", b"1", b"f"],
            &[b"MULTI"],
            &[b"HPERSIST", b"h", b"FIELDS", b"1", b"f"],
            &[b"SET", b"k", &[b'x'; 300]],
            &[b"EXEC"],
        ] {
            encode_effect(&mut stream, words);
        }
        let whole = {
            let mut whole = stream.clone();
            Translation::new().pass(&mut whole, 0);
            whole
        };
        assert_eq!(whole.len(), stream.len());
        let text = String::from_utf8_lossy(&whole);
        assert_eq!(text.matches("HPEXPIREAT").count(), 1, "a value of that name stays");
        assert!(!text.contains("HPERSIST") && text.contains("EXEC") && text.contains("MULTI"));
        for size in 1..stream.len() {
            let (mut translation, mut out) = (Translation::new(), b"before".to_vec());
            for piece in stream.chunks(size) {
                let start = out.len();
                out.extend_from_slice(piece);
                translation.pass(&mut out, start);
            }
            assert!(out[6..] == whole, "in pieces of {size}");
        }
    }
}
