//! The same white-box access to a live node: between two of its turns, frozen or not.

use raft_core::node::{CallError, Node};
use raft_core::runtime::NodeHandle;

use crate::batch::NrgBatch;
use crate::convert::{handle_out, text_in};
use crate::guard::{Failure, guard};
use crate::node::{NrgNode, in_node, on_node};
use crate::status::NRG_STATUS_FAULTED;
use crate::testing::node::text_batch;

/// Hands out the whole state of a live node as JSON, as `nrg_test_node_dump`. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_live_dump(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(batch_out, "batch_out", || {
                in_node(node, |node| {
                    let state = with(node, |node| Ok(node.dump_mapped()))?;
                    Ok(text_batch(state.to_string()))
                })
            })
        }
    })
}

/// Changes fields of a live node, as `nrg_test_node_set`; its invariants are no longer checked.
/// short lock
///
/// # Safety
/// `node` is a live handle; `patch_ptr` is null or valid for reads of `patch_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_live_set(
    node: *const NrgNode,
    patch_ptr: *const u8,
    patch_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let patch = text_in(patch_ptr, patch_len, "patch_ptr")?;
            with(node, |node| node.set_mapped(patch))
        })
    }
}

/// Calls a method of a live node, as `nrg_test_node_call`; what needs hands around the node, such
/// as playing turns, is `NRG_STATUS_NOT_FOUND`. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length; `batch_out` is
/// valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_live_call(
    node: *const NrgNode,
    name_ptr: *const u8,
    name_len: usize,
    args_ptr: *const u8,
    args_len: usize,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(batch_out, "batch_out", || {
                in_node(node, |node| {
                    let name = text_in(name_ptr, name_len, "name_ptr")?;
                    let args = text_in(args_ptr, args_len, "args_ptr")?;
                    let now = node.now();
                    let result = with(node, |node| node.call_mapped(name, args, now))?;
                    Ok(text_batch(result.to_string()))
                })
            })
        }
    })
}

/// Stops the inputs, timers and commands of a live node, as `nrg_loopback_freeze`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_freeze(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_node(node, |node| node.call(NodeHandle::freeze)) }
}

/// Resumes what `nrg_test_node_freeze` stopped. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_unfreeze(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_node(node, |node| node.call(NodeHandle::unfreeze)) }
}

fn with<T>(
    node: &NrgNode,
    run: impl FnOnce(&mut Node) -> Result<T, CallError>,
) -> Result<T, Failure> {
    let outcome = node.call(|core| core.with_node(run))?;
    Ok(outcome.map_err(|faulted| Failure::new(NRG_STATUS_FAULTED, faulted.to_string()))??)
}
