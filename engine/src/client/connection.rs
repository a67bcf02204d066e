//! What only its own session knows of a client.

use super::registry::Client;
use crate::resp::RespVersion;
use std::sync::Arc;

/// What CLIENT REPLY asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReplyMode {
    /// Replies are shown.
    On,
    /// Replies are dropped.
    Off,
    /// The next request's reply is dropped.
    SkipNext,
    /// This request's reply is dropped.
    Skip,
}

/// The state of one connection that commands of the connection family change.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Arc<Client>,
    pub(crate) db: u16,
    pub(crate) resp: RespVersion,
    pub(crate) reply_mode: ReplyMode,
    pub(crate) authenticated: bool,
    /// Set by ASKING, for one request.
    pub(crate) asking: bool,
    /// Set by QUIT and by protocol errors: what was written is flushed, then the connection ends.
    pub(crate) closing: bool,
}

impl Connection {
    pub(crate) fn new(client: Arc<Client>, authenticated: bool) -> Self {
        Self {
            client,
            db: 0,
            resp: RespVersion::V2,
            reply_mode: ReplyMode::On,
            authenticated,
            asking: false,
            closing: false,
        }
    }
}
