//! Keyspace events: what happens to keys, told on channels of pub/sub to those who ask for it.
//!
//! ```text
//! __keyspace@0__:key -> event        letter K
//! __keyevent@0__:event -> key        letter E
//! ```
//!
//! An event is announced if its class is chosen and at least one of the two channels is. Nothing is chosen at first, and
//! then an event costs one load and one branch.

use std::fmt;
use std::str::FromStr;

/// What an event is about. One letter of `notify-keyspace-events` each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventClass {
    /// Commands on keys of any type: `del`, `expire`, `rename_from` ... (`g`).
    Generic,
    /// Strings (`$`).
    String,
    /// Lists (`l`).
    List,
    /// Sets (`s`).
    Set,
    /// Hashes (`h`).
    Hash,
    /// Sorted sets (`z`).
    SortedSet,
    /// A key vanished because it was due (`x`).
    Expired,
    /// A key was evicted for memory (`e`).
    Evicted,
    /// Streams (`t`).
    Stream,
    /// A key that is not there was looked for (`m`; not in `A`).
    KeyMiss,
    /// Values of modules (`d`).
    Module,
    /// A key is new (`n`; not in `A`).
    New,
}

/// Which events are announced, and on which channels: the value of `notify-keyspace-events`.
///
/// ```
/// use keyslot_engine::EventClasses;
/// let classes: EventClasses = "KEg$".parse()?;
/// assert_eq!(classes.to_string(), "g$KE");
/// # Ok::<(), keyslot_engine::UnknownEventLetter>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventClasses(u32);

/// A letter that stands for no class of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")]
pub struct UnknownEventLetter;

impl EventClasses {
    /// The set of these bits, as [`bits`](Self::bits) gave them.
    pub(crate) const fn of_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// Whether events of a class are announced anywhere.
    #[inline]
    pub(crate) const fn announces(self, class: EventClass) -> bool {
        self.0 & bit(class) != 0 && self.0 & (KEYSPACE | KEYEVENT) != 0
    }

    /// Whether events are announced under the name of their key.
    pub(crate) const fn by_key(self) -> bool {
        self.0 & KEYSPACE != 0
    }

    /// Whether keys are announced under the name of their event.
    pub(crate) const fn by_event(self) -> bool {
        self.0 & KEYEVENT != 0
    }
}

impl FromStr for EventClasses {
    type Err = UnknownEventLetter;

    fn from_str(letters: &str) -> Result<Self, UnknownEventLetter> {
        let mut bits = 0;
        for letter in letters.bytes() {
            bits |= match letter {
                b'A' => ALL,
                letter => 1 << LETTERS.iter().position(|known| *known == letter).ok_or(UnknownEventLetter)?,
            };
        }
        Ok(Self(bits))
    }
}

/// The letters in one fixed order, `A` in the place of all the classes that it stands for. Beside an `A`, Redis does not
/// show the `n`.
impl fmt::Display for EventClasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0 & ALL == ALL;
        if all {
            f.write_str("A")?;
        }
        for (at, letter) in LETTERS.iter().enumerate() {
            let bit = 1 << at;
            if self.0 & bit != 0 && !(all && (ALL | NEW) & bit != 0) {
                write!(f, "{}", char::from(*letter))?;
            }
        }
        Ok(())
    }
}

/// The letters by bit, in the order in which they are shown.
const LETTERS: &[u8; 14] = b"g$lshzxetdnKEm";
const ALL: u32 = (1 << 10) - 1;
const NEW: u32 = 1 << 10;
const KEYSPACE: u32 = 1 << 11;
const KEYEVENT: u32 = 1 << 12;

const fn bit(class: EventClass) -> u32 {
    1 << match class {
        EventClass::Generic => 0,
        EventClass::String => 1,
        EventClass::List => 2,
        EventClass::Set => 3,
        EventClass::Hash => 4,
        EventClass::SortedSet => 5,
        EventClass::Expired => 6,
        EventClass::Evicted => 7,
        EventClass::Stream => 8,
        EventClass::Module => 9,
        EventClass::New => 10,
        EventClass::KeyMiss => 13,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_shown_in_the_order_of_redis() {
        for (given, shown) in [
            ("", ""),
            ("KEA", "AKE"),
            ("Kg$lshzxetdmE", "AKEm"),
            ("xKl", "lxK"),
            ("nmEKdtexzhsl$g", "AKEm"),
            ("KEmng", "gnKEm"),
            ("KEgg", "gKE"),
        ] {
            assert_eq!(given.parse::<EventClasses>().unwrap().to_string(), shown, "{given}");
        }
        assert_eq!("Kq".parse::<EventClasses>(), Err(UnknownEventLetter));
    }

    #[test]
    fn a_class_alone_announces_nothing() {
        let classes = |letters: &str| letters.parse::<EventClasses>().unwrap();
        assert!(!classes("g").announces(EventClass::Generic));
        assert!(!classes("KE").announces(EventClass::Generic));
        assert!(classes("Kg").announces(EventClass::Generic));
        assert!(!classes("KEA").announces(EventClass::KeyMiss) && !classes("KEA").announces(EventClass::New));
        assert!(classes("Em").announces(EventClass::KeyMiss) && classes("En").announces(EventClass::New));
    }
}
