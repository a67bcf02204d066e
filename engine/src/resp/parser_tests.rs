use proptest::prelude::*;

use super::super::reply::RespVersion;
use super::*;

fn parse_chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Value>, Option<ReplyError>) {
    let (mut parser, mut buffer, mut values) = (ReplyParser::new(ReplyLimits::default()), Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match parser.parse(&buffer) {
                Ok(Parsed { consumed, value }) => {
                    buffer.drain(..consumed);
                    match value {
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

#[test]
fn every_kind_of_reply() {
    let array = |numbers: &[i64]| numbers.iter().map(|&number| Value::Integer(number)).collect::<Vec<_>>();
    for (input, value) in [
        ("+OK\r\n", Value::Ok),
        ("+PONG\r\n", Value::Simple("PONG".into())),
        ("-ERR x\r\n", Value::Error("ERR x".into())),
        ("!5\r\nERR\r\n\r\n", Value::Error("ERR\r\n".into())),
        (":-7\r\n", Value::Integer(-7)),
        ("$0\r\n\r\n", Value::bulk("")),
        ("$4\r\na\r\nb\r\n", Value::bulk("a\r\nb")),
        ("$-1\r\n", Value::Nil),
        ("*-1\r\n", Value::Nil),
        ("_\r\n", Value::Nil),
        ("*0\r\n", Value::Array(vec![])),
        ("*2\r\n:1\r\n:2\r\n", Value::Array(array(&[1, 2]))),
        ("~1\r\n:1\r\n", Value::Set(array(&[1]))),
        (">1\r\n:1\r\n", Value::Push(array(&[1]))),
        ("%1\r\n:1\r\n*1\r\n*0\r\n", Value::Map(vec![(1.into(), Value::Array(vec![Value::Array(vec![])]))])),
        (",1.5\r\n", Value::Double(1.5)),
        (",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
        ("#t\r\n", Value::Boolean(true)),
        ("#f\r\n", Value::Boolean(false)),
        ("(-123456789012345678901\r\n", Value::BigNumber("-123456789012345678901".into())),
        ("=6\r\ntxt:hi\r\n", Value::Verbatim { format: *b"txt", text: "hi".into() }),
        (
            "|1\r\n+ttl\r\n:5\r\n*1\r\n:1\r\n",
            Value::Attributed {
                attributes: vec![(Value::Simple("ttl".into()), 5.into())],
                reply: Box::new(Value::Array(array(&[1]))),
            },
        ),
        ("|0\r\n:1\r\n", Value::Attributed { attributes: vec![], reply: Box::new(1.into()) }),
    ] {
        assert_eq!(parse_reply(input.as_bytes()), Ok(Some((value, input.len()))), "{input}");
        for cut in 0..input.len() {
            assert_eq!(parse_reply(&input.as_bytes()[..cut]), Ok(None), "{input} cut at {cut}");
        }
    }
    let Ok(Some((Value::Double(nan), 6))) = parse_reply(b",nan\r\n") else { panic!() };
    assert!(nan.is_nan());
}

#[test]
fn what_is_no_reply_is_named_by_offset() {
    for (input, offset, expected) in [
        ("\r\n", 0, Expected::TypeByte),
        ("PONG\r\n", 0, Expected::TypeByte),
        ("+a\rb", 2, Expected::LineEnd),
        ("$1\r\nabc", 5, Expected::LineEnd),
        (":\r\n", 1, Expected::Integer),
        (":+1\r\n", 1, Expected::Integer),
        (":1.5\r\n", 1, Expected::Integer),
        ("$-2\r\n", 1, Expected::Length),
        ("$a\r\n", 1, Expected::Length),
        ("*-2\r\n", 1, Expected::Length),
        ("%-1\r\n", 1, Expected::Length),
        ("$?\r\n", 1, Expected::Length),
        ("*?\r\n", 1, Expected::Length),
        ("$536870913\r\n", 1, Expected::SmallerLength),
        ("*2147483648\r\n", 1, Expected::SmallerLength),
        ("%1073741824\r\n", 1, Expected::SmallerLength),
        (",x\r\n", 1, Expected::Double),
        (",\r\n", 1, Expected::Double),
        ("#x\r\n", 1, Expected::Boolean),
        ("_x\r\n", 1, Expected::Null),
        ("(\r\n", 1, Expected::BigNumber),
        ("(1a\r\n", 1, Expected::BigNumber),
        ("=3\r\ntxt\r\n", 4, Expected::VerbatimFormat),
        ("=4\r\ntxt;\r\n", 4, Expected::VerbatimFormat),
        ("*2\r\n:1\r\n:x\r\n", 9, Expected::Integer),
    ] {
        let error = parse_reply(input.as_bytes()).unwrap_err();
        assert_eq!((error.offset, error.expected), (offset, expected), "{input:?}");
        assert_eq!(parse_chunks(input.as_bytes().chunks(1)).1.unwrap().offset, offset, "{input:?} byte by byte");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| [b"*1\r\n".repeat(levels), b":1\r\n".to_vec()].concat();
    assert!(matches!(parse_reply(&deep(128)), Ok(Some(_))));
    assert_eq!(parse_reply(&deep(129)).unwrap_err().expected, Expected::ShallowerNesting);
    assert_eq!(parse_reply(&deep(1_000_000)).unwrap_err().offset, 128 * 4);
}

#[test]
fn lines_are_bounded_even_without_an_end() {
    let line = [b"+".to_vec(), b"x".repeat(65_535)].concat();
    assert_eq!(parse_reply(&line), Ok(None));
    assert_eq!(parse_reply(&[&line[..], b"x"].concat()).unwrap_err().expected, Expected::ShorterLine);
    assert!(matches!(parse_reply(&[&line[..], b"\r\n"].concat()), Ok(Some(_))));
}

#[test]
fn claims_reserve_next_to_nothing() {
    let mut parser = ReplyParser::new(ReplyLimits::default());
    let claims = b"*2147483647\r\n".repeat(100);
    parser.parse(&claims).unwrap();
    assert!(parser.stack.iter().all(|frame| frame.elements.capacity() <= ELEMENTS_RESERVED));
    assert_eq!(parser.parse(b"$536870912\r\n").unwrap(), Parsed { consumed: 12, value: None });
}

fn value() -> impl Strategy<Value = Value> {
    let text = || "[a-zA-Z0-9 ]{0,12}".prop_filter("has a value of its own", |text| text != "OK").prop_map(Bytes::from);
    let bytes = || proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    let leaf = prop_oneof![
        Just(Value::Nil),
        Just(Value::Ok),
        text().prop_map(Value::Simple),
        text().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        bytes().prop_map(Value::Bulk),
        any::<f64>().prop_filter("differs from itself", |number| !number.is_nan()).prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        "-?[0-9]{1,40}".prop_map(|digits| Value::BigNumber(digits.into())),
        bytes().prop_map(|text| Value::Verbatim { format: *b"txt", text }),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        let elements = || proptest::collection::vec(inner.clone(), 0..6);
        let pairs = || proptest::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            elements().prop_map(Value::Array),
            elements().prop_map(Value::Set),
            elements().prop_map(Value::Push),
            pairs().prop_map(Value::Map),
            (pairs(), inner.clone())
                .prop_map(|(attributes, reply)| Value::Attributed { attributes, reply: Box::new(reply) }),
        ]
    })
}

/// What is left of a value after a trip through RESP2.
fn in_resp2(value: &Value) -> Value {
    let all = |elements: &[Value]| Value::Array(elements.iter().map(in_resp2).collect());
    match value {
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => all(elements),
        Value::Map(pairs) => {
            Value::Array(pairs.iter().flat_map(|(key, value)| [in_resp2(key), in_resp2(value)]).collect())
        }
        Value::Attributed { reply, .. } => in_resp2(reply),
        Value::Boolean(value) => Value::Integer((*value).into()),
        Value::Double(number) => {
            Value::Bulk(crate::text::format_f64(*number, &mut crate::text::DoubleBuffer::new()).to_vec().into())
        }
        Value::BigNumber(bytes) | Value::Verbatim { text: bytes, .. } => Value::Bulk(bytes.clone()),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn a_written_reply_parses_to_itself(value in value()) {
        let bytes = value.encode(RespVersion::V3);
        prop_assert_eq!(parse_reply(&bytes), Ok(Some((value.clone(), bytes.len()))));
        let bytes = value.encode(RespVersion::V2);
        prop_assert_eq!(parse_reply(&bytes), Ok(Some((in_resp2(&value), bytes.len()))));
    }

    #[test]
    fn a_stream_parses_alike_in_any_pieces(
        values in proptest::collection::vec(value(), 0..4),
        size in 1usize..40,
    ) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.encode(RespVersion::V3)).collect();
        prop_assert_eq!(parse_chunks(bytes.chunks(size)), (values, None));
    }

    #[test]
    fn any_bytes_parse_alike_in_any_pieces(
        scraps in proptest::collection::vec("[-+:$*%~>|=!,#_(]-?[0-9tf]{0,2}(\r\n)?|[a-z:]{0,4}\r?\n?", 0..20),
        size in 1usize..6,
    ) {
        let bytes = scraps.concat().into_bytes();
        let format = |(values, error): (Vec<Value>, Option<ReplyError>)| {
            format!("{values:?} {:?}", error.map(|error| (error.offset, error.expected)))
        };
        prop_assert_eq!(format(parse_chunks(bytes.chunks(size))), format(parse_chunks([&bytes[..]])));
    }
}
