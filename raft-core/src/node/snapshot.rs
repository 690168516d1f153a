//! Snapshots: checkpoints, installs, reading back, starting over (behaviour.md 10, 9.6, 14.1;
//! Raft paper 7).
//!
//! An install is one path, whoever asks for it. It begins here with checks and a generation; the
//! driver writes the file with the group's other writes; [`Node::handle_snapshot_written`] looks
//! again whether the install still stands, adopts the file and compacts the log. What ends an
//! install in between – an abort, a forced one, one the leader sent, a reset, a failure – closes
//! its generation, and the file is removed when it comes back.

mod install;
mod reset;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::{Bug, Node, Role, SnapshotError};
use crate::storage::{GroupSnapshots, LoadError, SnapshotOp, SnapshotReader, StorageError};
use crate::time::Instant;
use crate::types::{Index, Term};
use crate::wire::{AppendEntry, PeerState, SnapshotFile, SnapshotName};

pub(super) use install::Install;

/// Names a checkpoint of one node. Never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointId(pub(in crate::node) u64);

/// What the application may make a snapshot of: its state at `index`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name, for the calls that use it.
    pub id: CheckpointId,
    /// The term of the last entry the snapshot will cover.
    pub term: Term,
    /// The last entry the snapshot will cover: the highest the application was done with.
    pub index: Index,
    /// The last entry the snapshot before covers; the entries of the checkpoint follow it.
    pub previous: Index,
    /// The membership as committed at `index`.
    peers: PeerState,
}

/// Where to read the last snapshot without the node at hand.
#[derive(Clone, Debug)]
pub struct SnapshotSource {
    pub(super) reader: Arc<dyn SnapshotReader>,
    pub(super) name: SnapshotName,
    /// What its last index has to be.
    pub(super) index: Index,
}

impl SnapshotSource {
    /// Reads the snapshot. Blocks on the disk.
    ///
    /// # Errors
    /// [`SnapshotError::Corrupt`], [`SnapshotError::Storage`], [`SnapshotError::IndexMismatch`].
    pub fn load(&self) -> Result<SnapshotFile, SnapshotError> {
        let file = self.reader.load(self.name)?;
        if file.last_index == self.index {
            Ok(file)
        } else {
            Err(SnapshotError::IndexMismatch)
        }
    }

    /// Whether both stand for the same file.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.name, self.index) == (other.name, other.index)
    }
}

/// What a node knows of its snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    pub(super) reader: Arc<dyn SnapshotReader>,
    /// The file that counts (server: `snapfile`).
    pub(super) adopted: Option<SnapshotName>,
    /// The checkpoint made last.
    checkpoint: Option<Checkpoint>,
    /// It may still install (server: `snapshotting`).
    pub(super) is_open: bool,
    generation: u64,
    /// The installs whose file is being written, in the order of the writes.
    installs: VecDeque<Install>,
    /// What to do with the files, not taken yet.
    ops: Vec<SnapshotOp>,
    /// All files go, before any of `ops`.
    drops_all: bool,
    /// Outcomes that somebody waits for: bytes of the log that were freed.
    outcomes: BTreeMap<CheckpointId, Result<u64, SnapshotError>>,
}

impl Snapshots {
    pub(super) fn new(snapshots: &GroupSnapshots) -> Self {
        Self {
            reader: Arc::clone(&snapshots.reader),
            adopted: None,
            checkpoint: None,
            is_open: false,
            generation: 0,
            installs: VecDeque::new(),
            ops: Vec::new(),
            drops_all: false,
            outcomes: BTreeMap::new(),
        }
    }

    /// The checkpoint `id`, if it may still install.
    fn open(&self, id: CheckpointId) -> Option<&Checkpoint> {
        let open = self.checkpoint.as_ref().filter(|_| self.is_open);
        open.filter(|checkpoint| checkpoint.id == id)
    }

    /// A snapshot the leader sent is being written: nothing may come in between.
    pub(super) fn follows_leader(&self) -> bool {
        self.installs.iter().any(Install::is_from_leader)
    }

    /// How many files are being written.
    #[cfg(feature = "testing")]
    pub(super) fn installs(&self) -> usize {
        self.installs.len()
    }

    /// The next changes of the files, and whether all of them go first.
    pub(super) fn take_ops(&mut self) -> (Vec<SnapshotOp>, bool) {
        if std::mem::take(&mut self.drops_all) {
            // What was asked for since has to come after it.
            return (Vec::new(), true);
        }
        (std::mem::take(&mut self.ops), false)
    }

    pub(super) const fn has_ops(&self) -> bool {
        self.drops_all || !self.ops.is_empty()
    }

    /// Ends the open checkpoint, unless the leader's own snapshot is behind it.
    pub(super) fn abort_open(&mut self) {
        if !self.follows_leader() {
            self.is_open = false;
        }
    }

    /// The node is closed: nobody may wait for an outcome any more.
    pub(super) fn close(&mut self) {
        self.is_open = false;
        for install in &mut self.installs {
            if let Some(id) = install.end_wait() {
                self.outcomes.insert(id, Err(SnapshotError::NodeClosed));
            }
        }
    }
}

impl Node {
    /// Opens a checkpoint at what the application was last done with
    /// (server: `createSnapshotCheckpoint`). It ends with its install, with
    /// [`Node::abort_checkpoint`], or when something newer takes its place. `force` replaces one
    /// that is open, and does not wait for catch-ups that still need the log.
    ///
    /// Differs from the server: each checkpoint has a generation of its own, so an old one never
    /// passes for a newer one (SE-22); and none is made while the leader's snapshot is installed.
    ///
    /// # Errors
    /// [`SnapshotError`]: closed or failed; one is open, or catch-ups run, and it was not forced;
    /// nothing was applied since the last snapshot.
    pub fn create_snapshot_checkpoint(&mut self, force: bool) -> Result<Checkpoint, SnapshotError> {
        if let Some(error) = &self.fatal {
            return Err(match self.is_closed() {
                true => SnapshotError::NodeClosed,
                false => SnapshotError::Failed(error.clone()),
            });
        }
        if self.is_closed() {
            return Err(SnapshotError::NodeClosed);
        }
        if self.snapshots.follows_leader() || (self.snapshots.is_open && !force) {
            return Err(SnapshotError::InProgress);
        }
        if !force && !self.progress.is_empty() {
            return Err(SnapshotError::CatchupsRunning);
        }
        let index = match self.has_bug(Bug::SnapshotsBeyondApplied) {
            true => self.commit,
            false => self.applied,
        };
        if index == Index::ZERO {
            return Err(SnapshotError::NotAvailable);
        }
        let Ok(entry) = self.checkpoint_entry_at(index) else {
            return Err(SnapshotError::NotAvailable);
        };
        let peers = self.committed_peer_state(index);
        Ok(self.open_checkpoint(entry.head.term, index, peers))
    }

    /// Opens a checkpoint whose place is given; one that was open is over.
    fn open_checkpoint(&mut self, term: Term, index: Index, peers: PeerState) -> Checkpoint {
        self.snapshots.generation += 1;
        let checkpoint = Checkpoint {
            id: CheckpointId(self.snapshots.generation),
            term,
            index,
            previous: self.snapshot_index,
            peers,
        };
        self.snapshots.checkpoint = Some(checkpoint.clone());
        self.snapshots.is_open = true;
        checkpoint
    }

    /// Ends a checkpoint without an install. Does nothing to one that is over.
    pub fn abort_checkpoint(&mut self, id: CheckpointId) {
        if self.snapshots.open(id).is_some() {
            self.snapshots.abort_open();
        }
    }

    /// The checkpoint `id`, if it may still install.
    fn open_or_why(&self, id: CheckpointId) -> Result<&Checkpoint, SnapshotError> {
        if self.is_closed() {
            return Err(SnapshotError::NodeClosed);
        }
        self.snapshots.open(id).ok_or(SnapshotError::Aborted)
    }

    /// Where to read the snapshot before the checkpoint `id`.
    ///
    /// # Errors
    /// [`SnapshotError::NodeClosed`], [`SnapshotError::Aborted`], [`SnapshotError::NotAvailable`].
    pub fn checkpoint_source(&self, id: CheckpointId) -> Result<SnapshotSource, SnapshotError> {
        let previous = self.open_or_why(id)?.previous;
        Ok(SnapshotSource {
            index: previous,
            ..self.last_snapshot_source()?
        })
    }

    /// The entries of the checkpoint `id` from `from` on: at most `max_entries` and about
    /// `max_bytes`, at least one if there is any. None are left when it is empty.
    ///
    /// # Errors
    /// [`SnapshotError::NodeClosed`], [`SnapshotError::Aborted`], [`SnapshotError::Unreadable`].
    pub fn checkpoint_entries(
        &self,
        id: CheckpointId,
        from: Index,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<AppendEntry>, SnapshotError> {
        let checkpoint = self.open_or_why(id)?;
        let mut index = from.max(checkpoint.previous.next());
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while index <= checkpoint.index
            && (entries.is_empty() || (entries.len() < max_entries && bytes < max_bytes))
        {
            let entry = self.checkpoint_entry_at(index)?;
            bytes += entry.frame().len();
            entries.push(entry);
            index = index.next();
        }
        Ok(entries)
    }

    fn checkpoint_entry_at(&self, index: Index) -> Result<AppendEntry, SnapshotError> {
        let unreadable = |why: String| SnapshotError::Unreadable { index, why };
        let frame = self.log.load(index).map_err(|error| match error {
            LoadError::Closed => SnapshotError::NodeClosed,
            error => unreadable(error.to_string()),
        })?;
        AppendEntry::decode(frame).map_err(|error| unreadable(error.to_string()))
    }

    /// Where to read the last snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::NotAvailable`].
    pub fn last_snapshot_source(&self) -> Result<SnapshotSource, SnapshotError> {
        let name = self.snapshots.adopted.ok_or(SnapshotError::NotAvailable)?;
        Ok(SnapshotSource {
            reader: Arc::clone(&self.snapshots.reader),
            name,
            index: self.snapshot_index,
        })
    }

    /// Reads the last snapshot (server: `loadLastSnapshot`). Blocks on the disk.
    ///
    /// # Errors
    /// [`SnapshotError::NotAvailable`], [`SnapshotError::Corrupt`], [`SnapshotError::Storage`].
    pub(super) fn load_last_snapshot_core(&mut self) -> Result<SnapshotFile, SnapshotError> {
        let name = self.snapshots.adopted.ok_or(SnapshotError::NotAvailable)?;
        let file = self.snapshots.reader.load(name)?;
        if file.last_index == Index::ZERO {
            self.snapshots.adopted = None;
            self.remove_snapshot(name);
            return Err(SnapshotError::NotAvailable);
        }
        Ok(file)
    }

    /// Reads the last snapshot, for the application: its last index and its data
    /// (server: `LoadLastSnapshot`). Blocks on the disk.
    ///
    /// # Errors
    /// [`SnapshotError::NotAvailable`], [`SnapshotError::Corrupt`], [`SnapshotError::Storage`],
    /// [`SnapshotError::IndexMismatch`].
    pub fn load_last_snapshot(&mut self) -> Result<(Index, Bytes), SnapshotError> {
        let file = self.load_last_snapshot_core()?;
        if file.last_index == self.snapshot_index {
            Ok((file.last_index, file.data))
        } else {
            Err(SnapshotError::IndexMismatch)
        }
    }

    /// Whether there is something to make a snapshot of and none was made (server: `NeedSnapshot`).
    #[must_use]
    pub fn need_snapshot(&self) -> bool {
        self.snapshots.adopted.is_none() && self.applied > Index::ZERO
    }

    /// Takes a file off the disk, unless it is the one that counts or is about to be written.
    fn remove_snapshot(&mut self, name: SnapshotName) {
        let is_wanted = self.snapshots.adopted == Some(name)
            || self.snapshots.installs.iter().any(|i| i.name() == name);
        if !is_wanted {
            self.remove_snapshot_file(name.to_string());
        }
    }

    /// The log was cut to `last`: a snapshot of more is of a history that is gone
    /// (behaviour.md 8.7). Only a test makes such a cut, it is below the commit.
    pub(super) fn forget_snapshot_above(&mut self, last: Index) {
        if let Some(name) = self.snapshots.adopted.take_if(|name| name.index > last) {
            self.remove_snapshot(name);
        }
    }

    fn remove_snapshot_file(&mut self, name: String) {
        self.snapshots.ops.push(SnapshotOp::Remove(name));
        self.durability.issue();
    }

    /// Appends a snapshot of the application as an ordinary entry, so that members start from it
    /// (server: `SendSnapshot`).
    ///
    /// Differs from the server: only a leader does so. The server lets anybody append to its log.
    ///
    /// # Errors
    /// As [`Node::propose`].
    pub fn send_snapshot(&mut self, data: Bytes, now: Instant) -> Result<(), super::ProposeError> {
        self.advance_to(now);
        if self.role != Role::Leader {
            return Err(match self.is_closed() {
                true => super::ProposeError::Closed,
                false => super::ProposeError::NotLeader,
            });
        }
        super::leading::check_entry_size(data.len())?;
        let sent = self.send_append_entry(&[crate::types::Entry {
            kind: crate::types::EntryType::Snapshot,
            data,
        }]);
        sent.map_err(|_| match self.fatal.clone() {
            Some(error) => super::ProposeError::Failed(error),
            None => super::ProposeError::NotLeader,
        })
    }
}

impl From<StorageError> for SnapshotError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::SnapshotCorrupt { .. } => Self::Corrupt,
            error => Self::Storage(Arc::new(error)),
        }
    }
}
