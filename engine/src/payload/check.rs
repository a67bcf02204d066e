//! Checking a serialised value without an engine: for tools, and for fuzzing.

use super::decode::{Decoder, Dialect};
use super::error::PayloadError;
use super::footer::unseal;
use super::input::Input;

/// What the payload of DUMP holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PayloadCheck {
    /// The number of its type.
    pub number: u8,
    /// How many [parts](super::Part) it has.
    pub parts: u64,
}

/// Reads the payload of DUMP, its footer included, and makes nothing of it. Any bytes will do. O(bytes); memory: the largest
/// string in it that is compressed.
///
/// ```
/// use keyslot_engine::payload::check_payload;
/// let check = check_payload(b"\x00\xc0\x0c\n\x00<*\xf8Q\\\x04\xbc\xd5")?; // DUMP of 12, by redis-server 7.0
/// assert_eq!((check.number, check.parts), (0, 1));
/// assert!(check_payload(b"anything").is_err());
/// # Ok::<(), keyslot_engine::payload::PayloadError>(())
/// ```
pub fn check_payload(payload: &[u8]) -> Result<PayloadCheck, PayloadError> {
    let footer = "a footer of a known version with the checksum of what stands before it";
    let body = unseal(payload).ok_or_else(|| PayloadError::corrupt(payload.len().saturating_sub(10), footer))?;
    let (&number, value) = body.split_first().ok_or_else(|| PayloadError::corrupt(0, "the number of a type"))?;
    let (parts, used) = count_parts(number, value)?;
    if used == value.len() {
        Ok(PayloadCheck { number, parts })
    } else {
        Err(PayloadError::corrupt(1 + used, "a footer right behind the value"))
    }
}

/// How many parts the value that `bytes` begin with has, and how many bytes.
fn count_parts(number: u8, bytes: &[u8]) -> Result<(u64, usize), PayloadError> {
    let mut input = Input::new(bytes);
    let mut parts = 0;
    let complete = Decoder::new(number, Dialect::Redis)?.feed(&mut input, &mut |_| {
        parts += 1;
        Ok(())
    });
    match complete {
        Ok(true) => Ok((parts, input.position())),
        Ok(false) => Err(PayloadError::corrupt(1 + bytes.len(), "the rest of the value")),
        Err(error) => Err(error.after(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::footer::seal;
    use super::*;

    #[test]
    fn a_value_is_checked_to_its_end() {
        let sealed = |body: &[u8]| {
            let mut payload = body.to_vec();
            seal(&mut payload, 10);
            check_payload(&payload)
        };
        assert_eq!(sealed(b"\x02\x02\x01a\x01b"), Ok(PayloadCheck { number: 2, parts: 2 }));
        let at = |outcome: Result<_, _>| match outcome {
            Err(PayloadError::Corrupt { at, .. }) => at,
            other => panic!("{other:?}"),
        };
        assert_eq!(at(sealed(b"\x02\x02\x01a\x01b!")), 6);
        assert_eq!(at(sealed(b"\x02\x02\x01a")), 4);
        assert_eq!(at(sealed(b"\x02\x02\x01a\xc4")), 4);
        assert_eq!(at(sealed(b"")), 0);
        assert_eq!(at(check_payload(b"")), 0);
        assert!(matches!(sealed(b"\x07"), Err(PayloadError::UnknownType { .. })));
    }
}
