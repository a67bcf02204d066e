//! A whole list as effects.

use crate::turn::{Key, Turn};
use crate::value::{ListRef, Walk};

/// Records that `key` holds these elements and nothing else: `DEL`, then `RPUSH` in pieces of bounded size.
pub(crate) fn record_list(turn: &mut Turn<'_>, key: &Key<'_>, list: ListRef<'_>) {
    turn.record(&[b"DEL", key.bytes]);
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    list.walk_from(0, |element| {
        element.with_bytes(|element| text.extend_from_slice(element));
        ends.push(text.len());
        if ends.len() == PIECE_ELEMENTS || text.len() >= PIECE_BYTES {
            record_piece(turn, key, &text, &ends);
            text.clear();
            ends.clear();
        }
        Walk::On
    });
    if !ends.is_empty() {
        record_piece(turn, key, &text, &ends);
    }
}

/// Records elements that lie one after another and end at `ends`.
fn record_piece(turn: &mut Turn<'_>, key: &Key<'_>, text: &[u8], ends: &[usize]) {
    let mut args: Vec<&[u8]> = Vec::with_capacity(2 + ends.len());
    args.extend([b"RPUSH", key.bytes]);
    let mut start = 0;
    for end in ends {
        args.push(&text[start..*end]);
        start = *end;
    }
    turn.record(&args);
}

const PIECE_ELEMENTS: usize = 256;
const PIECE_BYTES: usize = 64 << 10;
