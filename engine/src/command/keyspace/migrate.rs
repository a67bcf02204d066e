//! `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key ..]`: moves keys to
//! another server. The host does it.
//!
//! Reply: OK; NOKEY if no key is there; an error of the connection (IOERR) or of the other server, after which keys that arrived
//! are gone here and all others are as they were. Effect: `DEL key ..` of those that arrived.

use crate::command::Run;
use crate::command::row::category::{DANGEROUS, KEYSPACE};
use crate::command::row::flag::WRITE;
use crate::command::row::{Extractor, Group, KeySpec, Row};

pub(super) const MIGRATE: Row = Row::new("migrate", -6, Run::Host)
    .flags(WRITE)
    .categories(KEYSPACE | DANGEROUS)
    .tips("nondeterministic_output")
    .keys(&[
        KeySpec::index(3).rw().access().delete(),
        KeySpec::keyword("KEYS", -2).range(-1, 1).rw().access().delete().incomplete(),
    ])
    .extractor(Extractor::Migrate)
    .summary("Atomically transfers a key from one Redis instance to another.")
    .docs(
        Group::Generic,
        "2.6.0",
        "This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target instance. See the \
         pages of these commands for time complexity. Also an O(N) data transfer between the two instances is performed.",
    )
    .history(&[
        ("3.0.0", "Added the `COPY` and `REPLACE` options."),
        ("3.0.6", "Added the `KEYS` option."),
        ("4.0.7", "Added the `AUTH` option."),
        ("6.0.0", "Added the `AUTH2` option."),
    ])
    .args(
        "host:string port:integer key-selector:oneof{key:key#0 empty-string=} destination-db:integer timeout:integer \
         copy@3.0.0?=COPY replace@3.0.0?=REPLACE authentication:oneof?{auth<password>:string@4.0.7=AUTH \
         auth2:block@6.0.0=AUTH2{username:string password:string}} keys<key>:key#1@3.0.6?*=KEYS",
    );
