//! The checksum of RDB files and DUMP payloads: CRC-64 with the Jones polynomial, reflected, starting at 0.

use crc_fast::{CrcAlgorithm, Digest};

/// A running checksum.
#[derive(Clone, Debug)]
pub struct Checksum(Digest);

impl Default for Checksum {
    fn default() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64Redis))
    }
}

impl Checksum {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds the bytes that went into `other`. Takes as long as a few hundred bytes.
    pub fn append(&mut self, other: &Self) {
        self.0.combine(&other.0);
    }

    /// The checksum of all bytes so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

/// The checksum of some bytes.
pub fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Redis, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_the_one_that_redis_documents() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        let mut pieces = Checksum::default();
        pieces.update(b"1234");
        pieces.update(b"56789");
        assert_eq!(pieces.value(), crc64(b"123456789"));
        let mut joined = Checksum::default();
        for part in [&b""[..], b"12", b"3456789", b""] {
            let mut of_part = Checksum::default();
            of_part.update(part);
            joined.append(&of_part);
        }
        assert_eq!(joined.value(), pieces.value());
    }
}
