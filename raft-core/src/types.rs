//! The plain values every other module speaks in: terms, indexes, peers, groups, entries.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Length of a peer id in bytes, on the wire and in memory.
pub const PEER_ID_LEN: usize = 8;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A leadership term (Raft paper: currentTerm). Zero is the term before the first election.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

/// A position in the log, counted from 1. Zero is the position before the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u64);

impl Term {
    /// The term before the first election.
    pub const ZERO: Self = Self(0);

    /// The following term. A term that cannot be raised any more stays where it is; no cluster
    /// gets there, and a forged message must not panic.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Index {
    /// The position before the first entry.
    pub const ZERO: Self = Self(0);

    /// The following position, saturating.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The position before this one, saturating at zero.
    #[must_use]
    pub const fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// How many positions this one lies after `earlier`; zero when it does not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The eight opaque bytes that name a server. Printable in practice, never assumed to be.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; PEER_ID_LEN]);

impl PeerId {
    /// The id of a server name: the first eight bytes of its SHA-256, each modulo 62 as a base-62
    /// digit (server: `getHash`; formats.md section 1).
    #[must_use]
    pub fn from_server_name(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        let mut id = [0; PEER_ID_LEN];
        for (to, from) in id.iter_mut().zip(digest) {
            *to = base62_digit(u64::from(from));
        }
        Self(id)
    }

    /// The id spelled by exactly eight bytes of text.
    ///
    /// # Errors
    /// [`IdError::Length`] for any other length.
    pub fn from_text(text: &[u8]) -> Result<Self, IdError> {
        <[u8; PEER_ID_LEN]>::try_from(text)
            .map(Self)
            .map_err(|_| IdError::Length { have: text.len() })
    }

    /// The eight bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PEER_ID_LEN] {
        &self.0
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

/// Why text is not a peer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Only eight bytes make an id. The text is the server's `errLeaderLen`.
    #[error("raft: leader should be exactly 8 bytes")]
    Length {
        /// The length found.
        have: usize,
    },
}

/// One base-62 digit of `value modulo 62`.
pub(crate) fn base62_digit(value: u64) -> u8 {
    let at = usize::try_from(value % 62).unwrap_or_default();
    BASE62.get(at).copied().unwrap_or(b'0')
}

/// Eight base-62 digits, least significant first: the tail of a reply inbox.
pub(crate) fn base62_token(mut value: u64) -> [u8; 8] {
    let mut token = [0; 8];
    for digit in &mut token {
        *digit = base62_digit(value);
        value /= 62;
    }
    token
}

/// The name of a group: one token of a NATS subject, so neither empty nor holding white space,
/// control characters, `.`, `*` or `>`. Also a folder name, so no `/` or `\`. Clones are cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

/// Why text is not a group name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupNameError {
    /// A subject token has at least one character.
    #[error("group name is empty")]
    Empty,
    /// A subject token is a single path-free word.
    #[error("group name holds {found:?}, which no single subject token may")]
    Character {
        /// The first offending character.
        found: char,
    },
    /// The name also names a folder.
    #[error("group name has {have} bytes, more than the {max} a folder name may have")]
    TooLong {
        /// The length found, in bytes.
        have: usize,
        /// The longest accepted length, in bytes.
        max: usize,
    },
}

impl GroupName {
    /// Longest name in bytes: a folder name with room for the suffix of a deletion in progress.
    pub const LEN_MAX: usize = 240;

    /// Checks and keeps `name`.
    ///
    /// # Errors
    /// [`GroupNameError`] when `name` is not one subject token.
    pub fn new(name: &str) -> Result<Self, GroupNameError> {
        if name.is_empty() {
            return Err(GroupNameError::Empty);
        }
        if name.len() > Self::LEN_MAX {
            return Err(GroupNameError::TooLong {
                have: name.len(),
                max: Self::LEN_MAX,
            });
        }
        let bad = |c: &char| {
            c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>' | '/' | '\\')
        };
        match name.chars().find(bad) {
            Some(found) => Err(GroupNameError::Character { found }),
            None => Ok(Self(name.into())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupName({})", self.0)
    }
}

/// What a log entry is, as its wire code (formats.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryType {
    /// Opaque application data.
    Normal,
    /// A snapshot as very old logs hold it; handed up as [`EntryType::Snapshot`].
    OldSnapshot,
    /// The membership as an encoded [`PeerState`](crate::wire::PeerState); the first entry of a
    /// new leader.
    PeerState,
    /// A peer joins; data is its id.
    AddPeer,
    /// A peer leaves; data is its id.
    RemovePeer,
    /// The chosen successor; data is its id. Acted on only when it arrives live.
    LeaderTransfer,
    /// A state machine snapshot, opaque.
    Snapshot,
    /// Marks the start of a catch-up in the apply queue. Never stored or sent.
    Catchup,
    /// A code this engine does not know: stored and passed on, ignored on commit.
    Unknown(u8),
}

impl EntryType {
    /// The type of a wire code. Every code has one.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Normal,
            1 => Self::OldSnapshot,
            2 => Self::PeerState,
            3 => Self::AddPeer,
            4 => Self::RemovePeer,
            5 => Self::LeaderTransfer,
            6 => Self::Snapshot,
            7 => Self::Catchup,
            other => Self::Unknown(other),
        }
    }

    /// The wire code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::OldSnapshot => 1,
            Self::PeerState => 2,
            Self::AddPeer => 3,
            Self::RemovePeer => 4,
            Self::LeaderTransfer => 5,
            Self::Snapshot => 6,
            Self::Catchup => 7,
            Self::Unknown(code) => code,
        }
    }

    /// Whether an entry of this type adds or removes a peer.
    #[must_use]
    pub const fn changes_membership(self) -> bool {
        matches!(self, Self::AddPeer | Self::RemovePeer)
    }
}

/// One record of an append entry: a type and its data. All records of one append entry share one
/// log index. Cloning shares the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the data is.
    pub kind: EntryType,
    /// The data, opaque to the engine for [`EntryType::Normal`] and [`EntryType::Snapshot`].
    pub data: Bytes,
}

impl Entry {
    /// An entry of application data.
    #[must_use]
    pub fn normal(data: impl Into<Bytes>) -> Self {
        Self {
            kind: EntryType::Normal,
            data: data.into(),
        }
    }

    /// An entry of `kind` whose data is a peer id.
    #[must_use]
    pub fn about(kind: EntryType, peer: PeerId) -> Self {
        Self {
            kind,
            data: Bytes::copy_from_slice(peer.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SE-13: a difference that wraps makes an application that is ahead look hopelessly behind.
    #[test]
    fn index_arithmetic_saturates_at_both_ends() {
        assert_eq!(Index(3).since(Index(5)), 0);
        assert_eq!(Index::ZERO.prev(), Index::ZERO);
        assert_eq!(Index(u64::MAX).next(), Index(u64::MAX));
        assert_eq!(Term(u64::MAX).next(), Term(u64::MAX));
    }
}
