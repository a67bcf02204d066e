//! Whether a primary that came up empty gives its emptiness to replicas that have data.
//!
//! A replica that asks for more of a history which the node does not know had a primary with data. If the node is that primary, and
//! its data is gone, a full resync destroys the last copy. So a node that started empty refuses, until it is told otherwise or
//! follows another: what clients wrote since does not make it the node that it was.
//!
//! Only the primary can tell: to a replica, an empty primary and one whose offsets began anew look alike until the snapshot is read.

use crate::link::{History, SyncRequest};
use keyslot_engine::Offset;

/// When a node that started empty refuses replicas that have data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EmptyPrimary {
    /// If it is known that it had data, and replicas.
    #[default]
    RefusesIfBereft,
    /// Always.
    Refuses,
    /// Never.
    Serves,
}

/// What a node started with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartedWith {
    /// Data, or a place in a history; or it was told since what its data is.
    Data,
    /// Nothing, as far as anybody knows for the first time.
    Nothing,
    /// Nothing, and it had data and replicas before.
    Loss,
}

impl EmptyPrimary {
    /// Whether who asks this is refused, by a node of this history that leads.
    pub fn refuses(self, started: StartedWith, request: SyncRequest, history: &History) -> bool {
        let is_guarded = match (self, started) {
            (Self::Serves, _) | (_, StartedWith::Data) | (Self::RefusesIfBereft, StartedWith::Nothing) => false,
            (Self::Refuses | Self::RefusesIfBereft, StartedWith::Loss) | (Self::Refuses, StartedWith::Nothing) => true,
        };
        // Some ask at offset 0 without having anything; who had replicas before spares them all the same.
        let may_have = |at| at > Offset(0) || started == StartedWith::Loss;
        let has_data = request.wanted().is_some_and(|(id, at)| may_have(at) && !history.holds(&id, at));
        is_guarded && has_data
    }
}

/// What who is refused is told. Replicas of all kinds try again later.
pub const EMPTY_PRIMARY_TEXT: &str = "NOMASTERLINK This node started without data, and does not replace that of a replica by it. \
                                      CONFIG SET empty-primary-guard no allows it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::ReplicationId;

    #[test]
    fn a_replica_with_data_is_refused_by_who_lost_its_own() {
        let [a, b] = [1, 2].map(|n| ReplicationId::from_chance([n, n << 40, 7]));
        let history = History::new(a);
        let asks = |id, at| SyncRequest::Continue(Some((id, Offset(at))));
        let refuses = |guard: EmptyPrimary, started, request| guard.refuses(started, request, &history);
        use {EmptyPrimary::*, StartedWith::*};
        for (guard, started, refused) in [
            (RefusesIfBereft, Loss, true),
            (RefusesIfBereft, Nothing, false),
            (RefusesIfBereft, Data, false),
            (Refuses, Loss, true),
            (Refuses, Nothing, true),
            (Refuses, Data, false),
            (Serves, Loss, false),
        ] {
            assert_eq!(refuses(guard, started, asks(b, 77)), refused, "{guard:?} {started:?}");
            assert_eq!(refuses(guard, started, asks(b, 0)), refused && started == Loss, "{guard:?} {started:?}");
            for other in [asks(a, 77), SyncRequest::Continue(None), SyncRequest::Sync] {
                assert!(!refuses(guard, started, other));
            }
        }
    }
}
