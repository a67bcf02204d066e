//! A whole list as effects.

use crate::effect::Recorder;
use crate::turn::Pieces;
use crate::value::{ListRef, Walk};

/// Records that `key` holds these elements and nothing else: `DEL`, then `RPUSH` in pieces of bounded size.
pub(crate) fn record_list(to: &mut impl Recorder, key: &[u8], list: ListRef<'_>) {
    to.record(&[b"DEL", key]);
    if !to.is_recording() {
        return;
    }
    let head: &[&[u8]] = &[b"RPUSH", key];
    let mut pieces = Pieces::default();
    list.walk_from(0, |element| {
        element.with_bytes(|element| pieces.push(element));
        if pieces.is_full() {
            pieces.record(to, head);
        }
        Walk::On
    });
    pieces.record(to, head);
}
