//! Requests that are done at other nodes, for clients that know nothing of the cluster (`cluster-proxy`).
//!
//! ```text
//! run -> MOVED, ASK   the request, or MULTI and all up to EXEC   \
//!     -> CROSSSLOT    of DEL, EXISTS, MGET, TOUCH, UNLINK:         > Relay -> the host asks whoever serves each part -> one reply
//!                     one request for each slot                  /           (the session is parked meanwhile)
//! ```
//!
//! - A client that says READONLY, READWRITE or ASKING knows the cluster, and is sent elsewhere as always. So is a node that relays.
//! - MSET and the like are not taken apart: they promise that all is done at once.
//! - WATCH is not relayed: what watches is a connection, and there may be another one by the time of EXEC.
//! - A transaction is relayed whole, or not at all.

use super::Session;
use super::execute::{Answered, Execution, Failure, Parked, Relayed};
use crate::client::Transaction;
use crate::command::How;
use crate::command::keys::Include;
use crate::command::row::flag;
use crate::command::table::{Command, table};
use crate::error::CommandError;
use crate::host::{Join, LaterReply, Relay, RelayPart};
use crate::slot::Slot;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Execution<'_> {
    /// Has another node do a request that was answered this error. `None` if it is to be answered.
    #[cold]
    pub(super) fn relay(&mut self, command: &Command, args: &[&[u8]], error: &CommandError) -> Option<Parked> {
        let is_of_transaction = self.connection.transaction.is_some() || matches!(command.row.run.0, How::Exec);
        if is_of_transaction || !self.relays(command, error) {
            return None;
        }
        let whole = |slot: Slot, asks: bool| (vec![RelayPart { slot, asks, requests: vec![own(args)] }], Join::Whole);
        let (parts, join) = match error {
            CommandError::Moved { slot, .. } => whole(*slot, false),
            CommandError::Ask { slot, .. } => whole(*slot, true),
            _ => split(command, args)?,
        };
        self.hand_over(args, parts, join)
    }

    /// Has another node do what was queued. `None` if EXEC is to be answered the error.
    #[cold]
    pub(super) fn relay_exec(
        &mut self,
        command: &Command,
        transaction: &Transaction,
        error: &mut CommandError,
    ) -> Option<Parked> {
        if !self.relays(command, error) {
            return None;
        }
        let (slot, asks) = match error {
            CommandError::Moved { slot, .. } => (*slot, false),
            CommandError::Ask { slot, .. } => (*slot, true),
            _ => return None,
        };
        if self.connection.watched.is_some() {
            *error = aborted("the keys that are watched are served by another node");
            return None;
        }
        if transaction.queued.iter().any(|queued| table().by_id(queued.row).is_none_or(concerns_connection)) {
            *error = aborted("what concerns the connection or the server is not done at another node");
            return None;
        }
        let mut requests = vec![vec![(*b"MULTI").into()]];
        requests.extend(transaction.queued.iter().map(|queued| queued.args().map(Box::from).collect()));
        requests.push(vec![(*b"EXEC").into()]);
        self.hand_over(&[b"EXEC"], vec![RelayPart { slot, asks, requests }], Join::Whole)
    }

    /// Whether a request of another node's is queued all the same: EXEC has it done there.
    #[cold]
    pub(super) fn queues_for_others(&self, command: &Command, error: &CommandError) -> bool {
        let is_elsewhere = matches!(error, CommandError::Moved { .. } | CommandError::Ask { .. });
        is_elsewhere && self.relays(command, error)
    }

    /// What EXEC answers that would do a part here before it finds that the rest is served elsewhere. `None` if there is no such part.
    #[cold]
    pub(super) fn would_be_cut(&self, transaction: &Transaction) -> Option<CommandError> {
        if !self.core.options.cluster_proxy.load(Ordering::Relaxed)
            || !transaction.queued.iter().any(|queued| table().by_id(queued.row).is_some_and(concerns_connection))
        {
            return None;
        }
        self.redirect_exec().map(|_| aborted("what concerns the connection or the server is not done at another node"))
    }

    fn relays(&self, command: &Command, error: &CommandError) -> bool {
        let connection = &*self.connection;
        let is_relayed = match command.row.run.0 {
            How::Turn(_) | How::Look(_) | How::LookAt(_) | How::Exec => true,
            How::Connection(_) => command.row.name == "spublish",
            How::Visit(_) | How::Store(_) | How::Host | How::Watch => false,
        };
        is_relayed
            && !command.flags.has(flag::ASKING)
            && matches!(error, CommandError::Moved { .. } | CommandError::Ask { .. } | CommandError::CrossSlot { .. })
            && self.core.options.cluster_proxy.load(Ordering::Relaxed)
            && connection.takes_pushes
            && !connection.executes
            && !connection.relay.knows_cluster
    }

    fn hand_over(&self, args: &[&[u8]], parts: Vec<RelayPart>, join: Join) -> Option<Parked> {
        let client = &self.connection.client;
        let later = LaterReply::new(self.connection.resp, client.waker.clone());
        let relay = Relay { parts, join, resp: self.connection.resp, later: later.clone() };
        self.core.host()?.relay(client.id, relay);
        Some(Parked::Relayed(Arc::new(Relayed { later, request: own(args) })))
    }
}

impl Session {
    /// Takes the reply of the request that another node does, if it is there.
    pub(super) fn take_relayed(&mut self, relayed: Arc<Relayed>) {
        let Some((reply, offset)) = relayed.later.take() else {
            self.parked = Some(Parked::Relayed(relayed));
            return;
        };
        let start = self.outbox.bytes.len();
        self.outbox.bytes.extend_from_slice(&reply);
        let failed = if reply.starts_with(b"-") { Failure::Failed } else { Failure::None };
        self.close_request(&relayed.request, start, Answered { offset, failed });
    }
}

/// A request for each slot of one whose keys may be dealt with one by one.
fn split(command: &Command, args: &[&[u8]]) -> Option<(Vec<RelayPart>, Join)> {
    let is_gathered = match command.row.name {
        "del" | "exists" | "touch" | "unlink" => false,
        "mget" => true,
        _ => return None,
    };
    let mut parts: Vec<RelayPart> = Vec::new();
    let mut places = Vec::new();
    let mut at_slot = std::collections::HashMap::new();
    for key in command.keys(args, Include::Routed).iter().map(|key| args[key.index as usize]) {
        let slot = Slot::of(key);
        let at = *at_slot.entry(slot).or_insert_with(|| {
            parts.push(RelayPart { slot, asks: false, requests: vec![vec![args[0].into()]] });
            parts.len() - 1
        });
        let request = &mut parts[at].requests[0];
        places.push((at, request.len() - 1));
        request.push(key.into());
    }
    Some((parts, if is_gathered { Join::Gather(places) } else { Join::Sum }))
}

fn own(args: &[&[u8]]) -> Vec<Box<[u8]>> {
    args.iter().map(|arg| Box::from(*arg)).collect()
}

/// Whether a command is about more than keys.
fn concerns_connection(command: &Command) -> bool {
    match command.row.run.0 {
        How::Host => true,
        How::Connection(_) => !matches!(command.row.name, "ping" | "echo" | "publish" | "spublish"),
        _ => false,
    }
}

fn aborted(why: &str) -> CommandError {
    CommandError::Text(Cow::Owned(format!("EXECABORT Transaction discarded because {why}.")))
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
