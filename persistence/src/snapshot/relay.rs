//! Brings what several encoders make into one order.
//!
//! The work is cut into numbered runs, which encoders take one after another; the writer gets the pieces of run 0, then of
//! run 1, and so on.
//!
//! ```text
//! encoder   take() -> run 5 .. pass(5, piece) .. pass(5, piece) .. end(5)
//! encoder   take() -> run 6 .. pass(6, piece)                       waits: too much is ahead of its turn
//! writer    next() -> a piece of run 5, the run whose turn it is
//! ```
//!
//! Invariants
//! - An encoder waits only for the writer or for a run before its own: there is always somebody who goes on.
//! - At most [`TURN_PIECES_MAX`] pieces of the run whose turn it is wait, and of all later runs together about
//!   [`AHEAD_BYTES_MAX`].
//! - After [`stop`](Relay::stop) nobody waits.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{BTreeMap, VecDeque};

/// A piece of a run.
pub(crate) trait Parcel {
    /// How many bytes wait with it.
    fn size(&self) -> usize;
}

/// Where encoders and writer meet.
#[derive(Debug)]
pub(crate) struct Relay<P> {
    runs: usize,
    state: Mutex<State<P>>,
    /// The writer waits here.
    arrived: Condvar,
    /// Encoders wait here.
    room: Condvar,
}

#[derive(Debug)]
struct State<P> {
    /// The next run that an encoder takes.
    untaken: usize,
    /// The run whose pieces the writer gets.
    turn: usize,
    waiting: BTreeMap<usize, Run<P>>,
    /// Bytes of pieces of runs behind the one whose turn it is.
    ahead_bytes: usize,
    /// Buffers that may be filled again.
    buffers: Vec<Vec<u8>>,
    is_stopped: bool,
}

#[derive(Debug)]
struct Run<P> {
    pieces: VecDeque<P>,
    has_ended: bool,
}

impl<P> Default for Run<P> {
    fn default() -> Self {
        Self { pieces: VecDeque::new(), has_ended: false }
    }
}

impl<P: Parcel> Relay<P> {
    /// A relay of so many runs.
    pub(crate) fn new(runs: usize) -> Self {
        let state = State {
            untaken: 0,
            turn: 0,
            waiting: BTreeMap::new(),
            ahead_bytes: 0,
            buffers: Vec::new(),
            is_stopped: false,
        };
        Self { runs, state: Mutex::new(state), arrived: Condvar::new(), room: Condvar::new() }
    }

    /// The next run to encode; none if there is no more, or after a stop.
    pub(crate) fn take(&self) -> Option<usize> {
        let mut state = self.state.lock();
        if state.is_stopped || state.untaken == self.runs {
            return None;
        }
        state.untaken += 1;
        Some(state.untaken - 1)
    }

    /// Leaves a piece of a run for the writer, and gives a buffer for the next. Waits while there is too much.
    pub(crate) fn pass(&self, run: usize, piece: P) -> Vec<u8> {
        let mut state = self.state.lock();
        while !state.is_stopped && !state.has_room_for(run) {
            self.room.wait(&mut state);
        }
        if state.turn == run {
            self.arrived.notify_one();
        } else {
            state.ahead_bytes += piece.size();
        }
        state.waiting.entry(run).or_default().pieces.push_back(piece);
        state.buffers.pop().unwrap_or_default()
    }

    /// Says that all of a run was left.
    pub(crate) fn end(&self, run: usize) {
        let mut state = self.state.lock();
        state.waiting.entry(run).or_default().has_ended = true;
        self.arrived.notify_one();
    }

    /// The next piece in order; none at the end or after a stop. Waits for it.
    pub(crate) fn next(&self) -> Option<P> {
        let mut state = self.state.lock();
        loop {
            if state.is_stopped || state.turn == self.runs {
                return None;
            }
            let turn = state.turn;
            let run = state.waiting.entry(turn).or_default();
            if let Some(piece) = run.pieces.pop_front() {
                self.room.notify_all();
                return Some(piece);
            }
            if run.has_ended {
                self.turn(&mut state);
            } else {
                self.arrived.wait(&mut state);
            }
        }
    }

    fn turn(&self, state: &mut MutexGuard<'_, State<P>>) {
        let turn = state.turn;
        state.waiting.remove(&turn);
        state.turn += 1;
        let bytes = state.waiting.get(&(turn + 1)).map_or(0, |run| run.pieces.iter().map(Parcel::size).sum());
        state.ahead_bytes -= bytes;
        self.room.notify_all();
    }

    /// Gives a buffer back.
    pub(crate) fn recycle(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut state = self.state.lock();
        if state.buffers.len() < BUFFERS_MAX {
            state.buffers.push(buffer);
        }
    }

    /// Ends all waiting. What is left is lost.
    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.arrived.notify_all();
        self.room.notify_all();
    }
}

impl<P> State<P> {
    fn has_room_for(&self, run: usize) -> bool {
        if run == self.turn {
            self.waiting.get(&run).is_none_or(|run| run.pieces.len() < TURN_PIECES_MAX)
        } else {
            self.ahead_bytes < AHEAD_BYTES_MAX
        }
    }
}

/// Stops the relay when it is dropped: nobody waits for an encoder or a writer that is gone, not even if it panicked.
pub(crate) struct StopOnPanic<'a, P: Parcel>(pub(crate) &'a Relay<P>);

impl<P: Parcel> Drop for StopOnPanic<'_, P> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

const TURN_PIECES_MAX: usize = 4;
const AHEAD_BYTES_MAX: usize = 8 << 20;
const BUFFERS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::crew::with_crew;
    use crate::snapshot::encoder::Piece;

    fn piece(text: &str) -> Piece {
        Piece { bytes: text.into(), ..Piece::default() }
    }

    #[test]
    fn pieces_come_in_the_order_of_their_runs() {
        let relay = Relay::new(50);
        let work = |_| {
            while let Some(run) = relay.take() {
                for part in 0..run % 7 {
                    relay.pass(run, piece(&format!("{run}.{part} ")));
                }
                relay.end(run);
            }
        };
        let all = with_crew(3, work, |_| {
            let mut all = String::new();
            while let Some(piece) = relay.next() {
                all.push_str(std::str::from_utf8(&piece.bytes).unwrap());
                relay.recycle(piece.bytes);
            }
            all
        });
        let expected: String = (0..50).flat_map(|run| (0..run % 7).map(move |part| format!("{run}.{part} "))).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn a_stop_frees_everybody() {
        let relay = Relay::new(4);
        let big = "x".repeat(AHEAD_BYTES_MAX);
        let work = |_| {
            while let Some(run) = relay.take() {
                for _ in 0..10 {
                    relay.pass(run, piece(&big));
                }
                relay.end(run);
            }
        };
        with_crew(3, work, |_| {
            assert!(relay.next().is_some());
            relay.stop();
            assert!(relay.next().is_none());
        });
    }
}
