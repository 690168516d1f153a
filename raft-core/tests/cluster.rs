//! A group under a seeded world: elections, replication, losses, crashes at any point of a write.
//!
//! The cluster checks the properties of `sim` after every step; a test only has to make things
//! happen and say what must come of it. Worlds in which a seed decides what happens are in
//! `simulation.rs`.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use raft_core::sim::disk::Op;
use raft_core::sim::{Cluster, ClusterOptions};
use raft_core::types::Term;

const LONG: Duration = Duration::from_secs(120);

fn cluster(seed: u64, servers: usize) -> Cluster {
    Cluster::new(&ClusterOptions {
        seed,
        servers,
        ..ClusterOptions::default()
    })
    .unwrap()
}

fn elect(cluster: &mut Cluster) -> usize {
    assert!(
        cluster
            .run_until(LONG, |cluster| cluster.leader().is_some())
            .unwrap()
    );
    cluster.leader().unwrap()
}

/// Runs until every server has applied everything, `entries` of the application at least.
fn settle(cluster: &mut Cluster, servers: usize, entries: usize) {
    let whole = |cluster: &Cluster| {
        cluster.is_whole() && (0..servers).all(|at| cluster.applied(at).len() >= entries)
    };
    assert!(cluster.run_until(LONG, whole).unwrap(), "no progress");
    for at in 1..servers {
        assert_eq!(cluster.applied(at), cluster.applied(0));
    }
}

fn propose(cluster: &mut Cluster, range: std::ops::Range<u32>) {
    for number in range {
        let leader = elect(cluster);
        assert!(cluster.propose(leader, number.to_string()));
    }
}

#[test]
fn groups_of_every_size_elect_and_replicate() {
    for servers in [1, 2, 3, 5] {
        let mut cluster = cluster(servers as u64, servers);

        propose(&mut cluster, 0..20);
        settle(&mut cluster, servers, 20);

        let expected: Vec<_> = (0..20)
            .map(|number| Bytes::from(number.to_string()))
            .collect();
        assert_eq!(cluster.applied(servers - 1), expected);
    }
}

#[test]
fn same_seed_makes_the_same_run() {
    let run = |seed| {
        let mut cluster = cluster(seed, 3);
        propose(&mut cluster, 0..10);
        settle(&mut cluster, 3, 10);
        (cluster.now(), cluster.steps(), cluster.leader())
    };

    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn loss_of_the_leader_loses_nothing_and_it_comes_back_equal() {
    let mut cluster = cluster(11, 3);
    propose(&mut cluster, 0..10);
    settle(&mut cluster, 3, 10);

    let lost = elect(&mut cluster);
    cluster.crash(lost);
    propose(&mut cluster, 10..20);
    assert_ne!(cluster.leader(), Some(lost));
    cluster.restart(lost).unwrap();
    settle(&mut cluster, 3, 20);

    assert_eq!(cluster.applied(lost).len(), 20);
}

#[test]
fn issue_7564_whole_cluster_losing_power_keeps_what_was_committed() {
    let mut cluster = cluster(12, 3);
    propose(&mut cluster, 0..10);
    settle(&mut cluster, 3, 10);

    for at in 0..3 {
        cluster.crash(at);
    }
    cluster.run_for(Duration::from_secs(1)).unwrap();
    for at in 0..3 {
        cluster.restart(at).unwrap();
    }
    settle(&mut cluster, 3, 10);

    assert!(
        cluster.saved_term_vote(0).term >= Term(2),
        "a new leader needs a new term"
    );
}

#[test]
fn lone_node_comes_back_with_everything_it_committed() {
    let mut cluster = cluster(13, 1);
    propose(&mut cluster, 0..30);
    settle(&mut cluster, 1, 30);
    propose(&mut cluster, 30..40);

    cluster.crash(0);
    cluster.restart(0).unwrap();
    settle(&mut cluster, 1, 30);
}

#[test]
fn minority_with_the_old_leader_commits_nothing() {
    let mut cluster = cluster(14, 5);
    propose(&mut cluster, 0..5);
    settle(&mut cluster, 5, 5);
    let old = elect(&mut cluster);
    let companion = (old + 1) % 5;
    cluster.set_partition(old, 1);
    cluster.set_partition(companion, 1);

    let before = cluster.committed();
    assert!(cluster.propose(old, "never"));
    cluster.run_for(Duration::from_millis(500)).unwrap();
    assert_eq!(cluster.committed(), before);
    let majority = |cluster: &Cluster| cluster.leader().is_some_and(|at| at != old);
    assert!(cluster.run_until(LONG, majority).unwrap());

    cluster.set_partition(old, 0);
    cluster.set_partition(companion, 0);
    propose(&mut cluster, 5..10);
    settle(&mut cluster, 5, 10);
    assert!(!cluster.applied(old).contains(&Bytes::from_static(b"never")));
}

#[test]
fn failed_sync_closes_the_node_and_the_others_go_on() {
    let mut cluster = cluster(15, 3);
    propose(&mut cluster, 0..5);
    settle(&mut cluster, 3, 5);

    let broken = elect(&mut cluster);
    cluster
        .disk(broken)
        .unwrap()
        .fail_nth(Op::Sync, 1, ErrorKind::StorageFull);
    assert!(cluster.propose(broken, "on a broken disk"));
    let closed = |cluster: &Cluster| cluster.failure(broken).is_some();
    assert!(cluster.run_until(LONG, closed).unwrap());

    let successor = |cluster: &Cluster| cluster.leader().is_some_and(|at| at != broken);
    assert!(cluster.run_until(LONG, successor).unwrap());
    propose(&mut cluster, 5..10);
    cluster.crash(broken);
    cluster.restart(broken).unwrap();
    settle(&mut cluster, 3, 10);
}

/// Issues 8519, 8523: a follower ran behind a log that went on growing, for minutes, while every
/// server called itself healthy.
#[test]
fn issue_8519_follower_that_was_away_catches_up_while_proposals_go_on() {
    for seed in 0..5 {
        let mut cluster = cluster(seed, 3);
        propose(&mut cluster, 0..10);
        settle(&mut cluster, 3, 10);
        let leader = elect(&mut cluster);
        let away = (leader + 1) % 3;
        cluster.set_partition(away, 1);
        propose(&mut cluster, 10..400);
        let missed = cluster.committed();
        cluster.set_partition(away, 0);

        // Something new with every 20 ms: the tip never stands still.
        let mut next = 400;
        for _ in 0..500 {
            if cluster.has_applied(away, missed) {
                break;
            }
            let leader = elect(&mut cluster);
            assert!(cluster.propose(leader, next.to_string()));
            next += 1;
            cluster.run_for(Duration::from_millis(20)).unwrap();
        }

        assert!(cluster.has_applied(away, missed), "seed {seed}: {missed}");
        settle(&mut cluster, 3, next as usize);
    }
}
