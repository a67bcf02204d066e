//! What only its own session knows of a client.

use super::bundle::Bundle;
use super::registry::Client;
use super::transaction::{Transaction, WatchedKeys};
use crate::acl::{Account, Credentials, Users};
use crate::effect::Offset;
use crate::host::LaterReply;
use crate::resp::RespVersion;
use crate::time::UnixMillis;
use std::cell::OnceCell;
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
    pub(crate) credentials: Credentials,
    /// Set by ASKING, for one request, or for all up to EXEC.
    pub(crate) asking: bool,
    /// Set by QUIT and by protocol errors: what was written is flushed, then the connection ends.
    pub(crate) closing: bool,
    /// Set by MULTI, until EXEC or DISCARD.
    pub(crate) transaction: Option<Box<Transaction>>,
    /// Whether the queued requests are being run.
    pub(crate) executes: bool,
    /// Set by WATCH.
    pub(crate) watched: Option<Box<WatchedKeys>>,
    /// Whether it can be sent what it did not ask for: not a single call of an embedder.
    pub(crate) takes_pushes: bool,
    /// Set by the first subscription: from here on its mailbox is looked into.
    pub(crate) listens: bool,
    /// The newest journal offset of messages that were taken among the reply at hand.
    pub(crate) mail_offset: Offset,
    /// Messages that it published and that are not given out yet.
    pub(crate) bundle: Bundle,
    /// Clients to be woken when the requests at hand are done: their mailboxes were filled.
    pub(crate) woken: Vec<Arc<Client>>,
    /// Whether its requests may wait for keys.
    pub(crate) may_block: bool,
    /// The reply that its request waits for, which the host will give.
    pub(crate) awaited: OnceCell<LaterReply>,
    /// Bytes that its requests may bring before it is asked again whether there is memory for more, and the bound for which that
    /// was found.
    pub(crate) memory_credit: (u64, u64),
    /// The deadline that a request keeps which is run once more.
    pub(crate) deadline_kept: Option<Option<UnixMillis>>,
    pub(crate) relay: RelayState,
    /// It is the host's own.
    pub(crate) is_inner: bool,
}

/// What other nodes are to do for the client, or not.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct RelayState {
    /// It said something that only clients say which know the cluster: nothing is done for it elsewhere.
    pub(crate) knows_cluster: bool,
}

impl Connection {
    pub(crate) fn new(client: Arc<Client>, credentials: Credentials) -> Self {
        Self {
            client,
            db: 0,
            resp: RespVersion::V2,
            reply_mode: ReplyMode::On,
            credentials,
            asking: false,
            closing: false,
            transaction: None,
            executes: false,
            watched: None,
            takes_pushes: true,
            listens: false,
            mail_offset: Offset(0),
            bundle: Bundle::default(),
            woken: Vec::new(),
            may_block: true,
            awaited: OnceCell::new(),
            memory_credit: (0, 0),
            deadline_kept: None,
            relay: RelayState::default(),
            is_inner: false,
        }
    }

    /// Ends what MULTI began; says whether it had begun. What is watched stays watched.
    pub(crate) fn end_transaction(&mut self) -> Option<Box<Transaction>> {
        self.client.multi.store(-1, Ordering::Relaxed);
        self.transaction.take()
    }

    /// Appends the messages that wait to `out`.
    pub(crate) fn take_mail(&mut self, out: &mut Vec<u8>) {
        self.mail_offset = self.mail_offset.max(self.client.mailbox.take(out));
    }

    /// Is this user from here on.
    pub(crate) fn log_in(&mut self, users: &Users, account: &Arc<Account>) {
        self.credentials.log_in(users, account);
        *self.client.account.lock() = Some(Arc::clone(account));
    }

    /// Is what a client is that just came.
    pub(crate) fn log_out(&mut self, users: &Users) {
        self.credentials = Credentials::of_newcomer(users);
        *self.client.account.lock() = self.credentials.account().cloned();
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
