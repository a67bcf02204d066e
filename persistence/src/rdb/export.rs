//! A view as an RDB, piece by piece, whenever somebody wants the next.

use super::writer::{FIELD_EXPIRY_VERSION, RdbOptions, RdbWriter, RdbWritten};
use keyslot_engine::{DATABASE_COUNT, SLOT_COUNT, Sizes, Slot, SlotView, View};

/// Gives the bytes of an RDB of a whole view. Each slot of the view is given up when it is written.
pub struct RdbExport {
    view: View,
    writer: Option<RdbWriter>,
    notes: Vec<(String, String)>,
    sizes: Vec<Sizes>,
    is_told: [bool; DATABASE_COUNT as usize],
    selected: Option<u16>,
    at: Place,
    /// Whether slots are given up.
    takes: bool,
    /// The slot before which it ends.
    slots_end: usize,
}

/// What comes next.
enum Place {
    Beginning,
    /// A slot that was begun, and its next part, by database.
    Within(SlotView, u16, usize),
    Before(usize),
    Done,
}

impl RdbExport {
    /// Of everything that the view holds, with these notes. The version is raised to the one that carries all values.
    pub fn new(view: View, mut options: RdbOptions, notes: Vec<(String, String)>) -> Self {
        let sizes: Vec<Sizes> = (0..DATABASE_COUNT).map(|db| view.sizes(db)).collect();
        if options.field_expiry && sizes.iter().any(|sizes| sizes.timed_hashes > 0) {
            options.version = options.version.max(FIELD_EXPIRY_VERSION);
        }
        Self {
            view,
            writer: Some(RdbWriter::new(options)),
            notes,
            sizes,
            is_told: [false; DATABASE_COUNT as usize],
            selected: None,
            at: Place::Beginning,
            takes: true,
            slots_end: SLOT_COUNT,
        }
    }

    /// Of the libraries of functions alone.
    pub fn libraries(view: View, options: RdbOptions) -> Self {
        let mut export = Self::new(view, options, Vec::new());
        export.slots_end = 0;
        export
    }

    /// How many keys there are in all.
    pub fn keys(&self) -> u64 {
        self.sizes.iter().map(|sizes| sizes.keys).sum()
    }

    /// How many bytes there will be. Goes through everything once, before the first piece. O(bytes).
    pub fn size_bytes(&mut self) -> u64 {
        let Some(options) = self.writer.as_ref().map(RdbWriter::options) else { return 0 };
        self.takes = false;
        let mut piece = Vec::new();
        let written = loop {
            piece.clear();
            if let Some(written) = self.next(&mut piece) {
                break written;
            }
        };
        self.takes = true;
        (self.at, self.selected, self.is_told) = (Place::Beginning, None, [false; DATABASE_COUNT as usize]);
        self.writer = Some(RdbWriter::new(options));
        written.bytes
    }

    /// Appends the next piece to `out`: about a thousand keys, or one that is large, or nothing for a run of empty slots. Returns
    /// what was written once that was the last.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Option<RdbWritten> {
        let mut writer = self.writer.take()?;
        match std::mem::replace(&mut self.at, Place::Done) {
            Place::Beginning => {
                let notes: Vec<(&str, &str)> = self.notes.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
                writer.begin(out, &notes);
                self.view.libraries().for_each(|text| writer.library(out, text));
                self.at = Place::Before(0);
            }
            Place::Before(slot) if slot < self.slots_end => {
                let number = Slot::new(slot as u16).expect("below the slot count");
                let view = if self.takes { self.view.take_slot(number) } else { self.view.slot(number) };
                self.at = Place::Within(view, 0, 0);
            }
            Place::Before(_) => return Some(writer.end(out)),
            Place::Within(slot, db, part) => self.write_part(&mut writer, slot, db, part, out),
            Place::Done => {}
        }
        self.writer = Some(writer);
        None
    }

    fn write_part(&mut self, writer: &mut RdbWriter, slot: SlotView, db: u16, part: usize, out: &mut Vec<u8>) {
        let is_there = match slot.part(db, part) {
            Some(entries) => {
                for entry in entries {
                    if self.selected != Some(db) {
                        let is_told = std::mem::replace(&mut self.is_told[usize::from(db)], true);
                        writer.select(out, db, (!is_told).then_some(self.sizes[usize::from(db)]));
                        self.selected = Some(db);
                    }
                    writer.entry(out, &entry).expect("the version carries all that the view holds");
                }
                true
            }
            None => false,
        };
        let next = slot.databases().map(|(db, _)| db).find(|next| *next > db);
        self.at = match next {
            _ if is_there => Place::Within(slot, db, part + 1),
            Some(next) => Place::Within(slot, next, 0),
            None => Place::Before(slot.slot().index() + 1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{RdbLoader, write_view};
    use keyslot_engine::Engine;

    #[test]
    fn pieces_are_the_whole() {
        let db = Engine::builder().seed(3).in_memory();
        for n in 0..5000 {
            db.call(&["SET", &format!("{{tag}}{n}"), "x"]);
            db.call(&["RPUSH", &format!("list:{}", n % 50), "a"]);
        }
        db.call(&["COPY", "list:7", "list:7", "DB", "9"]);
        let mut whole = Vec::new();
        write_view(&db.view(), RdbOptions::default(), &[("a", "b")], &mut |piece, _| {
            whole.extend_from_slice(piece);
            Ok::<_, ()>(())
        })
        .unwrap();
        let mut export = RdbExport::new(db.view(), RdbOptions::default(), vec![("a".into(), "b".into())]);
        assert_eq!((export.keys(), export.size_bytes()), (5051, whole.len() as u64));
        let (mut pieces, mut longest) = (Vec::new(), 0);
        let written = loop {
            let before = pieces.len();
            let written = export.next(&mut pieces);
            longest = longest.max(pieces.len() - before);
            if let Some(written) = written {
                break written;
            }
        };
        assert_eq!((written.keys, written.bytes), (5051, pieces.len() as u64));
        assert!(pieces == whole, "one writer, whoever drives it");
        assert!(longest < 40_000, "{longest}");
        assert!(export.next(&mut pieces).is_none());
        let copy = Engine::in_memory();
        let mut loader = RdbLoader::new(&copy, None);
        assert_eq!(loader.feed(&pieces).unwrap(), pieces.len());
        loader.finish().unwrap();
        assert_eq!(copy.call(&["DEBUG", "DIGEST"]), db.call(&["DEBUG", "DIGEST"]));
    }
}
