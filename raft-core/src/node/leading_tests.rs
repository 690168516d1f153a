//! Leading: proposals, acknowledgements, commit, announcement, handing over.

use std::sync::Arc;

use bytes::Bytes;

use super::rig::{DiskLog, N0, N1, Out, Rig, SELF, View, answer, entry, no_op, sent, special};
use super::{
    AdjustError, CampaignError, Committed, PauseError, Proposal, ProposeError, Role, StepDownError,
};
use crate::storage::{MemoryLog, StorageError};
use crate::types::{Entry, EntryType, Index, PeerId, Term};

const EMPTY: Vec<Out> = Vec::new();

fn normal(data: &'static [u8]) -> Entry {
    Entry::normal(data)
}

fn leading(term: u64, last: (u64, u64), commit: u64) -> View {
    View {
        role: Role::Leader,
        term,
        vote: Some(SELF),
        leader: Some(SELF),
        last,
        commit,
    }
}

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

    assert_eq!(rig.outputs(), [Out::Unsubscribe("$NRG.P.TEST".to_owned())]);
    assert_eq!(rig.view().last, (3, 1));
}

/// They come from a thread that had not heard yet.
#[test]
fn proposals_for_an_earlier_leadership_are_dropped_when_they_are_popped() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    let proposal = |term, data| Proposal {
        term: Term(term),
        entry: normal(data),
        reply: None,
    };

    rig.node.push_proposals([
        proposal(2, b"old"),
        proposal(3, b"new"),
        proposal(4, b"odd"),
    ]);
    rig.turn();

    assert_eq!(rig.outputs(), [sent(3, 0, (3, 1), vec![normal(b"new")])]);
    assert_eq!(rig.node.counters().proposals_refused, 2);
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
fn entries_of_older_terms_commit_only_below_one_of_the_current_term() {
    let mut rig = Rig::follower_at(2, 2, MemoryLog::new());
    rig.elect(4);
    assert_eq!(rig.view(), leading(4, (4, 3), 0));
    assert_eq!(
        rig.node.pending.len(),
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

// Announcement and applying.

#[test]
fn leadership_is_announced_once_the_first_entry_is_processed() {
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

// Giving leadership up.

#[test]
fn refusal_of_a_later_term_ends_the_leadership_and_that_term_is_reported() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    rig.respond(answer(5, 1, N0, false), None);

    let expected = View {
        role: Role::Follower,
        term: 5,
        vote: None,
        leader: None,
        last: (3, 1),
        commit: 0,
    };
    assert_eq!(rig.view(), expected);
    assert_eq!(rig.lead_change(), Some((false, 5)));
}

#[test]
fn refusal_of_our_own_or_an_older_term_is_ignored() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    rig.respond(answer(3, 1, N0, false), None);
    rig.respond(answer(2, 9, N1, false), None);

    assert_eq!(rig.view(), leading(3, (3, 1), 0));
    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn step_down_hands_over_to_the_healthy_peer_with_the_longest_log() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.propose(b"two");
    rig.acknowledge(3, 1, N0);
    rig.acknowledge(3, 2, N1);
    rig.outputs();

    rig.node.step_down(&[], rig.now).unwrap();

    let transfer = Entry::about(EntryType::LeaderTransfer, N1);
    assert_eq!(rig.outputs(), [sent(3, 2, (3, 2), vec![transfer])]);
    assert_eq!((rig.view().role, rig.view().leader), (Role::Follower, None));
    assert_eq!(rig.lead_change(), Some((false, 3)));
}

#[test]
fn step_down_prefers_whom_it_is_told_to_if_healthy() {
    for (preferred, chosen) in [(N0, N0), (PeerId(*b"deadbeef"), N1), (SELF, N1)] {
        let mut rig = Rig::leader_in(3, MemoryLog::new());
        rig.acknowledge(3, 1, N0);
        rig.propose(b"two");
        rig.acknowledge(3, 2, N1);
        rig.outputs();

        rig.node.step_down(&[preferred], rig.now).unwrap();

        let transfer = Entry::about(EntryType::LeaderTransfer, chosen);
        assert_eq!(rig.outputs(), [sent(3, 2, (3, 2), vec![transfer])]);
    }
}

#[test]
fn step_down_names_nobody_who_was_not_heard_of_lately_or_is_offline() {
    let silent = |rig: &mut Rig| rig.pass(3_000);
    let offline = |rig: &mut Rig| rig.node.handle_peer_online(N0, false);
    for make in [silent, offline] {
        let mut rig = Rig::leader_in(3, MemoryLog::new());
        make(&mut rig);

        rig.node.step_down(&[N0], rig.now).unwrap();

        assert_eq!(rig.view().role, Role::Follower);
        assert_eq!(rig.outputs(), EMPTY);
    }
}

#[test]
fn commands_that_need_another_role_are_refused() {
    let mut leader = Rig::leader_in(3, MemoryLog::new());
    let mut follower = Rig::follower_at(1, 1, MemoryLog::new());

    let refused = leader.node.step_down(&[N0, N1], leader.now);
    assert_eq!(refused, Err(StepDownError::TooManyPreferred));
    assert_eq!(
        leader.node.campaign(false, leader.now),
        Err(CampaignError::AlreadyLeader)
    );
    assert_eq!(
        leader.node.adjust_boot_cluster_size(5),
        Err(AdjustError::Established)
    );
    assert_eq!(
        follower.node.step_down(&[], follower.now),
        Err(StepDownError::NotLeader)
    );
    let refused = follower.node.adjust_cluster_size(5, follower.now);
    assert_eq!(refused, Err(AdjustError::NotLeader));
    follower.node.stop();
    assert_eq!(
        follower.node.campaign(true, follower.now),
        Err(CampaignError::Closed)
    );
}

#[test]
fn adjusted_cluster_size_is_announced_as_an_entry() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    rig.node.adjust_cluster_size(5, rig.now).unwrap();

    let mut state = rig.node.current_peer_state();
    assert_eq!((state.cluster_size, rig.node.quorum), (5, 3));
    state.peers = vec![N0, SELF, N1];
    let entry = Entry {
        kind: EntryType::PeerState,
        data: state.encode(),
    };
    assert_eq!(rig.outputs(), [sent(3, 0, (3, 1), vec![entry])]);
}

/// The change was appended by an earlier leader and commits under us.
#[test]
fn leader_that_commits_its_own_removal_hands_over_and_stops() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(special(
        N0,
        1,
        0,
        (1, 1),
        Entry::about(EntryType::RemovePeer, SELF),
    ));
    rig.node.raise_term(Term(2));
    rig.node.switch_to_leader();
    rig.turn();
    rig.sync();
    rig.outputs();

    // Two members are left, and our own copy does not count any more.
    rig.acknowledge(2, 3, N0);
    assert_eq!(rig.view().commit, 0);
    rig.acknowledge(2, 3, N1);

    assert_eq!((rig.view().role, rig.view().commit), (Role::Closed, 2));
    let transfer = Entry::about(EntryType::LeaderTransfer, N0);
    assert_eq!(rig.outputs()[0], sent(2, 2, (2, 3), vec![transfer]));
}

// What others may ask.

#[test]
fn leader_reports_how_far_its_peers_are() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.propose(b"two");
    rig.propose(b"three");
    rig.acknowledge(3, 3, N0);
    rig.acknowledge(3, 1, N1);

    let peers = rig.node.peers(rig.now);

    let shown: Vec<_> = peers
        .iter()
        .map(|p| (p.id, p.current, p.lag, p.last_heard))
        .collect();
    let heard = Some(rig.now);
    let expected = [
        (N0, true, 0, heard),
        (SELF, true, 0, heard),
        (N1, false, 2, heard),
    ];
    assert_eq!(shown, expected);
    assert_eq!(rig.node.last_heard(N1), heard);
    assert_eq!(rig.node.last_heard(PeerId(*b"deadbeef")), None);
}

#[test]
fn follower_reports_its_leader_as_current_while_it_hears_from_it() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let current = |rig: &Rig| -> Vec<_> {
        let peers = rig.node.peers(rig.now).into_iter();
        peers
            .filter(|peer| peer.current)
            .map(|peer| peer.id)
            .collect()
    };

    assert_eq!(current(&rig), [N0, SELF]);
    rig.pass(2_001);
    assert_eq!(current(&rig), [SELF]);
}

#[test]
fn follower_is_current_with_a_live_leader_and_everything_applied() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    assert!(!rig.node.is_current(rig.now), "nothing is committed");
    rig.live(entry(N0, 1, 1, (1, 1), b""));
    assert!(!rig.node.is_current(rig.now), "nothing is applied");

    rig.node.processed(Index(1), Index(1), rig.now);

    assert!(rig.node.is_current(rig.now));
    rig.pass(2_001);
    assert!(!rig.node.is_current(rig.now), "the leader is silent");
    rig.live(entry(N0, 1, 1, (1, 1), b""));
    rig.live(entry(N0, 1, 1, (1, 5), b""));
    assert!(!rig.node.is_current(rig.now), "a catch-up is under way");
    rig.node.stop();
    assert!(!rig.node.is_current(rig.now), "closed");
}

#[test]
fn quorum_is_live_while_enough_members_were_heard_from() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    assert!(rig.node.quorum_is_live());

    rig.pass(10_001);
    rig.node.advance_to(rig.now);
    assert!(!rig.node.quorum_is_live());
    assert!(rig.node.lost_quorum());
    rig.acknowledge(3, 1, N1);

    assert!(rig.node.quorum_is_live() && !rig.node.lost_quorum());
}

/// A group that just grew gets time to hear from its new member.
#[test]
fn quorum_is_not_lost_right_after_growing() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.pass(10_001);
    rig.node.advance_to(rig.now);
    rig.node.add_peer(PeerId(*b"cnrtt3eg"));

    assert!(!rig.node.lost_quorum());
    rig.pass(10_000);
    rig.node.advance_to(rig.now);
    assert!(rig.node.lost_quorum());
}

#[test]
fn stranger_is_remembered_in_a_managed_group_unless_it_was_removed_lately() {
    let stranger = PeerId(*b"deadbeef");
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, stranger);
    assert_eq!(rig.node.last_heard(stranger), None);

    rig.node.managed = true;
    rig.node.removed.insert(stranger, rig.now);
    rig.acknowledge(3, 1, stranger);
    assert_eq!(rig.node.last_heard(stranger), None);
    rig.pass(5 * 60 * 1_000);
    rig.node.advance_to(rig.now);
    rig.node.track_peer(stranger);

    assert_eq!(rig.node.last_heard(stranger), Some(rig.now));
}

#[test]
fn reported_progress_says_what_a_snapshot_would_free() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.propose(b"two");
    rig.acknowledge(3, 2, N0);
    let bytes = rig.node.status(rig.now).bytes;

    let freed = rig.node.processed(Index(1), Index(1), rig.now);

    assert_eq!(freed, (1, bytes / 2));
    assert_eq!(rig.node.processed(Index(2), Index(2), rig.now), (2, bytes));
}

/// What a former leader knew of its peers stays worth something until another one is known.
#[test]
fn former_leader_keeps_what_it_knew_of_its_peers_until_it_follows_another() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, N0);
    rig.acknowledge(3, 1, N1);
    let heard = |rig: &Rig| [N0, N1].map(|peer| rig.node.last_heard(peer).is_some());

    rig.node.switch_to_follower(None);
    assert_eq!(
        (heard(&rig), rig.node.quorum_is_live()),
        ([true, true], true)
    );
    rig.node.update_leader(Some(N0));

    assert_eq!(heard(&rig), [true, false]);
}

// Being handed leadership.

#[test]
fn named_successor_campaigns_after_ten_milliseconds_whatever_it_hears() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let transfer = Entry::about(EntryType::LeaderTransfer, SELF);
    rig.live(special(N0, 1, 0, (1, 1), transfer));
    rig.live(entry(N0, 1, 0, (1, 2), b""));

    rig.pass(9);
    rig.turn();
    assert_eq!(rig.view().role, Role::Follower);
    rig.pass(1);
    rig.turn();

    assert_eq!((rig.view().role, rig.view().term), (Role::Candidate, 2));
}

#[test]
fn successor_named_to_somebody_else_or_in_a_catch_up_or_to_an_observer_does_nothing() {
    let other = Entry::about(EntryType::LeaderTransfer, N1);
    let ours = Entry::about(EntryType::LeaderTransfer, SELF);
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(special(N0, 1, 0, (1, 1), other));
    rig.live(entry(N0, 1, 0, (1, 3), b"four"));
    let inbox = rig.catchup();
    rig.receive(special(N0, 1, 0, (1, 2), ours.clone()), inbox);
    assert!(!rig.node.transfer_pending);

    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.set_observer(true, rig.now);
    rig.live(special(N0, 1, 0, (1, 1), ours));

    assert!(!rig.node.transfer_pending);
    assert_eq!(rig.view().last, (1, 2));
}

#[test]
fn paused_successor_campaigns_once_resumed_and_processed() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.pause_apply(rig.now).unwrap();
    let transfer = Entry::about(EntryType::LeaderTransfer, SELF);
    rig.live(special(N0, 1, 0, (1, 1), transfer));
    rig.pass(1_000);
    rig.turn();
    assert_eq!(rig.view().role, Role::Follower);

    rig.node.resume_apply(rig.now);
    rig.pass(10);
    rig.turn();

    assert_eq!(rig.view().role, Role::Candidate);
}

#[test]
fn paused_observer_remembers_that_it_was_named() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.set_observer(true, rig.now);
    rig.node.pause_apply(rig.now).unwrap();

    let transfer = Entry::about(EntryType::LeaderTransfer, SELF);
    rig.live(special(N0, 1, 0, (1, 1), transfer));

    assert!(rig.node.transfer_pending);
}

/// The reference keeps the transfer pending and campaigns against the new leader.
#[test]
fn pending_transfer_ends_when_another_leader_is_adopted() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let transfer = Entry::about(EntryType::LeaderTransfer, SELF);
    rig.live(special(N0, 1, 0, (1, 1), transfer));

    rig.live(entry(N1, 2, 0, (1, 2), b""));
    rig.pass(100);
    rig.turn();

    assert!(!rig.node.transfer_pending);
    assert_eq!(rig.view().role, Role::Follower);
}

#[test]
fn immediate_campaign_starts_after_half_the_shortest_delay() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.campaign(true, rig.now).unwrap();

    rig.pass(50);
    rig.turn();

    assert_eq!(rig.view().role, Role::Candidate);
}

/// The application acts as leader already and has to hear that somebody else won.
#[test]
fn node_that_acts_as_leader_hears_of_the_first_leader() {
    let mut rig = Rig::new(&[SELF, N0, N1], MemoryLog::new());
    rig.node.campaign(true, rig.now).unwrap();

    rig.node.update_leader(Some(N1));

    assert_eq!(rig.lead_change(), Some((false, 0)));
    rig.node.update_leader(Some(N0));
    assert_eq!(rig.lead_change(), None);
}

#[test]
fn leaving_observer_mode_restarts_the_election_timeout() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.set_observer(true, rig.now);
    rig.pass(48 * 60 * 60 * 1_000);
    rig.turn();
    assert_eq!(rig.view().role, Role::Follower);

    rig.node.set_observer(false, rig.now);
    rig.pass(9_000);
    rig.turn();

    assert_eq!(rig.view().role, Role::Candidate);
}

// Failures.

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

#[test]
fn first_entry_of_a_leader_is_its_membership_under_the_new_term() {
    let mut rig = Rig::follower_at(2, 2, MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.outputs();

    rig.vote(3, N1);

    let psubj = Out::Subscribe("$NRG.P.TEST".to_owned());
    assert_eq!(rig.outputs(), [sent(3, 0, (2, 2), vec![no_op()]), psubj]);
    assert_eq!(rig.node.announce_at, Index(3));
}
