//! What can be wrong with bytes from outside, and with values that do not fit the wire.

/// Why bytes are not a message. The texts are the server's where it has one.
///
/// A message that does not decode is dropped and counted; nothing is ever answered to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// An append entry is shorter than its fixed part, or a record runs past its end.
    #[error("raft: append entry corrupt")]
    BadAppendEntry {
        /// Offset of the part that is not whole: zero for the fixed part, else a record's.
        at: usize,
    },
    /// A message of fixed length has another one.
    #[error("message has {have} bytes instead of {need}")]
    Length {
        /// The length this kind of message has.
        need: usize,
        /// The length found.
        have: usize,
    },
    /// A peer state is too short for the peers it announces.
    #[error("raft: corrupt peer state")]
    CorruptPeers,
    /// A snapshot file is too short, its checksum differs (another group's file does that too),
    /// or its peer state runs past its end.
    #[error("raft: snapshot corrupt")]
    SnapshotCorrupt,
}

impl DecodeError {
    /// The error's name as `nrg decode` and the golden vectors spell it.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::BadAppendEntry { .. } => "bad_append_entry",
            Self::Length { .. } => "malformed",
            Self::CorruptPeers => "corrupt_peers",
            Self::SnapshotCorrupt => "snapshot_corrupt",
        }
    }
}

/// Why a value has no bytes. The texts are the server's where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Text given as an append entry's leader is neither empty nor an id.
    #[error("raft: leader should be exactly 8 bytes")]
    LeaderLen {
        /// The length found, in bytes.
        have: usize,
    },
    /// The count of records is a 16-bit field.
    #[error("raft: append entry can contain a max of 64k entries")]
    TooManyEntries {
        /// The number of records given.
        have: usize,
    },
    /// One record's data is over the length the format allows.
    #[error("entry data has {have} bytes, more than {max}")]
    EntryTooLong {
        /// The length found, in bytes.
        have: usize,
        /// The longest accepted length, in bytes.
        max: usize,
    },
    /// The message would not fit a log record of the server once catch-up has put its longest
    /// leader term under it.
    #[error("append entry would have {have} bytes before its leader term, more than {max}")]
    MessageTooLong {
        /// The length found, in bytes, without the leader term.
        have: u64,
        /// The longest accepted length, in bytes, without the leader term.
        max: u64,
    },
}

impl EncodeError {
    /// The error's name as the golden vectors spell it.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::LeaderLen { .. } => "leader_len",
            Self::TooManyEntries { .. } => "too_many_entries",
            Self::EntryTooLong { .. } => "entry_too_long",
            Self::MessageTooLong { .. } => "message_too_long",
        }
    }
}

/// Checks the length of a message that has only one.
pub(super) const fn exact_len(bytes: &[u8], need: usize) -> Result<(), DecodeError> {
    if bytes.len() == need {
        Ok(())
    } else {
        Err(DecodeError::Length {
            need,
            have: bytes.len(),
        })
    }
}
