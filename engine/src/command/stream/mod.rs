//! Streams and their consumer groups.

mod add;
mod arguments;
mod delete;
mod len;
mod limits;
mod lookup;
mod range;
mod reply;
mod set_id;
mod trim;

pub use add::{AddId, AddOptions};
pub use reply::StreamEntry;
pub use trim::TrimOptions;

use super::row::Row;

pub(super) const ROWS: &[Row] =
    &[add::XADD, delete::XDEL, len::XLEN, range::XRANGE, range::XREVRANGE, set_id::XSETID, trim::XTRIM];
