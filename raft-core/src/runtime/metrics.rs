//! What a runtime counts.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::clock::nanos;
use crate::node::{Counters, Refused};
use crate::shard::lock;

/// Durations of syncs kept for a host that does not take them.
const SYNC_TIMES_MAX: usize = 8_192;

/// How many of them are worth waking the host for.
const SYNC_TIMES_NEWS: usize = SYNC_TIMES_MAX / 2;

/// A reading of a runtime's counters. All but `groups` and `leaders` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Nodes running.
    pub groups: u64,
    /// Nodes that lead their group.
    pub leaders: u64,
    /// Log indexes committed, by every node that learned of it.
    pub commits: u64,
    /// Entries handed to applications.
    pub applied: u64,
    /// Batches written, and synced where the policy says so.
    pub syncs: u64,
    /// Time those took, in nanoseconds.
    pub sync_nanos_total: u64,
    /// Single times of them that nobody took in time ([`super::Runtime::take_sync_times`]).
    pub sync_times_dropped: u64,
    /// Proposals refused, by the reason.
    pub refused: Refused,
    /// Proposals taken and never appended, because the leadership ended or changed.
    pub proposals_dropped: u64,
    /// Messages published.
    pub messages_sent: u64,
    /// Leaderships gained and lost.
    pub leader_changes: u64,
    /// Messages dropped because they could not be decoded.
    pub messages_malformed: u64,
    /// Polls that returned events.
    pub poll_wakes: u64,
    /// Log records the host did not take in time.
    pub log_records_dropped: u64,
}

/// What is counted where it happens.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) groups: AtomicU64,
    pub(super) applied: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) sync_nanos_total: AtomicU64,
    pub(super) sync_times: SyncTimes,
    /// Proposals to nodes that have failed.
    pub(super) refused_closed: AtomicU64,
    pub(super) poll_wakes: AtomicU64,
}

/// One shard's sums, written by the shard alone, once for each time it looks up.
#[derive(Debug, Default)]
pub(super) struct ShardCounted(Mutex<(u64, Counters)>);

impl ShardCounted {
    pub(super) fn store(&self, leaders: u64, counters: Counters) {
        *lock(&self.0) = (leaders, counters);
    }

    fn read(&self) -> (u64, Counters) {
        *lock(&self.0)
    }
}

impl Counted {
    pub(super) fn read(&self, shards: &[Arc<ShardCounted>]) -> Metrics {
        let (mut leaders, mut sum) = (0, Counters::default());
        for shard in shards {
            let (leading, counters) = shard.read();
            leaders += leading;
            sum.add_between(&Counters::default(), &counters);
        }
        sum.refused.closed += self.refused_closed.load(Ordering::Relaxed);
        Metrics {
            groups: self.groups.load(Ordering::Relaxed),
            leaders,
            commits: sum.commits,
            applied: self.applied.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            sync_nanos_total: self.sync_nanos_total.load(Ordering::Relaxed),
            sync_times_dropped: self.sync_times.dropped.load(Ordering::Relaxed),
            refused: sum.refused,
            proposals_dropped: sum.proposals_dropped,
            messages_sent: sum.messages_sent,
            leader_changes: sum.leader_changes,
            messages_malformed: sum.messages_malformed,
            poll_wakes: self.poll_wakes.load(Ordering::Relaxed),
            log_records_dropped: 0,
        }
    }
}

/// How long single syncs took, until somebody takes it. A histogram is the host's to make: it knows
/// its bounds.
#[derive(Debug, Default)]
pub(super) struct SyncTimes {
    nanos: Mutex<VecDeque<u64>>,
    dropped: AtomicU64,
}

impl SyncTimes {
    /// Keeps a time; the oldest goes when there is no room. Says whether the host should look.
    pub(super) fn push(&self, took: Duration) -> bool {
        let mut times = lock(&self.nanos);
        if times.len() >= SYNC_TIMES_MAX {
            times.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        times.push_back(nanos(took));
        times.len() == SYNC_TIMES_NEWS
    }

    /// Takes the oldest times, in nanoseconds.
    pub(super) fn take(&self, max: usize) -> Vec<u64> {
        let mut times = lock(&self.nanos);
        let count = max.min(times.len());
        times.drain(..count).collect()
    }
}

/// Adds to a counter that several threads raise.
pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sync_times_wake_the_host_once_and_lose_the_oldest() {
        let times = SyncTimes::default();

        let news = (0..SYNC_TIMES_MAX as u64 + 2)
            .filter(|at| times.push(Duration::from_nanos(*at)))
            .collect::<Vec<_>>();

        assert_eq!(news, [SYNC_TIMES_NEWS as u64 - 1]);
        assert_eq!(times.dropped.load(Ordering::Relaxed), 2);
        assert_eq!(times.take(2), [2, 3]);
        assert_eq!(times.take(usize::MAX).len(), SYNC_TIMES_MAX - 2);
    }
}
