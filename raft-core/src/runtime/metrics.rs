//! What a runtime counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::node::Counters;

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
    /// Proposals refused or dropped.
    pub proposals_refused: u64,
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
    pub(super) proposals_refused: AtomicU64,
    pub(super) poll_wakes: AtomicU64,
}

/// One shard's sums, written by the shard alone.
#[derive(Debug, Default)]
pub(super) struct ShardCounted {
    leaders: AtomicU64,
    commits: AtomicU64,
    proposals_refused: AtomicU64,
    messages_sent: AtomicU64,
    leader_changes: AtomicU64,
    messages_malformed: AtomicU64,
}

impl ShardCounted {
    pub(super) fn store(&self, leaders: u64, counters: Counters) {
        self.leaders.store(leaders, Ordering::Relaxed);
        self.commits.store(counters.commits, Ordering::Relaxed);
        self.proposals_refused
            .store(counters.proposals_refused, Ordering::Relaxed);
        self.messages_sent
            .store(counters.messages_sent, Ordering::Relaxed);
        self.leader_changes
            .store(counters.leader_changes, Ordering::Relaxed);
        self.messages_malformed
            .store(counters.messages_malformed, Ordering::Relaxed);
    }

    fn add_to(&self, sum: &mut Metrics) {
        sum.leaders += self.leaders.load(Ordering::Relaxed);
        sum.commits += self.commits.load(Ordering::Relaxed);
        sum.proposals_refused += self.proposals_refused.load(Ordering::Relaxed);
        sum.messages_sent += self.messages_sent.load(Ordering::Relaxed);
        sum.leader_changes += self.leader_changes.load(Ordering::Relaxed);
        sum.messages_malformed += self.messages_malformed.load(Ordering::Relaxed);
    }
}

impl Counted {
    pub(super) fn read(&self, shards: &[Arc<ShardCounted>]) -> Metrics {
        let mut sum = Metrics {
            groups: self.groups.load(Ordering::Relaxed),
            applied: self.applied.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            sync_nanos_total: self.sync_nanos_total.load(Ordering::Relaxed),
            proposals_refused: self.proposals_refused.load(Ordering::Relaxed),
            poll_wakes: self.poll_wakes.load(Ordering::Relaxed),
            ..Metrics::default()
        };
        for shard in shards {
            shard.add_to(&mut sum);
        }
        sum
    }
}

/// Adds to a counter that several threads raise.
pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
