//! The live-object counters, so that a test class can show that it leaks nothing.

use crate::convert::write_out;
use crate::guard::{Failure, guard};
use crate::live::{KINDS, count};
use crate::status::NRG_STATUS_INVALID_ARGUMENT;

/// Kind of `nrg_test_live_objects`: runtimes.
pub const NRG_TEST_OBJECT_RUNTIME: u32 = 0;
/// Kind of `nrg_test_live_objects`: nodes.
pub const NRG_TEST_OBJECT_NODE: u32 = 1;
/// Kind of `nrg_test_live_objects`: batches.
pub const NRG_TEST_OBJECT_BATCH: u32 = 2;
/// Kind of `nrg_test_live_objects`: checkpoints.
pub const NRG_TEST_OBJECT_CHECKPOINT: u32 = 3;
/// Kind of `nrg_test_live_objects`: loopback networks.
pub const NRG_TEST_OBJECT_LOOPBACK: u32 = 4;

/// Writes how many objects of a kind (`NRG_TEST_OBJECT_*`) are alive in this process. wait-free
///
/// # Safety
/// `count_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_live_objects(kind: u32, count_out: *mut u64) -> i32 {
    guard(|| {
        let kind = KINDS
            .into_iter()
            .find(|known| *known as u32 == kind)
            .ok_or_else(|| Failure::new(NRG_STATUS_INVALID_ARGUMENT, format!("kind {kind}")))?;
        // SAFETY: the caller's promise is this function's own.
        unsafe { write_out(count_out, count(kind), "count_out") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Counted, Kind};
    use crate::status::NRG_STATUS_OK;

    #[test]
    fn live_objects_counts_by_kind_and_refuses_an_unknown_one() {
        let held = Counted::new(Kind::Loopback);
        let mut count = 0;

        // SAFETY: a writable counter.
        let status = unsafe { nrg_test_live_objects(NRG_TEST_OBJECT_LOOPBACK, &raw mut count) };
        assert_eq!((status, count), (NRG_STATUS_OK, 1));
        drop(held);

        // SAFETY: as above.
        let status = unsafe { nrg_test_live_objects(5, &raw mut count) };
        assert_eq!((status, count), (NRG_STATUS_INVALID_ARGUMENT, 1));
    }
}
