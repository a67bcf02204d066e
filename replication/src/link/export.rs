//! A snapshot on its way to a replica: its length first, or a mark behind it.
//!
//! ```text
//! $1234\r\n  1234 bytes of RDB
//! $EOF:<40 characters>\r\n  RDB  <the same 40 characters>
//! ```

use super::history::ReplicationId;
use keyslot_engine::{Engine, Offset, View};
use keyslot_persistence::rdb::{RdbExport, RdbOptions};

/// The bytes of one full resync.
pub(super) struct Transfer {
    export: RdbExport,
    /// What ends it; `None` if its length was told.
    mark: Option<String>,
    is_done: bool,
    /// Where the stream goes on behind it.
    pub(super) offset: Offset,
    pub(super) sent_bytes: u64,
}

impl Transfer {
    /// Of everything that the engine holds now. `out` gets the header.
    pub(super) fn begin(
        view: View,
        id: &ReplicationId,
        selected: u16,
        mark: Option<String>,
        out: &mut Vec<u8>,
    ) -> Self {
        let offset = view.offset();
        let notes = [
            ("redis-ver", REDIS_VERSION.to_owned()),
            ("redis-bits", "64".to_owned()),
            ("ctime", (view.now().0 / 1000).to_string()),
            ("repl-stream-db", selected.to_string()),
            ("repl-id", id.to_string()),
            ("repl-offset", offset.to_string()),
            ("aof-base", "0".to_owned()),
        ];
        let notes = notes.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        let mut export = RdbExport::new(view, RdbOptions::default(), notes);
        match &mark {
            Some(mark) => out.extend_from_slice(format!("$EOF:{mark}\r\n").as_bytes()),
            None => out.extend_from_slice(format!("${}\r\n", export.size_bytes()).as_bytes()),
        }
        Self { export, mark, is_done: false, offset, sent_bytes: 0 }
    }

    /// Appends about `budget` bytes, at least a piece. True once all is there.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, budget: usize) -> bool {
        let start = out.len();
        while !self.is_done && out.len() - start < budget {
            if self.export.next(out).is_some() {
                self.is_done = true;
                out.extend_from_slice(self.mark.as_deref().unwrap_or_default().as_bytes());
            }
        }
        self.sent_bytes += (out.len() - start) as u64;
        self.is_done
    }

    pub(super) fn is_marked(&self) -> bool {
        self.mark.is_some()
    }
}

/// A snapshot of the libraries of functions alone, with its header. It is small.
pub(super) fn libraries(engine: &Engine, mark: Option<&str>) -> Vec<u8> {
    let mut export = RdbExport::libraries(engine.view(), RdbOptions::default());
    let mut rdb = Vec::new();
    while export.next(&mut rdb).is_none() {}
    match mark {
        Some(mark) => [format!("$EOF:{mark}\r\n").as_bytes(), &rdb, mark.as_bytes()].concat(),
        None => [format!("${}\r\n", rdb.len()).as_bytes(), &rdb].concat(),
    }
}

/// The version that files name: that of the server whose commands are served.
const REDIS_VERSION: &str = "7.2.4";
