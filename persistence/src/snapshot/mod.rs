//! The snapshot file of Keyslot: everything that a view holds, one section per slot.
//!
//! ```text
//! header            112 bytes
//! section           32 bytes of head, then the payload    libraries of functions, if there are any
//! section           ..                                    of the lowest slot that holds keys
//! section           ..                                    more of the same slot, or of the next that holds keys
//! index             32 bytes for each section
//! end               48 bytes
//! ```
//!
//! Nothing stands between these parts and nothing behind the last: every byte of a file belongs to one of them and is
//! covered by one of their checksums. Numbers are little-endian. A checksum is the CRC-32 of gzip (polynomial `0xedb88320`);
//! those of sections, index and end begin with the 8 bytes of the file's id, so a part of another file never passes.
//!
//! # Header
//!
//! ```text
//!   0   8  "KSLOTSNP"
//!   8   4  version                     1
//!  12   4  size of the header          112
//!  16   8  id of the file              chosen by chance when it was written
//!  24   8  era                         of the view: batches of this era or later came after it
//!  32   8  offset                      of the journal: what stands before it is in the file, nothing behind it is
//!  40   8  time                        of the view, Unix milliseconds
//!  48   4  features                    bit 0: sections may be compressed by LZ4. A reader refuses bits it does not know
//!  52   4  0
//!  56  40  replication id              the stream that the offset counts in, as text; zeros if there is none
//!  96  12  version of the writer       as text, filled up with zeros
//! 108   4  checksum                    of the 108 bytes before it
//! ```
//!
//! In every version to come, bytes 0 to 16 mean the same and the last four bytes of the header are its checksum, so that an
//! older reader can tell a newer file from a damaged one.
//!
//! # Section
//!
//! ```text
//!   0   2  "SL"
//!   2   2  slot                        0xffff: libraries
//!   4   1  form of the payload         0: plain, 1: LZ4
//!   5   3  0
//!   8   8  how many entries
//!  16   8  size of the payload
//!  24   4  checksum of the payload
//!  28   4  checksum of the 28 bytes before it
//!  32      payload
//! ```
//!
//! Sections stand in the order of their slots, libraries first. A slot of more than about 4 MiB ([`SECTION_BYTES`]) has several, one after
//! another. An LZ4 payload is 8 bytes of size and one LZ4 block that decompresses to so many bytes; the size is refused if it
//! is more than 255 times that of the block, which no block reaches.
//!
//! The payload of libraries is, for each, a number and so many bytes of text. That of a slot is entries:
//!
//! ```text
//! lead    1 byte         bits 0-5: kind, bit 6: access follows, bit 7: expiry follows
//! expiry  8 bytes        Unix milliseconds
//! access  1 byte: 1, then a number: seconds since the key was used;  or 1 byte: 2, then 1 byte: how often it is used
//! key     number, bytes
//! value   by kind:
//!          0 to 31       number, bytes: the value in the form that RDB gives this number, drawn in the engine's `payload`
//!         32             number, bytes: a string
//!         33 34 35 36    1, 2, 4 or 8 bytes: a string that is the decimal form of this integer
//!
//! lead    63             then a number: what follows is in this database. A section begins in database 0
//!
//! number  0 to 250       itself, in one byte
//!         251 252 253    then 2, 4 or 8 bytes
//! ```
//!
//! # Index and end
//!
//! ```text
//!   0   8  where the section begins    the first at 112, each where the one before it ends, the index where the last ends
//!   8   8  size of the payload
//!  16   8  how many entries
//!  24   2  slot
//!  26   1  form
//!  27   1  0
//!  28   4  checksum of the section's head
//!
//!   0   8  where the index begins
//!   8   8  how many sections
//!  16   8  how many entries in all of them
//!  24   8  id of the file
//!  32   4  checksum of the index
//!  36   4  checksum of the 36 bytes before it
//!  40   8  "KSLOTEND"
//! ```
//!
//! # Example
//!
//! `SET foo bar`, `SET n 7 PXAT 1700000000000` and nothing else; id 1, era 1, offset 0, time 0:
//!
//! ```text
//!   0  4b 53 4c 4f 54 53 4e 50  01 00 00 00 70 00 00 00  01 00 00 00 00 00 00 00 ..   "KSLOTSNP", version 1, 112 bytes, id 1
//! 112  53 4c 68 0d 00 00 00 00  01 00 .. 0c 00 ..                                     slot 3432, 1 entry, 12 bytes
//! 144  a1 00 68 e5 cf 8b 01 00 00 01 6e 07                                            expiry, "n", integer 7
//! 156  53 4c 96 2f 00 00 00 00  01 00 .. 09 00 ..                                     slot 12182, 1 entry, 9 bytes
//! 188  20 03 66 6f 6f 03 62 61 72                                                     "foo", "bar"
//! 197  index of two sections, end
//! ```
//!
//! # Versions
//!
//! | version | since | what it brought |
//! |---|---|---|
//! | 1 | 0.1 | this form |
//!
//! A newer program reads every older version; an older one refuses a newer file and says which version it has.
//!
//! # What is expected of the disk
//!
//! The file is written from front to end under another name, synced, renamed and the directory synced: whoever finds the
//! name finds a whole file, if the disk told the truth. Nobody changes a file that has its name.
//!
//! # Sent, not written
//!
//! A snapshot that goes over a connection has the same header and the same sections, in any order and as many of a slot as there
//! are. No index follows, but 32 bytes in the place of the next section's head: "SE", the database that the journal has
//! selected at the offset (2 bytes), 4 zeros, how many sections (8), how many entries in all of them (8), 4 zeros, and the
//! checksum of the 28 bytes before it.
//!
//! # Reading damaged files
//!
//! The index is read first. Where end or index are damaged or missing, the sections are walked from the first on, and where
//! a head is damaged, from the next bytes that are one: each is known by its mark and its checksum. A section whose payload
//! is damaged makes its own slot unreadable and no other.

mod batches;
mod check;
mod compression;
mod cursor;
mod encoder;
mod entry;
mod error;
mod export;
mod fill;
mod header;
mod index;
mod layout;
mod load;
mod progress;
mod reader;
mod receiver;
pub(crate) mod relay;
mod section;
mod stream;
#[cfg(test)]
mod stream_tests;
mod view;
mod write;

pub use check::{BrokenSection, KeyCounts, SlotSummary, SnapshotCheck, check_snapshot};
pub use encoder::{SECTION_BYTES, compose};
pub use entry::{Access, Entries, Entry, EntryFault, Value};
pub use error::{Damage, FormatError, Place, SnapshotError, TransferError};
pub use export::SnapshotExport;
pub use header::SnapshotHeader;
pub use layout::Tolerance;
pub use load::{LoadOptions, LoadReport};
pub use progress::SnapshotProgress;
pub use reader::Snapshot;
pub use receiver::{Received, SnapshotReceiver};
pub use view::write;
pub(crate) use view::write_unnamed;
pub use write::{Compression, WriteOptions, WriteReport};

#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod tests;
