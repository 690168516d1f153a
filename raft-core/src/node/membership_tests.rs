//! Who belongs to the group, before and after a change commits.

use bytes::Bytes;

use super::rig::{N0, N1, Rig, SELF, entry, indexes, sent, setup, special};
use super::{Committed, Role};
use crate::storage::MemoryLog;
use crate::types::{Entry, EntryType, Index, PeerId, Term};
use crate::wire::PeerState;

/// SE-10: the encoder of the membership would write it at a stride of eight.
#[test]
fn membership_entry_whose_data_is_no_id_changes_nothing_at_append_and_at_commit() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let before = rig.node.current_peer_state();
    for (at, kind) in [(1, EntryType::AddPeer), (2, EntryType::RemovePeer)] {
        let data = Bytes::from_static(b"seven77");
        rig.live(special(N0, 1, at, (1, at), Entry { kind, data }));
    }
    rig.live(entry(N0, 1, 3, (1, 3), b""));

    assert_eq!(rig.view().commit, 3);
    assert_eq!(rig.node.current_peer_state(), before);
    assert_eq!(rig.node.membership_change, None);
    let applied = rig.applied();
    assert_eq!(indexes(&applied), [1, 2, 3]);
    let handed = applied.iter().skip(1).map(|item| match item {
        Committed::Entries(entry) => entry.entries().count(),
        Committed::NilGuard | Committed::CatchupStarted => 0,
    });
    assert_eq!(handed.sum::<usize>(), 0);
}

#[test]
fn appended_peer_counts_at_once_and_is_forgotten_when_its_entry_is_cut() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let added = PeerId(*b"cnrtt3eg");
    let add = Entry::about(EntryType::AddPeer, added);

    rig.live(special(N0, 1, 0, (1, 1), add));
    assert_eq!((rig.node.peer_names().len(), rig.node.quorum), (4, 3));
    rig.live(entry(N1, 2, 0, (1, 1), b""));

    assert_eq!(rig.node.peer_names(), [N0, SELF, N1]);
    assert_eq!((rig.node.quorum, rig.node.membership_change), (2, None));
}

/// A server that leads may add a member again, or remove somebody who left long ago.
#[test]
fn change_that_changes_nothing_takes_nothing_back_when_it_is_cut() {
    let stranger = PeerId(*b"cnrtt3eg");
    for (kind, peer) in [(EntryType::AddPeer, N1), (EntryType::RemovePeer, stranger)] {
        let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
        rig.live(special(N0, 1, 0, (1, 1), Entry::about(kind, peer)));
        assert!(rig.node.membership_change.is_some());
        let official = rig.node.committed_peer_state(Index(1));
        assert_eq!(official.peers, [N0, SELF, N1], "{kind:?}");

        rig.live(entry(N1, 2, 0, (1, 1), b""));
        rig.live(entry(N1, 2, 0, (1, 1), b"other"));

        assert_eq!(rig.node.peer_names(), [N0, SELF, N1], "{kind:?}");
        assert_eq!((rig.node.quorum, rig.node.membership_change), (2, None));
    }
}

/// Issue 7850: a size of one in a group of three, and whoever read it elected itself.
#[test]
fn issue_7850_size_that_would_let_one_of_several_elect_itself_is_not_believed() {
    for (size, peers, taken) in [
        (0, &[SELF, N0, N1][..], 3),
        (1, &[SELF, N0, N1], 3),
        (2, &[SELF, N0, N1], 2),
        (5, &[SELF, N0, N1], 5),
        (1, &[SELF], 1),
        (0, &[SELF], 1),
    ] {
        let mut setup = setup(peers, Box::new(MemoryLog::new()));
        setup.peer_state.cluster_size = size;

        let rig = Rig::of(setup);

        let found = (rig.node.cluster_size, rig.node.quorum);
        assert_eq!(found, (taken, taken / 2 + 1), "{size} of {}", peers.len());
    }
}

#[test]
fn committed_addition_is_saved_and_handed_up() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let added = PeerId(*b"cnrtt3eg");
    rig.live(special(
        N0,
        1,
        0,
        (1, 1),
        Entry::about(EntryType::AddPeer, added),
    ));

    rig.live(entry(N0, 1, 2, (1, 2), b""));

    assert_eq!(rig.node.membership_change, None);
    let saved = rig.node.take_writes().unwrap().peers.unwrap();
    assert_eq!(
        (saved.cluster_size, saved.peers),
        (4, vec![N0, added, SELF, N1])
    );
    let applied = rig.applied();
    let Some(Committed::Entries(committed)) = applied.last() else {
        panic!("two indexes");
    };
    let handed: Vec<_> = committed
        .entries()
        .map(|e| (e.kind, e.data.to_vec()))
        .collect();
    assert_eq!(handed, [(EntryType::AddPeer, added.0.to_vec())]);
}

/// The entry that appends one change may commit the one before it.
#[test]
fn committing_a_change_leaves_a_later_one_pending() {
    let (first, second) = (PeerId(*b"cnrtt3eg"), PeerId(*b"bkCGheKT"));
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let add = |peer| Entry::about(EntryType::AddPeer, peer);
    rig.live(special(N0, 1, 0, (1, 1), add(first)));

    rig.live(special(N0, 1, 2, (1, 2), add(second)));

    assert_eq!(rig.view().commit, 2);
    let pending = rig.node.membership_change.unwrap();
    assert_eq!((pending.index, pending.peer), (Index(3), second));
    rig.live(entry(N1, 2, 2, (1, 2), b""));
    assert_eq!(rig.node.peer_names(), [N0, first, SELF, N1]);
}

/// The entry that takes a peer in again may commit the removal before it: simulator, seed 2494.
#[test]
fn peer_that_joins_again_stays_a_member_when_its_removal_commits() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let about_n1 = |kind| Entry::about(kind, N1);
    rig.live(special(N0, 1, 0, (1, 1), about_n1(EntryType::RemovePeer)));
    assert_eq!(rig.node.peer_names(), [N0, SELF]);

    rig.live(special(N0, 1, 2, (1, 2), about_n1(EntryType::AddPeer)));

    assert_eq!(rig.view().commit, 2);
    assert_eq!(rig.node.peer_names(), [N0, SELF, N1]);
    assert_eq!((rig.node.cluster_size, rig.node.quorum), (3, 2));
}

/// A new leader's first entry may commit after a change that was appended behind it.
#[test]
fn committed_membership_keeps_a_change_that_is_still_pending() {
    let added = PeerId(*b"cnrtt3eg");
    let mut rig = Rig::follower_at(1, 0, MemoryLog::new());
    let state = PeerState {
        cluster_size: 3,
        peers: vec![N0, SELF, N1],
        domain_ext: 0,
    };
    let first = Entry {
        kind: EntryType::PeerState,
        data: state.encode(),
    };
    rig.live(special(N0, 1, 0, (0, 0), first));
    rig.live(special(
        N0,
        1,
        0,
        (1, 1),
        Entry::about(EntryType::AddPeer, added),
    ));

    rig.live(entry(N0, 1, 1, (1, 2), b""));

    assert_eq!(rig.node.peer_names(), [N0, added, SELF, N1]);
    assert_eq!((rig.node.cluster_size, rig.node.quorum), (4, 3));
}

#[test]
fn removal_that_is_cut_off_gives_the_member_its_record_back() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    let before = rig.node.peers.clone();
    let remove = Entry::about(EntryType::RemovePeer, N0);
    rig.live(special(N0, 1, 0, (1, 1), remove));
    assert_eq!(
        (rig.node.peer_names(), rig.node.quorum),
        (vec![SELF, N1], 2)
    );
    assert_eq!(rig.node.voting_peer_names(), [N0, SELF, N1]);

    rig.node.truncate_wal(Term(1), Index(1), N1);

    assert_eq!(rig.node.peers, before);
    assert!(
        before
            .get(&N0)
            .is_some_and(|record| record.last_heard.is_some())
    );
}

#[test]
fn change_about_ourselves_keeps_us_from_campaigning_until_it_is_settled() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(special(
        N0,
        1,
        0,
        (1, 1),
        Entry::about(EntryType::RemovePeer, SELF),
    ));

    rig.node.switch_to_candidate();
    assert_eq!((rig.view().role, rig.view().leader), (Role::Follower, None));
    rig.node.truncate_wal(Term(1), Index(1), N1);
    rig.node.switch_to_candidate();

    assert_eq!(rig.view().role, Role::Candidate);
}

/// It may be older than what the leader has learned since.
#[test]
fn leader_does_not_adopt_the_membership_it_sent() {
    let added = PeerId(*b"cnrtt3eg");
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.node.add_peer(added);

    rig.acknowledge(3, 1, N0);
    rig.acknowledge(3, 1, N1);

    assert_eq!(rig.view().commit, 1);
    assert_eq!(rig.node.peer_names(), [N0, added, SELF, N1]);
}

#[test]
fn leader_of_a_group_that_shrank_says_so_at_once() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());

    rig.node.remove_peer(N1);

    assert_eq!(rig.outputs(), [sent(3, 0, (3, 1), vec![])]);
    assert_eq!(rig.node.removed.get(&N1), Some(&rig.now));
}

#[test]
fn same_membership_is_not_saved_twice() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.add_peer(PeerId(*b"cnrtt3eg"));
    rig.sync();

    let state = rig.node.current_peer_state();
    rig.node.process_peer_state(&state);

    assert!(rig.node.take_writes().is_none());
}
