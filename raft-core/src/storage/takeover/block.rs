//! One block of the server's log: a run of records, without header or padding (formats.md 9).
//!
//! | Offset | Size | Field |
//! |---|---|---|
//! | 0 | 4 | length of the whole record; bit 31: it has headers |
//! | 4 | 8 | index; bit 63: erased, bit 62: a tombstone |
//! | 12 | 8 | time |
//! | 20 | 2 | length of the subject |
//! | 22 | … | subject, headers behind their length, payload |
//! | end − 8 | 8 | HighwayHash-64 of offsets 4–19, subject, headers and payload |
//!
//! The key of the hash holds the group and the number of the block.

use std::ops::Range;

use bytes::Bytes;

use crate::wire::ChecksumKey;

const HEAD_LEN: usize = 22;
const CHECKSUM_LEN: usize = 8;
const RECORD_LEN_MIN: usize = HEAD_LEN + CHECKSUM_LEN;
const RECORD_LEN_MAX: usize = 32 << 20;

const HAS_HEADERS: u32 = 1 << 31;
const ERASED: u64 = 1 << 63;
const TOMBSTONE: u64 = 1 << 62;

/// What a stretch of a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// An entry of the log under its index.
    Entry(u64, Bytes),
    /// A record that holds no entry: erased, or a note that another one is gone.
    Dead,
    /// Bytes that are no record.
    Bad(Range<usize>),
}

/// The items of a block, in order; the whole of it is covered.
#[derive(Debug)]
pub(super) struct Items<'a> {
    block: &'a Bytes,
    key: &'a ChecksumKey,
    at: usize,
    /// The highest index of the blocks before.
    before: Option<u64>,
    /// The highest index in this one so far.
    last: Option<u64>,
}

/// A record whose checksum is right.
struct Record {
    len: usize,
    index: u64,
    is_entry: bool,
    payload: Bytes,
}

impl<'a> Items<'a> {
    /// `before` is the highest index of the blocks before this one.
    pub(super) const fn new(block: &'a Bytes, key: &'a ChecksumKey, before: Option<u64>) -> Self {
        Self {
            block,
            key,
            at: 0,
            before,
            last: None,
        }
    }

    fn record_at(&self, at: usize) -> Option<Record> {
        let rest = self.block.get(at..)?;
        let field: u32 = u32::from_le_bytes(*rest.first_chunk()?);
        let len = usize::try_from(field & !HAS_HEADERS).ok()?;
        if !(RECORD_LEN_MIN..=RECORD_LEN_MAX).contains(&len) {
            return None;
        }
        let record = rest.get(..len)?;
        let (head, rest) = record.split_at_checked(HEAD_LEN)?;
        let subject_len = usize::from(u16::from_le_bytes(*head.last_chunk()?));
        let (rest, checksum) = rest.split_last_chunk::<CHECKSUM_LEN>()?;
        let (subject, rest) = rest.split_at_checked(subject_len)?;
        let (headers, payload) = if field & HAS_HEADERS == 0 {
            rest.split_at_checked(0)?
        } else {
            let (headers_len, rest) = rest.split_first_chunk()?;
            rest.split_at_checked(u32::from_le_bytes(*headers_len).try_into().ok()?)?
        };
        let hashed = [head.get(4..20)?, subject, headers, payload];
        if self.key.checksum_of(&hashed) != u64::from_le_bytes(*checksum) {
            return None;
        }
        let marked = u64::from_le_bytes(*head.get(4..)?.first_chunk()?);
        let index = marked & !(ERASED | TOMBSTONE);
        Some(Record {
            len,
            index,
            is_entry: marked == index && index != 0,
            payload: self.block.slice_ref(payload),
        })
    }

    /// Where the first record behind `bad` begins, or the end.
    ///
    /// A record of 64 checked bits is not met by chance. The hash is taken only where the fields
    /// could be those of a record of a group's log: no subject, no headers, and an index that the
    /// bytes passed over leave room for.
    fn next_record_after(&self, bad: usize) -> usize {
        let could_be = |at: usize| -> Option<bool> {
            let head = self.block.get(at..)?.get(..HEAD_LEN)?;
            let marked = u64::from_le_bytes(*head.get(4..)?.first_chunk()?);
            let plain = head.ends_with(&[0, 0]) && head.get(3)? & 0x80 == 0;
            let passed = (at - bad) as u64 / RECORD_LEN_MIN as u64;
            let fits = match self.last.or(self.before) {
                Some(last) => marked > last && marked - last <= passed + 1,
                None => marked & ERASED == 0,
            };
            Some(plain && (fits || marked & TOMBSTONE != 0))
        };
        let starts = bad + 1..self.block.len().saturating_sub(RECORD_LEN_MIN - 1);
        starts
            .into_iter()
            .find(|at| could_be(*at) == Some(true) && self.record_at(*at).is_some())
            .unwrap_or(self.block.len())
    }
}

impl Iterator for Items<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let at = self.at;
        if at >= self.block.len() {
            return None;
        }
        let Some(record) = self.record_at(at) else {
            self.at = self.next_record_after(at);
            return Some(Item::Bad(at..self.at));
        };
        self.at += record.len;
        // Within a block indexes rise; the server skips one that does not.
        if !record.is_entry || self.last.is_some_and(|last| record.index <= last) {
            return Some(Item::Dead);
        }
        self.last = Some(record.index);
        Some(Item::Entry(record.index, record.payload))
    }
}
