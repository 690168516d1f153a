//! What must hold between inputs, each line the twin of a sentence on a field.

use super::{Node, Role};
#[cfg(any(test, feature = "sim"))]
use crate::types::PeerId;
use crate::types::{Index, Term};

/// Checks every relation; the first that does not hold is named.
pub(super) fn check(node: &Node) -> Result<(), &'static str> {
    let rules = [
        (
            "commit does not exceed the last index",
            node.commit <= node.last_index,
        ),
        (
            "processed does not exceed commit",
            node.processed <= node.commit,
        ),
        (
            "applied does not exceed processed",
            node.applied <= node.processed,
        ),
        (
            "the snapshot does not exceed commit",
            node.snapshot_index <= node.commit,
        ),
        ("the log starts after the snapshot", {
            node.role == Role::Closed
                || node.log.state().first.0.max(1) == node.snapshot_index.0 + 1
        }),
        ("the durable index does not exceed the last", {
            node.durability.durable_index() <= node.last_index
        }),
        (
            "the term is not below the last entry's",
            node.term >= node.last_term,
        ),
        ("only a leader is a complete leader", {
            !node.complete_leader || node.role == Role::Leader
        }),
        ("a leader knows itself as leader", {
            node.role != Role::Leader || node.leader == Some(node.id)
        }),
        ("a leader's term is durable", {
            node.role != Role::Leader || node.durability.term_vote() <= node.durability.durable()
        }),
        (
            "a failed node is closed",
            node.fatal.is_none() || node.role == Role::Closed,
        ),
        ("the log ends at the last index", {
            node.role == Role::Closed || node.log.state().last == node.last_index
        }),
        ("no vote in the term before the first", {
            node.term != Term::ZERO || node.vote.is_none()
        }),
        ("pending entries are not committed", {
            let mut pending = node.pending.indexes();
            pending.next().is_none_or(|index| index > node.commit)
        }),
        ("only a leader awaits what is not committed", {
            node.role == Role::Leader || node.awaited.ends_at(node.commit.max(node.held_commit))
        }),
        ("an announcement waits only at a leader", {
            node.announce_at == Index::ZERO || node.role == Role::Leader
        }),
    ];
    match rules.iter().find(|(_, holds)| !holds) {
        Some((rule, _)) => Err(rule),
        None => Ok(()),
    }
}

impl Node {
    /// Stops a debug build when a relation does not hold: at the end of every input and command. A
    /// node that a white-box call wrote to is not looked at.
    #[track_caller]
    pub(crate) fn check_invariants(&self) {
        #[cfg(feature = "testing")]
        if self.is_dirty() {
            return;
        }
        debug_assert_eq!(check(self), Ok(()));
    }
}

/// Where a node stands, for those who check it from outside after each of its steps.
#[cfg(any(test, feature = "sim"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The role.
    pub role: Role,
    /// Current term.
    pub term: Term,
    /// Last index.
    pub last: Index,
    /// Highest committed index.
    pub commit: Index,
    /// Highest processed index.
    pub processed: Index,
    /// Highest applied index.
    pub applied: Index,
    /// Index of the last installed snapshot.
    pub snapshot: Index,
    /// The members, appended changes included, sorted.
    pub members: Vec<PeerId>,
    /// Votes and acknowledgements that make a quorum.
    pub quorum: u32,
    /// Whether a rescue holds the quorum down.
    pub rescued: bool,
    /// Which of its own rules it breaks, if it does.
    pub broken: Option<&'static str>,
}

#[cfg(any(test, feature = "sim"))]
impl Node {
    /// Where the node stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            role: self.role,
            term: self.term,
            last: self.last_index,
            commit: self.commit,
            processed: self.processed,
            applied: self.applied,
            snapshot: self.snapshot_index,
            members: self.peer_names(),
            quorum: self.quorum,
            rescued: self.in_rescue(),
            broken: check(self).err(),
        }
    }
}
