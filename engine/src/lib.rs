//! The engine: slots, values, commands, turns, effects and sessions.
//!
//! Architecture Invariant: no files, sockets, threads or clocks here; time, chance and bytes are arguments.

mod acl;
mod apply;
mod arrival;
mod client;
mod cluster;
pub mod command;
mod core;
mod departure;
mod doors;
pub mod effect;
mod engine;
mod error;
mod event;
mod eviction;
mod feed;
mod follow;
mod gate;
mod host;
mod hydration;
mod import;
mod keyspace;
mod library;
mod loader;
mod options;
pub mod payload;
mod pubsub;
mod replay;
pub mod resp;
mod session;
pub mod slot;
mod slot_stats;
mod stats;
mod subscription;
mod sync;
mod system;
mod table;
pub mod text;
mod time;
mod turn;
mod value;
mod view;

pub use acl::{LoadUsersError, RuleError, SetUserError};
pub use arrival::{Arrival, InPlace};
pub use client::PeerInfo;
pub use cluster::DropReport;
pub use command::bitmap::{BitSpan, BitUnit, FieldAction, FieldOperation};
pub use command::expiry::{ExpireIf, KeyExpiry};
pub use command::geo::{GeoArea, GeoHit, GeoOrder, GeoOrigin, GeoSearch, GeoUnit};
pub use command::hash::{FieldOutcome, FieldScan, FieldSetIf, FieldTtl};
pub use command::keyspace::{CopyOptions, FlushMode, RestoreOptions, Scan, ScanCursor, ScanOptions};
pub use command::list::PositionOptions;
pub use command::set::MemberScan;
pub use command::sort::{SortOptions, SortOrder};
pub use command::sorted_set::{LexLimit, ScoreLimit, ZaddOptions};
pub use command::stream::{
    AddId, AddOptions, AutoClaimOptions, AutoClaimed, ClaimOptions, ConsumerInfo, GroupInfo, GroupStart, PendingEntry,
    PendingSummary, ReadFrom, ReadOptions, StreamEntry, StreamInfo, StreamRead, TrimOptions,
};
pub use command::string::{CommonRun, CommonSubsequence, Expiration, GetExpiry, SetExpiry, SetIf, SetOptions};
pub use departure::{Departure, LeavingValue, Left};
pub use doors::{DueKeys, EngineBuilder};
pub use effect::{Ack, Batch, BatchKind, EffectSink, Offset};
pub use engine::Engine;
pub use error::{CommandError, Denied};
pub use event::{EventClass, EventClasses, UnknownEventLetter};
pub use feed::{EffectFeed, FeedBatch, FeedBuilder, FeedEffect, FeedError, FeedPosition};
pub use follow::{StreamCommand, StreamPart};
pub use gate::{Endpoint, Redirects};
pub use host::{Asker, Channel, Host, InfoSection, LaterReply, Published, Relay, RelayPart};
pub use hydration::{ApplyChange, SlotSource};
pub use keyspace::{DATABASE_COUNT, GateState};
pub use loader::{Attributes, LoadError, Loaded, Loader};
pub use options::{EvictionPolicy, Options, SlotMode};
pub use replay::{LoggedCommand, RefusedCommand, Route};
pub use session::{Session, SessionState};
pub use slot::{SLOT_COUNT, Slot, SlotSet};
pub use slot_stats::{OversizedKey, SlotStats};
pub use subscription::{Message, Subscription, TooSlow};
pub use system::SystemClock;
pub use time::{Clock, ManualClock, UnixMillis};
pub use turn::{Origin, Turn, expire_cycle::TickReport};
pub use value::{AsValue, End, FieldType, InvalidStreamId, Overflow, StrRef, StreamId, TrimTo, ValueType};
pub use view::{Sizes, SlotView, View, ViewEffects, ViewEntry};
