//! `FIELDS numfields field [field ...]`, the end of requests about single fields, and the times that they name.

use crate::command::string::Expiration;
use crate::error::CommandError;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use crate::turn::Turn;

/// The fields of a request whose word FIELDS is at `args[at]`. `few` is the text for a number below 1.
pub(super) fn field_list<'b, 'a>(
    args: &'b [&'a [u8]],
    at: usize,
    few: &'static str,
) -> Result<&'b [&'a [u8]], CommandError> {
    if !args.get(at).is_some_and(|word| word.eq_ignore_ascii_case(b"FIELDS")) {
        return Err(CommandError::text("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let uneven = CommandError::text("ERR The `numfields` parameter must match the number of arguments");
    let Some((number, fields)) = args[at + 1..].split_first() else { return Err(uneven) };
    let count = parse_i64(number).filter(|count| *count > 0).ok_or(CommandError::text(few))?;
    if usize::try_from(count).ok() == Some(fields.len()) { Ok(fields) } else { Err(uneven) }
}

/// The moment that is meant for fields; it may have passed. An error below 0 and beyond 46 bits of milliseconds.
pub(super) fn moment(
    turn: &Turn<'_>,
    expiration: Expiration,
    command: &'static str,
) -> Result<UnixMillis, CommandError> {
    let (number, factor, start) = match expiration {
        Expiration::Seconds(n) => (n, 1000, turn.now().0),
        Expiration::Millis(n) => (n, 1, turn.now().0),
        Expiration::AtSeconds(n) => (n, 1000, 0),
        Expiration::AtMillis(n) => (n, 1, 0),
    };
    if number < 0 {
        return Err(CommandError::text("ERR invalid expire time, must be >= 0"));
    }
    let moment = number.checked_mul(factor).and_then(|ms| ms.checked_add(start)).filter(|ms| *ms <= MOMENT_MAX);
    moment.map(UnixMillis).ok_or(CommandError::InvalidExpire { command })
}

/// The expiry option named by `word`, counting `number`.
pub(super) fn expiration(word: &[u8], number: i64) -> Option<Expiration> {
    match word.to_ascii_uppercase().as_slice() {
        b"EX" => Some(Expiration::Seconds(number)),
        b"PX" => Some(Expiration::Millis(number)),
        b"EXAT" => Some(Expiration::AtSeconds(number)),
        b"PXAT" => Some(Expiration::AtMillis(number)),
        _ => None,
    }
}

/// The latest expiry of a field.
const MOMENT_MAX: i64 = (1 << 46) - 1;

/// What most of the commands say of a number below 1.
pub(super) const TOO_FEW: &str = "ERR Number of fields must be a positive integer";
