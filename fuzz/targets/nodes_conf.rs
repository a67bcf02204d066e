//! Any text as a `nodes.conf`: what was read is written and read the same.

#![no_main]

use keyslot::replication::cluster::NodeName;
use keyslot::replication::cluster::view::{parse, print};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut name = || NodeName::parse(&[b'a'; 40]).expect("it is forty digits");
    if let Ok(roster) = parse(text, false, &mut name) {
        let written = print(&roster, false);
        let read = parse(&written, false, &mut name).unwrap_or_else(|error| panic!("{error}: {written}"));
        assert_eq!(print(&read, false), written);
    }
});
