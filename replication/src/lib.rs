//! Other nodes.
#![forbid(unsafe_code)]
