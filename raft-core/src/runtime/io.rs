//! The thread that may block on a disk: one for each store root and shard in use.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::clock::{Clock, ClockKind, nanos};
use super::core::Core;
use super::link::Link;
use super::logs::LogLevel;
use super::metrics::add;
use crate::config::SyncPolicy;
use crate::shard::{SlotId, SyncBatch, lock};
use crate::storage::{GroupStore, StorageError};

/// A way to a thread that carries out batches one after the other. The thread ends when this is
/// dropped.
#[derive(Debug)]
pub(super) struct IoThread {
    batches: Sender<SyncBatch>,
}

impl IoThread {
    /// Starts the thread for a root of `shard`.
    pub(super) fn start(
        core: &Arc<Core>,
        shard: usize,
        root: usize,
        link: &Arc<Link>,
    ) -> io::Result<Self> {
        let (batches, inbox) = channel();
        let worker = Worker {
            core: Arc::clone(core),
            link: Arc::clone(link),
            clock: Clock::new(ClockKind::System),
            unsynced: BTreeMap::new(),
        };
        thread::Builder::new()
            .name(format!("nrg-io-{shard}-{root}"))
            .spawn(move || worker.run(&inbox))?;
        Ok(Self { batches })
    }

    /// Hands a batch over; its outcome arrives in the shard's inbox. Gives it back when the
    /// thread is gone.
    pub(super) fn submit(&self, batch: SyncBatch) -> Result<(), SyncBatch> {
        self.batches.send(batch).map_err(|refused| refused.0)
    }
}

struct Worker {
    core: Arc<Core>,
    link: Arc<Link>,
    /// Disks work in real time, whatever clock the nodes live by.
    clock: Clock,
    /// Logs written since the last sync of an interval.
    unsynced: BTreeMap<SlotId, Arc<Mutex<GroupStore>>>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<SyncBatch>) {
        match self.core.config.sync {
            SyncPolicy::Always => self.serve(inbox, true),
            SyncPolicy::Never => self.serve(inbox, false),
            SyncPolicy::Interval(interval) => self.serve_at_intervals(inbox, interval),
        }
    }

    fn serve(&self, inbox: &Receiver<SyncBatch>, sync_log: bool) {
        for batch in inbox {
            self.carry_out(batch, sync_log);
        }
    }

    fn serve_at_intervals(&mut self, inbox: &Receiver<SyncBatch>, interval: Duration) {
        let mut due = self.clock.now().after(interval);
        loop {
            let now = self.clock.now();
            // Without anything to sync there is nothing to wake up for.
            let arrived = if self.unsynced.is_empty() {
                due = now.after(interval);
                inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                inbox.recv_timeout(due.since(now))
            };
            match arrived {
                Ok(batch) => {
                    let written = batch
                        .items()
                        .iter()
                        .map(|item| (item.slot, Arc::clone(&item.store)));
                    self.unsynced.extend(written);
                    self.carry_out(batch, false);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.clock.now() >= due {
                self.sync_all();
                due = self.clock.now().after(interval);
            }
        }
        self.sync_all();
    }

    fn carry_out(&self, batch: SyncBatch, sync_log: bool) {
        let start = self.clock.now();
        let done = batch.run(sync_log);
        let took = self.clock.now().since(start);
        add(&self.core.counted.syncs, 1);
        add(&self.core.counted.sync_nanos_total, nanos(took));
        if self.core.counted.sync_times.push(took) {
            self.core.raise_metrics();
        }
        self.link.push(|inbox| inbox.synced.push(done));
        self.core.activity.leave();
    }

    /// A log that cannot be synced refuses its next write, which closes its node. One that was
    /// closed meanwhile was synced then.
    fn sync_all(&mut self) {
        while let Some((_, store)) = self.unsynced.pop_first() {
            let outcome = lock(&store).sync(true);
            match outcome {
                Ok(()) | Err(StorageError::Closed) => {}
                Err(error) => self
                    .core
                    .log(LogLevel::Error, format!("interval sync failed: {error}")),
            }
        }
    }
}
