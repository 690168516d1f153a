//! What a leader has taken and not committed: proposals that wait, entries that are on their way.
//!
//! Memory that only a commit frees has a bound in bytes, so that a group whose followers are slow
//! refuses instead of growing. The bound is this engine's own; the server knows only the one of
//! 100,000 entries (behaviour.md 7.3), which stands beside it.

use std::collections::VecDeque;

use super::{Node, Proposal};
use crate::types::Index;
use crate::wire::RECORD_HEAD_LEN;

/// Bytes of uncommitted entries beyond which a leader takes no more, unless it is told otherwise.
pub const BACKLOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a proposal of `len` bytes counts for.
#[must_use]
pub const fn proposal_bytes(len: usize) -> u64 {
    (len + RECORD_HEAD_LEN) as u64
}

/// Proposals that wait for the leader's turn, in the order they came.
#[derive(Debug, Default)]
pub(super) struct ProposalQueue {
    items: Vec<Proposal>,
    /// What `items` count for together.
    bytes: u64,
}

impl ProposalQueue {
    pub(super) fn push(&mut self, proposal: Proposal) {
        self.bytes += proposal_bytes(proposal.entry.data.len());
        self.items.push(proposal);
    }

    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Proposal> {
        self.items.last_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Proposal> {
        self.items.iter()
    }

    /// Takes everything.
    pub(super) fn take(&mut self) -> Vec<Proposal> {
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }

    /// Gives the buffer of [`ProposalQueue::take`] back, for its capacity.
    pub(super) fn reuse(&mut self, mut buffer: Vec<Proposal>) {
        if self.items.is_empty() {
            buffer.clear();
            self.items = buffer;
        }
    }
}

impl Extend<Proposal> for ProposalQueue {
    fn extend<T: IntoIterator<Item = Proposal>>(&mut self, proposals: T) {
        for proposal in proposals {
            self.push(proposal);
        }
    }
}

/// The sizes of this leadership's entries that are stored and not committed. Those of earlier
/// leaders do not count: nobody here can be asked to wait for them.
#[derive(Debug)]
pub(super) struct Uncommitted {
    sizes: VecDeque<(Index, u64)>,
    /// The sum of `sizes`.
    bytes: u64,
    max: u64,
}

impl Default for Uncommitted {
    fn default() -> Self {
        Self {
            sizes: VecDeque::new(),
            bytes: 0,
            max: BACKLOG_BYTES_MAX,
        }
    }
}

impl Uncommitted {
    pub(super) fn add(&mut self, index: Index, len: usize) {
        let bytes = len as u64;
        self.sizes.push_back((index, bytes));
        self.bytes += bytes;
    }

    /// Everything up to `index` is committed.
    pub(super) fn commit(&mut self, index: Index) {
        while let Some((_, bytes)) = self.sizes.pop_front_if(|(at, _)| *at <= index) {
            self.bytes -= bytes;
        }
    }

    pub(super) fn clear(&mut self) {
        self.sizes.clear();
        self.bytes = 0;
    }
}

impl Node {
    /// Bytes of proposals that wait and of entries that are not committed.
    #[must_use]
    pub const fn backlog_bytes(&self) -> u64 {
        self.uncommitted.bytes + self.proposals.bytes
    }

    /// The bound of [`Node::backlog_bytes`].
    #[must_use]
    pub const fn backlog_bytes_max(&self) -> u64 {
        self.uncommitted.max
    }

    /// Sets that bound; what was taken stays.
    pub const fn set_backlog_bytes_max(&mut self, max: u64) {
        self.uncommitted.max = max;
    }

    /// No proposal is taken: what was taken before has to be committed first. Below the bound one
    /// more is always taken, whatever its size, so none is too large for an idle group.
    pub(super) const fn is_backlog_full(&self) -> bool {
        self.backlog_bytes() >= self.uncommitted.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_entries_leave_the_backlog_in_their_order() {
        let mut backlog = Uncommitted::default();
        for index in 1..=4 {
            backlog.add(Index(index), 10);
        }

        backlog.commit(Index(2));
        assert_eq!(backlog.bytes, 20);
        backlog.commit(Index(1));
        assert_eq!(backlog.bytes, 20);
        backlog.commit(Index(9));

        assert_eq!((backlog.bytes, backlog.sizes.len()), (0, 0));
    }
}
