//! What a node counts, for the metrics.

use super::{MembershipError, ProposeError};

/// What a node counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Indexes committed.
    pub commits: u64,
    /// Entries of committed indexes handed to the apply queue.
    pub entries_committed: u64,
    /// Proposals refused, by the reason.
    pub refused: Refused,
    /// Proposals taken and never appended, because the leadership ended or changed.
    pub proposals_dropped: u64,
    /// Leadership gained or lost.
    pub leader_changes: u64,
    /// Messages published.
    pub messages_sent: u64,
    /// Messages dropped because they could not be decoded.
    pub messages_malformed: u64,
}

/// Refused proposals by the reason; a batch counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Not the leader of the term, or one that steps down under its backlog.
    pub not_leader: u64,
    /// Too many bytes wait for their commit.
    pub backlog: u64,
    /// Too large, of a kind that is not proposed this way, or a removal that the membership does
    /// not allow now.
    pub unfit: u64,
    /// The node is stopped or has failed.
    pub closed: u64,
}

impl Refused {
    /// Counts one refusal.
    pub(crate) const fn count(&mut self, why: &ProposeError) {
        let counter = match why {
            ProposeError::NotLeader => &mut self.not_leader,
            ProposeError::Backlog { .. } => &mut self.backlog,
            ProposeError::TooLarge { .. } | ProposeError::MembershipEntry => &mut self.unfit,
            ProposeError::Failed(_) | ProposeError::Closed => &mut self.closed,
        };
        *counter += 1;
    }

    /// Counts a change of the membership that was forwarded and is refused.
    pub(crate) const fn count_change(&mut self, why: &MembershipError) {
        let counter = match why {
            MembershipError::NotLeader | MembershipError::NotReady => &mut self.not_leader,
            MembershipError::ChangeInProgress
            | MembershipError::PeerNotFound
            | MembershipError::LastPeer => &mut self.unfit,
            MembershipError::Failed(_) | MembershipError::Closed => &mut self.closed,
        };
        *counter += 1;
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.not_leader + self.backlog + self.unfit + self.closed
    }
}

impl Counters {
    /// Adds what a node counted between two looks at it.
    pub(crate) const fn add_between(&mut self, before: &Self, now: &Self) {
        self.commits += now.commits - before.commits;
        self.entries_committed += now.entries_committed - before.entries_committed;
        self.refused.not_leader += now.refused.not_leader - before.refused.not_leader;
        self.refused.backlog += now.refused.backlog - before.refused.backlog;
        self.refused.unfit += now.refused.unfit - before.refused.unfit;
        self.refused.closed += now.refused.closed - before.refused.closed;
        self.proposals_dropped += now.proposals_dropped - before.proposals_dropped;
        self.leader_changes += now.leader_changes - before.leader_changes;
        self.messages_sent += now.messages_sent - before.messages_sent;
        self.messages_malformed += now.messages_malformed - before.messages_malformed;
    }
}
