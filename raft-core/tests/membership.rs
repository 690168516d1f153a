//! Members and bounds under the real runtime, asked by many threads at once.

#![cfg(feature = "runtime")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it may fail by panicking"
)]

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use raft_core::config::NodeConfig;
use raft_core::node::{Committed, MembershipError, ProposeError};
use raft_core::runtime::{ClockKind, Loopback, NodeHandle, Runtime, RuntimeConfig, Transport};
use raft_core::storage::LogKind;
use raft_core::types::{EntryType, GroupName, Index, PeerId};
use tempfile::TempDir;

const THREADS: u64 = 8;

/// A group on moved time, whose applications count entries.
struct Group {
    runtime: Runtime,
    hub: Loopback,
    folders: TempDir,
    nodes: Vec<NodeHandle>,
    applied: BTreeMap<PeerId, usize>,
}

impl Group {
    fn new(size: usize, backlog_bytes_max: u64) -> Self {
        let config = RuntimeConfig::builder()
            .clock(ClockKind::Manual)
            .seed(7)
            .backlog_bytes_max(backlog_bytes_max);
        let mut group = Self {
            runtime: Runtime::open(config.build().unwrap()).unwrap(),
            hub: Loopback::new(),
            folders: TempDir::new().unwrap(),
            nodes: Vec::new(),
            applied: BTreeMap::new(),
        };
        let ids: Vec<PeerId> = (0..size).map(id).collect();
        for id in &ids {
            group.start(*id, &ids);
        }
        group
    }

    fn start(&mut self, peer: PeerId, known: &[PeerId]) {
        let root = self.folders.path().join(peer.to_string());
        let group = GroupName::new("TEST").unwrap();
        let config = NodeConfig {
            log: LogKind::Memory,
            token: self.nodes.len() as u64 + 1,
            ..NodeConfig::new(peer, group, root)
        };
        Runtime::bootstrap(&config, known, true, 0, 0).unwrap();
        let transport = Transport::Loopback(self.hub.clone());
        self.nodes
            .push(self.runtime.start(config, transport).unwrap());
    }

    fn apply(&mut self) {
        for node in &self.nodes {
            let mut last = Index::ZERO;
            for item in node.take_applied(usize::MAX, usize::MAX) {
                if let Committed::Entries(committed) = item {
                    let normal = committed.entries();
                    let count = normal.filter(|e| e.kind == EntryType::Normal).count();
                    *self.applied.entry(node.peer_id()).or_default() += count;
                    last = committed.index;
                }
            }
            if last > Index::ZERO {
                node.processed(last, last);
            }
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let limit = self.runtime.now().after(Duration::from_secs(600));
        loop {
            self.runtime.advance(Duration::from_millis(20)).unwrap();
            self.apply();
            if done(self) {
                return;
            }
            assert!(self.runtime.now() < limit, "{what} did not happen");
        }
    }

    fn elect(&mut self) -> NodeHandle {
        let leader = |group: &Self| group.nodes.iter().position(NodeHandle::is_leader);
        self.until("an election", |group| leader(group).is_some());
        self.nodes[leader(self).unwrap()].clone()
    }

    fn others(&self, than: &NodeHandle) -> Vec<NodeHandle> {
        let is_other = |node: &&NodeHandle| node.peer_id() != than.peer_id();
        self.nodes.iter().filter(is_other).cloned().collect()
    }
}

fn id(number: usize) -> PeerId {
    PeerId::from_server_name(&format!("S-{number}"))
}

/// Memory that only a commit frees stays bounded whoever proposes, and nothing taken is lost.
#[test]
fn proposers_on_many_threads_are_held_to_the_bound_and_what_was_taken_commits() {
    const BOUND: u64 = 256 * 1024;
    const DATA: usize = 1_000;
    let mut group = Group::new(3, BOUND);
    let leader = group.elect();
    let term = leader.term();
    let others = group.others(&leader);
    others.iter().for_each(NodeHandle::freeze);

    let propose_until_refused = || {
        let mut taken = 0_usize;
        loop {
            match leader.propose(term, Bytes::from(vec![1; DATA])) {
                Ok(()) => taken += 1,
                Err(ProposeError::Backlog { have, max }) => {
                    assert!(have >= max && max == BOUND);
                    return taken;
                }
                Err(other) => panic!("{other}"),
            }
        }
    };
    let taken: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(propose_until_refused))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });

    // What counts is the messages. One for each proposal has the longest heads together.
    assert!((taken * (DATA + 100)) as u64 >= BOUND, "{taken}");
    // Between two turns of the node the threads may fill the room it last showed once more.
    assert!(taken as u64 * (DATA as u64) <= 2 * BOUND + THREADS * DATA as u64);
    assert!(leader.is_leader(), "refusing is not stepping down");
    others.iter().for_each(NodeHandle::unfreeze);
    group.until("the commit of everything taken", |group| {
        let counts: Vec<usize> = group.applied.values().copied().collect();
        counts == [taken; 3]
    });
    assert_eq!(leader.status().backlog_bytes, 0);
    assert_eq!(leader.propose(term, Bytes::new()), Ok(()));
}

/// Of changes proposed at the same time one is taken; the others hear why not.
#[test]
fn members_proposed_on_many_threads_change_one_at_a_time() {
    let mut group = Group::new(3, 1 << 20);
    let leader = group.elect();
    let others = group.others(&leader);
    others.iter().for_each(NodeHandle::freeze);
    let newcomers: Vec<PeerId> = (10..).take(8).map(id).collect();

    let outcomes: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = newcomers
            .iter()
            .map(|peer| scope.spawn(|| leader.propose_add_peer(*peer)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });

    let taken = outcomes.iter().filter(|o| o.is_ok()).count();
    assert_eq!(taken, 1);
    let refused = Err(MembershipError::ChangeInProgress);
    assert!(outcomes.iter().all(|o| o.is_ok() || *o == refused));
    others.iter().for_each(NodeHandle::unfreeze);
    group.until("the commit of the one", |group| {
        let settled = |node: &NodeHandle| {
            let status = node.status();
            status.cluster_size == 4 && !status.membership_change
        };
        group.nodes.iter().all(settled)
    });
}

/// Newcomers need no proposal of anybody in an unmanaged group, and they come one by one.
#[test]
fn newcomers_join_by_answering_and_hold_what_the_others_hold() {
    let mut group = Group::new(1, 1 << 20);
    let leader = group.elect();
    leader
        .propose(leader.term(), Bytes::from_static(b"one"))
        .unwrap();

    let ids: Vec<PeerId> = (0..5).map(id).collect();
    for newcomer in 1..5 {
        group.start(ids[newcomer], &ids);
    }

    group.until("five members", |group| {
        let joined = |node: &NodeHandle| node.status().cluster_size == 5;
        let holds = |node: &NodeHandle| group.applied.get(&node.peer_id()) == Some(&1);
        group.nodes.iter().all(|node| joined(node) && holds(node))
    });
    assert!(leader.is_leader());
}
