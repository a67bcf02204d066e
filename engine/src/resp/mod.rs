//! RESP, the protocol of Redis clients: requests in, replies out, and replies back into values.
//!
//! Nothing here knows a command, a session or a socket: bytes come in as slices and leave in a `Vec<u8>`.
//!
//! - [`Decoder`] cuts requests (multibulk and inline) out of a growing buffer.
//! - [`ReplyWriter`] appends replies in RESP2 or RESP3.

mod error;
mod inline;
mod reply;
mod request;

pub use error::ProtocolError;
pub use reply::{Deferred, ReplyWriter, RespVersion};
pub use request::{ArgRange, Decoded, Decoder, Limits, Source, Trust, is_http_attack};
