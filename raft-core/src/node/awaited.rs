//! Proposals whose fate the application waits for.
//!
//! The application names such a proposal by a tag. The tag travels beside the entry, never in it:
//! nothing of it is sent or stored. When the entry is appended, the tag is kept with the entry's
//! index; how it ends is an outcome, taken with [`Node::take_outcomes`]. Every tag has exactly one,
//! unless the node panics.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use bytes::Bytes;

use super::{Node, Proposal, ProposeError, Role, signal};
use crate::types::{Index, Term};

/// The application's name for a proposal it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalTag(pub NonZeroU64);

/// How an awaited proposal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// Committed at this index, and the application has reported it as processed.
    Applied(Index),
    /// Never appended: the leadership ended before. It may be proposed again.
    NotAppended,
    /// Appended, and the leadership ended before its commit: a later leader may commit it or cut
    /// it off (Raft paper 5.4.2, 8).
    Undecided,
    /// The node has stopped or failed; nothing more is known here.
    Closed,
}

/// The end of one awaited proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalOutcome {
    /// Which.
    pub tag: ProposalTag,
    /// How.
    pub fate: Fate,
}

/// What is awaited, and what is decided and not taken yet.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// Appended and not processed, in the order of the log. Above the commit only while leading,
    /// what is appended there is ours, or while what was committed is held back.
    appended: VecDeque<(Index, ProposalTag)>,
    outcomes: VecDeque<ProposalOutcome>,
}

impl Awaited {
    /// Whether nothing is awaited above `commit`.
    pub(super) fn ends_at(&self, commit: Index) -> bool {
        self.appended
            .back()
            .is_none_or(|(index, _)| *index <= commit)
    }

    fn end(&mut self, tag: ProposalTag, fate: Fate) {
        self.outcomes.push_back(ProposalOutcome { tag, fate });
    }

    /// Ends those above `index`, the lowest first.
    fn end_above(&mut self, index: Index, fate: Fate) {
        let keep = self.appended.partition_point(|(at, _)| *at <= index);
        for (_, tag) in self.appended.split_off(keep) {
            self.end(tag, fate);
        }
    }
}

impl Node {
    /// As [`Node::propose`]; once taken, the proposal has an outcome under `tag`.
    ///
    /// # Errors
    /// As [`Node::propose`]; then there is no outcome.
    pub fn propose_awaited(
        &mut self,
        term: Term,
        data: Bytes,
        tag: ProposalTag,
    ) -> Result<(), ProposeError> {
        self.propose(term, data)?;
        if let Some(proposal) = self.proposals.last_mut() {
            proposal.tag = Some(tag);
        }
        Ok(())
    }

    /// Takes outcomes, the oldest first.
    pub fn take_outcomes(&mut self, max: usize) -> Vec<ProposalOutcome> {
        let outcomes = &mut self.awaited.outcomes;
        let count = max.min(outcomes.len());
        let taken = outcomes.drain(..count).collect();
        if !outcomes.is_empty() {
            self.outbox.raise(signal::OUTCOME);
        }
        taken
    }

    /// Proposals are about to be appended at `index`, all in one append entry.
    pub(super) fn await_append(&mut self, index: Index, proposals: &[Proposal]) {
        let tags = proposals.iter().filter_map(|proposal| proposal.tag);
        self.awaited.appended.extend(tags.map(|tag| (index, tag)));
    }

    /// What was about to be appended at `index` was not.
    pub(super) fn revoke_append(&mut self, index: Index) {
        self.end_awaited_above(index.prev(), Fate::NotAppended);
    }

    /// The application has worked through more entries.
    pub(super) fn settle_processed(&mut self) {
        let Self {
            awaited, processed, ..
        } = self;
        while let Some((index, tag)) = awaited.appended.front().copied()
            && index <= *processed
        {
            awaited.appended.pop_front();
            awaited.end(tag, Fate::Applied(index));
            self.outbox.raise(signal::OUTCOME);
        }
    }

    /// The leadership ended: what is not committed may or may not be one day.
    pub(super) fn leave_undecided(&mut self) {
        self.end_awaited_above(self.commit, Fate::Undecided);
    }

    /// Whatever is still awaited ends as `fate`.
    pub(super) fn end_awaited(&mut self, fate: Fate) {
        self.end_awaited_above(Index::ZERO, fate);
    }

    fn end_awaited_above(&mut self, index: Index, fate: Fate) {
        if !self.awaited.ends_at(index) {
            self.awaited.end_above(index, fate);
            self.outbox.raise(signal::OUTCOME);
        }
    }

    /// Drops the proposals that wait to be appended.
    pub(super) fn refuse_proposals(&mut self) {
        if self.proposals.is_empty() {
            return;
        }
        let proposals = self.proposals.take();
        self.refuse(&proposals);
    }

    /// Counts proposals that are not appended, and says so to those who wait for them.
    pub(super) fn refuse<'a>(&mut self, proposals: impl IntoIterator<Item = &'a Proposal>) {
        let fate = match self.role {
            Role::Closed => Fate::Closed,
            _ => Fate::NotAppended,
        };
        for proposal in proposals {
            self.counters.proposals_dropped += 1;
            if let Some(tag) = proposal.tag {
                self.awaited.end(tag, fate);
                self.outbox.raise(signal::OUTCOME);
            }
        }
    }
}
