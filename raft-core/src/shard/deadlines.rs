//! The deadlines of all nodes of a shard in one structure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slot::SlotId;
use crate::time::Instant;

/// A heap of moments at which a slot asked to be woken.
///
/// A node moves its election timeout with every message it hears. That costs nothing here: a later
/// deadline leaves the entry of the earlier one in place, and whoever finds it too early puts it
/// back where it belongs. Only an earlier deadline adds an entry.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, SlotId)>>,
    /// By slot index.
    table: Vec<Deadline>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Deadline {
    /// What the node asked for last.
    wanted: Option<Instant>,
    /// The earliest entry the heap holds for the slot. Not later than `wanted`.
    armed: Option<(Instant, SlotId)>,
}

impl Deadlines {
    /// Notes what `slot` asks for now.
    pub(super) fn set(&mut self, slot: SlotId, wanted: Option<Instant>) {
        if self.table.len() <= slot.index() {
            self.table.resize(slot.index() + 1, Deadline::default());
        }
        let Some(deadline) = self.table.get_mut(slot.index()) else {
            return;
        };
        deadline.wanted = wanted;
        let Some(at) = wanted else { return };
        if deadline
            .armed
            .is_none_or(|(armed, of)| at < armed || of != slot)
        {
            deadline.armed = Some((at, slot));
            self.heap.push(Reverse((at, slot)));
        }
    }

    /// The earliest moment some slot really asked for.
    pub(super) fn next(&mut self) -> Option<Instant> {
        while let Some(&Reverse((at, slot))) = self.heap.peek() {
            let deadline = self.table.get_mut(slot.index())?;
            if deadline.armed == Some((at, slot)) {
                if deadline.wanted == Some(at) {
                    return Some(at);
                }
                deadline.armed = None;
                let wanted = deadline.wanted;
                self.heap.pop();
                self.set(slot, wanted);
            } else {
                self.heap.pop();
            }
        }
        None
    }

    /// Takes one slot whose deadline has come. It is armed again by the next [`Deadlines::set`].
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<SlotId> {
        if self.next()? > now {
            return None;
        }
        let Reverse((_, slot)) = self.heap.pop()?;
        if let Some(deadline) = self.table.get_mut(slot.index()) {
            *deadline = Deadline::default();
        }
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SlotId = SlotId {
        index: 0,
        generation: 1,
    };
    const B: SlotId = SlotId {
        index: 1,
        generation: 1,
    };

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn deadline_moved_later_does_not_fire_early() {
        let mut deadlines = Deadlines::default();
        deadlines.set(A, Some(at(10)));
        deadlines.set(A, Some(at(30)));

        assert_eq!(deadlines.pop_due(at(20)), None);
        assert_eq!(deadlines.next(), Some(at(30)));
        assert_eq!(deadlines.pop_due(at(30)), Some(A));
    }

    #[test]
    fn deadline_moved_earlier_fires_once() {
        let mut deadlines = Deadlines::default();
        deadlines.set(A, Some(at(30)));
        deadlines.set(A, Some(at(10)));

        assert_eq!(deadlines.pop_due(at(40)), Some(A));
        assert_eq!(deadlines.pop_due(at(40)), None);
    }

    #[test]
    fn due_slots_come_in_order_of_their_deadlines() {
        let mut deadlines = Deadlines::default();
        deadlines.set(A, Some(at(20)));
        deadlines.set(B, Some(at(10)));

        assert_eq!(deadlines.pop_due(at(25)), Some(B));
        assert_eq!(deadlines.pop_due(at(25)), Some(A));
    }

    #[test]
    fn cleared_deadline_never_fires_and_a_successor_is_not_disturbed() {
        let successor = SlotId {
            index: 0,
            generation: 2,
        };
        let mut deadlines = Deadlines::default();
        deadlines.set(A, Some(at(10)));
        deadlines.set(A, None);
        deadlines.set(successor, Some(at(50)));

        assert_eq!(deadlines.pop_due(at(40)), None);
        assert_eq!(deadlines.next(), Some(at(50)));
        assert_eq!(deadlines.pop_due(at(50)), Some(successor));
        assert_eq!(deadlines.next(), None);
    }
}
