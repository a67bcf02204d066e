//! A client's connection to a node: its session, and what faults make of its requests and replies.
//!
//! ```text
//! bytes -> [ input ] -> request -> book: pass  -> session -> [ pieces ] -> the socket's thread
//!                                        refuse -----------------^
//! ```
//!
//! Without faults bytes go to the session as they come. With faults they are cut into requests first, and what the session answers to each is a
//! piece of its own. Where a request waits (BLPOP), those behind it wait here.

use super::residents::{Live, Residents};
use super::rules::{Manner, Verdict, renamed};
use keyslot_engine::resp::{ArgRange, Decoded, Limits, RequestDecoder, Source};
use keyslot_engine::{PeerInfo, Session, SessionState};
use std::sync::Arc;
use std::task::Waker;

pub(super) struct Conversation {
    session: Session,
    state: SessionState,
    node: usize,
    residents: Arc<Residents>,
    decoder: RequestDecoder,
    ranges: Vec<ArgRange>,
    /// What is not given to the session yet.
    input: Vec<u8>,
    /// What is to be sent.
    pieces: Vec<Piece>,
    /// How the reply goes out that is awaited.
    next: Manner,
    /// Whether a request that is refused spoils something in the session: a transaction, or the word of ASKING.
    is_mid_transaction: bool,
    asks: bool,
}

/// Bytes to be sent, and how.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) manner: Manner,
}

impl Conversation {
    pub(super) fn new(node: usize, live: &Live, residents: Arc<Residents>, waker: Waker, peer: PeerInfo) -> Self {
        Self {
            session: live.engine.session(waker, peer),
            state: SessionState::Open,
            node,
            residents,
            decoder: RequestDecoder::new(Limits::default()),
            ranges: Vec::new(),
            input: Vec::new(),
            pieces: Vec::new(),
            next: Manner::Whole,
            is_mid_transaction: false,
            asks: false,
        }
    }

    /// Takes what a client sent.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.input.is_empty() && self.residents.faults.is_empty() {
            self.session.feed(bytes);
        } else {
            self.input.extend_from_slice(bytes);
        }
    }

    /// What there is to be sent, and whether the conversation goes on behind it.
    pub(super) fn poll(&mut self) -> (Vec<Piece>, SessionState) {
        self.collect();
        let mut input = std::mem::take(&mut self.input);
        let mut done = 0;
        while done < input.len() && self.state == SessionState::Open && self.session.output_bytes() == 0 {
            let Some(count) = self.advance(&input[done..]) else { break };
            done += count;
            self.collect();
        }
        input.drain(..done);
        self.input = input;
        (std::mem::take(&mut self.pieces), self.state)
    }

    /// Does one request, and returns how long it is; nothing if it is not whole.
    fn advance(&mut self, input: &[u8]) -> Option<usize> {
        if self.residents.faults.is_empty() {
            self.decoder = RequestDecoder::new(Limits::default());
            self.session.feed(input);
            return Some(input.len());
        }
        if self.session.input_bytes() > 0 {
            // The session has the beginning of one from before there were faults: it is done without any.
            let whole = (1..=input.len()).find(|count| {
                self.session.feed(&input[count - 1..*count]);
                self.session.input_bytes() == 0
            });
            return Some(whole.unwrap_or(input.len()));
        }
        self.ranges.clear();
        let (consumed, args, source) = match self.decoder.decode(input, &mut self.ranges) {
            Ok(Decoded::Request { consumed, args, source }) => (consumed, args, source),
            Ok(Decoded::Empty { consumed }) => return Some(consumed),
            Ok(Decoded::Incomplete) => return None,
            // The session says what is wrong with it, and ends.
            Err(_) => {
                self.session.feed(input);
                return Some(input.len());
            }
        };
        let bytes = match source {
            Source::Input => input,
            Source::Scratch => self.decoder.scratch(),
        };
        let args: Vec<&[u8]> = self.ranges[args].iter().map(|range| range.of(bytes)).collect();
        let verdict = self.residents.faults.verdict(self.node, &args);
        let is = |name: &str| args[0].eq_ignore_ascii_case(name.as_bytes());
        match verdict {
            Verdict::Pass(manner) => {
                match () {
                    () if is("MULTI") => self.is_mid_transaction = true,
                    () if is("EXEC") || is("DISCARD") || is("RESET") => self.is_mid_transaction = false,
                    () => {}
                }
                self.asks = is("ASKING");
                self.next = manner;
                self.session.feed(&input[..consumed]);
            }
            Verdict::Refuse(text) => {
                if self.is_mid_transaction || self.asks {
                    self.spoil();
                }
                self.asks = false;
                self.pieces.push(Piece { bytes: format!("-{text}\r\n").into_bytes(), manner: Manner::Whole });
            }
        }
        Some(consumed)
    }

    /// Has the session refuse something itself: EXEC fails then, and what ASKING said is over.
    fn spoil(&mut self) {
        self.session.feed(b"*1\r\n$7\r\nrefused\r\n");
        self.state = self.session.poll_output(&mut Vec::new());
    }

    /// Takes what the session has to say.
    fn collect(&mut self) {
        let mut bytes = Vec::new();
        self.state = self.session.poll_output(&mut bytes);
        if bytes.is_empty() {
            if self.state == SessionState::Open {
                self.next = Manner::Whole;
            }
            return;
        }
        let endpoints = self.residents.faults.endpoints(self.node);
        let bytes = endpoints.and_then(|endpoints| renamed(&bytes, &endpoints)).unwrap_or(bytes);
        self.pieces.push(Piece { bytes, manner: std::mem::take(&mut self.next) });
    }
}
