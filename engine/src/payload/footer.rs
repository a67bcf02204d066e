//! What stands behind a value that travels alone: the payload of DUMP, of MIGRATE and of FUNCTION DUMP.
//!
//! ```text
//! body
//! 2 bytes: version      of the RDB format, little-endian
//! 8 bytes: CRC-64       of all before it, little-endian
//! ```

use super::checksum::crc64;

/// The newest version of RDB that is read.
pub const VERSION_MAX: u16 = 12;

/// Appends the footer.
pub(crate) fn seal(out: &mut Vec<u8>, version: u16) {
    out.extend_from_slice(&version.to_le_bytes());
    let sum = crc64(out);
    out.extend_from_slice(&sum.to_le_bytes());
}

/// What stands before the footer; `None` if the version is too new or the checksum is another.
pub(crate) fn unseal(payload: &[u8]) -> Option<&[u8]> {
    let (summed, sum) = payload.split_last_chunk::<8>()?;
    let (body, version) = summed.split_last_chunk::<2>()?;
    let is_sound = u16::from_le_bytes(*version) <= VERSION_MAX && crc64(summed) == u64::from_le_bytes(*sum);
    is_sound.then_some(body)
}

/// The version that a payload names; `None` if it is too short for one.
pub(crate) fn version_of_sealed(payload: &[u8]) -> Option<u16> {
    let (version, _) = payload.last_chunk::<10>()?.split_first_chunk::<2>()?;
    Some(u16::from_le_bytes(*version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_is_taken() {
        let mut payload = b"\x00\x01x".to_vec();
        seal(&mut payload, VERSION_MAX);
        assert_eq!(unseal(&payload), Some(&b"\x00\x01x"[..]));
        for bit in 0..payload.len() * 8 {
            let mut bent = payload.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(&bent), None);
        }
        for len in 0..payload.len() {
            assert_eq!(unseal(&payload[..len]), None);
        }
        let mut newer = vec![0];
        seal(&mut newer, VERSION_MAX + 1);
        assert_eq!(unseal(&newer), None);
    }

    #[test]
    fn a_payload_of_redis_is_taken() {
        let of_redis = b"\x00\xc0\x0c\n\x00<*\xf8Q\\\x04\xbc\xd5";
        assert_eq!(unseal(of_redis), Some(&b"\x00\xc0\x0c"[..]));
    }
}
