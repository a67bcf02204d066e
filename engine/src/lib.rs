//! The engine: slots, values, commands, turns, effects and sessions.
//!
//! Architecture Invariant: no files, sockets, threads or clocks here; time, chance and bytes are arguments.

pub mod command;
pub mod effect;
pub mod resp;
pub mod slot;
pub mod text;
mod time;

pub use effect::{Ack, Batch, BatchKind, EffectSink, Offset};
pub use slot::{SLOT_COUNT, Slot};
pub use time::{Clock, ManualClock, UnixMillis};
