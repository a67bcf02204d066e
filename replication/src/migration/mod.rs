//! Slots on their way to another node, all at once: their keys, what changes meanwhile, and one moment at which they change hands.
//!
//! ```text
//! source: Export                                                     target: Import
//!   a view of the slots  -- snapshot, large values as effects -->      stored, recorded, hidden
//!   the journal behind it -- effects of the slots -------------->      applied, recorded, hidden
//!                         <-- how far it is ---------------------
//!   the slots are paused  -- the last effects, the epoch ------->      all of it applied: claims the slots in that epoch
//!                         <-- claimed ---------------------------
//!   sends clients there, deletes the keys
//! ```
//!
//! Both are sans-io: bytes in, bytes out. When slots are paused, claimed or given up is decided by a node's control plane,
//! or by a host that has a control plane of its own: it needs nothing but these two and the engine's gate. Within one process a
//! [`SlotTicket`] does it.
//!
//! Invariants
//! - What the source says behind the end of its view is what its journal says of these slots, in that order.
//! - Nothing is applied that does not belong to one of the slots.
//! - What is in memory for a peer that is slow is what it has not taken of one piece: the view and the journal are read as it takes them.

mod export;
mod filter;
mod frame;
mod import;
#[cfg(test)]
mod tests;
mod ticket;

pub use export::{Export, ExportError, ExportEvent, ExportProgress};
pub use filter::FilterError;
pub use frame::FrameError;
pub use import::{Import, ImportError, ImportEvent, ImportProgress};
pub use ticket::{SlotTicket, TicketError, TicketReport};
