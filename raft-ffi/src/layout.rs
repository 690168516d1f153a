//! The layout of every struct of the ABI: asserted when this crate is built, reported to hosts.

use std::mem::offset_of;

use crate::constants::{
    NRG_STRUCT_BATCH_ITEM, NRG_STRUCT_INBOUND, NRG_STRUCT_LOG_RECORD, NRG_STRUCT_METRICS,
    NRG_STRUCT_NODE_CONFIG, NRG_STRUCT_NODE_STATE, NRG_STRUCT_OUTBOUND, NRG_STRUCT_PEER,
    NRG_STRUCT_PROPOSAL_OUTCOME, NRG_STRUCT_READY, NRG_STRUCT_RUNTIME_CONFIG, NRG_STRUCT_TUNING,
};
use crate::convert::write_out;
use crate::guard::{Failure, Outcome, guard};
use crate::status::{NRG_STATUS_BUFFER_TOO_SMALL, NRG_STATUS_NOT_FOUND};
#[cfg(feature = "testing")]
use crate::testing::types::{NRG_TEST_STRUCT_MESSAGE, NrgTestMessage};
use crate::types::{
    NrgBatchItem, NrgInbound, NrgLogRecord, NrgMetrics, NrgNodeConfig, NrgNodeState, NrgOutbound,
    NrgPeer, NrgProposalOutcome, NrgReady, NrgRuntimeConfig, NrgTuning,
};

/// Where the fields of one struct lie.
struct Layout {
    id: u32,
    size: usize,
    align: usize,
    offsets: &'static [usize],
}

/// One [`Layout`] for each struct, its fields in order; refuses padding and a missing field,
/// because each field must begin where the one before it ends.
macro_rules! layouts {
    ($list:ident:
     $($id:ident => $type:ident, $size:literal: $($field:ident $width:literal),+;)+) => {
        $(#[cfg(target_pointer_width = "64")]
        const _: () = {
            assert!(size_of::<$type>() == $size, "the size is part of the ABI");
            let mut end = 0;
            $(
                assert!(offset_of!($type, $field) == end, "a field moved, or padding crept in");
                end += $width;
            )+
            assert!(end == $size, "a field is missing from this list");
        };)+

        const $list: &[Layout] = &[$(Layout {
            id: $id,
            size: size_of::<$type>(),
            align: align_of::<$type>(),
            offsets: &[$(offset_of!($type, $field)),+],
        }),+];
    };
}

layouts! {
    LAYOUTS:
    NRG_STRUCT_RUNTIME_CONFIG => NrgRuntimeConfig, 48:
        struct_size 4, shards 4, sync_policy 4, clock 4, sync_interval_ns 8, seed 8,
        poll_spin_ns 8, backlog_bytes_max 8;
    NRG_STRUCT_TUNING => NrgTuning, 96:
        struct_size 4, reserved0 4, election_min_ns 8, election_max_ns 8, campaign_min_ns 8,
        campaign_max_ns 8, heartbeat_ns 8, lost_quorum_interval_ns 8, lost_quorum_check_ns 8,
        lost_quorum_signal_ns 8, observer_interval_ns 8, peer_remove_timeout_ns 8,
        rescue_timeout_ns 8;
    NRG_STRUCT_READY => NrgReady, 16:
        token 8, ready_mask 4, reserved0 4;
    NRG_STRUCT_METRICS => NrgMetrics, 144:
        struct_size 4, reserved0 4, groups 8, leaders 8, commits 8, applied 8, syncs 8,
        sync_nanos 8, proposals_not_leader 8, proposals_backlog 8, proposals_unfit 8,
        proposals_closed 8, proposals_dropped 8, messages_sent 8, leader_changes 8,
        messages_malformed 8, poll_wakes 8, log_records_dropped 8, sync_times_dropped 8;
    NRG_STRUCT_NODE_CONFIG => NrgNodeConfig, 72:
        struct_size 4, flags 4, token 8, peer_id 8, group_name_ptr 8, group_name_len 8,
        store_root_ptr 8, store_root_len 8, loopback 8, log_kind 4, transport 4;
    NRG_STRUCT_NODE_STATE => NrgNodeState, 168:
        struct_size 4, role 4, flags 4, sync_policy 4, leader 8, leader_since_unix_nanos 8, vote 8,
        term 8, last_term 8, first_index 8, last_index 8, durable 8, commit 8, processed 8,
        applied 8, entries 8, bytes 8, overrun_count 8, created_unix_nanos 8, sync_interval_ns 8,
        cluster_size 4, quorum 4, proposal_queue_len 4, entry_queue_len 4, response_queue_len 4,
        apply_queue_len 4;
    NRG_STRUCT_PEER => NrgPeer, 32:
        id 8, last_heard_unix_nanos 8, lag 8, flags 4, reserved0 4;
    NRG_STRUCT_BATCH_ITEM => NrgBatchItem, 32:
        index 8, data_ptr 8, data_len 8, entry_type 4, flags 4;
    NRG_STRUCT_LOG_RECORD => NrgLogRecord, 72:
        unix_nanos 8, token 8, term 8, index 8, group_name_ptr 8, group_name_len 8, text_ptr 8,
        text_len 8, level 4, reserved0 4;
    NRG_STRUCT_PROPOSAL_OUTCOME => NrgProposalOutcome, 24:
        tag 8, index 8, status 4, reserved0 4;
    NRG_STRUCT_OUTBOUND => NrgOutbound, 64:
        subscription 8, subject_ptr 8, subject_len 8, reply_ptr 8, reply_len 8, payload_ptr 8,
        payload_len 8, kind 4, flags 4;
    NRG_STRUCT_INBOUND => NrgInbound, 24:
        subscription 8, reply_offset 4, reply_len 4, payload_offset 4, payload_len 4;
}

#[cfg(feature = "testing")]
layouts! {
    TESTING_LAYOUTS:
    NRG_TEST_STRUCT_MESSAGE => NrgTestMessage, 56:
        source 8, subject_ptr 8, subject_len 8, reply_ptr 8, reply_len 8, payload_ptr 8,
        payload_len 8;
}

#[cfg(not(feature = "testing"))]
const TESTING_LAYOUTS: &[Layout] = &[];

/// Writes how the library lays out a struct (`NRG_STRUCT_*`), so that a host can compare.
///
/// The offsets of its fields go to `offsets_ptr` in the order of the header, their number to
/// `count_out`, its size and alignment to `size_out` and `align_out`; the offsets may be asked for
/// with a capacity of 0. With `NRG_STATUS_BUFFER_TOO_SMALL` only the three numbers are written. An
/// unknown id: `NRG_STATUS_NOT_FOUND`. wait-free
///
/// # Safety
/// `offsets_ptr` is null or valid for writes of `offsets_cap` values; the other pointers are valid
/// for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_abi_layout(
    struct_id: u32,
    offsets_ptr: *mut u32,
    offsets_cap: usize,
    count_out: *mut usize,
    size_out: *mut usize,
    align_out: *mut usize,
) -> i32 {
    guard(|| {
        let layout = LAYOUTS
            .iter()
            .chain(TESTING_LAYOUTS)
            .find(|layout| layout.id == struct_id);
        let layout = layout.ok_or_else(|| {
            Failure::new(
                NRG_STATUS_NOT_FOUND,
                format!("struct_id {struct_id} is unknown"),
            )
        })?;
        // SAFETY: the caller's promises are this function's own.
        unsafe {
            write_out(count_out, layout.offsets.len(), "count_out")?;
            write_out(size_out, layout.size, "size_out")?;
            write_out(align_out, layout.align, "align_out")?;
            offsets_to(layout.offsets, offsets_ptr, offsets_cap)
        }
    })
}

/// Writes the offsets, if there is room for them or nobody wants them.
///
/// # Safety
/// As [`nrg_abi_layout`].
unsafe fn offsets_to(offsets: &[usize], offsets_ptr: *mut u32, offsets_cap: usize) -> Outcome {
    if offsets_cap == 0 {
        return Ok(());
    }
    if offsets_cap < offsets.len() {
        return Err(Failure::code(NRG_STATUS_BUFFER_TOO_SMALL));
    }
    for (at, offset) in offsets.iter().enumerate() {
        let offset = u32::try_from(*offset).unwrap_or(u32::MAX);
        // SAFETY: `at` is below the capacity the caller promises; a null base is answered first.
        unsafe { write_out(offsets_ptr.wrapping_add(at), offset, "offsets_ptr")? };
    }
    Ok(())
}
