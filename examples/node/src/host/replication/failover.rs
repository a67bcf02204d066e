//! FAILOVER: this node gives its place to a replica, or takes that of its primary. What is decided is decided by
//! [`Failover`](keyslot::replication::node::Failover).

use super::State;
use crate::host::Node;
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::{Asker, EffectSink, Offset};
use keyslot::replication::link::{HandOver, ReplicaError, ReplicaLink, ReplicationId};
use keyslot::replication::node::{
    FailoverCommand, FailoverError, FailoverRequest, FailoverStep, Place, Standing, TakeOverError, Undo,
    admit_take_over,
};

impl Node {
    /// `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]`.
    pub(super) fn fail_over(&self, args: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        if self.cluster.is_some() {
            return reply.error("ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.");
        }
        let outcome = match FailoverCommand::parse(args) {
            Ok(FailoverCommand::Begin(request)) => self.begin_failover(request),
            Ok(FailoverCommand::Abort) => self.abort_failover(),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(&error.to_string()),
        }
    }

    fn begin_failover(&self, request: FailoverRequest) -> Result<(), FailoverError> {
        let told = match &request.to {
            Some((host, port)) => format!("FAILOVER requested to {host}:{port}."),
            None => "FAILOVER requested to any replica.".to_owned(),
        };
        let mut state = self.replication.state.lock();
        let State { failover, stream, upstream, .. } = &mut *state;
        let place = match upstream {
            Some(_) => Place::Follows,
            None => Place::Leads(stream.as_ref().map(Standing::primary)),
        };
        failover.begin(request, place, self.engine.now())?;
        drop(state);
        tracing::info!("{told}");
        self.move_failover();
        Ok(())
    }

    fn abort_failover(&self) -> Result<(), FailoverError> {
        let mut state = self.replication.state.lock();
        let step = state.failover.abort()?;
        self.take_step(state, step);
        Ok(())
    }

    /// Does what a failover needs next, if one is under way.
    pub(super) fn move_failover(&self) {
        let mut state = self.replication.state.lock();
        let State { failover, stream, upstream, .. } = &mut *state;
        let (None, Some(stream)) = (upstream, stream) else { return };
        if let Some(step) = failover.poll(stream.primary(), stream.journal().end(), self.engine.now()) {
            self.take_step(state, step);
        }
    }

    fn take_step(&self, mut state: parking_lot::MutexGuard<'_, State>, step: FailoverStep) {
        match step {
            FailoverStep::Follow(target) => {
                tracing::info!(
                    "Failover target {}:{} is synced or has had its time, failing over.",
                    target.host,
                    target.port
                );
                self.begin_following(&mut state, target);
                drop(state);
                self.has_followed();
            }
            FailoverStep::Aborted(reason, undo) => {
                if undo == Undo::Lead {
                    self.begin_leading(&mut state);
                }
                state.failover.release();
                drop(state);
                if undo == Undo::Lead {
                    self.has_led("a failover was given up");
                }
                tracing::info!("FAILOVER aborted: {reason}");
            }
        }
    }

    /// The primary asks this replica to lead, and knows the stream by this name.
    pub(super) fn take_over(
        &self,
        asker: Asker<'_>,
        wanted: Option<(ReplicationId, Offset)>,
        hand_over: HandOver,
    ) -> Result<(), TakeOverError> {
        let mut state = self.replication.state.lock();
        let known = state.stream.as_ref().filter(|stream| stream.is_known()).map(Standing::history);
        admit_take_over(state.upstream.as_ref().map(|_| known.as_ref()), self.engine.position(), wanted, hand_over)?;
        self.begin_leading(&mut state);
        drop(state);
        self.has_led(&format!("failover request from {}", asker.addr));
        Ok(())
    }

    /// The link to a primary has ended.
    pub(super) fn end_link(&self, link: &ReplicaLink, error: Option<&ReplicaError>) {
        let mut state = self.replication.state.lock();
        // A node that leads meanwhile has a history of its own.
        if state.upstream.is_none() {
            return;
        }
        if let (Some(stream), Some(error)) = (&mut state.stream, error) {
            stream.take_error(error, super::fresh_id());
        }
        if let Some(step) = state.failover.take_end(link.awaits_answer(), error) {
            self.take_step(state, step);
        }
    }
}
