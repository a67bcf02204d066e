//! Every key that Redis 7.2 knows, one row each, and the few of our own.
//!
//! A row says what the value may be, what a node that was told nothing uses, when it may change, and whether this node
//! acts on it ([`Effect::Live`]) or takes it for compatibility only ([`Effect::None`]).

use super::kind::Kind;
use std::collections::HashMap;
use std::sync::OnceLock;

/// One key.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// An older or other spelling, listed beside the name by CONFIG GET.
    pub(crate) alias: Option<&'static str>,
    pub(crate) kind: Kind,
    /// The words of a node that was told nothing, separated by single spaces.
    pub(crate) standard: &'static str,
    pub(crate) change: Change,
    pub(crate) effect: Effect,
    /// Whether CONFIG GET shows it only to those who name it in full.
    pub(crate) is_hidden: bool,
}

/// Whether CONFIG SET may touch a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Anytime,
    /// Only with `enable-protected-configs`.
    Protected,
    AtStart,
}

/// What a key does here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// Nothing: known, checked, shown and kept, but without effect.
    None,
    /// It works, and this is what it does.
    Live { group: Group, about: &'static str },
}

/// The chapters of `--help`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Group {
    Network,
    Limits,
    Security,
    Persistence,
    Replication,
    Cluster,
    Diagnostics,
    Process,
}

/// A row's place in [`ROWS`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct RowIndex(pub(crate) usize);

impl RowIndex {
    pub(crate) fn row(self) -> &'static Row {
        &ROWS[self.0]
    }
}

/// The row called `name`, in any spelling of letters, by its name or its alias.
pub(crate) fn find(name: &[u8]) -> Option<RowIndex> {
    static INDEX: OnceLock<HashMap<&'static str, RowIndex>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let named = ROWS.iter().enumerate().flat_map(|(at, row)| row.names().map(move |name| (name, RowIndex(at))));
        named.collect()
    });
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    index.get(name.as_str()).copied()
}

impl Row {
    /// The name, then the alias.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.alias)
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.effect, Effect::Live { .. })
    }

    const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    const fn at_start(mut self) -> Self {
        self.change = Change::AtStart;
        self
    }

    const fn protected(mut self) -> Self {
        self.change = Change::Protected;
        self
    }

    const fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    const fn live(mut self, group: Group, about: &'static str) -> Self {
        self.effect = Effect::Live { group, about };
        self
    }
}

const fn row(name: &'static str, kind: Kind, standard: &'static str) -> Row {
    Row { name, alias: None, kind, standard, change: Change::Anytime, effect: Effect::None, is_hidden: false }
}

const fn switch(name: &'static str, standard: &'static str) -> Row {
    row(name, Kind::Switch, standard)
}

const fn count(name: &'static str, min: i64, max: i64, standard: &'static str) -> Row {
    row(name, Kind::Integer { min, max }, standard)
}

const fn bytes(name: &'static str, min: u64, max: u64, standard: &'static str) -> Row {
    row(name, Kind::Memory { min, max }, standard)
}

const fn text(name: &'static str, standard: &'static str) -> Row {
    row(name, Kind::Text, standard)
}

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
const UINT: i64 = u32::MAX as i64;
const PORT: i64 = 65535;
const BYTES: u64 = i64::MAX as u64;
const MEGABYTE: u64 = 1 << 20;

const YES_NO_LOCAL: &[&str] = &["no", "yes", "local"];
const FACILITIES: &[&str] = &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"];
const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];

use Group::{Cluster, Diagnostics, Limits, Network, Persistence, Process, Replication, Security};

/// All keys, by topic.
#[rustfmt::skip]
pub(crate) static ROWS: &[Row] = &[
    // Addresses and connections.
    row("bind", Kind::Words { count_max: 16 }, "* -::*")
        .live(Network, "Addresses to listen on. An address after a minus sign may be missing on this machine."),
    row("bind-source-addr", Kind::Text, ""),
    count("port", 0, PORT, "6379").live(Network, "TCP port for clients; 0 for none."),
    count("tls-port", 0, PORT, "0"),
    count("tcp-backlog", 0, INT, "511").at_start()
        .live(Network, "Connections that may wait to be accepted."),
    text("unixsocket", "").at_start().live(Network, "Path of a Unix socket for clients."),
    row("unixsocketperm", Kind::Octal, "0").at_start()
        .live(Network, "Permissions of the Unix socket, in octal; 0 leaves what the process mask gives."),
    count("timeout", 0, INT, "0").live(Network, "Seconds an idle client stays connected; 0 for ever."),
    count("tcp-keepalive", 0, INT, "300").live(Network, "Seconds between probes of a silent connection; 0 for none."),
    count("io-threads", 1, 128, "1").at_start()
        .live(Network, "Threads that serve clients. Left out: one for each core."),
    switch("io-threads-do-reads", "no").at_start(),
    count("socket-mark-id", 0, UINT, "0").at_start(),

    // Limits of clients and memory.
    count("maxclients", 1, UINT, "10000").live(Limits, "Clients that may be connected at once."),
    bytes("client-query-buffer-limit", MEGABYTE, BYTES, "1gb")
        .live(Limits, "Bytes of requests that may wait for one client."),
    row("client-output-buffer-limit", Kind::BufferLimits,
        "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60")
        .live(Limits, "For each class of clients: bytes of replies that may wait, bytes that may wait for some seconds, those seconds."),
    bytes("proto-max-bulk-len", MEGABYTE, BYTES, "512mb").live(Limits, "The longest argument that a request may have."),
    row("maxmemory-clients", Kind::MemoryOrPercent, "0"),
    bytes("maxmemory", 0, u64::MAX, "0")
        .live(Limits, "Bytes that the data may take, with the buffers of clients; 0 for any. Above it keys are evicted."),
    row("maxmemory-policy", Kind::Choice(POLICIES), "noeviction")
        .live(Limits, "Which keys are evicted; noeviction refuses what would take more memory."),
    count("maxmemory-samples", 1, INT, "5").live(Limits, "Keys that are looked at for each that is evicted."),
    count("maxmemory-eviction-tenacity", 0, 100, "10")
        .live(Limits, "How long eviction may hold up a request: 50 microseconds for each, more from 10 on, 100 for any."),
    switch("replica-ignore-maxmemory", "yes").alias("slave-ignore-maxmemory"),
    count("lfu-log-factor", 0, INT, "10").live(Limits, "How slowly the counters of the lfu policies grow."),
    count("lfu-decay-time", 0, INT, "1")
        .live(Limits, "Minutes without use in which those counters fall by one; 0 for never."),
    count("tracking-table-max-keys", 0, LONG, "1000000"),
    count("databases", 1, INT, "16").at_start().live(Limits, "How many numbered databases SELECT can reach."),

    // Who may do what.
    switch("protected-mode", "yes")
        .live(Security, "Refuse clients from other machines while no password is set."),
    text("requirepass", "").live(Security, "The password that clients give with AUTH."),
    text("requirepass-file", "").at_start().hidden()
        .live(Security, "A file whose first line is the password; line ends are cut off."),
    row("enable-protected-configs", Kind::Choice(YES_NO_LOCAL), "no").at_start()
        .live(Security, "Whether CONFIG SET may change dir and dbfilename: no, yes, or only for clients of this machine."),
    row("enable-debug-command", Kind::Choice(YES_NO_LOCAL), "no").at_start()
        .live(Security, "Whether DEBUG is allowed: no, yes, or only for clients of this machine."),
    row("enable-module-command", Kind::Choice(YES_NO_LOCAL), "no").at_start(),
    text("aclfile", "").at_start()
        .live(Security, "A file of users, in the place of user lines; ACL LOAD reads it again, ACL SAVE writes it."),
    count("acllog-max-len", 0, LONG, "128").live(Security, "Entries that ACL LOG keeps."),
    row("acl-pubsub-default", Kind::Choice(&["allchannels", "resetchannels"]), "resetchannels")
        .live(Security, "Which channels a new user has until a rule says otherwise."),
    row("sanitize-dump-payload", Kind::Choice(&["no", "yes", "clients"]), "no"),

    // TLS.
    text("tls-cert-file", ""),
    text("tls-key-file", ""),
    text("tls-key-file-pass", ""),
    text("tls-client-cert-file", ""),
    text("tls-client-key-file", ""),
    text("tls-client-key-file-pass", ""),
    text("tls-dh-params-file", ""),
    text("tls-ca-cert-file", ""),
    text("tls-ca-cert-dir", ""),
    row("tls-auth-clients", Kind::Choice(&["no", "yes", "optional"]), "yes"),
    switch("tls-replication", "no"),
    switch("tls-cluster", "no"),
    text("tls-protocols", ""),
    text("tls-ciphers", ""),
    text("tls-ciphersuites", ""),
    switch("tls-prefer-server-ciphers", "no"),
    switch("tls-session-caching", "yes"),
    count("tls-session-cache-size", 0, INT, "20480"),
    count("tls-session-cache-timeout", 0, INT, "300"),

    // Files: the log.
    text("dir", "").protected().live(Persistence, "The folder of all data files."),
    switch("appendonly", "no").live(Persistence, "Keep a log of all changes and recover from it."),
    row("appendfsync", Kind::Choice(&["everysec", "always", "no"]), "everysec")
        .live(Persistence, "When the log is forced to the disk: always before a reply, every second, or never."),
    row("write-ack", Kind::WriteAck, "auto")
        .live(Persistence, "What replies wait for: memory: nothing; logged: the write to the log; durable: its fsync; replicas N: that N replicas have it; auto: the fsync with appendfsync always, else nothing."),
    row("appendfilename", Kind::FileName, "appendonly.aof").at_start()
        .live(Persistence, "Base name of the log's files."),
    row("appenddirname", Kind::FileName, "appendonlydir").at_start()
        .live(Persistence, "Folder of the log's files, inside dir."),
    switch("no-appendfsync-on-rewrite", "no"),
    count("auto-aof-rewrite-percentage", 0, INT, "100")
        .live(Persistence, "The log is compacted when it has grown by so many percent since the last time; 0: never by itself."),
    bytes("auto-aof-rewrite-min-size", 0, BYTES, "64mb")
        .live(Persistence, "And is larger than this."),
    switch("aof-load-truncated", "yes")
        .live(Persistence, "Start on a log with a torn end: it is cut off and kept in a quarantine file."),
    switch("aof-use-rdb-preamble", "yes")
        .live(Persistence, "Write new bases of the log as RDB; else as commands."),
    switch("aof-timestamp-enabled", "no"),
    switch("aof-rewrite-incremental-fsync", "yes"),
    switch("aof-disable-auto-gc", "no"),

    // Files: snapshots.
    row("save", Kind::SavePoints, "3600 1 300 100 60 10000")
        .live(Persistence, "Save after so many seconds if there were so many changes; several pairs; empty: never by itself."),
    row("dbfilename", Kind::FileName, "dump.rdb").protected()
        .live(Persistence, "The file that is saved to, and read at start where there is no log."),
    switch("stop-writes-on-bgsave-error", "yes")
        .live(Persistence, "Refuse writes while the newest save has failed."),
    switch("rdbcompression", "yes")
        .live(Persistence, "Compress long strings in files of the data and in payloads of DUMP."),
    switch("rdbchecksum", "yes").at_start()
        .live(Persistence, "End files of the data with a checksum."),
    row("aof-base-format", Kind::Choice(&["auto", "rdb", "aof", "snapshot"]), "auto")
        .live(Persistence, "Form of the log's bases: auto is what aof-use-rdb-preamble says; snapshot is Keyslot's own, the fastest, which redis-server does not read."),
    switch("instant-open", "no").at_start()
        .live(Persistence, "Serve before the data is loaded: slots are loaded when they are touched, where the log's base is a snapshot."),
    switch("rdb-del-sync-files", "no"),
    switch("rdb-save-incremental-fsync", "yes"),

    // Replication.
    row("replicaof", Kind::Primary, "").alias("slaveof").at_start()
        .live(Replication, "Host and port of the node to follow; a node that follows another serves reads."),
    text("masteruser", "").live(Replication, "The user that authenticates with the primary."),
    text("masterauth", "").live(Replication, "The password for the primary."),
    switch("replica-serve-stale-data", "yes").alias("slave-serve-stale-data")
        .live(Replication, "Serve what there is while the link to the primary is down."),
    switch("replica-read-only", "yes").alias("slave-read-only")
        .live(Replication, "Refuse writes of clients while another node is followed."),
    switch("replica-lazy-flush", "no").alias("slave-lazy-flush"),
    count("replica-priority", 0, INT, "100").alias("slave-priority")
        .live(Replication, "What Sentinel chooses among replicas by: the lowest number; 0: never."),
    switch("replica-announced", "yes").live(Replication, "Whether Sentinel tells clients of this replica."),
    text("replica-announce-ip", "").alias("slave-announce-ip")
        .live(Replication, "The address that the primary is told, where it differs from what it sees."),
    count("replica-announce-port", 0, PORT, "0").alias("slave-announce-port")
        .live(Replication, "The port that the primary is told; 0 for port."),
    switch("replica-ignore-disk-write-errors", "no"),
    switch("repl-diskless-sync", "yes")
        .live(Replication, "Send snapshots with a mark at their end, where the replica can read that; else their length is worked out first."),
    switch("repl-native-sync", "yes")
        .live(Replication, "Exchange snapshots with other Keyslot nodes in Keyslot's own form, not as RDB."),
    count("repl-diskless-sync-delay", 0, INT, "5"),
    count("repl-diskless-sync-max-replicas", 0, INT, "0"),
    row("repl-diskless-load", Kind::Choice(&["disabled", "on-empty-db", "swapdb"]), "disabled"),
    switch("repl-disable-tcp-nodelay", "no"),
    count("repl-ping-replica-period", 1, INT, "10").alias("repl-ping-slave-period")
        .live(Replication, "Seconds between two PINGs in the stream."),
    count("repl-timeout", 1, INT, "60").live(Replication, "Seconds of silence after which a link is given up."),
    bytes("repl-backlog-size", 1, BYTES, "1mb")
        .live(Replication, "How much of the stream is kept in memory for replicas that come back, where there is no log; read when the first one comes."),
    row("empty-primary-guard", Kind::Choice(&["auto", "yes", "no"]), "auto")
        .live(Replication, "Whether a primary that started without data refuses replicas that have some: always, never, or if its folder tells that it had replicas."),
    count("repl-backlog-ttl", 0, LONG, "3600"),
    count("min-replicas-to-write", 0, INT, "0").alias("min-slaves-to-write")
        .live(Replication, "Refuse writes while fewer replicas follow; 0: never."),
    count("min-replicas-max-lag", 0, INT, "10").alias("min-slaves-max-lag")
        .live(Replication, "A replica that was not heard of for so many seconds does not count for that."),
    row("propagation-error-behavior", Kind::Choice(&["ignore", "panic", "panic-on-replicas"]), "ignore"),

    // The cluster.
    switch("cluster-enabled", "no").at_start()
        .live(Cluster, "Serve the slots of a cluster node; only database 0 exists then."),
    row("cluster-config-file", Kind::Text, "nodes.conf").at_start()
        .live(Cluster, "The file in which the node keeps its name, epoch and slots."),
    count("cluster-node-timeout", 0, LONG, "15000")
        .live(Cluster, "How long, in milliseconds, a node may be silent before it is down."),
    count("cluster-port", 0, PORT, "0").at_start()
        .live(Cluster, "The port that other nodes are told to use; 0 for port + 10000."),
    text("cluster-announce-ip", "").live(Cluster, "The address that clients and nodes are told to use."),
    count("cluster-announce-port", 0, PORT, "0").live(Cluster, "The port that clients are told to use; 0 for port."),
    count("cluster-announce-tls-port", 0, PORT, "0"),
    count("cluster-announce-bus-port", 0, PORT, "0")
        .live(Cluster, "The bus port that nodes are told to use; 0 for cluster-port."),
    row("cluster-announce-hostname", Kind::HostName, "").live(Cluster, "The host name that clients are told."),
    row("cluster-seed-name", Kind::Words { count_max: 64 }, "")
        .live(Cluster, "Names, host or host:bus-port, at whose addresses members are looked for that are not reached."),
    row("cluster-announce-human-nodename", Kind::HostName, "").live(Cluster, "What people call this node."),
    row("cluster-preferred-endpoint-type", Kind::Choice(&["ip", "hostname", "unknown-endpoint"]), "ip")
        .live(Cluster, "What CLUSTER SLOTS names first: ip, hostname or unknown-endpoint."),
    count("cluster-migration-barrier", 0, INT, "1")
        .live(Cluster, "Replicas that a primary keeps before one of them goes to a primary without."),
    count("cluster-replica-validity-factor", 0, INT, "10")
        .alias("cluster-slave-validity-factor")
        .live(Cluster, "A replica whose data is older than so many node timeouts does not stand for election; 0 for any."),
    switch("cluster-require-full-coverage", "yes")
        .live(Cluster, "Serve nothing while any slot is served by nobody."),
    switch("cluster-fast-detection", "no")
        .live(Cluster, "A node that refuses connections is suspected at once: its process has died."),
    switch("cluster-strict-failover", "no").at_start()
        .live(Cluster, "With write-ack replicas N nothing that was acknowledged is lost by a failover; on all nodes, or none."),
    switch("cluster-proxy", "no")
        .live(Cluster, "Do what clients ask that know nothing of the cluster at the nodes that serve it."),
    row("slot-mode", Kind::Choice(&["standard", "strict", "lenient"]), "standard")
        .live(Cluster, "Requests over several slots: as in Redis; never; or wherever this node serves all of them."),
    switch("cluster-auto-rebalance", "no")
        .live(Cluster, "Slots move by themselves when primaries joined or left, until each bears its share of the keys."),
    count("cluster-auto-rebalance-delay", 0, INT, "30000")
        .live(Cluster, "Milliseconds for which the primaries have to stay the same before slots move by themselves."),
    switch("cluster-voter", "no")
        .live(Cluster, "Vote without slots, too: a witness, or a replica in a cluster of one or two primaries."),
    switch("cluster-replica-no-failover", "no")
        .alias("cluster-slave-no-failover")
        .live(Cluster, "Never stand for election by itself."),
    switch("cluster-allow-replica-migration", "yes")
        .live(Cluster, "Replicas go to primaries that have none."),
    switch("cluster-allow-reads-when-down", "no").live(Cluster, "Serve reads of own slots while the cluster is down."),
    switch("cluster-allow-pubsubshard-when-down", "yes")
        .live(Cluster, "Serve shard channels of own slots while the cluster is down."),
    bytes("cluster-link-sendbuf-limit", 0, u64::MAX, "0")
        .live(Cluster, "How much may wait to be sent to one node of the cluster; 0 for any."),

    // Expiry, lazy freeing, defragmentation.
    count("hz", 0, INT, "10").live(Process, "How often a second background work runs, 1 to 500."),
    switch("dynamic-hz", "yes"),
    count("active-expire-effort", 1, 10, "1"),
    switch("lazyfree-lazy-eviction", "no"),
    switch("lazyfree-lazy-expire", "no"),
    switch("lazyfree-lazy-server-del", "no"),
    switch("lazyfree-lazy-user-del", "no"),
    switch("lazyfree-lazy-user-flush", "no"),
    switch("activerehashing", "yes"),
    switch("activedefrag", "no"),
    bytes("active-defrag-ignore-bytes", 1, BYTES, "100mb"),
    count("active-defrag-threshold-lower", 0, 1000, "10"),
    count("active-defrag-threshold-upper", 0, 1000, "100"),
    count("active-defrag-cycle-min", 1, 99, "1"),
    count("active-defrag-cycle-max", 1, 99, "25"),
    count("active-defrag-max-scan-fields", 1, LONG, "1000"),
    switch("jemalloc-bg-thread", "yes"),

    // Encodings.
    count("hash-max-listpack-entries", 0, LONG, "512").alias("hash-max-ziplist-entries")
        .live(Limits, "Fields up to which a hash is kept compact."),
    bytes("hash-max-listpack-value", 0, BYTES, "64").alias("hash-max-ziplist-value")
        .live(Limits, "Longest field or value of a compact hash."),
    count("list-max-listpack-size", i32::MIN as i64, INT, "-2").alias("list-max-ziplist-size").live(Limits, "How large a node of a list may become: elements, or -1 to -5 for 4 to 64 KiB."),
    count("list-compress-depth", 0, INT, "0"),
    count("set-max-intset-entries", 0, LONG, "512")
        .live(Limits, "Members up to which a set of integers is kept compact."),
    count("set-max-listpack-entries", 0, LONG, "128")
        .live(Limits, "Members up to which a set is kept compact."),
    bytes("set-max-listpack-value", 0, BYTES, "64")
        .live(Limits, "Longest member of a compact set."),
    count("zset-max-listpack-entries", 0, LONG, "128")
        .alias("zset-max-ziplist-entries")
        .live(Limits, "Members of a sorted set that is still kept compact."),
    bytes("zset-max-listpack-value", 0, BYTES, "64")
        .alias("zset-max-ziplist-value")
        .live(Limits, "Bytes of the longest member of a sorted set that is still kept compact."),
    bytes("hll-sparse-max-bytes", 0, BYTES, "3000"),
    bytes("stream-node-max-bytes", 0, BYTES, "4096").live(Limits, "Bytes that a stream packs together; 0 for no limit."),
    count("stream-node-max-entries", 0, LONG, "100").live(Limits, "Entries that a stream packs together; 0 for no limit."),
    text("locale-collate", ""),

    // Watching.
    row("loglevel", Kind::Choice(&["debug", "verbose", "notice", "warning", "nothing"]), "notice")
        .live(Diagnostics, "The least important messages that are logged: debug, verbose, notice, warning or nothing."),
    text("logfile", "").at_start().live(Diagnostics, "File for messages; nothing means standard output."),
    switch("syslog-enabled", "no").at_start(),
    text("syslog-ident", "redis").at_start(),
    row("syslog-facility", Kind::Choice(FACILITIES), "local0").at_start(),
    count("slowlog-log-slower-than", -1, LONG, "10000")
        .live(Diagnostics, "Microseconds a command may take before SLOWLOG keeps it; -1 for never."),
    count("slowlog-max-len", 0, LONG, "128").live(Diagnostics, "Entries that SLOWLOG keeps."),
    count("latency-monitor-threshold", 0, LONG, "0")
        .live(Diagnostics, "Milliseconds after which LATENCY keeps an event; 0 for never."),
    switch("latency-tracking", "yes").live(Diagnostics, "Keep a histogram of each command's time."),
    row("latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9")
        .live(Diagnostics, "Percentiles that INFO latencystats shows."),
    row("notify-keyspace-events", Kind::Events, "")
        .live(Diagnostics, "Events of keys that are announced on channels, a letter for each class."),
    switch("crash-log-enabled", "yes"),
    switch("crash-memcheck-enabled", "yes"),
    text("ignore-warnings", ""),

    // The process.
    switch("daemonize", "no").at_start().live(Process, "Run in the background."),
    text("pidfile", "").at_start().live(Process, "File that holds the process id while the node runs."),
    row("supervised", Kind::Choice(&["upstart", "systemd", "auto", "no"]), "no").at_start()
        .live(Process, "Who watches the process: systemd is told when the node is ready and when it stops."),
    switch("always-show-logo", "no").at_start(),
    switch("set-proc-title", "yes").at_start(),
    row("proc-title-template", Kind::TitleTemplate, "{title} {listen-addr} {server-mode}"),
    count("shutdown-timeout", 0, INT, "10"),
    row("shutdown-on-sigint", Kind::ShutdownFlags, "default"),
    row("shutdown-on-sigterm", Kind::ShutdownFlags, "default"),
    count("busy-reply-threshold", 0, LONG, "5000").alias("lua-time-limit"),
    row("oom-score-adj", Kind::Choice(&["no", "yes", "relative", "absolute"]), "no"),
    row("oom-score-adj-values", Kind::OomScores, "0 200 800"),
    switch("disable-thp", "yes").at_start(),
    count("key-load-delay", i32::MIN as i64, INT, "0").hidden(),
    count("rdb-key-save-delay", i32::MIN as i64, INT, "0").hidden(),
    bytes("loading-process-events-interval-bytes", 1024, i32::MAX as u64, "2mb").hidden(),
    switch("use-exit-on-panic", "no").hidden(),
    text("server-cpulist", "").alias("server_cpulist").at_start(),
    text("bio-cpulist", "").alias("bio_cpulist").at_start(),
    text("aof-rewrite-cpulist", "").alias("aof_rewrite_cpulist").at_start(),
    text("bgsave-cpulist", "").alias("bgsave_cpulist").at_start(),
];

/// Keys of old Redis versions that may stand in a file and mean nothing.
pub(crate) const OBSOLETE: &[&str] = &["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::kind::Value;
    use std::collections::HashSet;

    #[test]
    fn every_name_is_one_of_a_kind_and_is_found() {
        let mut seen = HashSet::new();
        for (at, row) in ROWS.iter().enumerate() {
            for name in row.names() {
                assert!(seen.insert(name), "{name} twice");
                assert_eq!(find(name.to_uppercase().as_bytes()), Some(RowIndex(at)));
            }
        }
        assert!(ROWS.len() > 160);
        assert_eq!(find(b"no-such-key"), None);
    }

    #[test]
    fn every_standard_value_is_a_value_and_survives_the_way_through_a_file() {
        for row in ROWS {
            let standard = row.kind.read(row.name, &[row.standard.as_bytes()], &Value::Switch(false));
            let value = standard.unwrap_or_else(|error| panic!("{}: {error}", row.name));
            let mut again = Value::Switch(false);
            for line in row.kind.lines(&value, &value) {
                let words = crate::settings::words::split(&line).unwrap();
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                again = row.kind.read(row.name, &words, &again).unwrap();
            }
            let shown = row.kind.show(&value);
            if !row.kind.lines(&value, &value).is_empty() {
                assert_eq!(String::from_utf8_lossy(&row.kind.show(&again)), String::from_utf8_lossy(&shown));
            }
        }
    }
}
