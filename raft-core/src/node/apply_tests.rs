//! From commit to the application and back.

use super::rig::{N0, N1, Rig, entry, indexes};
use super::{Committed, PauseError, Role};
use crate::storage::MemoryLog;
use crate::types::Index;

#[test]
fn issue_7460_leadership_is_announced_once_the_first_entry_is_processed() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, N0);
    assert_eq!((rig.node.is_leader(), rig.lead_change()), (false, None));

    rig.node.processed(Index(1), Index(0), rig.now);

    assert_eq!(
        (rig.node.is_leader(), rig.lead_change()),
        (true, Some((true, 3)))
    );
    assert_eq!(rig.node.status(rig.now).leader_since, Some(rig.now));
    rig.node.processed(Index(1), Index(1), rig.now);
    assert_eq!(rig.lead_change(), None);
}

#[test]
fn processing_reported_above_the_commit_is_ignored() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    assert_eq!(rig.node.processed(Index(1), Index(1), rig.now), (0, 0));

    assert_eq!((rig.node.processed, rig.node.applied), (Index(0), Index(0)));
    assert!(!rig.node.is_leader());
}

#[test]
fn applied_goes_no_further_than_processed() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.propose(b"two");
    rig.acknowledge(3, 2, N0);

    rig.node.processed(Index(1), Index(2), rig.now);

    assert_eq!((rig.node.processed, rig.node.applied), (Index(1), Index(1)));
}

#[test]
fn newest_lead_change_wins() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, N0);
    rig.node.processed(Index(1), Index(1), rig.now);

    rig.node.step_down(&[], rig.now).unwrap();

    assert_eq!(rig.lead_change(), Some((false, 3)));
    assert_eq!(rig.lead_change(), None);
}

#[test]
fn paused_follower_stores_and_acknowledges_and_hands_up_when_resumed() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.pause_apply(rig.now).unwrap();

    rig.live(entry(N0, 1, 1, (1, 1), b"two"));
    rig.live(entry(N0, 1, 2, (1, 2), b""));

    assert_eq!((rig.view().commit, rig.node.held_commit), (0, Index(2)));
    assert_eq!(rig.outputs().len(), 2);
    assert!(rig.applied().is_empty());
    rig.node.resume_apply(rig.now);
    assert_eq!((rig.view().commit, rig.node.held_commit), (2, Index(0)));
    assert_eq!(rig.applied().len(), 2);
}

/// Only what matched our log was said to be committed; what is stored after it may be anything.
#[test]
fn commit_held_back_while_paused_does_not_reach_beyond_the_log_of_that_moment() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.pause_apply(rig.now).unwrap();
    rig.live(entry(N0, 1, u64::MAX, (1, 1), b""));
    rig.live(entry(N0, 1, 0, (1, 1), b"two"));
    assert_eq!(rig.node.held_commit, Index(1));

    rig.node.resume_apply(rig.now);

    assert_eq!(rig.view().commit, 1);
}

/// SE-21: a leader that knows of less does not take back what was committed.
#[test]
fn commit_held_back_while_paused_never_goes_down() {
    let mut rig = Rig::follower_at(1, 2, MemoryLog::new());
    rig.node.pause_apply(rig.now).unwrap();
    rig.live(entry(N0, 1, 2, (1, 2), b""));

    rig.live(entry(N0, 1, 1, (1, 2), b""));

    assert_eq!(rig.node.held_commit, Index(2));
}

/// It is committed all the same: nobody may cut it.
#[test]
fn what_is_committed_and_held_back_while_paused_is_not_cut() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());
    rig.node.pause_apply(rig.now).unwrap();
    rig.live(entry(N0, 1, 3, (1, 3), b""));
    assert_eq!((rig.view().commit, rig.node.held_commit), (0, Index(3)));

    rig.live(entry(N1, 2, 0, (1, 1), b"other"));

    assert_eq!((rig.view().role, rig.view().last), (Role::Closed, (1, 3)));
}

#[test]
fn leader_does_not_pause() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    assert_eq!(
        rig.node.pause_apply(rig.now),
        Err(PauseError::AlreadyLeader)
    );
}

/// A log that was taken over may begin above the commit known here.
#[test]
fn indexes_below_the_snapshot_are_passed_over() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());
    rig.node.snapshot_index = Index(2);

    rig.live(entry(N0, 1, 2, (1, 3), b""));
    assert_eq!(rig.view().commit, 0);
    rig.live(entry(N0, 1, 3, (1, 3), b""));

    assert_eq!(rig.view().commit, 3);
    let [Committed::Entries(only)] = &rig.applied()[..] else {
        panic!("one index");
    };
    assert_eq!(only.index, Index(3));
}

#[test]
fn processed_never_goes_back() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.propose(b"two");
    rig.acknowledge(3, 2, N0);

    rig.node.processed(Index(2), Index(2), rig.now);
    rig.node.processed(Index(1), Index(1), rig.now);

    assert_eq!((rig.node.processed, rig.node.applied), (Index(2), Index(2)));
}

#[test]
fn candidate_that_pauses_becomes_a_follower() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.switch_to_candidate();

    rig.node.pause_apply(rig.now).unwrap();

    assert_eq!(rig.view().role, Role::Follower);
    assert!(rig.node.paused);
}

#[test]
fn batch_for_the_application_ends_at_its_limits_and_holds_one_item_at_least() {
    let mut rig = Rig::follower_at(1, 5, MemoryLog::new());
    rig.live(entry(N0, 1, 5, (1, 5), b""));

    assert_eq!(indexes(&rig.node.take_applied(2, usize::MAX)), [1, 2]);
    assert_eq!(indexes(&rig.node.take_applied(usize::MAX, 0)), [3]);
    assert_eq!(indexes(&rig.node.take_applied(0, usize::MAX)), [4]);
    assert_eq!(
        rig.node.take_signals() & super::signal::APPLY,
        super::signal::APPLY
    );
    assert_eq!(indexes(&rig.applied()), [5]);
}

#[test]
fn leader_that_steps_down_is_no_complete_leader_any_more() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, N0);
    rig.node.processed(Index(1), Index(1), rig.now);
    assert!(rig.node.is_leader());

    rig.node.switch_to_follower(None);

    assert!(!rig.node.is_leader());
    assert_eq!(rig.node.status(rig.now).leader_since, None);
}
