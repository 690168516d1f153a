//! The codec alone: wire bytes to JSON and back, for the golden vectors.

use crate::convert::{copy_out, slice_in, text_in};
use crate::guard::{Failure, guard};
use crate::status::NRG_STATUS_INVALID_ARGUMENT;

mod json;

/// Operation of `nrg_test_codec`: wire bytes in, JSON out.
pub const NRG_TEST_CODEC_DECODE: u32 = 0;
/// Operation of `nrg_test_codec`: JSON in, wire bytes out.
pub const NRG_TEST_CODEC_ENCODE: u32 = 1;

/// Decodes or encodes one message or file (`NRG_TEST_CODEC_*`). wait-free
///
/// `name_ptr`: `append_entry`, `append_entry_response`, `vote_request`, `vote_response`,
/// `peer_state`, `snapshot_file` or `term_vote`; another one is `NRG_STATUS_NOT_FOUND`. The JSON
/// has the fields of the golden vectors; an id is a text, or with `_hex` after its name any bytes.
/// `node_id` can be encoded only: from the `server_name` to the id.
/// `group_name_ptr` is the key of a snapshot file's checksum; empty means `TEST`. The result goes
/// to the buffer; `needed_len_out` receives its length, also when the buffer is too small
/// (`NRG_STATUS_BUFFER_TOO_SMALL`): then the buffer is not touched.
///
/// # Safety
/// Each input pointer is null or valid for reads of its length; `buf_ptr` is null or valid for
/// writes of `buf_len` bytes; `needed_len_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_codec(
    operation: u32,
    name_ptr: *const u8,
    name_len: usize,
    group_name_ptr: *const u8,
    group_name_len: usize,
    input_ptr: *const u8,
    input_len: usize,
    buf_ptr: *mut u8,
    buf_len: usize,
    needed_len_out: *mut usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            let name = text_in(name_ptr, name_len, "name_ptr")?;
            let group = match text_in(group_name_ptr, group_name_len, "group_name_ptr")? {
                "" => "TEST",
                group => group,
            };
            let input = slice_in(input_ptr, input_len, "input_ptr")?;
            let output = match operation {
                NRG_TEST_CODEC_DECODE => json::decode(name, group, input)?.into_bytes(),
                NRG_TEST_CODEC_ENCODE => json::encode(name, group, input)?,
                other => {
                    let text = format!("operation {other} is unknown");
                    return Err(Failure::new(NRG_STATUS_INVALID_ARGUMENT, text));
                }
            };
            copy_out(&output, buf_ptr, buf_len, needed_len_out)
        }
    })
}
