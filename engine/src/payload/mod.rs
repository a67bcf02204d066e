//! Values as Redis serialises them: what stands behind a key in an RDB file, in the payload of DUMP and of MIGRATE.
//!
//! The forms belong to the engine because they are made of the insides of values; files, their headers and their checksums
//! belong to those who keep files. Reading is incremental: bytes in, [`Part`]s out, so a file and a socket share it, and a
//! value of any size is never held twice.
//!
//! ```text
//! type  what follows                                                    written by
//!    0  string                                                          all
//!    1  n, n x string                          list                     1.0 to 3.0
//!    2  n, n x string                          set                      all
//!    3  n, n x (string, score as text)         sorted set               1.2 to 3.2
//!    4  n, n x (field, value)                  hash                     all
//!    5  n, n x (string, score as 8 bytes)      sorted set               4.0 on
//!    9  string: zipmap                         hash                     2.2 to 2.4
//!   10  string: ziplist                        list                     2.2 to 3.0
//!   11  string: intset                         set                      2.2 on
//!   12  string: ziplist                        sorted set               2.4 to 6.2
//!   13  string: ziplist                        hash                     2.6 to 6.2
//!   14  n, n x string: ziplist                 list                     3.2 to 6.2
//!   15  stream                                                          5.0 to 6.2
//!   16  string: listpack                       hash                     7.0 on
//!   17  string: listpack                       sorted set               7.0 on
//!   18  n, n x (1 string | 2 string: listpack) list                     7.0 on
//!   19  stream with counters                                            7.0
//!   20  string: listpack                       set                      7.2 on
//!   21  stream with active times                                        7.2 on
//!   22  n, n x (time, field, value)            hash with expiries       7.4 before its release
//!   22  n, n x (field, value, 8 bytes of time) hash with expiries       Valkey 9
//!   23  string: listpack of triples            hash with expiries       7.4 before its release
//!   24  8 bytes, n, n x (time, field, value)   hash with expiries       7.4 on
//!   25  8 bytes, string: listpack of triples   hash with expiries       7.4 on
//! ```
//!
//! Invariants
//! - Bytes from outside never panic, and memory follows the bytes that are there: a count that is merely claimed reserves
//!   nothing, and a compressed string that claims more than 8 times its size is refused, before anything is allocated, unless
//!   that is what it decompresses to (at most 88 times its size: no LZF holds more).
//! - What is read is checked as far as it is used: a listpack ends where its bytes end, an integer set is in order.
//!
//! # Memory
//!
//! Reading takes at most 8 times the bytes that are there and 1 MiB; where strings are compressed, 24 times what they
//! decompress to on top. What is made of them, the loaded value, keeps to the same bound, but for three that take more than the
//! fewest bytes that can stand for them:
//!
//! | made of the fewest bytes | a piece in bytes | in memory | times the input |
//! |---|---|---|---|
//! | sorted sets (3, 5, 12, 17) of members of two and three bytes | 5 or more | a block, its place in the table and in the tree: 63 | at most 16 |
//! | integer sets (11) too large for the small form | 2 | a block and its place in the table: 29 | at most 16 |
//! | streams (15, 19, 21): groups of nobody, consumers of nothing | 7, 11 | two trees, a name, a block for each: 250, 160 | at most 40 |
//!
//! The targets in `fuzz/` run under an allocator that fails beyond these bounds, and so do the tests over their corpus.

mod build;
mod check;
mod checksum;
mod decode;
mod encode;
mod error;
mod footer;
mod input;
mod intset;
mod listpack;
mod lzf;
mod pairs;
mod part;
mod stream;
mod ziplist;

pub(crate) use build::{Build, Forms};
pub use check::{PayloadCheck, check_payload};
pub use checksum::{Checksum, crc64};
pub use decode::{Decoder, Dialect};
pub(crate) use encode::encode;
pub use encode::{Style, VERSION_MIN, version_of};
pub use error::PayloadError;
pub use footer::VERSION_MAX;
pub(crate) use footer::{seal, unseal, version_of_sealed};
pub use input::{Input, Length, Text, push_number, push_text};
pub use pairs::{Names, Pairs};
pub use part::Part;
