//! What others may ask a node.

use super::rig::{N0, N1, Rig, SELF, entry};
use crate::storage::MemoryLog;
use crate::types::{Index, PeerId};

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
fn peer_of_an_uncommitted_change_is_listed_and_not_known() {
    let joiner = PeerId(*b"deadbeef");
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.acknowledge(3, 1, N0);
    let shown = |rig: &Rig| -> Vec<_> {
        let peers = rig.node.peers(rig.now).into_iter();
        peers.map(|p| (p.id, p.member, p.known)).collect()
    };

    rig.node.propose_add_peer(joiner).unwrap();
    rig.turn();
    let (ours, n0, n1) = ((SELF, true, true), (N0, true, true), (N1, true, true));
    assert_eq!(shown(&rig), [n0, (joiner, true, false), ours, n1]);
    rig.acknowledge(3, 2, N0);
    rig.acknowledge(3, 2, N1);
    rig.node.propose_remove_peer(N1).unwrap();
    rig.turn();

    let joined = (joiner, true, true);
    assert_eq!(shown(&rig), [n0, joined, ours, (N1, false, false)]);
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

#[test]
fn late_acknowledgement_of_an_earlier_index_does_not_set_a_peer_back() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.propose(b"two");
    rig.acknowledge(3, 2, N0);
    rig.acknowledge(3, 1, N0);

    let lag = rig
        .node
        .peers(rig.now)
        .into_iter()
        .find(|peer| peer.id == N0);

    assert_eq!(lag.map(|peer| peer.lag), Some(0));
}

#[test]
fn paused_follower_that_holds_commits_back_is_not_current() {
    let mut rig = Rig::follower_at(1, 2, MemoryLog::new());
    rig.live(entry(N0, 1, 1, (1, 2), b""));
    rig.node.processed(Index(1), Index(1), rig.now);
    rig.node.pause_apply(rig.now).unwrap();
    assert!(rig.node.is_current(rig.now));

    rig.live(entry(N0, 1, 2, (1, 2), b""));

    assert!(!rig.node.is_current(rig.now));
}

#[test]
fn stranger_that_joined_is_a_stranger_no_more() {
    let joiner = PeerId(*b"deadbeef");
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.node.managed = true;
    rig.node.track_peer(joiner);
    assert_eq!(rig.node.observed.len(), 1);

    rig.node.add_peer(joiner);
    rig.node.track_peer(joiner);

    assert!(rig.node.observed.is_empty());
}
