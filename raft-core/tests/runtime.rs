//! Nodes under the real runtime: threads, real files, the loopback hub.
//!
//! Time is moved by hand wherever a test depends on it; nothing sleeps.

#![cfg(feature = "runtime")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "it may fail by panicking, and its numbers are small"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use raft_core::config::{NodeConfig, SyncPolicy, Timing};
use raft_core::node::{Committed, ProposeError, Role};
use raft_core::runtime::{
    ClockKind, Loopback, NodeHandle, Ready, Runtime, RuntimeConfig, RuntimeConfigBuilder,
    StartError, Transport, ready,
};
use raft_core::storage::LogKind;
use raft_core::types::{EntryType, GroupName, Index, PeerId, Term};
use tempfile::TempDir;

const NAMES: [&str; 3] = ["S-1", "S-2", "S-3"];

/// Three servers of one group, played by the test: it drains every apply queue.
struct Group {
    runtime: Runtime,
    hub: Loopback,
    kind: LogKind,
    folders: TempDir,
    nodes: Vec<NodeHandle>,
    /// What each server's application has seen, by token.
    applied: BTreeMap<u64, Vec<Bytes>>,
}

impl Group {
    fn new(kind: LogKind, shards: usize) -> Self {
        Self::with(kind, manual().shards(shards))
    }

    fn with(kind: LogKind, config: RuntimeConfigBuilder) -> Self {
        let folders = TempDir::new().unwrap();
        let runtime = Runtime::open(config.build().unwrap()).unwrap();
        let applied = BTreeMap::new();
        let mut group = Self {
            runtime,
            hub: Loopback::new(),
            kind,
            folders,
            nodes: Vec::new(),
            applied,
        };
        let ids: Vec<_> = NAMES
            .iter()
            .map(|name| PeerId::from_server_name(name))
            .collect();
        for at in 0..NAMES.len() {
            Runtime::bootstrap(&group.config(at), &ids, true, 0, 0).unwrap();
            let node = group.start(at).unwrap();
            group.nodes.push(node);
        }
        group
    }

    fn config(&self, at: usize) -> NodeConfig {
        let id = PeerId::from_server_name(NAMES[at]);
        let group = GroupName::new("TEST").unwrap();
        let root = self.folders.path().join(NAMES[at]);
        let token = at as u64 + 1;
        NodeConfig {
            log: self.kind,
            token,
            ..NodeConfig::new(id, group, root)
        }
    }

    fn start(&self, at: usize) -> Result<NodeHandle, StartError> {
        self.runtime
            .start(self.config(at), Transport::Loopback(self.hub.clone()))
    }

    /// Takes and reports everything that is committed; says whether there was anything.
    fn apply(&mut self) -> bool {
        let mut any = false;
        for node in &self.nodes {
            let mut last = Index::ZERO;
            for item in node.take_applied(usize::MAX, usize::MAX) {
                any = true;
                let Committed::Entries(committed) = item else {
                    continue;
                };
                let seen = self.applied.entry(node.token()).or_default();
                let normal = |kind| kind == EntryType::Normal;
                let data = committed.entries().filter(|entry| normal(entry.kind));
                seen.extend(data.map(|entry| Bytes::copy_from_slice(entry.data)));
                last = committed.index;
            }
            if last > Index::ZERO {
                node.processed(last, last);
            }
        }
        any
    }

    /// Moves time until `done`, for an hour at most.
    fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let limit = self.runtime.now().after(Duration::from_secs(3_600));
        loop {
            self.runtime.advance(Duration::from_millis(20)).unwrap();
            let applied = self.apply();
            if !applied && done(self) {
                return;
            }
            assert!(self.runtime.now() < limit, "{what} did not happen");
        }
    }

    fn leader(&self) -> Option<&NodeHandle> {
        self.nodes.iter().find(|node| node.is_leader())
    }

    fn elect(&mut self) -> NodeHandle {
        self.until("an election", |group| group.leader().is_some());
        self.leader().unwrap().clone()
    }

    fn seen(&self, at: usize) -> &[Bytes] {
        self.applied
            .get(&(at as u64 + 1))
            .map_or(&[], Vec::as_slice)
    }

    fn all_have(&mut self, count: usize) {
        self.until("replication", |group| {
            let seen = |node: &NodeHandle| group.applied.get(&node.token()).map_or(0, Vec::len);
            group.nodes.iter().all(|node| seen(node) >= count)
        });
    }
}

fn manual() -> RuntimeConfigBuilder {
    RuntimeConfig::builder()
        .clock(ClockKind::Manual)
        .timing(Timing::reference_tests())
        .seed(7)
}

fn numbered(range: std::ops::Range<u32>) -> Vec<Bytes> {
    range
        .map(|number| Bytes::from(format!("entry {number}")))
        .collect()
}

/// The server keeps timers in variables of the process.
#[test]
fn each_runtime_has_its_own_timing() {
    let timed = |timing| Group::with(LogKind::Memory, manual().timing(timing));
    let (quick, slow) = (timed(Timing::reference_tests()), timed(Timing::default()));

    for group in [&quick, &slow] {
        group.runtime.advance(Duration::from_millis(3_600)).unwrap();
    }

    let terms = |group: &Group| group.nodes.iter().map(|node| node.term().0).max();
    assert!(
        terms(&quick) > Some(0),
        "elections end after 3.5 s at the latest"
    );
    assert_eq!(terms(&slow), Some(0), "and begin after 4 s at the earliest");
}

#[test]
fn three_nodes_elect_and_replicate_in_order() {
    for (kind, shards) in [(LogKind::Memory, 1), (LogKind::File, 1), (LogKind::File, 4)] {
        let mut group = Group::new(kind, shards);
        let leader = group.elect();

        for data in numbered(0..50) {
            leader.propose(leader.term(), data).unwrap();
        }
        let data = numbered(50..60);
        let lengths: Vec<_> = data.iter().map(|data| data.len() as u32).collect();
        leader
            .propose_slices(leader.term(), data.concat().into(), &lengths)
            .unwrap();
        group.all_have(60);

        for at in 0..3 {
            assert_eq!(
                group.seen(at),
                numbered(0..60),
                "{kind:?} on {shards} shards"
            );
        }
    }
}

#[test]
fn proposals_are_refused_by_followers_and_for_other_terms() {
    let mut group = Group::new(LogKind::Memory, 1);
    let leader = group.elect();
    let follower = group
        .nodes
        .iter()
        .find(|node| !node.is_leader())
        .unwrap()
        .clone();

    let refused = Err(ProposeError::NotLeader);
    assert_eq!(follower.propose(follower.term(), Bytes::new()), refused);
    assert_eq!(
        leader.propose(Term(leader.term().0 + 1), Bytes::new()),
        refused
    );
    assert_eq!(leader.propose(Term::ZERO, Bytes::new()), refused);

    follower
        .forward_proposal(Bytes::from_static(b"forwarded"))
        .unwrap();
    group.all_have(1);
    assert_eq!(group.seen(0), [Bytes::from_static(b"forwarded")]);
}

#[test]
fn large_and_small_proposals_keep_their_order() {
    let mut group = Group::new(LogKind::Memory, 1);
    let leader = group.elect();
    let large = Bytes::from(vec![7; 300 * 1024]);

    leader
        .propose(leader.term(), Bytes::from_static(b"first"))
        .unwrap();
    leader.propose(leader.term(), large.clone()).unwrap();
    leader
        .propose(leader.term(), Bytes::from_static(b"last"))
        .unwrap();
    group.all_have(3);

    let expected = [
        Bytes::from_static(b"first"),
        large,
        Bytes::from_static(b"last"),
    ];
    assert_eq!(group.seen(1), expected);
}

#[test]
fn loss_of_the_leader_is_survived_and_the_node_comes_back_equal() {
    let mut group = Group::new(LogKind::File, 1);
    let leader = group.elect();
    let at = (leader.token() - 1) as usize;
    for data in numbered(0..20) {
        leader.propose(leader.term(), data).unwrap();
    }
    group.all_have(20);

    leader.stop();
    group.runtime.advance(Duration::ZERO).unwrap();
    assert!(
        leader.wait_stopped(Some(Duration::ZERO)),
        "a stop needs no time"
    );
    group.nodes.remove(at);
    let successor = group.elect();
    assert_ne!(successor.peer_id(), leader.peer_id());
    for data in numbered(20..40) {
        successor.propose(successor.term(), data).unwrap();
    }
    group.until("commit without the old leader", |group| {
        group
            .applied
            .values()
            .filter(|seen| seen.len() == 40)
            .count()
            == 2
    });

    group.applied.remove(&leader.token());
    let restarted = group.start(at).unwrap();
    group.nodes.insert(at, restarted);
    group.all_have(40);
    assert_eq!(group.seen(at), numbered(0..40));
}

#[test]
fn second_start_of_a_group_waits_for_the_first_to_be_gone() {
    let mut group = Group::new(LogKind::File, 1);

    assert!(matches!(group.start(0), Err(StartError::AlreadyRunning)));
    let first = group.nodes.remove(0);
    first.stop();
    assert!(first.wait_stopped(Some(Duration::from_secs(10))));
    assert!(first.is_closed());
    assert_eq!(
        first.propose(Term(1), Bytes::new()),
        Err(ProposeError::Closed)
    );

    assert!(group.start(0).is_ok());
}

#[test]
fn deleted_group_leaves_no_folder_and_can_be_started_anew() {
    let group = Group::new(LogKind::File, 1);
    let dir = group.config(0).store_dir();
    assert!(dir.join("peers.idx").exists());

    group.nodes[0].delete().unwrap();

    assert!(group.nodes[0].is_deleted());
    assert!(!dir.exists());
    assert!(
        matches!(group.start(0), Err(StartError::Storage(_))),
        "never bootstrapped again"
    );
    Runtime::bootstrap(&group.config(0), &[group.nodes[0].peer_id()], true, 0, 0).unwrap();
    let again = group.start(0).unwrap();
    assert!(
        group.nodes[0].delete().is_err(),
        "an old handle does not delete its successor"
    );
    assert!(!again.is_closed());
}

#[test]
fn partitioned_leader_is_replaced_and_follows_once_healed() {
    let mut group = Group::new(LogKind::Memory, 1);
    let old = group.elect();
    group.hub.set_partition(old.peer_id(), 1);

    group.until("a second leader", |group| {
        group
            .nodes
            .iter()
            .any(|node| node.is_leader() && node.peer_id() != old.peer_id())
    });
    group.hub.heal(old.peer_id());
    group.until("the old leader following", |_| old.role() == Role::Follower);

    let leader = group.elect();
    assert!(leader.term() > Term(1));
    group.until("one mind", |group| {
        group
            .nodes
            .iter()
            .all(|node| node.leader() == Some(leader.peer_id()))
    });
}

#[test]
fn frozen_node_keeps_its_messages_until_it_goes_on() {
    let mut group = Group::new(LogKind::Memory, 1);
    let leader = group.elect();
    let frozen = group
        .nodes
        .iter()
        .find(|node| !node.is_leader())
        .unwrap()
        .clone();
    group.nodes.retain(|node| node.token() != frozen.token());
    frozen.freeze();

    for data in numbered(0..5) {
        leader.propose(leader.term(), data).unwrap();
    }
    group.all_have(5);
    assert_eq!(frozen.role(), Role::Follower, "read without a lock");

    frozen.unfreeze();
    group.nodes.push(frozen.clone());
    group.until("the frozen node's applies", |group| {
        group
            .applied
            .get(&frozen.token())
            .is_some_and(|seen| seen.len() == 5)
    });
}

#[test]
fn events_name_the_node_and_end_with_stopped() {
    let mut group = Group::new(LogKind::Memory, 1);
    let leader = group.elect();
    let mut events = [Ready::default(); 16];
    let mut masks = BTreeMap::<u64, u32>::new();
    let mut drain = |group: &Group, masks: &mut BTreeMap<u64, u32>| {
        let count = group
            .runtime
            .poll_ready(Some(Duration::ZERO), &mut events)
            .unwrap();
        for event in &events[..count] {
            *masks.entry(event.token).or_default() |= event.mask;
        }
    };
    drain(&group, &mut masks);
    assert_eq!(masks[&leader.token()] & (ready::APPLY | ready::LEADER), 3);
    let change = leader.take_lead_change().unwrap();
    assert_eq!((change.is_leader, change.term), (true, leader.term()));

    masks.clear();
    leader.stop();
    assert!(leader.wait_stopped(Some(Duration::from_secs(10))));
    drain(&group, &mut masks);
    assert_eq!(masks[&leader.token()] & ready::STOPPED, ready::STOPPED);

    masks.clear();
    leader.processed(Index(1), Index(1));
    drain(&group, &mut masks);
    assert!(!masks.contains_key(&leader.token()));
    assert!(group.runtime.metrics().leader_changes > 0);
}

#[test]
fn blocked_poll_is_woken_and_ends_with_the_runtime() {
    let runtime = Runtime::open(RuntimeConfig::default()).unwrap();
    std::thread::scope(|scope| {
        let poll = || runtime.poll_ready(None, &mut [Ready::default(); 1]);
        let poller = scope.spawn(poll);
        runtime.wake();
        assert_eq!(poller.join().unwrap(), Ok(0));

        let poller = scope.spawn(poll);
        runtime.shutdown();
        assert!(poller.join().unwrap().is_err());
    });
}

#[test]
fn runtime_that_is_dropped_stops_its_nodes() {
    let group = Group::new(LogKind::File, 2);
    let Group {
        runtime,
        nodes,
        hub,
        folders,
        ..
    } = group;
    let config = NodeConfig::new(
        PeerId::from_server_name("S-9"),
        GroupName::new("LATE").unwrap(),
        folders.path(),
    );
    Runtime::bootstrap(&config, &[config.peer_id], true, 0, 0).unwrap();
    nodes[0].freeze();
    runtime.shutdown();

    let late = runtime.start(config, Transport::Loopback(hub));
    assert!(matches!(late, Err(StartError::ShutDown)));
    drop(runtime);
    for node in &nodes {
        assert!(
            node.wait_stopped(Some(Duration::from_secs(10))),
            "{:?}",
            node.peer_id()
        );
    }
}

#[test]
fn lone_node_commits_with_its_own_sync_under_each_policy() {
    let policies = [
        SyncPolicy::Always,
        SyncPolicy::Never,
        SyncPolicy::Interval(Duration::from_millis(1)),
    ];
    for sync in policies {
        let folders = TempDir::new().unwrap();
        let runtime = Runtime::open(manual().sync(sync).build().unwrap()).unwrap();
        let id = PeerId::from_server_name("S-1");
        let config = NodeConfig::new(id, GroupName::new("LONE").unwrap(), folders.path());
        Runtime::bootstrap(&config, &[id], true, 0, 0).unwrap();
        let hub = Transport::Loopback(Loopback::new());
        let node = runtime.start(config, hub).unwrap();

        runtime.advance(Duration::from_secs(4)).unwrap();
        assert_eq!(node.role(), Role::Leader);
        node.propose(node.term(), Bytes::from_static(b"x")).unwrap();
        runtime.advance(Duration::ZERO).unwrap();

        assert_eq!(node.status().commit, Index(2));
        assert!(runtime.metrics().syncs > 0);
    }
}

#[test]
fn inject_and_tap_reach_what_nodes_reach() {
    let mut group = Group::new(LogKind::Memory, 1);
    let tap = group.hub.tap("$NRG.AE.*");
    let leader = group.elect();

    let reached = group
        .hub
        .inject("$NRG.P.TEST", "", Bytes::from_static(b"by hand"));

    assert_eq!(reached, 1, "only the leader listens for proposals");
    group.all_have(1);
    assert_eq!(group.seen(2), [Bytes::from_static(b"by hand")]);
    let seen = tap.take();
    assert!(!seen.is_empty());
    assert!(
        seen.iter()
            .all(|message| message.from == Some(leader.peer_id()))
    );
    assert!(seen.iter().all(|message| message.subject == "$NRG.AE.TEST"));
}

#[cfg(feature = "testing")]
#[test]
fn node_that_panics_is_closed_and_reported_and_the_group_goes_on() {
    let mut group = Group::new(LogKind::Memory, 1);
    let leader = group.elect();

    let outcome = leader.with_node(|_| -> () { panic!("for the test") });
    assert!(outcome.is_err());
    assert!(leader.wait_stopped(Some(Duration::from_secs(10))));

    assert_eq!(leader.fault().as_deref(), Some("for the test"));
    assert!(leader.is_closed());
    assert_eq!(leader.status().role, Role::Closed);
    assert_eq!(
        leader.propose(Term(1), Bytes::new()),
        Err(ProposeError::Closed)
    );
    assert_eq!(
        leader.pause_apply(),
        Err(raft_core::node::PauseError::Closed)
    );
    let mut events = [Ready::default(); 16];
    let count = group
        .runtime
        .poll_ready(Some(Duration::ZERO), &mut events)
        .unwrap();
    let mask = events[..count]
        .iter()
        .find(|event| event.token == leader.token())
        .unwrap()
        .mask;
    let both = ready::FAULT | ready::STOPPED;
    assert_eq!(mask & both, both);
    group.nodes.retain(|node| node.token() != leader.token());
    assert_ne!(group.elect().peer_id(), leader.peer_id());
}

/// Two writers on one log would overwrite each other's records.
#[test]
fn folder_belongs_to_one_node_across_runtimes_until_it_has_stopped() {
    let folder = TempDir::new().unwrap();
    let id = PeerId::from_server_name(NAMES[0]);
    let config = NodeConfig::new(id, GroupName::new("TEST").unwrap(), folder.path());
    Runtime::bootstrap(&config, &[id], true, 0, 0).unwrap();
    let runtimes = [(); 2].map(|()| Runtime::open(manual().build().unwrap()).unwrap());
    let hub = Loopback::new();
    let start = |at: usize| runtimes[at].start(config.clone(), Transport::Loopback(hub.clone()));
    let first = start(0).unwrap();

    let refused = start(1).unwrap_err();
    let again = Runtime::bootstrap(&config, &[id], true, 0, 0).unwrap_err();

    assert!(refused.to_string().contains("is in use"), "{refused}");
    assert!(again.to_string().contains("is in use"), "{again}");

    first.stop();
    assert!(first.wait_stopped(Some(Duration::from_secs(10))));

    // The handle of the stopped node is still there; the folder is free all the same.
    assert!(start(1).is_ok());
}
