//! Threads, clocks and disks around [`Shard`](crate::shard::Shard): the only place that waits.
//!
//! A [`Runtime`] hosts the nodes of any number of groups and servers on a few shard threads. What
//! a node does is decided below; here is only when, on which thread, and over which transport.
//!
//! | Module | Job |
//! | --- | --- |
//! | [`ready`] | which nodes have something for their host |
//! | `handle` | what the host holds of a node |
//! | `snapshots` | making, reading and installing a node's snapshots |
//! | `hosted` | a node with everything its runtime keeps around it |
//! | `core` | what all threads share, who holds which group |
//! | `driver` | the loop of a shard's thread |
//! | `link` | the way into a shard from other threads |
//! | `io` | the threads that may block on a disk |
//! | `hub` | who listens to what within this process |
//! | `host` | the host as the carrier of a node's messages |
//! | `detached` | nodes that a test drives by hand (feature `testing`) |

mod clock;
mod config;
mod core;
#[cfg(feature = "testing")]
mod detached;
mod driver;
mod handle;
mod host;
mod hosted;
mod hub;
mod io;
mod link;
mod logs;
mod loopback;
mod metrics;
mod pattern;
pub mod ready;
mod snapshots;
mod spin;
mod watch;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

pub use clock::ClockKind;
pub use config::{Busy, RuntimeConfig, RuntimeConfigBuilder, RuntimeError, SHARDS_MAX, StartError};
#[cfg(feature = "testing")]
pub use detached::{DetachedFlags, HandsError, Voter};
pub use handle::NodeHandle;
pub use host::{Command, Inbound, OutboundBatch, TrafficAccount, TransportError};
pub use logs::{LogLevel, LogRecord};
pub use loopback::{DropRule, Loopback, Message, PartitionRule, Tap};
pub use metrics::Metrics;
pub use ready::{Ready, ShutDown};
pub use snapshots::{CheckpointHandle, LastSnapshot};

use self::core::Core;
use crate::config::{NodeConfig, SyncPolicy, Timing};
use crate::node::{Node, NodeSetup};
use crate::shard::{Slot, lock};
use crate::storage::{self, LogKind, OpenedGroup, RealDisk, StorageError, StoreConfig, open_group};
use crate::time::Instant;
use crate::types::PeerId;
use crate::wire::PeerState;
use driver::Driver;
use hosted::{Carrier, Identity, NodeInner};
use link::Control;
use metrics::add;
use ready::Wait;

/// How long [`Runtime::advance`] waits for the runtime to come to rest before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Steps without the clock moving after which [`Runtime::advance`] gives up.
const STANDSTILLS_MAX: u32 = 10_000;

/// How a node's messages travel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Transport {
    /// Within this process. Peers count as online, and a way to them exists.
    Loopback(Loopback),
    /// The host carries the messages: it takes the node's commands with
    /// [`NodeHandle::take_outbound`] and hands over what it hears with [`NodeHandle::deliver`].
    /// Peers it never spoke of count as offline, and a way to them exists once it says so with
    /// [`Runtime::set_routing_ready`].
    Host(TrafficAccount),
}

/// Many nodes on few threads. Clones are the same runtime; it shuts down with the last of them,
/// whatever node handles are still around.
#[derive(Clone, Debug)]
pub struct Runtime {
    core: Arc<Core>,
    _owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner(Arc<Core>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

/// Opening, and the nodes.
impl Runtime {
    /// Starts the shard threads.
    ///
    /// # Errors
    /// [`RuntimeError::Thread`].
    pub fn open(config: RuntimeConfig) -> Result<Self, RuntimeError> {
        let core = Core::new(config);
        // From here on a failure ends the threads that did start.
        let runtime = Self {
            _owner: Arc::new(Owner(Arc::clone(&core))),
            core,
        };
        let core = &runtime.core;
        for (number, (link, counted)) in core.links.iter().zip(&core.shards_counted).enumerate() {
            let driver = Driver::new(
                Arc::clone(core),
                number,
                Arc::clone(link),
                Arc::clone(counted),
            );
            start_shard(number, driver)?;
        }
        if core.config.sync != SyncPolicy::Always {
            let policy = core.config.sync;
            let text = format!(
                "logs are synced by policy {policy:?}: a power failure may lose \
                                acknowledged entries"
            );
            core.log(LogLevel::Warn, text);
        }
        Ok(runtime)
    }

    /// Makes a group's folder with its first members (behaviour.md 3.2). Where not all of them are
    /// known, the cluster is taken to have at least two, and as many as there are routes and
    /// gateway URLs.
    ///
    /// # Errors
    /// [`StorageError`] when the folder cannot be made or written.
    pub fn bootstrap(
        config: &NodeConfig,
        known_peers: &[PeerId],
        all_peers_known: bool,
        routes: u32,
        gateway_urls: u32,
    ) -> Result<(), StorageError> {
        let count = u32::try_from(known_peers.len()).unwrap_or(u32::MAX);
        let cluster_size = match all_peers_known {
            true => count,
            false => count.max(2).max(routes.saturating_add(gateway_urls)),
        };
        let peers = PeerState {
            cluster_size,
            peers: known_peers.to_vec(),
            domain_ext: 0,
        };
        storage::bootstrap(&RealDisk, &config.store_dir(), &peers)
    }

    /// Opens a group's folder, replays its log and lets the node run. Blocks on the disk. At
    /// return the node hears what is sent to it. The folder is kept for this node, across runtimes
    /// and processes, until the node has stopped.
    ///
    /// # Errors
    /// [`StartError`]; the folder is as it was then.
    pub fn start(
        &self,
        config: NodeConfig,
        transport: Transport,
    ) -> Result<NodeHandle, StartError> {
        let key = (config.peer_id, config.group.clone());
        self.core.reserve(key.0, &key.1)?;
        let started = self.start_reserved(config, transport);
        if started.is_err() {
            self.core.release(&key);
        }
        started
    }

    fn start_reserved(
        &self,
        config: NodeConfig,
        transport: Transport,
    ) -> Result<NodeHandle, StartError> {
        let core = &self.core;
        let link = core.link_for(&config.group).ok_or(StartError::ShutDown)?;
        let store = StoreConfig {
            dir: config.store_dir(),
            group: config.group.clone(),
            kind: config.log,
        };
        let opened = open_group(Arc::new(RealDisk), &store)?;
        let unknown_peers_online = matches!(transport, Transport::Loopback(_));
        let slot = self.build_slot(&config, opened, unknown_peers_online)?;
        let NodeConfig {
            peer_id,
            group,
            token,
            ..
        } = config;
        let identity = Identity {
            peer_id,
            group,
            token,
        };
        let node = NodeInner::new(core, link, slot, identity, transport);
        core.register(&node)?;
        self.apply_settings(&node);
        let (in_place, placed) = sync_channel(1);
        let control = Control::Insert(Arc::clone(&node), in_place);
        add(&core.counted.groups, 1);
        link.push(|inbox| inbox.control.push(control));
        if placed.recv().is_err() {
            core.counted.groups.fetch_sub(1, Ordering::Relaxed);
            return Err(StartError::ShutDown);
        }
        Ok(NodeHandle(node))
    }

    /// Brings a node up to what was set while it was starting: from its registration on, it hears
    /// of changes like the others.
    fn apply_settings(&self, node: &NodeInner) {
        let (timing, routing_ready, peers_online, resources) = {
            let state = lock(&self.core.state);
            let peers = state.peers_online.clone();
            let in_process = matches!(node.carrier, Carrier::Loopback { .. });
            let routing_ready = state.routing_ready.unwrap_or(in_process);
            (state.timing, routing_ready, peers, state.resources)
        };
        let backlog_bytes_max = self.core.config.backlog_bytes_max;
        node.adjust(|node| {
            node.set_timing(timing);
            node.set_backlog_bytes_max(backlog_bytes_max);
            node.handle_routing(routing_ready);
            node.handle_resources(resources.exhausted(node.log_kind()));
            for (peer, online) in peers_online {
                node.handle_peer_online(peer, online);
            }
        });
    }

    fn build_slot(
        &self,
        config: &NodeConfig,
        opened: OpenedGroup,
        unknown_peers_online: bool,
    ) -> Result<Arc<Slot>, StartError> {
        let core = &self.core;
        let OpenedGroup {
            log,
            store,
            term_vote,
            peer_state,
            snapshots,
            last_seq,
            ..
        } = opened;
        let peer_state = peer_state.ok_or(StorageError::NoPeerState)?;
        let timing = lock(&core.state).timing;
        let setup = NodeSetup {
            id: config.peer_id,
            group: config.group.clone(),
            timing,
            managed: config.managed,
            observer: config.observer,
            recovering: config.recovering,
            scale_up: config.scale_up,
            track: config.track,
            seed: core.next_seed(),
            unknown_peers_online,
            log,
            term_vote,
            peer_state,
            snapshots,
            last_seq,
        };
        let node = Node::recover(setup, core.clock.now())?;
        Ok(Slot::new(node, store, config.store_root.as_path().into()))
    }

    /// Timers and intervals armed from now on take these values.
    pub fn set_timing(&self, timing: Timing) {
        lock(&self.core.state).timing = timing;
        self.adjust_all(|node| node.set_timing(timing));
    }

    /// Whether the server can reach others: nodes begin their work only then. Until it is told, so
    /// it is on loopback, and not for nodes whose host carries the messages.
    pub fn set_routing_ready(&self, ready: bool) {
        lock(&self.core.state).routing_ready = Some(ready);
        self.adjust_all(|node| node.handle_routing(ready));
    }

    /// Whether a peer's server is online: who may be handed a leadership.
    pub fn set_peer_online(&self, peer: PeerId, online: bool) {
        lock(&self.core.state).peers_online.insert(peer, online);
        self.adjust_all(|node| node.handle_peer_online(peer, online));
    }

    /// Whether the server may store no more in logs of `kind`: nodes that mind such limits take
    /// no entries then and do not campaign.
    pub fn set_resources_exhausted(&self, kind: LogKind, exhausted: bool) {
        lock(&self.core.state).resources.set(kind, exhausted);
        self.adjust_all(|node| {
            if node.log_kind() == kind {
                node.handle_resources(exhausted);
            }
        });
    }

    fn adjust_all(&self, adjust: impl Fn(&mut Node)) {
        for node in self.core.running() {
            node.adjust(&adjust);
        }
    }

    /// Stops every node and ends the threads; polls fail from now on. Waits for nothing.
    pub fn shutdown(&self) {
        self.core.shut_down();
    }
}

/// Events, readings and time.
impl Runtime {
    /// Waits until nodes have something for their host, and fills `out` from its start; how many.
    /// Zero when the time is up, at once for a time of zero, and after [`Runtime::wake`].
    ///
    /// # Errors
    /// [`ShutDown`], once and for ever.
    pub fn poll_ready(
        &self,
        timeout: Option<Duration>,
        out: &mut [Ready],
    ) -> Result<usize, ShutDown> {
        let wait = match timeout {
            None => Wait::Forever,
            Some(Duration::ZERO) => Wait::No,
            Some(time) => Wait::For(time),
        };
        let Core {
            ready,
            clock,
            poll_spin,
            ..
        } = &*self.core;
        if !matches!(wait, Wait::No) {
            poll_spin.begin(clock, timeout.unwrap_or(Duration::MAX), || ready.has_news());
        }
        let taken = ready.poll(wait, out)?;
        if taken > 0 {
            add(&self.core.counted.poll_wakes, 1);
            poll_spin.end(clock);
        }
        Ok(taken)
    }

    /// Makes a blocked [`Runtime::poll_ready`] return zero events.
    pub fn wake(&self) {
        self.core.ready.wake();
    }

    /// What was counted so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = self.core.counted.read(&self.core.shards_counted);
        metrics.log_records_dropped = self.core.logs.dropped();
        metrics
    }

    /// Takes how long single syncs took, in nanoseconds, the oldest first.
    #[must_use]
    pub fn take_sync_times(&self, max: usize) -> Vec<u64> {
        self.core.counted.sync_times.take(max)
    }

    /// Takes the oldest log records.
    #[must_use]
    pub fn take_logs(&self, max: usize) -> Vec<LogRecord> {
        self.core.logs.take(max)
    }

    /// The settings it was opened with.
    #[must_use]
    pub fn config(&self) -> &RuntimeConfig {
        &self.core.config
    }

    /// The moment it is for the nodes.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.clock.now()
    }

    /// A moment of the runtime's clock in nanoseconds since 1970.
    #[must_use]
    pub fn unix_nanos(&self, at: Instant) -> u64 {
        self.core.clock.unix_nanos(at)
    }

    /// Moves a manual clock, from deadline to deadline; before each step and at the end every
    /// inbox is empty and every write done.
    ///
    /// # Errors
    /// [`Busy`] when the clock is the system's, or the runtime does not come to rest.
    pub fn advance(&self, by: Duration) -> Result<(), Busy> {
        let core = &self.core;
        if !core.clock.is_manual() {
            return Err(Busy {
                what: "the clock is the system's".to_owned(),
            });
        }
        let _alone = lock(&core.advancing);
        let target = core.clock.now().after(by);
        let mut standstills = 0;
        loop {
            core.activity.wait(PATIENCE).map_err(|moving| Busy {
                what: format!(
                    "{moving} shards, disk writes or batches of the transport are still busy"
                ),
            })?;
            let next = core.links.iter().filter_map(|link| link.deadline()).min();
            let Some(next) = next.filter(|at| *at <= target) else {
                core.clock.move_to(target);
                return Ok(());
            };
            if next <= core.clock.now() {
                standstills += 1;
                if standstills > STANDSTILLS_MAX {
                    return Err(Busy {
                        what: "a node is due again and again".to_owned(),
                    });
                }
            }
            core.clock.move_to(next);
            let now = core.clock.now();
            for link in &core.links {
                if link.deadline().is_some_and(|at| at <= now) {
                    link.push(|inbox| inbox.control.push(Control::Tick));
                }
            }
        }
    }
}

fn start_shard(number: usize, driver: Driver) -> Result<(), RuntimeError> {
    let name = format!("nrg-shard-{number}");
    let failed = |source| RuntimeError::Thread {
        name: name.clone(),
        source,
    };
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(failed)?;
    let run = move || executor.block_on(driver.run());
    thread::Builder::new()
        .name(name.clone())
        .spawn(run)
        .map_err(failed)?;
    Ok(())
}
