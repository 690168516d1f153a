//! Known bugs that can be put back into a node: what the simulator has to find.
//!
//! Each is one that some Raft had. Code that is shipped has none of it: there
//! [`Node::has_bug`] is a constant `false`.

use super::Node;

/// A bug, by what a node with it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A leader commits entries of older terms by counting their copies, those it was told of when
    /// it led before included (nats-server #7955, Raft paper 5.4.2).
    CommitsOlderTerms,
    /// A follower acknowledges catch-up entries, and the leader counts that, of whatever term they
    /// are (nats-server #6944).
    AcknowledgesCatchup,
    /// Stepping down clears the vote, so a second one is given in the term (nats-server #7698).
    VotesTwice,
    /// A vote is given away before it is durable (nats-server #8290).
    VotesBeforeSync,
    /// An entry is acknowledged before it is durable (nats-server #7564).
    AcknowledgesBeforeSync,
    /// A repeated message cuts off what stands behind it (found by this simulator, seed 12 of its
    /// first campaign).
    CutsOnRepeat,
    /// A vote is given without a look at the candidate's log (Raft paper 5.4.1).
    VotesForShorterLogs,
    /// Cutting the log takes the term back to that of its new end (nats-server #7956).
    RevertsTermOnCut,
    /// A follower commits what the leader has, whether or not its own log agrees (Raft paper 5.3).
    CommitsBeforeMatching,
    /// A leader counts its own copy before it is durable.
    CountsItselfBeforeSync,
    /// A candidate counts its own vote and asks for others before it is durable.
    CampaignsBeforeSync,
    /// A follower takes entries without comparing the one before them (Raft paper 5.3).
    SkipsConsistencyCheck,
    /// An answer of an older term is taken for one of this term's election.
    CountsOldVotes,
    /// Votes of servers that lost their disk count like others (nats-server #7038).
    CountsEmptyVotes,
    /// A membership change takes effect when it commits, not when it is appended (nats-server
    /// #7632).
    ChangesAtCommit,
    /// Who was removed still counts: its votes and its acknowledgements (nats-server #7589).
    CountsRemovedPeers,
    /// A leader takes a second membership change while the first is not committed (Raft thesis
    /// 4.1).
    ChangesTwiceAtOnce,
    /// A leader changes the membership before it has committed an entry of its term (the bug in
    /// single-server changes found after the Raft thesis).
    ChangesBeforeCommit,
    /// A snapshot is taken of more than the application has applied (nats-server #8321).
    SnapshotsBeyondApplied,
    /// The log is compacted before the snapshot is durable (nats-server #7620).
    CompactsBeforeSnapshot,
}

/// All of them.
pub const BUGS: [Bug; 20] = [
    Bug::CommitsOlderTerms,
    Bug::AcknowledgesCatchup,
    Bug::VotesTwice,
    Bug::VotesBeforeSync,
    Bug::AcknowledgesBeforeSync,
    Bug::CutsOnRepeat,
    Bug::VotesForShorterLogs,
    Bug::RevertsTermOnCut,
    Bug::CommitsBeforeMatching,
    Bug::CountsItselfBeforeSync,
    Bug::CampaignsBeforeSync,
    Bug::SkipsConsistencyCheck,
    Bug::CountsOldVotes,
    Bug::CountsEmptyVotes,
    Bug::ChangesAtCommit,
    Bug::CountsRemovedPeers,
    Bug::ChangesTwiceAtOnce,
    Bug::ChangesBeforeCommit,
    Bug::SnapshotsBeyondApplied,
    Bug::CompactsBeforeSnapshot,
];

impl Bug {
    /// Its name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CommitsOlderTerms => "commits-older-terms",
            Self::AcknowledgesCatchup => "acknowledges-catch-up",
            Self::VotesTwice => "votes-twice",
            Self::VotesBeforeSync => "votes-before-sync",
            Self::AcknowledgesBeforeSync => "acknowledges-before-sync",
            Self::CutsOnRepeat => "cuts-on-repeat",
            Self::VotesForShorterLogs => "votes-for-shorter-logs",
            Self::RevertsTermOnCut => "reverts-term-on-cut",
            Self::CommitsBeforeMatching => "commits-before-matching",
            Self::CountsItselfBeforeSync => "counts-itself-before-sync",
            Self::CampaignsBeforeSync => "campaigns-before-sync",
            Self::SkipsConsistencyCheck => "skips-consistency-check",
            Self::CountsOldVotes => "counts-old-votes",
            Self::CountsEmptyVotes => "counts-empty-votes",
            Self::ChangesAtCommit => "changes-at-commit",
            Self::CountsRemovedPeers => "counts-removed-peers",
            Self::ChangesTwiceAtOnce => "changes-twice-at-once",
            Self::ChangesBeforeCommit => "changes-before-commit",
            Self::SnapshotsBeyondApplied => "snapshots-beyond-applied",
            Self::CompactsBeforeSnapshot => "compacts-before-snapshot",
        }
    }

    /// The bug of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        BUGS.into_iter().find(|bug| bug.name() == name)
    }
}

impl Node {
    /// Whether this node has `bug`.
    #[cfg(any(test, feature = "sim"))]
    pub(super) fn has_bug(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether this node has `bug`: never.
    #[cfg(not(any(test, feature = "sim")))]
    pub(super) const fn has_bug(&self, _: Bug) -> bool {
        false
    }

    /// Puts a bug back into this node, or takes it out.
    #[cfg(any(test, feature = "sim"))]
    pub const fn put_bug_back(&mut self, bug: Option<Bug>) {
        self.bug = bug;
    }
}
