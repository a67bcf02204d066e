//! Libraries as FUNCTION DUMP gives them: what an RDB file holds of them, and its footer.
//!
//! ```text
//! 0xf5, string: code    for each library
//! footer                as behind every value that travels alone
//! ```

use crate::error::CommandError;
use crate::payload::{Input, VERSION_MIN, push_text, seal, unseal};
use crate::text::StrRef;

/// The payload that holds libraries.
pub(super) fn write<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for code in codes {
        out.push(FUNCTION);
        push_text(&mut out, StrRef::Bytes(code), true);
    }
    seal(&mut out, VERSION_MIN);
    out
}

/// The libraries that a payload holds.
pub(super) fn read(payload: &[u8]) -> Result<Vec<Vec<u8>>, CommandError> {
    let wrong = || CommandError::text("ERR DUMP payload version or checksum are wrong");
    let mut codes = Vec::new();
    let mut input = Input::new(unseal(payload).ok_or_else(wrong)?);
    while let Some([kind]) = input.array::<1>() {
        match kind {
            FUNCTION => {}
            FUNCTION_PRE_RELEASE => return Err(CommandError::text("ERR Pre-GA function format not supported")),
            _ => return Err(CommandError::text("ERR given type is not a function")),
        }
        match input.text() {
            Ok(Some(code)) => codes.push(code.with_bytes(<[u8]>::to_vec)),
            Ok(None) | Err(_) => return Err(CommandError::text("ERR Failed loading library data")),
        }
    }
    Ok(codes)
}

const FUNCTION: u8 = 0xf5;
const FUNCTION_PRE_RELEASE: u8 = 0xf6;

#[cfg(test)]
mod tests {
    use super::*;

    /// `FUNCTION DUMP` of a Redis server.
    const OF_REDIS: &[u8] = b"\xf5\xc3@\xa2@\xdd\x1f#!lua name=lib1\nredis.register_f\x0dunction('f1', \xe0\x00\x0e\x17keys,args) return 1 end)\xe0\x0f?\x00{\xc09\x00_`j\x02'f2 M\x08callback=\xc0\x1c\xe0\x0fV x\x12lags={'no-writes',' =\x12ow-stale'}, descrip@\xad\x01='@\x0c\x01'}\n\x00zf\x18U\x8dF\xc7S";

    #[test]
    fn a_dump_of_redis_is_read() {
        let codes = read(OF_REDIS).unwrap();
        assert_eq!(codes.len(), 1);
        assert!(codes[0].starts_with(b"#!lua name=lib1\nredis.register_function('f1', function(keys,args)"));
        assert_eq!(read(&write(codes.iter().map(Vec::as_slice))).unwrap(), codes);
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        let wrong = "ERR DUMP payload version or checksum are wrong";
        for at in 0..OF_REDIS.len() {
            assert_eq!(read(&OF_REDIS[..at]).unwrap_err().to_string(), wrong);
            let mut flipped = OF_REDIS.to_vec();
            flipped[at] ^= 1;
            assert!(read(&flipped).is_err());
        }
        let sealed = |body: &[u8]| {
            let mut out = body.to_vec();
            seal(&mut out, VERSION_MIN);
            read(&out).map(|codes| codes.len()).map_err(|error| error.to_string())
        };
        assert_eq!(sealed(b""), Ok(0));
        assert_eq!(sealed(b"\xf6"), Err("ERR Pre-GA function format not supported".into()));
        assert_eq!(sealed(b"\x00\x01a\x01b"), Err("ERR given type is not a function".into()));
        assert_eq!(sealed(b"\xf5\x05abc"), Err("ERR Failed loading library data".into()));
    }
}
