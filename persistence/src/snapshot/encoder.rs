//! Makes sections of entries, and a file of sections: entries in, bytes out.
//!
//! ```text
//! SectionEncoder   entries -> pieces: whole sections with their places in the piece     one per thread
//! Assembly         pieces  -> the file: places within it, index, end                    one per file
//! ```

use super::compression::compress;
use super::cursor::push_text;
use super::entry::{EntryHead, push_database, push_payload, push_string};
use super::header::{HEADER_BYTES, SnapshotHeader};
use super::index::{IndexEntry, push_end};
use super::relay::Parcel;
use super::section::{Form, SECTION_HEAD_BYTES, SectionHead, Subject};
use keyslot_engine::{Slot, StrRef};

/// Sections, one after another.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// Their places count from the beginning of the piece.
    pub(crate) sections: Vec<IndexEntry>,
}

impl Parcel for Piece {
    fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// Makes sections of the entries that it is given, and hands them on in pieces.
pub(crate) struct SectionEncoder<'s> {
    id: u64,
    form: Form,
    piece: Piece,
    open: Option<Open>,
    scratch: Vec<u8>,
    /// Takes a piece and gives memory for the next, or empty.
    sink: &'s mut dyn FnMut(Piece) -> Vec<u8>,
}

/// The section that is being made.
struct Open {
    subject: Subject,
    /// Where its head stands in the piece.
    at: usize,
    entries: u64,
    db: u16,
}

impl<'s> SectionEncoder<'s> {
    /// An encoder for a file with this header. `sink` takes each piece and returns a buffer that may be used for the next.
    pub(crate) fn new(header: &SnapshotHeader, buffer: Vec<u8>, sink: &'s mut dyn FnMut(Piece) -> Vec<u8>) -> Self {
        let form = if header.may_be_compressed { Form::Lz4 } else { Form::Plain };
        let piece = Piece { bytes: buffer, sections: Vec::new() };
        Self { id: header.id, form, piece, open: None, scratch: Vec::new(), sink }
    }

    /// Begins the section of `subject`. One without entries leaves nothing.
    pub(crate) fn begin(&mut self, subject: Subject) {
        let at = self.piece.bytes.len();
        self.piece.bytes.extend_from_slice(&[0; SECTION_HEAD_BYTES]);
        self.open = Some(Open { subject, at, entries: 0, db: 0 });
    }

    /// Adds a key with a string.
    #[inline]
    pub(crate) fn string(&mut self, db: u16, head: &EntryHead<'_>, value: StrRef<'_>) {
        self.enter(db);
        push_string(&mut self.piece.bytes, head, value);
        self.added();
    }

    /// Adds a key with another value, which `encode` appends and of which it returns RDB's number.
    pub(crate) fn payload(&mut self, db: u16, head: &EntryHead<'_>, encode: impl FnOnce(&mut Vec<u8>) -> u8) {
        self.enter(db);
        self.scratch.clear();
        let number = encode(&mut self.scratch);
        push_payload(&mut self.piece.bytes, head, number, &self.scratch);
        self.added();
    }

    /// Adds a library of functions.
    pub(crate) fn library(&mut self, text: &[u8]) {
        push_text(&mut self.piece.bytes, text);
        self.added();
    }

    #[inline]
    fn enter(&mut self, db: u16) {
        let open = self.open.as_mut().expect("a section was begun");
        if open.db != db {
            open.db = db;
            push_database(&mut self.piece.bytes, db);
        }
    }

    #[inline]
    fn added(&mut self) {
        let open = self.open.as_mut().expect("a section was begun");
        open.entries += 1;
        if self.piece.bytes.len() - open.at >= SECTION_BYTES {
            let subject = open.subject;
            self.end();
            self.begin(subject);
        }
    }

    /// Ends the section.
    pub(crate) fn end(&mut self) {
        let Some(Open { subject, at, entries, .. }) = self.open.take() else { return };
        let bytes = &mut self.piece.bytes;
        if entries == 0 {
            return bytes.truncate(at);
        }
        let payload_at = at + SECTION_HEAD_BYTES;
        let mut form = Form::Plain;
        if self.form == Form::Lz4 && compress(&bytes[payload_at..], &mut self.scratch) {
            bytes.truncate(payload_at);
            bytes.extend_from_slice(&self.scratch);
            form = Form::Lz4;
        }
        let head = SectionHead::of(self.id, subject, form, entries, &bytes[payload_at..]);
        let encoded = head.encode(self.id);
        bytes[at..payload_at].copy_from_slice(&encoded);
        self.piece.sections.push(IndexEntry::of(at as u64, &head, &encoded));
        if bytes.len() >= PIECE_BYTES {
            self.flush();
        }
    }

    /// Hands on what is there. The section was ended.
    fn flush(&mut self) {
        if !self.piece.sections.is_empty() {
            let bytes = (self.sink)(std::mem::take(&mut self.piece));
            self.piece = Piece { bytes, sections: Vec::new() };
        }
    }

    /// Hands on what is there. Returns the buffer that is left, empty.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.end();
        self.flush();
        self.piece.bytes
    }
}

/// Puts pieces together to a file.
#[derive(Debug)]
pub(crate) struct Assembly {
    id: u64,
    /// Where the next piece begins.
    at: u64,
    index: Vec<u8>,
    entries: u64,
}

impl Assembly {
    /// A file that begins with this header, whose bytes it returns too.
    pub(crate) fn begin(header: &SnapshotHeader) -> (Self, [u8; HEADER_BYTES]) {
        let assembly = Self { id: header.id, at: HEADER_BYTES as u64, index: Vec::new(), entries: 0 };
        (assembly, header.encode())
    }

    /// Notes what the next piece of the file holds.
    pub(crate) fn add(&mut self, piece: &Piece) {
        for section in &piece.sections {
            let mut entry = *section;
            entry.at += self.at;
            entry.encode(&mut self.index);
            self.entries += entry.entries;
        }
        self.at += piece.bytes.len() as u64;
    }

    /// How many entries were added, libraries included.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The bytes that end the file.
    pub(crate) fn end(self) -> Vec<u8> {
        let mut out = self.index;
        let index_bytes = out.len();
        let mut end = Vec::new();
        push_end(&mut end, self.id, self.at, &out[..index_bytes], self.entries);
        out.extend_from_slice(&end);
        out
    }
}

/// A file with right checksums over payloads that may be anything: for tests and for fuzzing. Each is what one section
/// holds: a slot, or none for libraries, how many entries it claims, and its payload. They should be in order.
pub fn compose(header: &SnapshotHeader, sections: &[(Option<Slot>, u64, &[u8])]) -> Vec<u8> {
    let (mut assembly, first) = Assembly::begin(header);
    let mut file = first.to_vec();
    for (slot, entries, payload) in sections {
        let subject = slot.map_or(Subject::Libraries, Subject::Slot);
        let head = SectionHead::of(header.id, subject, Form::Plain, *entries, payload);
        let encoded = head.encode(header.id);
        let bytes = [&encoded, *payload].concat();
        assembly.add(&Piece { bytes, sections: vec![IndexEntry::of(0, &head, &encoded)] });
        file.extend_from_slice(&encoded);
        file.extend_from_slice(payload);
    }
    file.extend_from_slice(&assembly.end());
    file
}

/// A section is ended when it has so many bytes before compression, so that no slot has to be held as a whole.
pub const SECTION_BYTES: usize = 4 << 20;

/// So many bytes are handed on at once.
const PIECE_BYTES: usize = 1 << 20;
