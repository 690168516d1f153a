//! Nodes that a call panicked on. The engine itself only sees them stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use raft_core::runtime::{Ready, ready};

/// The tokens of such nodes, until their last event has been handed out as a fault.
#[derive(Debug, Default)]
pub(crate) struct Poisoned {
    tokens: Mutex<Vec<u64>>,
    /// Whether there are any: every poll asks.
    any: AtomicBool,
}

impl Poisoned {
    /// A node is about to be stopped because a call on it panicked.
    pub(crate) fn add(&self, token: u64) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.push(token);
        self.any.store(true, Ordering::Release);
    }

    /// Adds the fault to the last event of each such node.
    pub(crate) fn mark(&self, events: &mut [Ready]) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            if event.mask & ready::STOPPED == 0 {
                continue;
            }
            if let Some(at) = tokens.iter().position(|token| *token == event.token) {
                tokens.swap_remove(at);
                event.mask |= ready::FAULT;
            }
        }
        self.any.store(!tokens.is_empty(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_of_a_poisoned_node_is_a_fault_once() {
        let event = |token, mask| Ready { token, mask };
        let poisoned = Poisoned::default();
        let mut events = [event(1, ready::STOPPED)];
        poisoned.mark(&mut events);
        assert_eq!(events, [event(1, ready::STOPPED)]);

        poisoned.add(2);
        let mut events = [event(1, ready::STOPPED), event(2, ready::APPLY)];
        poisoned.mark(&mut events);
        assert_eq!(events, [event(1, ready::STOPPED), event(2, ready::APPLY)]);

        let mut events = [event(2, ready::STOPPED), event(2, ready::STOPPED)];
        poisoned.mark(&mut events);
        let fault = event(2, ready::STOPPED | ready::FAULT);
        assert_eq!(events, [fault, event(2, ready::STOPPED)]);
        assert!(!poisoned.any.load(Ordering::Relaxed));
    }
}
