//! The queues of a node, item by item.

use serde_json::{Value, json};

use bytes::Bytes;

use super::args::{Args, hex, subject};
use super::{CallError, DONE, Mapped, Node, Origin, Outcome, decoded};
use crate::node::Proposal;
use crate::node::input::{InboundEntry, InboundResponse, InboundVote, InboundVoteRequest};
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

impl Node {
    /// The queues, item by item.
    pub(super) fn call_queue(&mut self, name: &str, args: &Args) -> Option<Outcome> {
        match name {
            "queue_push" => Some(self.push_named(args)),
            "queue_drain" => Some(self.drain_named(args)),
            _ => None,
        }
    }

    /// `[queue, message, reply]`; for `prop` `[queue, data, term, reply]`, for `apply` `[queue]`.
    fn push_named(&mut self, args: &Args) -> Outcome {
        let queue = args.text(0)?;
        match queue.as_str() {
            "prop" => {
                let entry = Entry::normal(args.bytes(1)?);
                let (term, reply) = (args.term(2)?, args.subject(3)?);
                let proposal = Proposal::new(term, entry);
                self.proposals.push(Proposal { reply, ..proposal });
            }
            "entry" => {
                let message = decoded(AppendEntry::decode(args.bytes(1)?))?;
                let (origin, reply) = (Origin::Live, args.subject(2)?);
                self.entry_queue.push_back(InboundEntry {
                    origin,
                    reply,
                    message,
                });
            }
            "resp" => {
                let message = decoded(AppendEntryResponse::decode(&args.bytes(1)?))?;
                let reply = args.subject(2)?;
                self.responses.push_back(InboundResponse { reply, message });
            }
            "reqs" => {
                let message = decoded(VoteRequest::decode(&args.bytes(1)?))?;
                let reply = args.subject(2)?;
                self.vote_requests
                    .push_back(InboundVoteRequest { reply, message });
            }
            "votes" => {
                let message = decoded(VoteResponse::decode(&args.bytes(1)?))?;
                self.vote_responses.push_back(InboundVote { message });
            }
            "apply" => self.apply.push_nil_guard(),
            _ => return Err(CallError::Unknown(queue)),
        }
        DONE
    }

    /// Empties a queue; a proposal as its term, type and data, anything else as its place.
    fn drain_named(&mut self, args: &Args) -> Outcome {
        let queue = args.text(0)?;
        let places = |len: usize| (0..len).map(Value::from).collect::<Value>();
        Ok(match queue.as_str() {
            "prop" => {
                let proposals = self.proposals.take().into_iter();
                let shown = |p: Proposal| {
                    let (kind, data) = (p.entry.kind.code(), hex(&p.entry.data));
                    json!({"term": p.term.0, "type": kind, "data": data})
                };
                proposals.map(shown).collect()
            }
            "entry" => places(self.entry_queue.drain(..).count()),
            "resp" => places(self.responses.drain(..).count()),
            "reqs" => places(self.vote_requests.drain(..).count()),
            "votes" => places(self.vote_responses.drain(..).count()),
            "apply" => places(self.take_applied(usize::MAX, usize::MAX).len()),
            _ => return Err(CallError::Unknown(queue)),
        })
    }
}
