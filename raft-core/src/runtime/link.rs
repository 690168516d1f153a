//! The way into a shard from other threads: one inbox, one wake-up.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::hosted::NodeInner;
use crate::shard::{Delivery, SlotId, SyncDone, lock};
use crate::time::Instant;

/// What other threads leave for a shard.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) touched: Vec<SlotId>,
    pub(crate) mail: Vec<Delivery>,
    pub(crate) synced: Vec<SyncDone>,
    pub(crate) control: Vec<Control>,
}

/// What is rare.
#[derive(Debug)]
pub(crate) enum Control {
    /// Take a node in; answer once its first turn is over and its subscriptions are in place.
    Insert(Arc<NodeInner>, SyncSender<()>),
    /// Look at the clock.
    Tick,
    /// End once the last node has left.
    ShutDown,
}

impl Inbox {
    pub(crate) const fn is_empty(&self) -> bool {
        self.touched.is_empty()
            && self.mail.is_empty()
            && self.synced.is_empty()
            && self.control.is_empty()
    }
}

#[derive(Debug, Default)]
struct State {
    inbox: Inbox,
    /// The shard waits, or is about to, and wants to be notified.
    asleep: bool,
    /// The shard has ended: what is pushed is dropped.
    ended: bool,
}

/// One shard's inbox and bell.
#[derive(Debug)]
pub(crate) struct Link {
    state: Mutex<State>,
    /// The inbox holds something: lets the shard look without the lock.
    filled: AtomicBool,
    bell: Notify,
    /// The earliest deadline of the shard's nodes while it sleeps; `u64::MAX` for none.
    deadline: AtomicU64,
    activity: Arc<Activity>,
}

impl Link {
    pub(crate) fn new(activity: Arc<Activity>) -> Arc<Self> {
        activity.enter();
        Arc::new(Self {
            state: Mutex::new(State::default()),
            filled: AtomicBool::new(false),
            bell: Notify::new(),
            deadline: AtomicU64::new(u64::MAX),
            activity,
        })
    }

    /// Puts something into the inbox; wakes the shard if it sleeps. Nothing happens once the shard
    /// has ended.
    pub(crate) fn push(&self, put: impl FnOnce(&mut Inbox)) {
        let mut state = lock(&self.state);
        if state.ended {
            return;
        }
        put(&mut state.inbox);
        self.filled.store(true, Ordering::Release);
        let wake = self.rouse(&mut state);
        drop(state);
        if wake {
            self.bell.notify_one();
        }
    }

    fn rouse(&self, state: &mut State) -> bool {
        let asleep = std::mem::replace(&mut state.asleep, false);
        if asleep {
            self.activity.enter();
        }
        asleep
    }

    /// Makes the next turn visit `slot`, unless that is already so.
    pub(crate) fn touch(&self, slot: &crate::shard::Slot) {
        if slot.mark_queued() {
            self.push(|inbox| inbox.touched.push(slot.id()));
        }
    }

    /// Whether the inbox holds something.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// Swaps the inbox with `empty`.
    pub(crate) fn take(&self, empty: &mut Inbox) {
        if self.is_filled() {
            let mut state = lock(&self.state);
            std::mem::swap(&mut state.inbox, empty);
            self.filled.store(false, Ordering::Release);
        }
    }

    /// The shard has nothing to do before `deadline`: true if it may sleep, false if something
    /// arrived meanwhile.
    pub(crate) fn fall_asleep(&self, deadline: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        if !state.inbox.is_empty() {
            return false;
        }
        state.asleep = true;
        self.deadline.store(
            deadline.map_or(u64::MAX, Instant::as_nanos),
            Ordering::SeqCst,
        );
        drop(state);
        self.activity.leave();
        true
    }

    /// The shard ends; what is left in the inbox, and what will be pushed, goes to nobody.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        let left = std::mem::take(&mut state.inbox);
        drop(state);
        drop(left);
        self.activity.leave();
    }

    /// Waits for the bell.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The shard woke by itself.
    pub(crate) fn wake_up(&self) {
        self.rouse(&mut lock(&self.state));
    }

    /// The earliest deadline as of when the shard last fell asleep.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let nanos = self.deadline.load(Ordering::SeqCst);
        (nanos != u64::MAX).then(|| Instant::from_nanos(nanos))
    }
}

/// Something under way, from its making to its drop.
#[derive(Debug)]
pub(crate) struct Moving(Arc<Activity>);

impl Moving {
    pub(crate) fn new(activity: &Arc<Activity>) -> Self {
        activity.enter();
        Self(Arc::clone(activity))
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// How many shards are awake and batches under way: at zero nothing moves unless time does or
/// somebody outside acts.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    count: AtomicUsize,
    /// Somebody waits for rest: only then is the bell worth a system call.
    waited_for: AtomicBool,
    lock: Mutex<()>,
    rest: Condvar,
}

impl Activity {
    pub(crate) fn enter(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn leave(&self) {
        let last = self.count.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.waited_for.load(Ordering::SeqCst) {
            let _lock = lock(&self.lock);
            self.rest.notify_all();
        }
    }

    /// Waits for rest, one thread at a time; what is still moving after `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> Result<(), usize> {
        // Set before the count is read: who leaves last either sees it or is seen to have left.
        self.waited_for.store(true, Ordering::SeqCst);
        let state = lock(&self.lock);
        let moving = |(): &mut ()| self.count.load(Ordering::SeqCst) != 0;
        let waited = self.rest.wait_timeout_while(state, patience, moving);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.waited_for.store(false, Ordering::SeqCst);
        match self.count.load(Ordering::SeqCst) {
            0 => Ok(()),
            moving => Err(moving),
        }
    }
}
