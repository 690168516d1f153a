//! Snapshots: what a node does and says from the checks to the adopted file.

use bytes::Bytes;

use super::rig::{EMPTY, N0, N1, Out, Rig, SELF, answer, entry, head, indexes, setup, special};
use super::{CheckpointId, Committed, Node, Origin, Role, SnapshotError};
use crate::storage::{
    FoundSnapshot, FoundSnapshots, GroupWrites, Log, LogState, MemoryLog, SnapshotOp,
    SnapshotOutcome, SnapshotReader, StorageError, WriteSeq,
};
use crate::types::{Entry, EntryType, Index, PeerId, Term};
use crate::wire::{AppendEntry, PeerState, SnapshotFile, SnapshotName};

const DATA: Bytes = Bytes::from_static(b"state");

/// A follower of `N0` in a group of three with entries 1 to `last` of term 1, all committed and
/// applied but the last.
fn applied_follower(last: u64) -> Rig {
    let mut rig = Rig::follower_at(1, last, super::rig::DiskLog::new());
    rig.live(entry(N0, 1, last - 1, (1, last), b""));
    rig.sync();
    rig.outputs();
    rig.applied();
    rig.node
        .processed(Index(last - 1), Index(last - 1), rig.now);
    rig
}

fn members(ids: &[PeerId]) -> PeerState {
    let mut peers = ids.to_vec();
    peers.sort_unstable();
    PeerState {
        cluster_size: u32::try_from(ids.len()).unwrap(),
        peers,
        domain_ext: 0,
    }
}

fn file(term: u64, index: u64, peers: &PeerState, data: &'static [u8]) -> SnapshotFile {
    SnapshotFile {
        last_term: Term(term),
        last_index: Index(index),
        peer_state: peers.encode(),
        data: Bytes::from_static(data),
    }
}

fn name(term: u64, index: u64) -> SnapshotName {
    SnapshotName {
        term: Term(term),
        index: Index(index),
    }
}

/// What a leader sends in place of entries it has no longer.
fn snapshot_message(
    term: u64,
    commit: u64,
    prev: (u64, u64),
    peers: &PeerState,
    data: &'static [u8],
) -> AppendEntry {
    let entries = [
        Entry {
            kind: EntryType::Snapshot,
            data: Bytes::from_static(data),
        },
        Entry {
            kind: EntryType::PeerState,
            data: peers.encode(),
        },
    ];
    AppendEntry::encode_entries(head(N0, term, commit, prev), &entries).unwrap()
}

fn log(rig: &Rig) -> (u64, u64, u64) {
    let LogState {
        messages,
        first,
        last,
        ..
    } = rig.node.log.state();
    (messages, first.0, last.0)
}

/// Commit, applied, and what the snapshot covers.
fn marks(rig: &Rig) -> (u64, u64, u64) {
    let node = &rig.node;
    (node.commit.0, node.applied.0, node.snapshot_index.0)
}

fn outcome(rig: &mut Rig, id: CheckpointId) -> Result<u64, String> {
    let outcome = rig.node.take_install_outcome(id).expect("it has ended");
    outcome.map_err(|error| error.to_string())
}

fn refusal<T: std::fmt::Debug>(result: Result<T, SnapshotError>) -> String {
    result.unwrap_err().to_string()
}

/// What the application is handed: index and data of snapshots, 0 for a nil guard.
fn handed(applied: &[Committed]) -> Vec<(u64, Vec<Bytes>)> {
    let data = |entry: &super::apply::CommittedEntry| {
        entry
            .entries()
            .map(|entry| Bytes::copy_from_slice(entry.data))
            .collect()
    };
    applied
        .iter()
        .map(|item| match item {
            Committed::NilGuard => (0, Vec::new()),
            Committed::CatchupStarted => (u64::MAX, Vec::new()),
            Committed::Entries(entry) => (entry.index.0, data(entry)),
        })
        .collect()
}

#[test]
fn install_writes_the_file_then_compacts_the_log() {
    let mut rig = applied_follower(4);

    let id = rig.node.install_snapshot(DATA, false).unwrap();

    // Until the file is durable, nothing has changed.
    assert!(rig.node.take_install_outcome(id).is_none());
    assert_eq!((log(&rig), marks(&rig)), ((4, 1, 4), (3, 3, 0)));
    let writes = rig.node.take_writes().unwrap();
    let [SnapshotOp::Write(write)] = &writes.snapshots[..] else {
        panic!("{:?}", writes.snapshots);
    };
    assert_eq!(write.file, file(1, 3, &members(&[SELF, N0, N1]), b"state"));
    assert!(!write.required);
    let before = rig.node.log.state().bytes;
    rig.carry_out(writes);
    assert_eq!((log(&rig), marks(&rig)), ((1, 4, 4), (3, 3, 3)));
    let freed = before - rig.node.log.state().bytes;
    assert_eq!(outcome(&mut rig, id), Ok(freed));
    assert_eq!(rig.node.load_last_snapshot().unwrap(), (Index(3), DATA));
    assert_eq!(rig.outputs(), EMPTY);
    assert!(!rig.node.need_snapshot());
}

#[test]
fn the_file_before_goes_with_the_next_install() {
    let mut rig = applied_follower(4);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    rig.live(entry(N0, 1, 4, (1, 4), b""));
    rig.node.processed(Index(4), Index(4), rig.now);

    rig.node.install_snapshot(DATA, false).unwrap();
    let writes = rig.node.take_writes().unwrap();
    rig.carry_out(writes);

    let removal = rig.node.take_writes().unwrap();
    assert_eq!(removal.snapshots, [SnapshotOp::Remove("snap.1.3".into())]);
    rig.carry_out(removal);
    assert_eq!(rig.files.names(), ["snap.1.4"]);
    assert_eq!((log(&rig), marks(&rig)), ((0, 5, 4), (4, 4, 4)));
}

#[test]
fn checkpoints_are_refused_in_the_words_of_the_server() {
    let mut rig = Rig::follower_at(1, 2, MemoryLog::new());
    let made = |rig: &mut Rig, force| rig.node.create_snapshot_checkpoint(force);

    assert_eq!(refusal(made(&mut rig, true)), "raft: no snapshot available");
    let mut rig = applied_follower(3);
    let first = made(&mut rig, false).unwrap();
    assert_eq!((first.index, first.previous), (Index(2), Index(0)));
    assert_eq!(
        refusal(made(&mut rig, false)),
        "raft: snapshot is already in progress"
    );
    let second = made(&mut rig, true).unwrap();
    let stale = rig.node.install_checkpoint(first.id, DATA);
    assert_eq!(refusal(stale), "raft: snapshot was aborted");
    // A late abort of the first does not touch the second.
    rig.node.abort_checkpoint(first.id);
    rig.node.install_checkpoint(second.id, DATA).unwrap();
    rig.sync();
    assert_eq!(refusal(made(&mut rig, true)), "raft: no snapshot available");
    rig.node.stop();
    assert_eq!(refusal(made(&mut rig, true)), "raft: node is closed");
}

#[test]
fn running_catch_up_refuses_what_is_not_forced() {
    let mut rig = Rig::leader_in(1, MemoryLog::new());
    rig.acknowledge(1, 1, N0);
    rig.node.processed(Index(1), Index(1), rig.now);
    // Wants more than one window, so the run stays.
    rig.node.progress.insert(N1, super::RunId(1));

    let refused = rig.node.create_snapshot_checkpoint(false);

    assert_eq!(
        refusal(refused),
        "raft: snapshot can not be installed while catchups running"
    );
    rig.node.create_snapshot_checkpoint(true).unwrap();
}

#[test]
fn forced_install_takes_the_place_of_one_under_way() {
    let mut rig = applied_follower(3);
    let checkpoint = rig.node.create_snapshot_checkpoint(false).unwrap();
    rig.node.install_checkpoint(checkpoint.id, DATA).unwrap();
    let first = rig.node.take_writes().unwrap();

    let fresh = Bytes::from_static(b"fresh");
    let forced = rig.node.install_snapshot(fresh.clone(), true).unwrap();
    rig.carry_out(first);

    assert_eq!(
        outcome(&mut rig, checkpoint.id),
        Err("raft: snapshot was aborted".to_owned())
    );
    // Both are of one name: the file that is about to be replaced is left alone.
    rig.sync();
    assert!(outcome(&mut rig, forced).is_ok());
    assert_eq!(rig.files.names(), ["snap.1.2"]);
    assert_eq!(rig.node.load_last_snapshot().unwrap(), (Index(2), fresh));
}

/// SE-22: abort and a new checkpoint while the old one's file is written.
#[test]
fn aborted_install_does_not_pass_for_the_checkpoint_after_it() {
    let mut rig = applied_follower(3);
    let old = rig.node.create_snapshot_checkpoint(false).unwrap();
    rig.node.install_checkpoint(old.id, DATA).unwrap();
    let writes = rig.node.take_writes().unwrap();

    rig.node.abort_checkpoint(old.id);
    let new = rig.node.create_snapshot_checkpoint(false).unwrap();
    rig.carry_out(writes);
    rig.sync();

    assert_eq!(
        outcome(&mut rig, old.id),
        Err("raft: snapshot was aborted".to_owned())
    );
    assert!(rig.files.names().is_empty());
    assert_eq!((log(&rig), marks(&rig)), ((3, 1, 3), (2, 2, 0)));
    rig.node.install_checkpoint(new.id, DATA).unwrap();
    rig.sync();
    assert_eq!(rig.files.names(), ["snap.1.2"]);
}

#[test]
fn install_that_could_not_be_written_changes_nothing_and_may_be_tried_again() {
    let mut rig = applied_follower(3);
    let id = rig.node.install_snapshot(DATA, false).unwrap();
    let writes = rig.node.take_writes().unwrap();
    let [SnapshotOp::Write(write)] = &writes.snapshots[..] else {
        panic!("{writes:?}");
    };

    let full = StorageError::io("write", std::path::Path::new("f"))(
        std::io::ErrorKind::StorageFull.into(),
    );
    let failed = SnapshotOutcome {
        id: write.id,
        error: Some(full.into()),
    };
    rig.node.handle_snapshot_written(failed, rig.now);

    assert!(
        outcome(&mut rig, id)
            .unwrap_err()
            .starts_with("could not write f")
    );
    assert_eq!((log(&rig), marks(&rig)), ((3, 1, 3), (2, 2, 0)));
    assert_eq!(rig.node.role(), Role::Follower);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    assert_eq!(marks(&rig), (2, 2, 2));
}

#[test]
fn node_that_stops_ends_the_wait_and_removes_the_file() {
    let mut rig = applied_follower(3);
    let id = rig.node.install_snapshot(DATA, false).unwrap();
    let writes = rig.node.take_writes().unwrap();

    rig.node.stop();
    assert_eq!(
        outcome(&mut rig, id),
        Err("raft: node is closed".to_owned())
    );
    rig.carry_out(writes);
    rig.sync();

    assert!(rig.files.names().is_empty());
}

#[test]
fn checkpoint_hands_out_the_entries_since_the_snapshot_before() {
    let mut rig = applied_follower(3);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    rig.live(entry(N0, 1, 3, (1, 3), b"four"));
    rig.live(entry(N0, 1, 4, (1, 4), b"five"));
    rig.node.processed(Index(4), Index(4), rig.now);
    let checkpoint = rig.node.create_snapshot_checkpoint(false).unwrap();

    let all = rig
        .node
        .checkpoint_entries(checkpoint.id, Index(0), 9, 9_999);
    let one = rig.node.checkpoint_entries(checkpoint.id, Index(4), 1, 0);
    let none = rig
        .node
        .checkpoint_entries(checkpoint.id, Index(5), 9, 9_999);

    let places =
        |entries: Vec<AppendEntry>| entries.iter().map(|e| e.index().0).collect::<Vec<_>>();
    assert_eq!(places(all.unwrap()), [3, 4]);
    assert_eq!(places(one.unwrap()), [4]);
    assert_eq!(places(none.unwrap()), [0; 0]);
    let before = rig.node.checkpoint_source(checkpoint.id).unwrap().load();
    assert_eq!(before.unwrap().last_index, Index(2));
    rig.node.abort_checkpoint(checkpoint.id);
    let over = rig.node.checkpoint_entries(checkpoint.id, Index(0), 9, 9);
    assert_eq!(refusal(over), "raft: snapshot was aborted");
}

/// TestNRGSnapshotExcludesUncommittedMembershipChange.
#[test]
fn snapshot_leaves_out_a_membership_change_that_is_not_committed() {
    for (kind, change, pending) in [
        (EntryType::AddPeer, PeerId(*b"cnrtt3eg"), 4),
        (EntryType::RemovePeer, N1, 2),
    ] {
        let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
        let entry = Entry {
            kind,
            data: Bytes::copy_from_slice(change.as_bytes()),
        };
        rig.live(special(N0, 1, 1, (1, 1), entry));
        rig.node.processed(Index(1), Index(1), rig.now);
        assert_eq!(rig.node.cluster_size, pending);

        rig.node.install_snapshot(DATA, false).unwrap();
        rig.sync();

        let saved = rig.files.load(name(1, 1)).unwrap();
        assert_eq!(saved, file(1, 1, &members(&[SELF, N0, N1]), b"state"));
    }
}

/// A follower that catches up from `N0` and has nothing.
fn catching_up(log: impl Log + 'static) -> Rig {
    let mut rig = Rig::follower_at(1, 0, log);
    rig.live(entry(N0, 1, 100, (1, 100), b""));
    rig.sync();
    rig.outputs();
    rig
}

#[test]
fn snapshot_of_the_leader_replaces_log_and_membership_once_it_is_durable() {
    let mut rig = catching_up(super::rig::DiskLog::new());
    let inbox = rig.catchup();
    let peers = members(&[SELF, N0]);
    let Origin::Catchup(sub) = inbox else {
        panic!()
    };

    // The entry behind it waits in the queue: it can only follow the snapshot.
    let message = snapshot_message(1, 100, (1, 100), &peers, b"state");
    rig.node
        .handle_message(sub, None, message.into_frame(), rig.now);
    let next = entry(N0, 1, 101, (1, 100), b"next");
    rig.node
        .handle_message(sub, None, next.into_frame(), rig.now);
    rig.turn();

    assert!(!rig.node.wants_turn());
    assert_eq!((log(&rig), marks(&rig)), ((0, 0, 0), (0, 0, 0)));
    assert_eq!(rig.node.peer_names().len(), 3);
    rig.pass(60_000);
    rig.turn();
    assert_eq!(rig.node.role(), Role::Follower);
    assert!(rig.node.catchup.is_some());
    rig.node.switch_to_candidate();
    assert_eq!(rig.node.role(), Role::Follower);

    let writes = rig.node.take_writes().unwrap();
    let [SnapshotOp::Write(write)] = &writes.snapshots[..] else {
        panic!("{:?}", writes.snapshots);
    };
    assert!(write.required);
    assert_eq!(write.file, file(1, 100, &peers, b"state"));
    rig.carry_out(writes);
    assert_eq!((log(&rig), marks(&rig)), ((0, 101, 100), (100, 0, 100)));
    assert_eq!(rig.node.peer_names(), peers.peers);
    assert_eq!(
        handed(&rig.applied()),
        [(u64::MAX, vec![]), (100, vec![DATA])]
    );
    assert!(rig.node.wants_turn());
    rig.turn();
    rig.sync();
    assert_eq!((log(&rig), marks(&rig)), ((1, 101, 101), (101, 0, 100)));
}

#[test]
fn catch_up_that_skips_ahead_without_a_snapshot_is_given_up() {
    let peers = members(&[SELF, N0]);
    let whole = snapshot_message(1, 100, (1, 100), &peers, b"state");
    let mut entries: Vec<Entry> = whole.shared_entries().collect();
    entries.swap(0, 1);
    let swapped = AppendEntry::encode_entries(whole.head, &entries).unwrap();
    let mut cut = whole.shared_entries().collect::<Vec<_>>();
    cut[1].data = cut[1].data.slice(..5);
    let cut = AppendEntry::encode_entries(whole.head, &cut).unwrap();
    for message in [entry(N0, 1, 1, (1, 100), b"x"), swapped, cut] {
        let mut rig = catching_up(MemoryLog::new());
        let inbox = rig.catchup();

        rig.receive(message, inbox);

        assert!(rig.node.catchup.is_none());
        assert!(rig.files.names().is_empty());
        assert_eq!(marks(&rig), (0, 0, 0));
    }
}

#[test]
fn leaders_snapshot_ends_a_checkpoint_and_is_not_disturbed_by_one() {
    let mut rig = applied_follower(3);
    let checkpoint = rig.node.create_snapshot_checkpoint(false).unwrap();
    rig.live(entry(N0, 1, 100, (1, 100), b""));
    let inbox = rig.catchup();
    let message = snapshot_message(1, 100, (1, 100), &members(&[SELF, N0, N1]), b"new");

    rig.receive(message, inbox);

    let refused = rig.node.create_snapshot_checkpoint(true);
    assert_eq!(refusal(refused), "raft: snapshot is already in progress");
    let late = rig.node.install_checkpoint(checkpoint.id, DATA);
    assert_eq!(refusal(late), "raft: snapshot was aborted");
    rig.node.abort_checkpoint(checkpoint.id);
    rig.sync();
    assert_eq!((log(&rig), marks(&rig)), ((0, 101, 100), (100, 2, 100)));
}

#[test]
fn catch_up_of_a_compacted_log_begins_with_the_snapshot() {
    let mut rig = Rig::leader_in(1, super::rig::DiskLog::new());
    for _ in 0..3 {
        rig.propose(b"x");
    }
    rig.sync();
    rig.acknowledge(1, 4, N0);
    rig.node.processed(Index(3), Index(3), rig.now);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    rig.outputs();

    rig.respond(answer(0, 0, N1, false), Some("$NRG.CR.TEST"));

    let sent = rig.outputs();
    let shown: Vec<_> = sent
        .iter()
        .map(|out| match out {
            Out::Append(to, head, entries) => (to.as_str(), head.prev_index.0, entries.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, [("$NRG.CR.TEST", 3, 2), ("$NRG.CR.TEST", 3, 1)]);
    let Out::Append(_, head, entries) = &sent[0] else {
        panic!()
    };
    let expected = [
        Entry {
            kind: EntryType::Snapshot,
            data: DATA,
        },
        Entry {
            kind: EntryType::PeerState,
            data: members(&[SELF, N0, N1]).encode(),
        },
    ];
    assert_eq!(entries[..], expected);
    assert_eq!((head.prev_term, head.leader_term), (Term(1), Term(0)));
    assert_eq!(head.commit, Index(4));
}

#[test]
fn follower_with_all_but_the_snapshot_gets_the_snapshot_alone() {
    let mut rig = Rig::leader_in(1, MemoryLog::new());
    rig.acknowledge(1, 1, N0);
    rig.node.processed(Index(1), Index(1), rig.now);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    rig.outputs();

    rig.respond(answer(0, 0, N1, false), Some("$NRG.CR.TEST"));

    assert_eq!(rig.outputs().len(), 1);
    assert!(rig.node.progress.is_empty() && rig.node.runs.is_empty());
    assert_eq!(rig.node.role(), Role::Leader);
}

/// TestNRGNoLogResetOnCorruptedSendToFollower: the leader steps down, its log stays.
#[test]
fn leader_that_cannot_read_its_snapshot_steps_down() {
    let mut rig = Rig::leader_in(1, MemoryLog::new());
    rig.acknowledge(1, 1, N0);
    rig.node.processed(Index(1), Index(1), rig.now);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    rig.propose(b"x");
    rig.files.clear();

    rig.respond(answer(0, 0, N1, false), Some("$NRG.CR.TEST"));

    assert_eq!(rig.node.role(), Role::Follower);
    assert_eq!(log(&rig), (1, 2, 2));
}

/// TestNRGSendSnapshotInstallsSnapshot (2693).
#[test]
fn first_committed_snapshot_entry_becomes_the_local_snapshot() {
    let mut rig = Rig::leader_in(1, MemoryLog::new());
    rig.acknowledge(1, 1, N0);
    rig.node.send_snapshot(DATA, rig.now).unwrap();
    rig.sync();
    assert!(rig.files.names().is_empty());

    rig.acknowledge(1, 2, N0);
    rig.sync();

    let saved = rig.files.load(name(1, 1)).unwrap();
    assert_eq!(saved, file(1, 1, &members(&[SELF, N0, N1]), b"state"));
    assert_eq!((log(&rig), marks(&rig)), ((1, 2, 2), (2, 0, 1)));
    // The next one is only handed up.
    rig.node.send_snapshot(DATA, rig.now).unwrap();
    rig.acknowledge(1, 3, N0);
    rig.sync();
    assert_eq!(rig.files.names(), ["snap.1.1"]);
    assert!(rig.node.drain_and_replay_snapshot(rig.now));
}

/// SE-29: the entry before the snapshot is of a later term than the one at the leader's commit.
#[test]
fn committed_snapshot_entry_has_the_term_of_what_it_stands_for() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 2, 1, (1, 1), b"uncommitted"));
    let entry_of = |kind| Entry { kind, data: DATA };
    rig.live(special(N0, 2, 1, (2, 2), entry_of(EntryType::Snapshot)));

    rig.live(entry(N0, 2, 3, (2, 3), b""));
    rig.sync();

    assert_eq!(rig.files.names(), ["snap.1.1"]);
}

/// TestNRGDrainAndReplaySnapshot (2688).
#[test]
fn drained_queue_begins_again_with_the_snapshot() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());
    rig.live(entry(N0, 1, 3, (1, 3), b""));
    assert!(!rig.node.drain_and_replay_snapshot(rig.now));
    assert_eq!((marks(&rig), rig.node.apply_len()), ((3, 0, 0), 3));
    rig.node.processed(Index(1), Index(1), rig.now);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    let checkpoint = {
        rig.node.processed(Index(2), Index(2), rig.now);
        rig.node.create_snapshot_checkpoint(false).unwrap()
    };

    assert!(rig.node.drain_and_replay_snapshot(rig.now));

    assert_eq!((marks(&rig), rig.node.held_commit.0), ((1, 1, 1), 3));
    assert!(rig.node.paused);
    assert_eq!(handed(&rig.applied()), [(1, vec![DATA])]);
    // Its state is gone: a snapshot of it would be of something else.
    let late = rig.node.install_checkpoint(checkpoint.id, DATA);
    assert_eq!(refusal(late), "raft: snapshot was aborted");
    rig.live(entry(N0, 1, 3, (1, 3), b"four"));
    rig.live(entry(N0, 1, 4, (1, 4), b""));
    assert!(rig.applied().is_empty());
    rig.node.resume_apply(rig.now);
    assert_eq!(indexes(&rig.applied()), [2, 3, 4]);
}

#[test]
fn reset_leaves_nothing_but_the_node_itself() {
    let mut rig = applied_follower(4);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    rig.node.processed(Index(3), Index(3), rig.now);
    rig.live(entry(N0, 1, 4, (1, 4), b""));
    rig.node.processed(Index(4), Index(4), rig.now);
    let open = rig.node.create_snapshot_checkpoint(false).unwrap();
    rig.node.install_checkpoint(open.id, DATA).unwrap();
    rig.node.set_observer(true, rig.now);
    rig.outputs();

    rig.node.reset(rig.now);

    assert_eq!(
        outcome(&mut rig, open.id),
        Err("raft: snapshot was aborted".to_owned())
    );
    let GroupWrites {
        drop_snapshots,
        snapshots,
        term_vote,
        peers,
        ..
    } = rig.node.take_writes().unwrap();
    assert!(drop_snapshots && snapshots.is_empty());
    assert_eq!(term_vote.unwrap(), crate::wire::TermVote::default());
    assert_eq!(peers.unwrap(), members(&[SELF]));
    assert_eq!((log(&rig), marks(&rig)), ((0, 0, 0), (0, 0, 0)));
    let node = &rig.node;
    assert_eq!((node.term, node.vote, node.leader), (Term(0), None, None));
    assert_eq!((node.cluster_size, node.quorum), (1, 1));
    assert!(node.observer && node.pending.indexes().next().is_none() && node.apply_len() == 0);
    assert_eq!(rig.outputs(), EMPTY);
}

/// What is asked for after a reset must not go with what was there before it.
#[test]
fn snapshot_that_follows_a_reset_survives_it() {
    let mut rig = applied_follower(4);
    rig.node.reset(rig.now);
    rig.live(entry(N0, 1, 9, (1, 9), b""));
    let inbox = rig.catchup();
    rig.receive(
        snapshot_message(1, 9, (1, 9), &members(&[SELF, N0]), b"state"),
        inbox,
    );

    rig.sync();

    assert_eq!(rig.files.names(), ["snap.1.9"]);
    assert_eq!((log(&rig), marks(&rig)), ((0, 10, 9), (9, 0, 9)));
}

/// Row 4 of 11A; TestNRGSnapshotAndTruncateToApplied (2648).
#[test]
fn issue_7095_uncommitted_entries_behind_the_snapshot_are_cut_back_to_it() {
    for term in [1, 2] {
        let mut rig = applied_follower(3);
        rig.node.install_snapshot(DATA, false).unwrap();
        rig.sync();
        rig.live(entry(N0, 3, 2, (1, 3), b"uncommitted"));
        assert_eq!(log(&rig), (2, 3, 4));

        // Committed, so it is the same entry, whichever term the leader names for it.
        rig.live(entry(N1, 4, 2, (term, 2), b"other"));

        assert_eq!((log(&rig), marks(&rig)), ((1, 3, 3), (2, 2, 2)));
        assert_eq!(
            (rig.node.role(), rig.node.last_term),
            (Role::Follower, Term(4))
        );
    }
}

fn found(newest: SnapshotFile, peers: &PeerState) -> FoundSnapshots {
    FoundSnapshots {
        newest: Some(FoundSnapshot {
            name: crate::storage::snapshot::name_of(&newest),
            file: newest,
            peers: peers.clone(),
        }),
        stale: vec!["snap.1.1".to_owned(), "snap.1.2.tmp".to_owned()],
    }
}

fn log_of(first: u64, last: u64) -> MemoryLog {
    let mut log = MemoryLog::new();
    if first > 1 {
        log.truncate(Index(first - 1), WriteSeq::ZERO).unwrap();
    }
    for at in first..=last {
        let prev = if at == 1 { (0, 0) } else { (1, at - 1) };
        let frame = entry(N0, 1, 0, prev, b"x").into_frame();
        log.append(Index(at), WriteSeq::ZERO, frame).unwrap();
    }
    log
}

fn start(first: u64, last: u64, snapshot: u64) -> Result<Node, super::FatalError> {
    let peers = members(&[SELF, N0]);
    let mut setup = setup(&[SELF], Box::new(log_of(first, last)));
    if snapshot > 0 {
        setup.snapshots.found = found(file(1, snapshot, &peers, b"state"), &peers);
    }
    Node::recover(setup, crate::time::Instant::ZERO)
}

#[test]
fn start_begins_with_the_snapshot_and_tidies_up_behind_it() {
    for (first, last, after) in [
        (1, 0, (0, 4, 3)),
        (1, 2, (0, 4, 3)),
        (1, 5, (2, 4, 5)),
        (4, 6, (3, 4, 6)),
    ] {
        let mut node = start(first, last, 3).unwrap();

        let state = node.log.state();
        assert_eq!((state.messages, state.first.0, state.last.0), after);
        assert_eq!(
            (node.commit, node.applied, node.snapshot_index),
            (Index(3), Index(0), Index(3))
        );
        assert_eq!(node.peer_names(), members(&[SELF, N0]).peers);
        assert_eq!(handed(&node.take_applied(9, 999)), [(3, vec![DATA])]);
        let stale = ["snap.1.1", "snap.1.2.tmp"].map(|n| SnapshotOp::Remove(n.into()));
        assert_eq!(node.take_writes().unwrap().snapshots, stale);
    }
}

/// A power failure may leave the snapshot and take the term that was written beside it: simulator,
/// seed 9509.
#[test]
fn start_from_a_snapshot_of_a_later_term_than_the_saved_one_is_in_that_term() {
    let peers = members(&[SELF, N0]);
    let mut setup = setup(&[SELF], Box::new(log_of(1, 0)));
    setup.snapshots.found = found(file(7, 3, &peers, b"state"), &peers);

    let mut node = Node::recover(setup, crate::time::Instant::ZERO).unwrap();

    assert_eq!((node.term, node.last_term), (Term(7), Term(7)));
    let saved = node.take_writes().unwrap().term_vote.unwrap();
    assert_eq!((saved.term, saved.vote), (Term(7), None));
}

/// The snapshot overtook a cut of the log on the way to the disk: simulator, seed 2102549.
#[test]
fn log_with_another_entry_where_the_snapshot_ends_is_dropped() {
    let peers = members(&[SELF, N0]);
    let start = |term| {
        let mut setup = setup(&[SELF], Box::new(log_of(1, 5)));
        setup.snapshots.found = found(file(term, 3, &peers, b"state"), &peers);
        Node::recover(setup, crate::time::Instant::ZERO).unwrap()
    };

    for (term, log) in [(1, (2, 4, 5)), (3, (0, 4, 3))] {
        let node = start(term);

        let state = node.log.state();
        assert_eq!((state.messages, state.first.0, state.last.0), log);
        let end = if term == 1 { (1, 5) } else { (3, 3) };
        assert_eq!((node.last_term.0, node.last_index.0), end);
    }
}

/// Issue 7620: a log that does not begin where the snapshot ends.
#[test]
fn issue_7620_log_with_a_gap_behind_the_snapshot_stops_the_start() {
    for (first, last, snapshot) in [(5, 6, 3), (6, 5, 3), (2, 2, 0), (6, 5, 0)] {
        let refused = start(first, last, snapshot).unwrap_err();

        let text = format!(
            "the log holds {first} to {last} and does not continue the snapshot at {snapshot}: \
             entries are missing; the group is stopped, its files are untouched"
        );
        assert_eq!(refused.to_string(), text);
    }
}

/// Issue 6691: the term of the last snapshot survives a second one at the same place.
#[test]
fn issue_6691_second_snapshot_at_one_index_keeps_its_term() {
    let mut rig = applied_follower(3);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();

    let again = rig.node.install_snapshot(DATA, true);

    assert_eq!(refusal(again), "raft: no snapshot available");
    rig.live(entry(N0, 1, 3, (1, 3), b""));
    rig.node.processed(Index(3), Index(3), rig.now);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    assert_eq!(rig.files.names(), ["snap.1.3"]);
    assert_eq!((rig.node.last_term, log(&rig)), (Term(1), (0, 4, 3)));
    rig.live(entry(N0, 1, 3, (1, 3), b"next"));
    assert_eq!(log(&rig), (1, 4, 4));
}

/// SE-41: it would stand where the leader has something else.
#[test]
fn snapshot_message_that_fits_the_log_is_not_stored() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());
    rig.live(entry(N0, 1, 3, (1, 100), b""));
    let inbox = rig.catchup();
    for (term, prev) in [(1, (1, 3)), (1, (1, 2)), (2, (1, 2))] {
        let message = snapshot_message(term, 3, prev, &members(&[SELF, N0]), b"state");

        rig.receive(message, inbox);
        rig.sync();

        assert_eq!(log(&rig), (3, 1, 3));
        assert!(rig.files.names().is_empty());
    }
}

#[test]
fn snapshot_is_sent_by_a_leader_only() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());

    let refused = rig.node.send_snapshot(DATA, rig.now);

    assert_eq!(refused, Err(super::ProposeError::NotLeader));
    assert_eq!(log(&rig), (1, 1, 1));
    rig.node.stop();
    let refused = rig.node.send_snapshot(DATA, rig.now);
    assert_eq!(refused, Err(super::ProposeError::Closed));
}

#[test]
fn closed_node_is_not_reset() {
    let mut rig = applied_follower(3);
    rig.node.stop();
    rig.sync();

    rig.node.reset(rig.now);

    assert!(rig.node.take_writes().is_none());
    assert_eq!(log(&rig), (3, 1, 3));
}

/// TestNRGApplyCommitDoesNotResetWALAtSnapshotBoundary.
#[cfg(feature = "testing")]
#[test]
fn indexes_that_a_snapshot_covers_are_skipped_at_commit() {
    let mut rig = Rig::follower_at(1, 3, MemoryLog::new());
    rig.node.set_mapped("{}").unwrap();
    rig.node
        .install_snapshot_core(file(1, 2, &members(&[SELF, N0, N1]), b"state"));
    rig.sync();
    assert_eq!((log(&rig), marks(&rig)), ((1, 3, 3), (0, 0, 2)));

    rig.live(entry(N0, 1, 3, (1, 3), b""));

    assert_eq!((log(&rig), marks(&rig)), ((1, 3, 3), (3, 0, 2)));
    assert_eq!(indexes(&rig.applied()), [3]);
}

#[cfg(feature = "testing")]
#[test]
fn snapshot_is_sent_as_of_the_entry_before_the_log() {
    let mut rig = Rig::leader_in(1, MemoryLog::new());
    rig.propose(b"two");
    rig.acknowledge(1, 2, N0);
    rig.node.processed(Index(1), Index(1), rig.now);
    rig.node.install_snapshot(DATA, false).unwrap();
    rig.sync();
    rig.outputs();
    rig.node.set_mapped("{}").unwrap();
    rig.node.log.compact(Index(3), WriteSeq(99)).unwrap();

    let sent = rig
        .node
        .send_snapshot_to_follower(&crate::wire::Subject::new("$NRG.CR.x"));

    assert_eq!(sent, Some(Index(2)));
}

/// The functions of the server that an application does not reach.
#[cfg(feature = "testing")]
#[test]
fn white_box_calls_reach_snapshots() {
    let mut rig = applied_follower(4);
    let now = rig.now;
    let alone = PeerState {
        cluster_size: 1,
        peers: vec![rig.node.id()],
        domain_ext: 0,
    };
    let alone = alone.encode();
    let file = |index, data: &'static [u8]| SnapshotFile {
        last_term: Term(1),
        last_index: Index(index),
        peer_state: alone.clone(),
        data: Bytes::from_static(data),
    };

    rig.node.mapped(now).install_snapshot_core(file(4, b"bb"));
    rig.sync();

    let last = rig.node.mapped(now).load_last_snapshot_core().unwrap();
    assert_eq!(last, file(4, b"bb"));
    assert_eq!(rig.node.dump_mapped()["snapfile"], "snap.1.4");
    rig.node.mapped(now).setup_last_snapshot().unwrap();
    let bytes = rig.node.mapped(now).encode_snapshot(&file(2, b""));
    assert_eq!(bytes.len(), 28 + 18);
    let sent = rig.node.mapped(now).send_snapshot_to_follower("$NRG.CR.x");
    assert_eq!(sent, Some(Index(4)));
}
