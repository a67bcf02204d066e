//! Requests that arrived together, decoded ahead of their turns.
//!
//! ```text
//! input    | *2 GET a | *3 SET b 1 | *2 GET c | *3 SE...
//! requests   [args 0..2, known a] [args 2..5, known b] [args 5..7, known c]
//! ranges     GET a SET b 1 GET c
//! ```
//!
//! Each is given its row, and its slot and hash where it has one plain key; then the memory that all of them will read is
//! asked for, before the first runs. It runs nothing itself.

use crate::command::table::{Command, table};
use crate::core::Core;
use crate::resp::{ArgRange, Decoded, ProtocolError, RequestDecoder, Source};
use crate::slot::Slot;
use crate::table::prefetch;
use crate::turn::KnownKey;
use smallvec::SmallVec;
use std::ops::Range;

/// The requests at hand.
#[derive(Default)]
pub(super) struct Group {
    ranges: Vec<ArgRange>,
    requests: Vec<Request>,
}

/// A decoded request.
pub(super) struct Request {
    /// Its arguments among the group's ranges.
    args: Range<usize>,
    /// Where the input goes on after it.
    pub(super) end: usize,
    source: Source,
    pub(super) command: Option<&'static Command>,
    /// Its key, when it has one plain key.
    pub(super) known: Option<KnownKey>,
}

/// What the input holds behind a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rest {
    /// Requests, perhaps.
    More,
    /// Nothing that is whole.
    None,
}

impl Group {
    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Where the input goes on after the last of them.
    pub(super) fn end(&self) -> Option<usize> {
        self.requests.last().map(|request| request.end)
    }

    /// The decoder's own copy of a request whose bytes do not lie in the input as they are meant.
    pub(super) fn scratch(&self, decoder: &RequestDecoder) -> Vec<u8> {
        match self.requests.last() {
            Some(Request { source: Source::Scratch, .. }) => decoder.scratch().to_vec(),
            _ => Vec::new(),
        }
    }

    /// A request's arguments, out of the bytes that it was decoded from.
    #[inline]
    pub(super) fn args<'b>(&self, request: &Request, input: &'b [u8], scratch: &'b [u8]) -> SmallVec<[&'b [u8]; 8]> {
        let bytes = match request.source {
            Source::Input => input,
            Source::Scratch => scratch,
        };
        self.ranges[request.args.clone()].iter().map(|range| range.of(bytes)).collect()
    }

    /// Decodes up to [`GROUP_REQUESTS_MAX`] requests of `input` from `from` on, in place of those it had. With an error it
    /// holds the requests before the broken one.
    pub(super) fn decode(
        &mut self,
        decoder: &mut RequestDecoder,
        core: &Core,
        input: &[u8],
        from: usize,
    ) -> Result<Rest, ProtocolError> {
        self.ranges.clear();
        self.requests.clear();
        let mut at = from;
        while self.requests.len() < GROUP_REQUESTS_MAX && at < input.len() {
            match decoder.decode_from(input, at, &mut self.ranges)? {
                Decoded::Request { consumed, args, source } => {
                    at += consumed;
                    let (command, known) = match source {
                        Source::Input => look_ahead(core, input, &self.ranges[args.clone()]),
                        Source::Scratch => (None, None),
                    };
                    self.requests.push(Request { args, end: at, source, command, known });
                    if source == Source::Scratch {
                        // The scratch holds one request: it must run before the next is decoded.
                        return Ok(Rest::More);
                    }
                }
                Decoded::Empty { consumed } => {
                    at += consumed;
                    self.note_empty(at);
                }
                Decoded::Incomplete => return Ok(Rest::None),
            }
        }
        Ok(if at < input.len() { Rest::More } else { Rest::None })
    }

    /// Counts an empty request, which ends at `end`, as done with the one before it.
    fn note_empty(&mut self, end: usize) {
        match self.requests.last_mut() {
            Some(last) => last.end = end,
            None => {
                self.requests.push(Request { args: 0..0, end, source: Source::Input, command: None, known: None });
            }
        }
    }

    /// Asks for what the lookups of several requests will read: lines first, then entries.
    pub(super) fn prefetch(&self, core: &Core, db: u16) {
        if self.requests.len() < 2 {
            return;
        }
        // A key that comes several times in a row is asked for once: each time takes its slot's lock.
        let keys = || {
            let mut last = None;
            let known = self.requests.iter().filter_map(|request| request.known);
            known.filter(move |key| last.replace(key.hash) != Some(key.hash))
        };
        for key in keys() {
            core.totals.hints.prefetch(key.slot, key.hash);
        }
        let mut entries = [std::ptr::null(); GROUP_REQUESTS_MAX];
        for (entry, key) in entries.iter_mut().zip(keys()) {
            let guard = core.slots.try_lock(key.slot);
            let shard = guard.as_ref().and_then(|guard| guard.state.shard(db));
            *entry = shard.and_then(|shard| shard.candidate(key.hash)).map_or(std::ptr::null(), |(_, address)| address);
        }
        // Apart from the locking: a prefetch that has to walk page tables holds up the next locked instruction.
        for entry in entries.into_iter().filter(|entry| !entry.is_null()) {
            prefetch(entry);
            prefetch(entry.wrapping_add(64));
        }
    }
}

/// Names the command and, if it has one plain key, hashes it and asks for its slot's line.
#[inline]
fn look_ahead(core: &Core, input: &[u8], ranges: &[ArgRange]) -> (Option<&'static Command>, Option<KnownKey>) {
    let Some(command) = table().find(ranges[0].of(input)) else { return (None, None) };
    let command = if command.is_container() && ranges.len() > 1 {
        match table().find_subcommand(command, ranges[1].of(input)) {
            Some(command) => command,
            None => return (None, None),
        }
    } else {
        command
    };
    let known = match command.plain_range(ranges.len()) {
        Some(range) if range.first == range.last => {
            let bytes = ranges[range.first].of(input);
            let slot = Slot::of(bytes);
            core.slots.prefetch_slot(slot);
            let (address, len) = (bytes.as_ptr() as usize, bytes.len());
            Some(KnownKey { address, len, slot, hash: core.hasher.hash(bytes) })
        }
        _ => None,
    };
    (Some(command), known)
}

/// Requests that are looked ahead together.
const GROUP_REQUESTS_MAX: usize = 32;
