//! A group in need: storage exhausted, peers evicted, the quorum lowered for a while.

use super::rig::{DiskLog, N0, N1, Out, Rig, SELF, entry, setup, special, vote};
use super::{EvictError, RescueError, Role};
use crate::storage::MemoryLog;
use crate::types::{Entry, EntryType, PeerId, Term};
use crate::wire::PeerState;

const N2: PeerId = PeerId(*b"cnrtt3eg");
const N3: PeerId = PeerId(*b"bkCGheKT");
const FIVE: [PeerId; 5] = [SELF, N0, N1, N2, N3];

/// A managed group of which nobody hears anything.
fn managed(members: &[PeerId]) -> Rig {
    let mut setup = setup(members, Box::new(MemoryLog::new()));
    setup.managed = true;
    Rig::of(setup)
}

/// A follower of nobody among five, with one entry that is not committed.
fn stuck() -> Rig {
    let mut rig = Rig::new(&FIVE, DiskLog::new());
    rig.live(entry(N0, 1, 0, (0, 0), b"one"));
    rig.sync();
    rig.node.update_leader(None);
    rig.outputs();
    rig
}

fn sizes(rig: &Rig) -> (u32, u32) {
    (rig.node.cluster_size, rig.node.quorum)
}

// Storage limits.

/// A node that minds storage limits, with an entry to be campaigned for.
fn tracking() -> Rig {
    let mut setup = setup(&[SELF, N0, N1], Box::new(MemoryLog::new()));
    setup.track = true;
    Rig::of(setup)
}

#[test]
fn entries_are_dropped_and_campaigns_put_off_while_storage_is_exhausted() {
    let mut rig = tracking();
    rig.node.handle_resources(true);

    rig.arrive(entry(N0, 1, 0, (0, 0), b"one"));
    assert_eq!((rig.view().last, rig.outputs()), ((0, 0), vec![]));
    rig.pass(9_000);
    rig.turn();
    assert_eq!((rig.view().role, rig.view().term), (Role::Follower, 0));
    rig.node.handle_resources(false);
    rig.arrive(entry(N0, 1, 0, (0, 0), b"one"));
    assert_eq!(rig.view().last, (1, 1));
    rig.pass(9_000);
    rig.turn();

    assert_eq!(rig.view().role, Role::Candidate);
}

/// The vote costs no space, and somebody has to be able to lead.
#[test]
fn votes_are_given_while_storage_is_exhausted() {
    let mut rig = tracking();
    rig.node.handle_resources(true);

    rig.ask(1, (0, 0), N0);
    rig.sync();

    assert_eq!(rig.outputs(), [Out::Vote(vote(1, SELF, true, false))]);
}

#[test]
fn candidate_goes_on_asking_while_storage_is_exhausted() {
    let mut rig = tracking();
    rig.node.switch_to_candidate();
    rig.turn();
    rig.node.handle_resources(true);

    rig.pass(9_000);
    rig.turn();

    assert_eq!((rig.view().role, rig.view().term), (Role::Candidate, 2));
}

#[test]
fn node_that_does_not_mind_storage_limits_takes_entries_all_the_same() {
    let mut rig = Rig::new(&[SELF, N0, N1], MemoryLog::new());
    rig.node.handle_resources(true);

    rig.arrive(entry(N0, 1, 0, (0, 0), b"one"));

    assert_eq!(rig.view().last, (1, 1));
}

// Evicting.

#[test]
fn only_a_managed_group_without_a_leader_and_a_quorum_evicts() {
    let mut rig = Rig::new(&FIVE, MemoryLog::new());
    let evict = |rig: &mut Rig, ids: &[PeerId]| rig.node.evict_peers(ids, rig.now);
    assert_eq!(evict(&mut rig, &[N0]), Err(EvictError::NotManaged));

    let mut rig = managed(&FIVE);
    rig.node.update_leader(Some(N0));
    assert_eq!(evict(&mut rig, &[N0]), Err(EvictError::NotLeaderless));
    rig.node.update_leader(None);
    assert_eq!(evict(&mut rig, &[N0]), Err(EvictError::QuorumPossible));
    assert_eq!(evict(&mut rig, &[N0, N1]), Ok(vec![N0, N1]));

    assert_eq!(rig.node.peer_names(), [N3, N2, SELF]);
    assert_eq!(sizes(&rig), (3, 2));
    assert_eq!(rig.node.removed.len(), 2);
    let saved = rig.node.take_writes().unwrap().peers.unwrap();
    assert_eq!(saved.peers, [N3, N2, SELF]);
    rig.node.stop();
    assert_eq!(evict(&mut rig, &[N2]), Err(EvictError::Closed));
}

#[test]
fn eviction_spares_ourselves_and_passes_over_strangers() {
    let mut rig = managed(&[SELF, N0]);
    let evict = |rig: &mut Rig, ids: &[PeerId]| rig.node.evict_peers(ids, rig.now);

    assert_eq!(evict(&mut rig, &[SELF, N1]), Ok(vec![]));
    assert_eq!(evict(&mut rig, &[N0, SELF]), Ok(vec![N0]));
    assert_eq!(evict(&mut rig, &[SELF]), Ok(vec![]));

    assert_eq!((rig.node.peer_names(), sizes(&rig)), (vec![SELF], (1, 1)));
}

/// A peer whose removal is not committed may still vote.
#[test]
fn peer_on_its_way_out_counts_among_those_who_might_elect() {
    let mut rig = managed(&FIVE);
    rig.live(entry(N0, 1, 0, (0, 0), b"one"));
    let removal = Entry::about(EntryType::RemovePeer, N3);
    rig.live(special(N0, 1, 0, (1, 1), removal));
    rig.node.update_leader(None);

    let refused = rig.node.evict_peers(&[N0], rig.now);
    assert_eq!(refused, Err(EvictError::QuorumPossible));
    let evicted = rig.node.evict_peers(&[N0, N1, N3], rig.now);

    assert_eq!(evicted, Ok(vec![N0, N1, N3]));
    assert_eq!((sizes(&rig), rig.node.membership_change), ((2, 2), None));
}

#[test]
fn eviction_undoes_our_own_removal() {
    let mut rig = managed(&[SELF, N0, N1]);
    rig.live(entry(N0, 1, 0, (0, 0), b"one"));
    let removal = Entry::about(EntryType::RemovePeer, SELF);
    rig.live(special(N0, 1, 0, (1, 1), removal));
    rig.node.update_leader(None);

    assert_eq!(rig.node.evict_peers(&[N0, N1], rig.now), Ok(vec![N0, N1]));
    assert_eq!((rig.node.peer_names(), sizes(&rig)), (vec![SELF], (1, 1)));
    rig.node.switch_to_candidate();
    for _ in 0..2 {
        rig.turn();
        rig.sync();
    }

    assert_eq!((rig.view().role, rig.view().commit), (Role::Leader, 3));
    assert_eq!(rig.node.peer_names(), [SELF], "its entry has no effect now");
}

// Rescue.

#[test]
fn rescue_is_refused_where_it_makes_no_sense() {
    let rescue = |rig: &mut Rig, quorum| rig.node.rescue_quorum(quorum, rig.now);
    let mut rig = Rig::new(&FIVE, MemoryLog::new());
    assert_eq!(rescue(&mut rig, 2), Err(RescueError::EmptyLog));

    let mut rig = stuck();
    for bad in [0, 4] {
        assert_eq!(rescue(&mut rig, bad), Err(RescueError::BadQuorum));
    }
    rig.node.update_leader(Some(N0));
    assert_eq!(rescue(&mut rig, 2), Err(RescueError::LeaderKnown));
    rig.node.update_leader(None);
    rig.node.set_observer(true, rig.now);
    assert_eq!(rescue(&mut rig, 2), Err(RescueError::NotVoting));
    rig.node.set_observer(false, rig.now);
    rig.node.peers.remove(&SELF);
    assert_eq!(rescue(&mut rig, 2), Err(RescueError::NotVoting));
    rig.node.stop();
    assert_eq!(rescue(&mut rig, 2), Err(RescueError::Closed));

    assert!(!rig.node.in_rescue());
}

#[test]
fn rescue_lowers_the_quorum_step_by_step_until_its_time_is_up() {
    let mut rig = stuck();
    assert_eq!(rig.node.rescue_quorum(3, rig.now), Ok((3, 3)));
    assert_eq!(rig.node.rescue_quorum(2, rig.now), Ok((3, 2)));
    rig.pass(299_999);
    rig.turn();
    assert!(rig.node.in_rescue() && rig.node.quorum == 2);

    rig.pass(1);
    rig.turn();

    assert!(!rig.node.in_rescue());
    assert_eq!(sizes(&rig), (5, 3));
}

#[test]
fn rescue_outlives_a_membership_that_needs_more_and_ends_with_one_that_needs_no_more() {
    let mut rig = stuck();
    rig.node.rescue_quorum(1, rig.now).unwrap();
    let state = |peers: &[PeerId]| PeerState {
        cluster_size: u32::try_from(peers.len()).unwrap(),
        peers: peers.to_vec(),
        domain_ext: 0,
    };

    rig.node.process_peer_state(&state(&[SELF, N0, N1]));
    assert_eq!((sizes(&rig), rig.node.in_rescue()), ((3, 1), true));
    rig.node.process_peer_state(&state(&[SELF]));

    assert_eq!((sizes(&rig), rig.node.in_rescue()), ((1, 1), false));
}

#[test]
fn empty_voters_count_for_a_rescued_candidate_that_has_data() {
    for rescued in [false, true] {
        let mut rig = stuck();
        if rescued {
            rig.node.rescue_quorum(2, rig.now).unwrap();
        } else {
            rig.node.quorum = 2;
        }
        rig.node.switch_to_candidate();
        rig.turn();
        rig.sync();

        rig.answer_vote(vote(2, N0, true, true));

        assert_eq!(rig.view().role == Role::Leader, rescued);
    }
}

/// What was appended under the lowered quorum and is not durable yet waits for the true one.
#[test]
fn entries_of_a_rescue_that_ended_need_a_whole_quorum() {
    let mut rig = stuck();
    rig.node.rescue_quorum(1, rig.now).unwrap();
    rig.node.switch_to_candidate();
    for _ in 0..2 {
        rig.turn();
        rig.sync();
    }
    assert_eq!((rig.view().role, rig.view().commit), (Role::Leader, 2));
    rig.node.propose(Term(2), "late".into()).unwrap();
    rig.node.send_proposals();

    rig.node.expire_rescue();
    rig.sync();

    assert_eq!((rig.view().commit, sizes(&rig)), (2, (5, 3)));
}

/// A candidate may lose a voter to an eviction while it counts.
#[test]
fn issue_8353_vote_of_a_peer_that_was_evicted_does_not_count() {
    let mut rig = managed(&FIVE);
    rig.node.switch_to_candidate();
    rig.turn();
    rig.sync();
    rig.vote(1, N0);

    assert_eq!(rig.node.evict_peers(&[N0, N1], rig.now), Ok(vec![N0, N1]));
    rig.vote(1, N1);
    assert_eq!(rig.view().role, Role::Candidate);
    rig.vote(1, N2);

    assert_eq!(rig.view().role, Role::Leader);
}
