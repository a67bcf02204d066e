//! What a host adds to an engine: commands that concern the process, files or other nodes, and its parts of INFO.

use crate::resp::ReplyWriter;

/// A section of INFO, in the order in which they are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum InfoSection {
    Server,
    Clients,
    Memory,
    Persistence,
    Stats,
    Replication,
    Cpu,
    Modules,
    Commandstats,
    Errorstats,
    Latencystats,
    Cluster,
    Keyspace,
}

/// Who asks the host for something.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The client's id.
    pub client_id: u64,
    /// The client's address.
    pub addr: &'a str,
    /// The client's database.
    pub db: u16,
}

/// The program around an engine. All methods may be called from any thread; none may block for long.
pub trait Host: Send + Sync + 'static {
    /// Does a command whose row says that the host does it (CONFIG, SHUTDOWN, CLUSTER ...) and writes its reply. False if
    /// this host does not offer it: then nothing was written.
    fn control(&self, asker: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> bool;

    /// Appends the host's lines of a section (`field:value\r\n`). A field that the engine would print too is printed
    /// once, with the host's value.
    fn info(&self, section: InfoSection, out: &mut String);

    /// Whether this password opens the default user; `None` if no password is asked for.
    fn check_password(&self, user: &[u8], password: &[u8]) -> Option<bool>;

    /// Whether clients must authenticate.
    fn needs_password(&self) -> bool;
}
