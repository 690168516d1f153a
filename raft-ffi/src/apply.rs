//! The apply queue: committed entries out, progress back in.

use raft_core::runtime::NodeHandle;
use raft_core::types::Index;

use crate::batch::NrgBatch;
use crate::convert::{handle_or_null_out, null, write_out};
use crate::guard::guard;
use crate::live::{Counted, Kind};
use crate::node::{NrgNode, in_node, on_node};

/// Takes committed entries, oldest first, as a batch of entries. short lock
///
/// At most `max_items` log indexes, or fewer when their data exceeds `max_bytes`; at least one when
/// there is any. The records of one index are never split over two batches. Every index above 0
/// must be reported with `nrg_node_processed`. The batch belongs to the caller, until
/// `nrg_batch_free`; null when the queue is empty. Works on a stopped node too.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_apply_take(
    node: *const NrgNode,
    max_items: usize,
    max_bytes: usize,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_or_null_out(batch_out, "batch_out", || {
                in_node(node, |node| {
                    let (items, bytes) = (max_items.max(1), max_bytes.max(1));
                    let taken = node.call(|core| core.take_applied(items, bytes))?;
                    let counted = || Counted::of(node.live(), Kind::Batch);
                    Ok((!taken.is_empty()).then(|| NrgBatch::committed(taken, counted())))
                })
            })
        }
    })
}

/// Reports how far the application is: worked through `index`, done for good with `applied`.
///
/// Once for each batch is enough. Writes what a snapshot at `applied` would free: entries and
/// bytes. short lock
///
/// # Safety
/// `node` is a live handle; the other pointers are valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_processed(
    node: *const NrgNode,
    index: u64,
    applied: u64,
    entries_out: *mut u64,
    bytes_out: *mut u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            if entries_out.is_null() {
                return Err(null("entries_out"));
            }
            if bytes_out.is_null() {
                return Err(null("bytes_out"));
            }
            let (index, applied) = (Index(index), Index(applied));
            let (entries, bytes) = node.call(|core| core.processed(index, applied))?;
            write_out(entries_out, entries, "entries_out")?;
            write_out(bytes_out, bytes, "bytes_out")
        })
    }
}

/// Holds back what is committed from now on, until `nrg_node_apply_resume`. short lock
///
/// A node that leads: `NRG_STATUS_ALREADY_LEADER`.
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_apply_pause(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_node(node, |node| Ok(node.call(NodeHandle::pause_apply)??)) }
}

/// Releases what `nrg_node_apply_pause` holds back. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_apply_resume(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_node(node, |node| node.call(NodeHandle::resume_apply)) }
}
