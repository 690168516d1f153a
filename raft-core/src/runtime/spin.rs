//! When it pays to look for news for a while before sleeping.
//!
//! A sleep and a wake-up cost tens of microseconds, several times a commit among local nodes. But
//! spinning costs a processor, and takes it from the very thread that is waited for when there are
//! not enough of them. So a waiter spins only if its last wait was short enough to be spun
//! through, and one that spun in vain leaves it for a while, longer each time.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::clock::{Clock, nanos};
use crate::time::Instant;

/// The most waits in a row that do not spin after some that spun in vain.
const PENALTY_MAX: u32 = 64;

/// How one waiter fared.
#[derive(Debug)]
pub(super) struct Spin {
    limit: Duration,
    /// When the wait under way began.
    since: AtomicU64,
    /// How long the last wait took, in nanoseconds.
    last: AtomicU64,
    /// Waits to come that do not spin.
    skip: AtomicU32,
    /// How many it was the last time; zero after a success.
    penalty: AtomicU32,
}

impl Spin {
    /// A waiter that spins for `limit` at most, or never on a machine with one processor or a
    /// clock that stands still.
    pub(super) fn new(limit: Duration, clock: &Clock) -> Self {
        let alone = std::thread::available_parallelism().is_ok_and(|count| count.get() == 1);
        let limit = if alone || clock.is_manual() {
            Duration::ZERO
        } else {
            limit
        };
        Self {
            limit,
            since: AtomicU64::new(0),
            last: AtomicU64::new(u64::MAX),
            skip: AtomicU32::new(0),
            penalty: AtomicU32::new(0),
        }
    }

    /// A wait begins: spins until there is `news`, if that pays; whether there is.
    pub(super) fn begin(&self, clock: &Clock, most: Duration, news: impl Fn() -> bool) -> bool {
        let start = clock.now();
        self.since.store(start.as_nanos(), Ordering::Relaxed);
        let limit = self.limit.min(most);
        if limit.is_zero() || !self.pays() {
            return news();
        }
        loop {
            for _ in 0..16 {
                if news() {
                    self.penalty.store(0, Ordering::Relaxed);
                    return true;
                }
                std::hint::spin_loop();
            }
            if clock.now().since(start) >= limit {
                break;
            }
        }
        let penalty = (self.penalty.load(Ordering::Relaxed) * 2).clamp(1, PENALTY_MAX);
        self.penalty.store(penalty, Ordering::Relaxed);
        self.skip.store(penalty, Ordering::Relaxed);
        false
    }

    fn pays(&self) -> bool {
        let skip = self.skip.load(Ordering::Relaxed);
        self.skip.store(skip.saturating_sub(1), Ordering::Relaxed);
        skip == 0 && self.last.load(Ordering::Relaxed) <= nanos(self.limit)
    }

    /// The wait brought news.
    pub(super) fn end(&self, clock: &Clock) {
        let since = Instant::from_nanos(self.since.load(Ordering::Relaxed));
        self.last
            .store(nanos(clock.now().since(since)), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::clock::ClockKind;
    use super::*;

    #[test]
    fn waiter_spins_only_after_a_short_wait() {
        let clock = Clock::new(ClockKind::System);
        let spin = Spin {
            limit: Duration::from_secs(1),
            ..Spin::new(Duration::ZERO, &clock)
        };
        let looks = Cell::new(0);
        let third_look = || {
            looks.set(looks.get() + 1);
            looks.get() >= 3
        };

        assert!(
            !spin.begin(&clock, Duration::MAX, third_look),
            "the first wait does not spin"
        );
        spin.end(&clock);
        assert!(spin.begin(&clock, Duration::MAX, third_look));
        assert_eq!(looks.get(), 3);
    }

    #[test]
    fn waiter_that_spun_in_vain_leaves_it_for_a_while() {
        let clock = Clock::new(ClockKind::System);
        let limit = Duration::from_micros(5);
        let spin = Spin {
            limit,
            ..Spin::new(Duration::ZERO, &clock)
        };
        spin.last.store(0, Ordering::Relaxed);
        let spun = |news: bool| {
            let looks = Cell::new(0);
            let look = || {
                looks.set(looks.get() + 1);
                news && looks.get() > 1
            };
            spin.begin(&clock, Duration::MAX, look);
            looks.get() > 1
        };

        assert!(spun(false));
        assert_eq!(
            [spun(false), spun(false)],
            [false, true],
            "one wait left out"
        );
        assert_eq!(
            [spun(false), spun(false), spun(true)],
            [false, false, true],
            "then two"
        );
        assert!(spun(true), "none after a success");
    }
}
