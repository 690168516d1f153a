//! Elections: votes asked for, given, refused and counted.

use super::Role;
use super::rig::{
    DiskLog, EMPTY, N0, N1, Out, Rig, SELF, View, entry, leader_subjects, leader_subjects_dropped,
    no_op, sent, setup, special, vote,
};
use crate::storage::MemoryLog;
use crate::types::{Entry, EntryType, Index, PeerId, Term};
use crate::wire::{TermVote, VoteRequest};

fn request(term: u64, last: (u64, u64)) -> Out {
    Out::Ask(VoteRequest {
        term: Term(term),
        last_term: Term(last.0),
        last_index: Index(last.1),
        candidate: SELF,
    })
}

#[test]
fn vote_is_granted_and_sent_once_it_is_durable() {
    let mut rig = Rig::follower_at(1, 2, MemoryLog::new());

    rig.ask(2, (1, 2), N1);

    let expected = View {
        role: Role::Follower,
        term: 2,
        vote: Some(N1),
        leader: None,
        last: (1, 2),
        commit: 0,
    };
    assert_eq!(rig.view(), expected);
    assert_eq!(rig.outputs(), EMPTY);
    let writes = rig.node.take_writes().unwrap();
    let saved = TermVote {
        term: Term(2),
        vote: Some(N1),
    };
    assert_eq!(writes.term_vote, Some(saved));
    rig.node.handle_durable(writes.upto, rig.now);
    assert_eq!(rig.outputs(), [Out::Vote(vote(2, SELF, true, false))]);
    assert_eq!(rig.lead_change(), None);
}

#[test]
fn vote_of_an_older_term_is_refused_and_changes_nothing() {
    let mut rig = Rig::follower_at(5, 2, MemoryLog::new());
    let before = rig.view();

    rig.ask(4, (9, 9), N1);

    assert_eq!(rig.outputs(), [Out::Vote(vote(5, SELF, false, false))]);
    assert_eq!(rig.view(), before);
    assert!(rig.node.take_writes().is_none());
}

#[test]
fn second_candidate_of_a_term_is_refused_and_the_first_may_ask_again() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.ask(2, (1, 1), N0);
    rig.sync();
    rig.outputs();

    rig.ask(2, (1, 9), N1);
    rig.ask(2, (1, 1), N0);

    let refused = Out::Vote(vote(2, SELF, false, false));
    assert_eq!(
        rig.outputs(),
        [refused, Out::Vote(vote(2, SELF, true, false))]
    );
    assert_eq!(rig.view().vote, Some(N0));
}

/// Raft paper 5.4.1: the log decides by term first, then by length.
#[test]
fn candidate_with_a_worse_log_is_refused_but_its_term_adopted() {
    for last in [(2, 2), (1, 900), (0, 0)] {
        let mut rig = Rig::follower_at(2, 3, MemoryLog::new());

        rig.ask(7, last, N1);
        rig.sync();

        assert_eq!(rig.outputs(), [Out::Vote(vote(7, SELF, false, false))]);
        let seen = (rig.view().term, rig.view().vote, rig.view().leader);
        assert_eq!(seen, (7, None, None));
    }
}

#[test]
fn refusing_a_worse_log_starts_a_campaign_of_our_own_early() {
    let mut rig = Rig::follower_at(2, 3, MemoryLog::new());
    rig.ask(3, (2, 2), N1);
    rig.sync();
    rig.outputs();

    // The longest campaign delay; the shortest election timeout is five times that.
    rig.pass(800);
    rig.turn();
    rig.sync();

    assert_eq!(rig.view().role, Role::Candidate);
    assert_eq!(rig.outputs(), [request(4, (2, 3))]);
}

#[test]
fn granting_a_vote_restarts_the_election_timeout() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.pass(3_999);

    rig.ask(2, (1, 1), N1);
    rig.pass(3_999);
    rig.turn();

    assert_eq!(rig.view().role, Role::Follower);
}

#[test]
fn vote_out_of_an_empty_log_says_so_unless_the_node_is_new() {
    for (recovering, empty) in [(false, false), (true, true)] {
        let mut setup = setup(&[SELF, N0, N1], Box::new(MemoryLog::new()));
        setup.recovering = recovering;
        let mut rig = Rig::of(setup);

        rig.ask(1, (0, 0), N0);
        rig.sync();

        assert_eq!(rig.outputs(), [Out::Vote(vote(1, SELF, true, empty))]);
    }
}

#[test]
fn leader_gives_way_to_a_vote_request_of_a_later_term_and_reports_its_own_term() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    rig.ask(4, (9, 9), N1);
    rig.turn();
    rig.sync();

    let expected = View {
        role: Role::Follower,
        term: 4,
        vote: Some(N1),
        leader: None,
        last: (3, 1),
        commit: 0,
    };
    assert_eq!(rig.view(), expected);
    assert_eq!(rig.lead_change(), Some((false, 3)));
    let [psubj, rpsubj] = leader_subjects_dropped();
    assert_eq!(
        rig.outputs(),
        [psubj, rpsubj, Out::Vote(vote(4, SELF, true, false))]
    );
}

#[test]
fn vote_request_of_a_later_term_ends_a_catch_up() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 5), b"gap"));
    let inbox = rig.node.catchup.as_ref().map(|catchup| catchup.sub);
    assert!(inbox.is_some());
    rig.outputs();

    rig.ask(2, (9, 9), N1);

    assert!(rig.node.catchup.is_none());
    assert!(matches!(rig.outputs().as_slice(), [Out::Unsubscribe(_)]));
}

#[test]
fn candidate_asks_and_counts_its_own_vote_only_once_it_is_durable() {
    let mut rig = Rig::new(&[SELF], MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();

    assert_eq!(rig.outputs(), EMPTY);
    assert_eq!(
        (rig.view().role, rig.view().vote),
        (Role::Candidate, Some(SELF))
    );
    rig.sync();
    assert_eq!(rig.outputs(), [request(1, (0, 0))]);
    rig.turn();
    assert_eq!(rig.view().role, Role::Leader);
}

#[test]
fn election_timeout_starts_a_round_in_the_next_term() {
    let mut rig = Rig::follower_at(4, 2, MemoryLog::new());

    rig.pass(9_000);
    rig.turn();
    rig.sync();

    let expected = View {
        role: Role::Candidate,
        term: 5,
        vote: Some(SELF),
        leader: None,
        last: (4, 2),
        commit: 0,
    };
    assert_eq!(rig.view(), expected);
    assert_eq!(rig.outputs(), [request(5, (4, 2))]);
}

#[test]
fn round_without_a_winner_is_followed_by_one_in_the_next_term() {
    let mut rig = Rig::follower_at(4, 2, MemoryLog::new());
    for term in 5..8 {
        rig.pass(9_000);
        rig.turn();
        rig.sync();

        assert_eq!(rig.outputs(), [request(term, (4, 2))]);
    }
}

#[test]
fn quorum_of_votes_makes_a_leader_whose_first_entry_is_the_membership() {
    let mut rig = Rig::follower_at(4, 2, MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.turn();
    rig.outputs();
    assert_eq!(rig.view().role, Role::Candidate);

    rig.vote(5, N1);

    let expected = View {
        role: Role::Leader,
        term: 5,
        vote: Some(SELF),
        leader: Some(SELF),
        last: (5, 3),
        commit: 0,
    };
    assert_eq!(rig.view(), expected);
    let [psubj, rpsubj] = leader_subjects();
    let first = sent(5, 0, (4, 2), vec![no_op()]);
    assert_eq!(rig.outputs(), [first, psubj, rpsubj]);
    assert_eq!((rig.lead_change(), rig.node.is_leader()), (None, false));
}

/// As in the server (SE-9): whether a candidate is a member is for those who count to know.
#[test]
fn candidate_that_is_no_member_gets_a_vote() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());

    rig.ask(2, (1, 1), PeerId(*b"deadbeef"));
    rig.sync();

    assert_eq!(rig.outputs(), [Out::Vote(vote(2, SELF, true, false))]);
}

#[test]
fn votes_are_counted_once_for_each_peer_and_only_of_members() {
    let stranger = PeerId(*b"deadbeef");
    let five = [SELF, N0, N1, PeerId(*b"cnrtt3eg"), PeerId(*b"bkCGheKT")];
    let mut rig = Rig::new(&five, MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();

    for peer in [N0, N0, stranger, stranger] {
        rig.vote(1, peer);
        assert_eq!(rig.view().role, Role::Candidate);
    }
    rig.vote(1, N1);

    assert_eq!(rig.view().role, Role::Leader);
}

/// A leader's append entries leave at once: after a crash it could lead the same term again.
#[test]
fn votes_that_come_before_the_own_one_is_durable_do_not_win() {
    let mut rig = Rig::new(&[SELF, N0, N1], MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.vote(1, N0);
    rig.vote(1, N1);
    rig.turn();
    assert_eq!((rig.view().role, rig.outputs()), (Role::Candidate, vec![]));

    rig.sync();
    rig.turn();

    assert_eq!(rig.view().role, Role::Leader);
}

#[test]
fn unknown_peers_count_while_not_all_members_are_known() {
    let mut setup = setup(&[], Box::new(MemoryLog::new()));
    setup.peer_state.cluster_size = 3;
    let mut rig = Rig::of(setup);
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();

    rig.vote(1, N0);

    assert_eq!(rig.view().role, Role::Leader);
}

/// Votes out of empty logs decide only when everybody has answered: somebody may hold data.
#[test]
fn issue_7038_empty_votes_make_a_leader_only_with_everybody() {
    let mut rig = Rig::new(&[SELF, N0, N1], MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.answer_vote(vote(1, N0, true, true));
    assert_eq!(rig.view().role, Role::Candidate);

    rig.answer_vote(vote(1, N1, true, true));

    assert_eq!(rig.view().role, Role::Leader);
}

/// Two answers of one voter are not everybody.
#[test]
fn voter_that_answers_empty_and_later_not_counts_once() {
    let members = [SELF, N0, N1, PeerId(*b"cnrtt3eg"), PeerId(*b"bkCGheKT")];
    let mut rig = Rig::new(&members, MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.answer_vote(vote(1, N0, true, true));
    rig.answer_vote(vote(1, N0, true, false));
    rig.answer_vote(vote(1, N1, true, true));
    rig.answer_vote(vote(1, members[3], true, true));
    rig.turn();
    assert_eq!(rig.view().role, Role::Candidate);

    rig.answer_vote(vote(1, members[4], true, true));
    rig.turn();

    assert_eq!(rig.view().role, Role::Leader);
}

#[test]
fn refusals_and_votes_of_another_term_do_not_count() {
    let mut rig = Rig::follower_at(4, 2, MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    let before = rig.view();

    rig.answer_vote(vote(5, N0, false, false));
    rig.vote(4, N0);
    rig.vote(4, N1);

    assert_eq!(rig.view(), before);
}

#[test]
fn candidate_gives_way_to_a_later_term_in_a_vote() {
    for granted in [false, true] {
        let mut rig = Rig::follower_at(4, 2, MemoryLog::new());
        rig.node.switch_to_candidate();
        rig.turn();
        rig.sync();
        rig.outputs();

        rig.answer_vote(vote(9, N0, granted, false));

        let expected = View {
            role: Role::Follower,
            term: 9,
            vote: None,
            leader: None,
            last: (4, 2),
            commit: 0,
        };
        assert_eq!(rig.view(), expected);
        assert_eq!(rig.lead_change(), None);
    }
}

#[test]
fn leader_that_hears_of_a_later_term_in_a_vote_steps_down_in_its_own() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    rig.answer_vote(vote(9, N0, false, false));

    assert_eq!((rig.view().role, rig.view().term), (Role::Follower, 3));
    assert_eq!(rig.lead_change(), Some((false, 3)));
}

#[test]
fn follower_ignores_votes() {
    let mut rig = Rig::follower_at(4, 2, MemoryLog::new());
    let before = rig.view();

    rig.vote(4, N0);
    rig.vote(9, N1);

    assert_eq!(rig.view(), before);
    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn node_behind_its_commit_asks_again_after_a_quarter_of_the_shortest_timeout() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 1, (1, 1), b""));
    rig.outputs();

    rig.pass(9_000);
    rig.turn();
    assert_eq!(rig.view().role, Role::Follower);
    rig.node.processed(Index(1), Index(1), rig.now);
    rig.pass(1_000);
    rig.turn();

    assert_eq!((rig.view().role, rig.view().term), (Role::Candidate, 2));
}

#[test]
fn observer_paused_and_foreign_nodes_do_not_campaign() {
    let observer = |rig: &mut Rig| rig.node.set_observer(true, rig.now);
    let paused = |rig: &mut Rig| rig.node.pause_apply(rig.now).unwrap();
    let foreign = |rig: &mut Rig| {
        rig.node.managed = true;
        rig.node.remove_peer(SELF);
    };
    for make in [observer, paused, foreign] {
        let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
        make(&mut rig);
        rig.sync();
        rig.outputs();

        rig.node.switch_to_candidate();
        rig.turn();

        assert_eq!((rig.view().role, rig.view().term), (Role::Follower, 1));
        assert_eq!(rig.outputs(), EMPTY);
    }
}

/// Of the servers left, the one that knew its addition only as pending had the longest log, and
/// nobody could win without it: simulator, seed 109130.
#[test]
fn pending_removal_keeps_a_node_from_campaigning_and_a_pending_addition_does_not() {
    let cases = [
        (EntryType::RemovePeer, Role::Follower),
        (EntryType::AddPeer, Role::Candidate),
    ];
    for (kind, role) in cases {
        let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
        rig.live(special(N0, 1, 0, (1, 1), Entry::about(kind, SELF)));
        assert!(rig.node.membership_change.is_some());

        rig.node.switch_to_candidate();

        assert_eq!(rig.view().role, role, "{kind:?}");
    }
}

/// The one that is leaving holds entries nobody else has, and its vote is needed: simulator, seed
/// 2185959.
#[test]
fn node_that_is_leaving_campaigns_when_a_candidate_lacks_its_entries() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let removal = Entry::about(EntryType::RemovePeer, SELF);
    rig.live(special(N0, 1, 0, (1, 1), removal));
    let mut asked = |index| {
        rig.ask(2, (1, index), N1);
        rig.sync();
        rig.node.switch_to_candidate();
        (rig.view().role, rig.view().term)
    };

    assert_eq!(asked(2), (Role::Follower, 2), "it may win without us");
    assert_eq!(asked(1), (Role::Candidate, 3));
    rig.live(entry(N1, 3, 0, (1, 2), b""));
    rig.node.switch_to_candidate();
    assert_eq!(rig.view().role, Role::Follower, "there is a leader");
}

#[test]
fn candidate_that_may_not_start_a_round_repeats_its_request() {
    let mut rig = Rig::follower_at(4, 2, MemoryLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.outputs();
    rig.node.set_observer(true, rig.now);

    rig.pass(9_000);
    rig.turn();

    assert_eq!(rig.outputs(), [request(5, (4, 2))]);
    assert_eq!(rig.view().term, 5);
}

#[test]
fn candidate_without_a_quorum_says_so_every_twenty_seconds() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let mut notices = Vec::new();
    for second in 0..60_u64 {
        rig.pass(1_000);
        rig.turn();
        rig.sync();
        // The notice names the term whose round failed, not the one that begins.
        let told = rig.lead_change();
        notices.extend(told.map(|(is_leader, of)| (second, is_leader, rig.node.term.0 - of)));
    }

    assert!((1..=2).contains(&notices.len()), "{notices:?}");
    let fits = |(second, is_leader, behind): &(u64, bool, u64)| {
        *second >= 20 && !is_leader && *behind == 1
    };
    assert!(notices.iter().all(fits), "{notices:?}");
}

/// A forged term that cannot be raised any more must not bring the node down.
#[test]
fn last_term_of_all_is_not_followed_by_a_round() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.ask(u64::MAX, (0, 0), N1);
    rig.sync();

    rig.pass(9_000);
    rig.turn();

    assert_eq!(
        (rig.view().role, rig.view().term),
        (Role::Follower, u64::MAX)
    );
}

#[test]
fn restart_remembers_the_vote_it_gave() {
    let mut setup = setup(&[SELF, N0, N1], Box::new(DiskLog::new()));
    setup.term_vote = TermVote {
        term: Term(3),
        vote: Some(N0),
    };
    let mut rig = Rig::of(setup);

    rig.ask(3, (0, 0), N1);
    rig.ask(3, (0, 0), N0);
    rig.sync();

    let answers = [vote(3, SELF, false, true), vote(3, SELF, true, false)];
    assert_eq!(rig.outputs(), answers.map(Out::Vote));
}

#[test]
fn votes_of_an_earlier_round_do_not_count() {
    let five = [SELF, N0, N1, PeerId(*b"cnrtt3eg"), PeerId(*b"bkCGheKT")];
    let mut rig = Rig::new(&five, MemoryLog::new());
    for (term, voter) in [(1, N0), (2, N1)] {
        rig.node.switch_to_candidate();
        rig.turn();
        rig.sync();
        rig.vote(term, voter);

        assert_eq!((rig.view().role, rig.view().term), (Role::Candidate, term));
    }
}

#[test]
fn campaign_ends_a_quorum_pause() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.quorum_paused = true;

    rig.node.switch_to_candidate();

    assert!(!rig.node.quorum_paused);
}

#[test]
fn observer_sleeps_for_two_days() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.set_observer(true, rig.now);
    rig.pass(9_000);
    rig.turn();

    let two_days = std::time::Duration::from_secs(48 * 60 * 60);
    assert_eq!(rig.node.next_deadline(), Some(rig.now.after(two_days)));
}

/// It need not be turned for what it would only throw away.
#[test]
fn vote_for_a_follower_is_not_even_queued() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let sub = rig.inbox_of(&rig.node.vote_inbox);
    let late = vote(1, N0, true, false).encode();

    rig.node
        .handle_message(sub, None, bytes::Bytes::copy_from_slice(&late), rig.now);

    assert!(!rig.node.wants_turn());
}

#[test]
fn vote_is_not_given_in_the_term_before_the_first() {
    let mut rig = Rig::new(&[SELF, N0, N1], MemoryLog::new());

    rig.ask(0, (0, 0), N0);

    assert_eq!(rig.outputs(), [Out::Vote(vote(0, SELF, false, true))]);
    assert_eq!(rig.view().vote, None);
}
