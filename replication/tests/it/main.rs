//! Clusters in a process, as clients meet them.
#![allow(clippy::unwrap_used)]

mod disturbed;
mod faults;
mod redirects;
mod redis_rs;
mod wire;
