//! A node's snapshots for its host: making them, reading them, starting from them.

use std::sync::Arc;

use bytes::Bytes;

use super::handle::NodeHandle;
use super::hosted::NodeInner;
use crate::node::{Checkpoint, CheckpointId, Node, ProposeError, SnapshotError, SnapshotSource};
use crate::types::Index;
use crate::wire::AppendEntry;

/// A snapshot that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSnapshot {
    /// The last index it covers.
    pub index: Index,
    /// The application's data.
    pub data: Bytes,
}

/// Snapshots.
impl NodeHandle {
    /// Installs `data` as the snapshot of everything applied; how many bytes of the log that freed.
    /// Blocks on the disk, not the node. `force` replaces a checkpoint that is open and does not
    /// mind followers that are being caught up.
    ///
    /// # Errors
    /// [`SnapshotError`]. After [`SnapshotError::Storage`] the node goes on, and it may be tried
    /// again. [`SnapshotError::NodeClosed`] also when the node stops meanwhile.
    pub fn install_snapshot(&self, data: Bytes, force: bool) -> Result<u64, SnapshotError> {
        install(&self.0, |node| node.install_snapshot(data, force))
    }

    /// Opens a checkpoint: the application may read what it needs for a snapshot and install it
    /// while the node goes on. Does not block on the disk but for a read.
    ///
    /// # Errors
    /// [`SnapshotError`], as for [`Node::create_snapshot_checkpoint`].
    pub fn open_checkpoint(&self, force: bool) -> Result<CheckpointHandle, SnapshotError> {
        let made = self
            .0
            .command(|node| node.create_snapshot_checkpoint(force));
        let checkpoint = made.unwrap_or(Err(SnapshotError::NodeClosed))?;
        Ok(CheckpointHandle {
            node: Arc::clone(&self.0),
            checkpoint,
        })
    }

    /// Reads the last snapshot. Blocks on the disk, not the node.
    ///
    /// # Errors
    /// [`SnapshotError::NotAvailable`], [`SnapshotError::Corrupt`],
    /// [`SnapshotError::IndexMismatch`], [`SnapshotError::Storage`].
    pub fn load_last_snapshot(&self) -> Result<LastSnapshot, SnapshotError> {
        load(|| self.0.slot.peek(Node::last_snapshot_source))
    }

    /// Appends a snapshot of the application as an ordinary entry, so that members start from it.
    ///
    /// # Errors
    /// As [`NodeHandle::propose`].
    pub fn send_snapshot(&self, data: Bytes) -> Result<(), ProposeError> {
        let now = self.0.core.clock.now();
        let sent = self.0.command(|node| node.send_snapshot(data, now));
        sent.unwrap_or(Err(ProposeError::Closed))
    }

    /// Whether there is something to make a snapshot of and none was made.
    #[must_use]
    pub fn need_snapshot(&self) -> bool {
        self.0.slot.peek(Node::need_snapshot)
    }

    /// Hands the last snapshot to the application once more, before everything after it, which is
    /// held back until [`NodeHandle::resume_apply`]. False when there is no snapshot to be read.
    /// A leader steps down. Blocks on the disk for the read.
    pub fn drain_and_replay_snapshot(&self) -> bool {
        let now = self.0.core.clock.now();
        let drained = self.0.command(|node| node.drain_and_replay_snapshot(now));
        drained.unwrap_or(false)
    }

    /// Forgets log, snapshots, membership, term and vote. The node should be an observer, or it
    /// elects itself. Does not wait for the disk.
    pub fn reset(&self) {
        let now = self.0.core.clock.now();
        // A node that has failed has nothing left to forget.
        let _failed = self.0.command(|node| node.reset(now));
    }
}

/// An open checkpoint. Ends with [`CheckpointHandle::install`], [`CheckpointHandle::abort`] or when
/// it is dropped, and when something newer takes its place; calls say
/// [`SnapshotError::Aborted`] then, and [`SnapshotError::NodeClosed`] once the node has stopped.
#[derive(Debug)]
pub struct CheckpointHandle {
    node: Arc<NodeInner>,
    checkpoint: Checkpoint,
}

impl CheckpointHandle {
    /// The last index its snapshot will cover.
    #[must_use]
    pub const fn index(&self) -> Index {
        self.checkpoint.index
    }

    /// The last index the snapshot before covers; zero when there is none.
    #[must_use]
    pub const fn previous_index(&self) -> Index {
        self.checkpoint.previous
    }

    /// Its name within the node.
    #[must_use]
    pub const fn id(&self) -> CheckpointId {
        self.checkpoint.id
    }

    /// Reads the snapshot before. Blocks on the disk, not the node.
    ///
    /// # Errors
    /// As [`NodeHandle::load_last_snapshot`], and those of a checkpoint that is over.
    pub fn load_last_snapshot(&self) -> Result<LastSnapshot, SnapshotError> {
        let id = self.checkpoint.id;
        load(|| self.node.slot.peek(|node| node.checkpoint_source(id)))
    }

    /// The entries since the snapshot before, up to the checkpoint, from `from` on: at most
    /// `max_entries` and about `max_bytes`, at least one if there is any. Empty at the end.
    ///
    /// # Errors
    /// [`SnapshotError::Unreadable`], and those of a checkpoint that is over.
    pub fn entries(
        &self,
        from: Index,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<AppendEntry>, SnapshotError> {
        let id = self.checkpoint.id;
        let slot = &self.node.slot;
        slot.peek(|node| node.checkpoint_entries(id, from, max_entries, max_bytes))
    }

    /// Installs `data` as the snapshot of this checkpoint; how many bytes of the log that freed.
    /// Blocks on the disk, not the node.
    ///
    /// # Errors
    /// As [`NodeHandle::install_snapshot`], and those of a checkpoint that is over.
    pub fn install(&self, data: Bytes) -> Result<u64, SnapshotError> {
        let id = self.checkpoint.id;
        install(&self.node, |node| {
            node.install_checkpoint(id, data).map(|()| id)
        })
    }

    /// Ends the checkpoint without a snapshot. Does nothing to one that is over.
    pub fn abort(&self) {
        let id = self.checkpoint.id;
        self.node.adjust(|node| node.abort_checkpoint(id));
    }
}

impl Drop for CheckpointHandle {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Begins an install and waits for its outcome.
fn install(
    node: &NodeInner,
    begin: impl FnOnce(&mut Node) -> Result<CheckpointId, SnapshotError>,
) -> Result<u64, SnapshotError> {
    let begun = node
        .command(begin)
        .unwrap_or(Err(SnapshotError::NodeClosed));
    let outcome = node.slot.wait_installed(begun?);
    outcome.unwrap_or(Err(SnapshotError::NodeClosed))
}

/// Reads a snapshot without holding the node. One that was replaced meanwhile is left for its
/// successor; each round follows an install, so this ends.
fn load(
    source: impl Fn() -> Result<SnapshotSource, SnapshotError>,
) -> Result<LastSnapshot, SnapshotError> {
    let mut from = source()?;
    loop {
        let read = from.load();
        let now = source()?;
        if now.is_same(&from) {
            return read.map(|file| LastSnapshot {
                index: file.last_index,
                data: file.data,
            });
        }
        from = now;
    }
}
