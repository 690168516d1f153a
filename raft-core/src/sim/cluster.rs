//! The scheduler: servers of one group in one thread, and time that jumps to the next thing that
//! happens.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::disk::SimDisk;
use super::network::{Network, NetworkOptions, Packet};
use super::properties::{Broken, Leaving, Properties, Shadow, Violation};
use super::server::{Clock, Common, Running, Server, SyncTimes, Syncing};
use super::transcript::{self, Transcript};
use crate::config::Timing;
use crate::node::{Output, Role, Standing};
use crate::rng::Rng;
use crate::shard::{Delivery, Event};
use crate::storage::{SnapshotOp, StorageError};
use crate::time::Instant;
use crate::types::{GroupName, PeerId};
use crate::wire::TermVote;

/// What a world is made of. The same options make the same world, step by step.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Everything random comes from here.
    pub seed: u64,
    /// How many servers the group begins with.
    pub servers: usize,
    /// How many more machines stand by.
    pub spares: usize,
    /// Whether the membership is decided by an outside reconciler only.
    pub managed: bool,
    /// The nodes' timers.
    pub timing: Timing,
    /// The network.
    pub network: NetworkOptions,
    /// How long one batch of writes and its syncs take: the shortest time.
    pub sync_min: Duration,
    /// Batches take less than this.
    pub sync_max: Duration,
    /// By how many of a thousand the servers' clocks may be fast or slow.
    pub clock_drift_per_mille: u64,
    /// Whether to keep a transcript.
    pub transcript: bool,
    /// A known bug to put back into every node.
    pub bug: Option<crate::node::Bug>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            servers: 3,
            spares: 0,
            managed: false,
            timing: Timing::reference_tests(),
            network: NetworkOptions::default(),
            sync_min: Duration::from_micros(200),
            sync_max: Duration::from_millis(3),
            clock_drift_per_mille: 0,
            transcript: false,
            bug: None,
        }
    }
}

/// Simulated servers, each with one node of the group.
#[derive(Debug)]
pub struct Cluster {
    common: Common,
    now: Instant,
    rng: Rng,
    servers: Vec<Server>,
    pub(super) network: Network,
    pub(super) properties: Properties,
    pub(super) transcript: Transcript,
    steps: u64,
}

impl Cluster {
    /// Bootstraps and starts all servers the group begins with.
    ///
    /// # Errors
    /// [`StorageError`] of a disk that nobody asked to fail; [`Violation`] as text in it.
    pub fn new(options: &ClusterOptions) -> Result<Self, StorageError> {
        let mut rng = Rng::new(options.seed);
        let name = |at: usize| PeerId::from_server_name(&format!("S-{}", at + 1));
        let members: Vec<_> = (0..options.servers).map(name).collect();
        let sync = SyncTimes {
            min: options.sync_min,
            max: options.sync_max,
        };
        let drift = options.clock_drift_per_mille;
        let mut cluster = Self {
            common: Common {
                group: GroupName::new("SIM").expect("one plain word is a name"),
                timing: options.timing,
                managed: options.managed,
                bug: options.bug,
            },
            now: Instant::ZERO,
            network: Network::new(options.network, rng.next_u64()),
            properties: Properties::of(members.iter().copied().collect()),
            transcript: if options.transcript {
                Transcript::kept()
            } else {
                Transcript::default()
            },
            servers: Vec::new(),
            steps: 0,
            rng,
        };
        for at in 0..options.servers + options.spares {
            let rate_per_mille = 1_000 - drift + cluster.draw(2 * drift + 1);
            let mut server = Server::new(name(at), Clock { rate_per_mille }, sync);
            if at < options.servers {
                server.bootstrap(&cluster.common, &members)?;
            }
            cluster.servers.push(server);
        }
        for at in 0..options.servers {
            cluster.boot(at).map_err(|_| StorageError::Failed)?;
        }
        Ok(cluster)
    }

    /// A number below `limit`, from the world's seed.
    pub(super) const fn draw(&mut self, limit: u64) -> u64 {
        let limit = if limit == 0 { 1 } else { limit };
        self.rng.next_u64() % limit
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

    /// How many machines there are, those that stand by included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.servers.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.servers.is_empty()
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

    pub(super) fn server(&self, server: usize) -> Option<&Server> {
        self.servers.get(server)
    }

    pub(super) fn server_mut(&mut self, server: usize) -> Option<&mut Server> {
        self.servers.get_mut(server)
    }

    pub(super) fn running(&self, server: usize) -> Option<&Running> {
        self.servers.get(server)?.running.as_ref()
    }

    pub(super) fn running_mut(&mut self, server: usize) -> Option<&mut Running> {
        self.servers.get_mut(server)?.running.as_mut()
    }

    /// What a server's application saw.
    #[must_use]
    pub fn applied(&self, server: usize) -> &[Bytes] {
        let upto = self.running(server).map(|running| running.host.index);
        upto.map_or(&[], |upto| self.properties.story.items(upto))
    }

    /// How many indexes are committed.
    #[must_use]
    pub const fn committed(&self) -> u64 {
        self.properties.ledger.last().0
    }

    /// How many terms had a leader.
    #[must_use]
    pub fn elections(&self) -> usize {
        self.properties.leaders()
    }

    /// How many proposals clients saw applied.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.properties.acknowledged.len()
    }

    /// Whether a server's application has applied everything up to `index`.
    #[must_use]
    pub fn has_applied(&self, server: usize, index: u64) -> bool {
        self.running(server)
            .is_some_and(|running| running.host.index.0 >= index)
    }

    /// Whether every server runs and has applied everything that was ever committed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let committed = self.committed();
        self.leader().is_some() && (0..self.servers.len()).all(|at| self.has_applied(at, committed))
    }

    /// The members as they were committed last.
    #[must_use]
    pub fn members(&self) -> BTreeSet<PeerId> {
        self.properties
            .ledger
            .members()
            .cloned()
            .unwrap_or_default()
    }

    /// A server's id.
    #[must_use]
    pub fn id(&self, server: usize) -> PeerId {
        self.server(server)
            .map_or_else(PeerId::default, |server| server.id)
    }

    /// The error that closed a server's node.
    #[must_use]
    pub fn failure(&self, server: usize) -> Option<String> {
        let node = &self.running(server)?.node;
        let fatal = node.peek(|node| node.fatal_error().map(ToString::to_string));
        node.fault().map(str::to_owned).or(fatal)
    }

    /// A server's disk, to make it fail. Its node may close itself from now on.
    pub fn disk(&mut self, server: usize) -> Option<&SimDisk> {
        let server = self.servers.get_mut(server)?;
        server.may_fail = true;
        Some(&server.disk)
    }

    /// What a server has saved for good of its term and vote, as seen from outside.
    #[must_use]
    pub fn saved_term_vote(&self, server: usize) -> TermVote {
        self.server(server)
            .map_or_else(TermVote::default, |server| server.shadow.saved)
    }

    /// How a server's node stands.
    #[must_use]
    pub fn standing(&self, server: usize) -> Option<Standing> {
        let running = self.running(server)?;
        Some(running.node.peek(crate::node::Node::standing))
    }

    /// The transcript so far, once, if it was asked for.
    pub fn take_transcript(&mut self) -> Option<String> {
        self.transcript.take()
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
        let (stop, keep) = (self.draw(8), self.rng.next_u64());
        let now = self.now;
        if let Some(found) = self.servers.get_mut(server)
            && found.running.is_some()
        {
            found.crash(stop, keep);
            self.transcript
                .line(now, || format!("S-{} loses its power", server + 1));
        }
    }

    /// Starts a server that crashed. One that never had the group stays as it is.
    ///
    /// # Errors
    /// [`Violation`] if its disk does not hold what had been synced, or cannot be opened.
    pub fn restart(&mut self, server: usize) -> Result<(), Violation> {
        let has_group = self.server(server).is_some_and(|server| server.has_group);
        if self.is_running(server) || !has_group {
            return Ok(());
        }
        self.boot(server)
            .map_err(|broken| self.violation(server, broken))
    }

    /// A server does nothing for `time`, while messages and timers queue up.
    pub fn pause(&mut self, server: usize, time: Duration) {
        let now = self.now;
        if let Some(found) = self.servers.get_mut(server) {
            found.paused_until = Some(now.after(time));
            self.transcript
                .line(now, || format!("S-{} pauses for {time:?}", server + 1));
        }
    }

    /// Bootstraps the group on a server that does not run. One that had it before gets an empty
    /// disk first, and its new votes will say that its log is empty.
    pub(super) fn replace_disk(&mut self, at: usize, members: &[PeerId]) {
        let Some(server) = self.servers.get_mut(at) else {
            return;
        };
        if server.has_group {
            server.disk = SimDisk::new();
            server.shadow = Shadow::default();
            server.torn_votes.clear();
            server.recovering = true;
        }
        let made = server.bootstrap(&self.common, members);
        debug_assert!(made.is_ok(), "a new disk takes a folder: {made:?}");
    }

    /// Turns a bit on a copy of a server's disk round, and looks what a start makes of it: refused,
    /// or what the server had. None if there is nothing to rot.
    ///
    /// # Errors
    /// [`Violation`] if it is neither.
    pub(super) fn try_rot(&mut self, at: usize) -> Result<Option<bool>, Violation> {
        let draw = self.rng.next_u64();
        let Some(server) = self.servers.get(at).filter(|server| server.has_group) else {
            return Ok(None);
        };
        let noticed = server.notices_rot(&self.common, &self.properties.ledger, draw);
        noticed.map_err(|what| self.violation(at, ("rot is noticed", what)))
    }

    fn boot(&mut self, at: usize) -> Result<(), Broken> {
        let start = (self.rng.next_u64(), self.now);
        let Some(server) = self.servers.get_mut(at) else {
            return Ok(());
        };
        let before = server.shadow.saved;
        let booted = server.boot(&self.common, &self.properties.ledger, start);
        booted.map_err(|what| ("crash", what))?;
        let saved = server.shadow.saved;
        if saved != before {
            self.properties.saved(server.id, before, saved)?;
        }
        self.properties.started(server.id, &server.shadow);
        let last = server.shadow.log.last();
        self.transcript.line(self.now, || {
            format!("S-{} starts: {saved:?}, log up to {last}", at + 1)
        });
        Ok(())
    }

    /// Goes to the next moment at which anything happens, and lets it happen.
    ///
    /// # Errors
    /// The first [`Violation`] of a property.
    pub fn step(&mut self) -> Result<(), Violation> {
        self.steps += 1;
        if !self.wants_turn() {
            self.now = self.next_moment().unwrap_or(self.now).max(self.now);
        }
        let progress = self.properties.check_step(self.now);
        progress.map_err(|broken| self.violation(0, broken))?;
        while let Some(packet) = self.network.arrive(self.now) {
            self.deliver(packet);
        }
        for at in 0..self.servers.len() {
            self.step_server(at)?;
        }
        Ok(())
    }

    fn wants_turn(&mut self) -> bool {
        let now = self.now;
        self.servers.iter_mut().any(|server| server.wants_turn(now))
    }

    fn next_moment(&mut self) -> Option<Instant> {
        let own = self.servers.iter_mut().filter_map(Server::next_moment);
        own.min()
            .into_iter()
            .chain(self.network.next_arrival())
            .min()
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet {
            from,
            to,
            subject,
            reply,
            payload,
        } = packet;
        let Some(running) = self.servers.get_mut(to).and_then(|s| s.running.as_mut()) else {
            return;
        };
        if let Some(id) = running.subscriptions.get(subject.as_str()) {
            let (slot, subscription) = (running.slot, *id);
            self.transcript.line(self.now, || {
                let message = transcript::message(subject.as_str(), &payload);
                format!("S-{} hears S-{}: {message}", to + 1, from + 1)
            });
            running.shard.deliver(Delivery {
                slot,
                subscription,
                reply,
                payload,
            });
        }
    }

    fn step_server(&mut self, at: usize) -> Result<(), Violation> {
        let now = self.now;
        if self.servers.get(at).is_none_or(|s| s.is_paused(now)) {
            return Ok(());
        }
        self.finish_sync(at)
            .map_err(|broken| self.violation(at, broken))?;
        if self.servers.get_mut(at).is_some_and(|s| s.wants_turn(now)) {
            self.turn(at)?;
        }
        self.apply(at)
    }

    fn finish_sync(&mut self, at: usize) -> Result<(), Broken> {
        let now = self.now;
        let Some(server) = self.servers.get_mut(at) else {
            return Ok(());
        };
        let Some(running) = &mut server.running else {
            return Ok(());
        };
        let Some(syncing) = running.syncing.take_if(|s| s.done_at <= now) else {
            return Ok(());
        };
        let done = syncing.batch.run(true);
        let upto = done.items.iter().map(|item| item.upto).max();
        if done.items.iter().all(|item| item.error.is_none()) {
            for outcome in done.items.iter().flat_map(|item| &item.snapshots) {
                let written = syncing.snapshots.iter().find(|(id, _)| *id == outcome.id);
                if let (Some((_, last)), None) = (written, &outcome.error) {
                    server.shadow.snapshot = server.shadow.snapshot.max(*last);
                }
            }
            if let Some(upto) = upto {
                server.shadow.synced(upto, &self.properties.ledger);
            }
            if let Some(saved) = syncing.term_vote {
                let before = std::mem::replace(&mut server.shadow.saved, saved);
                self.properties.saved(server.id, before, saved)?;
            }
        } else {
            server.torn_votes.extend(syncing.term_vote);
        }
        running.shard.handle_synced(done);
        Ok(())
    }

    fn turn(&mut self, at: usize) -> Result<(), Violation> {
        let now = self.now;
        let Some(server) = self.servers.get_mut(at) else {
            return Ok(());
        };
        let Some(running) = &mut server.running else {
            return Ok(());
        };
        running.shard.turn(server.clock.shows(now));
        let moved = server.shadow.absorb(&self.properties.ledger);
        if let Some(batch) = running.shard.poll_sync() {
            let term_vote = batch.items().iter().find_map(|item| item.writes.term_vote);
            let ops = batch.items().iter().flat_map(|item| &item.writes.snapshots);
            let snapshots = ops.filter_map(|op| match op {
                SnapshotOp::Write(write) => Some((write.id, write.file.last_index)),
                SnapshotOp::Remove(_) => None,
            });
            let snapshots = snapshots.collect();
            let took = self.rng.duration_between(server.sync.min, server.sync.max);
            running.syncing = Some(Syncing {
                done_at: now.after(took),
                batch,
                term_vote,
                snapshots,
            });
        }
        let mut sends = Vec::new();
        while let Some((_, output)) = running.shard.poll_send() {
            sends.push(output);
        }
        while let Some(event) = running.shard.poll_event() {
            if let Event::Log { record, .. } = event {
                self.transcript
                    .line(now, || format!("S-{} notes: {}", at + 1, record.text));
            }
        }
        let standing = running.node.peek(crate::node::Node::standing);
        let (id, may_fail) = (server.id, server.may_fail);
        for output in sends {
            self.carry(at, output)?;
        }
        if standing.role == Role::Closed
            && !may_fail
            && let Some(why) = self.failure(at)
        {
            return Err(self.violation(at, ("no node fails by itself", why)));
        }
        let Some(server) = self.servers.get(at) else {
            return Ok(());
        };
        let all = self
            .servers
            .iter()
            .map(|server| (server.id, &server.shadow));
        let properties = &mut self.properties;
        let checked = properties.check_turn((id, &server.shadow), standing, moved, all);
        checked.map_err(|broken| self.violation(at, broken))
    }

    /// Carries out what a node wants of its transport.
    fn carry(&mut self, from: usize, output: Output) -> Result<(), Violation> {
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
                let message = Leaving {
                    subject: subject.as_str(),
                    reply: reply.as_ref().map(|reply| reply.as_str()),
                    payload: &payload,
                };
                let checked = self
                    .properties
                    .check_message(server.id, &server.shadow, message);
                checked.map_err(|broken| self.violation(from, broken))?;
                for (to, server) in self.servers.iter().enumerate() {
                    let listens = server.running.as_ref().is_some_and(|running| {
                        running.subscriptions.contains_key(subject.as_str())
                    });
                    if to == from || !listens {
                        continue;
                    }
                    let packet = Packet {
                        from,
                        to,
                        subject: subject.clone(),
                        reply: reply.clone(),
                        payload: payload.clone(),
                    };
                    self.network.send(packet, self.now);
                }
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
            let waiting = self.wants_turn();
            if !waiting && self.next_moment().is_none_or(|next| next > until) {
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

    /// Checks what clients were told against what a whole server applied.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_acknowledged(&self, server: usize) -> Result<(), Violation> {
        let checked = self.properties.acknowledged.check(self.applied(server));
        checked.map_err(|what| self.violation(server, ("acknowledged is present", what)))
    }

    pub(super) fn violation(&self, server: usize, (property, what): Broken) -> Violation {
        Violation {
            property,
            server: self.id(server),
            at: self.now.as_nanos(),
            what,
        }
    }
}
