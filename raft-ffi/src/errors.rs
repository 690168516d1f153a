//! The one place that gives each error of the engine its status.

use raft_core::config::ConfigError;
#[cfg(feature = "testing")]
use raft_core::node::CallError;
use raft_core::node::{
    AdjustError, CampaignError, EvictError, FatalError, MembershipError, PauseError, ProposeError,
    RescueError, SnapshotError, StepDownError,
};
#[cfg(feature = "testing")]
use raft_core::runtime::{Busy, HandsError};
use raft_core::runtime::{RuntimeError, ShutDown, StartError, TransportError};
use raft_core::storage::StorageError;
#[cfg(feature = "testing")]
use raft_core::wire::{DecodeError, EncodeError};

use crate::guard::Failure;
use crate::status::{
    NRG_STATUS_ADJUST_BOOT_CLUSTER, NRG_STATUS_ALREADY_LEADER, NRG_STATUS_ALREADY_OPEN,
    NRG_STATUS_BACKLOG, NRG_STATUS_BAD_CONFIG, NRG_STATUS_BAD_DIRECTORY,
    NRG_STATUS_CATCHUPS_RUNNING, NRG_STATUS_CLOSED, NRG_STATUS_CORRUPT, NRG_STATUS_CORRUPT_PEERS,
    NRG_STATUS_ENTRY_LOAD_FAILED, NRG_STATUS_ENTRY_STORE_FAILED, NRG_STATUS_INTERNAL,
    NRG_STATUS_INVALID_ARGUMENT, NRG_STATUS_IO, NRG_STATUS_LEADER_NOT_READY,
    NRG_STATUS_MEMBERSHIP_CHANGE, NRG_STATUS_NO_PEER_STATE, NRG_STATUS_NO_SNAPSHOT,
    NRG_STATUS_NO_THREAD, NRG_STATUS_NO_TRANSPORT, NRG_STATUS_NOT_LEADER,
    NRG_STATUS_NOT_LEADERLESS, NRG_STATUS_NOT_MANAGED, NRG_STATUS_PEER_NOT_FOUND,
    NRG_STATUS_QUORUM_POSSIBLE, NRG_STATUS_REMOVE_LAST_NODE, NRG_STATUS_RESCUE_BAD_QUORUM,
    NRG_STATUS_RESCUE_EMPTY_LOG, NRG_STATUS_RESCUE_LEADER_KNOWN, NRG_STATUS_RESCUE_NOT_VOTING,
    NRG_STATUS_SHUTDOWN, NRG_STATUS_SNAPSHOT_ABORTED, NRG_STATUS_SNAPSHOT_CORRUPT,
    NRG_STATUS_SNAPSHOT_IN_PROGRESS, NRG_STATUS_SNAPSHOT_MISMATCH, NRG_STATUS_TOO_LARGE,
    NRG_STATUS_TOO_MANY_PREFS, NRG_STATUS_TRUNCATE_BELOW_COMMIT, NRG_STATUS_WRITE_ERROR,
};
#[cfg(feature = "testing")]
use crate::status::{
    NRG_STATUS_BAD_APPEND_ENTRY, NRG_STATUS_BUSY, NRG_STATUS_FAULTED, NRG_STATUS_LEADER_LEN,
    NRG_STATUS_MALFORMED, NRG_STATUS_NODE_REMOVED, NRG_STATUS_NOT_FOUND,
    NRG_STATUS_TOO_MANY_ENTRIES, NRG_STATUS_UNSUPPORTED,
};

impl From<ProposeError> for Failure {
    /// On the hot path: no text where the code says it all.
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader => Self::code(NRG_STATUS_NOT_LEADER),
            ProposeError::Closed => Self::code(NRG_STATUS_CLOSED),
            ProposeError::TooLarge { .. } => Self::new(NRG_STATUS_TOO_LARGE, error.to_string()),
            ProposeError::MembershipEntry => {
                Self::new(NRG_STATUS_INVALID_ARGUMENT, error.to_string())
            }
            ProposeError::Backlog { .. } => Self::code(NRG_STATUS_BACKLOG),
            ProposeError::Failed(ref fatal) => Self::new(of_failure(fatal), error.to_string()),
            _ => unknown(&error),
        }
    }
}

impl From<MembershipError> for Failure {
    fn from(error: MembershipError) -> Self {
        let status = match error {
            MembershipError::NotLeader => NRG_STATUS_NOT_LEADER,
            MembershipError::ChangeInProgress => NRG_STATUS_MEMBERSHIP_CHANGE,
            MembershipError::PeerNotFound => NRG_STATUS_PEER_NOT_FOUND,
            MembershipError::LastPeer => NRG_STATUS_REMOVE_LAST_NODE,
            MembershipError::NotReady => NRG_STATUS_LEADER_NOT_READY,
            MembershipError::Failed(ref fatal) => of_failure(fatal),
            MembershipError::Closed => NRG_STATUS_CLOSED,
            _ => NRG_STATUS_INTERNAL,
        };
        Self::new(status, error.to_string())
    }
}

impl From<EvictError> for Failure {
    fn from(error: EvictError) -> Self {
        let status = match error {
            EvictError::NotManaged => NRG_STATUS_NOT_MANAGED,
            EvictError::NotLeaderless => NRG_STATUS_NOT_LEADERLESS,
            EvictError::QuorumPossible => NRG_STATUS_QUORUM_POSSIBLE,
            EvictError::Closed => NRG_STATUS_CLOSED,
            _ => NRG_STATUS_INTERNAL,
        };
        Self::new(status, error.to_string())
    }
}

impl From<RescueError> for Failure {
    fn from(error: RescueError) -> Self {
        let status = match error {
            RescueError::Closed => NRG_STATUS_CLOSED,
            RescueError::BadQuorum => NRG_STATUS_RESCUE_BAD_QUORUM,
            RescueError::LeaderKnown => NRG_STATUS_RESCUE_LEADER_KNOWN,
            RescueError::NotVoting => NRG_STATUS_RESCUE_NOT_VOTING,
            RescueError::EmptyLog => NRG_STATUS_RESCUE_EMPTY_LOG,
            _ => NRG_STATUS_INTERNAL,
        };
        Self::new(status, error.to_string())
    }
}

impl From<StepDownError> for Failure {
    fn from(error: StepDownError) -> Self {
        let status = match error {
            StepDownError::NotLeader => NRG_STATUS_NOT_LEADER,
            StepDownError::TooManyPreferred => NRG_STATUS_TOO_MANY_PREFS,
        };
        Self::new(status, error.to_string())
    }
}

impl From<CampaignError> for Failure {
    fn from(error: CampaignError) -> Self {
        let status = match error {
            CampaignError::AlreadyLeader => NRG_STATUS_ALREADY_LEADER,
            CampaignError::Closed => NRG_STATUS_CLOSED,
        };
        Self::new(status, error.to_string())
    }
}

impl From<PauseError> for Failure {
    fn from(error: PauseError) -> Self {
        let status = match error {
            PauseError::AlreadyLeader => NRG_STATUS_ALREADY_LEADER,
            PauseError::Closed => NRG_STATUS_CLOSED,
        };
        Self::new(status, error.to_string())
    }
}

impl From<AdjustError> for Failure {
    fn from(error: AdjustError) -> Self {
        let status = match error {
            AdjustError::NotLeader => NRG_STATUS_NOT_LEADER,
            AdjustError::Established => NRG_STATUS_ADJUST_BOOT_CLUSTER,
        };
        Self::new(status, error.to_string())
    }
}

impl From<SnapshotError> for Failure {
    fn from(error: SnapshotError) -> Self {
        let status = match error {
            SnapshotError::NodeClosed => NRG_STATUS_CLOSED,
            SnapshotError::InProgress => NRG_STATUS_SNAPSHOT_IN_PROGRESS,
            SnapshotError::CatchupsRunning => NRG_STATUS_CATCHUPS_RUNNING,
            SnapshotError::NotAvailable => NRG_STATUS_NO_SNAPSHOT,
            SnapshotError::Aborted => NRG_STATUS_SNAPSHOT_ABORTED,
            SnapshotError::Corrupt => NRG_STATUS_SNAPSHOT_CORRUPT,
            SnapshotError::IndexMismatch => NRG_STATUS_SNAPSHOT_MISMATCH,
            SnapshotError::Unreadable { .. } => NRG_STATUS_ENTRY_LOAD_FAILED,
            SnapshotError::Storage(ref error) => of_storage(error),
            SnapshotError::Failed(ref fatal) => of_failure(fatal),
            _ => NRG_STATUS_INTERNAL,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(NRG_STATUS_BAD_CONFIG, error.to_string())
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::new(of_storage(&error), error.to_string())
    }
}

fn of_storage(error: &StorageError) -> i32 {
    match error {
        StorageError::Io { .. } | StorageError::CreateSnapshots { .. } => NRG_STATUS_IO,
        StorageError::CreateDirectory { .. }
        | StorageError::NotWritable { .. }
        | StorageError::NotADirectory => NRG_STATUS_BAD_DIRECTORY,
        StorageError::NoPeerState => NRG_STATUS_NO_PEER_STATE,
        StorageError::CorruptPeers => NRG_STATUS_CORRUPT_PEERS,
        StorageError::Damaged { .. }
        | StorageError::Version { .. }
        | StorageError::NotTaken { .. } => NRG_STATUS_CORRUPT,
        StorageError::SnapshotCorrupt { .. } => NRG_STATUS_SNAPSHOT_CORRUPT,
        StorageError::OutOfOrder { .. } => NRG_STATUS_ENTRY_STORE_FAILED,
        StorageError::TooLarge { .. } => NRG_STATUS_TOO_LARGE,
        StorageError::Failed => NRG_STATUS_WRITE_ERROR,
        StorageError::InUse { .. } => NRG_STATUS_ALREADY_OPEN,
        StorageError::Closed => NRG_STATUS_CLOSED,
        _ => NRG_STATUS_INTERNAL,
    }
}

fn of_fatal(error: &FatalError) -> i32 {
    match error {
        FatalError::Storage(error) => of_storage(error),
        FatalError::Unreadable { .. } => NRG_STATUS_ENTRY_LOAD_FAILED,
        FatalError::Misaligned { .. } => NRG_STATUS_CORRUPT,
        FatalError::TruncateBelowCommit { .. } => NRG_STATUS_TRUNCATE_BELOW_COMMIT,
        FatalError::Unsubscribed { .. } => NRG_STATUS_NO_TRANSPORT,
        _ => NRG_STATUS_INTERNAL,
    }
}

/// What closed a node that ran: for its host a failed write is one, whatever the disk said.
pub(crate) fn of_failure(error: &FatalError) -> i32 {
    match error {
        FatalError::Storage(_) => NRG_STATUS_WRITE_ERROR,
        other => of_fatal(other),
    }
}

impl From<TransportError> for Failure {
    /// On the hot path: no text where the code says it all.
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Closed => Self::code(NRG_STATUS_CLOSED),
            TransportError::NotByHost => Self::new(NRG_STATUS_INVALID_ARGUMENT, error.to_string()),
            _ => unknown(&error),
        }
    }
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Thread { .. } => Self::new(NRG_STATUS_NO_THREAD, error.to_string()),
            _ => unknown(&error),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let status = match &error {
            StartError::Storage(error) => of_storage(error),
            StartError::Node(error) => of_fatal(error),
            StartError::AlreadyRunning => NRG_STATUS_ALREADY_OPEN,
            StartError::ShutDown => NRG_STATUS_SHUTDOWN,
            #[cfg(feature = "testing")]
            StartError::NeedsManualClock => NRG_STATUS_INVALID_ARGUMENT,
            _ => NRG_STATUS_INTERNAL,
        };
        Self::new(status, error.to_string())
    }
}

/// An error of a later engine, or one that no host can do anything about.
fn unknown(error: &dyn std::error::Error) -> Failure {
    Failure::new(NRG_STATUS_INTERNAL, error.to_string())
}

impl From<ShutDown> for Failure {
    fn from(_: ShutDown) -> Self {
        Self::code(NRG_STATUS_SHUTDOWN)
    }
}

#[cfg(feature = "testing")]
impl From<Busy> for Failure {
    fn from(error: Busy) -> Self {
        Self::new(NRG_STATUS_BUSY, error.to_string())
    }
}

#[cfg(feature = "testing")]
impl From<HandsError> for Failure {
    fn from(error: HandsError) -> Self {
        let status = match error {
            HandsError::NotDetached => NRG_STATUS_UNSUPPORTED,
            HandsError::Faulted(_) => NRG_STATUS_FAULTED,
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(feature = "testing")]
impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        let status = match error {
            CallError::Unknown(_) => NRG_STATUS_NOT_FOUND,
            CallError::ReadOnly(_) | CallError::Value { .. } => NRG_STATUS_INVALID_ARGUMENT,
            CallError::Json { .. } => NRG_STATUS_MALFORMED,
            CallError::NotLeader => NRG_STATUS_NOT_LEADER,
            CallError::Storage(error) => Self::from(error).status(),
            CallError::Failed(_) | _ => named(&text),
        };
        Self::new(status, text)
    }
}

/// The status of an error that is known by its text only (behaviour.md 4.2).
#[cfg(feature = "testing")]
fn named(text: &str) -> i32 {
    match text {
        "raft: not leader" => NRG_STATUS_NOT_LEADER,
        "raft: already leader" => NRG_STATUS_ALREADY_LEADER,
        "raft: node is closed" => NRG_STATUS_CLOSED,
        "raft: corrupt peer state" => NRG_STATUS_CORRUPT_PEERS,
        "raft: could not load entry from WAL" => NRG_STATUS_ENTRY_LOAD_FAILED,
        "raft: could not store entry to WAL" => NRG_STATUS_ENTRY_STORE_FAILED,
        "raft: peer was removed" => NRG_STATUS_NODE_REMOVED,
        "raft: append entry corrupt" => NRG_STATUS_BAD_APPEND_ENTRY,
        "raft: leader should be exactly 8 bytes" => NRG_STATUS_LEADER_LEN,
        "raft: append entry can contain a max of 64k entries" => NRG_STATUS_TOO_MANY_ENTRIES,
        "raft: no internal client" => NRG_STATUS_NO_TRANSPORT,
        _ => NRG_STATUS_INTERNAL,
    }
}

#[cfg(feature = "testing")]
impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        let status = match error {
            DecodeError::BadAppendEntry { .. } => NRG_STATUS_BAD_APPEND_ENTRY,
            DecodeError::CorruptPeers => NRG_STATUS_CORRUPT_PEERS,
            DecodeError::SnapshotCorrupt => NRG_STATUS_SNAPSHOT_CORRUPT,
            DecodeError::Length { .. } => NRG_STATUS_MALFORMED,
            _ => NRG_STATUS_INTERNAL,
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(feature = "testing")]
impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        let status = match error {
            EncodeError::LeaderLen { .. } => NRG_STATUS_LEADER_LEN,
            EncodeError::TooManyEntries { .. } => NRG_STATUS_TOO_MANY_ENTRIES,
            EncodeError::EntryTooLong { .. } | EncodeError::MessageTooLong { .. } => {
                NRG_STATUS_TOO_LARGE
            }
            _ => NRG_STATUS_INTERNAL,
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use raft_core::types::{Index, PeerId};

    use super::*;
    use crate::guard::{guard, last_error};

    #[test]
    fn every_refusal_of_a_proposal_has_a_status_of_its_own() {
        let (have, max) = (2, 1);
        let failed = FatalError::Storage(Arc::new(StorageError::Failed));
        for (error, status) in [
            (ProposeError::NotLeader, NRG_STATUS_NOT_LEADER),
            (ProposeError::Closed, NRG_STATUS_CLOSED),
            (ProposeError::TooLarge { have, max }, NRG_STATUS_TOO_LARGE),
            (
                ProposeError::Backlog { have: 9, max: 9 },
                NRG_STATUS_BACKLOG,
            ),
            (ProposeError::MembershipEntry, NRG_STATUS_INVALID_ARGUMENT),
            (ProposeError::Failed(failed), NRG_STATUS_WRITE_ERROR),
        ] {
            assert_eq!(Failure::from(error).status(), status);
        }
    }

    #[test]
    fn proposed_change_of_members_says_in_words_why_it_is_refused() {
        let status = guard(|| Err(ProposeError::MembershipEntry.into()));
        assert_eq!(status, NRG_STATUS_INVALID_ARGUMENT);
        assert_eq!(last_error(), ProposeError::MembershipEntry.to_string());
    }

    #[test]
    fn thread_that_cannot_be_started_has_a_status_of_its_own() {
        let (name, source) = (
            "nrg-shard-0".to_owned(),
            std::io::ErrorKind::WouldBlock.into(),
        );
        let status = guard(|| Err(RuntimeError::Thread { name, source }.into()));
        assert_eq!(status, NRG_STATUS_NO_THREAD);
        assert!(last_error().contains("nrg-shard-0"));
    }

    #[test]
    fn what_closed_a_node_has_a_status_of_its_own() {
        let unreadable = FatalError::Unreadable {
            index: Index(3),
            why: "EOF".to_owned(),
        };
        let cut = FatalError::TruncateBelowCommit {
            to: Index(1),
            commit: Index(2),
            leader: PeerId::default(),
        };
        for (error, status) in [
            (
                FatalError::Storage(Arc::new(StorageError::Failed)),
                NRG_STATUS_WRITE_ERROR,
            ),
            (unreadable, NRG_STATUS_ENTRY_LOAD_FAILED),
            (cut, NRG_STATUS_TRUNCATE_BELOW_COMMIT),
        ] {
            assert_eq!(of_failure(&error), status);
        }
    }

    #[test]
    fn folder_of_another_node_is_open_already() {
        let path = "G".into();
        let failure = Failure::from(StartError::Storage(StorageError::InUse { path }));
        assert_eq!(failure.status(), NRG_STATUS_ALREADY_OPEN);
    }

    #[test]
    fn log_that_cannot_be_replayed_is_a_failure_of_the_storage() {
        let closed = StorageError::Closed;
        let unreadable = FatalError::Unreadable {
            index: Index(3),
            why: "EOF".to_owned(),
        };
        for (error, status) in [
            (FatalError::Storage(Arc::new(closed)), NRG_STATUS_CLOSED),
            (unreadable, NRG_STATUS_ENTRY_LOAD_FAILED),
        ] {
            assert_eq!(Failure::from(StartError::Node(error)).status(), status);
        }
    }
}
