//! What a runtime lets an operator see: counters, times of syncs, the newest warning of a node.

#![cfg(feature = "runtime")]
#![allow(clippy::unwrap_used, reason = "it may fail by panicking")]

use std::time::Duration;

use bytes::Bytes;
use raft_core::config::{NodeConfig, Timing};
use raft_core::node::{ProposeError, Refused, Role};
use raft_core::runtime::{
    ClockKind, LogLevel, Loopback, NodeHandle, Runtime, RuntimeConfig, Transport,
};
use raft_core::types::{GroupName, PeerId, Term};
use tempfile::TempDir;

/// A leader without followers, on a real disk and a clock that the test moves.
struct Lone {
    node: NodeHandle,
    hub: Loopback,
    runtime: Runtime,
    _folder: TempDir,
}

impl Lone {
    fn leader() -> Self {
        let folder = TempDir::new().unwrap();
        let config = RuntimeConfig::builder()
            .clock(ClockKind::Manual)
            .timing(Timing::reference_tests())
            .seed(7);
        let runtime = Runtime::open(config.build().unwrap()).unwrap();
        let id = PeerId::from_server_name("S-1");
        let config = NodeConfig {
            token: 1,
            ..NodeConfig::new(id, GroupName::new("LONE").unwrap(), folder.path())
        };
        Runtime::bootstrap(&config, &[id], true, 0, 0).unwrap();
        let hub = Loopback::new();
        let node = runtime
            .start(config, Transport::Loopback(hub.clone()))
            .unwrap();
        runtime.advance(Duration::from_secs(4)).unwrap();
        assert_eq!(node.role(), Role::Leader);
        Self {
            node,
            hub,
            runtime,
            _folder: folder,
        }
    }

    /// Lets everything that is under way arrive.
    fn settle(&self) {
        self.runtime.advance(Duration::ZERO).unwrap();
    }
}

#[test]
fn refused_proposals_are_counted_by_their_reason() {
    let lone = Lone::leader();
    let term = lone.node.term();
    let propose = |term, data| lone.node.propose(term, data);
    assert_eq!(lone.runtime.metrics().refused, Refused::default());

    for _ in 0..2 {
        assert_eq!(
            propose(Term(99), Bytes::new()),
            Err(ProposeError::NotLeader)
        );
    }
    let huge = Bytes::from(vec![0; 128 * 1024 * 1024]);
    assert!(matches!(
        propose(term, huge),
        Err(ProposeError::TooLarge { .. })
    ));
    lone.settle();

    let refused = lone.runtime.metrics().refused;
    let expected = Refused {
        not_leader: 2,
        unfit: 1,
        ..Refused::default()
    };
    assert_eq!(refused, expected);
    assert_eq!(refused.total(), 3);
}

#[test]
fn each_sync_has_its_time_and_is_told_once() {
    let lone = Lone::leader();
    lone.node
        .propose(lone.node.term(), Bytes::from_static(b"x"))
        .unwrap();
    lone.settle();

    let syncs = lone.runtime.metrics().syncs;
    let first = lone.runtime.take_sync_times(1);
    let rest = lone.runtime.take_sync_times(usize::MAX);

    assert!(syncs >= 2, "the term's first entry and the proposal");
    assert_eq!((first.len() + rest.len()) as u64, syncs);
    let total = first.iter().chain(&rest).sum::<u64>();
    assert_eq!(total, lone.runtime.metrics().sync_nanos_total);
    assert!(lone.runtime.take_sync_times(usize::MAX).is_empty());
    assert_eq!(lone.runtime.metrics().sync_times_dropped, 0);
}

#[test]
fn newest_warning_of_a_node_is_kept() {
    let lone = Lone::leader();
    assert_eq!(lone.node.last_problem(), None);

    for garbage in [&b"first"[..], b"and last"] {
        lone.hub
            .inject("$NRG.AE.LONE", "", Bytes::copy_from_slice(garbage));
        lone.settle();
    }

    let problem = lone.node.last_problem().unwrap();
    assert_eq!(problem.level, LogLevel::Warn);
    assert_eq!(problem.peer, Some(lone.node.peer_id()));
    assert_eq!(problem.term, lone.node.term());
    let logged = lone.runtime.take_logs(usize::MAX);
    let warnings = || {
        logged
            .iter()
            .filter(|record| record.level == LogLevel::Warn)
    };
    assert_eq!(warnings().count(), 2);
    assert_eq!(warnings().next_back(), Some(&problem));
}
