//! Finding a stream, and the answers where there is none.

use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::table::Spot;
use crate::turn::{Key, Turn};
use crate::value::stream::Stream;

/// The stream of an entry, if there is an entry.
pub(super) fn stream_of(entry: Option<&EntryRef>) -> Result<Option<&Stream>, CommandError> {
    entry.map(|entry| entry.as_stream().ok_or(CommandError::WrongType)).transpose()
}

/// Finds a stream for changing. No hit or miss is counted.
pub(super) fn find_stream(turn: &mut Turn<'_>, key: &Key<'_>) -> Result<Option<Spot>, CommandError> {
    let Some(spot) = turn.find(key) else { return Ok(None) };
    match turn.entry(key, spot).as_stream() {
        None => Err(CommandError::WrongType),
        Some(_) => Ok(Some(spot)),
    }
}

/// Shows the stream at a key to `f`, and counts a hit or a miss.
pub(super) fn read_stream<R>(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    f: impl FnOnce(Option<&Stream>) -> R,
) -> Result<R, CommandError> {
    Ok(f(stream_of(turn.read(key).as_deref())?))
}

/// Changes the stream at a spot where [`find_stream`] found one.
pub(super) fn edit_stream<R>(turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot, f: impl FnOnce(&mut Stream) -> R) -> R {
    turn.update(key, spot, |entry| f(entry.stream_mut().expect("a stream was found at this spot")))
}

/// As [`edit_stream`], for all but its entries: its groups and the ids it remembers are no change to who watches the key.
pub(super) fn edit_beside<R>(turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot, f: impl FnOnce(&mut Stream) -> R) -> R {
    turn.update_unannounced(key, spot, |entry| f(entry.stream_mut().expect("a stream was found at this spot")))
}

/// What answers a command on a group that is not there.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    quoting_all(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"])
}

/// A text of parts, of which some are words of the request. Like Redis, it ends each at its first zero byte.
pub(super) fn quoting_all(parts: &[&[u8]]) -> CommandError {
    CommandError::Quoting(
        parts.iter().flat_map(|part| part.split(|byte| *byte == 0).next().unwrap_or(part)).copied().collect(),
    )
}
