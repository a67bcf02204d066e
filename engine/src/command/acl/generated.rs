//! `ACL GENPASS [bits]`: a password that nobody can guess.
//!
//! Reply: hexadecimal digits, four bits each.

use super::too_many_words;
use crate::client::Connection;
use crate::command::row::flag::{LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;

pub(super) const GENPASS: Row = Row::new("acl|genpass", -2, Run::Connection(generate))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Generates a pseudorandom, secure password that can be used to identify ACL users.")
    .docs(Group::Server, "6.0.0", "O(1)")
    .args("bits:integer?");

fn generate(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let bits = match args {
        [_, _] => BITS_DEFAULT,
        [_, _, bits] => match parse_i64(bits).ok_or(CommandError::NotInteger)? {
            bits @ 1..=BITS_MAX => bits,
            _ => {
                return Err(CommandError::text(
                    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
                ));
            }
        },
        _ => return Err(too_many_words(args[1])),
    };
    let digits = (bits as usize).div_ceil(4);
    let mut password = String::new();
    while password.len() < digits {
        core.secret_bytes().iter().for_each(|byte| password.push_str(&format!("{byte:02x}")));
    }
    reply.bulk(&password.as_bytes()[..digits]);
    Ok(())
}

const BITS_DEFAULT: i64 = 256;
const BITS_MAX: i64 = 4096;
