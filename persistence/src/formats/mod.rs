#![doc = include_str!("formats.md")]

#[doc = include_str!("log.md")]
pub mod log {}

#[doc = include_str!("snapshot.md")]
pub mod snapshot {}

#[doc = include_str!("media.md")]
pub mod media {}
