//! The live-object counters, so that a test class can show that it leaks nothing.

use crate::convert::{handle_in, write_out};
use crate::guard::{Failure, guard};
use crate::live::{KINDS, LiveCounts};
use crate::runtime::NrgRuntime;
use crate::status::NRG_STATUS_INVALID_ARGUMENT;

/// Kind of `nrg_test_live_objects`: runtimes, of the process.
pub const NRG_TEST_OBJECT_RUNTIME: u32 = 0;
/// Kind of `nrg_test_live_objects`: nodes, of a runtime.
pub const NRG_TEST_OBJECT_NODE: u32 = 1;
/// Kind of `nrg_test_live_objects`: batches, of a runtime; those of test functions, of the process.
pub const NRG_TEST_OBJECT_BATCH: u32 = 2;
/// Kind of `nrg_test_live_objects`: checkpoints, of a runtime.
pub const NRG_TEST_OBJECT_CHECKPOINT: u32 = 3;
/// Kind of `nrg_test_live_objects`: loopback networks, of the process.
pub const NRG_TEST_OBJECT_LOOPBACK: u32 = 4;
/// Kind of `nrg_test_live_objects`: taps, of the process.
pub const NRG_TEST_OBJECT_TAP: u32 = 5;

/// Writes how many objects of a kind (`NRG_TEST_OBJECT_*`) a runtime has handed out and not got
/// back; with a null runtime, the process for what belongs to no runtime. wait-free
///
/// # Safety
/// `runtime` is null or a live handle; `count_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_live_objects(
    runtime: *const NrgRuntime,
    kind: u32,
    count_out: *mut u64,
) -> i32 {
    guard(|| {
        let kind = KINDS
            .into_iter()
            .find(|known| *known as u32 == kind)
            .ok_or_else(|| Failure::new(NRG_STATUS_INVALID_ARGUMENT, format!("kind {kind}")))?;
        let counts = if runtime.is_null() {
            LiveCounts::of_process()
        } else {
            // SAFETY: the caller's promise is this function's own.
            unsafe { handle_in(runtime, "runtime")? }.live().as_ref()
        };
        // SAFETY: the caller's promise is this function's own.
        unsafe { write_out(count_out, counts.count(kind), "count_out") }
    })
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::live::{Counted, Kind};
    use crate::status::NRG_STATUS_OK;

    #[test]
    fn live_objects_counts_by_kind_and_refuses_an_unknown_one() {
        let held = Counted::global(Kind::Checkpoint);
        let mut count = 0;
        let mut ask = |kind| {
            // SAFETY: no runtime, a writable counter.
            let status = unsafe { nrg_test_live_objects(ptr::null(), kind, &raw mut count) };
            (status, count)
        };

        assert_eq!(ask(NRG_TEST_OBJECT_CHECKPOINT), (NRG_STATUS_OK, 1));
        drop(held);
        assert_eq!(ask(NRG_TEST_OBJECT_CHECKPOINT), (NRG_STATUS_OK, 0));
        assert_eq!(ask(6), (NRG_STATUS_INVALID_ARGUMENT, 0));
    }
}
