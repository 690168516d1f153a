//! The one way of a white-box call to a node, and what its arguments and results need.

use bytes::Bytes;
use raft_core::node::{Mapped, Role};
use raft_core::types::{Entry, PeerId};

use crate::batch::NrgBatch;
use crate::constants::{NRG_ROLE_CANDIDATE, NRG_ROLE_CLOSED, NRG_ROLE_FOLLOWER, NRG_ROLE_LEADER};
use crate::convert::{handle_out, peer_in, slice_in, write_out};
use crate::guard::{Failure, guard};
use crate::live::{Counted, Kind};
use crate::node::{NrgNode, in_node};
use crate::propose::{adds_up, entries};
use crate::status::{NRG_STATUS_FAULTED, NRG_STATUS_INVALID_ARGUMENT};

/// Runs a white-box call on a node, driven or detached, frozen or not, between two of its turns.
/// A detached node settles before this returns.
///
/// # Safety
/// `node` is null or a live handle.
pub(super) unsafe fn mapped<T>(
    node: *const NrgNode,
    run: impl FnOnce(&mut Mapped<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        in_node(node, |node| {
            let outcome = node.call(|core| core.mapped(run))?;
            outcome.map_err(|faulted| Failure::new(NRG_STATUS_FAULTED, faulted.to_string()))?
        })
    }
}

/// An entry point whose call returns nothing.
///
/// # Safety
/// As [`mapped`].
pub(super) unsafe fn call(node: *const NrgNode, run: impl FnOnce(&mut Mapped<'_>)) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            run(node);
            Ok(())
        })
    }
}

/// An entry point whose call can fail.
///
/// # Safety
/// As [`mapped`].
pub(super) unsafe fn try_call(
    node: *const NrgNode,
    run: impl FnOnce(&mut Mapped<'_>) -> Result<(), Failure>,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    guard(|| unsafe { mapped(node, run) })
}

/// An entry point whose call answers yes or no.
///
/// # Safety
/// As [`mapped`]; `answer_out` is null or valid for a write.
pub(super) unsafe fn ask(
    node: *const NrgNode,
    answer_out: *mut u32,
    what: &'static str,
    run: impl FnOnce(&mut Mapped<'_>) -> Result<bool, Failure>,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    guard(|| unsafe { write_out(answer_out, u32::from(mapped(node, run)?), what) })
}

/// An entry point whose call yields bytes, as a batch of one record.
///
/// # Safety
/// As [`mapped`]; `batch_out` is null or valid for a write.
pub(super) unsafe fn yields(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
    run: impl FnOnce(&mut Mapped<'_>) -> Result<Bytes, Failure>,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { yields_all(node, batch_out, |node| Ok(vec![run(node)?])) }
}

/// As [`yields`], for any number of records.
///
/// # Safety
/// As [`yields`].
pub(super) unsafe fn yields_all(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
    run: impl FnOnce(&mut Mapped<'_>) -> Result<Vec<Bytes>, Failure>,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(batch_out, "batch_out", || {
                let counted = Counted::global(Kind::Batch);
                Ok(NrgBatch::bytes(mapped(node, run)?, counted))
            })
        }
    })
}

/// The caller's bytes, copied.
///
/// # Safety
/// As [`slice_in`].
pub(super) unsafe fn bytes_in(
    ptr: *const u8,
    len: usize,
    what: &'static str,
) -> Result<Bytes, Failure> {
    // SAFETY: the caller's promise is this function's own.
    Ok(Bytes::copy_from_slice(unsafe { slice_in(ptr, len, what)? }))
}

/// The entries of a packed batch, as `nrg_node_propose_batch` takes it.
///
/// # Safety
/// `data_ptr` is null or valid for reads of `data_len` bytes; the others are null or valid for
/// reads of `count` values.
pub(super) unsafe fn entries_in(
    data_ptr: *const u8,
    data_len: usize,
    lengths_ptr: *const u32,
    types_ptr: *const u8,
    count: usize,
) -> Result<Vec<Entry>, Failure> {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        let data = bytes_in(data_ptr, data_len, "data_ptr")?;
        let lengths = slice_in(lengths_ptr, count, "lengths_ptr")?;
        let types = slice_in(types_ptr, count, "types_ptr")?;
        adds_up(lengths, data.len())?;
        Ok(entries(data, lengths, types))
    }
}

/// A peer; none for 0.
pub(super) fn peer_or_none(number: u64) -> Option<PeerId> {
    peer_in(number, "leader").ok()
}

/// A role by its number.
pub(super) fn role_in(number: u32) -> Result<Role, Failure> {
    match number {
        NRG_ROLE_FOLLOWER => Ok(Role::Follower),
        NRG_ROLE_LEADER => Ok(Role::Leader),
        NRG_ROLE_CANDIDATE => Ok(Role::Candidate),
        NRG_ROLE_CLOSED => Ok(Role::Closed),
        other => Err(unknown("role", other)),
    }
}

/// The failure of a number that means nothing.
pub(super) fn unknown(what: &str, number: u32) -> Failure {
    Failure::new(
        NRG_STATUS_INVALID_ARGUMENT,
        format!("{what} {number} is unknown"),
    )
}
