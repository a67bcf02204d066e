#![doc = include_str!("README.md")]
#![forbid(unsafe_code)]

pub use keyslot_engine as engine;
pub use keyslot_persistence as persistence;
pub use keyslot_replication as replication;
#[cfg(feature = "host")]
pub use keyslot_replication::host::{self, Cluster, ClusterClient};
#[cfg(feature = "sim")]
pub use keyslot_replication::sim::{
    self,
    cluster::{Seeds, SimulatedClient, SimulatedCluster, Simulation, SimulationError, simulate},
};

pub use keyslot_engine::{
    Ack, AsValue, Clock, CommandError, EffectFeed, Engine, EngineBuilder, Expiration, ExpireIf, FeedPosition, Host,
    KeyExpiry, ManualClock, Message, Offset, Options, PeerInfo, Scan, Session, SessionState, SetExpiry, SetIf,
    SetOptions, Slot, SlotSet, Subscription, Turn, UnixMillis, resp::Value,
};
pub use keyslot_persistence::{Durability, OpenError, Progress, Recovery, RecoveryReport, Store, StoreBuilder};
