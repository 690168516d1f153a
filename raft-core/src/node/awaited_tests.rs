//! Awaited proposals: one outcome each, and the right one.

use std::num::NonZeroU64;

use bytes::Bytes;

use super::rig::{DiskLog, N0, Rig, SELF};
use super::{Fate, Proposal, ProposalOutcome, ProposalTag, ProposeError, signal};
use crate::storage::{MemoryLog, StorageError};
use crate::types::{Entry, Index, Term};

fn tag(number: u64) -> ProposalTag {
    ProposalTag(NonZeroU64::new(number).unwrap())
}

fn ended(number: u64, fate: Fate) -> ProposalOutcome {
    let tag = tag(number);
    ProposalOutcome { tag, fate }
}

fn applied(number: u64, index: u64) -> ProposalOutcome {
    ended(number, Fate::Applied(Index(index)))
}

impl Rig {
    fn propose_awaited(&mut self, number: u64) {
        let data = Bytes::from_static(b"awaited");
        self.node
            .propose_awaited(self.node.term, data, tag(number))
            .unwrap();
    }

    fn processed(&mut self, index: u64) {
        self.node.processed(Index(index), Index(index), self.now);
    }

    /// The outcomes since the last look, which have to be announced.
    fn outcomes(&mut self) -> Vec<ProposalOutcome> {
        let announced = self.node.take_signals() & signal::OUTCOME != 0;
        let outcomes = self.node.take_outcomes(usize::MAX);
        assert_eq!(announced, !outcomes.is_empty());
        outcomes
    }
}

#[test]
fn outcome_comes_when_the_entry_is_processed_and_not_before() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.propose_awaited(7);
    rig.turn();
    rig.sync();
    assert_eq!(rig.outcomes(), []);

    rig.acknowledge(3, 2, N0);
    assert_eq!(rig.node.commit, Index(2));
    assert_eq!(rig.outcomes(), []);
    rig.processed(1);
    assert_eq!(rig.outcomes(), []);

    rig.processed(2);
    assert_eq!(rig.outcomes(), [applied(7, 2)]);
    rig.processed(2);
    assert_eq!(rig.outcomes(), []);
}

#[test]
fn proposals_of_one_append_entry_have_its_index_in_their_order() {
    let mut rig = Rig::new(&[SELF], MemoryLog::new());
    rig.elect_alone();
    rig.propose_awaited(2);
    rig.node.propose(Term(1), Bytes::new()).unwrap();
    rig.propose_awaited(1);
    rig.turn();
    rig.propose_awaited(3);
    rig.turn();

    rig.processed(3);

    let all = [applied(2, 2), applied(1, 2), applied(3, 3)];
    assert_eq!(rig.outcomes(), all);
}

#[test]
fn refused_proposal_has_no_outcome() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    let refused = rig.node.propose_awaited(Term(2), Bytes::new(), tag(1));

    assert_eq!(refused, Err(ProposeError::NotLeader));
    assert_eq!(rig.outcomes(), []);
}

#[test]
fn proposal_that_was_not_appended_says_so() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let of_term = |term, number| Proposal {
        tag: Some(tag(number)),
        ..Proposal::new(Term(term), Entry::normal(Bytes::new()))
    };

    // Of another leadership, then left behind by the end of this one, then too late.
    rig.node.push_proposals([of_term(2, 1)]);
    rig.turn();
    rig.propose_awaited(2);
    rig.node.switch_to_follower(None);
    rig.node.push_proposals([of_term(3, 3)]);
    rig.turn();

    let all = [1, 2, 3].map(|number| ended(number, Fate::NotAppended));
    assert_eq!(rig.outcomes(), all);
    assert_eq!(rig.node.counters().proposals_dropped, 3);
}

#[test]
fn end_of_the_leadership_leaves_undecided_what_is_not_committed() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    for number in [1, 2] {
        rig.propose_awaited(number);
        rig.turn();
        rig.sync();
    }
    rig.acknowledge(3, 2, N0);

    rig.node.switch_to_follower(Some(N0));
    assert_eq!(rig.outcomes(), [ended(2, Fate::Undecided)]);

    // What is committed stays so, whoever leads.
    rig.processed(2);
    assert_eq!(rig.outcomes(), [applied(1, 2)]);
}

/// After it, indexes begin anew: a wait that was kept would end with another entry's.
#[test]
fn reset_leaves_undecided_whatever_is_awaited() {
    let mut rig = Rig::new(&[SELF], MemoryLog::new());
    rig.elect_alone();
    rig.propose_awaited(1);
    rig.turn();
    rig.propose_awaited(2);
    assert_eq!(rig.node.commit, Index(2));

    rig.node.reset(rig.now);

    let ends = [ended(2, Fate::NotAppended), ended(1, Fate::Undecided)];
    assert_eq!(rig.outcomes(), ends);
}

#[test]
fn stop_ends_every_wait() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.propose_awaited(1);
    rig.turn();
    rig.sync();
    rig.acknowledge(3, 2, N0);
    rig.propose_awaited(2);
    rig.turn();
    rig.propose_awaited(3);

    rig.node.stop();

    let all = [3, 1, 2].map(|number| ended(number, Fate::Closed));
    assert_eq!(rig.outcomes(), all);
}

#[test]
fn failed_write_ends_every_wait() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.propose_awaited(1);
    rig.turn();

    rig.node
        .handle_write_failed(StorageError::Failed.into(), rig.now);

    assert_eq!(rig.outcomes(), [ended(1, Fate::Closed)]);
}

#[test]
fn outcomes_that_do_not_fit_are_announced_again() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    for number in 1..=3 {
        rig.propose_awaited(number);
    }
    rig.node.switch_to_follower(None);
    assert_ne!(rig.node.take_signals() & signal::OUTCOME, 0);

    assert_eq!(rig.node.take_outcomes(2).len(), 2);
    assert_eq!(rig.outcomes(), [ended(3, Fate::NotAppended)]);
}

/// What is committed stays so, however often the application begins anew; a reset forgets it.
#[test]
fn replay_keeps_what_is_awaited_and_a_reset_ends_it() {
    for resets in [false, true] {
        let mut rig = Rig::leader_in(1, MemoryLog::new());
        rig.acknowledge(1, 1, N0);
        rig.node.processed(Index(1), Index(1), rig.now);
        rig.node.install_snapshot(Bytes::new(), false).unwrap();
        rig.sync();
        rig.propose_awaited(1);
        rig.turn();
        rig.acknowledge(1, 2, N0);

        assert!(rig.node.drain_and_replay_snapshot(rig.now));
        rig.turn();
        assert_eq!(rig.node.take_outcomes(9), []);
        if resets {
            rig.node.reset(rig.now);
        } else {
            rig.node.resume_apply(rig.now);
            rig.node.processed(Index(2), Index(2), rig.now);
        }

        let fate = match resets {
            true => Fate::Undecided,
            false => Fate::Applied(Index(2)),
        };
        assert_eq!(rig.node.take_outcomes(9), [ended(1, fate)]);
    }
}
