//! Leadership: its changes, campaigns, stepping down, observing.

use raft_core::runtime::NodeHandle;

use crate::constants::NRG_CAMPAIGN_IMMEDIATELY;
use crate::convert::{known_flags, null, peers_in, write_out};
use crate::node::{NrgNode, on_node};

/// Takes the newest leadership change that was not taken yet. short lock
///
/// `present_out` receives 1 and the other two what changed, or 0 and nothing. Older changes that
/// were not taken are gone.
///
/// # Safety
/// `node` is a live handle; the other pointers are valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_lead_change_take(
    node: *const NrgNode,
    present_out: *mut u32,
    is_leader_out: *mut u32,
    term_out: *mut u64,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            for (ptr, what) in [
                (present_out, "present_out"),
                (is_leader_out, "is_leader_out"),
            ] {
                if ptr.is_null() {
                    return Err(null(what));
                }
            }
            if term_out.is_null() {
                return Err(null("term_out"));
            }
            let Some(change) = node.call(NodeHandle::take_lead_change)? else {
                return write_out(present_out, 0, "present_out");
            };
            write_out(present_out, 1, "present_out")?;
            write_out(is_leader_out, u32::from(change.is_leader), "is_leader_out")?;
            write_out(term_out, change.term.0, "term_out")
        })
    }
}

/// Gives the leadership up, to a preferred peer if one is given and it is online and healthy.
/// short lock
///
/// `preferred_ptr` holds at most one id, the eight bytes in memory order; more are
/// `NRG_STATUS_TOO_MANY_PREFS`. A node that does not lead: `NRG_STATUS_NOT_LEADER`.
///
/// # Safety
/// `node` is a live handle; `preferred_ptr` is null or valid for reads of `preferred_len` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_step_down(
    node: *const NrgNode,
    preferred_ptr: *const u64,
    preferred_len: usize,
) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            let preferred = peers_in(preferred_ptr, preferred_len, "preferred_ptr")?;
            Ok(node.call(|core| core.step_down(&preferred))??)
        })
    }
}

/// Campaigns soon, or with `NRG_CAMPAIGN_IMMEDIATELY` at once as the preferred leader. short lock
///
/// A node that leads: `NRG_STATUS_ALREADY_LEADER`.
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_campaign(node: *const NrgNode, flags: u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            known_flags(flags, NRG_CAMPAIGN_IMMEDIATELY, "flags")?;
            let immediately = flags & NRG_CAMPAIGN_IMMEDIATELY != 0;
            Ok(node.call(|core| core.campaign(immediately))??)
        })
    }
}

/// Makes the node an observer (`observer` not 0) or a full member (0). A leader goes on leading.
/// short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_node_set_observer(node: *const NrgNode, observer: u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| {
            node.call(|core| core.set_observer(observer != 0))
        })
    }
}
