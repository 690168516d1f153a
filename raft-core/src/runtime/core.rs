//! What all threads of a runtime share, and who holds which group.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::clock::{Clock, seed_from_os};
use super::hosted::NodeInner;
use super::link::{Activity, Control, Link};
use super::logs::{LogLevel, LogQueue, LogRecord};
use super::metrics::{Counted, ShardCounted};
use super::ready::{self, Entry as ReadyEntry, ReadyList};
use super::spin::Spin;
use super::{RuntimeConfig, StartError};
use crate::config::Timing;
use crate::rng::Rng;
use crate::shard::lock;
use crate::storage::LogKind;
use crate::types::{GroupName, Index, PeerId, Term};

#[derive(Debug)]
pub(crate) struct Core {
    pub(super) config: RuntimeConfig,
    pub(super) clock: Clock,
    pub(super) activity: Arc<Activity>,
    pub(super) links: Vec<Arc<Link>>,
    pub(super) ready: ReadyList,
    /// The runtime's own place on the ready list, token 0.
    own: Arc<ReadyEntry>,
    pub(super) logs: LogQueue,
    pub(super) counted: Counted,
    pub(super) shards_counted: Vec<Arc<ShardCounted>>,
    pub(super) state: Mutex<State>,
    /// One `advance` at a time.
    pub(super) advancing: Mutex<()>,
    shut: AtomicBool,
    pub(super) poll_spin: Spin,
}

/// What concerns every node of the runtime, those still to come included.
#[derive(Debug)]
pub(super) struct State {
    pub(super) timing: Timing,
    /// None until the host speaks of it.
    pub(super) routing_ready: Option<bool>,
    pub(super) peers_online: BTreeMap<PeerId, bool>,
    pub(super) resources: Resources,
    seeds: Rng,
    nodes: BTreeMap<(PeerId, GroupName), Holder>,
}

/// Which kinds of logs may not grow any more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resources {
    memory_exhausted: bool,
    file_exhausted: bool,
}

impl Resources {
    pub(super) const fn set(&mut self, kind: LogKind, exhausted: bool) {
        match kind {
            LogKind::Memory => self.memory_exhausted = exhausted,
            LogKind::File => self.file_exhausted = exhausted,
        }
    }

    pub(super) const fn exhausted(self, kind: LogKind) -> bool {
        match kind {
            LogKind::Memory => self.memory_exhausted,
            LogKind::File => self.file_exhausted,
        }
    }
}

/// Who holds a group on a server.
#[derive(Debug)]
enum Holder {
    Starting,
    Running(Arc<NodeInner>),
    Deleting,
}

impl Core {
    pub(super) fn new(config: RuntimeConfig) -> Arc<Self> {
        let activity = Arc::new(Activity::default());
        let shards = config.shards;
        let clock = Clock::new(config.clock);
        let poll_spin = Spin::new(config.poll_spin, &clock);
        Arc::new(Self {
            clock,
            links: (0..shards)
                .map(|_| Link::new(Arc::clone(&activity)))
                .collect(),
            activity,
            ready: ReadyList::new(),
            own: ReadyEntry::new(0),
            logs: LogQueue::default(),
            counted: Counted::default(),
            shards_counted: (0..shards).map(|_| Arc::default()).collect(),
            state: Mutex::new(State {
                timing: config.timing,
                routing_ready: None,
                peers_online: BTreeMap::new(),
                resources: Resources::default(),
                seeds: Rng::new(config.seed.unwrap_or_else(seed_from_os)),
                nodes: BTreeMap::new(),
            }),
            advancing: Mutex::new(()),
            shut: AtomicBool::new(false),
            poll_spin,
            config,
        })
    }

    /// Tells the host that numbers wait to be taken.
    pub(super) fn raise_metrics(&self) {
        self.ready.raise(&self.own, ready::METRICS);
    }

    pub(super) fn push_log(&self, record: LogRecord) {
        self.logs.push(record);
        self.ready.raise(&self.own, ready::LOG);
    }

    /// Notes something about the runtime itself.
    pub(super) fn log(&self, level: LogLevel, text: String) {
        let unix_nanos = self.clock.unix_nanos(self.clock.now());
        let (term, index) = (Term::ZERO, Index::ZERO);
        self.push_log(LogRecord {
            level,
            unix_nanos,
            token: 0,
            peer: None,
            group: None,
            term,
            index,
            text,
        });
    }

    /// The shard of a group: all its members in this runtime share one, so that they talk without
    /// waking each other.
    pub(super) fn link_for(&self, group: &GroupName) -> Option<&Arc<Link>> {
        let mixed = group
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let at = mixed.checked_rem(self.links.len() as u64)?;
        self.links.get(usize::try_from(at).ok()?)
    }

    /// Takes a group's place on a server for a node to come.
    pub(super) fn reserve(&self, peer: PeerId, group: &GroupName) -> Result<(), StartError> {
        let mut state = lock(&self.state);
        if self.shut.load(Ordering::SeqCst) {
            return Err(StartError::ShutDown);
        }
        let key = (peer, group.clone());
        if state.nodes.contains_key(&key) {
            return Err(StartError::AlreadyRunning);
        }
        state.nodes.insert(key, Holder::Starting);
        Ok(())
    }

    /// Gives a reserved place to its node.
    pub(super) fn register(&self, node: &Arc<NodeInner>) -> Result<(), StartError> {
        let mut state = lock(&self.state);
        if self.shut.load(Ordering::SeqCst) {
            return Err(StartError::ShutDown);
        }
        state
            .nodes
            .insert(node.key(), Holder::Running(Arc::clone(node)));
        Ok(())
    }

    /// Gives a place back, whoever held it.
    pub(super) fn release(&self, key: &(PeerId, GroupName)) {
        lock(&self.state).nodes.remove(key);
    }

    /// Gives the place of a node back that has left. One under deletion keeps it until its folder
    /// is gone.
    pub(super) fn unregister(&self, node: &NodeInner) {
        let key = node.key();
        let mut state = lock(&self.state);
        if let Some(Holder::Running(running)) = state.nodes.get(&key)
            && std::ptr::eq(Arc::as_ptr(running), node)
        {
            state.nodes.remove(&key);
        }
    }

    /// Keeps a group's place for the deletion of `node`; false when somebody else has it.
    pub(super) fn hold_for_deletion(&self, node: &Arc<NodeInner>) -> bool {
        let key = node.key();
        let mut state = lock(&self.state);
        let free = match state.nodes.get(&key) {
            None => true,
            Some(Holder::Running(running)) => Arc::ptr_eq(running, node),
            Some(Holder::Starting | Holder::Deleting) => false,
        };
        if free {
            state.nodes.insert(key, Holder::Deleting);
        }
        free
    }

    pub(super) fn running(&self) -> Vec<Arc<NodeInner>> {
        lock(&self.state).running()
    }

    /// A number for the next node's generator.
    pub(super) fn next_seed(&self) -> u64 {
        lock(&self.state).seeds.next_u64()
    }

    /// Stops every node and lets the threads end. Waits for nothing.
    pub(super) fn shut_down(&self) {
        let state = lock(&self.state);
        let again = self.shut.swap(true, Ordering::SeqCst);
        let running = state.running();
        drop(state);
        if again {
            return;
        }
        self.ready.shut_down();
        for node in running {
            node.stop();
        }
        for link in &self.links {
            link.push(|inbox| inbox.control.push(Control::ShutDown));
        }
    }
}

impl State {
    fn running(&self) -> Vec<Arc<NodeInner>> {
        let running = self.nodes.values().filter_map(|holder| match holder {
            Holder::Running(node) => Some(Arc::clone(node)),
            Holder::Starting | Holder::Deleting => None,
        });
        running.collect()
    }
}
