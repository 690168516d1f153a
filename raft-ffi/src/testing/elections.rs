//! Roles, votes and leadership, one call for each function of the server.

use std::time::Duration;

use raft_core::node::Role;
use raft_core::runtime::{HandsError, NodeHandle};

use crate::convert::{peer_number, slice_in, text_in, write_out};
use crate::node::{NrgNode, on_node};
use crate::query::role_number;
use crate::testing::call::{ask, bytes_in, call, peer_or_none, role_in, try_call, unknown};

/// Server: `switchToCandidate`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_switch_to_candidate(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.switch_to_candidate()) }
}

/// Server: `switchToLeader`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_switch_to_leader(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.switch_to_leader()) }
}

/// Server: `switchToFollower`. 0 is no leader. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_switch_to_follower(node: *const NrgNode, leader: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.switch_to_follower(peer_or_none(leader))) }
}

/// Server: `switchToFollowerLocked`. 0 is no leader. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_switch_to_follower_locked(
    node: *const NrgNode,
    leader: u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        call(node, |node| {
            node.switch_to_follower_locked(peer_or_none(leader))
        })
    }
}

/// Server: `stepdown`. 0 is no leader. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_step_down_core(node: *const NrgNode, leader: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.step_down_core(peer_or_none(leader))) }
}

/// Server: `switchState`. `role` is one of `NRG_ROLE_*`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_switch_state(node: *const NrgNode, role: u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            node.switch_state(role_in(role)?);
            Ok(())
        })
    }
}

/// Server: `updateLeader`. 0 is no leader. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_update_leader(node: *const NrgNode, leader: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.update_leader(peer_or_none(leader))) }
}

/// Server: `updateLeadChange`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_update_lead_change(node: *const NrgNode, is_leader: u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.update_lead_change(is_leader != 0)) }
}

/// Server: `requestVote`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_request_vote(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.request_vote()) }
}

/// Server: `processVoteRequest`. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_process_vote_request(
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
            Ok(node.process_vote_request(frame, reply)?)
        })
    }
}

/// Server: `handleVoteRequest`. short lock
///
/// # Safety
/// `node` is a live handle; each pointer is null or valid for reads of its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_handle_vote_request(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
    reply_ptr: *const u8,
    reply_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            let reply = text_in(reply_ptr, reply_len, "reply_ptr")?;
            node.handle_vote_request(frame, reply);
            Ok(())
        })
    }
}

/// Server: `handleVoteResponse`. short lock
///
/// # Safety
/// `node` is a live handle; `frame_ptr` is null or valid for reads of `frame_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_handle_vote_response(
    node: *const NrgNode,
    frame_ptr: *const u8,
    frame_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let frame = bytes_in(frame_ptr, frame_len, "frame_ptr")?;
            node.handle_vote_response(frame);
            Ok(())
        })
    }
}

/// Server: `wonElection`. Writes 1 for yes, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `won_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_won_election(
    node: *const NrgNode,
    votes: u32,
    won_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        ask(node, won_out, "won_out", |node| {
            Ok(node.won_election(votes as usize))
        })
    }
}

/// Server: `lostQuorum`. Writes 1 for yes, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `lost_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_lost_quorum(node: *const NrgNode, lost_out: *mut u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { ask(node, lost_out, "lost_out", |node| Ok(node.lost_quorum())) }
}

/// Server: `resetElect`; for 0 `resetElectionTimeout`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_reset_elect(node: *const NrgNode, after_ns: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        call(node, |node| {
            let after = (after_ns != 0).then(|| Duration::from_nanos(after_ns));
            node.reset_elect(after);
        })
    }
}

/// Server: `setObserver`, with an extension state. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_set_observer_core(
    node: *const NrgNode,
    observer: u32,
    extension: u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            let extension =
                u16::try_from(extension).map_err(|_| unknown("extension", extension))?;
            node.set_observer_core(observer != 0, extension);
            Ok(())
        })
    }
}

/// Server: `writeTermVote`. short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_write_term_vote(node: *const NrgNode) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { call(node, |node| node.write_term_vote()) }
}

/// Server: `readTermVote`: what the file says. may block on disk
///
/// # Safety
/// `node` is a live handle; the other pointers are valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_read_term_vote(
    node: *const NrgNode,
    term_out: *mut u64,
    vote_out: *mut u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let saved = node.call(NodeHandle::read_term_vote)??;
            write_out(term_out, saved.term.0, "term_out")?;
            write_out(vote_out, saved.vote.map_or(0, peer_number), "vote_out")
        })
    }
}

/// Server: `setWriteErr`. short lock
///
/// # Safety
/// `node` is a live handle; `text_ptr` is null or valid for reads of `text_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_set_write_err(
    node: *const NrgNode,
    text_ptr: *const u8,
    text_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            node.set_write_err(text_in(text_ptr, text_len, "text_ptr")?);
            Ok(())
        })
    }
}

/// Server: `setWriteErrLocked`. short lock
///
/// # Safety
/// `node` is a live handle; `text_ptr` is null or valid for reads of `text_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_set_write_err_locked(
    node: *const NrgNode,
    text_ptr: *const u8,
    text_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        try_call(node, |node| {
            node.set_write_err_locked(text_in(text_ptr, text_len, "text_ptr")?);
            Ok(())
        })
    }
}

/// Server: `isClosed`. Writes 1 for yes, else 0. short lock
///
/// # Safety
/// `node` is a live handle; `closed_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_is_closed(node: *const NrgNode, closed_out: *mut u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { ask(node, closed_out, "closed_out", |node| Ok(node.is_closed())) }
}

/// Server: `runAsFollower`, on a detached node. Plays turns, moving the clock from deadline to
/// deadline, until the node leaves the loop or `limit_ns` has passed on its clock; writes the
/// role at the end (`NRG_ROLE_*`). may block on disk
///
/// # Safety
/// `node` is a live handle; `role_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_run_as_follower(
    node: *const NrgNode,
    limit_ns: u64,
    role_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { play(node, limit_ns, role_out, NodeHandle::run_as_follower) }
}

/// Server: `runAsCandidate`, on a detached node. Plays turns, moving the clock from deadline to
/// deadline, until the node leaves the loop or `limit_ns` has passed on its clock; writes the
/// role at the end (`NRG_ROLE_*`). may block on disk
///
/// # Safety
/// `node` is a live handle; `role_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_run_as_candidate(
    node: *const NrgNode,
    limit_ns: u64,
    role_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { play(node, limit_ns, role_out, NodeHandle::run_as_candidate) }
}

/// Server: `runAsLeader`, on a detached node. Plays turns, moving the clock from deadline to
/// deadline, until the node leaves the loop or `limit_ns` has passed on its clock; writes the
/// role at the end (`NRG_ROLE_*`). may block on disk
///
/// # Safety
/// `node` is a live handle; `role_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_run_as_leader(
    node: *const NrgNode,
    limit_ns: u64,
    role_out: *mut u32,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe { play(node, limit_ns, role_out, NodeHandle::run_as_leader) }
}

/// Server: `run`, on a detached node: plays turns until the node is closed or `limit_ns` has
/// passed on its clock. may block on disk
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_run(node: *const NrgNode, limit_ns: u64) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            Ok(node.call(|core| core.run(Duration::from_nanos(limit_ns)))??)
        })
    }
}

/// # Safety
/// `node` is null or a live handle; `role_out` is null or valid for a write.
unsafe fn play(
    node: *const NrgNode,
    limit_ns: u64,
    role_out: *mut u32,
    run: impl FnOnce(&NodeHandle, Duration) -> Result<Role, HandsError>,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let role = node.call(|core| run(core, Duration::from_nanos(limit_ns)))??;
            write_out(role_out, role_number(role), "role_out")
        })
    }
}
