//! The seeded generator behind election jitter and inbox names.

use std::time::Duration;

/// SplitMix64: one word of state, no more than election jitter and inbox names need. Not for
/// secrets.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator that yields the same numbers for the same seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A duration in `min..max`, to the nanosecond.
    pub(crate) fn duration_between(&mut self, min: Duration, max: Duration) -> Duration {
        let span = u64::try_from(max.saturating_sub(min).as_nanos()).unwrap_or(u64::MAX);
        match span {
            0 => min,
            span => min + Duration::from_nanos(self.next_u64() % span),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_between_stays_in_range_and_repeats_for_a_seed() {
        let (min, max) = (Duration::from_millis(4), Duration::from_millis(9));
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..1_000)
                .map(|_| rng.duration_between(min, max))
                .collect::<Vec<_>>()
        };

        let drawn = draw(7);

        assert!(drawn.iter().all(|d| (min..max).contains(d)));
        assert_eq!(drawn, draw(7));
        assert_ne!(drawn, draw(8));
    }

    #[test]
    fn duration_between_of_an_empty_range_is_its_start() {
        let at = Duration::from_millis(4);

        assert_eq!(Rng::new(1).duration_between(at, at), at);
    }
}
