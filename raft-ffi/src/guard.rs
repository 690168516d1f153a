//! The panic boundary, and the text of a thread's last failure.
//!
//! Every exported function that can fail runs its body inside [`guard`]. A panic ends there as
//! `NRG_STATUS_PANIC`: it must never unwind into the frames of another language.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::status::{NRG_STATUS_OK, NRG_STATUS_PANIC};

/// Why a call failed: the code it returns, and a text when there is more to say than the code.
#[derive(Debug)]
pub struct Failure {
    status: i32,
    text: Cow<'static, str>,
}

impl Failure {
    /// A failure whose code says everything; leaves the thread's last text alone (hot paths).
    pub const fn code(status: i32) -> Self {
        Self {
            status,
            text: Cow::Borrowed(""),
        }
    }

    /// A failure with a text for `nrg_last_error`.
    pub fn new(status: i32, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    /// The code that goes to the caller.
    pub const fn status(&self) -> i32 {
        self.status
    }
}

/// What the body of an entry point yields.
pub type Outcome = Result<(), Failure>;

thread_local! {
    static LAST_ERROR: RefCell<Cow<'static, str>> = const { RefCell::new(Cow::Borrowed("")) };
}

/// Runs the body of an entry point and turns its outcome, a panic included, into a status.
pub fn guard(body: impl FnOnce() -> Outcome) -> i32 {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => NRG_STATUS_OK,
        Ok(Err(failure)) => {
            if !failure.text.is_empty() {
                set_last_error(failure.text);
            }
            failure.status
        }
        Err(payload) => {
            set_last_error(format!("panic: {}", panic_text(payload)).into());
            NRG_STATUS_PANIC
        }
    }
}

/// Replaces the calling thread's last failure text; success never clears it.
pub fn set_last_error(text: Cow<'static, str>) {
    LAST_ERROR.with(|last| *last.borrow_mut() = text);
}

/// The calling thread's last failure text; empty if nothing failed yet.
pub fn last_error() -> Cow<'static, str> {
    LAST_ERROR.with(|last| last.borrow().clone())
}

/// What a panic said, as far as it said it in words.
pub fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned());
    drop_payload(payload);
    text
}

/// Drops a panic's payload. Its own drop may panic, and that payload's too: the last one is leaked.
fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
        && let Err(third) = catch_unwind(AssertUnwindSafe(|| drop(second)))
    {
        std::mem::forget(third);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;
    use crate::status::{NRG_STATUS_CLOSED, NRG_STATUS_IO};

    #[test]
    fn a_panic_becomes_a_status_and_a_text() {
        assert_eq!(guard(|| panic!("entry {} is gone", 7)), NRG_STATUS_PANIC);
        assert_eq!(last_error(), "panic: entry 7 is gone");
    }

    #[test]
    fn a_payload_that_panics_in_its_drop_does_not_escape() {
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                panic_any(7_u32);
            }
        }

        assert_eq!(guard(|| panic_any(Spiteful)), NRG_STATUS_PANIC);
        assert_eq!(last_error(), "panic: no text");
    }

    #[test]
    fn a_bare_code_and_a_success_leave_the_last_text_alone() {
        assert_eq!(
            guard(|| Err(Failure::new(NRG_STATUS_IO, "disk full"))),
            NRG_STATUS_IO
        );
        assert_eq!(
            guard(|| Err(Failure::code(NRG_STATUS_CLOSED))),
            NRG_STATUS_CLOSED
        );
        assert_eq!(guard(|| Ok(())), NRG_STATUS_OK);
        assert_eq!(last_error(), "disk full");
    }
}
