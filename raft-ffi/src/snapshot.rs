//! Snapshots: made at once or through a checkpoint, read back, sent, started from again.

use std::sync::Arc;

use bytes::Bytes;
use raft_core::node::SnapshotError;
use raft_core::runtime::{CheckpointHandle, NodeHandle};
use raft_core::types::Index;

use crate::batch::NrgBatch;
use crate::convert::{
    handle_free, handle_in, handle_or_null_out, handle_out, null, slice_in, write_out,
};
use crate::guard::{Failure, Outcome, guard};
use crate::live::{Counted, Kind, LiveCounts};
use crate::node::{NrgNode, in_node, on_node, panicked};
use crate::status::NRG_STATUS_FAULTED;

/// An open checkpoint of a node, until `nrg_checkpoint_free`. It outlives the node's handle.
pub struct NrgCheckpoint {
    core: CheckpointHandle,
    node: NodeHandle,
    live: Arc<LiveCounts>,
    _counted: Counted,
}

impl NrgCheckpoint {
    /// Calls the engine; as [`NrgNode::call`].
    fn call<T>(
        &self,
        run: impl FnOnce(&CheckpointHandle) -> Result<T, SnapshotError>,
    ) -> Result<T, Failure> {
        if self.node.fault().is_some() {
            return Err(Failure::code(NRG_STATUS_FAULTED));
        }
        let result = run(&self.core);
        match self.node.fault() {
            None => Ok(result?),
            Some(text) => Err(panicked(&text)),
        }
    }
}

/// Installs a snapshot of everything applied and drops the log before it. may block on disk
///
/// Writes how many bytes of the log that freed. Without `force` (0), an open checkpoint is
/// `NRG_STATUS_SNAPSHOT_IN_PROGRESS` and a follower being caught up
/// `NRG_STATUS_CATCHUPS_RUNNING`. Nothing new applied: `NRG_STATUS_NO_SNAPSHOT`. When the disk
/// refuses (`NRG_STATUS_IO`) nothing changed, and it may be tried again. The data is copied once.
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes; `freed_out`
/// is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_snapshot_install(
    node: *const NrgNode,
    data_ptr: *const u8,
    data_len: usize,
    force: u32,
    freed_out: *mut u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            if freed_out.is_null() {
                return Err(null("freed_out"));
            }
            let data = Bytes::copy_from_slice(slice_in(data_ptr, data_len, "data_ptr")?);
            let freed = node.call(|core| core.install_snapshot(data, force != 0))??;
            write_out(freed_out, freed, "freed_out")
        })
    }
}

/// Reads the last snapshot, as a batch of one record: the index it covers and the data.
/// may block on disk
///
/// The batch belongs to the caller, until `nrg_batch_free`. None was made:
/// `NRG_STATUS_NO_SNAPSHOT`; the file is damaged: `NRG_STATUS_SNAPSHOT_CORRUPT`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_snapshot_load(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(batch_out, "batch_out", || {
                in_node(node, |node| {
                    let last = node.call(NodeHandle::load_last_snapshot)??;
                    let counted = Counted::of(node.live(), Kind::Batch);
                    Ok(NrgBatch::snapshot(last, counted))
                })
            })
        }
    })
}

/// Appends a snapshot of the application as an ordinary entry, so that members start from it.
/// short lock
///
/// Only a leader may (`NRG_STATUS_NOT_LEADER`). The data is copied once.
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_snapshot_send(
    node: *const NrgNode,
    data_ptr: *const u8,
    data_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let data = Bytes::copy_from_slice(slice_in(data_ptr, data_len, "data_ptr")?);
            Ok(node.call(|core| core.send_snapshot(data))??)
        })
    }
}

/// Empties the apply queue and hands the last snapshot to the application once more; what follows
/// it is held back until `nrg_node_apply_resume`. A leader steps down. may block on disk
///
/// Writes 1, or 0 when there is no snapshot that can be read: then nothing changed.
///
/// # Safety
/// `node` is a live handle; `replayed_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_drain_and_replay_snapshot(
    node: *const NrgNode,
    replayed_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            if replayed_out.is_null() {
                return Err(null("replayed_out"));
            }
            let replayed = node.call(NodeHandle::drain_and_replay_snapshot)?;
            write_out(replayed_out, u32::from(replayed), "replayed_out")
        })
    }
}

/// Forgets log, snapshots, members, term and vote: the node becomes an empty group of one and goes
/// on. Make it an observer first, or it elects itself. Does nothing to a stopped node. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_reset(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_node(node, |node| node.call(NodeHandle::reset)) }
}

/// Opens a checkpoint of everything applied, to be read from and installed while the node goes on.
/// short lock
///
/// The handle belongs to the caller, until `nrg_checkpoint_free`. One may be open at a time;
/// `force` (not 0) replaces an open one. Refused as `nrg_node_snapshot_install` is. Once the
/// checkpoint is over, aborted, installed or replaced, its calls answer
/// `NRG_STATUS_SNAPSHOT_ABORTED`, and `NRG_STATUS_CLOSED` once the node has stopped.
///
/// # Safety
/// `node` is a live handle; `checkpoint_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_checkpoint_open(
    node: *const NrgNode,
    force: u32,
    checkpoint_out: *mut *mut NrgCheckpoint,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(checkpoint_out, "checkpoint_out", || {
                in_node(node, |node| {
                    let core = node.call(|core| core.open_checkpoint(force != 0))??;
                    Ok(NrgCheckpoint {
                        core,
                        node: node.core().clone(),
                        live: Arc::clone(node.live()),
                        _counted: Counted::of(node.live(), Kind::Checkpoint),
                    })
                })
            })
        }
    })
}

/// Reads the snapshot that was the last one when the checkpoint was opened, as
/// `nrg_node_snapshot_load` does. may block on disk
///
/// # Safety
/// `checkpoint` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_checkpoint_load_last(
    checkpoint: *const NrgCheckpoint,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(batch_out, "batch_out", || {
                let checkpoint = handle_in(checkpoint, "checkpoint")?;
                let last = checkpoint.call(CheckpointHandle::load_last_snapshot)?;
                let counted = Counted::of(&checkpoint.live, Kind::Batch);
                Ok(NrgBatch::snapshot(last, counted))
            })
        }
    })
}

/// Takes entries of the log since the last snapshot, up to the checkpoint, beginning at log index
/// `from`; 0 begins at the first. Null when none are left. may block on disk
///
/// At most `max_items` log indexes, or fewer when their data exceeds `max_bytes`; at least one when
/// there is any. The records are as in `nrg_node_apply_take`, with every type of entry. The batch
/// belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `checkpoint` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_checkpoint_entries_take(
    checkpoint: *const NrgCheckpoint,
    from: u64,
    max_items: usize,
    max_bytes: usize,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_or_null_out(batch_out, "batch_out", || {
                let checkpoint = handle_in(checkpoint, "checkpoint")?;
                let (items, bytes) = (max_items.max(1), max_bytes.max(1));
                let taken = checkpoint.call(|core| core.entries(Index(from), items, bytes))?;
                let counted = || Counted::of(&checkpoint.live, Kind::Batch);
                Ok((!taken.is_empty()).then(|| NrgBatch::log_entries(taken, counted())))
            })
        }
    })
}

/// Installs the application's state at the checkpoint as the snapshot and drops the log before it.
/// may block on disk
///
/// Writes how many bytes of the log that freed. The checkpoint is over then, failed or not. The
/// data is copied once.
///
/// # Safety
/// `checkpoint` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
/// `freed_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_checkpoint_install(
    checkpoint: *const NrgCheckpoint,
    data_ptr: *const u8,
    data_len: usize,
    freed_out: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            let checkpoint = handle_in(checkpoint, "checkpoint")?;
            if freed_out.is_null() {
                return Err(null("freed_out"));
            }
            let data = Bytes::copy_from_slice(slice_in(data_ptr, data_len, "data_ptr")?);
            let freed = checkpoint.call(|core| core.install(data))?;
            write_out(freed_out, freed, "freed_out")
        }
    })
}

/// Ends a checkpoint without a snapshot, on any thread, during its install too. Does nothing to one
/// that is over. short lock
///
/// # Safety
/// `checkpoint` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_checkpoint_abort(checkpoint: *const NrgCheckpoint) -> i32 {
    guard(|| -> Outcome {
        // SAFETY: the caller's promise is this function's own.
        let checkpoint = unsafe { handle_in(checkpoint, "checkpoint")? };
        checkpoint.call(|core| {
            core.abort();
            Ok(())
        })
    })
}

/// Releases the handle, and aborts the checkpoint if it is still open; accepts null. short lock
///
/// # Safety
/// `checkpoint` is null, or comes from `nrg_checkpoint_open`, was not freed, and is not used by
/// another call now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_checkpoint_free(checkpoint: *mut NrgCheckpoint) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_free(checkpoint) };
        Ok(())
    })
}
