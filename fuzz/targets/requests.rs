//! The request decoder: the same requests whether bytes come at once or in pieces, and those that a second parser reads.
//!
//! The first input byte chooses how the rest is cut into pieces.

#![no_main]

use keyslot_engine::resp::{Decoded, Limits, ProtocolError, RequestDecoder, Source};
use libfuzzer_sys::fuzz_target;
use redis_protocol::resp2::decode::decode as decode_frame;
use redis_protocol::resp2::types::OwnedFrame;

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else { return };
    let whole = requests(input, input.len().max(1));
    let pieces = requests(input, usize::from(cut) + 1);
    assert_eq!(whole, pieces, "cut every {} bytes", usize::from(cut) + 1);
    if let Some((args, size)) = second_opinion(input) {
        let first = whole.0.first().expect("the other parser read a request");
        assert_eq!(*first, args, "of the first {size} bytes");
    }
});

type Requests = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// All requests of `input`, shown to the decoder with `step` more bytes each time.
fn requests(input: &[u8], step: usize) -> Requests {
    // Small limits, so that short inputs reach them.
    let limits = Limits {
        bulk_bytes_max: 4096,
        inline_bytes_max: 512,
        multibulk_count_max: 64,
        query_buffer_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let mut decoder = RequestDecoder::new(limits);
    let (mut requests, mut start, mut end) = (Vec::new(), 0, 0);
    while end < input.len() {
        end = (end + step).min(input.len());
        loop {
            let mut ranges = Vec::new();
            match decoder.decode(&input[start..end], &mut ranges) {
                Ok(Decoded::Request { consumed, args, source }) => {
                    assert!(consumed > 0 && consumed <= end - start && !args.is_empty());
                    let bytes = match source {
                        Source::Input => &input[start..end],
                        Source::Scratch => decoder.scratch(),
                    };
                    requests.push(ranges[args].iter().map(|range| range.of(bytes).to_vec()).collect());
                    start += consumed;
                }
                Ok(Decoded::Empty { consumed }) => {
                    assert!(consumed > 0 && consumed <= end - start);
                    start += consumed;
                }
                Ok(Decoded::Incomplete) => break,
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

/// What another parser says the first request is: an array of at least one bulk string, in the only form in which clients
/// write it. Other forms are left out: there Redis, which we follow, is more lenient.
fn second_opinion(input: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let Ok(Some((OwnedFrame::Array(frames), size))) = decode_frame(input) else { return None };
    let args: Option<Vec<Vec<u8>>> = frames
        .into_iter()
        .map(|frame| match frame {
            OwnedFrame::BulkString(bytes) => Some(bytes),
            _ => None,
        })
        .collect();
    let args = args.filter(|args| !args.is_empty() && args.len() <= 64 && args.iter().all(|arg| arg.len() <= 4096))?;
    let mut written = format!("*{}\r\n", args.len()).into_bytes();
    for arg in &args {
        written.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        written.extend_from_slice(arg);
        written.extend_from_slice(b"\r\n");
    }
    (input.get(..size) == Some(&written[..])).then_some((args, size))
}
