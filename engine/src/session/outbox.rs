//! Replies on their way out, in order, each held until what it tells has reached the level that was asked for.
//!
//! ```text
//! bytes   | shown already | ready | held for @120 ...... | behind it |
//! held                            [start..end, @120]
//! ```
//!
//! Invariants
//! - `held` is in order of position; offsets may fall. What lies behind something held waits with it.
//! - A reply whose journal failed is replaced by an error, a message is dropped; neither is shown.

use crate::effect::{Ack, EffectSink, Offset, OutcomeUnknown, Promise};
use crate::error::CommandError;
use crate::options::Options;
use crate::resp::ReplyWriter;
use crate::resp::RespVersion;
use std::collections::VecDeque;
use std::task::{Poll, Waker};

#[derive(Debug)]
struct Held {
    start: usize,
    end: usize,
    offset: Offset,
    promise: Promise,
    kind: Kind,
}

impl Held {
    /// Whether what was promised is so.
    fn poll(
        &self,
        options: &Options,
        sink: Option<&dyn EffectSink>,
        waker: &Waker,
    ) -> Poll<Result<(), OutcomeUnknown>> {
        let waits_for_replicas = matches!(self.promise.level, Ack::Replicas(_));
        match sink {
            // It tells of nothing that was ever recorded.
            Some(_) if self.offset == Offset(0) => Poll::Ready(Ok(())),
            _ if options.is_void(self.promise) => Poll::Ready(Err(OutcomeUnknown::LeadsNoMore)),
            _ if self.promise.waits_for_nothing() => Poll::Ready(Ok(())),
            Some(sink) => sink.poll_reached(self.promise.level, self.offset, waker),
            None if waits_for_replicas => Poll::Ready(Err(OutcomeUnknown::LeadsNoMore)),
            // The log was ended in good order.
            None => Poll::Ready(Ok(())),
        }
    }
}

/// What bytes in the outbox are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The answer to a request.
    Reply,
    /// What others published: nobody asked for it.
    Message,
}

/// The ordered outbox of one session.
#[derive(Default, Debug)]
pub(super) struct Outbox {
    /// Replies not yet handed to the host.
    pub(super) bytes: Vec<u8>,
    held: VecDeque<Held>,
    /// Of what is put in from here on.
    pub(super) promise: Promise,
}

impl Outbox {
    /// Says that what stands in `bytes[start..]` tells of the journal up to `offset`.
    pub(super) fn hold(&mut self, start: usize, offset: Offset, kind: Kind) {
        let tells = match self.promise.level {
            Ack::Memory => false,
            Ack::Logged | Ack::Durable => offset > Offset(0),
            Ack::Replicas(_) => true,
        };
        if tells && start < self.bytes.len() {
            self.held.push_back(Held { start, end: self.bytes.len(), offset, promise: self.promise, kind });
        }
    }

    /// Throws away all that waits.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.held.clear();
    }

    /// How many bytes wait, held or not.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Moves what may be shown to `out`. The waker is woken when more may be.
    pub(super) fn release(
        &mut self,
        out: &mut Vec<u8>,
        options: &Options,
        sink: Option<&dyn EffectSink>,
        version: RespVersion,
        waker: &Waker,
    ) {
        let mut shown = 0;
        // What was found out in here holds for all that is promised the same.
        let mut reached: Option<(Promise, Offset)> = None;
        while let Some(held) = self.held.front() {
            let is_known = reached.is_some_and(|(promise, to)| promise == held.promise && held.offset <= to);
            let outcome = if is_known { Poll::Ready(Ok(())) } else { held.poll(options, sink, waker) };
            match outcome {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => {
                    reached = reached.filter(|_| is_known).or(Some((held.promise, held.offset)));
                    out.extend_from_slice(&self.bytes[shown..held.end]);
                }
                Poll::Ready(Err(error)) => {
                    out.extend_from_slice(&self.bytes[shown..held.start]);
                    if held.kind == Kind::Reply {
                        ReplyWriter::new(out, version).error(&CommandError::from(error).to_string());
                    }
                }
            }
            shown = held.end;
            self.held.pop_front();
        }
        let end = self.held.front().map_or(self.bytes.len(), |held| held.start);
        if shown == 0 && end == self.bytes.len() && out.is_empty() {
            return std::mem::swap(out, &mut self.bytes);
        }
        if end > shown {
            out.extend_from_slice(&self.bytes[shown..end]);
            shown = end;
        }
        if shown > 0 {
            self.bytes.drain(..shown);
            for held in &mut self.held {
                held.start -= shown;
                held.end -= shown;
            }
        }
    }
}
