use proptest::prelude::*;

use super::*;

type Request = Vec<Vec<u8>>;

/// Decodes all of `chunks` as a connection would: growing a buffer, dropping what was consumed.
fn decode_chunks(chunks: &[&[u8]], mut decoder: RequestDecoder) -> (Vec<Request>, Option<ProtocolError>) {
    let (mut buffer, mut ranges, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            ranges.clear();
            let needed = decoder.needed();
            match decoder.decode(&buffer, &mut ranges) {
                Ok(Decoded::Request { consumed, args, source }) => {
                    assert!(needed <= consumed && !args.is_empty());
                    let bytes = match source {
                        Source::Input => &buffer[..],
                        Source::Scratch => decoder.scratch(),
                    };
                    requests.push(ranges[args].iter().map(|arg| arg.of(bytes).to_vec()).collect());
                    buffer.drain(..consumed);
                }
                Ok(Decoded::Empty { consumed }) => {
                    assert!(needed <= consumed);
                    buffer.drain(..consumed);
                }
                Ok(Decoded::Incomplete) => {
                    assert!(ranges.is_empty());
                    break;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

fn decoder() -> RequestDecoder {
    RequestDecoder::new(Limits::default())
}

fn stranger() -> RequestDecoder {
    let mut decoder = decoder();
    decoder.set_trust(Trust::Unauthenticated);
    decoder
}

fn encode(request: &Request) -> Vec<u8> {
    let mut out = format!("*{}\r\n", request.len()).into_bytes();
    for arg in request {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn words(text: &str) -> Request {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn requests_that_redis_accepts() {
    let long = [b"*1\r\n$4\r\nPING\r\n".repeat(3), b"PING\r\n".to_vec()].concat();
    for (input, requests) in [
        (&b"*1\r\n$4\r\nPING\r\n"[..], &["PING"][..]),
        (&long, &["PING", "PING", "PING", "PING"]),
        (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", &["GET "]),
        (b"*1\r\n$0\r\n\r\nPING\r\n", &["", "PING"]),
        (b"*0\r\nPING\r\n", &["PING"]),
        (b"*-1\r\nPING\r\n", &["PING"]),
        (b"*-5\r\nPING\r\n", &["PING"]),
        (b"\r\n\n\r\n  \r\nPING\r\n", &["PING"]),
        (b"PING\n", &["PING"]),
        (b"SET k\tv\r\n", &["SET k v"]),
        (b"PING a\r\r\n", &["PING a"]),
        (b"PING \"a\\x41\" 'b'\r\nPING\r\n", &["PING aA b", "PING"]),
        (b"PING \"\"\r\n", &["PING "]),
        (b"PING a\\nb\r\n", &["PING a\\nb"]),
        (b"$4\r\nPING\r\n", &["$4", "PING"]),
        // The bytes behind numbers and arguments are not looked at.
        (b"*1\r\n$4\r\nPINGxyPING\r\n", &["PING", "PING"]),
        (b"*1\rx$4\rxPINGxyPING\r\n", &["PING", "PING"]),
    ] {
        let expected: Vec<Request> = requests.iter().map(|request| words(request)).collect();
        assert_eq!(decode_chunks(&[input], decoder()), (expected, None), "{}", input.escape_ascii());
    }
}

#[test]
fn requests_that_redis_refuses() {
    use ProtocolError::*;
    for (input, error) in [
        (&b"*\r\n"[..], InvalidMultibulkLength),
        (b"*a\r\n", InvalidMultibulkLength),
        (b"*01\r\n", InvalidMultibulkLength),
        (b"*+1\r\n", InvalidMultibulkLength),
        (b"*-0\r\n", InvalidMultibulkLength),
        (b"*-\r\n", InvalidMultibulkLength),
        (b"*1 \r\n", InvalidMultibulkLength),
        (b"*1\0\r\n", InvalidMultibulkLength),
        (b"*2147483648\r\n", InvalidMultibulkLength),
        (b"*99999999999999999999\r\n", InvalidMultibulkLength),
        (b"*1\r\nXPING\r\n", ExpectedDollar(b'X')),
        (b"*1\r\n\xff\r\n", ExpectedDollar(0xff)),
        (b"*1\r\n\r\n", ExpectedDollar(b'\r')),
        (b"*1\r\n$\r\n", InvalidBulkLength),
        (b"*1\r\n$-1\r\n", InvalidBulkLength),
        (b"*1\r\n$04\r\nPING\r\n", InvalidBulkLength),
        (b"*1\r\n$4 \r\nPING\r\n", InvalidBulkLength),
        (b"*1\r\n$536870913\r\n", InvalidBulkLength),
        (b"*1\r\n$9999999999999999999\r\n", InvalidBulkLength),
        (b"PING \"a\r\n", UnbalancedQuotes),
        (b"PING 'a'b\r\n", UnbalancedQuotes),
    ] {
        assert_eq!(decode_chunks(&[input], decoder()), (vec![], Some(error)), "{}", input.escape_ascii());
    }
}

#[test]
fn the_largest_claims_wait_and_allocate_nothing() {
    for input in [&b"*2147483647\r\n"[..], b"*1\r\n$536870912\r\n", b"*1\r\n$53687091", b"*1\r\nXPING"] {
        let mut ranges = Vec::new();
        let mut decoder = decoder();
        assert_eq!(decoder.decode(input, &mut ranges), Ok(Decoded::Incomplete), "{}", input.escape_ascii());
        assert_eq!((ranges.capacity(), decoder.pending.capacity()), (0, 0));
    }
}

#[test]
fn lines_end_within_the_limit() {
    let max = Limits::default().inline_bytes_max;
    let line = |head: &str, digits: usize| [head.as_bytes(), &b"1".repeat(digits)].concat();
    for (prefix, head, error) in [
        ("", "*", ProtocolError::TooBigMultibulkCount),
        ("*1\r\n", "$", ProtocolError::TooBigBulkCount),
        ("", "A", ProtocolError::TooBigInline),
    ] {
        let fits = [prefix.as_bytes(), &line(head, max - 1)].concat();
        assert_eq!(decode_chunks(&[&fits], decoder()), (vec![], None));
        let long = [&fits[..], b"1"].concat();
        assert_eq!(decode_chunks(&[&long], decoder()), (vec![], Some(error)));
        assert_eq!(decode_chunks(&[&fits, b"1"], decoder()), (vec![], Some(error)));
        let ended = [&long[..], b"\r\n"].concat();
        assert_eq!(decode_chunks(&[&ended], decoder()), (vec![], Some(error)), "however it arrives");
    }
}

#[test]
fn strangers_are_held_to_small_requests() {
    use ProtocolError::*;
    for (input, error) in [
        (&b"*11\r\n"[..], Some(UnauthenticatedMultibulkLength)),
        (b"*10\r\n$4\r\n", None),
        (b"*1\r\n$16385\r\n", Some(UnauthenticatedBulkLength)),
        (b"*1\r\n$16384\r\n", None),
        (b"*99999999999\r\n", Some(InvalidMultibulkLength)),
        (b"*1\r\n$536870913\r\n", Some(InvalidBulkLength)),
    ] {
        assert_eq!(decode_chunks(&[input], stranger()).1, error, "{}", input.escape_ascii());
    }
    let mut known = stranger();
    known.set_trust(Trust::Authenticated);
    assert_eq!(decode_chunks(&[b"*11\r\n"], known).1, None);
    let eleven = encode(&vec![b"x".to_vec(); 11]);
    assert_eq!(decode_chunks(&[&eleven], stranger()).1, Some(UnauthenticatedMultibulkLength));
}

#[test]
fn an_unfinished_request_may_not_outgrow_the_query_buffer() {
    let limits = Limits { query_buffer_bytes_max: 100, ..Limits::default() };
    let request = encode(&vec![b"x".repeat(200)]);
    let chunks: Vec<&[u8]> = request.chunks(50).collect();
    assert_eq!(decode_chunks(&chunks[..2], RequestDecoder::new(limits)), (vec![], None));
    assert_eq!(decode_chunks(&chunks, RequestDecoder::new(limits)), (vec![], Some(ProtocolError::QueryBufferFull)));
}

#[test]
fn ranges_of_a_pipeline_are_relative_to_the_whole_input() {
    let input = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nGET b\r\n*0\r\n*2\r\n$3\r\nGET\r\n$1\r\nc\r\n*1\r\n$9\r\nrest";
    let (mut decoder, mut ranges, mut from, mut keys) = (decoder(), Vec::new(), 0, Vec::new());
    loop {
        match decoder.decode_from(input, from, &mut ranges).unwrap() {
            Decoded::Request { consumed, args, .. } => {
                keys.push(ranges[args][1].of(input)[0]);
                from += consumed;
            }
            Decoded::Empty { consumed } => from += consumed,
            Decoded::Incomplete => break,
        }
    }
    assert_eq!((keys.as_slice(), ranges.len(), from), (&b"abc"[..], 6, 51));
    let input = [&input[from..], b"BYTES\r\n"].concat();
    let Decoded::Request { args, consumed, .. } = decoder.decode(&input, &mut ranges).unwrap() else { panic!() };
    assert_eq!((ranges[args][0].of(&input), consumed), (&b"restBYTES"[..], input.len()));
}

#[test]
fn http_verbs_are_recognised_in_any_case() {
    assert!(is_http_attack(b"POST") && is_http_attack(b"post") && is_http_attack(b"hOst:"));
    assert!(!is_http_attack(b"GET") && !is_http_attack(b"Host") && !is_http_attack(b""));
}

fn request() -> impl Strategy<Value = Request> {
    let arg = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        proptest::collection::vec(any::<u8>(), 95..120),
        Just(b"\r\n*1\r\n$1\r\n".to_vec()),
    ];
    proptest::collection::vec(arg, 1..6)
}

fn pieces<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &size in sizes {
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// Bytes that look like protocol, so that they get further than the first line.
fn protocol_soup() -> impl Strategy<Value = Vec<u8>> {
    let scrap = prop_oneof![
        "[*$]-?[0-9]{0,3}\r\n".prop_map(String::into_bytes),
        "[a-z \"'\\\\]{0,8}\r?\n".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..5),
        Just(b"*2\r\n$1\r\na\r\n$3\r\n".to_vec()),
    ];
    proptest::collection::vec(scrap, 0..12).prop_map(|scraps| scraps.concat())
}

proptest! {
    #[test]
    fn a_pipeline_decodes_to_itself_in_any_pieces(
        requests in proptest::collection::vec(request(), 1..6),
        sizes in proptest::collection::vec(0usize..60, 0..40),
    ) {
        let bytes: Vec<u8> = requests.iter().flat_map(encode).collect();
        prop_assert_eq!(decode_chunks(&pieces(&bytes, &sizes), decoder()), (requests, None));
    }

    #[test]
    fn any_bytes_decode_alike_in_any_pieces(
        bytes in protocol_soup(),
        sizes in proptest::collection::vec(0usize..8, 0..60),
    ) {
        let whole = decode_chunks(&[&bytes], decoder());
        prop_assert_eq!(decode_chunks(&pieces(&bytes, &sizes), decoder()), whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(decode_chunks(&single, stranger()), decode_chunks(&[&bytes], stranger()));
    }

    #[test]
    fn the_short_path_and_the_state_machine_agree(bytes in protocol_soup()) {
        let (mut ranges, mut slow_ranges) = (Vec::new(), Vec::new());
        let fast = decoder().decode(&bytes, &mut ranges);
        let slow = decoder().step(&bytes, 0, &mut slow_ranges);
        prop_assert_eq!((fast, ranges), (slow, slow_ranges));
    }
}
