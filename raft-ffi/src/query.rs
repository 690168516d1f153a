//! What a node tells about itself: status, peers, health, its fatal error.

use raft_core::config::SyncPolicy;
use raft_core::node::{NodeStatus, PeerStatus, Role};
use raft_core::runtime::NodeHandle;

use crate::batch::NrgBatch;
use crate::constants::{
    NRG_NODE_CATCHING_UP, NRG_NODE_CURRENT, NRG_NODE_DELETED, NRG_NODE_FAILED, NRG_NODE_HAD_LEADER,
    NRG_NODE_IN_RESCUE, NRG_NODE_IS_LEADER, NRG_NODE_IS_OBSERVER, NRG_NODE_IS_PAUSED,
    NRG_NODE_MEMBERSHIP_CHANGE, NRG_NODE_NEED_SNAPSHOT, NRG_NODE_OVERRUN, NRG_NODE_QUORUM_LIVE,
    NRG_PEER_CURRENT, NRG_PEER_KNOWN, NRG_PEER_MEMBER, NRG_PEER_VOTING, NRG_ROLE_CANDIDATE,
    NRG_ROLE_CLOSED, NRG_ROLE_FOLLOWER, NRG_ROLE_LEADER, NRG_SYNC_ALWAYS, NRG_SYNC_INTERVAL,
    NRG_SYNC_NEVER,
};
use crate::convert::{
    copy_out, handle_in, handle_or_null_out, null, peer_in, peer_number, records_out, sized_out,
    write_out,
};
use crate::errors::of_failure;
use crate::guard::guard;
use crate::live::{Counted, Kind};
use crate::node::{NrgNode, on_any_node, on_node};
use crate::status::{NRG_STATUS_OK, NRG_STATUS_PANIC};
use crate::types::{NrgNodeState, NrgPeer};

/// First released size of `nrg_node_state`.
const NODE_STATE_SIZE: usize = 168;

/// Writes one consistent view of the node. Works on a closed node too. short lock
///
/// # Safety
/// `node` is a live handle; `state_out` points to a struct of its own `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_status(
    node: *const NrgNode,
    state_out: *mut NrgNodeState,
) -> i32 {
    // SAFETY: the caller's promise is this function's own; the struct has no padding.
    unsafe {
        on_any_node(node, |node| {
            let state = node_state(node, &node.core().status());
            sized_out(state_out, &state, NODE_STATE_SIZE, "state_out")
        })
    }
}

/// Writes a record for each peer whose vote counts, this node included, sorted by id: each member
/// (`NRG_PEER_MEMBER`), and the one whose removal is not committed.
///
/// `count_out` receives their number, also when `peers_cap` is too small
/// (`NRG_STATUS_BUFFER_TOO_SMALL`, no records are written then). short lock
///
/// # Safety
/// `node` is a live handle; `peers_ptr` is null or valid for writes of `peers_cap` records;
/// `count_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_peers(
    node: *const NrgNode,
    peers_ptr: *mut NrgPeer,
    peers_cap: usize,
    count_out: *mut usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let peers: Vec<NrgPeer> = node
                .call(NodeHandle::peers)?
                .iter()
                .map(|member| peer(node, member))
                .collect();
            records_out(&peers, peers_ptr, peers_cap, count_out)
        })
    }
}

/// Writes when a peer was last heard from, in nanoseconds of Unix time; 0 for never, and for a
/// peer that is not known. short lock
///
/// # Safety
/// `node` is a live handle; `unix_nanos_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_last_heard(
    node: *const NrgNode,
    peer_id: u64,
    unix_nanos_out: *mut u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let peer = peer_in(peer_id, "peer_id")?;
            let heard = node.call(|core| core.last_heard(peer))?;
            write_out(unix_nanos_out, heard.unwrap_or(0), "unix_nanos_out")
        })
    }
}

/// Writes 1 when the node is up to date or makes progress towards it, else 0. Waits at most 10 ms
/// for a sign of progress. short lock, waits
///
/// # Safety
/// `node` is a live handle; `healthy_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_check_health(node: *const NrgNode, healthy_out: *mut u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let healthy = node.call(NodeHandle::check_health)?;
            write_out(healthy_out, u32::from(healthy), "healthy_out")
        })
    }
}

/// Writes why the node failed for good: `code_out` receives `NRG_STATUS_WRITE_ERROR`,
/// `NRG_STATUS_ENTRY_LOAD_FAILED`, `NRG_STATUS_TRUNCATE_BELOW_COMMIT` or `NRG_STATUS_PANIC`, or
/// `NRG_STATUS_OK` when it has not failed; the text goes to the buffer.
///
/// UTF-8, not terminated; `needed_len_out` receives the length, also when the buffer is too small
/// (`NRG_STATUS_BUFFER_TOO_SMALL`, nothing else is written then). Works on a closed node too.
/// short lock
///
/// # Safety
/// `node` is a live handle; `buf_ptr` is null or valid for writes of `buf_len` bytes; the other
/// pointers are valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_write_error(
    node: *const NrgNode,
    code_out: *mut i32,
    buf_ptr: *mut u8,
    buf_len: usize,
    needed_len_out: *mut usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_any_node(node, |node| {
            if code_out.is_null() {
                return Err(null("code_out"));
            }
            let (code, text) = match (node.fault(), node.core().fatal_error()) {
                (Some(text), _) => (NRG_STATUS_PANIC, text),
                (None, Some(fatal)) => (of_failure(&fatal), fatal.to_string()),
                (None, None) => (NRG_STATUS_OK, String::new()),
            };
            copy_out(text.as_bytes(), buf_ptr, buf_len, needed_len_out)?;
            write_out(code_out, code, "code_out")
        })
    }
}

/// Reads the newest warning or error the node has logged, as a batch of one log record. Null when
/// there was none. Works on a closed node too. short lock
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `node` is a live handle; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_last_problem(
    node: *const NrgNode,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_or_null_out(batch_out, "batch_out", || {
                let node = handle_in(node, "node")?;
                let problem = node.core().last_problem();
                let counted = || Counted::of(node.live(), Kind::Batch);
                Ok(problem.map(|record| NrgBatch::logs(vec![record], counted())))
            })
        }
    })
}

fn node_state(node: &NrgNode, status: &NodeStatus) -> NrgNodeState {
    let (sync_policy, sync_interval_ns) = match node.core().sync_policy() {
        SyncPolicy::Always => (NRG_SYNC_ALWAYS, 0),
        SyncPolicy::Interval(interval) => (
            NRG_SYNC_INTERVAL,
            u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
        ),
        SyncPolicy::Never => (NRG_SYNC_NEVER, 0),
    };
    NrgNodeState {
        struct_size: 0,
        role: role_number(status.role),
        flags: flags(node, status),
        sync_policy,
        leader: status.leader.map_or(0, peer_number),
        leader_since_unix_nanos: node.unix_nanos(status.leader_since),
        vote: status.vote.map_or(0, peer_number),
        term: status.term.0,
        last_term: status.last_term.0,
        first_index: status.first_index.0,
        last_index: status.last_index.0,
        durable: status.durable.0,
        commit: status.commit.0,
        processed: status.processed.0,
        applied: status.applied.0,
        entries: status.entries,
        bytes: status.bytes,
        overrun_count: status.overrun_count,
        created_unix_nanos: node.core().created(),
        sync_interval_ns,
        cluster_size: status.cluster_size,
        quorum: status.quorum,
        proposal_queue_len: shown(status.proposals_len),
        entry_queue_len: shown(status.entries_len),
        response_queue_len: shown(status.responses_len),
        apply_queue_len: shown(status.apply_len),
    }
}

/// The number of a role (`NRG_ROLE_*`).
pub(crate) const fn role_number(role: Role) -> u32 {
    match role {
        Role::Follower => NRG_ROLE_FOLLOWER,
        Role::Leader => NRG_ROLE_LEADER,
        Role::Candidate => NRG_ROLE_CANDIDATE,
        Role::Closed => NRG_ROLE_CLOSED,
    }
}

fn flags(node: &NrgNode, status: &NodeStatus) -> u32 {
    [
        (status.is_leader, NRG_NODE_IS_LEADER),
        (status.had_previous_leader, NRG_NODE_HAD_LEADER),
        (status.observer, NRG_NODE_IS_OBSERVER),
        (status.paused, NRG_NODE_IS_PAUSED),
        (status.catching_up, NRG_NODE_CATCHING_UP),
        (status.current, NRG_NODE_CURRENT),
        (status.quorum_live, NRG_NODE_QUORUM_LIVE),
        (status.membership_change, NRG_NODE_MEMBERSHIP_CHANGE),
        (status.in_rescue, NRG_NODE_IN_RESCUE),
        (status.need_snapshot, NRG_NODE_NEED_SNAPSHOT),
        (status.overrun, NRG_NODE_OVERRUN),
        (node.core().is_deleted(), NRG_NODE_DELETED),
        (
            status.fatal.is_some() || node.fault().is_some(),
            NRG_NODE_FAILED,
        ),
    ]
    .into_iter()
    .filter_map(|(is_set, flag)| is_set.then_some(flag))
    .sum()
}

fn peer(node: &NrgNode, member: &PeerStatus) -> NrgPeer {
    let current = if member.current { NRG_PEER_CURRENT } else { 0 };
    let is_member = if member.member { NRG_PEER_MEMBER } else { 0 };
    let known = if member.known { NRG_PEER_KNOWN } else { 0 };
    NrgPeer {
        id: peer_number(member.id),
        last_heard_unix_nanos: node.unix_nanos(member.last_heard),
        lag: member.lag,
        flags: current | NRG_PEER_VOTING | is_member | known,
        reserved0: 0,
    }
}

/// A queue's length as far as the field can show it.
fn shown(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
