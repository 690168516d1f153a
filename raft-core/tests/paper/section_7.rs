//! Log compaction.

use std::time::Duration;

use super::net::*;

/// A group of three whose first server leads and has dropped its log up to a snapshot. The third
/// server has missed everything since the first entry.
fn compacted() -> Net {
    let mut net = Net::led(3);
    net.isolate(2);
    for data in [b"a", b"b", b"c", b"d"] {
        net.propose(0, data);
    }
    net.pass(Duration::from_secs(1));
    net.snapshot(0);
    assert_eq!(net.first(0), net.last(0) + 1, "nothing is left of the log");
    net
}

#[test]
fn s7_server_starts_from_its_snapshot_and_what_follows_it() {
    let mut net = compacted();
    net.propose(0, b"e");
    net.pass(Duration::from_secs(1));
    let before = net.servers[0].applied.clone();

    net.kill(0);
    net.start(0);
    let leader = net.wait_for_leader();
    net.propose(leader, b"f");
    net.pass(Duration::from_secs(2));

    let after = &net.servers[0].applied;
    assert!(before.iter().all(|(index, data)| after[index] == *data));
    assert_eq!(after.last_key_value().unwrap().1, &[b"f"]);
}

#[test]
fn s7_follower_that_lacks_what_the_leader_dropped_gets_the_snapshot() {
    let mut net = compacted();
    net.propose(0, b"e");

    net.heal();
    net.wait("the follower", |net| net.commit(2) == net.commit(0));

    assert_eq!(net.servers[2].applied, net.servers[0].applied);
    assert!(net.first(2) > 1, "the snapshot replaced its log");
}

/// Log matching over the end of a snapshot: the entry behind it is checked against its term.
#[test]
fn s7_entries_behind_the_snapshot_are_checked_against_its_end() {
    let mut net = compacted();
    net.heal();
    net.wait("the follower", |net| net.commit(2) == net.commit(0));
    // A leader that nobody follows appends behind the snapshot; another one appends something else.
    net.isolate(0);
    net.propose(0, b"lost");
    net.campaign(1);
    net.propose(1, b"kept");
    net.pass(Duration::from_secs(2));

    net.heal();
    net.wait("the old leader", |net| net.commit(0) == net.commit(1));

    let lost = |data: &Vec<Vec<u8>>| data == &[b"lost"];
    assert!(!net.committed.values().any(lost));
    assert_eq!(net.servers[0].applied, net.servers[1].applied);
}

/// Leader completeness (5.4) does not depend on where a server has what is committed.
#[test]
fn s7_server_that_knows_the_log_only_as_a_snapshot_leads() {
    let mut net = compacted();
    net.heal();
    net.wait("the follower", |net| net.commit(2) == net.commit(0));
    net.pass(Duration::from_secs(2));
    net.kill(0);

    net.campaign(2);
    assert_eq!(net.leader(), Some(2));
    net.propose(2, b"e");
    net.pass(Duration::from_secs(2));
    net.start(0);
    net.wait("everybody", |net| {
        (0..3).all(|at| net.commit(at) == net.last(2))
    });

    assert!((0..2).all(|at| net.servers[at].applied == net.servers[2].applied));
}

/// Each server makes its snapshots on its own; a leader's does not stop a follower's.
#[test]
fn s7_servers_snapshot_on_their_own() {
    let mut net = Net::led(3);
    for (at, data) in [(0, b"a"), (1, b"b"), (2, b"c")] {
        net.propose(0, data);
        net.pass(Duration::from_secs(1));
        net.snapshot(at);
    }

    let firsts: Vec<u64> = (0..3).map(|at| net.first(at)).collect();
    assert_eq!(firsts, [3, 4, 5]);
    (0..3).for_each(|at| net.kill(at));
    (0..3).for_each(|at| net.start(at));
    let leader = net.wait_for_leader();
    net.propose(leader, b"d");
    net.wait("everybody", |net| {
        (0..3).all(|at| net.commit(at) == net.last(leader))
    });
    assert!((0..2).all(|at| net.servers[at].applied == net.servers[2].applied));
}
