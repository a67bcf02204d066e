//! Manual failover: a replica takes its primary's place, and nothing is lost.
//!
//! ```text
//! replica   None --CLUSTER FAILOVER--> Asked --the primary holds writes, at this offset--> Catching --it is there--> Ready: elected
//!             '----FORCE---------------------------------------------------------------------------------------->'
//! primary   None --it is asked to-----> Holding --another has its slots, or the time is over--> None
//!   whatever takes longer than the time allowed: None, and writes go on
//! ```

use super::super::message::{Body, Header};
use super::super::name::NodeName;
use super::Member;
use super::output::{MemberEvent, MemberOutput};
use keyslot_engine::UnixMillis;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HandOver {
    None,
    Asked { until: UnixMillis },
    Catching { until: UnixMillis, goal: u64 },
    Ready { until: UnixMillis },
    Holding { until: UnixMillis, replica: NodeName },
}

impl Member {
    /// Begins one, of this replica; `is_forced`: without its primary.
    pub(super) fn begin_hand_over(&mut self, is_forced: bool, now: UnixMillis) {
        let until = now.saturating_add(HAND_OVER_MS);
        self.end_hand_over();
        self.hand_over = if is_forced { HandOver::Ready { until } } else { HandOver::Asked { until } };
        if let Some(primary) = self.roster.me().primary.filter(|_| !is_forced) {
            let request = self.message(Body::ManualFailover);
            self.send_to(&primary, &request);
        }
        self.tend_election(now);
    }

    /// A replica asks this primary to hold writes.
    pub(super) fn hold_for(&mut self, replica: NodeName, now: UnixMillis) {
        let me = self.roster.me();
        let follows = self.roster.node(&replica).is_some_and(|node| node.primary == Some(me.name));
        if !me.is_primary() || !follows {
            return;
        }
        self.end_hand_over();
        self.hand_over = HandOver::Holding { until: now.saturating_add(HAND_OVER_MS), replica };
        // Longer than the replica may take: it is elected with writes held, or not at all.
        self.outputs.push_back(MemberOutput::HoldWrites(now.saturating_add(HAND_OVER_MS * HOLD_TIMES)));
        self.tell(MemberEvent::Manual(format!("writes are held for {replica}")));
        self.next_tick = now;
    }

    /// Whether writes are held, and none is under way: the offset is the last.
    pub(super) fn holds_writes(&self) -> bool {
        matches!(self.hand_over, HandOver::Holding { .. }) && self.facts.is_still
    }

    /// Whether this node waits to be taken over by that one.
    pub(super) fn is_held_for(&self, name: &NodeName) -> bool {
        matches!(&self.hand_over, HandOver::Holding { replica, .. } if replica == name)
    }

    /// Takes from the primary that it holds writes.
    pub(super) fn hear_of_hold(&mut self, name: NodeName, header: &Header) {
        if let HandOver::Asked { until } = self.hand_over
            && header.is_paused
            && self.roster.me().primary == Some(name)
        {
            self.hand_over = HandOver::Catching { until, goal: header.offset };
            self.tell(MemberEvent::Manual(format!("the primary holds writes at offset {}", header.offset)));
            self.next_tick = UnixMillis(0);
        }
    }

    /// Goes on with one.
    pub(super) fn tend_hand_over(&mut self, now: UnixMillis) {
        match self.hand_over {
            HandOver::None => {}
            HandOver::Asked { until }
            | HandOver::Catching { until, .. }
            | HandOver::Ready { until }
            | HandOver::Holding { until, .. }
                if until <= now =>
            {
                self.tell(MemberEvent::Manual("given up: it took too long".to_owned()));
                self.end_hand_over();
            }
            HandOver::Catching { until, goal } if self.facts.offset >= goal => {
                self.hand_over = HandOver::Ready { until };
                self.tell(MemberEvent::Manual(format!("this replica is at offset {goal}, as its primary")));
            }
            HandOver::Catching { .. } => self.next_tick = now.saturating_add(SOON_MS),
            HandOver::Holding { replica, .. } => {
                let ping = self.pulse_message(Body::Ping, Some(replica), now);
                self.send_to(&replica, &ping);
                self.next_tick = now.saturating_add(SOON_MS);
            }
            HandOver::Asked { .. } | HandOver::Ready { .. } => {}
        }
    }

    /// Whether votes are to be asked for although the primary is there. Looked at by the time, as writes are not held for long.
    pub(super) fn is_hand_over_ready(&self, now: UnixMillis) -> bool {
        matches!(self.hand_over, HandOver::Ready { until } if until > now)
    }

    /// Ends it, however far it is.
    pub(super) fn end_hand_over(&mut self) {
        if matches!(std::mem::replace(&mut self.hand_over, HandOver::None), HandOver::Holding { .. }) {
            self.outputs.push_back(MemberOutput::ReleaseWrites);
        }
    }
}

/// How long one may take.
const HAND_OVER_MS: i64 = 5000;
/// Writes are held for so many times that, at the most.
const HOLD_TIMES: i64 = 2;
/// How soon is looked again while clients wait.
const SOON_MS: i64 = 2;
