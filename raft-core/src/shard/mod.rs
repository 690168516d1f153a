//! Many nodes, one loop: the driver all worlds share, still without I/O.
//!
//! The runtime, the simulator and a test that plays nodes by hand put messages and moments in
//! ([`Shard::deliver`], [`Shard::turn`], [`Shard::handle_synced`]) and carry out what comes
//! out ([`Shard::poll_send`], [`Shard::poll_sync`], [`Shard::poll_event`]). They differ in who
//! supplies time, disk and transport, and in nothing else.
//!
//! - Nodes sit in a slab and are found by [`SlotId`]; a turn visits those that were touched.
//! - A message waits in its slot's mailbox until the next turn: no lock, no wake-up.
//! - At most one batch of writes is under way for each store root; the next one gathers inside
//!   the nodes meanwhile. What rests on a write stays inside the node until it is durable, so
//!   nothing above it has to know.
//! - A node whose code panics is closed, and the others go on.

mod deadlines;
mod slot;
mod sync;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

pub(crate) use slot::lock;
pub use slot::{After, Faulted, PublishedCell, Slot, SlotId};
pub use sync::{RootId, SyncBatch, SyncDone, SyncItem, SyncedItem};

use crate::node::{
    Counters, LogLevel, Node, NodeLog, Output, Proposal, Role, SubscriptionId, signal,
};
use crate::storage::{SnapshotOutcome, StorageError, WriteSeq};
use crate::time::Instant;
use crate::types::Index;
use crate::wire::Subject;
use deadlines::Deadlines;

/// What a driver has to pass on besides messages and writes.
#[derive(Debug)]
pub enum Event {
    /// A node wants its host to look: bits of [`signal`].
    Signals {
        /// Which node.
        slot: SlotId,
        /// Why.
        bits: u32,
    },
    /// A node noted something for an operator.
    Log {
        /// Which node.
        slot: SlotId,
        /// What.
        record: NodeLog,
    },
    /// A closed node has said its last word and left; its number means nothing any more.
    Removed {
        /// The number it had.
        slot: SlotId,
        /// The node.
        node: Arc<Slot>,
    },
}

/// A message on its way to a node of a shard.
#[derive(Debug)]
pub struct Delivery {
    /// To whom.
    pub slot: SlotId,
    /// Under which of its subscriptions.
    pub subscription: SubscriptionId,
    /// Where an answer goes.
    pub reply: Option<Subject>,
    /// The message.
    pub payload: Bytes,
}

/// The nodes of one thread. See the module.
#[derive(Debug, Default)]
pub struct Shard {
    cells: Vec<Option<Cell>>,
    /// The generation each slab position has or had last.
    generations: Vec<u32>,
    free: Vec<u32>,
    touched: Vec<SlotId>,
    deadlines: Deadlines,
    roots: Vec<Root>,
    out: Outputs,
    /// Buffers kept for their capacity.
    scratch: Scratch,
}

#[derive(Debug)]
struct Cell {
    slot: Arc<Slot>,
    root: RootId,
    touched: bool,
    disk: OnDisk,
    mail: Vec<Mail>,
    /// What came back from the disk and the node has not heard of.
    synced: Option<Synced>,
    counters: Counters,
    leads: bool,
    /// Its code panicked, and the host was told.
    failed: bool,
}

/// Where a node's writes are.
#[derive(Clone, Copy, Debug, Default)]
struct OnDisk {
    /// Some are under way.
    in_flight: bool,
    /// It may have more, to be asked for once its root's batch is back.
    waits: bool,
}

#[derive(Debug)]
struct Mail {
    subscription: SubscriptionId,
    reply: Option<Subject>,
    payload: Bytes,
}

#[derive(Debug)]
struct Synced {
    upto: WriteSeq,
    error: Option<Arc<StorageError>>,
    snapshots: Vec<SnapshotOutcome>,
}

#[derive(Debug)]
struct Root {
    path: Arc<Path>,
    in_flight: bool,
    gathered: Vec<SyncItem>,
    /// Slots that may have more to write once the batch under way is back.
    waiting: Vec<SlotId>,
}

#[derive(Debug, Default)]
struct Outputs {
    sends: VecDeque<(SlotId, Output)>,
    events: VecDeque<Event>,
    counters: Counters,
    leaders: u64,
}

#[derive(Debug, Default)]
struct Scratch {
    proposals: Vec<Proposal>,
    touched: Vec<SlotId>,
    mail: Vec<Mail>,
}

impl Shard {
    /// A shard without nodes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a node in and touches it.
    pub fn insert(&mut self, slot: Arc<Slot>) -> SlotId {
        let root = self.root_of(slot.root());
        let index = self.free.pop().unwrap_or_else(|| {
            self.cells.push(None);
            self.generations.push(0);
            u32::try_from(self.cells.len() - 1).unwrap_or(u32::MAX)
        });
        let generation = self
            .generations
            .get_mut(index as usize)
            .map_or(0, |generation| {
                *generation = generation.wrapping_add(1);
                *generation
            });
        let id = SlotId { index, generation };
        slot.set_id(id);
        let cell = Cell {
            slot,
            root,
            touched: false,
            disk: OnDisk::default(),
            mail: Vec::new(),
            synced: None,
            counters: Counters::default(),
            leads: false,
            failed: false,
        };
        if let Some(place) = self.cells.get_mut(index as usize) {
            *place = Some(cell);
        }
        self.touch(id);
        id
    }

    /// The root's number; the same path has the same number.
    fn root_of(&mut self, path: &Arc<Path>) -> RootId {
        let known = self.roots.iter().position(|root| root.path == *path);
        RootId(known.unwrap_or_else(|| {
            self.roots.push(Root {
                path: Arc::clone(path),
                in_flight: false,
                gathered: Vec::new(),
                waiting: Vec::new(),
            });
            self.roots.len() - 1
        }))
    }

    /// How many nodes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.cells.len() - self.free.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A node by its number, if it is still here.
    #[must_use]
    pub fn slot(&self, id: SlotId) -> Option<&Arc<Slot>> {
        let cell = self.cells.get(id.index())?.as_ref()?;
        (self.generations.get(id.index()) == Some(&id.generation)).then_some(&cell.slot)
    }

    /// All nodes, in the order of their numbers.
    pub fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.cells.iter().flatten().map(|cell| &cell.slot)
    }

    /// Leaves a message for a node's next turn. A node that left hears nothing.
    pub fn deliver(&mut self, delivery: Delivery) {
        let Delivery {
            slot,
            subscription,
            reply,
            payload,
        } = delivery;
        let Some(cell) = cell_mut(&mut self.cells, &self.generations, slot) else {
            return;
        };
        cell.mail.push(Mail {
            subscription,
            reply,
            payload,
        });
        cell.touch(slot, &mut self.touched);
    }

    /// Makes the next turn visit `slot`.
    pub fn touch(&mut self, slot: SlotId) {
        if let Some(cell) = cell_mut(&mut self.cells, &self.generations, slot) {
            cell.touch(slot, &mut self.touched);
        }
    }

    /// Whether a turn would visit somebody although no deadline has come.
    #[must_use]
    pub const fn wants_turn(&self) -> bool {
        !self.touched.is_empty()
    }

    /// The earliest moment at which a node wants a turn although nothing arrived.
    pub fn next_deadline(&mut self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Visits every node that was touched or is due, once. What they say to each other arrives
    /// with the next turn.
    pub fn turn(&mut self, now: Instant) {
        while let Some(due) = self.deadlines.pop_due(now) {
            self.touch(due);
        }
        let mut visited = std::mem::take(&mut self.scratch.touched);
        std::mem::swap(&mut visited, &mut self.touched);
        for slot in visited.drain(..) {
            self.step(slot, now);
        }
        self.scratch.touched = visited;
    }

    /// One node's turn: its inboxes in, its outputs out, under one lock.
    fn step(&mut self, id: SlotId, now: Instant) {
        let Self {
            cells,
            generations,
            deadlines,
            roots,
            out,
            scratch,
            touched,
            ..
        } = self;
        let Some(cell) = cell_mut(cells, generations, id) else {
            return;
        };
        let Some(root) = roots.get_mut(cell.root.0) else {
            return;
        };
        cell.touched = false;
        let Cell {
            slot,
            mail,
            synced,
            disk,
            ..
        } = cell;
        let mut node = slot.lock_node();
        if slot.is_frozen() {
            // Mail, outcomes and timers wait for the thaw, which touches the slot.
            return;
        }
        slot.clear_queued();
        let mut stays = false;
        let outcome = match slot.fault() {
            Some(_) => Ok(()),
            None => catch_unwind(AssertUnwindSafe(|| {
                scratch.feed(slot, &mut node, mail, synced.take(), now);
                node.turn(now);
                out.drain(id, &mut node);
                root.gather(id, slot, &mut node, disk);
                slot.published().store(node.published());
                deadlines.set(id, node.next_deadline());
                stays = !node.is_closed();
                if node.wants_turn() {
                    cell.touched = true;
                    touched.push(id);
                }
            })),
        };
        if let Err(payload) = outcome {
            slot.poison(payload);
        }
        if slot.fault().is_some() && !std::mem::replace(&mut cell.failed, true) {
            disk.waits = false;
            out.events.push_back(Event::Signals {
                slot: id,
                bits: signal::FAULT,
            });
        }
        out.count(&mut cell.counters, node.counters());
        slot.announce(&node);
        drop(node);
        out.count_leader(&mut cell.leads, slot.published().role() == Role::Leader);
        if !stays {
            mail.clear();
            deadlines.set(id, None);
            if !disk.in_flight && !disk.waits {
                self.remove(id);
            }
        }
    }

    fn remove(&mut self, id: SlotId) {
        let Some(cell) = self.cells.get_mut(id.index()).and_then(Option::take) else {
            return;
        };
        self.free.push(id.index);
        // Nobody reads the log of a node that left, however long the node itself is kept.
        cell.slot.lock_node().release_log();
        // The folder is free for the next node from here on, whoever still holds this one.
        if let Err(error) = lock(cell.slot.store()).close() {
            let record = NodeLog {
                level: LogLevel::Error,
                term: cell.slot.published().term(),
                index: Index::ZERO,
                text: format!("could not close the store: {error}"),
            };
            self.out.events.push_back(Event::Log { slot: id, record });
        }
        self.out.events.push_back(Event::Removed {
            slot: id,
            node: cell.slot,
        });
    }

    /// The next thing a node wants done on its transport. Nothing here rests on a write that is
    /// not durable.
    pub fn poll_send(&mut self) -> Option<(SlotId, Output)> {
        self.out.sends.pop_front()
    }

    /// The next batch of writes to be carried out; its outcome comes back with
    /// [`Shard::handle_synced`], and until then its root yields no other.
    pub fn poll_sync(&mut self) -> Option<SyncBatch> {
        let ready = |root: &Root| !root.in_flight && !root.gathered.is_empty();
        let at = self.roots.iter().position(ready)?;
        let root = self.roots.get_mut(at)?;
        root.in_flight = true;
        Some(SyncBatch {
            root: RootId(at),
            items: std::mem::take(&mut root.gathered),
        })
    }

    /// The next thing for the host.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// Whether batches of writes are under way.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.roots.iter().any(|root| root.in_flight)
    }

    /// A batch is back: its groups hear of it with their next turn, and those that gathered
    /// writes meanwhile may hand them over.
    pub fn handle_synced(&mut self, done: SyncDone) {
        let Some(root) = self.roots.get_mut(done.root.0) else {
            return;
        };
        root.in_flight = false;
        let waiting = std::mem::take(&mut root.waiting);
        for item in done.items {
            let Some(cell) = cell_mut(&mut self.cells, &self.generations, item.slot) else {
                continue;
            };
            cell.disk.in_flight = false;
            let (earlier, mut snapshots) = match cell.synced.take() {
                Some(earlier) => (earlier.error, earlier.snapshots),
                None => (None, Vec::new()),
            };
            snapshots.extend(item.snapshots);
            cell.synced = Some(Synced {
                upto: item.upto,
                error: earlier.or(item.error),
                snapshots,
            });
            cell.touch(item.slot, &mut self.touched);
        }
        for slot in waiting {
            let Some(cell) = cell_mut(&mut self.cells, &self.generations, slot) else {
                continue;
            };
            cell.disk.waits = false;
            cell.touch(slot, &mut self.touched);
        }
    }

    /// What all nodes counted, those that left included.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.out.counters
    }

    /// How many nodes are leaders.
    #[must_use]
    pub const fn leaders(&self) -> u64 {
        self.out.leaders
    }
}

impl Cell {
    fn touch(&mut self, id: SlotId, touched: &mut Vec<SlotId>) {
        if !self.touched {
            self.touched = true;
            touched.push(id);
        }
    }
}

impl Scratch {
    /// Moves what waited for a node into it. The order between kinds does not matter to the node:
    /// it has a queue for each and a fixed order among them.
    fn feed(
        &mut self,
        slot: &Slot,
        node: &mut Node,
        mail: &mut Vec<Mail>,
        synced: Option<Synced>,
        now: Instant,
    ) {
        if let Some(Synced {
            upto,
            error,
            snapshots,
        }) = synced
        {
            match error {
                None => node.handle_durable(upto, now),
                Some(error) => node.handle_write_failed(error, now),
            }
            for outcome in snapshots {
                node.handle_snapshot_written(outcome, now);
            }
        }
        // The messages are moved out first, so that one on which the node panics is gone.
        std::mem::swap(mail, &mut self.mail);
        for Mail {
            subscription,
            reply,
            payload,
        } in self.mail.drain(..)
        {
            node.handle_message(subscription, reply, payload, now);
        }
        slot.take_proposals(&mut self.proposals);
        if !self.proposals.is_empty() {
            node.push_proposals(self.proposals.drain(..));
        }
    }
}

impl Root {
    /// Takes a node's writes, unless a batch is under way: then the node keeps gathering and is
    /// asked again when the batch is back.
    fn gather(&mut self, id: SlotId, slot: &Slot, node: &mut Node, disk: &mut OnDisk) {
        if self.in_flight {
            if !disk.waits {
                disk.waits = true;
                self.waiting.push(id);
            }
            return;
        }
        let Some(writes) = node.take_writes() else {
            return;
        };
        disk.in_flight = true;
        self.gathered.push(SyncItem {
            slot: id,
            store: Arc::clone(slot.store()),
            writes,
        });
    }
}

impl Outputs {
    fn drain(&mut self, id: SlotId, node: &mut Node) {
        while let Some(output) = node.poll_output() {
            self.sends.push_back((id, output));
        }
        let bits = node.take_signals();
        if bits != 0 {
            self.events.push_back(Event::Signals { slot: id, bits });
        }
        for record in node.take_logs() {
            self.events.push_back(Event::Log { slot: id, record });
        }
    }

    fn count(&mut self, before: &mut Counters, now: Counters) {
        self.counters.add_between(before, &now);
        *before = now;
    }

    const fn count_leader(&mut self, before: &mut bool, now: bool) {
        match (*before, now) {
            (false, true) => self.leaders += 1,
            (true, false) => self.leaders -= 1,
            _ => {}
        }
        *before = now;
    }
}

fn cell_mut<'a>(
    cells: &'a mut [Option<Cell>],
    generations: &[u32],
    id: SlotId,
) -> Option<&'a mut Cell> {
    if generations.get(id.index()) != Some(&id.generation) {
        return None;
    }
    cells.get_mut(id.index())?.as_mut()
}
