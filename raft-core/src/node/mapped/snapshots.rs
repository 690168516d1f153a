//! Snapshots under the server's names, as far as an application does not reach them.

use bytes::Bytes;

use super::{CallError, Mapped, Node};
use crate::node::{FatalError, SnapshotError};
use crate::types::Index;
use crate::wire::{ChecksumKey, SnapshotFile, SnapshotName, Subject};

impl Mapped<'_> {
    /// Server: `installSnapshot`, of a given snapshot. Its file is written by whoever drives the
    /// node.
    pub fn install_snapshot_core(&mut self, file: SnapshotFile) {
        self.past_the_rules().install_snapshot_core(file);
    }

    /// Server: `loadLastSnapshot`, the unexported one.
    ///
    /// # Errors
    /// No snapshot, or one that cannot be read.
    pub fn load_last_snapshot_core(&mut self) -> Result<SnapshotFile, CallError> {
        Ok(self.0.load_last_snapshot_core()?)
    }

    /// Server: `encodeSnapshot`.
    #[must_use]
    pub fn encode_snapshot(&self, file: &SnapshotFile) -> Bytes {
        file.encode(&ChecksumKey::of_group(&self.0.group))
    }

    /// Server: `setupLastSnapshot`.
    ///
    /// # Errors
    /// What the folder or its newest snapshot has against it.
    pub fn setup_last_snapshot(&mut self) -> Result<(), CallError> {
        let node = self.past_the_rules();
        let found = node.snapshots.reader.find()?;
        Ok(node.setup_last_snapshot(found)?)
    }

    /// Server: `sendSnapshotToFollower`. The index that was sent; none when the node stepped down
    /// for want of a snapshot.
    pub fn send_snapshot_to_follower(&mut self, inbox: &str) -> Option<Index> {
        self.0.send_snapshot_to_follower(&Subject::new(inbox))
    }
}

impl Node {
    pub(super) fn snapfile_named(&self) -> String {
        let adopted = self.snapshots.adopted;
        adopted.map_or_else(String::new, |name| name.to_string())
    }

    /// Takes a file for the snapshot that counts, or none for an empty name.
    pub(super) fn set_snapfile_named(&mut self, text: &str) -> Option<()> {
        self.snapshots.adopted = match text {
            "" => None,
            text => Some(SnapshotName::parse(text)?),
        };
        Some(())
    }
}

impl From<SnapshotError> for CallError {
    fn from(error: SnapshotError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<FatalError> for CallError {
    fn from(error: FatalError) -> Self {
        Self::Failed(error.to_string())
    }
}
