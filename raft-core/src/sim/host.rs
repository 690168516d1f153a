//! The application on a server: a state machine that is a hash chain, and the clients that talk to
//! it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::cluster::Cluster;
use super::properties::Violation;
use super::server::Running;
use crate::node::{Committed, CommittedEntry, Node};
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
        let Some(state) = self.running(at).map(|running| &running.host) else {
            return Ok(());
        };
        let (before, chain) = (state.index, state.chain);
        let normal = entry.entries().filter(|e| e.kind == EntryType::Normal);
        let items: Vec<_> = normal.map(|e| Bytes::copy_from_slice(e.data)).collect();
        if before != index.prev() {
            let what = format!("applies {index} after {before}");
            return Err(self.violation(at, (SAFETY, what)));
        }
        let story = &mut self.properties.story;
        let applied = story.apply(index, chain, items.iter().cloned());
        let chain = applied.map_err(|what| self.violation(at, (SAFETY, what)))?;
        let mut told = Vec::new();
        if let Some(Running { host, .. }) = self.running_mut(at) {
            host.index = index;
            host.chain = chain;
            told.extend(items.into_iter().filter(|item| host.waiting.remove(item)));
        }
        for item in told {
            self.properties.acknowledged.tell(item);
        }
        Ok(())
    }
}
