//! Whole listpacks: a head, elements (drawn in `value::listpack`), an end.
//!
//! ```text
//! 4 bytes of size, 2 bytes of count (0xffff: unknown), elements, 0xff
//! ```

use super::error::PayloadError;
use crate::text::StrRef;
use crate::value::listpack::{self, END, FRAME_BYTES, HEAD_BYTES, first};

/// The elements. An error ends them.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Opens a listpack. The bytes must be exactly its own.
pub(super) fn elements(bytes: &[u8]) -> Result<Elements<'_>, PayloadError> {
    let size = bytes.first_chunk().map(|size| u32::from_le_bytes(*size) as usize);
    if size != Some(bytes.len()) || bytes.len() < FRAME_BYTES || bytes.last() != Some(&END) {
        return Err(PayloadError::corrupt(0, "a listpack as long as it says"));
    }
    Ok(Elements { bytes, at: HEAD_BYTES })
}

impl<'a> Elements<'a> {
    /// The next element, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<StrRef<'a>>, PayloadError> {
        let rest = &self.bytes[self.at..self.bytes.len() - 1];
        if rest.is_empty() {
            return Ok(None);
        }
        let found = first(rest).filter(|(_, size)| *size <= rest.len());
        let (element, size) = found.ok_or_else(|| PayloadError::corrupt(self.at, "an element of a listpack"))?;
        self.at += size;
        Ok(Some(element))
    }

    /// The next element, which must be there.
    pub(super) fn demand(&mut self) -> Result<StrRef<'a>, PayloadError> {
        self.next()?.ok_or_else(|| PayloadError::corrupt(self.at, "one more element in the listpack"))
    }

    /// The next element, which must be an integer.
    pub(super) fn integer(&mut self) -> Result<i64, PayloadError> {
        let at = self.at;
        self.demand()?.as_i64().ok_or_else(|| PayloadError::corrupt(at, "an integer in the listpack"))
    }
}

/// A listpack that is being appended to a buffer. It is whole once it is [ended](Self::end).
pub(super) struct Builder<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    count: usize,
}

impl<'o> Builder<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        Self { out, start, count: 0 }
    }

    pub(super) fn push(&mut self, element: StrRef<'_>) {
        listpack::push(self.out, element);
        self.count += 1;
    }

    pub(super) fn end(self) {
        self.out.push(END);
        let head = head(self.out.len() - self.start, self.count);
        self.out[self.start..self.start + HEAD_BYTES].copy_from_slice(&head);
    }

    /// Appends a listpack whose elements, so many, are encoded already.
    pub(super) fn push_whole(out: &mut Vec<u8>, elements: &[&[u8]], count: usize) {
        let size = FRAME_BYTES + elements.iter().map(|piece| piece.len()).sum::<usize>();
        out.extend_from_slice(&head(size, count));
        elements.iter().for_each(|piece| out.extend_from_slice(piece));
        out.push(END);
    }
}

fn head(size: usize, count: usize) -> [u8; HEAD_BYTES] {
    let size = u32::try_from(size).expect("compact collections and nodes are bounded far below 4 GiB").to_le_bytes();
    let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN).to_le_bytes();
    [size[0], size[1], size[2], size[3], count[0], count[1]]
}

/// There are more than the head can tell.
const COUNT_UNKNOWN: u16 = u16::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<StrRef<'_>>, PayloadError> {
        let mut elements = elements(bytes)?;
        let mut all = Vec::new();
        while let Some(element) = elements.next()? {
            all.push(element);
        }
        Ok(all)
    }

    #[test]
    fn every_element_comes_back_and_damage_is_told() {
        let strings: Vec<Vec<u8>> = [0, 1, 63, 64, 127, 4095, 4096, 20_000].map(|len| vec![b's'; len]).to_vec();
        let numbers = [0, 127, 128, -1, 4095, -4096, 4096, -4097, 32_768, -8_388_608, 8_388_608, 1 << 40, i64::MIN];
        let elements: Vec<StrRef<'_>> =
            strings.iter().map(|s| StrRef::Bytes(s)).chain(numbers.map(StrRef::Int)).collect();
        let mut bytes = Vec::new();
        let mut listpack = Builder::begin(&mut bytes);
        elements.iter().for_each(|element| listpack.push(*element));
        listpack.end();
        assert_eq!(all(&bytes), Ok(elements));
        for len in (0..bytes.len()).step_by(7) {
            assert!(all(&bytes[..len]).is_err());
        }
        for at in HEAD_BYTES..200 {
            let mut bent = bytes.clone();
            bent[at] ^= 0xf0;
            let _ = all(&bent);
        }
    }
}
