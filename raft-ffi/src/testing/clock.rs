//! Time under the hand of a test.

use std::time::Duration;

use crate::convert::handle_in;
use crate::guard::guard;
use crate::runtime::NrgRuntime;

/// Moves the time of a runtime with `NRG_CLOCK_MANUAL`, from deadline to deadline; between two it
/// waits until messages, queues and disk are at rest. Reporting what was applied is the caller's
/// business. may block on disk
///
/// Something that does not come to rest, or a runtime with the machine's clock: `NRG_STATUS_BUSY`,
/// the text says which.
///
/// # Safety
/// `runtime` is a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_clock_advance(runtime: *const NrgRuntime, by_ns: u64) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        let runtime = unsafe { handle_in(runtime, "runtime")? };
        Ok(runtime.core().advance(Duration::from_nanos(by_ns))?)
    })
}
