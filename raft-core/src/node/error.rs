//! Why a node refuses, and why it stops.

use std::sync::Arc;

use crate::storage::StorageError;
use crate::types::{Index, PeerId};
use crate::wire::{EncodeError, Subject};

/// Why a proposal was not taken. Texts are the server's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// Not the leader of the given term, or the leader steps down under its backlog.
    #[error("raft: not leader")]
    NotLeader,
    /// The entry does not fit a message and a log record.
    #[error("entry of {have} bytes is over the limit of {max}")]
    TooLarge {
        /// The entry's length in bytes.
        have: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Additions and removals of peers are proposed on their own, one at a time.
    #[error("membership changes cannot be proposed among other entries")]
    MembershipEntry,
    /// What was taken before is not committed yet and fills its bound; nothing of this was taken,
    /// and the leadership stays. Propose it again once something has been committed.
    #[error("{have} bytes wait for their commit, the limit is {max}; propose again later")]
    Backlog {
        /// Bytes that wait.
        have: u64,
        /// The bound in bytes.
        max: u64,
    },
    /// The node has failed: the first fatal error.
    #[error("{0}")]
    Failed(FatalError),
    /// The node is stopped.
    #[error("raft: node is closed")]
    Closed,
}

/// Why a change of the membership was not taken. Texts are the server's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// Only a leader adds a peer.
    #[error("raft: not leader")]
    NotLeader,
    /// Another change is queued, or appended and not committed.
    #[error("raft: membership change in progress")]
    ChangeInProgress,
    /// Nobody to remove.
    #[error("raft: peer not found")]
    PeerNotFound,
    /// A group without members is none.
    #[error("raft: cannot remove the last peer")]
    LastPeer,
    /// The leader is new and has not committed an entry of its term: soon it will have.
    #[error("raft: leader has not committed an entry of its term yet")]
    NotReady,
    /// The node has failed: the first fatal error.
    #[error("{0}")]
    Failed(FatalError),
    /// The node is stopped.
    #[error("raft: node is closed")]
    Closed,
}

/// Why no peer was evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvictError {
    /// An unmanaged group decides about its members by itself.
    #[error("raft: group membership is not managed")]
    NotManaged,
    /// A group with a leader removes peers through its log.
    #[error("raft: group is not leaderless")]
    NotLeaderless,
    /// Those who stay might elect a leader.
    #[error("raft: remaining peers could still reach quorum")]
    QuorumPossible,
    /// The node is stopped.
    #[error("raft: node is closed")]
    Closed,
}

/// Why the quorum was not lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RescueError {
    /// The node is stopped.
    #[error("raft: node is closed")]
    Closed,
    /// A rescue never raises the quorum.
    #[error("raft: rescue quorum must be between 1 and current quorum")]
    BadQuorum,
    /// There is somebody to follow.
    #[error("raft: leader is known")]
    LeaderKnown,
    /// An observer or a stranger does not campaign.
    #[error("raft: not a voting member")]
    NotVoting,
    /// Nothing is here that could be saved.
    #[error("raft: log is empty")]
    EmptyLog,
}

/// Why a step-down was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepDownError {
    /// Only a leader can step down.
    #[error("raft: not leader")]
    NotLeader,
    /// One successor at most can be preferred.
    #[error("raft: stepdown requires at most one preferred new leader")]
    TooManyPreferred,
}

/// Why a campaign was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CampaignError {
    /// A leader has nothing to campaign for.
    #[error("raft: already leader")]
    AlreadyLeader,
    /// The node is stopped.
    #[error("raft: node is closed")]
    Closed,
}

/// Why applies were not paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PauseError {
    /// A leader has to keep applying.
    #[error("raft: already leader")]
    AlreadyLeader,
    /// The node has failed: there is nothing left to hold back.
    #[error("raft: node is closed")]
    Closed,
}

/// Why the cluster size was not adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdjustError {
    /// Only a leader adjusts a running cluster.
    #[error("raft: not leader")]
    NotLeader,
    /// The boot size is settled once a leader was known.
    #[error("raft: can not adjust boot peer size on established group")]
    Established,
}

/// Why a snapshot was not made, not installed or not read. Texts are the server's where it has one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The node is stopped.
    #[error("raft: node is closed")]
    NodeClosed,
    /// A checkpoint is open, or the leader's snapshot is being installed.
    #[error("raft: snapshot is already in progress")]
    InProgress,
    /// A follower is being sent the log that the snapshot would free.
    #[error("raft: snapshot can not be installed while catchups running")]
    CatchupsRunning,
    /// There is none, or nothing to make one of.
    #[error("raft: no snapshot available")]
    NotAvailable,
    /// The checkpoint is over: aborted, installed, or something newer took its place.
    #[error("raft: snapshot was aborted")]
    Aborted,
    /// The file is not what was written.
    #[error("raft: snapshot corrupt")]
    Corrupt,
    /// The last snapshot is another one than the node or checkpoint goes by.
    #[error("snapshot index mismatch")]
    IndexMismatch,
    /// An entry of the checkpoint cannot be read.
    #[error("entry {index} cannot be read: {why}")]
    Unreadable {
        /// The entry.
        index: Index,
        /// What reading it said.
        why: String,
    },
    /// The file could not be read or written. Nothing changed, it may be tried again.
    #[error("{0}")]
    Storage(Arc<StorageError>),
    /// The node has failed: the first fatal error.
    #[error("{0}")]
    Failed(FatalError),
}

/// The error that closed a node. The group is stopped; nothing acknowledged is lost, unless the
/// disk itself lost it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FatalError {
    /// A write, a sync or a read of the store failed.
    #[error("{0}; the group is stopped, acknowledged entries are safe on a quorum")]
    Storage(Arc<StorageError>),
    /// An entry that has to be there could not be read back.
    #[error("entry {index} cannot be read: {why}; the group is stopped, its files are untouched")]
    Unreadable {
        /// The entry.
        index: Index,
        /// What reading it said.
        why: String,
    },
    /// The log does not continue the snapshot, or begins late without one.
    #[error(
        "the log holds {first} to {last} and does not continue the snapshot at {snapshot}: \
         entries are missing; the group is stopped, its files are untouched"
    )]
    Misaligned {
        /// The snapshot's last index; zero when there is none.
        snapshot: Index,
        /// The first index of the log.
        first: Index,
        /// The last index of the log.
        last: Index,
    },
    /// A leader asked for committed entries to be cut off.
    #[error(
        "leader {leader} asked to cut the log to {to}, below the commit at {commit}; \
         the group is stopped and nothing was cut"
    )]
    TruncateBelowCommit {
        /// Where the cut would have been.
        to: Index,
        /// What is committed here.
        commit: Index,
        /// Who asked.
        leader: PeerId,
    },
    /// The transport could not subscribe, and without that subscription the node hears nothing.
    #[error("raft: could not subscribe to {subject}")]
    Unsubscribed {
        /// To what.
        subject: Subject,
    },
}

impl PartialEq for FatalError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for FatalError {}

/// Why an append entry was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("raft: not leader")]
    NotLeader,
    #[error("{0}")]
    Encode(#[from] EncodeError),
    #[error("raft: could not store entry to WAL")]
    Store,
}

/// Why an index was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommitError {
    #[error("raft: node is closed")]
    Closed,
    #[error("raft: could not load entry from WAL")]
    EntryLoadFailed,
    #[error("raft: peer was removed")]
    NodeRemoved,
}
