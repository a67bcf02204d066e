//! The maps under comparison, all behind one trait: bytes to bytes, any length, any number of threads.
//!
//! Keys and values are owned boxes in every map that does not store bytes itself, and all hash with the same function.

use crate::keys::VALUE_BYTES;
use foldhash::quality::RandomState;
use keyslot_engine::Engine;
use parking_lot::RwLock;
use std::sync::Arc;

/// A concurrent map.
pub(crate) trait Map: Send + Sync {
    /// Stores a copy of a value.
    fn set(&self, key: &[u8; 16], value: &[u8; VALUE_BYTES]);
    /// Copies the value into `out`; says whether there was one.
    fn get(&self, key: &[u8; 16], out: &mut [u8; VALUE_BYTES]) -> bool;
    /// Copies the values of several keys; returns how many there were. One after the other where a map knows no better.
    fn get_many(&self, keys: &[[u8; 16]], out: &mut [[u8; VALUE_BYTES]]) -> usize {
        keys.iter().zip(out).map(|(key, out)| usize::from(self.get(key, out))).sum()
    }
    /// Stores several values, likewise.
    fn set_many(&self, pairs: &[([u8; 16], [u8; VALUE_BYTES])]) {
        pairs.iter().for_each(|(key, value)| self.set(key, value));
    }
}

/// Names of all maps; the first is the one the others are compared with.
pub(crate) const NAMES: [&str; 6] = ["keyslot", "dashmap", "papaya", "scc", "rwlock", "moka"];

/// An empty map by its name.
pub(crate) fn make(name: &str) -> Option<Box<dyn Map>> {
    Some(match name {
        "keyslot" => Box::new(Engine::in_memory()),
        "dashmap" => Box::new(Dash::default()),
        "papaya" => Box::new(Papaya::default()),
        "scc" => Box::new(Scc::default()),
        "rwlock" => Box::new(Locked::default()),
        "moka" => Box::new(moka::sync::Cache::builder().build_with_hasher(RandomState::default())),
        _ => return None,
    })
}

type Bytes = Box<[u8]>;
type Dash = dashmap::DashMap<Bytes, Bytes, RandomState>;
type Papaya = papaya::HashMap<Bytes, Bytes, RandomState>;
type Scc = scc::HashMap<Bytes, Bytes, RandomState>;
type Locked = RwLock<hashbrown::HashMap<Bytes, Bytes, RandomState>>;
type Moka = moka::sync::Cache<Bytes, Arc<[u8]>, RandomState>;

impl Map for Engine {
    fn set(&self, key: &[u8; 16], value: &[u8; VALUE_BYTES]) {
        Engine::set(self, key, value).expect("strings are stored");
    }

    fn get(&self, key: &[u8; 16], out: &mut [u8; VALUE_BYTES]) -> bool {
        self.get_with(key, |value| copy(value, out)).expect("all values are strings")
    }

    fn get_many(&self, keys: &[[u8; 16]], out: &mut [[u8; VALUE_BYTES]]) -> usize {
        let mut found = 0;
        Engine::get_many(self, keys, |at, value| found += usize::from(copy(value, &mut out[at]))).expect("all open");
        found
    }

    fn set_many(&self, pairs: &[([u8; 16], [u8; VALUE_BYTES])]) {
        Engine::set_many(self, pairs).expect("strings are stored");
    }
}

impl Map for Dash {
    fn set(&self, key: &[u8; 16], value: &[u8; VALUE_BYTES]) {
        match self.get_mut(&key[..]) {
            Some(mut old) => old.copy_from_slice(value),
            None => drop(self.insert(Box::new(*key), Box::new(*value))),
        }
    }

    fn get(&self, key: &[u8; 16], out: &mut [u8; VALUE_BYTES]) -> bool {
        copy(dashmap::DashMap::get(self, &key[..]).as_deref().map(|value| &**value), out)
    }
}

impl Map for Papaya {
    fn set(&self, key: &[u8; 16], value: &[u8; VALUE_BYTES]) {
        self.pin().insert(Box::new(*key), Box::new(*value));
    }

    fn get(&self, key: &[u8; 16], out: &mut [u8; VALUE_BYTES]) -> bool {
        copy(self.pin().get(&key[..]).map(|value| &**value), out)
    }
}

impl Map for Scc {
    fn set(&self, key: &[u8; 16], value: &[u8; VALUE_BYTES]) {
        if self.update_sync(&key[..], |_, old| old.copy_from_slice(value)).is_none() {
            self.upsert_sync(Box::new(*key), Box::new(*value));
        }
    }

    fn get(&self, key: &[u8; 16], out: &mut [u8; VALUE_BYTES]) -> bool {
        self.read_sync(&key[..], |_, value| copy(Some(value), out)).unwrap_or(false)
    }
}

impl Map for Locked {
    fn set(&self, key: &[u8; 16], value: &[u8; VALUE_BYTES]) {
        let mut map = self.write();
        match map.get_mut(&key[..]) {
            Some(old) => old.copy_from_slice(value),
            None => drop(map.insert(Box::new(*key), Box::new(*value))),
        }
    }

    fn get(&self, key: &[u8; 16], out: &mut [u8; VALUE_BYTES]) -> bool {
        copy(self.read().get(&key[..]).map(|value| &**value), out)
    }
}

impl Map for Moka {
    fn set(&self, key: &[u8; 16], value: &[u8; VALUE_BYTES]) {
        self.insert(Box::new(*key), Arc::from(&value[..]));
    }

    fn get(&self, key: &[u8; 16], out: &mut [u8; VALUE_BYTES]) -> bool {
        copy(moka::sync::Cache::get(self, &key[..]).as_deref(), out)
    }
}

#[inline]
fn copy(value: Option<&[u8]>, out: &mut [u8; VALUE_BYTES]) -> bool {
    match value {
        Some(value) => {
            out.copy_from_slice(value);
            true
        }
        None => false,
    }
}
