//! `INFO [section ...]`: what the server tells about itself.
//!
//! ```text
//! # Server
//! redis_version:7.2.4
//! ...
//!
//! # Clients
//! ```
//!
//! Reply: verbatim text, sections in their own order whatever the order asked for. The engine prints what it knows, the
//! host adds what concerns the process, files and other nodes; where both print a field, the host's value stands.
//! Figures that follow from others ([`derive_memory`]) are worked out last, so that they fit whoever gave those.

mod calls;
mod hotspots;
mod lines;
mod sections;

pub(super) use sections::{STARTUP_BYTES, table_bytes};

use crate::client::Connection;
use crate::command::row::flag::{LOADING, STALE};
use crate::command::row::{Group, Row, category};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::engine::Engine;
use crate::host::InfoSection;
use crate::resp::ReplyWriter;
use lines::Lines;

pub(super) const INFO: Row = Row::new("info", -1, Run::Connection(info))
    .flags(LOADING | STALE)
    .categories(category::DANGEROUS)
    .tips("nondeterministic_output request_policy:all_shards response_policy:special")
    .summary("Returns information and statistics about the server.")
    .docs(Group::Server, "1.0.0", "O(1)")
    .history(&[("7.0.0", "Added support for taking multiple section arguments.")])
    .args("section:string?*");

fn info(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let wanted = Wanted::parse(&args[1..]);
    reply.verbatim("txt", write(core, |section| wanted.has(section)).as_bytes());
    Ok(())
}

impl Engine {
    /// The text of INFO for some sections, the host's lines included. O(slots) for the sections that count something in
    /// every slot, O(commands) for those about commands.
    ///
    /// ```
    /// use keyslot_engine::{Engine, InfoSection};
    /// let db = Engine::in_memory();
    /// db.set("k", "v")?;
    /// assert_eq!(db.info(&[InfoSection::Keyspace]), "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n");
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn info(&self, sections: &[InfoSection]) -> String {
        write(&self.core, |section| sections.contains(&section))
    }
}

/// The sections that a request asks for.
struct Wanted(Vec<InfoSection>);

impl Wanted {
    fn parse(words: &[&[u8]]) -> Self {
        let default = SECTIONS.iter().filter(|(_, _, is_default)| *is_default).map(|(section, ..)| *section);
        if words.is_empty() {
            return Self(default.collect());
        }
        let mut wanted = Vec::new();
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => wanted.extend(default.clone()),
                b"all" | b"everything" => wanted.extend(SECTIONS.iter().map(|(section, ..)| *section)),
                word => {
                    let named = SECTIONS.iter().find(|(_, name, _)| name.as_bytes().eq_ignore_ascii_case(word));
                    wanted.extend(named.map(|(section, ..)| *section));
                }
            }
            if wanted.len() > WANTED_MAX {
                wanted.sort_unstable_by_key(|section| *section as u8);
                wanted.dedup();
            }
        }
        Self(wanted)
    }

    fn has(&self, section: InfoSection) -> bool {
        self.0.contains(&section)
    }
}

fn write(core: &Core, wants: impl Fn(InfoSection) -> bool) -> String {
    let mut text = String::new();
    for (section, name, _) in SECTIONS {
        if !wants(*section) {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str("# ");
        text.push_str(name);
        text.push_str("\r\n");
        let mut lines = Lines::default();
        sections::write(core, *section, &mut lines);
        if let Some(host) = core.host() {
            let mut added = String::new();
            host.info(*section, &mut added);
            lines.merge(&added);
        }
        if *section == InfoSection::Memory {
            sections::derive_memory(core, &mut lines);
        }
        lines.print(sections::field_order(*section), &mut text);
    }
    text
}

/// Sections in the order in which they are printed, with their names, and whether INFO alone prints them.
const SECTIONS: &[(InfoSection, &str, bool)] = &[
    (InfoSection::Server, "Server", true),
    (InfoSection::Clients, "Clients", true),
    (InfoSection::Memory, "Memory", true),
    (InfoSection::Persistence, "Persistence", true),
    (InfoSection::Stats, "Stats", true),
    (InfoSection::Replication, "Replication", true),
    (InfoSection::Cpu, "CPU", true),
    (InfoSection::Modules, "Modules", true),
    (InfoSection::Commandstats, "Commandstats", false),
    (InfoSection::Errorstats, "Errorstats", true),
    (InfoSection::Latencystats, "Latencystats", false),
    (InfoSection::Cluster, "Cluster", true),
    (InfoSection::Keyspace, "Keyspace", true),
    (InfoSection::Hotspots, "Hotspots", false),
];

/// Names of sections that are kept before repeats among them are dropped.
const WANTED_MAX: usize = 64;

#[cfg(test)]
mod tests;
