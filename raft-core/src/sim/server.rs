//! One simulated machine: its disk, its clock, the process on it, and what is known of it from
//! outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::{Keep, SimDisk};
use super::host::{Host, Pace};
use super::properties::{Ledger, Shadow, Trail};
use crate::config::Timing;
use crate::node::{Bug, Node, NodeSetup, SubscriptionId};
use crate::shard::{Shard, Slot, SlotId, SyncBatch};
use crate::storage::{LogKind, OpenedGroup, StorageError, StoreConfig, bootstrap, open_group};
use crate::time::Instant;
use crate::types::{GroupName, Index, PeerId};
use crate::wire::{PeerState, TermVote};

/// Where every server keeps its groups.
pub(super) const ROOT: &str = "/store";

/// A clock that runs at its own rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// Nanoseconds it shows for each thousand that pass.
    pub(super) rate_per_mille: u64,
}

impl Clock {
    /// What it shows at a moment of the world.
    pub(super) const fn shows(self, world: Instant) -> Instant {
        let nanos = world.as_nanos();
        Instant::from_nanos(
            nanos / 1_000 * self.rate_per_mille + nanos % 1_000 * self.rate_per_mille / 1_000,
        )
    }

    /// The first moment of the world at which it shows `own` or more.
    pub(super) const fn reaches(self, own: Instant) -> Instant {
        let (nanos, rate) = (own.as_nanos(), self.rate_per_mille);
        let mut world = nanos / rate * 1_000 + nanos % rate * 1_000 / rate;
        while self.shows(Instant::from_nanos(world)).as_nanos() < nanos {
            world += 1;
        }
        Instant::from_nanos(world)
    }
}

/// How long a server's disk takes for a batch of writes and its sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyncTimes {
    /// The shortest time.
    pub(super) min: Duration,
    /// Batches take less than this.
    pub(super) max: Duration,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) id: PeerId,
    pub(super) disk: SimDisk,
    pub(super) clock: Clock,
    pub(super) sync: SyncTimes,
    pub(super) shadow: Shadow,
    pub(super) running: Option<Running>,
    /// The process does nothing until then; what arrives meanwhile waits.
    pub(super) paused_until: Option<Instant>,
    /// Its disk was made to fail: the node may close itself until the next start.
    pub(super) may_fail: bool,
    /// The group was bootstrapped on it.
    pub(super) has_group: bool,
    /// How often it was started.
    pub(super) boots: u64,
    /// It came back without its disk and the group existed before.
    pub(super) recovering: bool,
    /// It joins a group that exists.
    pub(super) scale_up: bool,
    /// How fast its application is.
    pub(super) pace: Pace,
    /// Terms and votes of writes that were cut short: on the disk, or not.
    pub(super) torn_votes: Vec<TermVote>,
}

/// The process on a server.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) shard: Shard,
    pub(super) slot: SlotId,
    pub(super) node: Arc<Slot>,
    pub(super) subscriptions: BTreeMap<String, SubscriptionId>,
    pub(super) syncing: Option<Syncing>,
    pub(super) host: Host,
}

/// A batch on its way to the disk.
#[derive(Debug)]
pub(super) struct Syncing {
    pub(super) done_at: Instant,
    pub(super) batch: SyncBatch,
    /// Term and vote in it.
    pub(super) term_vote: Option<TermVote>,
    /// The snapshots in it: their writes' numbers and last indexes.
    pub(super) snapshots: Vec<(u64, Index)>,
}

/// What every server of a world has in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) group: GroupName,
    pub(super) timing: Timing,
    pub(super) managed: bool,
    /// A known bug to put back.
    pub(super) bug: Option<Bug>,
}

impl Common {
    pub(super) fn dir(&self) -> PathBuf {
        Path::new(ROOT).join(self.group.as_str())
    }

    fn store(&self) -> StoreConfig {
        StoreConfig {
            dir: self.dir(),
            group: self.group.clone(),
            kind: LogKind::File,
        }
    }
}

impl Server {
    /// A machine with an empty disk.
    pub(super) fn new(id: PeerId, clock: Clock, sync: SyncTimes) -> Self {
        Self {
            id,
            disk: SimDisk::new(),
            clock,
            sync,
            shadow: Shadow::default(),
            running: None,
            paused_until: None,
            may_fail: false,
            has_group: false,
            boots: 0,
            recovering: false,
            scale_up: false,
            pace: Pace::AT_ONCE,
            torn_votes: Vec::new(),
        }
    }

    /// Makes the group's folder with `peers` as its members.
    pub(super) fn bootstrap(
        &mut self,
        common: &Common,
        peers: &[PeerId],
    ) -> Result<(), StorageError> {
        self.has_group = true;
        let state = PeerState {
            cluster_size: u32::try_from(peers.len()).unwrap_or(u32::MAX),
            peers: peers.to_vec(),
            domain_ext: 0,
        };
        bootstrap(&self.disk, &common.dir(), &state)
    }

    pub(super) fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    /// The next moment at which this server has something to do by itself.
    pub(super) fn next_moment(&mut self) -> Option<Instant> {
        let clock = self.clock;
        let running = self.running.as_mut()?;
        let synced = running.syncing.as_ref().map(|sync| sync.done_at);
        let deadline = running.shard.next_deadline().map(|own| clock.reaches(own));
        let own = [synced, deadline, running.host.next_moment()];
        let next = own.into_iter().flatten().min()?;
        Some(self.paused_until.map_or(next, |until| next.max(until)))
    }

    /// Whether a turn would do something at `now`.
    pub(super) fn wants_turn(&mut self, now: Instant) -> bool {
        if self.is_paused(now) {
            return false;
        }
        let shown = self.clock.shows(now);
        let Some(running) = &mut self.running else {
            return false;
        };
        running.shard.wants_turn() || running.shard.next_deadline().is_some_and(|at| at <= shown)
    }

    /// The power goes, `stop` changes into the batch that is being written; the disk keeps what
    /// was synced and a part of the rest that `keep` picks.
    pub(super) fn crash(&mut self, stop: u64, keep: u64) {
        let Some(running) = self.running.take() else {
            return;
        };
        if let Some(Syncing {
            batch, term_vote, ..
        }) = running.syncing
        {
            self.torn_votes.extend(term_vote);
            self.disk.stop_after(stop);
            drop(batch.run(true));
        }
        drop(running.node);
        self.disk.crash(Keep::Seeded(keep));
        self.paused_until = None;
    }

    /// Whether a copy of the disk, with one bit of the log or of a snapshot turned round, is refused.
    /// None when there is no such file. Term, vote and peers are kept in the server's own files,
    /// which have no checksum.
    ///
    /// # Errors
    /// What is taken for the log and was not, and what a start that was refused has changed.
    pub(super) fn notices_rot(
        &self,
        common: &Common,
        ledger: &Ledger,
        draw: u64,
    ) -> Result<Option<bool>, String> {
        let disk = self.disk.fork();
        let checked = |path: &Path| {
            let in_folder = |name| path.parent().is_some_and(|dir| dir.ends_with(name));
            in_folder("log") || in_folder("snapshots")
        };
        let files = disk.snapshot().into_iter();
        let files: Vec<_> = files
            .filter(|(path, content)| checked(path) && !content.is_empty())
            .collect();
        let at = usize::try_from(draw % files.len().max(1) as u64).unwrap_or(0);
        let Some((path, content)) = files.get(at) else {
            return Ok(None);
        };
        let (offset, mask) = ((draw >> 8) % content.len() as u64, 1 << (draw & 7));
        let flipped = disk.flip(path, offset, mask);
        flipped.map_err(|error| error.to_string())?;
        let rotten = disk.snapshot();
        let config = common.store();
        let found = open_group(Arc::new(disk.clone()), &config)
            .map_err(|error| error.to_string())
            .and_then(|opened| Trail::read(&*opened.log, ledger));
        let place = || format!("{}, byte {offset}, mask {mask:#x}", path.display());
        match found {
            Err(_) if disk.snapshot() == rotten => Ok(Some(true)),
            Err(why) => Err(format!("{}: {why}, and files were changed", place())),
            Ok(found) if self.shadow.explains_rotten(&found, ledger) => Ok(Some(false)),
            Ok(found) => {
                let (had, has) = (self.shadow.durable.last(), found.last());
                let what = format!("had synced up to {had}, found another log up to {has}");
                Err(format!("{}: {what}", place()))
            }
        }
    }

    /// Opens the group and starts its node. What the disk holds has to be what was synced, and of
    /// the rest a prefix.
    ///
    /// # Errors
    /// What is not as it has to be.
    pub(super) fn boot(
        &mut self,
        common: &Common,
        ledger: &Ledger,
        (seed, now): (u64, Instant),
    ) -> Result<(), String> {
        let opened = open_group(Arc::new(self.disk.clone()), &common.store());
        let opened = opened.map_err(|error| error.to_string())?;
        let OpenedGroup {
            log,
            store,
            term_vote,
            peer_state,
            snapshots,
            last_seq,
            ..
        } = opened;
        let found = Trail::read(&*log, ledger)?;
        if !self.shadow.explains(&found, ledger) {
            let (had, has) = (self.shadow.durable.last(), found.last());
            return Err(format!(
                "had synced up to {had}, found another log up to {has}"
            ));
        }
        let snapshot = snapshots.found.newest.as_ref();
        let snapshot = snapshot.map_or(Index::ZERO, |found| found.file.last_index);
        let saved = self.shadow.saved;
        if term_vote != saved && !self.torn_votes.contains(&term_vote) {
            return Err(format!("had saved {saved:?}, found {term_vote:?}"));
        }
        self.torn_votes.clear();
        let log = self.shadow.watch(log);
        let setup = NodeSetup {
            id: self.id,
            group: common.group.clone(),
            timing: common.timing,
            managed: common.managed,
            observer: false,
            recovering: self.recovering,
            scale_up: self.scale_up,
            track: false,
            seed,
            unknown_peers_online: true,
            log,
            term_vote,
            peer_state: peer_state.ok_or("its peers are gone")?,
            snapshots,
            last_seq,
        };
        let shown = self.clock.shows(now);
        let mut node = Node::recover(setup, shown).map_err(|error| error.to_string())?;
        node.handle_routing(true);
        node.put_bug_back(common.bug);
        self.shadow.recovered(found, snapshot, term_vote);
        self.may_fail = false;
        self.boots += 1;
        let node = Slot::new(node, store, Path::new(ROOT).into());
        let mut shard = Shard::new();
        let slot = shard.insert(Arc::clone(&node));
        self.running = Some(Running {
            shard,
            slot,
            node,
            subscriptions: BTreeMap::new(),
            syncing: None,
            host: Host::default(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_of_any_rate_reaches_what_it_shows() {
        for rate_per_mille in [700, 950, 1_000, 1_003, 1_400] {
            let clock = Clock { rate_per_mille };
            for nanos in [0, 1, 999, 1_000, 123_456_789, 60_000_000_000] {
                let own = Instant::from_nanos(nanos);
                let world = clock.reaches(own);
                assert!(clock.shows(world) >= own, "{clock:?} {nanos}");
                let before = Instant::from_nanos(world.as_nanos().saturating_sub(1));
                assert!(
                    world == Instant::ZERO || clock.shows(before) < own,
                    "{clock:?} {nanos}"
                );
            }
        }
    }
}
