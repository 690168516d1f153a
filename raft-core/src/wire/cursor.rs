//! The only place that moves through bytes: a bounds-checked little-endian reader, and the two
//! fields [`BufMut`] lacks.

use bytes::BufMut;

use crate::types::{PEER_ID_LEN, PeerId};

/// Most bytes an unsigned 64-bit value takes as a uvarint.
pub(crate) const UVARINT_LEN_MAX: usize = 10;

/// What is left to read of a message. Each read takes its bytes or, when they are not there,
/// gives `None` and leaves the rest as it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Everything not yet read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    pub(crate) fn id(&mut self) -> Option<PeerId> {
        self.array::<PEER_ID_LEN>().map(PeerId)
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next `len` bytes, for a length that was read from the wire.
    #[inline]
    pub(crate) fn take_u32(&mut self, len: u32) -> Option<&'a [u8]> {
        self.take(usize::try_from(len).ok()?)
    }

    /// A value in base 128, low group first. `None` when it is unfinished or over 64 bits;
    /// non-minimal forms are values like any other (Go: `binary.Uvarint`).
    pub(crate) fn uvarint(&mut self) -> Option<u64> {
        let mut value = 0;
        for (at, &byte) in self.rest.iter().enumerate().take(UVARINT_LEN_MAX) {
            let group = u64::from(byte & 0x7f);
            value |= group << (7 * at);
            if byte < 0x80 {
                // The tenth byte has room for one more bit of the 64.
                if at + 1 == UVARINT_LEN_MAX && group > 1 {
                    return None;
                }
                self.take(at + 1)?;
                return Some(value);
            }
        }
        None
    }
}

/// Bytes `value` takes as a uvarint, 1 to 10.
pub(crate) const fn uvarint_len(value: u64) -> usize {
    // One group of seven bits for each byte; zero still takes one.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// The fields of the wire that [`BufMut`] does not know.
pub(crate) trait PutWire: BufMut {
    #[inline]
    fn put_id(&mut self, id: &PeerId) {
        self.put_slice(id.as_bytes());
    }

    #[inline]
    fn put_uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put_u8(low_group(value) | 0x80);
            value >>= 7;
        }
        self.put_u8(low_group(value));
    }
}

impl<T: BufMut + ?Sized> PutWire for T {}

/// The low seven bits.
const fn low_group(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_are_little_endian_and_in_order() {
        let mut reader = Reader::new(&[1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9]);

        assert_eq!(reader.u8(), Some(1));
        assert_eq!(reader.u16(), Some(2));
        assert_eq!(reader.u32(), Some(3));
        assert_eq!(reader.u64(), Some(4));
        assert_eq!(reader.rest(), &[9]);
    }

    #[test]
    fn short_read_takes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);

        assert_eq!(reader.u32(), None);
        assert_eq!(reader.take(4), None);
        assert_eq!(reader.take_u32(u32::MAX), None);
        assert_eq!(reader.id(), None);
        assert_eq!(reader.rest(), &[1, 2, 3]);
    }

    #[test]
    fn uvarint_of_65_bits_or_unfinished_is_none() {
        let over = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];

        assert_eq!(Reader::new(&over).uvarint(), None);
        assert_eq!(Reader::new(&[0xff; 11]).uvarint(), None);
        assert_eq!(Reader::new(&[0x80]).uvarint(), None);
        assert_eq!(Reader::new(&[]).uvarint(), None);
    }

    #[test]
    fn uvarint_takes_non_minimal_forms() {
        let mut reader = Reader::new(&[0x85, 0x80, 0x00, 0x07]);

        assert_eq!(reader.uvarint(), Some(5));
        assert_eq!(reader.rest(), &[7]);
    }

    #[test]
    fn uvarint_boundaries_have_the_announced_length() {
        for bits in 0..64 {
            for value in [1_u64 << bits, (1_u64 << bits) - 1] {
                let mut out = Vec::new();
                out.put_uvarint(value);
                assert_eq!(out.len(), uvarint_len(value), "{value}");
            }
        }
        assert_eq!(uvarint_len(u64::MAX), UVARINT_LEN_MAX);
    }

    proptest! {
        #[test]
        fn uvarint_round_trips(value: u64, tail: Vec<u8>) {
            let mut out = Vec::new();
            out.put_uvarint(value);
            prop_assert_eq!(out.len(), uvarint_len(value));
            out.put_slice(&tail);

            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.uvarint(), Some(value));
            prop_assert_eq!(reader.rest(), &tail[..]);
        }
    }
}
