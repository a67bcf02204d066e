//! Expiry times of keys.

mod expire;
mod persist;
mod ttl;
#[cfg(test)]
mod vanishing_tests;

pub use expire::ExpireIf;
pub use ttl::KeyExpiry;

use super::row::Row;

pub(super) const ROWS: &[Row] = &[
    expire::EXPIRE,
    expire::EXPIREAT,
    ttl::EXPIRETIME,
    persist::PERSIST,
    expire::PEXPIRE,
    expire::PEXPIREAT,
    ttl::PEXPIRETIME,
    ttl::PTTL,
    ttl::TTL,
];
