//! Taking numbers and bytes from the front of bytes, and putting numbers behind bytes.
//!
//! Nothing is allocated and nothing is taken that is not there.

/// Bytes, and how many of them were taken.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were taken.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// What was not taken.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..count)?;
        self.at += count;
        Some(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.rest().first_chunk()?;
        self.at += N;
        Some(taken)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of 1, 3, 5 or 9 bytes.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<u64> {
        let lead = *self.rest().first()?;
        if lead <= NUMBER_SHORT_MAX {
            self.at += 1;
            return Some(u64::from(lead));
        }
        self.long_number(lead)
    }

    #[cold]
    fn long_number(&mut self, lead: u8) -> Option<u64> {
        let start = self.at;
        self.at += 1;
        let number = match lead {
            NUMBER_16 => self.u16().map(u64::from),
            NUMBER_32 => self.u32().map(u64::from),
            NUMBER_64 => self.u64(),
            _ => None,
        };
        if number.is_none() {
            self.at = start;
        }
        number
    }

    /// A number and so many bytes.
    #[inline]
    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let size = self.number()?;
        self.take(usize::try_from(size).ok()?)
    }
}

/// Appends a number of 1, 3, 5 or 9 bytes.
#[inline]
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    if number <= u64::from(NUMBER_SHORT_MAX) {
        return out.push(number as u8);
    }
    push_long_number(out, number);
}

fn push_long_number(out: &mut Vec<u8>, number: u64) {
    if let Ok(number) = u16::try_from(number) {
        out.push(NUMBER_16);
        out.extend_from_slice(&number.to_le_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.push(NUMBER_32);
        out.extend_from_slice(&number.to_le_bytes());
    } else {
        out.push(NUMBER_64);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// Appends a number and so many bytes.
#[inline]
pub(crate) fn push_text(out: &mut Vec<u8>, bytes: &[u8]) {
    push_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

const NUMBER_SHORT_MAX: u8 = 250;
const NUMBER_16: u8 = 251;
const NUMBER_32: u8 = 252;
const NUMBER_64: u8 = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_need_all_their_bytes() {
        for number in [0, 1, 250, 251, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            let mut cursor = Cursor::new(&out);
            assert_eq!((cursor.number(), cursor.position()), (Some(number), out.len()));
            for len in 0..out.len() {
                let mut cut = Cursor::new(&out[..len]);
                assert_eq!((cut.number(), cut.position()), (None, 0));
            }
        }
        for lead in [254, 255] {
            assert_eq!(Cursor::new(&[lead; 10]).number(), None);
        }
    }

    #[test]
    fn a_text_longer_than_what_is_there_is_not_taken() {
        assert_eq!(Cursor::new(&[NUMBER_64, 255, 255, 255, 255, 255, 255, 255, 255, 1]).text(), None);
        assert_eq!(Cursor::new(&[3, b'a', b'b']).text(), None);
        assert_eq!(Cursor::new(&[2, b'a', b'b']).text(), Some(&b"ab"[..]));
    }
}
