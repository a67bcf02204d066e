//! What the README shows: all that somebody who embeds the library needs to fuzz what reads files.

#![no_main]
use keyslot::persistence::{rdb::check_rdb, recovery::check_log, snapshot::check_snapshot};
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop((check_log(bytes), check_rdb(bytes), check_snapshot(bytes))));
