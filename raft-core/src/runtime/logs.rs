//! Log records on their way to the host: a bounded queue that counts what it loses.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub use crate::node::LogLevel;
use crate::shard::lock;
use crate::types::{GroupName, Index, PeerId, Term};

/// Records kept for a host that does not take them.
const RECORDS_MAX: usize = 8_192;

/// Something an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// How grave.
    pub level: LogLevel,
    /// When, as nanoseconds since 1970.
    pub unix_nanos: u64,
    /// The host's number of the node; zero for the runtime itself.
    pub token: u64,
    /// The server the node runs on, for a node's record.
    pub peer: Option<PeerId>,
    /// The group, for a node's record.
    pub group: Option<GroupName>,
    /// The node's term at that moment.
    pub term: Term,
    /// The node's last index at that moment.
    pub index: Index,
    /// What happened.
    pub text: String,
}

#[derive(Debug, Default)]
pub(super) struct LogQueue {
    records: Mutex<VecDeque<LogRecord>>,
    dropped: AtomicU64,
}

impl LogQueue {
    /// Keeps a record; the oldest goes when there is no room.
    pub(super) fn push(&self, record: LogRecord) {
        let mut records = lock(&self.records);
        if records.len() >= RECORDS_MAX {
            records.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        records.push_back(record);
    }

    /// Takes the oldest records.
    pub(super) fn take(&self, max: usize) -> Vec<LogRecord> {
        let mut records = lock(&self.records);
        let count = max.min(records.len());
        records.drain(..count).collect()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_queue_loses_the_oldest_and_counts_it() {
        let queue = LogQueue::default();
        for at in 0..RECORDS_MAX as u64 + 3 {
            queue.push(LogRecord {
                level: LogLevel::Info,
                unix_nanos: at,
                token: 0,
                peer: None,
                group: None,
                term: Term::ZERO,
                index: Index::ZERO,
                text: String::new(),
            });
        }

        assert_eq!(queue.dropped(), 3);
        let first: Vec<_> = queue
            .take(2)
            .iter()
            .map(|record| record.unix_nanos)
            .collect();
        assert_eq!(first, [3, 4]);
        assert_eq!(queue.take(usize::MAX).len(), RECORDS_MAX - 2);
    }
}
