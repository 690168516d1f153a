//! No loop without progress: time moves on.

use crate::time::Instant;

/// Steps that may pass at one moment. A turn of every server answers what arrived in the one
/// before, so even a long chain of them is far from this.
const STEPS_MAX: u32 = 5_000;

#[derive(Debug, Default)]
pub(super) struct Progress {
    at: Instant,
    steps: u32,
}

impl Progress {
    pub(super) fn check(&mut self, now: Instant) -> Result<(), String> {
        if self.at != now {
            *self = Self { at: now, steps: 0 };
        }
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(format!("{STEPS_MAX} steps passed and no time"));
        }
        Ok(())
    }
}
