//! Jobs other than serving.

mod bar;
pub(crate) mod cluster;
pub(crate) mod data;
pub(crate) mod health;
pub(crate) mod hot;
pub(crate) mod rebalance;
pub(crate) mod repair;
