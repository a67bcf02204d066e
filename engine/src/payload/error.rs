//! Why a payload cannot be read.

/// What is wrong with a serialised value, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The bytes break the rules of their form.
    #[error("byte {at}: {what}")]
    Corrupt {
        /// Offset from where the reading began, or within the string that holds the form.
        at: usize,
        /// What was expected there and is not.
        what: &'static str,
    },
    /// The parts contradict each other.
    #[error("not so in this value: {what}")]
    Contradiction {
        /// What holds for every value.
        what: &'static str,
    },
    /// A type of value that is not known here.
    #[error("values of type {number} ({name}) cannot be read")]
    UnknownType {
        /// The type's number.
        number: u8,
        /// What is known of it.
        name: &'static str,
    },
}

impl PayloadError {
    #[cold]
    pub(crate) fn corrupt(at: usize, what: &'static str) -> Self {
        Self::Corrupt { at, what }
    }

    #[cold]
    pub(super) fn unknown(number: u8) -> Self {
        let name = match number {
            6 | 7 => "of a module, which only that module understands",
            8 => "never used by any release",
            _ => "of a later version",
        };
        Self::UnknownType { number, name }
    }
}
