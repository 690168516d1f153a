#![doc = include_str!("../../docs/wire.md")]

mod append_entry;
mod append_entry_response;
pub(crate) mod cursor;
mod error;
mod peer_state;
mod proposal;
mod snapshot;
mod subjects;
mod term_vote;
mod vote;

pub use append_entry::{
    APPEND_ENTRY_HEAD_LEN, AppendEntry, AppendEntryHead, ENTRIES_MAX, ENTRY_DATA_LEN_MAX, Entries,
    EntryRef, MESSAGE_LEN_MAX, RECORD_HEAD_LEN, leader_from_text,
};
pub use append_entry_response::{APPEND_ENTRY_RESPONSE_LEN, AppendEntryResponse};
pub use error::{DecodeError, EncodeError};
pub use peer_state::PeerState;
pub use proposal::{removal_payload, removal_target};
pub use snapshot::{ChecksumKey, SNAPSHOT_LEN_MIN, SnapshotFile, SnapshotName};
pub use subjects::{GroupSubjects, Subject, catchup_inbox, reply_inbox};
pub use term_vote::TermVote;
pub use vote::{VOTE_REQUEST_LEN, VOTE_RESPONSE_LEN, VoteRequest, VoteResponse};
