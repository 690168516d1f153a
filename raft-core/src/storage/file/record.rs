//! The bytes of a log file: file header, mark, records. The tables are in `docs/storage.md`.
//!
//! Every checksum also covers the group and the place in the file, so that bytes of another group,
//! of another file or of another place never pass for the ones that belong there.

use bytes::{Buf, BufMut};
use sha2::{Digest, Sha256};

use crate::storage::WriteSeq;
use crate::types::{GroupName, Index};

/// The version this engine writes, and the latest it reads.
pub(super) const VERSION: u8 = 1;
/// The smallest piece a disk writes as a whole, or so we assume of a crash.
pub(super) const SECTOR: u64 = 512;
/// Where the file header stands: a sector of its own, written once.
pub(super) const FILE_HEADER_AT: u64 = 0;
pub(super) const FILE_HEADER_LEN: usize = 24;
/// Where the mark stands: a sector of its own, rewritten in place.
pub(super) const MARK_AT: u64 = SECTOR;
pub(super) const MARK_LEN: usize = 24;
/// Where the first record stands.
pub(super) const RECORDS_AT: u64 = 2 * SECTOR;
pub(super) const RECORD_HEADER_LEN: usize = 40;
/// Records start at multiples of this.
pub(super) const RECORD_ALIGN: usize = 8;

const MAGIC: &[u8; 8] = b"nrg-log\n";
const CHECKSUM_LEN: usize = 4;
const FILE_HEADER_CHECKED: usize = FILE_HEADER_LEN - CHECKSUM_LEN;
const MARK_CHECKED: usize = MARK_LEN - CHECKSUM_LEN;
const RECORD_HEADER_CHECKED: usize = RECORD_HEADER_LEN - CHECKSUM_LEN;
const PLACE_LEN: usize = 16;

const _: () = assert!(FILE_HEADER_CHECKED == 8 + 8 + 1 + 3);
const _: () = assert!(MARK_CHECKED == 8 + 8 + 4);
const _: () = assert!(RECORD_HEADER_CHECKED == 8 + 8 + 8 + 4 + 4 + 1 + 3);
const _: () = assert!(RECORD_HEADER_LEN.is_multiple_of(RECORD_ALIGN));
const _: () = assert!(RECORDS_AT.is_multiple_of(RECORD_ALIGN as u64));
const _: () = assert!(FILE_HEADER_LEN as u64 <= SECTOR && MARK_LEN as u64 <= SECTOR);

/// A group as its log file knows it: the first eight bytes of the SHA-256 of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupKey(u64);

impl GroupKey {
    pub(super) fn of(group: &GroupName) -> Self {
        let digest = Sha256::digest(group.as_str().as_bytes());
        Self(digest.first_chunk().copied().map_or(0, u64::from_le_bytes))
    }

    /// CRC-32 of `bytes` at `offset` in this group's file.
    fn checksum<const N: usize>(self, bytes: &[u8; N], offset: u64) -> u32 {
        let mut place = [0; PLACE_LEN];
        let mut out = place.as_mut_slice();
        out.put_u64_le(self.0);
        out.put_u64_le(offset);
        let mut crc = crc32fast::Hasher::new();
        crc.update(bytes);
        crc.update(&place);
        crc.finalize()
    }

    /// `checked` behind its checksum.
    fn seal<const N: usize, const M: usize>(self, checked: &[u8; N], offset: u64) -> [u8; M] {
        const { assert!(M == N + CHECKSUM_LEN) };
        let mut sealed = [0; M];
        let mut out = sealed.as_mut_slice();
        out.put_u32_le(self.checksum(checked, offset));
        out.put_slice(checked);
        sealed
    }

    /// What follows the checksum in `sealed`, if that is right.
    fn open<const N: usize>(self, mut sealed: &[u8], offset: u64) -> Option<[u8; N]> {
        let sum = sealed.try_get_u32_le().ok()?;
        let checked = sealed.first_chunk::<N>()?;
        (self.checksum(checked, offset) == sum).then_some(*checked)
    }
}

/// What the first sector of a log file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) key: GroupKey,
    pub(super) version: u8,
}

impl FileHeader {
    pub(super) fn encode(self) -> [u8; FILE_HEADER_LEN] {
        let mut checked = [0; FILE_HEADER_CHECKED];
        let mut out = checked.as_mut_slice();
        out.put_slice(MAGIC);
        out.put_u64_le(self.key.0);
        out.put_u8(self.version);
        self.key.seal(&checked, FILE_HEADER_AT)
    }

    /// The header in `bytes`, whichever group it names; nothing when it is damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut peek = bytes.get(CHECKSUM_LEN + MAGIC.len()..)?;
        let key = GroupKey(peek.try_get_u64_le().ok()?);
        let checked = key.open::<FILE_HEADER_CHECKED>(bytes, FILE_HEADER_AT)?;
        let mut fields = checked.as_slice();
        if fields.split_off(..MAGIC.len())? != MAGIC {
            return None;
        }
        let key = GroupKey(fields.get_u64_le());
        Some(Self {
            key,
            version: fields.get_u8(),
        })
    }
}

/// What is known to be durable, noted in the file itself now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Every record up to this one was synced when the mark was written.
    pub(super) durable: WriteSeq,
    /// The file was at least this long.
    pub(super) file_len: u64,
}

impl Mark {
    pub(super) fn encode(self, key: GroupKey) -> [u8; MARK_LEN] {
        let mut checked = [0; MARK_CHECKED];
        let mut out = checked.as_mut_slice();
        out.put_u64_le(self.durable.0);
        out.put_u64_le(self.file_len);
        key.seal(&checked, MARK_AT)
    }

    pub(super) fn decode(bytes: &[u8], key: GroupKey) -> Option<Self> {
        let checked = key.open::<MARK_CHECKED>(bytes, MARK_AT)?;
        let mut fields = checked.as_slice();
        Some(Self {
            durable: WriteSeq(fields.get_u64_le()),
            file_len: fields.get_u64_le(),
        })
    }
}

/// What a record does to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The payload is the frame of entry `index`.
    Append,
    /// Everything above `index` is dropped.
    Truncate,
    /// Everything below `index` is dropped.
    Compact,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Append => 1,
            Self::Truncate => 2,
            Self::Compact => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Append),
            2 => Some(Self::Truncate),
            3 => Some(Self::Compact),
            _ => None,
        }
    }
}

/// The header of one record; the payload follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) seq: WriteSeq,
    /// Every record up to this one was synced when this record was written.
    pub(super) durable: WriteSeq,
    pub(super) index: Index,
    pub(super) len: u32,
    pub(super) payload_crc: u32,
    pub(super) kind: Kind,
}

impl RecordHeader {
    pub(super) fn encode(self, key: GroupKey, offset: u64) -> [u8; RECORD_HEADER_LEN] {
        let mut checked = [0; RECORD_HEADER_CHECKED];
        let mut out = checked.as_mut_slice();
        out.put_u64_le(self.seq.0);
        out.put_u64_le(self.durable.0);
        out.put_u64_le(self.index.0);
        out.put_u32_le(self.len);
        out.put_u32_le(self.payload_crc);
        out.put_u8(self.kind.code());
        key.seal(&checked, offset)
    }

    /// The header at `offset`; nothing when it is not the one written there.
    pub(super) fn decode(bytes: &[u8], key: GroupKey, offset: u64) -> Option<Self> {
        // Cheap, and true of nearly everything that is no header: zeros above all.
        let code = bytes.get(CHECKSUM_LEN + RECORD_HEADER_CHECKED - 4)?;
        let kind = Kind::from_code(*code)?;
        let checked = key.open::<RECORD_HEADER_CHECKED>(bytes, offset)?;
        let mut fields = checked.as_slice();
        Some(Self {
            seq: WriteSeq(fields.get_u64_le()),
            durable: WriteSeq(fields.get_u64_le()),
            index: Index(fields.get_u64_le()),
            len: fields.get_u32_le(),
            payload_crc: fields.get_u32_le(),
            kind,
        })
    }
}

/// How far apart the record with a payload of `len` bytes and the next one stand.
pub(super) const fn record_len(len: u64) -> u64 {
    (RECORD_HEADER_LEN as u64 + len).next_multiple_of(RECORD_ALIGN as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> GroupKey {
        GroupKey::of(&GroupName::new(name).unwrap())
    }

    fn header() -> RecordHeader {
        RecordHeader {
            seq: WriteSeq(9),
            durable: WriteSeq(7),
            index: Index(3),
            len: 5,
            payload_crc: 0x0403_0201,
            kind: Kind::Append,
        }
    }

    /// The absolute bytes, so that a change of layout cannot go by unnoticed.
    #[test]
    fn record_header_has_the_documented_layout() {
        let bytes = header().encode(key("G"), 1024);

        let fields = [
            9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1,
            2, 3, 4, 1, 0, 0, 0,
        ];
        assert_eq!(bytes[4..], fields);
        let key = Sha256::digest(b"G");
        let mut covered = fields.to_vec();
        covered.extend_from_slice(&key[..8]);
        covered.extend_from_slice(&1024_u64.to_le_bytes());
        assert_eq!(bytes[..4], crc32fast::hash(&covered).to_le_bytes());
    }

    #[test]
    fn file_header_and_mark_have_the_documented_layout() {
        let key = key("G");

        let header = FileHeader { key, version: 1 }.encode();
        let mark = Mark {
            durable: WriteSeq(2),
            file_len: 4096,
        }
        .encode(key);

        assert_eq!(header[4..12], *b"nrg-log\n");
        assert_eq!(header[12..20], Sha256::digest(b"G")[..8]);
        assert_eq!(header[20..], [1, 0, 0, 0]);
        assert_eq!(
            mark[4..],
            [2, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            FileHeader::decode(&header),
            Some(FileHeader { key, version: 1 })
        );
        assert_eq!(
            Mark::decode(&mark, key),
            Some(Mark {
                durable: WriteSeq(2),
                file_len: 4096
            })
        );
    }

    #[test]
    fn record_header_is_good_only_at_its_place_in_its_group() {
        let bytes = header().encode(key("G"), 1024);

        assert_eq!(RecordHeader::decode(&bytes, key("G"), 1024), Some(header()));
        assert_eq!(RecordHeader::decode(&bytes, key("G"), 1032), None);
        assert_eq!(RecordHeader::decode(&bytes, key("H"), 1024), None);
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let key = key("G");
        let record = header().encode(key, 1024);
        let file = FileHeader { key, version: 1 }.encode();
        let mark = Mark {
            durable: WriteSeq(2),
            file_len: 4096,
        }
        .encode(key);

        for bit in 0..8 * RECORD_HEADER_LEN {
            let mut bytes = record;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&bytes, key, 1024), None, "bit {bit}");
        }
        for bit in 0..8 * FILE_HEADER_LEN {
            let mut bytes = file;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::decode(&bytes), None, "bit {bit}");
            let mut bytes = mark;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Mark::decode(&bytes, key), None, "bit {bit}");
        }
    }
}
