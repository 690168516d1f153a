//! Every conversion between the caller's raw pointers and Rust values.
//!
//! Nothing else in the crate dereferences a pointer it was given. Lengths are checked before a
//! slice is formed; a null pointer with length 0 is the empty slice.

use std::{ptr, slice};

use raft_core::storage::LogKind;
use raft_core::types::PeerId;

use crate::constants::{NRG_LOG_FILE, NRG_LOG_MEMORY};
use crate::guard::{Failure, Outcome};
use crate::status::{
    NRG_STATUS_BAD_PEER_ID, NRG_STATUS_BUFFER_TOO_SMALL, NRG_STATUS_INVALID_ARGUMENT,
    NRG_STATUS_INVALID_UTF8, NRG_STATUS_NULL_ARGUMENT, NRG_STATUS_STRUCT_TOO_SMALL,
    NRG_STATUS_TOO_LARGE,
};

/// The failure of a pointer that must not be null; `what` is the parameter's name.
pub fn null(what: &'static str) -> Failure {
    Failure::new(NRG_STATUS_NULL_ARGUMENT, format!("{what} is null"))
}

/// The caller's array as a slice, borrowed for the duration of the call.
///
/// # Errors
/// Null with a length, a length whose bytes exceed the address space, or a pointer that is not
/// aligned.
///
/// # Safety
/// `ptr` is null or valid for reads of `len` values for `'a`.
pub unsafe fn slice_in<'a, T>(
    ptr: *const T,
    len: usize,
    what: &'static str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if ptr.is_null() {
        return Err(null(what));
    }
    if len
        .checked_mul(size_of::<T>())
        .is_none_or(|bytes| isize::try_from(bytes).is_err())
    {
        return Err(Failure::new(
            NRG_STATUS_TOO_LARGE,
            format!("{what}: length {len}"),
        ));
    }
    if !ptr.is_aligned() {
        return Err(Failure::new(
            NRG_STATUS_INVALID_ARGUMENT,
            format!("{what} is not aligned"),
        ));
    }
    // SAFETY: not null, and the caller promises `len` readable, aligned values; the size in
    // bytes fits an isize.
    Ok(unsafe { slice::from_raw_parts(ptr, len) })
}

/// The caller's text, borrowed for the duration of the call.
///
/// # Errors
/// As [`slice_in`], and text that is not UTF-8.
///
/// # Safety
/// As [`slice_in`].
pub unsafe fn text_in<'a>(
    ptr: *const u8,
    len: usize,
    what: &'static str,
) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise is this function's own.
    let bytes = unsafe { slice_in(ptr, len, what)? };
    std::str::from_utf8(bytes)
        .map_err(|error| Failure::new(NRG_STATUS_INVALID_UTF8, format!("{what}: {error}")))
}

/// Writes one value to an output parameter.
///
/// # Errors
/// A null pointer.
///
/// # Safety
/// `out` is null or valid for a write of one `T`.
pub unsafe fn write_out<T>(out: *mut T, value: T, what: &'static str) -> Outcome {
    if out.is_null() {
        return Err(null(what));
    }
    // SAFETY: not null, and the caller promises a writable place. A raw write never reads or
    // drops what is there.
    unsafe { out.write(value) };
    Ok(())
}

/// Copies a text or other bytes to the caller's buffer and its length to `needed_len_out`.
///
/// # Errors
/// A null pointer, or a buffer that is too small: then only the length is written.
///
/// # Safety
/// `buf_ptr` is null or valid for writes of `buf_len` bytes; `needed_len_out` is null or valid for
/// a write.
pub unsafe fn copy_out(
    bytes: &[u8],
    buf_ptr: *mut u8,
    buf_len: usize,
    needed_len_out: *mut usize,
) -> Outcome {
    // Whether both places will do, before anything is written: a failure leaves outputs alone.
    if needed_len_out.is_null() {
        return Err(null("needed_len_out"));
    }
    let fits = bytes.len() <= buf_len;
    if fits && !bytes.is_empty() && buf_ptr.is_null() {
        return Err(null("buf_ptr"));
    }
    // SAFETY: not null, and the caller promises a writable place.
    unsafe { write_out(needed_len_out, bytes.len(), "needed_len_out")? };
    if !fits {
        return Err(Failure::code(NRG_STATUS_BUFFER_TOO_SMALL));
    }
    if bytes.is_empty() {
        return Ok(());
    }
    // SAFETY: not null, `buf_len >= bytes.len()` writable bytes, and a borrowed slice can not
    // overlap a buffer that the caller may write to.
    unsafe { buf_ptr.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(())
}

/// Reads a sized struct: as many bytes as the caller's version of it has, zeros after them.
///
/// # Errors
/// A null pointer, or a `struct_size` below `first_released`.
///
/// # Safety
/// `T` is `repr(C)`, begins with a `u32` `struct_size`, and all zeros is a value of it. `ptr` is
/// null or aligned for a `u32` and points to at least 4 readable bytes, and to `struct_size`
/// readable bytes in all.
pub unsafe fn sized_in<T: Copy>(
    ptr: *const T,
    first_released: usize,
    what: &'static str,
) -> Result<T, Failure> {
    // SAFETY: the caller's promise is this function's own.
    let size = unsafe { struct_size(ptr.cast(), first_released, what)? };
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    let known = size.min(size_of::<T>());
    // SAFETY: `size` bytes are readable, `size_of::<T>()` bytes are writable, `known` is the
    // smaller of the two. No reference to a `T` is formed over a shorter allocation.
    unsafe {
        value
            .as_mut_ptr()
            .cast::<u8>()
            .copy_from_nonoverlapping(ptr.cast(), known)
    };
    // SAFETY: zeros are a value of `T`, and any bytes of a caller's struct of integers and
    // pointers are one too.
    Ok(unsafe { value.assume_init() })
}

/// Writes a sized struct: no more bytes than the caller's version of it has.
///
/// The caller's `struct_size` stays as it is.
///
/// # Errors
/// As [`sized_in`].
///
/// # Safety
/// As [`sized_in`], for writes; `T` has no padding.
pub unsafe fn sized_out<T: Copy>(
    ptr: *mut T,
    value: &T,
    first_released: usize,
    what: &'static str,
) -> Outcome {
    // SAFETY: the caller's promise is this function's own.
    let size = unsafe { struct_size(ptr.cast_const().cast(), first_released, what)? };
    let known = size.min(size_of::<T>());
    let source = ptr::from_ref(value).cast::<u8>();
    let head = size_of::<u32>();
    // SAFETY: both sides have `known` bytes, `known >= head`, and a local value does not overlap
    // the caller's struct.
    unsafe {
        ptr.cast::<u8>()
            .add(head)
            .copy_from_nonoverlapping(source.add(head), known - head);
    }
    Ok(())
}

/// The first field of a sized struct, checked.
///
/// # Safety
/// `ptr` is null or points to 4 readable bytes, aligned for a `u32`.
unsafe fn struct_size(
    ptr: *const u32,
    first_released: usize,
    what: &'static str,
) -> Result<usize, Failure> {
    if ptr.is_null() {
        return Err(null(what));
    }
    // SAFETY: not null, and the caller promises 4 readable bytes.
    let size = unsafe { ptr.read() } as usize;
    if size < first_released.max(size_of::<u32>()) {
        let text = format!("{what}: struct_size {size} is below {first_released}");
        return Err(Failure::new(NRG_STATUS_STRUCT_TOO_SMALL, text));
    }
    Ok(size)
}

/// The object behind a handle, shared for the duration of the call.
///
/// # Errors
/// A null handle.
///
/// # Safety
/// `ptr` is null or a handle that [`handle_out`] made and that is not freed during `'a`.
pub unsafe fn handle_in<'a, T: Sync>(ptr: *const T, what: &'static str) -> Result<&'a T, Failure> {
    // SAFETY: null or a live box that nobody has exclusively, as the caller promises.
    unsafe { ptr.as_ref() }.ok_or_else(|| null(what))
}

/// Makes an object and hands it to the caller as a handle; the place is null when that fails.
///
/// A handle may be used by many threads at once and freed on any of them, which is what the bounds
/// ask of its object.
///
/// # Errors
/// A null place, or what `make` says.
///
/// # Safety
/// `out` is null or valid for a write.
pub unsafe fn handle_out<T: Send + Sync>(
    out: *mut *mut T,
    what: &'static str,
    make: impl FnOnce() -> Result<T, Failure>,
) -> Outcome {
    // SAFETY: the caller's promise is this function's own.
    unsafe { handle_or_null_out(out, what, || make().map(Some)) }
}

/// As [`handle_out`], for a take that may find nothing: then the place is null.
///
/// # Errors
/// As [`handle_out`].
///
/// # Safety
/// As [`handle_out`].
pub unsafe fn handle_or_null_out<T: Send + Sync>(
    out: *mut *mut T,
    what: &'static str,
    make: impl FnOnce() -> Result<Option<T>, Failure>,
) -> Outcome {
    // SAFETY: the caller's promise is this function's own.
    unsafe { write_out(out, ptr::null_mut(), what)? };
    let Some(made) = make()? else { return Ok(()) };
    // SAFETY: as above.
    unsafe { write_out(out, Box::into_raw(Box::new(made)), what) }
}

/// Takes an object back from its handle; `None` for null. It is dropped by the caller.
///
/// # Safety
/// `ptr` is null or a handle that [`handle_out`] made, was not taken back yet, and is not used by
/// another call.
pub unsafe fn handle_free<T: Send>(ptr: *mut T) -> Option<Box<T>> {
    // SAFETY: not null, made by `Box::into_raw`, and exclusively ours by the caller's promise.
    (!ptr.is_null()).then(|| unsafe { Box::from_raw(ptr) })
}

/// The peer of a number that holds the eight bytes of its id in memory order.
///
/// # Errors
/// 0, which is no peer.
#[expect(
    clippy::host_endian_bytes,
    reason = "the ABI passes the bytes in memory order"
)]
pub fn peer_in(number: u64, what: &'static str) -> Result<PeerId, Failure> {
    if number == 0 {
        return Err(Failure::new(
            NRG_STATUS_BAD_PEER_ID,
            format!("{what} is 0, which is no peer"),
        ));
    }
    Ok(PeerId(number.to_ne_bytes()))
}

/// The kind of a log by its code, `NRG_LOG_*`.
pub fn log_kind(code: u32) -> Option<LogKind> {
    match code {
        NRG_LOG_FILE => Some(LogKind::File),
        NRG_LOG_MEMORY => Some(LogKind::Memory),
        _ => None,
    }
}

/// The number of a peer: the reverse of [`peer_in`].
#[expect(
    clippy::host_endian_bytes,
    reason = "the ABI passes the bytes in memory order"
)]
pub fn peer_number(peer: PeerId) -> u64 {
    u64::from_ne_bytes(*peer.as_bytes())
}

/// The peers of an array of numbers.
///
/// # Errors
/// As [`slice_in`] and [`peer_in`].
///
/// # Safety
/// As [`slice_in`].
pub unsafe fn peers_in(
    ptr: *const u64,
    len: usize,
    what: &'static str,
) -> Result<Vec<PeerId>, Failure> {
    // SAFETY: the caller's promise is this function's own.
    let numbers = unsafe { slice_in(ptr, len, what)? };
    numbers
        .iter()
        .map(|number| peer_in(*number, what))
        .collect()
}

/// Refuses flag bits that are not among the known ones: a later version may give them a meaning.
///
/// # Errors
/// An unknown bit.
pub fn known_flags(flags: u32, known: u32, what: &'static str) -> Outcome {
    if flags & !known == 0 {
        return Ok(());
    }
    let text = format!("{what} has unknown bits {:#x}", flags & !known);
    Err(Failure::new(NRG_STATUS_INVALID_ARGUMENT, text))
}

/// Writes values to the start of the caller's array.
///
/// # Errors
/// A null array, unless there are no values.
///
/// # Safety
/// `ptr` is null or valid for writes of as many values as the iterator yields.
pub unsafe fn values_out<T>(
    values: impl IntoIterator<Item = T>,
    ptr: *mut T,
    what: &'static str,
) -> Outcome {
    for (at, value) in values.into_iter().enumerate() {
        if ptr.is_null() {
            return Err(null(what));
        }
        // SAFETY: the caller promises room for every value.
        unsafe { ptr.add(at).write(value) };
    }
    Ok(())
}

/// Copies records to the caller's array and their number to `count_out`.
///
/// # Errors
/// A null pointer, or an array that is too small: then only the number is written.
///
/// # Safety
/// `ptr` is null or valid for writes of `cap` records; `count_out` is null or valid for a write.
pub unsafe fn records_out<T: Copy>(
    records: &[T],
    ptr: *mut T,
    cap: usize,
    count_out: *mut usize,
) -> Outcome {
    if count_out.is_null() {
        return Err(null("count_out"));
    }
    let fits = records.len() <= cap;
    if fits && !records.is_empty() && ptr.is_null() {
        return Err(null("the array"));
    }
    // SAFETY: the caller's promises are this function's own; the number was compared with `cap`.
    unsafe {
        write_out(count_out, records.len(), "count_out")?;
        if !fits {
            return Err(Failure::code(NRG_STATUS_BUFFER_TOO_SMALL));
        }
        values_out(records.iter().copied(), ptr, "the array")
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Sample {
        struct_size: u32,
        first: u32,
        later: u64,
    }

    #[test]
    fn null_with_length_zero_is_the_empty_slice() {
        // SAFETY: length 0 asks for nothing to be readable.
        let slice = unsafe { slice_in::<u64>(ptr::null(), 0, "values_ptr") };
        assert!(slice.is_ok_and(<[u64]>::is_empty));
    }

    #[test]
    fn null_with_a_length_and_a_length_beyond_the_address_space_are_refused() {
        // SAFETY: null is allowed by the contract.
        let result = unsafe { slice_in::<u8>(ptr::null(), 1, "data_ptr") };
        assert_eq!(
            result.map_err(|failure| failure.status()),
            Err(NRG_STATUS_NULL_ARGUMENT)
        );

        // SAFETY: the length is refused before anything is read.
        let result = unsafe { slice_in::<u64>(ptr::dangling(), usize::MAX / 8, "data_ptr") };
        assert_eq!(
            result.map_err(|failure| failure.status()),
            Err(NRG_STATUS_TOO_LARGE)
        );

        let values = [1_u64, 2];
        let within = values.as_ptr().cast::<u8>().wrapping_add(1).cast::<u64>();
        // SAFETY: eight readable bytes; the misalignment is noticed before they are read.
        let result = unsafe { slice_in::<u64>(within, 1, "values_ptr") };
        assert_eq!(
            result.map_err(|failure| failure.status()),
            Err(NRG_STATUS_INVALID_ARGUMENT)
        );
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        let bytes = [b'a', 0xff];
        // SAFETY: two readable bytes.
        let result = unsafe { text_in(bytes.as_ptr(), bytes.len(), "name_ptr") };
        assert_eq!(
            result.map_err(|failure| failure.status()),
            Err(NRG_STATUS_INVALID_UTF8)
        );
    }

    #[test]
    fn a_short_buffer_gets_the_length_and_nothing_else() {
        let (mut buffer, mut needed) = ([7_u8; 4], 0_usize);

        // SAFETY: four writable bytes, a writable length.
        let result = unsafe { copy_out(b"hello", buffer.as_mut_ptr(), 4, &raw mut needed) };

        assert_eq!(
            result.map_err(|failure| failure.status()),
            Err(NRG_STATUS_BUFFER_TOO_SMALL)
        );
        assert_eq!((buffer, needed), ([7; 4], 5));
    }

    #[test]
    fn a_null_buffer_is_refused_before_anything_is_written() {
        let (mut needed, mut count) = (7_usize, 7_usize);

        // SAFETY: null is answered with a status; the lengths are writable.
        let (text, records) = unsafe {
            (
                copy_out(b"hello", ptr::null_mut(), 9, &raw mut needed),
                records_out(&[1_u32], ptr::null_mut(), 9, &raw mut count),
            )
        };

        for outcome in [text, records] {
            let status = outcome.map_err(|failure| failure.status());
            assert_eq!(status, Err(NRG_STATUS_NULL_ARGUMENT));
        }
        assert_eq!((needed, count), (7, 7));
    }

    #[test]
    fn a_shorter_struct_reads_as_zeros_and_is_not_written_beyond_its_end() {
        let mut short = Sample {
            struct_size: 8,
            first: 3,
            later: 9,
        };

        // SAFETY: a whole Sample lies behind the pointer; its size field promises 8 bytes.
        let read = unsafe { sized_in(&raw const short, 8, "sample_ptr") };
        assert_eq!(
            read.map_err(|failure| failure.status()),
            Ok(Sample {
                struct_size: 8,
                first: 3,
                later: 0
            })
        );

        let full = Sample {
            struct_size: 16,
            first: 5,
            later: 6,
        };
        // SAFETY: as above.
        let written = unsafe { sized_out(&raw mut short, &full, 8, "sample_out") };
        assert!(written.is_ok());
        assert_eq!(
            short,
            Sample {
                struct_size: 8,
                first: 5,
                later: 9
            }
        );
    }

    #[test]
    fn a_struct_below_the_first_released_size_is_refused() {
        let short = Sample {
            struct_size: 4,
            first: 0,
            later: 0,
        };
        // SAFETY: a whole Sample lies behind the pointer.
        let read = unsafe { sized_in(&raw const short, 8, "sample_ptr") };
        assert_eq!(
            read.map_err(|failure| failure.status()),
            Err(NRG_STATUS_STRUCT_TOO_SMALL)
        );
    }
}
