//! SAVE, BGSAVE, LASTSAVE and BGREWRITEAOF: files of the whole data. The host does them.

use crate::command::Run;
use crate::command::row::flag::{ADMIN, FAST, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT, STALE};
use crate::command::row::{Group, Row, category};

pub(super) const SAVE: Row = Row::new("save", 1, Run::Host)
    .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI)
    .summary("Synchronously saves the database(s) to disk.")
    .docs(Group::Server, "1.0.0", "O(N) where N is the total number of keys in all databases");

pub(super) const BGSAVE: Row = Row::new("bgsave", -1, Run::Host)
    .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING)
    .summary("Asynchronously saves the database(s) to disk.")
    .docs(Group::Server, "1.0.0", "O(1)")
    .history(&[("3.2.2", "Added the `SCHEDULE` option.")])
    .args("schedule@3.2.2?=SCHEDULE");

pub(super) const LASTSAVE: Row = Row::new("lastsave", 1, Run::Host)
    .flags(LOADING | STALE | FAST)
    .categories(category::ADMIN | category::DANGEROUS)
    .tips("nondeterministic_output")
    .summary("Returns the Unix timestamp of the last successful save to disk.")
    .docs(Group::Server, "1.0.0", "O(1)");

pub(super) const BGREWRITEAOF: Row = Row::new("bgrewriteaof", 1, Run::Host)
    .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING)
    .summary("Asynchronously rewrites the append-only file to disk.")
    .docs(Group::Server, "1.0.0", "O(1)");
