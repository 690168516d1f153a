//! What can go wrong between the engine and a disk.

use std::io;
use std::path::{Path, PathBuf};

use crate::types::Index;

/// A write, a sync or the opening of a group that failed. Final for the group: never retried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused.
    #[error("could not {operation} {path}: {source}")]
    Io {
        /// What was tried, as a verb phrase: "sync", "write 4096 bytes to".
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An append at another index than the next one.
    #[error("append at {have}, but the log continues at {want}")]
    OutOfOrder {
        /// The next index of the log.
        want: Index,
        /// The index given.
        have: Index,
    },
    /// A frame longer than a log record may be.
    #[error("entry of {have} bytes is over the limit of {max}")]
    TooLarge {
        /// The frame's length in bytes.
        have: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Bytes on disk that no write of ours left there, before the end of what was synced.
    #[error("{path} is damaged at offset {offset}: {what}; nothing was changed")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The file was written by a later version.
    #[error("{path} has format version {have}, this engine reads up to {max}; nothing was changed")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        have: u8,
        /// The latest version known.
        max: u8,
    },
    /// The store directory could not be made. The text is the server's.
    #[error("raft: could not create storage directory - {source}")]
    CreateDirectory {
        /// What the system said.
        source: io::Error,
    },
    /// The snapshot directory could not be made. The text is the server's.
    #[error("could not create snapshots directory - {source}")]
    CreateSnapshots {
        /// What the system said.
        source: io::Error,
    },
    /// No file can be made in the store directory. The text is the server's.
    #[error("raft: storage directory is not writable")]
    NotWritable {
        /// What the system said.
        source: io::Error,
    },
    /// The store directory is not usable. The text is the server's.
    #[error("raft: storage directory is not a directory")]
    NotADirectory,
    /// No peer state where one has to be. The text is the server's.
    #[error("raft: no peerstate")]
    NoPeerState,
    /// `peers.idx` cannot be read. The text is the server's.
    #[error("raft: corrupt peer state")]
    CorruptPeers,
    /// A snapshot file is short, has another checksum, belongs to another group, or its parts do
    /// not fit. The text is the server's.
    #[error("raft: snapshot corrupt: {path}; nothing was changed")]
    SnapshotCorrupt {
        /// The file.
        path: PathBuf,
    },
    /// A log that the server left and that cannot be read here.
    #[error("cannot take over the server's log: {path} {why}; nothing was changed")]
    NotTaken {
        /// The file.
        path: PathBuf,
        /// What it is or does, as a verb phrase.
        why: &'static str,
    },
    /// An earlier write or sync of the group failed, so nothing is known of its files any more.
    #[error("an earlier write failed, the group takes no more")]
    Failed,
    /// Another node, here or in another process, has the folder open.
    #[error("{path} is in use by another node or process; nothing was changed")]
    InUse {
        /// The group's folder.
        path: PathBuf,
    },
    /// The log was closed.
    #[error("store is closed")]
    Closed,
}

/// Why an entry could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The index lies above the last entry. The text is the server's `EOF`.
    #[error("EOF")]
    BeyondEnd,
    /// The index lies below the first entry.
    #[error("no message found")]
    Missing,
    /// The bytes at that place are not what was written.
    #[error("entry {index} is damaged on disk")]
    Damaged {
        /// The entry's index.
        index: Index,
    },
    /// The operating system refused.
    #[error("could not read entry {index}: {source}")]
    Io {
        /// The entry's index.
        index: Index,
        /// What the system said.
        source: io::Error,
    },
    /// The log was closed.
    #[error("store is closed")]
    Closed,
}

impl StorageError {
    /// For `map_err`: what was tried on which path.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            operation,
            path: path.to_path_buf(),
            source,
        }
    }
}
