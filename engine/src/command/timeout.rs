//! The timeouts of commands that block.

use crate::error::CommandError;
use crate::text::LongDouble;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use crate::turn::Turn;

/// Reads a timeout in seconds, with a fraction if need be, as BLPOP takes it: the time at which it is over. 0 is never.
pub(crate) fn deadline_of_seconds(turn: &Turn<'_>, text: &[u8]) -> Result<Option<UnixMillis>, CommandError> {
    let seconds = LongDouble::parse(text).ok_or(CommandError::text("ERR timeout is not a float or out of range"))?;
    let ms = seconds.ceil_of_thousandfold().ok_or(CommandError::text("ERR timeout is out of range"))?;
    deadline(turn, ms)
}

/// Reads a timeout in milliseconds, as XREAD takes it: the time at which it is over. 0 is never.
pub(crate) fn deadline_of_millis(turn: &Turn<'_>, text: &[u8]) -> Result<Option<UnixMillis>, CommandError> {
    let ms = parse_i64(text).ok_or(CommandError::text("ERR timeout is not an integer or out of range"))?;
    deadline(turn, ms)
}

fn deadline(turn: &Turn<'_>, ms: i64) -> Result<Option<UnixMillis>, CommandError> {
    match ms {
        ..0 => Err(CommandError::text("ERR timeout is negative")),
        0 => Ok(None),
        _ => match turn.now().0.checked_add(ms) {
            Some(at) => Ok(Some(UnixMillis(at))),
            None => Err(CommandError::text("ERR timeout is out of range")),
        },
    }
}
