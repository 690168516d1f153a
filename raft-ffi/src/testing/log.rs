//! The log of a node, by the server's functions and past them, and the queues.

use raft_core::types::{Entry, Index, Term};

use crate::batch::NrgBatch;
use crate::convert::{text_in, write_out};
use crate::node::NrgNode;
use crate::testing::call::{ask, bytes_in, call, try_call, yields, yields_all};

/// Server: `loadEntry`. The stored frame comes as a batch of one record. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_load_entry(
    node: *const NrgNode,
    index: u64,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { yields(node, batch_out, |node| Ok(node.load_entry(Index(index))?)) }
}

/// Server: `storeToWAL`. short lock
///
/// # Safety
/// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_store_to_wal(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            Ok(node.store_to_wal(frame)?)
        })
    }
}

/// Server: `truncateWAL`; below the commit too, as there. Writes 1 when the log was cut, else
/// 0. short lock
///
/// # Safety
/// `node` is a live handle; `cut_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_truncate_wal(
    node: *const NrgNode,
    term: u64,
    index: u64,
    cut_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        ask(node, cut_out, "cut_out", |node| {
            Ok(node.truncate_wal(Term(term), Index(index)))
        })
    }
}

/// Server: `resetWAL`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_reset_wal(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.reset_wal()) }
}

/// Server: `cachePendingEntry`. short lock
///
/// # Safety
/// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_cache_pending_entry(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            Ok(node.cache_pending_entry(frame)?)
        })
    }
}

/// Cuts the log itself after `last`; the node does not know. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_wal_truncate(node: *const NrgNode, last: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { try_call(node, |node| Ok(node.wal_truncate(Index(last))?)) }
}

/// Drops what is below `first` from the log itself; the node does not know. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_wal_compact(node: *const NrgNode, first: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { try_call(node, |node| Ok(node.wal_compact(Index(first))?)) }
}

/// Appends any bytes to the log itself and writes their index; the node does not know. short
/// lock
///
/// # Safety
/// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes;
/// `index_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_wal_store(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    index_out: *mut u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            write_out(index_out, node.wal_store(frame)?.0, "index_out")
        })
    }
}

/// Makes every cut of the log fail from now on. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_wal_fail_truncate(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.wal_fail_truncate()) }
}

/// Puts a message at the end of a queue: `prop` (data, with its term), `entry`, `resp`, `reqs`,
/// `votes`, or a nil guard at the end of `apply`. short lock
///
/// Another queue: `NRG_STATUS_NOT_FOUND`.
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_queue_push(
    node: *const NrgNode,
    queue_ptr: *const u8,
    queue_len: usize,
    frame_ptr: *const u8,
    frame_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
    term: u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let queue = text_in(queue_ptr, queue_len, "queue_ptr")?;
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            Ok(node.queue_push(queue, frame, reply, Term(term))?)
        })
    }
}

/// Empties the queue of proposals: a batch with a record for each, its data after the eight
/// little-endian bytes of its term and the one of its type. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_proposals_take(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        yields_all(node, batch_out, |node| {
            let record = |(term, entry): (Term, Entry)| {
                let (term, kind) = (term.0.to_le_bytes(), [entry.kind.code()]);
                [&term[..], &kind[..], &entry.data].concat().into()
            };
            Ok(node.take_proposals().into_iter().map(record).collect())
        })
    }
}
