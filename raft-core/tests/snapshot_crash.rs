//! Snapshots, entries and cuts in every order, the machine stopped between any two calls to the
//! disk: a start finds everything that was synced, and nothing that contradicts it.
//!
//! The node is the real one, over the simulated disk. Each entry is one byte, and a snapshot holds
//! the bytes of all entries it covers, so that snapshot and log together are one text.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it is wrong"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_core::config::Timing;
use raft_core::node::{Node, NodeSetup, Output, Role, SubscriptionId};
use raft_core::sim::disk::Op;
use raft_core::sim::{Keep, SimDisk};
use raft_core::storage::{
    Disk, GroupStore, LogKind, OpenedGroup, StorageError, StoreConfig, bootstrap, open_group,
};
use raft_core::time::Instant;
use raft_core::types::{EntryType, GroupName, Index, PeerId, Term};
use raft_core::wire::{AppendEntry, AppendEntryHead, PeerState};

const SELF: PeerId = PeerId(*b"esFhDys3");
const N0: PeerId = PeerId(*b"S1Nunr6R");
const LIVE: &str = "$NRG.AE.G";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The leader appends an entry; the ones before it are committed.
    Append,
    /// A new leader puts another entry in place of the uncommitted one.
    Cut,
    /// The application makes a snapshot of what is committed.
    Install,
    /// The leader has only a snapshot of what follows.
    Follow,
}

const STEPS: [Step; 4] = [Step::Append, Step::Cut, Step::Install, Step::Follow];

struct World {
    disk: SimDisk,
    node: Node,
    store: GroupStore,
    subscriptions: Vec<(SubscriptionId, String)>,
    now: Instant,
    leader: Leader,
    /// What the node held, after each call, oldest first.
    history: Vec<Vec<u8>>,
    /// The first of them that a crash may leave.
    synced: usize,
}

/// What the leader has: its entries and their terms.
#[derive(Clone, Default)]
struct Leader {
    term: u64,
    text: Vec<u8>,
    terms: Vec<u64>,
    commit: usize,
    next: u8,
}

impl Leader {
    /// The head of a message that follows entry `prev`.
    fn head(&self, prev: usize) -> AppendEntryHead {
        let prev_term = prev.checked_sub(1).map_or(0, |at| self.terms[at]);
        AppendEntryHead {
            leader: N0,
            term: Term(self.term),
            commit: Index(self.commit as u64),
            prev_term: Term(prev_term),
            prev_index: Index(prev as u64),
            leader_term: Term::ZERO,
        }
    }

    fn push(&mut self) -> u8 {
        self.next += 1;
        self.text.push(self.next);
        self.terms.push(self.term);
        self.next
    }
}

fn dir() -> PathBuf {
    PathBuf::from("/store/G")
}

fn members() -> PeerState {
    PeerState {
        cluster_size: 2,
        peers: vec![N0, SELF],
        domain_ext: 0,
    }
}

fn open(disk: &SimDisk) -> Result<OpenedGroup, StorageError> {
    let config = StoreConfig {
        dir: dir(),
        group: GroupName::new("G").unwrap(),
        kind: LogKind::File,
    };
    open_group(Arc::new(disk.clone()), &config)
}

/// Snapshot and log as one text.
fn text(opened: &OpenedGroup) -> Vec<u8> {
    let newest = opened.snapshots.found.newest.as_ref();
    let mut text = newest.map_or_else(Vec::new, |found| found.file.data.to_vec());
    let log = opened.log.state();
    for index in text.len() as u64 + 1..=log.last.0 {
        let frame = opened.log.load(Index(index)).unwrap();
        let entry = AppendEntry::decode(frame).unwrap();
        text.push(entry.entries().next().unwrap().data[0]);
    }
    text
}

impl World {
    /// A start from what is on the disk.
    fn start(disk: &SimDisk, leader: Leader) -> Result<Self, StorageError> {
        let opened = open(disk)?;
        let text = text(&opened);
        let setup = NodeSetup {
            id: SELF,
            group: GroupName::new("G").unwrap(),
            timing: Timing::default(),
            managed: false,
            observer: true,
            recovering: false,
            scale_up: false,
            track: false,
            seed: 1,
            unknown_peers_online: true,
            log: opened.log,
            term_vote: opened.term_vote,
            peer_state: opened.peer_state.ok_or(StorageError::NoPeerState)?,
            snapshots: opened.snapshots,
            last_seq: opened.last_seq,
        };
        let now = Instant::ZERO.after(Duration::from_secs(60));
        let mut node = Node::recover(setup, now).unwrap_or_else(|error| panic!("{error}"));
        node.handle_routing(true);
        let mut world = Self {
            disk: disk.clone(),
            node,
            store: opened.store,
            subscriptions: Vec::new(),
            now,
            leader,
            history: vec![text],
            synced: 0,
        };
        world.settle()?;
        Ok(world)
    }

    fn held(&self) -> &Vec<u8> {
        self.history.last().unwrap()
    }

    /// Turns, writes and syncs until nothing is left to do.
    fn settle(&mut self) -> Result<(), StorageError> {
        loop {
            self.node.turn(self.now);
            while let Some(output) = self.node.poll_output() {
                if let Output::Subscribe { id, subject } = output {
                    self.subscriptions.push((id, subject.to_string()));
                }
            }
            let Some(writes) = self.node.take_writes() else {
                break;
            };
            let upto = writes.upto;
            let outcomes = self.store.write(writes)?;
            self.store.sync(true)?;
            self.node.handle_durable(upto, self.now);
            for outcome in outcomes {
                self.node.handle_snapshot_written(outcome, self.now);
            }
        }
        self.synced = self.history.len() - 1;
        Ok(())
    }

    fn send(&mut self, to: &str, head: AppendEntryHead, entries: &[(EntryType, &[u8])]) {
        let message = AppendEntry::encode(head, entries.iter().copied()).unwrap();
        let id = self
            .subscriptions
            .iter()
            .rev()
            .find(|(_, s)| s.starts_with(to));
        let id = id.unwrap().0;
        self.node
            .handle_message(id, None, message.into_frame(), self.now);
    }

    /// The application is done with everything committed.
    fn apply(&mut self) {
        self.node.take_applied(usize::MAX, usize::MAX);
        let commit = Index(self.node.status(self.now).commit.0);
        self.node.processed(commit, commit, self.now);
    }

    fn step(&mut self, step: Step) -> Result<(), StorageError> {
        match step {
            Step::Append => {
                let prev = self.leader.text.len();
                self.leader.commit = prev;
                let head = self.leader.head(prev);
                let byte = self.leader.push();
                self.history.push(self.leader.text.clone());
                self.send(LIVE, head, &[(EntryType::Normal, &[byte])]);
            }
            Step::Cut => {
                self.leader.term += 1;
                let kept = self.leader.commit;
                self.leader.text.truncate(kept);
                self.leader.terms.truncate(kept);
                let head = self.leader.head(kept);
                self.history.push(self.leader.text.clone());
                let byte = self.leader.push();
                self.history.push(self.leader.text.clone());
                self.send(LIVE, head, &[(EntryType::Normal, &[byte])]);
            }
            Step::Install => {
                let commit = usize::try_from(self.node.status(self.now).commit.0).unwrap();
                let data = Bytes::copy_from_slice(&self.held()[..commit]);
                // Refused when nothing was applied since the last one.
                let _refused = self.node.install_snapshot(data, true);
            }
            Step::Follow => {
                for _ in 0..3 {
                    self.leader.push();
                }
                self.leader.commit = self.leader.text.len();
                let head = self.leader.head(self.leader.commit);
                self.send(LIVE, head, &[]);
                self.settle()?;
                self.history.push(self.leader.text.clone());
                let (data, peers) = (self.leader.text.clone(), members().encode());
                let parts = [
                    (EntryType::Snapshot, data.as_slice()),
                    (EntryType::PeerState, peers.as_ref()),
                ];
                self.send("$NRG.CR.", head, &parts);
            }
        }
        self.settle()?;
        self.apply();
        Ok(())
    }

    fn play(disk: &SimDisk, script: &[Step]) -> Played {
        let leader = Leader {
            term: 1,
            ..Leader::default()
        };
        let mut played = Played {
            history: vec![Vec::new()],
            synced: 0,
            leader: leader.clone(),
            error: None,
        };
        let mut world =
            match bootstrap(disk, &dir(), &members()).and_then(|()| Self::start(disk, leader)) {
                Ok(world) => world,
                Err(error) => {
                    played.error = Some(error);
                    return played;
                }
            };
        played.error = script.iter().try_for_each(|step| world.step(*step)).err();
        (played.history, played.synced) = (world.history, world.synced);
        played.leader = world.leader;
        played
    }

    fn snapshot_files(&self) -> Vec<String> {
        self.disk.list(&dir().join("snapshots")).unwrap()
    }
}

/// What a script did before it ended or was stopped.
struct Played {
    history: Vec<Vec<u8>>,
    synced: usize,
    leader: Leader,
    error: Option<StorageError>,
}

fn check_recovery(disk: &SimDisk, played: &Played, case: &str) {
    let may_be = &played.history[played.synced..];
    let mut world = match World::start(disk, played.leader.clone()) {
        Ok(world) => world,
        Err(StorageError::NoPeerState) if may_be.contains(&Vec::new()) => return,
        Err(error) => panic!("{case}: {error}"),
    };
    let found = world.held().clone();
    assert!(may_be.contains(&found), "{case}: {found:?} of {may_be:?}");
    assert_eq!(world.node.role(), Role::Follower, "{case}");
    let files = world.snapshot_files();
    let is_tidy = files.len() <= 1 && files.iter().all(|name| !name.ends_with(".tmp"));
    assert!(is_tidy, "{case}: {files:?}");

    // It goes on from there, and the next start finds that too.
    world.leader.text.clone_from(&found);
    world.leader.terms.truncate(found.len());
    world.leader.term += 1;
    let last = world.node.status(world.now);
    assert_eq!(last.last_index, Index(found.len() as u64), "{case}");
    world.leader.terms.resize(found.len(), 0);
    if let Some(term) = world.leader.terms.last_mut() {
        *term = last.last_term.0;
    }
    world.step(Step::Append).unwrap();
    let held = world.held().clone();
    disk.crash(Keep::Nothing);
    let again = World::start(disk, Leader::default()).unwrap();
    assert_eq!(*again.held(), held, "{case}: after going on");
}

/// Stops a script before each change of the disk, and looks at what is found then.
fn crash_everywhere(script: &[Step], ends: &[Keep]) -> u64 {
    let whole = SimDisk::new();
    let played = World::play(&whole, script);
    assert!(played.error.is_none(), "{script:?}: {:?}", played.error);
    let changes = whole.counts().changes();
    for stop in 0..=changes {
        for end in ends {
            let disk = SimDisk::new();
            disk.stop_after(stop);
            let played = World::play(&disk, script);
            disk.crash(*end);
            let case = format!("{script:?} stopped after {stop} of {changes}, {end:?}");
            check_recovery(&disk, &played, &case);
        }
    }
    (changes + 1) * ends.len() as u64
}

/// Every order of four steps after two entries, stopped at every point.
/// Issues 7620, 8321, 6691, 7095: snapshot, compaction and cut are separate changes of the disk.
#[test]
fn every_order_of_installs_cuts_and_crashes_is_recovered_from() {
    let ends = [
        Keep::Nothing,
        Keep::Everything,
        Keep::Seeded(1),
        Keep::Seeded(2),
    ];
    let mut cases = 0;
    for at in 0..STEPS.len().pow(4) {
        let step = |place: u32| STEPS[at / STEPS.len().pow(place) % STEPS.len()];
        let script = [
            Step::Append,
            Step::Append,
            step(0),
            step(1),
            step(2),
            step(3),
        ];
        cases += crash_everywhere(&script, &ends);
    }
    assert!(cases > 30_000, "only {cases} crashes");
}

#[test]
fn long_run_of_snapshots_is_recovered_from_everywhere() {
    use Step::{Append, Cut, Follow, Install};
    let script = [
        Append, Install, Append, Append, Install, Cut, Install, Follow, Append, Install, Append,
        Follow, Install, Cut, Append, Install,
    ];
    let ends = [Keep::Nothing, Keep::Everything, Keep::Seeded(3)];
    crash_everywhere(&script, &ends);
}

/// Row 20: a full disk is no reason to stop, and leaves no half of a snapshot.
#[test]
fn local_snapshot_that_cannot_be_written_leaves_no_trace() {
    for op in [Op::Write, Op::Sync, Op::Entry] {
        for nth in 1..=2 {
            let disk = SimDisk::new();
            bootstrap(&disk, &dir(), &members()).unwrap();
            let leader = Leader {
                term: 1,
                ..Leader::default()
            };
            let mut world = World::start(&disk, leader).unwrap();
            for _ in 0..3 {
                world.step(Step::Append).unwrap();
            }
            let log = world.node.status(world.now).entries;
            let data = Bytes::from_static(b"state");
            let id = world.node.install_snapshot(data, false).unwrap();
            let before = disk.counts();
            let already = match op {
                Op::Write => before.writes,
                Op::Sync => before.syncs,
                _ => before.entries,
            };
            disk.fail_nth(op, already + nth, std::io::ErrorKind::StorageFull);

            let settled = world.settle();

            let case = format!("{op:?} {nth}");
            match world.node.take_install_outcome(id) {
                Some(Err(_)) => {
                    assert!(settled.is_ok(), "{case}");
                    assert!(world.snapshot_files().is_empty(), "{case}");
                    assert_eq!(world.node.status(world.now).entries, log, "{case}");
                    world.step(Step::Install).unwrap();
                    assert_eq!(world.snapshot_files().len(), 1, "{case}");
                }
                // The call that failed came after the file was durable: the log's own.
                Some(Ok(_)) => assert_eq!(world.snapshot_files(), ["snap.1.2"], "{case}"),
                None => assert!(settled.is_err(), "{case}"),
            }
        }
    }
}

/// Issue 6888: a start that fails leaves the disk as it was.
#[test]
fn issue_6888_failed_start_changes_nothing() {
    let disk = SimDisk::new();
    let script = [Step::Append, Step::Append, Step::Install, Step::Append];
    assert!(World::play(&disk, &script).error.is_none());
    disk.kill();
    let snapshots = dir().join("snapshots");
    for stray in ["snap.0.1.tmp", "something"] {
        let file = disk.open(&snapshots.join(stray), raft_core::storage::OpenMode::Create);
        file.unwrap().write_at(0, b"x").unwrap();
    }
    let name = snapshots.join("snap.1.1");
    disk.flip(&name, 20, 1).unwrap();
    let before = disk.snapshot();

    let refused = open(&disk).err().unwrap().to_string();

    assert_eq!(
        refused,
        format!(
            "raft: snapshot corrupt: {}; nothing was changed",
            name.display()
        )
    );
    assert_eq!(disk.snapshot(), before);
    disk.flip(Path::new(&name), 20, 1).unwrap();
    let world = World::start(&disk, Leader::default()).unwrap();
    assert_eq!(*world.held(), [1, 2, 3]);
    assert_eq!(world.snapshot_files(), ["snap.1.1"]);
}
