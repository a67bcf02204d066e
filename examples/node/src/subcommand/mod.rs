//! Jobs other than serving.

pub(crate) mod health;
pub(crate) mod repair;
