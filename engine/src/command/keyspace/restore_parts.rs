//! `RESTORE-BEGIN key [REPLACE]`, `RESTORE-END key`: a key comes from another node in pieces, by commands of the same client in between.
//! Between nodes of Keyslot alone. The host does it.
//!
//! Reply: OK; BUSYKEY if there is such a key. Nobody else finds the key in between; if the client leaves, what there is of it is deleted.

use crate::command::Run;
use crate::command::row::category::{DANGEROUS, KEYSPACE};
use crate::command::row::flag::{ASKING, DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};

pub(super) const RESTORE_BEGIN: Row = row("restore-begin", -2)
    .summary("An internal command that begins a key which comes in pieces.")
    .args("key:key#0 replace?=REPLACE");

pub(super) const RESTORE_END: Row =
    row("restore-end", 2).summary("An internal command that ends a key which came in pieces.").args("key:key#0");

const KEYS: &[KeySpec] = &[KeySpec::index(1).ow().update()];

const fn row(name: &'static str, arity: i16) -> Row {
    Row::new(name, arity, Run::Host)
        .flags(WRITE | DENYOOM | ASKING)
        .categories(KEYSPACE | DANGEROUS)
        .keys(KEYS)
        .docs(Group::Server, "7.2.4", "O(1)")
        .system()
}
