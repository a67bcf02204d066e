//! Messages as bytes.
//!
//! ```text
//! frame   0 "RCmb"      4 size of the frame   8 version: 1        10 port             12 kind            14 count of gossip
//!        16 current epoch    24 config epoch      32 offset           40 sender [40]
//!        80 slots [2048]   2128 primary [40], zeros for none        2168 address [46], zeros behind it
//!      2214 count of extensions   2216 zeros [30]   2246 other port   2248 bus port    2250 flags
//!      2252 1 where the cluster does not serve      2253 marks [3]   2256 what it says:
//!
//! PING, PONG, MEET   gossip .. extension ..
//!   gossip     0 name [40]   40 ping sent   44 pong received   48 address [46]   94 port   96 bus port   98 flags
//!            100 other port 102 zeros [2]                                                                     104 in all
//!   extension  0 its size, a multiple of 8   4 kind   6 zeros [2]   8 what it says, zeros behind it
//!     strict   0 marks: 1 bereft, 2 forced   4 zeros [4]   8 asks   16 promises   24 floor   32 history   40 group .. next group ..
//!     group    0 1, or 0 and seven zeros for none   1 count   2 size   4 zeros [4]   8 epoch   16 number   24 name [40] ..
//! FAIL               name [40]
//! PUBLISH, -SHARD    size of the channel, size of the message: 4 each; channel, message
//! UPDATE             config epoch: 8, name [40], slots [2048]
//!
//! light   0 "RCmb"      4 size of the frame   8 version: 1        10 zeros [2]        12 kind, highest bit set    14 zeros [2]
//!        16 as PUBLISH, -SHARD
//! ```
//!
//! Numbers stand with the highest byte first.

use super::super::name::{NAME_SIZE, NodeName};
use super::super::strict::{AckGroup, AckGroups, MEMBERS_MAX, StrictWord};
use super::{Body, Extensions, Frame, Gossip, Header, Message, NodeFlags, Publication, Pulse};
use keyslot_engine::SLOT_COUNT;
use keyslot_engine::slot::SlotSet;

/// Why bytes are no message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("byte {at} of a bus message: expected {expected}, found {found}")]
pub struct BusProtocolError {
    /// Where, from the beginning of the message.
    pub at: usize,
    /// What should be there.
    pub expected: &'static str,
    /// What is.
    pub found: String,
}

impl Body {
    /// Its number on the wire.
    pub fn kind(&self) -> u16 {
        match self {
            Self::Ping(_) => 0,
            Self::Pong(_) => 1,
            Self::Meet(_) => 2,
            Self::Fail(_) => 3,
            Self::Publish(_) => 4,
            Self::VoteRequest => 5,
            Self::Vote => 6,
            Self::Update { .. } => 7,
            Self::ManualFailover => 8,
            Self::PublishShard(_) => 10,
            Self::Unknown(kind) => *kind,
        }
    }
}

/// Appends a message to `out`.
pub fn encode(message: &Message, out: &mut Vec<u8>) {
    let start = out.len();
    let Message { header, body } = message;
    let (gossip_count, extension_count) = match body {
        Body::Ping(pulse) | Body::Pong(pulse) | Body::Meet(pulse) => (pulse.gossip.len(), count(&pulse.extensions)),
        _ => (0, 0),
    };
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[0; 4]);
    put_u16(out, VERSION);
    put_u16(out, header.port);
    put_u16(out, body.kind());
    put_u16(out, gossip_count as u16);
    put_u64(out, header.current_epoch);
    put_u64(out, header.config_epoch);
    put_u64(out, header.offset);
    out.extend_from_slice(header.sender.as_bytes());
    out.extend_from_slice(&header.slots.to_bitmap());
    out.extend_from_slice(&header.primary.map_or([0; NAME_SIZE], |name| *name.as_bytes()));
    put_text(out, header.ip.as_deref().unwrap_or(""), ADDRESS_SIZE);
    put_u16(out, extension_count as u16);
    out.extend_from_slice(&[0; 30]);
    put_u16(out, header.plain_port);
    put_u16(out, header.bus_port);
    put_u16(out, header.flags.0);
    let mark = |is_set: bool, mark: u8| if is_set { mark } else { 0 };
    let marks = mark(header.is_paused, MARK_PAUSED)
        | mark(header.is_forced, MARK_FORCED)
        | mark(extension_count > 0, MARK_EXTENSIONS);
    out.extend_from_slice(&[u8::from(!header.is_up), marks, 0, 0]);
    match body {
        Body::Ping(pulse) | Body::Pong(pulse) | Body::Meet(pulse) => put_pulse(out, pulse),
        Body::Fail(name) => out.extend_from_slice(name.as_bytes()),
        Body::Publish(publication) | Body::PublishShard(publication) => put_publication(out, publication),
        Body::Update { owner, config_epoch, slots } => {
            put_u64(out, *config_epoch);
            out.extend_from_slice(owner.as_bytes());
            out.extend_from_slice(&slots.to_bitmap());
        }
        Body::VoteRequest | Body::Vote | Body::ManualFailover | Body::Unknown(_) => {}
    }
    put_size(out, start);
}

/// Appends a publication with a head that says nothing of its sender. False, and nothing is appended, for any other message.
pub fn encode_light(body: &Body, out: &mut Vec<u8>) -> bool {
    let (Body::Publish(publication) | Body::PublishShard(publication)) = body else { return false };
    let start = out.len();
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[0; 4]);
    put_u16(out, VERSION);
    put_u16(out, 0);
    put_u16(out, body.kind() | KIND_LIGHT);
    put_u16(out, 0);
    put_publication(out, publication);
    put_size(out, start);
    true
}

fn put_publication(out: &mut Vec<u8>, publication: &Publication) {
    put_u32(out, publication.channel.len() as u32);
    put_u32(out, publication.message.len() as u32);
    out.extend_from_slice(&publication.channel);
    out.extend_from_slice(&publication.message);
}

fn put_size(out: &mut [u8], start: usize) {
    let size = (out.len() - start) as u32;
    out[start + 4..start + 8].copy_from_slice(&size.to_be_bytes());
}

fn count(extensions: &Extensions) -> usize {
    let Extensions { hostname, human_name, forgotten, shard, strict } = extensions;
    let words = [hostname.is_some(), human_name.is_some(), shard.is_some(), strict.is_some()];
    words.into_iter().filter(|is_there| *is_there).count() + forgotten.len()
}

fn put_pulse(out: &mut Vec<u8>, pulse: &Pulse) {
    for gossip in &pulse.gossip {
        out.extend_from_slice(gossip.name.as_bytes());
        put_u32(out, gossip.ping_sent_s);
        put_u32(out, gossip.pong_received_s);
        put_text(out, &gossip.ip, ADDRESS_SIZE);
        put_u16(out, gossip.port);
        put_u16(out, gossip.bus_port);
        put_u16(out, gossip.flags.0);
        put_u16(out, gossip.plain_port);
        put_u16(out, 0);
    }
    let extensions = &pulse.extensions;
    let with_end = |text: &String| [text.as_bytes(), &[0]].concat();
    if let Some(hostname) = &extensions.hostname {
        put_extension(out, EXTENSION_HOSTNAME, &with_end(hostname));
    }
    if let Some(name) = &extensions.human_name {
        put_extension(out, EXTENSION_HUMAN_NAME, &with_end(name));
    }
    for (name, seconds) in &extensions.forgotten {
        put_extension(out, EXTENSION_FORGOTTEN, &[&name.as_bytes()[..], &seconds.to_be_bytes()].concat());
    }
    if let Some(shard) = &extensions.shard {
        put_extension(out, EXTENSION_SHARD, shard.as_bytes());
    }
    if let Some(word) = &extensions.strict {
        put_extension(out, EXTENSION_STRICT, &strict_bytes(word));
    }
}

fn strict_bytes(word: &StrictWord) -> Vec<u8> {
    let mut data = Vec::new();
    let StrictWord { is_bereft, is_forced, asks, promises, floor, history, groups } = word;
    put_u32(&mut data, u32::from(*is_bereft) | u32::from(*is_forced) << 1);
    put_u32(&mut data, 0);
    [asks, promises, floor, history].into_iter().for_each(|number| put_u64(&mut data, *number));
    for group in [&groups.settled, &groups.next] {
        let Some(AckGroup { epoch, number, count, members }) = group else {
            put_u64(&mut data, 0);
            continue;
        };
        data.extend_from_slice(&[1, *count]);
        put_u16(&mut data, members.len() as u16);
        put_u32(&mut data, 0);
        put_u64(&mut data, *epoch);
        put_u64(&mut data, *number);
        members.iter().for_each(|name| data.extend_from_slice(name.as_bytes()));
    }
    data
}

fn put_extension(out: &mut Vec<u8>, kind: u16, data: &[u8]) {
    let size = (EXTENSION_HEADER_SIZE + data.len()).next_multiple_of(8);
    put_u32(out, size as u32);
    put_u16(out, kind);
    put_u16(out, 0);
    out.extend_from_slice(data);
    out.resize(out.len() + size - EXTENSION_HEADER_SIZE - data.len(), 0);
}

fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Text with zeros behind it, one at least.
fn put_text(out: &mut Vec<u8>, text: &str, size: usize) {
    let bytes = &text.as_bytes()[..text.len().min(size - 1)];
    out.extend_from_slice(bytes);
    out.resize(out.len() + size - bytes.len(), 0);
}

/// Reads one whole frame.
pub fn decode(frame: &[u8]) -> Result<Frame, BusProtocolError> {
    let mut reader = Reader { frame, at: 0 };
    reader.expect_start()?;
    let port = reader.u16()?;
    let kind = reader.u16()?;
    let gossip_count = reader.u16()?;
    if kind & KIND_LIGHT != 0 {
        return Ok(Frame::Light(match kind & !KIND_LIGHT {
            4 => Body::Publish(reader.publication()?),
            10 => Body::PublishShard(reader.publication()?),
            other => Body::Unknown(other),
        }));
    }
    let (current_epoch, config_epoch, offset) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let sender = reader.name("the name of the sender")?;
    let slots = reader.slots()?;
    let primary = match reader.take(NAME_SIZE)? {
        none if none.iter().all(|byte| *byte == 0) => None,
        name => Some(NodeName::parse(name).ok_or_else(|| reader.wrong(NAME_SIZE, "the name of a primary", name))?),
    };
    let ip = Some(reader.text(ADDRESS_SIZE)?).filter(|ip| !ip.is_empty());
    let extension_count = reader.u16()?;
    reader.take(30)?;
    let (plain_port, bus_port, flags) = (reader.u16()?, reader.u16()?, NodeFlags(reader.u16()?));
    let [state, marks, ..] = *reader.take(4)? else { return Err(reader.short()) };
    let header = Header {
        sender,
        ip,
        port,
        plain_port,
        bus_port,
        current_epoch,
        config_epoch,
        offset,
        slots,
        primary,
        flags,
        is_up: state == 0,
        is_paused: marks & MARK_PAUSED != 0,
        is_forced: marks & MARK_FORCED != 0,
    };
    let body = match kind {
        0 => Body::Ping(reader.pulse(gossip_count, extension_count)?),
        1 => Body::Pong(reader.pulse(gossip_count, extension_count)?),
        2 => Body::Meet(reader.pulse(gossip_count, extension_count)?),
        3 => Body::Fail(reader.name("the name of a node that is down")?),
        4 => Body::Publish(reader.publication()?),
        5 => Body::VoteRequest,
        6 => Body::Vote,
        7 => {
            let config_epoch = reader.u64()?;
            let owner = reader.name("the name of an owner")?;
            Body::Update { owner, config_epoch, slots: Box::new(reader.slots()?) }
        }
        8 => Body::ManualFailover,
        10 => Body::PublishShard(reader.publication()?),
        other => Body::Unknown(other),
    };
    Ok(Frame::Message(Box::new(Message { header, body })))
}

struct Reader<'a> {
    frame: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8], BusProtocolError> {
        let end = self.at.checked_add(size).filter(|end| *end <= self.frame.len());
        let end = end.ok_or_else(|| self.short())?;
        let bytes = &self.frame[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], BusProtocolError> {
        let bytes = self.take(SIZE)?;
        bytes.try_into().map_err(|_| self.short())
    }

    fn short(&self) -> BusProtocolError {
        BusProtocolError { at: self.at, expected: "more bytes", found: format!("the end of {}", self.frame.len()) }
    }

    /// What was just read, `size` bytes, is wrong.
    fn wrong(&self, size: usize, expected: &'static str, found: &[u8]) -> BusProtocolError {
        let shown = String::from_utf8_lossy(&found[..found.len().min(40)]).escape_debug().to_string();
        BusProtocolError { at: self.at.saturating_sub(size), expected, found: shown }
    }

    fn u16(&mut self) -> Result<u16, BusProtocolError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, BusProtocolError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, BusProtocolError> {
        self.array().map(u64::from_be_bytes)
    }

    fn name(&mut self, expected: &'static str) -> Result<NodeName, BusProtocolError> {
        let bytes = self.take(NAME_SIZE)?;
        NodeName::parse(bytes).ok_or_else(|| self.wrong(NAME_SIZE, expected, bytes))
    }

    fn slots(&mut self) -> Result<SlotSet, BusProtocolError> {
        self.array::<{ SLOT_COUNT / 8 }>().map(|bitmap| SlotSet::from_bitmap(&bitmap))
    }

    /// Text up to the first zero.
    fn text(&mut self, size: usize) -> Result<String, BusProtocolError> {
        let bytes = self.take(size)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(size);
        match std::str::from_utf8(&bytes[..end]) {
            Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text.to_owned()),
            _ => Err(self.wrong(size, "an address or a name in ASCII", &bytes[..end])),
        }
    }

    /// Text that can stand in nodes.conf, or none: servers let people call a node anything, spaces and commas included,
    /// and a name that cannot be kept is no reason to lose the node.
    fn word(&mut self, size: usize) -> Result<Option<String>, BusProtocolError> {
        let bytes = self.take(size)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(size);
        let is_word = bytes[..end].iter().all(|byte| byte.is_ascii_graphic() && *byte != b',');
        Ok(std::str::from_utf8(&bytes[..end]).ok().filter(|_| is_word).map(str::to_owned))
    }

    fn expect_start(&mut self) -> Result<(), BusProtocolError> {
        let signature = self.take(4)?;
        if signature != SIGNATURE {
            return Err(self.wrong(4, "RCmb", signature));
        }
        self.u32()?;
        match self.u16()? {
            VERSION => Ok(()),
            other => Err(self.wrong(2, "version 1", other.to_string().as_bytes())),
        }
    }

    fn pulse(&mut self, gossip_count: u16, extension_count: u16) -> Result<Pulse, BusProtocolError> {
        let mut pulse = Pulse::default();
        for _ in 0..gossip_count {
            let name = self.name("the name of a node")?;
            let (ping_sent_s, pong_received_s) = (self.u32()?, self.u32()?);
            let ip = self.text(ADDRESS_SIZE)?;
            let (port, bus_port, flags, plain_port, _) =
                (self.u16()?, self.u16()?, self.u16()?, self.u16()?, self.u16()?);
            let flags = NodeFlags(flags);
            pulse.gossip.push(Gossip { name, ping_sent_s, pong_received_s, ip, port, plain_port, bus_port, flags });
        }
        for _ in 0..extension_count {
            self.extension(&mut pulse.extensions)?;
        }
        Ok(pulse)
    }

    fn extension(&mut self, extensions: &mut Extensions) -> Result<(), BusProtocolError> {
        let size = self.u32()? as usize;
        if size < EXTENSION_HEADER_SIZE || !size.is_multiple_of(8) {
            return Err(self.wrong(4, "the size of an extension, a multiple of 8", size.to_string().as_bytes()));
        }
        let (kind, _) = (self.u16()?, self.u16()?);
        let size = size - EXTENSION_HEADER_SIZE;
        match kind {
            EXTENSION_HOSTNAME => extensions.hostname = self.word(size)?,
            EXTENSION_HUMAN_NAME => extensions.human_name = self.word(size)?,
            EXTENSION_FORGOTTEN if size == NAME_SIZE + 8 => {
                let name = self.name("the name of a node that is forgotten")?;
                extensions.forgotten.push((name, self.u64()?));
            }
            EXTENSION_STRICT => {
                let data = self.take(size)?;
                extensions.strict = Reader { frame: data, at: 0 }.strict_word().ok().map(Box::new);
            }
            EXTENSION_SHARD if size == NAME_SIZE => extensions.shard = Some(self.name("the name of a shard")?),
            // Of a version to come.
            _ => {
                self.take(size)?;
            }
        }
        Ok(())
    }

    fn strict_word(&mut self) -> Result<StrictWord, BusProtocolError> {
        let (marks, _) = (self.u32()?, self.u32()?);
        let (asks, promises, floor, history) = (self.u64()?, self.u64()?, self.u64()?, self.u64()?);
        let groups = AckGroups { settled: self.ack_group()?, next: self.ack_group()? };
        Ok(StrictWord { is_bereft: marks & 1 != 0, is_forced: marks & 2 != 0, asks, promises, floor, history, groups })
    }

    fn ack_group(&mut self) -> Result<Option<AckGroup>, BusProtocolError> {
        let [is_there, count] = self.array()?;
        let (size, _) = (usize::from(self.u16()?), self.u32()?);
        if is_there == 0 {
            return Ok(None);
        }
        if size > MEMBERS_MAX {
            return Err(self.wrong(8, "a group of replicas", size.to_string().as_bytes()));
        }
        let (epoch, number) = (self.u64()?, self.u64()?);
        let members = (0..size).map(|_| self.name("the name of a replica")).collect::<Result<_, _>>()?;
        Ok(Some(AckGroup { epoch, number, count, members }))
    }

    fn publication(&mut self) -> Result<Publication, BusProtocolError> {
        let (channel, message) = (self.u32()? as usize, self.u32()? as usize);
        Ok(Publication { channel: self.take(channel)?.to_vec(), message: self.take(message)?.to_vec() })
    }
}

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct BusDecoder {
    held: Vec<u8>,
    from: usize,
}

impl BusDecoder {
    /// Takes bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.drain(..self.from);
        self.from = 0;
        if self.held.is_empty() && self.held.capacity() > HELD_CAPACITY_BYTES_MAX {
            self.held = Vec::new();
        }
        self.held.extend_from_slice(bytes);
    }

    /// The next message, if all of it is there. After an error nothing more is to be had.
    #[expect(clippy::should_implement_trait, reason = "an error ends the stream, and nothing is not the end")]
    pub fn next(&mut self) -> Result<Option<Frame>, BusProtocolError> {
        let rest = &self.held[self.from..];
        let shown = &rest[..rest.len().min(SIGNATURE.len())];
        if !SIGNATURE.starts_with(shown) {
            return Err(Reader { frame: rest, at: shown.len() }.wrong(shown.len(), "RCmb", shown));
        }
        let Some(size) = rest.get(4..8).and_then(|size| size.try_into().ok()).map(u32::from_be_bytes) else {
            return Ok(None);
        };
        let size = size as usize;
        let Some(kind) = rest.get(12..14) else { return Ok(None) };
        let size_min = if kind[0] & (KIND_LIGHT >> 8) as u8 == 0 { HEADER_SIZE } else { LIGHT_HEADER_SIZE };
        if !(size_min..=FRAME_SIZE_MAX).contains(&size) {
            let found = size.to_string();
            return Err(BusProtocolError { at: 4, expected: "the size of a message", found });
        }
        let Some(frame) = rest.get(..size) else { return Ok(None) };
        let frame = decode(frame)?;
        self.from += size;
        Ok(Some(frame))
    }
}

const SIGNATURE: &[u8; 4] = b"RCmb";
const VERSION: u16 = 1;
/// What every message has before what it says.
const HEADER_SIZE: usize = 2256;
const LIGHT_HEADER_SIZE: usize = 16;
/// The bit of the kind of a message that has the short head.
const KIND_LIGHT: u16 = 1 << 15;
/// No message is larger: a publication may be as large as a value of a client.
const FRAME_SIZE_MAX: usize = 1 << 30;
/// Room that is kept behind a large message.
const HELD_CAPACITY_BYTES_MAX: usize = 1 << 20;
const ADDRESS_SIZE: usize = 46;
const EXTENSION_HEADER_SIZE: usize = 8;
const EXTENSION_HOSTNAME: u16 = 0;
const EXTENSION_HUMAN_NAME: u16 = 1;
const EXTENSION_FORGOTTEN: u16 = 2;
const EXTENSION_SHARD: u16 = 3;
/// "KS": far from what others count up to.
const EXTENSION_STRICT: u16 = 0x4b53;
const MARK_PAUSED: u8 = 1;
const MARK_FORCED: u8 = 1 << 1;
const MARK_EXTENSIONS: u8 = 1 << 2;
