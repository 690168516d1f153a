//! Durable state: the log of a group, its term and vote, its peers, and the disk below them.
//!
//! Nothing here knows the protocol, and nothing here waits. A [`Log`] is a synchronous value: what
//! was appended is readable at once. What has to reach the disk is gathered in the log and taken
//! with [`Log::take_writes`]; a [`GroupStore`] carries it out wherever the driver can afford to
//! block, and the node hears of it as [`WriteSeq`].
//!
//! | Module | Job |
//! | --- | --- |
//! | [`disk`] | [`Disk`]: everything that touches files goes through it; the real one |
//! | [`memory`] | the log of a memory group |
//! | [`mod@file`] | the log of a file group, one append-only file of checked records |
//! | [`snapshot`] | a group's snapshot files |
//! | [`takeover`] | reads the log that the server left in a group's folder |
//! | [`group`] | one group's folder: opening it, bootstrapping it, carrying out its writes |
#![doc = concat!("\n", include_str!("../../docs/storage.md"))]

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod disk;
pub mod error;
pub mod file;
pub mod group;
pub mod memory;
mod small_file;
pub mod snapshot;
mod span;
pub mod takeover;

use bytes::Bytes;

pub use disk::{DirLock, Disk, DiskFile, OpenMode, PathKind, RealDisk};
pub use error::{LoadError, StorageError};
pub use file::{FileLog, LogWrite};
pub use group::{
    GroupStore, GroupWrites, OpenedGroup, RecoveryReport, StoreConfig, bootstrap, open_group,
    read_peer_state, read_term_vote,
};
pub use memory::MemoryLog;
pub use snapshot::{
    FoundSnapshot, FoundSnapshots, GroupSnapshots, MemorySnapshots, SnapshotOp, SnapshotOutcome,
    SnapshotReader, SnapshotWrite,
};
pub use span::FRAME_LEN_MAX;

use crate::types::Index;

/// Orders everything one group ever asks its disk for: raised by one for each append, truncation,
/// compaction, and each write of term and vote, peers or a snapshot.
///
/// Not a log index: an index can be appended, truncated and appended again before one sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteSeq(pub u64);

impl WriteSeq {
    /// Before the first write.
    pub const ZERO: Self = Self(0);
}

/// Where a group keeps its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// In memory: durable at once as far as the protocol is concerned, gone after a restart.
    Memory,
    /// In a file: durable once the sync that follows the write has returned.
    File,
}

impl LogKind {
    /// What one record of `len` payload bytes counts for in [`LogState::bytes`]: the server's
    /// accounting (behaviour.md 13.2), not the physical size.
    #[must_use]
    pub const fn record_bytes(self, len: usize) -> u64 {
        let overhead = match self {
            Self::Memory => 16,
            Self::File => 30,
        };
        overhead + len as u64
    }
}

/// What a log holds.
///
/// Empty and new: all zero. Empty after a compaction to `s`: `first` is `s`, `last` is `s - 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// How many entries.
    pub messages: u64,
    /// Their size by [`LogKind::record_bytes`].
    pub bytes: u64,
    /// The index of the first entry.
    pub first: Index,
    /// The index of the last entry; the next append takes the one after it.
    pub last: Index,
}

/// One group's log: a sequence of encoded append entries, the entry at index `i` being the one
/// whose previous index is `i - 1` (behaviour.md section 13).
///
/// Promises of every implementation, which `storage::conformance` checks:
/// - An appended frame is loadable at once, byte for byte, and stays so until it is truncated or
///   compacted away, whether or not it has reached the disk.
/// - Each call either does all of what it says or nothing, and returns an error.
/// - Writes come out of [`Log::take_writes`] in the order of the calls that caused them, each
///   with that call's [`WriteSeq`]; carried out in that order up to any point, they leave a disk
///   from which recovery yields the log as it stood after some call no earlier than the last sync.
pub trait Log: Send {
    /// Whether appends wait for a disk.
    fn kind(&self) -> LogKind;

    /// What the log holds now.
    fn state(&self) -> LogState;

    /// Appends `frame` at `index`, which has to be the one after the last.
    ///
    /// # Errors
    /// [`StorageError::OutOfOrder`] when it is not; [`StorageError::TooLarge`] for a frame over the
    /// record limit; [`StorageError::Closed`].
    fn append(&mut self, index: Index, seq: WriteSeq, frame: Bytes) -> Result<(), StorageError>;

    /// The frame at `index`.
    ///
    /// # Errors
    /// [`LoadError::BeyondEnd`] above the last index, [`LoadError::Missing`] below the first
    /// (index 0 included), [`LoadError::Damaged`] and [`LoadError::Io`] when the disk does not give
    /// back what was written, [`LoadError::Closed`].
    fn load(&self, index: Index) -> Result<Bytes, LoadError>;

    /// Drops everything above `last`; the next append takes the index after `last`. A cut that
    /// leaves nothing yields `first = last + 1`; a cut above the end empties the log and moves it
    /// up; `last = 0` resets it to new.
    ///
    /// # Errors
    /// [`StorageError::Closed`].
    fn truncate(&mut self, last: Index, seq: WriteSeq) -> Result<(), StorageError>;

    /// Drops everything below `first`. Above the end the log becomes empty and the next append
    /// takes `first`; at or below the first entry nothing happens.
    ///
    /// # Errors
    /// [`StorageError::Closed`].
    fn compact(&mut self, first: Index, seq: WriteSeq) -> Result<(), StorageError>;

    /// Takes the writes gathered since the last call, in order. Always empty for a memory log.
    fn take_writes(&mut self) -> Vec<LogWrite>;

    /// Everything up to `seq` has been written: frames kept only to be readable meanwhile may be
    /// dropped from memory.
    fn handle_written(&mut self, seq: WriteSeq);

    /// Ends the use of the log; later calls fail with the closed error. What a memory log held is
    /// gone.
    fn close(&mut self);
}
