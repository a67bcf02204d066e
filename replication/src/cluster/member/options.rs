//! What a member is told.

use super::super::roster::NodeAddress;

/// How a node behaves as a member of its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberOptions {
    /// What it tells others of where it is. Where `ip` is empty it learns that from those who reach it.
    pub announced: NodeAddress,
    /// A node that does not answer for longer is down (`cluster-node-timeout`).
    pub node_timeout_ms: i64,
    /// Replicas that a primary keeps before one of them goes to a primary without (`cluster-migration-barrier`).
    pub migration_barrier: usize,
    /// Whether replicas go where they are needed, and nodes follow who took their last slot (`cluster-allow-replica-migration`).
    pub allows_replica_migration: bool,
    /// Whether nothing is served while a slot is nobody's (`cluster-require-full-coverage`).
    pub requires_full_coverage: bool,
    /// A replica whose data is older than this many node timeouts does not stand for election; 0 for any
    /// (`cluster-replica-validity-factor`).
    pub replica_validity_factor: i64,
    /// How often the primary is heard of at least (`repl-ping-replica-period`).
    pub replication_ping_ms: i64,
    /// Whether this node never stands for election by itself (`cluster-replica-no-failover`).
    pub never_fails_over: bool,
    /// Whether a node whose connection ended and that refuses another one is suspected at once: its process has died
    /// (`cluster-fast-detection`).
    pub detects_refusals: bool,
    /// Whether this node votes whether it has slots or not (`cluster-voter`): a witness, or a replica of a small cluster. See
    /// [`election`](super::Member).
    pub votes_always: bool,
    /// Whether there is a name that leads to members (`cluster-seed-name`): its addresses are [asked for](super::MemberOutput::Seek)
    /// while a member is not reached.
    pub has_seed: bool,
    /// How much may wait to be sent to one node; 0 for any (`cluster-link-sendbuf-limit`).
    pub outbox_size_bytes_max: usize,
    /// How long after its start a primary with slots serves nothing: others may have taken its place.
    pub writable_delay_ms: i64,
    /// Whether nothing is lost that replicas confirmed (`cluster-strict-failover`); see [`strict`](super::super::strict).
    pub strict: Option<StrictFailover>,
}

/// What strict failover has to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StrictFailover {
    /// So many replicas have to have a write before it is acknowledged, one at least (`write-ack replicas`).
    pub count: u8,
    /// Whether this node has all at its start that it ever acknowledged: its log is fsynced before every reply, or was ended in good
    /// order.
    pub is_whole: bool,
}

impl MemberOptions {
    /// How often a member looks after its links and votes.
    pub(super) fn tick_ms(&self) -> i64 {
        (self.node_timeout_ms / 10).clamp(1, TICK_MS_MAX)
    }

    /// How long a member waits for the name of who it meets.
    pub(super) fn handshake_timeout_ms(&self) -> i64 {
        self.node_timeout_ms.max(HANDSHAKE_TIMEOUT_MS_MIN)
    }

    /// How long a primary that was in a minority serves nothing after it sees the majority again.
    pub(super) fn rejoin_delay_ms(&self) -> i64 {
        self.node_timeout_ms.clamp(REJOIN_DELAY_MS_MIN, REJOIN_DELAY_MS_MAX)
    }

    /// How long votes are waited for.
    pub(super) fn vote_timeout_ms(&self) -> i64 {
        (self.node_timeout_ms * 2).max(VOTE_TIMEOUT_MS_MIN)
    }
}

impl Default for MemberOptions {
    fn default() -> Self {
        Self {
            announced: NodeAddress::default(),
            node_timeout_ms: 15_000,
            migration_barrier: 1,
            allows_replica_migration: true,
            requires_full_coverage: true,
            replica_validity_factor: 10,
            replication_ping_ms: 10_000,
            never_fails_over: false,
            detects_refusals: false,
            votes_always: false,
            has_seed: false,
            outbox_size_bytes_max: 0,
            writable_delay_ms: 2000,
            strict: None,
        }
    }
}

const TICK_MS_MAX: i64 = 100;
const HANDSHAKE_TIMEOUT_MS_MIN: i64 = 1000;
const REJOIN_DELAY_MS_MIN: i64 = 500;
const REJOIN_DELAY_MS_MAX: i64 = 5000;
const VOTE_TIMEOUT_MS_MIN: i64 = 2000;
