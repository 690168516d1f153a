//! Entry points about the library itself: version, build, status names, the last error.

use crate::convert::copy_out;
use crate::guard::{Failure, guard, last_error};
use crate::status::{self, NRG_STATUS_NOT_FOUND};

/// Major version of the ABI: a library with another one can not be used.
pub const NRG_ABI_MAJOR: u32 = 1;
/// Minor version of the ABI: raised by every addition.
pub const NRG_ABI_MINOR: u32 = 0;

/// The version of the ABI, `major << 16 | minor`. wait-free
#[unsafe(no_mangle)]
pub extern "C" fn nrg_abi_version() -> u32 {
    NRG_ABI_MAJOR << 16 | NRG_ABI_MINOR
}

/// Writes a line about this build, for diagnostics: version, revision, target, flavour.
///
/// UTF-8, not terminated; `needed_len_out` receives the length, also when the buffer is too small
/// (`NRG_STATUS_BUFFER_TOO_SMALL`). wait-free
///
/// # Safety
/// `buf_ptr` is null or valid for writes of `buf_len` bytes; `needed_len_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_build_info(
    buf_ptr: *mut u8,
    buf_len: usize,
    needed_len_out: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe { copy_out(build_info().as_bytes(), buf_ptr, buf_len, needed_len_out) }
    })
}

/// Writes the name of a status constant, such as `NRG_STATUS_OK`.
///
/// UTF-8, not terminated; `needed_len_out` receives the length, also when the buffer is too small
/// (`NRG_STATUS_BUFFER_TOO_SMALL`). A number that is no status: `NRG_STATUS_NOT_FOUND`. wait-free
///
/// # Safety
/// `buf_ptr` is null or valid for writes of `buf_len` bytes; `needed_len_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_status_name(
    code: i32,
    buf_ptr: *mut u8,
    buf_len: usize,
    needed_len_out: *mut usize,
) -> i32 {
    guard(|| {
        let name = status::name(code).ok_or(Failure::code(NRG_STATUS_NOT_FOUND))?;
        // SAFETY: the caller's promise is this function's own.
        unsafe { copy_out(name.as_bytes(), buf_ptr, buf_len, needed_len_out) }
    })
}

/// Writes the text of the calling thread's last failure; empty if there was none.
///
/// A success does not clear it, and this call does not replace it. UTF-8, not terminated;
/// `needed_len_out` receives the length, also when the buffer is too small
/// (`NRG_STATUS_BUFFER_TOO_SMALL`). wait-free
///
/// # Safety
/// `buf_ptr` is null or valid for writes of `buf_len` bytes; `needed_len_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_last_error(
    buf_ptr: *mut u8,
    buf_len: usize,
    needed_len_out: *mut usize,
) -> i32 {
    guard(|| {
        let text = last_error();
        // SAFETY: the caller's promise is this function's own.
        unsafe { copy_out(text.as_bytes(), buf_ptr, buf_len, needed_len_out) }
            .map_err(|failure| Failure::code(failure.status()))
    })
}

/// Version, revision, target and flavour of this build. `build.sh` tells the revision.
fn build_info() -> String {
    format!(
        "natsraft {} abi {NRG_ABI_MAJOR}.{NRG_ABI_MINOR} revision {} {}-{} {}",
        env!("CARGO_PKG_VERSION"),
        option_env!("NATSRAFT_REVISION").unwrap_or("unknown"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        if cfg!(feature = "testing") {
            "testing"
        } else {
            "ship"
        },
    )
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::status::{NRG_STATUS_BUFFER_TOO_SMALL, NRG_STATUS_NULL_ARGUMENT, NRG_STATUS_OK};

    /// Calls a copy-out function twice, as a host does: for the length, then for the text.
    fn text_of(call: impl Fn(*mut u8, usize, *mut usize) -> i32) -> String {
        let mut needed = 0;
        let status = call(ptr::null_mut(), 0, &raw mut needed);
        if needed > 0 {
            assert_eq!(status, NRG_STATUS_BUFFER_TOO_SMALL);
        }
        let mut buffer = vec![0; needed];
        assert_eq!(
            call(buffer.as_mut_ptr(), needed, &raw mut needed),
            NRG_STATUS_OK
        );
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn build_info_names_version_and_flavour() {
        // SAFETY: buffers as the helper makes them.
        let text = text_of(|buf, len, needed| unsafe { nrg_build_info(buf, len, needed) });
        assert!(text.starts_with(concat!("natsraft ", env!("CARGO_PKG_VERSION"), " abi 1.")));
        assert!(text.ends_with(if cfg!(feature = "testing") {
            "testing"
        } else {
            "ship"
        }));
    }

    #[test]
    fn status_name_knows_every_code_and_no_other() {
        // SAFETY: buffers as the helper makes them.
        let text = text_of(|buf, len, needed| unsafe { nrg_status_name(104, buf, len, needed) });
        assert_eq!(text, "NRG_STATUS_BUFFER_TOO_SMALL");

        let mut needed = 0;
        // SAFETY: a writable length.
        let status = unsafe { nrg_status_name(99, ptr::null_mut(), 0, &raw mut needed) };
        assert_eq!(status, NRG_STATUS_NOT_FOUND);
    }

    #[test]
    fn last_error_tells_what_the_previous_call_lacked() {
        // SAFETY: null is answered with a status.
        let status = unsafe { nrg_build_info(ptr::null_mut(), 0, ptr::null_mut()) };
        assert_eq!(status, NRG_STATUS_NULL_ARGUMENT);

        // SAFETY: buffers as the helper makes them.
        let text = text_of(|buf, len, needed| unsafe { nrg_last_error(buf, len, needed) });
        assert_eq!(text, "needed_len_out is null");
    }
}
