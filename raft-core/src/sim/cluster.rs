//! A cluster of one group under a seed: servers with disks that crash, a network that misbehaves,
//! and time that jumps to the next thing that happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::disk::{Keep, SimDisk};
use super::network::{Network, NetworkOptions, Packet};
use super::properties::{Durable, Properties, Violation, frame_at, logs_match};
use crate::config::Timing;
use crate::node::{Committed, Node, NodeSetup, Output, Role, SubscriptionId};
use crate::rng::Rng;
use crate::shard::{Delivery, Event, Shard, Slot, SlotId, SyncBatch};
use crate::storage::{LogKind, OpenedGroup, StorageError, StoreConfig, bootstrap, open_group};
use crate::time::Instant;
use crate::types::{Entry, EntryType, GroupName, Index, PeerId};
use crate::wire::{PeerState, TermVote};

/// What a world is made of. The same options make the same world, step by step.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Everything random comes from here.
    pub seed: u64,
    /// How many servers.
    pub servers: usize,
    /// The nodes' timers.
    pub timing: Timing,
    /// The network.
    pub network: NetworkOptions,
    /// How long one batch of writes and its syncs take: the shortest time.
    pub sync_min: Duration,
    /// Batches take less than this.
    pub sync_max: Duration,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            servers: 3,
            timing: Timing::reference_tests(),
            network: NetworkOptions::default(),
            sync_min: Duration::from_micros(200),
            sync_max: Duration::from_millis(3),
        }
    }
}

/// Simulated servers, each with one node of the group.
#[derive(Debug)]
pub struct Cluster {
    options: ClusterOptions,
    group: GroupName,
    now: Instant,
    rng: Rng,
    servers: Vec<Server>,
    network: Network,
    properties: Properties,
    steps: u64,
}

#[derive(Debug)]
struct Server {
    id: PeerId,
    disk: SimDisk,
    durable: Durable,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    shard: Shard,
    slot: SlotId,
    node: Arc<Slot>,
    subscriptions: BTreeMap<String, SubscriptionId>,
    sync: Option<Syncing>,
    /// Normal entries as the application saw them since the start.
    applied: Vec<Bytes>,
}

/// A batch on its way to the disk.
#[derive(Debug)]
struct Syncing {
    done_at: Instant,
    batch: SyncBatch,
    /// What will be durable then.
    then: Durable,
}

impl Cluster {
    /// Bootstraps and starts all servers.
    ///
    /// # Errors
    /// [`StorageError`] of a disk that nobody asked to fail.
    pub fn new(options: ClusterOptions) -> Result<Self, StorageError> {
        let mut rng = Rng::new(options.seed);
        let name = |at: usize| PeerId::from_server_name(&format!("S-{}", at + 1));
        let peers: Vec<_> = (0..options.servers).map(name).collect();
        let network = Network::new(options.network, options.servers, rng.next_u64());
        let mut cluster = Self {
            group: GroupName::new("SIM").expect("one plain word is a name"),
            now: Instant::ZERO,
            rng,
            servers: Vec::new(),
            network,
            properties: Properties::default(),
            steps: 0,
            options,
        };
        let cluster_size = u32::try_from(peers.len()).unwrap_or(u32::MAX);
        for id in &peers {
            let disk = SimDisk::new();
            let state = PeerState {
                cluster_size,
                peers: peers.clone(),
                domain_ext: 0,
            };
            bootstrap(&disk, &cluster.dir(), &state)?;
            let durable = Durable::default();
            cluster.servers.push(Server {
                id: *id,
                disk,
                durable,
                running: None,
            });
        }
        for at in 0..peers.len() {
            cluster.boot(at)?;
        }
        Ok(cluster)
    }

    fn dir(&self) -> PathBuf {
        Path::new("/store").join(self.group.as_str())
    }

    /// The time of this world.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// How many steps were made.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The running server that leads the highest term, if any leads.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        let leads = |(at, server): (usize, &Server)| {
            let node = &server.running.as_ref()?.node;
            (node.published().role() == Role::Leader).then(|| (node.published().term(), at))
        };
        self.servers
            .iter()
            .enumerate()
            .filter_map(leads)
            .max()
            .map(|(_, at)| at)
    }

    /// Whether a server runs.
    #[must_use]
    pub fn is_running(&self, server: usize) -> bool {
        self.running(server).is_some()
    }

    fn running(&self, server: usize) -> Option<&Running> {
        self.servers.get(server)?.running.as_ref()
    }

    /// What a server's application saw since the server started.
    #[must_use]
    pub fn applied(&self, server: usize) -> &[Bytes] {
        self.running(server).map_or(&[], |running| &running.applied)
    }

    /// How many indexes are committed as far as any application knows.
    #[must_use]
    pub const fn committed(&self) -> usize {
        self.properties.committed.len()
    }

    /// Whether every server runs and has applied everything that was ever committed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let whole = |server: &Server| {
            let Some(running) = &server.running else {
                return false;
            };
            let applied = running.node.peek(|node| node.progress().2);
            applied.0 == self.properties.committed.len() as u64
        };
        self.leader().is_some() && self.servers.iter().all(whole)
    }

    /// The error that closed a server's node.
    #[must_use]
    pub fn failure(&self, server: usize) -> Option<String> {
        let node = &self.running(server)?.node;
        let fatal = node.peek(|node| node.fatal_error().map(ToString::to_string));
        node.fault().map(str::to_owned).or(fatal)
    }

    /// A server's disk, to make it fail.
    #[must_use]
    pub fn disk(&self, server: usize) -> Option<&SimDisk> {
        self.servers.get(server).map(|server| &server.disk)
    }

    /// Proposes to a server; false if it does not take it.
    pub fn propose(&mut self, server: usize, data: impl Into<Bytes>) -> bool {
        let Some(running) = self
            .servers
            .get_mut(server)
            .and_then(|s| s.running.as_mut())
        else {
            return false;
        };
        let term = running.node.published().term();
        let entry = Entry::normal(data);
        let taken = running
            .node
            .command(|node| node.propose_batch(term, [entry]).is_ok());
        running.shard.touch(running.slot);
        matches!(taken, Ok((true, _)))
    }

    /// Servers with different numbers do not reach each other; zero is where all begin.
    pub fn set_partition(&mut self, server: usize, number: u32) {
        self.network.set_partition(server, number);
    }

    /// How the network treats messages from now on.
    pub const fn set_network(&mut self, options: NetworkOptions) {
        self.network.options = options;
    }

    /// The power of a server goes, at any point of the write it is at; its disk keeps what was
    /// synced and an arbitrary part of the rest.
    pub fn crash(&mut self, server: usize) {
        let (stop, keep) = (self.rng.next_u64() % 8, self.rng.next_u64());
        let Some(server) = self.servers.get_mut(server) else {
            return;
        };
        let Some(running) = server.running.take() else {
            return;
        };
        if let Some(Syncing { batch, .. }) = running.sync {
            server.disk.stop_after(stop);
            drop(batch.run(true));
        }
        server.disk.crash(Keep::Seeded(keep));
    }

    /// Starts a server that crashed.
    ///
    /// # Errors
    /// [`Violation`] if its disk does not hold what had been synced, or cannot be opened.
    pub fn restart(&mut self, server: usize) -> Result<(), Violation> {
        if self.is_running(server) {
            return Ok(());
        }
        let before = self
            .servers
            .get(server)
            .map(|server| server.durable.clone());
        self.boot(server)
            .map_err(|error| self.violation(server, error.to_string()))?;
        let (Some(before), Some(server_now)) = (before, self.servers.get(server)) else {
            return Ok(());
        };
        let durable = &server_now.durable;
        // A cut that was written and not synced may have taken effect or not; what was synced
        // and not cut has to be there, and every cut so far was of entries that were not
        // committed.
        let kept = before
            .log
            .iter()
            .zip(&durable.log)
            .take_while(|(a, b)| a == b)
            .count();
        let committed = before.log.iter().zip(&self.properties.committed);
        let needed = committed.take_while(|(a, b)| a == b).count();
        if kept < needed {
            let what = format!("of {needed} synced, committed entries {kept} are left");
            return Err(self.violation(server, what));
        }
        if durable.term_vote.term < before.term_vote.term
            || (durable.term_vote.term == before.term_vote.term
                && before.term_vote.vote.is_some()
                && durable.term_vote.vote != before.term_vote.vote)
        {
            let (had, has) = (before.term_vote, durable.term_vote);
            return Err(self.violation(server, format!("had synced {had:?}, has {has:?}")));
        }
        Ok(())
    }

    fn boot(&mut self, at: usize) -> Result<(), StorageError> {
        let config = StoreConfig {
            dir: self.dir(),
            group: self.group.clone(),
            kind: LogKind::File,
        };
        let seed = self.rng.next_u64();
        let Some(server) = self.servers.get_mut(at) else {
            return Ok(());
        };
        let opened = open_group(Arc::new(server.disk.clone()), &config)?;
        let OpenedGroup {
            log,
            store,
            term_vote,
            peer_state,
            snapshots,
            last_seq,
            ..
        } = opened;
        let setup = NodeSetup {
            id: server.id,
            group: self.group.clone(),
            timing: self.options.timing,
            managed: false,
            observer: false,
            recovering: false,
            scale_up: false,
            track: false,
            seed,
            unknown_peers_online: true,
            log,
            term_vote,
            peer_state: peer_state.ok_or(StorageError::NoPeerState)?,
            snapshots,
            last_seq,
        };
        let mut node = Node::recover(setup, self.now).map_err(|_| StorageError::Failed)?;
        node.handle_routing(true);
        // What opening found is durable, whatever had been synced before.
        let log = Durable::default().log_of(&node);
        server.durable = Durable { term_vote, log };
        self.properties.restarted(server.id, &server.durable);
        let node = Slot::new(node, store, Path::new("/store").into());
        let mut shard = Shard::new();
        let slot = shard.insert(Arc::clone(&node));
        let subscriptions = BTreeMap::new();
        let applied = Vec::new();
        server.running = Some(Running {
            shard,
            slot,
            node,
            subscriptions,
            sync: None,
            applied,
        });
        Ok(())
    }

    /// Goes to the next moment at which anything happens, and lets it happen.
    ///
    /// # Errors
    /// The first [`Violation`] of a property.
    pub fn step(&mut self) -> Result<(), Violation> {
        self.steps += 1;
        let waiting = self.running_mut().any(|running| running.shard.wants_turn());
        if !waiting {
            self.now = self.next_moment().unwrap_or(self.now).max(self.now);
        }
        while let Some(packet) = self.network.arrive(self.now) {
            self.deliver(packet);
        }
        for at in 0..self.servers.len() {
            self.finish_sync(at);
            self.turn(at)?;
        }
        if self.steps.is_multiple_of(64) {
            self.check_logs()?;
        }
        Ok(())
    }

    fn running_mut(&mut self) -> impl Iterator<Item = &mut Running> {
        self.servers
            .iter_mut()
            .filter_map(|server| server.running.as_mut())
    }

    fn next_moment(&mut self) -> Option<Instant> {
        let arrival = self.network.next_arrival();
        let own = self.running_mut().flat_map(|running| {
            let synced = running.sync.as_ref().map(|sync| sync.done_at);
            [synced, running.shard.next_deadline()]
        });
        own.flatten().min().into_iter().chain(arrival).min()
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet {
            to,
            subject,
            reply,
            payload,
            ..
        } = packet;
        let Some(running) = self.servers.get_mut(to).and_then(|s| s.running.as_mut()) else {
            return;
        };
        if let Some(id) = running.subscriptions.get(subject.as_str()) {
            let (slot, subscription) = (running.slot, *id);
            running.shard.deliver(Delivery {
                slot,
                subscription,
                reply,
                payload,
            });
        }
    }

    fn finish_sync(&mut self, at: usize) {
        let now = self.now;
        let Some(server) = self.servers.get_mut(at) else {
            return;
        };
        let Some(running) = &mut server.running else {
            return;
        };
        if let Some(Syncing { batch, then, .. }) = running.sync.take_if(|s| s.done_at <= now) {
            let done = batch.run(true);
            if done.items.iter().all(|item| item.error.is_none()) {
                server.durable = then;
            }
            running.shard.handle_synced(done);
        }
    }

    fn turn(&mut self, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let took = self
            .rng
            .duration_between(self.options.sync_min, self.options.sync_max);
        let Some(server) = self.servers.get_mut(at) else {
            return Ok(());
        };
        let Some(running) = &mut server.running else {
            return Ok(());
        };
        running.shard.turn(now);
        if let Some(batch) = running.shard.poll_sync() {
            let saved = batch.items().iter().find_map(|item| item.writes.term_vote);
            let then = Durable {
                term_vote: saved.unwrap_or(server.durable.term_vote),
                log: running.node.peek(|node| server.durable.log_of(node)),
            };
            running.sync = Some(Syncing {
                done_at: now.after(took),
                batch,
                then,
            });
        }
        let mut sends = Vec::new();
        while let Some((_, output)) = running.shard.poll_send() {
            sends.push(output);
        }
        while let Some(event) = running.shard.poll_event() {
            // Signals and logs are for hosts; a node that closed stays to be looked at.
            drop::<Event>(event);
        }
        for output in sends {
            self.transport(at, output)?;
        }
        self.apply(at)?;
        let Some(server) = self.servers.get(at) else {
            return Ok(());
        };
        let Some(running) = &server.running else {
            return Ok(());
        };
        let properties = &mut self.properties;
        let checked = running
            .node
            .peek(|node| properties.check_node(server.id, node));
        checked.map_err(|what| self.violation(at, what))
    }

    fn transport(&mut self, from: usize, output: Output) -> Result<(), Violation> {
        let Some(server) = self.servers.get_mut(from) else {
            return Ok(());
        };
        let Some(running) = &mut server.running else {
            return Ok(());
        };
        match output {
            Output::Subscribe { id, subject } => {
                running
                    .subscriptions
                    .insert(subject.as_str().to_owned(), id);
            }
            Output::Unsubscribe { subject, .. } => {
                running.subscriptions.remove(subject.as_str());
            }
            Output::Reset => running.subscriptions.clear(),
            Output::Publish {
                subject,
                reply,
                payload,
            } => {
                let message = (
                    subject.as_str(),
                    reply.as_ref().map(|reply| reply.as_str()),
                    &payload,
                );
                let checked = self
                    .properties
                    .check_message(server.id, &server.durable, message);
                checked.map_err(|what| self.violation(from, what))?;
                for to in (0..self.servers.len()).filter(|to| *to != from) {
                    let (subject, reply) = (subject.clone(), reply.clone());
                    let packet = Packet {
                        from,
                        to,
                        subject,
                        reply,
                        payload: payload.clone(),
                    };
                    self.network.send(packet, self.now);
                }
            }
        }
        Ok(())
    }

    /// Plays the application of a server: applies all there is and reports it.
    fn apply(&mut self, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let Some(running) = self.running(at) else {
            return Ok(());
        };
        let node = Arc::clone(&running.node);
        let taken = node.command(|node| node.take_applied(usize::MAX, usize::MAX));
        let mut last = Index::ZERO;
        for item in taken.map_or_else(|_| Vec::new(), |(taken, _)| taken) {
            let Committed::Entries(entry) = item else {
                continue;
            };
            last = entry.index;
            let Some(frame) = node.peek(|node| frame_at(node, last)) else {
                return Err(self.violation(at, format!("cannot read committed entry {last}")));
            };
            let disks = self.servers.iter().map(|server| &server.durable);
            let checked = self.properties.check_applied(last, &frame, disks);
            checked.map_err(|what| self.violation(at, what))?;
            let normal = entry
                .entries()
                .filter(|entry| entry.kind == EntryType::Normal);
            let seen: Vec<_> = normal
                .map(|entry| Bytes::copy_from_slice(entry.data))
                .collect();
            if let Some(running) = self.servers.get_mut(at).and_then(|s| s.running.as_mut()) {
                running.applied.extend(seen);
            }
        }
        if last > Index::ZERO
            && let Some(running) = self.servers.get_mut(at).and_then(|s| s.running.as_mut())
        {
            // A node that failed meanwhile does not listen any more.
            let _ = node.command(|node| node.processed(last, last, now));
            running.shard.touch(running.slot);
        }
        Ok(())
    }

    /// Checks that all logs agree as far as they must.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_logs(&self) -> Result<(), Violation> {
        for (at, one) in self.servers.iter().enumerate() {
            for other in self.servers.iter().skip(at + 1) {
                let (Some(one), Some(other)) = (&one.running, &other.running) else {
                    continue;
                };
                let matched = one.node.peek(|a| other.node.peek(|b| logs_match(a, b)));
                matched.map_err(|what| self.violation(at, what))?;
            }
        }
        Ok(())
    }

    /// Steps until `time` has passed.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn run_for(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.now.after(time);
        loop {
            let waiting = self.running_mut().any(|running| running.shard.wants_turn());
            let next = self.next_moment();
            if !waiting && next.is_none_or(|next| next > until) {
                self.now = until;
                return Ok(());
            }
            self.step()?;
        }
    }

    /// Steps until `done`, for `limit` at most; whether it came to that.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Violation> {
        let until = self.now.after(limit);
        while !done(self) {
            if self.now >= until {
                return Ok(false);
            }
            self.step()?;
        }
        Ok(true)
    }

    fn violation(&self, server: usize, what: String) -> Violation {
        let id = self
            .servers
            .get(server)
            .map_or_else(PeerId::default, |server| server.id);
        Violation {
            server: id,
            at: self.now.as_nanos(),
            what,
        }
    }

    /// What a server has saved for good of its term and vote, as seen from outside.
    #[must_use]
    pub fn saved_term_vote(&self, server: usize) -> TermVote {
        self.servers
            .get(server)
            .map_or_else(TermVote::default, |server| server.durable.term_vote)
    }
}
