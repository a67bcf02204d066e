//! Keyslot facade.
pub use keyslot_engine as engine;
pub use keyslot_persistence as persistence;
pub use keyslot_replication as replication;
