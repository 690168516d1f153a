//! What a node makes of what its folder holds.

use super::Role;
use super::rig::{DiskLog, EMPTY, N0, N1, Rig, SELF, View, entry, indexes, relayed, setup};
use crate::storage::MemoryLog;
use crate::types::Index;
use crate::wire::AppendEntry;

fn restarted(frames: &[AppendEntry]) -> Rig {
    use crate::storage::Log;
    let mut log = DiskLog::new();
    for frame in frames {
        let seq = crate::storage::WriteSeq::ZERO;
        log.append(frame.index(), seq, frame.frame().clone())
            .unwrap();
    }
    let mut setup = setup(&[SELF, N0, N1], Box::new(log));
    setup.recovering = true;
    Rig::of(setup)
}

#[test]
fn replay_restores_term_log_and_commit_and_answers_nobody() {
    let mut rig = restarted(&[
        entry(N0, 1, 0, (0, 0), b"one"),
        entry(N0, 1, 1, (1, 1), b"two"),
        relayed(4, &entry(N1, 3, 1, (1, 2), b"three")),
    ]);

    let expected = View {
        role: Role::Follower,
        term: 4,
        vote: None,
        leader: None,
        last: (3, 3),
        commit: 1,
    };
    assert_eq!(rig.view(), expected);
    assert_eq!(rig.outputs(), EMPTY);
    assert!(!rig.node.initializing);
}

#[test]
fn replay_hands_committed_entries_up_before_the_guard() {
    use crate::storage::Log;
    let mut log = MemoryLog::new();
    for frame in [
        entry(N0, 1, 0, (0, 0), b"one"),
        entry(N0, 1, 1, (1, 1), b"two"),
    ] {
        let seq = crate::storage::WriteSeq::ZERO;
        log.append(frame.index(), seq, frame.into_frame()).unwrap();
    }
    let now = crate::time::Instant::ZERO;
    let mut node = super::Node::recover(setup(&[SELF, N0, N1], Box::new(log)), now).unwrap();
    node.handle_routing(true);

    node.turn(now);

    assert_eq!(indexes(&node.take_applied(9, 999)), [1, 0]);
}

#[test]
fn log_that_does_not_start_at_its_beginning_stops_the_start() {
    use crate::storage::{Log, WriteSeq};
    let mut log = MemoryLog::new();
    log.truncate(Index(4), WriteSeq::ZERO).unwrap();
    let stray = entry(N0, 1, 0, (1, 4), b"five");
    log.append(Index(5), WriteSeq::ZERO, stray.into_frame())
        .unwrap();

    let refused = super::Node::recover(setup(&[SELF], Box::new(log)), crate::time::Instant::ZERO);

    assert_eq!(
        refused.unwrap_err().to_string(),
        "the log holds 5 to 5 and does not continue the snapshot at 0: entries are missing; \
         the group is stopped, its files are untouched"
    );
}

#[test]
fn replayed_entry_that_cannot_be_read_stops_the_start() {
    use crate::storage::{Log, WriteSeq};
    let mut log = DiskLog::new();
    let one = entry(N0, 1, 0, (0, 0), b"one");
    log.append(Index(1), WriteSeq::ZERO, one.into_frame())
        .unwrap();
    log.damaged = Some(Index(1));

    let refused = super::Node::recover(setup(&[SELF], Box::new(log)), crate::time::Instant::ZERO);

    assert!(
        refused
            .unwrap_err()
            .to_string()
            .starts_with("entry 1 cannot be read")
    );
}

#[test]
fn replayed_entries_that_do_not_follow_each_other_stop_the_start() {
    use crate::storage::{Log, WriteSeq};
    let mut log = MemoryLog::new();
    for frame in [
        entry(N0, 1, 0, (0, 0), b"one"),
        entry(N0, 3, 1, (2, 1), b"two"),
    ] {
        log.append(frame.index(), WriteSeq::ZERO, frame.into_frame())
            .unwrap();
    }

    let refused = super::Node::recover(setup(&[SELF], Box::new(log)), crate::time::Instant::ZERO);

    assert!(refused.unwrap_err().to_string().contains("follows term 2"));
}

/// It must not campaign against the members that hold the data.
#[test]
fn scaled_up_node_is_an_observer_until_it_holds_an_entry_or_is_told_to_lead() {
    let scaled = || {
        let mut setup = setup(&[SELF, N0, N1], Box::new(MemoryLog::new()));
        setup.scale_up = true;
        Rig::of(setup)
    };
    let state = |rig: &Rig| (rig.node.initializing, rig.node.scale_up, rig.node.observer);
    let mut rig = scaled();
    assert_eq!(state(&rig), (true, true, true));
    rig.live(entry(N0, 1, 0, (0, 0), b""));
    assert_eq!(state(&rig), (true, true, true));

    rig.live(entry(N0, 1, 0, (0, 0), b"one"));
    assert_eq!(state(&rig), (false, false, false));

    let mut rig = scaled();
    rig.node.campaign(true, rig.now).unwrap();
    assert_eq!(state(&rig), (false, false, false));
}

#[test]
fn replay_of_much_data_is_handed_up_by_the_first_turn() {
    use crate::storage::{Log, WriteSeq};
    static BLOCK: [u8; 1024 * 1024] = [7; 1024 * 1024];
    let mut log = MemoryLog::new();
    for at in 0..40 {
        let term = u64::from(at > 0);
        let frame = entry(N0, 1, at, (term, at), &BLOCK).into_frame();
        log.append(Index(at + 1), WriteSeq::ZERO, frame).unwrap();
    }
    let now = crate::time::Instant::ZERO;
    let mut node = super::Node::recover(setup(&[SELF, N0, N1], Box::new(log)), now).unwrap();
    assert!(node.paused);
    assert!(node.apply_len() < 35);

    node.handle_routing(true);
    node.turn(now);

    let expected: Vec<u64> = (1..40).chain([0]).collect();
    assert_eq!(
        indexes(&node.take_applied(usize::MAX, usize::MAX)),
        expected
    );
}
