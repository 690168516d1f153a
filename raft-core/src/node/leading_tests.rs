//! Leading: proposals, acknowledgements, commit.

use std::sync::Arc;

use bytes::Bytes;

use super::rig::{
    DiskLog, EMPTY, N0, N1, Out, Rig, SELF, entry, leader_subjects, leader_subjects_dropped,
    leading, no_op, normal, sent,
};
use super::{Proposal, ProposeError, Role};
use crate::storage::{Log, MemoryLog, StorageError, WriteSeq};
use crate::types::{Entry, EntryType, Index, PeerId, Term};

// Proposals.

#[test]
fn proposals_of_a_turn_become_one_append_entry() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.node.propose(Term(3), Bytes::from_static(b"a")).unwrap();
    rig.node
        .propose_batch(Term(3), [normal(b"b"), normal(b"c")])
        .unwrap();

    rig.turn();

    let entries = vec![normal(b"a"), normal(b"b"), normal(b"c")];
    assert_eq!(rig.outputs(), [sent(3, 0, (3, 1), entries)]);
    assert_eq!(rig.view(), leading(3, (3, 2), 0));
}

#[test]
fn proposal_of_another_term_or_to_a_follower_is_refused() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    for term in [0, 2, 4] {
        let refused = rig.node.propose(Term(term), Bytes::new());
        assert_eq!(refused, Err(ProposeError::NotLeader));
    }
    rig.node.step_down(&[], rig.now).unwrap();

    assert_eq!(
        rig.node.propose(Term(3), Bytes::new()),
        Err(ProposeError::NotLeader)
    );
    rig.node.stop();
    assert_eq!(
        rig.node.propose(Term(3), Bytes::new()),
        Err(ProposeError::Closed)
    );
}

#[test]
fn proposals_left_when_leadership_ends_are_dropped() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.node
        .propose(Term(3), Bytes::from_static(b"lost"))
        .unwrap();

    rig.node.switch_to_follower(None);
    rig.turn();

    assert_eq!(rig.outputs(), leader_subjects_dropped());
    assert_eq!(rig.view().last, (3, 1));
}

/// They come from a thread that had not heard yet.
#[test]
fn proposals_for_an_earlier_leadership_are_dropped_when_they_are_popped() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let proposal = |term, data| Proposal::new(Term(term), normal(data));

    rig.node.push_proposals([
        proposal(2, b"old"),
        proposal(3, b"new"),
        proposal(4, b"odd"),
    ]);
    rig.turn();

    assert_eq!(rig.outputs(), [sent(3, 0, (3, 1), vec![normal(b"new")])]);
    assert_eq!(rig.node.counters().proposals_dropped, 2);
}

#[test]
fn batch_with_a_membership_entry_is_refused_as_a_whole() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let add = Entry::about(EntryType::AddPeer, PeerId(*b"cnrtt3eg"));

    let refused = rig.node.propose_batch(Term(3), [normal(b"a"), add]);
    rig.turn();

    assert_eq!(refused, Err(ProposeError::MembershipEntry));
    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn oversized_proposal_is_refused() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let data = Bytes::from(vec![0; 33 << 20]);

    let refused = rig.node.propose(Term(3), data);

    assert!(matches!(refused, Err(ProposeError::TooLarge { have, .. }) if have == 33 << 20));
}

#[test]
fn large_batches_are_cut_at_a_quarter_mebibyte() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let data = Bytes::from(vec![7; 100 * 1024]);
    rig.node
        .propose_batch(Term(3), vec![Entry::normal(data); 7])
        .unwrap();

    rig.turn();

    let counts: Vec<usize> = rig
        .outputs()
        .into_iter()
        .map(|out| match out {
            Out::Append(_, _, entries) => entries.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counts, [3, 3, 1]);
}

#[test]
fn follower_forwards_a_proposal_and_a_complete_leader_takes_it() {
    let mut follower = Rig::follower_at(1, 1, MemoryLog::new());
    follower
        .node
        .forward_proposal(Bytes::from_static(b"data"))
        .unwrap();
    let subject = "$NRG.P.TEST".to_owned();
    assert_eq!(
        follower.outputs(),
        [Out::Data(subject, Bytes::from_static(b"data"))]
    );

    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let forward = |rig: &mut Rig| {
        let sub = rig.node.subscriptions.to("$NRG.P.TEST").unwrap();
        let reply = crate::wire::Subject::new("$R");
        rig.node
            .handle_message(sub, Some(reply), Bytes::from_static(b"data"), rig.now);
        rig.turn();
    };
    forward(&mut rig);
    assert_eq!(rig.outputs(), EMPTY);
    rig.acknowledge(3, 1, N0);
    rig.node.processed(Index(1), Index(1), rig.now);
    rig.outputs();
    forward(&mut rig);

    let taken = Out::Data("$R".to_owned(), Bytes::new());
    assert_eq!(
        rig.outputs(),
        [sent(3, 1, (3, 1), vec![normal(b"data")]), taken]
    );
}

#[test]
fn leader_with_too_large_a_backlog_steps_down_on_the_next_proposal() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    for _ in 0..100_000 {
        rig.propose(b"x");
    }
    assert_eq!(
        (rig.view().role, rig.view().last.1),
        (Role::Leader, 100_001)
    );

    let refused = rig.node.propose(Term(3), Bytes::new());

    assert_eq!(refused, Err(ProposeError::NotLeader));
    assert_eq!(
        (rig.view().role, rig.node.overrun_count),
        (Role::Follower, 1)
    );
    assert_eq!(rig.lead_change(), Some((false, 3)));
}

/// Issue 8320: an overloaded group answers its proposers instead of going silent.
#[test]
fn issue_8320_proposals_beyond_the_bound_in_bytes_are_refused_until_some_commit() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, N0);
    rig.node.set_backlog_bytes_max(200);
    rig.propose(&[7; 180]);
    assert_eq!(rig.node.published().room, 0);
    assert_eq!(rig.node.published().accepting, Term::ZERO);

    let refused = rig.node.propose(Term(3), Bytes::from_static(b"more"));

    let have = rig.node.backlog_bytes();
    assert_eq!(refused, Err(ProposeError::Backlog { have, max: 200 }));
    assert_eq!(
        (rig.view().role, rig.node.counters.refused.backlog),
        (Role::Leader, 1)
    );
    rig.acknowledge(3, 2, N1);
    assert_eq!(rig.node.backlog_bytes(), 0);
    assert_eq!(rig.node.propose(Term(3), Bytes::from_static(b"m")), Ok(()));
    assert_eq!(rig.node.backlog_bytes(), 6, "five of them around the data");
}

#[test]
fn one_batch_is_always_taken_whatever_its_size() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, N0);
    rig.node.set_backlog_bytes_max(1);

    let batch = vec![normal(&[1; 1_000]); 100];

    assert_eq!(rig.node.propose_batch(Term(3), batch), Ok(()));
    assert!(matches!(
        rig.node.propose(Term(3), Bytes::new()),
        Err(ProposeError::Backlog { .. })
    ));
}

#[test]
fn backlog_of_a_leadership_ends_with_it() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.propose(b"stored");
    rig.node.propose(Term(3), Bytes::from_static(b"q")).unwrap();
    assert!(rig.node.backlog_bytes() > 0);

    rig.node.switch_to_follower(None);

    assert_eq!(rig.node.backlog_bytes(), 0);
}

// Acknowledgements and commit.

#[test]
fn quorum_of_one_follower_and_our_own_durable_copy_commits_and_is_announced_to_followers() {
    let mut rig = Rig::leader_in(3, DiskLog::new());

    rig.acknowledge(3, 1, N0);

    assert_eq!(rig.view(), leading(3, (3, 1), 1));
    assert_eq!(rig.outputs(), [sent(3, 1, (3, 1), vec![])]);
}

/// Raft thesis 10.2.1: the entry goes out before it is durable here, and counts here after.
#[test]
fn our_own_copy_counts_only_once_it_is_durable() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.acknowledge(3, 1, N0);
    rig.outputs();

    rig.propose(b"two");
    rig.acknowledge(3, 2, N0);
    assert_eq!(rig.view().commit, 1);
    rig.sync();

    assert_eq!(rig.view().commit, 2);
    let heartbeat = sent(3, 2, (3, 2), vec![]);
    assert_eq!(
        rig.outputs(),
        [sent(3, 1, (3, 1), vec![normal(b"two")]), heartbeat]
    );
}

#[test]
fn two_followers_commit_what_is_not_durable_here() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.propose(b"two");

    rig.acknowledge(3, 2, N0);
    rig.acknowledge(3, 2, N1);

    assert_eq!(
        (rig.view().commit, rig.node.durability.durable_index()),
        (2, Index(1))
    );
}

#[test]
fn acknowledgements_count_for_exactly_their_index() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.propose(b"two");
    rig.propose(b"three");

    rig.acknowledge(3, 3, N0);
    rig.acknowledge(3, 2, N1);

    // Each index is held by one follower that said so, and by us, not yet durable.
    assert_eq!(rig.view().commit, 0);
    rig.acknowledge(3, 2, N0);
    assert_eq!(rig.view().commit, 2);
}

#[test]
fn repeated_acknowledgement_counts_once() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.propose(b"two");

    for _ in 0..3 {
        rig.acknowledge(3, 2, N0);
    }

    assert_eq!(rig.view().commit, 0);
}

/// Only a forger, or a second server with our id, can acknowledge in our name.
#[test]
fn acknowledgement_in_our_own_name_does_not_count() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    rig.acknowledge(3, 1, SELF);

    assert_eq!(rig.view().commit, 0);
}

/// The removed peer's acknowledgement, the leader's own and the smaller quorum would otherwise
/// commit what no other member holds.
#[test]
fn issue_7589_acknowledgement_of_a_peer_removed_since_does_not_count() {
    const N2: PeerId = PeerId(*b"cnrtt3eg");
    let mut rig = Rig::new(&[SELF, N0, N1, N2], MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.vote(1, N0);
    rig.vote(1, N1);
    rig.turn();
    rig.acknowledge(1, 1, N2);
    rig.turn();

    rig.node.append_removal(N2);
    assert_eq!(rig.node.quorum, 2);
    assert!(!rig.node.try_commit(Index(1)));
    rig.acknowledge(1, 1, N0);
    rig.turn();

    assert_eq!(rig.view(), leading(1, (1, 1), 1));
}

#[test]
fn acknowledgements_of_strangers_other_terms_and_unsent_indexes_do_not_count() {
    let mut rig = Rig::leader_in(3, DiskLog::new());

    rig.acknowledge(3, 1, PeerId(*b"deadbeef"));
    rig.acknowledge(2, 1, N0);
    rig.acknowledge(4, 1, N0);
    rig.acknowledge(3, 2, N0);
    assert_eq!(rig.view(), leading(3, (3, 1), 0));
    rig.propose(b"two");
    rig.sync();

    assert_eq!(rig.view(), leading(3, (3, 2), 0));
}

/// Raft paper 5.4.2.
#[test]
fn issue_7955_entries_of_older_terms_commit_only_below_one_of_the_current_term() {
    let mut rig = Rig::follower_at(2, 2, MemoryLog::new());
    rig.elect(4);
    assert_eq!(rig.view(), leading(4, (4, 3), 0));
    assert_eq!(
        rig.node.pending.indexes().count(),
        1,
        "what others sent is read from the log again"
    );

    for peer in [N0, N1] {
        rig.acknowledge(2, 2, peer);
    }
    assert_eq!(rig.view().commit, 0);
    rig.acknowledge(4, 3, N0);

    assert_eq!(rig.view().commit, 3);
    assert_eq!(rig.applied().len(), 3);
}

#[test]
fn acknowledgements_of_a_former_leadership_are_forgotten() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.propose(b"two");
    rig.acknowledge(3, 2, N0);
    rig.node.step_down(&[], rig.now).unwrap();
    rig.sync();

    rig.elect(4);

    assert_eq!(rig.view(), leading(4, (4, rig.view().last.1), 0));
}

#[test]
fn lone_node_commits_with_its_own_durability() {
    let mut rig = Rig::new(&[SELF], DiskLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.turn();
    assert_eq!(rig.view(), leading(1, (1, 1), 0));

    rig.sync();
    assert_eq!(rig.view(), leading(1, (1, 1), 1));
    rig.propose(b"two");
    assert_eq!(rig.view().commit, 1);
    rig.sync();
    assert_eq!(rig.view().commit, 2);
}

/// Its own durability commits an entry only as long as nobody else has to agree.
#[test]
fn entry_of_a_former_lone_leader_does_not_commit_by_its_durability() {
    let mut rig = Rig::new(&[SELF], DiskLog::new());
    rig.elect_alone();
    rig.propose(b"two");
    rig.node.switch_to_follower(None);
    let state = crate::wire::PeerState {
        cluster_size: 3,
        peers: vec![N0, SELF, N1],
        domain_ext: 0,
    };
    rig.node.process_peer_state(&state);
    rig.node.raise_term(Term(2));
    rig.node.switch_to_leader();

    rig.sync();

    assert_eq!(rig.view().commit, 1);
}

#[test]
fn lone_node_in_memory_commits_at_once() {
    let mut rig = Rig::new(&[SELF], MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.turn();

    assert_eq!(rig.view(), leading(1, (1, 1), 1));
}

// Timers.

#[test]
fn idle_leader_sends_heartbeats_and_a_busy_one_none() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.pass(1_000);
    rig.turn();
    assert_eq!(rig.outputs(), [sent(3, 0, (3, 1), vec![])]);

    rig.pass(600);
    rig.propose(b"two");
    rig.outputs();
    rig.pass(400);
    rig.turn();

    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn leader_whose_peers_are_silent_steps_down() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.pass(10_000);
    rig.turn();
    assert_eq!(rig.view().role, Role::Leader);

    rig.pass(10_000);
    rig.turn();

    assert_eq!((rig.view().role, rig.view().term), (Role::Follower, 3));
    assert_eq!(rig.lead_change(), Some((false, 3)));
}

#[test]
fn leader_that_hears_from_one_peer_stays() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    for _ in 0..6 {
        rig.pass(9_000);
        rig.acknowledge(3, 1, N0);
    }

    assert_eq!(rig.view().role, Role::Leader);
}

// Failures.

#[test]
fn winner_that_cannot_store_its_first_entry_closes_and_announces_nothing() {
    let mut log = DiskLog::new();
    let old = entry(N0, 1, 0, (0, 0), b"old");
    log.append(Index(1), WriteSeq(1), old.into_frame()).unwrap();
    log.broken = true;
    let mut rig = Rig::new(&[SELF, N0, N1], log);
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();

    rig.vote(2, N0);
    rig.turn();

    assert_eq!(rig.view().role, Role::Closed);
    assert_eq!(rig.node.announce_at, Index::ZERO);
    assert!(!rig.node.is_leader());
}

#[test]
fn write_that_fails_after_a_stop_takes_what_waited_for_it_along() {
    let mut rig = Rig::new(&[SELF, N0, N1], DiskLog::new());
    rig.ask(5, (0, 0), N0);
    rig.turn();
    let writes = rig.node.take_writes().unwrap();
    rig.node.stop();
    rig.outputs();

    rig.node
        .handle_write_failed(Arc::new(StorageError::Failed), rig.now);
    rig.node.handle_durable(writes.upto, rig.now);

    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn leader_that_cannot_write_closes_and_sends_nothing() {
    let mut rig = Rig::leader_in(3, DiskLog::new());
    rig.propose(b"two");
    rig.outputs();
    let writes = rig.node.take_writes().unwrap();
    rig.acknowledge(3, 2, N0);

    rig.node
        .handle_write_failed(Arc::new(StorageError::Failed), rig.now);
    rig.node.handle_durable(writes.upto, rig.now);
    rig.turn();

    assert_eq!((rig.view().role, rig.view().commit), (Role::Closed, 0));
    let out = rig.outputs();
    assert!(
        out.iter().all(|out| matches!(out, Out::Unsubscribe(_))),
        "{out:?}"
    );
    let refused = rig.node.propose(Term(3), Bytes::new());
    assert!(matches!(refused, Err(ProposeError::Failed(_))));
    assert_eq!(rig.lead_change(), None);
}

/// It had not announced its leadership yet.
#[test]
fn leader_stopped_before_its_announcement_is_closed_cleanly() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    rig.node.stop();
    rig.turn();

    assert_eq!(rig.view().role, Role::Closed);
    let out = rig.outputs();
    assert!(
        out.iter().all(|out| matches!(out, Out::Unsubscribe(_))),
        "{out:?}"
    );
    assert_eq!(
        (rig.node.next_deadline(), rig.node.wants_turn()),
        (None, false)
    );
}

/// SE-36: who waits for the end of a leadership has to hear of the end of the node as well.
#[test]
fn leader_that_is_stopped_tells_the_application_of_no_lead_change() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, N0);
    rig.node.processed(Index(1), Index(1), rig.now);
    assert_eq!(rig.lead_change(), Some((true, 3)));

    rig.node.stop();
    rig.turn();

    assert_eq!(rig.lead_change(), None);
}

#[test]
fn first_entry_of_a_leader_is_its_membership_under_the_new_term() {
    let mut rig = Rig::follower_at(2, 2, MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.outputs();

    rig.vote(3, N1);

    let [psubj, rpsubj] = leader_subjects();
    let first = sent(3, 0, (2, 2), vec![no_op()]);
    assert_eq!(rig.outputs(), [first, psubj, rpsubj]);
    assert_eq!(rig.node.announce_at, Index(3));
}

#[test]
fn batches_hold_no_more_than_4096_entries() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.node
        .propose_batch(Term(3), vec![normal(b""); 5_000])
        .unwrap();

    rig.turn();

    let counts = rig.outputs().into_iter().map(|out| match out {
        Out::Append(_, _, entries) => entries.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(counts.collect::<Vec<_>>(), [4_096, 904]);
}

/// The entries that go out anyway tell the followers.
#[test]
fn commit_is_not_announced_apart_while_entries_wait() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.node
        .propose(Term(3), Bytes::from_static(b"two"))
        .unwrap();

    rig.acknowledge(3, 1, N0);

    assert_eq!(rig.outputs(), [sent(3, 1, (3, 1), vec![normal(b"two")])]);
}

/// The highest index that was acknowledged need not be the one our own copy completes.
#[test]
fn durability_commits_the_highest_index_that_has_its_quorum() {
    let five = [SELF, N0, N1, PeerId(*b"cnrtt3eg"), PeerId(*b"bkCGheKT")];
    let mut rig = Rig::new(&five, DiskLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.vote(1, N0);
    rig.vote(1, N1);
    rig.propose(b"two");
    rig.propose(b"three");
    for (index, peer) in [(2, N0), (2, N1), (3, N0)] {
        rig.acknowledge(1, index, peer);
    }
    assert_eq!(rig.view().commit, 0);

    rig.sync();

    assert_eq!(rig.view().commit, 2);
}
