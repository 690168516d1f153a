//! The application on a server: a state machine that is a hash chain, and the clients that talk to
//! it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::cluster::Cluster;
use super::properties::{Story, Violation};
use super::server::Running;
use crate::node::{CheckpointId, Committed, CommittedEntry, Node};
use crate::time::Instant;
use crate::types::{Entry, EntryType, Index};

const SAFETY: &str = "state machine safety";

/// How an application works through what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many indexes it takes at a time.
    pub batch: usize,
    /// How long it is busy with them.
    pub busy: Duration,
}

impl Pace {
    /// Everything there is, in no time.
    pub const AT_ONCE: Self = Self {
        batch: usize::MAX,
        busy: Duration::ZERO,
    };
}

/// The application's state on one server.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// The last index it applied.
    pub(super) index: Index,
    /// Its state: a hash of everything it applied.
    chain: u64,
    /// What it is busy with, and until when.
    work: Option<(Instant, Vec<Committed>)>,
    /// What clients proposed here and wait for.
    waiting: BTreeSet<Bytes>,
    /// Installs whose outcome it waits for.
    installs: Vec<CheckpointId>,
}

impl Host {
    pub(super) fn next_moment(&self) -> Option<Instant> {
        self.work.as_ref().map(|(until, _)| *until)
    }
}

impl Cluster {
    /// Proposes to a server; false if it does not take it.
    pub fn propose(&mut self, server: usize, data: impl Into<Bytes>) -> bool {
        let data = data.into();
        let taken = self.command(server, |node, _| {
            let entry = Entry::normal(data.clone());
            node.propose_batch(node.term(), [entry]).is_ok()
        });
        if taken != Some(true) {
            return false;
        }
        if let Some(running) = self.running_mut(server) {
            running.host.waiting.insert(data);
        }
        true
    }

    /// Runs a command of the application on a server's node, with the time its clock shows.
    /// Nothing when no node runs there, or it is paused or failed.
    pub fn command<R>(
        &mut self,
        server: usize,
        run: impl FnOnce(&mut Node, Instant) -> R,
    ) -> Option<R> {
        let now = self.now();
        let shown = self.server(server)?.clock.shows(now);
        if self.server(server)?.is_paused(now) {
            return None;
        }
        let running = self.running_mut(server)?;
        let done = running.node.command(|node| run(node, shown));
        running.shard.touch(running.slot);
        done.ok().map(|(result, _)| result)
    }

    /// Lets the application of a server work: finish what it is busy with, take more.
    pub(super) fn apply(&mut self, at: usize) -> Result<(), Violation> {
        let now = self.now();
        let Some(pace) = self.server(at).map(|server| server.pace) else {
            return Ok(());
        };
        self.take_outcomes(at);
        loop {
            let Some(running) = self.running_mut(at) else {
                return Ok(());
            };
            match running.host.work.take() {
                Some((until, items)) if until <= now => {
                    self.finish(at, items)?;
                    continue;
                }
                Some(work) => {
                    running.host.work = Some(work);
                    return Ok(());
                }
                None => {}
            }
            let taken = running
                .node
                .command(|node| node.take_applied(pace.batch, usize::MAX));
            let items = taken.map_or_else(|_| Vec::new(), |(items, _)| items);
            if items.is_empty() {
                return Ok(());
            }
            running.host.work = Some((now.after(pace.busy), items));
        }
    }

    fn finish(&mut self, at: usize, items: Vec<Committed>) -> Result<(), Violation> {
        let mut last = Index::ZERO;
        for item in items {
            if let Committed::Entries(entry) = item {
                last = entry.index;
                self.apply_one(at, &entry)?;
            }
        }
        if last > Index::ZERO {
            self.command(at, |node, now| node.processed(last, last, now));
        }
        Ok(())
    }

    fn apply_one(&mut self, at: usize, entry: &CommittedEntry) -> Result<(), Violation> {
        let index = entry.index;
        let Some(host) = self.running(at).map(|running| &running.host) else {
            return Ok(());
        };
        let before = State {
            index: host.index,
            chain: host.chain,
        };
        let snapshot = entry.entries().find(|e| e.kind == EntryType::Snapshot);
        let snapshot = snapshot.map(|e| State::decode(e.data));
        let normal = entry.entries().filter(|e| e.kind == EntryType::Normal);
        let items: Vec<_> = normal.map(|e| Bytes::copy_from_slice(e.data)).collect();
        let story = &mut self.properties.story;
        let after = match snapshot {
            None => before.apply(story, index, &items),
            Some(None) => Err(format!("cannot read the snapshot at {index}")),
            Some(Some(state)) => state.restore(story, before, index),
        };
        let after = after.map_err(|what| self.violation(at, (SAFETY, what)))?;
        let mut told = Vec::new();
        if let Some(Running { host, .. }) = self.running_mut(at) {
            host.index = after.index;
            host.chain = after.chain;
            told.extend(items.into_iter().filter(|item| host.waiting.remove(item)));
        }
        for item in told {
            self.properties.acknowledged.tell(item);
        }
        Ok(())
    }

    /// Opens a checkpoint of what a server's application has applied. Nothing when the node refuses.
    pub(super) fn open_checkpoint(
        &mut self,
        at: usize,
        force: bool,
    ) -> Result<Option<CheckpointId>, Violation> {
        let made = self.command(at, |node, _| node.create_snapshot_checkpoint(force));
        let Some(Ok(checkpoint)) = made else {
            return Ok(None);
        };
        let applied = self.running(at).map_or(Index::ZERO, |r| r.host.index);
        if checkpoint.index != applied {
            let index = checkpoint.index;
            let what = format!("opens a checkpoint at {index}, its application is at {applied}");
            return Err(self.violation(at, ("snapshot of what was applied", what)));
        }
        Ok(Some(checkpoint.id))
    }

    /// The state of a server's application as a snapshot, and `more` bytes.
    pub(super) fn state_of(&self, at: usize, more: usize) -> Bytes {
        self.running(at).map_or_else(Bytes::new, |running| {
            let Host { index, chain, .. } = running.host;
            State { index, chain }.encode(more)
        })
    }

    /// Installs `data` as the snapshot of a checkpoint.
    pub(super) fn install(&mut self, at: usize, id: CheckpointId, data: Bytes) -> bool {
        let begun = self.command(at, |node, _| node.install_checkpoint(id, data));
        if let (Some(Ok(())), Some(running)) = (&begun, self.running_mut(at)) {
            running.host.installs.push(id);
        }
        matches!(begun, Some(Ok(())))
    }

    fn take_outcomes(&mut self, at: usize) {
        let Some(Running { host, node, .. }) = self.running_mut(at) else {
            return;
        };
        host.installs.retain(|id| {
            let taken = node.command(|node| node.take_install_outcome(*id));
            matches!(taken, Ok((None, _)))
        });
    }
}

/// What an application is: how far it is, and a hash of everything it was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    index: Index,
    chain: u64,
}

impl State {
    fn encode(self, more: usize) -> Bytes {
        let mut bytes = Vec::with_capacity(16 + more);
        bytes.extend(self.index.0.to_le_bytes());
        bytes.extend(self.chain.to_le_bytes());
        bytes.resize(16 + more, 0xa5);
        bytes.into()
    }

    fn decode(data: &[u8]) -> Option<Self> {
        let (index, rest) = data.split_first_chunk()?;
        let chain = rest.first_chunk()?;
        Some(Self {
            index: Index(u64::from_le_bytes(*index)),
            chain: u64::from_le_bytes(*chain),
        })
    }

    fn apply(self, story: &mut Story, index: Index, items: &[Bytes]) -> Result<Self, String> {
        if self.index != index.prev() {
            return Err(format!("applies {index} after {}", self.index));
        }
        let chain = story.apply(index, self.chain, items.iter().cloned())?;
        Ok(Self { index, chain })
    }

    /// A snapshot arrives at `index` of the apply queue: in place of everything up to there, or as
    /// an entry, in which case it is of everything before.
    fn restore(self, story: &mut Story, before: Self, index: Index) -> Result<Self, String> {
        let known = story.chain(self.index);
        if known != Some(self.chain) {
            let of = self.index;
            return Err(format!(
                "is handed a snapshot of {of} with another state than others"
            ));
        }
        if self.index < before.index {
            let (from, to) = (before.index, self.index);
            return Err(format!("goes back from {from} to a snapshot of {to}"));
        }
        if self.index == index {
            return Ok(self);
        }
        self.apply(story, index, &[])
    }
}
