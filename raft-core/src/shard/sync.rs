//! What a shard hands to the thread that may block: the gathered writes of one store root.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::slot::{SlotId, drop_payload, lock};
use crate::storage::{GroupStore, GroupWrites, SnapshotOutcome, StorageError, WriteSeq};

/// Names a store root within one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RootId(pub(super) usize);

impl RootId {
    /// The root's position, for tables kept beside the shard.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// The writes of all groups under one store root that gathered while the last batch was away.
/// They become durable together.
#[derive(Debug)]
pub struct SyncBatch {
    /// The root.
    pub root: RootId,
    pub(super) items: Vec<SyncItem>,
}

/// One group's part of a batch.
#[derive(Debug)]
pub struct SyncItem {
    /// Whose writes.
    pub slot: SlotId,
    /// Where they go.
    pub store: Arc<Mutex<GroupStore>>,
    /// What is written.
    pub writes: GroupWrites,
}

/// The outcome of a batch.
#[derive(Debug)]
pub struct SyncDone {
    /// The root.
    pub root: RootId,
    /// Each group's outcome, in the order of the batch.
    pub items: Vec<SyncedItem>,
}

/// One group's outcome.
#[derive(Debug)]
pub struct SyncedItem {
    /// Whose writes.
    pub slot: SlotId,
    /// Everything up to here was written and synced, unless `error` says otherwise.
    pub upto: WriteSeq,
    /// Why it failed. Final for the group.
    pub error: Option<Arc<StorageError>>,
    /// How the writing of its snapshots went.
    pub snapshots: Vec<SnapshotOutcome>,
}

impl SyncBatch {
    /// The groups in it and where they write to.
    #[must_use]
    pub fn items(&self) -> &[SyncItem] {
        &self.items
    }

    /// Writes what every group gathered, then syncs each, so that the disk may work on all of them
    /// at once. `log` says whether the logs are synced too; small files always are.
    ///
    /// A group that fails is reported and left alone; the others go on.
    #[must_use]
    pub fn run(self, log: bool) -> SyncDone {
        let mut stores = Vec::with_capacity(self.items.len());
        let mut items = Vec::with_capacity(self.items.len());
        for SyncItem {
            slot,
            store,
            writes,
        } in self.items
        {
            let upto = writes.upto;
            let (snapshots, error) = match guarded(|| lock(&store).write(writes)) {
                Ok(snapshots) => (snapshots, None),
                Err(error) => (Vec::new(), Some(Arc::new(error))),
            };
            stores.push(store);
            items.push(SyncedItem {
                slot,
                upto,
                error,
                snapshots,
            });
        }
        for (store, item) in stores.iter().zip(&mut items) {
            if item.error.is_none() {
                item.error = guarded(|| lock(store).sync(log)).err().map(Arc::new);
            }
        }
        SyncDone {
            root: self.root,
            items,
        }
    }
}

/// A store whose code panics has failed like one whose disk did: its group hears of it, and the
/// batch comes back for the others. The store itself refuses every later call.
fn guarded<T>(act: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|payload| {
        drop_payload(payload);
        Err(StorageError::Failed)
    })
}
