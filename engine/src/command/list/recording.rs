//! A whole list as effects.

use crate::turn::{Key, Pieces, Turn};
use crate::value::{ListRef, Walk};

/// Records that `key` holds these elements and nothing else: `DEL`, then `RPUSH` in pieces of bounded size.
pub(crate) fn record_list(turn: &mut Turn<'_>, key: &Key<'_>, list: ListRef<'_>) {
    turn.record(&[b"DEL", key.bytes]);
    if !turn.is_recording() {
        return;
    }
    let head: &[&[u8]] = &[b"RPUSH", key.bytes];
    let mut pieces = Pieces::default();
    list.walk_from(0, |element| {
        element.with_bytes(|element| pieces.push(element));
        if pieces.is_full() {
            pieces.record(turn, head);
        }
        Walk::On
    });
    pieces.record(turn, head);
}
