//! Messages that real servers sent, and what is made of damaged ones.

use super::*;
use crate::chance::Chance;

/// A message as a server sent it.
macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        [$(($name, &include_bytes!(concat!("golden/", $name, ".bin"))[..])),*]
    };
}

fn frames() -> Vec<(&'static str, &'static [u8])> {
    golden!(
        "7.0.15-fail",
        "7.0.15-manual-failover",
        "7.0.15-meet",
        "7.0.15-ping",
        "7.0.15-pong",
        "7.0.15-publish",
        "7.0.15-publish-shard",
        "7.0.15-update",
        "7.0.15-vote",
        "7.0.15-vote-request",
        "7.2.4-fail",
        "7.2.4-manual-failover",
        "7.2.4-meet",
        "7.2.4-ping",
        "7.2.4-pong",
        "7.2.4-publish",
        "7.2.4-publish-shard",
        "7.2.4-update",
        "7.2.4-vote",
        "7.2.4-vote-request",
        "valkey-8-ping",
        "valkey-8-publish-light",
    )
    .to_vec()
}

fn whole(frame: &[u8]) -> Message {
    match decode(frame).unwrap() {
        Frame::Message(message) => *message,
        Frame::Light(body) => panic!("{body:?}"),
    }
}

#[test]
fn what_servers_send_is_read_and_written_the_same() {
    for (name, frame) in frames() {
        let message = match decode(frame).unwrap_or_else(|error| panic!("{name}: {error}")) {
            Frame::Message(message) => *message,
            Frame::Light(body) => {
                assert!(
                    name.ends_with("-light") && matches!(&body, Body::Publish(it) if it.message == b"hello"),
                    "{body:?}"
                );
                let mut again = Vec::new();
                assert!(encode_light(&body, &mut again) && again == frame, "{name}");
                continue;
            }
        };
        let kind = name.trim_start_matches("valkey-").split_once('-').unwrap().1;
        let is_kind = match &message.body {
            Body::Ping(_) => kind == "ping",
            Body::Pong(_) => kind == "pong",
            Body::Meet(_) => kind == "meet",
            Body::Fail(_) => kind == "fail",
            Body::Publish(_) => kind == "publish",
            Body::PublishShard(it) => kind == "publish-shard" && !it.channel.is_empty(),
            Body::VoteRequest => kind == "vote-request",
            Body::Vote => kind == "vote",
            Body::Update { slots, .. } => kind == "update" && !slots.is_empty(),
            Body::ManualFailover => kind == "manual-failover",
            Body::Unknown(_) => false,
        };
        assert!(is_kind, "{name}: {message:?}");
        let mut again = Vec::new();
        encode(&message, &mut again);
        let differs = frame.iter().zip(&again).position(|(a, b)| a != b);
        assert!(again == frame, "{name}: differs at {differs:?}, {} and {} bytes", frame.len(), again.len());
    }
}

#[test]
fn pieces_of_a_stream_are_messages() {
    let stream: Vec<u8> = frames().into_iter().flat_map(|(_, frame)| frame.to_vec()).collect();
    let (mut decoder, mut count) = (BusDecoder::default(), 0);
    for piece in stream.chunks(1000) {
        decoder.feed(piece);
        while decoder.next().unwrap().is_some() {
            count += 1;
        }
    }
    assert_eq!(count, frames().len());
}

#[test]
fn damaged_messages_are_errors_or_other_messages() {
    let mut chance = Chance::new(7);
    for (_, frame) in frames() {
        for _ in 0..300 {
            let mut damaged = frame.to_vec();
            for _ in 0..=chance.below(4) {
                let at = chance.below(damaged.len() as u64) as usize;
                damaged[at] = chance.next() as u8;
            }
            damaged.truncate(1 + chance.below(damaged.len() as u64) as usize);
            let _ = decode(&damaged);
            let mut decoder = BusDecoder::default();
            decoder.feed(&damaged);
            while let Ok(Some(_)) = decoder.next() {}
        }
    }
}

#[test]
fn a_foreign_stream_is_refused_at_once_with_its_place() {
    let mut decoder = BusDecoder::default();
    decoder.feed(b"GET / HTTP/1.1\r\n");
    assert_eq!(decoder.next().unwrap_err().to_string(), "byte 0 of a bus message: expected RCmb, found GET ");
    let mut decoder = BusDecoder::default();
    decoder.feed(b"RCmb\xff\xff\xff\xff");
    decoder.feed(b"\0\x01\0\0\0\0");
    assert!(decoder.next().unwrap_err().to_string().contains("the size of a message"));
}

#[test]
fn a_name_for_people_that_cannot_be_kept_is_left_out_and_the_message_is_read() {
    let (_, frame) = frames().into_iter().find(|(name, _)| *name == "7.2.4-fail").unwrap();
    let header = whole(frame).header;
    for (name, kept) in [("first", true), ("my node", false), ("a,b", false), ("f\u{fc}r", false), ("a\nb", false)] {
        let extensions =
            Extensions { human_name: Some(name.to_owned()), shard: Some(header.sender), ..Extensions::default() };
        let body = Body::Ping(Pulse { gossip: Vec::new(), extensions });
        let mut bytes = Vec::new();
        encode(&Message { header: header.clone(), body }, &mut bytes);
        let Body::Ping(pulse) = whole(&bytes).body else { panic!("a PING was written") };
        assert_eq!(pulse.extensions.human_name, kept.then(|| name.to_owned()));
        assert_eq!(pulse.extensions.shard, Some(header.sender));
    }
}

#[test]
fn a_publication_with_a_short_head_is_read_as_it_was_written() {
    let publication = Publication { channel: b"news".to_vec(), message: vec![0; 5000] };
    for body in [Body::Publish(publication.clone()), Body::PublishShard(publication)] {
        let mut bytes = Vec::new();
        assert!(encode_light(&body, &mut bytes));
        assert_eq!(bytes.len(), 16 + 8 + 4 + 5000);
        assert_eq!(decode(&bytes).unwrap(), Frame::Light(body));
    }
    assert!(!encode_light(&Body::Vote, &mut Vec::new()));
}
