//! What a client asks for, as words and as bytes, and what the answer means.

use super::super::history::Ask;
use super::ledger::Ledger;
use keyslot_engine::Slot;
use keyslot_engine::resp::{Value, parse_reply};

/// What a request does, as far as histories follow it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// To one key, as to a register.
    Register(Ask, String),
    /// To these keys, if they are keys: what, nobody follows.
    Strange(Vec<String>),
    /// To all keys.
    StrangeToAll,
}

impl Meaning {
    pub(super) fn of(args: &[Vec<u8>], ledger: &mut Ledger) -> Self {
        let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
        let name = args.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        match (name.as_slice(), &args[1.min(args.len())..]) {
            (b"GET", [key]) => Self::Register(Ask::Get, text(key)),
            (b"SET", [key, value]) => Self::Register(Ask::Set(ledger.number(value)), text(key)),
            (b"SET", [key, value, word]) if word.eq_ignore_ascii_case(b"get") => {
                Self::Register(Ask::GetSet(ledger.number(value)), text(key))
            }
            (b"INCR", [key]) => Self::Register(Ask::Increment, text(key)),
            (b"FLUSHALL" | b"FLUSHDB" | b"SWAPDB" | b"FCALL" | b"EVAL" | b"EVALSHA", _) => Self::StrangeToAll,
            (_, words) => Self::Strange(words.iter().map(|word| text(word)).collect()),
        }
    }

    /// Whether asking twice does no harm.
    pub(super) fn is_read(&self) -> bool {
        matches!(self, Self::Register(Ask::Get, _))
    }
}

/// What a reply to an [`Ask`] says; `None` for one that is no answer to it.
pub(super) fn said(ask: Ask, reply: &Value, ledger: &mut Ledger) -> Option<Option<u64>> {
    match (ask, reply) {
        (Ask::Set(_), Value::Ok) => Some(None),
        (Ask::Get | Ask::GetSet(_), Value::Nil) => Some(None),
        (Ask::Get | Ask::GetSet(_), Value::Bulk(bytes)) => Some(Some(ledger.number(bytes))),
        (Ask::Increment, Value::Integer(number)) => u64::try_from(*number).ok().map(Some),
        _ => None,
    }
}

/// The words as a request, behind ASKING where the slot is on its way.
pub(super) fn encode(args: &[Vec<u8>], asks: bool) -> Vec<u8> {
    let mut bytes = if asks { b"*1\r\n$6\r\nASKING\r\n".to_vec() } else { Vec::new() };
    bytes.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The reply in what a session said, if it is whole; the one to ASKING is read over.
pub(super) fn decode(said: &[u8], asks: bool) -> Option<Value> {
    let rest = if asks { &said[parse_reply(said).ok()??.1..] } else { said };
    Some(parse_reply(rest).ok()??.0)
}

/// The slot whose owner is asked first: that of the first word behind the name. Where that is no key, MOVED tells.
pub(super) fn slot_of(args: &[Vec<u8>]) -> Option<Slot> {
    args.get(1).map(|word| Slot::of(word))
}

/// Where an error sends a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Redirect {
    /// Nowhere: it is the answer.
    None,
    /// Nobody serves it now.
    Later,
    /// To who is there.
    Moved(String, u16),
    /// To who is there, this once.
    Ask(String, u16),
    /// Nobody knows whether it was done.
    Unknown,
}

impl Redirect {
    pub(super) fn of(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut words = text.split(' ');
        let (code, place) = (words.next(), words.nth(1));
        let place = place.and_then(|place| place.rsplit_once(':'));
        let place = place.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        match (code, place) {
            (Some("MOVED"), Some((host, port))) => Self::Moved(host, port),
            (Some("ASK"), Some((host, port))) => Self::Ask(host, port),
            (Some("MOVED" | "ASK" | "CLUSTERDOWN" | "TRYAGAIN" | "LOADING" | "MASTERDOWN" | "READONLY"), _) => {
                Self::Later
            }
            (Some("UNBLOCKED"), _) => Self::Unknown,
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split(' ').map(|word| word.as_bytes().to_owned()).collect()
    }

    #[test]
    fn what_is_followed_is_told_from_what_is_not() {
        let mut ledger = Ledger::default();
        let mut of = |text| Meaning::of(&words(text), &mut ledger);
        assert_eq!(of("get a"), Meaning::Register(Ask::Get, "a".to_owned()));
        assert_eq!(of("SET a 7"), Meaning::Register(Ask::Set(7), "a".to_owned()));
        assert_eq!(of("SET a 7 GET"), Meaning::Register(Ask::GetSet(7), "a".to_owned()));
        assert_eq!(of("SET a 7 NX"), Meaning::Strange(["a", "7", "NX"].map(str::to_owned).into()));
        assert_eq!(of("FLUSHALL"), Meaning::StrangeToAll);
        assert_eq!(Meaning::of(&[], &mut ledger), Meaning::Strange(Vec::new()));
    }

    #[test]
    fn errors_send_clients_where_they_say() {
        assert_eq!(Redirect::of(b"MOVED 7 10.0.0.1:6379"), Redirect::Moved("10.0.0.1".to_owned(), 6379));
        assert_eq!(Redirect::of(b"ASK 7 ::1:6379"), Redirect::Ask("::1".to_owned(), 6379));
        assert_eq!(Redirect::of(b"CLUSTERDOWN Hash slot not served"), Redirect::Later);
        assert_eq!(Redirect::of(b"UNBLOCKED force unblock"), Redirect::Unknown);
        assert_eq!(Redirect::of(b"WRONGTYPE Operation"), Redirect::None);
    }

    #[test]
    fn the_reply_behind_asking_is_found() {
        assert_eq!(decode(b"+OK\r\n:7\r\n", true), Some(Value::Integer(7)));
        assert_eq!(decode(b"+OK\r\n:7", true), None);
        assert_eq!(decode(b"+OK\r\n", false), Some(Value::Ok));
        assert!(encode(&words("GET a"), true).ends_with(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"));
    }
}
