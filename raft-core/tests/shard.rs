//! The loop without I/O: batches of writes, numbers of slots, nodes whose code panics.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::config::Timing;
use raft_core::node::{Node, NodeSetup, Output, Role, SubscriptionId, signal};
use raft_core::shard::{Delivery, Event, Faulted, Shard, Slot, SlotId, SyncDone, SyncedItem};
use raft_core::storage::{
    GroupWrites, LoadError, Log, LogKind, LogState, LogWrite, RealDisk, StorageError, StoreConfig,
    WriteSeq, bootstrap, open_group,
};
use raft_core::time::Instant;
use raft_core::types::{GroupName, Index, PeerId};
use raft_core::wire::PeerState;
use tempfile::TempDir;

/// Later than any first election timeout.
const LATER: Duration = Duration::from_secs(10);

/// A node alone in its group, in a folder of its own below `root`.
fn lone_node(
    root: &Path,
    group: &str,
    log: impl FnOnce(Box<dyn Log>) -> Box<dyn Log>,
) -> Arc<Slot> {
    let id = PeerId::from_server_name("S-1");
    let dir = root.join(group);
    let peers = PeerState {
        cluster_size: 1,
        peers: vec![id],
        domain_ext: 0,
    };
    bootstrap(&RealDisk, &dir, &peers).unwrap();
    let group = GroupName::new(group).unwrap();
    let config = StoreConfig {
        dir,
        group: group.clone(),
        kind: LogKind::File,
    };
    let opened = open_group(Arc::new(RealDisk), &config).unwrap();
    let setup = NodeSetup {
        id,
        group,
        timing: Timing::reference_tests(),
        managed: false,
        observer: false,
        recovering: false,
        scale_up: false,
        track: false,
        seed: 1,
        unknown_peers_online: true,
        log: log(opened.log),
        term_vote: opened.term_vote,
        peer_state: opened.peer_state.unwrap(),
        snapshots: opened.snapshots,
        last_seq: opened.last_seq,
    };
    let mut node = Node::recover(setup, Instant::ZERO).unwrap();
    node.handle_routing(true);
    Slot::new(node, opened.store, root.into())
}

/// Turns until nothing is left to do at `now`, the disk included. What came out, in order.
fn settle(shard: &mut Shard, now: Instant) -> (Vec<Output>, Vec<Event>) {
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    loop {
        shard.turn(now);
        sent.extend(std::iter::from_fn(|| shard.poll_send()).map(|(_, output)| output));
        events.extend(std::iter::from_fn(|| shard.poll_event()));
        while let Some(batch) = shard.poll_sync() {
            shard.handle_synced(batch.run(true));
        }
        if !shard.wants_turn() {
            return (sent, events);
        }
    }
}

fn signals(events: &[Event], of: SlotId) -> u32 {
    let bits = events.iter().map(|event| match event {
        Event::Signals { slot, bits } if *slot == of => *bits,
        _ => 0,
    });
    bits.fold(0, |all, bits| all | bits)
}

fn removed(events: &[Event]) -> Vec<SlotId> {
    let removed = events.iter().filter_map(|event| match event {
        Event::Removed { slot, .. } => Some(*slot),
        _ => None,
    });
    removed.collect()
}

/// A log that panics as soon as something is appended to it.
struct Bomb(Box<dyn Log>);

impl Log for Bomb {
    fn kind(&self) -> LogKind {
        self.0.kind()
    }

    fn state(&self) -> LogState {
        self.0.state()
    }

    fn append(&mut self, _: Index, _: WriteSeq, _: Bytes) -> Result<(), StorageError> {
        panic!("the bomb went off");
    }

    fn load(&self, index: Index) -> Result<Bytes, LoadError> {
        self.0.load(index)
    }

    fn truncate(&mut self, last: Index, seq: WriteSeq) -> Result<(), StorageError> {
        self.0.truncate(last, seq)
    }

    fn compact(&mut self, first: Index, seq: WriteSeq) -> Result<(), StorageError> {
        self.0.compact(first, seq)
    }

    fn take_writes(&mut self) -> Vec<LogWrite> {
        self.0.take_writes()
    }

    fn handle_written(&mut self, seq: WriteSeq) {
        self.0.handle_written(seq);
    }

    fn close(&mut self) {
        self.0.close();
    }
}

#[test]
fn node_that_panics_in_its_turn_is_closed_and_its_neighbour_goes_on() {
    let folder = TempDir::new().unwrap();
    let mut shard = Shard::new();
    let broken = lone_node(folder.path(), "BROKEN", |log| Box::new(Bomb(log)));
    let sound = lone_node(folder.path(), "SOUND", |log| log);
    let (bad, good) = (
        shard.insert(Arc::clone(&broken)),
        shard.insert(Arc::clone(&sound)),
    );

    let mut events = Vec::new();
    for second in 0..LATER.as_secs() {
        events.extend(settle(&mut shard, Instant::ZERO.after(Duration::from_secs(second))).1);
    }

    assert_eq!(sound.published().role(), Role::Leader);
    assert_eq!(signals(&events, bad) & signal::FAULT, signal::FAULT);
    assert_eq!(signals(&events, good) & signal::FAULT, 0);
    assert_eq!(removed(&events), [bad]);
    assert_eq!(broken.fault(), Some("the bomb went off"));
    assert_eq!(broken.published().role(), Role::Closed);
    assert_eq!(
        broken.command(|node| node.term()).map(|(term, _)| term),
        Err(Faulted)
    );
}

#[test]
fn command_that_panics_closes_the_node_with_its_next_turn() {
    let folder = TempDir::new().unwrap();
    let mut shard = Shard::new();
    let node = lone_node(folder.path(), "G", |log| log);
    let id = shard.insert(Arc::clone(&node));
    settle(&mut shard, Instant::ZERO);

    assert!(node.command(|_| -> () { panic!("of a command") }).is_err());
    shard.touch(id);
    let (_, events) = settle(&mut shard, Instant::ZERO);

    assert_eq!(signals(&events, id), signal::FAULT);
    assert_eq!(removed(&events), [id]);
    assert_eq!(node.fault(), Some("of a command"));
}

#[test]
fn one_batch_of_a_root_is_under_way_and_the_next_gathers() {
    let folder = TempDir::new().unwrap();
    let mut shard = Shard::new();
    let nodes = ["A", "B", "C"].map(|group| lone_node(folder.path(), group, |log| log));
    let ids = nodes.clone().map(|node| shard.insert(node));
    let now = Instant::ZERO.after(LATER);
    settle(&mut shard, Instant::ZERO);
    // Campaigning is due for all; each writes term and vote.
    shard.turn(now);

    let first = shard.poll_sync().unwrap();
    let slots: Vec<_> = first.items().iter().map(|item| item.slot).collect();
    assert_eq!(slots, ids, "one batch for all groups of the root");
    nodes[1]
        .command(|node| node.set_observer(true, now))
        .unwrap();
    shard.touch(ids[1]);
    shard.turn(now);
    assert!(shard.poll_sync().is_none(), "the first is still under way");

    shard.handle_synced(first.run(true));
    shard.turn(now);
    assert!(
        shard.poll_sync().is_some(),
        "the first entries of three leaders"
    );
}

#[test]
fn stopped_node_leaves_once_its_write_is_back() {
    let folder = TempDir::new().unwrap();
    let mut shard = Shard::new();
    let node = lone_node(folder.path(), "G", |log| log);
    let id = shard.insert(Arc::clone(&node));
    settle(&mut shard, Instant::ZERO);
    shard.turn(Instant::ZERO.after(LATER));
    let batch = shard.poll_sync().unwrap();

    node.command(Node::stop).unwrap();
    shard.touch(id);
    shard.turn(Instant::ZERO.after(LATER));
    assert_eq!(shard.len(), 1);

    shard.handle_synced(batch.run(true));
    shard.turn(Instant::ZERO.after(LATER));
    assert!(shard.is_empty());
}

#[test]
fn issue_3911_failed_write_closes_its_group_alone() {
    let folder = TempDir::new().unwrap();
    let mut shard = Shard::new();
    let nodes = ["A", "B"].map(|group| lone_node(folder.path(), group, |log| log));
    let ids = nodes.clone().map(|node| shard.insert(node));
    let now = Instant::ZERO.after(LATER);
    settle(&mut shard, Instant::ZERO);
    shard.turn(now);

    let batch = shard.poll_sync().unwrap();
    let root = batch.root;
    let outcome = |at: usize, error| {
        let GroupWrites { upto, .. } = batch.items()[at].writes;
        SyncedItem {
            slot: ids[at],
            upto,
            error,
            snapshots: Vec::new(),
        }
    };
    let failed = Some(Arc::new(StorageError::Closed));
    let items = vec![outcome(0, failed), outcome(1, None)];
    shard.handle_synced(SyncDone { root, items });
    let (_, events) = settle(&mut shard, now);

    assert_eq!(nodes[0].published().role(), Role::Closed);
    assert_eq!(signals(&events, ids[0]) & signal::FAULT, signal::FAULT);
    assert_eq!(nodes[1].published().role(), Role::Leader);
}

#[test]
fn number_of_a_node_that_left_reaches_nobody() {
    let folder = TempDir::new().unwrap();
    let mut shard = Shard::new();
    let first = lone_node(folder.path(), "A", |log| log);
    let old = shard.insert(Arc::clone(&first));
    settle(&mut shard, Instant::ZERO);
    first.command(Node::stop).unwrap();
    shard.touch(old);
    settle(&mut shard, Instant::ZERO);
    let new = shard.insert(lone_node(folder.path(), "B", |log| log));
    settle(&mut shard, Instant::ZERO);

    assert_eq!(old.index(), new.index());
    assert_ne!(old, new);
    let payload = Bytes::from_static(b"late");
    let subscription = SubscriptionId(1);
    shard.deliver(Delivery {
        slot: old,
        subscription,
        reply: None,
        payload,
    });
    shard.touch(old);
    assert!(!shard.wants_turn());
    assert!(shard.slot(old).is_none());
    assert!(shard.slot(new).is_some());
}
