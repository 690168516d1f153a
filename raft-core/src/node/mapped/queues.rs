//! The queues of a node, item by item.

use bytes::Bytes;

use super::{CallError, Mapped, decoded, subject};
use crate::node::input::{InboundEntry, InboundResponse, InboundVote, InboundVoteRequest};
use crate::node::{Origin, Proposal};
use crate::types::{Entry, Term};
use crate::wire::{AppendEntry, AppendEntryResponse, VoteRequest, VoteResponse};

impl Mapped<'_> {
    /// Puts a message at the end of a queue: `prop` (data, with its term), `entry`, `resp`,
    /// `reqs`, `votes`, or a nil guard at the end of `apply`.
    ///
    /// # Errors
    /// [`CallError::Unknown`], and bytes that are no such message.
    pub fn queue_push(
        &mut self,
        queue: &str,
        message: Bytes,
        reply: &str,
        term: Term,
    ) -> Result<(), CallError> {
        let reply = subject(reply);
        let node = self.past_the_rules();
        match queue {
            "prop" => {
                let proposal = Proposal::new(term, Entry::normal(message));
                node.proposals.push(Proposal { reply, ..proposal });
            }
            "entry" => {
                let (origin, message) = (Origin::Live, decoded(AppendEntry::decode(message))?);
                node.entry_queue.push_back(InboundEntry {
                    origin,
                    reply,
                    message,
                });
            }
            "resp" => {
                let message = decoded(AppendEntryResponse::decode(&message))?;
                node.responses.push_back(InboundResponse { reply, message });
            }
            "reqs" => {
                let message = decoded(VoteRequest::decode(&message))?;
                node.vote_requests
                    .push_back(InboundVoteRequest { reply, message });
            }
            "votes" => {
                let message = decoded(VoteResponse::decode(&message))?;
                node.vote_responses.push_back(InboundVote { message });
            }
            "apply" => node.apply.push_nil_guard(),
            _ => return Err(CallError::Unknown(queue.to_owned())),
        }
        Ok(())
    }

    /// Empties the queue of proposals: term and entry of each, in order.
    pub fn take_proposals(&mut self) -> Vec<(Term, Entry)> {
        let proposals = self.past_the_rules().proposals.take().into_iter();
        proposals.map(|p| (p.term, p.entry)).collect()
    }
}
