//! Clusters in a process, as clients meet them.

mod disturbed;
mod faults;
mod redirects;
mod redis_rs;
mod wire;
