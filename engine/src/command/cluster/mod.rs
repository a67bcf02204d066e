//! CLUSTER: slots of this engine are looked at here; who serves which slot is decided by the host.
//!
//! ASKING, READONLY and READWRITE are marks on the connection.

mod connection;
mod slot_stats;
mod slots;

use super::Run;
use super::row::flag::{ADMIN, LOADING, NO_ASYNC_LOADING, NOSCRIPT, STALE};
use super::row::{Group, Row};
use slots::{count_keys, help_in_cluster, key_slot, keys_in_slot};

/// Rows of the family.
pub(super) const ROWS: &[Row] = &[connection::ASKING, CLUSTER, connection::READONLY, connection::READWRITE];

const CLUSTER: Row = Row::container("cluster", Run::Host, CLUSTER_SUBCOMMANDS, CLUSTER_HELP)
    .summary("A container for Redis Cluster commands.")
    .docs(Group::Cluster, "3.0.0", "Depends on subcommand.");

const CLUSTER_SUBCOMMANDS: &[Row] = &[
    Row::new("cluster|addslots", -3, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Assigns new hash slots to a node.")
        .docs(Group::Cluster, "3.0.0", "O(N) where N is the total number of hash slot arguments")
        .args("slot:integer*"),
    Row::new("cluster|addslotsrange", -4, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Assigns new hash slot ranges to a node.")
        .docs(
            Group::Cluster,
            "7.0.0",
            "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        )
        .args("range:block*{start-slot:integer end-slot:integer}"),
    Row::new("cluster|bumpepoch", 2, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .tips("nondeterministic_output")
        .summary("Advances the cluster config epoch.")
        .docs(Group::Cluster, "3.0.0", "O(1)"),
    Row::new("cluster|count-failure-reports", 3, Run::Host)
        .flags(ADMIN | STALE)
        .tips("nondeterministic_output")
        .summary("Returns the number of active failure reports active for a node.")
        .docs(Group::Cluster, "3.0.0", "O(N) where N is the number of failure reports")
        .args("node-id:string"),
    Row::new("cluster|cancelslotmigrations", 2, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Cancels all transfers of slots that this node began.")
        .docs(Group::Cluster, "9.0.0", "O(N), where N is the number of transfers."),
    Row::new("cluster|countkeysinslot", 3, Run::Connection(count_keys))
        .flags(STALE)
        .summary("Returns the number of keys in a hash slot.")
        .docs(Group::Cluster, "3.0.0", "O(1)")
        .args("slot:integer"),
    Row::new("cluster|delslots", -3, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Sets hash slots as unbound for a node.")
        .docs(Group::Cluster, "3.0.0", "O(N) where N is the total number of hash slot arguments")
        .args("slot:integer*"),
    Row::new("cluster|delslotsrange", -4, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Sets hash slot ranges as unbound for a node.")
        .docs(
            Group::Cluster,
            "7.0.0",
            "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        )
        .args("range:block*{start-slot:integer end-slot:integer}"),
    Row::new("cluster|failover", -2, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Forces a replica to perform a manual failover of its master.")
        .docs(Group::Cluster, "3.0.0", "O(1)")
        .args("options:oneof?{force=FORCE takeover=TAKEOVER}"),
    Row::new("cluster|flushslots", 2, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Deletes all slots information from a node.")
        .docs(Group::Cluster, "3.0.0", "O(1)"),
    Row::new("cluster|forget", 3, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Removes a node from the nodes table.")
        .docs(Group::Cluster, "3.0.0", "O(1)")
        .args("node-id:string"),
    Row::new("cluster|getkeysinslot", 4, Run::Connection(keys_in_slot))
        .flags(STALE)
        .tips("nondeterministic_output")
        .summary("Returns the key names in a hash slot.")
        .docs(Group::Cluster, "3.0.0", "O(N) where N is the number of requested keys")
        .args("slot:integer count:integer"),
    Row::new("cluster|getslotmigrations", 2, Run::Host)
        .flags(ADMIN | STALE)
        .summary("Returns the state of transfers of slots, under way and recent ones.")
        .docs(Group::Cluster, "9.0.0", "O(N), where N is the number of transfers."),
    Row::new("cluster|help", 2, Run::Connection(help_in_cluster))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(Group::Cluster, "5.0.0", "O(1)"),
    Row::new("cluster|info", 2, Run::Host)
        .flags(STALE)
        .tips("nondeterministic_output")
        .summary("Returns information about the state of a node.")
        .docs(Group::Cluster, "3.0.0", "O(1)"),
    Row::new("cluster|keyslot", 3, Run::Connection(key_slot))
        .flags(STALE)
        .summary("Returns the hash slot for a key.")
        .docs(Group::Cluster, "3.0.0", "O(N) where N is the number of bytes in the key")
        .args("key:string"),
    Row::new("cluster|links", 2, Run::Host)
        .flags(STALE)
        .tips("nondeterministic_output")
        .summary("Returns a list of all TCP links to and from peer nodes.")
        .docs(Group::Cluster, "7.0.0", "O(N) where N is the total number of Cluster nodes"),
    Row::new("cluster|meet", -4, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Forces a node to handshake with another node.")
        .docs(Group::Cluster, "3.0.0", "O(1)")
        .args("ip:string port:integer cluster-bus-port:integer@4.0.0?")
        .history(&[("4.0.0", "Added the optional `cluster_bus_port` argument.")]),
    Row::new("cluster|migrateslots", -6, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Begins to move slots to other nodes at once, with their keys.")
        .docs(Group::Cluster, "9.0.0", "O(N) where N is the total number of the slots named."),
    Row::new("cluster|myid", 2, Run::Host).flags(STALE).summary("Returns the ID of a node.").docs(
        Group::Cluster,
        "3.0.0",
        "O(1)",
    ),
    Row::new("cluster|myshardid", 2, Run::Host)
        .flags(STALE)
        .tips("nondeterministic_output")
        .summary("Returns the shard ID of a node.")
        .docs(Group::Cluster, "7.2.0", "O(1)")
        .history(&[]),
    Row::new("cluster|nodes", 2, Run::Host)
        .flags(STALE)
        .tips("nondeterministic_output")
        .summary("Returns the cluster configuration for a node.")
        .docs(Group::Cluster, "3.0.0", "O(N) where N is the total number of Cluster nodes"),
    Row::new("cluster|replicas", 3, Run::Host)
        .flags(ADMIN | STALE)
        .tips("nondeterministic_output")
        .summary("Lists the replica nodes of a master node.")
        .docs(Group::Cluster, "5.0.0", "O(N) where N is the number of replicas.")
        .args("node-id:string"),
    Row::new("cluster|replicate", 3, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Configure a node as replica of a master node.")
        .docs(Group::Cluster, "3.0.0", "O(1)")
        .args("node-id:string"),
    Row::new("cluster|reset", -2, Run::Host)
        .flags(ADMIN | NOSCRIPT | STALE)
        .summary("Resets a node.")
        .docs(
            Group::Cluster,
            "3.0.0",
            "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
        )
        .args("reset-type:oneof?{hard=HARD soft=SOFT}"),
    Row::new("cluster|saveconfig", 2, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Forces a node to save the cluster configuration to disk.")
        .docs(Group::Cluster, "3.0.0", "O(1)"),
    Row::new("cluster|set-config-epoch", 3, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Sets the configuration epoch for a new node.")
        .docs(Group::Cluster, "3.0.0", "O(1)")
        .args("config-epoch:integer"),
    Row::new("cluster|setslot", -4, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("Binds a hash slot to a node.")
        .docs(Group::Cluster, "3.0.0", "O(1)")
        .args(
            "slot:integer subcommand:oneof{importing<node-id>:string=IMPORTING migrating<node-id>:string=MIGRATING \
             node<node-id>:string=NODE stable=STABLE}",
        ),
    Row::new("cluster|shards", 2, Run::Host)
        .flags(LOADING | STALE)
        .tips("nondeterministic_output")
        .summary("Returns the mapping of cluster slots to shards.")
        .docs(Group::Cluster, "7.0.0", "O(N) where N is the total number of cluster nodes")
        .history(&[]),
    Row::new("cluster|slaves", 3, Run::Host)
        .flags(ADMIN | STALE)
        .tips("nondeterministic_output")
        .summary("Lists the replica nodes of a master node.")
        .docs(Group::Cluster, "3.0.0", "O(N) where N is the number of replicas.")
        .deprecated("5.0.0", "`CLUSTER REPLICAS`")
        .args("node-id:string"),
    slot_stats::SLOT_STATS,
    Row::new("cluster|slots", 2, Run::Host)
        .flags(LOADING | STALE)
        .tips("nondeterministic_output")
        .summary("Returns the mapping of cluster slots to nodes.")
        .docs(Group::Cluster, "3.0.0", "O(N) where N is the total number of Cluster nodes")
        .deprecated("7.0.0", "`CLUSTER SHARDS`")
        .history(&[("4.0.0", "Added node IDs."), ("7.0.0", "Added additional networking metadata field.")]),
    Row::new("cluster|syncslots", -3, Run::Host)
        .flags(ADMIN | STALE | NO_ASYNC_LOADING)
        .summary("An internal command for transfers of slots between nodes.")
        .docs(Group::Cluster, "9.0.0", "Depends on what is asked."),
];

/// HELP of CLUSTER.
const CLUSTER_HELP: &[&str] = &[
    "ADDSLOTS <slot> [<slot> ...]",
    "    Assign slots to current node.",
    "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Assign slots which are between <start-slot> and <end-slot> to current node.",
    "BUMPEPOCH",
    "    Advance the cluster config epoch.",
    "COUNT-FAILURE-REPORTS <node-id>",
    "    Return number of failure reports for <node-id>.",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "DELSLOTS <slot> [<slot> ...]",
    "    Delete slots information from current node.",
    "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Delete slots information which are between <start-slot> and <end-slot> from current node.",
    "FAILOVER [FORCE|TAKEOVER]",
    "    Promote current replica node to being a master.",
    "FORGET <node-id>",
    "    Remove a node from the cluster.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names stored by current node in a slot.",
    "FLUSHSLOTS",
    "    Delete current node own slots information.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "MEET <ip> <port> [<bus-port>]",
    "    Connect nodes into a working cluster.",
    "MYID",
    "    Return the node id.",
    "MYSHARDID",
    "    Return the node's shard id.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port@bus-port[,hostname]> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICATE <node-id>",
    "    Configure current node as replica to <node-id>.",
    "RESET [HARD|SOFT]",
    "    Reset current node (default: soft).",
    "SET-CONFIG-EPOCH <epoch>",
    "    Set config epoch of current node.",
    "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
    "    Set slot state.",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "SAVECONFIG",
    "    Force saving cluster configuration on disk.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "    Output format is an array where each array element is a map containing attributes of a link",
];

#[cfg(test)]
mod gate_tests;
#[cfg(test)]
mod tests;
