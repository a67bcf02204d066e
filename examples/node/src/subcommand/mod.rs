//! Jobs other than serving.

mod asked;
mod bar;
pub(crate) mod cluster;
pub(crate) mod data;
pub(crate) mod health;
pub(crate) mod hot;
mod mover;
pub(crate) mod rebalance;
pub(crate) mod repair;
mod survey;
