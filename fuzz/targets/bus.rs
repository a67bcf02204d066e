//! Bytes of a cluster's bus: the same messages whether they come at once or in pieces, and what was read is written and read the same.
//!
//! The first input byte chooses how the rest is cut into pieces.

#![no_main]

use keyslot::replication::cluster::message::{BusDecoder, Frame, decode, encode, encode_light};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else { return };
    let whole = messages(input, input.len().max(1));
    assert_eq!(whole, messages(input, usize::from(cut) + 1), "cut every {} bytes", usize::from(cut) + 1);
    for frame in whole {
        let written = write(&frame);
        let read = decode(&written).expect("what was written is well formed");
        assert_eq!(written, write(&read), "{frame:?}");
    }
});

fn write(frame: &Frame) -> Vec<u8> {
    let mut written = Vec::new();
    match frame {
        Frame::Message(message) => encode(message, &mut written),
        // Of a kind to come, which nobody writes.
        Frame::Light(body) if !encode_light(body, &mut written) => written.extend_from_slice(NOTHING),
        Frame::Light(_) => {}
    }
    written
}

/// A short head of a kind that says nothing.
const NOTHING: &[u8] = b"RCmb\0\0\0\x10\0\x01\0\0\x80\0\0\0";

/// All messages of `input`, shown to the decoder with `step` more bytes each time.
fn messages(input: &[u8], step: usize) -> Vec<Frame> {
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
