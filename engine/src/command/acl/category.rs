//! `ACL CAT [category]`: the categories, or the commands of one.
//!
//! Reply: an array of names.

use super::too_many_words;
use crate::client::Connection;
use crate::command::row::flag::{LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row, category};
use crate::command::table::{Command, table};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::resp::ReplyWriter;

pub(super) const CAT: Row = Row::new("acl|cat", -2, Run::Connection(cat))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Lists the ACL categories, or the commands inside a category.")
    .docs(Group::Server, "6.0.0", "O(1) since the categories and commands are a fixed set.")
    .args("category:string?");

fn cat(_: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let names = match args {
        [_, _] => category::NAMES.to_vec(),
        [_, _, name] => {
            let shown = &name[..name.len().min(NAME_BYTES_SHOWN_MAX)];
            names_of(name).ok_or_else(|| CommandError::quoting("ERR Unknown category '", shown, "'"))?
        }
        _ => return Err(too_many_words(args[1])),
    };
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name.as_bytes()));
    Ok(())
}

/// The commands and sub-commands of a category.
fn names_of(name: &[u8]) -> Option<Vec<&'static str>> {
    let bit = category::NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
    let commands = (0..table().len() as u16).filter_map(|id| table().by_id(id));
    let is_in = |command: &&Command| command.categories.has(1 << bit);
    Some(commands.filter(is_in).map(|command| command.row.name).collect())
}

impl Engine {
    /// The commands and sub-commands of a category of rules, as `read` or `dangerous`; `None` if there is no such category.
    /// O(commands). Follows ACL CAT of Redis 7.2.
    pub fn acl_cat_categoryname(&self, category: impl AsRef<[u8]>) -> Option<Vec<&'static str>> {
        names_of(category.as_ref())
    }
}

const NAME_BYTES_SHOWN_MAX: usize = 128;
