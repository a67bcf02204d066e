//! Whether the cluster serves, as this node sees it.
//!
//! ```text
//!              the delay is over, and all is well
//! Starting --------------------------------------> Up <------------------------------------------.
//!                                                   |  a slot is nobody's, or its owner is down   |  all is well; of a primary that
//!                                                   |  fewer than a majority are there            |  was in a minority only after
//!                                                   '------------------------------> Down --------'  the rejoin delay
//! ```

use super::Member;
use super::output::MemberEvent;
use keyslot_engine::{SLOT_COUNT, UnixMillis};

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Health {
    /// A primary waits whether others took its place while it was away.
    Starting { until: UnixMillis },
    /// The cluster serves.
    Up,
    /// It does not. `minority`: when this node was in a minority last.
    Down { minority: Option<UnixMillis> },
}

impl Health {
    pub(super) fn at_start(now: UnixMillis, delay_ms: i64) -> Self {
        Self::Starting { until: now.saturating_add(delay_ms) }
    }

    pub(super) fn is_up(self) -> bool {
        self == Self::Up
    }
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    None,
    /// Slots are not served, and all have to be; or this node's are not, as it lost what it acknowledged.
    Gaps,
    /// This node does not see a majority.
    Minority,
}

impl Member {
    /// Looks whether the cluster serves.
    pub(super) fn review_health(&mut self, now: UnixMillis) {
        let is_primary = self.roster.me().is_primary();
        let next = match (self.health, self.trouble()) {
            (Health::Starting { until }, _) if is_primary && now < until => self.health,
            (_, Trouble::Minority) => Health::Down { minority: Some(now) },
            (Health::Starting { .. } | Health::Up, Trouble::Gaps) => Health::Down { minority: None },
            (Health::Down { .. }, Trouble::Gaps) => self.health,
            (Health::Down { minority: Some(at) }, Trouble::None)
                if is_primary && now.0 - at.0 < self.options.rejoin_delay_ms() =>
            {
                self.health
            }
            (_, Trouble::None) => Health::Up,
        };
        let before = std::mem::replace(&mut self.health, next);
        if before.is_up() != next.is_up() {
            self.is_unserved = true;
            self.tell(MemberEvent::Turned(next.is_up()));
        }
    }

    fn trouble(&self) -> Trouble {
        if self.is_bereft() {
            return Trouble::Gaps;
        }
        let (mut size, mut there, mut served) = (0, 0, 0);
        for node in self.voters() {
            size += 1;
            there += usize::from(Self::is_there(node));
            served += if node.is_failed() { 0 } else { node.slots.len() };
        }
        if there < size / 2 + 1 && size > 0 {
            return Trouble::Minority;
        }
        match self.options.requires_full_coverage && served < SLOT_COUNT {
            true => Trouble::Gaps,
            false => Trouble::None,
        }
    }
}
