//! Detached nodes: white-box access to a node that is driven by hand.

use std::time::Duration;

use bytes::Bytes;
use raft_core::config::Timing;
use raft_core::detached::{Detached, DetachedFlags, Origin};

use crate::batch::NrgBatch;
use crate::convert::{
    handle_free, handle_in, handle_or_null_out, handle_out, known_flags, sized_in, slice_in,
    text_in,
};
use crate::guard::{Failure, guard};
use crate::live::{Counted, Kind};
use crate::node::{NODE_CONFIG_SIZE, node_config};
use crate::runtime::{TUNING_SIZE, timing};
use crate::status::NRG_STATUS_INVALID_ARGUMENT;
use crate::types::{NrgNodeConfig, NrgTuning};

/// Flag of `nrg_test_node_open`: a hand-made node without a log.
pub const NRG_TEST_NODE_NO_LOG: u32 = 1;
/// Flag of `nrg_test_node_open`: a hand-made node without subscriptions.
pub const NRG_TEST_NODE_NO_TRANSPORT: u32 = 2;

/// Kind of `nrg_test_node_deliver`: an append entry.
pub const NRG_TEST_DELIVER_APPEND_ENTRY: u32 = 0;
/// Kind of `nrg_test_node_deliver`: the answer to an append entry.
pub const NRG_TEST_DELIVER_RESPONSE: u32 = 1;
/// Kind of `nrg_test_node_deliver`: a vote request.
pub const NRG_TEST_DELIVER_VOTE_REQUEST: u32 = 2;
/// Kind of `nrg_test_node_deliver`: a vote.
pub const NRG_TEST_DELIVER_VOTE_RESPONSE: u32 = 3;

/// Origin of an append entry: the group's subject.
pub const NRG_TEST_ORIGIN_LIVE: u32 = 0;
/// Origin of an append entry: a catch-up, whose handle is given.
pub const NRG_TEST_ORIGIN_CATCHUP: u32 = 1;
/// Origin of an append entry: the node's own log.
pub const NRG_TEST_ORIGIN_REPLAY: u32 = 2;

/// A node without a driver. Each call settles: writes are synced, what they held back is sent to
/// the tap, answers are delivered. Any thread may call; one call runs at a time.
pub struct NrgTestNode {
    core: Detached,
    _counted: Counted,
}

/// Opens a detached node, bootstrapped before unless it is hand-made (`NRG_TEST_NODE_*`).
/// Transport, loopback and token of `config` are ignored; a null `tuning` is the production
/// timing. may block on disk
///
/// The handle belongs to the caller, until `nrg_test_node_free`.
///
/// # Safety
/// `config` points to a struct of its own `struct_size` and what it names; `tuning` is null or
/// points to a struct of its own `struct_size`; `node_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_open(
    config: *const NrgNodeConfig,
    tuning: *const NrgTuning,
    flags: u32,
    node_out: *mut *mut NrgTestNode,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own; the structs are integers and
        // pointers.
        unsafe {
            handle_out(node_out, "node_out", || {
                let config = node_config(&sized_in(config, NODE_CONFIG_SIZE, "config")?)?;
                let timing = if tuning.is_null() {
                    Timing::default()
                } else {
                    timing(&sized_in(tuning, TUNING_SIZE, "tuning")?)?
                };
                known_flags(
                    flags,
                    NRG_TEST_NODE_NO_LOG | NRG_TEST_NODE_NO_TRANSPORT,
                    "flags",
                )?;
                let flags = DetachedFlags {
                    no_log: flags & NRG_TEST_NODE_NO_LOG != 0,
                    no_transport: flags & NRG_TEST_NODE_NO_TRANSPORT != 0,
                };
                let core = Detached::open(config, timing, flags)?;
                Ok(NrgTestNode {
                    core,
                    _counted: Counted::global(Kind::TestNode),
                })
            })
        }
    })
}

/// Drops the node and releases the handle; accepts null. Its files stay. may block on disk
///
/// # Safety
/// `node` is null, or comes from `nrg_test_node_open`, was not freed, and is not used by another
/// call now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_free(node: *mut NrgTestNode) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_free(node) };
        Ok(())
    })
}

/// Hands out the whole state of the node as JSON, in a batch of one record. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_dump(
    node: *const NrgTestNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(batch_out, "batch_out", || {
                Ok(text_batch(handle_in(node, "node")?.core.dump()))
            })
        }
    })
}

/// Changes fields of the node by a JSON merge patch, with the names of `nrg_test_node_dump`.
/// short lock
///
/// An unknown name: `NRG_STATUS_NOT_FOUND`. A name that can only be read, or a value that does not
/// fit: `NRG_STATUS_INVALID_ARGUMENT`.
///
/// # Safety
/// `node` is a live handle; `patch_ptr` is null or valid for reads of `patch_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_set(
    node: *const NrgTestNode,
    patch_ptr: *const u8,
    patch_len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            let patch = text_in(patch_ptr, patch_len, "patch_ptr")?;
            Ok(handle_in(node, "node")?.core.set(patch)?)
        }
    })
}

/// Calls a method of the node by the reference's name in snake case, with a JSON array of
/// arguments; its result comes as JSON, in a batch of one record. may block on disk
///
/// An unknown method: `NRG_STATUS_NOT_FOUND`. An error of the method is this call's status. The
/// batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length; `batch_out` is
/// valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_call(
    node: *const NrgTestNode,
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
                let node = handle_in(node, "node")?;
                let name = text_in(name_ptr, name_len, "name_ptr")?;
                let args = text_in(args_ptr, args_len, "args_ptr")?;
                Ok(text_batch(node.core.call(name, args)?))
            })
        }
    })
}

/// Delivers a message as it comes from the wire. short lock
///
/// `kind` is one of `NRG_TEST_DELIVER_*`. For an append entry `source_kind` is one of
/// `NRG_TEST_ORIGIN_*` and `catchup` the handle of the catch-up; else both are 0. `reply_ptr` is
/// the subject for an answer.
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_deliver(
    node: *const NrgTestNode,
    kind: u32,
    source_kind: u32,
    catchup: u64,
    frame_ptr: *const u8,
    frame_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        let (node, frame, reply) = unsafe {
            (
                handle_in(node, "node")?,
                Bytes::copy_from_slice(slice_in(frame_ptr, frame_len, "frame_ptr")?),
                text_in(reply_ptr, reply_len, "reply_ptr")?,
            )
        };
        match kind {
            NRG_TEST_DELIVER_APPEND_ENTRY => {
                node.core
                    .deliver_append_entry(origin(source_kind, catchup)?, frame, reply);
            }
            NRG_TEST_DELIVER_RESPONSE => node.core.deliver_response(frame, reply),
            NRG_TEST_DELIVER_VOTE_REQUEST => node.core.deliver_vote_request(frame, reply),
            NRG_TEST_DELIVER_VOTE_RESPONSE => node.core.deliver_vote_response(frame),
            other => return Err(unknown("kind", other)),
        }
        Ok(())
    })
}

/// Takes what the node has sent, in order, as a batch of messages. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`; null when nothing was sent.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_sent_take(
    node: *const NrgTestNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_or_null_out(batch_out, "batch_out", || {
                let sent = handle_in(node, "node")?.core.take_sent();
                Ok((!sent.is_empty())
                    .then(|| NrgBatch::messages(sent, Counted::global(Kind::Batch))))
            })
        }
    })
}

/// Holds back the node's syncs (`hold` not 0), and with them what rests on them, or lets them
/// pass (0). short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_hold_sync(node: *const NrgTestNode, hold: u32) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_in(node, "node")? }
            .core
            .hold_sync(hold != 0);
        Ok(())
    })
}

/// Moves the node's time; of its timers only that of a quorum rescue fires. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_node_advance(node: *const NrgTestNode, by_ns: u64) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_in(node, "node")? }
            .core
            .advance(Duration::from_nanos(by_ns));
        Ok(())
    })
}

fn origin(kind: u32, catchup: u64) -> Result<Origin, Failure> {
    match kind {
        NRG_TEST_ORIGIN_LIVE => Ok(Origin::Live),
        NRG_TEST_ORIGIN_CATCHUP => Ok(Origin::Catchup(catchup)),
        NRG_TEST_ORIGIN_REPLAY => Ok(Origin::Replay),
        other => Err(unknown("source_kind", other)),
    }
}

fn unknown(what: &str, number: u32) -> Failure {
    Failure::new(
        NRG_STATUS_INVALID_ARGUMENT,
        format!("{what} {number} is unknown"),
    )
}

/// A batch of one text.
pub(super) fn text_batch(text: String) -> NrgBatch {
    NrgBatch::bytes(vec![text.into()], Counted::global(Kind::Batch))
}
