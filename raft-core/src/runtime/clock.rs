//! The one clock of a runtime: the system's, or one that a test moves.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::Instant;

/// Who moves time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockKind {
    /// The system's monotonic clock.
    #[default]
    System,
    /// [`Runtime::advance`](super::Runtime::advance), and nothing else.
    Manual,
}

#[derive(Debug)]
pub(crate) struct Clock {
    source: Source,
    /// The wall clock's reading at the start of this clock. Only reports use it.
    unix_start: u64,
}

#[derive(Debug)]
enum Source {
    System(std::time::Instant),
    Manual(AtomicU64),
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the runtime's clock")]
    pub(crate) fn new(kind: ClockKind) -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let source = match kind {
            ClockKind::System => Source::System(std::time::Instant::now()),
            ClockKind::Manual => Source::Manual(AtomicU64::new(0)),
        };
        Self {
            source,
            unix_start: nanos(unix),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        match &self.source {
            Source::System(start) => Instant::from_nanos(nanos(start.elapsed())),
            Source::Manual(now) => Instant::from_nanos(now.load(Ordering::SeqCst)),
        }
    }

    pub(crate) const fn is_manual(&self) -> bool {
        matches!(self.source, Source::Manual(_))
    }

    /// Moves a manual clock, never backwards. The system's clock moves by itself.
    pub(crate) fn move_to(&self, at: Instant) {
        if let Source::Manual(now) = &self.source {
            now.fetch_max(at.as_nanos(), Ordering::SeqCst);
        }
    }

    pub(crate) const fn unix_nanos(&self, at: Instant) -> u64 {
        self.unix_start.saturating_add(at.as_nanos())
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A number nobody can guess, from the randomness the operating system gave this process.
pub(crate) fn seed_from_os() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_when_told_and_never_back() {
        let clock = Clock::new(ClockKind::Manual);
        assert_eq!(clock.now(), Instant::ZERO);

        clock.move_to(Instant::from_nanos(50));
        clock.move_to(Instant::from_nanos(20));

        assert_eq!(clock.now(), Instant::from_nanos(50));
        assert_eq!(
            clock.unix_nanos(clock.now()) - clock.unix_nanos(Instant::ZERO),
            50
        );
    }

    #[test]
    fn two_seeds_from_the_system_differ() {
        assert_ne!(seed_from_os(), seed_from_os());
    }
}
