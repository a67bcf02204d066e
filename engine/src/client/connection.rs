//! What only its own session knows of a client.

use super::registry::Client;
use crate::resp::RespVersion;
use crate::time::UnixMillis;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
    /// Whether its requests may wait for keys.
    pub(crate) may_block: bool,
    /// The deadline that a request keeps which is run once more.
    pub(crate) deadline_kept: Option<Option<UnixMillis>>,
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
            may_block: true,
            deadline_kept: None,
        }
    }

    /// Works in another database from here on.
    pub(crate) fn select(&mut self, db: u16) {
        self.db = db;
        self.client.db.store(db.into(), Ordering::Relaxed);
    }

    /// Speaks another version of the protocol from here on, the reply at hand included.
    pub(crate) fn speak(&mut self, version: RespVersion) {
        self.resp = version;
        let number = match version {
            RespVersion::V2 => 2,
            RespVersion::V3 => 3,
        };
        self.client.resp.store(number, Ordering::Relaxed);
    }
}
