//! Snapshots below the surface, one call for each function of the server.

use bytes::Bytes;
use raft_core::types::{Index, Term};
use raft_core::wire::SnapshotFile;

use crate::batch::NrgBatch;
use crate::convert::{text_in, write_out};
use crate::guard::Failure;
use crate::node::NrgNode;
use crate::testing::call::{bytes_in, try_call, yields, yields_all};

/// Server: `sendSnapshotToFollower`. Writes the index the snapshot stands for, or 0 when the node
/// has stepped down for want of one that can be read. short lock
///
/// # Safety
/// `node` is a live handle; `inbox_ptr` is null or valid for reads of `inbox_len` bytes;
/// `index_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_send_snapshot_to_follower(
    node: *const NrgNode,
    inbox_ptr: *const u8,
    inbox_len: usize,
    index_out: *mut u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let inbox = text_in(inbox_ptr, inbox_len, "inbox_ptr")?;
            let sent = node.send_snapshot_to_follower(inbox);
            write_out(index_out, sent.map_or(0, |index| index.0), "index_out")
        })
    }
}

/// Server: `installSnapshot`, of a given snapshot; `peer_state_ptr` is an encoded peer state. Whoever
/// drives the node writes the file. may block on disk
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_install_snapshot_core(
    node: *const NrgNode,
    last_term: u64,
    last_index: u64,
    peer_state_ptr: *const u8,
    peer_state_len: usize,
    data_ptr: *const u8,
    data_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let peer_state = bytes_in(peer_state_ptr, peer_state_len, "peer_state_ptr")?;
            let data = bytes_in(data_ptr, data_len, "data_ptr")?;
            node.install_snapshot_core(file(last_term, last_index, peer_state, data));
            Ok(())
        })
    }
}

/// Server: `loadLastSnapshot`, the unexported one: a batch of two records, the encoded peer state
/// and the data. may block on disk
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; the other pointers are valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_load_last_snapshot_core(
    node: *const NrgNode,
    last_term_out: *mut u64,
    last_index_out: *mut u64,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        yields_all(node, batch_out, |node| {
            let file = node.load_last_snapshot_core().map_err(Failure::from)?;
            write_out(last_term_out, file.last_term.0, "last_term_out")?;
            write_out(last_index_out, file.last_index.0, "last_index_out")?;
            Ok(vec![file.peer_state, file.data])
        })
    }
}

/// Server: `encodeSnapshot`: the bytes of the file as a batch of one record; `peer_state_ptr` is an
/// encoded peer state. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length; `batch_out` is
/// valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_encode_snapshot(
    node: *const NrgNode,
    last_term: u64,
    last_index: u64,
    peer_state_ptr: *const u8,
    peer_state_len: usize,
    data_ptr: *const u8,
    data_len: usize,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        yields(node, batch_out, |node| {
            let peer_state = bytes_in(peer_state_ptr, peer_state_len, "peer_state_ptr")?;
            let data = bytes_in(data_ptr, data_len, "data_ptr")?;
            Ok(node.encode_snapshot(&file(last_term, last_index, peer_state, data)))
        })
    }
}

/// Server: `setupLastSnapshot`. may block on disk
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_setup_last_snapshot(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { try_call(node, |node| Ok(node.setup_last_snapshot()?)) }
}

const fn file(last_term: u64, last_index: u64, peer_state: Bytes, data: Bytes) -> SnapshotFile {
    SnapshotFile {
        last_term: Term(last_term),
        last_index: Index(last_index),
        peer_state,
        data,
    }
}
