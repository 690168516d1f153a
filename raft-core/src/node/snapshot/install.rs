//! Installing a snapshot: begin, the file on its way, adoption (behaviour.md 10.3, 10.4, 10.6;
//! 7.4, 11B; 9.3).

use bytes::Bytes;

use super::{CheckpointId, Node, SnapshotError};
use crate::node::error::CommitError;
use crate::node::{Bug, LogLevel};
use crate::storage::{SnapshotOp, SnapshotOutcome, SnapshotWrite};
use crate::time::Instant;
use crate::types::{EntryType, Index};
use crate::wire::{AppendEntry, PeerState, SnapshotFile, SnapshotName};

/// An install whose file is being written.
#[derive(Debug)]
pub(in crate::node) struct Install {
    /// Its checkpoint; it stands as long as that is open.
    pub(super) id: CheckpointId,
    name: SnapshotName,
    origin: Origin,
}

/// Who asked for an install.
#[derive(Debug)]
enum Origin {
    /// The application, which waits for the outcome.
    Application,
    /// Nobody waits: the application gave up, or it was an entry.
    Nobody,
    /// The leader, in a catch-up: our log is replaced by it.
    Leader { peers: PeerState, data: Bytes },
}

impl Install {
    pub(super) const fn is_from_leader(&self) -> bool {
        matches!(self.origin, Origin::Leader { .. })
    }

    pub(super) const fn name(&self) -> SnapshotName {
        self.name
    }

    /// Nobody waits from now on; for whom the outcome would have been.
    pub(super) fn end_wait(&mut self) -> Option<CheckpointId> {
        if matches!(self.origin, Origin::Application) {
            self.origin = Origin::Nobody;
            return Some(self.id);
        }
        None
    }
}

impl Node {
    /// Begins to install a snapshot of everything applied (server: `InstallSnapshot`). The outcome
    /// comes with [`Node::take_install_outcome`] under the returned number.
    ///
    /// # Errors
    /// As [`Node::create_snapshot_checkpoint`].
    pub fn install_snapshot(
        &mut self,
        data: Bytes,
        force: bool,
    ) -> Result<CheckpointId, SnapshotError> {
        let id = self.create_snapshot_checkpoint(force)?.id;
        self.install_checkpoint(id, data)?;
        Ok(id)
    }

    /// Begins to install `data` as the snapshot of a checkpoint. The outcome comes with
    /// [`Node::take_install_outcome`].
    ///
    /// # Errors
    /// [`SnapshotError::NodeClosed`]; [`SnapshotError::Aborted`] when something else took its
    /// place; [`SnapshotError::InProgress`] when it was begun before.
    pub fn install_checkpoint(
        &mut self,
        id: CheckpointId,
        data: Bytes,
    ) -> Result<(), SnapshotError> {
        let checkpoint = self.open_or_why(id)?;
        let file = SnapshotFile {
            last_term: checkpoint.term,
            last_index: checkpoint.index,
            peer_state: checkpoint.peers.encode(),
            data,
        };
        if self
            .snapshots
            .installs
            .iter()
            .any(|install| install.id == id)
        {
            return Err(SnapshotError::InProgress);
        }
        if self.has_bug(Bug::CompactsBeforeSnapshot) {
            self.compact_log(file.last_index);
        }
        self.write_snapshot(id, file, Origin::Application);
        Ok(())
    }

    /// Begins to install a given snapshot, nobody waiting for it (server: `installSnapshot`).
    pub(in crate::node) fn install_snapshot_core(&mut self, file: SnapshotFile) {
        let peers = self.current_peer_state();
        let checkpoint = self.open_checkpoint(file.last_term, file.last_index, peers);
        self.write_snapshot(checkpoint.id, file, Origin::Nobody);
    }

    fn write_snapshot(&mut self, id: CheckpointId, file: SnapshotFile, origin: Origin) {
        let install = Install {
            id,
            name: crate::storage::snapshot::name_of(&file),
            origin,
        };
        let write = SnapshotWrite {
            id: id.0,
            file,
            required: install.is_from_leader(),
        };
        self.snapshots.installs.push_back(install);
        self.snapshots.ops.push(SnapshotOp::Write(write));
        self.durability.issue();
    }

    /// A committed snapshot entry becomes the local snapshot if there is none yet
    /// (behaviour.md 9.3). It stands for everything up to the sender's commit.
    ///
    /// Differs from the server: its term is that of the entry at that commit. The server takes the
    /// term of the entry before the snapshot (SE-29), which may be a later one; a log that ends
    /// there would win votes against logs that hold more.
    ///
    /// # Errors
    /// [`CommitError::Closed`]: the entry at the commit cannot be read.
    pub(in crate::node) fn install_committed_snapshot(
        &mut self,
        message: &AppendEntry,
    ) -> Result<(), CommitError> {
        let upto = message.head.commit;
        let is_first = self.snapshots.adopted.is_none() && self.snapshots.installs.is_empty();
        let is_alone = message.count() == 1
            && message
                .entries()
                .all(|entry| entry.kind == EntryType::Snapshot);
        if !is_alone || !is_first || upto == Index::ZERO {
            return Ok(());
        }
        let Some(entry) = message.shared_entries().next() else {
            return Ok(());
        };
        // Nothing there: a message that contradicts itself.
        let last = self.load_entry(upto);
        let Some(last) = last.map_err(|_| CommitError::Closed)? else {
            return Ok(());
        };
        let peers = self.committed_peer_state(upto);
        self.install_snapshot_core(SnapshotFile {
            last_term: last.head.term,
            last_index: upto,
            peer_state: peers.encode(),
            data: entry.data,
        });
        Ok(())
    }

    /// A catch-up skips ahead: that must be the leader's snapshot (behaviour.md 7.4, 11B). Until it
    /// is durable nothing further is taken from the entry queue.
    ///
    /// Differs from the server: membership is replaced together with the log, once the file is
    /// durable, and a pending change that the snapshot covers ends. The server replaces it first
    /// and keeps the change.
    pub(in crate::node) fn follow_snapshot(&mut self, ae: &AppendEntry) {
        let mut entries = ae.shared_entries();
        let found = (entries.next(), entries.next(), entries.next());
        let (Some(snapshot), Some(state), None) = found else {
            return self.give_catchup_up("it skips ahead");
        };
        let kinds = (snapshot.kind, state.kind);
        if kinds != (EntryType::Snapshot, EntryType::PeerState) {
            return self.give_catchup_up("it skips ahead");
        }
        let Ok(peers) = PeerState::decode(&state.data) else {
            return self.give_catchup_up("its membership cannot be read");
        };
        let (term, index) = (ae.head.prev_term, ae.head.prev_index);
        let in_file = PeerState {
            domain_ext: self.domain_ext,
            ..peers.clone()
        };
        let id = self.open_checkpoint(term, index, in_file.clone()).id;
        let file = SnapshotFile {
            last_term: term,
            last_index: index,
            peer_state: in_file.encode(),
            data: snapshot.data.clone(),
        };
        let data = snapshot.data;
        self.write_snapshot(id, file, Origin::Leader { peers, data });
        self.note(
            LogLevel::Info,
            format!("installing a snapshot of the leader up to {index}"),
        );
    }

    fn give_catchup_up(&mut self, why: &str) {
        self.note(LogLevel::Warn, format!("gave up a catch-up: {why}"));
        self.cancel_catchup();
    }

    /// A snapshot's file is durable, or could not be written. If the install still stands, the file
    /// is adopted and the log compacted; if not, the file goes.
    pub fn handle_snapshot_written(&mut self, outcome: SnapshotOutcome, now: Instant) {
        self.advance_to(now);
        let installs = &mut self.snapshots.installs;
        let Some(at) = installs.iter().position(|i| i.id.0 == outcome.id) else {
            return;
        };
        let Some(install) = installs.remove(at) else {
            return;
        };
        let (id, name) = (install.id, install.name);
        let stands = !self.is_closed() && self.snapshots.open(id).is_some();
        if stands {
            self.snapshots.is_open = false;
        }
        let done = match outcome.error {
            Some(error) => Err(SnapshotError::Storage(error)),
            None if stands => Ok(()),
            None => {
                self.remove_snapshot(name);
                Err(SnapshotError::Aborted)
            }
        };
        let done = match (done, install.origin) {
            (Ok(()), Origin::Leader { peers, data }) => self.adopt_of_leader(name, &peers, data),
            (Ok(()), Origin::Application) => {
                let freed = self.adopt(name);
                self.snapshots.outcomes.insert(id, freed);
                return;
            }
            (Err(error), Origin::Application) => {
                self.snapshots.outcomes.insert(id, Err(error));
                return;
            }
            (Ok(()), Origin::Nobody) => self.adopt(name).map(|_| ()),
            (Err(error), _) => Err(error),
        };
        if let Err(error) = done {
            self.note(LogLevel::Warn, format!("no snapshot {name}: {error}"));
        }
    }

    /// The outcome of an install, once: how many bytes of the log it freed. Nothing while it is
    /// under way.
    pub fn take_install_outcome(&mut self, id: CheckpointId) -> Option<Result<u64, SnapshotError>> {
        self.snapshots.outcomes.remove(&id)
    }

    /// Whether somebody may find an outcome.
    #[must_use]
    pub fn has_install_outcomes(&self) -> bool {
        !self.snapshots.outcomes.is_empty()
    }

    /// The file is durable: it counts from now on, the one before and the log up to it may go.
    fn adopt(&mut self, name: SnapshotName) -> Result<u64, SnapshotError> {
        let before = self.log.state().bytes;
        if let Some(old) = self.snapshots.adopted.replace(name) {
            self.remove_snapshot(old);
        }
        if !self.compact_log(name.index) {
            return Err(SnapshotError::NodeClosed);
        }
        if name.index > self.commit {
            self.pending.clear();
        }
        self.snapshot_index = name.index;
        Ok(before.saturating_sub(self.log.state().bytes))
    }

    /// Our log is replaced by the leader's snapshot.
    fn adopt_of_leader(
        &mut self,
        name: SnapshotName,
        peers: &PeerState,
        data: Bytes,
    ) -> Result<(), SnapshotError> {
        let had_one = self.snapshots.adopted.is_some();
        // What is not said by now of the log that goes is not said any more.
        self.outbox.forget_above(Index::ZERO);
        self.membership_change = None;
        self.process_peer_state(peers);
        self.adopt(name)?;
        self.last_term = name.term;
        self.last_index = name.index;
        self.commit = name.index;
        self.reset_initializing();
        if !had_one {
            self.send_catchup_signal();
        }
        self.apply.push_snapshot(name.index, data);
        self.signal_apply();
        if had_one {
            self.send_catchup_signal();
        }
        Ok(())
    }
}
