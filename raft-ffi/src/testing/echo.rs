//! The marshalling round trip: a packed batch in, the same entries out as a batch.

use bytes::Bytes;

use crate::batch::NrgBatch;
use crate::convert::{handle_out, slice_in};
use crate::guard::guard;
use crate::live::{Counted, Kind};
use crate::propose::{adds_up, parts};

/// Copies a packed batch, as `nrg_node_propose_batch` takes it, into a batch of entries, as
/// `nrg_node_apply_take` hands it out. The index of a record is its place, from 0. wait-free
///
/// The batch belongs to the caller, until `nrg_batch_free`.
///
/// # Safety
/// `data_ptr` is null or valid for reads of `data_len` bytes; `lengths_ptr` is null or valid for
/// reads of `count` values; `batch_out` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nrg_test_echo_batch(
    data_ptr: *const u8,
    data_len: usize,
    lengths_ptr: *const u32,
    count: usize,
    batch_out: *mut *mut NrgBatch,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise is this function's own.
        unsafe {
            handle_out(batch_out, "batch_out", || {
                let data = slice_in(data_ptr, data_len, "data_ptr")?;
                let lengths = slice_in(lengths_ptr, count, "lengths_ptr")?;
                adds_up(lengths, data.len())?;
                let parts = parts(Bytes::copy_from_slice(data), lengths).collect();
                Ok(NrgBatch::bytes(parts, Counted::global(Kind::Batch)))
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{ptr, slice};

    use super::*;
    use crate::batch::{nrg_batch_free, nrg_batch_items, nrg_batch_log_records};
    use crate::status::{NRG_STATUS_INVALID_ARGUMENT, NRG_STATUS_NULL_ARGUMENT, NRG_STATUS_OK};

    fn echo(data: &[u8], lengths: &[u32]) -> (i32, *mut NrgBatch) {
        let mut batch = ptr::dangling_mut();
        // SAFETY: slices and a writable place.
        let status = unsafe {
            nrg_test_echo_batch(
                data.as_ptr(),
                data.len(),
                lengths.as_ptr(),
                lengths.len(),
                &raw mut batch,
            )
        };
        (status, batch)
    }

    #[test]
    fn the_parts_come_back_in_order_and_an_empty_one_has_no_pointer() {
        let (status, batch) = echo(b"abcde", &[2, 0, 3]);
        assert_eq!(status, NRG_STATUS_OK);

        let mut count = 0;
        // SAFETY: a live batch; its records end with it.
        unsafe {
            let records = slice::from_raw_parts(nrg_batch_items(batch, &raw mut count), 3);
            assert_eq!(count, 3);
            let part =
                |at: usize| slice::from_raw_parts(records[at].data_ptr, records[at].data_len);
            assert_eq!((part(0), part(2)), (&b"ab"[..], &b"cde"[..]));
            assert!(records[1].data_ptr.is_null());
            assert_eq!(
                records
                    .iter()
                    .map(|record| record.index)
                    .collect::<Vec<_>>(),
                [0, 1, 2]
            );

            assert!(nrg_batch_log_records(batch, &raw mut count).is_null());
            assert_eq!(count, 0);
            assert_eq!(nrg_batch_free(batch), NRG_STATUS_OK);
        }
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused_and_the_place_is_nulled() {
        for lengths in [&[4_u32][..], &[6], &[u32::MAX, u32::MAX], &[]] {
            let (status, batch) = echo(b"abcde", lengths);
            assert_eq!(
                (status, batch.is_null()),
                (NRG_STATUS_INVALID_ARGUMENT, true)
            );
        }
    }

    #[test]
    fn null_pointers_with_a_length_are_refused_and_with_none_are_empty() {
        let mut batch = ptr::null_mut();
        // SAFETY: null is allowed by the contract.
        unsafe {
            let status = nrg_test_echo_batch(ptr::null(), 1, ptr::null(), 0, &raw mut batch);
            assert_eq!(status, NRG_STATUS_NULL_ARGUMENT);
            let status = nrg_test_echo_batch(ptr::null(), 0, ptr::null(), 0, &raw mut batch);
            assert_eq!(status, NRG_STATUS_OK);
            assert!(nrg_batch_items(batch, ptr::null_mut()).is_null());
            nrg_batch_free(batch);
            assert!(nrg_batch_items(ptr::null(), ptr::null_mut()).is_null());
            assert_eq!(nrg_batch_free(ptr::null_mut()), NRG_STATUS_OK);
        }
    }
}
