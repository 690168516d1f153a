//! Snapshots under the real runtime: threads, real files, servers that come back.

#![cfg(feature = "runtime")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it is wrong"
)]

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use raft_core::config::{NodeConfig, Timing};
use raft_core::node::{Committed, SnapshotError};
use raft_core::runtime::{ClockKind, Loopback, NodeHandle, Runtime, RuntimeConfig, Transport};
use raft_core::storage::LogKind;
use raft_core::types::{EntryType, GroupName, Index, PeerId};
use tempfile::TempDir;

/// Servers of one group. The application's state is the text of all entries; a snapshot is it.
struct Group {
    runtime: Runtime,
    hub: Loopback,
    folders: TempDir,
    servers: Vec<Server>,
}

#[derive(Default)]
struct Server {
    node: Option<NodeHandle>,
    state: Vec<u8>,
    snapshots_seen: usize,
}

impl Group {
    fn new(count: usize) -> Self {
        let config = RuntimeConfig::builder()
            .clock(ClockKind::Manual)
            .timing(Timing::reference_tests());
        let mut group = Self {
            runtime: Runtime::open(config.build().unwrap()).unwrap(),
            hub: Loopback::new(),
            folders: TempDir::new().unwrap(),
            servers: Vec::new(),
        };
        let ids: Vec<_> = (0..count).map(id).collect();
        for at in 0..count {
            Runtime::bootstrap(&group.config(at), &ids, true, 0, 0).unwrap();
            group.servers.push(Server::default());
            group.start(at);
        }
        group
    }

    fn config(&self, at: usize) -> NodeConfig {
        let root = self.folders.path().join(at.to_string());
        NodeConfig {
            log: LogKind::File,
            token: at as u64 + 1,
            recovering: true,
            ..NodeConfig::new(id(at), GroupName::new("TEST").unwrap(), root)
        }
    }

    fn start(&mut self, at: usize) {
        let transport = Transport::Loopback(self.hub.clone());
        let node = self.runtime.start(self.config(at), transport).unwrap();
        self.servers[at] = Server {
            node: Some(node),
            ..Server::default()
        };
    }

    fn stop(&mut self, at: usize) {
        let node = self.servers[at].node.take().unwrap();
        node.stop();
        assert!(node.wait_stopped(None));
    }

    fn node(&self, at: usize) -> &NodeHandle {
        self.servers[at].node.as_ref().unwrap()
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let limit = self.runtime.now().after(Duration::from_secs(600));
        while !done(self) {
            self.runtime.advance(Duration::from_millis(20)).unwrap();
            for server in &mut self.servers {
                server.apply();
            }
            assert!(self.runtime.now() < limit, "{what} did not happen");
        }
    }

    fn elect(&mut self) -> usize {
        let leads = |server: &Server| server.node.as_ref().is_some_and(NodeHandle::is_leader);
        self.until("an election", |group| group.servers.iter().any(leads));
        self.servers.iter().position(leads).unwrap()
    }

    /// Proposes on the leader, whoever that is by then, and waits until it is everywhere.
    fn write(&mut self, text: &[u8]) {
        let leader = self.elect();
        let node = self.node(leader).clone();
        let want = [&self.servers[leader].state[..], text].concat();
        for byte in text {
            let data = Bytes::copy_from_slice(&[*byte]);
            node.propose(node.term(), data).unwrap();
        }
        self.all_have(&want);
    }

    fn all_have(&mut self, want: &[u8]) {
        self.until("replication", |group| {
            let up = group.servers.iter().filter(|server| server.node.is_some());
            up.into_iter().all(|server| server.state == want)
        });
    }

    fn install(&self, at: usize) -> u64 {
        let data = Bytes::copy_from_slice(&self.servers[at].state);
        self.node(at).install_snapshot(data, false).unwrap()
    }

    fn snapshot_files(&self, at: usize) -> Vec<String> {
        let folder: PathBuf = self.config(at).store_dir().join("snapshots");
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Server {
    fn apply(&mut self) {
        let Some(node) = &self.node else { return };
        for item in node.take_applied(usize::MAX, usize::MAX) {
            let Committed::Entries(committed) = item else {
                continue;
            };
            for entry in committed.entries() {
                match entry.kind {
                    EntryType::Snapshot => {
                        self.state = entry.data.to_vec();
                        self.snapshots_seen += 1;
                    }
                    _ => self.state.extend_from_slice(entry.data),
                }
            }
            node.processed(committed.index, committed.index);
        }
    }
}

fn id(at: usize) -> PeerId {
    PeerId::from_server_name(&format!("S-{at}"))
}

#[test]
fn restarted_server_begins_with_its_snapshot() {
    let mut group = Group::new(1);
    group.write(b"abc");

    let freed = group.install(0);
    group.write(b"de");
    group.stop(0);
    group.start(0);

    assert!(freed > 0);
    group.elect();
    group.all_have(b"abcde");
    assert_eq!(group.servers[0].snapshots_seen, 1);
    assert_eq!(group.snapshot_files(0).len(), 1);
    let last = group.node(0).load_last_snapshot().unwrap();
    assert_eq!(last.data, b"abc".as_slice());
}

/// TestNRGSnapshotCatchup: the leader has no longer what the follower lacks.
#[test]
fn server_that_was_away_catches_up_from_the_leaders_snapshot() {
    let mut group = Group::new(3);
    group.write(b"a");
    let leader = group.elect();
    let away = (leader + 1) % 3;
    group.stop(away);
    group.write(b"bcdef");
    group.install(leader);
    group.write(b"g");

    group.start(away);
    group.all_have(b"abcdefg");

    assert_eq!(group.servers[away].snapshots_seen, 1);
    assert_eq!(group.snapshot_files(away), group.snapshot_files(leader));
    // What it was sent is its own from now on.
    group.stop(away);
    group.start(away);
    group.all_have(b"abcdefg");
    assert_eq!(group.servers[away].snapshots_seen, 1);
}

#[test]
fn checkpoint_reads_what_the_next_snapshot_is_made_of() {
    let mut group = Group::new(1);
    group.write(b"abc");
    group.install(0);
    group.write(b"de");
    let node = group.node(0).clone();

    let checkpoint = node.open_checkpoint(false).unwrap();
    let refused = node.install_snapshot(Bytes::new(), false).unwrap_err();
    let before = checkpoint.load_last_snapshot().unwrap();
    let mut state = before.data.to_vec();
    let mut from = Index::ZERO;
    while let [entry] = &checkpoint.entries(from, 1, 0).unwrap()[..] {
        from = entry.index().next();
        let normal = entry.entries().filter(|e| e.kind == EntryType::Normal);
        normal.for_each(|entry| state.extend_from_slice(entry.data));
    }
    group.write(b"f");
    checkpoint.install(state.into()).unwrap();

    assert!(matches!(refused, SnapshotError::InProgress));
    let last = node.load_last_snapshot().unwrap();
    assert_eq!(
        (last.index, &last.data[..]),
        (checkpoint.index(), &b"abcde"[..])
    );
    let again = checkpoint.install(Bytes::new()).unwrap_err();
    assert!(matches!(again, SnapshotError::Aborted));
    // A handle that is dropped is aborted: the next one is not in its way.
    drop(node.open_checkpoint(false).unwrap());
    node.open_checkpoint(false).unwrap().abort();
    assert!(!node.need_snapshot());
}

#[test]
fn install_on_a_node_that_stops_ends() {
    let mut group = Group::new(1);
    group.write(b"abc");
    let node = group.node(0).clone();
    let checkpoint = node.open_checkpoint(false).unwrap();

    node.freeze();
    let outcome = thread::scope(|scope| {
        let installing = scope.spawn(|| checkpoint.install(Bytes::new()));
        node.stop();
        installing.join().unwrap()
    });

    assert!(matches!(outcome, Err(SnapshotError::NodeClosed)));
    assert!(matches!(
        checkpoint.load_last_snapshot(),
        Err(SnapshotError::NodeClosed)
    ));
    drop(checkpoint);
    assert!(node.wait_stopped(None));
}

/// Every call returns, whoever else does what; what is adopted in the end can be read.
#[test]
fn installs_race_each_other_and_the_end_of_the_node() {
    let mut group = Group::new(1);
    group.write(b"abc");
    let node = group.node(0).clone();
    let data = Bytes::from_static(b"abc");

    thread::scope(|scope| {
        for force in [false, true, true] {
            let (node, data) = (node.clone(), data.clone());
            scope.spawn(move || {
                for round in 0..50 {
                    let _refused = node.propose(node.term(), data.clone());
                    let commit = node.status().commit;
                    node.processed(commit, commit);
                    match node.open_checkpoint(force) {
                        Ok(checkpoint) if round % 3 == 0 => drop(checkpoint),
                        Ok(checkpoint) => {
                            let _raced = checkpoint.install(data.clone());
                        }
                        Err(_) => {
                            let _raced = node.install_snapshot(data.clone(), force);
                        }
                    }
                }
            });
        }
    });

    let last = node.load_last_snapshot().unwrap();
    assert_eq!(last.data, data);
    // The file of one that was overtaken goes with a write of its own.
    group.until("a single file", |group| group.snapshot_files(0).len() == 1);
    thread::scope(|scope| {
        let racing = scope.spawn(|| {
            while !node.is_closed() {
                let _raced = node.install_snapshot(data.clone(), true);
            }
        });
        node.stop();
        racing.join().unwrap();
    });
    assert!(node.wait_stopped(None));
}

#[test]
fn reset_server_starts_from_nothing() {
    let mut group = Group::new(1);
    group.write(b"abc");
    group.install(0);
    let node = group.node(0).clone();
    node.set_observer(true);

    node.reset();
    group.until("the reset", |group| group.snapshot_files(0).is_empty());
    group.stop(0);
    group.start(0);

    let status = group.node(0).status();
    assert_eq!(
        (status.last_index, status.commit),
        (Index::ZERO, Index::ZERO)
    );
    assert_eq!(group.node(0).peers().len(), 1);
}

/// A node that a test drives, so that it can hold the disk.
#[cfg(feature = "testing")]
mod by_hand {
    use std::sync::mpsc::{TryRecvError, channel};

    use raft_core::node::Origin;
    use raft_core::runtime::DetachedFlags;
    use raft_core::types::Term;
    use raft_core::wire::{AppendEntry, AppendEntryHead};

    use super::*;

    struct ByHand {
        _runtime: Runtime,
        node: NodeHandle,
        folders: TempDir,
    }

    impl ByHand {
        /// Two entries are committed and applied.
        fn new() -> Self {
            let folders = TempDir::new().unwrap();
            let config = RuntimeConfig::builder().clock(ClockKind::Manual);
            let runtime = Runtime::open(config.build().unwrap()).unwrap();
            let root = folders.path().join("0");
            let config = NodeConfig::new(id(0), GroupName::new("TEST").unwrap(), root);
            let flags = DetachedFlags::default();
            let node = runtime.start_detached(config, flags).unwrap();
            for (at, commit) in [(0, 0), (1, 2)] {
                let head = AppendEntryHead {
                    leader: id(1),
                    term: Term(1),
                    commit: Index(commit),
                    prev_term: Term(at.min(1)),
                    prev_index: Index(at),
                    leader_term: Term::ZERO,
                };
                let entries = [(EntryType::Normal, b"x".as_slice())].into_iter();
                let frame = AppendEntry::encode(head, entries).unwrap().into_frame();
                node.mapped(|node| node.process_append_entry(frame, "", Origin::Live))
                    .unwrap()
                    .unwrap();
            }
            node.processed(Index(2), Index(2));
            Self {
                _runtime: runtime,
                node,
                folders,
            }
        }

        /// Until an install has begun in another thread.
        fn wait_for_a_write(&self) {
            while !self.node.dump().unwrap().contains("\"installs\":1") {
                thread::yield_now();
            }
        }

        fn files(&self) -> usize {
            let root = self.folders.path().join("0");
            let config = NodeConfig::new(id(0), GroupName::new("TEST").unwrap(), root);
            let folder = config.store_dir().join("snapshots");
            std::fs::read_dir(folder).unwrap().count()
        }
    }

    /// TestNRGDirectInstallSnapshotWaitsForInFlightWrite and
    /// TestNRGCheckpointInstallSnapshotWaitsForInFlightWrite.
    #[test]
    fn install_waits_for_the_disk_and_the_node_does_not() {
        let by_hand = ByHand::new();
        let node = &by_hand.node;
        let checkpoint = node.open_checkpoint(false).unwrap();
        node.take_permits(true).unwrap();

        thread::scope(|scope| {
            let (done, outcome) = channel();
            scope.spawn(move || done.send(checkpoint.install(Bytes::from_static(b"late"))));
            by_hand.wait_for_a_write();
            assert_eq!(node.status().commit, Index(2));
            assert_eq!(outcome.try_recv().err(), Some(TryRecvError::Empty));
            assert_eq!(by_hand.files(), 0);
            node.take_permits(false).unwrap();
            assert!(outcome.recv().unwrap().is_ok());
        });

        assert_eq!(node.load_last_snapshot().unwrap().data, b"late".as_slice());
        assert_eq!(by_hand.files(), 1);
    }

    /// TestNRGCheckpointInstallSnapshotAbortDuringWrite, RemoveOrphan.
    #[test]
    fn install_that_is_aborted_during_its_write_leaves_no_file() {
        let by_hand = ByHand::new();
        let node = &by_hand.node;
        let checkpoint = node.open_checkpoint(false).unwrap();
        node.take_permits(true).unwrap();

        let outcome = thread::scope(|scope| {
            let installing = scope.spawn(|| checkpoint.install(Bytes::from_static(b"data")));
            by_hand.wait_for_a_write();
            let abort = r#"{"snapshotting": false}"#;
            node.mapped(|node| node.set(abort)).unwrap().unwrap();
            node.take_permits(false).unwrap();
            installing.join().unwrap()
        });

        assert!(matches!(outcome, Err(SnapshotError::Aborted)));
        assert_eq!(by_hand.files(), 0);
    }
}
