//! Who belongs to the group, one call for each function of the server.

use bytes::Bytes;
use raft_core::types::{Entry, EntryType};

use crate::batch::NrgBatch;
use crate::convert::{peer_in, slice_in};
use crate::node::NrgNode;
use crate::testing::call::{ask, call, try_call, yields};

/// Server: `trackPeer`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_track_peer(node: *const NrgNode, peer_id: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let peer = peer_in(peer_id, "peer_id")?;
            node.track_peer(peer);
            Ok(())
        })
    }
}

/// Server: `addPeer`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_add_peer(node: *const NrgNode, peer_id: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let peer = peer_in(peer_id, "peer_id")?;
            node.add_peer(peer);
            Ok(())
        })
    }
}

/// Server: `removePeer`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_remove_peer(node: *const NrgNode, peer_id: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let peer = peer_in(peer_id, "peer_id")?;
            node.remove_peer(peer);
            Ok(())
        })
    }
}

/// Server: `processPeerState`. The frame is an encoded peer state. short lock
///
/// # Safety
/// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_process_peer_state(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = slice_in(frame_ptr, frame_len, "frame_ptr")?;
            Ok(node.process_peer_state(frame)?)
        })
    }
}

/// Server: `writePeerState`. The frame is an encoded peer state. short lock
///
/// # Safety
/// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_write_peer_state(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = slice_in(frame_ptr, frame_len, "frame_ptr")?;
            Ok(node.write_peer_state(frame)?)
        })
    }
}

/// Server: `currentPeerState`. The encoded peer state comes as a batch of one record. short
/// lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_current_peer_state(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        yields(node, batch_out, |node| {
            Ok(node.current_peer_state().encode())
        })
    }
}

/// Server: `currentPeerStateLocked`. The encoded peer state comes as a batch of one record.
/// short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_current_peer_state_locked(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        yields(node, batch_out, |node| {
            Ok(node.current_peer_state_locked().encode())
        })
    }
}

/// Server: `adjustClusterSizeAndQuorum`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_adjust_cluster_size_and_quorum(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.adjust_cluster_size_and_quorum()) }
}

/// Server: `recalcQuorum`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_recalc_quorum(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.recalc_quorum()) }
}

/// Server: `revertMembershipChange`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_revert_membership_change(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.revert_membership_change()) }
}

/// Server: `sendMembershipChange`. `kind` is `NRG_ENTRY_ADD_PEER` or `NRG_ENTRY_REMOVE_PEER`. Writes
/// 1 when it was appended, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `sent_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_send_membership_change(
    node: *const NrgNode,
    kind: u8,
    peer_id: u64,
    sent_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        ask(node, sent_out, "sent_out", |node| {
            let peer = peer_in(peer_id, "peer_id")?;
            let kind = EntryType::from_code(kind);
            let data = Bytes::copy_from_slice(peer.as_bytes());
            Ok(node.send_membership_change(&Entry { kind, data })?)
        })
    }
}

/// Server: `expireRescueLocked`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_expire_rescue(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.expire_rescue()) }
}

/// Server: `pendingSelfRemoval`. Writes 1 for yes, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `pending_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_pending_self_removal(
    node: *const NrgNode,
    pending_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        ask(node, pending_out, "pending_out", |node| {
            Ok(node.pending_self_removal())
        })
    }
}
