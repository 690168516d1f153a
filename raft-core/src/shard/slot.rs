//! Where one node lives: behind one mutex, with what other threads may reach without it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::node::{CheckpointId, Node, Proposal, Published, Role, SnapshotError};
use crate::storage::GroupStore;
use crate::types::{PeerId, Term};

/// Names a slot of one shard. A number is used again only with another generation, so a late
/// message for a node that left reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl SlotId {
    #[cfg(all(test, feature = "runtime"))]
    pub(crate) const fn for_tests(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The position in the shard's slab, for tables kept beside it.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    const fn pack(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    const fn unpack(word: u64) -> Self {
        Self {
            index: word as u32,
            generation: (word >> 32) as u32,
        }
    }
}

/// A node whose code panicked. It answers nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node failed and was closed")]
pub struct Faulted;

/// What a command did besides its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The signals it raised, to be passed on by the caller.
    pub signals: u32,
}

/// One node with its surroundings.
///
/// The mutex is taken once for a turn and once for a command, never during disk work. Proposals
/// cross threads in `proposals` and are moved into the node at the start of its turn.
pub struct Slot {
    id: AtomicU64,
    node: Mutex<Node>,
    proposals: Mutex<Waiting>,
    /// A turn is due that has not begun. Cleared before the proposals are taken, so who finds it
    /// set knows that the coming turn sees what he left.
    queued: AtomicBool,
    frozen: AtomicBool,
    gate: Mutex<()>,
    thawed: Condvar,
    published: PublishedCell,
    fault: OnceLock<String>,
    /// An install of a snapshot has ended, or the node has.
    installed: Condvar,
    store: Arc<Mutex<GroupStore>>,
    root: Arc<Path>,
}

impl Slot {
    /// A slot for `node`, whose writes go to `store` in the folder `root`.
    ///
    /// It counts as queued: inserting it into a shard is its first touch.
    #[must_use]
    pub fn new(node: Node, store: GroupStore, root: Arc<Path>) -> Arc<Self> {
        let published = PublishedCell::default();
        published.store(node.published());
        Arc::new(Self {
            id: AtomicU64::new(u64::MAX),
            node: Mutex::new(node),
            proposals: Mutex::default(),
            queued: AtomicBool::new(true),
            frozen: AtomicBool::new(false),
            gate: Mutex::new(()),
            thawed: Condvar::new(),
            published,
            fault: OnceLock::new(),
            installed: Condvar::new(),
            store: Arc::new(Mutex::new(store)),
            root,
        })
    }

    /// Its place, once it was inserted.
    #[must_use]
    pub fn id(&self) -> SlotId {
        SlotId::unpack(self.id.load(Ordering::Acquire))
    }

    pub(super) fn set_id(&self, id: SlotId) {
        self.id.store(id.pack(), Ordering::Release);
    }

    /// Where the group's writes are carried out.
    #[must_use]
    pub const fn store(&self) -> &Arc<Mutex<GroupStore>> {
        &self.store
    }

    /// The store root, which groups share their syncs under.
    #[must_use]
    pub const fn root(&self) -> &Arc<Path> {
        &self.root
    }

    /// What the node showed after its last turn or command. Takes no lock.
    #[must_use]
    pub const fn published(&self) -> &PublishedCell {
        &self.published
    }

    /// Why the node failed, if its code panicked.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// Marks the slot as wanting a turn; true when it was not marked, and the caller has to tell
    /// the shard.
    #[must_use]
    pub fn mark_queued(&self) -> bool {
        !self.queued.swap(true, Ordering::AcqRel)
    }

    pub(super) fn clear_queued(&self) {
        self.queued.store(false, Ordering::SeqCst);
    }

    /// Leaves proposals, `bytes` in all, for the node's next turn, all of them next to each other.
    /// False, with nothing left, when those that wait already fill the room the node showed.
    #[must_use]
    pub fn push_proposals(
        &self,
        bytes: u64,
        proposals: impl IntoIterator<Item = Proposal>,
    ) -> bool {
        let mut waiting = lock(&self.proposals);
        if waiting.bytes >= self.published.room() {
            return false;
        }
        waiting.bytes += bytes;
        waiting.items.extend(proposals);
        true
    }

    /// Swaps the waiting proposals with `empty`.
    pub(super) fn take_proposals(&self, empty: &mut Vec<Proposal>) {
        let mut waiting = lock(&self.proposals);
        waiting.bytes = 0;
        std::mem::swap(&mut waiting.items, empty);
    }

    /// Runs a command on the node at once. Waits while the slot is frozen.
    ///
    /// # Errors
    /// [`Faulted`] when the node's code panicked, now or before.
    pub fn command<R>(&self, run: impl FnOnce(&mut Node) -> R) -> Result<(R, After), Faulted> {
        self.guarded(&mut self.lock_thawed(), run)
    }

    fn lock_thawed(&self) -> MutexGuard<'_, Node> {
        loop {
            let node = lock(&self.node);
            if !self.is_frozen() {
                return node;
            }
            drop(node);
            let mut gate = lock(&self.gate);
            while self.is_frozen() {
                gate = self
                    .thawed
                    .wait(gate)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Runs a test call on the node, frozen or not.
    ///
    /// # Errors
    /// [`Faulted`] when the node's code panicked, now or before.
    pub fn inspect<R>(&self, run: impl FnOnce(&mut Node) -> R) -> Result<(R, After), Faulted> {
        self.guarded(&mut lock(&self.node), run)
    }

    /// As [`Slot::inspect`], after the proposals that wait were moved in.
    ///
    /// # Errors
    /// [`Faulted`] when the node's code panicked, now or before.
    #[cfg(feature = "testing")]
    pub fn inspect_with_proposals<R>(
        &self,
        run: impl FnOnce(&mut Node) -> R,
    ) -> Result<(R, After), Faulted> {
        self.inspect(|node| {
            let mut waiting = Vec::new();
            self.take_proposals(&mut waiting);
            node.push_proposals(waiting);
            run(node)
        })
    }

    /// Runs a command after the proposals that wait, so that what it proposes comes behind them.
    ///
    /// # Errors
    /// [`Faulted`] when the node's code panicked, now or before.
    pub fn command_after_proposals<R>(
        &self,
        run: impl FnOnce(&mut Node) -> R,
    ) -> Result<(R, After), Faulted> {
        self.command(|node| {
            let mut waiting = Vec::new();
            self.take_proposals(&mut waiting);
            node.push_proposals(waiting);
            run(node)
        })
    }

    /// Reads from the node, failed or frozen as it may be: whoever watches it must not hang.
    pub fn peek<R>(&self, read: impl FnOnce(&Node) -> R) -> R {
        read(&self.lock_node())
    }

    /// Waits until an install of a snapshot has ended. The node is free meanwhile.
    ///
    /// # Errors
    /// [`Faulted`] when the node's code panicked, now or before.
    pub fn wait_installed(&self, id: CheckpointId) -> Result<Result<u64, SnapshotError>, Faulted> {
        let mut node = lock(&self.node);
        loop {
            if self.fault().is_some() {
                return Err(Faulted);
            }
            if let Some(outcome) = node.take_install_outcome(id) {
                return Ok(outcome);
            }
            let waited = self.installed.wait(node);
            node = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes those whose install has ended. The caller holds the node.
    pub(super) fn announce(&self, node: &Node) {
        if node.has_install_outcomes() || self.fault().is_some() {
            self.installed.notify_all();
        }
    }

    /// Lets those who wait for an install look at the node again.
    pub fn wake_installers(&self) {
        let _node = lock(&self.node);
        self.installed.notify_all();
    }

    fn guarded<R>(
        &self,
        node: &mut Node,
        run: impl FnOnce(&mut Node) -> R,
    ) -> Result<(R, After), Faulted> {
        if self.fault.get().is_some() {
            return Err(Faulted);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let result = run(node);
            node.check_invariants();
            self.published.store(node.published());
            (
                result,
                After {
                    signals: node.take_signals(),
                },
            )
        }));
        let done = outcome.map_err(|payload| self.poison(payload));
        self.announce(node);
        done
    }

    /// Keeps the text of a panic and shows the node as closed from now on.
    pub(super) fn poison(&self, payload: Box<dyn Any + Send>) -> Faulted {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panicked without a text".to_owned());
        drop_payload(payload);
        self.fail(&text);
        Faulted
    }

    /// Shows the node as failed and closed from now on.
    pub(crate) fn fail(&self, why: &str) {
        self.fault.get_or_init(|| why.to_owned());
        self.published.close();
    }

    pub(super) fn lock_node(&self) -> MutexGuard<'_, Node> {
        lock(&self.node)
    }

    /// Stops turns and commands until [`Slot::thaw`]; one that is running is waited for.
    pub fn freeze(&self) {
        let _turn = lock(&self.node);
        self.frozen.store(true, Ordering::SeqCst);
    }

    /// Lets turns and commands go on. The caller touches the slot.
    pub fn thaw(&self) {
        let _gate = lock(&self.gate);
        self.frozen.store(false, Ordering::SeqCst);
        self.thawed.notify_all();
    }

    /// Whether turns and commands wait.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// Proposals that cross to a node's thread.
#[derive(Debug, Default)]
struct Waiting {
    items: Vec<Proposal>,
    /// What they count for in the node's backlog.
    bytes: u64,
}

/// What a node shows to readers that take no lock. Each part is read by itself: two of them may
/// stem from different turns.
#[derive(Debug, Default)]
pub struct PublishedCell {
    flags: AtomicU32,
    leader: AtomicU64,
    term: AtomicU64,
    accepting: AtomicU64,
    room: AtomicU64,
}

const ROLE_BITS: u32 = 0xff;
const IS_LEADER: u32 = 1 << 8;
const HAS_LEADER: u32 = 1 << 9;
const OVERRUN: u32 = 1 << 10;

impl PublishedCell {
    pub(super) fn store(&self, now: Published) {
        let mut flags = now.role as u32;
        if now.is_leader {
            flags |= IS_LEADER;
        }
        if now.overrun {
            flags |= OVERRUN;
        }
        if let Some(leader) = now.leader {
            flags |= HAS_LEADER;
            put(&self.leader, u64::from_le_bytes(leader.0));
        }
        put(&self.term, now.term.0);
        put(&self.accepting, now.accepting.0);
        put(&self.room, now.room);
        if self.flags.load(Ordering::Relaxed) != flags {
            self.flags.store(flags, Ordering::Release);
        }
    }

    fn close(&self) {
        put(&self.accepting, 0);
        self.flags.store(Role::Closed as u32, Ordering::Release);
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.flags.load(Ordering::Acquire) & ROLE_BITS {
            0 => Role::Follower,
            1 => Role::Leader,
            2 => Role::Candidate,
            _ => Role::Closed,
        }
    }

    /// Leader, and its first entry was processed.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.flags.load(Ordering::Acquire) & IS_LEADER != 0
    }

    /// The backlog is over its limit.
    #[must_use]
    pub fn is_overrun(&self) -> bool {
        self.flags.load(Ordering::Acquire) & OVERRUN != 0
    }

    /// The believed leader.
    #[must_use]
    pub fn leader(&self) -> Option<PeerId> {
        let known = self.flags.load(Ordering::Acquire) & HAS_LEADER != 0;
        known.then(|| PeerId(self.leader.load(Ordering::Acquire).to_le_bytes()))
    }

    /// The current term.
    #[must_use]
    pub fn term(&self) -> Term {
        Term(self.term.load(Ordering::Acquire))
    }

    /// The term proposals are taken for; zero when they are refused.
    #[must_use]
    pub fn accepting(&self) -> Term {
        Term(self.accepting.load(Ordering::Acquire))
    }

    /// Bytes of proposals that fit before something has to be committed.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.room.load(Ordering::Acquire)
    }
}

/// Stores a changed value only, so that readers on other cores keep their cache line.
fn put(cell: &AtomicU64, value: u64) {
    if cell.load(Ordering::Relaxed) != value {
        cell.store(value, Ordering::Release);
    }
}

/// Drops what a panic left. It is foreign: its destructor may panic as well. What that says is
/// worth nothing next to the first text, and it must not be dropped outside a guard either.
pub(super) fn drop_payload(payload: Box<dyn Any + Send>) {
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    std::mem::forget(dropped);
}

/// Locks a mutex whose holders never panic while it is inconsistent.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
