//! The reply parser: the same replies whether bytes come at once or in pieces, and what it read is written back and read
//! the same.
//!
//! The first input byte chooses how the rest is cut into pieces.

#![no_main]

use keyslot_engine::resp::{ReplyError, ReplyLimits, ReplyParser, RespVersion, Value, parse_reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else { return };
    let whole = replies(input, input.len().max(1));
    let pieces = replies(input, usize::from(cut) + 1);
    // Compared as text: a NaN is not equal to itself.
    assert_eq!(format!("{:?}", whole.0), format!("{:?}", pieces.0), "cut every {} bytes", usize::from(cut) + 1);
    assert_eq!(whole.1.is_some(), pieces.1.is_some());
    for value in whole.0 {
        let written = value.encode(RespVersion::V3);
        let (read, size) = parse_reply(&written).expect("what was written is well formed").expect("and whole");
        assert_eq!(size, written.len());
        assert_eq!(read.encode(RespVersion::V3), written, "{value:?}");
        // The older protocol has fewer shapes; it must still be well formed.
        let written = value.encode(RespVersion::V2);
        assert!(matches!(parse_reply(&written), Ok(Some((_, size))) if size == written.len()), "{value:?}");
    }
});

/// All replies of `input`, shown to the parser with `step` more bytes each time.
fn replies(input: &[u8], step: usize) -> (Vec<Value>, Option<ReplyError>) {
    let limits = ReplyLimits { depth_max: 16, bulk_bytes_max: 4096, line_bytes_max: 512, elements_max: 1024 };
    let mut parser = ReplyParser::new(limits);
    let (mut values, mut start, mut end) = (Vec::new(), 0, 0);
    while end < input.len() {
        end = (end + step).min(input.len());
        loop {
            match parser.parse(&input[start..end]) {
                Ok(parsed) => {
                    assert!(parsed.consumed <= end - start);
                    start += parsed.consumed;
                    match parsed.value {
                        Some(value) => values.push(value),
                        None => break,
                    }
                }
                Err(error) => return (values, Some(error)),
            }
        }
    }
    (values, None)
}
