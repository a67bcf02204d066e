//! The files of Keyslot.

pub mod storage;
