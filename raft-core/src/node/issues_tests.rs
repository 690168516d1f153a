//! Failures others had, by the number of their report: overlapping leaderships, membership,
//! amnesia, term and vote, what the application holds (nats-server's, unless another project is
//! named).

use bytes::Bytes;

use super::rig::{
    DiskLog, EMPTY, N0, N1, Out, Rig, SELF, answer, entry, indexes, leader_subjects_dropped, sent,
    setup, special, vote,
};
use super::{MembershipError, NodeSetup, ProposeError, Role};
use crate::storage::{Log, MemoryLog, StorageError, WriteSeq};
use crate::types::{Entry, EntryType, Index, PeerId, Term};
use crate::wire::{AppendEntry, PeerState, TermVote};

const N2: PeerId = PeerId(*b"cnrtt3eg");

/// The leader of term 3 in a group of three, nobody else heard from since it was elected.
fn leader() -> Rig {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, N0);
    rig.outputs();
    rig
}

// Two leaderships at once.

/// Issues 7248, 7297: an entry sent after stepping down carried a term nobody had won.
#[test]
fn issue_7297_successor_is_named_in_the_term_that_was_led_and_nothing_is_sent_after_it() {
    let mut rig = leader();
    rig.node
        .propose(Term(3), Bytes::from_static(b"waits"))
        .unwrap();

    rig.node.step_down(&[], rig.now).unwrap();
    rig.turn();

    let transfer = Entry::about(EntryType::LeaderTransfer, N0);
    let [psubj, rpsubj] = leader_subjects_dropped();
    let said = [sent(3, 1, (3, 1), vec![transfer]), psubj, rpsubj];
    assert_eq!(rig.outputs(), said);
    rig.ask(4, (9, 9), N0);
    rig.turn();
    rig.sync();
    assert_eq!(rig.outputs(), [Out::Vote(vote(4, SELF, true, false))]);
}

/// Issue 8370: what was proposed to one leadership must not end up in the next one of this node.
#[test]
fn issue_8370_proposal_made_for_an_earlier_leadership_is_refused_in_a_later_one() {
    let mut rig = leader();
    rig.node.processed(Index(1), Index(1), rig.now);
    rig.node.step_down(&[], rig.now).unwrap();
    rig.turn();
    rig.elect(5);

    let stale = rig.node.propose(Term(3), Bytes::from_static(b"stale"));

    assert_eq!(stale, Err(ProposeError::NotLeader));
    rig.turn();
    assert_eq!(rig.outputs(), EMPTY);
}

// Membership.

/// Issue 7632: a leader cut off with a newcomer made a majority of the two of them.
#[test]
fn issue_7632_leader_cut_off_from_its_followers_makes_no_majority_with_newcomers() {
    let newcomer = PeerId(*b"bkCGheKT");
    let mut rig = leader();

    rig.acknowledge(3, 1, N2);
    assert_eq!((rig.node.peers.len(), rig.node.quorum), (4, 3));
    rig.acknowledge(3, 2, N2);
    rig.acknowledge(3, 2, newcomer);

    assert_eq!(rig.view().commit, 1, "two of four");
    assert_eq!(
        rig.node.peers.len(),
        4,
        "the second newcomer waits for the first"
    );
    assert_eq!(
        rig.node.propose_add_peer(newcomer),
        Err(MembershipError::ChangeInProgress)
    );
}

/// Issue 7561: a leader in the minority reported a removal as done.
#[test]
fn issue_7561_removal_by_a_leader_in_the_minority_never_becomes_official() {
    let mut rig = leader();

    rig.node.propose_remove_peer(N1).unwrap();
    rig.turn();
    rig.acknowledge(3, 2, N1);

    assert_eq!(rig.view().commit, 1);
    assert!(rig.node.membership_change.is_some());
    assert!(rig.node.take_writes().is_none(), "nothing is saved");
    // A leader the others elected meanwhile knows nothing of it.
    rig.live(entry(N0, 4, 1, (3, 1), b"theirs"));
    assert_eq!(rig.node.peer_names(), [N0, SELF, N1]);
}

/// A folder: what `peers.idx` says, and a log.
fn recovered(saved: &[PeerId], entries: &[AppendEntry]) -> Rig {
    let mut log = MemoryLog::new();
    for ae in entries {
        let frame = ae.frame().clone();
        log.append(ae.index(), WriteSeq::ZERO, frame).unwrap();
    }
    Rig::of(NodeSetup {
        recovering: true,
        term_vote: TermVote {
            term: Term(1),
            vote: None,
        },
        peer_state: PeerState {
            cluster_size: u32::try_from(saved.len()).unwrap(),
            peers: saved.to_vec(),
            domain_ext: 0,
        },
        ..setup(&[], Box::new(log))
    })
}

/// Issue 7602: a restart brought a removed peer back.
#[test]
fn issue_7602_restart_leaves_a_removed_peer_out() {
    let add = Entry::about(EntryType::AddPeer, N2);
    let remove = Entry::about(EntryType::RemovePeer, N2);
    let log = [
        special(N0, 1, 0, (0, 0), add),
        special(N0, 1, 1, (1, 1), remove),
        entry(N0, 1, 2, (1, 2), b"later"),
    ];

    for saved in [&[SELF, N0, N1][..], &[SELF, N0, N1, N2]] {
        let rig = recovered(saved, &log);

        assert_eq!(rig.node.peer_names(), [N0, SELF, N1]);
        assert_eq!((rig.node.quorum, rig.node.membership_change), (2, None));
    }
}

/// A removal at the end of the log is in force after a restart too, and still open.
#[test]
fn issue_7602_restart_keeps_an_uncommitted_removal_open() {
    let remove = Entry::about(EntryType::RemovePeer, N1);
    let log = [
        entry(N0, 1, 0, (0, 0), b"one"),
        special(N0, 1, 1, (1, 1), remove),
    ];

    let mut rig = recovered(&[SELF, N0, N1], &log);

    assert_eq!(rig.node.peer_names(), [N0, SELF]);
    assert_eq!(rig.node.voting_peer_names(), [N0, SELF, N1]);
    rig.live(entry(N1, 2, 1, (1, 1), b"another leader's"));
    assert_eq!(rig.node.peer_names(), [N0, SELF, N1]);
}

/// Issue 7850: a node that came back with a group of its own elected itself.
#[test]
fn issue_7850_restarted_member_of_three_does_not_elect_itself() {
    let mut rig = recovered(&[SELF, N0, N1], &[entry(N0, 1, 0, (0, 0), b"one")]);

    assert_eq!((rig.node.cluster_size, rig.node.quorum), (3, 2));
    rig.node.switch_to_candidate();
    for _ in 0..3 {
        rig.turn();
        rig.sync();
    }

    assert_eq!(rig.view().role, Role::Candidate);
}

// Amnesia.

/// Issue 7545: a member that came back without its disk voted as if it had forgotten nothing.
#[test]
fn issue_7545_vote_of_a_member_that_lost_its_disk_is_marked_as_empty() {
    let mut rig = recovered(&[SELF, N0, N1], &[]);

    rig.ask(2, (0, 0), N0);
    rig.sync();

    assert_eq!(rig.outputs(), [Out::Vote(vote(2, SELF, true, true))]);
}

/// Issue 7545, the other side: such votes elect nobody, unless everybody has voted.
#[test]
fn issue_7545_votes_of_members_that_lost_their_disk_are_no_quorum() {
    let mut rig = Rig::follower_at(1, 1, DiskLog::new());
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();

    rig.answer_vote(vote(2, N0, true, true));
    assert_eq!(rig.view().role, Role::Candidate);
    rig.answer_vote(vote(2, N1, true, true));

    assert_eq!(rig.view().role, Role::Leader, "nobody is left to know more");
}

/// Issue 7545: what a member acknowledged before it lost its disk still counts, once.
#[test]
fn issue_7545_member_that_lost_its_disk_is_caught_up_before_it_counts_again() {
    let mut rig = leader();
    rig.propose(b"two");
    rig.outputs();

    // It comes back empty: it asks for everything instead of acknowledging.
    rig.respond(answer(0, 0, N0, false), Some("$NRG.CR.abcdefgh"));
    rig.turn();

    assert_eq!(rig.view().commit, 1);
    let indexes: Vec<Index> = rig
        .outputs()
        .into_iter()
        .filter_map(|out| match out {
            Out::Append(to, head, _) if to.starts_with("$NRG.CR.") => Some(head.prev_index.next()),
            _ => None,
        })
        .collect();
    assert_eq!(indexes, [Index(1), Index(2)]);
}

// Term and vote.

/// Issues 5314, 5975, 7698: stepping down forgot the vote, and the term had a second one.
#[test]
fn issue_7698_vote_of_a_term_survives_every_way_out_of_a_role() {
    // By a leader of its own term, by a refusal to a candidate, by being told.
    type WayOut = fn(&mut Rig);
    let ways: [WayOut; 3] = [
        |rig| rig.live(entry(N1, 4, 0, (1, 1), b"")),
        |rig| rig.node.switch_to_follower(None),
        |rig| rig.node.set_observer(true, rig.now),
    ];
    for way in ways {
        let mut rig = Rig::follower_at(1, 1, DiskLog::new());
        rig.elect(4);
        rig.sync();
        way(&mut rig);
        rig.turn();
        rig.sync();
        rig.outputs();

        rig.ask(4, (9, 9), N1);
        rig.sync();

        assert_eq!(rig.node.vote, Some(SELF));
        assert_eq!(rig.outputs(), [Out::Vote(vote(4, SELF, false, false))]);
    }
}

/// Issue 7956: cutting the log took the term back to that of its new end, and a vote was given
/// twice.
#[test]
fn issue_7956_cutting_the_log_keeps_term_and_vote() {
    let mut rig = Rig::follower_at(1, 3, DiskLog::new());
    rig.ask(6, (1, 3), N1);
    rig.sync();
    rig.outputs();

    // The leader of an earlier entry differs at its tail: row 8.
    rig.live(entry(N1, 6, 0, (2, 3), b"new"));
    rig.sync();

    assert_eq!(rig.view().last, (1, 2), "the tail is gone");
    assert_eq!((rig.view().term, rig.node.vote), (6, Some(N1)));
    rig.outputs();
    rig.ask(6, (9, 9), N0);
    rig.sync();
    assert_eq!(rig.outputs(), [Out::Vote(vote(6, SELF, false, false))]);
}

/// Issue 8290: the error of writing the vote was dropped, and the vote sent.
#[test]
fn issue_8290_vote_that_cannot_be_written_is_never_given() {
    let mut rig = Rig::follower_at(1, 1, DiskLog::new());
    rig.sync();
    rig.outputs();
    rig.ask(2, (1, 1), N1);
    let writes = rig.node.take_writes().unwrap();
    let wanted = TermVote {
        term: Term(2),
        vote: Some(N1),
    };
    assert_eq!(writes.term_vote, Some(wanted));

    let error = std::sync::Arc::new(StorageError::Failed);
    rig.node.handle_write_failed(error, rig.now);
    rig.node.handle_durable(writes.upto, rig.now);

    let said = rig.outputs();
    let votes = said.iter().filter(|out| matches!(out, Out::Vote(_)));
    assert_eq!(votes.count(), 0, "{said:?}");
    assert_eq!(rig.view().role, Role::Closed);
}

// What the application holds.

/// Issues 5939, 6459, 8265: the applied index ran ahead of what the application held, and a
/// snapshot covered entries it had not seen.
#[test]
fn issue_6459_snapshot_covers_what_was_reported_as_applied_and_nothing_more() {
    let mut rig = Rig::follower_at(1, 4, DiskLog::new());
    rig.live(entry(N0, 1, 4, (1, 4), b""));
    rig.sync();
    assert_eq!(indexes(&rig.applied()), [1, 2, 3, 4]);
    let data = Bytes::from_static(b"state");
    let refused = rig.node.install_snapshot(data.clone(), false);
    assert!(refused.is_err(), "it was handed up and not reported");

    // Seen up to 4, done with 3, holds 2 for good.
    rig.node.processed(Index(3), Index(2), rig.now);
    rig.node.install_snapshot(data, false).unwrap();
    rig.sync();

    assert_eq!(rig.files.names(), ["snap.1.2"]);
    assert_eq!(rig.node.log.state().first, Index(3));
}

/// Issue 8321: after a snapshot of the leader the entry behind it was passed over, or applied
/// twice.
#[test]
fn issue_8321_first_entry_after_the_leaders_snapshot_is_the_one_behind_it() {
    let mut rig = Rig::follower_at(1, 0, DiskLog::new());
    rig.live(entry(N0, 1, 100, (1, 100), b""));
    rig.sync();
    let catchup = rig.catchup();
    let peers = PeerState {
        peers: vec![SELF, N0, N1],
        cluster_size: 3,
        domain_ext: 0,
    };
    let special = |kind, data| Entry { kind, data };
    let snapshot = AppendEntry::encode_entries(
        super::rig::head(N0, 1, 100, (1, 100)),
        &[
            special(EntryType::Snapshot, Bytes::from_static(b"state")),
            special(EntryType::PeerState, peers.encode()),
        ],
    );
    rig.receive(snapshot.unwrap(), catchup);
    rig.sync();

    for (commit, last) in [(100, 100), (101, 101), (102, 102)] {
        rig.live(entry(N0, 1, commit, (1, last), b"behind"));
        rig.sync();
    }

    // The signal of the catch-up, the snapshot, its end, then what is committed behind, once each.
    assert_eq!(indexes(&rig.applied()), [u64::MAX, 100, 0, 101, 102]);
}
