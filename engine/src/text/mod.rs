//! Text as Redis reads and writes it: numbers, quoted words, patterns.
//!
//! Pure functions over byte slices. They know no command and no reply; what they accept and print is what clients,
//! configuration files and stored values depend on, to the byte.

mod double;
mod float_text;
mod glob;
mod long_double;
mod natural;
mod number;
mod split;
mod string;

pub use double::{DoubleBuffer, format_f64, format_f64_g17, parse_f64};
pub use glob::{Case, glob_matches};
pub use long_double::LongDouble;
pub use number::{DecimalBuffer, format_i64, parse_i64};
pub use split::{UnbalancedQuotes, split_args};
pub(crate) use split::{is_word_end, next_word, skip_blanks};
pub use string::{AsValue, StrRef};
