//! Jobs other than serving.

pub(crate) mod health;
