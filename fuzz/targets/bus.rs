//! Bytes of a cluster's bus: the same messages whether they come at once or in pieces, and what was read is written and read the same.
//!
//! The first input byte chooses how the rest is cut into pieces.

#![no_main]

use keyslot::replication::cluster::message::{BusDecoder, Message, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else { return };
    let whole = messages(input, input.len().max(1));
    assert_eq!(whole, messages(input, usize::from(cut) + 1), "cut every {} bytes", usize::from(cut) + 1);
    for message in whole {
        let mut written = Vec::new();
        encode(&message, &mut written);
        let read = decode(&written).expect("what was written is well formed");
        let mut again = Vec::new();
        encode(&read, &mut again);
        assert_eq!(written, again, "{message:?}");
    }
});

/// All messages of `input`, shown to the decoder with `step` more bytes each time.
fn messages(input: &[u8], step: usize) -> Vec<Message> {
    let (mut decoder, mut found) = (BusDecoder::default(), Vec::new());
    for piece in input.chunks(step) {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(message)) => found.push(message),
                Ok(None) => break,
                Err(_) => return found,
            }
        }
    }
    found
}
