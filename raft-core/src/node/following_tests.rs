//! Append entries as they arrive.

use super::rig::{
    DiskLog, EMPTY, N0, N1, Out, Rig, SELF, View, accepted, entry, following, indexes, refused,
    relayed, special, wants,
};
use super::{Committed, Role};
use crate::storage::MemoryLog;
use crate::types::{Entry, EntryType, Index, Term};
use crate::wire::PeerState;

#[test]
fn entry_that_continues_the_log_is_stored_and_acknowledged_once_durable() {
    let mut rig = Rig::follower_at(1, 0, DiskLog::new());
    let message = entry(N0, 1, 0, (0, 0), b"one");

    rig.live(message.clone());

    assert_eq!(rig.view(), following(1, (1, 1), 0));
    assert_eq!(rig.node.entry_at(Index(1)), Some(message));
    assert_eq!(rig.outputs(), EMPTY);
    rig.sync();
    assert_eq!(rig.outputs(), [accepted(1, 1)]);
}

#[test]
fn heartbeat_is_acknowledged_and_stores_nothing() {
    let mut rig = Rig::follower_at(1, 2, MemoryLog::new());

    rig.live(entry(N0, 1, 0, (1, 2), b""));

    assert_eq!(rig.outputs(), [accepted(1, 2)]);
    assert_eq!(rig.view(), following(1, (1, 2), 0));
}

/// A heartbeat's answer acknowledges the tail of the log too.
#[test]
fn heartbeat_is_acknowledged_only_once_the_log_before_it_is_durable() {
    let mut rig = Rig::follower_at(1, 1, DiskLog::new());
    rig.live(entry(N0, 1, 0, (1, 1), b"two"));
    rig.live(entry(N0, 1, 0, (1, 2), b""));

    assert_eq!(rig.outputs(), EMPTY);
    rig.sync();
    assert_eq!(rig.outputs(), [accepted(1, 2), accepted(1, 2)]);
}

#[test]
fn first_message_of_a_leader_is_answered_once_its_term_is_durable() {
    let mut rig = Rig::new(&[SELF, N0, N1], MemoryLog::new());

    rig.live(entry(N0, 4, 0, (0, 0), b""));

    assert_eq!(rig.view(), following(4, (0, 0), 0));
    assert_eq!(rig.outputs(), EMPTY);
    rig.sync();
    assert_eq!(rig.outputs(), [accepted(0, 0)]);
    assert_eq!(rig.lead_change(), Some((false, 4)));
}

/// It may have voted in that term otherwise after a restart.
#[test]
fn later_term_of_the_same_leader_is_saved_before_it_is_answered() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());

    rig.live(entry(N0, 2, 0, (1, 1), b""));

    assert_eq!(rig.outputs(), EMPTY);
    assert_eq!(
        rig.node.take_writes().unwrap().term_vote.unwrap().term,
        Term(2)
    );
}

/// Two answers to one inbox come in the order they were made.
#[test]
fn refusal_does_not_overtake_an_acknowledgement_that_waits() {
    let mut rig = Rig::follower_at(5, 1, DiskLog::new());
    rig.live(entry(N0, 5, 0, (5, 1), b"two"));

    rig.live(entry(N1, 4, 0, (4, 1), b"old"));

    assert_eq!(rig.outputs(), EMPTY);
    rig.sync();
    assert_eq!(rig.outputs(), [accepted(5, 2), refused(5, 2)]);
}

#[test]
fn stale_leader_is_told_the_term_and_changes_nothing() {
    let mut rig = Rig::follower_at(5, 2, MemoryLog::new());
    let before = rig.view();

    rig.live(entry(N1, 4, 2, (5, 2), b"old"));

    assert_eq!(rig.outputs(), [refused(5, 2)]);
    assert_eq!(rig.view(), before);
}

/// The server restarts the timer first, so that a stale leader holds elections up.
#[test]
fn stale_leader_does_not_restart_the_election_timeout() {
    let mut rig = Rig::follower_at(5, 2, MemoryLog::new());
    for _ in 0..9 {
        rig.pass(1_000);
        rig.live(entry(N1, 4, 2, (5, 2), b""));
    }

    rig.turn();

    assert_eq!((rig.view().role, rig.view().term), (Role::Candidate, 6));
}

#[test]
fn live_entry_restarts_the_election_timeout() {
    let mut rig = Rig::follower_at(5, 2, MemoryLog::new());
    for _ in 0..20 {
        rig.pass(3_999);
        rig.live(entry(N0, 5, 0, (5, 2), b""));
        rig.turn();
    }

    assert_eq!(rig.view(), following(5, (5, 2), 0));
}

#[test]
fn candidate_follows_the_leader_of_its_term_and_says_so() {
    let mut rig = Rig::follower_at(4, 2, MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.outputs();

    rig.live(entry(N1, 5, 0, (4, 2), b"new"));
    rig.sync();

    let expected = View {
        role: Role::Follower,
        term: 5,
        vote: Some(SELF),
        leader: Some(N1),
        last: (5, 3),
        commit: 0,
    };
    assert_eq!(rig.view(), expected);
    assert_eq!(rig.outputs(), [accepted(5, 3)]);
    assert_eq!(rig.lead_change(), Some((false, 5)));
}

#[test]
fn candidate_refuses_the_leader_of_an_older_term() {
    let mut rig = Rig::follower_at(4, 2, MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.outputs();
    let before = rig.view();

    rig.live(entry(N0, 4, 0, (4, 2), b"old"));

    assert_eq!(rig.outputs(), [refused(5, 2)]);
    assert_eq!(rig.view(), before);
}

/// Two leaders of one term are a violation of the protocol; ours gives way. Its vote stays.
#[test]
fn leader_gives_way_to_a_leader_of_its_term_or_a_later_one_and_reports_that_term() {
    for (term, vote) in [(3, Some(SELF)), (4, None)] {
        let mut rig = Rig::leader_in(3, MemoryLog::new());

        rig.live(entry(N1, term, 0, (3, 1), b"other"));
        rig.sync();

        let expected = View {
            role: Role::Follower,
            term,
            vote,
            leader: Some(N1),
            last: (term, 2),
            commit: 0,
        };
        assert_eq!(rig.view(), expected);
        assert_eq!(rig.lead_change(), Some((false, term)));
        assert_eq!(rig.outputs(), [accepted(term, 2)]);
    }
}

#[test]
fn leader_refuses_the_leader_of_an_older_term() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let before = rig.view();

    rig.live(entry(N1, 2, 0, (3, 1), b"old"));

    assert_eq!(rig.outputs(), [refused(3, 1)]);
    assert_eq!(rig.view(), before);
}

#[test]
fn commit_of_the_leader_is_followed_as_far_as_the_log_goes() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());

    rig.live(entry(N0, 1, 2, (1, 3), b""));
    assert_eq!(
        (rig.view().commit, indexes(&rig.applied())),
        (2, vec![1, 2])
    );
    rig.live(entry(N0, 1, 900, (1, 3), b"four"));

    assert_eq!(
        (rig.view().commit, indexes(&rig.applied())),
        (4, vec![3, 4])
    );
    assert_eq!(rig.outputs(), [accepted(1, 3), accepted(1, 4)]);
}

#[test]
fn commit_never_goes_back() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());
    rig.live(entry(N0, 1, 3, (1, 3), b""));

    rig.live(entry(N0, 1, 1, (1, 3), b""));

    assert_eq!(rig.view().commit, 3);
}

#[test]
fn committed_membership_of_the_leader_is_adopted_and_not_handed_up() {
    let mut rig = Rig::follower_at(1, 0, MemoryLog::new());
    let state = PeerState {
        cluster_size: 2,
        peers: vec![N0, SELF],
        domain_ext: 0,
    };
    let first = Entry {
        kind: EntryType::PeerState,
        data: state.encode(),
    };

    rig.live(special(N0, 1, 0, (0, 0), first));
    assert_eq!(rig.node.peer_names(), [N0, SELF, N1]);
    rig.live(entry(N0, 1, 1, (1, 1), b""));

    assert_eq!(rig.node.peer_names(), [N0, SELF]);
    assert_eq!((rig.node.cluster_size, rig.node.quorum), (2, 2));
    let [Committed::Entries(committed)] = &rig.applied()[..] else {
        panic!("one index");
    };
    assert_eq!(
        (committed.index, committed.entries().count()),
        (Index(1), 0)
    );
    assert_eq!(rig.node.take_writes().unwrap().peers, Some(state));
}

// Step 11A: the entry goes back to our tail or before it.

#[test]
fn row_1_what_lies_below_the_commit_is_left_alone() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());
    rig.live(entry(N0, 1, 2, (1, 3), b""));
    rig.outputs();

    rig.live(entry(N0, 1, 0, (0, 0), b"old"));
    rig.live(entry(N0, 1, 0, (1, 1), b"old"));

    assert_eq!(rig.view(), following(1, (1, 3), 2));
    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn row_3_tail_takes_the_term_the_leader_says() {
    let mut rig = Rig::follower_at(1, 0, MemoryLog::new());

    rig.live(entry(N0, 1, 0, (1, 0), b"one"));

    assert_eq!(rig.view(), following(1, (1, 0), 0));
    assert_eq!(rig.outputs(), EMPTY);
    rig.live(entry(N0, 1, 0, (1, 0), b"one"));
    assert_eq!(rig.view(), following(1, (1, 1), 0));
}

#[test]
fn row_5_log_without_the_position_is_reset_and_the_next_entry_answered_as_a_gap_or_match() {
    let mut rig = Rig::follower_at(1, 2, MemoryLog::new());

    rig.live(entry(N0, 2, 0, (0, 0), b"one"));
    rig.sync();

    assert_eq!(rig.view(), following(2, (0, 0), 0));
    assert_eq!(rig.outputs(), EMPTY);
    rig.live(entry(N0, 2, 0, (0, 0), b"one"));
    assert_eq!(rig.outputs(), [accepted(2, 1)]);
}

#[test]
fn row_6_entries_behind_the_matching_position_are_cut_and_the_new_one_stored() {
    let mut rig = Rig::follower_at(1, 4, MemoryLog::new());

    rig.live(entry(N0, 2, 0, (1, 2), b"new"));
    rig.sync();

    assert_eq!(rig.view(), following(2, (2, 3), 0));
    assert_eq!(rig.outputs(), [accepted(2, 3)]);
    assert_eq!(rig.node.entry_at(Index(4)), None);
}

#[test]
fn row_6_heartbeat_cuts_what_lies_behind_it_and_is_answered() {
    let mut rig = Rig::follower_at(1, 4, MemoryLog::new());

    rig.live(entry(N0, 2, 0, (1, 2), b""));
    rig.sync();

    assert_eq!(rig.view(), following(2, (1, 2), 0));
    assert_eq!(rig.outputs(), [accepted(1, 2)]);
}

/// A message that arrives again, or late, says nothing against what stands behind it: an entry
/// that was acknowledged may be on a quorum by now.
#[test]
fn issue_7209_entries_behind_a_repeated_or_late_message_stay() {
    for late in [
        entry(N0, 1, 0, (0, 0), b"first"),
        entry(N0, 1, 0, (1, 2), b"third"),
        entry(N0, 1, 0, (1, 2), b""),
    ] {
        let mut rig = Rig::follower_at(1, 4, MemoryLog::new());

        rig.live(late);
        rig.sync();

        assert_eq!(rig.view(), following(1, (1, 4), 0));
        assert_eq!(rig.outputs(), EMPTY);
    }
}

#[test]
fn row_7_entry_at_the_commit_is_never_cut() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());
    rig.live(entry(N0, 1, 2, (1, 3), b""));
    rig.outputs();

    rig.live(entry(N0, 3, 0, (2, 2), b"new"));

    assert_eq!(rig.view(), following(3, (1, 3), 2));
    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn row_8_entry_of_another_term_is_cut_with_all_behind_it_and_nothing_answered() {
    let mut rig = Rig::follower_at(1, 4, MemoryLog::new());

    rig.live(entry(N0, 3, 0, (2, 3), b"new"));
    rig.sync();

    assert_eq!(rig.view(), following(3, (1, 2), 0));
    assert_eq!(rig.outputs(), EMPTY);
    // The next one reveals the gap.
    rig.live(entry(N0, 3, 0, (2, 3), b"new"));
    assert!(matches!(&rig.outputs()[..], [Out::Subscribe(_), answer] if *answer == wants(1, 2)));
}

/// A success tells the leader that the index is held; one for an entry that was cut off is a lie.
#[test]
fn acknowledgement_that_waits_for_its_sync_dies_with_its_entry() {
    let mut rig = Rig::follower_at(1, 1, DiskLog::new());
    rig.live(entry(N0, 1, 0, (1, 1), b"two"));
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));

    rig.live(entry(N1, 2, 0, (1, 2), b""));
    rig.sync();

    assert_eq!(rig.outputs(), [accepted(1, 2), accepted(1, 2)]);
}

/// Until the cut is durable, a restart finds what was cut.
#[test]
fn answer_after_a_cut_waits_for_the_cut() {
    let mut rig = Rig::follower_at(1, 4, DiskLog::new());

    rig.live(entry(N0, 2, 0, (1, 2), b""));

    assert_eq!(rig.outputs(), EMPTY);
    rig.sync();
    assert_eq!(rig.outputs(), [accepted(1, 2)]);
}

#[test]
fn cut_entries_leave_the_cache() {
    let mut rig = Rig::follower_at(1, 4, MemoryLog::new());

    rig.live(entry(N0, 2, 0, (1, 2), b""));

    let cached: Vec<u64> = rig.node.pending.indexes().map(|index| index.0).collect();
    assert_eq!(cached, [1, 2]);
}

/// The old entry's write may be durable while its replacement's is not.
#[test]
fn replaced_entry_is_acknowledged_by_its_own_write_alone() {
    let mut rig = Rig::follower_at(1, 1, DiskLog::new());
    rig.live(entry(N0, 1, 0, (1, 1), b"old"));
    let first = rig.node.take_writes().unwrap();

    rig.live(entry(N1, 2, 0, (1, 1), b"new"));
    rig.node.handle_durable(first.upto, rig.now);

    assert_eq!(rig.outputs(), EMPTY);
    assert_eq!(rig.node.durability.durable_index(), Index(1));
    rig.sync();
    assert_eq!(rig.outputs(), [accepted(2, 2)]);
}

// Step 10: the quorum pause.

#[test]
fn follower_whose_application_lags_too_far_says_nothing_until_it_has_caught_up() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let batch = |rig: &mut Rig, from: u64, count: u64| {
        for at in from..from + count {
            rig.live(entry(N0, 1, at, (1, at), b"x"));
        }
        rig.outputs().len()
    };
    assert_eq!(batch(&mut rig, 1, 100_001), 100_001);
    assert_eq!((rig.view().commit, rig.node.overrun_count), (100_001, 0));

    rig.live(entry(N0, 1, 100_002, (1, 100_002), b"x"));

    assert_eq!(rig.outputs(), EMPTY);
    assert_eq!((rig.view().last.1, rig.node.overrun_count), (100_002, 1));
    let applied = Index(90_000);
    rig.node.processed(applied, applied, rig.now);
    rig.live(entry(N0, 1, 100_002, (1, 100_002), b""));
    assert_eq!(rig.outputs(), EMPTY);
    let applied = Index(90_001);
    rig.node.processed(applied, applied, rig.now);
    rig.live(entry(N0, 1, 100_002, (1, 100_002), b""));
    assert_eq!(rig.outputs(), [accepted(1, 100_002)]);
}

// What arrives and means nothing.

#[test]
fn message_that_cannot_be_decoded_is_counted_and_dropped() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let before = rig.view();
    let inboxes = [
        rig.node.subjects.append_entry.clone(),
        rig.node.subjects.vote.clone(),
        rig.node.vote_inbox.clone(),
        rig.node.response_inbox.clone(),
    ];

    for inbox in &inboxes {
        let sub = rig.inbox_of(inbox);
        for len in [0, 3, 24, 26] {
            let junk = bytes::Bytes::from(vec![1; len]);
            rig.node.handle_message(sub, None, junk, rig.now);
        }
    }
    rig.turn();

    assert_eq!(rig.node.counters().messages_malformed, 16);
    assert_eq!(rig.view(), before);
    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn message_for_a_subscription_that_is_no_more_is_dropped() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));
    let sub = rig
        .node
        .catchup
        .as_ref()
        .map(|catchup| catchup.sub)
        .unwrap();
    rig.node.cancel_catchup();

    let two = relayed(1, &entry(N0, 1, 0, (1, 1), b"two")).into_frame();
    rig.node.handle_message(sub, None, two, rig.now);
    rig.turn();

    assert_eq!(rig.view().last, (1, 1));
}

// Failures.

#[test]
fn entry_that_cannot_be_written_closes_the_node_unanswered() {
    let mut log = DiskLog::new();
    log.broken = true;
    let mut rig = Rig::follower_at(1, 0, log);

    rig.live(entry(N0, 1, 0, (0, 0), b"one"));
    rig.sync();

    assert_eq!((rig.view().role, rig.view().last), (Role::Closed, (0, 0)));
    assert!(rig.node.fatal_error().is_some());
    let out = rig.outputs();
    assert!(
        out.iter().all(|out| matches!(out, Out::Unsubscribe(_))),
        "{out:?}"
    );
    assert_eq!(out.len(), 4);
}

#[test]
fn sync_that_fails_drops_every_answer_that_waited_for_it() {
    let mut rig = Rig::follower_at(1, 0, DiskLog::new());
    rig.live(entry(N0, 1, 0, (0, 0), b"one"));
    rig.ask(2, (1, 1), N1);
    let writes = rig.node.take_writes().unwrap();

    let error = std::sync::Arc::new(crate::storage::StorageError::Failed);
    rig.node.handle_write_failed(error, rig.now);
    rig.node.handle_durable(writes.upto, rig.now);

    assert_eq!(rig.view().role, Role::Closed);
    let out = rig.outputs();
    assert!(
        out.iter().all(|out| matches!(out, Out::Unsubscribe(_))),
        "{out:?}"
    );
    rig.live(entry(N0, 2, 0, (1, 1), b"two"));
    rig.ask(3, (1, 1), N1);
    rig.turn();
    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn cut_below_the_commit_is_refused_and_closes_the_group() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());
    rig.live(entry(N0, 1, 2, (1, 3), b""));
    rig.outputs();

    assert!(!rig.node.truncate_wal(Term(1), Index(1), N1));

    assert_eq!((rig.view().role, rig.view().last), (Role::Closed, (1, 3)));
    let text = rig.node.fatal_error().unwrap().to_string();
    assert!(text.starts_with("leader yrzKKRBu asked to cut the log to 1, below the commit at 2"));
    rig.turn();
    assert_eq!(rig.node.entry_at(Index(3)).unwrap().index(), Index(3));
}

#[test]
fn committed_entry_that_cannot_be_read_closes_the_group_and_cuts_nothing() {
    let mut log = DiskLog::new();
    log.damaged = Some(Index(1));
    let mut rig = Rig::follower_at(1, 2, log);
    rig.node.pending.clear();

    rig.live(entry(N0, 1, 2, (1, 2), b""));

    assert_eq!((rig.view().role, rig.view().commit), (Role::Closed, 0));
    assert_eq!(rig.node.log.state().last, Index(2));
    assert!(
        rig.node
            .fatal_error()
            .unwrap()
            .to_string()
            .contains("entry 1 cannot be read")
    );
}

/// Messages that contradict themselves come from a broken or hostile sender.
#[test]
fn entry_of_a_term_later_than_its_senders_is_dropped() {
    let forged = [
        entry(N0, 1, 0, (99, 0), b"one"),
        relayed(1, &entry(N0, 99, 0, (0, 0), b"one")),
    ];
    for message in forged {
        let mut rig = Rig::follower_at(1, 0, MemoryLog::new());
        let before = rig.view();

        rig.live(message);
        rig.turn();

        assert_eq!(rig.view(), before);
        assert_eq!(rig.outputs(), EMPTY);
    }
}
