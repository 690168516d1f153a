//! Giving leadership up, handing it over, asking for it.

use super::rig::{EMPTY, N0, N1, Rig, SELF, View, answer, entry, leading, sent, special};
use super::{AdjustError, CampaignError, Role, StepDownError};
use crate::storage::MemoryLog;
use crate::types::{Entry, EntryType, PeerId, Term};

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
    rig.sync();
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

/// The server keeps the transfer pending and campaigns against the new leader.
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

#[test]
fn transfer_is_over_once_the_candidate_it_made_follows_another() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let transfer = Entry::about(EntryType::LeaderTransfer, SELF);
    rig.live(special(N0, 1, 0, (1, 1), transfer));
    rig.pass(10);
    rig.turn();
    assert!(rig.node.transfer_pending);

    rig.live(entry(N1, 2, 0, (1, 2), b""));

    assert!(!rig.node.transfer_pending);
}

#[test]
fn adjusted_cluster_size_is_two_at_least() {
    let mut leader = Rig::leader_in(3, MemoryLog::new());
    let mut fresh = Rig::new(&[SELF], MemoryLog::new());

    leader.node.adjust_cluster_size(1, leader.now).unwrap();
    fresh.node.adjust_boot_cluster_size(0).unwrap();

    assert_eq!((leader.node.cluster_size, fresh.node.cluster_size), (2, 2));
}

/// As in the server: whoever extends a domain tells the node again (SE-26).
#[test]
fn observer_mode_set_by_the_application_forgets_the_domain_extension() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.node.set_observer_now(false, 2);
    assert_eq!(rig.node.current_peer_state().domain_ext, 2);

    rig.node.set_observer(true, rig.now);

    assert_eq!(rig.node.current_peer_state().domain_ext, 0);
}
