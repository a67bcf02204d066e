//! FAILOVER, PSYNC, SYNC, REPLCONF, REPLICAOF, WAIT, WAITAOF: links to other nodes. The host does them.

use crate::command::Run;
use crate::command::row::flag::{ADMIN, ALLOW_BUSY, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT, STALE};
use crate::command::row::{Group, Row, category};

pub(super) const FAILOVER: Row = Row::new("failover", -1, Run::Host)
    .flags(ADMIN | NOSCRIPT | STALE)
    .summary("Starts a coordinated failover from a server to one of its replicas.")
    .docs(Group::Server, "6.2.0", "O(1)")
    .args("target:block?=TO{host:string port:integer force?=FORCE} abort?=ABORT milliseconds:integer?=TIMEOUT");

pub(super) const PSYNC: Row = Row::new("psync", -3, Run::Host)
    .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI)
    .summary("An internal command used in replication.")
    .docs(Group::Server, "2.8.0", "")
    .args("replicationid:string offset:integer");

pub(super) const REPLCONF: Row = Row::new("replconf", -1, Run::Host)
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY)
    .summary("An internal command for configuring the replication stream.")
    .docs(Group::Server, "3.0.0", "O(1)")
    .system();

pub(super) const REPLICAOF: Row = Row::new("replicaof", 3, Run::Host)
    .flags(ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING)
    .summary("Configures a server as replica of another, or promotes it to a master.")
    .docs(Group::Server, "5.0.0", "O(1)")
    .args("args:oneof{host-port:block{host:string port:integer} no-one:block{no=NO one=ONE}}");

pub(super) const SLAVEOF: Row = Row::new("slaveof", 3, Run::Host)
    .flags(ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING)
    .summary("Sets a Redis server as a replica of another, or promotes it to being a master.")
    .docs(Group::Server, "1.0.0", "O(1)")
    .deprecated("5.0.0", "`REPLICAOF`")
    .args("args:oneof{host-port:block{host:string port:integer} no-one:block{no=NO one=ONE}}");

pub(super) const SYNC: Row = Row::new("sync", 1, Run::Host)
    .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI)
    .summary("An internal command used in replication.")
    .docs(Group::Server, "1.0.0", "");

pub(super) const WAIT: Row = Row::new("wait", 3, Run::Host)
    .categories(category::CONNECTION)
    .tips("request_policy:all_shards response_policy:agg_min")
    .summary(
        "Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed.",
    )
    .docs(Group::Generic, "3.0.0", "O(1)")
    .args("numreplicas:integer timeout:integer");

pub(super) const WAITAOF: Row = Row::new("waitaof", 4, Run::Host)
    .flags(NOSCRIPT)
    .categories(category::CONNECTION)
    .tips("request_policy:all_shards response_policy:agg_min")
    .summary(
        "Blocks until all of the preceding write commands sent by the connection are written to the append-only file of the \
         master and/or replicas.",
    )
    .docs(Group::Generic, "7.2.0", "O(1)")
    .args("numlocal:integer numreplicas:integer timeout:integer");
