//! White-box access to a node as a whole: detached nodes, all its fields, standing still.

use raft_core::runtime::{DetachedFlags, NodeHandle};

use crate::batch::NrgBatch;
use crate::convert::{handle_in, handle_out, known_flags, sized_in, text_in};
use crate::guard::{Failure, guard};
use crate::live::{Counted, Kind};
use crate::node::{NODE_CONFIG_SIZE, NrgNode, in_node, node_config, on_node};
use crate::runtime::NrgRuntime;
use crate::status::NRG_STATUS_FAULTED;
use crate::testing::call::try_call;
use crate::types::NrgNodeConfig;

/// Flag of `nrg_test_node_open`: a hand-made node without a log.
pub const NRG_TEST_NODE_NO_LOG: u32 = 1;
/// Flag of `nrg_test_node_open`: a hand-made node whose messages go nowhere.
pub const NRG_TEST_NODE_NO_TRANSPORT: u32 = 2;

/// Opens a detached node, bootstrapped before unless it is hand-made (`NRG_TEST_NODE_*`), in a
/// runtime with `NRG_CLOCK_MANUAL`. may block on disk
///
/// Every function of a node works on it. It has no driver: each call settles, which means that
/// writes are synced and what they held back is sent; queues are popped and timers fire only in
/// turns that are played. Transport and loopback of `config` are ignored. The handle belongs to
/// the caller, until `nrg_node_free`.
///
/// # Safety
/// `runtime` is a live handle; `config` points to a struct of its own `struct_size` and what it
/// names; `node_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_open(
    runtime: *const NrgRuntime,
    config: *const NrgNodeConfig,
    flags: u32,
    node_out: *mut *mut NrgNode,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own; the struct is integers and
        // pointers.
        unsafe {
            handle_out(node_out, "node_out", || {
                let runtime = handle_in(runtime, "runtime")?;
                let config = node_config(&sized_in(config, NODE_CONFIG_SIZE, "config")?)?;
                known_flags(
                    flags,
                    NRG_TEST_NODE_NO_LOG | NRG_TEST_NODE_NO_TRANSPORT,
                    "flags",
                )?;
                let flags = DetachedFlags {
                    no_log: flags & NRG_TEST_NODE_NO_LOG != 0,
                    no_transport: flags & NRG_TEST_NODE_NO_TRANSPORT != 0,
                };
                let core = runtime.core().start_detached(config, flags)?;
                Ok(NrgNode::new(runtime, core, None))
            })
        }
    })
}

/// Hands out the whole state of a node as JSON, in a batch of one record. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_dump(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(batch_out, "batch_out", || {
                in_node(node, |node| {
                    let state = node.call(NodeHandle::dump)?;
                    let state = state
                        .map_err(|faulted| Failure::new(NRG_STATUS_FAULTED, faulted.to_string()))?;
                    Ok(text_batch(state))
                })
            })
        }
    })
}

/// Changes fields of a node by a JSON merge patch, with the names of `nrg_test_node_dump`; its
/// invariants are no longer checked. short lock
///
/// An unknown name: `NRG_STATUS_NOT_FOUND`. A name that can only be read, or a value that does not
/// fit: `NRG_STATUS_INVALID_ARGUMENT`.
///
/// # Safety
/// `node` is a live handle; `patch_ptr` is null or valid for reads of `patch_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_set(
    node: *const NrgNode,
    patch_ptr: *const u8,
    patch_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            Ok(node.set(text_in(patch_ptr, patch_len, "patch_ptr")?)?)
        })
    }
}

/// Stops the inputs, timers and commands of a node, as `nrg_loopback_freeze`. short lock
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

/// A batch of one text.
fn text_batch(text: String) -> NrgBatch {
    NrgBatch::bytes(vec![text.into()], Counted::global(Kind::Batch))
}
