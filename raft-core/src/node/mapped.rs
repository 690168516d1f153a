//! The server's own names of a node's methods and fields, for white-box tests.
//!
//! Each method of [`Mapped`] is a forward of one line to what does the work; each field of the server
//! is found by its own name in [`fields`]. No other file uses them.

mod fields;
mod log;
mod methods;
mod queues;
mod snapshots;

use serde_json::Value;

use super::error::{CommitError, SendError};
use super::input::InboundResponse;
use super::{Node, Role, SubscriptionId};
use crate::storage::StorageError;
use crate::time::Instant;
use crate::wire::{AppendEntryResponse, Subject};

/// What a node keeps only for tests.
#[derive(Clone, Copy, Debug)]
pub(super) struct TestState {
    /// A test wrote to the node behind the protocol's back: its invariants need not hold.
    pub(super) dirty: bool,
    /// When the election timer was last armed (server: `etlr`).
    pub(super) election_reset_at: Option<Instant>,
}

impl TestState {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            dirty: false,
            election_reset_at: Some(now),
        }
    }
}

/// Why a white-box call, or a change of a field by name, did nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No such field or queue.
    #[error("{0} is unknown")]
    Unknown(String),
    /// A field that can only be read.
    #[error("{0} is read-only")]
    ReadOnly(String),
    /// The patch is not JSON of the right kind.
    #[error("not a JSON {want}: {why}")]
    Json {
        /// What it has to be.
        want: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The value of a field does not fit it.
    #[error("{field} does not take {value}")]
    Value {
        /// The field.
        field: String,
        /// The value given.
        value: String,
    },
    /// The method needs a leader.
    #[error("raft: not leader")]
    NotLeader,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The method failed otherwise; the text is the server's where it has one.
    #[error("{0}")]
    Failed(String),
}

/// A node under the server's names: the methods of [`Node`] that a white-box test calls.
///
/// Each is a forward of one line to what does the work; those that write past the rules of the
/// protocol end the checks of the node's invariants.
#[derive(Debug)]
pub struct Mapped<'a>(&'a mut Node);

impl Mapped<'_> {
    /// Everything there is, under the server's names.
    #[must_use]
    pub fn dump(&self) -> Value {
        self.0.dump_mapped()
    }

    /// Changes fields by a JSON merge patch; see [`Node::set_mapped`].
    ///
    /// # Errors
    /// [`CallError`] for a name that is unknown or only to be read, and for a value that does not
    /// fit.
    pub fn set(&mut self, patch: &str) -> Result<(), CallError> {
        self.0.set_mapped(patch)
    }

    /// The node, whose invariants need not hold from here on.
    const fn past_the_rules(&mut self) -> &mut Node {
        self.0.testing.dirty = true;
        self.0
    }
}

impl Node {
    /// The node under the server's names, at the time `now`.
    pub fn mapped(&mut self, now: Instant) -> Mapped<'_> {
        self.advance_to(now);
        Mapped(self)
    }

    /// Whether a test wrote to the node behind the protocol's back.
    pub(super) const fn is_dirty(&self) -> bool {
        self.testing.dirty
    }

    /// Lets the node be turned without the runner's first steps (server: `run` is not called, one
    /// of its role functions is). The role's loop is entered anew.
    pub(crate) fn begin_turns(&mut self) {
        self.started = true;
        if self.entered == Some(Role::Leader) {
            self.leave_leader_loop();
        }
        self.entered = None;
    }

    /// One answer, whatever else is queued.
    fn process_response_named(&mut self, message: AppendEntryResponse, reply: Option<Subject>) {
        let led = self.role == Role::Leader;
        let queued = std::mem::take(&mut self.responses);
        self.responses.push_back(InboundResponse { reply, message });
        self.process_append_entry_responses();
        if !led || self.role == Role::Leader {
            self.responses = queued;
        }
    }

    /// Where it asks for votes.
    pub(crate) const fn vote_subject(&self) -> &Subject {
        &self.subjects.vote
    }

    /// A live subscription by its subject, for a transport played by hand.
    pub(crate) fn subscription_to(&self, subject: &str) -> Option<SubscriptionId> {
        self.subscriptions.to(subject)
    }
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotLeader => Self::NotLeader,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<CommitError> for CallError {
    fn from(error: CommitError) -> Self {
        Self::Failed(error.to_string())
    }
}

fn decoded<T>(result: Result<T, impl std::error::Error>) -> Result<T, CallError> {
    result.map_err(|error| CallError::Failed(error.to_string()))
}

/// A subject; none for an empty one.
fn subject(text: &str) -> Option<Subject> {
    (!text.is_empty()).then(|| Subject::new(text))
}
