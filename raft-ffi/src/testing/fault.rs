//! Faults on demand: what the panic boundary and the host's fault handling are tested with.

use raft_core::runtime::NodeHandle;

use crate::guard::Failure;
use crate::node::{NrgNode, on_node};
use crate::status::NRG_STATUS_INVALID_ARGUMENT;

/// Kind of `nrg_test_inject_fault`: this very call panics, which poisons the node.
pub const NRG_TEST_FAULT_PANIC_IN_CALL: u32 = 1;
/// Kind of `nrg_test_inject_fault`: the node panics by itself, inside the engine; the call is OK.
pub const NRG_TEST_FAULT_PANIC_IN_NODE: u32 = 2;
/// Kind of `nrg_test_inject_fault`: the node panics in the command of this call, inside the engine.
pub const NRG_TEST_FAULT_PANIC_IN_COMMAND: u32 = 3;

/// Makes a node fail in the way `kind` says (`NRG_TEST_FAULT_*`). short lock
///
/// # Safety
/// `node` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_inject_fault(node: *const NrgNode, kind: u32) -> i32 {
    // SAFETY: the caller's promise is this function's own.
    unsafe {
        on_node(node, |node| match kind {
            NRG_TEST_FAULT_PANIC_IN_CALL => panic!("a test asked for this panic"),
            NRG_TEST_FAULT_PANIC_IN_NODE => {
                // Like every command, but its outcome is nobody's: as in a turn.
                in_command(node.core());
                Ok(())
            }
            NRG_TEST_FAULT_PANIC_IN_COMMAND => node.call(in_command),
            other => Err(Failure::new(
                NRG_STATUS_INVALID_ARGUMENT,
                format!("kind {other}"),
            )),
        })
    }
}

/// The engine's own guard catches the panic.
fn in_command(core: &NodeHandle) {
    let outcome = core.with_node(|_| panic!("a test asked for this panic"));
    debug_assert!(outcome.is_err(), "a panic is a fault");
}
