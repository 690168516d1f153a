//! Append entries, their answers and commits, one call for each function of the server.

use raft_core::node::{Origin, SubscriptionId};
use raft_core::types::{Index, Term};

use crate::batch::NrgBatch;
use crate::convert::{slice_in, text_in, write_out};
use crate::guard::Failure;
use crate::node::{NrgNode, on_node};
use crate::propose::{adds_up, parts};
use crate::testing::call::{ask, bytes_in, call, entries_in, try_call, unknown, yields};

/// Origin of an append entry: the group's subject.
pub const NRG_TEST_ORIGIN_LIVE: u32 = 0;
/// Origin of an append entry: a catch-up, whose handle is given.
pub const NRG_TEST_ORIGIN_CATCHUP: u32 = 1;
/// Origin of an append entry: the node's own log.
pub const NRG_TEST_ORIGIN_REPLAY: u32 = 2;

/// Server: `processAppendEntry`. short lock
///
/// `source_kind` is one of `NRG_TEST_ORIGIN_*`; `catchup` is the handle of the catch-up, over
/// or not, else 0.
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_process_append_entry(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
    source_kind: u32,
    catchup: u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            Ok(node.process_append_entry(frame, reply, origin_in(source_kind, catchup)?)?)
        })
    }
}

/// Server: `handleAppendEntry`. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_handle_append_entry(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            node.handle_append_entry(frame, reply);
            Ok(())
        })
    }
}

/// Server: `processAppendEntryResponse`. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_process_append_entry_response(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = slice_in(frame_ptr, frame_len, "frame_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            Ok(node.process_append_entry_response(frame, reply)?)
        })
    }
}

/// Server: `handleAppendEntryResponse`. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_handle_append_entry_response(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            node.handle_append_entry_response(frame, reply);
            Ok(())
        })
    }
}

/// Server: `handleForwardedProposal`. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_handle_forwarded_proposal(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            node.handle_forwarded_proposal(frame, reply);
            Ok(())
        })
    }
}

/// Server: `handleForwardedRemovePeerProposal`. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_handle_forwarded_remove_peer_proposal(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            node.handle_forwarded_remove_peer_proposal(frame, reply);
            Ok(())
        })
    }
}

/// Server: `tryFastPathPropose`. Writes 1 when the proposal was left, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes; `left_out`
/// is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_try_fast_path_propose(
    node: *const NrgNode,
    term: u64,
    data_ptr: *const u8,
    data_len: usize,
    left_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let data = vec![bytes_in(data_ptr, data_len, "data_ptr")?];
            let left = node.call(|core| core.try_fast_path_propose(Term(term), data))?;
            write_out(left_out, u32::from(left), "left_out")
        })
    }
}

/// Server: `tryFastPathProposeMulti`. The data lies as for `nrg_node_propose_batch`. Writes 1 when
/// the proposals were left, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
/// `lengths_ptr` is null or valid for reads of `count` values; `left_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_try_fast_path_propose_multi(
    node: *const NrgNode,
    term: u64,
    data_ptr: *const u8,
    data_len: usize,
    lengths_ptr: *const u32,
    count: usize,
    left_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let packed = bytes_in(data_ptr, data_len, "data_ptr")?;
            let lengths = slice_in(lengths_ptr, count, "lengths_ptr")?;
            adds_up(lengths, packed.len())?;
            let data = parts(packed, lengths).collect();
            let left = node.call(|core| core.try_fast_path_propose(Term(term), data))?;
            write_out(left_out, u32::from(left), "left_out")
        })
    }
}

/// Server: `buildAppendEntry`. The entries lie as for `nrg_node_propose_batch`; the frame comes
/// as a batch of one record. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
/// `lengths_ptr` and `types_ptr` are null or valid for reads of `count` values; `batch_out` is
/// valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_build_append_entry(
    node: *const NrgNode,
    data_ptr: *const u8,
    data_len: usize,
    lengths_ptr: *const u32,
    types_ptr: *const u8,
    count: usize,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        yields(node, batch_out, |node| {
            let entries = entries_in(data_ptr, data_len, lengths_ptr, types_ptr, count)?;
            Ok(node.build_append_entry(&entries)?)
        })
    }
}

/// Server: `sendAppendEntry`. The entries lie as for `nrg_node_propose_batch`. short lock
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
/// `lengths_ptr` and `types_ptr` are null or valid for reads of `count` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_send_append_entry(
    node: *const NrgNode,
    data_ptr: *const u8,
    data_len: usize,
    lengths_ptr: *const u32,
    types_ptr: *const u8,
    count: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let entries = entries_in(data_ptr, data_len, lengths_ptr, types_ptr, count)?;
            Ok(node.send_append_entry(&entries)?)
        })
    }
}

/// Server: `sendAppendEntryLocked`. The entries lie as for `nrg_node_propose_batch`. short lock
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
/// `lengths_ptr` and `types_ptr` are null or valid for reads of `count` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_send_append_entry_locked(
    node: *const NrgNode,
    data_ptr: *const u8,
    data_len: usize,
    lengths_ptr: *const u32,
    types_ptr: *const u8,
    count: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let entries = entries_in(data_ptr, data_len, lengths_ptr, types_ptr, count)?;
            Ok(node.send_append_entry_locked(&entries)?)
        })
    }
}

/// Server: `sendHeartbeat`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_send_heartbeat(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.send_heartbeat()) }
}

/// Server: `sendPeerState`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_send_peer_state(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.send_peer_state()) }
}

/// Server: `trackResponse`. Writes 1 for yes, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes;
/// `tracked_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_track_response(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    tracked_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        ask(node, tracked_out, "tracked_out", |node| {
            let frame = slice_in(frame_ptr, frame_len, "frame_ptr")?;
            Ok(node.track_response(frame)?)
        })
    }
}

/// Server: `tryCommit`. Writes 1 for yes, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `committed_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_try_commit(
    node: *const NrgNode,
    index: u64,
    committed_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        ask(node, committed_out, "committed_out", |node| {
            Ok(node.try_commit(Index(index)))
        })
    }
}

/// Server: `applyCommit`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_apply_commit(node: *const NrgNode, index: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { try_call(node, |node| Ok(node.apply_commit(Index(index))?)) }
}

/// Server: `sendRPC`. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_send_rpc(
    node: *const NrgNode,
    subject_ptr: *const u8,
    subject_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
    payload_ptr: *const u8,
    payload_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let subject = text_in(subject_ptr, subject_len, "subject_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            node.send_rpc(
                subject,
                reply,
                bytes_in(payload_ptr, payload_len, "payload_ptr")?,
            );
            Ok(())
        })
    }
}

/// Server: `sendReply`. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_send_reply(
    node: *const NrgNode,
    subject_ptr: *const u8,
    subject_len: usize,
    payload_ptr: *const u8,
    payload_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let subject = text_in(subject_ptr, subject_len, "subject_ptr")?;
            node.send_reply(subject, bytes_in(payload_ptr, payload_len, "payload_ptr")?);
            Ok(())
        })
    }
}

/// Server: `resetInitializing`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_reset_initializing(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.reset_initializing()) }
}

fn origin_in(kind: u32, catchup: u64) -> Result<Origin, Failure> {
    match kind {
        NRG_TEST_ORIGIN_LIVE => Ok(Origin::Live),
        NRG_TEST_ORIGIN_CATCHUP => Ok(Origin::Catchup(SubscriptionId(catchup))),
        NRG_TEST_ORIGIN_REPLAY => Ok(Origin::Replay),
        other => Err(unknown("source_kind", other)),
    }
}
