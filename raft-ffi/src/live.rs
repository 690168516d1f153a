//! How many objects of each kind this process holds through the ABI: the leak check of the suites.

use std::sync::atomic::{AtomicU64, Ordering};

/// A kind of handle: its number at the boundary is its place in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// `nrg_runtime`
    Runtime = 0,
    /// `nrg_node`
    Node = 1,
    /// `nrg_batch`
    Batch = 2,
    /// `nrg_checkpoint`
    Checkpoint = 3,
    /// `nrg_loopback`
    Loopback = 4,
}

/// Every kind, in the order of the numbers.
pub const KINDS: [Kind; 5] = [
    Kind::Runtime,
    Kind::Node,
    Kind::Batch,
    Kind::Checkpoint,
    Kind::Loopback,
];

static COUNTS: [AtomicU64; KINDS.len()] = [const { AtomicU64::new(0) }; KINDS.len()];

/// Counts one object from its making to its drop: a field of every handle.
#[derive(Debug)]
pub struct Counted(Kind);

impl Counted {
    /// Counts one more object of this kind.
    pub fn new(kind: Kind) -> Self {
        counter(kind).fetch_add(1, Ordering::Relaxed);
        Self(kind)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        counter(self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many objects of this kind are alive.
pub fn count(kind: Kind) -> u64 {
    counter(kind).load(Ordering::Relaxed)
}

fn counter(kind: Kind) -> &'static AtomicU64 {
    let [runtime, node, batch, checkpoint, loopback] = &COUNTS;
    match kind {
        Kind::Runtime => runtime,
        Kind::Node => node,
        Kind::Batch => batch,
        Kind::Checkpoint => checkpoint,
        Kind::Loopback => loopback,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_counts_from_its_making_to_its_drop() {
        let before = count(Kind::Checkpoint);
        let counted = Counted::new(Kind::Checkpoint);
        assert_eq!(count(Kind::Checkpoint), before + 1);

        drop(counted);
        assert_eq!(count(Kind::Checkpoint), before);
    }
}
