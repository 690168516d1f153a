//! Who belongs to the group: changes of it, and what helps one that lost too many.

use crate::constants::NRG_ADJUST_BOOT;
use crate::convert::{known_flags, null, peer_in, peer_number, peers_in, values_out, write_out};
use crate::node::{NrgNode, on_node};

/// Proposes a peer as a member. short lock
///
/// `peer_id`: the eight bytes of its id in memory order, not 0. OK means that the leader took it:
/// its commit shows in the apply queue. A node that does not lead: `NRG_STATUS_NOT_LEADER`; another
/// change under way: `NRG_STATUS_MEMBERSHIP_CHANGE`; a leader that is too new:
/// `NRG_STATUS_LEADER_NOT_READY`.
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_propose_add_peer(node: *const NrgNode, peer_id: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let peer = peer_in(peer_id, "peer_id")?;
            Ok(node.call(|core| core.propose_add_peer(peer))??)
        })
    }
}

/// Proposes that a member leaves; a node that does not lead asks the leader and forgets it.
/// short lock
///
/// On a leader, as `nrg_node_propose_add_peer`; besides, no such member:
/// `NRG_STATUS_PEER_NOT_FOUND`, the only one: `NRG_STATUS_REMOVE_LAST_NODE`.
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_propose_remove_peer(node: *const NrgNode, peer_id: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let peer = peer_in(peer_id, "peer_id")?;
            Ok(node.call(|core| core.propose_remove_peer(peer))??)
        })
    }
}

/// Drops members of a managed group that has lost its quorum, outside the log: every member that
/// is left has to be told. short lock
///
/// The ids of those that were dropped go to `evicted_ptr`, which has room for `peers_len` of them,
/// their number to `count_out`. This node and strangers are passed over. Not managed:
/// `NRG_STATUS_NOT_MANAGED`; a leader is known: `NRG_STATUS_NOT_LEADERLESS`; those who stay might
/// elect one: `NRG_STATUS_QUORUM_POSSIBLE`.
///
/// # Safety
/// `node` is a live handle; `peers_ptr` is null or valid for reads, and `evicted_ptr` for writes,
/// of `peers_len` values; they may be the same; `count_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_evict_peers(
    node: *const NrgNode,
    peers_ptr: *const u64,
    peers_len: usize,
    evicted_ptr: *mut u64,
    count_out: *mut usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own; no more are evicted than were named.
    unsafe {
        on_node(node, |node| {
            // Looked at first: what is done and not told would be lost.
            if count_out.is_null() {
                return Err(null("count_out"));
            }
            if evicted_ptr.is_null() && peers_len > 0 {
                return Err(null("evicted_ptr"));
            }
            let peers = peers_in(peers_ptr, peers_len, "peers_ptr")?;
            let evicted = node.call(|core| core.evict_peers(&peers))??;
            if !evicted.is_empty() {
                let ids = evicted.iter().copied().map(peer_number);
                values_out(ids, evicted_ptr, "evicted_ptr")?;
            }
            write_out(count_out, evicted.len(), "count_out")
        })
    }
}

/// Lowers the quorum for the rescue timeout. Unsafe: entries that only missing members hold may be
/// lost. For a group that lost too many members for good. short lock
///
/// The quorum before and now go to `previous_out` and `current_out`. A quorum outside 1 to the
/// present one: `NRG_STATUS_RESCUE_BAD_QUORUM`; a known leader: `NRG_STATUS_RESCUE_LEADER_KNOWN`;
/// an observer or no member: `NRG_STATUS_RESCUE_NOT_VOTING`; nothing in the log:
/// `NRG_STATUS_RESCUE_EMPTY_LOG`.
///
/// # Safety
/// `node` is a live handle; the other pointers are valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_rescue_quorum(
    node: *const NrgNode,
    quorum: u32,
    previous_out: *mut u32,
    current_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            for (ptr, what) in [(previous_out, "previous_out"), (current_out, "current_out")] {
                if ptr.is_null() {
                    return Err(null(what));
                }
            }
            let (previous, current) = node.call(|core| core.rescue_quorum(quorum))??;
            write_out(previous_out, previous, "previous_out")?;
            write_out(current_out, current, "current_out")
        })
    }
}

/// Sets the expected size of the group, at least 2. short lock
///
/// On the leader, which tells the others; else `NRG_STATUS_NOT_LEADER`. With `NRG_ADJUST_BOOT` on
/// any node of a group that never had a leader, here only; else `NRG_STATUS_ADJUST_BOOT_CLUSTER`.
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_adjust_cluster_size(
    node: *const NrgNode,
    cluster_size: u32,
    flags: u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            known_flags(flags, NRG_ADJUST_BOOT, "flags")?;
            let adjusted = node.call(|core| match flags & NRG_ADJUST_BOOT {
                0 => core.adjust_cluster_size(cluster_size),
                _ => core.adjust_boot_cluster_size(cluster_size),
            })?;
            Ok(adjusted?)
        })
    }
}
