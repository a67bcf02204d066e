//! What a replica says of itself before it asks for the stream: `REPLCONF option value [option value ...]`.

use keyslot_engine::Offset;

/// What a replica said of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplicaProfile {
    /// The port on which it listens; 0 if it did not say.
    pub listening_port: u16,
    /// The address that it wants to be known under.
    pub ip_address: Option<String>,
    /// Whether it reads a snapshot of unknown length, with a mark at its end.
    pub reads_marked: bool,
    /// Whether it reads a snapshot in the form that Keyslot keeps its own in.
    pub reads_native: bool,
    /// Whether it knows fields that expire; else it gets them without their times, and their deletions.
    pub knows_field_expiry: bool,
    /// Whether it takes over the name in `+CONTINUE`.
    pub follows_renames: bool,
    /// The name of the node, where it takes part in strict failover.
    pub node: Option<String>,
    /// What it wants of a snapshot; such a peer wants no stream.
    pub scope: SyncScope,
}

/// What a peer wants of a full resync.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyncScope {
    /// A snapshot and the stream.
    #[default]
    Stream,
    /// A snapshot only: a backup.
    Snapshot,
    /// A snapshot of the libraries of functions only.
    Libraries,
}

/// What a REPLCONF means to a primary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Configured {
    /// An option; answered by OK.
    Set,
    /// It has the stream up to here, and its log fsynced up to there if it has one; no answer.
    Acked {
        /// What it applied.
        at: Offset,
        /// What a crash of its machine cannot take any more.
        fsynced: Option<Offset>,
    },
    /// It wants to be told how far the stream is: only a primary asks that.
    AskedAck,
}

impl ReplicaProfile {
    /// Takes the arguments of a REPLCONF, the name first. An error is what to answer.
    pub fn configure(&mut self, args: &[&[u8]]) -> Result<Configured, String> {
        let options = args.get(1..).unwrap_or_default();
        if options.is_empty() || options.len() % 2 != 0 {
            return Err("ERR syntax error".to_owned());
        }
        for pair in options.chunks_exact(2) {
            let (name, value) = (pair[0].to_ascii_lowercase(), pair[1]);
            match name.as_slice() {
                b"listening-port" => self.listening_port = number(value)?,
                b"ip-address" => {
                    if value.len() >= ADDRESS_LEN_MAX {
                        let len = value.len();
                        return Err(format!(
                            "ERR REPLCONF ip-address provided by replica instance is too long: {len} bytes"
                        ));
                    }
                    self.ip_address = Some(String::from_utf8_lossy(value).into_owned());
                }
                b"capa" if value.eq_ignore_ascii_case(b"eof") => self.reads_marked = true,
                b"capa" if value == NATIVE_CAPABILITY => self.reads_native = true,
                b"capa" if value == FIELDS_CAPABILITY => self.knows_field_expiry = true,
                b"capa" if value.starts_with(NODE_CAPABILITY) => {
                    let name = &value[NODE_CAPABILITY.len()..];
                    self.node = Some(String::from_utf8_lossy(&name[..name.len().min(NODE_LEN_MAX)]).into_owned());
                }
                b"capa" if value.eq_ignore_ascii_case(b"psync2") => self.follows_renames = true,
                // Abilities that this primary does not know are no reason to refuse.
                b"capa" | b"version" => {}
                b"ack" => return acked(options),
                b"getack" => return Ok(Configured::AskedAck),
                b"rdb-only" => {
                    self.scope = if number::<i64>(value)? == 1 { SyncScope::Snapshot } else { SyncScope::Stream }
                }
                b"rdb-filter-only" if is_functions(value)? => self.scope = SyncScope::Libraries,
                b"rdb-filter-only" => {}
                _ => {
                    let name = String::from_utf8_lossy(pair[0]).into_owned();
                    return Err(format!("ERR Unrecognized REPLCONF option: {name}"));
                }
            }
        }
        Ok(Configured::Set)
    }
}

/// `ACK offset`, and `FACK offset` behind it if there is a log.
fn acked(options: &[&[u8]]) -> Result<Configured, String> {
    let pairs = || options.chunks_exact(2);
    let find = |name: &[u8]| pairs().find(|pair| pair[0].eq_ignore_ascii_case(name)).map(|pair| number(pair[1]));
    let at = find(b"ack").transpose()?.unwrap_or_default();
    Ok(Configured::Acked { at: Offset(at), fsynced: find(b"fack").transpose()?.map(Offset) })
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| "ERR value is not an integer or out of range".to_owned())
}

/// Whether words that name what a snapshot is to hold name the functions; without any it holds everything.
fn is_functions(value: &[u8]) -> Result<bool, String> {
    let text = String::from_utf8_lossy(value);
    let mut words = text.split_whitespace();
    match words.find(|word| !word.eq_ignore_ascii_case("functions")) {
        Some(word) => Err(format!("ERR Unsupported rdb-filter-only option: {word}")),
        None => Ok(!text.trim().is_empty()),
    }
}

/// What a replica says that reads snapshots in version 1 of Keyslot's own form. A later version has a word of its own.
/// How a replica says that it knows fields that expire. Servers of others do not say so.
pub(super) const FIELDS_CAPABILITY: &[u8] = b"keyslot-field-expiry";

pub(super) const NATIVE_CAPABILITY: &[u8] = b"keyslot-snapshot-1";

/// How a node says its name; the name follows. It is known to who takes part in strict failover.
pub(super) const NODE_CAPABILITY: &[u8] = b"keyslot-node-";

/// No name is longer.
const NODE_LEN_MAX: usize = 64;

/// Longer addresses are refused, as by Redis.
const ADDRESS_LEN_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_and_others_named() {
        let mut profile = ReplicaProfile::default();
        let acked = |at, fsynced: Option<u64>| Configured::Acked { at: Offset(at), fsynced: fsynced.map(Offset) };
        let mut say = |line: &str| profile.configure(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        assert_eq!(
            say(
                "REPLCONF listening-port 6380 capa eof capa psync2 capa keyslot-snapshot-1 capa keyslot-snapshot-2 capa keyslot-node-abc"
            ),
            Ok(Configured::Set)
        );
        assert_eq!(say("replconf IP-ADDRESS replica.example"), Ok(Configured::Set));
        assert_eq!(say("REPLCONF ACK 77 FACK 70"), Ok(acked(77, Some(70))));
        assert_eq!(say("REPLCONF ACK 78"), Ok(acked(78, None)));
        assert!(say("REPLCONF ACK 78 FACK x").is_err());
        assert_eq!(say("REPLCONF GETACK *"), Ok(Configured::AskedAck));
        assert_eq!(say("REPLCONF"), Err("ERR syntax error".to_owned()));
        assert_eq!(say("REPLCONF colour red"), Err("ERR Unrecognized REPLCONF option: colour".to_owned()));
        assert!(say("REPLCONF listening-port x").is_err());
        assert_eq!(say("REPLCONF rdb-filter-only "), Ok(Configured::Set));
        assert!(say("REPLCONF rdb-filter-only data").is_err());
        assert_eq!(say("REPLCONF rdb-filter-only functions"), Ok(Configured::Set));
        let expected = ReplicaProfile {
            listening_port: 6380,
            ip_address: Some("replica.example".to_owned()),
            reads_marked: true,
            reads_native: true,
            knows_field_expiry: false,
            follows_renames: true,
            node: Some("abc".to_owned()),
            scope: SyncScope::Libraries,
        };
        assert_eq!(profile, expected);
    }
}
