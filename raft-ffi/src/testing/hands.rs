//! The hands of a detached node: its disk, its network, its turns. A node that has a driver
//! answers `NRG_STATUS_UNSUPPORTED`.

use std::time::Duration;

use raft_core::runtime::{HandsError, NodeHandle, Voter};

use crate::batch::NrgBatch;
use crate::convert::{handle_or_null_out, peer_in, text_in};
use crate::guard::guard;
use crate::live::{Counted, Kind};
use crate::node::{NrgNode, in_node, on_node};
use crate::testing::call::{ask, bytes_in};

/// Takes what a detached node has sent, in order, as a batch of messages. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`; null when nothing was sent.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_spy_take(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_or_null_out(batch_out, "batch_out", || {
                in_node(node, |node| {
                    let sent = node.core().take_sent()?;
                    let counted = || Counted::global(Kind::Batch);
                    Ok((!sent.is_empty()).then(|| NrgBatch::messages(sent, counted())))
                })
            })
        }
    })
}

/// Hands a message to whatever subscription a node has to a subject; it is queued. Writes 1 when
/// there is one, else 0. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length; `heard_out` is
/// valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_inject(
    node: *const NrgNode,
    subject_ptr: *const u8,
    subject_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
    payload_ptr: *const u8,
    payload_len: usize,
    heard_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        ask(node, heard_out, "heard_out", |node| {
            let subject = text_in(subject_ptr, subject_len, "subject_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            let payload = bytes_in(payload_ptr, payload_len, "payload_ptr")?;
            Ok(node.inject(subject, reply, payload))
        })
    }
}

/// Lets one more peer answer each vote request of a detached node from now on; for the id 0 nobody
/// does any more. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_auto_answer(
    node: *const NrgNode,
    peer_id: u64,
    granted: u32,
    empty: u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_hands(node, |core| {
            core.auto_answer(peer_in(peer_id, "peer_id").ok().map(|peer| Voter {
                peer,
                granted: granted != 0,
                empty: empty != 0,
            }))
        })
    }
}

/// Holds back the syncs of a detached node (`hold` not 0), and with them what rests on them, or
/// lets them pass (0). may block on disk
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_hold_sync(node: *const NrgNode, hold: u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_hands(node, |core| core.hold_sync(hold != 0)) }
}

/// Takes all permits of a detached node to use the disk (`taken` not 0), so that whoever writes
/// waits, or gives them back (0). short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_permits(node: *const NrgNode, taken: u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_hands(node, |core| core.take_permits(taken != 0)) }
}

/// Moves the time of a detached node's runtime. No timer fires but in a turn, the end of a quorum
/// rescue apart. may block on disk
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_advance(node: *const NrgNode, by_ns: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_hands(node, |core| core.advance(Duration::from_nanos(by_ns))) }
}

/// Plays one turn of a detached node's main loop. may block on disk
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_turn(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_hands(node, NodeHandle::turn) }
}

/// # Safety
/// `node` is null or a live handle.
unsafe fn on_hands(
    node: *const NrgNode,
    run: impl FnOnce(&NodeHandle) -> Result<(), HandsError>,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { on_node(node, |node| Ok(node.call(run)??)) }
}
