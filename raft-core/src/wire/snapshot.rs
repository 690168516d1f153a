//! The envelope of a snapshot file, its name, and the checksum that seals it.
//!
//! | Offset | Size | Field |
//! |---|---|---|
//! | 0 | 8 | term of the last included entry |
//! | 8 | 8 | last included index |
//! | 16 | 4 | p, length of the peer state |
//! | 20 | p | peer state |
//! | 20 + p | … | state machine data |
//! | end − 8 | 8 | HighwayHash-64 of all bytes before, keyed with the group's name |
//!
//! Strict: every byte is under the checksum. What the peer state says is not looked at here.

use std::fmt;

use bytes::{BufMut, Bytes};
use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};

use super::DecodeError;
use super::cursor::Reader;
use crate::types::{GroupName, Index, Term};

const HEAD_LEN: usize = 8 + 8 + 4;
const CHECKSUM_LEN: usize = 8;

/// Length of a snapshot file with neither peer state nor data.
pub const SNAPSHOT_LEN_MIN: usize = HEAD_LEN + CHECKSUM_LEN;

const _: () = assert!(SNAPSHOT_LEN_MIN == 28);

/// What a snapshot file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Term of the last included entry.
    pub last_term: Term,
    /// Index of the last included entry. A file that says zero counts as absent: the server of
    /// version 2.9.12 wrote such files by mistake.
    pub last_index: Index,
    /// The encoded [`PeerState`](super::PeerState) as committed at that index.
    pub peer_state: Bytes,
    /// The state machine's data.
    pub data: Bytes,
}

impl SnapshotFile {
    /// The content of the file, sealed with `key`.
    ///
    /// # Panics
    /// When the peer state is 4 GiB or longer, which its own 32-bit count of 8-byte peers allows
    /// only to a group of half a billion servers. Written cut, such a file could not be read.
    #[must_use]
    pub fn encode(&self, key: &ChecksumKey) -> Bytes {
        let peers_len = u32::try_from(self.peer_state.len());
        let peers_len = peers_len.expect("a peer state has less than 4 GiB");
        let len = SNAPSHOT_LEN_MIN + self.peer_state.len() + self.data.len();
        let mut out = Vec::with_capacity(len);
        out.put_u64_le(self.last_term.0);
        out.put_u64_le(self.last_index.0);
        out.put_u32_le(peers_len);
        out.put_slice(&self.peer_state);
        out.put_slice(&self.data);
        let sum = key.checksum(&out);
        out.put_u64_le(sum);
        out.into()
    }

    /// The snapshot a file's content holds; its peer state and data share `file`.
    ///
    /// # Errors
    /// [`DecodeError::SnapshotCorrupt`] when the content is short, its checksum under `key` is
    /// another, or its peer state does not fit in. The last holds even under a right checksum,
    /// where the server reads out of range.
    pub fn decode(file: Bytes, key: &ChecksumKey) -> Result<Self, DecodeError> {
        read(&file, key).ok_or(DecodeError::SnapshotCorrupt)
    }
}

fn read(file: &Bytes, key: &ChecksumKey) -> Option<SnapshotFile> {
    let (sealed, sum) = file.split_last_chunk::<CHECKSUM_LEN>()?;
    let mut reader = Reader::new(sealed);
    let (last_term, last_index) = (Term(reader.u64()?), Index(reader.u64()?));
    let peers_len = reader.u32()?;
    if key.checksum(sealed) != u64::from_le_bytes(*sum) {
        return None;
    }
    let peer_state = file.slice_ref(reader.take_u32(peers_len)?);
    let data = file.slice_ref(reader.rest());
    Some(SnapshotFile {
        last_term,
        last_index,
        peer_state,
        data,
    })
}

/// The key of the checksums under a group's files, made from the group's name: a file of another
/// group never passes for one's own.
#[derive(Clone)]
pub struct ChecksumKey(Key);

impl ChecksumKey {
    /// The key of a group's snapshots.
    #[must_use]
    pub fn of_group(group: &GroupName) -> Self {
        Self::of_text(group.as_str())
    }

    /// The key made from any text.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// The key made from text that need not be UTF-8: its SHA-256 as four words.
    #[must_use]
    pub fn of_bytes(text: &[u8]) -> Self {
        let digest = Sha256::digest(text);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(Key(words))
    }

    /// The 64-bit HighwayHash of `bytes` under this key.
    #[must_use]
    pub fn checksum(&self, bytes: &[u8]) -> u64 {
        HighwayHasher::new(self.0).hash64(bytes)
    }

    /// The same of bytes that lie apart.
    #[must_use]
    pub fn checksum_of(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = HighwayHasher::new(self.0);
        parts.iter().for_each(|part| hasher.append(part));
        hasher.finalize64()
    }
}

impl fmt::Debug for ChecksumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChecksumKey")
    }
}

/// The name of a snapshot file: `snap.<term>.<index>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotName {
    /// Term of the last included entry.
    pub term: Term,
    /// Index of the last included entry.
    pub index: Index,
}

impl SnapshotName {
    /// The name in `text`, which must be spelled exactly as [`SnapshotName`] prints: no sign, no
    /// leading zero, nothing before or behind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (term, index) = text.strip_prefix("snap.")?.split_once('.')?;
        Some(Self {
            term: Term(decimal(term)?),
            index: Index(decimal(index)?),
        })
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snap.{}.{}", self.term, self.index)
    }
}

/// A number spelled the one way it prints.
fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || text.starts_with(|first: char| ('1'..='9').contains(&first));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> SnapshotFile {
        SnapshotFile {
            last_term: Term(3),
            last_index: Index(20),
            peer_state: Bytes::from_static(b"peers"),
            data: Bytes::from_static(b"hello snapshot"),
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let key = ChecksumKey::of_text("TEST");
        let file = snapshot().encode(&key);

        for bit in 0..file.len() * 8 {
            let mut bytes = file.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = SnapshotFile::decode(bytes.into(), &key);
            assert_eq!(found, Err(DecodeError::SnapshotCorrupt), "bit {bit}");
        }
        assert_eq!(SnapshotFile::decode(file, &key), Ok(snapshot()));
    }

    #[test]
    fn peer_state_past_the_end_is_corrupt_under_a_right_checksum() {
        let key = ChecksumKey::of_text("TEST");
        let mut bytes = snapshot().encode(&key).to_vec();
        let sealed = bytes.len() - CHECKSUM_LEN;
        bytes[16..20].copy_from_slice(&20_u32.to_le_bytes());
        let sum = key.checksum(&bytes[..sealed]).to_le_bytes();
        bytes[sealed..].copy_from_slice(&sum);

        let found = SnapshotFile::decode(bytes.into(), &key);
        assert_eq!(found, Err(DecodeError::SnapshotCorrupt));
    }

    #[test]
    fn group_and_its_name_make_one_key() {
        let group = GroupName::new("TEST").unwrap();
        let file = snapshot().encode(&ChecksumKey::of_group(&group));

        assert_eq!(file, snapshot().encode(&ChecksumKey::of_text("TEST")));
        let other = SnapshotFile::decode(file, &ChecksumKey::of_text("test"));
        assert_eq!(other, Err(DecodeError::SnapshotCorrupt));
    }

    #[test]
    fn name_that_prints_differently_is_no_name() {
        for text in ["snap.0.0", "snap.1.2", "snap.18446744073709551615.7"] {
            let name = SnapshotName::parse(text).unwrap();
            assert_eq!(name.to_string(), text);
        }
        for text in [
            "snap.01.2",
            "snap.1.+2",
            "snap.1.2.tmp",
            "snap..2",
            "snap.1.２",
            "snap.1.",
        ] {
            assert_eq!(SnapshotName::parse(text), None, "{text}");
        }
    }
}
