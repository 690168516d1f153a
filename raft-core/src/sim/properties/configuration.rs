//! Configuration: quorums of consecutive memberships have a server in common, and at most one
//! change is under way (Raft thesis 4.1).

use std::collections::BTreeSet;

use super::committed::Ledger;
use super::shadow::Trail;
use crate::node::{Role, Standing};
use crate::quorum::natural_quorum;
use crate::types::{Index, PeerId};

/// A quorum is more than half of the members, at every node, unless an operator said otherwise.
pub(super) fn check_majority(now: &Standing) -> Result<(), String> {
    let members = now.members.len();
    if now.role == Role::Closed || now.rescued || now.quorum as usize * 2 > members {
        return Ok(());
    }
    Err(format!("takes {} of {members} for a quorum", now.quorum))
}

/// A leader's membership is what is committed, and at most one change on top of it.
pub(super) fn check_leader(now: &Standing, log: &Trail, ledger: &Ledger) -> Result<(), String> {
    let known = now.commit.max(ledger_prefix(log, ledger));
    let pending: Vec<_> = log.changes_above(known).collect();
    if pending.len() > 1 {
        return Err(format!("has changes under way: {pending:?}"));
    }
    let mut expected = ledger.members_at(known).cloned().unwrap_or_default();
    for change in &pending {
        if change.adds {
            expected.insert(change.peer);
        } else {
            expected.remove(&change.peer);
        }
    }
    // The bug in single-server changes that was found after the thesis: who has committed nothing
    // in its term may not know of the change before.
    let own = |index| log.at(index).map(|mark| mark.term) == Some(now.term);
    if let Some(change) = pending.iter().find(|change| own(change.index))
        && !own(known)
    {
        return Err(format!(
            "has {change:?} under way, but of its term committed nothing"
        ));
    }
    let members: BTreeSet<_> = now.members.iter().copied().collect();
    if members != expected {
        return Err(format!("leads {members:?}, but its log says {expected:?}"));
    }
    Ok(())
}

/// A quorum of a new leader's membership meets every quorum of what was committed last.
pub(super) fn check_overlap(now: &Standing, ledger: &Ledger) -> Result<(), String> {
    let Some(committed) = ledger.members() else {
        return Ok(());
    };
    let quorum = natural_quorum(u32::try_from(committed.len()).unwrap_or(u32::MAX));
    let both: BTreeSet<PeerId> = committed.iter().chain(&now.members).copied().collect();
    if now.rescued || (quorum + now.quorum) as usize > both.len() {
        return Ok(());
    }
    Err(format!(
        "was elected by {} of {:?}, which need not meet {quorum} of {committed:?}",
        now.quorum, now.members
    ))
}

/// How far a log is what was committed.
fn ledger_prefix(log: &Trail, ledger: &Ledger) -> Index {
    let mut index = log.last().min(ledger.last());
    while index > log.base() && log.at(index) != ledger.mark(index) {
        index = index.prev();
    }
    index
}
