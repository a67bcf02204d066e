//! What a node's data is a part of, and who follows it: the transitions that every host of links needs.
//!
//! ```text
//!            promote: a name of its own from here on
//!   Leads <---------------------------- Follows
//!         ----------------------------> follow: the name is kept, so the other node may know it
//!
//!   known    the journal is a part of the history up to its end: the stream can go on
//!   unknown  it is not: everything has to come anew. Between Replacing and Replaced, and after an error that loses it
//! ```

use crate::cluster::NodeName;
use crate::link::{
    History, LinkError, LinkId, Primary, PrimaryOptions, ReplicaError, ReplicaEvent, ReplicaLink, ReplicaOptions,
    ReplicaProfile, ReplicaState, ReplicationId, SyncRequest,
};
use keyslot_engine::{DueKeys, EffectSink, Engine, UnixMillis};
use keyslot_persistence::Journal;
use std::sync::Arc;

/// The data of a node, as far as other nodes care.
pub struct Standing {
    engine: Engine,
    journal: Arc<Journal>,
    history: History,
    is_known: bool,
    primary: Primary,
}

impl Standing {
    /// Of this engine, whose journal this is, and a part of that history. `chance` seeds the marks of snapshots.
    pub fn new(engine: Engine, journal: Arc<Journal>, history: History, options: PrimaryOptions, chance: u64) -> Self {
        let primary = Primary::new(engine.clone(), journal.clone(), options, chance);
        Self { engine, journal, history, is_known: true, primary }
    }

    /// What its stream is called.
    pub fn history(&self) -> History {
        self.history
    }

    /// Whether the journal is a part of the history.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// The journal.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Who follows.
    pub fn primary(&self) -> &Primary {
        &self.primary
    }

    /// Who follows, to move bytes.
    pub fn primary_mut(&mut self) -> &mut Primary {
        &mut self.primary
    }

    /// What is there is of no history, as data whose origin nobody knows.
    pub fn disown(&mut self) {
        self.is_known = false;
    }

    /// Which members of a cluster follow the stream, by the names that they gave, and up to where they have it by their own account.
    pub fn followers(&self) -> impl Iterator<Item = (NodeName, u64)> {
        let online = self.primary.replicas().filter(|replica| replica.state == ReplicaState::Stream);
        online.filter_map(|replica| Some((NodeName::parse(replica.profile.node?.as_bytes())?, replica.acked.0)))
    }

    /// Begins to serve a replica.
    pub fn serve(
        &mut self,
        profile: ReplicaProfile,
        request: SyncRequest,
        now: UnixMillis,
    ) -> Result<LinkId, LinkError> {
        self.primary.attach(profile, request, &self.history, now)
    }

    /// A link over a connection to the primary that was just made.
    pub fn link(&self, options: ReplicaOptions, now: UnixMillis) -> ReplicaLink {
        let history = self.is_known.then_some(&self.history);
        ReplicaLink::new(self.engine.clone(), self.journal.clone(), options, history, now)
    }

    /// The data is that of another node from here on.
    pub fn follow(&mut self) {
        self.engine.options().set_follows(true);
        self.journal.wake_waiting_for_replicas();
        self.engine.unblock_all();
        self.engine.set_due_keys(DueKeys::Hide);
    }

    /// The data is this node's own from here on, under this name.
    pub fn lead(&mut self, id: ReplicationId) {
        match self.is_known {
            true => self.history.shift(id, self.journal.end()),
            false => self.history.join(id),
        }
        self.is_known = true;
        // Who follows is to learn the new name while it has the end of the old one.
        self.primary.detach_all();
        self.primary.open();
        self.engine.options().set_follows(false);
        self.engine.set_due_keys(DueKeys::Delete);
    }

    /// A bug that a test plants: the name before is not known any more.
    #[cfg(test)]
    pub(crate) fn forget_previous(&mut self, id: ReplicationId) {
        self.history.join(id);
    }

    /// Takes what happened on the link to the primary.
    pub fn take_event(&mut self, event: &ReplicaEvent) {
        match event {
            ReplicaEvent::Note(_) => {}
            ReplicaEvent::Continued(id) => {
                if *id != self.history.id() {
                    self.primary.detach_all();
                }
                self.history.rename(*id, self.journal.end());
            }
            ReplicaEvent::Replacing(id) => {
                self.history.join(*id);
                self.is_known = false;
                self.primary.close();
            }
            ReplicaEvent::Replaced(_) => {
                self.is_known = true;
                self.primary.open();
            }
        }
    }

    /// Takes why the link to the primary failed. `id` is a name that no other history has, in case that the data is of none now.
    pub fn take_error(&mut self, error: &ReplicaError, id: ReplicationId) {
        if error.loses_history() {
            self.history.join(id);
            self.is_known = false;
            self.primary.close();
        }
    }
}
