//! Where batches go: the one door from the engine to whoever keeps the journal.

use super::{Batch, Offset};
use std::task::{Poll, Waker};

/// How far a write must have got before its reply may be shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Ack {
    /// Applied in memory.
    #[default]
    Memory,
    /// Written to the log file; survives the process, not the machine.
    Logged,
    /// Written and fsynced; survives the machine.
    Durable,
    /// So many replicas have it, by their own account; survives the loss of this node if one of them takes over. Where the log
    /// is fsynced after every write it is fsynced here too, else this says nothing of the log. A node that follows another
    /// promises nothing by this: what it tells is the other's.
    Replicas(u8),
}

/// What is said of everything that a caller is told about to be told: how far it must have got, and in which term of this node.
/// Taken before the turn, so that a node that begins to follow another meanwhile promises nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Promise {
    pub(crate) level: Ack,
    pub(crate) term: u32,
    /// Whether the node followed another: no replica of this one is waited for.
    pub(crate) is_follower: bool,
}

impl Promise {
    /// Whether it is kept by what is applied.
    #[inline]
    pub(crate) fn waits_for_nothing(self) -> bool {
        match self.level {
            Ack::Memory | Ack::Replicas(0) => true,
            Ack::Replicas(_) => self.is_follower,
            Ack::Logged | Ack::Durable => false,
        }
    }
}

/// A write was applied and appended, and then nobody could find out whether it got as far as it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OutcomeUnknown {
    /// It may or may not be on disk.
    #[error("the log failed before this write was confirmed; whether it survives a restart is unknown")]
    LogFailed,
    /// Another node leads now, and may or may not have it.
    #[error("another node leads before replicas confirmed this write; whether it has it is unknown")]
    LeadsNoMore,
}

/// The journal takes no more writes until the store is opened again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the log takes no writes: {reason}")]
pub struct NotWritable {
    /// What failed, where: for people.
    pub reason: String,
}

/// Why the journal cannot be read from an offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// This keeper of the journal does not keep it for readers.
    #[error("the journal is not kept for readers")]
    NotKept,
    /// What was asked for is gone.
    #[error("the oldest offset that can still be read is {oldest}")]
    Lagged {
        /// The oldest offset that is there.
        oldest: Offset,
    },
    /// The journal has not got there yet.
    #[error("the journal ends at {end}")]
    Ahead {
        /// The end.
        end: Offset,
    },
}

/// Keeps the journal. The engine calls it from any number of threads.
///
/// A turn calls [`poll_room`](Self::poll_room) before it takes its slots, [`append`](Self::append) while it holds them, and
/// [`wake_followers`](Self::wake_followers) after it let go of them; the caller of the turn then asks
/// [`poll_reached`](Self::poll_reached) with the offset that `append` gave.
pub trait EffectSink: Send + Sync + 'static {
    /// Appends the batch and returns the journal's end after it. Never blocks on a device and never fails: room was
    /// asked for before, and a bounded excess is the sink's to carry.
    fn append(&self, batch: &Batch<'_>) -> Offset;

    /// Wakes those whom [`poll_more`](Self::poll_more) sent away, if anything was appended since. Called after `append`, when
    /// the turn has let go of its slots: what is woken may do as it likes.
    fn wake_followers(&self) {}

    /// Whether a writing turn may start. `Pending` when the tail is full: `waker` is woken when there is room again.
    fn poll_room(&self, waker: &Waker) -> Poll<Result<(), NotWritable>>;

    /// Whether everything up to `offset` has reached `level`. `Pending`: `waker` is woken when that changes.
    fn poll_reached(&self, level: Ack, offset: Offset, waker: &Waker) -> Poll<Result<(), OutcomeUnknown>>;

    /// The journal's end: the offset after the newest batch.
    fn end(&self) -> Offset;

    /// Appends to `out` the stream from `from` on and returns where that ends: at the end of a batch, at `from` only if
    /// nothing is there yet. Possibly less than there is. The stream is what a replica of Redis gets: effects, a `SELECT`
    /// where the database changes, `MULTI` and `EXEC` around a batch of several effects.
    fn read(&self, from: Offset, out: &mut Vec<u8>) -> Result<Offset, Unreadable> {
        let _ = (from, out);
        Err(Unreadable::NotKept)
    }

    /// Whether there is anything behind `offset`. `Pending`: `waker` is woken when there is.
    fn poll_more(&self, offset: Offset, waker: &Waker) -> Poll<()> {
        let _ = waker;
        if self.end() > offset { Poll::Ready(()) } else { Poll::Pending }
    }
}
