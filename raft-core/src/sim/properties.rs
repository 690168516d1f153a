//! What must hold in every world, checked from outside the nodes.
//!
//! | Property | Checked when |
//! | --- | --- |
//! | election safety: one leader in a term | after every step |
//! | a server votes once in a term | a vote leaves |
//! | term, commit never go back | after every step |
//! | log matching (Raft paper 5.3) | when the cluster asks |
//! | state machine safety: one content for an index, for ever | an application applies |
//! | what is reported as committed is durable on a quorum | an application applies |
//! | no message leaves before the sync it rests on | a message leaves |
//! | what was durable is there after a crash | a server comes back |

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::node::{Node, Role};
use crate::quorum::natural_quorum;
use crate::types::{Index, PeerId, Term};
use crate::wire::{AppendEntry, AppendEntryResponse, TermVote, VoteRequest, VoteResponse};

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("server {server} at {at}: {what}")]
pub struct Violation {
    /// Whom it was noticed on.
    pub server: PeerId,
    /// When, in nanoseconds of the world's clock.
    pub at: u64,
    /// What was wrong.
    pub what: String,
}

/// What is known, from outside, to be on a server's disk for good.
#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    pub(super) term_vote: TermVote,
    /// The encoded entries from index 1 on.
    pub(super) log: Vec<Bytes>,
}

/// The entry at `index` as every server stores it. A catch-up adds the term of the leader that
/// serves it, which is no part of the entry.
pub(super) fn frame_at(node: &Node, index: Index) -> Option<Bytes> {
    Some(
        node.entry_at(index)?
            .with_leader_term(Term::ZERO)
            .into_frame(),
    )
}

impl Durable {
    fn entry(&self, index: Index) -> Option<&Bytes> {
        self.log.get(usize::try_from(index.0.checked_sub(1)?).ok()?)
    }

    /// The node's own log as it is now, taking over what is the same in `self`.
    pub(super) fn log_of(&self, node: &Node) -> Vec<Bytes> {
        let (last, ..) = node.progress();
        let mut index = last;
        let mut tail = Vec::new();
        // The Raft paper's 5.3: logs that agree on an entry agree on all before it.
        while index > Index::ZERO {
            let Some(frame) = frame_at(node, index) else {
                break;
            };
            if self.entry(index) == Some(&frame) {
                break;
            }
            tail.push(frame);
            index = index.prev();
        }
        let same = usize::try_from(index.0).unwrap_or(usize::MAX);
        let mut log: Vec<_> = self.log.iter().take(same).cloned().collect();
        log.extend(tail.into_iter().rev());
        log
    }
}

/// What a server said and showed so far, and what may not be contradicted.
#[derive(Debug, Default)]
pub(super) struct Properties {
    leaders: BTreeMap<Term, PeerId>,
    votes: BTreeMap<(PeerId, Term), PeerId>,
    /// Whose vote inbox a subject is.
    candidates: BTreeMap<String, PeerId>,
    /// The one content each committed index has.
    pub(super) committed: Vec<Bytes>,
    /// Highest term and commit shown by a server since it started.
    shown: BTreeMap<PeerId, (Term, Index)>,
}

impl Properties {
    /// After every step of a node.
    pub(super) fn check_node(&mut self, id: PeerId, node: &Node) -> Result<(), String> {
        let (last, commit, _) = node.progress();
        if node.role() == Role::Leader {
            let leader = *self.leaders.entry(node.term()).or_insert(id);
            if leader != id {
                return Err(format!("leads term {} as {leader} does", node.term()));
            }
        }
        let shown = self.shown.entry(id).or_default();
        if node.term() < shown.0 || commit < shown.1 {
            let now = (node.term(), commit);
            return Err(format!("term and commit went from {shown:?} to {now:?}"));
        }
        *shown = (node.term(), commit);
        if commit > last {
            return Err(format!("commit {commit} is beyond the log's end {last}"));
        }
        Ok(())
    }

    /// A server starts: what it shows starts over, but for what is durable.
    pub(super) fn restarted(&mut self, id: PeerId, durable: &Durable) {
        self.shown.insert(id, (durable.term_vote.term, Index::ZERO));
    }

    /// A message leaves a server on whose disk is `durable`.
    pub(super) fn check_message(
        &mut self,
        id: PeerId,
        durable: &Durable,
        (subject, reply, payload): (&str, Option<&str>, &Bytes),
    ) -> Result<(), String> {
        let saved = durable.term_vote;
        if subject.starts_with("$NRG.V.") {
            let request = VoteRequest::decode(payload).map_err(|error| error.to_string())?;
            if let Some(inbox) = reply {
                self.candidates.insert(inbox.to_owned(), request.candidate);
            }
            return covers(saved.term, request.term, "asks for votes");
        }
        if subject.starts_with("$NRG.AE.") {
            let entry = AppendEntry::decode(payload.clone()).map_err(|error| error.to_string())?;
            return covers(saved.term, entry.head.term, "leads");
        }
        if !subject.starts_with("$NRG.R.") {
            return Ok(());
        }
        if let (Ok(response), None) = (VoteResponse::decode(payload), reply) {
            return self.check_vote(id, durable, subject, response);
        }
        match AppendEntryResponse::decode(payload) {
            Ok(response) if response.success => {
                let entry = durable.entry(response.index).cloned();
                let term =
                    entry.and_then(|frame| AppendEntry::decode(frame).ok()?.head.term.into());
                // An empty log's acknowledgement speaks for nothing.
                if response.index > Index::ZERO && term != Some(response.term) {
                    return Err(format!("acknowledged {response:?}, durable is {term:?}"));
                }
                Ok(())
            }
            Ok(response) if reply.is_none() => covers(saved.term, response.term, "refused"),
            _ => Ok(()),
        }
    }

    fn check_vote(
        &mut self,
        id: PeerId,
        durable: &Durable,
        inbox: &str,
        response: VoteResponse,
    ) -> Result<(), String> {
        let saved = durable.term_vote;
        covers(saved.term, response.term, "answered for votes")?;
        if !response.granted {
            return Ok(());
        }
        let candidate = *self.candidates.get(inbox).ok_or("voted for nobody")?;
        let before = *self.votes.entry((id, response.term)).or_insert(candidate);
        if before != candidate {
            return Err(format!(
                "voted in {} for {before} and {candidate}",
                response.term
            ));
        }
        if saved.term == response.term && saved.vote != Some(candidate) {
            return Err(format!("voted for {candidate}, but has saved {saved:?}"));
        }
        Ok(())
    }

    /// An application applies `entry` at `index`: says whether it is the first to do so.
    pub(super) fn check_applied<'a>(
        &mut self,
        index: Index,
        entry: &Bytes,
        disks: impl Iterator<Item = &'a Durable>,
    ) -> Result<(), String> {
        let known = self.committed.len() as u64;
        if index.0 <= known {
            let at = usize::try_from(index.prev().0).unwrap_or(usize::MAX);
            return match self.committed.get(at) {
                Some(committed) if committed == entry => Ok(()),
                _ => Err(format!(
                    "applies another entry at {index} than was committed"
                )),
            };
        }
        if index.0 != known + 1 {
            return Err(format!("applies {index} after {known}"));
        }
        let (mut servers, mut copies) = (0, 0);
        for disk in disks {
            servers += 1;
            copies += u32::from(disk.entry(index) == Some(entry));
        }
        if copies < natural_quorum(servers) {
            return Err(format!("applies {index}, durable on {copies} of {servers}"));
        }
        self.committed.push(entry.clone());
        Ok(())
    }
}

fn covers(saved: Term, said: Term, what: &str) -> Result<(), String> {
    if said <= saved {
        return Ok(());
    }
    Err(format!("{what} in term {said}, but has saved {saved} only"))
}

/// The Raft paper's 5.3: if two logs agree on the term of an index, they agree on everything up to
/// it.
pub(super) fn logs_match(one: &Node, other: &Node) -> Result<(), String> {
    let mut index = one.progress().0.min(other.progress().0);
    let mut agreed = false;
    while index > Index::ZERO {
        let (Some(a), Some(b)) = (one.entry_at(index), other.entry_at(index)) else {
            break;
        };
        agreed |= a.head.term == b.head.term;
        if agreed && frame_at(one, index) != frame_at(other, index) {
            return Err(format!("differs from {} at {index}", other.id()));
        }
        index = index.prev();
    }
    Ok(())
}
