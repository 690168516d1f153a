//! Looking into the in-process network: taps that see each message, messages from outside, and a
//! rule that acts between two messages.

use bytes::Bytes;
use raft_core::runtime::{PartitionRule, Tap};

use crate::batch::{NrgBatch, records_of};
use crate::convert::{
    handle_free, handle_in, handle_or_null_out, handle_out, peer_in, peers_in, slice_in, text_in,
    write_out,
};
use crate::guard::guard;
use crate::live::{Counted, Kind};
use crate::loopback::NrgLoopback;
use crate::testing::types::NrgTestMessage;

/// A listener on an in-process network: keeps what is sent until it is taken.
pub struct NrgTestTap {
    core: Tap,
    _counted: Counted,
}

/// Listens from now on to the messages whose subject matches, with the wildcards `*` and `>`;
/// partitions do not matter. short lock
///
/// The handle belongs to the caller, until `nrg_test_loopback_tap_free`.
///
/// # Safety
/// `loopback` is a live handle; `subject_ptr` is null or valid for reads of `subject_len` bytes;
/// `tap_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_loopback_tap_open(
    loopback: *const NrgLoopback,
    subject_ptr: *const u8,
    subject_len: usize,
    tap_out: *mut *mut NrgTestTap,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(tap_out, "tap_out", || {
                let loopback = handle_in(loopback, "loopback")?;
                let pattern = text_in(subject_ptr, subject_len, "subject_ptr")?;
                let core = loopback.core.tap(pattern);
                Ok(NrgTestTap {
                    core,
                    _counted: Counted::global(Kind::Tap),
                })
            })
        }
    })
}

/// Takes what the tap has heard, in order, as a batch of messages. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`; null when nothing was heard.
///
/// # Safety
/// `tap` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_loopback_tap_take(
    tap: *const NrgTestTap,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_or_null_out(batch_out, "batch_out", || {
                let heard = handle_in(tap, "tap")?.core.take();
                Ok((!heard.is_empty())
                    .then(|| NrgBatch::messages(heard, Counted::global(Kind::Batch))))
            })
        }
    })
}

/// Ends the listening and releases the handle; accepts null. short lock
///
/// # Safety
/// `tap` is null, or comes from `nrg_test_loopback_tap_open`, was not freed, and is not used by
/// another call now or later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_loopback_tap_free(tap: *mut NrgTestTap) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { handle_free(tap) };
        Ok(())
    })
}

/// Sends a message from outside to whoever listens on its subject; `receivers_out` receives their
/// number. short lock
///
/// # Safety
/// `loopback` is a live handle; each pointer is null or valid for reads of its length;
/// `receivers_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_loopback_inject(
    loopback: *const NrgLoopback,
    subject_ptr: *const u8,
    subject_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
    payload_ptr: *const u8,
    payload_len: usize,
    receivers_out: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            let loopback = handle_in(loopback, "loopback")?;
            let subject = text_in(subject_ptr, subject_len, "subject_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            let payload =
                Bytes::copy_from_slice(slice_in(payload_ptr, payload_len, "payload_ptr")?);
            let receivers = loopback.core.inject(subject, reply, payload);
            write_out(receivers_out, receivers, "receivers_out")
        }
    })
}

/// Puts servers into partitions right after certain messages, before the next one; replaces an
/// earlier rule and its count. short lock
///
/// It acts after messages whose subject matches, with the wildcards `*` and `>`; with `leader` not
/// 0 only after an append entry of that leader whose one entry adds a peer; with `only` not 0 only
/// after the one of them with that number, counted from 1. `peers_ptr` and `partitions_ptr` say
/// which server goes where; without any the rule only counts.
///
/// # Safety
/// `loopback` is a live handle; each pointer is null or valid for reads of its length,
/// `partitions_ptr` of `peers_len` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_loopback_set_rule(
    loopback: *const NrgLoopback,
    subject_ptr: *const u8,
    subject_len: usize,
    leader: u64,
    only: u64,
    peers_ptr: *const u64,
    peers_len: usize,
    partitions_ptr: *const u32,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            let loopback = handle_in(loopback, "loopback")?;
            let pattern = text_in(subject_ptr, subject_len, "subject_ptr")?.to_owned();
            let peers = peers_in(peers_ptr, peers_len, "peers_ptr")?;
            let partitions = slice_in(partitions_ptr, peers_len, "partitions_ptr")?;
            let addition_by = match leader {
                0 => None,
                leader => Some(peer_in(leader, "leader")?),
            };
            loopback.core.set_partition_rule(Some(PartitionRule {
                pattern,
                addition_by,
                only: (only != 0).then_some(only),
                partitions: peers.into_iter().zip(partitions.iter().copied()).collect(),
            }));
            Ok(())
        }
    })
}

/// Writes how often the rule of `nrg_test_loopback_set_rule` has acted. short lock
///
/// # Safety
/// `loopback` is a live handle; `count_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_loopback_rule_fired(
    loopback: *const NrgLoopback,
    count_out: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            let loopback = handle_in(loopback, "loopback")?;
            write_out(count_out, loopback.core.partition_rule_fired(), "count_out")
        }
    })
}

/// The records of a batch of messages and their number; null and 0 for null and for a batch of
/// another kind. wait-free
///
/// They belong to the batch: nothing may be written to them, and they end with it.
///
/// # Safety
/// `batch` is null or a live handle; `count_out` is null or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_batch_messages(
    batch: *const NrgBatch,
    count_out: *mut usize,
) -> *const NrgTestMessage {
    // SAFETY: the caller's promise is this function's own.
    unsafe { records_of(batch, count_out, NrgBatch::message_records) }
}
