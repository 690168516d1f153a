//! Proposals: the hot way in, and the outcomes of those that are awaited. Failures here are codes
//! without a text.

use std::num::NonZeroU64;

use bytes::Bytes;
use raft_core::node::{Fate, ProposalOutcome, ProposalTag};
use raft_core::types::{Entry, EntryType, Term};

use crate::convert::{null, slice_in, values_out, write_out};
use crate::guard::{Failure, Outcome};
use crate::node::{NrgNode, on_node};
use crate::status::{
    NRG_STATUS_CLOSED, NRG_STATUS_INTERNAL, NRG_STATUS_INVALID_ARGUMENT, NRG_STATUS_NOT_LEADER,
    NRG_STATUS_OK, NRG_STATUS_UNDECIDED,
};
use crate::types::NrgProposalOutcome;

/// Proposes one entry in the term that the caller believes to be current. short lock
///
/// OK means that the leader took it, not that it is committed: its commit shows in the apply
/// queue. Another term, or no leadership: `NRG_STATUS_NOT_LEADER`. The data is copied once.
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_propose(
    node: *const NrgNode,
    term: u64,
    data_ptr: *const u8,
    data_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let data = slice_in(data_ptr, data_len, "data_ptr")?;
            let data = Bytes::copy_from_slice(data);
            Ok(node.call(|core| core.propose(Term(term), data))??)
        })
    }
}

/// As `nrg_node_propose`, for a proposal whose end is awaited: `NRG_READY_OUTCOME` announces it,
/// `nrg_node_outcomes_take` tells it. short lock
///
/// `tag`, not 0, is the host's name for the proposal; it is neither sent nor stored. With OK there
/// is one outcome for it, unless the node panics; otherwise none. One proposed while the node stops
/// may be left without: after `NRG_READY_STOPPED` what has none yet is as with `NRG_STATUS_CLOSED`.
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_propose_awaited(
    node: *const NrgNode,
    term: u64,
    data_ptr: *const u8,
    data_len: usize,
    tag: u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let Some(tag) = NonZeroU64::new(tag).map(ProposalTag) else {
                return Err(Failure::code(NRG_STATUS_INVALID_ARGUMENT));
            };
            let data = slice_in(data_ptr, data_len, "data_ptr")?;
            let data = Bytes::copy_from_slice(data);
            Ok(node.call(|core| core.propose_awaited(Term(term), data, tag))??)
        })
    }
}

/// Takes the outcomes of awaited proposals, the oldest first: at most `outcomes_cap` records, their
/// number to `count_out`. Works on a stopped node too. short lock
///
/// # Safety
/// `node` is a live handle; `outcomes_ptr` is valid for writes of `outcomes_cap` records;
/// `count_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_outcomes_take(
    node: *const NrgNode,
    outcomes_ptr: *mut NrgProposalOutcome,
    outcomes_cap: usize,
    count_out: *mut usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own; no more records are taken than fit.
    unsafe {
        on_node(node, |node| {
            // Looked at first: what is taken and not handed over would be lost.
            if count_out.is_null() {
                return Err(null("count_out"));
            }
            if outcomes_ptr.is_null() {
                return Err(null("outcomes_ptr"));
            }
            let taken = node.call(|core| core.take_outcomes(outcomes_cap))?;
            values_out(taken.iter().map(outcome), outcomes_ptr, "outcomes_ptr")?;
            write_out(count_out, taken.len(), "count_out")
        })
    }
}

/// Proposes several entries at once: all of them, in a row, or none. short lock
///
/// The data of all lies packed behind `data_ptr`, in order; `lengths_ptr` has the length of each
/// and `count` their number. `types_ptr` has the type code of each (`NRG_ENTRY_*`), or is null
/// when all are `NRG_ENTRY_NORMAL`. Lengths that do not add up to `data_len`:
/// `NRG_STATUS_INVALID_ARGUMENT`. Otherwise as `nrg_node_propose`; the data is copied once.
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes;
/// `lengths_ptr`, and `types_ptr` unless null, are valid for reads of `count` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_propose_batch(
    node: *const NrgNode,
    term: u64,
    data_ptr: *const u8,
    data_len: usize,
    lengths_ptr: *const u32,
    types_ptr: *const u8,
    count: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let data = slice_in(data_ptr, data_len, "data_ptr")?;
            let lengths = slice_in(lengths_ptr, count, "lengths_ptr")?;
            adds_up(lengths, data.len())?;
            let packed = Bytes::copy_from_slice(data);
            if types_ptr.is_null() {
                return Ok(node.call(|core| core.propose_slices(Term(term), packed, lengths))??);
            }
            let types = slice_in(types_ptr, count, "types_ptr")?;
            let entries = entries(packed, lengths, types);
            Ok(node.call(|core| core.propose_batch(Term(term), entries))??)
        })
    }
}

/// Proposes here when this node leads, else sends the data to the leader and forgets it.
/// short lock
///
/// OK says nothing about what becomes of it. The data is copied once.
///
/// # Safety
/// `node` is a live handle; `data_ptr` is null or valid for reads of `data_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_forward_proposal(
    node: *const NrgNode,
    data_ptr: *const u8,
    data_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let data = slice_in(data_ptr, data_len, "data_ptr")?;
            let data = Bytes::copy_from_slice(data);
            Ok(node.call(|core| core.forward_proposal(data))??)
        })
    }
}

fn outcome(ended: &ProposalOutcome) -> NrgProposalOutcome {
    let (index, status) = match ended.fate {
        Fate::Applied(index) => (index.0, NRG_STATUS_OK),
        Fate::NotAppended => (0, NRG_STATUS_NOT_LEADER),
        Fate::Undecided => (0, NRG_STATUS_UNDECIDED),
        Fate::Closed => (0, NRG_STATUS_CLOSED),
        _ => (0, NRG_STATUS_INTERNAL),
    };
    NrgProposalOutcome {
        tag: ended.tag.0.get(),
        index,
        status,
        reserved0: 0,
    }
}

/// Whether the lengths are those of the parts of `total` bytes.
pub(crate) fn adds_up(lengths: &[u32], total: usize) -> Outcome {
    let sum = lengths
        .iter()
        .try_fold(0_usize, |sum, len| sum.checked_add(*len as usize));
    if sum == Some(total) {
        return Ok(());
    }
    let text = "the lengths do not add up to data_len";
    Err(Failure::new(NRG_STATUS_INVALID_ARGUMENT, text))
}

/// The parts of a packed buffer, sharing it. The lengths add up.
pub(crate) fn parts(mut packed: Bytes, lengths: &[u32]) -> impl Iterator<Item = Bytes> {
    lengths
        .iter()
        .map(move |len| packed.split_to(*len as usize))
}

pub(crate) fn entries(packed: Bytes, lengths: &[u32], types: &[u8]) -> Vec<Entry> {
    parts(packed, lengths)
        .zip(types)
        .map(|(data, code)| Entry {
            kind: EntryType::from_code(*code),
            data,
        })
        .collect()
}
