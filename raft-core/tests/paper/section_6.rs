//! Cluster membership changes: one server at a time (thesis chapter 4).

use std::time::Duration;

use raft_core::node::{MembershipError, Role};

use super::net::*;

// 4.1 Safety: a server counts from the moment its entry is appended.

#[test]
fn s6_server_that_joins_catches_up_and_then_counts() {
    let mut net = Net::led(3);
    for data in [b"a", b"b", b"c"] {
        net.propose(0, data);
    }
    let new = net.join();

    net.command(0, |node, _| node.propose_add_peer(id(3)).unwrap());
    net.pass(Duration::from_secs(2));

    assert_eq!(net.node(0).peer_names().len(), 4);
    net.assert_equal();
    // Three of four are needed now: with two of the old ones gone there is no majority.
    net.kill(1);
    net.propose(0, b"three");
    net.pass(Duration::from_secs(2));
    assert_eq!(net.commit(new), net.last(0));
    net.kill(2);
    net.propose(0, b"two");
    net.pass(Duration::from_secs(2));
    assert_eq!(net.commit(0), net.last(0) - 1);
}

#[test]
fn s6_old_and_new_majority_overlap() {
    let mut net = Net::led(3);
    let new = net.join();
    // The leader and the newcomer are cut off from the others while the change is under way.
    net.loses = Some(Box::new(move |message| {
        let side = |at: usize| at == 0 || at == new;
        side(message.from) != side(message.to)
    }));

    net.command(0, |node, _| node.propose_add_peer(id(3)).unwrap());
    net.propose(0, b"half");
    net.pass(Duration::from_secs(3));
    assert_eq!(net.commit(0), 1, "two of four commit nothing");

    net.campaign(1);
    net.pass(Duration::from_secs(2));
    net.propose(1, b"majority");
    net.pass(Duration::from_secs(2));
    assert_eq!(net.node(1).peer_names().len(), 3, "two of three do");
    // Left alone, the newcomer would ask to join the group that has won.
    net.kill(new);
    net.heal();
    net.wait("one leader", |net| net.node(0).role() == Role::Follower);
    net.pass(Duration::from_secs(10));
    assert!(net.committed.values().any(|data| data == &[b"majority"]));
    assert!(!net.committed.values().any(|data| data == &[b"half"]));
    assert_eq!(
        net.node(0).peer_names().len(),
        3,
        "its change is taken back"
    );
}

/// The bug found after the thesis: two changes of two leaders, neither of which has committed
/// anything in its term, make majorities that do not overlap.
#[test]
fn s6_leader_changes_nothing_before_it_has_committed_in_its_term() {
    let mut net = Net::led(5);
    net.loses = Some(Box::new(|message| {
        append_entry(message).is_some_and(|entry| !entry.is_heartbeat())
    }));
    net.campaign(1);
    assert_eq!(net.leader(), Some(1));

    let refused = net.command(1, |node, _| node.propose_remove_peer(id(4)));
    assert_eq!(refused, Err(MembershipError::NotReady));

    net.heal();
    net.wait("an entry of the term", |net| net.node(1).is_leader());
    net.command(1, |node, _| node.propose_remove_peer(id(4)).unwrap());
    net.pass(Duration::from_secs(2));
    assert_eq!(net.node(1).peer_names().len(), 4);
}

// 4.2.2 Removing the current leader.

#[test]
fn s6_leader_that_is_removed_leads_until_that_is_committed() {
    let mut net = Net::led(3);
    net.loses = Some(Box::new(|message| message.to == 0));

    net.command(0, |node, _| node.propose_remove_peer(id(0)).unwrap());
    net.pass(Duration::from_secs(1));
    assert_eq!(net.node(0).role(), Role::Leader);

    net.heal();
    net.wait("its end", |net| net.node(0).role() == Role::Closed);
    net.kill(0);
    let next = net.wait_for_leader();
    assert_ne!(next, 0);
    assert_eq!(net.node(next).peer_names().len(), 2);
    net.propose(next, b"without it");
    net.pass(Duration::from_secs(2));
    assert_eq!(net.commit(next), net.last(next));
}

// 4.2.3 Disruptive servers.

/// Who has been removed and was not told campaigns on; it wins nothing, and the group has a leader
/// again.
#[test]
fn s6_removed_server_wins_no_election() {
    let mut net = Net::led(3);
    net.isolate(2);
    net.command(0, |node, _| node.propose_remove_peer(id(2)).unwrap());
    net.pass(Duration::from_secs(2));
    net.pass(Duration::from_secs(30));

    net.heal();
    net.pass(Duration::from_secs(30));

    let leader = net.wait_for_leader();
    assert_ne!(leader, 2);
    assert!(net.leaders.values().all(|led| *led != 2));
    net.propose(leader, b"goes on");
    net.pass(Duration::from_secs(1));
    assert_eq!(net.commit(leader), net.last(leader));
}
