//! What arrives: messages by subscription, and the outcome of writes.
//!
//! These are the server's callbacks (behaviour.md 5.5): they decode, filter and queue. Nothing is
//! decided here.

use std::sync::Arc;

use bytes::Bytes;

use super::output::SubscriptionKind;
use super::{FatalError, LogLevel, Node, ProposalTag, Role, SubscriptionId};
use crate::storage::{StorageError, WriteSeq};
use crate::time::Instant;
use crate::types::{Entry, PeerId, Term};
use crate::wire::{
    AppendEntry, AppendEntryResponse, DecodeError, Subject, VoteRequest, VoteResponse,
};

/// Where an append entry came from (behaviour.md 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the group's append-entry subscription.
    Live,
    /// On a private catch-up inbox, current or not.
    Catchup(SubscriptionId),
    /// Read back from the log at start-up.
    Replay,
}

/// An entry on its way into the log of a leader (behaviour.md 7.2).
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The term the proposer believes this node to lead.
    pub term: Term,
    /// What to append.
    pub entry: Entry,
    /// Where "taken from the queue" is reported, if anywhere.
    pub reply: Option<Subject>,
    /// How the application knows it, if it waits for its outcome.
    pub tag: Option<ProposalTag>,
}

impl Proposal {
    /// An entry whose proposer waits for nothing.
    #[must_use]
    pub const fn new(term: Term, entry: Entry) -> Self {
        Self {
            term,
            entry,
            reply: None,
            tag: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct InboundEntry {
    pub(super) origin: Origin,
    pub(super) reply: Option<Subject>,
    pub(super) message: AppendEntry,
}

#[derive(Debug)]
pub(super) struct InboundVoteRequest {
    pub(super) reply: Option<Subject>,
    pub(super) message: VoteRequest,
}

#[derive(Debug)]
pub(super) struct InboundVote {
    pub(super) message: VoteResponse,
}

#[derive(Debug)]
pub(super) struct InboundResponse {
    pub(super) reply: Option<Subject>,
    pub(super) message: AppendEntryResponse,
}

impl Node {
    /// A message arrived under subscription `sub`. What cannot be decoded, and what comes for a
    /// subscription that is no more, is dropped and counted.
    pub fn handle_message(
        &mut self,
        sub: SubscriptionId,
        reply: Option<Subject>,
        payload: Bytes,
        now: Instant,
    ) {
        self.advance_to(now);
        if self.role == Role::Closed {
            return;
        }
        let Some(kind) = self.subscriptions.kind(sub) else {
            return;
        };
        let queued = match kind {
            SubscriptionKind::AppendEntry => self.handle_append_entry(Origin::Live, reply, payload),
            SubscriptionKind::Catchup => {
                self.handle_append_entry(Origin::Catchup(sub), reply, payload)
            }
            SubscriptionKind::ResponseInbox => self.handle_append_entry_response(reply, &payload),
            SubscriptionKind::Vote => self.handle_vote_request(reply, &payload),
            SubscriptionKind::VoteInbox => self.handle_vote_response(&payload),
            SubscriptionKind::Proposal => {
                self.handle_forwarded_proposal(reply, payload);
                Ok(())
            }
            SubscriptionKind::Removal => {
                self.handle_forwarded_remove_peer_proposal(reply, &payload)
            }
        };
        if let Err(error) = queued {
            self.counters.messages_malformed += 1;
            self.note(LogLevel::Warn, format!("dropped a message: {error}"));
        }
    }

    /// An append entry, live or of a catch-up (server: `handleAppendEntry`).
    fn handle_append_entry(
        &mut self,
        origin: Origin,
        reply: Option<Subject>,
        payload: Bytes,
    ) -> Result<(), DecodeError> {
        let message = AppendEntry::decode(payload)?;
        self.entry_queue.push_back(InboundEntry {
            origin,
            reply,
            message,
        });
        Ok(())
    }

    /// The answer to an append entry (server: `handleAppendEntryResponse`).
    fn handle_append_entry_response(
        &mut self,
        reply: Option<Subject>,
        payload: &[u8],
    ) -> Result<(), DecodeError> {
        let message = AppendEntryResponse::decode(payload)?;
        self.responses.push_back(InboundResponse { reply, message });
        Ok(())
    }

    /// A request for our vote (server: `handleVoteRequest`).
    fn handle_vote_request(
        &mut self,
        reply: Option<Subject>,
        payload: &[u8],
    ) -> Result<(), DecodeError> {
        let message = VoteRequest::decode(payload)?;
        self.vote_requests
            .push_back(InboundVoteRequest { reply, message });
        Ok(())
    }

    /// A vote; who asks for none drops it (server: `handleVoteResponse`).
    fn handle_vote_response(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        let message = VoteResponse::decode(payload)?;
        if matches!(self.role, Role::Candidate | Role::Leader) {
            self.vote_responses.push_back(InboundVote { message });
        }
        Ok(())
    }

    /// A proposal another member forwarded: only a complete leader takes it, and only while its
    /// backlog has room.
    fn handle_forwarded_proposal(&mut self, reply: Option<Subject>, payload: Bytes) {
        if self.role != Role::Leader || !self.complete_leader || self.fatal.is_some() {
            self.counters.refused.not_leader += 1;
            return;
        }
        if self.step_down_if_overrun() {
            self.counters.refused.not_leader += 1;
            return;
        }
        if self.is_backlog_full() {
            self.counters.refused.backlog += 1;
            return;
        }
        let entry = Entry::normal(payload);
        let proposal = Proposal::new(self.term, entry);
        self.proposals.push(Proposal { reply, ..proposal });
    }

    /// Proposals the driver took from the application since the last turn. Those of another term
    /// are dropped when they are popped.
    pub fn push_proposals(&mut self, proposals: impl IntoIterator<Item = Proposal>) {
        if self.role == Role::Leader {
            self.proposals.extend(proposals);
        } else {
            for proposal in proposals {
                self.refuse([&proposal]);
            }
        }
    }

    /// Everything up to `upto` is durable: what waited for it is released, our own vote counts,
    /// and our own copy of an entry counts towards its commit.
    pub fn handle_durable(&mut self, upto: WriteSeq, now: Instant) {
        self.advance_to(now);
        let Some(newly) = self.durability.cover(upto) else {
            return;
        };
        self.log.handle_written(upto);
        self.release_outputs();
        if self.role == Role::Closed {
            return;
        }
        self.count_self_vote();
        self.commit_durable(newly);
        self.check_invariants();
    }

    /// A write or sync failed. It is final: the node closes, what waited for the write is never
    /// said.
    pub fn handle_write_failed(&mut self, error: Arc<StorageError>, now: Instant) {
        self.advance_to(now);
        self.set_write_err(FatalError::Storage(error));
        self.check_invariants();
    }

    /// A route, leaf node or gateway exists, so the main loop may start (behaviour.md 5.1).
    pub const fn handle_routing(&mut self, ready: bool) {
        self.routing_ready = ready;
    }

    /// The host knows whether the server may store more (server: `outOfResources`). A node that
    /// minds the limits takes no entries while it may not, and does not start a campaign.
    pub const fn handle_resources(&mut self, exhausted: bool) {
        self.out_of_resources = self.track && exhausted;
    }

    /// The host knows whether a peer's server is online: who may be handed the leadership.
    pub fn handle_peer_online(&mut self, peer: PeerId, online: bool) {
        let (to, from) = if online {
            (&mut self.online, &mut self.offline)
        } else {
            (&mut self.offline, &mut self.online)
        };
        from.remove(&peer);
        to.insert(peer);
    }
}
