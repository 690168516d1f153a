//! How many objects of each kind a host holds: the leak check of the suites.
//!
//! Nodes and batches count at their runtime, so that suites running side by side in one process
//! do not see each other. What belongs to no runtime counts for the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A kind of handle: its number at the boundary is its place in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// `nrg_runtime`, for the process
    Runtime = 0,
    /// `nrg_node`
    Node = 1,
    /// `nrg_batch`; for the process when no runtime made it
    Batch = 2,
    /// `nrg_checkpoint`
    Checkpoint = 3,
    /// `nrg_loopback`, for the process
    Loopback = 4,
    /// `nrg_test_tap`, for the process
    Tap = 5,
}

/// Every kind, in the order of the numbers.
pub const KINDS: [Kind; 6] = [
    Kind::Runtime,
    Kind::Node,
    Kind::Batch,
    Kind::Checkpoint,
    Kind::Loopback,
    Kind::Tap,
];

/// One counter for each kind.
#[derive(Debug, Default)]
pub struct LiveCounts([AtomicU64; KINDS.len()]);

static PROCESS: LiveCounts = LiveCounts([const { AtomicU64::new(0) }; KINDS.len()]);

impl LiveCounts {
    /// The counts of what belongs to no runtime.
    pub fn of_process() -> &'static Self {
        &PROCESS
    }

    /// How many objects of this kind are alive.
    pub fn count(&self, kind: Kind) -> u64 {
        self.counter(kind).load(Ordering::Relaxed)
    }

    fn counter(&self, kind: Kind) -> &AtomicU64 {
        let [runtime, node, batch, checkpoint, loopback, tap] = &self.0;
        match kind {
            Kind::Runtime => runtime,
            Kind::Node => node,
            Kind::Batch => batch,
            Kind::Checkpoint => checkpoint,
            Kind::Loopback => loopback,
            Kind::Tap => tap,
        }
    }
}

/// Counts one object from its making to its drop: a field of every handle.
#[derive(Debug)]
pub struct Counted {
    owner: Option<Arc<LiveCounts>>,
    kind: Kind,
}

impl Counted {
    /// Counts one more object of this kind at its runtime.
    pub fn of(runtime: &Arc<LiveCounts>, kind: Kind) -> Self {
        Self::new(Some(Arc::clone(runtime)), kind)
    }

    /// Counts one more object of this kind for the process.
    pub fn global(kind: Kind) -> Self {
        Self::new(None, kind)
    }

    fn new(owner: Option<Arc<LiveCounts>>, kind: Kind) -> Self {
        let counted = Self { owner, kind };
        counted
            .counts()
            .counter(kind)
            .fetch_add(1, Ordering::Relaxed);
        counted
    }

    fn counts(&self) -> &LiveCounts {
        self.owner.as_deref().unwrap_or(&PROCESS)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts()
            .counter(self.kind)
            .fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_counts_at_its_runtime_from_its_making_to_its_drop() {
        let (one, two) = <(Arc<LiveCounts>, Arc<LiveCounts>)>::default();
        let counted = Counted::of(&one, Kind::Node);
        assert_eq!((one.count(Kind::Node), two.count(Kind::Node)), (1, 0));
        assert_eq!((one.count(Kind::Batch), one.count(Kind::Tap)), (0, 0));

        drop(counted);
        assert_eq!(one.count(Kind::Node), 0);
    }

    #[test]
    fn the_numbers_of_the_kinds_are_their_places() {
        let numbers: Vec<u32> = KINDS.iter().map(|kind| *kind as u32).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    }
}
