//! Libraries of functions, kept as text: their names and what they say of their functions are read, their code is not run.
//!
//! Invariants
//! - A library's name is its own, and so is each function's name among all libraries.
//! - A change that fails changes nothing.

mod payload;
mod source;

use crate::error::CommandError;
use bytes::Bytes;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use source::Source;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A function, as its library describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Function {
    pub(crate) name: Vec<u8>,
    pub(crate) description: Option<Vec<u8>>,
    pub(crate) flags: Vec<Vec<u8>>,
}

/// A library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Library {
    pub(crate) code: Bytes,
    pub(crate) functions: Vec<Function>,
}

/// Libraries by name.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Libraries(BTreeMap<Vec<u8>, Library>);

/// What becomes of libraries that are there when others are restored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Restore {
    /// They are deleted.
    Flush,
    /// They stay; one of the same name is an error.
    Append,
    /// One of the same name is replaced.
    Replace,
}

/// What happens to a library of the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Collision {
    Refuse,
    Replace,
}

/// The libraries of an engine. Changed only by turns that hold every slot.
#[derive(Default)]
pub(crate) struct Shelf(RwLock<Libraries>);

impl Shelf {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Libraries> {
        self.0.read()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Libraries> {
        self.0.write()
    }
}

impl Libraries {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Library)> {
        self.0.iter().map(|(name, library)| (&**name, library))
    }

    pub(crate) fn function_count(&self) -> usize {
        self.0.values().map(|library| library.functions.len()).sum()
    }

    /// Adds a library; returns its name.
    pub(crate) fn load(&mut self, code: &[u8], collision: Collision) -> Result<Vec<u8>, CommandError> {
        let Source { name, functions } = Source::read(code)?;
        if collision == Collision::Refuse && self.0.contains_key(&name) {
            return Err(exists("Library '", &name, "' already exists"));
        }
        if functions.is_empty() {
            return Err(CommandError::text("ERR No functions registered"));
        }
        let library = Library { code: Bytes::copy_from_slice(code), functions };
        self.check_functions(&name, &library)?;
        self.0.insert(name.clone(), library);
        Ok(name)
    }

    /// Demands that no other library has one of these functions.
    fn check_functions(&self, name: &[u8], library: &Library) -> Result<(), CommandError> {
        for (_, known) in self.0.iter().filter(|(other, _)| **other != *name) {
            if let Some(twin) = library.functions.iter().find(|f| known.functions.iter().any(|k| k.name == f.name)) {
                return Err(exists("Function ", &twin.name, " already exists"));
            }
        }
        Ok(())
    }

    /// Takes a library out; false if there is none of that name.
    pub(crate) fn delete(&mut self, name: &[u8]) -> bool {
        self.0.remove(name).is_some()
    }

    /// Takes all out; false if there were none.
    pub(crate) fn flush(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }

    /// All libraries in the form of FUNCTION DUMP.
    pub(crate) fn dump(&self) -> Vec<u8> {
        payload::write(self.0.values().map(|library| &*library.code))
    }

    /// Adds the libraries of a dump.
    pub(crate) fn restore(&mut self, dump: &[u8], policy: Restore) -> Result<(), CommandError> {
        let mut incoming = Self::default();
        for code in payload::read(dump)? {
            incoming.load(&code, Collision::Refuse)?;
        }
        if policy == Restore::Flush {
            *self = incoming;
            return Ok(());
        }
        let mut joined = self.clone();
        for name in incoming.0.keys() {
            if joined.0.remove(name).is_some() && policy == Restore::Append {
                return Err(exists("Library ", name, " already exists"));
            }
        }
        for (name, library) in incoming.0 {
            joined.check_functions(&name, &library)?;
            joined.0.insert(name, library);
        }
        *self = joined;
        Ok(())
    }
}

#[cold]
fn exists(before: &str, name: &[u8], after: &str) -> CommandError {
    let name = String::from_utf8_lossy(name);
    CommandError::Text(Cow::Owned(format!("ERR {before}{name}{after}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(name: &str, function: &str) -> Vec<u8> {
        format!("#!lua name={name}\nredis.register_function('{function}', f)").into_bytes()
    }

    #[test]
    fn names_are_unique_among_libraries_and_functions() {
        let mut all = Libraries::default();
        assert_eq!(all.load(&library("a", "f"), Collision::Refuse).unwrap(), b"a");
        let error = |result: Result<Vec<u8>, CommandError>| result.unwrap_err().to_string();
        assert_eq!(error(all.load(&library("a", "g"), Collision::Refuse)), "ERR Library 'a' already exists");
        assert_eq!(error(all.load(&library("b", "f"), Collision::Replace)), "ERR Function f already exists");
        assert_eq!(error(all.load(b"#!lua name=c\nreturn 1", Collision::Refuse)), "ERR No functions registered");
        all.load(&library("a", "g"), Collision::Replace).unwrap();
        assert_eq!((all.len(), all.function_count()), (1, 1));
        assert!(all.delete(b"a") && !all.delete(b"a") && !all.flush());
    }

    #[test]
    fn a_dump_restores_by_policy() {
        let mut all = Libraries::default();
        all.load(&library("a", "f"), Collision::Refuse).unwrap();
        all.load(&library("b", "g"), Collision::Refuse).unwrap();
        let dump = all.dump();
        let mut copy = Libraries::default();
        copy.restore(&dump, Restore::Append).unwrap();
        assert_eq!(copy, all);
        assert_eq!(copy.restore(&dump, Restore::Append).unwrap_err().to_string(), "ERR Library a already exists");
        copy.restore(&dump, Restore::Replace).unwrap();
        copy.load(&library("c", "h"), Collision::Refuse).unwrap();
        copy.restore(&dump, Restore::Flush).unwrap();
        assert_eq!(copy, all);
        let mut other = Libraries::default();
        other.load(&library("z", "f"), Collision::Refuse).unwrap();
        assert_eq!(other.restore(&dump, Restore::Replace).unwrap_err().to_string(), "ERR Function f already exists");
        assert_eq!(other.len(), 1);
    }
}
