//! RESP, the protocol of Redis clients: requests in, replies out, and replies back into values.
//!
//! Nothing here knows a command, a session or a socket: bytes come in as slices and leave in a `Vec<u8>`.
//!
//! - [`RequestDecoder`] cuts requests (multibulk and inline) out of a growing buffer.
//! - [`ReplyWriter`] appends replies in RESP2 or RESP3.
//! - [`ReplyParser`] makes a [`Value`] of a reply.

mod error;
mod inline;
mod parser;
mod reply;
mod request;
mod value;

pub use error::ProtocolError;
pub use parser::{Expected, Parsed, ReplyError, ReplyLimits, ReplyParser, parse_reply};
pub use reply::{Deferred, ReplyWriter, RespVersion};
pub use request::{ArgRange, Decoded, Limits, RequestDecoder, Source, Trust, is_http_attack};
pub use value::Value;
