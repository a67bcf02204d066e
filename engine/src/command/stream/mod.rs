//! Streams and their consumer groups.

mod ack;
mod add;
mod arguments;
mod autoclaim;
#[cfg(test)]
mod blocking_tests;
mod claim;
mod claims;
mod delete;
mod delivery;
mod group;
#[cfg(test)]
mod group_tests;
mod info;
mod len;
mod limits;
mod lookup;
mod pending;
mod range;
mod read;
mod recording;
#[cfg(test)]
mod replay_tests;
mod reply;
mod set_id;
mod trim;

pub use add::{AddId, AddOptions};
pub use autoclaim::{AutoClaimOptions, AutoClaimed};
pub use claim::ClaimOptions;
pub use group::GroupStart;
pub use info::{ConsumerInfo, GroupInfo, StreamInfo};
pub use pending::{PendingEntry, PendingSummary};
pub use read::{ReadFrom, ReadOptions, StreamRead};
pub(super) use recording::record_stream;
pub use reply::StreamEntry;
pub use trim::TrimOptions;

use super::row::Row;

pub(super) const ROWS: &[Row] = &[
    ack::XACK,
    add::XADD,
    autoclaim::XAUTOCLAIM,
    claim::XCLAIM,
    delete::XDEL,
    group::XGROUP,
    info::XINFO,
    len::XLEN,
    pending::XPENDING,
    range::XRANGE,
    read::XREAD,
    read::XREADGROUP,
    range::XREVRANGE,
    set_id::XSETID,
    trim::XTRIM,
];
