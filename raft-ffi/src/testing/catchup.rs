//! Both ends of a catch-up, one call for each function of the server.

use crate::batch::NrgBatch;
use crate::convert::{slice_in, text_in};
use crate::node::NrgNode;
use crate::testing::call::{ask, bytes_in, call, try_call, yields};

/// Server: `catchupFollower`. The frame is the follower's answer, the reply its inbox. short
/// lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_catchup_follower(
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
            Ok(node.catchup_follower(frame, reply)?)
        })
    }
}

/// Server: `createCatchup`. The inbox comes as a batch of one record. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes;
/// `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_create_catchup(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        yields(node, batch_out, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            Ok(node.create_catchup(frame)?.into())
        })
    }
}

/// Server: `cancelCatchup`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_cancel_catchup(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.cancel_catchup()) }
}

/// Server: `catchupStalled`. Writes 1 for yes, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `stalled_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_catchup_stalled(
    node: *const NrgNode,
    stalled_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        ask(node, stalled_out, "stalled_out", |node| {
            Ok(node.catchup_stalled())
        })
    }
}

/// Server: `sendCatchupSignal`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_send_catchup_signal(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.send_catchup_signal()) }
}

/// Server: `cancelCatchupSignal`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_cancel_catchup_signal(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.cancel_catchup_signal()) }
}
