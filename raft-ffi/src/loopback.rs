//! The in-process network: nodes of one process reach each other through it, and it can be cut.

use std::sync::Arc;

use raft_core::runtime::Loopback;

use crate::convert::{handle_free, handle_in, handle_out, peer_in};
use crate::guard::{Failure, guard};
use crate::live::{Counted, Kind};
use crate::node::{NrgNode, on_node};
use crate::status::NRG_STATUS_INVALID_ARGUMENT;

/// An in-process network. Nodes opened on it keep it alive after `nrg_loopback_free`.
pub struct NrgLoopback {
    pub(crate) core: Loopback,
    /// Tells this network from others: a node remembers it.
    pub(crate) identity: Arc<()>,
    _counted: Counted,
}

/// Makes an in-process network without partitions. wait-free
///
/// The handle belongs to the caller, until `nrg_loopback_free`.
///
/// # Safety
/// `loopback_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_loopback_open(loopback_out: *mut *mut NrgLoopback) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(loopback_out, "loopback_out", || {
                Ok(NrgLoopback {
                    core: Loopback::new(),
                    identity: Arc::new(()),
                    _counted: Counted::global(Kind::Loopback),
                })
            })
        }
    })
}

/// Releases the handle; accepts null. Nodes on the network go on. wait-free
///
/// # Safety
/// `loopback` is null, or comes from `nrg_loopback_open`, was not freed, and is not used by
/// another call now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_loopback_free(loopback: *mut NrgLoopback) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_free(loopback) };
        Ok(())
    })
}

/// Puts a server into a partition; servers reach each other when their numbers are equal. All
/// start in 0, and 0 heals. short lock
///
/// `peer_id`: the eight bytes of its id in memory order, not 0.
///
/// # Safety
/// `loopback` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_loopback_set_partition(
    loopback: *const NrgLoopback,
    peer_id: u64,
    partition: u32,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        let loopback = unsafe { handle_in(loopback, "loopback")? };
        loopback
            .core
            .set_partition(peer_in(peer_id, "peer_id")?, partition);
        Ok(())
    })
}

/// Stops (`frozen` not 0) or resumes (0) the inputs, timers and commands of a node on this
/// network, as if its process were suspended: whatever commands it waits until it is resumed.
/// Reading, proposing, stopping, deleting and freeing do not wait. short lock
///
/// A node of another network: `NRG_STATUS_INVALID_ARGUMENT`.
///
/// # Safety
/// `loopback` and `node` are live handles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_loopback_freeze(
    loopback: *const NrgLoopback,
    node: *const NrgNode,
    frozen: u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let loopback = handle_in(loopback, "loopback")?;
            if !node.is_on(loopback) {
                let text = "the node is not on this network";
                return Err(Failure::new(NRG_STATUS_INVALID_ARGUMENT, text));
            }
            node.call(|core| match frozen {
                0 => core.unfreeze(),
                _ => core.freeze(),
            })
        })
    }
}
