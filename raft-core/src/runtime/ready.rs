//! The ready list: which nodes have something for their host, and one waiting poller.
//!
//! A producer sets bits in the node's mask; only the change from zero puts the node on the list,
//! and only a poller that waits is woken. The poller clears a mask before it hands it out,
//! so a bit set afterwards puts the node on the list again: a signal can come once too often,
//! never once too seldom.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
#[cfg(loom)]
use loom::sync::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
#[cfg(not(loom))]
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

pub use crate::node::signal::{ADVISORY, APPLY, FAULT, LEADER, OUTBOUND, STOPPED};

/// Token 0 only: log records are waiting.
pub const LOG: u32 = 1 << 16;
/// Token 0 only: times of syncs wait to be taken.
pub const METRICS: u32 = 1 << 17;

/// One node that has something for its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// The host's number of the node; zero is the runtime itself.
    pub token: u64,
    /// What it has, as bits of this module.
    pub mask: u32,
}

/// The runtime was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("runtime is shut down")]
pub struct ShutDown;

/// Set in a mask after its last event: nothing is raised any more.
const SEALED: u32 = 1 << 31;

/// A node's place on the list.
#[derive(Debug)]
pub(crate) struct Entry {
    token: u64,
    mask: AtomicU32,
}

impl Entry {
    pub(crate) fn new(token: u64) -> Arc<Self> {
        Arc::new(Self {
            token,
            mask: AtomicU32::new(0),
        })
    }
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<Entry>>,
    waiting: usize,
    woken: bool,
    shut: bool,
}

/// The list itself.
#[derive(Debug)]
pub(crate) struct ReadyList {
    state: Mutex<State>,
    changed: Condvar,
    /// How long the queue is, and one more when a waiter has another reason to look: for a poller
    /// that spins before it waits.
    hint: AtomicUsize,
}

/// How a poll waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// Until something comes.
    Forever,
    /// This long.
    For(Duration),
}

impl ReadyList {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            hint: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets `bits` for `entry`, unless it has had its last event.
    pub(crate) fn raise(&self, entry: &Arc<Entry>, bits: u32) {
        let add = |mask: u32| (mask & SEALED == 0).then_some(mask | bits);
        let before = entry
            .mask
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
        if bits != 0 && before == Ok(0) {
            self.push(entry);
        }
    }

    /// Sets `bits` for `entry` as its last event.
    pub(crate) fn raise_last(&self, entry: &Arc<Entry>, bits: u32) {
        if entry.mask.fetch_or(bits | SEALED, Ordering::AcqRel) == 0 {
            self.push(entry);
        }
    }

    fn push(&self, entry: &Arc<Entry>) {
        let mut state = self.lock();
        state.queue.push_back(Arc::clone(entry));
        self.hint.fetch_add(1, Ordering::Release);
        let waiting = state.waiting > 0;
        drop(state);
        if waiting {
            self.changed.notify_one();
        }
    }

    /// Whether a poll would return at once.
    pub(crate) fn has_news(&self) -> bool {
        self.hint.load(Ordering::Acquire) != 0
    }

    /// Makes one poll return, now or later.
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.woken, true) {
            self.hint.fetch_add(1, Ordering::Release);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Makes every poll fail from now on.
    pub(crate) fn shut_down(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.shut, true) {
            self.hint.fetch_add(1, Ordering::Release);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Fills `out` from its start; how many. Zero after the time or a [`ReadyList::wake`].
    pub(crate) fn poll(&self, wait: Wait, out: &mut [Ready]) -> Result<usize, ShutDown> {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            if state.shut {
                return Err(ShutDown);
            }
            let taken = self.take(&mut state, out);
            if taken > 0 {
                return Ok(taken);
            }
            if std::mem::take(&mut state.woken) {
                self.hint.fetch_sub(1, Ordering::Release);
                return Ok(0);
            }
            if waited || out.is_empty() {
                return Ok(0);
            }
            (state, waited) = self.wait(state, wait);
        }
    }

    /// Waits once; also whether that was the last time.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        wait: Wait,
    ) -> (MutexGuard<'a, State>, bool) {
        state.waiting += 1;
        let (mut state, last) = match wait {
            Wait::No => (state, true),
            Wait::Forever => (
                self.changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                false,
            ),
            Wait::For(time) => {
                let nothing =
                    |state: &mut State| state.queue.is_empty() && !state.woken && !state.shut;
                (self.wait_while(state, time, nothing), true)
            }
        };
        state.waiting -= 1;
        (state, last)
    }

    #[cfg(not(loom))]
    fn wait_while<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        time: Duration,
        nothing: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout_while(state, time, nothing);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The model has no time: waiting for a while is not waiting.
    #[cfg(loom)]
    fn wait_while<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        _time: Duration,
        _nothing: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        state
    }

    fn take(&self, state: &mut State, out: &mut [Ready]) -> usize {
        let mut taken = 0;
        for place in out {
            let Some(entry) = state.queue.pop_front() else {
                break;
            };
            // Cleared before it is handed out: what is raised from here on is a new event.
            let mask = entry.mask.fetch_and(SEALED, Ordering::AcqRel) & !SEALED;
            *place = Ready {
                token: entry.token,
                mask,
            };
            taken += 1;
        }
        if taken > 0 {
            self.hint.fetch_sub(taken, Ordering::Release);
        }
        taken
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn drain(list: &ReadyList) -> Vec<(u64, u32)> {
        let mut out = [Ready::default(); 8];
        let taken = list.poll(Wait::No, &mut out).expect("not shut down");
        out.iter()
            .take(taken)
            .map(|ready| (ready.token, ready.mask))
            .collect()
    }

    #[test]
    fn bits_of_one_node_are_merged_until_polled() {
        let list = ReadyList::new();
        let (one, two) = (Entry::new(1), Entry::new(2));

        list.raise(&one, APPLY);
        list.raise(&two, LEADER);
        list.raise(&one, FAULT);

        assert_eq!(drain(&list), [(1, APPLY | FAULT), (2, LEADER)]);
        assert_eq!(drain(&list), []);
        list.raise(&one, APPLY);
        assert_eq!(drain(&list), [(1, APPLY)]);
    }

    #[test]
    fn poll_with_less_room_leaves_the_rest() {
        let list = ReadyList::new();
        let entries: Vec<_> = (1..=3).map(Entry::new).collect();
        for entry in &entries {
            list.raise(entry, APPLY);
        }

        let mut out = [Ready::default(); 2];
        assert_eq!(list.poll(Wait::Forever, &mut out), Ok(2));
        assert_eq!(drain(&list), [(3, APPLY)]);
        assert!(!list.has_news());
    }

    #[test]
    fn nothing_follows_the_last_event() {
        let list = ReadyList::new();
        let entry = Entry::new(1);
        list.raise(&entry, APPLY);
        list.raise_last(&entry, STOPPED);
        list.raise(&entry, LEADER);

        assert_eq!(drain(&list), [(1, APPLY | STOPPED)]);
        list.raise(&entry, APPLY);
        assert_eq!(drain(&list), []);
    }

    #[test]
    fn wake_ends_one_poll_and_shut_down_all() {
        let list = ReadyList::new();
        let mut out = [Ready::default(); 1];

        list.wake();
        assert_eq!(list.poll(Wait::Forever, &mut out), Ok(0));
        assert_eq!(
            list.poll(Wait::For(Duration::from_millis(1)), &mut out),
            Ok(0)
        );

        list.raise(&Entry::new(1), APPLY);
        list.shut_down();
        assert_eq!(list.poll(Wait::Forever, &mut out), Err(ShutDown));
        assert_eq!(list.poll(Wait::No, &mut out), Err(ShutDown));
    }

    #[test]
    fn blocked_poll_is_woken_by_a_raise() {
        let list = ReadyList::new();
        std::thread::scope(|scope| {
            let poller = scope.spawn(|| {
                let mut out = [Ready::default(); 1];
                list.poll(Wait::Forever, &mut out)
                    .map(|taken| (taken, out[0]))
            });

            list.raise(&Entry::new(9), STOPPED);

            let expected = (
                1,
                Ready {
                    token: 9,
                    mask: STOPPED,
                },
            );
            assert_eq!(poller.join().unwrap(), Ok(expected));
        });
    }
}

/// The protocol in every interleaving: `RUSTFLAGS="--cfg loom" cargo test --lib ready::model`.
#[cfg(all(test, loom))]
mod model {
    use super::*;

    #[test]
    fn no_raise_is_lost_on_a_waiting_poller() {
        loom::model(|| {
            let list = Arc::new(ReadyList::new());
            let entry = Entry::new(1);
            let producer = {
                let (list, entry) = (Arc::clone(&list), Arc::clone(&entry));
                loom::thread::spawn(move || {
                    list.raise(&entry, APPLY);
                    list.raise(&entry, STOPPED);
                })
            };

            let mut seen = 0;
            let mut out = [Ready::default(); 1];
            while seen != APPLY | STOPPED {
                assert_eq!(list.poll(Wait::Forever, &mut out), Ok(1));
                seen |= out[0].mask;
            }
            producer.join().unwrap();
        });
    }
}
