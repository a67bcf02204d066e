//! A snapshot on its way to a replica: an RDB, its length first or a mark behind it; or in Keyslot's own form.
//!
//! ```text
//! $1234\r\n  1234 bytes of RDB
//! $EOF:<40 characters>\r\n  RDB  <the same 40 characters>
//! $KEYSLOT:1\r\n  header, sections, end, as `keyslot_persistence::snapshot` draws them
//! ```
//!
//! The last goes only to who said `REPLCONF capa keyslot-snapshot-1`; no reader of RDB takes it for a length. The header names the
//! history and the offset of +FULLRESYNC. It says itself where it ends.

use super::history::ReplicationId;
use keyslot_engine::{Engine, Offset, View};
use keyslot_persistence::rdb::{RdbExport, RdbOptions};
use keyslot_persistence::snapshot::SnapshotExport;

/// The bytes of one full resync.
pub(super) struct Transfer {
    body: Body,
    is_done: bool,
    /// Where the stream goes on behind it.
    pub(super) offset: Offset,
    pub(super) sent_bytes: u64,
}

enum Body {
    /// An RDB, and what ends it; `None` if its length was told.
    Rdb(Box<RdbExport>, Option<String>),
    Native(Box<SnapshotExport>),
}

/// How a snapshot is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum SentAs {
    /// Its length first.
    Counted,
    /// With this mark behind it.
    Marked(String),
    /// In Keyslot's own form, under this id.
    Native(u64),
}

impl Transfer {
    /// Of everything that the view holds. `out` gets the header.
    pub(super) fn begin(
        view: View,
        id: &ReplicationId,
        selected: u16,
        (form, options): (SentAs, RdbOptions),
        out: &mut Vec<u8>,
    ) -> Self {
        let offset = view.offset();
        let mark = match form {
            SentAs::Native(snapshot_id) => {
                out.extend_from_slice(NATIVE_HEADER);
                let export = SnapshotExport::new(view, snapshot_id, id.to_string(), selected);
                return Self { body: Body::Native(Box::new(export)), is_done: false, offset, sent_bytes: 0 };
            }
            SentAs::Marked(mark) => Some(mark),
            SentAs::Counted => None,
        };
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
        let mut export = RdbExport::new(view, options, notes);
        match &mark {
            Some(mark) => out.extend_from_slice(format!("$EOF:{mark}\r\n").as_bytes()),
            None => out.extend_from_slice(format!("${}\r\n", export.size_bytes()).as_bytes()),
        }
        Self { body: Body::Rdb(Box::new(export), mark), is_done: false, offset, sent_bytes: 0 }
    }

    /// Appends about `budget` bytes, at least a piece. True once all is there.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, budget: usize) -> bool {
        let start = out.len();
        while !self.is_done && out.len() - start < budget {
            match &mut self.body {
                Body::Native(export) => self.is_done = export.fill(out, budget - (out.len() - start)),
                Body::Rdb(export, mark) => {
                    if export.next(out).is_some() {
                        self.is_done = true;
                        out.extend_from_slice(mark.as_deref().unwrap_or_default().as_bytes());
                    }
                }
            }
        }
        self.sent_bytes += (out.len() - start) as u64;
        self.is_done
    }

    /// Whether the replica speaks first behind it: only then it has loaded all, and looks no longer for a mark.
    pub(super) fn is_answered(&self) -> bool {
        !matches!(self.body, Body::Rdb(_, None))
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

/// What announces a snapshot in Keyslot's own form, of version 1.
pub(super) const NATIVE_HEADER: &[u8] = b"$KEYSLOT:1\r\n";

/// The version that files name: that of the server whose commands are served.
const REDIS_VERSION: &str = "7.2.4";
