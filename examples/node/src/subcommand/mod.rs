//! Jobs other than serving.

pub(crate) mod cluster;
pub(crate) mod data;
pub(crate) mod health;
pub(crate) mod repair;
